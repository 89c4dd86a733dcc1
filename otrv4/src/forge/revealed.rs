//! Which messages a revealed MAC key belongs to. Spec: otrv4.md "Revealing MAC Keys"; OTRv3 "Revealing MAC Keys".
//! Used by applications.
//!
//! A message does not say which key its MAC was made with, and a list of old keys not which messages they are of. So keys are
//! tried, and one under which no MAC holds is of no message here, whatever the line says that it came in: that list is not
//! authenticated, and anybody on the way can put other bytes into it.

use std::collections::HashMap;

use super::line::message;
use super::{v3, v4};
use crate::wire::{Reader, WireError};

/// A MAC key that has been revealed. It is public: whoever has the lines has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RevealedKey {
    /// The key: 64 bytes, in versions 3 and 2 20.
    pub key: Vec<u8>,
    /// The lines that reveal it, by their places from 0.
    pub revealed_in: Vec<usize>,
    /// The messages whose MAC holds under it, likewise: what anybody can change now, see [`v4::modify`] and [`v3::modify`].
    /// In versions 3 and 2 one key serves several.
    pub messages: Vec<usize>,
}

/// All MAC keys that these lines reveal, in the order in which they are first revealed, each with its messages. Lines that
/// are no data messages count as places and are passed over.
///
/// Each key is tried on the messages before it that have none yet: in a conversation in its order those are few. What is left is tried
/// on all of them, so that keys of no message here cost a MAC for each message without a key.
pub fn revealed_keys<L: AsRef<str>>(lines: &[L]) -> Vec<RevealedKey> {
    let bytes: Vec<_> = lines.iter().map(|line| message(line.as_ref()).unwrap_or_default()).collect();
    let messages = bytes.iter().enumerate().filter_map(|(place, bytes)| Some((place, Data::read(bytes)?)));
    let mut unmatched: Vec<(usize, Data<'_>)> = messages.collect();
    let (mut keys, mut places) = (Vec::new(), HashMap::new());
    for (place, data) in &unmatched {
        for key in data.revealed() {
            let at = *places.entry(key).or_insert(keys.len());
            match keys.get_mut(at) {
                Some(RevealedKey { revealed_in, .. }) => revealed_in.push(*place),
                None => keys.push(RevealedKey {
                    key: key.to_vec(),
                    revealed_in: vec![*place],
                    messages: Vec::new(),
                }),
            }
        }
    }
    // A key is of a message before it, as a rule, and a message has one key.
    for RevealedKey { key, revealed_in, messages } in &mut keys {
        let first = revealed_in.first().copied().unwrap_or_default();
        unmatched.retain(|(place, data)| {
            let matched = *place < first && data.holds_under(key);
            if matched {
                messages.push(*place);
            }
            !matched
        });
    }
    for (place, data) in unmatched {
        for key in keys.iter_mut().filter(|key| data.holds_under(&key.key)) {
            key.messages.push(place);
        }
    }
    keys
}

/// A data message, as far as its MAC and the keys behind that go. One that honest clients refuse for something else is read, too:
/// other clients may take it, and the keys in it are out all the same.
struct Data<'a> {
    version: u16,
    sections: &'a [u8],
    authenticator: &'a [u8],
    revealed: &'a [u8],
}

impl<'a> Data<'a> {
    fn read(message: &'a [u8]) -> Option<Self> {
        Self::fields(&mut Reader::new(message)).ok().flatten()
    }

    fn fields(r: &mut Reader<'a>) -> Result<Option<Self>, WireError> {
        let version = r.short("version")?;
        if !matches!(version, 2..=4) || r.byte("message type")? != DATA {
            return Ok(None);
        }
        // Version 2 has no tags.
        r.bytes(if version == 2 { 0 } else { 8 }, "instance tags")?;
        match version {
            4 => {
                r.bytes(1 + 3 * 4 + 57, "flags to ECDH key")?;
                r.mpi("DH key")?;
            }
            _ => {
                r.bytes(1 + 2 * 4, "flags and keyids")?;
                r.mpi("next DH key")?;
                r.long("counter")?;
            }
        }
        r.data("encrypted message")?;
        let sections = r.since(0);
        let authenticator = r.bytes(length_of_key(version), "authenticator")?;
        Ok(Some(Self { version, sections, authenticator, revealed: r.data("old MAC keys")? }))
    }

    fn revealed(&self) -> impl Iterator<Item = &'a [u8]> {
        self.revealed.chunks_exact(length_of_key(self.version))
    }

    fn holds_under(&self, key: &[u8]) -> bool {
        match self.version {
            4 => v4::holds_under(self.sections, self.authenticator, key),
            _ => v3::holds_under(self.sections, self.authenticator, key),
        }
    }
}

/// The type of data messages, in all versions.
const DATA: u8 = 0x03;

/// Bytes of a MAC key, and of a MAC.
fn length_of_key(version: u16) -> usize {
    if version == 4 { 64 } else { 20 }
}
