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
            self.lines.extend(keeper.unanswered().iter().cloned());
        }
    }

    /// Keeps account, session and the answer: what it says so far, and what is still to come. If it fails, nothing may be
    /// kept after it: the state in memory is then ahead of what was said.
    pub(super) fn keep(
        &mut self,
        account: &Account,
        session: &Session,
        rest: &[Output],
    ) -> Result<(), KeepError> {
        let Some(keeper) = &mut self.keeper else { return Ok(()) };
        let lines = rest.iter().filter_map(line).map(Zeroizing::new);
        keeper.keep(account, session, self.lines.iter().cloned().chain(lines).collect())
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
        if let Some(keeper) = &mut self.keeper {
            keeper.settle()?;
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
        let (account, home, state) = if Home::exists(folder) {
            let passphrase = || passphrase.ok_or_else(|| KeepError::NoPassphrase(folder.to_owned()));
            let (home, state) = Home::open(folder, passphrase)?;
            (Account::load(state.account.as_slice())?, home, state)
        } else {
            let account = new();
            let state = State::new(&account);
            (account, Home::create(folder, passphrase, &state)?, state)
        };
        // Each time, and above all where a passphrase was given and is of no use.
        if !Home::is_protected(folder) {
            eprintln!(
                "client-demo: no passphrase protects {}: what does is the file identity.key in it, which only you may read",
                folder.display()
            );
        }
        Ok((account, Self { home, contact, state }))
    }

    /// The conversation, if there is one.
    pub(super) fn session(&self) -> Option<&[u8]> {
        self.state.contacts.get(&self.contact).map(|contact| contact.session.as_slice())
    }

    fn unanswered(&self) -> &[Zeroizing<String>] {
        self.state.contacts.get(&self.contact).map_or(&[], |contact| contact.unanswered.as_slice())
    }

    fn keep(
        &mut self,
        account: &Account,
        session: &Session,
        unanswered: Vec<Zeroizing<String>>,
    ) -> Result<(), KeepError> {
        self.state.account = Bytes::from(account.save());
        let contact = self.state.contacts.entry(self.contact.clone()).or_insert_with(Contact::new);
        contact.session = Bytes::from(session.save());
        contact.unanswered = unanswered;
        self.home.save(&self.state)
    }

    /// The answer has been given: what was kept of it goes.
    fn settle(&mut self) -> Result<(), KeepError> {
        match self.state.contacts.get_mut(&self.contact) {
            Some(contact) if !contact.unanswered.is_empty() => {
                contact.unanswered.clear();
                self.home.save(&self.state)
            }
            _ => Ok(()),
        }
    }

    fn differs(&self, account: &Account, session: &Session) -> bool {
        let session_differs = self.session().is_none_or(|saved| saved != session.save().as_slice());
        session_differs || self.state.account.as_slice() != account.save().as_slice()
    }
}

#[cfg(test)]
mod tests {
    use otrv4::keys::ForgingSecret;
    use otrv4::{Lifetimes, Policy};

    use super::*;

    fn open(folder: &Path, contact: &str) -> (Account, Session, Outside) {
        let (rng, now) = (&mut system::rng(), system::now());
        let new = || Account::new("bob", ForgingSecret::Destroy, Lifetimes::default(), rng, now);
        let (account, keeper) = Keeper::open(folder, contact, None, new).expect("opened");
        (account, Session::new(contact, Policy::default()), Outside::new(None, Some(keeper)))
    }

    /// What a process says first.
    fn greeting(folder: &Path, contact: &str) -> String {
        let (account, session, mut outside) = open(folder, contact);
        outside.greet("event ready".to_owned());
        outside.keep_changes(&account, &session).expect("kept");
        let mut said = Vec::new();
        outside.give(&mut said).expect("given");
        String::from_utf8(said).expect("UTF-8")
    }

    #[test]
    fn an_answer_that_was_not_given_waits_for_its_own_contact() {
        let folder = tempfile::tempdir().expect("a folder");
        let (account, session, mut outside) = open(folder.path(), "alice");
        outside.say("plain from alice".to_owned());
        outside.keep(&account, &session, &[Output::Send("to alice".to_owned())]).expect("kept");
        drop(outside);
        assert_eq!(greeting(folder.path(), "carol"), "event ready\nevent done\n");
        let pending = "event ready\nplain from alice\nout to alice\nevent done\n";
        assert_eq!(greeting(folder.path(), "alice"), pending);
        assert_eq!(greeting(folder.path(), "alice"), "event ready\nevent done\n", "given once");
    }
}
