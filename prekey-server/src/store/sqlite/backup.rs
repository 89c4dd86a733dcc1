//! Copies of the database, and the way back from one.
//!
//! A prekey that is given to two people makes the first messages of one of them unreadable, and whoever restores a
//! copy cannot know what was handed out after it was made. So neither a backup nor what is restored holds a prekey that
//! could be handed out: clients find none left at their next look, and publish new ones.

use super::sql::burn;
use super::{PATIENCE, SqliteStore, beside, create_private, lock, migrate, resolved};
use crate::store::{Store, StoreError};
use crate::system;
use rand_core::Rng;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection, SqliteConnection};
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

/// Why there is no backup, or why the database is as it was.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BackupError {
    /// The database itself.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The copy cannot be made.
    #[error(
        "backup {path}: {1}; nothing is ever overwritten: its name must be free, and its folder writable",
        path = .0.display()
    )]
    To(PathBuf, #[source] io::Error),
    /// What is to be restored cannot be used.
    #[error("backup {path}: {1}; the database is as it was", path = .0.display())]
    From(PathBuf, #[source] io::Error),
    /// SQLite finds it damaged, or it is none of this server's.
    #[error("backup {path} cannot be used: {1}; the database is as it was; take another backup", path = .0.display())]
    Damaged(PathBuf, String),
    /// The files could not be exchanged.
    #[error("database {path}: {1}", path = .0.display())]
    Exchange(PathBuf, #[source] io::Error),
}

/// What a restoration came to.
#[derive(Debug)]
pub struct Restored {
    /// Prekeys in the copy that will not be handed out.
    pub burnt: u64,
    /// Where the database of before is.
    pub kept: Option<PathBuf>,
}

/// Copies the database, also while a server runs on it: all accounts and profiles, and of the prekeys only what is
/// needed to know them again.
pub async fn backup(database: &Path, to: &Path) -> Result<(), BackupError> {
    let failed = |error| BackupError::To(to.into(), error);
    let store = SqliteStore::existing(database).await?;
    // The name is ours from here on, and whole or empty.
    create_private(to, true).map_err(failed)?;
    let unfinished = beside(to, &format!(".{}.unfinished", nonce()));
    let copied = async {
        let source = &mut *store.readers.acquire().await.map_err(StoreError::from)?;
        let mut copy = copy(source, &unfinished).await.map_err(|error| failed(error.into_io()))?;
        burn(&mut copy).await?;
        finish(copy, &unfinished).await.map_err(failed)?;
        fs::rename(&unfinished, to).and_then(|()| sync_folder(to)).map_err(failed)
    };
    let done: Result<(), BackupError> = copied.await;
    if done.is_err() {
        let _ = fs::remove_file(&unfinished);
        let _ = fs::remove_file(to);
    }
    store.close().await;
    done
}

/// Puts a copy in the place of the database while no server runs on it; what was there stays beside it, under a name
/// that is given. Whenever the machine stops in between, one of the two is whole under the database's name; or, if the
/// old one was too damaged to be opened, there may be none.
pub async fn restore(database: &Path, from: &Path) -> Result<Restored, BackupError> {
    let database = &resolved(database);
    let exchange = |error| BackupError::Exchange(database.into(), error);
    let _lock = lock(database)?;
    let fresh = beside(database, &format!(".{}.restoring", nonce()));
    let prepared = prepare(from, &fresh).await;
    let exchanged = match prepared {
        Ok(burnt) => {
            take_its_place(database, &fresh).await.map(|kept| Restored { burnt, kept }).map_err(exchange)
        }
        Err(error) => Err(error),
    };
    if exchanged.is_err() {
        let _ = fs::remove_file(&fresh);
    }
    exchanged
}

/// A copy that a server can start from; says how many prekeys were burnt in it.
async fn prepare(from: &Path, fresh: &Path) -> Result<u64, BackupError> {
    let failed = |error| BackupError::From(from.into(), error);
    let damaged = |why: String| BackupError::Damaged(from.into(), why);
    let sql = |error: sqlx::Error| failed(io::Error::other(error));
    if !from.is_file() {
        return Err(failed(io::ErrorKind::NotFound.into()));
    }
    // A copy by another tool may have its last changes in a file beside it; SQLite reads both.
    let mut source =
        SqliteConnectOptions::new().filename(from).read_only(true).connect().await.map_err(sql)?;
    let verdict: String =
        sqlx::query_scalar("PRAGMA integrity_check(1)").fetch_one(&mut source).await.map_err(sql)?;
    if verdict != "ok" {
        return Err(damaged(verdict));
    }
    let layout = "SELECT version FROM _sqlx_migrations WHERE success LIMIT 1";
    let layout: Result<Option<i64>, _> = sqlx::query_scalar(layout).fetch_optional(&mut source).await;
    if !matches!(layout, Ok(Some(_))) {
        return Err(damaged("it is no database of a prekey server".into()));
    }
    let mut copy = copy(&mut source, fresh).await.map_err(|error| failed(error.into_io()))?;
    source.close().await.map_err(sql)?;
    migrate(&mut copy, from).await?;
    let burnt = burn(&mut copy).await?;
    finish(copy, fresh).await.map_err(failed)?;
    Ok(burnt)
}

/// A private copy of all that the connection sees, open, without a WAL: one file holds everything. What is deleted from it
/// is overwritten.
async fn copy(source: &mut SqliteConnection, to: &Path) -> Result<SqliteConnection, CopyError> {
    create_private(to, true)?;
    let name = to.to_str().ok_or(io::Error::from(io::ErrorKind::InvalidFilename))?;
    sqlx::query("VACUUM INTO ?").bind(name).execute(source).await?;
    Ok(without_wal(to).pragma("secure_delete", "ON").connect().await?)
}

#[derive(Debug, thiserror::Error)]
enum CopyError {
    #[error(transparent)]
    Sql(#[from] sqlx::Error),
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl CopyError {
    fn into_io(self) -> io::Error {
        match self {
            Self::Sql(error) => io::Error::other(error),
            Self::Io(error) => error,
        }
    }
}

/// Closes it; all of it is on disk then.
async fn finish(copy: SqliteConnection, path: &Path) -> io::Result<()> {
    copy.close().await.map_err(io::Error::other)?;
    File::open(path)?.sync_all()
}

/// Exchanges the files; gives the new name of the one that was there.
async fn take_its_place(database: &Path, fresh: &Path) -> io::Result<Option<PathBuf>> {
    let kept = beside(database, &format!(".before-{}-{}", system::now().unix(), nonce()));
    let was_there = database.exists();
    // With its last changes in it, a file can be kept and replaced by itself.
    let whole = was_there && is_alone(database).await;
    if whole {
        fs::hard_link(database, &kept)?;
    } else if was_there {
        // Too damaged to be opened: nobody could run on it.
        fs::rename(database, &kept)?;
    }
    // Without their database they would be mixed into whatever takes its place.
    for suffix in ["-wal", "-shm", "-journal"] {
        match fs::rename(beside(database, suffix), beside(&kept, suffix)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            renamed => renamed?,
        }
    }
    sync_folder(database)?;
    fs::rename(fresh, database)?;
    sync_folder(database)?;
    Ok(was_there.then_some(kept))
}

/// Brings the changes beside the database into it. False if that cannot be done.
async fn is_alone(database: &Path) -> bool {
    match without_wal(database).connect().await {
        Ok(connection) => connection.close().await.is_ok() && !beside(database, "-wal").exists(),
        Err(_) => false,
    }
}

fn without_wal(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .journal_mode(SqliteJournalMode::Delete)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .busy_timeout(PATIENCE)
}

fn nonce() -> String {
    let mut bytes = [0; 6];
    system::rng().fill_bytes(&mut bytes);
    hex::encode(bytes)
}

fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()
}
