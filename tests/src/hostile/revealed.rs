//! MAC keys that were revealed: each belongs to one message (in version 3, to those of one pair of keys), is revealed once,
//! and opens nothing any more. Spec: otrv4.md "Revealing MAC Keys"; spec-notes/SN-014, spec-notes/SN-042. Used by
//! [`super::world`].

use std::collections::{BTreeSet, HashMap, HashSet};

use otrv4::{Event, Output, Timestamp};
use rand::rngs::ChaCha8Rng;

use super::client::Client;
use super::invariants::{Check, violated};
use super::lines::{self, Data3, Data4, Message};
use super::macs::{hcmac, hmac_sha1};
use super::model::Model;
use super::record::{Record, Sent};

/// What is known of them.
#[derive(Default)]
pub(crate) struct Revealed {
    /// By receiving client: data messages of version 4 whose key was not revealed, oldest first.
    waiting: HashMap<usize, Vec<usize>>,
    keys_4: HashSet<[u8; 64]>,
    keys_3: HashSet<[u8; 20]>,
    /// Messages whose key was revealed.
    pub(crate) messages: HashSet<usize>,
    /// Keys, with a message that each has authenticated; to be forged with.
    pub(crate) forgeable: Vec<(Key, usize)>,
}

/// A revealed key.
#[derive(Clone, Copy)]
pub(crate) enum Key {
    V4([u8; 64]),
    V3([u8; 20]),
}

impl Revealed {
    /// A message has been sent whose key will be revealed.
    pub(crate) fn expect(&mut self, number: usize, to: usize) {
        self.waiting.entry(to).or_default().push(number);
    }

    /// Which message each revealed key belongs to: one to the client that reveals it, and none twice.
    pub(crate) fn each_key_belongs_to_one_message(
        &mut self,
        record: &Record,
        number: usize,
        to_revealer: impl Fn(&Sent) -> bool,
    ) -> Result<Vec<(Key, usize)>, super::Violation> {
        let revealer = record.sent[number].from;
        match &record.sent[number].message {
            Some(Message::Data4(data)) => {
                data.revealed.iter().map(|key| self.match_4(record, revealer, key)).collect()
            }
            Some(Message::Data3(data)) => {
                data.revealed.iter().map(|key| self.match_3(record, &to_revealer, key)).collect()
            }
            _ => Ok(Vec::new()),
        }
    }

    fn match_4(
        &mut self,
        record: &Record,
        revealer: usize,
        key: &[u8; 64],
    ) -> Result<(Key, usize), super::Violation> {
        let waiting = self.waiting.entry(revealer).or_default();
        let fits = |number: &usize| {
            let sent = &record.sent[*number];
            matches!(&sent.message, Some(Message::Data4(data)) if is_authentic_4(key, sent, data))
        };
        let Some(at) = waiting.iter().position(fits) else {
            let twice = self.keys_4.contains(key);
            let what = if twice { "a key twice" } else { "a key that belongs to no message" };
            return violated(NAME, format!("client {revealer} reveals {what}"));
        };
        let number = waiting.remove(at);
        self.keys_4.insert(*key);
        self.messages.insert(number);
        self.forgeable.push((Key::V4(*key), number));
        Ok((Key::V4(*key), number))
    }

    fn match_3(
        &mut self,
        record: &Record,
        to_revealer: impl Fn(&Sent) -> bool,
        key: &[u8; 20],
    ) -> Result<(Key, usize), super::Violation> {
        let fits = |(_, sent): &(usize, &Sent)| {
            matches!(&sent.message, Some(Message::Data3(data)) if is_authentic_3(key, sent, data))
                && to_revealer(sent)
        };
        let all: Vec<usize> = record.sent.iter().enumerate().filter(fits).map(|(number, _)| number).collect();
        match all.last() {
            Some(last) if self.keys_3.insert(*key) => {
                self.messages.extend(&all);
                self.forgeable.push((Key::V3(*key), *last));
                Ok((Key::V3(*key), *last))
            }
            Some(_) => violated(NAME, "a key of version 3 twice".into()),
            None => violated(NAME, "a key of version 3 that belongs to no message".into()),
        }
    }
}

/// Whoever has revealed keys accepts no message under them: neither those that they belong to nor others.
pub(crate) fn no_revealed_key_opens_anything(
    client: &mut Client,
    record: &Record,
    keys: &[(Key, usize)],
    rng: &mut ChaCha8Rng,
    now: Timestamp,
) -> Check {
    let tries = keys.iter().flat_map(|(key, number)| {
        let sent = &record.sent[*number];
        [forge(*key, sent), Some(lines::encode(&sent.bytes))].into_iter().flatten()
    });
    let outputs = client.probe(rng, now, &tries.collect::<Vec<String>>());
    let opens =
        |output: &&Output| matches!(output, Output::Event(Event::Message { .. } | Event::Ended { .. }));
    match outputs.iter().flatten().find(opens) {
        Some(output) => {
            let messages: Vec<usize> = keys.iter().map(|(_, number)| *number).collect();
            let what = format!("{output:?} under a revealed key, one of those of messages {messages:?}");
            violated("no_revealed_key_opens_anything", what)
        }
        None => Ok(()),
    }
}

/// At the end the key of everything that was read has been revealed: of what was shown, and of what came to somebody who can read it
/// without anything to show, such as heartbeats and verifications.
pub(crate) fn all_keys_of_read_messages_are_revealed(
    revealed: &Revealed,
    record: &Record,
    model: &Model,
    clients: &[Client],
    read_silently: &BTreeSet<usize>,
) -> Check {
    let kept = |number: &&usize| !revealed.messages.contains(*number);
    if let Some(number) = read_silently.iter().find(kept) {
        let what = format!("that of message {number} is not: {:?}", record.sent[*number].message);
        return violated("all_keys_of_read_messages_are_revealed", what);
    }
    for (number, sent) in record.sent.iter().enumerate() {
        let Some((text, _)) = sent.text else { continue };
        let tags = match &sent.message {
            Some(Message::Data4(data)) => data.tags,
            Some(Message::Data3(data)) => data.tags,
            _ => continue,
        };
        let read = clients.iter().enumerate().any(|(at, client)| {
            (client.tag() == tags.1 || tags.1 == 0) && model.shown.contains(&(text, at, false))
        });
        if read && !revealed.messages.contains(&number) {
            return violated(
                "all_keys_of_read_messages_are_revealed",
                format!("that of message {number} is not"),
            );
        }
    }
    Ok(())
}

/// Another message under the same key, with one bit of the text changed. None if there is no text.
pub(crate) fn forge(key: Key, sent: &Sent) -> Option<String> {
    let mut bytes = sent.bytes.clone();
    match (key, sent.message.as_ref()?) {
        (Key::V4(key), Message::Data4(data)) => {
            *bytes.get_mut(data.ciphertext.clone())?.first_mut()? ^= 1;
            let mac = hcmac(&key, &bytes[..data.mac_at]);
            bytes[data.mac_at..data.mac_at + 64].copy_from_slice(&mac);
        }
        (Key::V3(key), Message::Data3(data)) => {
            *bytes.get_mut(data.ciphertext.clone())?.first_mut()? ^= 1;
            let counter = data.counter.saturating_add(1000).to_be_bytes();
            bytes[data.counter_at..data.counter_at + 8].copy_from_slice(&counter);
            let mac = hmac_sha1(&key, &bytes[..data.mac_at]);
            bytes[data.mac_at..data.mac_at + 20].copy_from_slice(&mac);
        }
        _ => return None,
    }
    Some(lines::encode(&bytes))
}

fn is_authentic_4(key: &[u8; 64], sent: &Sent, data: &Data4) -> bool {
    sent.bytes[data.mac_at..data.mac_at + 64] == hcmac(key, &sent.bytes[..data.mac_at])
}

fn is_authentic_3(key: &[u8; 20], sent: &Sent, data: &Data3) -> bool {
    sent.bytes[data.mac_at..data.mac_at + 20] == hmac_sha1(key, &sent.bytes[..data.mac_at])
}

const NAME: &str = "each_key_belongs_to_one_message";
