//! Sealing what an exchange needs between DAKE-1 and DAKE-3, so that it can lie in a database that others read: its
//! session keys would let them finish it.

use crate::account::Identity;
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use hkdf::Hkdf;
use otrv4::prekey_server::ServerIdentity;
use rand_core::CryptoRng;
use sha2::Sha256;
use std::fmt;
use zeroize::Zeroizing;

/// XChaCha20-Poly1305 under a key that all processes with the same key file have. What is sealed begins with its nonce, 24
/// bytes, and is bound to the client that it belongs to.
pub(crate) struct Seal(XChaCha20Poly1305);

const NONCE: usize = 24;

impl Seal {
    pub(crate) fn of(identity: &ServerIdentity) -> Self {
        let mut key = Zeroizing::new([0; 32]);
        Hkdf::<Sha256>::new(None, identity.secret())
            .expand(b"prekey-server: pending exchanges", key.as_mut())
            .expect("32 bytes can be had");
        Self(XChaCha20Poly1305::new((&*key).into()))
    }

    pub(crate) fn seal(&self, owner: &Identity, tag: u32, plain: &[u8], rng: &mut dyn CryptoRng) -> Vec<u8> {
        let mut sealed = vec![0; NONCE];
        rng.fill_bytes(&mut sealed);
        let payload = Payload { msg: plain, aad: &client(owner, tag) };
        let nonce = XNonce::from_slice(&sealed);
        let ciphertext = self.0.encrypt(nonce, payload).expect("some hundred bytes can be sealed");
        sealed.extend(ciphertext);
        sealed
    }

    /// `None` for what was not sealed by us for this client.
    pub(crate) fn open(&self, owner: &Identity, tag: u32, sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let (nonce, ciphertext) = sealed.split_at_checked(NONCE)?;
        let payload = Payload { msg: ciphertext, aad: &client(owner, tag) };
        self.0.decrypt(XNonce::from_slice(nonce), payload).ok().map(Zeroizing::new)
    }
}

/// The tag has four bytes, so that no two clients have the same.
fn client(owner: &Identity, tag: u32) -> Vec<u8> {
    [&tag.to_be_bytes(), owner.as_str().as_bytes()].concat()
}

impl fmt::Debug for Seal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(_) = self;
        f.write_str("Seal(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::system::rng;

    #[test]
    fn only_the_same_key_opens_it_for_the_same_client_and_unchanged() {
        let identity = |name: &str| Identity::new(name).expect("legal");
        let server = ServerIdentity::generate("prekey.example.org", &mut rng());
        let seal = Seal::of(&server);
        let sealed = seal.seal(&identity("bob"), 0x100, b"keys", &mut rng());
        assert!(!sealed.windows(4).any(|part| part == b"keys"));
        assert_ne!(sealed, seal.seal(&identity("bob"), 0x100, b"keys", &mut rng()));
        assert_eq!(
            seal.open(&identity("bob"), 0x100, &sealed).as_deref().map(Vec::as_slice),
            Some(&b"keys"[..])
        );
        assert!(seal.open(&identity("eve"), 0x100, &sealed).is_none());
        assert!(seal.open(&identity("bob"), 0x101, &sealed).is_none());
        let other = Seal::of(&ServerIdentity::generate("prekey.example.org", &mut rng()));
        assert!(other.open(&identity("bob"), 0x100, &sealed).is_none());
        for length in 0..sealed.len() {
            assert!(seal.open(&identity("bob"), 0x100, &sealed[..length]).is_none());
            let mut changed = sealed.clone();
            changed[length] ^= 1;
            assert!(seal.open(&identity("bob"), 0x100, &changed).is_none());
        }
    }
}
