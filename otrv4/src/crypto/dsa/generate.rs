//! New DSA keys, as FIPS 186-4 A.1.1.2, A.2.1 and B.1.1 make them, but without the seed that would show others how the
//! primes were found: nobody asks for it in OTR.

use crypto_bigint::modular::{FixedMontyForm, FixedMontyParams};
use crypto_bigint::{NonZero, Odd, U192, U256, U1024};
use crypto_primes::fips::{self, FipsOptions};
use crypto_primes::{Flavor, random_prime};
use rand_core::CryptoRng;
use zeroize::Zeroizing;

use super::{DsaKey, widened};
use crate::crypto::secret::Secret;

impl DsaKey {
    /// A new key: q a random prime of 160 bits, p one of 1024 bits with q | p - 1, g of order q, 0 < x < q. Takes a tenth
    /// of a second or a few.
    pub fn generate(rng: &mut dyn CryptoRng) -> Self {
        let q: U192 = random_prime(rng, Flavor::Any, 160);
        let q = Odd::new(q).expect("a prime of 160 bits is odd");
        let p = prime_above(&q, rng);
        let g = generator(&p, &q);
        let x = secret_below(&q, rng);
        let y =
            FixedMontyForm::new(&g, &FixedMontyParams::new_vartime(p)).pow_bounded_exp(&x, 160).retrieve();
        let bytes = |number: &U1024| <[u8; 128]>::from(number.to_be_bytes());
        let x = Zeroizing::new(<[u8; 24]>::from(x.to_be_bytes()));
        let q = <[u8; 24]>::from(q.to_be_bytes());
        Self::from_parts(&bytes(p.as_ref()), &q, &bytes(&g), &bytes(&y), &*x)
            .expect("the numbers were made as a key demands them")
    }
}

/// A prime of 1024 bits that is 1 modulo 2q.
fn prime_above(q: &Odd<U192>, rng: &mut dyn CryptoRng) -> Odd<U1024> {
    // FIPS 186-4 table C.1.
    let tests = FipsOptions::with_mr_iterations(3).with_lucas_test().with_trial_division_test();
    let step = NonZero::new(q.shl_vartime(1)).expect("q is not zero");
    loop {
        let mut bytes = [0; 128];
        rng.fill_bytes(&mut bytes);
        bytes[0] |= 0x80;
        let random = U1024::from_be_slice(&bytes);
        let remainder: U1024 = random.rem_vartime(&step).resize();
        let candidate = random.wrapping_sub(&remainder).wrapping_add(&U1024::ONE);
        if candidate.bit_width_vartime() == 1024 && fips::is_prime(rng, Flavor::Any, &candidate, tests) {
            return Odd::new(candidate).expect("1 modulo an even number is odd");
        }
    }
}

/// `h ^ ((p - 1) / q) mod p` for the first h that does not give 1.
fn generator(p: &Odd<U1024>, q: &Odd<U192>) -> U1024 {
    let (exponent, _) = p.wrapping_sub(&U1024::ONE).div_rem_vartime(q.as_nz_ref());
    let params = FixedMontyParams::new_vartime(*p);
    let powers = (2_u32..)
        .map(|h| FixedMontyForm::new(&U1024::from_u32(h), &params).pow_vartime(&exponent).retrieve());
    let mut found = powers.filter(|power| *power != U1024::ONE);
    found.next().expect("only one number in q gives 1")
}

/// Above 0 and below q: 224 random bits, so that each number is as likely as any other, but for a part in 2^64.
fn secret_below(q: &Odd<U192>, rng: &mut dyn CryptoRng) -> Zeroizing<U192> {
    let random = Secret::<28>::random(rng);
    let wide = Zeroizing::new(widened::<32>(random.as_bytes()).expect("28 bytes are not more than 32"));
    let wide = Zeroizing::new(U256::from_be_slice(&*wide));
    let largest = NonZero::new(q.wrapping_sub(&U192::ONE)).expect("q is above 1");
    Zeroizing::new(wide.rem_vartime(&largest).wrapping_add(&U192::ONE))
}

#[cfg(test)]
mod tests {
    use crypto_primes::is_prime;

    use super::*;
    use crate::vectors::{Recorded, rng};

    #[test]
    fn a_new_key_has_primes_of_their_size_and_signs() {
        let key = DsaKey::generate(&mut rng());
        let public = key.public();
        assert_eq!(public.p.modulus().bit_width_vartime(), 1024);
        assert!(is_prime(Flavor::Any, public.p.modulus().as_ref()));
        assert_eq!(public.q.bit_width_vartime(), 160);
        assert!(public.verify(b"message", &key.sign(b"message", &mut rng())));
        // PUBKEY: type, four lengths, p and q full; g and y may be shorter.
        assert!(public.bytes().starts_with(&[0, 0, 0, 0, 0, 128]));
    }

    #[test]
    fn a_secret_is_one_draw_above_zero_and_below_q() {
        let q = Odd::new(U192::from_u8(11)).unwrap();
        let secret = |bytes: Vec<u8>| {
            let mut rng = Recorded([bytes].into());
            let x = secret_below(&q, &mut rng);
            assert!(rng.0.is_empty());
            *x
        };
        let ending = |byte| [&[0; 27][..], &[byte]].concat();
        assert_eq!(secret(ending(0)), U192::ONE);
        assert_eq!(secret(ending(9)), U192::from_u8(10));
        assert_eq!(secret(ending(10)), U192::ONE);
        assert_eq!(secret([&[1][..], &[0; 27]].concat()), U192::from_u8(7), "2^216 = 6 modulo 10");
    }

    #[test]
    fn the_first_base_that_does_not_give_1_makes_the_generator() {
        // 2 has order 3 modulo 7 and (7 - 1) / 3 = 2; modulo 31, 2 ^ (30 / 3) = 1 and 3 ^ 10 = 25.
        let of = |p: u8, q: u8| {
            generator(&Odd::new(U1024::from_u8(p)).unwrap(), &Odd::new(U192::from_u8(q)).unwrap())
        };
        assert_eq!(of(7, 3), U1024::from_u8(4));
        assert_eq!(of(31, 3), U1024::from_u8(25));
    }
}
