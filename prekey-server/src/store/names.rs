//! How identities are written in a database: as they are, or as keyed hashes that say nothing to whoever lacks the key file.
//!
//! A [`Store`](super::Store) takes identities as [`StoredName`]s alone, and [`Names`] alone makes them of identities: so no
//! plain one gets into a database that has hashes.

use crate::account::Identity;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use hkdf::Hkdf;
use hmac::{Hmac, KeyInit, Mac};
use otrv4::prekey_server::ServerIdentity;
use sha2::Sha256;
use std::fmt;
use zeroize::Zeroizing;

/// How one database writes names. [`Store::names`](super::Store::names) gives it, after it has made sure that it is so.
#[derive(Clone)]
pub struct Names(Option<Key>);

#[derive(Clone)]
struct Key {
    secret: Zeroizing<[u8; 32]>,
    check: [u8; 32],
}

/// Before each hash. No identity has a capital letter, so none can be mistaken for a hash, nor be registered as one.
const HASHED: &str = "H:";

impl Names {
    /// As they are; or hashed under a key that all processes with the same key file have, and that the server's name does
    /// not enter.
    pub(super) fn under(server: Option<&ServerIdentity>) -> Self {
        Self(server.map(|server| {
            let kdf = Hkdf::<Sha256>::new(None, server.secret());
            let mut secret = Zeroizing::new([0; 32]);
            kdf.expand(b"prekey-server: stored names", secret.as_mut()).expect("32 bytes can be had");
            let mut check = [0; 32];
            kdf.expand(b"prekey-server: check of the key of stored names", &mut check)
                .expect("32 bytes can be had");
            Key { secret, check }
        }))
    }

    /// As they are: for tests.
    #[cfg(test)]
    pub(crate) fn plain() -> Self {
        Self::under(None)
    }

    /// The identity as this database writes it.
    pub fn of(&self, identity: &Identity) -> StoredName {
        self.of_text(identity.as_str())
    }

    /// The same for what a database has as a plain name.
    pub(super) fn of_text(&self, name: &str) -> StoredName {
        let Some(key) = &self.0 else { return StoredName(name.into()) };
        let mac = <Hmac<Sha256> as KeyInit>::new_from_slice(key.secret.as_slice())
            .expect("HMAC takes keys of every length");
        let hash = mac.chain_update(name).finalize().into_bytes();
        StoredName(format!("{HASHED}{}", URL_SAFE_NO_PAD.encode(hash)))
    }

    /// What tells this key from others, and says nothing else of it; `None` without a key.
    pub(super) fn key_check(&self) -> Option<&[u8]> {
        self.0.as_ref().map(|key| key.check.as_slice())
    }
}

impl fmt::Debug for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(key) = self;
        f.write_str(if key.is_some() { "Names(hashed)" } else { "Names(plain)" })
    }
}

/// An identity as it stands in a database: itself, or `H:` and 43 characters, the base64url of its HMAC-SHA-256.
///
/// ```
/// # use prekey_server::{account::Identity, store::{Names, Store, StoreError}};
/// async fn knows(store: &impl Store, names: &Names, bob: &Identity) -> Result<bool, StoreError> {
///     store.is_account(&names.of(bob)).await
/// }
/// ```
///
/// ```compile_fail,E0308
/// # use prekey_server::{account::Identity, store::{Names, Store, StoreError}};
/// async fn knows(store: &impl Store, names: &Names, bob: &Identity) -> Result<bool, StoreError> {
///     store.is_account(bob).await
/// }
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct StoredName(String);

impl StoredName {
    /// As a row has it, whatever that is: a broken one must not hide those behind it.
    pub(super) fn from_row(name: String) -> Self {
        Self(name)
    }

    /// That of a database with plain names: for tests.
    #[cfg(test)]
    pub(crate) fn plain(identity: &str) -> Self {
        Names::plain().of(&Identity::new(identity).expect("legal"))
    }

    /// A hash as `account list` shows it; `None` if it is none.
    pub fn from_hash(text: &str) -> Option<Self> {
        let hash = URL_SAFE_NO_PAD.decode(text.strip_prefix(HASHED)?).ok()?;
        (hash.len() == 32).then(|| Self(text.into()))
    }

    /// The text in the database.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is a hash.
    pub fn is_hash(&self) -> bool {
        is_hash(&self.0)
    }
}

pub(super) fn is_hash(name: &str) -> bool {
    name.starts_with(HASHED)
}

/// Names stay out of logs.
impl fmt::Debug for StoredName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(_) = self;
        f.write_str("StoredName(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::system::rng;

    fn bob() -> Identity {
        Identity::new("bob@example.org").expect("legal")
    }

    #[test]
    fn a_plain_name_is_itself() {
        let name = Names::plain().of(&bob());
        assert_eq!((name.as_str(), name.is_hash()), ("bob@example.org", false));
        assert_eq!(Names::plain().key_check(), None);
    }

    #[test]
    fn a_hash_depends_on_name_and_key_file_alone_and_is_no_identity() {
        let server = ServerIdentity::generate("prekey.example.org", &mut rng());
        let ours = Names::under(Some(&server));
        let hash = ours.of(&bob());
        assert!(hash.is_hash() && hash.as_str().len() == 45, "{}", hash.as_str());
        assert!(Identity::new(hash.as_str()).is_err());
        assert_ne!(hash, ours.of(&Identity::new("bob@example.orh").expect("legal")));

        let renamed = Names::under(Some(&ServerIdentity::new("other.example.org", server.secret())));
        assert_eq!((hash.clone(), ours.key_check()), (renamed.of(&bob()), renamed.key_check()));
        let other = Names::under(Some(&ServerIdentity::generate("prekey.example.org", &mut rng())));
        assert_ne!(hash, other.of(&bob()));
        assert_ne!(ours.key_check(), other.key_check());
    }

    /// So that a database of today can be read tomorrow.
    #[test]
    fn a_hash_stays_the_same_from_version_to_version() {
        let server = ServerIdentity::new("prekey.example.org", &[7; 57]);
        assert_eq!(
            Names::under(Some(&server)).of(&bob()).as_str(),
            "H:DpKgzlr4B09pbh64I1bBuyDTP5jglS3jgOU5BXWW2yk"
        );
    }

    #[test]
    fn neither_names_nor_keys_are_printed() {
        let names = Names::under(Some(&ServerIdentity::generate("prekey.example.org", &mut rng())));
        let printed = format!("{names:?} {:?} {:?}", names.of(&bob()), Names::plain().of(&bob()));
        assert_eq!(printed, "Names(hashed) StoredName(..) StoredName(..)");
    }
}
