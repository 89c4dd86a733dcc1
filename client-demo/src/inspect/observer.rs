//! What somebody learns who sees the lines and has no keys. Spec: otrv4.md "Security Properties".

use std::collections::{BTreeMap, BTreeSet};

use otrv4::Timestamp;
use serde::Serialize;

use super::report::{Entry, Message, Value};
use crate::screen;

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
        Self { learns, does_not_learn }
    }
}

fn times(entries: &[Entry]) -> Option<String> {
    let at = || entries.iter().filter_map(|entry| entry.at);
    let [from, to] = [at().min()?, at().max()?].map(|at| screen::date(Timestamp::from_unix(at)));
    Some(format!("when: from {from} to {to}, as the transcript says"))
}

fn in_clear(messages: &[(&Entry, &Message)]) -> Option<String> {
    let clear = messages.iter().filter(|(_, message)| message.name.starts_with("Text"));
    let lines: Vec<usize> = clear.map(|(entry, _)| entry.number).collect();
    (!lines.is_empty()).then(|| format!("every word of what was not encrypted: {}", list(&lines)))
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
        false => format!("{tag:08x} ({})", Vec::from_iter(senders).join(", ")),
    });
    let clients: Vec<String> = clients.collect();
    (!clients.is_empty()).then(|| format!("which clients send: {}", clients.join(", ")))
}

/// A sentence for each.
fn fingerprints(messages: &[(&Entry, &Message)]) -> Vec<String> {
    let mut shown: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (entry, field) in
        messages.iter().flat_map(|(entry, message)| message.fields.iter().map(move |f| (entry, f)))
    {
        let fingerprint =
            field.meaning.as_deref().and_then(|meaning| meaning.strip_prefix("of the fingerprint "));
        if let Some(fingerprint) = fingerprint {
            shown.entry(fingerprint).or_default().extend(entry.sender.as_deref());
        }
    }
    let sentence = |(fingerprint, senders): (&str, BTreeSet<&str>)| {
        let version = if fingerprint.len() == V3_DIGITS { 3 } else { 4 };
        let by = match senders.is_empty() {
            true => String::new(),
            false => format!(" by {}", Vec::from_iter(senders).join(", ")),
        };
        format!("a fingerprint of version {version}, shown{by}: {fingerprint}")
    };
    shown.into_iter().map(sentence).collect()
}

fn asked_for(messages: &[(&Entry, &Message)]) -> Option<String> {
    let fields = messages.iter().filter_map(|(_, message)| message.field("participant's identity"));
    let names: BTreeSet<&str> = fields.filter_map(|field| field.meaning.as_deref()).collect();
    (!names.is_empty()).then(|| format!("whose keys were asked for: {}", Vec::from_iter(names).join(", ")))
}

fn sizes(data: &[(&Entry, &Message)]) -> Option<String> {
    let mut senders: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for (entry, message) in data {
        let sender = entry.sender.clone();
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

/// Hexadecimal digits of a fingerprint of version 3.
const V3_DIGITS: usize = 40;
