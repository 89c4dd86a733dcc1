//! What must be nowhere twice: ephemeral keys, nonces, MACs, the numbers of signatures. Within a transcript and across all.

use std::collections::{BTreeMap, BTreeSet};

use otrv4::Timestamp;
use otrv4::forge::{Value, parse};
use otrv4::wire::{Versions, armour};

use super::look::Look;
use super::record::Keys;
use super::{Found, violation};

/// What is fresh each time, with what it is.
pub(crate) type Fresh = (&'static str, Vec<u8>);

/// Fresh values, with the transcripts that hold them.
#[derive(Default)]
pub(crate) struct Repeats<'a> {
    seen: BTreeMap<&'a Fresh, Vec<usize>>,
}

impl<'a> Repeats<'a> {
    /// Takes note of what a transcript holds.
    pub(crate) fn note(&mut self, which: usize, values: &'a [Fresh]) {
        for value in values {
            self.seen.entry(value).or_default().push(which);
        }
    }

    /// By transcript what it holds that was there before, or is somewhere else.
    pub(crate) fn found(&self) -> BTreeMap<usize, Found> {
        let mut found: BTreeMap<usize, Found> = BTreeMap::new();
        for ((kind, value), transcripts) in &self.seen {
            // Of many numbers of four bytes two are the same by chance, and three are not.
            let chance = if *kind == IDENTIFIER { 2 } else { 1 };
            if transcripts.len() <= chance {
                continue;
            }
            let beginning = value.iter().take(4).map(|byte| format!("{byte:02x}")).collect::<String>();
            for which in transcripts.iter().collect::<BTreeSet<_>>() {
                let detail = format!("{kind} {beginning}… {} times", transcripts.len());
                found.entry(*which).or_default().push(violation("nothing_fresh_is_there_twice", detail));
            }
        }
        found
    }
}

/// Everything in a transcript that has to be fresh.
pub(crate) fn fresh_values(look: &Look<'_>, keys: &Keys) -> Vec<Fresh> {
    let mut values = prekeys(look);
    let first: BTreeSet<&[u8]> = look.messages.iter().filter_map(|message| message.bytes(FIRST[0])).collect();
    // The same message may be sent twice, and a ratchet's key is in all its messages.
    let (mut messages, mut ratchets) = (BTreeSet::new(), BTreeSet::new());
    for message in look.messages.iter().filter(|message| message.line.starts_with("?OTR:")) {
        if !messages.insert(&message.line) {
            continue;
        }
        for (kind, names) in [(ECDH, ["X", "Y", FIRST[0]]), (DH, ["A", "B", FIRST[1]])] {
            values.extend(names.into_iter().filter_map(|name| Some((kind, message.bytes(name)?.to_vec()))));
        }
        values.extend(message.bytes("Auth MAC").map(|mac| ("Auth MAC", mac.to_vec())));
        if let Some(number) = message.number(IDENTIFIER) {
            values.push((IDENTIFIER, number.to_be_bytes().to_vec()));
        }
        if let Some(signature) = message.ring_signature() {
            let numbers = ["c1", "r1", "c2", "r2", "c3", "r3"];
            values.extend(numbers.into_iter().zip(signature.map(<[u8]>::to_vec)));
            let nonces = keys.accounts.iter().flat_map(|account| message.nonces(account));
            values.extend(nonces.map(|nonce| ("nonce of a signature", nonce.to_vec())));
        }
        if let Some(data) = &message.data {
            values.push(("authenticator", data.mac.clone()));
            values.extend(data.revealed.iter().map(|key| ("MAC key", key.clone())));
            if data.ciphertext.len() >= LONG {
                values.push(("ciphertext", data.ciphertext.clone()));
            }
            // First keys were noted with the handshake that brought them.
            if ratchets.insert(data.ecdh.as_slice()) && !first.contains(data.ecdh.as_slice()) {
                values.push((ECDH, data.ecdh.clone()));
                if !data.dh.is_empty() {
                    values.push((DH, data.dh.clone()));
                }
            }
        }
    }
    values
}

/// Those that an offline start has used: nobody else may have them.
fn prekeys(look: &Look<'_>) -> Vec<Fresh> {
    let Some(Ok(ensemble)) = &look.ensemble else { return Vec::new() };
    let verified = look.lines.first().map(|line| Timestamp::from_unix(line.at));
    let verified = verified.and_then(|at| ensemble.clone().verify(at, Versions::V4).ok());
    let message = verified.map(|verified| parse(&armour(verified.message().as_bytes())));
    let fields = message.into_iter().flat_map(|message| message.fields);
    let keys = fields.filter_map(|field| match (field.name, field.value) {
        ("Y", Value::Bytes(key)) => Some((ECDH, key)),
        ("B", Value::Bytes(key)) => Some((DH, key)),
        _ => None,
    });
    keys.collect()
}

const FIRST: [&str; 2] = ["first ECDH public key", "first DH public key"];
const ECDH: &str = "ECDH key";
const DH: &str = "DH key";
const IDENTIFIER: &str = "prekey message identifier";

/// Bytes of a ciphertext that chance does not make twice.
const LONG: usize = 12;
