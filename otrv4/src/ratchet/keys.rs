//! The keys of the Double Ratchet, one type each, and every derivation between them.
//! Spec: otrv4.md "Shared Secrets", "Deriving Double Ratchet Keys", "Calculating Encryption and MAC Keys".
//! Used by [`super`], by the key exchanges in [`crate::dake`] and by [`crate::v4`].

use chacha20::ChaCha20;
use chacha20::cipher::{KeyIvInit, StreamCipher};

use crate::crypto::kdf::{OTRV4, Usage, derive, hcmac, hwc, kdf};
use crate::crypto::mac::Mac;
use crate::crypto::secret::Secret;
use crate::wire::{Reader, WireError, Writer};

/// The mixed shared secret `K`: ECDH and brace key together.
#[derive(Debug)]
pub(crate) struct MixedSecret(Secret<64>);

/// A secret from the 3072-bit Diffie-Hellman, fresh every third ratchet and hashed on between.
#[derive(Debug)]
pub(crate) struct BraceKey(Secret<32>);

/// Where both chains of a ratchet come from.
#[derive(Debug)]
pub(crate) struct RootKey(Secret<64>);

/// The key of the next message of one ratchet, in one direction.
#[derive(Debug)]
pub(crate) struct ChainKey(Secret<64>);

/// `MKenc`: encrypts one message; 64 bytes, of which ChaCha20 takes the first 32.
#[derive(Debug)]
pub(crate) struct MessageKey(Secret<64>);

/// `extra_symm_key`: what the keys that a message gives to the applications come from.
#[derive(Debug)]
pub(crate) struct ExtraSymmKey(Secret<64>);

/// `MKmac`: authenticates one message, and is revealed once no message can be accepted under it.
#[derive(Debug)]
pub(crate) struct MacKey(Secret<64>);

impl MixedSecret {
    /// `K = KDF(usage_shared_secret || K_ecdh || brace_key, 64)`
    pub(crate) fn mix(k_ecdh: &Secret<57>, brace_key: &BraceKey) -> Self {
        Self(kdf(Usage::SharedSecret, &[k_ecdh.as_bytes(), brace_key.0.as_bytes()]))
    }

    /// `K = KDF(usage_shared_secret || tmp_k, 64)`, of the non-interactive DAKE.
    pub(crate) fn from_tmp_k(tmp_k: &Secret<64>) -> Self {
        Self(kdf(Usage::SharedSecret, &[tmp_k.as_bytes()]))
    }

    /// `HWC(usage_SSID || K, 8)`
    pub(crate) fn ssid(&self) -> [u8; 8] {
        hwc(Usage::Ssid, &[self.0.as_bytes()])
    }

    /// `prev_root_key = KDF(usage_first_root_key || K, 64)`, of the interactive DAKE.
    pub(crate) fn first_root_key(&self) -> RootKey {
        RootKey(kdf(Usage::FirstRootKey, &[self.0.as_bytes()]))
    }

    pub(crate) fn save(&self, w: &mut Writer) {
        w.bytes(self.0.as_bytes());
    }

    pub(crate) fn load(r: &mut Reader<'_>) -> Result<Self, WireError> {
        Ok(Self(Secret::copied(r.chunk("mixed secret")?)))
    }

    /// Root and first chain straight from K, of the non-interactive DAKE. spec-notes/SN-011
    pub(crate) fn offline_start(&self) -> (RootKey, ChainKey) {
        let k = self.0.as_bytes();
        (RootKey(kdf(Usage::RootKey, &[k])), ChainKey(kdf(Usage::ChainKey, &[k])))
    }
}

impl BraceKey {
    /// `KDF(usage_third_brace_key || k_dh, 32)`; `k_dh` is big-endian without leading zeros. spec-notes/SN-012
    pub(crate) fn fresh(k_dh: &[u8]) -> Self {
        Self(kdf(Usage::ThirdBraceKey, &[k_dh]))
    }

    /// `KDF(usage_brace_key || brace_key, 32)`
    pub(crate) fn next(&self) -> Self {
        Self(kdf(Usage::BraceKey, &[self.0.as_bytes()]))
    }

    /// The 32 bytes, for `tmp_k` of the non-interactive DAKE.
    pub(crate) fn as_bytes(&self) -> &[u8; 32] {
        self.0.as_bytes()
    }

    pub(crate) fn save(&self, w: &mut Writer) {
        w.bytes(self.0.as_bytes());
    }

    pub(crate) fn load(r: &mut Reader<'_>) -> Result<Self, WireError> {
        Ok(Self(Secret::copied(r.chunk("brace key")?)))
    }
}

impl RootKey {
    /// `curr_root_key = KDF(usage_root_key || prev_root_key || K, 64)` and
    /// `chain_key = KDF(usage_chain_key || prev_root_key || K, 64)`, both from the previous root. spec-notes/SN-010
    pub(crate) fn turn(&self, k: &MixedSecret) -> (RootKey, ChainKey) {
        let parts: [&[u8]; 2] = [self.0.as_bytes(), k.0.as_bytes()];
        (RootKey(kdf(Usage::RootKey, &parts)), ChainKey(kdf(Usage::ChainKey, &parts)))
    }

    pub(crate) fn save(&self, w: &mut Writer) {
        w.bytes(self.0.as_bytes());
    }

    pub(crate) fn load(r: &mut Reader<'_>) -> Result<Self, WireError> {
        Ok(Self(Secret::copied(r.chunk("root key")?)))
    }
}

impl ChainKey {
    /// The key in these bytes.
    pub(crate) fn of(secret: Secret<64>) -> Self {
        Self(secret)
    }

    /// `chain_key[j+1] = KDF(usage_next_chain_key || chain_key[j], 64)`
    pub(crate) fn next(&self) -> Self {
        Self(kdf(Usage::NextChainKey, &[self.0.as_bytes()]))
    }

    /// The chain key `steps` messages on, as a copy: the way to a message is walked before its MAC is known.
    pub(crate) fn advanced(&self, steps: u32) -> Self {
        (0..steps).fold(Self(Secret::copied(self.0.as_bytes())), |key, _| key.next())
    }

    /// The 64 bytes, for those who are to read and forge what is sealed from here on.
    pub(crate) fn disclose(&self) -> Secret<64> {
        Secret::copied(self.0.as_bytes())
    }

    /// `MKenc = KDF(usage_message_key || chain_key, 64)`
    pub(crate) fn message_key(&self) -> MessageKey {
        MessageKey(kdf(Usage::MessageKey, &[self.0.as_bytes()]))
    }

    /// `extra_symm_key = KDF(usage_extra_symm_key || 0xFF || chain_key, 64)`
    pub(crate) fn extra_symm_key(&self) -> ExtraSymmKey {
        ExtraSymmKey(kdf(Usage::ExtraSymmKey, &[&[0xFF], self.0.as_bytes()]))
    }

    pub(crate) fn save(&self, w: &mut Writer) {
        w.bytes(self.0.as_bytes());
    }

    pub(crate) fn load(r: &mut Reader<'_>) -> Result<Self, WireError> {
        Ok(Self(Secret::copied(r.chunk("chain key")?)))
    }
}

impl MessageKey {
    /// The key in these bytes.
    pub(crate) fn of(secret: Secret<64>) -> Self {
        Self(secret)
    }

    /// `MKmac = KDF(usage_MAC_key || MKenc, 64)`
    pub(crate) fn mac_key(&self) -> MacKey {
        MacKey(kdf(Usage::MacKey, &[self.0.as_bytes()]))
    }

    /// ChaCha20 (RFC 7539) in place, with a zero nonce: safe only because `self` is spent here.
    pub(crate) fn encipher(self, text: &mut [u8]) {
        self.decipher(text);
    }

    /// The inverse. Borrows, since the key of a message that is refused after all must stay.
    pub(crate) fn decipher(&self, text: &mut [u8]) {
        let (key, _) = self.0.as_bytes().split_at(32);
        let mut cipher = ChaCha20::new_from_slices(key, &[0; 12]).expect("32 and 12 bytes");
        cipher.apply_keystream(text);
    }

    /// The key as a plain secret, which is to be shown.
    pub(crate) fn into_secret(self) -> Secret<64> {
        self.0
    }

    pub(crate) fn save(&self, w: &mut Writer) {
        w.bytes(self.0.as_bytes());
    }

    pub(crate) fn load(r: &mut Reader<'_>) -> Result<Self, WireError> {
        Ok(Self(Secret::copied(r.chunk("message key")?)))
    }
}

impl ExtraSymmKey {
    /// `KDF(index || context || extra_symm_key, 64)`: the key of a TLV, and the one that the next TLV's comes from.
    /// spec-notes/SN-022
    pub(crate) fn derive(&self, index: u8, context: [u8; 4]) -> Self {
        Self(Secret::filled(|out| derive(OTRV4, index, &[&context, self.0.as_bytes()], out)))
    }

    /// The 64 bytes, for an application.
    pub(crate) fn as_bytes(&self) -> &[u8; 64] {
        self.0.as_bytes()
    }

    /// A copy, since the stored one stays until its message has been accepted.
    pub(crate) fn copied(&self) -> Self {
        Self(Secret::copied(self.0.as_bytes()))
    }

    pub(crate) fn save(&self, w: &mut Writer) {
        w.bytes(self.0.as_bytes());
    }

    pub(crate) fn load(r: &mut Reader<'_>) -> Result<Self, WireError> {
        Ok(Self(Secret::copied(r.chunk("extra symmetric key")?)))
    }
}

impl MacKey {
    /// The key in these bytes.
    pub(crate) fn of(secret: Secret<64>) -> Self {
        Self(secret)
    }

    /// `Authenticator = HCMAC(usage_authenticator || MKmac || data_message_sections, 64)`
    pub(crate) fn authenticate(&self, sections: &[u8]) -> Mac<64> {
        Mac::new(hcmac(Usage::Authenticator, &[self.0.as_bytes(), sections]))
    }

    /// Whether the authenticator is the right one.
    pub(crate) fn verify(&self, sections: &[u8], authenticator: &Mac<64>) -> bool {
        self.authenticate(sections).matches(authenticator)
    }

    /// The 64 bytes, to be published.
    pub(crate) fn reveal(&self) -> &[u8; 64] {
        self.0.as_bytes()
    }

    /// The key as a plain secret, which is to be shown.
    pub(crate) fn into_secret(self) -> Secret<64> {
        self.0
    }

    pub(crate) fn save(&self, w: &mut Writer) {
        w.bytes(self.0.as_bytes());
    }

    pub(crate) fn load(r: &mut Reader<'_>) -> Result<Self, WireError> {
        Ok(Self(Secret::copied(r.chunk("MAC key")?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vectors::{array, bytes, of_kind};

    #[test]
    fn mixed_secrets_are_those_of_the_vectors() {
        for v in of_kind("mixed") {
            let brace = BraceKey::fresh(&bytes(&v.inputs["k_dh"]));
            assert_eq!(brace.as_bytes(), &array(&v.outputs["brace_key"]), "{}", v.name);
            let k = MixedSecret::mix(&Secret::copied(&array(&v.inputs["K_ecdh"])), &brace);
            assert_eq!(k.0.as_bytes(), &array(&v.outputs["K"]), "{}", v.name);
            assert_eq!(k.ssid(), array(&v.outputs["SSID"]), "{}", v.name);
            assert_eq!(k.first_root_key().0.as_bytes(), &array(&v.outputs["first_root_key"]), "{}", v.name);
        }
    }

    #[test]
    fn ratchet_steps_are_those_of_the_vectors() {
        for v in of_kind("ratchet_step") {
            let root = RootKey(Secret::copied(&array(&v.inputs["prev_root_key"])));
            let brace = match v.inputs["k_dh"].is_null() {
                true => BraceKey(Secret::copied(&array(&v.inputs["prev_brace_key"]))).next(),
                false => BraceKey::fresh(&bytes(&v.inputs["k_dh"])),
            };
            assert_eq!(brace.as_bytes(), &array(&v.outputs["brace_key"]), "{}", v.name);
            let k = MixedSecret::mix(&Secret::copied(&array(&v.inputs["K_ecdh"])), &brace);
            assert_eq!(k.0.as_bytes(), &array(&v.outputs["K"]), "{}", v.name);
            let (root, chain) = root.turn(&k);
            assert_eq!(root.0.as_bytes(), &array(&v.outputs["root_key"]), "{}", v.name);
            assert_eq!(chain.0.as_bytes(), &array(&v.outputs["chain_key"]), "{}", v.name);
        }
    }

    #[test]
    fn chain_steps_are_those_of_the_vectors() {
        for v in of_kind("chain_step") {
            let chain = ChainKey(Secret::copied(&array(&v.inputs["chain_key"])));
            let key = chain.message_key();
            assert_eq!(key.0.as_bytes(), &array(&v.outputs["MKenc"]), "{}", v.name);
            assert_eq!(key.mac_key().reveal(), &array(&v.outputs["MKmac"]), "{}", v.name);
            assert_eq!(chain.next().0.as_bytes(), &array(&v.outputs["next_chain_key"]), "{}", v.name);
        }
    }

    #[test]
    fn walking_a_chain_is_stepping_it() {
        let chain = ChainKey(Secret::copied(&[7; 64]));
        assert!(chain.advanced(0).0.ct_eq(&chain.0));
        assert!(chain.advanced(3).0.ct_eq(&chain.next().next().next().0));
    }
}
