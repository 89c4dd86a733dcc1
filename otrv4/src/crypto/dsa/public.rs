//! DSA public keys and what they verify. Everything here is public; what takes a secret number too, is constant time in it.
//! Used by [`super::key`], the Client Profile, and the AKE of versions 2 and 3.

use core::fmt;

use crypto_bigint::modular::{FixedMontyForm, FixedMontyParams};
use crypto_bigint::{Odd, U192, U1024, Uint};

use super::widened;
use crate::wire::{Reader, WireError, Writer};

/// A DSA public key: p of up to 1024 bits, q of up to 160. That they are primes as they should be, is not checked: a peer
/// who chooses others harms nobody else.
#[derive(Clone)]
pub(crate) struct DsaPublic {
    pub(super) p: FixedMontyParams<{ U1024::LIMBS }>,
    pub(super) q: Odd<U192>,
    pub(super) g: U1024,
    pub(super) y: U1024,
    /// PUBKEY, as it was read.
    bytes: Box<[u8]>,
}

impl DsaPublic {
    /// PUBKEY: SHORT 0x0000 and the MPIs p, q, g, y; g and y below p and neither 0 nor 1.
    pub(crate) fn read(r: &mut Reader<'_>) -> Result<Self, WireError> {
        let illegal = WireError::Illegal("DSA public key");
        let start = r.position();
        if r.short("DSA key type")? != 0 {
            return Err(illegal);
        }
        let p = U1024::from_be_slice(&widened::<128>(r.mpi("DSA p")?)?);
        let q = U192::from_be_slice(&widened::<24>(r.mpi("DSA q")?)?);
        let mut below_p = |what| -> Result<U1024, WireError> {
            let number = U1024::from_be_slice(&widened::<128>(r.mpi(what)?)?);
            if number > U1024::ONE && number < p { Ok(number) } else { Err(illegal) }
        };
        let (g, y) = (below_p("DSA g")?, below_p("DSA y")?);
        let p = Odd::new(p).into_option().ok_or(illegal)?;
        if q.bit_width_vartime() > 160 || q <= U192::ONE {
            return Err(illegal);
        }
        let q = Odd::new(q).into_option().ok_or(illegal)?;
        Ok(Self { p: FixedMontyParams::new_vartime(p), q, g, y, bytes: r.since(start).into() })
    }

    /// The bytes of a PUBKEY, its numbers unchecked: that costs more than a stranger may ask for.
    pub(crate) fn skip<'a>(r: &mut Reader<'a>) -> Result<&'a [u8], WireError> {
        let start = r.position();
        if r.short("DSA key type")? != 0 {
            return Err(WireError::Illegal("DSA key type"));
        }
        for what in ["DSA p", "DSA q", "DSA g", "DSA y"] {
            r.mpi(what)?;
        }
        Ok(r.since(start))
    }

    /// Writes the PUBKEY.
    pub(crate) fn write(&self, w: &mut Writer) {
        w.bytes(&self.bytes);
    }

    /// The PUBKEY.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Whether (r, s), 20 bytes each, is a signature of the message taken as a number modulo q: 0 < r, s < q and
    /// `(g ^ (m / s) * y ^ (r / s) mod p) mod q = r`.
    pub(crate) fn verify(&self, message: &[u8], signature: &[u8; 40]) -> bool {
        self.check(message, signature).unwrap_or(false)
    }

    fn check(&self, message: &[u8], signature: &[u8; 40]) -> Option<bool> {
        let (r, s) = signature.split_at(20);
        let (r, s) = (self.below_q(r)?, self.below_q(s)?);
        let w = s.invert_odd_mod_vartime(&self.q).into_option()?;
        let q = self.q.as_nz_ref();
        let u1 = self.reduced(message).mul_mod_vartime(&w, q);
        let u2 = r.mul_mod_vartime(&w, q);
        let power = |base: &U1024, exponent: &U192| FixedMontyForm::new(base, &self.p).pow_vartime(exponent);
        let v = (power(&self.g, &u1) * power(&self.y, &u2)).retrieve();
        Some(v.rem_vartime(q) == r)
    }

    /// Big-endian, above 0 and below q.
    pub(super) fn below_q(&self, bytes: &[u8]) -> Option<U192> {
        let number = U192::from_be_slice(&widened::<24>(bytes).ok()?);
        (number > U192::ZERO && number < *self.q.as_ref()).then_some(number)
    }

    /// The message as a big-endian number modulo q, four bytes at a time. Constant time but for its length and for q.
    pub(super) fn reduced(&self, message: &[u8]) -> U192 {
        let (first, words) = message.as_rchunks::<4>();
        let first = first.iter().fold(0, |so_far, byte| so_far << 8 | u32::from(*byte));
        // q has 160 bits at the most, which leaves room for 32 more.
        words.iter().fold(U192::from_u32(first).rem_vartime(self.q.as_nz_ref()), |so_far, word| {
            let word = U192::from_u32(u32::from_be_bytes(*word));
            so_far.shl_vartime(32).wrapping_add(&word).rem_vartime(self.q.as_nz_ref())
        })
    }

    /// `g ^ exponent mod p`, constant time in the exponent, which is below q.
    pub(super) fn power_of_g(&self, exponent: &U192) -> U1024 {
        FixedMontyForm::new(&self.g, &self.p).pow_bounded_exp(exponent, 160).retrieve()
    }

    /// p, q, g and y, big-endian without leading zeros.
    pub(super) fn numbers(&self) -> [Vec<u8>; 4] {
        [minimal(self.p.modulus()), minimal(&self.q), minimal(&self.g), minimal(&self.y)]
    }
}

impl fmt::Debug for DsaPublic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { p: _, q: _, g: _, y, bytes: _ } = self;
        write!(f, "DsaPublic(")?;
        minimal(y).iter().take(4).try_for_each(|byte| write!(f, "{byte:02x}"))?;
        write!(f, "..)")
    }
}

fn minimal<const LIMBS: usize>(number: &Uint<LIMBS>) -> Vec<u8> {
    let words = number.as_words().iter().rev();
    words.flat_map(|word| word.to_be_bytes()).skip_while(|byte| *byte == 0).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vectors::{array, bytes, of_kind, v3_file, whole_of_kind};

    #[test]
    fn recorded_signatures_verify_and_changed_ones_do_not() {
        for v in whole_of_kind("dsa") {
            let key = bytes(&v.inputs["dsa_public"]);
            let key = DsaPublic::read(&mut Reader::new(&key)).expect("a key");
            let (message, signature) = (bytes(&v.inputs["m"]), array(&v.outputs["signature"]));
            assert!(key.verify(&message, &signature), "{}", v.name);
            for at in [0, 19, 20, 39] {
                let mut changed = signature;
                changed[at] ^= 1;
                assert!(!key.verify(&message, &changed));
            }
            assert!(!key.verify(&message[2..], &signature));
            assert!(!key.verify(&message, &[0; 40]));
        }
    }

    #[test]
    fn signatures_of_recorded_sessions_verify() {
        let file = v3_file();
        for version in ["v3", "v2"] {
            for message in &file["sessions"][version]["messages"].as_array().unwrap()[3..5] {
                let whole = bytes(&message["X"]);
                let mut r = Reader::new(&whole);
                let key = DsaPublic::read(&mut r).expect("a key");
                let (mac, signature) = (bytes(&message["M"]), array(&message["dsa_sig"]));
                assert!(key.verify(&mac, &signature));
                assert!(!key.verify(&mac[1..], &signature));
                let mut w = Writer::new();
                key.write(&mut w);
                assert_eq!(w.as_slice(), key.bytes());
                assert_eq!(w.as_slice(), r.since(0), "the bytes as they were read");
            }
        }
    }

    #[test]
    fn a_message_of_any_length_is_reduced() {
        let key = key(&[23], &[11], &[4], &[9]).unwrap();
        for (message, remainder) in
            [(&[][..], 0), (&[12], 1), (&[1, 0], 3), (&[0, 0, 1, 0], 3), (&[1, 0, 0, 0, 0], 4)]
        {
            assert_eq!(key.reduced(message), U192::from_u8(remainder), "{message:?}");
        }
    }

    #[test]
    fn keys_outside_their_range_are_refused() {
        let v = &of_kind("dsa")[0];
        let key = bytes(&v.inputs["dsa_public"]);
        for (at, value) in [(1, 1), (5, 0x81), (133, 2)] {
            let mut changed = key.clone();
            changed[at] = value;
            assert!(DsaPublic::read(&mut Reader::new(&changed)).is_err(), "byte {at}");
        }
        let mut even = key.clone();
        even[2 + 4 + 127] &= 0xfe;
        assert!(DsaPublic::read(&mut Reader::new(&even)).is_err());
        assert!(DsaPublic::read(&mut Reader::new(&key[..key.len() - 1])).is_err());
    }

    fn key(p: &[u8], q: &[u8], g: &[u8], y: &[u8]) -> Result<DsaPublic, WireError> {
        let mut w = Writer::new();
        w.short(0).mpi(p).mpi(q).mpi(g).mpi(y);
        DsaPublic::read(&mut Reader::new(w.as_slice()))
    }

    #[test]
    fn numbers_that_make_no_key_are_refused() {
        let (p, q, g, y) = ([23], [11], [4], [9]);
        assert!(key(&p, &q, &g, &y).is_ok());
        for bad_p in [vec![], vec![1], vec![2], vec![22], vec![1; 129]] {
            assert!(key(&bad_p, &q, &g, &y).is_err(), "p = {bad_p:?}");
        }
        for bad_q in [vec![], vec![1], vec![10], vec![1; 21], vec![1; 25]] {
            assert!(key(&p, &bad_q, &g, &y).is_err(), "q = {bad_q:?}");
        }
        for bad in [vec![], vec![1], vec![23], vec![24], vec![1; 129]] {
            assert!(key(&p, &q, &bad, &y).is_err(), "g = {bad:?}");
            assert!(key(&p, &q, &g, &bad).is_err(), "y = {bad:?}");
        }
    }

    /// (r, s) of one byte each.
    fn small_signature(r: u8, s: u8) -> [u8; 40] {
        let mut signature = [0; 40];
        (signature[19], signature[39]) = (r, s);
        signature
    }

    #[test]
    fn small_and_composite_numbers_are_judged_without_a_panic() {
        // The least p that is read.
        let least = key(&[3], &[3], &[2], &[2]).unwrap();
        // q = 15 has no inverse of 3, 5, 6, 9, 10 and 12.
        let composite = key(&[23], &[15], &[4], &[9]).unwrap();
        for (r, s) in (0..16).flat_map(|r| (0..16).map(move |s| (r, s))) {
            let signature = small_signature(r, s);
            let valid = [least.verify(b"message", &signature), composite.verify(b"message", &signature)];
            assert!(!(valid[0] && (r >= 3 || s >= 3 || r * s == 0)), "r = {r}, s = {s}");
            assert!(!(valid[1] && (r * s == 0 || s % 3 == 0 || s % 5 == 0)), "r = {r}, s = {s}");
        }
    }
}
