//! What a pipe has around its session: a clock, the answer that is being put together, and the home folder.

use std::io::Write;
use std::path::Path;

use age::secrecy::SecretString;
use otrv4::{Account, Event, Output, Session, Timestamp};
use zeroize::Zeroizing;

use super::lines::{event_line, line, wire_line};
use super::{NotDone, PipeError};
use crate::keep::{Bytes, Contact, Home, KeepError, State};
use crate::perform::Client;
use crate::system;

/// Everything but account and session.
pub(super) struct Outside {
    clock: Option<Timestamp>,
    /// The answer so far; given at the end of the command.
    lines: Vec<Zeroizing<String>>,
    keeper: Option<Keeper>,
}

/// The home folder and what is in it.
pub(super) struct Keeper {
    home: Home,
    contact: String,
    state: State,
}

impl Outside {
    pub(super) fn new(clock: Option<Timestamp>, keeper: Option<Keeper>) -> Self {
        Self { clock, lines: Vec::new(), keeper }
    }

    pub(super) fn clock(&self) -> Timestamp {
        self.clock.unwrap_or_else(system::now)
    }

    pub(super) fn set_clock(&mut self, now: Timestamp) {
        self.clock = Some(now);
    }

    pub(super) fn has_home(&self) -> bool {
        self.keeper.is_some()
    }

    pub(super) fn say(&mut self, line: String) {
        self.lines.push(Zeroizing::new(line));
    }

    /// The first lines: `ready`, then what an earlier process kept but did not get to say.
    pub(super) fn greet(&mut self, ready: String) {
        self.say(ready);
        if let Some(keeper) = &self.keeper {
            self.lines.extend(keeper.state.unanswered.iter().cloned());
        }
    }

    /// Keeps account, session and the answer: what it says so far, and what is still to come.
    pub(super) fn keep(
        &mut self,
        account: &Account,
        session: &Session,
        rest: &[Output],
    ) -> Result<(), KeepError> {
        let Some(keeper) = &mut self.keeper else { return Ok(()) };
        keeper.set(account, session);
        let lines = rest.iter().filter_map(line).map(Zeroizing::new);
        keeper.state.unanswered = self.lines.iter().cloned().chain(lines).collect();
        keeper.home.save(&keeper.state)
    }

    /// The same, if something was not kept yet.
    pub(super) fn keep_changes(&mut self, account: &Account, session: &Session) -> Result<(), KeepError> {
        match &self.keeper {
            Some(keeper) if keeper.differs(account, session) => self.keep(account, session, &[]),
            _ => Ok(()),
        }
    }

    /// Gives the answer. Only when it is out, and is kept no longer for the next process to give, is the command done:
    /// who has read `event done` never sees the answer again.
    pub(super) fn give(&mut self, output: &mut impl Write) -> Result<(), PipeError> {
        for line in self.lines.drain(..) {
            writeln!(output, "{}", line.as_str())?;
        }
        output.flush()?;
        if let Some(keeper) = self.keeper.as_mut().filter(|keeper| !keeper.state.unanswered.is_empty()) {
            keeper.state.unanswered.clear();
            keeper.home.save(&keeper.state)?;
        }
        writeln!(output, "event done")?;
        Ok(output.flush()?)
    }
}

/// Lines are given at the end of the command, and so after every save that they rely on.
impl Client for Outside {
    type Error = NotDone;

    fn save(&mut self, account: &Account, session: &Session, rest: &[Output]) -> Result<(), NotDone> {
        Ok(self.keep(account, session, rest)?)
    }

    fn send(&mut self, line: &str) -> Result<(), NotDone> {
        self.say(wire_line(line));
        Ok(())
    }

    fn show(&mut self, _: &Account, _: &Session, event: &Event) -> Result<(), NotDone> {
        self.lines.extend(event_line(event).map(Zeroizing::new));
        Ok(())
    }
}

impl Keeper {
    /// Opens the home folder, or makes it with a new account.
    pub(super) fn open(
        folder: &Path,
        contact: &str,
        passphrase: Option<SecretString>,
        new: impl FnOnce() -> Account,
    ) -> Result<(Account, Self), PipeError> {
        let contact = contact.to_owned();
        if !Home::exists(folder) {
            if passphrase.is_none() {
                eprintln!(
                    "client-demo: no passphrase: what protects {} is the file identity.key in it, which only you may read",
                    folder.display()
                );
            }
            let account = new();
            let state = State::new(&account);
            let home = Home::create(folder, passphrase, &state)?;
            return Ok((account, Self { home, contact, state }));
        }
        let passphrase = || passphrase.ok_or_else(|| KeepError::NoPassphrase(folder.to_owned()));
        let (home, state) = Home::open(folder, passphrase)?;
        let account = Account::load(state.account.as_slice())?;
        Ok((account, Self { home, contact, state }))
    }

    /// The conversation, if there is one.
    pub(super) fn session(&self) -> Option<&[u8]> {
        self.state.contacts.get(&self.contact).map(|contact| contact.session.as_slice())
    }

    fn set(&mut self, account: &Account, session: &Session) {
        self.state.account = Bytes::from(account.save());
        let contact = self.state.contacts.entry(self.contact.clone()).or_insert_with(Contact::new);
        contact.session = Bytes::from(session.save());
    }

    fn differs(&self, account: &Account, session: &Session) -> bool {
        let session_differs = self.session().is_none_or(|saved| saved != session.save().as_slice());
        session_differs || self.state.account.as_slice() != account.save().as_slice()
    }
}
