//! Takes that wait for the writer at the same time share one transaction, and with it one wait for the disk.
//!
//! Whoever has the turn serves all that wait. If anything fails, each is tried in a transaction of its own, so that a
//! broken row of one identity costs nobody else an answer.

use super::{begin, handing_out};
use crate::store::{Asked, StoreError, StoredEnsemble, StoredName};
use sqlx::SqlitePool;
use std::collections::HashSet;
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::oneshot::{self, error::TryRecvError};

/// Most takes in one transaction: whoever comes first waits for all of them.
const BATCH: usize = 64;

/// The takes that wait, oldest first.
#[derive(Debug, Default)]
pub(super) struct Takes {
    waiting: Mutex<Vec<Waiting>>,
    turn: tokio::sync::Mutex<()>,
}

#[derive(Debug)]
struct Waiting {
    identity: StoredName,
    asked: Asked,
    answer: oneshot::Sender<Taken>,
}

type Taken = Result<Vec<StoredEnsemble>, StoreError>;

impl Takes {
    pub(super) async fn take(&self, writer: &SqlitePool, identity: &StoredName, asked: Asked) -> Taken {
        let (answer, mut answered) = oneshot::channel();
        self.lock().push(Waiting { identity: identity.clone(), asked, answer });
        let _turn = tokio::select! {
            biased;
            taken = &mut answered => return taken.unwrap_or(Err(StoreError::Busy)),
            turn = self.turn.lock() => turn,
        };
        loop {
            match answered.try_recv() {
                Ok(taken) => return taken,
                Err(TryRecvError::Closed) => return Err(StoreError::Busy),
                Err(TryRecvError::Empty) => serve(writer, self.next_batch()).await,
            }
        }
    }

    fn next_batch(&self) -> Vec<Waiting> {
        let mut waiting = self.lock();
        // Whoever has gone wants nothing any more.
        waiting.retain(|waiting| !waiting.answer.is_closed());
        let batch = waiting.len().min(BATCH);
        waiting.drain(..batch).collect()
    }

    /// A panic elsewhere left the list whole.
    fn lock(&self) -> MutexGuard<'_, Vec<Waiting>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Answers every one of them. Who goes in the meantime loses what was taken for him.
async fn serve(writer: &SqlitePool, batch: Vec<Waiting>) {
    match together(writer, &batch).await {
        Ok(taken) => {
            for (waiting, ensembles) in batch.into_iter().zip(taken) {
                let _ = waiting.answer.send(Ok(ensembles));
            }
        }
        Err(error) if error.is_busy() => {
            for waiting in batch {
                let _ = waiting.answer.send(Err(StoreError::Busy));
            }
        }
        Err(_) => {
            for waiting in batch {
                let alone = together(writer, std::slice::from_ref(&waiting)).await;
                let _ = waiting.answer.send(alone.map(|taken| taken.into_iter().flatten().collect()));
            }
        }
    }
}

/// What each takes, in one transaction. Those who want the same identity take one after another.
async fn together(writer: &SqlitePool, batch: &[Waiting]) -> Result<Vec<Vec<StoredEnsemble>>, StoreError> {
    let mut tx = begin(writer).await?;
    let mut taken = Vec::with_capacity(batch.len());
    let mut left: Vec<_> = batch.iter().enumerate().collect();
    while let Some((_, Waiting { asked: Asked { now, reserve, .. }, .. })) = left.first() {
        let mut names = HashSet::new();
        let (round, others): (Vec<_>, Vec<_>) =
            left.iter().partition(|(_, Waiting { identity, asked, .. })| {
                (asked.now, asked.reserve) == (*now, *reserve) && names.insert(identity.as_str())
            });
        let takes: Vec<_> =
            round.iter().map(|(_, waiting)| (waiting.identity.as_str(), waiting.asked.key)).collect();
        let ensembles = handing_out::take(&mut tx, &takes, *now, *reserve).await?;
        taken.extend(round.into_iter().map(|(n, _)| n).zip(ensembles));
        left = others;
    }
    tx.commit().await?;
    taken.sort_by_key(|(n, _)| *n);
    Ok(taken.into_iter().map(|(_, ensembles)| ensembles).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::{Bucket, Reserve};
    use crate::store::{AnswerKey, Deposit, Device, SqliteStore, Store, StoredPrekey, StoredProfile};
    use otrv4::Timestamp;
    use std::sync::Arc;
    use std::time::Duration;

    const NOW: Timestamp = Timestamp::from_unix(1_700_000_000);
    const ASKED: Asked = Asked { now: NOW, reserve: Reserve::NONE, key: None };

    fn name(n: u32) -> StoredName {
        StoredName::plain(&format!("user{n}"))
    }

    fn deposit(n: u32) -> Deposit {
        let profile = || StoredProfile { bytes: vec![1], expires: NOW.plus(1000) };
        Deposit {
            device: Device { tag: 0x100, identity_key: [1; 57] },
            client_profile: Some(profile()),
            prekey_profile: Some(profile()),
            prekeys: vec![StoredPrekey { id: n, bytes: n.to_be_bytes().to_vec() }],
        }
    }

    /// A store in which each of them has one prekey.
    async fn store(identities: u32) -> (tempfile::TempDir, Arc<SqliteStore>) {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let store = SqliteStore::open(&folder.path().join("prekeys.sqlite")).await.expect("a new database");
        for n in 0..identities {
            store.register(&name(n), None, NOW).await.expect("a store");
            store.publish(&name(n), &deposit(n), NOW).await.expect("a store");
        }
        (folder, Arc::new(store))
    }

    /// What each gets who asks while somebody else has the turn, so that all wait for the same one.
    async fn all_at_once(store: &Arc<SqliteStore>, identities: u32) -> Vec<Taken> {
        take_together(store, (0..identities).map(|n| (n, ASKED))).await
    }

    async fn take_together(
        store: &Arc<SqliteStore>,
        takes: impl Iterator<Item = (u32, Asked)>,
    ) -> Vec<Taken> {
        let turn = store.takes.turn.lock().await;
        let takers: Vec<_> = takes
            .map(|(n, asked)| {
                let store = Arc::clone(store);
                tokio::spawn(async move { store.take(&name(n), asked).await })
            })
            .collect();
        while store.takes.lock().len() < takers.len() {
            tokio::task::yield_now().await;
        }
        drop(turn);
        let mut all = Vec::new();
        for taker in takers {
            all.push(taker.await.expect("a taker"));
        }
        all
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn more_than_one_batch_is_served_and_each_gets_what_he_asked_for() {
        let (_folder, store) = store(150).await;
        for (n, taken) in (0u32..).zip(all_at_once(&store, 150).await) {
            let prekeys: Vec<_> = taken.expect("a store").into_iter().map(|e| e.prekey).collect();
            assert_eq!(prekeys, [n.to_be_bytes()]);
        }
        assert!(all_at_once(&store, 150).await.into_iter().all(|taken| taken.is_ok_and(|e| e.is_empty())));
    }

    fn prekeys(taken: Taken) -> Vec<Vec<u8>> {
        taken.expect("a store").into_iter().map(|ensemble| ensemble.prekey).collect()
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn of_those_who_want_the_same_at_once_one_gets_it() {
        let (_folder, store) = store(5).await;
        let mut taken: Vec<_> = Vec::new();
        for each in take_together(&store, (0..20).map(|n| (n % 5, ASKED))).await {
            taken.extend(prekeys(each));
        }
        taken.sort_unstable();
        assert_eq!(taken, (0..5u32).map(|n| n.to_be_bytes().to_vec()).collect::<Vec<_>>());
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn who_asks_twice_at_once_with_the_same_key_gets_the_same_twice() {
        let (_folder, store) = store(5).await;
        let key = |n: u32| Some(AnswerKey::new("key", &n.to_be_bytes()));
        let takes = (0..20).map(|n| (n % 5, Asked { key: key(n % 5), ..ASKED }));
        for (n, each) in (0u32..).zip(take_together(&store, takes).await) {
            assert_eq!(prekeys(each), [(n % 5).to_be_bytes()]);
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn what_is_kept_for_one_is_given_to_nobody_else_in_the_batch() {
        let (_folder, store) = store(4).await;
        let keyed = |key: &str| Asked { key: Some(AnswerKey::new(key, b"query")), ..ASKED };
        assert_eq!(prekeys(store.take(&name(0), keyed("of 0")).await), [0_u32.to_be_bytes()]);
        let takes =
            [(0, keyed("of 0")), (1, keyed("of 0")), (2, keyed("of 2")), (0, keyed("another")), (3, ASKED)];
        let taken = take_together(&store, takes.into_iter()).await.into_iter().map(prekeys);
        let expected = [vec![0_u32], vec![1], vec![2], vec![], vec![3]];
        let bytes = |ids: Vec<u32>| ids.iter().map(|id| id.to_be_bytes().to_vec()).collect::<Vec<_>>();
        assert_eq!(taken.collect::<Vec<_>>(), expected.map(bytes));
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_reserve_is_spent_once_for_two_in_the_batch() {
        let (_folder, store) = store(2).await;
        for identity in 0..2 {
            let more =
                Deposit { prekeys: vec![StoredPrekey { id: 9, bytes: vec![9; 4] }], ..deposit(identity) };
            store.publish(&name(identity), &more, NOW).await.expect("a store");
        }
        let release = Bucket { burst: 1, per: Duration::from_secs(300) };
        let held = Asked { reserve: Reserve { left: 10, release }, ..ASKED };
        let takes = [(0, held), (1, held), (0, held), (1, held)];
        let taken = take_together(&store, takes.into_iter()).await;
        let given: Vec<_> = taken.into_iter().map(|each| prekeys(each).len()).collect();
        assert_eq!([given[0] + given[2], given[1] + given[3]], [1, 1]);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn all_devices_of_each_give_one_and_keep_to_their_order() {
        let (_folder, store) = store(3).await;
        for identity in 0..3 {
            for tag in [0x300, 0x200] {
                let device = Device { tag, identity_key: [2; 57] };
                let bytes = [identity, tag].map(u32::to_be_bytes).concat();
                let prekeys = vec![StoredPrekey { id: 1, bytes }];
                let deposit = Deposit { device, prekeys, ..deposit(identity) };
                store.publish(&name(identity), &deposit, NOW).await.expect("a store");
            }
        }
        for (n, taken) in (0u32..).zip(all_at_once(&store, 3).await) {
            let others = [0x200, 0x300].map(|tag| [n, tag].map(u32::to_be_bytes).concat());
            assert_eq!(prekeys(taken), [&[n.to_be_bytes().to_vec()], &others[..]].concat());
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn each_take_keeps_to_its_own_time() {
        let (_folder, store) = store(4).await;
        let late = Asked { now: NOW.plus(1000), ..ASKED };
        let takes = [(0, ASKED), (1, late), (2, late), (3, ASKED)];
        let taken = take_together(&store, takes.into_iter()).await;
        assert_eq!(taken.into_iter().map(|each| prekeys(each).len()).collect::<Vec<_>>(), [1, 0, 0, 1]);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_broken_row_costs_its_owner_an_error_and_nobody_else_anything() {
        let (_folder, store) = store(10).await;
        sqlx::query("UPDATE devices SET prekey_profile = NULL WHERE identity = 'user3'")
            .execute(&store.writer)
            .await
            .expect("an update");
        for (n, taken) in (0..).zip(all_at_once(&store, 10).await) {
            assert_eq!(taken.map(|ensembles| ensembles.len()).ok(), (n != 3).then_some(1), "{n}");
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn nothing_is_taken_for_somebody_who_has_gone() {
        let (_folder, store) = store(1).await;
        let turn = store.takes.turn.lock().await;
        let gone = tokio::spawn({
            let store = Arc::clone(&store);
            async move { store.take(&name(0), ASKED).await }
        });
        while store.takes.lock().is_empty() {
            tokio::task::yield_now().await;
        }
        gone.abort();
        let _ = gone.await;
        drop(turn);
        assert_eq!(store.take(&name(0), ASKED).await.expect("a store").len(), 1);
    }
}
