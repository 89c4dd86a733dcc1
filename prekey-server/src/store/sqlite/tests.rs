//! What this store promises beyond what every store does.

use super::*;
use crate::store::contract::{Fixture, contract_tests};

async fn fixture() -> Fixture<SqliteStore> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let store = SqliteStore::open(&folder.path().join("prekeys.sqlite")).await.expect("a new database");
    Fixture { store, _keep: Box::new(folder) }
}

async fn present() -> Option<Fixture<SqliteStore>> {
    Some(fixture().await)
}

contract_tests!(present);

const NOW: Timestamp = Timestamp::from_unix(1_700_000_000);

#[tokio::test]
async fn a_commit_waits_for_the_disk_in_wal_mode() {
    let fixture = fixture().await;
    let mut tx = fixture.store.begin().await.expect("a transaction");
    let synchronous: i64 =
        sqlx::query_scalar("PRAGMA synchronous").fetch_one(&mut *tx).await.expect("its setting");
    let journal: String =
        sqlx::query_scalar("PRAGMA journal_mode").fetch_one(&mut *tx).await.expect("its mode");
    assert_eq!((synchronous, journal.as_str()), (2, "wal"));
}

#[tokio::test]
async fn a_full_disk_fails_one_request_and_not_those_after_it() {
    let fixture = fixture().await;
    let register = |n: u32| {
        let store = &fixture.store;
        let identity = StoredName::plain(&format!("{n}{}", "x".repeat(200)));
        async move { store.register(&identity, Some(&TokenHash::from_bytes([7; 32])), NOW).await }
    };
    // Of this connection alone: the one that replaces it finds room.
    sqlx::query("PRAGMA max_page_count = 1").execute(&fixture.store.writer).await.expect("a setting");
    let mut n = 0;
    while register(n).await.is_ok() {
        n += 1;
    }
    assert_eq!(register(n).await.expect("a usable connection"), Registered::Created);
    fixture.store.ping().await.expect("a usable connection");
}

#[tokio::test]
async fn a_database_that_another_process_holds_is_busy() {
    let fixture = fixture().await;
    sqlx::query("PRAGMA busy_timeout = 0").execute(&fixture.store.writer).await.expect("a setting");
    let _other = fixture.store.readers.begin_with("BEGIN IMMEDIATE").await.expect("a transaction");
    assert!(fixture.store.ping().await.expect_err("no lock").is_busy());
}

#[tokio::test]
async fn a_ping_needs_the_lock_that_writes_need() {
    let fixture = fixture().await;
    let _tx = fixture.store.begin().await.expect("a transaction");
    let ping = tokio::time::timeout(Duration::from_millis(50), fixture.store.ping());
    assert!(ping.await.is_err());
}

#[cfg(unix)]
#[tokio::test]
async fn other_users_cannot_read_the_database() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().expect("a temporary folder");
    let _store = SqliteStore::open(&folder.path().join("prekeys.sqlite")).await.expect("a new database");
    for entry in std::fs::read_dir(folder.path()).expect("the folder") {
        let mode = entry.expect("an entry").metadata().expect("its mode").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}

#[tokio::test]
async fn tokens_of_an_older_database_are_those_of_the_new_one() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("prekeys.sqlite");
    let mut old = options(&path).create_if_missing(true).connect().await.expect("a database");
    MIGRATIONS.run_to(1, &mut old).await.expect("the first layout");
    sqlx::query("INSERT INTO accounts (identity, token_hash, created) VALUES ('bob', ?, 7)")
        .bind(&[9; 32][..])
        .execute(&mut old)
        .await
        .expect("an account");
    old.close().await.expect("a closed database");

    let refused = SqliteStore::existing(&path).await.expect_err("a server may be running on it");
    assert!(refused.to_string().contains("prekey-server migrate"), "{refused}");
    let store = SqliteStore::open(&path).await.expect("the same database");
    let server = ServerIdentity::generate("prekey.example.org", &mut crate::system::rng());
    assert!(matches!(store.names(Some(&server)).await, Err(StoreError::PlainNames)), "it has a plain name");
    let tokens = store.tokens(&StoredName::plain("bob")).await.expect("a store");
    assert_eq!(tokens.iter().map(TokenHash::as_bytes).collect::<Vec<_>>(), [&[9; 32]]);
}

#[tokio::test]
async fn a_server_that_comes_by_a_link_meets_the_one_that_did_not() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (path, link) = (folder.path().join("prekeys.sqlite"), folder.path().join("link"));
    let _running = SqliteStore::open(&path).await.expect("a new database");
    std::os::unix::fs::symlink(&path, &link).expect("a link");
    assert!(matches!(SqliteStore::open(&link).await, Err(StoreError::Locked(_))));
}

#[tokio::test]
async fn a_database_of_a_newer_program_is_left_alone() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("prekeys.sqlite");
    let store = SqliteStore::open(&path).await.expect("a new database");
    sqlx::query("UPDATE _sqlx_migrations SET version = 9999 WHERE version = 2")
        .execute(&store.writer)
        .await
        .expect("an update");
    store.close().await;
    let refused = SqliteStore::open(&path).await.expect_err("a refusal").to_string();
    assert!(refused.contains(&path.display().to_string()) && refused.contains("newer"), "{refused}");
}
