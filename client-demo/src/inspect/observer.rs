//! What somebody learns who sees the lines and has no keys. Spec: otrv4.md "Security Properties".

use std::collections::{BTreeMap, BTreeSet};

use otrv4::Timestamp;
use serde::Serialize;

use super::report::{Entry, Message, UNKNOWN, Value};
use crate::{harmless, screen};

/// For people, a sentence each.
#[derive(Serialize)]
pub(super) struct Observer {
    pub(super) learns: Vec<String>,
    pub(super) does_not_learn: Vec<&'static str>,
}

impl Observer {
    pub(super) fn of(entries: &[Entry]) -> Self {
        let messages: Vec<(&Entry, &Message)> = entries.iter().map(|entry| (entry, entry.main())).collect();
        let data =
            messages.iter().filter(|(_, message)| message.name == "Data message" && message.is_sound());
        let data: Vec<_> = data.copied().collect();
        let mut learns = Vec::from_iter(times(entries));
        learns.extend(in_clear(&messages));
        learns.extend(offers(&messages));
        learns.extend(versions(&messages));
        learns.extend(prekey_server(&messages));
        learns.extend(clients(&messages));
        learns.extend(fingerprints(&messages));
        learns.extend(asked_for(&messages));
        learns.extend(sizes(&data));
        learns.extend(by_the_client(&data));
        learns.extend(revealed(entries, &data));
        let mut does_not_learn = Vec::new();
        if !data.is_empty() {
            does_not_learn.extend([
                "what the data messages say, and which of those without a text are a step of SMP, a heartbeat or the end",
                "whether those who talk have compared fingerprints",
            ]);
        }
        if messages.iter().any(|(_, message)| message.field("c1").is_some()) {
            does_not_learn.extend([
                "which of three keys made a ring signature, and so whether any of this took place between those who are named",
                "whether the secret of a forging key was kept",
            ]);
        }
        if messages.iter().any(|(_, message)| message.field("encrypted signature").is_some()) {
            does_not_learn
                .push("the long-term keys of versions 2 and 3, and so the fingerprints: they are encrypted");
        }
        if messages.iter().all(|(_, message)| message.name == "Text") {
            learns.push("nothing of OTR: all of it is plain text".to_owned());
        }
        Self { learns, does_not_learn }
    }
}

fn times(entries: &[Entry]) -> Option<String> {
    let at = || entries.iter().filter_map(|entry| entry.at);
    let [from, to] = [at().min()?, at().max()?].map(|at| screen::date(Timestamp::from_unix(at)));
    Some(format!("when: from {from} to {to}, as the transcript says"))
}

fn in_clear(messages: &[(&Entry, &Message)]) -> Option<String> {
    let is_clear = |name: &str| name.starts_with("Text") || name == "Error message";
    let lines = lines_of(messages, |message| is_clear(message.name));
    (!lines.is_empty()).then(|| format!("every word of what was not encrypted: {}", list(&lines)))
}

/// A sentence for each combination of versions.
fn offers(messages: &[(&Entry, &Message)]) -> Vec<String> {
    let is_offer = |name| ["Query message", "Text with a whitespace tag"].contains(&name);
    let mut offered: BTreeMap<(&str, Option<&str>), Vec<usize>> = BTreeMap::new();
    for (entry, message) in messages.iter().filter(|(_, message)| is_offer(message.name)) {
        let Some(field) = message.field("versions") else { continue };
        let Value::Text(versions) = &field.value else { continue };
        offered.entry((versions, field.meaning.as_deref())).or_default().push(entry.number);
    }
    let sentence = |((versions, more), lines): ((&str, Option<&str>), Vec<usize>)| {
        let versions: Vec<String> = versions.chars().map(String::from).collect();
        let versions = versions.join(", ");
        let unknown = more.and_then(|more| more.strip_prefix(UNKNOWN)).map(harmless::line);
        let offered = match (versions.is_empty(), unknown) {
            (false, None) => format!("offered, in versions {versions}"),
            (false, Some(unknown)) => format!("offered, in versions {versions} and unknown ones, {unknown}"),
            (true, Some(unknown)) => format!("offered in unknown versions alone, {unknown}"),
            (true, None) => "offered in no version at all".to_owned(),
        };
        format!("that OTR is spoken, and {offered}: {}", list(&lines))
    };
    offered.into_iter().map(sentence).collect()
}

/// A sentence for each version of encoded messages and of fragments.
fn versions(messages: &[(&Entry, &Message)]) -> Vec<String> {
    let mut spoken: BTreeMap<u64, Vec<usize>> = BTreeMap::new();
    for (entry, message) in messages.iter().filter(|(_, message)| !of_prekey_server(message.name)) {
        if let Some(version) = message.version {
            spoken.entry(version).or_default().push(entry.number);
        }
    }
    let mut learns: Vec<String> = spoken
        .into_iter()
        .map(|(version, lines)| format!("that version {version} of OTR is spoken: {}", list(&lines)))
        .collect();
    let others = ["Fragment", "Encoded message"];
    let lines = lines_of(messages, |message| message.version.is_none() && others.contains(&message.name));
    if !lines.is_empty() {
        learns.push(format!("that OTR is spoken, by pieces of messages or damaged ones: {}", list(&lines)));
    }
    let errors = lines_of(messages, |message| message.name == "Error message");
    if !errors.is_empty() {
        learns.push(format!("that OTR is spoken, and what went wrong: {}", list(&errors)));
    }
    learns
}

fn prekey_server(messages: &[(&Entry, &Message)]) -> Option<String> {
    let lines = lines_of(messages, |message| of_prekey_server(message.name));
    (!lines.is_empty()).then(|| format!("that a prekey server is used: {}", list(&lines)))
}

fn of_prekey_server(name: &str) -> bool {
    const NAMES: [&str; 11] = [
        "DAKE-1 message",
        "DAKE-2 message",
        "DAKE-3 message",
        "Prekey Ensemble Query message",
        "Prekey Ensemble Retrieval message",
        "No Prekey Ensembles in Storage message",
        "Success message",
        "Failure message",
        "Storage Status message",
        "Prekey server message",
        "Fragment of a prekey server message",
    ];
    NAMES.contains(&name)
}

fn lines_of(messages: &[(&Entry, &Message)], is_one: impl Fn(&Message) -> bool) -> Vec<usize> {
    messages.iter().filter(|(_, message)| is_one(message)).map(|(entry, _)| entry.number).collect()
}

/// Senders, as the lines call them.
fn named<'a>(senders: impl IntoIterator<Item = &'a str>) -> String {
    senders.into_iter().map(harmless::name).collect::<Vec<_>>().join(", ")
}

fn clients(messages: &[(&Entry, &Message)]) -> Option<String> {
    let mut clients: BTreeMap<u64, BTreeSet<&str>> = BTreeMap::new();
    for (entry, message) in messages {
        let tag = message.number("sender's instance tag").filter(|tag| *tag >= 0x100);
        if let Some(tag) = tag {
            clients.entry(tag).or_default().extend(entry.sender.as_deref());
        }
    }
    let clients = clients.into_iter().map(|(tag, senders)| match senders.is_empty() {
        true => format!("{tag:08x}"),
        false => format!("{tag:08x} ({})", named(senders)),
    });
    let clients: Vec<String> = clients.collect();
    (!clients.is_empty()).then(|| format!("which clients send: {}", clients.join(", ")))
}

/// A sentence for each.
fn fingerprints(messages: &[(&Entry, &Message)]) -> Vec<String> {
    let mut shown: BTreeMap<(Proof, &str), BTreeSet<&str>> = BTreeMap::new();
    for (entry, message) in messages {
        for field in &message.fields {
            let meaning = field.meaning.as_deref();
            let found = match field.name {
                "Client Profile signature" => {
                    meaning.and_then(|said| said.strip_prefix("holds; of the fingerprint "))
                }
                "y" => meaning.and_then(|said| said.strip_prefix("of the fingerprint ")),
                _ => None,
            };
            let proof = if field.name == "y" { Proof::Claimed } else { Proof::Signed };
            if let Some(fingerprint) = found {
                shown.entry((proof, fingerprint)).or_default().extend(entry.sender.as_deref());
            }
        }
    }
    let sentence = |((proof, fingerprint), senders): ((Proof, &str), BTreeSet<&str>)| {
        let by = if senders.is_empty() { String::new() } else { format!(" by {}", named(senders)) };
        match proof {
            Proof::Signed => format!("a fingerprint of version 4, shown{by}: {fingerprint}"),
            Proof::Claimed => {
                format!("a fingerprint of version 3, claimed{by}; anybody can claim any: {fingerprint}")
            }
        }
    };
    let unproven = lines_of(messages, |message| message.signatures().any(|field| field.holds == Some(false)));
    let unproven = (!unproven.is_empty()).then(|| {
        format!("profiles whose signatures do not hold, so of nobody in particular: {}", list(&unproven))
    });
    shown.into_iter().map(sentence).chain(unproven).collect()
}

/// What stands behind a fingerprint.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Proof {
    /// Its key has signed the profile that shows it.
    Signed,
    /// Nothing: see the transitional signature.
    Claimed,
}

fn asked_for(messages: &[(&Entry, &Message)]) -> Option<String> {
    let fields = messages.iter().filter_map(|(_, message)| message.field("participant's identity"));
    let names: BTreeSet<&str> = fields.filter_map(|field| field.meaning.as_deref()).collect();
    (!names.is_empty()).then(|| format!("whose keys were asked for: {}", named(names)))
}

fn sizes(data: &[(&Entry, &Message)]) -> Option<String> {
    let mut senders: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for (entry, message) in data {
        let sender = entry.sender.as_deref().map(harmless::name);
        let tag = || format!("client {:08x}", message.number("sender's instance tag").unwrap_or_default());
        let length = match message.field("encrypted message").map(|field| &field.value) {
            Some(Value::Bytes(hex)) => hex.len() / 2,
            _ => 0,
        };
        senders.entry(sender.unwrap_or_else(tag)).or_default().push(length);
    }
    let senders = senders.into_iter().filter_map(|(sender, lengths)| {
        let (least, most) = (lengths.iter().min()?, lengths.iter().max()?);
        let size = if least == most { most.to_string() } else { format!("{least} to {most}") };
        Some(format!("{sender} {} of {size} bytes", lengths.len()))
    });
    let senders: Vec<String> = senders.collect();
    (!senders.is_empty())
        .then(|| format!("how many data messages each side sent, and their lengths: {}", senders.join("; ")))
}

fn by_the_client(data: &[(&Entry, &Message)]) -> Option<String> {
    let ignorable =
        data.iter().filter(|(_, message)| message.number("flags").is_some_and(|flags| flags & 1 == 1));
    let lines: Vec<usize> = ignorable.map(|(entry, _)| entry.number).collect();
    (!lines.is_empty())
        .then(|| format!("which of them carry no text that would be missed, by their flag: {}", list(&lines)))
}

fn revealed(entries: &[Entry], data: &[(&Entry, &Message)]) -> Option<String> {
    let keys: BTreeSet<&str> =
        entries.iter().flat_map(|entry| &entry.reveals).map(|reveal| reveal.key.as_str()).collect();
    let elsewhere = entries.iter().flat_map(|entry| &entry.reveals).filter(|reveal| reveal.is_strange());
    let elsewhere: BTreeSet<&str> = elsewhere.map(|reveal| reveal.key.as_str()).collect();
    let changeable = data.iter().filter(|(entry, _)| entry.revealed_in.is_some()).count();
    (!keys.is_empty()).then(|| {
        let elsewhere = match elsewhere.len() {
            0 => String::new(),
            1 => "; 1 of the keys is of no message here".to_owned(),
            n => format!("; {n} of the keys are of no message here"),
        };
        format!(
            "{} revealed MAC keys, and with them the power to change {changeable} of {} data messages{elsewhere}",
            keys.len(),
            data.len()
        )
    })
}

/// Line numbers, for people: the first of them, and how many more.
pub(super) fn list(numbers: &[usize]) -> String {
    let shown: Vec<String> = numbers.iter().take(LISTED).map(usize::to_string).collect();
    match (numbers, numbers.len().saturating_sub(LISTED)) {
        ([one], _) => format!("line {one}"),
        (_, 0) => format!("lines {}", shown.join(", ")),
        (_, more) => format!("lines {} and {more} more", shown.join(", ")),
    }
}

/// Line numbers in one list.
const LISTED: usize = 20;
