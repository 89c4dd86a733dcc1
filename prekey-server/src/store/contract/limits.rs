//! Limits, the reserve, and queries that are repeated: on every store.

use super::*;
use crate::limits::{Bucket, Limit, Reserve, Spent, Subject};
use crate::store::{ANSWER_LIFETIME, AnswerKey};

fn keyed(seed: &str, now: Timestamp) -> Asked {
    Asked { key: Some(AnswerKey::new(seed, b"a query")), ..asked(now) }
}

pub(in crate::store) async fn a_repeated_query_gets_the_same_answer_and_takes_nothing(
    store: &Arc<impl Store>,
) {
    register(&**store, &bob()).await;
    let query = async |seed, now| store.take(&bob(), keyed(seed, now)).await.expect("a store");
    let answered = async |seed, now| {
        store.answered(&bob(), AnswerKey::new(seed, b"a query"), now).await.expect("a store")
    };
    assert!(query("key 1", NOW).await.is_empty());
    assert_eq!(answered("key 1", NOW).await, None, "nothing that would have to be the same");
    publish(&**store, &deposit(0x100, [1, 2, 3])).await;
    publish(&**store, &deposit(0x200, [1])).await;
    let first = query("key 1", NOW).await;
    assert_eq!(first.len(), 2);
    let last = NOW.plus(ANSWER_LIFETIME - 1);
    assert_eq!(query("key 1", last).await, first);
    assert_eq!(answered("key 1", last).await.as_ref(), Some(&first));
    assert_eq!(answered("key 2", NOW).await, None);
    assert_eq!(count(&**store, 0x100, 1).await, 2);
    let other = query("key 2", last).await;
    assert_eq!(other.len(), 1);
    assert_ne!(other, first);
    // Its time is over; or it lies in a future that only a clock which was set back knows.
    let late = NOW.plus(ANSWER_LIFETIME);
    assert_eq!(answered("key 1", late).await, None);
    assert_eq!(answered("key 2", last.plus(-CLOCK_SKEW - 1)).await, None);
    assert_eq!(query("key 1", late).await.len(), 1);
    assert!(take(&**store).await.is_empty());
}

pub(in crate::store) async fn queries_with_one_key_at_the_same_time_take_once(store: &Arc<impl Store>) {
    register(&**store, &bob()).await;
    publish(&**store, &deposit(0x100, 0..20)).await;
    let takers: Vec<_> = (0..16)
        .map(|_| {
            let store = Arc::clone(store);
            tokio::spawn(async move { store.take(&bob(), keyed("key", NOW)).await.expect("a store") })
        })
        .collect();
    for taker in takers {
        assert_eq!(taker.await.expect("a taker").first().map(|e| e.prekey.clone()), Some(b"prekey 0".into()));
    }
    assert_eq!(count(&**store, 0x100, 1).await, 19);
}

pub(in crate::store) async fn kept_answers_go_with_their_account_and_with_what_is_burnt(
    store: &Arc<impl Store>,
) {
    register(&**store, &bob()).await;
    let answered = async || {
        let key = AnswerKey::new("key", b"a query");
        store.answered(&bob(), key, NOW).await.expect("a store").map(|ensembles| ensembles.len())
    };
    publish(&**store, &deposit(0x100, [1])).await;
    store.take(&bob(), keyed("key", NOW)).await.expect("a store");
    assert_eq!(answered().await, Some(1));
    store.burn().await.expect("a store");
    assert_eq!(answered().await, None);
    publish(&**store, &deposit(0x100, [2])).await;
    store.take(&bob(), keyed("key", NOW)).await.expect("a store");
    assert_eq!(answered().await, Some(1));
    store.remove(&bob()).await.expect("a store");
    register(&**store, &bob()).await;
    assert_eq!(answered().await, None);
}

pub(in crate::store) async fn the_reserve_of_a_device_is_handed_out_slowly(store: &Arc<impl Store>) {
    register(&**store, &bob()).await;
    publish(&**store, &deposit(0x100, 1..=5)).await;
    publish(&**store, &deposit(0x200, 11..=30)).await;
    let release = Bucket { burst: 2, per: Duration::from_secs(60) };
    let take = async |later| {
        let asked = Asked { reserve: Reserve { left: 3, release }, ..asked(NOW.plus(later)) };
        let taken = store.take(&bob(), asked).await.expect("a store");
        taken.into_iter().map(|e| String::from_utf8(e.prekey).expect("text")).collect::<Vec<_>>()
    };
    assert_eq!(take(0).await, ["prekey 1", "prekey 11"]);
    assert_eq!(take(0).await, ["prekey 2", "prekey 12"]);
    assert_eq!(take(0).await, ["prekey 3", "prekey 13"], "the first of the reserve");
    assert_eq!(take(0).await, ["prekey 4", "prekey 14"]);
    assert_eq!(take(0).await, ["prekey 15"], "one device is held back, the other is not");
    assert_eq!(take(59).await, ["prekey 16"]);
    assert_eq!(take(60).await, ["prekey 5", "prekey 17"]);
    assert_eq!(take(600).await, ["prekey 18"]);
    // What comes in again is handed out at once.
    publish(&**store, &refill(0x100, 6..=9)).await;
    assert_eq!(take(600).await, ["prekey 6", "prekey 19"]);
}

const TWO: Bucket = Bucket { burst: 2, per: Duration::from_secs(10) };
const MS: i64 = 1_700_000_000_000;

async fn spend(store: &impl Store, limit: Limit, seed: u8, now: i64) -> Spent {
    store.spend(Subject { limit, who: [seed; 16] }, TWO, now).await.expect("a store")
}

pub(in crate::store) async fn a_bucket_gives_its_burst_and_then_one_each_so_often(store: &Arc<impl Store>) {
    let spend = async |later| spend(&**store, Limit::Target, 1, MS + later).await;
    let wait = |ms| Spent::Wait(Duration::from_millis(ms));
    assert_eq!([spend(0).await, spend(1).await], [Spent::One; 2]);
    assert_eq!(spend(1).await, wait(9_999));
    assert_eq!(spend(1).await, wait(9_999), "who is refused pays nothing");
    assert_eq!(spend(9_999).await, wait(1));
    assert_eq!(spend(10_000).await, Spent::One);
    assert_eq!(spend(10_000).await, wait(10_000));
    // However long nobody asks, it holds its burst.
    assert_eq!([spend(999_000).await, spend(999_000).await], [Spent::One; 2]);
    assert_eq!(spend(999_000).await, wait(10_000));
}

pub(in crate::store) async fn subjects_do_not_touch_each_other(store: &Arc<impl Store>) {
    for (limit, seed) in [(Limit::Target, 1), (Limit::Target, 2), (Limit::Pair, 1), (Limit::Messages, 1)] {
        for _ in 0..2 {
            assert_eq!(spend(&**store, limit, seed, MS).await, Spent::One, "{limit:?} {seed}");
        }
        assert!(matches!(spend(&**store, limit, seed, MS).await, Spent::Wait(_)), "{limit:?} {seed}");
    }
    // Whatever is swept in between.
    for n in 0..200 {
        spend(&**store, Limit::Queries, n, MS).await;
    }
    assert!(matches!(spend(&**store, Limit::Target, 1, MS).await, Spent::Wait(_)));
}

pub(in crate::store) async fn a_clock_that_was_set_back_neither_frees_nor_locks_for_ever(
    store: &Arc<impl Store>,
) {
    let spend = async |later| spend(&**store, Limit::Target, 1, MS + later).await;
    let wait = |ms| Spent::Wait(Duration::from_millis(ms));
    assert_eq!([spend(0).await, spend(0).await], [Spent::One; 2]);
    // As far as clocks of two processes differ: it stays as it is.
    assert_eq!(spend(-CLOCK_SKEW * 1000).await, wait(10_000 + 30_000));
    let hour = -3_600_000;
    assert_eq!(spend(hour).await, Spent::One, "one, after which it is empty");
    assert_eq!(spend(hour).await, wait(10_000));
    assert_eq!(spend(hour + 10_000).await, Spent::One);
    assert_eq!(spend(hour + 10_000).await, wait(10_000));
}

pub(in crate::store) async fn concurrent_spenders_get_the_burst_and_no_more(store: &Arc<impl Store>) {
    let bucket = Bucket { burst: 20, per: Duration::from_secs(10) };
    let spenders: Vec<_> = (0..64)
        .map(|_| {
            let store = Arc::clone(store);
            let subject = Subject { limit: Limit::Target, who: [1; 16] };
            tokio::spawn(async move { store.spend(subject, bucket, MS).await.expect("a store") })
        })
        .collect();
    let mut granted = 0;
    for spender in spenders {
        match spender.await.expect("a spender") {
            Spent::One => granted += 1,
            Spent::Wait(wait) => assert_eq!(wait, bucket.per),
        }
    }
    assert_eq!(granted, 20);
}

pub(in crate::store) async fn what_is_given_back_can_be_spent_again(store: &Arc<impl Store>) {
    let subject = Subject { limit: Limit::Pair, who: [1; 16] };
    let spend = async || spend(&**store, Limit::Pair, 1, MS).await;
    store.give_back(subject, TWO).await.expect("nothing to give back to");
    assert_eq!([spend().await, spend().await], [Spent::One; 2]);
    store.give_back(subject, TWO).await.expect("a store");
    assert_eq!(spend().await, Spent::One);
    assert!(matches!(spend().await, Spent::Wait(_)));
}

pub(in crate::store) async fn answers_that_nobody_can_have_again_are_swept_in_bounded_portions(
    store: &Arc<impl Store>,
) {
    register(&**store, &bob()).await;
    publish(&**store, &deposit(0x100, 1..=3)).await;
    for key in ["key 1", "key 2", "key 3"] {
        store.take(&bob(), keyed(key, NOW)).await.expect("a store");
    }
    let sweep = async |later| store.sweep_answers(NOW.plus(later), 2).await.expect("a store");
    assert_eq!(sweep(ANSWER_LIFETIME - 1).await, 0);
    assert_eq!([sweep(ANSWER_LIFETIME).await, sweep(ANSWER_LIFETIME).await], [2, 1]);
}
