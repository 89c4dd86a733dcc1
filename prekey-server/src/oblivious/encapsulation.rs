//! One request and its response under HPKE: RFC 9458, sections 4.3 and 4.4, as they stand there.

use super::keys::{GatewayKey, KeyConfig};
use aes_gcm::aead::Aead as _;
use aes_gcm::{Aes128Gcm, KeyInit};
use hkdf::Hkdf;
use hpke::aead::AesGcm128;
use hpke::kdf::HkdfSha256;
use hpke::kem::X25519HkdfSha256;
use hpke::{Deserializable, OpModeR, OpModeS, Serializable, setup_receiver, setup_sender_with_rng};
use rand_core::CryptoRng;
use sha2::Sha256;
use std::fmt;
use zeroize::Zeroizing;

pub(super) type Kem = X25519HkdfSha256;

const REQUEST: &[u8] = b"message/bhttp request\0";
const RESPONSE: &[u8] = b"message/bhttp response";

/// The client's ephemeral key in a request: another one in each, so it names the request.
pub(super) type Enc = [u8; 32];

/// `max(Nn, Nk)` of AES-128-GCM: of the exported secret, and of the nonce before a response.
const NONCE: usize = 16;

/// The request was not made for this key, or not by this protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NotForUs;

impl KeyConfig {
    /// `enc_request = hdr ‖ enc ‖ ct`, and what opens its response. `None` if the server's key is a point of small order,
    /// with which everybody could read along.
    pub(super) fn encapsulate(
        &self,
        request: &[u8],
        rng: &mut impl CryptoRng,
    ) -> Option<(Vec<u8>, ResponseKey)> {
        let header = self.header();
        let (enc, mut context) = setup_sender_with_rng::<AesGcm128, HkdfSha256, Kem>(
            &OpModeS::Base,
            &self.public,
            &[REQUEST, &header].concat(),
            rng,
        )
        .ok()?;
        let enc: Enc = enc.to_bytes().into();
        let ciphertext = context.seal(request, &[]).expect("the first message of its context");
        let key = ResponseKey::export(enc, |secret| context.export(RESPONSE, secret));
        Some(([&header[..], &enc, &ciphertext].concat(), key))
    }
}

impl GatewayKey {
    /// The request, and what seals its response.
    pub(super) fn decapsulate(&self, enc_request: &[u8]) -> Result<(Vec<u8>, ResponseKey), NotForUs> {
        let header = self.config.header();
        let rest = enc_request.strip_prefix(&header).ok_or(NotForUs)?;
        let (enc, ciphertext) = rest.split_first_chunk().ok_or(NotForUs)?;
        let encapped = Deserializable::from_bytes(enc).map_err(|_| NotForUs)?;
        let info = [REQUEST, &header].concat();
        let mut context =
            setup_receiver::<AesGcm128, HkdfSha256, Kem>(&OpModeR::Base, &self.secret, &encapped, &info)
                .map_err(|_| NotForUs)?;
        let request = context.open(ciphertext, &[]).map_err(|_| NotForUs)?;
        Ok((request, ResponseKey::export(*enc, |secret| context.export(RESPONSE, secret))))
    }
}

/// Seals one response, and opens it; consumed by either.
pub(super) struct ResponseKey {
    enc: Enc,
    secret: Zeroizing<[u8; NONCE]>,
}

impl ResponseKey {
    fn export(enc: Enc, export: impl FnOnce(&mut [u8]) -> Result<(), hpke::HpkeError>) -> Self {
        let mut secret = Zeroizing::new([0; NONCE]);
        export(secret.as_mut_slice()).expect("sixteen bytes can be had");
        Self { enc, secret }
    }

    /// Of the request that this answers.
    pub(super) const fn enc(&self) -> &Enc {
        &self.enc
    }

    /// `enc_response = response_nonce ‖ ct`
    pub(super) fn seal(self, response: &[u8], rng: &mut impl CryptoRng) -> Vec<u8> {
        let mut nonce = [0; NONCE];
        rng.fill_bytes(&mut nonce);
        self.seal_with(response, nonce)
    }

    fn seal_with(self, response: &[u8], response_nonce: [u8; NONCE]) -> Vec<u8> {
        let (cipher, nonce) = self.cipher(&response_nonce);
        let ciphertext = cipher.encrypt(&nonce.into(), response).expect("a MiB can be sealed");
        [&response_nonce[..], &ciphertext].concat()
    }

    /// `None` for what the server did not seal as the response to this request.
    pub(super) fn open(self, enc_response: &[u8]) -> Option<Vec<u8>> {
        let (response_nonce, ciphertext) = enc_response.split_first_chunk()?;
        let (cipher, nonce) = self.cipher(response_nonce);
        cipher.decrypt(&nonce.into(), ciphertext).ok()
    }

    /// `salt = enc ‖ response_nonce, prk = Extract(salt, secret), aead_key = Expand(prk, "key", Nk),
    /// aead_nonce = Expand(prk, "nonce", Nn)`
    fn cipher(&self, response_nonce: &[u8; NONCE]) -> (Aes128Gcm, [u8; 12]) {
        let salt = [&self.enc[..], response_nonce].concat();
        let prk = Hkdf::<Sha256>::new(Some(&salt), self.secret.as_slice());
        let (mut key, mut nonce) = (Zeroizing::new([0; 16]), [0; 12]);
        prk.expand(b"key", key.as_mut_slice()).expect("16 bytes can be had");
        prk.expand(b"nonce", &mut nonce).expect("12 bytes can be had");
        (Aes128Gcm::new((&*key).into()), nonce)
    }
}

impl fmt::Debug for ResponseKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { enc: _, secret: _ } = self;
        f.write_str("ResponseKey(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::system::rng;
    use hpke::Kem as _;
    use otrv4::prekey_server::ServerIdentity;

    fn bytes(hex: &str) -> Vec<u8> {
        hex::decode(hex).expect("hex")
    }

    /// The server of RFC 9458, appendix A.
    fn example() -> GatewayKey {
        let secret = bytes("3c168975674b2fa8e465970b79c8dcf09f1c741626480bd4c6162fc5b6a98e1a");
        let secret = <Kem as hpke::Kem>::PrivateKey::from_bytes(&secret).expect("a key");
        let config = KeyConfig { id: 1, public: Kem::sk_to_pk(&secret) };
        GatewayKey { secret, config }
    }

    const EXAMPLE_REQUEST: &str = "010020000100014b28f881333e7c164ffc499ad9796f877f4e1051ee6d31bad19dec96c208b472\
        6374e469135906992e1268c594d2a10c695d858c40a026e7965e7d86b83dd440b2c0185204b4d63525";

    const EXAMPLE_RESPONSE: &str = "c789e7151fcba46158ca84b04464910d86f9013e404feea014e7be4a441f234f857fbd";

    #[test]
    fn the_example_of_the_rfc_is_opened_and_answered_as_there() {
        let gateway = example();
        let public = "31e1f05a740102115220e9af918f738674aec95f54db6e04eb705aae8e798155";
        assert_eq!(hex::encode(gateway.config.public.to_bytes()), public);
        let (request, key) = gateway.decapsulate(&bytes(EXAMPLE_REQUEST)).expect("for this key");
        assert_eq!(hex::encode(request), "00034745540568747470730b6578616d706c652e636f6d012f");
        assert_eq!(hex::encode(key.secret.as_slice()), "62d87a6ba569ee81014c2641f52bea36");
        let nonce = bytes("c789e7151fcba46158ca84b04464910d").try_into().expect("16 bytes");
        assert_eq!(hex::encode(key.seal_with(&bytes("0140c8"), nonce)), EXAMPLE_RESPONSE);
    }

    #[test]
    fn the_response_of_the_rfc_is_opened_with_what_its_client_has() {
        let enc = bytes("4b28f881333e7c164ffc499ad9796f877f4e1051ee6d31bad19dec96c208b472");
        let secret = bytes("62d87a6ba569ee81014c2641f52bea36").try_into().expect("16 bytes");
        let key =
            || ResponseKey { enc: enc.clone().try_into().expect("32 bytes"), secret: Zeroizing::new(secret) };
        assert_eq!(key().open(&bytes(EXAMPLE_RESPONSE)), Some(bytes("0140c8")));
        assert_eq!(key().open(&bytes("0140c8")), None);
    }

    #[test]
    fn a_request_changed_cut_or_for_another_key_is_not_opened() {
        let gateway = example();
        let good = bytes(EXAMPLE_REQUEST);
        for length in 0..good.len() {
            assert!(gateway.decapsulate(&good[..length]).is_err(), "{length} bytes");
            let mut changed = good.clone();
            changed[length] ^= 0x80;
            assert!(gateway.decapsulate(&changed).is_err(), "byte {length}");
        }
        assert!(gateway.decapsulate(&[&good[..], &[0]].concat()).is_err());
        let other = GatewayKey::of(&ServerIdentity::generate("prekey.example.org", &mut rng()));
        assert_eq!(other.decapsulate(&good).err(), Some(NotForUs));
    }

    #[test]
    fn nothing_is_encrypted_to_a_point_of_small_order() {
        let public = Deserializable::from_bytes(&[0; 32]).expect("32 bytes");
        assert!(KeyConfig { id: 1, public }.encapsulate(b"who?", &mut rng()).is_none());
    }

    #[test]
    fn an_exchange_goes_both_ways_and_the_response_fits_its_request_alone() {
        let gateway = example();
        let (first, awaits) = gateway.config.encapsulate(b"who?", &mut rng()).expect("a good key");
        let (second, other) = gateway.config.encapsulate(b"who?", &mut rng()).expect("a good key");
        assert_ne!(first, second);
        let (request, key) = gateway.decapsulate(&first).expect("ours");
        assert_eq!(request, b"who?");
        assert_eq!(key.enc()[..], first[7..39]);
        let response = key.seal(b"nobody", &mut rng());
        assert_eq!(other.open(&response), None);
        let mut changed = response.clone();
        changed[20] ^= 1;
        let (_, again) = gateway.decapsulate(&first).expect("ours");
        assert_eq!(again.open(&changed), None);
        assert_eq!(awaits.open(&response).as_deref(), Some(&b"nobody"[..]));
    }
}
