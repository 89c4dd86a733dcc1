//! What every store must do, as tests that each implementation runs with [`contract_tests!`].

pub(super) mod sweeping;

use super::{
    ANSWER_LIFETIME, AccountSummary, AnswerKey, Asked, CLOCK_SKEW, Deposit, Device, MAX_DEVICES, MAX_PREKEYS,
    MAX_TOKENS, PAGE, PENDING_LIFETIME, Published, Registered, Store, StoredEnsemble, StoredPrekey,
    StoredProfile,
};
use crate::account::{Identity, TokenHash};
use crate::limits::{Bucket, Limit, Reserve, Spent, Subject};
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
            the_first_to_register_an_identity_keeps_it
            an_account_has_as_many_tokens_as_clients_and_a_new_one_can_end_them_all
            a_removed_account_leaves_nothing_and_its_name_is_free
            accounts_are_listed_in_pages_with_what_they_have
            a_pending_exchange_serves_once_its_own_client_and_for_its_time
            an_identity_past_its_share_of_exchanges_loses_its_oldest
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
            a_repeated_query_gets_the_same_answer_and_takes_nothing
            queries_with_one_key_at_the_same_time_take_once
            kept_answers_go_with_their_account_and_with_what_is_burnt
            the_reserve_of_a_device_is_handed_out_slowly
            a_bucket_gives_its_burst_and_then_one_each_so_often
            subjects_do_not_touch_each_other
            a_clock_that_was_set_back_neither_frees_nor_locks_for_ever
            concurrent_spenders_get_the_burst_and_no_more
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

fn bob() -> Identity {
    Identity::new("bob@example.org").expect("legal")
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

async fn register(store: &impl Store, identity: &Identity) {
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

fn token(seed: u8) -> TokenHash {
    TokenHash::from_bytes([seed; 32])
}

/// The first bytes of the tokens' hashes.
async fn tokens(store: &impl Store) -> Vec<u8> {
    let tokens = store.tokens(&bob()).await.expect("a store");
    tokens.iter().map(|hash| hash.as_bytes()[0]).collect()
}

pub(super) async fn the_first_to_register_an_identity_keeps_it(store: &Arc<impl Store>) {
    assert!(tokens(&**store).await.is_empty());
    let register = async |seed| store.register(&bob(), Some(&token(seed)), NOW).await.expect("a store");
    assert_eq!(register(1).await, Registered::Created);
    assert_eq!(register(2).await, Registered::Taken);
    assert_eq!(tokens(&**store).await, [1]);
}

pub(super) async fn an_account_has_as_many_tokens_as_clients_and_a_new_one_can_end_them_all(
    store: &Arc<impl Store>,
) {
    let add = async |seed, now| store.add_token(&bob(), &token(seed), now).await.expect("a store");
    let replace = async |seed| store.replace_tokens(&bob(), &token(seed), NOW).await.expect("a store");
    assert!(!add(1, NOW).await && !replace(1).await, "no account");
    assert_eq!(store.register(&bob(), None, NOW).await.expect("a store"), Registered::Created);
    assert!(tokens(&**store).await.is_empty());
    let most = u8::try_from(MAX_TOKENS).expect("few");
    for seed in 0..most {
        assert!(add(seed, NOW.plus(i64::from(seed))).await);
    }
    assert!(!add(most, LATER).await);
    assert_eq!(tokens(&**store).await, (0..most).collect::<Vec<_>>());
    assert!(replace(99).await);
    assert_eq!(tokens(&**store).await, [99]);
    assert!(add(most, LATER).await);
    assert_eq!(tokens(&**store).await, [99, most]);
}

pub(super) async fn a_removed_account_leaves_nothing_and_its_name_is_free(store: &Arc<impl Store>) {
    let remove = async || store.remove(&bob()).await.expect("a store");
    assert!(!remove().await);
    register(&**store, &bob()).await;
    publish(&**store, &deposit(0x100, [1, 2])).await;
    store.keep_pending(&bob(), 0x100, vec![1], NOW).await.expect("a store");
    assert!(remove().await);
    assert!(!remove().await);
    assert!(tokens(&**store).await.is_empty());
    assert!(take(&**store).await.is_empty());
    register(&**store, &bob()).await;
    assert!(take(&**store).await.is_empty());
    assert_eq!(store.take_pending(&bob(), 0x100, NOW).await.expect("a store"), None);
    assert_eq!(publish(&**store, &deposit(0x100, [1])).await, Published::Stored);
    assert_eq!(take(&**store).await, ["prekey 1"]);
}

pub(super) async fn accounts_are_listed_in_pages_with_what_they_have(store: &Arc<impl Store>) {
    let name = |n: usize| Identity::new(&format!("bob{n:04}")).expect("legal");
    for n in 0..PAGE + 2 {
        store.register(&name(n), None, NOW.plus(1)).await.expect("a store");
    }
    register(&**store, &bob()).await;
    publish(&**store, &deposit(0x100, [1, 2, 3])).await;
    publish(&**store, &deposit(0x200, [1])).await;
    take(&**store).await;
    let page = async |after: Option<&Identity>| store.accounts(after).await.expect("a store");
    let first = page(None).await;
    assert_eq!(first.len(), PAGE);
    let empty = |identity: Identity| AccountSummary {
        identity: identity.as_str().into(),
        created: NOW.plus(1),
        tokens: 0,
        devices: 0,
        prekeys: 0,
    };
    assert_eq!(first[0], empty(name(0)));
    let second = page(Some(&name(PAGE - 1))).await;
    let of_bob = AccountSummary { created: NOW, tokens: 1, devices: 2, prekeys: 2, ..empty(bob()) };
    assert_eq!(second, [empty(name(PAGE)), empty(name(PAGE + 1)), of_bob]);
    assert_eq!(page(Some(&bob())).await, []);
}

pub(super) async fn a_pending_exchange_serves_once_its_own_client_and_for_its_time(store: &Arc<impl Store>) {
    let eve = Identity::new("eve@example.org").expect("legal");
    register(&**store, &bob()).await;
    register(&**store, &eve).await;
    let keep = async |seed| store.keep_pending(&bob(), 0x100, vec![seed], NOW).await.expect("a store");
    let take = async |identity: &Identity, tag, later| {
        store.take_pending(identity, tag, NOW.plus(later)).await.expect("a store")
    };
    keep(1).await;
    assert_eq!(take(&eve, 0x100, 0).await, None);
    assert_eq!(take(&bob(), 0x101, 0).await, None);
    assert_eq!(take(&bob(), 0x100, 0).await, Some(vec![1]));
    assert_eq!(take(&bob(), 0x100, 0).await, None);
    keep(2).await;
    keep(3).await;
    assert_eq!(take(&bob(), 0x100, PENDING_LIFETIME - 1).await, Some(vec![3]));
    keep(4).await;
    assert_eq!(take(&bob(), 0x100, -CLOCK_SKEW).await, Some(vec![4]), "another process, another clock");
    // Too late, or the clock was set back.
    for later in [PENDING_LIFETIME, -CLOCK_SKEW - 1] {
        keep(4).await;
        assert_eq!(take(&bob(), 0x100, later).await, None);
    }
}

pub(super) async fn an_identity_past_its_share_of_exchanges_loses_its_oldest(store: &Arc<impl Store>) {
    register(&**store, &bob()).await;
    for n in 0..=MAX_DEVICES {
        let now = NOW.plus(i64::from(n));
        store.keep_pending(&bob(), 0x200 - n, vec![1], now).await.expect("a store");
    }
    let take = async |n: u32| store.take_pending(&bob(), 0x200 - n, NOW.plus(20)).await.expect("a store");
    assert_eq!(take(0).await, None);
    for n in 1..=MAX_DEVICES {
        assert_eq!(take(n).await, Some(vec![1]), "{n}");
    }
}

pub(super) async fn what_was_burnt_is_neither_handed_out_nor_accepted_again(store: &Arc<impl Store>) {
    let eve = Identity::new("eve@example.org").expect("legal");
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
    let eve = Identity::new("eve@example.org").expect("legal");
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

fn keyed(seed: &str, now: Timestamp) -> Asked {
    Asked { key: Some(AnswerKey::new(seed, b"a query")), ..asked(now) }
}

pub(super) async fn a_repeated_query_gets_the_same_answer_and_takes_nothing(store: &Arc<impl Store>) {
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

pub(super) async fn queries_with_one_key_at_the_same_time_take_once(store: &Arc<impl Store>) {
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

pub(super) async fn kept_answers_go_with_their_account_and_with_what_is_burnt(store: &Arc<impl Store>) {
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

pub(super) async fn the_reserve_of_a_device_is_handed_out_slowly(store: &Arc<impl Store>) {
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

pub(super) async fn a_bucket_gives_its_burst_and_then_one_each_so_often(store: &Arc<impl Store>) {
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

pub(super) async fn subjects_do_not_touch_each_other(store: &Arc<impl Store>) {
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

pub(super) async fn a_clock_that_was_set_back_neither_frees_nor_locks_for_ever(store: &Arc<impl Store>) {
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

pub(super) async fn concurrent_spenders_get_the_burst_and_no_more(store: &Arc<impl Store>) {
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
