//! What is forgotten when its time is over, and what never: on every store.

use super::*;
use crate::store::{Empty, Figures, Forgotten};

/// Bob's device with this tag, whose client profile ends then.
fn until(tag: u32, ids: impl IntoIterator<Item = u32>, expires: Timestamp) -> Deposit {
    Deposit { client_profile: profile("client", expires), ..deposit(tag, ids) }
}

async fn forget(store: &impl Store, ended: Timestamp) -> Forgotten {
    store.forget_expired(&bob(), ended).await.expect("a store")
}

pub(in crate::store) async fn a_device_goes_when_its_profile_has_ended_long_enough_and_the_others_stay(
    store: &Arc<impl Store>,
) {
    register(&**store, &bob()).await;
    publish(&**store, &until(0x100, [1, 2, 3], NOW.plus(10))).await;
    publish(&**store, &until(0x200, [1, 2], NOW.plus(20))).await;
    // Nobody knows since when it has none.
    publish(&**store, &refill(0x300, [1])).await;

    let expired = async |ended| store.expired(ended, None, 10).await.expect("a store");
    assert!(expired(NOW.plus(9)).await.is_empty());
    assert_eq!(forget(&**store, NOW.plus(9)).await, Forgotten { devices: 0, prekeys: 0 });
    assert_eq!(expired(NOW.plus(10)).await, [bob()]);
    assert_eq!(forget(&**store, NOW.plus(10)).await, Forgotten { devices: 1, prekeys: 3 });
    assert!(expired(NOW.plus(19)).await.is_empty());
    let counts = [(0x100, 0), (0x200, 2), (0x300, 1)];
    for (tag, left) in counts {
        assert_eq!(count(&**store, tag, 1).await, left, "{tag:x}");
    }
    assert_eq!(take(&**store).await, ["prekey 1"]);
}

pub(in crate::store) async fn a_prekey_that_was_handed_out_is_not_accepted_from_a_device_that_comes_back(
    store: &Arc<impl Store>,
) {
    register(&**store, &bob()).await;
    publish(&**store, &until(0x100, [1, 2], NOW.plus(10))).await;
    assert_eq!(take(&**store).await, ["prekey 1"]);
    assert_eq!(forget(&**store, NOW.plus(10)).await, Forgotten { devices: 1, prekeys: 1 });
    // It repeats what it had published; other bytes under the used id are refused as ever.
    assert_eq!(publish(&**store, &deposit(0x100, [1, 2])).await, Published::Stored);
    assert_eq!(take(&**store).await, ["prekey 2"]);
    assert!(take(&**store).await.is_empty());
    let mut clash = refill(0x100, []);
    clash.prekeys.push(StoredPrekey { id: 1, bytes: b"other".to_vec() });
    assert_eq!(publish(&**store, &clash).await, Published::Refused);
}

pub(in crate::store) async fn the_expired_are_found_in_bounded_portions_and_each_once(
    store: &Arc<impl Store>,
) {
    let name = |n: u32| StoredName::plain(&format!("bob{n}"));
    for n in 0..5 {
        store.register(&name(n), None, NOW).await.expect("a store");
        for tag in [0x100, 0x200] {
            store.publish(&name(n), &until(tag, [n], NOW.plus(10)), NOW).await.expect("a store");
        }
    }
    let (mut swept, mut after) = (BTreeSet::new(), None);
    loop {
        let portion = store.expired(NOW.plus(10), after.as_ref(), 2).await.expect("a store");
        assert!(portion.len() <= 2);
        let Some(last) = portion.last() else { break };
        after = Some(last.clone());
        for name in portion {
            // One that cannot be swept is in nobody's way.
            if name.as_str() != "bob1" {
                let forgotten = store.forget_expired(&name, NOW.plus(10)).await.expect("a store");
                assert_eq!(forgotten, Forgotten { devices: 2, prekeys: 2 });
            }
            assert!(swept.insert(name.as_str().to_owned()));
        }
    }
    assert_eq!(swept.len(), 5);
    assert_eq!(store.expired(NOW.plus(10), None, 2).await.expect("a store"), [StoredName::plain("bob1")]);
}

pub(in crate::store) async fn exchanges_that_nobody_finished_go_in_bounded_portions(store: &Arc<impl Store>) {
    register(&**store, &bob()).await;
    for tag in 0x100..0x103 {
        store.keep_pending(&bob(), tag, vec![1], NOW).await.expect("a store");
    }
    let late = NOW.plus(PENDING_LIFETIME + CLOCK_SKEW + 1);
    let sweep = async |now| store.sweep_pending(now, 64).await.expect("a store");
    assert_eq!(sweep(NOW.plus(1)).await, 0);
    assert_eq!(sweep(late).await, 3);
    assert_eq!(sweep(late).await, 0);
    assert_eq!(store.take_pending(&bob(), 0x100, NOW).await.expect("a store"), None);
}

pub(in crate::store) async fn why_there_was_nothing_to_take_can_be_told_afterwards(store: &Arc<impl Store>) {
    let why = async || store.why_empty(&bob(), NOW).await.expect("a store");
    assert_eq!(why().await, Empty::Unknown);
    register(&**store, &bob()).await;
    assert_eq!(why().await, Empty::Unknown);
    publish(&**store, &refill(0x100, [1])).await;
    assert_eq!(why().await, Empty::NoProfiles);
    publish(&**store, &deposit(0x100, [])).await;
    assert_eq!(why().await, Empty::Reserved);
    take(&**store).await;
    assert_eq!(why().await, Empty::Drained);
}

pub(in crate::store) async fn figures_are_those_of_the_whole_database(store: &Arc<impl Store>) {
    let eve = StoredName::plain("eve@example.org");
    register(&**store, &bob()).await;
    register(&**store, &eve).await;
    publish(&**store, &deposit(0x100, [1])).await;
    publish(&**store, &deposit(0x200, [1, 2, 3])).await;
    take(&**store).await;
    let figures = store.figures().await.expect("a store");
    assert!(figures.bytes > 4096, "{figures:?}");
    let expected = Figures {
        accounts: 2,
        devices: 2,
        drained: 1,
        waiting: 2,
        handed_out: 2,
        bytes: figures.bytes,
        pending: figures.pending,
    };
    assert_eq!(figures, expected);
}
