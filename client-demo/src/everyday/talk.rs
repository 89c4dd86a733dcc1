//! `send` and `receive`: a conversation over processes that come and go.

use std::collections::BTreeSet;
use std::iter;

use otrv4::prekey::PrekeyEnsemble;
use otrv4::session::OperationMode;
use otrv4::{Account, Context, Event, Output, Policy, Session};

use super::desk::{is_encrypted, keep_outputs};
use super::{Choice, Desk, EverydayError, Place, Whom, server};
use crate::keep::{Bytes, Home, State};
use crate::network::{Letter, Network, shuffle};
use crate::perform::{Client, Next, converse, perform};
use crate::screen::{self, PUBLICATION_DUE, say};
use crate::system;

/// `send`: one text to a contact; without a conversation it starts one as the policy says: from what the prekey server
/// has of them, or by asking them when they are there.
pub(crate) fn send(
    place: &Place,
    network: &Network,
    choice: &Choice,
    whom: &Whom,
    text: &str,
) -> Result<(), EverydayError> {
    let contact = whom.contact.as_str();
    let mut desk = Desk::open_on(place, network)?;
    let policy = desk.policy(contact);
    let mut session = desk.session(contact)?;
    let starts = !session.instances().any(|client| is_encrypted(&client)) && !session.is_starting();
    let ensembles = match starts && allows_offline(&policy) {
        true => fetch(&mut desk, choice, contact, &policy)?,
        false => Vec::new(),
    };
    let Desk { home, state, account } = &mut desk;
    let mut talk = Talk::new(home, state, network, account.id(), contact);
    let (rng, now) = (&mut system::rng(), system::now());
    let cx = &mut Context { account, rng, now };
    let outputs = match ensembles.is_empty() {
        false => session.start_offline(cx, ensembles)?,
        true if starts && !allows_clear_text(&policy) => session.start(cx),
        true => Vec::new(),
    };
    perform(&outputs, account, &session, &mut talk)?;
    if let Some(tag) = whom.client {
        let outputs = session.select(&mut Context { account, rng, now }, tag)?;
        perform(&outputs, account, &session, &mut talk)?;
    }
    let mut text = Some(text.to_owned());
    converse(account, &mut session, &mut talk, |_, _| Ok(text.take().map(Next::Typed)))?;
    let encrypted = session.instances().any(|client| is_encrypted(&client));
    match (talk.kept_back, encrypted) {
        (true, _) => {}
        (false, true) => say("Sent.")?,
        (false, false) => say("Sent IN CLEAR TEXT: anyone on the way can read it. The policy allows it.")?,
    }
    desk.settle()
}

/// The contact's ensembles; none where nothing can be started and clear text will do.
fn fetch(
    desk: &mut Desk,
    choice: &Choice,
    contact: &str,
    policy: &Policy,
) -> Result<Vec<PrekeyEnsemble>, EverydayError> {
    match server::fetch(desk, choice, contact) {
        Err(EverydayError::NoServer | EverydayError::NoPrekeys { .. }) if allows_clear_text(policy) => {
            Ok(Vec::new())
        }
        fetched => fetched,
    }
}

/// `receive`: all that waits on the network, and what an earlier process received but did not show.
pub(crate) fn receive(place: &Place, network: &Network, shuffled: bool) -> Result<(), EverydayError> {
    let mut desk = Desk::open_on(place, network)?;
    let mut letters = network.take(desk.account.id())?;
    if shuffled {
        shuffle(&mut letters, &mut system::rng());
    }
    let mut people: BTreeSet<String> = letters.iter().map(|letter| letter.from.clone()).collect();
    people.extend(desk.state.contacts.keys().cloned());
    if people.remove("") {
        say("* The network has brought a file that is no letter; it is thrown away.")?;
    }
    for name in people {
        let mut session = desk.session(&name)?;
        let Desk { home, state, account } = &mut desk;
        let mut talk = Talk::new(home, state, network, account.id(), &name);
        let lines = letters.iter().filter(|letter| letter.from == name).map(|letter| letter.line.clone());
        let mut next = iter::once(Next::Deadline).chain(lines.map(Next::Line));
        converse(account, &mut session, &mut talk, |_, _| Ok(next.next()))?;
    }
    say(format_args!("{} line(s) from the network.", letters.len()))?;
    if desk.account.publication_due(system::now()) {
        say(PUBLICATION_DUE)?;
    }
    desk.settle()?;
    letters.into_iter().try_for_each(Letter::settle)?;
    Ok(())
}

/// Whether conversations may begin while one is away.
pub(super) fn allows_offline(policy: &Policy) -> bool {
    !policy.require_interactive && policy.operation != OperationMode::InteractiveOnly
}

/// Whether text may leave in clear.
fn allows_clear_text(policy: &Policy) -> bool {
    !policy.require_encryption && policy.operation == OperationMode::V3Compatible
}

/// Home folder, network and screen for the conversation with one contact.
pub(super) struct Talk<'a> {
    home: &'a Home,
    state: &'a mut State,
    network: &'a Network,
    me: String,
    contact: &'a str,
    /// The text waits until the conversation is encrypted, or was refused.
    kept_back: bool,
}

impl<'a> Talk<'a> {
    pub(super) fn new(
        home: &'a Home,
        state: &'a mut State,
        network: &'a Network,
        me: &str,
        contact: &'a str,
    ) -> Self {
        Self { home, state, network, me: me.to_owned(), contact, kept_back: false }
    }
}

impl Client for Talk<'_> {
    type Error = EverydayError;

    fn save(&mut self, account: &Account, session: &Session, rest: &[Output]) -> Result<(), EverydayError> {
        self.state.account = Bytes::from(account.save());
        // What came of earlier steps has been sent and shown by now.
        if let Some(contact) = self.state.contacts.get_mut(self.contact) {
            contact.unsent.clear();
            contact.unshown.clear();
        }
        keep_outputs(self.state, account, session, rest);
        Ok(self.home.save(self.state)?)
    }

    fn send(&mut self, line: &str) -> Result<(), EverydayError> {
        Ok(self.network.deliver(&self.me, self.contact, line)?)
    }

    fn show(&mut self, account: &Account, session: &Session, event: &Event) -> Result<(), EverydayError> {
        self.kept_back |= matches!(event, Event::Queued | Event::NotDone { .. });
        match event {
            // Said at the end, as long as it is so.
            Event::PublicationDue => {}
            event => say(screen::words(account, session, event))?,
        }
        Ok(())
    }
}
