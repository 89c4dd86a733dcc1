//! From plain names to hashes, in one transaction, while no server runs. There is no way back.

use super::{APPLICATION, PostgresStore, SESSION, has_this_layout, naming, parse};
use crate::store::{Names, StoreError};
use otrv4::prekey_server::ServerIdentity;
use sqlx::{ConnectOptions, Connection, PgConnection};

impl PostgresStore {
    /// Writes the keyed hash of each identity in its place, and says how many there were. Refused while a server runs; one
    /// that comes in between waits, and can write no plain name afterwards.
    pub async fn hash_identities(url: &str, server: &ServerIdentity) -> Result<u64, StoreError> {
        let options = parse(url)?.application_name("prekey-server hash-identities").options(SESSION);
        let mut connection = options.connect().await.map_err(StoreError::Connect)?;
        if !has_this_layout(&mut connection).await? {
            return Err(StoreError::OtherLayout);
        }
        let hashed = hash_all(&mut connection, &Names::under(Some(server))).await?;
        connection.close().await?;
        Ok(hashed)
    }
}

async fn hash_all(connection: &mut PgConnection, names: &Names) -> Result<u64, StoreError> {
    let mut tx = connection.begin().await?;
    // Whoever writes a name needs its account, and sees the row of `naming` after this.
    sqlx::query("LOCK TABLE accounts IN EXCLUSIVE MODE").execute(&mut *tx).await?;
    let others: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = $1",
    )
    .bind(APPLICATION)
    .fetch_one(&mut *tx)
    .await?;
    if others > 0 {
        return Err(StoreError::InUse(others));
    }
    // Handshakes in the middle have ended with the servers.
    sqlx::query("DELETE FROM pending").execute(&mut *tx).await?;
    let hashed = naming::hash_all(&mut tx, names).await?;
    tx.commit().await?;
    Ok(hashed)
}
