//! What the messages say, to a judge who gets the chain key of each message that arrived, as the receiver's program had it.
//! Spec: otrv4.md "Decrypting Data Messages", "TLV Record Types"; spec-notes/SN-013.

use std::collections::BTreeMap;

use otrv4::inside::primitives::over_bytes::{chain_step, open};

use super::look::{Data, Look};
use super::{Found, violation};

/// A plaintext, taken apart.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Plain {
    pub(crate) text: Vec<u8>,
    pub(crate) records: Vec<(u16, Vec<u8>)>,
    /// Whether a NUL and whole records follow the text, and nothing else.
    pub(crate) is_whole: bool,
}

impl Plain {
    /// Of a message, if its MAC holds under the key that this chain key leads to.
    pub(crate) fn of(data: &Data, chain_key: &[u8]) -> Option<Self> {
        open(chain_key, &data.sections, &data.mac, &data.ciphertext).map(|plaintext| Self::read(&plaintext))
    }

    fn read(plaintext: &[u8]) -> Self {
        let end = plaintext.iter().position(|byte| *byte == 0);
        let (text, mut rest) = plaintext.split_at(end.unwrap_or(plaintext.len()));
        rest = rest.get(1..).unwrap_or_default();
        let mut records = Vec::new();
        while let [t1, t2, l1, l2, behind @ ..] = rest {
            let length = usize::from(u16::from_be_bytes([*l1, *l2]));
            let Some((value, behind)) = behind.split_at_checked(length) else { break };
            records.push((u16::from_be_bytes([*t1, *t2]), value.to_vec()));
            rest = behind;
        }
        Self { text: text.to_vec(), records, is_whole: end.is_some() && rest.is_empty() }
    }

    /// The zeros that fill it up.
    pub(crate) fn padding(&self) -> usize {
        self.records.iter().filter(|(kind, _)| *kind == PADDING).map(|(_, value)| value.len()).sum()
    }

    /// Texts are UTF-8, records are of known types, padding comes last and is zeros, and what has the flag of those without text has none.
    fn is_as_programs_write_it(&self, quiet: bool) -> bool {
        let is_padding =
            |(kind, value): &(u16, Vec<u8>)| *kind == PADDING && value.iter().all(|byte| *byte == 0);
        let before_the_last = self.records.len().saturating_sub(1);
        self.is_whole
            && str::from_utf8(&self.text).is_ok()
            && (self.text.is_empty() || !quiet)
            && self.records.iter().take(before_the_last).all(|(kind, _)| *kind != PADDING)
            && self
                .records
                .iter()
                .all(|record| is_padding(record) || (DISCONNECTED..=EXTRA_KEY).contains(&record.0))
    }
}

/// The MAC of each message holds under the chain key that is shown for it, and it arrived: else its receiver had none.
pub(crate) fn messages_open_under_their_chain_keys(look: &Look<'_>) -> Found {
    let closed = look.data().filter(|(_, message, data)| {
        data.chain_key.is_some() && (data.plain.is_none() || message.received.is_none())
    });
    closed
        .map(|(_, message, _)| {
            violation("messages_open_under_their_chain_keys", format!("at {}", message.at))
        })
        .collect()
}

/// Within a ratchet each chain key leads to the next.
pub(crate) fn chain_keys_lead_to_each_other(look: &Look<'_>) -> Found {
    const RULE: &str = "chain_keys_lead_to_each_other";
    let mut found = Vec::new();
    // Of each ratchet the last message of which this is known.
    let (mut known, mut left) = (BTreeMap::new(), STEPS);
    for (_, message, data) in look.data() {
        let Some(key) = &data.chain_key else { continue };
        let ratchet = (message.sender, data.ecdh.as_slice());
        let Some((j, before)) = known.insert(ratchet, (data.j, key)) else { continue };
        // What was sent again is a message of before.
        let Some(steps) = data.j.checked_sub(j).filter(|steps| *steps <= left) else { continue };
        left -= steps;
        let next = |key: Vec<u8>| chain_step(&key).map(|[.., next]| next);
        let led = (0..steps).try_fold(before.clone(), |key, _| next(key));
        if led.as_ref() != Some(key) {
            found.push(violation(RULE, format!("at {}", message.at)));
        }
    }
    found
}

/// What they say is written as programs write it; whoever ends the conversation says so in a message that says nothing else.
pub(crate) fn plaintexts_are_as_programs_write_them(look: &Look<'_>) -> Found {
    const RULE: &str = "plaintexts_are_as_programs_write_them";
    let wrong = look.data().filter(|(_, _, data)| {
        data.plain.as_ref().is_some_and(|plain| !plain.is_as_programs_write_it(data.quiet))
    });
    wrong.map(|(_, message, _)| violation(RULE, format!("at {}", message.at))).collect()
}

const PADDING: u16 = 0;

const DISCONNECTED: u16 = 1;

/// The last of the known types.
const EXTRA_KEY: u16 = 7;

/// Steps that are gone in a record: a message takes one, and those that are missing theirs.
const STEPS: u64 = 20_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plaintext_is_text_nul_and_records() {
        let plain = Plain::read(b"hi\0\x00\x01\x00\x00\x00\x00\x00\x02\x00\x00");
        let records = vec![(DISCONNECTED, Vec::new()), (PADDING, vec![0, 0])];
        assert_eq!(plain, Plain { text: b"hi".to_vec(), records, is_whole: true });
        assert_eq!(plain.padding(), 2);
        assert!(plain.is_as_programs_write_it(false) && !plain.is_as_programs_write_it(true));
        for broken in [&b"hi"[..], b"hi\0\x00", b"hi\0\x00\x01\x00\x01", b"hi\0\x00\x09\x00\x00", b"h\xff\0"]
        {
            assert!(!Plain::read(broken).is_as_programs_write_it(broken[0] == 0), "{broken:?}");
        }
        // Padding that is not zeros, and padding before a record.
        for odd in [&b"hi\0\x00\x00\x00\x01\x07"[..], b"hi\0\x00\x00\x00\x00\x00\x01\x00\x00"] {
            assert!(!Plain::read(odd).is_as_programs_write_it(false), "{odd:?}");
        }
    }
}
