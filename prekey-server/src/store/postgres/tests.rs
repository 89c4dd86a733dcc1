//! What this store promises beyond what every store does.

use super::*;
use crate::store::contract::{Fixture, contract_tests};
use sqlx::Executor;

/// An empty database of its own on the server that `PREKEY_SERVER_TEST_POSTGRES` names.
async fn fixture() -> Option<Fixture<PostgresStore>> {
    let url = crate::store::contract::postgres()?;
    let name = format!("contract_{}", hex::encode(random()));
    let mut admin = PgConnection::connect(&url).await.expect("the PostgreSQL of the tests");
    sqlx::query(sqlx::AssertSqlSafe(format!("CREATE DATABASE {name} TEMPLATE template0")))
        .execute(&mut admin)
        .await
        .expect("a new database");
    let store = PostgresStore::open(&format!("{url}/{name}")).await.expect("a new database");
    Some(Fixture { store, _keep: Box::new(()) })
}

fn random() -> [u8; 8] {
    let mut bytes = [0; 8];
    rand_core::Rng::fill_bytes(&mut crate::system::rng(), &mut bytes);
    bytes
}

contract_tests!(fixture);

/// So a cluster may keep each identity wherever it likes (docs/scale.md).
#[tokio::test]
async fn every_key_begins_with_whom_it_is_about() {
    let Some(fixture) = fixture().await else { return };
    let keys: Vec<(String, Option<String>)> = sqlx::query_as(
        "SELECT c.relname::text, a.attname::text
         FROM pg_class c LEFT JOIN pg_index i ON i.indrelid = c.oid AND i.indisunique
         LEFT JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
         WHERE c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace AND c.relname <> '_sqlx_migrations'",
    )
    .fetch_all(&fixture.store.pool)
    .await
    .expect("the layout");
    assert!(keys.len() >= 8, "{keys:?}");
    for (table, column) in &keys {
        let of = match table.as_str() {
            "limits" => "subject",
            // One row, about nobody.
            "naming" => "id",
            _ => "identity",
        };
        assert_eq!(column.as_deref(), Some(of), "{table}");
    }
}

#[tokio::test]
async fn exchanges_that_nobody_finished_are_swept() {
    let Some(fixture) = fixture().await else { return };
    let (store, bob) = (&fixture.store, StoredName::plain("bob"));
    let begun = Timestamp::from_unix(1_700_000_000);
    store.register(&bob, None, begun).await.expect("a store");
    store.keep_pending(&bob, 0x100, vec![1], begun).await.expect("a store");
    let late = begun.plus(PENDING_LIFETIME + CLOCK_SKEW + 1);
    store.keep_pending(&bob, 0x200, vec![2], late).await.expect("a store");
    let tags: Vec<i64> =
        sqlx::query_scalar("SELECT tag FROM pending").fetch_all(&store.pool).await.expect("rows");
    assert_eq!(tags, [0x200]);
    let nobody = StoredName::plain("eve");
    let refused = store.keep_pending(&nobody, 0x100, vec![1], late).await;
    assert!(matches!(refused, Err(StoreError::NoAccount)));
}

#[tokio::test]
async fn full_buckets_are_swept_while_others_are_spent() {
    let Some(fixture) = fixture().await else { return };
    let store = &fixture.store;
    let rows = async |table: &str| {
        let count = sqlx::AssertSqlSafe(format!("SELECT count(*) FROM {table}"));
        sqlx::query_scalar::<_, i64>(count).fetch_one(&store.pool).await.expect("a number")
    };
    let bucket = Bucket { burst: 2, per: Duration::from_secs(1) };
    let spend = async |n: u32, now| {
        let mut who = [0; 16];
        who[..4].copy_from_slice(&n.to_be_bytes());
        let subject = Subject { limit: crate::limits::Limit::Pair, who };
        store.spend(subject, bucket, now).await.expect("a store")
    };
    let begun = 1_700_000_000_000;
    for n in 0..100 {
        spend(n, begun).await;
    }
    assert_eq!(rows("limits").await, 100);
    for n in 100..100 + 2 * SPENT_A_SWEEP {
        spend(n, begun + 1_000 + SKEW_MS + 1).await;
    }
    assert_eq!(rows("limits").await, i64::from(2 * SPENT_A_SWEEP));
}

#[tokio::test]
async fn a_database_that_acknowledges_what_it_has_not_written_is_refused() {
    let Some(url) = crate::store::contract::postgres() else { return };
    let careless = format!("{url}/postgres?options=-c%20synchronous_commit%3Doff");
    let refused = PostgresStore::open(&careless).await.expect_err("a refusal").to_string();
    assert!(refused.contains("ALTER ROLE postgres SET synchronous_commit = on"), "{refused}");
}

#[tokio::test]
async fn operators_commands_bring_no_tables_where_there_are_none() {
    let Some(url) = crate::store::contract::postgres() else { return };
    let refused = PostgresStore::existing(&format!("{url}/template1")).await.expect_err("a refusal");
    assert!(matches!(refused, StoreError::OtherLayout), "{refused}");
}

/// Who would write a plain name waits for whoever hashes them all, and is refused then.
#[tokio::test]
async fn a_server_that_was_forgotten_writes_no_plain_name_among_hashes() {
    let Some(fixture) = fixture().await else { return };
    let store = std::sync::Arc::new(fixture.store);
    let now = Timestamp::from_unix(1_700_000_000);
    store.names(None).await.expect("a new database");
    store.register(&StoredName::plain("bob"), None, now).await.expect("a store");

    let mut hashing = store.pool.begin().await.expect("a transaction");
    hashing.execute("LOCK TABLE accounts IN EXCLUSIVE MODE").await.expect("a lock");
    let registering = tokio::spawn({
        let store = std::sync::Arc::clone(&store);
        async move { store.register(&StoredName::plain("eve"), None, now).await }
    });
    loop {
        let waiting: i64 = sqlx::query_scalar(
            "SELECT count(*) FROM pg_locks WHERE NOT granted AND database = (
                 SELECT oid FROM pg_database WHERE datname = current_database())",
        )
        .fetch_one(&store.pool)
        .await
        .expect("a number");
        if waiting > 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let server =
        otrv4::prekey_server::ServerIdentity::generate("prekey.example.org", &mut crate::system::rng());
    let names = Names::under(Some(&server));
    assert_eq!(naming::hash_all(&mut hashing, &names).await.expect("a store"), 1);
    hashing.commit().await.expect("a commit");
    let refused = registering.await.expect("a task");
    assert!(matches!(refused, Err(StoreError::Renamed)), "{refused:?}");
    let accounts = store.accounts(None).await.expect("a store");
    let there: Vec<_> = accounts.iter().map(|account| &account.identity).collect();
    assert_eq!(there, [&names.of(&crate::account::Identity::new("bob").expect("legal"))]);
}

/// `pg_restore --clean` puts back what the dump has, and leaves what it does not know.
#[tokio::test]
async fn an_older_dump_over_a_newer_layout_is_brought_up_again() {
    let Some(fixture) = fixture().await else { return };
    let server =
        otrv4::prekey_server::ServerIdentity::generate("prekey.example.org", &mut crate::system::rng());
    fixture.store.names(Some(&server)).await.expect("a new database");
    sqlx::query("DELETE FROM _sqlx_migrations WHERE version = 4")
        .execute(&fixture.store.pool)
        .await
        .expect("the layout of before");
    let name: String = sqlx::query_scalar("SELECT current_database()")
        .fetch_one(&fixture.store.pool)
        .await
        .expect("its name");
    let url = format!("{}/{name}", crate::store::contract::postgres().expect("it was there"));
    let store = PostgresStore::open(&url).await.expect("the same database");
    store.names(None).await.expect("what it says of names is gone with what was in it");
}
