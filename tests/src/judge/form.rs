//! Rules of form: fields, their order, tags, profiles, offers, pieces.

use base64::prelude::{BASE64_STANDARD, Engine as _};
use otrv4::wire::Versions;

use super::look::{Look, Message, encode};
use super::record::Keys;
use super::{Found, violation};

/// Every field of every line can be read, and what is read, written again by the specification, is the line: nothing is left over, in
/// another order or encoded otherwise.
pub(crate) fn every_line_is_written_as_the_specification_says(look: &Look<'_>) -> Found {
    const RULE: &str = "every_line_is_written_as_the_specification_says";
    let mut found = Vec::new();
    if look.strange > 0 && look.lines.iter().all(|line| line.received.is_some()) {
        found.push(violation(RULE, format!("{} pieces or lines that belong to nothing", look.strange)));
    }
    for message in &look.messages {
        if let Some(error) = message.parsed.error {
            found.push(violation(RULE, format!("{} at {}: {error}", message.parsed.name, message.at)));
        } else if let Some(body) = message.line.strip_prefix("?OTR:") {
            let again: Vec<u8> = message.parsed.fields.iter().flat_map(encode).collect();
            if body.strip_suffix('.') != Some(BASE64_STANDARD.encode(again).as_str()) {
                found.push(violation(RULE, format!("{} at {} is not", message.parsed.name, message.at)));
            }
        }
    }
    found
}

/// Messages name their sender's client and, if any, the other one's.
pub(crate) fn tags_are_those_of_the_two(look: &Look<'_>, keys: &Keys) -> Found {
    let tag = |side: usize| u64::from(keys.accounts[side].tag().get());
    let wrong = |message: &&Message| {
        let sender = message.number("sender's instance tag");
        let receiver = message.number("receiver's instance tag");
        sender.is_some_and(|is| is != tag(message.sender))
            || receiver.is_some_and(|is| is != 0 && is != tag(1 - message.sender))
    };
    let found = look.messages.iter().filter(wrong);
    found.map(|message| violation("tags_are_those_of_the_two", format!("at {}", message.at))).collect()
}

/// Profiles are those that the two signed; they were valid, and not yet to be renewed.
pub(crate) fn profiles_were_current(look: &Look<'_>, keys: &Keys) -> Found {
    const RULE: &str = "profiles_were_current";
    let mut found = Vec::new();
    for message in &look.messages {
        let Some(shown) = message.profile() else { continue };
        let profile = keys.accounts[message.sender].client_profile();
        if shown != profile.as_bytes() {
            found.push(violation(RULE, format!("another profile at {}", message.at)));
        } else if profile.expires().unix() - RENEWED_BEFORE < message.at {
            found.push(violation(RULE, format!("it was to be renewed before {}", message.at)));
        }
    }
    found
}

/// Seconds before its end at which a profile gets a successor, in this library.
const RENEWED_BEFORE: i64 = 3 * 24 * 60 * 60;

/// Queries and tags offer versions that the sender's profile lists.
pub(crate) fn offers_are_those_of_the_profile(look: &Look<'_>, keys: &Keys) -> Found {
    let wrong = |message: &&Message| {
        let listed = keys.accounts[message.sender].client_profile().versions().to_digits();
        message.text("versions").is_some_and(|offered| {
            offered.chars().any(|version| !listed.contains(version))
                || Versions::from_digits(offered).to_digits() != *offered
        })
    };
    let found = look.messages.iter().filter(wrong);
    found.map(|message| violation("offers_are_those_of_the_profile", format!("at {}", message.at))).collect()
}

/// Whoever cuts messages cuts all that are longer than their line, at the same length: lines with a piece are equally long, but for
/// the last of a message and what counts them in digits.
pub(crate) fn pieces_have_one_length(look: &Look<'_>) -> Found {
    const RULE: &str = "pieces_have_one_length";
    let mut found = Vec::new();
    for message in look.messages.iter().filter(|message| message.pieces.len() > 1) {
        let (last, whole) = message.pieces.split_last().expect("some");
        if whole.iter().any(|length| *length != whole[0]) || *last > whole[0] {
            found.push(violation(RULE, format!("pieces of {:?} at {}", message.pieces, message.at)));
        }
    }
    for side in 0..2 {
        let sent = look.messages.iter().filter(|message| message.sender == side);
        let cut =
            sent.clone().filter(|message| !message.pieces.is_empty()).map(|message| message.line.len()).min();
        let whole = sent
            .filter(|message| message.pieces.is_empty())
            .filter(|message| message.line.starts_with("?OTR:"));
        let longest = whole.map(|message| message.line.len()).max();
        if let (Some(cut), Some(longest)) = (cut, longest)
            && longest > cut
        {
            found.push(violation(RULE, format!("{cut} characters in pieces, and {longest} at once")));
        }
    }
    found
}
