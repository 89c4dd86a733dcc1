//! The key that opens oblivious requests: which it is, how it is written, and how a client knows that it is the server's.
//! Spec: RFC 9458, section 3. The relay hands the keys out, so the server's long-term key signs them.

use super::encapsulation::Kem;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use hkdf::Hkdf;
use hpke::{Deserializable, Kem as _, Serializable};
use otrv4::keys::Fingerprint;
use otrv4::prekey_server::{ServerIdentity, verify_statement};
use otrv4::wire::{Reader, WireError, Writer};
use sha2::Sha256;
use std::fmt;
use zeroize::Zeroizing;

/// The header field beside the keys: base64 of the server's ED448-PUBKEY, 59 bytes, and its signature, 114 bytes.
pub const SIGNATURE: &str = "ohttp-keys-signature";

/// What is signed, as the library's `sign_statement` takes it.
const PURPOSE: &str = "application/ohttp-keys";

/// DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, AES-128-GCM; no choice by which one client could be told from others.
const KEM: u16 = 0x0020;
pub(super) const KDF: u16 = 0x0001;
pub(super) const AEAD: u16 = 0x0001;

/// A server has one key for as long as it has its key file.
const KEY_ID: u8 = 1;

/// What a client must know to ask.
#[derive(Clone, PartialEq, Eq)]
pub struct KeyConfig {
    pub(super) id: u8,
    pub(super) public: <Kem as hpke::Kem>::PublicKey,
}

/// Why keys are not used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeysError {
    /// The server has not signed them.
    #[error("they are not signed by the server's key")]
    NotTheServers,
    /// They are signed and cannot be read, or are of kinds that we do not have.
    #[error("they cannot be read, or need other algorithms")]
    Unusable,
}

impl KeyConfig {
    /// Takes the keys as the relay gives them, with the header field [`SIGNATURE`], if the server with this fingerprint
    /// has signed them.
    pub fn verify(server: Fingerprint, list: &[u8], signature: &str) -> Result<Self, KeysError> {
        let proof = BASE64_STANDARD.decode(signature).map_err(|_| KeysError::NotTheServers)?;
        let (key, signature) = proof.split_last_chunk().ok_or(KeysError::NotTheServers)?;
        verify_statement(server, key, PURPOSE, list, signature).map_err(|_| KeysError::NotTheServers)?;
        Self::read(list).ok().flatten().ok_or(KeysError::Unusable)
    }

    /// `application/ohttp-keys`: the first key that we can use. A list with any error in it is refused whole (section 3.2).
    fn read(list: &[u8]) -> Result<Option<Self>, WireError> {
        let mut r = Reader::new(list);
        let mut usable = None;
        while r.position() < list.len() {
            let length = r.short("length")?;
            let config = Self::read_one(r.bytes(length.into(), "key configuration")?)?;
            usable = usable.or(config);
        }
        Ok(usable)
    }

    fn read_one(config: &[u8]) -> Result<Option<Self>, WireError> {
        let mut r = Reader::new(config);
        let id = r.byte("key id")?;
        if r.short("KEM")? != KEM {
            return Ok(None);
        }
        let public = r.array::<32>("public key")?;
        let length = r.short("length of algorithms")?;
        let mut algorithms = Reader::new(r.bytes(length.into(), "algorithms")?);
        r.end()?;
        if length == 0 {
            return Err(WireError::Illegal("no algorithms"));
        }
        let mut ours = false;
        for _ in 0..length / 4 {
            ours |= (algorithms.short("KDF")?, algorithms.short("AEAD")?) == (KDF, AEAD);
        }
        algorithms.end()?;
        let public = Deserializable::from_bytes(&public).map_err(|_| WireError::Illegal("public key"))?;
        Ok(ours.then_some(Self { id, public }))
    }

    /// `application/ohttp-keys` with this one key.
    fn write(&self) -> Vec<u8> {
        let mut w = Writer::new();
        w.byte(self.id).short(KEM).bytes(&self.public.to_bytes()).short(4).short(KDF).short(AEAD);
        let config = w.finish();
        let mut w = Writer::new();
        w.short(u16::try_from(config.len()).expect("41 bytes")).bytes(&config);
        w.finish()
    }

    /// `key_id ‖ kem_id ‖ kdf_id ‖ aead_id`, the beginning of each request (section 4.3).
    pub(super) fn header(&self) -> [u8; 7] {
        let mut w = Writer::new();
        w.byte(self.id).short(KEM).short(KDF).short(AEAD);
        w.finish().try_into().expect("seven bytes")
    }
}

impl fmt::Debug for KeyConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { id, public: _ } = self;
        write!(f, "KeyConfig({id})")
    }
}

/// The server's half.
pub(crate) struct GatewayKey {
    pub(super) secret: <Kem as hpke::Kem>::PrivateKey,
    pub(super) config: KeyConfig,
}

impl GatewayKey {
    /// All processes with the same key file have the same one, also after a restart. So it is as old as the file:
    /// whoever gets hold of that opens recorded requests.
    pub(crate) fn of(identity: &ServerIdentity) -> Self {
        let mut ikm = Zeroizing::new([0; 32]);
        Hkdf::<Sha256>::new(None, identity.secret())
            .expand(b"prekey-server: oblivious requests", ikm.as_mut_slice())
            .expect("32 bytes can be had");
        let (secret, public) = Kem::derive_keypair(ikm.as_slice());
        Self { secret, config: KeyConfig { id: KEY_ID, public } }
    }

    /// The keys as `application/ohttp-keys`, and the header field [`SIGNATURE`].
    pub(crate) fn publish(&self, identity: &ServerIdentity) -> (Vec<u8>, String) {
        let list = self.config.write();
        let signature = identity.sign_statement(PURPOSE, &list);
        let signature = BASE64_STANDARD.encode([&identity.public_key_bytes()[..], &signature].concat());
        (list, signature)
    }
}

impl fmt::Debug for GatewayKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { secret: _, config } = self;
        write!(f, "GatewayKey({})", config.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::system::rng;

    /// RFC 9458, appendix A, with its length before it.
    const EXAMPLE: &str =
        "002d01002031e1f05a740102115220e9af918f738674aec95f54db6e04eb705aae8e79815500080001000100010003";

    fn example() -> Vec<u8> {
        hex::decode(EXAMPLE).expect("hex")
    }

    #[test]
    fn the_key_of_the_rfc_is_read() {
        let config = KeyConfig::read(&example()).expect("well-formed").expect("usable");
        assert_eq!(config.id, 1);
        assert_eq!(config.public.to_bytes()[..], example()[5..37]);
        assert_eq!(hex::encode(config.header()), "01002000010001");
    }

    #[test]
    fn keys_of_other_kinds_are_passed_over() {
        let other_kem = [0, 4, 7, 0, 0x10, 1];
        let mut other_aead = example();
        other_aead[37..].copy_from_slice(&[0, 8, 0, 1, 0, 2, 0, 1, 0, 3]);
        assert_eq!(KeyConfig::read(&[&other_kem[..], &other_aead].concat()), Ok(None));
        let both = [&other_kem[..], &other_aead, &example()].concat();
        assert!(KeyConfig::read(&both).is_ok_and(|config| config.is_some()));
    }

    #[test]
    fn a_list_with_an_error_is_refused_whole() {
        let good = example();
        for length in 1..good.len() {
            assert!(KeyConfig::read(&good[..length]).is_err(), "{length}");
        }
        assert!(KeyConfig::read(&[&good[..], &[0]].concat()).is_err(), "something follows");
        let mut odd = good.clone();
        (odd[1], odd[38]) = (0x2b, 6);
        assert!(KeyConfig::read(&odd[..45]).is_err(), "one and a half algorithms");
        let mut none = good[..39].to_vec();
        (none[1], none[38]) = (0x25, 0);
        assert!(KeyConfig::read(&none).is_err(), "no algorithm");
        assert_eq!(KeyConfig::read(&[]), Ok(None));
    }

    #[test]
    fn the_key_comes_from_the_key_file_and_its_server_vouches_for_it() {
        let server = ServerIdentity::generate("prekey.example.org", &mut rng());
        let again = ServerIdentity::new("prekey.example.org", server.secret());
        let (list, signature) = GatewayKey::of(&server).publish(&server);
        assert_eq!((list.clone(), signature.clone()), GatewayKey::of(&again).publish(&again));
        let read = KeyConfig::verify(server.fingerprint(), &list, &signature);
        assert_eq!(read, Ok(GatewayKey::of(&server).config));

        let other = ServerIdentity::generate("prekey.example.org", &mut rng());
        let (theirs, their_signature) = GatewayKey::of(&other).publish(&other);
        assert_ne!(list, theirs);
        for (list, signature) in [
            (&theirs, &their_signature),
            (&theirs, &signature),
            (&list, &their_signature),
            (&list, &String::new()),
            (&list, &"no base64".to_owned()),
        ] {
            let refused = KeyConfig::verify(server.fingerprint(), list, signature);
            assert_eq!(refused, Err(KeysError::NotTheServers));
        }
    }

    #[test]
    fn a_signed_list_without_a_usable_key_is_said_to_be_unusable() {
        let server = ServerIdentity::generate("prekey.example.org", &mut rng());
        let signature = server.sign_statement(PURPOSE, &[0, 4, 7, 0, 0x10, 1]);
        let signature = BASE64_STANDARD.encode([&server.public_key_bytes()[..], &signature].concat());
        let refused = KeyConfig::verify(server.fingerprint(), &[0, 4, 7, 0, 0x10, 1], &signature);
        assert_eq!(refused, Err(KeysError::Unusable));
    }
}
