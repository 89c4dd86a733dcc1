//! The hashes, MACs and cipher of versions 2 and 3: SHA-1, SHA-256, HMAC and AES-128 in counter mode.
//! Spec: OTRv3 "D-H Commit Message", "Data Message", "Public keys, signatures, and fingerprints". Used by `v3`
//! and by SMP and DSA of those versions.
//!
//! The state of the hashes, their buffers and the key schedule of AES are wiped when they are dropped. What the libraries
//! leave on the stack while they compute (the message schedule of a block, a padded HMAC key) is not.

use aes::Aes128;
use ctr::Ctr128BE;
use ctr::cipher::{KeyIvInit, StreamCipher};
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use sha2::Sha256;
use sha2::digest::Digest;

use super::secret::Secret;

/// SHA-1 of the parts one after the other; for public values (fingerprints).
pub(crate) fn sha1(parts: &[&[u8]]) -> [u8; 20] {
    absorbed::<Sha1>(parts).finalize().into()
}

/// SHA-1 of secrets.
pub(crate) fn sha1_secret(parts: &[&[u8]]) -> Secret<20> {
    Secret::filled(|out| absorbed::<Sha1>(parts).finalize_into(out.into()))
}

/// SHA-256 of the parts one after the other; for public values.
pub(crate) fn sha256(parts: &[&[u8]]) -> [u8; 32] {
    absorbed::<Sha256>(parts).finalize().into()
}

/// SHA-256 of secrets.
pub(crate) fn sha256_secret(parts: &[&[u8]]) -> Secret<32> {
    Secret::filled(|out| absorbed::<Sha256>(parts).finalize_into(out.into()))
}

fn absorbed<H: Digest>(parts: &[&[u8]]) -> H {
    let mut hash = H::new();
    parts.iter().for_each(|part| hash.update(part));
    hash
}

/// HMAC-SHA-1 of the parts one after the other.
pub(crate) fn hmac_sha1(key: &[u8; 20], parts: &[&[u8]]) -> [u8; 20] {
    let mut mac = <Hmac<Sha1> as KeyInit>::new_from_slice(key).expect("HMAC takes keys of every length");
    parts.iter().for_each(|part| mac.update(part));
    mac.finalize().into_bytes().into()
}

/// HMAC-SHA-256 of the parts one after the other.
pub(crate) fn hmac_sha256(key: &[u8; 32], parts: &[&[u8]]) -> [u8; 32] {
    let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(key).expect("HMAC takes keys of every length");
    parts.iter().for_each(|part| mac.update(part));
    mac.finalize().into_bytes().into()
}

/// AES-128 in counter mode, in place; encrypts and decrypts. The counter of 16 bytes, big-endian, begins at
/// `counter_top ‖ 0`.
pub(crate) fn aes128_ctr(key: &[u8; 16], counter_top: [u8; 8], data: &mut [u8]) {
    let [a, b, c, d, e, f, g, h] = counter_top;
    let counter = [a, b, c, d, e, f, g, h, 0, 0, 0, 0, 0, 0, 0, 0];
    Ctr128BE::<Aes128>::new(key.into(), &counter.into()).apply_keystream(data);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vectors::{array, bytes, v3_file};

    #[test]
    fn hashes_of_fips_180_are_right_in_parts_too() {
        assert_eq!(hex::encode(sha1(&[b"a", b"", b"bc"])), "a9993e364706816aba3e25717850c26c9cd0d89d");
        assert_eq!(sha1_secret(&[b"ab", b"c"]).as_bytes(), &sha1(&[b"abc"]));
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(hex::encode(sha256(&[b"a", b"bc"])), abc);
        assert_eq!(hex::encode(sha256_secret(&[b"abc", b""]).as_bytes()), abc);
    }

    #[test]
    fn macs_of_rfc_2202_and_4231_are_right_in_parts_too() {
        // Test case 1 of RFC 2202; test case 1 of RFC 4231, whose key of 20 bytes HMAC fills up with zeros.
        let mac = hmac_sha1(&[0x0b; 20], &[b"Hi ", b"There"]);
        assert_eq!(hex::encode(mac), "b617318655057264e28bc0b6fb378c8ef146be00");
        let mut key = [0; 32];
        key[..20].fill(0x0b);
        let mac = hmac_sha256(&key, &[b"Hi", b" There"]);
        assert_eq!(hex::encode(mac), "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
    }

    #[test]
    fn recorded_messages_are_decrypted_and_encrypted_again() {
        for version in ["v3", "v2"] {
            let file = v3_file();
            let messages = file["sessions"][version]["messages"].as_array().unwrap();
            let commit = messages.iter().find(|m| m["kind"] == "dh_commit").unwrap();
            let mut data = bytes(&commit["gx_mpi"]);
            assert_eq!(sha256(&[&data]), array(&commit["hash_gx"]));
            aes128_ctr(&array(&commit["r"]), [0; 8], &mut data);
            assert_eq!(data, bytes(&commit["enc_gx"]));
            for message in messages.iter().filter(|m| m["kind"] == "data") {
                let (key, top) = (array(&message["enc_key"]), array(&message["ctr"]));
                let plaintext = bytes(&message["plaintext"]);
                let mut data = plaintext.clone();
                aes128_ctr(&key, top, &mut data);
                assert!(data.is_empty() || data != plaintext);
                aes128_ctr(&key, top, &mut data);
                assert_eq!(data, plaintext);
                let key: [u8; 20] = array(&message["mac_key"]);
                assert_eq!(sha1(&[&array::<16>(&message["enc_key"])]), key);
            }
        }
    }
}
