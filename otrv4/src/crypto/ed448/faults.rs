//! What the curve crate gets wrong, one test each, next to our answer. When one of these fails after an upgrade, the
//! crate has changed there: read what it does now before the test is dropped.

use ed448_goldilocks::{CompressedEdwardsY, EdwardsPoint, EdwardsScalar, EdwardsScalarBytes};

use super::{GENERATOR, Point, Scalar};

fn decompresses(encoding: [u8; 57]) -> bool {
    CompressedEdwardsY(encoding).decompress().is_some().into()
}

#[test]
fn spare_bits_of_the_last_byte_are_ignored() {
    let mut encoding = GENERATOR;
    encoding[56] |= 0x7F;
    assert!(decompresses(encoding));
    assert!(Point::decode(&encoding).is_err());
}

#[test]
fn y_is_accepted_from_p_on() {
    // p = 2^448 - 2^224 - 1; the least y of a point in the subgroup that has a second form below 2^448.
    let [y, y_plus_p] = (2u8..=255)
        .map(|y| {
            let mut low = [0; 57];
            low[0] = y;
            let mut high = [0; 57];
            high[0] = y - 1;
            high[28..56].fill(0xFF);
            [low, high]
        })
        .find(|[y, _]| decompresses(*y))
        .expect("a point with a small y");
    assert!(Point::decode(&y).is_ok());
    assert!(decompresses(y_plus_p));
    assert!(Point::decode(&y_plus_p).is_err());
}

#[test]
fn a_sign_on_x_0_is_accepted() {
    let mut encoding = [0; 57];
    encoding[0] = 1;
    encoding[56] = 0x80;
    assert!(decompresses(encoding));
    assert!(Point::decode(&encoding).is_err());
}

#[test]
fn the_constant_for_the_identity_is_a_point_of_order_4() {
    let point = CompressedEdwardsY::IDENTITY.decompress_unchecked().unwrap().to_edwards();
    assert_ne!(point.double(), EdwardsPoint::IDENTITY);
    assert_eq!(point.double().double(), EdwardsPoint::IDENTITY);
    assert!(Point::decode(&CompressedEdwardsY::IDENTITY.0).is_err());
}

#[test]
fn products_clear_torsion() {
    let order_4 = CompressedEdwardsY::IDENTITY.decompress_unchecked().unwrap().to_edwards();
    assert_eq!(order_4 * EdwardsScalar::ONE, EdwardsPoint::IDENTITY);
    // So q·X = I, the check of the text, would let this point pass.
    let mixed = EdwardsPoint::GENERATOR + order_4;
    assert_eq!(mixed * -EdwardsScalar::ONE + mixed * EdwardsScalar::ONE, EdwardsPoint::IDENTITY);
    assert!(Point::decode(&mixed.to_affine().compress().0).is_err());
}

#[test]
fn scalars_that_are_not_below_q_are_called_canonical() {
    let mut encoding = EdwardsScalarBytes::default();
    encoding[56] = 1;
    let taken = EdwardsScalar::from_canonical_bytes(&encoding).unwrap();
    assert_eq!(taken, EdwardsScalar::ZERO);
    assert_ne!(*Scalar::decode(&encoding.into()).expose(), taken);
}

#[test]
fn reduction_drops_the_last_byte() {
    let mut encoding = EdwardsScalarBytes::default();
    encoding[56] = 1;
    assert_eq!(EdwardsScalar::from_bytes_mod_order(&encoding), EdwardsScalar::ZERO);
    assert_ne!(Scalar::decode(&encoding.into()), Scalar::decode(&[0; 57]));
}

#[test]
fn scalars_are_printed() {
    assert!(format!("{:?}", EdwardsScalar::from(0xABu8)).contains("AB"));
}
