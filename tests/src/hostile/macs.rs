//! The MACs of data messages, made without the library: by them a revealed key shows which message it belongs to.
//! Spec: otrv4.md "Key Derivation Function, Hash Function and MAC Function" (`HCMAC`), "Data Message Format"; OTRv3 "Data
//! Message". Used by [`super::revealed`] and by [`super::mallory`], who forges with keys that were revealed.

use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use shake::{ExtendableOutput, Shake256, Update, XofReader};

/// `HCMAC(usage_authenticator || MKmac || data_message_sections, 64)`
pub(crate) fn hcmac(key: &[u8; 64], sections: &[u8]) -> [u8; 64] {
    let mut hash = Shake256::default();
    hash.update(b"OTRv4");
    hash.update(&[USAGE_AUTHENTICATOR]);
    hash.update(key);
    hash.update(sections);
    let mut authenticator = [0; 64];
    hash.finalize_xof().read(&mut authenticator);
    authenticator
}

/// SHA1-HMAC of version 3.
pub(crate) fn hmac_sha1(key: &[u8; 20], sections: &[u8]) -> [u8; 20] {
    let mut hmac = Hmac::<Sha1>::new_from_slice(key).expect("a key of any length");
    Mac::update(&mut hmac, sections);
    hmac.finalize().into_bytes().into()
}

const USAGE_AUTHENTICATOR: u8 = 0x18;
