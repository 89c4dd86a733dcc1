//! The store in PostgreSQL, for as many server processes as there are machines: they share accounts, prekeys and pending
//! exchanges.
//!
//! A transaction begins by locking the row of its account, so that whatever else happens to that identity comes before or
//! after it. Transactions of different identities do not meet.

use self::sql::{Steps, accounts, burn, sweep_answers};
use super::{
    AccountSummary, AnswerKey, Asked, CLOCK_SKEW, Deposit, Device, Empty, Figures, Forgotten, MAX_DEVICES,
    PENDING_LIFETIME, Published, Registered, Store, StoreError, StoredEnsemble, is_pending,
};
use crate::account::{Identity, TokenHash};
use crate::limits::{Bucket, SKEW_MS, Spent, Subject};
use otrv4::Timestamp;
use sqlx::migrate::Migrator;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{ConnectOptions, Connection, PgConnection, PgPool, Postgres, Transaction};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

mod sql {
    crate::store::steps::steps!(sqlx::Postgres);
}
mod overview {
    crate::store::overview::overview!(sqlx::Postgres);
}

/// A PostgreSQL database.
#[derive(Debug)]
pub struct PostgresStore {
    pool: PgPool,
    /// What this process has spent so far: each so many, full buckets are swept.
    spent: AtomicU32,
}

/// How long to wait for a connection before the request fails.
const PATIENCE: Duration = Duration::from_secs(10);

/// The same for the lock of another transaction; and what frees the locks of a process whose machine has died.
const SESSION: [(&str, &str); 5] = [
    ("lock_timeout", "10s"),
    ("idle_in_transaction_session_timeout", "30s"),
    ("tcp_keepalives_idle", "30"),
    ("tcp_keepalives_interval", "10"),
    ("tcp_keepalives_count", "3"),
];

/// Exchanges of others that each new one sweeps, when their time is over.
const SWEPT: u32 = 16;

/// Full buckets that each so many requests sweep: more than these make.
const FULL_SWEPT: i64 = 64;
const SPENT_A_SWEEP: u32 = 16;

/// Connections of one server process: PostgreSQL allows 100 in all unless told otherwise.
const CONNECTIONS: u32 = 16;

/// The layout of the database, as this program knows it.
static MIGRATIONS: Migrator = sqlx::migrate!("../migrations/postgres");

impl PostgresStore {
    /// Connects to the database of `postgres://USER:PASSWORD@HOST/NAME`, and brings it to this program's layout. Of
    /// several processes that start at once one does it. With a database that has the layout, the user of the URL needs
    /// no right to create tables.
    pub async fn open(url: &str) -> Result<Self, StoreError> {
        let store = Self::connect(url).await?;
        if !has_this_layout(&store.pool).await? {
            // Others may be at it for longer than a request would wait.
            let mut patient = parse(url)?.connect().await.map_err(StoreError::Connect)?;
            MIGRATIONS.run(&mut patient).await.map_err(StoreError::Layout)?;
            patient.close().await?;
        }
        Ok(store)
    }

    /// Connects to a database that has this program's layout: for what an operator does.
    pub async fn existing(url: &str) -> Result<Self, StoreError> {
        let store = Self::connect(url).await?;
        match has_this_layout(&store.pool).await? {
            true => Ok(store),
            false => Err(StoreError::OtherLayout),
        }
    }

    async fn connect(url: &str) -> Result<Self, StoreError> {
        let pool = PgPoolOptions::new()
            .max_connections(CONNECTIONS)
            .acquire_timeout(PATIENCE)
            .connect_with(parse(url)?.options(SESSION))
            .await
            .map_err(StoreError::Connect)?;
        let (durable, user): (String, String) =
            sqlx::query_as("SELECT current_setting('synchronous_commit'), current_user::text")
                .fetch_one(&pool)
                .await?;
        if durable == "off" {
            Err(StoreError::NotDurable(user))
        } else {
            Ok(Self { pool, spent: AtomicU32::new(0) })
        }
    }

    /// A transaction that has this identity to itself; `None` without such an account. All other tables refer to it.
    async fn begin(&self, identity: &Identity) -> Result<Option<Transaction<'static, Postgres>>, StoreError> {
        let mut tx = self.pool.begin().await?;
        let account: Option<i32> =
            sqlx::query_scalar("SELECT 1 FROM accounts WHERE identity = $1 FOR UPDATE")
                .bind(identity.as_str())
                .fetch_optional(&mut *tx)
                .await?;
        Ok(account.map(|_| tx))
    }
}

impl PostgresStore {
    /// A bucket that is full again says no more than one that is not there.
    async fn sweep_full(&self, now: i64) -> Result<(), StoreError> {
        sqlx::query(
            "DELETE FROM limits WHERE subject IN (
                 SELECT subject FROM limits WHERE full_at < $1 ORDER BY full_at LIMIT $2 FOR UPDATE SKIP LOCKED)",
        )
        .bind(now.saturating_sub(SKEW_MS))
        .bind(FULL_SWEPT)
        .execute(&self.pool)
        .await?;
        Ok(())
    }
}

fn parse(url: &str) -> Result<PgConnectOptions, StoreError> {
    let options: PgConnectOptions = url.parse().map_err(StoreError::Connect)?;
    Ok(options.application_name("prekey-server"))
}

/// Whether the newest migration that the database has seen is our newest.
async fn has_this_layout(pool: &PgPool) -> Result<bool, StoreError> {
    let table: Option<String> =
        sqlx::query_scalar("SELECT to_regclass('_sqlx_migrations')::text").fetch_one(pool).await?;
    if table.is_none() {
        return Ok(false);
    }
    let newest: Option<i64> =
        sqlx::query_scalar("SELECT max(version) FROM _sqlx_migrations WHERE success").fetch_one(pool).await?;
    Ok(newest == MIGRATIONS.iter().map(|migration| migration.version).max())
}

impl Store for PostgresStore {
    async fn register(
        &self,
        identity: &Identity,
        token: Option<&TokenHash>,
        now: Timestamp,
    ) -> Result<Registered, StoreError> {
        let mut tx = self.pool.begin().await?;
        let done = steps(&mut tx, identity).register(token, now).await?;
        tx.commit().await?;
        Ok(done)
    }

    async fn tokens(&self, identity: &Identity) -> Result<Vec<TokenHash>, StoreError> {
        steps(&mut *self.pool.acquire().await?, identity).tokens().await
    }

    async fn add_token(
        &self,
        identity: &Identity,
        token: &TokenHash,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let Some(mut tx) = self.begin(identity).await? else { return Ok(false) };
        let done = steps(&mut tx, identity).add_token(token, now).await?;
        tx.commit().await?;
        Ok(done)
    }

    async fn replace_tokens(
        &self,
        identity: &Identity,
        token: &TokenHash,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let Some(mut tx) = self.begin(identity).await? else { return Ok(false) };
        let done = steps(&mut tx, identity).replace_tokens(token, now).await?;
        tx.commit().await?;
        Ok(done)
    }

    async fn remove(&self, identity: &Identity) -> Result<bool, StoreError> {
        let Some(mut tx) = self.begin(identity).await? else { return Ok(false) };
        sqlx::query("DELETE FROM pending WHERE identity = $1")
            .bind(identity.as_str())
            .execute(&mut *tx)
            .await?;
        let done = steps(&mut tx, identity).remove().await?;
        tx.commit().await?;
        Ok(done)
    }

    async fn accounts(&self, after: Option<&Identity>) -> Result<Vec<AccountSummary>, StoreError> {
        accounts(&mut *self.pool.acquire().await?, after).await
    }

    async fn publish(
        &self,
        identity: &Identity,
        deposit: &Deposit,
        now: Timestamp,
    ) -> Result<Published, StoreError> {
        let Some(mut tx) = self.begin(identity).await? else { return Ok(Published::Refused) };
        let done = steps(&mut tx, identity).publish(deposit, now).await?;
        match done {
            Published::Stored => tx.commit().await?,
            Published::Refused => tx.rollback().await?,
        }
        Ok(done)
    }

    async fn count(&self, identity: &Identity, device: &Device) -> Result<u32, StoreError> {
        steps(&mut *self.pool.acquire().await?, identity).count(device).await
    }

    async fn take(&self, identity: &Identity, asked: Asked) -> Result<Vec<StoredEnsemble>, StoreError> {
        if asked.key.is_some()
            && let Err(error) = sweep_answers(&mut *self.pool.acquire().await?, asked.now).await
        {
            // Whoever comes next sweeps again.
            tracing::debug!(%error, "old answers");
        }
        let Some(mut tx) = self.begin(identity).await? else { return Ok(Vec::new()) };
        let ensembles = steps(&mut tx, identity).take(asked).await?;
        // Who has nothing left is answered as fast as who has no account: without waiting for the disk.
        match ensembles.is_empty() {
            true => tx.rollback().await?,
            false => tx.commit().await?,
        }
        Ok(ensembles)
    }

    async fn answered(
        &self,
        identity: &Identity,
        key: AnswerKey,
        now: Timestamp,
    ) -> Result<Option<Vec<StoredEnsemble>>, StoreError> {
        steps(&mut *self.pool.acquire().await?, identity).answered(key, now).await
    }

    async fn spend(&self, subject: Subject, bucket: Bucket, now: i64) -> Result<Spent, StoreError> {
        if self.spent.fetch_add(1, Ordering::Relaxed).is_multiple_of(SPENT_A_SWEEP) {
            self.sweep_full(now).await?;
        }
        // The arithmetic of `Bucket::spend`. What is refused changes nothing, and is read as it was before.
        let (spent, full_at): (bool, Option<i64>) = sqlx::query_as(
            "WITH spent AS (
                 INSERT INTO limits AS l (subject, full_at) VALUES ($1, $2::BIGINT + $3::BIGINT)
                 ON CONFLICT (subject) DO UPDATE SET full_at = least(greatest(l.full_at, $2) + $3, $2 + $4::BIGINT)
                 WHERE greatest(l.full_at, $2) + $3 <= $2 + $4 OR l.full_at > $2 + $4 + $5::BIGINT
                 RETURNING full_at)
             SELECT EXISTS (SELECT FROM spent), (SELECT full_at FROM limits WHERE subject = $1)",
        )
        .bind(subject.to_bytes().as_slice())
        .bind(now)
        .bind(bucket.per_ms())
        .bind(bucket.full_ms())
        .bind(SKEW_MS)
        .fetch_one(&self.pool)
        .await?;
        if spent {
            return Ok(Spent::One);
        }
        Ok(Spent::Wait(bucket.spend(full_at.unwrap_or(now), now).err().unwrap_or(bucket.per)))
    }

    async fn keep_pending(
        &self,
        identity: &Identity,
        tag: u32,
        exchange: Vec<u8>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.sweep_pending(now, SWEPT).await?;
        let mut tx = self.begin(identity).await?.ok_or(StoreError::NoAccount)?;
        sqlx::query(
            "INSERT INTO pending (identity, tag, begun, exchange) VALUES ($1, $2, $3, $4)
             ON CONFLICT (identity, tag) DO UPDATE SET begun = excluded.begun, exchange = excluded.exchange",
        )
        .bind(identity.as_str())
        .bind(i64::from(tag))
        .bind(now.unix())
        .bind(exchange)
        .execute(&mut *tx)
        .await?;
        // Another client of the identity may have been there in the same second; ours stays.
        sqlx::query(
            "DELETE FROM pending WHERE identity = $1 AND tag <> $2 AND tag NOT IN (
                 SELECT tag FROM pending WHERE identity = $1 AND tag <> $2 ORDER BY begun DESC LIMIT $3)",
        )
        .bind(identity.as_str())
        .bind(i64::from(tag))
        .bind(i64::from(MAX_DEVICES) - 1)
        .execute(&mut *tx)
        .await?;
        Ok(tx.commit().await?)
    }

    async fn take_pending(
        &self,
        identity: &Identity,
        tag: u32,
        now: Timestamp,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        let row: Option<(i64, Vec<u8>)> =
            sqlx::query_as("DELETE FROM pending WHERE identity = $1 AND tag = $2 RETURNING begun, exchange")
                .bind(identity.as_str())
                .bind(i64::from(tag))
                .fetch_optional(&self.pool)
                .await?;
        Ok(row.and_then(|(begun, exchange)| is_pending(Timestamp::from_unix(begun), now).then_some(exchange)))
    }

    async fn burn(&self) -> Result<u64, StoreError> {
        let mut tx = self.pool.begin().await?;
        let burnt = burn(&mut tx).await?;
        tx.commit().await?;
        Ok(burnt)
    }

    async fn expired(&self, ended: Timestamp, most: u32) -> Result<Vec<Identity>, StoreError> {
        overview::expired(&mut *self.pool.acquire().await?, ended, most).await
    }

    async fn forget_expired(&self, identity: &Identity, ended: Timestamp) -> Result<Forgotten, StoreError> {
        let Some(mut tx) = self.begin(identity).await? else {
            return Ok(Forgotten { devices: 0, prekeys: 0 });
        };
        let done = steps(&mut tx, identity).forget_expired(ended).await?;
        tx.commit().await?;
        Ok(done)
    }

    async fn sweep_pending(&self, now: Timestamp, most: u32) -> Result<u64, StoreError> {
        let swept = sqlx::query(
            "DELETE FROM pending WHERE (identity, tag) IN (
                 SELECT identity, tag FROM pending WHERE begun < $1 ORDER BY begun LIMIT $2)",
        )
        .bind(now.unix().saturating_sub(PENDING_LIFETIME + CLOCK_SKEW))
        .bind(i64::from(most))
        .execute(&self.pool)
        .await?;
        Ok(swept.rows_affected())
    }

    async fn why_empty(&self, identity: &Identity) -> Result<Empty, StoreError> {
        overview::why_empty(&mut *self.pool.acquire().await?, identity).await
    }

    async fn figures(&self) -> Result<Figures, StoreError> {
        let mut connection = self.pool.acquire().await?;
        let figures = overview::figures(&mut connection).await?;
        let (bytes, pending): (i64, i64) =
            sqlx::query_as("SELECT pg_database_size(current_database()), (SELECT count(*) FROM pending)")
                .fetch_one(&mut *connection)
                .await?;
        let (bytes, pending) = (overview::number(bytes)?, Some(overview::number(pending)?));
        Ok(Figures { bytes, pending, ..figures })
    }

    async fn ping(&self) -> Result<(), StoreError> {
        let mut tx = self.pool.begin_with("BEGIN READ WRITE").await?;
        sqlx::query("SELECT identity FROM accounts LIMIT 1").fetch_optional(&mut *tx).await?;
        Ok(tx.rollback().await?)
    }

    async fn close(&self) {
        self.pool.close().await;
    }
}

fn steps<'a>(connection: &'a mut PgConnection, identity: &'a Identity) -> Steps<'a> {
    Steps { connection, identity: identity.as_str() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::contract::{Fixture, contract_tests};

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
        let keys: Vec<(String, String)> = sqlx::query_as(
            "SELECT c.relname::text, a.attname::text
             FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid
             JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
             WHERE i.indisunique AND c.relnamespace = 'public'::regnamespace AND c.relname <> '_sqlx_migrations'",
        )
        .fetch_all(&fixture.store.pool)
        .await
        .expect("the layout");
        assert!(keys.len() >= 7, "{keys:?}");
        for (table, column) in &keys {
            let of = if table == "limits" { "subject" } else { "identity" };
            assert_eq!(column, of, "{table}");
        }
    }

    #[tokio::test]
    async fn exchanges_that_nobody_finished_are_swept() {
        let Some(fixture) = fixture().await else { return };
        let (store, bob) = (&fixture.store, Identity::new("bob").expect("legal"));
        let begun = Timestamp::from_unix(1_700_000_000);
        store.register(&bob, None, begun).await.expect("a store");
        store.keep_pending(&bob, 0x100, vec![1], begun).await.expect("a store");
        let late = begun.plus(PENDING_LIFETIME + CLOCK_SKEW + 1);
        store.keep_pending(&bob, 0x200, vec![2], late).await.expect("a store");
        let tags: Vec<i64> =
            sqlx::query_scalar("SELECT tag FROM pending").fetch_all(&store.pool).await.expect("rows");
        assert_eq!(tags, [0x200]);
        let nobody = Identity::new("eve").expect("legal");
        let refused = store.keep_pending(&nobody, 0x100, vec![1], late).await;
        assert!(matches!(refused, Err(StoreError::NoAccount)));
    }

    #[tokio::test]
    async fn full_buckets_and_old_answers_are_swept() {
        let Some(fixture) = fixture().await else { return };
        let (store, bob) = (&fixture.store, Identity::new("bob").expect("legal"));
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

        let now = Timestamp::from_unix(1_700_000_000);
        store.register(&bob, None, now).await.expect("a store");
        let profile = || crate::store::StoredProfile { bytes: vec![1], expires: now.plus(1000) };
        let deposit = Deposit {
            device: Device { tag: 0x100, identity_key: [1; 57] },
            client_profile: Some(profile()),
            prekey_profile: Some(profile()),
            prekeys: (0..3).map(|id| crate::store::StoredPrekey { id, bytes: vec![1] }).collect(),
        };
        store.publish(&bob, &deposit, now).await.expect("a store");
        for (seed, later) in [("one", 0), ("two", 1), ("three", crate::store::ANSWER_LIFETIME + 1)] {
            let asked = Asked {
                now: now.plus(later),
                reserve: crate::limits::Reserve::NONE,
                key: Some(AnswerKey::new(seed, b"")),
            };
            assert_eq!(store.take(&bob, asked).await.expect("a store").len(), 1);
        }
        assert_eq!(rows("answers").await, 1);
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
}
