//! Is a number a square modulo p? The squares are the group of order (p - 1) / 2, since p is a safe prime.
//! Spec: otrv4.md "Verifying that an integer is in the DH group"; spec-notes/SN-023. Used by [`super::DhPublicOf`].

use core::cmp::Ordering;

use crypto_bigint::{Odd, Uint, Word};

/// Whether the Legendre symbol (x / p) is 1, by the binary algorithm for the Jacobi symbol. Variable time: for public
/// numbers only.
pub(super) fn is_square<const LIMBS: usize>(x: &Uint<LIMBS>, p: &Odd<Uint<LIMBS>>) -> bool {
    // (a / b) with b odd, little-endian words without zeros on top; the symbol looked for is its negative if `negative`.
    let mut a = x.to_words().to_vec();
    let mut b = p.to_words().to_vec();
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
    use crypto_bigint::modular::{ConstMontyForm, ConstMontyParams};
    use proptest::prelude::*;

    use super::*;
    use crate::crypto::{dh1536, dh3072};

    /// Compares with the specification's way, `x ^ ((p - 1) / 2) = 1`.
    fn agrees<M: ConstMontyParams<LIMBS>, const LIMBS: usize>(x: &Uint<LIMBS>) {
        let p = ConstMontyForm::<M, LIMBS>::MODULUS;
        let by_power =
            ConstMontyForm::<M, LIMBS>::new(x).pow_vartime(&p.shr_vartime(1)) == ConstMontyForm::ONE;
        assert_eq!(is_square(x, &p), by_power, "{x}");
    }

    fn agrees_at_the_edges<M: ConstMontyParams<LIMBS>, const LIMBS: usize>() {
        let p = ConstMontyForm::<M, LIMBS>::MODULUS;
        let few = u32::try_from(LIMBS).unwrap().min(40);
        for n in 0..few {
            agrees::<M, LIMBS>(&Uint::ONE.shl_vartime(n * 64 + 63));
            let n = Uint::from_u32(n);
            let half = p.shr_vartime(1).wrapping_add(&n);
            let short = p.shr_vartime(Uint::<LIMBS>::BITS / 2 + 64).wrapping_sub(&n);
            for x in [n, p.wrapping_sub(&n), half, short] {
                agrees::<M, LIMBS>(&x);
            }
        }
    }

    #[test]
    fn the_symbol_agrees_with_the_power_at_the_edges() {
        agrees_at_the_edges::<dh3072::Modulus, 48>();
        agrees_at_the_edges::<dh1536::Modulus, 24>();
    }

    fn agrees_shifted<M: ConstMontyParams<LIMBS>, const LIMBS: usize>(x: Uint<LIMBS>, shift: u32) {
        let x = x.rem_vartime(ConstMontyForm::<M, LIMBS>::MODULUS.as_nz_ref());
        agrees::<M, LIMBS>(&x);
        agrees::<M, LIMBS>(&x.shr_vartime(shift % Uint::<LIMBS>::BITS));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]
        #[test]
        fn the_symbol_agrees_with_the_power(bytes in proptest::collection::vec(any::<u8>(), 384), shift in 0..3000_u32) {
            let x = Uint::<48>::from_be_slice(&bytes);
            agrees_shifted::<dh3072::Modulus, 48>(x, shift);
            agrees_shifted::<dh1536::Modulus, 24>(x.resize(), shift);
        }
    }
}
