//! From plain names to hashes, in place, while nobody else uses the file. There is no way back.

use super::{has_this_layout, lock, naming, options, resolved};
use crate::store::{Names, StoreError};
use otrv4::prekey_server::ServerIdentity;
use sqlx::{ConnectOptions, Connection, SqliteConnection};
use std::io;
use std::path::Path;

/// Writes the keyed hash of each identity in its place, in one transaction, and rewrites the file, so that none is left in
/// it. Says how many there were. Whoever was interrupted runs it again: with all names hashed, it rewrites the file alone.
pub async fn hash_identities(database: &Path, server: &ServerIdentity) -> Result<u64, StoreError> {
    if !database.exists() {
        return Err(StoreError::Create(database.into(), io::ErrorKind::NotFound.into()));
    }
    let path = &resolved(database);
    let _lock = lock(path)?;
    let failed = |error| StoreError::Open(path.into(), error);
    // Unused parts of a page are zeros then, instead of what was there before.
    let mut connection = options(path).pragma("secure_delete", "ON").connect().await.map_err(failed)?;
    if !has_this_layout(&mut connection).await? {
        return Err(StoreError::OtherLayout);
    }
    let mut tx = connection.begin_with("BEGIN IMMEDIATE").await?;
    let hashed = naming::hash_all(&mut tx, &Names::under(Some(server))).await?;
    tx.commit().await?;

    let swept = sweep(&mut connection).await;
    if let Err(error) = &swept {
        tracing::error!(%error, "the file was not written anew");
    }
    connection.close().await?;
    match swept {
        Ok(true) => Ok(hashed),
        Ok(false) | Err(_) => Err(StoreError::NotSwept(path.into())),
    }
}

/// Also what was deleted long ago lies in the file until it is written anew, and in the WAL until that is emptied. False: others
/// hold it.
async fn sweep(connection: &mut SqliteConnection) -> Result<bool, sqlx::Error> {
    sqlx::query("VACUUM").execute(&mut *connection).await?;
    let (busy, _, _): (i64, i64, i64) =
        sqlx::query_as("PRAGMA wal_checkpoint(TRUNCATE)").fetch_one(connection).await?;
    Ok(busy == 0)
}
