//! DSA key pairs and what they sign.
//! Used by the AKE of versions 2 and 3, by the account, and by the Client Profile's transitional signature.

use core::fmt;

use crypto_bigint::modular::FixedMontyForm;
use crypto_bigint::{U192, U320, U1024};
use crypto_primes::{Flavor, is_prime};
use rand_core::CryptoRng;
use zeroize::Zeroizing;

use super::{DsaPublic, widened};
use crate::crypto::kdf::shake256;
use crate::crypto::secret::Secret;
use crate::wire::{Reader, WireError, Writer};

/// The long-term key of versions 2 and 3: DSA, with p of 1024 bits and q of 160.
pub struct DsaKey {
    public: DsaPublic,
    /// x, big-endian; above 0 and below q.
    x: Secret<20>,
}

/// The numbers of a [`DsaKey`], big-endian without leading zeros, as other programs keep them.
pub struct DsaParts {
    /// The prime modulus.
    pub p: Vec<u8>,
    /// The prime order of g.
    pub q: Vec<u8>,
    /// The generator.
    pub g: Vec<u8>,
    /// The public key, `g ^ x mod p`.
    pub y: Vec<u8>,
    /// The secret key.
    pub x: Zeroizing<Vec<u8>>,
}

impl DsaKey {
    /// The key of these numbers, big-endian, leading zeros allowed. Refused are numbers that make no key: q has to be a
    /// prime of 160 bits that divides p - 1, p of 1024 bits at the most, g of order q, 0 < x < q and `y = g ^ x mod p`.
    pub fn from_parts(p: &[u8], q: &[u8], g: &[u8], y: &[u8], x: &[u8]) -> Result<Self, WireError> {
        let mut w = Writer::new();
        w.short(0).mpi(p).mpi(q).mpi(g).mpi(y);
        let public = DsaPublic::read(&mut Reader::new(w.as_slice()))?;
        let (zeros, low) = x.split_at(x.len().saturating_sub(20));
        if zeros.iter().any(|byte| *byte != 0) {
            return Err(ILLEGAL);
        }
        let x = Zeroizing::new(widened::<20>(low)?);
        Self::checked(public, Secret::copied(&x))
    }

    /// The numbers, for other programs.
    pub fn parts(&self) -> DsaParts {
        let [p, q, g, y] = self.public.numbers();
        // Allocated once: a list that grows would leave copies behind.
        let x = self.x.as_bytes();
        let zeros = x.iter().take_while(|byte| **byte == 0).count();
        let x = Zeroizing::new(x.get(zeros..).unwrap_or_default().to_vec());
        DsaParts { p, q, g, y, x }
    }

    fn checked(public: DsaPublic, x: Secret<20>) -> Result<Self, WireError> {
        let DsaPublic { p, q, g, y, .. } = &public;
        let order = p.modulus().wrapping_sub(&U1024::ONE);
        let divides = order.rem_vartime(q.as_nz_ref()) == U192::ZERO;
        let generates = FixedMontyForm::new(g, p).pow_vartime(q.as_ref()).retrieve() == U1024::ONE;
        if q.bit_width_vartime() != 160 || !is_prime(Flavor::Any, q.as_ref()) || !divides || !generates {
            return Err(ILLEGAL);
        }
        let number = Zeroizing::new(public.below_q(x.as_bytes()).ok_or(ILLEGAL)?);
        if public.power_of_g(&number) == *y { Ok(Self { public, x }) } else { Err(ILLEGAL) }
    }

    /// The public half.
    pub(crate) const fn public(&self) -> &DsaPublic {
        &self.public
    }

    /// Signs the message as a number modulo q, without a hash: (r, s), 20 bytes each. Constant time but for the length of
    /// the message. Draws 28 bytes, as many times as the nonce is none, which is never.
    pub(crate) fn sign(&self, message: &[u8], rng: &mut dyn CryptoRng) -> [u8; 40] {
        loop {
            if let Some(signature) = self.sign_with(message, &self.nonce(message, rng)) {
                return signature;
            }
        }
    }

    /// Of 28 random bytes, the secret key and the message, so that a generator that repeats itself gives no nonce for two
    /// messages; 320 bits of hash, so that each number modulo q is as likely as any other, but for a part in 2^160.
    fn nonce(&self, message: &[u8], rng: &mut dyn CryptoRng) -> Zeroizing<U192> {
        let random = Secret::<28>::random(rng);
        let hash = Secret::<40>::filled(|hash| {
            shake256(&[b"OTR DSA nonce", self.x.as_bytes(), random.as_bytes(), message], hash);
        });
        let wide = Zeroizing::new(U320::from_be_slice(hash.as_bytes()));
        Zeroizing::new(wide.rem_vartime(self.public.q.as_nz_ref()))
    }

    /// `r = (g ^ k mod p) mod q`, `s = (m + x * r) / k mod q`; none if one of the three is zero. The `_vartime` in the
    /// names is about the modulus.
    fn sign_with(&self, message: &[u8], k: &U192) -> Option<[u8; 40]> {
        let q = self.public.q.as_nz_ref();
        let inverse = Zeroizing::new(k.invert_odd_mod(&self.public.q).into_option()?);
        let r = self.public.power_of_g(k).rem_vartime(q);
        let x = Zeroizing::new(U192::from_be_slice(&*Zeroizing::new(widened::<24>(self.x.as_bytes()).ok()?)));
        let sum = Zeroizing::new(x.mul_mod_vartime(&r, q).add_mod(&self.public.reduced(message), q));
        let s = sum.mul_mod_vartime(&inverse, q);
        if r == U192::ZERO || s == U192::ZERO {
            return None;
        }
        let mut w = Writer::new();
        for number in [r, s] {
            let [_, _, _, _, low @ ..] = <[u8; 24]>::from(number.to_be_bytes());
            w.bytes(&low);
        }
        w.as_slice().try_into().ok()
    }

    /// The signature with this nonce.
    #[cfg(test)]
    pub(crate) fn sign_with_nonce(&self, message: &[u8], k: &[u8; 20]) -> [u8; 40] {
        let k = self.public.below_q(k).expect("a nonce");
        self.sign_with(message, &k).expect("a nonce that is not recorded to fail")
    }

    /// PUBKEY, and x in 20 bytes, secret.
    pub(crate) fn save(&self, w: &mut Writer) {
        self.public.write(w);
        w.bytes(self.x.as_bytes());
    }

    pub(crate) fn load(r: &mut Reader<'_>) -> Result<Self, WireError> {
        let public = DsaPublic::read(r)?;
        Self::checked(public, Secret::copied(r.chunk("DSA x")?))
    }
}

impl fmt::Debug for DsaKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { public, x: _ } = self;
        write!(f, "DsaKey({public:?})")
    }
}

impl fmt::Debug for DsaParts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { p: _, q: _, g: _, y: _, x: _ } = self;
        write!(f, "DsaParts(..)")
    }
}

const ILLEGAL: WireError = WireError::Illegal("DSA key");

#[cfg(test)]
mod tests {
    use crypto_bigint::modular::FixedMontyParams;
    use crypto_bigint::{NonZero, Odd};
    use serde_json::Value;

    use super::*;
    use crate::vectors::{Recorded, array, bytes, rng, v3_file};

    /// Alice's numbers p, q, g, y, x.
    fn recorded() -> [Vec<u8>; 5] {
        let keys = v3_file();
        ["p", "q", "g", "y", "x"].map(|name| bytes(&keys["keys"]["A"][name]))
    }

    fn of([p, q, g, y, x]: &[Vec<u8>; 5]) -> Result<DsaKey, WireError> {
        DsaKey::from_parts(p, q, g, y, x)
    }

    fn key_of(recorded: &Value) -> DsaKey {
        let [p, q, g, y, x] = ["p", "q", "g", "y", "x"].map(|name| bytes(&recorded[name]));
        DsaKey::from_parts(&p, &q, &g, &y, &x).unwrap()
    }

    #[test]
    fn recorded_signatures_are_made_byte_for_byte() {
        let file = v3_file();
        for version in ["v3", "v2"] {
            for message in &file["sessions"][version]["messages"].as_array().unwrap()[3..5] {
                let key = key_of(&file["keys"][message["from"].as_str().unwrap()]);
                assert!(bytes(&message["X"]).starts_with(key.public().bytes()));
                let signature = key.sign_with_nonce(&bytes(&message["M"]), &array(&message["dsa_k"]));
                assert_eq!(hex::encode(signature), message["dsa_sig"].as_str().unwrap());
            }
        }
    }

    #[test]
    fn recorded_keys_have_their_pubkey() {
        let file = v3_file();
        for name in ["A", "B"] {
            let recorded = &file["keys"][name];
            assert_eq!(key_of(recorded).public().bytes(), bytes(&recorded["pubkey_serialized"]));
        }
    }

    #[test]
    fn what_is_signed_verifies_and_nothing_else_does() {
        let key = of(&recorded()).unwrap();
        for message in [&b""[..], b"m", &[0xff; 32], &[7; 500]] {
            let signature = key.sign(message, &mut rng());
            assert!(key.public().verify(message, &signature));
            assert!(!key.public().verify(b"other", &signature));
        }
    }

    #[test]
    fn a_nonce_is_one_draw_and_hangs_on_message_and_key() {
        let file = v3_file();
        let (alice, bob) = (key_of(&file["keys"]["A"]), key_of(&file["keys"]["B"]));
        let nonce = |key: &DsaKey, message: &[u8], byte| {
            let mut rng = Recorded([vec![byte; 28]].into());
            let k = key.nonce(message, &mut rng);
            assert!(rng.0.is_empty());
            *k
        };
        let all =
            [nonce(&alice, b"m", 1), nonce(&alice, b"n", 1), nonce(&alice, b"m", 2), nonce(&bob, b"m", 1)];
        for (n, k) in all.iter().enumerate() {
            assert!(!all[..n].contains(k), "{n}");
            assert!(*k < U192::ONE.shl_vartime(160));
        }
        assert_eq!(all[0], nonce(&alice, b"m", 1));
    }

    #[test]
    fn no_signature_has_a_zero_in_it() {
        let key = of(&recorded()).unwrap();
        assert_eq!(key.sign_with(b"m", &U192::ZERO), None);
        // s = 0 for m = -x * r.
        let k = U192::from_u8(7);
        let q = key.public.q.as_nz_ref();
        let r = key.public.power_of_g(&k).rem_vartime(q);
        let x = U192::from_be_slice(&widened::<24>(key.x.as_bytes()).unwrap());
        let message = x.mul_mod_vartime(&r, q).neg_mod(q).to_be_bytes();
        assert_eq!(key.sign_with(message.as_ref(), &k), None);
        assert!(key.sign_with(b"m", &k).is_some());
    }

    #[test]
    fn numbers_come_out_as_they_went_in() {
        let [p, q, g, y, x] = recorded();
        let zeros = |number: &[u8]| [&[0; 200], number].concat();
        let key = DsaKey::from_parts(&zeros(&p), &zeros(&q), &zeros(&g), &zeros(&y), &zeros(&x)).unwrap();
        let parts = key.parts();
        assert_eq!([parts.p, parts.q, parts.g, parts.y, parts.x.to_vec()], [p, q, g, y, x]);
    }

    #[test]
    fn a_key_is_loaded_as_it_was_saved() {
        let key = of(&recorded()).unwrap();
        let mut w = Writer::new();
        key.save(&mut w);
        let mut r = Reader::new(w.as_slice());
        let loaded = DsaKey::load(&mut r).unwrap();
        assert_eq!(r.end(), Ok(()));
        assert_eq!(loaded.public().bytes(), key.public().bytes());
        assert!(loaded.x.ct_eq(&key.x));
        let short = &w.as_slice()[..w.as_slice().len() - 1];
        assert_eq!(DsaKey::load(&mut Reader::new(short)).map(|_| ()), Err(WireError::Truncated("DSA x")));
    }

    /// A number with something added, as many bytes long.
    fn plus(number: &[u8], n: u8) -> Vec<u8> {
        let wide = U1024::from_be_slice(&widened::<128>(number).unwrap());
        wide.wrapping_add(&U1024::from_u8(n)).to_be_bytes().as_ref()[128 - number.len()..].to_vec()
    }

    #[test]
    fn numbers_that_do_not_belong_together_are_refused() {
        let good = recorded();
        assert!(of(&good).is_ok());
        for at in 0..5 {
            let mut bad = good.clone();
            bad[at] = plus(&good[at], 2);
            assert_eq!(of(&bad).map(|_| ()), Err(ILLEGAL), "number {at}");
            bad[at] = Vec::new();
            assert!(of(&bad).is_err(), "number {at}");
            bad[at] = [&[1], good[at].as_slice()].concat();
            assert!(of(&bad).is_err(), "number {at}");
        }
        let mut whole_x = good.clone();
        whole_x[4] = good[1].clone();
        assert_eq!(of(&whole_x).map(|_| ()), Err(ILLEGAL), "x = q");
    }

    /// The least prime that is 1 modulo 2q.
    fn prime_above(q: &U192) -> U1024 {
        let step: U1024 = q.shl_vartime(1).resize();
        let candidates = core::iter::successors(Some(step), |n| Some(n.wrapping_add(&step)));
        candidates.map(|n| n.wrapping_add(&U1024::ONE)).find(|n| is_prime(Flavor::Any, n)).unwrap()
    }

    /// `2 ^ ((prime - 1) / q * k) mod modulus`
    fn generator(modulus: &U1024, prime: &U1024, q: &U192, k: u8) -> U1024 {
        let params = FixedMontyParams::new_vartime(Odd::new(*modulus).unwrap());
        let (exponent, _) = prime.wrapping_sub(&U1024::ONE).div_rem_vartime(&NonZero::new(*q).unwrap());
        let exponent = exponent.wrapping_mul(&U1024::from_u8(k));
        FixedMontyForm::new(&U1024::from_u8(2), &params).pow_vartime(&exponent).retrieve()
    }

    /// Whether these make a key with x = 1, for which y = g.
    fn judged(p: &U1024, q: &U192, g: &U1024) -> bool {
        let bytes = |number: &U1024| number.to_be_bytes().as_ref().to_vec();
        of(&[bytes(p), bytes(&q.resize()), bytes(g), bytes(g), vec![1]]).is_ok()
    }

    #[test]
    fn the_order_of_the_generator_is_a_prime_of_160_bits_that_divides_p_minus_1() {
        let power_of_three = |n| (0..n).fold(U192::ONE, |power, _| power.wrapping_mul(&U192::from_u8(3)));
        let odd_above = |start: U192| {
            let mut odd = core::iter::successors(Some(start), |n| Some(n.wrapping_add(&U192::from_u8(2))));
            odd.find(|n| is_prime(Flavor::Any, n)).unwrap()
        };
        let [short, q, long] = [158, 159, 160].map(|bits| odd_above(U192::ONE.shl_vartime(bits) | U192::ONE));
        let composite = power_of_three(99).wrapping_mul(&U192::from_u8(5));
        assert_eq!(composite.bit_width_vartime(), 160);
        for (order, good) in [(q, true), (short, false), (long, false), (composite, false)] {
            let p = prime_above(&order);
            assert_eq!(judged(&p, &order, &generator(&p, &p, &order, 1)), good, "{order}");
        }
        let p = prime_above(&q);
        assert!(!judged(&p, &q, &U1024::from_u8(2)), "2 has another order");
        let product = p.wrapping_mul(&U1024::from_u8(3));
        assert!(!judged(&product, &q, &generator(&product, &p, &q, 2)), "q does not divide p - 1");
    }

    #[test]
    fn debug_output_hides_the_secret() {
        let key = of(&recorded()).unwrap();
        let shown = format!("{key:?} {:?}", key.parts());
        assert!(shown.starts_with("DsaKey(DsaPublic(69d956f8..)) DsaParts(..)"), "{shown}");
    }
}
