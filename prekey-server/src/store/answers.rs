//! Answers that are kept for a moment: a client whose connection broke asks again with the same key, and gets the same
//! instead of another prekey.

use super::{StoreError, StoredEnsemble};
use otrv4::wire::{Reader, WireError, Writer};
use sha2::{Digest, Sha256};

/// The name of an answer: SHA-256 over the client's key and its whole query, so that nobody gets it who does not know both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AnswerKey([u8; 32]);

impl AnswerKey {
    /// Of a query that came with this key.
    pub fn new(key: &str, query: &[u8]) -> Self {
        let length = u64::try_from(key.len()).unwrap_or(u64::MAX);
        let hash = Sha256::new().chain_update(length.to_be_bytes()).chain_update(key).chain_update(query);
        Self(hash.finalize().into())
    }

    /// The bytes to keep in the database.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// INT number, and of each ensemble three DATA.
pub(super) fn write(ensembles: &[StoredEnsemble]) -> Vec<u8> {
    let mut w = Writer::new();
    w.int(u32::try_from(ensembles.len()).expect("an identity has few devices"));
    for StoredEnsemble { client_profile, prekey_profile, prekey } in ensembles {
        w.data(client_profile).data(prekey_profile).data(prekey);
    }
    w.finish()
}

pub(super) fn read(bytes: &[u8]) -> Result<Vec<StoredEnsemble>, StoreError> {
    let read = || -> Result<Vec<StoredEnsemble>, WireError> {
        let mut r = Reader::new(bytes);
        let mut ensembles = Vec::new();
        for _ in 0..r.int("number")? {
            ensembles.push(StoredEnsemble {
                client_profile: r.data("client profile")?.to_vec(),
                prekey_profile: r.data("prekey profile")?.to_vec(),
                prekey: r.data("prekey")?.to_vec(),
            });
        }
        r.end()?;
        Ok(ensembles)
    };
    read().map_err(|_| StoreError::Corrupt("answer"))
}
