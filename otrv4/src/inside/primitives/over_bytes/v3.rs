//! The same for versions 3 and 2.

use crate::crypto::dh1536::{Dh1536KeyPair, Dh1536Public};
use crate::crypto::legacy;
use crate::wire::{Reader, Writer};

/// SHA-256.
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    legacy::sha256(&[bytes])
}

/// HMAC-SHA-256.
pub fn hmac_sha256(key: &[u8], bytes: &[u8]) -> Option<[u8; 32]> {
    Some(legacy::hmac_sha256(key.try_into().ok()?, &[bytes]))
}

/// AES-128 in counter mode from 0: encrypts and decrypts.
pub fn aes128_ctr(key: &[u8], bytes: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = bytes.to_vec();
    legacy::aes128_ctr(key.try_into().ok()?, [0; 8], &mut bytes);
    Some(bytes)
}

/// The MPI of `2^a mod p`, of 40 bytes.
pub fn dh_public(secret: &[u8]) -> Option<Vec<u8>> {
    let mut w = Writer::new();
    pair(secret)?.public().write(&mut w);
    Some(w.finish())
}

/// `secbytes`: the MPI of `B^a mod p`; `B` is an MPI, too.
pub fn dh_shared(secret: &[u8], public: &[u8]) -> Option<Vec<u8>> {
    let public = Dh1536Public::read(&mut Reader::new(public), "DH public key").ok()?;
    Some(pair(secret)?.shared(&public).to_vec())
}

fn pair(secret: &[u8]) -> Option<Dh1536KeyPair> {
    let secret: &[u8; 40] = secret.try_into().ok()?;
    Dh1536KeyPair::read(&mut Reader::new(secret), "DH secret").ok()
}
