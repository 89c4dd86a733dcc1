//! Powers of the generator 2 by a comb: tables made once replace most of the squarings. Constant time.
//! Used to make keys, and for commitments in the proofs of the prekey server protocol.
//!
//! The exponent is cut into `TABLES * TEETH` blocks of `columns` bits. The bits at one column of the blocks of a table
//! are a digit; the table holds, for each digit, what those bits stand for at column 0. One squaring moves the result
//! by a column for all tables (C. H. Lim, P. J. Lee, "More Flexible Exponentiation with Precomputation", 1994).

use std::sync::LazyLock;

use crypto_bigint::{CtEq, U3072, Uint, Word};
use zeroize::Zeroizing;

use super::{Element, Exponent};

/// 2 to the power of a secret key.
pub(super) fn power_of_secret(exponent: &Exponent) -> Zeroizing<Element> {
    static COMB: LazyLock<Comb> = LazyLock::new(|| Comb::new(Exponent::BITS));
    COMB.power(exponent)
}

/// 2 to the power of a number of 3072 bits.
pub(super) fn power(exponent: &U3072) -> Zeroizing<Element> {
    static COMB: LazyLock<Comb> = LazyLock::new(|| Comb::new(U3072::BITS));
    COMB.power(exponent)
}

struct Comb {
    columns: u32,
    /// `TABLES` times 2^`TEETH` powers.
    tables: Vec<Vec<Element>>,
}

impl Comb {
    fn new(exponent_bits: u32) -> Self {
        let columns = exponent_bits.div_ceil(TABLES * TEETH);
        // What the lowest bit of the next block stands for.
        let mut block = Element::new(&U3072::from_u8(2));
        let mut table = || {
            let mut powers = vec![Element::ONE];
            for _ in 0..TEETH {
                let with_this_bit: Vec<_> = powers.iter().map(|power| power.mul(&block)).collect();
                powers.extend(with_this_bit);
                block = (0..columns).fold(block, |power, _| power.square());
            }
            powers
        };
        Self { columns, tables: (0..TABLES).map(|_| table()).collect() }
    }

    fn power<const LIMBS: usize>(&self, exponent: &Uint<LIMBS>) -> Zeroizing<Element> {
        let mut power = Zeroizing::new(Element::ONE);
        let mut chosen = Zeroizing::new(Element::ONE);
        for column in (0..self.columns).rev() {
            *power = power.square();
            for (table, powers) in (0..).zip(&self.tables) {
                let mut digit = 0;
                for block in (table * TEETH..(table + 1) * TEETH).rev() {
                    // Variable time in the position only, which is no secret; past the end, bits are 0.
                    digit = digit << 1 | u32::from(exponent.bit_vartime(block * self.columns + column));
                }
                select(powers, digit, &mut chosen);
                *power = power.mul(&chosen);
            }
        }
        power
    }
}

/// Copies an entry; every entry is read, whichever is wanted.
fn select(entries: &[Element], wanted: u32, chosen: &mut Element) {
    let chosen = chosen.as_montgomery_mut().as_mut_words();
    chosen.fill(0);
    for (index, entry) in (0_u32..).zip(entries) {
        let mask = Word::from(index.ct_eq(&wanted).to_u8()).wrapping_neg();
        for (chosen, word) in chosen.iter_mut().zip(entry.as_montgomery().as_words()) {
            *chosen |= word & mask;
        }
    }
}

// Of the shapes whose tables fit a second-level cache (200 KB here), the fastest: more teeth save multiplications and
// cost look-ups.
const TEETH: u32 = 7;
const TABLES: u32 = 4;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(8))]
        #[test]
        fn the_comb_agrees_with_the_plain_power(bytes in proptest::collection::vec(any::<u8>(), 384)) {
            let two = Element::new(&U3072::from_u8(2));
            let wide = U3072::from_be_slice(&bytes);
            prop_assert_eq!(*power(&wide), two.pow_vartime(&wide));
            let short: Exponent = wide.resize();
            prop_assert_eq!(*power_of_secret(&short), two.pow_vartime(&short));
        }
    }

    #[test]
    fn the_ends_of_the_range_are_right() {
        let two = Element::new(&U3072::from_u8(2));
        assert_eq!(*power_of_secret(&Exponent::ZERO), Element::ONE);
        assert_eq!(*power_of_secret(&Exponent::ONE), two);
        assert_eq!(*power_of_secret(&Exponent::MAX), two.pow_vartime(&Exponent::MAX));
        assert_eq!(*power(&U3072::MAX), two.pow_vartime(&U3072::MAX));
    }
}
