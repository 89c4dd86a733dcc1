//! What a server says under its long-term key besides the prekey protocol, such as which key opens oblivious requests.
//! Used by the server program and by clients that know the server's fingerprint.

use super::exchange::fingerprint;
use super::server::ServerIdentity;
use crate::crypto::ed448::verify;
use crate::keys::{Fingerprint, KeyType};
use crate::reject::Reject;
use crate::wire::{Reader, Writer};

impl ServerIdentity {
    /// EDDSA-SIG over a statement, 114 bytes. One made for a purpose is none for another.
    pub fn sign_statement(&self, purpose: &str, statement: &[u8]) -> [u8; 114] {
        self.signing_key().sign(&signed(purpose, statement))
    }
}

/// Whether the server with this fingerprint has signed the statement, for this purpose. `public_key` is the ED448-PUBKEY
/// that the server shows, 59 bytes.
pub fn verify_statement(
    server: Fingerprint,
    public_key: &[u8],
    purpose: &str,
    statement: &[u8],
    signature: &[u8; 114],
) -> Result<(), Reject> {
    let mut r = Reader::new(public_key);
    let key = KeyType::Identity.read(&mut r)?;
    r.end()?;
    if fingerprint(&key) != server {
        return Err(Reject::WrongServer);
    }
    verify(&key, &signed(purpose, statement), signature).then_some(()).ok_or(Reject::Forged)
}

/// `"OTR-Prekey-Server statement" ‖ DATA(purpose) ‖ DATA(statement)`: no profile begins so, and nothing else is signed
/// with EdDSA by keys of this kind.
fn signed(purpose: &str, statement: &[u8]) -> Vec<u8> {
    let mut w = Writer::new();
    w.bytes(b"OTR-Prekey-Server statement").data(purpose.as_bytes()).data(statement);
    w.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vectors::rng;

    #[test]
    fn a_statement_is_believed_of_its_server_for_its_purpose_and_unchanged() {
        let server = ServerIdentity::generate("prekey.example.org", &mut rng());
        let other = ServerIdentity::generate("prekey.example.org", &mut rng());
        let signature = server.sign_statement("keys", b"key 1");
        let (fingerprint, public) = (server.fingerprint(), server.public_key_bytes());
        let check = |key: &[u8], purpose, statement: &[u8], signature: &[u8; 114]| {
            verify_statement(fingerprint, key, purpose, statement, signature)
        };
        assert_eq!(check(&public, "keys", b"key 1", &signature), Ok(()));
        assert_eq!(check(&public, "key", b"s key 1", &signature), Err(Reject::Forged));
        assert_eq!(check(&public, "keys", b"key 2", &signature), Err(Reject::Forged));
        assert_eq!(check(&other.public_key_bytes(), "keys", b"key 1", &signature), Err(Reject::WrongServer));
        let forged = other.sign_statement("keys", b"key 1");
        assert_eq!(check(&public, "keys", b"key 1", &forged), Err(Reject::Forged));
        for key in [&public[1..], &[&public[..], &[0]].concat(), &[]] {
            assert!(matches!(check(key, "keys", b"key 1", &signature), Err(Reject::Wire(_))), "{key:?}");
        }
    }
}
