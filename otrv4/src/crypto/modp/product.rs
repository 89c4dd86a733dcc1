//! Products of powers of public values, in variable time.
//! Used by the proof of the prekey server protocol and by SMP over these groups.

use crypto_bigint::Uint;
use crypto_bigint::modular::{ConstMontyForm, ConstMontyParams};

/// `B_1 ^ t_1 * … * B_n ^ t_n` with the squarings shared (Straus), by sliding windows.
pub(in crate::crypto) fn product_of_powers<
    M: ConstMontyParams<LIMBS>,
    const LIMBS: usize,
    const EXPONENT: usize,
>(
    terms: &[(ConstMontyForm<M, LIMBS>, Uint<EXPONENT>)],
) -> ConstMontyForm<M, LIMBS> {
    let mut factors: Vec<_> = terms.iter().map(|(base, exponent)| Factor::new(*base, exponent)).collect();
    let bits = terms.iter().map(|(_, exponent)| exponent.bit_width_vartime()).max();
    let mut product = ConstMontyForm::ONE;
    for position in (0..bits.unwrap_or(0)).rev() {
        product = product.square();
        for factor in &mut factors {
            if let Some((_, half)) = factor.windows.pop_if(|(at, _)| *at == position) {
                product = product.mul(factor.odd_powers.get(half).expect("a window has 5 bits"));
            }
        }
    }
    product
}

/// For exponents of some hundred bits, a little better than one less.
const WINDOW: u32 = 5;

/// A base and its exponent, cut into windows of up to 5 bits that begin and end with a 1.
struct Factor<M: ConstMontyParams<LIMBS>, const LIMBS: usize> {
    /// Base to the power of 1, 3, …, 31.
    odd_powers: Vec<ConstMontyForm<M, LIMBS>>,
    /// Position of the lowest bit, ascending, and half of the digit, rounded down.
    windows: Vec<(u32, usize)>,
}

impl<M: ConstMontyParams<LIMBS>, const LIMBS: usize> Factor<M, LIMBS> {
    fn new<const EXPONENT: usize>(base: ConstMontyForm<M, LIMBS>, exponent: &Uint<EXPONENT>) -> Self {
        let square = base.square();
        let odd_powers = core::iter::successors(Some(base), |power| Some(power.mul(&square)));
        let mut windows = Vec::new();
        let mut position = 0;
        while position < exponent.bit_width_vartime() {
            if exponent.bit_vartime(position) {
                let bits = (1..WINDOW).filter(|bit| exponent.bit_vartime(position + bit));
                windows.push((position, bits.map(|bit| 1 << (bit - 1)).sum()));
                position += WINDOW;
            } else {
                position += 1;
            }
        }
        Self { odd_powers: odd_powers.take(1 << (WINDOW - 1)).collect(), windows }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::dh1536::Modulus;

    type Element = ConstMontyForm<Modulus, 24>;

    #[test]
    fn many_terms_are_multiplied_as_one_by_one() {
        let bytes = [[0; 48], [0xff; 48], core::array::from_fn(|n| if n == 47 { 1 } else { 0x80 })];
        let mut exponents: Vec<_> = bytes.iter().map(|bytes| Uint::<6>::from_be_slice(bytes)).collect();
        exponents.push(Uint::from_u8(7));
        let bases = [3_u8, 4, 9, 10].map(|n| Element::new(&Uint::from_u8(n)));
        let terms: Vec<_> = bases.into_iter().zip(exponents).collect();
        let expected = terms
            .iter()
            .fold(Element::ONE, |product, (base, exponent)| product.mul(&base.pow_vartime(exponent)));
        assert_eq!(product_of_powers(&terms), expected);
        assert_eq!(product_of_powers::<Modulus, 24, 6>(&[]), Element::ONE);
    }
}
