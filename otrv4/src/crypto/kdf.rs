//! SHAKE-256 with its uses told apart: KDF, HWC and HCMAC are one function with three names.
//! Spec: otrv4.md "Key Derivation Function, Hash Function and MAC Function". Used by every module that hashes.

use shake::digest::ExtendableOutputReset;
use shake::{Shake256, Update, XofReader};

use super::secret::Secret;

/// What a hash is taken for; the usageID variables of the text, in its order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Usage {
    Fingerprint = 0x00,
    ThirdBraceKey = 0x01,
    BraceKey = 0x02,
    SharedSecret = 0x03,
    Ssid = 0x04,
    AuthRBobClientProfile = 0x05,
    AuthRAliceClientProfile = 0x06,
    AuthRPhi = 0x07,
    AuthIBobClientProfile = 0x08,
    AuthIAliceClientProfile = 0x09,
    AuthIPhi = 0x0A,
    FirstRootKey = 0x0B,
    TmpKey = 0x0C,
    AuthMacKey = 0x0D,
    NonIntAuthBobClientProfile = 0x0E,
    NonIntAuthAliceClientProfile = 0x0F,
    NonIntAuthPhi = 0x10,
    AuthMac = 0x11,
    RootKey = 0x12,
    ChainKey = 0x13,
    NextChainKey = 0x14,
    MessageKey = 0x15,
    MacKey = 0x16,
    /// spec-notes/SN-022
    ExtraSymmKey = 0x17,
    Authenticator = 0x18,
    /// spec-notes/SN-015
    SmpSecret = 0x19,
    Auth = 0x1A,
}

/// `KDF(usage || parts…, N)`: N secret bytes.
pub(crate) fn kdf<const N: usize>(usage: Usage, parts: &[&[u8]]) -> Secret<N> {
    Secret::filled(|out| derive(OTRV4, usage as u8, parts, out))
}

/// `HWC(usage || parts…, N)`: N bytes that need not be secret.
pub(crate) fn hwc<const N: usize>(usage: Usage, parts: &[&[u8]]) -> [u8; N] {
    let mut out = [0; N];
    derive(OTRV4, usage as u8, parts, &mut out);
    out
}

/// `HCMAC(usage || parts…, 64)`; the first part is the MAC key. Compare it in constant time.
pub(crate) fn hcmac(usage: Usage, parts: &[&[u8]]) -> [u8; 64] {
    hwc(usage, parts)
}

/// `SHAKE-256(domain || usage || parts…)`, as many bytes as `out` takes. For the uses that have no name in
/// [`Usage`]: those of the prekey server, which has its own domain, and those numbered by a message.
pub(crate) fn derive(domain: &[u8], usage: u8, parts: &[&[u8]], out: &mut [u8]) {
    let mut hash = Shake256::default();
    hash.update(domain);
    hash.update(&[usage]);
    parts.iter().for_each(|part| hash.update(part));
    // In place: to move the state would leave a copy of it behind, and with it what was hashed.
    hash.finalize_xof_reset().read(out);
}

/// `SHAKE-256(parts…)`, as many bytes as `out` takes: the plain hash of RFC 8032, without a domain.
pub(crate) fn shake256(parts: &[&[u8]], out: &mut [u8]) {
    let mut hash = Shake256::default();
    parts.iter().for_each(|part| hash.update(part));
    // As above.
    hash.finalize_xof_reset().read(out);
}

/// The domain of otrv4.md.
pub(crate) const OTRV4: &[u8] = b"OTRv4";

/// The domain of otrv4-prekey-server.md.
pub(crate) const PREKEY_SERVER: &[u8] = b"OTR-Prekey-Server";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vectors::{bytes, of_kind};

    #[test]
    fn hashes_are_the_recorded_ones() {
        for vector in of_kind("kdf") {
            let usage = u8::try_from(vector.inputs["usage"].as_u64().unwrap()).unwrap();
            let mut out = vec![0; usize::try_from(vector.inputs["size"].as_u64().unwrap()).unwrap()];
            derive(OTRV4, usage, &[&bytes(&vector.inputs["value"])], &mut out);
            assert_eq!(out, bytes(&vector.outputs["out"]), "{}", vector.name);
        }
    }

    #[test]
    fn the_three_names_are_one_function() {
        let parts: [&[u8]; 2] = [b"two", b"parts"];
        let secret = kdf::<64>(Usage::AuthMac, &parts);
        assert_eq!(secret.as_bytes(), &hwc::<64>(Usage::AuthMac, &parts));
        assert_eq!(secret.as_bytes(), &hcmac(Usage::AuthMac, &parts));
        let mut plain = [0; 64];
        shake256(&[b"OTRv4\x11twoparts"], &mut plain);
        assert_eq!(secret.as_bytes(), &plain);
    }

    #[test]
    fn usages_are_numbered_without_a_gap_as_in_the_text() {
        assert_eq!(Usage::Fingerprint as u8, 0x00);
        assert_eq!(Usage::TmpKey as u8, 0x0C);
        assert_eq!(Usage::RootKey as u8, 0x12);
        assert_eq!(Usage::Auth as u8, 0x1A);
    }
}
