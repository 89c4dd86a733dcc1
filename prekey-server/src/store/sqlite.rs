//! The store in one SQLite file, for a server that is one process.
//!
//! Writes go through one connection, each `BEGIN IMMEDIATE … COMMIT` with `synchronous=FULL` in WAL mode: a commit
//! that returned survives the loss of power. Another process on the same file is held off by SQLite's own lock.

use super::{
    Deposit, Device, MAX_DEVICES, MAX_PREKEYS, Published, Registered, Store, StoreError, StoredEnsemble,
    StoredPrekey,
};
use crate::account::{Identity, TokenHash};
use otrv4::Timestamp;
use sha2::{Digest, Sha256};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{Connection, Sqlite, SqliteConnection, SqlitePool, Transaction};
use std::fs::OpenOptions;
use std::io;
use std::path::Path;
use std::time::Duration;

/// A SQLite database file.
#[derive(Debug)]
pub struct SqliteStore {
    /// The one connection that writes: writers wait here in their order, instead of polling SQLite's lock.
    writer: SqlitePool,
    readers: SqlitePool,
}

/// How long to wait for a lock of another process, or for a connection, before the request fails.
const PATIENCE: Duration = Duration::from_secs(10);

/// Lookups of tokens and counts that run beside a write.
const READERS: u32 = 4;

impl SqliteStore {
    /// Opens the file, creates it (readable by its owner only) if it is not there, and brings it to this program's
    /// layout.
    pub async fn open(path: &Path) -> Result<Self, StoreError> {
        create_private(path).map_err(|error| StoreError::Create(path.into(), error))?;
        let options = SqliteConnectOptions::new()
            .filename(path)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(PATIENCE);
        let pool =
            |connections| SqlitePoolOptions::new().max_connections(connections).acquire_timeout(PATIENCE);
        let failed = |error| StoreError::Open(path.into(), error);
        let writer = pool(1)
            .after_release(|connection, _| Box::pin(is_usable(connection)))
            .connect_with(options.clone())
            .await
            .map_err(failed)?;
        sqlx::migrate!("../migrations/sqlite")
            .run(&writer)
            .await
            .map_err(|error| StoreError::Migration(path.into(), error))?;
        let readers = pool(READERS).connect_with(options).await.map_err(failed)?;
        Ok(Self { writer, readers })
    }

    async fn begin(&self) -> Result<Transaction<'static, Sqlite>, StoreError> {
        Ok(self.writer.begin_with("BEGIN IMMEDIATE").await?)
    }
}

/// Whether the connection is outside of any transaction, as whoever gets it next needs it. When the disk is full,
/// SQLite rolls a transaction back by itself; sqlx, whose own rollback then fails, believes in it for ever.
async fn is_usable(connection: &mut SqliteConnection) -> Result<bool, sqlx::Error> {
    // What a dropped transaction sent to the connection is done before this is answered.
    connection.ping().await?;
    Ok(!connection.is_in_transaction())
}

/// Who asks whom is private: the file is not for other users. SQLite gives the WAL beside it the same mode.
fn create_private(path: &Path) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.append(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.clone().create_new(true).open(path) {
        Ok(_) => {
            // After a mistyped path this is an empty server, and nothing else says so.
            tracing::warn!("made a new database {}", path.display());
            Ok(())
        }
        // `create` is for a link whose target is not there.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            options.create(true).open(path).map(drop)
        }
        Err(error) => Err(error),
    }
}

impl Store for SqliteStore {
    async fn register(
        &self,
        identity: &Identity,
        token: &TokenHash,
        now: Timestamp,
    ) -> Result<Registered, StoreError> {
        let mut tx = self.begin().await?;
        let done = sqlx::query(
            "INSERT INTO accounts (identity, token_hash, created) VALUES (?, ?, ?) ON CONFLICT (identity) DO NOTHING",
        )
        .bind(identity.as_str())
        .bind(token.as_bytes().as_slice())
        .bind(now.unix())
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(if done.rows_affected() == 1 { Registered::Created } else { Registered::Taken })
    }

    async fn token_hash(&self, identity: &Identity) -> Result<Option<TokenHash>, StoreError> {
        let row: Option<Vec<u8>> = sqlx::query_scalar("SELECT token_hash FROM accounts WHERE identity = ?")
            .bind(identity.as_str())
            .fetch_optional(&self.readers)
            .await?;
        row.map(|bytes| <[u8; 32]>::try_from(bytes).map(TokenHash::from_bytes))
            .transpose()
            .map_err(|_| StoreError::Corrupt("token hash"))
    }

    async fn publish(
        &self,
        identity: &Identity,
        deposit: &Deposit,
        now: Timestamp,
    ) -> Result<Published, StoreError> {
        let mut tx = self.begin().await?;
        let mut write =
            Publish { tx: &mut tx, identity: identity.as_str(), tag: i64::from(deposit.device.tag) };
        write.drop_if_key_changed(&deposit.device).await?;
        write.upsert_device(deposit).await?;
        for prekey in &deposit.prekeys {
            if !write.insert_prekey(prekey).await? {
                tx.rollback().await?;
                return Ok(Published::Refused);
            }
        }
        if !write.within_limits().await? {
            write.drop_expired_others(now).await?;
            if !write.within_limits().await? {
                tx.rollback().await?;
                return Ok(Published::Refused);
            }
        }
        tx.commit().await?;
        Ok(Published::Stored)
    }

    async fn count(&self, identity: &Identity, device: &Device) -> Result<u32, StoreError> {
        let count: i64 = sqlx::query_scalar(
            "SELECT count(*) FROM prekeys JOIN devices USING (identity, tag)
             WHERE identity = ? AND tag = ? AND identity_key = ? AND message IS NOT NULL",
        )
        .bind(identity.as_str())
        .bind(i64::from(device.tag))
        .bind(device.identity_key.as_slice())
        .fetch_one(&self.readers)
        .await?;
        u32::try_from(count).map_err(|_| StoreError::Corrupt("count"))
    }

    async fn take(&self, identity: &Identity, now: Timestamp) -> Result<Vec<StoredEnsemble>, StoreError> {
        let mut tx = self.begin().await?;
        let oldest: Vec<Waiting> = sqlx::query_as(
            "SELECT p.sequence, d.client_profile, d.prekey_profile, p.message
             FROM devices d JOIN prekeys p ON p.sequence = (
                 SELECT sequence FROM prekeys
                 WHERE identity = d.identity AND tag = d.tag AND message IS NOT NULL
                 ORDER BY sequence LIMIT 1)
             WHERE d.identity = ?1 AND d.client_expires > ?2 AND d.prekey_expires > ?2
             ORDER BY d.tag",
        )
        .bind(identity.as_str())
        .bind(now.unix())
        .fetch_all(&mut *tx)
        .await?;
        let mut ensembles = Vec::with_capacity(oldest.len());
        for Waiting { sequence, client_profile, prekey_profile, message } in oldest {
            sqlx::query("UPDATE prekeys SET message = NULL WHERE sequence = ?")
                .bind(sequence)
                .execute(&mut *tx)
                .await?;
            ensembles.push(StoredEnsemble { client_profile, prekey_profile, prekey: message });
        }
        tx.commit().await?;
        Ok(ensembles)
    }

    async fn ping(&self) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        sqlx::query("SELECT identity FROM accounts LIMIT 1").fetch_optional(&mut *tx).await?;
        Ok(tx.rollback().await?)
    }

    async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }
}

/// The oldest prekey of a device, with what goes out beside it.
#[derive(sqlx::FromRow)]
struct Waiting {
    sequence: i64,
    client_profile: Vec<u8>,
    prekey_profile: Vec<u8>,
    message: Vec<u8>,
}

/// The steps of one publication, inside its transaction.
struct Publish<'a> {
    tx: &'a mut Transaction<'static, Sqlite>,
    identity: &'a str,
    tag: i64,
}

impl Publish<'_> {
    /// Profiles are signed by the long-term key and prekeys are used with it: under another key they are useless.
    async fn drop_if_key_changed(&mut self, device: &Device) -> Result<(), StoreError> {
        let gone = sqlx::query("DELETE FROM devices WHERE identity = ? AND tag = ? AND identity_key <> ?")
            .bind(self.identity)
            .bind(self.tag)
            .bind(device.identity_key.as_slice())
            .execute(&mut **self.tx)
            .await?;
        if gone.rows_affected() > 0 {
            self.drop_orphans().await?;
        }
        Ok(())
    }

    /// Waiting prekeys without a device. Those that were handed out stay known.
    async fn drop_orphans(&mut self) -> Result<(), StoreError> {
        sqlx::query(
            "DELETE FROM prekeys WHERE identity = ? AND message IS NOT NULL AND NOT EXISTS (
                 SELECT 1 FROM devices d WHERE d.identity = prekeys.identity AND d.tag = prekeys.tag)",
        )
        .bind(self.identity)
        .execute(&mut **self.tx)
        .await?;
        Ok(())
    }

    async fn upsert_device(&mut self, deposit: &Deposit) -> Result<(), StoreError> {
        let client = deposit.client_profile.as_ref();
        let prekey = deposit.prekey_profile.as_ref();
        sqlx::query(
            "INSERT INTO devices
                 (identity, tag, identity_key, client_profile, client_expires, prekey_profile, prekey_expires)
             VALUES (?, ?, ?, ?, ?, ?, ?)
             ON CONFLICT (identity, tag) DO UPDATE SET
                 client_profile = coalesce(excluded.client_profile, client_profile),
                 client_expires = coalesce(excluded.client_expires, client_expires),
                 prekey_profile = coalesce(excluded.prekey_profile, prekey_profile),
                 prekey_expires = coalesce(excluded.prekey_expires, prekey_expires)",
        )
        .bind(self.identity)
        .bind(self.tag)
        .bind(deposit.device.identity_key.as_slice())
        .bind(client.map(|profile| profile.bytes.as_slice()))
        .bind(client.map(|profile| profile.expires.unix()))
        .bind(prekey.map(|profile| profile.bytes.as_slice()))
        .bind(prekey.map(|profile| profile.expires.unix()))
        .execute(&mut **self.tx)
        .await?;
        Ok(())
    }

    /// False if the id is known with other bytes. Known with the same bytes, nothing changes: a client that repeats
    /// a publication whose answer it never saw must not bring back what was handed out in between.
    async fn insert_prekey(&mut self, prekey: &StoredPrekey) -> Result<bool, StoreError> {
        let digest: [u8; 32] = Sha256::digest(&prekey.bytes).into();
        let done = sqlx::query(
            "INSERT INTO prekeys (identity, tag, id, digest, message) VALUES (?, ?, ?, ?, ?)
             ON CONFLICT (identity, tag, id) DO UPDATE SET digest = excluded.digest
             WHERE prekeys.digest = excluded.digest",
        )
        .bind(self.identity)
        .bind(self.tag)
        .bind(i64::from(prekey.id))
        .bind(digest.as_slice())
        .bind(prekey.bytes.as_slice())
        .execute(&mut **self.tx)
        .await?;
        Ok(done.rows_affected() == 1)
    }

    async fn within_limits(&mut self) -> Result<bool, StoreError> {
        let (devices, prekeys): (i64, i64) = sqlx::query_as(
            "SELECT (SELECT count(*) FROM devices WHERE identity = ?1),
                    (SELECT count(*) FROM prekeys WHERE identity = ?1 AND message IS NOT NULL)",
        )
        .bind(self.identity)
        .fetch_one(&mut **self.tx)
        .await?;
        Ok(devices <= i64::from(MAX_DEVICES) && prekeys <= i64::from(MAX_PREKEYS))
    }

    /// Clients that are gone for good never say so; what they left gives way, so that they cannot lock out new ones.
    async fn drop_expired_others(&mut self, now: Timestamp) -> Result<(), StoreError> {
        sqlx::query(
            "DELETE FROM devices WHERE identity = ? AND tag <> ? AND coalesce(client_expires, 0) <= ?",
        )
        .bind(self.identity)
        .bind(self.tag)
        .bind(now.unix())
        .execute(&mut **self.tx)
        .await?;
        self.drop_orphans().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::contract::{Fixture, contract_tests};

    async fn fixture() -> Fixture<SqliteStore> {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let store = SqliteStore::open(&folder.path().join("prekeys.sqlite")).await.expect("a new database");
        Fixture { store, _keep: Box::new(folder) }
    }

    contract_tests!(fixture);

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
            let identity = Identity::new(&format!("{n}{}", "x".repeat(200))).expect("legal");
            async move { store.register(&identity, &TokenHash::from_bytes([7; 32]), NOW).await }
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
    async fn a_database_of_a_newer_program_is_left_alone() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("prekeys.sqlite");
        let store = SqliteStore::open(&path).await.expect("a new database");
        sqlx::query("UPDATE _sqlx_migrations SET version = 9999")
            .execute(&store.writer)
            .await
            .expect("an update");
        store.close().await;
        let refused = SqliteStore::open(&path).await.expect_err("a refusal").to_string();
        assert!(refused.contains(&path.display().to_string()) && refused.contains("newer"), "{refused}");
    }
}
