//! Rules of form: fields, their order, tags, profiles, offers.

use base64::prelude::{BASE64_STANDARD, Engine as _};
use otrv4::client_profile::{ClientProfile, VerifiedClientProfile};
use otrv4::wire::{
    Fragment, Line as Classified, Reader, Versions, classify, error_message, query_message, whitespace_tag,
};
use otrv4::{Lifetimes, Timestamp};

use super::look::{Look, Message, encode};
use super::record::Keys;
use super::{Found, violation};

/// Every field of every line can be read, and what is read, written again by the specification, is the line: nothing is left over, in
/// another order or encoded otherwise.
pub(crate) fn every_line_is_written_as_the_specification_says(look: &Look<'_>) -> Found {
    const RULE: &str = "every_line_is_written_as_the_specification_says";
    let mut found = Vec::new();
    if look.foreign > 0 {
        found.push(violation(RULE, format!("{} lines of strangers", look.foreign)));
    }
    for message in &look.messages {
        if let Some(error) = message.parsed.error {
            found.push(violation(RULE, format!("{} at {}: {error}", message.parsed.name, message.at)));
        } else if again(message).is_some_and(|again| again != message.line) {
            found.push(violation(RULE, format!("{} at {} is not", message.parsed.name, message.at)));
        }
    }
    for line in look.lines {
        if let Classified::Fragment(Ok(piece)) = classify(&line.line)
            && cut_again(&piece).is_some_and(|again| again != line.line)
        {
            found.push(violation(RULE, format!("a piece at {} is not", line.at)));
        }
    }
    found
}

/// The line of a whole message as this library writes it: what is encoded, and what offers or complains. None for what people write.
fn again(message: &Message) -> Option<String> {
    match classify(&message.line) {
        Classified::Encoded(_) => {
            let fields: Vec<u8> = message.parsed.fields.iter().flat_map(encode).collect();
            Some(format!("?OTR:{}.", BASE64_STANDARD.encode(fields)))
        }
        Classified::Query(versions) => Some(query_message(versions)),
        // In front, and what has a meaning in it alone.
        Classified::Tagged { text, versions } => Some(format!("{}{text}", whitespace_tag(versions))),
        Classified::Error { code: Some(code), text: _ } => Some(error_message(code)),
        Classified::Error { code: None, text } => Some(format!("?OTR Error: {text}")),
        Classified::Plain(_) | Classified::Fragment(_) => None,
    }
}

/// A piece of version 4 or 3, with leading zeros.
fn cut_again(piece: &Fragment<'_>) -> Option<String> {
    let &Fragment { identifier, sender, receiver, index, total, piece } = piece;
    let identifier = identifier.map_or(String::new(), |identifier| format!("{identifier:08x}|"));
    let receiver = receiver.map_or(0, |receiver| receiver.get());
    let again = format!("?OTR|{identifier}{sender}|{receiver:08x},{index:05},{total:05},{piece},");
    (sender.get() >= 0x100).then_some(again)
}

/// Messages name their sender's client and the other one's. Only who cannot know that yet names none: in an Identity message, or a
/// D-H Commit message.
pub(crate) fn tags_are_those_of_the_two(look: &Look<'_>, keys: &Keys) -> Found {
    let tag = |side: usize| u64::from(keys.accounts[side].tag().get());
    let wrong = |message: &&Message| {
        let sender = message.number("sender's instance tag");
        let receiver = message.number("receiver's instance tag");
        let unknown = message.is("Identity message") || message.is("D-H Commit message");
        sender.is_some_and(|is| is != tag(message.sender))
            || receiver.is_some_and(|is| is != tag(1 - message.sender) && !(unknown && is == 0))
    };
    let found = look.messages.iter().filter(wrong);
    found.map(|message| violation("tags_are_those_of_the_two", format!("at {}", message.at))).collect()
}

/// Profiles are of the two: with their tags and keys, signed; they were valid, not yet to be renewed, and not from the future. An account
/// has a new one every four days, and a transcript may be older than the account that the judge gets.
pub(crate) fn profiles_were_current(look: &Look<'_>, keys: &Keys) -> Found {
    const RULE: &str = "profiles_were_current";
    let mut found = Vec::new();
    for message in &look.messages {
        let Some(shown) = message.profile() else { continue };
        let known = &keys.accounts[message.sender];
        let verified = verify(&shown, message, keys);
        let Some(profile) = verified.filter(|profile| {
            profile.identity_key() == known.identity_key() && profile.forging_key() == known.forging_key()
        }) else {
            found.push(violation(RULE, format!("not a valid one of theirs at {}", message.at)));
            continue;
        };
        let Lifetimes { profile: lifetime, overlap: _, renew_ahead } = Lifetimes::default();
        let left = profile.expires().unix().saturating_sub(message.at);
        if left <= renew_ahead {
            found.push(violation(RULE, format!("it was to be renewed before {}", message.at)));
        } else if left > lifetime {
            found.push(violation(RULE, format!("it was made after {}", message.at)));
        }
    }
    found
}

fn verify(shown: &[u8], message: &Message, keys: &Keys) -> Option<VerifiedClientProfile> {
    let mut r = Reader::new(shown);
    let profile = ClientProfile::read(&mut r).ok()?;
    r.end().ok()?;
    profile.verify(keys.accounts[message.sender].tag(), Timestamp::from_unix(message.at)).ok()
}

/// Queries and tags offer versions that a profile lists which the sender shows then, or has now.
pub(crate) fn offers_are_those_of_the_profile(look: &Look<'_>, keys: &Keys) -> Found {
    let listed = [0, 1].map(|side| {
        let shown = look.messages.iter().filter(|message| message.sender == side);
        let shown = shown.filter_map(|message| verify(&message.profile()?, message, keys));
        let shown: Vec<Versions> = shown.map(|profile| profile.versions()).collect();
        if shown.is_empty() { vec![keys.accounts[side].versions()] } else { shown }
    });
    let wrong = |message: &&Message| {
        let fits = |offered: &str| {
            let fits =
                |listed: &Versions| offered.chars().all(|version| listed.to_digits().contains(version));
            !offered.is_empty() && listed[message.sender].iter().any(fits)
        };
        message.text("versions").is_some_and(|offered| !fits(offered))
    };
    let found = look.messages.iter().filter(wrong);
    found.map(|message| violation("offers_are_those_of_the_profile", format!("at {}", message.at))).collect()
}
