//! `send` and `receive`: a conversation over processes that come and go.

use std::collections::BTreeSet;
use std::iter;

use otrv4::{Account, Context, Event, Output, Policy, Protection, Session};

use super::{Choice, Desk, EverydayError, Place, server};
use crate::keep::{Bytes, Contact, Home, State};
use crate::network::{Letter, Network, shuffle};
use crate::perform::{Client, Next, converse, perform};
use crate::screen::{self, say};
use crate::system;

/// `send`: one text to a contact; without a conversation it starts one from what the prekey server has of them.
pub(crate) fn send(
    place: &Place,
    network: &Network,
    choice: &Choice,
    contact: &str,
    text: &str,
) -> Result<(), EverydayError> {
    let mut desk = open(place, network)?;
    let mut session = load(&desk.state, contact)?;
    let encrypted =
        session.instances().any(|client| matches!(client.protection, Protection::Encrypted { .. }));
    let ensembles = match encrypted {
        true => Vec::new(),
        false => server::fetch(&mut desk, choice, contact)?,
    };
    let Desk { home, state, account } = &mut desk;
    let mut talk = Talk { home, state, network, me: account.id().to_owned(), contact };
    if !ensembles.is_empty() {
        let (rng, now) = (&mut system::rng(), system::now());
        let outputs = session.start_offline(&mut Context { account, rng, now }, ensembles)?;
        perform(&outputs, account, &session, &mut talk)?;
    }
    let mut text = Some(text.to_owned());
    converse(account, &mut session, &mut talk, |_, _| Ok(text.take().map(Next::Typed)))?;
    say("Sent.")?;
    settle(&mut desk)
}

/// `receive`: all that waits on the network, and what an earlier process received but did not show.
pub(crate) fn receive(place: &Place, network: &Network, shuffled: bool) -> Result<(), EverydayError> {
    let mut desk = open(place, network)?;
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
        let mut session = load(&desk.state, &name)?;
        let Desk { home, state, account } = &mut desk;
        let mut talk = Talk { home, state, network, me: account.id().to_owned(), contact: &name };
        let lines = letters.iter().filter(|letter| letter.from == name).map(|letter| letter.line.clone());
        let mut next = iter::once(Next::Deadline).chain(lines.map(Next::Line));
        converse(account, &mut session, &mut talk, |_, _| Ok(next.next()))?;
    }
    say(format_args!("{} line(s) from the network.", letters.len()))?;
    settle(&mut desk)?;
    letters.into_iter().try_for_each(Letter::settle)?;
    Ok(())
}

/// Opens the home, and does first what an earlier process kept but did not get to do. A line that goes out twice does
/// no harm.
fn open(place: &Place, network: &Network) -> Result<Desk, EverydayError> {
    let desk = Desk::open(place)?;
    for (name, contact) in &desk.state.contacts {
        contact.unsent.iter().try_for_each(|line| network.deliver(desk.account.id(), name, line))?;
        contact.unshown.iter().try_for_each(|words| say(words.as_str()))?;
    }
    Ok(desk)
}

/// All has been sent and shown: what was kept of it goes.
fn settle(desk: &mut Desk) -> Result<(), EverydayError> {
    for contact in desk.state.contacts.values_mut() {
        contact.unsent.clear();
        contact.unshown.clear();
    }
    desk.keep()
}

/// Text never goes out in clear from here.
fn load(state: &State, contact: &str) -> Result<Session, EverydayError> {
    let policy = Policy { require_encryption: true, ..Policy::default() };
    Ok(match state.contacts.get(contact) {
        Some(contact) => Session::load(contact.session.as_slice(), policy)?,
        None => Session::new(contact, policy),
    })
}

/// Home folder, network and screen for the conversation with one contact.
struct Talk<'a> {
    home: &'a Home,
    state: &'a mut State,
    network: &'a Network,
    me: String,
    contact: &'a str,
}

impl Client for Talk<'_> {
    type Error = EverydayError;

    fn save(&mut self, account: &Account, session: &Session, rest: &[Output]) -> Result<(), EverydayError> {
        self.state.account = Bytes::from(account.save());
        let contact = self.state.contacts.entry(self.contact.to_owned()).or_insert_with(Contact::new);
        contact.session = Bytes::from(session.save());
        // What came of earlier steps has been sent and shown by now.
        contact.unsent.clear();
        contact.unshown.clear();
        for output in rest {
            match output {
                Output::Save => {}
                Output::Send(line) => contact.unsent.push(line.clone()),
                Output::Event(event) => contact.unshown.push(screen::words(self.contact, event).into()),
            }
        }
        Ok(self.home.save(self.state)?)
    }

    fn send(&mut self, line: &str) -> Result<(), EverydayError> {
        Ok(self.network.deliver(&self.me, self.contact, line)?)
    }

    fn show(&mut self, event: &Event) -> Result<(), EverydayError> {
        say(format_args!("{}", screen::words(self.contact, event)))?;
        Ok(())
    }
}
