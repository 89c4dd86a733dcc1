//! Accounts, their tokens, and exchanges that wait: on every store.

use super::*;
use crate::account::TokenHash;
use crate::store::{AccountSummary, MAX_TOKENS, PAGE, PENDING_LIFETIME, Registered};

fn token(seed: u8) -> TokenHash {
    TokenHash::from_bytes([seed; 32])
}

/// The first bytes of the tokens' hashes.
async fn tokens(store: &impl Store) -> Vec<u8> {
    let tokens = store.tokens(&bob()).await.expect("a store");
    tokens.iter().map(|hash| hash.as_bytes()[0]).collect()
}

pub(in crate::store) async fn the_first_to_register_an_identity_keeps_it(store: &Arc<impl Store>) {
    assert!(tokens(&**store).await.is_empty());
    let register = async |seed| store.register(&bob(), Some(&token(seed)), NOW).await.expect("a store");
    assert_eq!(register(1).await, Registered::Created);
    assert_eq!(register(2).await, Registered::Taken);
    assert_eq!(tokens(&**store).await, [1]);
}

pub(in crate::store) async fn an_account_has_as_many_tokens_as_clients_and_a_new_one_can_end_them_all(
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

pub(in crate::store) async fn a_removed_account_leaves_nothing_and_its_name_is_free(store: &Arc<impl Store>) {
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

pub(in crate::store) async fn accounts_are_listed_in_pages_with_what_they_have(store: &Arc<impl Store>) {
    let name = |n: usize| StoredName::plain(&format!("bob{n:04}"));
    for n in 0..PAGE + 2 {
        store.register(&name(n), None, NOW.plus(1)).await.expect("a store");
    }
    register(&**store, &bob()).await;
    publish(&**store, &deposit(0x100, [1, 2, 3])).await;
    publish(&**store, &deposit(0x200, [1])).await;
    take(&**store).await;
    let page = async |after: Option<&StoredName>| store.accounts(after).await.expect("a store");
    let first = page(None).await;
    assert_eq!(first.len(), PAGE);
    let empty = |identity: StoredName| AccountSummary {
        identity,
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

pub(in crate::store) async fn a_pending_exchange_serves_once_its_own_client_and_for_its_time(
    store: &Arc<impl Store>,
) {
    let eve = StoredName::plain("eve@example.org");
    register(&**store, &bob()).await;
    register(&**store, &eve).await;
    let keep = async |seed| store.keep_pending(&bob(), 0x100, vec![seed], NOW).await.expect("a store");
    let take = async |identity: &StoredName, tag, later| {
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

pub(in crate::store) async fn an_identity_past_its_share_of_exchanges_loses_its_oldest(
    store: &Arc<impl Store>,
) {
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
