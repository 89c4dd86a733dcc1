//! Which messages a revealed MAC key belongs to. Spec: otrv4.md "Revealing MAC Keys"; OTRv3 "Revealing MAC Keys".
//! Used by applications.
//!
//! A message does not say which key its MAC was made with, and a list of old keys not which messages they are of. So keys are
//! tried, and one under which no MAC holds is of no message here, whatever the line says that it came in: that list is not
//! authenticated, and anybody on the way can put other bytes into it.

use std::collections::HashMap;

use super::line::Recording;
use super::{ForgeError, v3, v4};
use crate::wire::{Reader, WireError};

/// A MAC key that has been revealed. It is public: whoever has the lines has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RevealedKey {
    /// The key: 64 bytes, in versions 3 and 2 20.
    pub key: Vec<u8>,
    /// The lines that reveal it, by their places from 0, each once.
    pub revealed_in: Vec<usize>,
    /// The messages whose MAC holds under it, likewise: what anybody can change now, see [`v4::modify`] and [`v3::modify`].
    /// In versions 3 and 2 one key serves several.
    pub messages: Vec<usize>,
}

/// All MAC keys that these lines reveal, in the order in which they are first revealed, each with its messages. A message in pieces has
/// the place of the piece that completes it. Lines that are no data messages count as places and are passed over.
///
/// Each key is tried on the messages before it that have none yet: in a conversation in its order those are few. Messages that are left
/// are tried with the keys before them. Keys of no message here cost a MAC for each message without a key; where that would be more than
/// [`MAX_TRIED`] bytes, it is [`ForgeError::TooManyKeys`].
pub fn revealed_keys<L: AsRef<str>>(lines: &[L]) -> Result<Vec<RevealedKey>, ForgeError> {
    let mut recording = Recording::default();
    let messages: Vec<_> =
        lines.iter().map(|line| recording.next(line.as_ref()).unwrap_or_default()).collect();
    within(MAX_TRIED, &messages)
}

/// So many bytes of messages are authenticated in search of their keys, which is the work of seconds. Ten thousand messages of which one
/// in fifty never arrived take less than a fifth of it.
pub const MAX_TRIED: u64 = 4 << 30;

fn within(mut budget: u64, messages: &[Vec<u8>]) -> Result<Vec<RevealedKey>, ForgeError> {
    let messages = messages.iter().enumerate();
    let messages =
        messages.filter_map(|(place, bytes)| Some(Message { place, bytes, data: Data::read(bytes)? }));
    let messages: Vec<Message<'_>> = messages.collect();
    let mut keys = keys_in(&messages);
    let (mut later, mut open) = (messages.iter().peekable(), Vec::new());
    // A key is of a message before it, as a rule, and a message has one key.
    for RevealedKey { key, revealed_in, messages } in &mut keys {
        let first = revealed_in.first().copied().unwrap_or_default();
        while let Some(message) = later.next_if(|message| message.place < first) {
            open.push(message);
        }
        let mut left = Vec::new();
        for message in open {
            match message.holds_under(key, &mut budget)? {
                true => messages.push(message.place),
                false => left.push(message),
            }
        }
        open = left;
    }
    for message in open.into_iter().chain(later) {
        for RevealedKey { key, revealed_in, messages } in &mut keys {
            let tried_before = revealed_in.first().is_some_and(|first| message.place < *first);
            if !tried_before && message.holds_under(key, &mut budget)? {
                messages.push(message.place);
            }
        }
    }
    Ok(keys)
}

/// The keys that these reveal, without their messages.
fn keys_in(messages: &[Message<'_>]) -> Vec<RevealedKey> {
    let (mut keys, mut places): (Vec<RevealedKey>, _) = (Vec::new(), HashMap::new());
    for Message { place, data, .. } in messages {
        for key in data.revealed() {
            let at = *places.entry(key).or_insert(keys.len());
            match keys.get_mut(at) {
                // A line may hold a key twice.
                Some(RevealedKey { revealed_in, .. }) if revealed_in.last() == Some(place) => {}
                Some(RevealedKey { revealed_in, .. }) => revealed_in.push(*place),
                None => keys.push(RevealedKey {
                    key: key.to_vec(),
                    revealed_in: vec![*place],
                    messages: Vec::new(),
                }),
            }
        }
    }
    keys
}

/// A data message at its place.
struct Message<'a> {
    place: usize,
    bytes: &'a [u8],
    data: Data<'a>,
}

impl Message<'_> {
    /// Takes its length from the budget.
    fn holds_under(&self, key: &[u8], budget: &mut u64) -> Result<bool, ForgeError> {
        let length = u64::try_from(self.bytes.len()).unwrap_or(u64::MAX);
        *budget = budget.checked_sub(length).ok_or(ForgeError::TooManyKeys)?;
        Ok(self.data.holds_under(key))
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Secret;
    use crate::forge::line::message;
    use crate::wire::InstanceTag;

    fn revealing(revealed: &[[u8; 20]]) -> Vec<u8> {
        let parts = v3::Parts {
            sender: InstanceTag::new(0x100).expect("a tag"),
            receiver: InstanceTag::new(0x200).expect("a tag"),
            flags: 0,
            sender_keyid: 1,
            recipient_keyid: 1,
            next_dh: &[4],
            counter: 1,
            ciphertext: b"encrypted",
            revealed,
        };
        message(&parts.assemble(&Secret::copied(&[0; 20])).expect("a message")).expect("a message")
    }

    #[test]
    fn each_pair_is_tried_once_and_none_beyond_the_budget() {
        let messages = [revealing(&[]), revealing(&[[1; 20], [2; 20], [1; 20]]), revealing(&[[2; 20]])];
        let bytes: usize = messages.iter().map(|message| 2 * message.len()).sum();
        let bytes = u64::try_from(bytes).expect("few");
        let places = |keys: Vec<RevealedKey>| keys.into_iter().map(|key| key.revealed_in).collect();
        assert_eq!(within(bytes, &messages).map(places), Ok(vec![vec![1], vec![1, 2]]));
        assert_eq!(within(bytes - 1, &messages), Err(ForgeError::TooManyKeys));
        let right = [revealing(&[]), revealing(&[[0; 20]])];
        let found = within(MAX_TRIED, &right).expect("few");
        assert_eq!(found[0].messages, [0, 1]);
    }
}
