//! The loop of a chat client, to be copied; it needs a [`Client`]: a place to keep things, a network, a screen.

use crate::system;
use otrv4::{Account, Context, Event, Output, Refused, Session, Timestamp};

/// What can happen: the network brings a line, our user has typed a text, or [`Session::next_deadline`] has come.
pub(crate) enum Next {
    Line(String),
    Typed(String),
    Deadline,
}

/// What a session needs from the outside.
pub(crate) trait Client {
    type Error: From<Refused>;
    /// Keeps both, encrypted and whole, and in the same write the `rest` of the outputs: it exists nowhere else.
    fn save(&mut self, account: &Account, session: &Session, rest: &[Output]) -> Result<(), Self::Error>;
    /// Puts a line on the network.
    fn send(&mut self, line: &str) -> Result<(), Self::Error>;
    /// Shows what happened; for a message also whether the key that it came from is verified.
    fn show(&mut self, account: &Account, session: &Session, event: &Event) -> Result<(), Self::Error>;
}

/// Goes on until `next` has nothing more; it waits for the first of a line, a text and the deadline that it is given.
pub(crate) fn converse<C: Client>(
    account: &mut Account,
    session: &mut Session,
    client: &mut C,
    mut next: impl FnMut(&mut C, Timestamp) -> Result<Option<Next>, C::Error>,
) -> Result<(), C::Error> {
    while let Some(next) = next(client, session.next_deadline(account))? {
        let cx = &mut Context { account: &mut *account, rng: &mut system::rng(), now: system::now() };
        let outputs = match next {
            Next::Line(line) => session.receive(cx, &line),
            Next::Typed(text) => session.send(cx, None, &text)?,
            Next::Deadline => session.tick(cx),
        };
        perform(&outputs, account, session, client)?;
    }
    Ok(())
}

/// Does what the session wants done, in order. If saving fails the rest must not happen.
pub(crate) fn perform<C: Client>(
    mut outputs: &[Output],
    account: &Account,
    session: &Session,
    client: &mut C,
) -> Result<(), C::Error> {
    while let [output, rest @ ..] = outputs {
        match output {
            Output::Save => client.save(account, session, rest)?,
            Output::Send(line) => client.send(line)?,
            Output::Event(event) => client.show(account, session, event)?,
        }
        outputs = rest;
    }
    Ok(())
}
