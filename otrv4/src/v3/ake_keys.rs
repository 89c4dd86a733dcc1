//! The seven values that the key exchange takes from its shared secret, and the two signatures that are sealed with them.
//! Spec: OTRv3 "Computing AES keys, MAC keys, and the secure session id", "Reveal Signature Message", "Signature Message".
//! Used by [`super::ake`] and by the forging tools.

use super::messages::SealedSignature;
use crate::Reject;
use crate::crypto::dh1536::Dh1536Public;
use crate::crypto::dsa::DsaPublic;
use crate::crypto::legacy::{aes128_ctr, hmac_sha256, sha256_secret};
use crate::crypto::mac::Mac;
use crate::crypto::secret::Secret;
use crate::keys::FingerprintV3;
use crate::wire::{Reader, WireError, Writer};

/// What both sides derive from `s`.
#[derive(Debug)]
pub(crate) struct AkeKeys {
    /// "The first 64 bits of h2(0x00)".
    pub(crate) ssid: [u8; 8],
    /// `c`, `m1` and `m2`: of the Reveal Signature message.
    pub(super) reveal_signature: SignatureKeys,
    /// `c'`, `m1'` and `m2'`: of the Signature message.
    pub(super) signature: SignatureKeys,
}

/// The keys of one of the two messages.
#[derive(Debug)]
pub(super) struct SignatureKeys {
    c: Secret<16>,
    m1: Secret<32>,
    m2: Secret<32>,
}

/// Whose signature it is that was opened, and the number of the DH key that goes with it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Signer {
    pub(super) fingerprint: FingerprintV3,
    /// From 1 to 2^32 - 2, so that there is a next one.
    pub(super) keyid: u32,
}

impl AkeKeys {
    /// From the MPI of the shared secret: `h2(b) = SHA-256(b ‖ secbytes)`.
    pub(crate) fn derive(secbytes: &[u8]) -> Self {
        let h2 = |b: u8| sha256_secret(&[&[b], secbytes]);
        let both = h2(0x01);
        let half = |half: Option<&[u8; 16]>| Secret::copied(half.expect("32 bytes"));
        let (c, c_prime) = (half(both.as_bytes().first_chunk()), half(both.as_bytes().last_chunk()));
        Self {
            ssid: *h2(0x00).as_bytes().first_chunk().expect("32 bytes"),
            reveal_signature: SignatureKeys { c, m1: h2(0x02), m2: h2(0x03) },
            signature: SignatureKeys { c: c_prime, m1: h2(0x04), m2: h2(0x05) },
        }
    }
}

impl SignatureKeys {
    /// Our long-term key, our DH key and its number, signed, encrypted and authenticated.
    pub(super) fn seal(
        &self,
        (ours, theirs): (&Dh1536Public, &Dh1536Public),
        public: &DsaPublic,
        sign: impl FnOnce(&[u8; 32]) -> [u8; 40],
    ) -> SealedSignature {
        // X = PUBKEY ‖ keyid ‖ SIG(M)
        let mut x = Writer::new();
        public.write(&mut x);
        let m = self.m((ours, theirs), x.as_slice(), OUR_KEYID);
        x.int(OUR_KEYID).bytes(&sign(&m));
        self.encrypt(x.finish())
    }

    /// Whose it is, after everything has been checked: the MAC, then what was encrypted, then the signature. `theirs`
    /// is the DH key of the one who signed.
    pub(super) fn open(
        &self,
        sealed: &SealedSignature,
        (theirs, ours): (&Dh1536Public, &Dh1536Public),
    ) -> Result<Signer, Reject> {
        if !self.mac(&sealed.encrypted).matches(&sealed.mac) {
            return Err(Reject::Forged);
        }
        let mut x = sealed.encrypted.clone();
        aes128_ctr(self.c.as_bytes(), [0; 8], &mut x);
        let mut r = Reader::new(&x);
        let public = DsaPublic::read(&mut r)?;
        let pubkey = r.since(0);
        let keyid = r.int("keyid")?;
        let signature = r.array("signature")?;
        r.end()?;
        if keyid == 0 || keyid == u32::MAX {
            return Err(WireError::Illegal("keyid").into());
        }
        match public.verify(&self.m((theirs, ours), pubkey, keyid), &signature) {
            true => Ok(Signer { fingerprint: public.fingerprint(), keyid }),
            false => Err(Reject::Forged),
        }
    }

    /// "Encrypted signature" and "MAC'd signature" of X.
    fn encrypt(&self, mut x: Vec<u8>) -> SealedSignature {
        aes128_ctr(self.c.as_bytes(), [0; 8], &mut x);
        let mac = self.mac(&x);
        SealedSignature { encrypted: x, mac }
    }

    /// `M = HMAC-SHA256(m1, g^signer ‖ g^other ‖ PUBKEY ‖ keyid)`
    fn m(&self, (signer, other): (&Dh1536Public, &Dh1536Public), pubkey: &[u8], keyid: u32) -> [u8; 32] {
        let mut w = Writer::new();
        signer.write(&mut w);
        other.write(&mut w);
        w.bytes(pubkey).int(keyid);
        hmac_sha256(self.m1.as_bytes(), &[w.as_slice()])
    }

    /// "The first 160 bits of the SHA256-HMAC of the encrypted signature field (including the four-byte length)".
    fn mac(&self, encrypted: &[u8]) -> Mac<20> {
        let mut w = Writer::new();
        w.data(encrypted);
        Mac::new(*hmac_sha256(self.m2.as_bytes(), &[w.as_slice()]).first_chunk().expect("32 bytes"))
    }
}

/// The number of our key in every key exchange, since each has a fresh one. spec-notes/SN-040
const OUR_KEYID: u32 = 1;

#[cfg(test)]
mod tests {
    use super::super::vectors::sessions;
    use super::*;
    use crate::crypto::dh1536::Dh1536KeyPair;
    use crate::crypto::dsa::DsaKey;
    use crate::vectors::{array, bytes, rng, v3_file};

    #[test]
    fn keys_of_recorded_exchanges_are_derived() {
        for session in sessions() {
            let recorded = session.only("dh_key");
            let keys = AkeKeys::derive(&bytes(&recorded["s_secbytes"]));
            assert_eq!(keys.ssid, array(&recorded["ssid"]), "{}", session.name);
            let of = |keys: &SignatureKeys, [c, m1, m2]: [&str; 3]| {
                assert_eq!(keys.c.as_bytes(), &array(&recorded[c]), "{}", session.name);
                assert_eq!(keys.m1.as_bytes(), &array(&recorded[m1]), "{}", session.name);
                assert_eq!(keys.m2.as_bytes(), &array(&recorded[m2]), "{}", session.name);
            };
            of(&keys.reveal_signature, ["c", "m1", "m2"]);
            of(&keys.signature, ["cp", "m1p", "m2p"]);
            for (kind, keys) in [("reveal_sig", &keys.reveal_signature), ("signature", &keys.signature)] {
                let sealed = session.only(kind);
                let mut x = bytes(&sealed["enc"]);
                aes128_ctr(keys.c.as_bytes(), [0; 8], &mut x);
                assert_eq!(x, bytes(&sealed["X"]), "{}", session.name);
                assert!(x.ends_with(&bytes(&sealed["dsa_sig"])), "{}", session.name);
            }
        }
    }

    struct Signing {
        keys: SignatureKeys,
        signer: Dh1536Public,
        other: Dh1536Public,
        long_term: DsaKey,
    }

    impl Signing {
        fn new() -> Self {
            let keys = || Dh1536KeyPair::generate(&mut rng()).public().clone();
            let key = &v3_file()["keys"]["A"];
            let part = |name: &str| bytes(&key[name]);
            let long_term = DsaKey::from_parts(&part("p"), &part("q"), &part("g"), &part("y"), &part("x"));
            let AkeKeys { signature, .. } = AkeKeys::derive(b"secbytes");
            Self { keys: signature, signer: keys(), other: keys(), long_term: long_term.expect("a key") }
        }

        /// X with a valid signature of that number.
        fn x(&self, keyid: u32) -> Writer {
            let mut x = Writer::new();
            self.long_term.public().write(&mut x);
            let m = self.keys.m((&self.signer, &self.other), x.as_slice(), keyid);
            x.int(keyid).bytes(&self.long_term.sign(&m, &mut rng()));
            x
        }

        /// What the other side makes of an X that is encrypted and authenticated as it should be.
        fn open(&self, x: Writer) -> Result<Signer, Reject> {
            self.keys.open(&self.keys.encrypt(x.finish()), (&self.signer, &self.other))
        }
    }

    #[test]
    fn a_number_of_a_key_is_taken_that_is_above_zero_and_has_a_next_one() {
        let signing = Signing::new();
        let fingerprint = signing.long_term.public().fingerprint();
        for keyid in [1, 2, 0x8000_0000, u32::MAX - 1] {
            assert_eq!(signing.open(signing.x(keyid)), Ok(Signer { fingerprint, keyid }));
        }
        for keyid in [0, u32::MAX] {
            assert_eq!(signing.open(signing.x(keyid)), Err(WireError::Illegal("keyid").into()));
        }
    }

    #[test]
    fn what_is_authenticated_but_not_signed_for_this_exchange_is_refused() {
        let signing = Signing::new();
        let whole = signing.x(1).finish();
        let open = |x: &[u8]| {
            let mut w = Writer::new();
            w.bytes(x);
            signing.open(w)
        };
        assert!(open(&whole).is_ok());
        for length in 0..whole.len() {
            assert!(matches!(open(&whole[..length]), Err(Reject::Wire(_))), "{length}");
        }
        assert_eq!(open(&[whole.as_slice(), &[0]].concat()), Err(WireError::Trailing.into()));
        // The keyid and the signature stand at the end.
        for at in whole.len() - 44..whole.len() {
            let mut changed = whole.clone();
            changed[at] ^= 1;
            assert!(open(&changed).is_err(), "byte {at}");
        }
        // The keys the other way round, as of the other side of the same exchange.
        let sealed = signing.keys.encrypt(whole);
        let swapped = signing.keys.open(&sealed, (&signing.other, &signing.signer));
        assert_eq!(swapped, Err(Reject::Forged));
        // The keys of the other message.
        let AkeKeys { reveal_signature, .. } = AkeKeys::derive(b"secbytes");
        let other = reveal_signature.open(&sealed, (&signing.signer, &signing.other));
        assert_eq!(other, Err(Reject::Forged));
    }
}
