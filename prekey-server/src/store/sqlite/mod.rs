//! The store in one SQLite file, for a server that is one process.
//!
//! Writes go through one connection, each `BEGIN IMMEDIATE … COMMIT` with `synchronous=FULL` in WAL mode: a commit
//! that returned survives the loss of power. A second server on the same file is refused by a lock of ours; the commands
//! of an operator take turns with the server by SQLite's own.

mod backup;
mod hashing;
mod takes;

pub use backup::{BackupError, Restored, backup, restore};
pub use hashing::hash_identities;

use self::sql::{Steps, accounts, burn, sweep_answers};
use self::takes::Takes;
use super::{
    AccountSummary, AnswerKey, Asked, Buckets, Deposit, Device, Empty, Figures, Forgotten, Names, Published,
    Registered, Store, StoreError, StoredEnsemble, StoredName,
};
use crate::account::TokenHash;
use crate::limits::{Bucket, Spent, Subject};
use crate::pending::Pending;
use otrv4::Timestamp;
use otrv4::prekey_server::ServerIdentity;
use sqlx::migrate::Migrator;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection, Sqlite, SqliteConnection, SqlitePool, Transaction};
use std::ffi::OsString;
use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

mod sql {
    crate::store::steps::steps!(sqlx::Sqlite);
}
mod handing_out {
    crate::store::handing_out::handing_out!(sqlx::Sqlite);
}
mod naming {
    crate::store::naming::naming!(sqlx::Sqlite);
}
mod overview {
    crate::store::overview::overview!(sqlx::Sqlite);
}

/// A SQLite database file.
#[derive(Debug)]
pub struct SqliteStore {
    /// The one connection that writes: writers wait here in their order, instead of polling SQLite's lock.
    writer: SqlitePool,
    readers: SqlitePool,
    takes: Takes,
    /// In memory: an exchange takes seconds, and whoever is in the middle of one when the server restarts begins again.
    pending: Pending<Vec<u8>>,
    /// In memory too: after a restart all buckets are full.
    buckets: Buckets,
    /// A server's, while it runs.
    lock: Option<File>,
}

/// How long to wait for a lock of another process, or for a connection, before the request fails.
const PATIENCE: Duration = Duration::from_secs(10);

/// Lookups of tokens and counts that run beside a write.
const READERS: u32 = 4;

impl SqliteStore {
    /// Opens the file for a server, creates it (readable by its owner only) if it is not there, and brings it to this
    /// program's layout. A second server on the same file is refused: what is in memory would not be the same.
    pub async fn open(path: &Path) -> Result<Self, StoreError> {
        // Whoever follows a link must meet the lock of whoever did not.
        let path = &resolved(path);
        let lock = lock(path)?;
        create_private(path, false).map_err(|error| StoreError::Create(path.into(), error))?;
        let mut connection =
            options(path).connect().await.map_err(|error| StoreError::Open(path.into(), error))?;
        migrate(&mut connection, path).await?;
        connection.close().await?;
        Ok(Self { lock: Some(lock), ..Self::connect(path).await? })
    }

    /// Opens a file that is there and has this program's layout, whether a server runs on it or not: for what an
    /// operator does.
    pub async fn existing(path: &Path) -> Result<Self, StoreError> {
        if !path.exists() {
            return Err(StoreError::Create(path.into(), io::ErrorKind::NotFound.into()));
        }
        let store = Self::connect(path).await?;
        match has_this_layout(&mut *store.readers.acquire().await?).await? {
            true => Ok(store),
            false => Err(StoreError::OtherLayout),
        }
    }

    async fn connect(path: &Path) -> Result<Self, StoreError> {
        let pool =
            |connections| SqlitePoolOptions::new().max_connections(connections).acquire_timeout(PATIENCE);
        let failed = |error| StoreError::Open(path.into(), error);
        let writer = pool(1)
            .after_release(|connection, _| Box::pin(is_usable(connection)))
            .connect_with(options(path))
            .await
            .map_err(failed)?;
        let readers = pool(READERS).connect_with(options(path)).await.map_err(failed)?;
        let (takes, pending, buckets) = (Takes::default(), Pending::new(), Buckets::default());
        Ok(Self { writer, readers, takes, pending, buckets, lock: None })
    }

    async fn begin(&self) -> Result<Transaction<'static, Sqlite>, StoreError> {
        Ok(begin(&self.writer).await?)
    }
}

fn options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .busy_timeout(PATIENCE)
}

/// The layout of the database, as this program knows it.
static MIGRATIONS: Migrator = sqlx::migrate!("../migrations/sqlite");

/// Brings a database to this program's layout.
async fn migrate(connection: &mut SqliteConnection, path: &Path) -> Result<(), StoreError> {
    MIGRATIONS.run(connection).await.map_err(|error| StoreError::Migration(path.into(), error))
}

/// Whether the newest migration that the database has seen is our newest.
async fn has_this_layout(connection: &mut SqliteConnection) -> Result<bool, StoreError> {
    let table = "SELECT name FROM sqlite_schema WHERE name = '_sqlx_migrations'";
    let table: Option<String> = sqlx::query_scalar(table).fetch_optional(&mut *connection).await?;
    if table.is_none() {
        return Ok(false);
    }
    let newest = "SELECT max(version) FROM _sqlx_migrations WHERE success";
    let newest: Option<i64> = sqlx::query_scalar(newest).fetch_one(connection).await?;
    Ok(newest == MIGRATIONS.iter().map(|migration| migration.version).max())
}

async fn begin(writer: &SqlitePool) -> Result<Transaction<'static, Sqlite>, sqlx::Error> {
    writer.begin_with("BEGIN IMMEDIATE").await
}

/// Held by a running server, and given back by the system however it ends. In a file of its own: SQLite's locks are on
/// the database.
fn lock(path: &Path) -> Result<File, StoreError> {
    let mut options = OpenOptions::new();
    options.append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.open(beside(path, ".lock")).map_err(|error| StoreError::Create(path.into(), error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(StoreError::Locked(path.into())),
        Err(TryLockError::Error(error)) => Err(StoreError::Lock(path.into(), error)),
    }
}

/// The file that a link leads to; the path itself where nothing is yet.
fn resolved(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.into())
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    name.into()
}

/// Whether the connection is outside of any transaction, as whoever gets it next needs it. When the disk is full,
/// SQLite rolls a transaction back by itself; sqlx, whose own rollback then fails, believes in it for ever.
async fn is_usable(connection: &mut SqliteConnection) -> Result<bool, sqlx::Error> {
    // What a dropped transaction sent to the connection is done before this is answered.
    connection.ping().await?;
    Ok(!connection.is_in_transaction())
}

/// Who asks whom is private: the file is not for other users. SQLite gives the WAL beside it the same mode.
fn create_private(path: &Path, must_be_new: bool) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.append(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.clone().create_new(true).open(path) {
        Ok(_) => {
            if !must_be_new {
                // After a mistyped path this is an empty server, and nothing else says so.
                tracing::warn!("made a new database {}", path.display());
            }
            Ok(())
        }
        // `create` is for a link whose target is not there.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && !must_be_new => {
            options.create(true).open(path).map(drop)
        }
        Err(error) => Err(error),
    }
}

impl Store for SqliteStore {
    async fn names(&self, hashed_by: Option<&ServerIdentity>) -> Result<Names, StoreError> {
        let mut tx = self.begin().await?;
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
        let mut tx = self.begin().await?;
        let done = steps(&mut tx, identity).register(token, now).await?;
        tx.commit().await?;
        Ok(done)
    }

    async fn is_account(&self, identity: &StoredName) -> Result<bool, StoreError> {
        steps(&mut *self.readers.acquire().await?, identity).is_account().await
    }

    async fn tokens(&self, identity: &StoredName) -> Result<Vec<TokenHash>, StoreError> {
        steps(&mut *self.readers.acquire().await?, identity).tokens().await
    }

    async fn add_token(
        &self,
        identity: &StoredName,
        token: &TokenHash,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let mut tx = self.begin().await?;
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
        let mut tx = self.begin().await?;
        let done = steps(&mut tx, identity).replace_tokens(token, now).await?;
        tx.commit().await?;
        Ok(done)
    }

    async fn remove(&self, identity: &StoredName) -> Result<bool, StoreError> {
        let mut tx = self.begin().await?;
        let done = steps(&mut tx, identity).remove().await?;
        tx.commit().await?;
        self.pending.remove_all(identity);
        Ok(done)
    }

    async fn accounts(&self, after: Option<&StoredName>) -> Result<Vec<AccountSummary>, StoreError> {
        accounts(&mut *self.readers.acquire().await?, after).await
    }

    async fn publish(
        &self,
        identity: &StoredName,
        deposit: &Deposit,
        now: Timestamp,
    ) -> Result<Published, StoreError> {
        let mut tx = self.begin().await?;
        let done = steps(&mut tx, identity).publish(deposit, now).await?;
        match done {
            Published::Stored => tx.commit().await?,
            Published::Refused => tx.rollback().await?,
        }
        Ok(done)
    }

    async fn count(&self, identity: &StoredName, device: &Device) -> Result<u32, StoreError> {
        steps(&mut *self.readers.acquire().await?, identity).count(device).await
    }

    async fn take(&self, identity: &StoredName, asked: Asked) -> Result<Vec<StoredEnsemble>, StoreError> {
        self.takes.take(&self.writer, identity, asked).await
    }

    async fn answered(
        &self,
        identity: &StoredName,
        key: AnswerKey,
        now: Timestamp,
    ) -> Result<Option<Vec<StoredEnsemble>>, StoreError> {
        let mut connection = self.readers.acquire().await?;
        let answered = handing_out::answered(&mut connection, &[(identity.as_str(), Some(key))], now).await?;
        Ok(answered.into_iter().next().flatten())
    }

    async fn spend(&self, subject: Subject, bucket: Bucket, now: i64) -> Result<Spent, StoreError> {
        Ok(self.buckets.spend(subject, bucket, now))
    }

    async fn give_back(&self, subject: Subject, bucket: Bucket) -> Result<(), StoreError> {
        self.buckets.give_back(subject, bucket);
        Ok(())
    }

    async fn keep_pending(
        &self,
        identity: &StoredName,
        tag: u32,
        exchange: Vec<u8>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.pending.insert(identity, tag, exchange, now);
        Ok(())
    }

    async fn take_pending(
        &self,
        identity: &StoredName,
        tag: u32,
        now: Timestamp,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.pending.take(identity, tag, now))
    }

    async fn burn(&self) -> Result<u64, StoreError> {
        let mut tx = self.begin().await?;
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
        overview::expired(&mut *self.readers.acquire().await?, ended, after, most).await
    }

    async fn forget_expired(&self, identity: &StoredName, ended: Timestamp) -> Result<Forgotten, StoreError> {
        let mut tx = self.begin().await?;
        let done = steps(&mut tx, identity).forget_expired(ended).await?;
        tx.commit().await?;
        Ok(done)
    }

    async fn sweep_pending(&self, now: Timestamp, _most: u32) -> Result<u64, StoreError> {
        Ok(self.pending.sweep(now))
    }

    async fn sweep_answers(&self, now: Timestamp, most: u32) -> Result<u64, StoreError> {
        let mut tx = self.begin().await?;
        let swept = sweep_answers(&mut tx, now, most).await?;
        tx.commit().await?;
        Ok(swept)
    }

    async fn why_empty(&self, identity: &StoredName, now: Timestamp) -> Result<Empty, StoreError> {
        overview::why_empty(&mut *self.readers.acquire().await?, identity, now).await
    }

    async fn figures(&self) -> Result<Figures, StoreError> {
        let mut connection = self.readers.acquire().await?;
        let figures = overview::figures(&mut connection).await?;
        let bytes: i64 =
            sqlx::query_scalar("SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()")
                .fetch_one(&mut *connection)
                .await?;
        Ok(Figures { bytes: overview::number(bytes)?, ..figures })
    }

    async fn ping(&self) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        sqlx::query("SELECT identity FROM accounts LIMIT 1").fetch_optional(&mut *tx).await?;
        Ok(tx.rollback().await?)
    }

    async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
        if let Some(lock) = &self.lock {
            let _ = lock.unlock();
        }
    }
}

fn steps<'a>(connection: &'a mut SqliteConnection, identity: &'a StoredName) -> Steps<'a> {
    Steps { connection, identity: identity.as_str() }
}

#[cfg(test)]
mod tests;
