//! What every store must do, as tests that each implementation runs with [`contract_tests!`].

pub(super) mod accounts;
pub(super) mod limits;
pub(super) mod naming;
pub(super) mod sweeping;

use super::{
    Asked, CLOCK_SKEW, Deposit, Device, MAX_DEVICES, MAX_PREKEYS, PENDING_LIFETIME, Published, Registered,
    Store, StoredEnsemble, StoredName, StoredPrekey, StoredProfile,
};
use crate::account::TokenHash;
use crate::limits::Reserve;
use otrv4::Timestamp;
use std::any::Any;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

/// A fresh, empty store and what must live as long as it.
pub(super) struct Fixture<S> {
    pub(super) store: S,
    pub(super) _keep: Box<dyn Any + Send>,
}

/// The PostgreSQL server that `tests/postgres/run` has started, as `postgres://USER@HOST:PORT`.
pub(super) fn postgres() -> Option<String> {
    let url = std::env::var("PREKEY_SERVER_TEST_POSTGRES").ok();
    if url.is_none() {
        assert!(
            std::env::var_os("PREKEY_SERVER_REQUIRE_POSTGRES").is_none(),
            "PREKEY_SERVER_TEST_POSTGRES names no PostgreSQL: run the tests by tests/postgres/run"
        );
        eprintln!("no PostgreSQL (tests/postgres/run starts one): skipped its contract tests");
    }
    url
}

/// One `#[tokio::test]` for each promise, on the store that `$fixture().await` makes; without a store it is skipped.
macro_rules! contract_tests {
    ($fixture:path) => {
        $crate::store::contract::contract_tests!(@each $fixture:
            what_was_burnt_is_neither_handed_out_nor_accepted_again
            prekeys_are_handed_out_oldest_first_and_once
            every_device_gives_one_prekey
            identities_do_not_touch_each_other
            nothing_is_published_without_an_account
            a_repeated_publication_changes_nothing
            a_prekey_that_was_taken_does_not_come_back
            a_known_id_with_other_bytes_stores_nothing
            a_changed_long_term_key_drops_what_was_there
            a_prekey_taken_under_an_old_key_does_not_come_back
            nothing_is_handed_out_without_valid_profiles
            a_new_profile_replaces_the_old_one
            more_devices_than_allowed_are_refused
            more_prekeys_than_allowed_are_refused
            expired_devices_make_room
            concurrent_takers_never_share_a_prekey
        );
        $crate::store::contract::contract_tests!(@each $fixture, accounts:
            the_first_to_register_an_identity_keeps_it
            an_account_has_as_many_tokens_as_clients_and_a_new_one_can_end_them_all
            a_removed_account_leaves_nothing_and_its_name_is_free
            accounts_are_listed_in_pages_with_what_they_have
            a_pending_exchange_serves_once_its_own_client_and_for_its_time
            an_identity_past_its_share_of_exchanges_loses_its_oldest
        );
        $crate::store::contract::contract_tests!(@each $fixture, limits:
            a_repeated_query_gets_the_same_answer_and_takes_nothing
            queries_with_one_key_at_the_same_time_take_once
            kept_answers_go_with_their_account_and_with_what_is_burnt
            the_reserve_of_a_device_is_handed_out_slowly
            a_bucket_gives_its_burst_and_then_one_each_so_often
            subjects_do_not_touch_each_other
            a_clock_that_was_set_back_neither_frees_nor_locks_for_ever
            concurrent_spenders_get_the_burst_and_no_more
            what_is_given_back_can_be_spent_again
            answers_that_nobody_can_have_again_are_swept_in_bounded_portions
        );
        $crate::store::contract::contract_tests!(@each $fixture, naming:
            names_are_plain_for_ever_where_they_were_at_first
            names_are_hashed_under_one_key_for_ever_where_they_were_at_first
            no_plain_name_gets_among_hashes_and_no_hash_among_plain_names
            accounts_that_were_made_before_anybody_chose_have_plain_names
        );
        $crate::store::contract::contract_tests!(@each $fixture, sweeping:
            a_device_goes_when_its_profile_has_ended_long_enough_and_the_others_stay
            a_prekey_that_was_handed_out_is_not_accepted_from_a_device_that_comes_back
            the_expired_are_found_in_bounded_portions_and_each_once
            exchanges_that_nobody_finished_go_in_bounded_portions
            why_there_was_nothing_to_take_can_be_told_afterwards
            figures_are_those_of_the_whole_database
        );
    };
    (@each $fixture:path $(, $module:ident)?: $($name:ident)*) => {
        $crate::store::contract::contract_tests!(@each_in $fixture, [$($module)?]: $($name)*);
    };
    (@each_in $fixture:path, $module:tt: $($name:ident)*) => {
        $($crate::store::contract::contract_tests!(@one $fixture, $module, $name);)*
    };
    (@one $fixture:path, [$($module:ident)?], $name:ident) => {
        #[tokio::test(flavor = "multi_thread")]
        async fn $name() {
            let Some(fixture) = $fixture().await else { return };
            $crate::store::contract::$($module::)?$name(&std::sync::Arc::new(fixture.store)).await;
        }
    };
}
pub(super) use contract_tests;

const NOW: Timestamp = Timestamp::from_unix(1_700_000_000);
const LATER: Timestamp = NOW.plus(86_400);

fn bob() -> StoredName {
    StoredName::plain("bob@example.org")
}

fn key(seed: u8) -> [u8; 57] {
    [seed; 57]
}

fn prekey(id: u32) -> StoredPrekey {
    StoredPrekey { id, bytes: format!("prekey {id}").into_bytes() }
}

fn profile(text: &str, expires: Timestamp) -> Option<StoredProfile> {
    Some(StoredProfile { bytes: text.as_bytes().to_vec(), expires })
}

/// A device's first publication: both profiles, and prekeys with these ids.
fn deposit(tag: u32, ids: impl IntoIterator<Item = u32>) -> Deposit {
    Deposit {
        device: Device { tag, identity_key: key(1) },
        client_profile: profile(&format!("client {tag:x}"), LATER),
        prekey_profile: profile(&format!("prekey {tag:x}"), LATER),
        prekeys: ids.into_iter().map(prekey).collect(),
    }
}

/// Prekeys alone, as a client refills.
fn refill(tag: u32, ids: impl IntoIterator<Item = u32>) -> Deposit {
    Deposit { client_profile: None, prekey_profile: None, ..deposit(tag, ids) }
}

async fn register(store: &impl Store, identity: &StoredName) {
    let token = TokenHash::from_bytes([7; 32]);
    let registered = store.register(identity, Some(&token), NOW).await.expect("a store");
    assert_eq!(registered, Registered::Created);
}

async fn publish(store: &impl Store, deposit: &Deposit) -> Published {
    store.publish(&bob(), deposit, NOW).await.expect("a store")
}

async fn count(store: &impl Store, tag: u32, seed: u8) -> u32 {
    store.count(&bob(), &Device { tag, identity_key: key(seed) }).await.expect("a store")
}

/// Without a reserve, and without a key.
fn asked(now: Timestamp) -> Asked {
    Asked { now, reserve: Reserve::NONE, key: None }
}

/// The prekey messages of one take.
async fn take(store: &impl Store) -> Vec<String> {
    let ensembles = store.take(&bob(), asked(NOW)).await.expect("a store");
    ensembles.into_iter().map(|ensemble| String::from_utf8(ensemble.prekey).expect("text")).collect()
}

pub(super) async fn what_was_burnt_is_neither_handed_out_nor_accepted_again(store: &Arc<impl Store>) {
    let eve = StoredName::plain("eve@example.org");
    register(&**store, &bob()).await;
    register(&**store, &eve).await;
    publish(&**store, &deposit(0x100, 1..=5)).await;
    assert_eq!(take(&**store).await, ["prekey 1"]);
    store.publish(&eve, &deposit(0x200, [1]), NOW).await.expect("a store");
    assert_eq!(store.burn().await.expect("a store"), 5);
    assert_eq!(store.burn().await.expect("a store"), 0);
    assert_eq!((take(&**store).await.len(), count(&**store, 0x100, 1).await), (0, 0));
    assert!(store.take(&eve, asked(NOW)).await.expect("a store").is_empty());
    assert_eq!(publish(&**store, &deposit(0x100, 1..=6)).await, Published::Stored);
    assert_eq!(take(&**store).await, ["prekey 6"]);
    assert!(take(&**store).await.is_empty());
}

pub(super) async fn prekeys_are_handed_out_oldest_first_and_once(store: &Arc<impl Store>) {
    register(&**store, &bob()).await;
    assert_eq!(publish(&**store, &deposit(0x100, [30, 10])).await, Published::Stored);
    assert_eq!(publish(&**store, &refill(0x100, [20])).await, Published::Stored);
    assert_eq!(count(&**store, 0x100, 1).await, 3);
    let mut order = Vec::new();
    for _ in 0..4 {
        order.extend(take(&**store).await);
    }
    assert_eq!(order, ["prekey 30", "prekey 10", "prekey 20"]);
    assert_eq!(count(&**store, 0x100, 1).await, 0);
}

pub(super) async fn every_device_gives_one_prekey(store: &Arc<impl Store>) {
    register(&**store, &bob()).await;
    publish(&**store, &deposit(0xffff_ffff, [1, 2])).await;
    publish(&**store, &deposit(0x100, [1])).await;
    let ensemble = |tag: u32| StoredEnsemble {
        client_profile: format!("client {tag:x}").into_bytes(),
        prekey_profile: format!("prekey {tag:x}").into_bytes(),
        prekey: b"prekey 1".to_vec(),
    };
    let taken = store.take(&bob(), asked(NOW)).await.expect("a store");
    assert_eq!(taken, [ensemble(0x100), ensemble(0xffff_ffff)]);
    assert_eq!(take(&**store).await, ["prekey 2"]);
}

pub(super) async fn identities_do_not_touch_each_other(store: &Arc<impl Store>) {
    let eve = StoredName::plain("eve@example.org");
    register(&**store, &bob()).await;
    register(&**store, &eve).await;
    publish(&**store, &deposit(0x100, [1])).await;
    let mut other = deposit(0x100, [1]);
    other.device.identity_key = key(9);
    other.prekeys = vec![StoredPrekey { id: 1, bytes: b"eve's".to_vec() }];
    assert_eq!(store.publish(&eve, &other, NOW).await.expect("a store"), Published::Stored);
    assert_eq!(take(&**store).await, ["prekey 1"]);
    assert_eq!(store.take(&eve, asked(NOW)).await.expect("a store").len(), 1);
}

pub(super) async fn nothing_is_published_without_an_account(store: &Arc<impl Store>) {
    assert_eq!(publish(&**store, &deposit(0x100, [1])).await, Published::Refused);
    assert!(take(&**store).await.is_empty());
    register(&**store, &bob()).await;
    assert!(take(&**store).await.is_empty());
}

pub(super) async fn a_repeated_publication_changes_nothing(store: &Arc<impl Store>) {
    register(&**store, &bob()).await;
    publish(&**store, &deposit(0x100, [1, 2])).await;
    assert_eq!(publish(&**store, &deposit(0x100, [1, 2])).await, Published::Stored);
    assert_eq!(count(&**store, 0x100, 1).await, 2);
    assert_eq!(take(&**store).await, ["prekey 1"]);
}

pub(super) async fn a_prekey_that_was_taken_does_not_come_back(store: &Arc<impl Store>) {
    register(&**store, &bob()).await;
    publish(&**store, &deposit(0x100, [1, 2])).await;
    assert_eq!(take(&**store).await, ["prekey 1"]);
    assert_eq!(publish(&**store, &deposit(0x100, [1, 2])).await, Published::Stored);
    assert_eq!(count(&**store, 0x100, 1).await, 1);
    assert_eq!(take(&**store).await, ["prekey 2"]);
    assert!(take(&**store).await.is_empty());
}

pub(super) async fn a_known_id_with_other_bytes_stores_nothing(store: &Arc<impl Store>) {
    register(&**store, &bob()).await;
    publish(&**store, &deposit(0x100, [1, 2])).await;
    assert_eq!(take(&**store).await, ["prekey 1"]);
    for known in [1, 2] {
        let mut clash = refill(0x100, [3]);
        clash.client_profile = profile("another", LATER);
        clash.prekeys.push(StoredPrekey { id: known, bytes: b"other".to_vec() });
        assert_eq!(publish(&**store, &clash).await, Published::Refused);
    }
    let rest = store.take(&bob(), asked(NOW)).await.expect("a store");
    assert_eq!(rest.iter().map(|e| e.client_profile.as_slice()).collect::<Vec<_>>(), [b"client 100"]);
    assert!(take(&**store).await.is_empty());
}

pub(super) async fn a_changed_long_term_key_drops_what_was_there(store: &Arc<impl Store>) {
    register(&**store, &bob()).await;
    publish(&**store, &deposit(0x100, [1, 2])).await;
    publish(&**store, &deposit(0x200, [1])).await;
    let mut renewed = refill(0x100, [3]);
    renewed.device.identity_key = key(2);
    renewed.client_profile = profile("renewed client", LATER);
    assert_eq!(publish(&**store, &renewed).await, Published::Stored);
    assert_eq!((count(&**store, 0x100, 1).await, count(&**store, 0x100, 2).await), (0, 1));
    assert_eq!(count(&**store, 0x200, 1).await, 1);
    // Without the prekey profile, which the old key had signed, the device hands out nothing.
    let taken = store.take(&bob(), asked(NOW)).await.expect("a store");
    assert_eq!(taken.iter().map(|e| e.client_profile.as_slice()).collect::<Vec<_>>(), [b"client 200"]);
    renewed.prekey_profile = profile("renewed prekey", LATER);
    publish(&**store, &renewed).await;
    assert_eq!(take(&**store).await, ["prekey 3"]);
    assert!(take(&**store).await.is_empty());
}

pub(super) async fn a_prekey_taken_under_an_old_key_does_not_come_back(store: &Arc<impl Store>) {
    register(&**store, &bob()).await;
    publish(&**store, &deposit(0x100, [1, 2])).await;
    assert_eq!(take(&**store).await, ["prekey 1"]);
    let mut renewed = deposit(0x100, [1, 2]);
    renewed.device.identity_key = key(2);
    assert_eq!(publish(&**store, &renewed).await, Published::Stored);
    assert_eq!(take(&**store).await, ["prekey 2"]);
    assert!(take(&**store).await.is_empty());
}

pub(super) async fn nothing_is_handed_out_without_valid_profiles(store: &Arc<impl Store>) {
    register(&**store, &bob()).await;
    publish(&**store, &refill(0x100, [1])).await;
    assert!(take(&**store).await.is_empty());
    let mut client_only = refill(0x100, []);
    client_only.client_profile = profile("client", NOW.plus(20));
    publish(&**store, &client_only).await;
    assert!(take(&**store).await.is_empty());
    let mut prekey_only = refill(0x100, []);
    prekey_only.prekey_profile = profile("prekey", NOW.plus(10));
    publish(&**store, &prekey_only).await;
    for late in [10, 20] {
        assert!(store.take(&bob(), asked(NOW.plus(late))).await.expect("a store").is_empty());
    }
    assert_eq!(count(&**store, 0x100, 1).await, 1);
    assert_eq!(store.take(&bob(), asked(NOW.plus(9))).await.expect("a store").len(), 1);
}

pub(super) async fn a_new_profile_replaces_the_old_one(store: &Arc<impl Store>) {
    register(&**store, &bob()).await;
    publish(&**store, &deposit(0x100, [1])).await;
    let mut renewed = refill(0x100, []);
    renewed.client_profile = profile("renewed", LATER.plus(1));
    publish(&**store, &renewed).await;
    let taken = store.take(&bob(), asked(NOW)).await.expect("a store");
    let profiles: Vec<_> =
        taken.iter().map(|e| (e.client_profile.as_slice(), e.prekey_profile.as_slice())).collect();
    assert_eq!(profiles, [(b"renewed".as_slice(), b"prekey 100".as_slice())]);
}

pub(super) async fn more_devices_than_allowed_are_refused(store: &Arc<impl Store>) {
    register(&**store, &bob()).await;
    for tag in 0..MAX_DEVICES {
        assert_eq!(publish(&**store, &deposit(0x100 + tag, [1])).await, Published::Stored);
    }
    assert_eq!(publish(&**store, &deposit(0x900, [1])).await, Published::Refused);
    assert_eq!(publish(&**store, &refill(0x100, [2])).await, Published::Stored);
    assert_eq!(take(&**store).await.len(), 16);
}

pub(super) async fn more_prekeys_than_allowed_are_refused(store: &Arc<impl Store>) {
    register(&**store, &bob()).await;
    publish(&**store, &deposit(0x100, 1..MAX_PREKEYS)).await;
    assert_eq!(publish(&**store, &deposit(0x200, [1, 2])).await, Published::Refused);
    assert_eq!(publish(&**store, &refill(0x100, [MAX_PREKEYS])).await, Published::Stored);
    assert_eq!(publish(&**store, &refill(0x100, [MAX_PREKEYS + 1])).await, Published::Refused);
    assert_eq!(take(&**store).await, ["prekey 1"]);
    // What was handed out does not fill the store.
    assert_eq!(publish(&**store, &refill(0x100, [MAX_PREKEYS + 1])).await, Published::Stored);
    assert_eq!(count(&**store, 0x100, 1).await, MAX_PREKEYS);
}

pub(super) async fn expired_devices_make_room(store: &Arc<impl Store>) {
    register(&**store, &bob()).await;
    let mut old = deposit(0x100, 1..=MAX_PREKEYS);
    old.client_profile = profile("old", NOW.plus(10));
    assert_eq!(publish(&**store, &old).await, Published::Stored);
    let new = deposit(0x200, [1]);
    assert_eq!(publish(&**store, &new).await, Published::Refused);
    assert_eq!(store.publish(&bob(), &new, NOW.plus(10)).await.expect("a store"), Published::Stored);
    assert_eq!((count(&**store, 0x100, 1).await, count(&**store, 0x200, 1).await), (0, 1));
}

pub(super) async fn concurrent_takers_never_share_a_prekey(store: &Arc<impl Store>) {
    register(&**store, &bob()).await;
    publish(&**store, &deposit(0x100, 0..200)).await;
    let takers: Vec<_> = (0..32)
        .map(|_| {
            let store = Arc::clone(store);
            tokio::spawn(async move {
                let mut got = Vec::new();
                loop {
                    match take(&*store).await {
                        taken if taken.is_empty() => return got,
                        taken => got.extend(taken),
                    }
                }
            })
        })
        .collect();
    let mut all = Vec::new();
    for taker in takers {
        all.extend(taker.await.expect("a taker"));
    }
    assert_eq!((all.len(), all.iter().collect::<BTreeSet<_>>().len()), (200, 200));
}
