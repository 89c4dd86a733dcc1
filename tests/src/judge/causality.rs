//! Rules of causes: nobody answers what has not arrived, and nobody has keys before there are any. What has arrived where, and when, is
//! in the record, by the clock of whoever got it.

use super::conversations::Conversations;
use super::look::Look;
use super::signatures::Signatures;
use super::{Found, violation};

/// An Auth-R is sent when the Identity message has arrived that it signs for, and an Auth-I when the Auth-R has.
pub(crate) fn handshakes_answer_what_has_arrived(look: &Look<'_>, signatures: &Signatures) -> Found {
    let mut found = Vec::new();
    for (at, message) in look.messages.iter().enumerate() {
        let Some(answers) = signatures.answers(at) else { continue };
        if look.arrival(answers).is_none_or(|arrives| arrives > message.at) {
            let detail = format!("{} at {}", message.parsed.name, message.at);
            found.push(violation("handshakes_answer_what_has_arrived", detail));
        }
    }
    found
}

/// Data messages belong to a key exchange that is complete for their sender: whoever has sent the last message of it, or got it.
pub(crate) fn data_messages_follow_a_handshake(look: &Look<'_>, placed: &Conversations) -> Found {
    let detail = |at: &usize| {
        format!(
            "i {}, at {}",
            look.messages[*at].number("ratchet id").unwrap_or_default(),
            look.messages[*at].at
        )
    };
    placed.too_early.iter().map(|at| violation("data_messages_follow_a_handshake", detail(at))).collect()
}

/// Whoever goes on to a ratchet has received something of the one before.
pub(crate) fn nobody_goes_on_without_an_answer(look: &Look<'_>, placed: &Conversations) -> Found {
    let mut found = Vec::new();
    for (at, message, data) in look.data() {
        let Some(which) = placed.of_data(at) else { continue };
        let Some(before) = placed.all[which].answered_by(message.sender, data.i) else { continue };
        let mut theirs = placed.data(look, 1 - message.sender, which).filter(|(_, _, of)| of.i == before);
        if !theirs.any(|(_, other, _)| other.received.is_some_and(|arrives| arrives <= message.at)) {
            let detail = format!("ratchet {} at {}", data.i, message.at);
            found.push(violation("nobody_goes_on_without_an_answer", detail));
        }
    }
    found
}

/// Whoever has received an answer goes on.
pub(crate) fn everybody_goes_on_after_an_answer(look: &Look<'_>, placed: &Conversations) -> Found {
    let mut found = Vec::new();
    for (at, message, data) in look.data() {
        let Some(which) = placed.of_data(at) else { continue };
        let ends = placed.all[which].ended_by(message.sender, data.i);
        let mut theirs = placed.data(look, 1 - message.sender, which).filter(|(_, _, of)| of.i == ends);
        if theirs.any(|(_, other, _)| other.received.is_some_and(|arrives| arrives < message.at)) {
            let detail = format!("still ratchet {} at {}", data.i, message.at);
            found.push(violation("everybody_goes_on_after_an_answer", detail));
        }
    }
    found
}
