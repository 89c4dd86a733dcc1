//! Is a number a square modulo p? The squares are the group of order (p - 1) / 2, since p is a safe prime.
//! Spec: otrv4.md "Verifying that an integer is in the DH group"; spec-notes/SN-023. Used by [`super::DhPublicOf`].

use core::cmp::Ordering;

use crypto_bigint::{Odd, Uint, Word};

/// Whether the Legendre symbol (x / p) is 1, by the binary algorithm for the Jacobi symbol. Variable time: for public
/// numbers only.
pub(super) fn is_square<const LIMBS: usize>(x: &Uint<LIMBS>, p: &Odd<Uint<LIMBS>>) -> bool {
    let mut symbol = Symbol { a: words(x), b: words(p), shorter: -1, negative: false };
    // Nobody has proved in how many rounds the numbers become short: mostly about three for each word. Whatever is left after
    // more than that, as of some numbers near p, takes longer and is as right.
    for _ in 0..4 * LIMBS {
        if symbol.b.len() < 2 {
            break;
        }
        symbol.round();
    }
    symbol.finish()
}

fn words<const LIMBS: usize>(number: &Uint<LIMBS>) -> Vec<u64> {
    let words = number.to_words();
    let low_first = words
        .chunks(64 / Word::BITS as usize)
        .map(|parts| parts.iter().rev().fold(0_u128, |sum, part| sum << Word::BITS | u128::from(*part)));
    low_first.map(|word| u64::try_from(word).expect("parts of one word")).collect()
}

/// The Jacobi symbol (a / b), or its negative if `negative`. b is odd; both have as many words, little-endian.
struct Symbol {
    a: Vec<u64>,
    b: Vec<u64>,
    /// By about how many bits b is shorter than a: what the steps so far make likely, since nobody looks at the words on
    /// top.
    shorter: i32,
    negative: bool,
}

impl Symbol {
    /// Halves a as often as the lowest words of both tell how, and then brings the whole numbers there: each becomes a sum
    /// of multiples of both, divided by 2^62.
    ///
    /// The steps are those of D. J. Bernstein and B.-Y. Yang, "Fast constant-time gcd computation and modular inversion",
    /// but that multiples of b are added, not subtracted: so nothing becomes negative, which reciprocity has no room for.
    fn round(&mut self) {
        let [Some(mut a), Some(mut b)] = [&self.a, &self.b].map(|number| number.first().copied()) else {
            return;
        };
        let (mut make_a, mut make_b) = ([1, 0], [0, 1]);
        let mut left = HALVINGS;
        loop {
            let zeros = (a | u64::MAX << left).trailing_zeros();
            a >>= zeros;
            make_b = make_b.map(|multiple: u64| multiple << zeros);
            self.shorter -= zeros.cast_signed();
            left -= zeros;
            // (2 / b) is -1 for b = 3 and 5 modulo 8.
            self.negative ^= zeros % 2 == 1 && matches!(b % 8, 3 | 5);
            if left == 0 {
                break;
            }
            if self.shorter < 0 {
                // Reciprocity: (a / b) = (b / a), or its negative if both are 3 modulo 4.
                self.negative ^= a & b & 2 != 0;
                (a, b, make_a, make_b) = (b, a, make_b, make_a);
                self.shorter = -self.shorter;
            }
            // (a / b) = (a + factor * b / b), and the factor, -a / b modulo 2^bits, makes as many zeros: b (2 - b^2) is
            // 1 / b modulo 2^6.
            let bits = left.min(self.shorter.cast_unsigned() + 1).min(6);
            let inverse = b.wrapping_mul(2_u64.wrapping_sub(b.wrapping_mul(b)));
            let factor = a.wrapping_neg().wrapping_mul(inverse) % (1 << bits);
            a = a.wrapping_add(factor.wrapping_mul(b));
            // Neither pair is more than 2^62 together: what is added here is halved away before the next is.
            let ([a_of_a, a_of_b], [b_of_a, b_of_b]) = (make_a, make_b);
            make_a = [a_of_a + factor * b_of_a, a_of_b + factor * b_of_b];
        }
        self.become_sums(make_a, make_b);
    }

    /// Each becomes `(first * a + second * b) / 2^62`, which is a whole number.
    fn become_sums(&mut self, make_a: [u64; 2], make_b: [u64; 2]) {
        let (mut carry_a, mut carry_b) = (0, 0);
        for (a, b) in self.a.iter_mut().zip(&mut self.b) {
            (*a, *b) = (step(make_a, *a, *b, &mut carry_a), step(make_b, *a, *b, &mut carry_b));
        }
        divide(&mut self.a, carry_a);
        divide(&mut self.b, carry_b);
        while self.a.last() == Some(&0) && self.b.last() == Some(&0) {
            self.a.pop();
            self.b.pop();
        }
    }

    /// One bit at a time; whether the symbol is 1.
    fn finish(self) -> bool {
        let Self { mut a, mut b, mut negative, .. } = self;
        trim(&mut b);
        loop {
            trim(&mut a);
            if a.is_empty() {
                // (0 / b) is 1 for b = 1, and 0 for every other b.
                return b == [1] && !negative;
            }
            if divide_by_twos(&mut a) == 1 && matches!(low_bits(&b, 8), 3 | 5) {
                negative = !negative;
            }
            if compare(&a, &b) == Ordering::Less {
                core::mem::swap(&mut a, &mut b);
                if low_bits(&a, 4) == 3 && low_bits(&b, 4) == 3 {
                    negative = !negative;
                }
            }
            // (a / b) = (a - b / b), and a - b is even.
            subtract(&mut a, &b);
        }
    }
}

/// How often a round halves: the last halving looks at three bits of 64.
const HALVINGS: u32 = 62;

/// One word of `first * a + second * b`.
fn step([first, second]: [u64; 2], a: u64, b: u64, carry: &mut u64) -> u64 {
    let (word, high) = first.carrying_mul(a, *carry);
    let (word, high_too) = second.carrying_mul(b, word);
    // The multiples are at most 2^62, and so are these.
    *carry = high + high_too;
    word
}

/// Divides by 2^62 the number that has one more word on top.
fn divide(number: &mut [u64], top: u64) {
    let mut above = top;
    for word in number.iter_mut().rev() {
        (*word, above) = (above << (64 - HALVINGS) | *word >> HALVINGS, *word);
    }
}

/// Divides by 2 until the number, which is not 0, is odd; tells how many times, modulo 2.
fn divide_by_twos(number: &mut Vec<u64>) -> u32 {
    let zero_words = number.iter().take_while(|word| **word == 0).count();
    number.drain(..zero_words);
    let shift = number.first().map_or(0, |word| word.trailing_zeros());
    if shift > 0 {
        let mut from_above = 0;
        for word in number.iter_mut().rev() {
            let shifted_out = *word << (u64::BITS - shift);
            *word = *word >> shift | from_above;
            from_above = shifted_out;
        }
    }
    trim(number);
    // A whole word counts an even number of times.
    shift % 2
}

/// Takes the zero words on top away.
fn trim(number: &mut Vec<u64>) {
    while number.last() == Some(&0) {
        number.pop();
    }
}

/// `a -= b`, for `a >= b`.
fn subtract(a: &mut [u64], b: &[u64]) {
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
fn compare(a: &[u64], b: &[u64]) -> Ordering {
    a.len().cmp(&b.len()).then_with(|| a.iter().rev().cmp(b.iter().rev()))
}

fn low_bits(number: &[u64], modulus: u64) -> u64 {
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
        for n in 0..u32::try_from(LIMBS).unwrap() {
            let power = Uint::ONE.shl_vartime(n * 64 + 63);
            agrees::<M, LIMBS>(&power);
            // For the largest of them, words are left when the rounds are over.
            agrees::<M, LIMBS>(&p.wrapping_sub(&power));
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
