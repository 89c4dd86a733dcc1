//! The store in PostgreSQL, for as many server processes as there are machines: they share accounts, prekeys and pending
//! exchanges.
//!
//! A transaction begins by locking the row of its account, so that whatever else happens to that identity comes before or
//! after it. Transactions of different identities do not meet.

use self::sql::{Steps, accounts, burn, sweep_answers};
use super::{
    AccountSummary, AnswerKey, Asked, CLOCK_SKEW, Deposit, Device, Empty, Figures, Forgotten, MAX_DEVICES,
    Names, PENDING_LIFETIME, Published, Registered, Store, StoreError, StoredEnsemble, StoredName,
    is_pending,
};
use crate::account::TokenHash;
use crate::limits::{Bucket, SKEW_MS, Spent, Subject};
use otrv4::Timestamp;
use otrv4::prekey_server::ServerIdentity;
use sqlx::migrate::Migrator;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{ConnectOptions, Connection, PgConnection, PgPool, Postgres, Transaction};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

mod hashing;
mod sql {
    crate::store::steps::steps!(sqlx::Postgres);
}
mod handing_out {
    crate::store::handing_out::handing_out!(sqlx::Postgres);
}
mod naming {
    crate::store::naming::naming!(sqlx::Postgres);
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

/// By which the others know our connections.
const APPLICATION: &str = "prekey-server";

/// The layout of the database, as this program knows it.
static MIGRATIONS: Migrator = sqlx::migrate!("../migrations/postgres");

impl PostgresStore {
    /// Connects to the database of `postgres://USER:PASSWORD@HOST/NAME`, and brings it to this program's layout. Of
    /// several processes that start at once one does it. With a database that has the layout, the user of the URL needs
    /// no right to create tables.
    pub async fn open(url: &str) -> Result<Self, StoreError> {
        let store = Self::connect(url).await?;
        if !has_this_layout(&mut *store.pool.acquire().await?).await? {
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
        match has_this_layout(&mut *store.pool.acquire().await?).await? {
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
    async fn begin(
        &self,
        identity: &StoredName,
    ) -> Result<Option<Transaction<'static, Postgres>>, StoreError> {
        let (tx, is_account) = self.begin_for_anybody(identity).await?;
        Ok(is_account.then_some(tx))
    }

    /// The same, and whether there is such an account.
    async fn begin_for_anybody(
        &self,
        identity: &StoredName,
    ) -> Result<(Transaction<'static, Postgres>, bool), StoreError> {
        let mut tx = self.pool.begin().await?;
        let account: Option<i32> =
            sqlx::query_scalar("SELECT 1 FROM accounts WHERE identity = $1 FOR UPDATE")
                .bind(identity.as_str())
                .fetch_optional(&mut *tx)
                .await?;
        Ok((tx, account.is_some()))
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
    Ok(options.application_name(APPLICATION))
}

/// Whether the newest migration that the database has seen is our newest.
async fn has_this_layout(connection: &mut PgConnection) -> Result<bool, StoreError> {
    let table: Option<String> = sqlx::query_scalar("SELECT to_regclass('_sqlx_migrations')::text")
        .fetch_one(&mut *connection)
        .await?;
    if table.is_none() {
        return Ok(false);
    }
    let newest: Option<i64> = sqlx::query_scalar("SELECT max(version) FROM _sqlx_migrations WHERE success")
        .fetch_one(connection)
        .await?;
    Ok(newest == MIGRATIONS.iter().map(|migration| migration.version).max())
}

impl Store for PostgresStore {
    async fn names(&self, hashed_by: Option<&ServerIdentity>) -> Result<Names, StoreError> {
        let mut tx = self.pool.begin().await?;
        // Whoever hashes the names holds them all, and is waited for.
        sqlx::query("LOCK TABLE accounts IN ROW SHARE MODE").execute(&mut *tx).await?;
        let names = naming::settle(&mut tx, Names::under(hashed_by)).await?;
        tx.commit().await?;
        Ok(names)
    }

    async fn register(
        &self,
        identity: &StoredName,
        token: Option<&TokenHash>,
        now: Timestamp,
    ) -> Result<Registered, StoreError> {
        let mut tx = self.pool.begin().await?;
        let done = steps(&mut tx, identity).register(token, now).await?;
        tx.commit().await?;
        Ok(done)
    }

    async fn is_account(&self, identity: &StoredName) -> Result<bool, StoreError> {
        steps(&mut *self.pool.acquire().await?, identity).is_account().await
    }

    async fn tokens(&self, identity: &StoredName) -> Result<Vec<TokenHash>, StoreError> {
        steps(&mut *self.pool.acquire().await?, identity).tokens().await
    }

    async fn add_token(
        &self,
        identity: &StoredName,
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
        identity: &StoredName,
        token: &TokenHash,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let Some(mut tx) = self.begin(identity).await? else { return Ok(false) };
        let done = steps(&mut tx, identity).replace_tokens(token, now).await?;
        tx.commit().await?;
        Ok(done)
    }

    async fn remove(&self, identity: &StoredName) -> Result<bool, StoreError> {
        let Some(mut tx) = self.begin(identity).await? else { return Ok(false) };
        sqlx::query("DELETE FROM pending WHERE identity = $1")
            .bind(identity.as_str())
            .execute(&mut *tx)
            .await?;
        let done = steps(&mut tx, identity).remove().await?;
        tx.commit().await?;
        Ok(done)
    }

    async fn accounts(&self, after: Option<&StoredName>) -> Result<Vec<AccountSummary>, StoreError> {
        accounts(&mut *self.pool.acquire().await?, after).await
    }

    async fn publish(
        &self,
        identity: &StoredName,
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

    async fn count(&self, identity: &StoredName, device: &Device) -> Result<u32, StoreError> {
        steps(&mut *self.pool.acquire().await?, identity).count(device).await
    }

    async fn take(&self, identity: &StoredName, asked: Asked) -> Result<Vec<StoredEnsemble>, StoreError> {
        // Who has nothing left, and who has no account, are answered as fast: by the same questions, and without waiting for
        // the disk.
        let (mut tx, _) = self.begin_for_anybody(identity).await?;
        let Asked { now, reserve, key } = asked;
        let taken = handing_out::take(&mut tx, &[(identity.as_str(), key)], now, reserve).await?;
        let ensembles: Vec<_> = taken.into_iter().flatten().collect();
        match ensembles.is_empty() {
            true => tx.rollback().await?,
            false => tx.commit().await?,
        }
        Ok(ensembles)
    }

    async fn answered(
        &self,
        identity: &StoredName,
        key: AnswerKey,
        now: Timestamp,
    ) -> Result<Option<Vec<StoredEnsemble>>, StoreError> {
        let mut connection = self.pool.acquire().await?;
        let answered = handing_out::answered(&mut connection, &[(identity.as_str(), Some(key))], now).await?;
        Ok(answered.into_iter().next().flatten())
    }

    async fn spend(&self, subject: Subject, bucket: Bucket, now: i64) -> Result<Spent, StoreError> {
        // More often than the rounds of `upkeep`: a flood makes many.
        if self.spent.fetch_add(1, Ordering::Relaxed).is_multiple_of(SPENT_A_SWEEP)
            && let Err(error) = self.sweep_full(now).await
        {
            tracing::debug!(%error, "full buckets");
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

    async fn give_back(&self, subject: Subject, bucket: Bucket) -> Result<(), StoreError> {
        sqlx::query("UPDATE limits SET full_at = full_at - $2 WHERE subject = $1")
            .bind(subject.to_bytes().as_slice())
            .bind(bucket.per_ms())
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    async fn keep_pending(
        &self,
        identity: &StoredName,
        tag: u32,
        exchange: Vec<u8>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        if let Err(error) = self.sweep_pending(now, SWEPT).await {
            // Whoever comes next sweeps again.
            tracing::debug!(%error, "old exchanges");
        }
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
        identity: &StoredName,
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

    async fn expired(
        &self,
        ended: Timestamp,
        after: Option<&StoredName>,
        most: u32,
    ) -> Result<Vec<StoredName>, StoreError> {
        overview::expired(&mut *self.pool.acquire().await?, ended, after, most).await
    }

    async fn forget_expired(&self, identity: &StoredName, ended: Timestamp) -> Result<Forgotten, StoreError> {
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
                 SELECT identity, tag FROM pending WHERE begun < $1 ORDER BY begun LIMIT $2 FOR UPDATE SKIP LOCKED)",
        )
        .bind(now.unix().saturating_sub(PENDING_LIFETIME + CLOCK_SKEW))
        .bind(i64::from(most))
        .execute(&self.pool)
        .await?;
        Ok(swept.rows_affected())
    }

    async fn sweep_answers(&self, now: Timestamp, most: u32) -> Result<u64, StoreError> {
        self.sweep_full(now.unix().saturating_mul(1000)).await?;
        sweep_answers(&mut *self.pool.acquire().await?, now, most).await
    }

    async fn why_empty(&self, identity: &StoredName, now: Timestamp) -> Result<Empty, StoreError> {
        overview::why_empty(&mut *self.pool.acquire().await?, identity, now).await
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

fn steps<'a>(connection: &'a mut PgConnection, identity: &'a StoredName) -> Steps<'a> {
    Steps { connection, identity: identity.as_str() }
}

#[cfg(test)]
mod tests;
