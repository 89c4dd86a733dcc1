//! The session keys of a pair of DH keys, one of ours and one of theirs.
//! Spec: OTRv3 "Computing AES keys, MAC keys, and the secure session id", "Extra symmetric key". Used by [`super::keys`]
//! and by the channel.

use crate::crypto::legacy::{aes128_ctr, hmac_sha1, sha1_secret, sha256_secret};
use crate::crypto::mac::Mac;
use crate::crypto::secret::Secret;
use crate::wire::{Reader, WireError, Writer};

/// What messages of one pair are sent and received with.
#[derive(Debug)]
pub(crate) struct SessionKeys {
    pub(crate) sending: MessageKeys,
    pub(crate) receiving: MessageKeys,
    pub(crate) extra: ExtraSymmKey,
}

/// The keys of one direction.
#[derive(Debug)]
pub(crate) struct MessageKeys {
    pub(crate) aes: AesKey,
    pub(crate) mac: MacKey,
}

/// Encrypts the messages of one direction, each under a counter of its own.
#[derive(Debug)]
pub(crate) struct AesKey(Secret<16>);

/// Authenticates the messages of one direction, and is revealed once none can be accepted under it.
#[derive(Debug)]
pub(crate) struct MacKey(Secret<20>);

/// `h2(0xFF)`: for uses outside of the conversation; the same for all messages of the pair, in both directions.
#[derive(Debug)]
pub(crate) struct ExtraSymmKey(Secret<32>);

impl SessionKeys {
    /// From the MPI of the shared secret. The "high" end is the one whose public key is the greater number.
    pub(crate) fn derive(secbytes: &[u8], we_are_high: bool) -> Self {
        let (send_byte, receive_byte) = if we_are_high { (0x01, 0x02) } else { (0x02, 0x01) };
        Self {
            sending: MessageKeys::derive(send_byte, secbytes),
            receiving: MessageKeys::derive(receive_byte, secbytes),
            extra: ExtraSymmKey(sha256_secret(&[&[0xff], secbytes])),
        }
    }
}

impl MessageKeys {
    /// The AES key is the first 16 bytes of `h1(b) = SHA-1(b ‖ secbytes)`, the MAC key the SHA-1 of the AES key.
    fn derive(byte: u8, secbytes: &[u8]) -> Self {
        let hash = sha1_secret(&[&[byte], secbytes]);
        Self::of(Secret::copied(hash.as_bytes().first_chunk().expect("20 bytes")))
    }

    /// The AES key in these bytes, and the MAC key that comes from it.
    pub(crate) fn of(aes: Secret<16>) -> Self {
        let mac = MacKey(sha1_secret(&[aes.as_bytes()]));
        Self { aes: AesKey(aes), mac }
    }
}

impl AesKey {
    /// The key as a plain secret, which is to be shown.
    pub(crate) fn into_secret(self) -> Secret<16> {
        self.0
    }

    /// A copy as a plain secret, for tests with the keys of a running conversation.
    #[cfg(feature = "inside")]
    pub(crate) fn copied(&self) -> Secret<16> {
        Secret::copied(self.0.as_bytes())
    }

    /// Encrypts and decrypts in place; the counter begins at `counter ‖ 0`, and no other message may have it.
    pub(crate) fn apply(&self, counter: u64, text: &mut [u8]) {
        aes128_ctr(self.0.as_bytes(), counter.to_be_bytes(), text);
    }
}

impl MacKey {
    /// The key in these bytes.
    pub(crate) fn of(secret: Secret<20>) -> Self {
        Self(secret)
    }

    /// The key as a plain secret, which is to be shown.
    pub(crate) fn into_secret(self) -> Secret<20> {
        self.0
    }

    /// SHA1-HMAC "of everything from the Protocol version to the end of the encrypted message".
    pub(crate) fn authenticate(&self, sections: &[u8]) -> Mac<20> {
        Mac::new(hmac_sha1(self.0.as_bytes(), &[sections]))
    }

    /// Whether the authenticator is the right one.
    pub(crate) fn verify(&self, sections: &[u8], authenticator: &Mac<20>) -> bool {
        self.authenticate(sections).matches(authenticator)
    }

    /// A copy, to be revealed when the pair is gone.
    pub(crate) fn copied(&self) -> Self {
        Self(Secret::copied(self.0.as_bytes()))
    }

    /// The 20 bytes, to be published.
    pub(crate) fn reveal(&self) -> &[u8; 20] {
        self.0.as_bytes()
    }

    pub(crate) fn save(&self, w: &mut Writer) {
        w.bytes(self.0.as_bytes());
    }

    pub(crate) fn load(r: &mut Reader<'_>) -> Result<Self, WireError> {
        Ok(Self(Secret::copied(r.chunk("MAC key")?)))
    }
}

impl ExtraSymmKey {
    /// The key as a plain secret, which is to be shown.
    pub(crate) fn into_secret(self) -> Secret<32> {
        self.0
    }

    /// The 32 bytes, for an application.
    pub(crate) fn as_bytes(&self) -> &[u8; 32] {
        self.0.as_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::super::vectors::data_messages;
    use super::*;
    use crate::vectors::{array, bytes};

    #[test]
    fn keys_of_recorded_messages_are_derived() {
        for m in data_messages() {
            let high = m["send_byte"] == 1;
            let keys = SessionKeys::derive(&bytes(&m["secbytes"]), high);
            assert_eq!(keys.sending.aes.0.as_bytes(), &array(&m["enc_key"]));
            assert_eq!(keys.sending.mac.reveal(), &array(&m["mac_key"]));
            assert_eq!(keys.receiving.aes.0.as_bytes(), &array(&m["recv_enc_key"]));
            assert_eq!(keys.receiving.mac.reveal(), &array(&m["recv_mac_key"]));
            assert_eq!(keys.extra.as_bytes(), &array(&m["extra_key"]));

            let other = SessionKeys::derive(&bytes(&m["secbytes"]), !high);
            assert_eq!(other.receiving.aes.0.as_bytes(), &array(&m["enc_key"]));
            assert_eq!(other.sending.mac.reveal(), &array(&m["recv_mac_key"]));
            assert_eq!(other.extra.as_bytes(), keys.extra.as_bytes());
        }
    }

    #[test]
    fn debug_output_shows_no_key() {
        let keys = SessionKeys::derive(&[0xab; 196], true);
        let text = format!("{keys:?}");
        assert!(!text.contains("171") && !text.contains("0xab") && text.contains("Secret<16>(..)"), "{text}");
    }
}
