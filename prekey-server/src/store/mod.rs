//! What the server keeps, and the promises every database must hold to.
//!
//! Each method is one transaction on one identity. A method that returned `Ok` is on disk: the reply may leave.
//! A method that returned `Err`, or never returned, may or may not have happened; whoever repeats it finds out
//! (publications are idempotent) or has lost one prekey (takes), never seen one twice.
//! `contract.rs` tests the promises on every implementation.

#[cfg(test)]
mod contract;
mod sqlite;

pub use sqlite::SqliteStore;

use crate::account::{Identity, TokenHash};
use otrv4::Timestamp;
use std::future::Future;
use std::path::PathBuf;

/// Most clients one identity can have: enough for a person's machines, and a bound on one answer's size.
pub const MAX_DEVICES: u32 = 16;

/// Most prekeys that wait under one identity, all its clients together: weeks of new conversations, under 1 MiB.
pub const MAX_PREKEYS: u32 = 1000;

/// The database behind the server.
pub trait Store: Send + Sync + 'static {
    /// Creates the account unless there is one: first come, first served.
    fn register(
        &self,
        identity: &Identity,
        token: &TokenHash,
        now: Timestamp,
    ) -> impl Future<Output = Result<Registered, StoreError>> + Send;

    /// The hash of the account's token; `None` without an account.
    fn token_hash(
        &self,
        identity: &Identity,
    ) -> impl Future<Output = Result<Option<TokenHash>, StoreError>> + Send;

    /// Stores all of a publication or nothing.
    ///
    /// - A prekey with an id and bytes the store knows, waiting or handed out, changes nothing.
    /// - An id the store knows with other bytes refuses the publication.
    /// - Under another long-term key than the device had, its profiles and waiting prekeys are dropped first.
    /// - Past [`MAX_DEVICES`] or [`MAX_PREKEYS`] it is refused, after expired devices of the identity made room.
    fn publish(
        &self,
        identity: &Identity,
        deposit: &Deposit,
        now: Timestamp,
    ) -> impl Future<Output = Result<Published, StoreError>> + Send;

    /// How many prekeys wait for the device under this long-term key.
    fn count(
        &self,
        identity: &Identity,
        device: &Device,
    ) -> impl Future<Output = Result<u32, StoreError>> + Send;

    /// Takes the oldest prekey of every device whose two profiles are there and not expired, in the order of the
    /// instance tags. What is returned will never be returned again, nor accepted.
    fn take(
        &self,
        identity: &Identity,
        now: Timestamp,
    ) -> impl Future<Output = Result<Vec<StoredEnsemble>, StoreError>> + Send;

    /// Whether the database can be read and written.
    fn ping(&self) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Finishes what runs and lets go of the database.
    fn close(&self) -> impl Future<Output = ()> + Send;
}

/// Whether an account was created.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Registered {
    /// It is new and has the given token.
    Created,
    /// It exists already and keeps its own token.
    Taken,
}

/// Whether a publication was stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Published {
    /// All of it is on disk.
    Stored,
    /// None of it was stored: an id clashes or a limit is reached.
    Refused,
}

/// One client of an identity under one long-term key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// Its instance tag.
    pub tag: u32,
    /// The encoded public key H that authenticated the exchange.
    pub identity_key: [u8; 57],
}

/// A checked publication as bytes to keep.
#[derive(Clone, Debug)]
pub struct Deposit {
    /// Whose it is.
    pub device: Device,
    /// A new client profile.
    pub client_profile: Option<StoredProfile>,
    /// A new prekey profile.
    pub prekey_profile: Option<StoredProfile>,
    /// New prekey messages, in the order in which they are to be handed out.
    pub prekeys: Vec<StoredPrekey>,
}

/// A profile as it was received, and when it ends.
#[derive(Clone, Debug)]
pub struct StoredProfile {
    /// The encoded profile.
    pub bytes: Vec<u8>,
    /// From this moment on it is not handed out.
    pub expires: Timestamp,
}

/// One prekey message.
#[derive(Clone, Debug)]
pub struct StoredPrekey {
    /// Its identifier, unique for its device.
    pub id: u32,
    /// The encoded message.
    pub bytes: Vec<u8>,
}

/// What one device gives to one requester.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredEnsemble {
    /// The encoded client profile.
    pub client_profile: Vec<u8>,
    /// The encoded prekey profile.
    pub prekey_profile: Vec<u8>,
    /// The encoded prekey message.
    pub prekey: Vec<u8>,
}

/// The database could not do it; its own words are for the operator's log only.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The database failed.
    #[error("database: {0}")]
    Database(#[from] sqlx::Error),
    /// The file cannot be created or written.
    #[error(
        "database {path}: {1}; its folder must exist, and the server's user must be allowed to write both",
        path = .0.display()
    )]
    Create(PathBuf, #[source] std::io::Error),
    /// The file cannot be used.
    #[error("database {path}: {1}", path = .0.display())]
    Open(PathBuf, #[source] sqlx::Error),
    /// The database has another layout than this program knows, or cannot be brought to this program's.
    #[error(
        "database {path}: {1}; if a newer prekey-server has used it, run that one, or restore a backup of before",
        path = .0.display()
    )]
    Migration(PathBuf, #[source] sqlx::migrate::MigrateError),
    /// A row does not have the shape this program wrote.
    #[error("the database holds an illegal {0}")]
    Corrupt(&'static str),
}

impl StoreError {
    /// Whether it took too long to get at the database, so that nothing was done.
    pub(crate) fn is_busy(&self) -> bool {
        let Self::Database(error) = self else { return false };
        let locked = error.as_database_error().and_then(|error| error.code()).is_some_and(|code| code == "5");
        locked || matches!(error, sqlx::Error::PoolTimedOut)
    }
}
