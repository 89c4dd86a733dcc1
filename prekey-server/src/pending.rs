//! Exchanges between DAKE-1 and DAKE-3: bounded in number, short-lived, each good for one DAKE-3.

use crate::store::{MAX_DEVICES, StoredName, is_pending};
use otrv4::Timestamp;
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Exchanges at a time, about 1 KiB each. More publishers within [`PENDING_LIFETIME`](crate::store::PENDING_LIFETIME) end the oldest exchange: whoever fills
/// the table with exchanges that nobody finishes must do so again and again, and locks nobody out.
const MAX_PENDING: usize = 4096;

/// The pending exchanges, under the publisher's identity and instance tag.
#[derive(Debug)]
pub(crate) struct Pending<T>(Mutex<Table<T>>);

#[derive(Debug)]
struct Table<T> {
    by_identity: HashMap<StoredName, Vec<Entry<T>>>,
    total: usize,
    /// How many exchanges were begun: the number of the next.
    begun: u64,
    swept: Timestamp,
}

#[derive(Debug)]
struct Entry<T> {
    tag: u32,
    /// Seconds do not tell which of two is older.
    number: u64,
    begun: Timestamp,
    exchange: T,
}

impl<T> Pending<T> {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(Table {
            by_identity: HashMap::new(),
            total: 0,
            begun: 0,
            swept: Timestamp::from_unix(0),
        }))
    }

    /// Keeps an exchange. It replaces the one of the same client; past the identity's share, its oldest; in a full
    /// table, the oldest of all.
    pub(crate) fn insert(&self, identity: &StoredName, tag: u32, exchange: T, now: Timestamp) {
        let mut table = self.lock();
        table.sweep(now);
        table.remove(identity, tag);
        table.make_room(identity);
        let number = table.begun;
        table.begun += 1;
        table.total += 1;
        let entries = table.by_identity.entry(identity.clone()).or_default();
        entries.push(Entry { tag, number, begun: now, exchange });
    }

    /// Ends all exchanges of an identity.
    pub(crate) fn remove_all(&self, identity: &StoredName) {
        let mut table = self.lock();
        table.total -= table.by_identity.remove(identity).map_or(0, |entries| entries.len());
    }

    /// Takes the client's exchange out, whatever comes of it.
    pub(crate) fn take(&self, identity: &StoredName, tag: u32, now: Timestamp) -> Option<T> {
        let entry = self.lock().remove(identity, tag)?;
        entry.is_alive(now).then_some(entry.exchange)
    }

    /// Ends what has expired, and says how many there were.
    pub(crate) fn sweep(&self, now: Timestamp) -> u64 {
        let mut table = self.lock();
        let before = table.total;
        table.sweep(now);
        (before - table.total) as u64
    }

    /// A panic elsewhere left the table whole: nothing in here panics between two changes that belong together.
    fn lock(&self) -> MutexGuard<'_, Table<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Table<T> {
    fn remove(&mut self, identity: &StoredName, tag: u32) -> Option<Entry<T>> {
        let entries = self.by_identity.get_mut(identity)?;
        let position = entries.iter().position(|entry| entry.tag == tag)?;
        let entry = entries.remove(position);
        if entries.is_empty() {
            self.by_identity.remove(identity);
        }
        self.total -= 1;
        Some(entry)
    }

    /// Ends the oldest exchange of the identity if it has its share, or of all if the table is full.
    fn make_room(&mut self, identity: &StoredName) {
        let own = self.by_identity.get(identity).filter(|entries| entries.len() >= MAX_DEVICES as usize);
        let oldest = if let Some(entries) = own {
            entries.first().map(|entry| (identity.clone(), entry.tag))
        } else if self.total >= MAX_PENDING {
            self.oldest()
        } else {
            None
        };
        if let Some((identity, tag)) = oldest {
            self.remove(&identity, tag);
        }
    }

    /// Looks at every identity: some microseconds, and only when the table is full.
    fn oldest(&self) -> Option<(StoredName, u32)> {
        let first_of_each =
            self.by_identity.iter().filter_map(|(identity, entries)| Some((identity, entries.first()?)));
        let (identity, entry) = first_of_each.min_by_key(|(_, entry)| entry.number)?;
        Some((identity.clone(), entry.tag))
    }

    /// Drops what has expired, at most once a second: the keys in it are wiped soon, and the work stays small.
    fn sweep(&mut self, now: Timestamp) {
        if now != self.swept {
            self.by_identity.retain(|_, entries| {
                entries.retain(|entry| entry.is_alive(now));
                !entries.is_empty()
            });
            self.total = self.by_identity.values().map(Vec::len).sum();
            self.swept = now;
        }
    }
}

impl<T> Entry<T> {
    fn is_alive(&self, now: Timestamp) -> bool {
        is_pending(self.begun, now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{CLOCK_SKEW, PENDING_LIFETIME as LIFETIME};

    const NOW: Timestamp = Timestamp::from_unix(1_700_000_000);

    fn identity(n: usize) -> StoredName {
        StoredName::plain(&format!("bob{n}"))
    }

    fn tag(n: usize) -> u32 {
        0x100 + u32::try_from(n).expect("small")
    }

    #[test]
    fn an_exchange_serves_once_and_its_own_client_only() {
        let pending = Pending::new();
        pending.insert(&identity(1), tag(1), "one", NOW);
        assert_eq!(pending.take(&identity(2), tag(1), NOW), None);
        assert_eq!(pending.take(&identity(1), tag(2), NOW), None);
        assert_eq!(pending.take(&identity(1), tag(1), NOW), Some("one"));
        assert_eq!(pending.take(&identity(1), tag(1), NOW), None);
    }

    #[test]
    fn a_new_exchange_of_a_client_replaces_its_old_one() {
        let pending = Pending::new();
        pending.insert(&identity(1), tag(1), "old", NOW);
        pending.insert(&identity(1), tag(1), "new", NOW);
        assert_eq!(pending.take(&identity(1), tag(1), NOW), Some("new"));
        assert_eq!(pending.take(&identity(1), tag(1), NOW), None);
    }

    #[test]
    fn an_exchange_ends_with_its_time_or_when_the_clock_goes_back() {
        for (later, expected) in
            [(LIFETIME - 1, Some(())), (LIFETIME, None), (-CLOCK_SKEW, Some(())), (-CLOCK_SKEW - 1, None)]
        {
            let pending = Pending::new();
            pending.insert(&identity(1), tag(1), (), NOW);
            assert_eq!(pending.take(&identity(1), tag(1), NOW.plus(later)), expected);
        }
    }

    #[test]
    fn an_identity_past_its_share_loses_its_own_oldest() {
        let pending = Pending::new();
        pending.insert(&identity(2), tag(0), 0, NOW);
        for n in 0..=MAX_DEVICES as usize {
            pending.insert(&identity(1), tag(n), n, NOW);
        }
        assert_eq!(pending.take(&identity(1), tag(0), NOW), None);
        assert_eq!(pending.take(&identity(1), tag(1), NOW), Some(1));
        assert_eq!(pending.take(&identity(2), tag(0), NOW), Some(0));
    }

    #[test]
    fn a_full_table_ends_its_oldest_exchange() {
        let pending = Pending::new();
        for n in 0..MAX_PENDING {
            pending.insert(&identity(n), tag(0), "first", NOW);
        }
        // In its own place, at the expense of nobody.
        pending.insert(&identity(0), tag(0), "again", NOW);
        pending.insert(&identity(MAX_PENDING), tag(0), "late", NOW);
        assert_eq!(pending.take(&identity(1), tag(0), NOW), None);
        assert_eq!(pending.take(&identity(0), tag(0), NOW), Some("again"));
        assert_eq!(pending.take(&identity(2), tag(0), NOW), Some("first"));
        assert_eq!(pending.take(&identity(MAX_PENDING), tag(0), NOW), Some("late"));
    }

    #[test]
    fn expired_exchanges_are_swept_when_another_begins() {
        let pending = Pending::new();
        pending.insert(&identity(1), tag(0), (), NOW);
        pending.insert(&identity(2), tag(0), (), NOW.plus(LIFETIME));
        assert_eq!(pending.lock().total, 1);
    }
}
