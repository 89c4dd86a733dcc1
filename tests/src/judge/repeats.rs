//! What must be nowhere twice: ephemeral keys, nonces, MACs, the numbers of signatures. Within a transcript and across all.

use std::collections::{BTreeMap, BTreeSet};

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
        for ((kind, value), transcripts) in self.seen.iter().filter(|(_, transcripts)| transcripts.len() > 1)
        {
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
    let mut values = Vec::new();
    // The same message may be sent twice, and a ratchet's key is in all its messages.
    let (mut messages, mut ratchets) = (BTreeSet::new(), BTreeSet::new());
    for message in &look.messages {
        if !message.line.starts_with("?OTR:") || !messages.insert(&message.line) {
            continue;
        }
        let names = ["Y", "B", "X", "A", "first ECDH public key", "first DH public key", "Auth MAC"];
        values.extend(names.into_iter().filter_map(|name| Some((name, message.bytes(name)?.to_vec()))));
        if let Some(number) = message.number("prekey message identifier") {
            values.push(("prekey message identifier", number.to_be_bytes().to_vec()));
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
            if ratchets.insert(&data.ecdh) && data.i > 0 {
                values.push(("ECDH key", data.ecdh.clone()));
                if !data.dh.is_empty() {
                    values.push(("DH key", data.dh.clone()));
                }
            }
        }
    }
    values
}

/// Bytes of a ciphertext that chance does not make twice.
const LONG: usize = 12;
