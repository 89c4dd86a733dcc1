//! Rules of messages that are cut in pieces. Spec: otrv4.md "Transmitting Fragments".

use std::collections::BTreeMap;

use super::look::{Cut, Look, Message};
use super::{Found, violation};

/// Whoever sends a piece sends all of that message, one after the other; each names the message's clients, and no identifier is used
/// for several messages. That one is by chance is possible; a second time is not.
pub(crate) fn pieces_make_messages(look: &Look<'_>) -> Found {
    const RULE: &str = "pieces_make_messages";
    let mut found = Vec::new();
    for (side, strays) in look.strays.iter().enumerate().filter(|(_, strays)| **strays > 0) {
        found.push(violation(RULE, format!("{strays} pieces of side {side} belong to nothing")));
    }
    let mut identifiers: BTreeMap<(usize, u32), usize> = BTreeMap::new();
    for (message, Cut { identifier, sender, receiver, .. }) in
        look.messages.iter().filter_map(|message| Some((message, message.cut?)))
    {
        let tags = [sender.get(), receiver.map_or(0, |receiver| receiver.get())].map(u64::from);
        let named = ["sender's instance tag", "receiver's instance tag"].map(|name| message.number(name));
        let version = message.number("protocol version");
        if named != tags.map(Some) || identifier.is_some() != (version == Some(4)) {
            found.push(violation(RULE, format!("of another client than what they make, at {}", message.at)));
        }
        if let Some(identifier) = identifier {
            *identifiers.entry((message.sender, identifier)).or_default() += 1;
        }
    }
    let again: usize = identifiers.values().map(|times| times - 1).sum();
    if again > 1 {
        found.push(violation(RULE, format!("{again} identifiers again")));
    }
    found
}

/// Whoever cuts messages cuts all that are longer than their line, at the same length: lines with a piece are equally long, but for
/// the last of a message and what counts them in digits.
pub(crate) fn pieces_have_one_length(look: &Look<'_>) -> Found {
    const RULE: &str = "pieces_have_one_length";
    let mut found = Vec::new();
    for message in look.messages.iter().filter(|message| message.cut.is_some()) {
        let (last, whole) = message.pieces.split_last().expect("some");
        if whole.is_empty() || whole.iter().any(|length| *length != whole[0]) || *last > whole[0] {
            found.push(violation(RULE, format!("pieces of {:?} at {}", message.pieces, message.at)));
        }
    }
    for side in 0..2 {
        let sent = look.messages.iter().filter(|message| message.sender == side);
        let sent = sent.filter(|message| message.line.starts_with("?OTR:"));
        let length = |message: &Message| message.line.len();
        let cut = sent.clone().filter(|message| message.cut.is_some());
        let whole = sent.filter(|message| message.cut.is_none()).map(length).max();
        let with_identifier = |message: &&Message| message.cut.is_some_and(|cut| cut.identifier.is_some());
        let rooms: Vec<usize> =
            cut.clone().filter(with_identifier).map(|message| message.pieces[0]).collect();
        if let (Some(cut), Some(longest)) = (cut.map(length).min(), whole)
            && longest > cut
        {
            found.push(violation(RULE, format!("{cut} characters in pieces, and {longest} at once")));
        }
        if rooms.iter().any(|room| *room != rooms[0]) {
            found.push(violation(RULE, format!("side {side} cuts now so, now so")));
        }
    }
    found
}
