//! Somebody in the story: an account, a conversation, an encrypted home folder, and what comes out of them.

use std::path::{Path, PathBuf};

use age::secrecy::SecretString;
use otrv4::keys::ForgingSecret;
use otrv4::wire::Padding;
use otrv4::{Account, Context, Event, Lifetimes, Output, Policy, Refused, Session};

use super::DemoError;
use crate::keep::{Bytes, Contact, Home, KeepError, State};
use crate::perform::{Client, perform};
use crate::system;

/// A person at their client.
pub(super) struct Person {
    pub(super) account: Account,
    session: Session,
    desk: Desk,
}

/// What is around account and session.
struct Desk {
    home: Home,
    state: State,
    contact: String,
    sent: Vec<String>,
    seen: Vec<Event>,
}

/// What a step led to.
pub(super) struct Seen {
    /// Lines for the network.
    pub(super) sent: Vec<String>,
    /// What the person is told.
    pub(super) events: Vec<Event>,
}

impl Person {
    /// Makes keys and a home folder for `id`, who wants to talk to `contact`.
    pub(super) fn new(folder: &Path, id: &str, contact: &str) -> Result<Self, DemoError> {
        let account =
            Account::new(id, ForgingSecret::Destroy, Lifetimes::default(), &mut system::rng(), system::now());
        let state = State::new(&account);
        let home = Home::create(&folder.join(id), Some(passphrase()), &state)?;
        Ok(Self::at(account, Session::new(contact, policy()), home, state, contact))
    }

    /// The client is closed: all that is left is the home folder.
    pub(super) fn leave(mut self) -> Result<Away, DemoError> {
        self.keep()?;
        let Desk { home, contact, .. } = self.desk;
        Ok(Away { folder: home.folder().to_owned(), contact })
    }

    /// Keeps everything now.
    pub(super) fn keep(&mut self) -> Result<(), DemoError> {
        self.desk.save(&self.account, &self.session, &[])
    }

    /// A step of the conversation, with all its consequences.
    pub(super) fn step(
        &mut self,
        step: impl FnOnce(&mut Session, &mut Context<'_>) -> Result<Vec<Output>, Refused>,
    ) -> Result<Seen, DemoError> {
        let Self { account, session, desk } = self;
        let (rng, now) = (&mut system::rng(), system::now());
        let outputs = step(session, &mut Context { account, rng, now })?;
        perform(&outputs, account, session, desk)?;
        Ok(Seen { sent: std::mem::take(&mut desk.sent), events: std::mem::take(&mut desk.seen) })
    }

    /// A line from the network.
    pub(super) fn receive(&mut self, line: &str) -> Result<Seen, DemoError> {
        self.step(|session, cx| Ok(session.receive(cx, line)))
    }

    /// A text for the other one.
    pub(super) fn send(&mut self, text: &str) -> Result<Seen, DemoError> {
        self.step(|session, cx| session.send(cx, None, text))
    }

    fn at(account: Account, session: Session, home: Home, state: State, contact: &str) -> Self {
        let desk = Desk { home, state, contact: contact.to_owned(), sent: Vec::new(), seen: Vec::new() };
        Self { account, session, desk }
    }
}

/// Somebody whose client does not run.
pub(super) struct Away {
    folder: PathBuf,
    contact: String,
}

impl Away {
    /// Opens the client again, from the folder alone.
    pub(super) fn come_back(self) -> Result<Person, DemoError> {
        let (home, state) = Home::open(&self.folder, || Ok::<_, KeepError>(passphrase()))?;
        let account = Account::load(state.account.as_slice())?;
        let session = match state.contacts.get(&self.contact) {
            Some(contact) => Session::load(contact.session.as_slice(), policy())?,
            None => Session::new(&self.contact, policy()),
        };
        Ok(Person::at(account, session, home, state, &self.contact))
    }
}

impl Client for Desk {
    type Error = DemoError;

    fn save(&mut self, account: &Account, session: &Session, _: &[Output]) -> Result<(), DemoError> {
        self.state.account = Bytes::from(account.save());
        let contact = self.state.contacts.entry(self.contact.clone()).or_insert_with(Contact::new);
        contact.session = Bytes::from(session.save());
        Ok(self.home.save(&self.state)?)
    }

    fn send(&mut self, line: &str) -> Result<(), DemoError> {
        self.sent.push(line.to_owned());
        Ok(())
    }

    fn show(&mut self, _: &Account, _: &Session, event: &Event) -> Result<(), DemoError> {
        self.seen.push(event.clone());
        Ok(())
    }
}

fn policy() -> Policy {
    Policy { require_encryption: true, padding: Padding::Classes, ..Policy::default() }
}

fn passphrase() -> SecretString {
    SecretString::from("correct horse battery staple".to_owned())
}
