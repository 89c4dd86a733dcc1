//! What the server keeps, and the promises every database must hold to.
//!
//! Each method that a request needs is one transaction on one identity (SQLite puts takes that come together into one
//! commit). A method that returned `Ok` is on disk: the reply may leave.
//! A method that returned `Err`, or never returned, may or may not have happened; whoever repeats it finds out
//! (publications are idempotent) or has lost one prekey (takes), never seen one twice.
//! `contract.rs` tests the promises on every implementation.

mod answers;
mod buckets;
#[cfg(test)]
mod contract;
mod error;
mod handing_out;
mod names;
mod naming;
mod overview;
mod postgres;
mod sqlite;
mod steps;

pub use answers::AnswerKey;
pub(crate) use buckets::Buckets;
pub use error::StoreError;
pub use names::{Names, StoredName};
pub use postgres::PostgresStore;
pub use sqlite::{BackupError, Restored, SqliteStore, backup, hash_identities, restore};

use crate::account::TokenHash;
use crate::limits::{Bucket, Reserve, Spent, Subject};
use otrv4::Timestamp;
use otrv4::prekey_server::ServerIdentity;
use std::future::Future;

/// Most clients one identity can have: enough for a person's machines, and a bound on one answer's size.
pub const MAX_DEVICES: u32 = 16;

/// Most prekeys that wait under one identity, all its clients together: weeks of new conversations, under 1 MiB.
pub const MAX_PREKEYS: u32 = 1000;

/// Most tokens an account has at a time: one for each client.
pub const MAX_TOKENS: usize = 16;

/// The database behind the server.
pub trait Store: Send + Sync + 'static {
    /// How identities are written here: hashed under the key of this server, or as they are. Refused where they are written
    /// otherwise; a database that nobody has used yet does from now on what is asked.
    fn names(
        &self,
        hashed_by: Option<&ServerIdentity>,
    ) -> impl Future<Output = Result<Names, StoreError>> + Send;

    /// Creates the account unless there is one: first come, first served. Without a token nobody speaks for it by
    /// showing one.
    fn register(
        &self,
        identity: &StoredName,
        token: Option<&TokenHash>,
        now: Timestamp,
    ) -> impl Future<Output = Result<Registered, StoreError>> + Send;

    /// Whether there is such an account.
    fn is_account(&self, identity: &StoredName) -> impl Future<Output = Result<bool, StoreError>> + Send;

    /// The hashes of the account's tokens, oldest first; none without an account.
    fn tokens(
        &self,
        identity: &StoredName,
    ) -> impl Future<Output = Result<Vec<TokenHash>, StoreError>> + Send;

    /// Gives the account one more token. False if there is no such account or if it has [`MAX_TOKENS`].
    fn add_token(
        &self,
        identity: &StoredName,
        token: &TokenHash,
        now: Timestamp,
    ) -> impl Future<Output = Result<bool, StoreError>> + Send;

    /// Makes this the account's only token. False if there is no such account.
    fn replace_tokens(
        &self,
        identity: &StoredName,
        token: &TokenHash,
        now: Timestamp,
    ) -> impl Future<Output = Result<bool, StoreError>> + Send;

    /// Removes the account and all that it published, also the memory of what was handed out. False if there is none. An
    /// exchange that waits in another process may still be there for its time.
    fn remove(&self, identity: &StoredName) -> impl Future<Output = Result<bool, StoreError>> + Send;

    /// Up to [`PAGE`] accounts in the order of their names, those after `after`.
    fn accounts(
        &self,
        after: Option<&StoredName>,
    ) -> impl Future<Output = Result<Vec<AccountSummary>, StoreError>> + Send;

    /// Stores all of a publication or nothing.
    ///
    /// - A prekey with an id and bytes the store knows, waiting or handed out, changes nothing.
    /// - An id the store knows with other bytes refuses the publication.
    /// - Under another long-term key than the device had, its profiles and waiting prekeys are dropped first.
    /// - Without such an account it is refused.
    /// - Past [`MAX_DEVICES`] or [`MAX_PREKEYS`] it is refused, after expired devices of the identity made room.
    fn publish(
        &self,
        identity: &StoredName,
        deposit: &Deposit,
        now: Timestamp,
    ) -> impl Future<Output = Result<Published, StoreError>> + Send;

    /// How many prekeys wait for the device under this long-term key.
    fn count(
        &self,
        identity: &StoredName,
        device: &Device,
    ) -> impl Future<Output = Result<u32, StoreError>> + Send;

    /// Takes the oldest prekey of every device whose two profiles are there and not expired, in the order of the
    /// instance tags; of a device that is down to its reserve only when that releases one. What is returned will never be
    /// returned again, nor accepted, but to a repetition of the same query within [`ANSWER_LIFETIME`].
    fn take(
        &self,
        identity: &StoredName,
        asked: Asked,
    ) -> impl Future<Output = Result<Vec<StoredEnsemble>, StoreError>> + Send;

    /// What [`Store::take`] gave for this key, while it is kept; `None` if it gave nothing.
    fn answered(
        &self,
        identity: &StoredName,
        key: AnswerKey,
        now: Timestamp,
    ) -> impl Future<Output = Result<Option<Vec<StoredEnsemble>>, StoreError>> + Send;

    /// Takes one out of the subject's bucket, if there is one. `now` is milliseconds since 1970.
    fn spend(
        &self,
        subject: Subject,
        bucket: Bucket,
        now: i64,
    ) -> impl Future<Output = Result<Spent, StoreError>> + Send;

    /// Puts one back that [`Store::spend`] took out of this bucket a moment ago.
    fn give_back(
        &self,
        subject: Subject,
        bucket: Bucket,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Keeps what an exchange needs when its DAKE-3 comes, sealed by the engine. It replaces the one of the same client;
    /// an identity has [`MAX_DEVICES`] of them, past which its oldest ends.
    fn keep_pending(
        &self,
        identity: &StoredName,
        tag: u32,
        exchange: Vec<u8>,
        now: Timestamp,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Takes the client's exchange out, whatever comes of it; `None` if there is none, or if [`is_pending`] says that its
    /// time is over.
    fn take_pending(
        &self,
        identity: &StoredName,
        tag: u32,
        now: Timestamp,
    ) -> impl Future<Output = Result<Option<Vec<u8>>, StoreError>> + Send;

    /// Marks every waiting prekey as handed out, and says how many there were: after a backup was restored, nobody knows
    /// which of them have been. Answers that are kept to be repeated go too.
    fn burn(&self) -> impl Future<Output = Result<u64, StoreError>> + Send;

    /// Up to `most` names with a device whose client profile ended at `ended` or before, those after `after` in the order
    /// of names.
    fn expired(
        &self,
        ended: Timestamp,
        after: Option<&StoredName>,
        most: u32,
    ) -> impl Future<Output = Result<Vec<StoredName>, StoreError>> + Send;

    /// Deletes the identity's devices whose client profile ended at `ended` or before, and the prekeys that wait for them.
    /// What was handed out stays known for as long as the account is there: a device can come back after any time, with
    /// the same tag and the prekeys it once published. A device without a client profile stays: nobody knows since when.
    fn forget_expired(
        &self,
        identity: &StoredName,
        ended: Timestamp,
    ) -> impl Future<Output = Result<Forgotten, StoreError>> + Send;

    /// Deletes exchanges that nobody can finish any more, and says how many; at most about `most` at a time where they
    /// are on disk.
    fn sweep_pending(
        &self,
        now: Timestamp,
        most: u32,
    ) -> impl Future<Output = Result<u64, StoreError>> + Send;

    /// Deletes answers whose time to be repeated is over, and buckets that are full again; at most `most` of each. Says how
    /// many answers.
    fn sweep_answers(
        &self,
        now: Timestamp,
        most: u32,
    ) -> impl Future<Output = Result<u64, StoreError>> + Send;

    /// Why there was nothing to take, as it is now: for the operator, never for who asked.
    fn why_empty(
        &self,
        identity: &StoredName,
        now: Timestamp,
    ) -> impl Future<Output = Result<Empty, StoreError>> + Send;

    /// What is in the database. It looks at every row.
    fn figures(&self) -> impl Future<Output = Result<Figures, StoreError>> + Send;

    /// Whether the database can be read and written.
    fn ping(&self) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Finishes what runs and lets go of the database.
    fn close(&self) -> impl Future<Output = ()> + Send;
}

/// Accounts on one page of a list.
pub const PAGE: usize = 500;

/// Seconds between DAKE-1 and DAKE-3: a slow client needs a few to prove 255 prekeys, the rest is its network.
pub const PENDING_LIFETIME: i64 = 120;

/// Whether an exchange that was begun at that time, by the clock of whichever process, can be finished now. A clock that
/// was set back by more than clocks of several machines differ ends it too: its age is unknown.
pub fn is_pending(begun: Timestamp, now: Timestamp) -> bool {
    (-CLOCK_SKEW..PENDING_LIFETIME).contains(&now.unix().saturating_sub(begun.unix()))
}

/// Seconds by which the clocks of two server processes may differ.
pub const CLOCK_SKEW: i64 = 30;

/// How somebody asks for the ensembles of an identity.
#[derive(Clone, Copy, Debug)]
pub struct Asked {
    /// When.
    pub now: Timestamp,
    /// What is held back.
    pub reserve: Reserve,
    /// The name of the answer, should it be asked for again.
    pub key: Option<AnswerKey>,
}

/// Seconds for which an answer can be had again.
pub const ANSWER_LIFETIME: i64 = 60;

/// What a list of accounts says of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountSummary {
    /// Whose it is.
    pub identity: StoredName,
    /// When it was registered.
    pub created: Timestamp,
    /// How many tokens it has.
    pub tokens: u32,
    /// How many clients have published.
    pub devices: u32,
    /// How many prekeys wait, all clients together.
    pub prekeys: u32,
}

/// What was deleted of one identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Forgotten {
    /// How many devices.
    pub devices: u64,
    /// How many prekeys that waited for them.
    pub prekeys: u64,
}

/// Why there was nothing to take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Empty {
    /// No prekey was ever published under that name.
    Unknown,
    /// All have been handed out.
    Drained,
    /// Prekeys wait, but no device has both profiles, valid.
    NoProfiles,
    /// Prekeys wait that could be handed out: they are the reserve.
    Reserved,
}

/// What is in the database.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Accounts.
    pub accounts: u64,
    /// Clients that have published, of all accounts.
    pub devices: u64,
    /// Those of them for which no prekey waits.
    pub drained: u64,
    /// Prekeys that wait.
    pub waiting: u64,
    /// Prekeys of which it is known only that they were handed out, or burnt.
    pub handed_out: u64,
    /// Bytes on disk.
    pub bytes: u64,
    /// Exchanges between DAKE-1 and DAKE-3; `None` where a running server has them in its memory.
    pub pending: Option<u64>,
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
    /// New prekey messages, in the order in which they are to be handed out; no two with the same id.
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
