//! Keys of messages that have not arrived yet: bounded in number, oldest first out, and gone when they are too old.
//! Spec: otrv4.md "When you receive a Data Message", "Deletion of Stored Message Keys". spec-notes/SN-029

use std::collections::{BTreeMap, VecDeque};

use super::keys::{ChainKey, ExtraSymmKey, MacKey, MessageKey};
use crate::Timestamp;
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
    keys: BTreeMap<u32, Stored>,
}

/// What is kept of a chain key for one message. The extra symmetric key is among it: whether the message asks for it
/// shows when it arrives, and then the chain key is gone.
#[derive(Debug)]
pub(super) struct Stored {
    pub(super) key: MessageKey,
    pub(super) extra: ExtraSymmKey,
    since: Timestamp,
}

impl Stored {
    pub(super) fn of(chain: &ChainKey, since: Timestamp) -> Self {
        Self { key: chain.message_key(), extra: chain.extra_symm_key(), since }
    }
}

impl Skipped {
    /// The keys of message `j` under the sender's ECDH key, if they are stored.
    pub(super) fn find(&self, ecdh: &[u8; 57], j: u32) -> Option<&Stored> {
        self.of(ecdh)?.keys.get(&j)
    }

    /// Whether any key is stored under the sender's ECDH key.
    pub(crate) fn knows(&self, ecdh: &[u8; 57]) -> bool {
        self.of(ecdh).is_some()
    }

    /// Takes the keys out: their message has been opened.
    pub(super) fn take(&mut self, ecdh: &[u8; 57], j: u32) -> Option<Stored> {
        let group = self.ratchets.iter_mut().find(|group| &group.ecdh == ecdh)?;
        let stored = group.keys.remove(&j);
        self.forget_empty();
        stored
    }

    /// Stores a message's keys. When the store is full the oldest go; their MAC key comes back, to be revealed.
    pub(super) fn store(&mut self, ecdh: &[u8; 57], j: u32, keys: Stored) -> Option<MacKey> {
        let oldest = if self.len() >= MAX_STORED { self.take_oldest() } else { None };
        match self.ratchets.iter_mut().find(|group| &group.ecdh == ecdh) {
            Some(group) => _ = group.keys.insert(j, keys),
            None => {
                self.ratchets.push_back(SkippedOfRatchet { ecdh: *ecdh, keys: BTreeMap::from([(j, keys)]) });
            }
        }
        oldest.map(|stored| stored.key.mac_key())
    }

    /// Forgets what was stored at that time or before it; the MAC keys come back, to be revealed.
    pub(crate) fn expire(&mut self, older_than: Timestamp) -> Vec<MacKey> {
        let mut expired = Vec::new();
        for group in &mut self.ratchets {
            group.keys.retain(|_, stored| {
                let stays = stored.since > older_than;
                if !stays {
                    expired.push(stored.key.mac_key());
                }
                stays
            });
        }
        self.forget_empty();
        expired
    }

    /// Nothing was stored later than now: times that a clock gave which was ahead become the present. Else those keys
    /// would stay until the clock is there again. Whether there were any.
    pub(crate) fn clamp(&mut self, now: Timestamp) -> bool {
        let mut any = false;
        let all = self.ratchets.iter_mut().flat_map(|group| group.keys.values_mut());
        for stored in all.filter(|stored| stored.since > now) {
            (stored.since, any) = (now, true);
        }
        any
    }

    /// When the oldest was stored. Every key is looked at, since a clock may have been set back between two.
    pub(crate) fn oldest(&self) -> Option<Timestamp> {
        self.ratchets.iter().flat_map(|group| group.keys.values()).map(|stored| stored.since).min()
    }

    /// The MAC keys of all that is stored, which is forgotten.
    pub(crate) fn drain(&mut self) -> impl Iterator<Item = MacKey> {
        std::mem::take(&mut self.ratchets)
            .into_iter()
            .flat_map(|group| group.keys.into_values())
            .map(|stored| stored.key.mac_key())
    }

    /// Number of stored keys.
    pub(crate) fn len(&self) -> usize {
        self.ratchets.iter().map(|group| group.keys.len()).sum()
    }

    pub(crate) fn save(&self, w: &mut Writer) {
        w.list(&self.ratchets, |w, SkippedOfRatchet { ecdh, keys }| {
            w.bytes(ecdh);
            w.list(keys, |w, (j, Stored { key, extra, since })| {
                w.int(*j);
                key.save(w);
                extra.save(w);
                since.save(w);
            });
        });
    }

    pub(crate) fn load(r: &mut Reader<'_>) -> Result<Self, WireError> {
        let ratchets = r.list(|r| {
            let ecdh = r.array("ratchet key")?;
            let keys = r.map(|r| {
                let (j, key, extra) = (r.int("message id")?, MessageKey::load(r)?, ExtraSymmKey::load(r)?);
                Ok((j, Stored { key, extra, since: Timestamp::load(r)? }))
            })?;
            Ok(SkippedOfRatchet { ecdh, keys })
        })?;
        Ok(Self { ratchets: ratchets.into() })
    }

    fn of(&self, ecdh: &[u8; 57]) -> Option<&SkippedOfRatchet> {
        self.ratchets.iter().find(|group| &group.ecdh == ecdh)
    }

    fn take_oldest(&mut self) -> Option<Stored> {
        let oldest = self.ratchets.front_mut()?.keys.pop_first().map(|(_, stored)| stored);
        self.forget_empty();
        oldest
    }

    /// A ratchet of which nothing is left is not known any more.
    fn forget_empty(&mut self) {
        self.ratchets.retain(|group| !group.keys.is_empty());
    }
}

/// Keys stored for one conversation: the text's own example of a limit; 128 KiB of secrets.
pub(crate) const MAX_STORED: usize = 1000;

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_unix(1_800_000_000);

    fn chain(n: u32) -> ChainKey {
        let mut bytes = [0; 64];
        bytes[..4].copy_from_slice(&n.to_be_bytes());
        ChainKey::load(&mut Reader::new(&bytes)).expect("64 bytes")
    }

    fn keys(n: u32) -> Stored {
        Stored::of(&chain(n), NOW)
    }

    fn bytes(store: &Skipped) -> Vec<u8> {
        let mut w = Writer::new();
        store.save(&mut w);
        w.finish()
    }

    #[test]
    fn a_full_store_gives_up_the_oldest_key_and_its_mac_key_is_revealed() {
        let mut store = Skipped::default();
        for n in 0..1000 {
            let ecdh = if n < 10 { [1; 57] } else { [2; 57] };
            assert!(store.store(&ecdh, n, keys(n)).is_none());
        }
        let revealed = store.store(&[3; 57], 0, keys(5000)).expect("the store was full");
        assert_eq!(revealed.reveal(), keys(0).key.mac_key().reveal());
        assert_eq!(store.len(), MAX_STORED);
        assert!(store.find(&[1; 57], 0).is_none());
        assert!(store.find(&[1; 57], 1).is_some());
    }

    #[test]
    fn a_key_is_taken_once() {
        let mut store = Skipped::default();
        store.store(&[1; 57], 4, keys(4));
        assert!(store.take(&[2; 57], 4).is_none());
        assert!(store.take(&[1; 57], 4).is_some());
        assert!(store.take(&[1; 57], 4).is_none());
        assert!(!store.knows(&[1; 57]));
    }

    #[test]
    fn keys_go_when_they_are_too_old_and_their_mac_keys_are_revealed() {
        let mut store = Skipped::default();
        for n in 0..6u32 {
            let since = NOW.plus(i64::from(n / 2) * 10);
            store.store(&[if n < 3 { 1 } else { 2 }; 57], n, Stored::of(&chain(n), since));
        }
        assert_eq!(store.oldest(), Some(NOW));
        assert!(store.expire(NOW.plus(-1)).is_empty());

        let revealed = store.expire(NOW.plus(10));
        assert_eq!(revealed.len(), 4);
        for (n, revealed) in (0..).zip(&revealed) {
            assert_eq!(revealed.reveal(), keys(n).key.mac_key().reveal());
        }
        assert!(!store.knows(&[1; 57]) && store.knows(&[2; 57]));
        assert_eq!((store.len(), store.oldest()), (2, Some(NOW.plus(20))));
        assert!(store.find(&[2; 57], 3).is_none() && store.find(&[2; 57], 4).is_some());
    }

    #[test]
    fn an_expired_key_leaves_nothing_in_the_saved_state() {
        let mut store = Skipped::default();
        store.store(&[1; 57], 7, keys(7));
        store.store(&[1; 57], 8, Stored::of(&chain(8), NOW.plus(1)));
        let holds = |store: &Skipped, key: &[u8]| bytes(store).windows(key.len()).any(|bytes| bytes == key);
        let mut secret = Writer::new();
        keys(7).key.save(&mut secret);
        let extra = keys(7).extra;
        assert!(holds(&store, secret.as_slice()) && holds(&store, extra.as_bytes()));
        store.expire(NOW);
        assert!(!holds(&store, secret.as_slice()) && !holds(&store, extra.as_bytes()));
        assert_eq!(store.len(), 1);
    }

    #[test]
    fn the_oldest_is_found_although_the_clock_was_set_back() {
        let mut store = Skipped::default();
        store.store(&[1; 57], 0, Stored::of(&chain(0), NOW));
        store.store(&[1; 57], 1, Stored::of(&chain(1), NOW.plus(-60)));
        assert_eq!(store.oldest(), Some(NOW.plus(-60)));
        assert_eq!(store.expire(NOW.plus(-60)).len(), 1);
        assert!(store.find(&[1; 57], 0).is_some());
    }

    #[test]
    fn a_key_that_was_stored_by_a_clock_that_was_a_year_ahead_is_as_old_as_the_present() {
        let mut store = Skipped::default();
        store.store(&[1; 57], 0, Stored::of(&chain(0), NOW));
        store.store(&[1; 57], 1, Stored::of(&chain(1), NOW.plus(365 * 24 * 60 * 60)));
        store.store(&[2; 57], 2, Stored::of(&chain(2), NOW.plus(365 * 24 * 60 * 60)));
        assert!(store.clamp(NOW.plus(60)) && !store.clamp(NOW.plus(60)));
        assert_eq!(store.expire(NOW).len(), 1, "what was stored before is as old as it was");
        assert_eq!(store.oldest(), Some(NOW.plus(60)));
        assert_eq!(store.expire(NOW.plus(60)).len(), 2);
    }

    #[test]
    fn an_expired_key_makes_room() {
        let mut store = Skipped::default();
        (0..1000).for_each(|n| _ = store.store(&[1; 57], n, keys(n)));
        store.expire(NOW);
        assert_eq!((store.len(), store.oldest()), (0, None));
        assert!(store.store(&[1; 57], 1000, keys(1000)).is_none());
    }

    #[test]
    fn a_saved_store_is_read_back() {
        let mut store = Skipped::default();
        for n in 0..5u8 {
            store.store(&[n % 2; 57], n.into(), Stored::of(&chain(n.into()), NOW.plus(n.into())));
        }
        let saved = bytes(&store);
        let mut r = Reader::new(&saved);
        let loaded = Skipped::load(&mut r).expect("what was saved");
        assert_eq!(r.end(), Ok(()));
        assert_eq!(bytes(&loaded), saved);
        let third = loaded.find(&[1; 57], 3).expect("it was stored");
        assert_eq!(third.extra.as_bytes(), keys(3).extra.as_bytes());
        assert_eq!(third.since, NOW.plus(3));
    }
}
