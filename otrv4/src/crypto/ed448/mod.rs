//! Ed448-Goldilocks: points, scalars, ECDH and EdDSA. Plain RFC 8032 arithmetic (spec-notes/SN-001).
//! Spec: otrv4.md "Elliptic Curve Parameters", "Encoding and Decoding". Used by every module with keys.
//!
//! The curve crate is named in this folder only. What it gets wrong is fenced here: a test of ours stands against
//! each fault, and `faults` pins the fault itself, so that an upgrade of the crate is noticed.

mod ecdh;
mod eddsa;
#[cfg(test)]
mod faults;
mod multiply;
mod scalar;

pub(crate) use ecdh::EcdhKeyPair;
pub(crate) use eddsa::{SigningKey, verify};
pub(crate) use scalar::{Scalar, SecretScalar};

use core::{fmt, ops};

use ed448_goldilocks::{CompressedEdwardsY, EdwardsPoint};
use subtle::ConstantTimeEq;

use crate::wire::{Reader, WireError, Writer};

/// A POINT of the prime-order subgroup, with its 57 bytes. What was received is not the identity either; the
/// results of our arithmetic on such points may be, where that is said.
#[derive(Clone)]
pub struct Point {
    curve: EdwardsPoint,
    encoding: [u8; 57],
}

impl Point {
    /// otrv4.md "Verifying that a point is on the curve", and one encoding for each point: y below p, no bit set
    /// that means nothing, no sign on x = 0 (spec-notes/SN-002). Variable time.
    pub fn decode(encoding: &[u8; 57]) -> Result<Self, WireError> {
        let illegal = WireError::Illegal("curve point");
        // On the curve and free of torsion. The text's q·X cannot tell: the crate's product clears torsion.
        let affine = CompressedEdwardsY(*encoding).decompress().into_option().ok_or(illegal)?;
        let point = Self { curve: affine.to_edwards(), encoding: *encoding };
        // The crate reads encodings it would not write; those are refused here.
        if affine.compress().0 != *encoding || point.is_identity() {
            return Err(illegal);
        }
        Ok(point)
    }

    /// Reads a POINT; refuses what [`Point::decode`] refuses.
    pub fn read(r: &mut Reader<'_>, what: &'static str) -> Result<Self, WireError> {
        Self::decode(&r.array(what)?).map_err(|_| WireError::Illegal(what))
    }

    /// Writes a POINT.
    pub fn write(&self, w: &mut Writer) {
        w.bytes(&self.encoding);
    }

    /// The 57 bytes of a POINT: y, little-endian, and the lowest bit of x on top.
    pub fn as_bytes(&self) -> &[u8; 57] {
        &self.encoding
    }

    /// `r·G + c·A` in constant time. The identity only by a chance of 1 in q, or if `r` and `c` are zero.
    pub(crate) fn commit(r: &SecretScalar, c: &SecretScalar, a: &Self) -> Self {
        (multiply::base(r.expose()) + a.curve * c.expose()).into()
    }

    /// `r·G + c1·A1 + c2·A2 …` in variable time, for public values. May be the identity.
    pub(crate) fn combine(r: &Scalar, terms: &[(Scalar, &Self)]) -> Self {
        (multiply::base(r.expose()) + Self::products(terms)).into()
    }

    /// `c1·A1 + c2·A2 …` in variable time, for public values. May be the identity.
    pub(crate) fn sum_of_products(terms: &[(Scalar, &Self)]) -> Self {
        Self::products(terms).into()
    }

    /// Whether this is the point that [`Point::decode`] refuses and that our arithmetic may give.
    pub(crate) fn is_identity(&self) -> bool {
        self.curve == EdwardsPoint::IDENTITY
    }

    fn products(terms: &[(Scalar, &Self)]) -> EdwardsPoint {
        let terms: Vec<_> = terms.iter().map(|(c, a)| (*c.expose(), a.curve)).collect();
        multiply::sum_of_products(&terms)
    }
}

/// The identity if both are the same.
impl ops::Sub for &Point {
    type Output = Point;

    fn sub(self, other: Self) -> Point {
        (self.curve - other.curve).into()
    }
}

impl From<EdwardsPoint> for Point {
    fn from(curve: EdwardsPoint) -> Self {
        Self { curve, encoding: curve.to_affine().compress().0 }
    }
}

/// In constant time: SMP compares points that depend on secrets.
impl PartialEq for Point {
    fn eq(&self, other: &Self) -> bool {
        self.encoding.ct_eq(&other.encoding).into()
    }
}

impl Eq for Point {}

impl fmt::Debug for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { curve: _, encoding: [a, b, c, d, ..] } = self;
        write!(f, "Point({a:02x}{b:02x}{c:02x}{d:02x}..)")
    }
}

/// `G` as a POINT.
pub(crate) const GENERATOR: [u8; 57] = *CompressedEdwardsY::GENERATOR.as_bytes();

/// `q = 2^446 - 13818066809895115352007386748515426880336692474882178609894547503885` as a SCALAR.
pub(crate) const ORDER: [u8; 57] = [
    0xf3, 0x44, 0x58, 0xab, 0x92, 0xc2, 0x78, 0x23, 0x55, 0x8f, 0xc5, 0x8d, 0x72, 0xc2, 0x6c, 0x21, 0x90,
    0x36, 0xd6, 0xae, 0x49, 0xdb, 0x4e, 0xc4, 0xe9, 0x23, 0xca, 0x7c, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xff, 0xff, 0xff, 0xff, 0x3f, 0x00,
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vectors::{bytes, of_kind};

    #[test]
    fn points_are_accepted_or_refused_as_recorded() {
        for vector in of_kind("point") {
            let encoded = bytes(&vector.inputs["encoded"]);
            let mut r = Reader::new(&encoded);
            let read = Point::read(&mut r, "point").and_then(|point| r.end().map(|()| point));
            if let Some(accept) = vector.accept() {
                assert_eq!(read.is_ok(), accept, "{}", vector.name);
            }
            if let Ok(point) = read {
                let mut w = Writer::new();
                point.write(&mut w);
                assert_eq!(w.as_slice(), encoded, "{}", vector.name);
            }
        }
    }

    #[test]
    fn the_identity_is_refused() {
        let mut identity = [0; 57];
        identity[0] = 1;
        assert_eq!(Point::decode(&identity), Err(WireError::Illegal("curve point")));
        identity[56] = 0x80;
        assert_eq!(Point::decode(&identity), Err(WireError::Illegal("curve point")));
    }

    #[test]
    fn every_spare_bit_is_refused() {
        for bit in 0..7 {
            let mut encoded = GENERATOR;
            encoded[56] |= 1 << bit;
            assert_eq!(Point::decode(&encoded), Err(WireError::Illegal("curve point")), "bit {bit}");
        }
    }

    #[test]
    fn a_refused_point_is_named_by_its_reader() {
        let read = Point::read(&mut Reader::new(&[0; 57]), "ECDH key");
        assert_eq!(read, Err(WireError::Illegal("ECDH key")));
        let read = Point::read(&mut Reader::new(&[0; 56]), "ECDH key");
        assert_eq!(read, Err(WireError::Truncated("ECDH key")));
    }

    #[test]
    fn the_generator_has_the_order_of_the_text() {
        let generator = Point::decode(&GENERATOR).unwrap();
        let one = Scalar::decode(&{
            let mut one = [0; 57];
            one[0] = 1;
            one
        });
        assert_eq!(Point::combine(&one, &[]), generator);
        // (q - 1)·G = -G: the same y, the other sign.
        let mut opposite = GENERATOR;
        opposite[56] = 0x80;
        assert_eq!(Point::combine(&-one, &[]).as_bytes(), &opposite);
        assert!(Point::combine(&Scalar::decode(&ORDER), &[]).is_identity());
    }

    #[test]
    fn sums_and_differences_of_points_agree_with_their_factors() {
        let [two, three, five] = [2, 3, 5].map(|n| {
            let mut encoded = [0; 57];
            encoded[0] = n;
            Scalar::decode(&encoded)
        });
        let [a, b, c] = [two, three, five].map(|n| Point::combine(&n, &[]));
        assert_eq!(&c - &a, b);
        assert!((&c - &c).is_identity() && !(&c - &a).is_identity());
        // 2·(3·G) + 3·(5·G) - (2·3 + 3·5)·G
        let sum = Point::sum_of_products(&[(two, &b), (three, &c)]);
        assert_eq!(sum, Point::combine(&(two * three + three * five), &[]));
        assert!(Point::sum_of_products(&[(two, &b), (-three, &a)]).is_identity());
    }

    #[test]
    fn a_point_is_printed_by_its_first_bytes() {
        assert_eq!(format!("{:?}", Point::decode(&GENERATOR).unwrap()), "Point(14fa30f2..)");
    }
}
