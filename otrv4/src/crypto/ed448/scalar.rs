//! Numbers mod q: public ones, such as the parts of a signature, and secret ones.
//! Spec: otrv4.md "Scalar", "Considerations while working with elliptic curve parameters".

use core::{fmt, ops};

use ed448_goldilocks::{EdwardsScalar, WideEdwardsScalarBytes};
use rand_core::CryptoRng;
use subtle::{Choice, ConditionallySelectable, ConstantTimeEq};
use zeroize::{Zeroize, Zeroizing};

use super::{Point, multiply};
use crate::crypto::{kdf::shake256, secret::Secret};
use crate::wire::{Reader, WireError, Writer};

/// A public number mod q.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Scalar(EdwardsScalar);

impl Scalar {
    /// Any 57 bytes, little-endian, mod q: decoding a SCALAR never fails.
    pub(crate) fn decode(encoding: &[u8; 57]) -> Self {
        Self(reduce(encoding))
    }

    /// The multipliers of the prekey server's proofs: 44 bytes, little-endian, which are below q.
    pub(crate) fn short(encoding: &[u8; 44]) -> Self {
        Self(reduce(encoding))
    }

    /// The hashes of RFC 8032: 114 bytes, little-endian, mod q.
    pub(super) fn wide(encoding: &[u8; 114]) -> Self {
        Self(reduce(encoding))
    }

    /// 57 bytes, little-endian, below q.
    pub(crate) fn to_bytes(self) -> [u8; 57] {
        self.0.to_bytes_rfc_8032().into()
    }

    /// Reads a SCALAR, mod q.
    pub(crate) fn read(r: &mut Reader<'_>, what: &'static str) -> Result<Self, WireError> {
        Ok(Self::decode(&r.array(what)?))
    }

    /// Writes a SCALAR, below q.
    pub(crate) fn write(&self, w: &mut Writer) {
        w.bytes(&self.to_bytes());
    }

    pub(super) fn expose(&self) -> &EdwardsScalar {
        &self.0
    }
}

impl ConditionallySelectable for Scalar {
    fn conditional_select(a: &Self, b: &Self, choice: Choice) -> Self {
        Self(EdwardsScalar::conditional_select(&a.0, &b.0, choice))
    }
}

impl ops::Add for Scalar {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self(self.0 + other.0)
    }
}

impl ops::Sub for Scalar {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        Self(self.0 - other.0)
    }
}

impl ops::Mul for Scalar {
    type Output = Self;

    fn mul(self, other: Self) -> Self {
        Self(self.0 * other.0)
    }
}

impl ops::Neg for Scalar {
    type Output = Self;

    fn neg(self) -> Self {
        Self(-self.0)
    }
}

impl fmt::Debug for Scalar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [.., c, b, a, _] = self.to_bytes();
        write!(f, "Scalar({a:02x}{b:02x}{c:02x}..)")
    }
}

/// A secret number mod q: wiped when dropped, never printed (the crate prints its own), all arithmetic in
/// constant time.
pub(crate) struct SecretScalar(Box<EdwardsScalar>);

impl SecretScalar {
    /// `prune(SHAKE-256(value, 57))` mod q: how the text makes a scalar from 57 random bytes.
    pub(crate) fn from_random57(value: &Secret<57>) -> Self {
        Self::pruned(&Secret::filled(|hash| shake256(&[value.as_bytes()], hash)))
    }

    /// 57 bytes that were hashed already, pruned and mod q: the two lowest bits and the whole last byte cleared,
    /// the highest bit of the byte before it set.
    pub(crate) fn pruned(hash: &Secret<57>) -> Self {
        let mut pruned = Zeroizing::new(*hash.as_bytes());
        let [first, .., before_last, last] = &mut *pruned;
        *first &= 0xFC;
        *before_last |= 0x80;
        *last = 0;
        Self::reduced(pruned.as_slice())
    }

    /// 114 hashed bytes mod q: uniform, which pruned bytes are not.
    pub(crate) fn uniform(hash: &Secret<114>) -> Self {
        Self::reduced(hash.as_bytes())
    }

    /// As [`SecretScalar::from_random57`], of 57 bytes drawn in one call.
    pub(crate) fn random(rng: &mut dyn CryptoRng) -> Self {
        Self::from_random57(&Secret::random(rng))
    }

    /// Zero: where the constant-time algorithms need a value that changes nothing.
    pub(crate) fn zero() -> Self {
        Self(Box::new(EdwardsScalar::ZERO))
    }

    /// Reads the 57 bytes of a saved secret, which are below q; zero is none.
    pub(crate) fn read(r: &mut Reader<'_>, what: &'static str) -> Result<Self, WireError> {
        let bytes = r.bytes(57, what)?;
        let read = Self::reduced(bytes);
        let mut written = read.0.to_bytes_rfc_8032();
        let is_below_q = bool::from(written.as_slice().ct_eq(bytes));
        written.as_mut_slice().zeroize();
        if is_below_q && !bool::from(read.0.is_zero()) { Ok(read) } else { Err(WireError::Illegal(what)) }
    }

    /// 57 bytes, little-endian, mod q; zero is no secret.
    #[cfg(any(test, feature = "inside"))]
    pub(crate) fn decode(encoding: &[u8; 57]) -> Option<Self> {
        let secret = Self::reduced(encoding);
        (!bool::from(secret.0.is_zero())).then_some(secret)
    }

    /// Writes 57 bytes, below q, to be saved.
    pub(crate) fn write(&self, w: &mut Writer) {
        let mut bytes = self.0.to_bytes_rfc_8032();
        w.bytes(&bytes);
        bytes.as_mut_slice().zeroize();
    }

    /// `self·G`.
    pub(crate) fn mul_base(&self) -> Point {
        multiply::base(&self.0).into()
    }

    /// `self·A`. The identity only if this number is zero.
    pub(crate) fn mul(&self, a: &Point) -> Point {
        (a.curve * *self.0).into()
    }

    /// `self·A` where the point itself is the secret: 57 bytes of a POINT.
    pub(crate) fn mul_secret(&self, a: &Point) -> Secret<57> {
        let mut product = a.curve * *self.0;
        let mut affine = product.to_affine();
        let secret = Secret::filled(|out| *out = affine.compress().0);
        product.zeroize();
        affine.zeroize();
        secret
    }

    /// Adds `factor·secret`: the responses of the proofs and signatures, `r - c·a` and `r + t·y`.
    pub(crate) fn add_product(&mut self, factor: &Scalar, secret: &Self) {
        *self.0 += factor.0 * *secret.0;
    }

    /// The same number, now public: a nonce that has served.
    pub(crate) fn publish(&self) -> Scalar {
        Scalar(*self.0)
    }

    /// `b` if the choice is 1, else `a`, in constant time.
    pub(crate) fn select(a: &Self, b: &Self, choice: Choice) -> Self {
        let mut selected = Self::zero();
        *selected.0 = EdwardsScalar::conditional_select(&a.0, &b.0, choice);
        selected
    }

    pub(super) fn expose(&self) -> &EdwardsScalar {
        &self.0
    }

    fn reduced(bytes: &[u8]) -> Self {
        let mut secret = Self::zero();
        *secret.0 = reduce(bytes);
        secret
    }
}

impl Drop for SecretScalar {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl fmt::Debug for SecretScalar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(_) = self;
        f.write_str("SecretScalar(..)")
    }
}

/// Up to 114 bytes, little-endian, mod q; constant time. The crate's other decoders drop the last of 57 bytes or
/// take numbers that are not below q.
fn reduce(bytes: &[u8]) -> EdwardsScalar {
    let mut wide = WideEdwardsScalarBytes::default();
    wide.iter_mut().zip(bytes).for_each(|(wide, byte)| *wide = *byte);
    let reduced = EdwardsScalar::from_bytes_mod_order_wide(&wide);
    wide.as_mut_slice().zeroize();
    reduced
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::ORDER;
    use super::*;
    use crate::crypto::kdf::{OTRV4, derive};
    use crate::vectors::{Recorded, array, bytes, of_kind};

    #[test]
    fn scalars_are_reduced_as_recorded() {
        for vector in of_kind("scalar") {
            let scalar = Scalar::decode(&array(&vector.inputs["encoded"]));
            assert_eq!(scalar.to_bytes(), array(&vector.outputs["reduced"]), "{}", vector.name);
        }
    }

    #[test]
    fn random_bytes_become_the_recorded_scalars() {
        for vector in of_kind("scalar_random") {
            let mut rng = Recorded([bytes(&vector.inputs["random"])].into());
            let scalar = SecretScalar::random(&mut rng);
            assert_eq!(
                scalar.publish().to_bytes(),
                array(&vector.outputs["scalar_mod_q"]),
                "{}",
                vector.name
            );
        }
    }

    #[test]
    fn hashes_become_the_recorded_scalars() {
        for vector in of_kind("hash_to_scalar") {
            let usage = u8::try_from(vector.inputs["i"].as_u64().unwrap()).unwrap();
            let mut hash = [0; 57];
            derive(OTRV4, usage, &[&bytes(&vector.inputs["v"])], &mut hash);
            assert_eq!(Scalar::decode(&hash).to_bytes(), array(&vector.outputs["scalar"]), "{}", vector.name);
        }
    }

    #[test]
    fn no_byte_of_an_encoding_is_ignored() {
        for position in 0..57 {
            let mut encoded = [0; 57];
            encoded[position] = 1;
            assert_ne!(Scalar::decode(&encoded), Scalar::decode(&[0; 57]), "byte {position}");
        }
    }

    #[test]
    fn a_secret_scalar_is_not_printed() {
        let secret = SecretScalar::pruned(&Secret::copied(&[9; 57]));
        assert_eq!(format!("{secret:?}"), "SecretScalar(..)");
    }

    #[test]
    fn zero_is_not_a_saved_secret_nor_is_what_is_not_below_q() {
        let mut above = ORDER;
        above[0] += 1;
        let mut spare_bit = [0; 57];
        (spare_bit[0], spare_bit[56]) = (1, 1);
        for illegal in [[0; 57], ORDER, above, spare_bit, [0xff; 57]] {
            let read = SecretScalar::read(&mut Reader::new(&illegal), "ECDH secret");
            assert_eq!(read.err(), Some(WireError::Illegal("ECDH secret")));
        }
    }

    #[test]
    fn selection_takes_the_one_that_is_chosen() {
        let [a, b] = [1, 2].map(|n| SecretScalar::pruned(&Secret::copied(&[n; 57])));
        assert_ne!(a.publish(), b.publish());
        assert_eq!(SecretScalar::select(&a, &b, Choice::from(0)).publish(), a.publish());
        assert_eq!(SecretScalar::select(&a, &b, Choice::from(1)).publish(), b.publish());
    }

    fn scalar() -> impl Strategy<Value = Scalar> {
        any::<[u8; 57]>().prop_map(|bytes| Scalar::decode(&bytes))
    }

    proptest! {
        #[test]
        fn reduction_agrees_with_horners_rule(bytes: [u8; 57]) {
            let small = |n: u16| {
                let mut encoded = [0; 57];
                encoded[..2].copy_from_slice(&n.to_le_bytes());
                Scalar::decode(&encoded)
            };
            let sum = bytes.iter().rev().fold(small(0), |sum, byte| sum * small(256) + small((*byte).into()));
            prop_assert_eq!(Scalar::decode(&bytes), sum);
        }

        #[test]
        fn what_is_written_is_read_again(scalar in scalar()) {
            let mut w = Writer::new();
            scalar.write(&mut w);
            prop_assert_eq!(w.as_slice(), scalar.to_bytes());
            prop_assert_eq!(Scalar::read(&mut Reader::new(w.as_slice()), "scalar"), Ok(scalar));
            prop_assert_eq!(scalar.to_bytes()[56], 0);
        }

        #[test]
        fn a_saved_secret_is_read_again(random: [u8; 57]) {
            let secret = SecretScalar::from_random57(&Secret::copied(&random));
            let mut w = Writer::new();
            secret.write(&mut w);
            let read = SecretScalar::read(&mut Reader::new(w.as_slice()), "secret").unwrap();
            prop_assert_eq!(read.publish(), secret.publish());
        }

        #[test]
        fn a_secret_multiple_is_the_public_one(random: [u8; 57], factor in scalar()) {
            let secret = SecretScalar::from_random57(&Secret::copied(&random));
            let a = Point::combine(&factor, &[]);
            let product = secret.mul(&a);
            prop_assert_eq!(&product, &Point::combine(&(factor * secret.publish()), &[]));
            prop_assert!(secret.mul_secret(&a).ct_eq(&Secret::copied(product.as_bytes())));
        }

        #[test]
        fn numbers_mod_q_are_a_field(a in scalar(), b in scalar(), c in scalar()) {
            prop_assert_eq!(a + b - b, a);
            prop_assert_eq!(a - b, a + -b);
            prop_assert_eq!((a + b) * c, a * c + c * b);
        }

        #[test]
        fn a_product_is_added(r: [u8; 57], a: [u8; 57], c in scalar()) {
            let [mut nonce, secret] = [r, a].map(|bytes| SecretScalar::pruned(&Secret::copied(&bytes)));
            let expected = nonce.publish() + c * secret.publish();
            nonce.add_product(&c, &secret);
            prop_assert_eq!(nonce.publish(), expected);
        }
    }
}
