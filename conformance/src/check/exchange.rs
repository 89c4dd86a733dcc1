//! Handshakes up to a message of ours that has not been sent: the cases change it, send it, and then send it as it was.

use super::Bench;
use crate::conversation::Conversation;
use crate::message::Message;
use crate::stop::{Step, failed};

/// A handshake that is under way.
pub(super) struct Exchange {
    pub(super) c: Conversation,
    /// The messages so far, of both sides, in order.
    pub(super) before: Vec<Message>,
    /// It is our turn: what an honest client would send now.
    pub(super) ours: Message,
}

/// Version 4: a running conversation, and an Identity message for a new one.
pub(super) fn identity(bench: &Bench<'_>) -> Step<Exchange> {
    let mut c = bench.talking()?;
    c.us.act(|session, cx| session.start_identity(cx));
    Exchange::answering(c, Vec::new(), Vec::new())
}

/// A running conversation in which they have begun a new handshake; Auth-R.
pub(super) fn auth_r(bench: &Bench<'_>) -> Step<Exchange> {
    let mut c = bench.talking()?;
    let identity = c.them.obey("identity")?.out();
    Exchange::answering(c, Vec::new(), identity)
}

/// A running conversation in which we have begun a new handshake; Auth-I.
pub(super) fn auth_i(bench: &Bench<'_>) -> Step<Exchange> {
    identity(bench)?.next()
}

/// Versions 3 and 2: nobody knows anybody, they have asked; D-H Commit.
pub(super) fn commit(bench: &Bench<'_>) -> Step<Exchange> {
    let mut c = bench.strangers()?;
    let query = c.them.obey("query")?.out();
    query.iter().for_each(|line| c.us.receive(line));
    Exchange::answering(c, Vec::new(), Vec::new())
}

/// The same one step later: Reveal Signature.
pub(super) fn reveal_signature(bench: &Bench<'_>) -> Step<Exchange> {
    commit(bench)?.next()
}

/// We have asked, and they have committed to a key; D-H Key.
pub(super) fn dh_key(bench: &Bench<'_>) -> Step<Exchange> {
    let mut c = bench.strangers()?;
    c.us.act(|session, cx| session.start(cx));
    let query = c.us.take();
    let commit = c.deliver(&query)?.out();
    Exchange::answering(c, Vec::new(), commit)
}

/// The same one step later: Signature.
pub(super) fn signature(bench: &Bench<'_>) -> Step<Exchange> {
    dh_key(bench)?.next()
}

impl Exchange {
    /// What we say to lines of theirs, behind those messages.
    fn answering(mut c: Conversation, mut before: Vec<Message>, theirs: Vec<String>) -> Step<Self> {
        for line in &theirs {
            before.push(Message::of(line)?);
            c.us.receive(line);
        }
        let ours = match c.us.take().as_slice() {
            [line] => Message::of(line)?,
            lines => return failed(format!("{} lines of ours instead of one", lines.len())),
        };
        Ok(Self { c, before, ours })
    }

    /// Sends our message, and gives our answer to theirs.
    fn next(self) -> Step<Self> {
        let honest = self.ours.clone();
        self.sending(honest)
    }

    /// The same with another message in the place of ours.
    pub(super) fn sending(self, message: Message) -> Step<Self> {
        let Self { mut c, mut before, .. } = self;
        let theirs = c.them.receive(&message.line())?.out();
        before.push(message);
        Self::answering(c, before, theirs)
    }
}

/// The honest message still does what it should.
pub(super) fn completes(c: &mut Conversation, honest: &Message) -> Step {
    let mut said = c.them.receive(&honest.line())?;
    said.add(c.carry(said.out())?);
    c.is_the_same(&said)?;
    c.lives()
}

/// None of these does anything.
pub(super) fn all_ignored(c: &mut Conversation, what: &str, damaged: Vec<(String, Message)>) -> Step {
    for (how, message) in damaged {
        c.ignored(&format!("{what}: {how}"), &message.line())?;
    }
    Ok(())
}
