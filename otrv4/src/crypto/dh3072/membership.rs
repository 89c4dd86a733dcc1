//! Is a number a square modulo `dh_p`? The squares are the group of order `dh_q`, since `dh_p` is a safe prime.
//! Spec: otrv4.md "Verifying that an integer is in the DH group"; spec-notes/SN-023. Used by [`super::DhPublic`].

use core::cmp::Ordering;

use crypto_bigint::{U3072, Word};

use super::Element;

/// Whether the Legendre symbol (x / dh_p) is 1, by the binary algorithm for the Jacobi symbol. Variable time: for public
/// numbers only.
pub(super) fn is_square(x: &U3072) -> bool {
    // (a / b) with b odd, little-endian words without zeros on top; the symbol looked for is its negative if `negative`.
    let mut a = x.to_words().to_vec();
    let mut b = Element::MODULUS.as_ref().to_words().to_vec();
    let mut negative = false;
    loop {
        trim(&mut a);
        if a.is_empty() {
            // (0 / b) is 1 for b = 1, and 0 for every other b.
            return b == [1] && !negative;
        }
        // (2 / b) is -1 for b = 3 and 5 modulo 8.
        if divide_by_twos(&mut a) == 1 && matches!(low_bits(&b, 8), 3 | 5) {
            negative = !negative;
        }
        if compare(&a, &b) == Ordering::Less {
            // Reciprocity: (a / b) = (b / a), or its negative if both are 3 modulo 4.
            core::mem::swap(&mut a, &mut b);
            if low_bits(&a, 4) == 3 && low_bits(&b, 4) == 3 {
                negative = !negative;
            }
        }
        // (a / b) = (a - b / b), and a - b is even.
        subtract(&mut a, &b);
    }
}

/// Divides by 2 until the number, which is not 0, is odd; tells how many times, modulo 2.
fn divide_by_twos(number: &mut Vec<Word>) -> u32 {
    let zero_words = number.iter().take_while(|word| **word == 0).count();
    number.drain(..zero_words);
    let shift = number.first().map_or(0, |word| word.trailing_zeros());
    if shift > 0 {
        let mut from_above = 0;
        for word in number.iter_mut().rev() {
            let shifted_out = *word << (Word::BITS - shift);
            *word = *word >> shift | from_above;
            from_above = shifted_out;
        }
    }
    trim(number);
    // A whole word counts an even number of times.
    shift % 2
}

/// Takes the zero words on top away.
fn trim(number: &mut Vec<Word>) {
    while number.last() == Some(&0) {
        number.pop();
    }
}

/// `a -= b`, for `a >= b`.
fn subtract(a: &mut [Word], b: &[Word]) {
    let mut borrow = false;
    let mut words = a.iter_mut();
    for (b, a) in b.iter().zip(&mut words) {
        (*a, borrow) = a.borrowing_sub(*b, borrow);
    }
    for a in words {
        (*a, borrow) = a.overflowing_sub(borrow.into());
    }
}

/// The order of two numbers without zero words on top.
fn compare(a: &[Word], b: &[Word]) -> Ordering {
    a.len().cmp(&b.len()).then_with(|| a.iter().rev().cmp(b.iter().rev()))
}

fn low_bits(number: &[Word], modulus: Word) -> Word {
    number.first().map_or(0, |word| word % modulus)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The specification's way: `x ^ dh_q = 1`.
    fn is_square_by_power(x: &U3072) -> bool {
        let order = Element::MODULUS.as_ref().shr_vartime(1);
        Element::new(x).pow_vartime(&order) == Element::ONE
    }

    #[test]
    fn the_symbol_agrees_with_the_power_at_the_edges() {
        let p = *Element::MODULUS.as_ref();
        for n in 0..40_u32 {
            let power = U3072::ONE.shl_vartime(n * 64 + 63);
            assert_eq!(is_square(&power), is_square_by_power(&power), "{power}");
            let n = U3072::from_u32(n);
            for x in [
                n,
                p.wrapping_sub(&n),
                p.shr_vartime(1).wrapping_add(&n),
                p.shr_vartime(1600).wrapping_sub(&n),
            ] {
                assert_eq!(is_square(&x), is_square_by_power(&x), "{x}");
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]
        #[test]
        fn the_symbol_agrees_with_the_power(bytes in proptest::collection::vec(any::<u8>(), 384), shift in 0..3000_u32) {
            let x = U3072::from_be_slice(&bytes).rem_vartime(Element::MODULUS.as_nz_ref());
            prop_assert_eq!(is_square(&x), is_square_by_power(&x));
            let x = x.shr_vartime(shift);
            prop_assert_eq!(is_square(&x), is_square_by_power(&x));
        }
    }
}
