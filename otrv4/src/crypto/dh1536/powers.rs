//! Numbers modulo the order q = (p - 1) / 2, public and secret, and powers with them.
//! Spec: OTRv3 "Socialist Millionaires' Protocol (SMP)". Used by SMP over this group, [`crate::smp`].

use core::fmt;
use std::sync::LazyLock;

use crypto_bigint::{NonZero, U1536};
use rand_core::CryptoRng;
use zeroize::{Zeroize, Zeroizing};

use super::{Comb, Dh1536Public, Element, Modulus};
use crate::crypto::modp::product_of_powers;
use crate::crypto::secret::Secret;
use crate::wire::{Reader, WireError, Writer};

/// A public number below q.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Dh1536Scalar(U1536);

impl Dh1536Scalar {
    /// A hash as a big-endian number.
    pub(crate) fn of_hash(hash: &[u8; 32]) -> Self {
        Self(U1536::from_be_slice_truncated(hash, U1536::BITS))
    }

    /// Reads an MPI below q.
    pub(crate) fn read(r: &mut Reader<'_>, what: &'static str) -> Result<Self, WireError> {
        let bytes = r.mpi(what)?;
        let value = U1536::from_be_slice_truncated(bytes, U1536::BITS);
        if bytes.len() > LENGTH || value >= *ORDER.as_ref() {
            Err(WireError::Illegal(what))
        } else {
            Ok(Self(value))
        }
    }

    /// Writes the MPI.
    pub(crate) fn write(&self, w: &mut Writer) {
        w.mpi(self.0.to_be_bytes().as_ref());
    }
}

/// A secret number below q: wiped when dropped, never printed, all arithmetic in constant time.
pub(crate) struct Dh1536Secret(Box<U1536>);

impl Dh1536Secret {
    /// 192 bytes in one draw, big-endian, modulo q, which is so close below 2^1535 that each number is as likely as any
    /// other, but for a part in 2^66. // spec-notes/SN-041
    pub(crate) fn random(rng: &mut dyn CryptoRng) -> Self {
        let random = Secret::<LENGTH>::random(rng);
        let wide = Zeroizing::new(U1536::from_be_slice(random.as_bytes()));
        // Variable time in q only.
        Self(Box::new(wide.rem_vartime(&ORDER)))
    }

    /// A hash as a big-endian number.
    pub(crate) fn of_hash(hash: &Secret<32>) -> Self {
        Self(Box::new(U1536::from_be_slice_truncated(hash.as_bytes(), U1536::BITS)))
    }

    /// Reads the 192 bytes of a saved secret; zero is none.
    pub(crate) fn read(r: &mut Reader<'_>, what: &'static str) -> Result<Self, WireError> {
        let secret = Self(Box::new(U1536::from_be_slice(r.chunk::<LENGTH>(what)?)));
        let in_range = !bool::from(secret.0.is_zero()) & (*secret.0 < *ORDER.as_ref());
        if in_range { Ok(secret) } else { Err(WireError::Illegal(what)) }
    }

    /// Writes 192 bytes, to be saved.
    pub(crate) fn write(&self, w: &mut Writer) {
        let bytes = Zeroizing::new(<[u8; LENGTH]>::from(self.0.to_be_bytes()));
        w.bytes(&*bytes);
    }

    /// `(self - a * c) mod q`, the response of a proof; spends the nonce.
    pub(crate) fn respond(self, a: &Self, c: Dh1536Scalar) -> Dh1536Scalar {
        let product = Zeroizing::new(a.0.mul_mod_vartime(&c.0, &ORDER));
        Dh1536Scalar(self.0.sub_mod(&product, &ORDER))
    }

    /// `2 ^ self`
    pub(crate) fn power_of_two(&self) -> Dh1536Public {
        Dh1536Public::of(*power_of_two(&self.0))
    }

    /// `base ^ self`
    pub(crate) fn power_of(&self, base: &Dh1536Public) -> Dh1536Public {
        Dh1536Public::of(self.power(base))
    }

    /// `2 ^ r * base ^ self`
    pub(crate) fn commit(&self, r: &Self, base: &Dh1536Public) -> Dh1536Public {
        Dh1536Public::of(power_of_two(&r.0).mul(&Zeroizing::new(self.power(base))))
    }

    fn power(&self, base: &Dh1536Public) -> Element {
        base.element().pow(&self.0)
    }
}

impl Drop for Dh1536Secret {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl fmt::Debug for Dh1536Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(_) = self;
        f.write_str("Dh1536Secret(..)")
    }
}

/// Arithmetic with public numbers, in variable time.
impl Dh1536Public {
    /// `self / other`; may be 1, which is no public key.
    pub(crate) fn divided_by(&self, other: &Self) -> Self {
        let inverse = other.element().invert_vartime().into_option();
        Self::of(self.element().mul(&inverse.expect("an element of the group is not zero")))
    }

    /// Whether it is 1.
    pub(crate) fn is_one(&self) -> bool {
        *self.element() == Element::ONE
    }

    /// `A1 ^ c1 * A2 ^ c2 …`
    pub(crate) fn product_of_powers(terms: &[(Dh1536Scalar, &Self)]) -> Self {
        Self::of(product(terms))
    }

    /// `2 ^ d * A1 ^ c1 * A2 ^ c2 …`
    pub(crate) fn combine(d: Dh1536Scalar, terms: &[(Dh1536Scalar, &Self)]) -> Self {
        Self::of(power_of_two(&d.0).mul(&product(terms)))
    }
}

fn product(terms: &[(Dh1536Scalar, &Dh1536Public)]) -> Element {
    let terms: Vec<_> = terms.iter().map(|(exponent, base)| (*base.element(), exponent.0)).collect();
    product_of_powers(&terms)
}

/// 2 to the power of a number below q; constant time.
fn power_of_two(exponent: &U1536) -> Zeroizing<Element> {
    static COMB: LazyLock<Comb<Modulus, { U1536::LIMBS }>> = LazyLock::new(|| Comb::new(U1536::BITS));
    COMB.power(exponent)
}

/// Bytes of p.
const LENGTH: usize = 192;

/// q.
const ORDER: NonZero<U1536> = NonZero::<U1536>::new_unwrap(Element::MODULUS.as_ref().shr_vartime(1));

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vectors::{Recorded, rng};

    fn encoded(number: &U1536) -> Vec<u8> {
        Writer::new().mpi(number.to_be_bytes().as_ref()).as_slice().to_vec()
    }

    #[test]
    fn a_scalar_is_an_mpi_below_q() {
        let read = |bytes: &[u8]| Dh1536Scalar::read(&mut Reader::new(bytes), "d");
        let order = *ORDER.as_ref();
        for good in [U1536::ZERO, U1536::ONE, order.wrapping_sub(&U1536::ONE)] {
            let scalar = read(&encoded(&good)).unwrap();
            let mut w = Writer::new();
            scalar.write(&mut w);
            assert_eq!(w.as_slice(), encoded(&good));
        }
        for bad in [order, order.wrapping_add(&U1536::ONE), U1536::MAX] {
            assert_eq!(read(&encoded(&bad)), Err(WireError::Illegal("d")));
        }
        assert_eq!(read(&[[0, 0, 0, 0xc1, 1].as_slice(), &[0; 192]].concat()), Err(WireError::Illegal("d")));
        assert_eq!(read(&[0, 0, 0, 2, 0, 1]), Err(WireError::Illegal("d")), "a leading zero");
        assert_eq!(read(&[0, 0, 0, 2, 1]), Err(WireError::Truncated("d")));
    }

    #[test]
    fn a_secret_is_one_draw_of_192_bytes_modulo_q() {
        let mut recorded = Recorded([vec![0xff; 192]].into());
        let secret = Dh1536Secret::random(&mut recorded);
        assert!(recorded.0.is_empty());
        assert_eq!(*secret.0, U1536::MAX.rem(&ORDER));
        assert_ne!(*secret.0, U1536::MAX);
    }

    #[test]
    fn a_saved_secret_is_read_again_and_none_outside_its_range() {
        let secret = Dh1536Secret::random(&mut rng());
        let mut w = Writer::new();
        secret.write(&mut w);
        let read = |bytes: &[u8]| Dh1536Secret::read(&mut Reader::new(bytes), "a3");
        assert_eq!(read(w.as_slice()).unwrap().0, secret.0);
        assert_eq!(read(&w.as_slice()[1..]).map(|_| ()), Err(WireError::Truncated("a3")));
        for bad in [U1536::ZERO, *ORDER.as_ref(), U1536::MAX] {
            assert_eq!(read(bad.to_be_bytes().as_ref()).map(|_| ()), Err(WireError::Illegal("a3")));
        }
    }

    #[test]
    fn powers_agree_with_each_other() {
        let two = Dh1536Public::from_be_bytes(&[2]).unwrap();
        let [r, a, k] = [(); 3].map(|()| Dh1536Secret::random(&mut rng()));
        let base = a.power_of_two();
        assert_eq!(a.power_of(&two), base);
        assert_eq!(k.power_of(&base), a.power_of(&k.power_of_two()));
        let [c, d] = [&k, &r].map(|secret| Dh1536Scalar(*secret.0));
        let committed = k.commit(&r, &base);
        assert_eq!(committed.divided_by(&k.power_of(&base)), r.power_of_two());
        assert_eq!(Dh1536Public::combine(d, &[(c, &base)]), committed);
        assert_eq!(Dh1536Public::product_of_powers(&[(d, &two), (c, &base)]), committed);
        assert!(base.divided_by(&base).is_one());
        assert!(!base.is_one());
    }

    #[test]
    fn a_response_is_what_verifies() {
        let [r, a] = [(); 2].map(|()| Dh1536Secret::random(&mut rng()));
        let (commitment, public) = (r.power_of_two(), a.power_of_two());
        let c = Dh1536Scalar::of_hash(&[0xfe; 32]);
        let d = r.respond(&a, c);
        assert!(d.0 < *ORDER.as_ref());
        assert_eq!(Dh1536Public::combine(d, &[(c, &public)]), commitment);
    }

    #[test]
    fn a_hash_is_a_big_endian_number() {
        let hash = core::array::from_fn(|n| u8::from(n == 30));
        assert_eq!(Dh1536Scalar::of_hash(&hash).0, U1536::from_u32(0x100));
        assert_eq!(*Dh1536Secret::of_hash(&Secret::copied(&hash)).0, U1536::from_u32(0x100));
    }

    #[test]
    fn a_secret_is_not_printed() {
        assert_eq!(format!("{:?}", Dh1536Secret::random(&mut rng())), "Dh1536Secret(..)");
    }
}
