//! Alice, Bob, and the wire between them, which somebody records.

use otrv4::keys::ForgingSecret;
use otrv4::{Account, Context, Event, Lifetimes, Output, Policy, Session};
use zeroize::Zeroizing;

use super::PlayError;
use crate::keep::Settings;
use crate::system;

pub(super) const ALICE: &str = "alice@example.org";
pub(super) const BOB: &str = "bob@example.org";

/// A person at their client.
pub(super) struct Client {
    pub(super) account: Account,
    session: Session,
    events: Vec<Event>,
}

/// What is left of a client that was closed: account and session.
pub(super) struct Kept(Zeroizing<Vec<u8>>, Zeroizing<Vec<u8>>);

impl Client {
    pub(super) fn new(id: &str, with: &str) -> Self {
        let (rng, now) = (&mut system::rng(), system::now());
        let account = Account::new(id, ForgingSecret::Destroy, Lifetimes::default(), rng, now);
        Self { account, session: Session::new(with, policy()), events: Vec::new() }
    }

    /// A copy of everything that this client has.
    pub(super) fn keep(&self) -> Kept {
        Kept(self.account.save(), self.session.save())
    }

    pub(super) fn step(
        &mut self,
        ask: impl FnOnce(&mut Session, &mut Context<'_>) -> Result<Vec<Output>, otrv4::Refused>,
    ) -> Result<Vec<String>, PlayError> {
        let Self { account, session, events } = self;
        let (rng, now) = (&mut system::rng(), system::now());
        let mut lines = Vec::new();
        for output in ask(session, &mut Context { account, rng, now })? {
            match output {
                Output::Save => {}
                Output::Send(line) => lines.push(line),
                Output::Event(event) => events.push(event),
            }
        }
        Ok(lines)
    }

    /// Takes a line; what it answers.
    pub(super) fn receive(&mut self, line: &str) -> Result<Vec<String>, PlayError> {
        self.step(|session, cx| Ok(session.receive(cx, line)))
    }

    /// What was read since the last time, and whether a line was refused.
    pub(super) fn told(&mut self) -> (Vec<String>, bool) {
        let events = std::mem::take(&mut self.events);
        let refused = events.iter().any(|event| matches!(event, Event::Rejected { .. }));
        let texts = events.into_iter().filter_map(|event| match event {
            Event::Message { text, .. } => Some(text),
            _ => None,
        });
        (texts.collect(), refused)
    }
}

impl Kept {
    /// Opens the client again, as it was.
    pub(super) fn open(&self) -> Result<Client, PlayError> {
        let (account, session) = (Account::load(&self.0)?, Session::load(&self.1, policy())?);
        Ok(Client { account, session, events: Vec::new() })
    }
}

/// Everything that went over the network, in its order. Who records it has no key.
#[derive(Default)]
pub(super) struct Wire(pub(super) Vec<String>);

impl Wire {
    /// Carries lines to one, and what comes of them back and forth, until nobody has anything to say.
    pub(super) fn carry<'a>(
        &mut self,
        mut lines: Vec<String>,
        mut to: &'a mut Client,
        mut from: &'a mut Client,
    ) -> Result<(), PlayError> {
        while !lines.is_empty() {
            let mut answers = Vec::new();
            for line in &lines {
                answers.extend(to.receive(line)?);
            }
            self.0.append(&mut lines);
            lines = answers;
            (to, from) = (from, to);
        }
        Ok(())
    }
}

/// That of this client, where its owner has set nothing.
pub(super) fn policy() -> Policy {
    Settings::policy(&[])
}
