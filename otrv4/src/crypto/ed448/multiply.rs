//! Scalars times points, where the crate's own product is slower than it need be.
//!
//! Both ways compute on the twisted curve, where the crate's formulas are cheaper: the isogeny goes there as
//! [`DecafPoint`], the dual isogeny comes back, and the two together multiply by 4. So 4 is divided out first. On
//! the prime-order subgroup, which is all that gets here, that is exact.

use std::sync::LazyLock;

use ed448_goldilocks::elliptic_curve::{Group, PrimeField};
use ed448_goldilocks::{DecafPoint, EdwardsPoint, EdwardsScalar};
use subtle::{Choice, ConditionallySelectable, ConstantTimeEq};
use zeroize::Zeroizing;

/// `k·G` in constant time, a third of the cost of the crate's product: with the multiples of G from a table, four
/// passes over every fourth digit need 12 doublings in place of 448.
pub(super) fn base(k: &EdwardsScalar) -> EdwardsPoint {
    let digits = digits(k);
    let mut sum = DecafPoint::IDENTITY;
    for pass in (0..PASSES).rev() {
        sum = times_16(&sum);
        for (multiples, digit) in BASE_MULTIPLES.iter().zip(digits.iter().skip(pass).step_by(PASSES)) {
            sum = sum.add(&select(multiples, *digit));
        }
    }
    sum.into()
}

/// `Σ k·P` in variable time, for public values: the doublings are shared by all terms.
pub(super) fn sum_of_products(terms: &[(EdwardsScalar, EdwardsPoint)]) -> EdwardsPoint {
    // The crate's own product has the cheaper doublings, so it wins as long as there is nothing to share.
    if let [(k, p)] = terms {
        return p * k;
    }
    let quarter = quarter();
    let terms: Vec<_> =
        terms.iter().map(|(k, p)| (sparse_digits(&(k * quarter)), odd_multiples(&p.into()))).collect();
    let mut sum = DecafPoint::IDENTITY;
    for position in (0..SPARSE_DIGITS).rev() {
        sum = sum.double();
        for (digits, multiples) in &terms {
            let digit = digits.get(position).copied().unwrap_or(0);
            if let Some(multiple) =
                multiples.get(usize::from(digit.unsigned_abs() / 2)).filter(|_| digit != 0)
            {
                sum = sum.add(&if digit < 0 { -*multiple } else { *multiple });
            }
        }
    }
    sum.into()
}

/// The digits of k to the base 2, lowest first: odd, from -15 to 15, and at least four zeros between two of them. Variable
/// time.
fn sparse_digits(k: &EdwardsScalar) -> [i8; SPARSE_DIGITS] {
    let bytes = k.to_bytes();
    let bit = |n: usize| bytes.get(n / 8).map_or(0, |byte| (byte >> (n % 8) & 1).cast_signed());
    let mut digits = [0; SPARSE_DIGITS];
    let mut carry = 0;
    let mut zeros = 0;
    for (n, digit) in digits.iter_mut().enumerate() {
        if zeros > 0 {
            zeros -= 1;
        } else if bit(n) != carry {
            let value = (0..5).map(|ahead| bit(n + ahead) << ahead).sum::<i8>() + carry;
            carry = value >> 4;
            *digit = value - (carry << 5);
            zeros = 4;
        }
    }
    digits
}

/// P, 3·P … 15·P.
fn odd_multiples(p: &DecafPoint) -> [DecafPoint; 8] {
    let twice = p.double();
    let mut multiple = *p;
    core::array::from_fn(|_| {
        let this = multiple;
        multiple = multiple.add(&twice);
        this
    })
}

/// The digits of k to the base 16, lowest first, each from -8 to 7; constant time.
fn digits(k: &EdwardsScalar) -> Zeroizing<[i8; DIGITS]> {
    let bytes = Zeroizing::new(k.to_bytes());
    let mut digits = Zeroizing::new([0; DIGITS]);
    let mut carry = 0;
    // k is below 2^446, so the last digit is at most 4 and leaves no carry.
    for (digit, nibble) in digits.iter_mut().zip(bytes.iter().flat_map(|byte| [byte & 15, byte >> 4])) {
        let value = nibble + carry;
        carry = (value + 8) >> 4;
        *digit = value.cast_signed() - (carry << 4).cast_signed();
    }
    digits
}

/// `digit·P` out of P, 2·P … 8·P, in constant time.
fn select(multiples: &[DecafPoint; 8], digit: i8) -> DecafPoint {
    let sign = (digit >> 7).cast_unsigned(); // all ones if negative
    let magnitude = (digit.cast_unsigned() ^ sign).wrapping_sub(sign);
    let mut selected = DecafPoint::IDENTITY;
    for (n, multiple) in (1u8..).zip(multiples) {
        selected.conditional_assign(multiple, n.ct_eq(&magnitude));
    }
    let opposite = -selected;
    selected.conditional_assign(&opposite, Choice::from(sign & 1));
    selected
}

/// P, 2·P … 8·P.
fn multiples(p: &DecafPoint) -> [DecafPoint; 8] {
    let mut multiple = DecafPoint::IDENTITY;
    core::array::from_fn(|_| {
        multiple = multiple.add(p);
        multiple
    })
}

fn times_16(p: &DecafPoint) -> DecafPoint {
    p.double().double().double().double()
}

/// The number that is 1 when multiplied by 4.
fn quarter() -> EdwardsScalar {
    EdwardsScalar::TWO_INV.square()
}

/// For every fourth digit of a scalar, the multiples of G/4 and that digit's power of 16: 50 KB.
static BASE_MULTIPLES: LazyLock<Vec<[DecafPoint; 8]>> = LazyLock::new(|| {
    let mut p = DecafPoint::from(EdwardsPoint::GENERATOR * quarter());
    let mut rows = Vec::with_capacity(DIGITS / PASSES);
    for _ in 0..DIGITS / PASSES {
        rows.push(multiples(&p));
        p = (0..PASSES).fold(p, |p, _| times_16(&p));
    }
    rows
});

/// Base-16 digits of a scalar.
const DIGITS: usize = 112;

/// A scalar has 446 bits; one more is for a carry.
const SPARSE_DIGITS: usize = 447;

/// More passes make the table smaller and add four doublings each: at 4, it is 50 KB in place of 200, for about a
/// twentieth of the time.
const PASSES: usize = 4;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::{ORDER, Scalar};
    use super::*;

    fn scalar(bytes: &[u8; 57]) -> EdwardsScalar {
        *Scalar::decode(bytes).expose()
    }

    #[test]
    fn small_and_large_multiples_of_the_generator_are_right() {
        let mut sum = EdwardsPoint::IDENTITY;
        for n in 0..40u8 {
            assert_eq!(base(&EdwardsScalar::from(n)), sum, "{n}");
            assert_eq!(base(&-EdwardsScalar::from(n)), -sum, "-{n}");
            sum += EdwardsPoint::GENERATOR;
        }
    }

    #[test]
    fn every_digit_is_selected() {
        let p = DecafPoint::from(EdwardsPoint::GENERATOR);
        let multiples = multiples(&p);
        let mut expected = -times_16(&p);
        (0..8).for_each(|_| expected += p);
        for digit in -8..=8 {
            assert_eq!(select(&multiples, digit), expected, "{digit}");
            expected += p;
        }
    }

    #[test]
    fn digits_stay_in_range_for_the_largest_scalar() {
        let digits = digits(&-EdwardsScalar::ONE);
        assert!(digits.iter().all(|digit| (-8..8).contains(digit)));
        assert_eq!(digits[DIGITS - 1], 4);
        assert_eq!(scalar(&ORDER), EdwardsScalar::ZERO);
    }

    #[test]
    fn sparse_digits_are_the_scalar_also_at_the_edges() {
        let ones = [[0xff; 55].as_slice(), &[0x3f, 0]].concat().try_into().unwrap();
        for k in [EdwardsScalar::ZERO, EdwardsScalar::ONE, -EdwardsScalar::ONE, quarter(), scalar(&ones)] {
            let digits = sparse_digits(&k);
            let number = |digit: i8| match u8::try_from(digit) {
                Ok(digit) => EdwardsScalar::from(digit),
                Err(_) => -EdwardsScalar::from(digit.unsigned_abs()),
            };
            let sum =
                digits.iter().rev().fold(EdwardsScalar::ZERO, |sum, digit| sum.double() + number(*digit));
            assert_eq!(sum, k);
            let places: Vec<_> = (0..SPARSE_DIGITS).filter(|n| digits[*n] != 0).collect();
            assert!(places.windows(2).all(|pair| pair[1] - pair[0] > 4));
            assert!(places.iter().all(|n| digits[*n] % 2 != 0 && digits[*n].abs() < 16));
        }
    }

    #[test]
    fn an_empty_sum_is_the_identity() {
        assert_eq!(sum_of_products(&[]), EdwardsPoint::IDENTITY);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn the_table_agrees_with_the_crate(bytes: [u8; 57]) {
            prop_assert_eq!(base(&scalar(&bytes)), EdwardsPoint::GENERATOR * scalar(&bytes));
        }

        #[test]
        fn a_sum_of_products_is_the_sum_of_the_products(numbers: [[u8; 57]; 3], which: [[u8; 57]; 3]) {
            let terms = [0, 1, 2].map(|n| (scalar(&numbers[n]), base(&scalar(&which[n]))));
            for count in 0..=3 {
                let expected: EdwardsPoint = terms[..count].iter().map(|(k, p)| p * k).sum();
                prop_assert_eq!(sum_of_products(&terms[..count]), expected);
            }
        }
    }
}
