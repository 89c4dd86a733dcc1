//! How names are written: on every store.

use super::*;
use crate::account::Identity;
use crate::store::StoreError;
use crate::system::rng;
use otrv4::prekey_server::ServerIdentity;

fn server() -> ServerIdentity {
    ServerIdentity::generate("prekey.example.org", &mut rng())
}

pub(in crate::store) async fn names_are_plain_for_ever_where_they_were_at_first(store: &Arc<impl Store>) {
    for _ in 0..2 {
        let names = store.names(None).await.expect("plain names");
        assert_eq!(names.of(&Identity::new("bob@example.org").expect("legal")), bob());
        let refused = store.names(Some(&server())).await;
        assert!(matches!(refused, Err(StoreError::PlainNames)), "{refused:?}");
        if store.accounts(None).await.expect("a store").is_empty() {
            register(&**store, &bob()).await;
        }
    }
}

pub(in crate::store) async fn names_are_hashed_under_one_key_for_ever_where_they_were_at_first(
    store: &Arc<impl Store>,
) {
    let ours = server();
    for _ in 0..2 {
        let names = store.names(Some(&ours)).await.expect("hashes");
        let name = names.of(&Identity::new("bob@example.org").expect("legal"));
        let refused = store.names(None).await;
        assert!(matches!(refused, Err(StoreError::HashedNames)), "{refused:?}");
        let refused = store.names(Some(&server())).await;
        assert!(matches!(refused, Err(StoreError::OtherKey)), "{refused:?}");
        if store.accounts(None).await.expect("a store").is_empty() {
            register(&**store, &name).await;
        }
        assert!(store.is_account(&name).await.expect("a store"));
    }
}

pub(in crate::store) async fn no_plain_name_gets_among_hashes_and_no_hash_among_plain_names(
    store: &Arc<impl Store>,
) {
    let hashes = store.names(Some(&server())).await.expect("hashes");
    let refused = store.register(&bob(), None, NOW).await;
    assert!(matches!(refused, Err(StoreError::Renamed)), "{refused:?}");
    assert!(!store.is_account(&bob()).await.expect("a store"));
    register(&**store, &hashes.of(&Identity::new("bob@example.org").expect("legal"))).await;
    assert_eq!(store.accounts(None).await.expect("a store").len(), 1);
}

pub(in crate::store) async fn accounts_that_were_made_before_anybody_chose_have_plain_names(
    store: &Arc<impl Store>,
) {
    register(&**store, &bob()).await;
    let refused = store.names(Some(&server())).await;
    assert!(matches!(refused, Err(StoreError::PlainNames)), "{refused:?}");
    store.names(None).await.expect("plain names");
}
