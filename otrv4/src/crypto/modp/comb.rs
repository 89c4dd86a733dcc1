//! Powers of the generator 2 by a comb: tables made once replace most of the squarings. Constant time.
//! Used to make keys, and for commitments in proofs.
//!
//! The exponent is cut into `TABLES * TEETH` blocks of `columns` bits. The bits at one column of the blocks of a table
//! are a digit; the table holds, for each digit, what those bits stand for at column 0. One squaring moves the result
//! by a column for all tables (C. H. Lim, P. J. Lee, "More Flexible Exponentiation with Precomputation", 1994).

use crypto_bigint::modular::{ConstMontyForm, ConstMontyParams};
use crypto_bigint::{CtEq, Uint, Word};
use zeroize::Zeroizing;

/// The tables for exponents of up to a number of bits.
pub(in crate::crypto) struct Comb<M: ConstMontyParams<LIMBS>, const LIMBS: usize> {
    columns: u32,
    /// `TABLES` times 2^`TEETH` powers.
    tables: Vec<Vec<ConstMontyForm<M, LIMBS>>>,
}

impl<M: ConstMontyParams<LIMBS>, const LIMBS: usize> Comb<M, LIMBS> {
    pub(in crate::crypto) fn new(exponent_bits: u32) -> Self {
        let columns = exponent_bits.div_ceil(TABLES * TEETH);
        // What the lowest bit of the next block stands for.
        let mut block = ConstMontyForm::new(&Uint::from_u8(2));
        let mut table = || {
            let mut powers = vec![ConstMontyForm::ONE];
            for _ in 0..TEETH {
                let with_this_bit: Vec<_> = powers.iter().map(|power| power.mul(&block)).collect();
                powers.extend(with_this_bit);
                block = (0..columns).fold(block, |power, _| power.square());
            }
            powers
        };
        Self { columns, tables: (0..TABLES).map(|_| table()).collect() }
    }

    /// 2 to this power; higher bits than the tables are for do not count.
    pub(in crate::crypto) fn power<const EXPONENT: usize>(
        &self,
        exponent: &Uint<EXPONENT>,
    ) -> Zeroizing<ConstMontyForm<M, LIMBS>> {
        let mut power = Zeroizing::new(ConstMontyForm::ONE);
        let mut chosen = Zeroizing::new(ConstMontyForm::ONE);
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
fn select<M: ConstMontyParams<LIMBS>, const LIMBS: usize>(
    entries: &[ConstMontyForm<M, LIMBS>],
    wanted: u32,
    chosen: &mut ConstMontyForm<M, LIMBS>,
) {
    let chosen = chosen.as_montgomery_mut().as_mut_words();
    chosen.fill(0);
    for (index, entry) in (0_u32..).zip(entries) {
        let mask = Word::from(index.ct_eq(&wanted).to_u8()).wrapping_neg();
        for (chosen, word) in chosen.iter_mut().zip(entry.as_montgomery().as_words()) {
            *chosen |= word & mask;
        }
    }
}

// Of the shapes whose tables fit a second-level cache (200 KB at 3072 bits), the fastest: more teeth save
// multiplications and cost look-ups.
const TEETH: u32 = 7;
const TABLES: u32 = 4;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::crypto::{dh1536, dh3072};

    fn agrees<M: ConstMontyParams<LIMBS>, const LIMBS: usize, const EXPONENT: usize>(
        exponent: &Uint<EXPONENT>,
    ) {
        let comb = Comb::<M, LIMBS>::new(Uint::<EXPONENT>::BITS);
        let two = ConstMontyForm::<M, LIMBS>::new(&Uint::from_u8(2));
        assert_eq!(*comb.power(exponent), two.pow_vartime(exponent));
    }

    fn agrees_in_every_group<const EXPONENT: usize>(exponent: &Uint<EXPONENT>) {
        agrees::<dh3072::Modulus, 48, EXPONENT>(exponent);
        agrees::<dh1536::Modulus, 24, EXPONENT>(exponent);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4))]
        #[test]
        fn the_comb_agrees_with_the_plain_power(bytes in proptest::collection::vec(any::<u8>(), 384)) {
            let wide = Uint::<48>::from_be_slice(&bytes);
            agrees_in_every_group(&wide);
            agrees_in_every_group(&wide.resize::<24>());
            agrees_in_every_group(&wide.resize::<10>());
            agrees_in_every_group(&wide.resize::<5>());
        }
    }

    #[test]
    fn the_ends_of_the_range_are_right() {
        for exponent in [Uint::<5>::ZERO, Uint::ONE, Uint::MAX] {
            agrees_in_every_group(&exponent);
        }
        agrees_in_every_group(&Uint::<10>::MAX);
        agrees_in_every_group(&Uint::<48>::MAX);
    }
}
