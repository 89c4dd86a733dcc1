//! Key exchanges, seen from outside: which message of one answers which, and whose session id came with it. Used by
//! [`super::world`] and [`super::network`].

use std::collections::HashMap;

use otrv4::{Event, Output, Reject, Timestamp};

use super::invariants::{Check, violated};
use super::lines::{Kind, Message};
use super::record::{Record, Sent, Ssid};
use super::world::Step;

/// What is known of them.
#[derive(Default)]
pub(crate) struct Handshakes {
    /// By the message that completes one: the session id that its sender was told of when it went out.
    ssids: HashMap<usize, Ssid>,
    /// By client: the message of a key exchange that it has sent last, and when, as long as nothing else has happened to it that
    /// concerns key exchanges.
    waiting: HashMap<usize, (usize, Timestamp)>,
    /// The message that is just coming, if its receiver waits for it or it is a first one: what is sent now answers it.
    in_turn: Option<usize>,
}

/// What a step had to do with key exchanges.
#[derive(Default)]
pub(crate) struct OfStep {
    /// Messages that were sent, and whether for the first time.
    pub(crate) sent: Vec<(usize, bool)>,
    /// Conversations that have begun: with whom, and their session ids.
    pub(crate) began: Vec<(u32, Ssid)>,
}

impl Handshakes {
    /// The two ends of one key exchange have the same session id: the one that was told of it when it sent the message that
    /// completes it, and the one that is told when that message comes. Gives how many were compared.
    pub(crate) fn both_ends_have_the_same_session_id(
        &mut self,
        record: &Record,
        client: usize,
        step: Step,
        of_step: &OfStep,
    ) -> Result<u64, super::Violation> {
        let mut compared = 0;
        for (with, ssid) in &of_step.began {
            let completes =
                |number: &usize| handshake(&record.sent[*number]).is_some_and(|(kind, _)| kind.completes());
            let to_them =
                |number: &usize| handshake(&record.sent[*number]).is_some_and(|(_, to)| to == *with);
            let mut ours = of_step.sent.iter().map(|(number, _)| *number);
            if let Some(ours) = ours.find(|number| completes(number) && to_them(number)) {
                self.ssids.insert(ours, *ssid);
                continue;
            }
            let Step::Received(message) = step else { continue };
            match self.ssids.get(&message).filter(|_| completes(&message)) {
                Some(theirs) if theirs != ssid => {
                    let what = format!("message {message}: client {client} has {ssid:?}, not {theirs:?}");
                    return violated("both_ends_have_the_same_session_id", what);
                }
                Some(_) => compared += 1,
                None => {}
            }
        }
        Ok(compared)
    }

    /// A message is about to come, whole. Whether it has to bring a key exchange on: it answers what its receiver has sent last,
    /// less than ten minutes ago, and nothing has disturbed that on either side.
    pub(crate) fn is_due(&mut self, to: usize, number: usize, sent: &Sent, now: Timestamp) -> bool {
        self.in_turn = None;
        let Some((kind, _)) = handshake(sent) else { return false };
        let waited_for =
            |(ours, at): &(usize, Timestamp)| sent.answers == Some(*ours) && now < at.plus(WAITS_FOR);
        let in_turn = kind.is_first() || self.waiting.get(&to).is_some_and(waited_for);
        self.in_turn = in_turn.then_some(number);
        in_turn && kind.is_answer()
    }

    /// What a message that goes out in this step answers.
    pub(crate) fn answered(&self, step: Step) -> Option<usize> {
        self.in_turn.filter(|message| step == Step::Received(*message))
    }

    /// At the end of a step: what its client waits for.
    pub(crate) fn note(
        &mut self,
        record: &Record,
        client: usize,
        step: Step,
        of_step: &OfStep,
        now: Timestamp,
    ) {
        let received = match step {
            Step::Received(message) | Step::ReceivedPiece(message) => {
                handshake(&record.sent[message]).is_some()
            }
            _ => false,
        };
        match of_step.sent[..] {
            [(number, true)] => _ = self.waiting.insert(client, (number, now)),
            [] if of_step.began.is_empty() && !received => {}
            _ => self.disturb(client),
        }
    }

    /// Something has happened to a client after which nothing is said of what it waits for.
    pub(crate) fn disturb(&mut self, client: usize) {
        self.waiting.remove(&client);
    }
}

/// A message that answers what its receiver has sent last, in time and undisturbed, brings the key exchange on: it is answered, or
/// a conversation begins; the last one always begins one. Or the key is refused, by somebody who may keep another conversation.
pub(crate) fn what_nothing_disturbs_completes(
    number: usize,
    sent: &Sent,
    outputs: &[Output],
    may_keep: bool,
) -> Check {
    let begins = |output: &Output| matches!(output, Output::Event(Event::Secure { .. }));
    let sends = |output: &Output| matches!(output, Output::Send(_));
    let last = handshake(sent).is_some_and(|(kind, _)| kind.completes());
    let refused = |output: &Output| matches!(output, Output::Event(Event::Rejected { .. }));
    let other_key =
        |output: &Output| matches!(output, Output::Event(Event::Rejected { reason: Reject::OtherKey, .. }));
    if may_keep && outputs.iter().any(other_key) {
        return Ok(());
    }
    if outputs.iter().any(begins) || (!last && outputs.iter().any(sends) && !outputs.iter().any(refused)) {
        return Ok(());
    }
    violated("what_nothing_disturbs_completes", format!("message {number} ({:?}): {outputs:?}", sent.message))
}

fn handshake(sent: &Sent) -> Option<(Kind, u32)> {
    match sent.message {
        Some(Message::Handshake { kind, to }) => Some((kind, to)),
        _ => None,
    }
}

/// Seconds that a handshake waits for its next message.
const WAITS_FOR: i64 = 600;
