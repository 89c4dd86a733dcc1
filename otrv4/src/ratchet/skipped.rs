//! Keys of messages that have not arrived yet: bounded, oldest first out.
//! Spec: otrv4.md "When you receive a Data Message", "Deletion of Stored Message Keys". spec-notes/SN-029

use std::collections::{BTreeMap, VecDeque};

use super::keys::{MacKey, MessageKey};
use crate::wire::{Reader, WireError, Writer};

/// Stored message keys of one conversation, grouped by the ratchet that they belong to.
#[derive(Debug, Default)]
pub(crate) struct Skipped {
    ratchets: VecDeque<SkippedOfRatchet>,
}

/// What is left of one ratchet: the sender's ECDH key and the keys by message id.
#[derive(Debug)]
struct SkippedOfRatchet {
    ecdh: [u8; 57],
    keys: BTreeMap<u32, MessageKey>,
}

impl Skipped {
    /// The key of message `j` under the sender's ECDH key, if it is stored.
    pub(crate) fn find(&self, ecdh: &[u8; 57], j: u32) -> Option<&MessageKey> {
        self.of(ecdh)?.keys.get(&j)
    }

    /// Whether any key is stored under the sender's ECDH key.
    pub(crate) fn knows(&self, ecdh: &[u8; 57]) -> bool {
        self.of(ecdh).is_some()
    }

    /// Takes the key out: its message has been opened.
    pub(crate) fn take(&mut self, ecdh: &[u8; 57], j: u32) -> Option<MessageKey> {
        let group = self.ratchets.iter_mut().find(|group| &group.ecdh == ecdh)?;
        let key = group.keys.remove(&j);
        self.ratchets.retain(|group| !group.keys.is_empty());
        key
    }

    /// Stores a key. When the store is full the oldest goes; its MAC key comes back, to be revealed.
    pub(crate) fn store(&mut self, ecdh: &[u8; 57], j: u32, key: MessageKey) -> Option<MacKey> {
        let oldest = if self.len() >= MAX_STORED { self.take_oldest() } else { None };
        match self.ratchets.iter_mut().find(|group| &group.ecdh == ecdh) {
            Some(group) => _ = group.keys.insert(j, key),
            None => {
                self.ratchets.push_back(SkippedOfRatchet { ecdh: *ecdh, keys: BTreeMap::from([(j, key)]) });
            }
        }
        oldest.map(|key| key.mac_key())
    }

    /// The MAC keys of all that is stored, which is forgotten.
    pub(crate) fn drain(&mut self) -> impl Iterator<Item = MacKey> {
        std::mem::take(&mut self.ratchets)
            .into_iter()
            .flat_map(|group| group.keys.into_values())
            .map(|key| key.mac_key())
    }

    /// Number of stored keys.
    pub(crate) fn len(&self) -> usize {
        self.ratchets.iter().map(|group| group.keys.len()).sum()
    }

    pub(crate) fn save(&self, w: &mut Writer) {
        w.list(&self.ratchets, |w, SkippedOfRatchet { ecdh, keys }| {
            w.bytes(ecdh);
            w.list(keys, |w, (j, key)| {
                w.int(*j);
                key.save(w);
            });
        });
    }

    pub(crate) fn load(r: &mut Reader<'_>) -> Result<Self, WireError> {
        let ratchets = r.list(|r| {
            let ecdh = r.array("ratchet key")?;
            let keys = r.list(|r| Ok((r.int("message id")?, MessageKey::load(r)?)))?;
            Ok(SkippedOfRatchet { ecdh, keys: keys.into_iter().collect() })
        })?;
        Ok(Self { ratchets: ratchets.into() })
    }

    fn of(&self, ecdh: &[u8; 57]) -> Option<&SkippedOfRatchet> {
        self.ratchets.iter().find(|group| &group.ecdh == ecdh)
    }

    fn take_oldest(&mut self) -> Option<MessageKey> {
        let oldest = self.ratchets.front_mut()?.keys.pop_first().map(|(_, key)| key);
        self.ratchets.retain(|group| !group.keys.is_empty());
        oldest
    }
}

/// Keys stored for one conversation: the text's own example of a limit; 64 KiB of secrets.
pub(crate) const MAX_STORED: usize = 1000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::secret::Secret;

    fn key(n: u32) -> MessageKey {
        let mut bytes = [0; 64];
        bytes[..4].copy_from_slice(&n.to_be_bytes());
        MessageKey::load(&mut Reader::new(Secret::copied(&bytes).as_bytes())).expect("64 bytes")
    }

    #[test]
    fn a_full_store_gives_up_the_oldest_key_and_its_mac_key_is_revealed() {
        let mut store = Skipped::default();
        for n in 0..1000 {
            let ecdh = if n < 10 { [1; 57] } else { [2; 57] };
            assert!(store.store(&ecdh, n, key(n)).is_none());
        }
        let revealed = store.store(&[3; 57], 0, key(5000)).expect("the store was full");
        assert_eq!(revealed.reveal(), key(0).mac_key().reveal());
        assert_eq!(store.len(), MAX_STORED);
        assert!(store.find(&[1; 57], 0).is_none());
        assert!(store.find(&[1; 57], 1).is_some());
    }

    #[test]
    fn a_key_is_taken_once() {
        let mut store = Skipped::default();
        store.store(&[1; 57], 4, key(4));
        assert!(store.take(&[2; 57], 4).is_none());
        assert!(store.take(&[1; 57], 4).is_some());
        assert!(store.take(&[1; 57], 4).is_none());
        assert!(!store.knows(&[1; 57]));
    }

    #[test]
    fn a_saved_store_is_read_back() {
        let mut store = Skipped::default();
        (0..5u8).for_each(|n| _ = store.store(&[n % 2; 57], n.into(), key(n.into())));
        let mut w = Writer::new();
        store.save(&mut w);
        let bytes = w.finish();
        let loaded = Skipped::load(&mut Reader::new(&bytes)).expect("what was saved");
        assert_eq!(loaded.len(), 5);
        assert!(loaded.find(&[1; 57], 3).is_some());
    }
}
