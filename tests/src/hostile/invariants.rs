//! What must hold, whatever the network does. Each is a function that gives [`Violation`] where it does not; what they go by
//! is in [`super::model`] (what users know) and [`super::record`] (what is on the wire), never in the library's state.

use std::collections::{HashMap, HashSet};

use otrv4::session::{EndedBy, OperationMode};
use otrv4::{Event, Mode, Output, Policy, Timestamp};

use super::client::Client;
use super::lines::Message;
use super::model::{End, Model, Text, View};
use super::record::{Sent, Ssid};
use super::world::Step;

/// Something that must not be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The name of a function in `invariants.rs` or `revealed.rs`, or of a check that stands where it is made.
    pub invariant: &'static str,
    /// What was seen.
    pub detail: String,
}

/// Nothing, or what is wrong.
pub(crate) type Check = Result<(), Violation>;

/// Fails.
pub(crate) fn violated<T>(invariant: &'static str, detail: String) -> Result<T, Violation> {
    Err(Violation { invariant, detail })
}

/// A decrypted message is exactly one that the client with that tag has sent to this client, encrypted, and it has not been
/// on this screen before. In versions 3 and 2 a text may come once more as one that was sent again.
pub(crate) fn shown_once_and_as_sent(
    model: &mut Model,
    clients: &[Client],
    at: usize,
    from: u32,
    shown: &str,
) -> Check {
    let name = "shown_once_and_as_sent";
    let again = shown.strip_prefix("[resent] ");
    let Some(text) = model.by_text.get(again.unwrap_or(shown)).copied() else {
        return violated(name, format!("client {at} shows what nobody has typed: {shown:?}"));
    };
    let Text { author, to, .. } = &model.texts[text];
    let author = &clients[*author];
    let tags = [author.tag(), 0];
    if author.person == clients[at].person || !tags.contains(&from) {
        return violated(name, format!("client {at} shows {shown:?} as from {from:08x}"));
    }
    if !to.contains(&clients[at].tag()) && !to.contains(&0) {
        return violated(name, format!("client {at} shows {shown:?}, which was not encrypted to it"));
    }
    if !model.shown.insert((text, at, again.is_some())) {
        return violated(name, format!("client {at} shows {shown:?} twice"));
    }
    Ok(())
}

/// Clear text on a screen is not what somebody has typed to be encrypted.
pub(crate) fn no_secret_comes_in_clear(model: &Model, at: usize, shown: &str) -> Check {
    match model.by_text.get(shown) {
        Some(text) if !model.texts[*text].clear => {
            violated("no_secret_comes_in_clear", format!("client {at} shows {shown:?} as clear text"))
        }
        _ => Ok(()),
    }
}

/// A text leaves in clear only if its user's policy allows that, and only while nothing is encrypted, no handshake runs, the
/// user has not asked for a conversation in the last two minutes, and none has ended without the user's wish since.
/// spec-notes/SN-032
pub(crate) fn no_clear_text_but_when_allowed(
    view: &View,
    policy: &Policy,
    now: Timestamp,
    line: &str,
) -> Check {
    let encrypted = view.channels.values().any(|known| known.current.is_some());
    let lately = |at: Option<Timestamp>, seconds| at.is_some_and(|at| now < at.plus(seconds));
    let why = if policy.require_encryption || policy.operation != OperationMode::V3Compatible {
        "although the policy requires encryption"
    } else if encrypted {
        "in an encrypted conversation"
    } else if view.ended {
        "after a conversation that the user has not ended"
    } else if lately(view.asked_at, 120) {
        "although the user has just asked for a conversation"
    } else if view.handshakes.values().any(|at| lately(Some(*at), 600)) {
        "while a handshake runs"
    } else {
        return Ok(());
    };
    violated("no_clear_text_but_when_allowed", format!("{line:?} leaves in clear {why}"))
}

/// What encrypts one message encrypts no other. In version 4 the sender's ECDH key, the ratchet and the message's number name
/// the key; in version 3 the keys of both, of which the sender's next one is known and random, and the counter.
#[derive(Default)]
pub(crate) struct UsedKeys {
    used: HashMap<Vec<u8>, usize>,
}

impl UsedKeys {
    pub(crate) fn no_key_encrypts_twice(&mut self, number: usize, sent: &Sent) -> Check {
        let name: Vec<u8> = match &sent.message {
            Some(Message::Data4(data)) => {
                [&data.ecdh[..], &data.i.to_be_bytes(), &data.j.to_be_bytes()].concat()
            }
            Some(Message::Data3(data)) => {
                let (to, counter) = (data.recipient_keyid.to_be_bytes(), data.counter.to_be_bytes());
                [&data.next_dh[..], &to, &counter].concat()
            }
            _ => return Ok(()),
        };
        match self.used.insert(name, number) {
            Some(before) => violated(
                "no_key_encrypts_twice",
                format!("messages {before} and {number} of client {}", sent.from),
            ),
            None => Ok(()),
        }
    }
}

/// A conversation has two ends at most, which name each other, agree on version and on whose half of the session id is
/// whose, and hear of it once.
pub(crate) fn a_conversation_has_two_ends(
    ends: &mut HashMap<Ssid, Vec<End>>,
    clients: &[Client],
    ssid: Ssid,
    end: End,
) -> Check {
    let name = "a_conversation_has_two_ends";
    let ends = ends.entry(ssid).or_default();
    ends.push(end);
    let ours = &clients[end.client];
    let at_other_end = |other: &Client| other.person != ours.person && [other.tag(), 0].contains(&end.with);
    if !clients.iter().any(at_other_end) {
        return violated(name, format!("{end:?} names nobody"));
    }
    match ends[..] {
        [_] => Ok(()),
        [one, other] => {
            let names = |one: End, other: End| one.with == 0 || one.with == clients[other.client].tag();
            let agree = names(one, other)
                && names(other, one)
                && clients[one.client].person != clients[other.client].person
                && one.first_half != other.first_half
                && one.version == other.version;
            if agree { Ok(()) } else { violated(name, format!("{one:?} and {other:?}")) }
        }
        _ => violated(name, format!("{ends:?}")),
    }
}

/// A message that arrived as it was sent, in a conversation that its receiver can read in, is on the screen after the step.
pub(crate) fn what_is_owed_is_shown(
    model: &Model,
    at: usize,
    sent: &Sent,
    number: usize,
    done: &[Output],
) -> Check {
    let Some((text, _)) = sent.text else { return Ok(()) };
    if model.shown.contains(&(text, at, false)) {
        return Ok(());
    }
    let text = &model.texts[text].text;
    violated("what_is_owed_is_shown", format!("message {number} ({text:?}) to client {at}: {done:?}"))
}

/// What was not sent by anybody changes no conversation: nothing is shown, begun or ended by it. And what is refused changes
/// nothing at all, except that a message of a first ratchet is kept, whole, since it may have overtaken its handshake
/// (spec-notes/SN-028); then `kept` are its bytes.
pub(crate) fn what_is_false_changes_nothing(
    line: &str,
    outputs: &[Output],
    before: &(Vec<u8>, Vec<String>),
    after: &(Vec<u8>, Vec<String>),
    is_data: bool,
    kept: Option<&[u8]>,
) -> Check {
    let name = "what_is_false_changes_nothing";
    let acts = |output: &&Output| {
        matches!(
            output,
            Output::Event(
                Event::Message { .. }
                    | Event::Secure { .. }
                    | Event::Ended { .. }
                    | Event::SmpAsked { .. }
                    | Event::SmpSucceeded { .. }
                    | Event::SmpFailed { .. }
                    | Event::SmpAborted { .. }
                    | Event::ExtraKey { .. }
            )
        )
    };
    if let Some(output) = outputs.iter().find(acts) {
        return violated(name, format!("{output:?} by {line:?}"));
    }
    if before.1 != after.1 {
        return violated(name, format!("{:?} becomes {:?} by {line:?}", before.1, after.1));
    }
    let has = |wanted: fn(&Event) -> bool| {
        outputs.iter().any(|output| matches!(output, Output::Event(event) if wanted(event)))
    };
    let rejected = has(|event| matches!(event, Event::Rejected { .. }));
    let is_kept = kept.is_some_and(|message| is_kept_beside(&before.0, &after.0, message));
    if (rejected || is_data) && !is_kept && before.0 != after.0 {
        return violated(name, format!("the saved session is another after {line:?}: {outputs:?}"));
    }
    Ok(())
}

/// When all conversations have ended on all sides, no line of the past begins one again, but an offline start whose prekey has not been
/// used.
pub(crate) fn what_has_ended_is_over(outputs: &[Output]) -> Check {
    let begins = |output: &&Output| matches!(output, Output::Event(Event::Secure { mode, .. }) if *mode != Mode::Offline);
    match outputs.iter().find(begins) {
        Some(output) => violated("what_has_ended_is_over", format!("{output:?} by a line of the past")),
        None => Ok(()),
    }
}

/// What names another client of the same person is refused without a word, and changes nothing.
pub(crate) fn what_is_for_another_is_left_alone(
    line: &str,
    outputs: &[Output],
    before: &(Vec<u8>, Vec<String>),
    after: &(Vec<u8>, Vec<String>),
) -> Check {
    let does = |output: &&Output| !matches!(output, Output::Save | Output::Event(Event::Rejected { .. }));
    match outputs.iter().find(does) {
        None if before == after => Ok(()),
        done => violated("what_is_for_another_is_left_alone", format!("{done:?} by {line:?}")),
    }
}

/// Whether a message was put to what was saved, and nothing else was done to it. Beside it are its sender and length in front, until
/// when it is kept behind; and elsewhere the number of those that are kept.
fn is_kept_beside(before: &[u8], after: &[u8], message: &[u8]) -> bool {
    let Some(at) = after.windows(message.len()).position(|bytes| bytes == message) else { return false };
    let (Some(start), end) = (at.checked_sub(8), at + message.len() + 8) else { return false };
    let rest = [&after[..start], after.get(end..).unwrap_or_default()].concat();
    let differ = rest.iter().zip(before).filter(|(one, other)| one != other).count();
    rest.len() == before.len() && differ <= 4
}

/// A conversation expires when this side has made no new key for the time of the policy, and not before.
pub(crate) fn expiry_is_in_time(view: &View, with: u32, policy: &Policy, now: Timestamp) -> Check {
    let running = view.current(with);
    let due = running.and_then(|running| Some(running.renewed_before.plus(running.lifetime(policy)?)));
    match due {
        Some(due) if due <= now => Ok(()),
        _ => violated("expiry_is_in_time", format!("with {with:08x} at {now:?}, due at {due:?}")),
    }
}

/// When long nothing has happened, no text waits: it was sent, or its user was told that it was not.
pub(crate) fn nothing_waits_for_ever(model: &Model) -> Check {
    for (at, view) in model.views.iter().enumerate() {
        if let Some(text) = view.queue.front() {
            return violated("nothing_waits_for_ever", format!("text {text} at client {at}"));
        }
    }
    Ok(())
}

/// A conversation that a client is told to be over was there. "By them": the other end has it no more. "By us": its user has just
/// ended it, or started one with somebody who is away. Clients are too few for one to make room.
pub(crate) fn ends_are_true(view: &View, others: &[&View], with: u32, by: EndedBy, step: Step) -> Check {
    let name = "ends_are_true";
    let Some(running) = view.current(with) else {
        return violated(name, format!("there was no conversation with {with:08x}"));
    };
    let has_it = |view: &&View| {
        let all = view.channels.values().filter_map(|known| known.current.as_ref());
        all.into_iter().any(|it| it.ssid == running.ssid)
    };
    let is_true = match by {
        EndedBy::Them => !others.iter().any(has_it),
        EndedBy::Us => matches!(step, Step::Ended | Step::StartedOffline),
        EndedBy::Expiry => true,
        _ => false,
    };
    if is_true { Ok(()) } else { violated(name, format!("with {with:08x}, by {by:?}, in step {step:?}")) }
}

/// After the clock no conversation is there that should have expired, and the next deadline lies ahead.
pub(crate) fn nothing_due_is_left(client: &Client, view: &View, now: Timestamp) -> Check {
    let deadline = client.session.next_deadline(&client.account);
    if deadline <= now {
        return violated("nothing_due_is_left", format!("{deadline:?} is not after {now:?}"));
    }
    for (with, known) in &view.channels {
        let running = known.current.as_ref();
        let due = running.and_then(|it| Some(it.renewed.plus(it.lifetime(&client.setting.policy)?)));
        if due.is_some_and(|due| due <= now) {
            return violated(
                "nothing_due_is_left",
                format!("the conversation with {with:08x} should have expired"),
            );
        }
    }
    Ok(())
}

/// Saved state has a size that follows from the documented limits: a thousand keys a conversation (spec-notes/SN-029), one
/// old conversation a client (SN-034), three handshakes a client, what has arrived in the last ten minutes (SN-028, fragments), and
/// texts that wait.
pub(crate) fn saved_state_is_bounded(saved: usize, most: usize, at: usize) -> Check {
    if saved > most {
        return violated(
            "saved_state_is_bounded",
            format!("client {at}: {saved} bytes instead of {most} at most"),
        );
    }
    Ok(())
}

/// Who has the same secret succeeds, and nobody else.
pub(crate) fn smp_tells_the_truth(model: &mut Model, at: usize, with: u32, equal: bool) -> Check {
    let run = model.views[at].smp.get(&with).copied();
    let answer = run.and_then(|run| model.runs[run].answer);
    match (run, answer) {
        (Some(run), Some(answer)) if answer == equal => {
            model.runs[run].told.insert(at);
            Ok(())
        }
        _ => violated(
            "smp_tells_the_truth",
            format!("client {at} is told {equal} of run {run:?}, answered {answer:?}"),
        ),
    }
}

/// An extra key is the same on both sides, and the receiver gets it once.
pub(crate) fn extra_keys_are_shared(
    known: &mut HashMap<[u8; 4], (Vec<u8>, HashSet<usize>)>,
    at: usize,
    context: [u8; 4],
    key: &[u8],
) -> Check {
    match known.get_mut(&context) {
        None => {
            known.insert(context, (key.to_vec(), HashSet::from([at])));
            Ok(())
        }
        Some((same, at_both)) => match same == key && at_both.insert(at) {
            true => Ok(()),
            false => violated("extra_keys_are_shared", format!("client {at} gets another key, or one twice")),
        },
    }
}
