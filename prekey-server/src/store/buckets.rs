//! Token buckets in memory: bounded, whatever strangers ask for.

use crate::limits::{Bucket, Limit, Spent, Subject};
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// Subjects of one limit at a time, some 2 MiB of them.
const MOST: usize = 1 << 16;

/// When each bucket will be full again, in milliseconds since 1970. One that is not here is full.
#[derive(Debug, Default)]
pub(crate) struct Buckets(Mutex<HashMap<Limit, Table>>);

type Table = HashMap<[u8; 16], i64>;

impl Buckets {
    pub(crate) fn spend(&self, subject: Subject, bucket: Bucket, now: i64) -> Spent {
        // A panic elsewhere left it whole.
        let mut tables = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let table = tables.entry(subject.limit).or_default();
        match bucket.spend(table.get(&subject.who).copied().unwrap_or(now), now) {
            Ok(full_at) => {
                if table.len() >= MOST {
                    make_room(table, now);
                }
                table.insert(subject.who, full_at);
                Spent::One
            }
            Err(wait) => Spent::Wait(wait),
        }
    }

    /// One that was taken a moment ago.
    pub(crate) fn give_back(&self, subject: Subject, bucket: Bucket) {
        let mut tables = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(full_at) = tables.entry(subject.limit).or_default().get_mut(&subject.who) {
            *full_at -= bucket.per_ms();
        }
    }
}

/// Forgets the full ones, and if that is too little the fullest: who fills the table with subjects that have spent little
/// does not empty it of those that have spent much.
fn make_room(table: &mut Table, now: i64) {
    table.retain(|_, full_at| *full_at > now);
    let kept = MOST / 4 * 3;
    if table.len() > kept {
        let mut times: Vec<i64> = table.values().copied().collect();
        let surplus = times.len() - kept;
        let (_, bar, _) = times.select_nth_unstable(surplus - 1);
        let bar = *bar;
        table.retain(|_, full_at| *full_at > bar);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_crowd_neither_fills_the_memory_nor_frees_whoever_has_spent_much() {
        let buckets = Buckets::default();
        let bucket = Bucket { burst: 3, per: Duration::from_secs(3600) };
        let now = 1_700_000_000_000;
        let spend = |n: usize, now| {
            let who = u128::try_from(n).expect("small").to_be_bytes();
            buckets.spend(Subject { limit: Limit::Target, who }, bucket, now)
        };
        for _ in 0..3 {
            assert_eq!(spend(0, now), Spent::One);
        }
        for n in 1..3 * MOST {
            assert_eq!(spend(n, now + i64::try_from(n).expect("small")), Spent::One);
            if n % 1000 == 0 {
                let tables = buckets.0.lock().expect("no panic");
                assert!(tables[&Limit::Target].len() <= MOST);
            }
        }
        assert!(matches!(spend(0, now + 1_000_000), Spent::Wait(_)));
    }
}
