//! What a database could not do.

use std::path::PathBuf;

/// The database could not do it; its own words are for the operator's log only.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The database failed.
    #[error("database: {0}")]
    Database(#[from] sqlx::Error),
    /// The server cannot be reached, or refuses.
    #[error("database: {0}; check the URL, and that PostgreSQL runs and lets this user in")]
    Connect(#[source] sqlx::Error),
    /// The database has another layout than this program knows, or cannot be brought to this program's.
    #[error(
        "database: {0}; if a newer prekey-server has used it, run that one, or restore a backup of before"
    )]
    Layout(#[source] sqlx::migrate::MigrateError),
    /// The file cannot be created or written.
    #[error(
        "database {path}: {1}; its folder must exist, and the server's user must be allowed to write both",
        path = .0.display()
    )]
    Create(PathBuf, #[source] std::io::Error),
    /// Somebody has the file to himself.
    #[error("database {path}: a server runs on it, or a restore; stop that one first", path = .0.display())]
    Locked(PathBuf),
    /// It cannot be known whether somebody has it.
    #[error(
        "database {path}: cannot lock the file beside it that ends in .lock: {1}; its folder must be writable, and its \
         file system must know locks",
        path = .0.display()
    )]
    Lock(PathBuf, #[source] std::io::Error),
    /// The file cannot be used.
    #[error("database {path}: {1}", path = .0.display())]
    Open(PathBuf, #[source] sqlx::Error),
    /// The database has another layout than this program knows, or cannot be brought to this program's.
    #[error(
        "database {path}: {1}; if a newer prekey-server has used it, run that one, or restore a backup of before",
        path = .0.display()
    )]
    Migration(PathBuf, #[source] sqlx::migrate::MigrateError),
    /// Others hold the database for too long, or whoever served several at once was stopped.
    #[error("the database is busy")]
    Busy,
    /// The account has gone since its token was looked at.
    #[error("no such account")]
    NoAccount,
    /// PostgreSQL has been told to acknowledge what it has not written.
    #[error(
        "database: synchronous_commit is off, so that a crash loses what was acknowledged; as the database's owner run: \
         ALTER ROLE {0} SET synchronous_commit = on"
    )]
    NotDurable(String),
    /// The layout is not that of this program, and a server may be running on it.
    #[error(
        "the database has another layout than this program's; stop the servers and run `prekey-server migrate`, or use \
         the program that belongs to it"
    )]
    OtherLayout,
    /// It has plain names, and hashes are wanted.
    #[error(
        "the database holds identities as they are, and hash_identities is on: leave that off; or stop all servers and run \
         `prekey-server hash-identities`, from which there is no way back"
    )]
    PlainNames,
    /// It has hashes, and plain names are wanted.
    #[error(
        "the database holds keyed hashes of identities: say --hash-identities (or PREKEY_SERVER_HASH_IDENTITIES=true, or \
         hash_identities = true in the config file), and name the server's key file"
    )]
    HashedNames,
    /// It has hashes under another key.
    #[error(
        "the database holds hashes of identities that were made with another key file: name the one that this database had \
         from the beginning; without it nobody can be found in it, and only an empty database helps"
    )]
    OtherKey,
    /// They were hashed while this process ran.
    #[error(
        "the identities in the database have been hashed in the meantime: start again with --hash-identities"
    )]
    Renamed,
    /// They cannot be hashed now.
    #[error(
        "database: {0} other connections of prekey-server: stop every server and command on it first, and the connections that a \
         pooler holds for them"
    )]
    InUse(i64),
    /// They were hashed, and what was there before may still lie in the file.
    #[error(
        "database {path}: the identities are hashed, but others have it open, and the plain ones may still lie in the file: end \
         those commands and run this one again",
        path = .0.display()
    )]
    NotSwept(PathBuf),
    /// A row does not have the shape this program wrote.
    #[error("the database holds an illegal {0}")]
    Corrupt(&'static str),
}

impl StoreError {
    /// Whether it took too long to get at the database, so that nothing was done.
    pub(crate) fn is_busy(&self) -> bool {
        match self {
            Self::Busy | Self::Database(sqlx::Error::PoolTimedOut) => true,
            Self::Database(error) => {
                error.as_database_error().and_then(|error| error.code()).is_some_and(|code| is_busy(&code))
            }
            _ => false,
        }
    }
}

/// Of SQLite SQLITE_BUSY, whatever its extended code; of PostgreSQL, whose codes have five characters,
/// lock_not_available, deadlock_detected, serialization_failure, too_many_connections, cannot_connect_now,
/// admin_shutdown.
fn is_busy(code: &str) -> bool {
    match code.len() {
        5 => ["55P03", "40P01", "40001", "53300", "57P03", "57P01"].contains(&code),
        _ => code.parse::<u32>().is_ok_and(|code| code & 0xff == 5),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_passes_by_itself_is_busy_and_nothing_else_is() {
        for code in ["5", "261", "517", "40001", "57P01"] {
            assert!(is_busy(code), "{code}");
        }
        // Constraint violations of both, a full disk, a read-only file, SQLITE_LOCKED.
        for code in ["19", "2067", "13", "8", "6", "23503", "53100"] {
            assert!(!is_busy(code), "{code}");
        }
    }
}
