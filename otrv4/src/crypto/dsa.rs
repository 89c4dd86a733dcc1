//! DSA of 1024 bits as OTRv3 uses it: only to check the transitional signature of a Client Profile.
//! Spec: otrv4.md "Create a Client Profile Signature"; OTRv3 "Public keys, signatures, and fingerprints".
//!
//! Everything here is public, so nothing is constant time. OTR signs the message itself as a number modulo q, without
//! a hash: such a signature binds nobody to anything. spec-notes/SN-008

use crypto_bigint::modular::{FixedMontyForm, FixedMontyParams};
use crypto_bigint::{NonZero, Odd, U192, U1024};

use crate::wire::{Reader, WireError};

/// A DSA public key: p of up to 1024 bits, q of up to 160.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DsaPublic {
    p: FixedMontyParams<{ U1024::LIMBS }>,
    q: NonZero<U192>,
    g: U1024,
    y: U1024,
}

impl DsaPublic {
    /// PUBKEY: SHORT 0x0000 and the MPIs p, q, g, y; g and y below p and neither 0 nor 1.
    pub(crate) fn read(r: &mut Reader<'_>) -> Result<Self, WireError> {
        let illegal = WireError::Illegal("DSA public key");
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
        let odd_p = Odd::new(p).into_option().ok_or(illegal)?;
        if q.bit_width_vartime() > 160 || !bool::from(q.is_odd()) || q <= U192::ONE {
            return Err(illegal);
        }
        let q = NonZero::new(q).into_option().ok_or(illegal)?;
        Ok(Self { p: FixedMontyParams::new_vartime(odd_p), q, g, y })
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

    /// Whether (r, s), 20 bytes each, is a signature of the message taken as a number modulo q.
    pub(crate) fn verify(&self, message: &[u8], signature: &[u8; 40]) -> bool {
        self.check(message, signature).unwrap_or(false)
    }

    fn check(&self, message: &[u8], signature: &[u8; 40]) -> Option<bool> {
        let (r, s) = signature.split_at(20);
        let (r, s) = (self.below_q(r)?, self.below_q(s)?);
        let w = s.invert_odd_mod_vartime(&Odd::new(*self.q).into_option()?).into_option()?;
        let u1 = self.reduced(message).mul_mod_vartime(&w, &self.q);
        let u2 = r.mul_mod_vartime(&w, &self.q);
        let power = |base: &U1024, exponent: &U192| FixedMontyForm::new(base, &self.p).pow_vartime(exponent);
        let v = (power(&self.g, &u1) * power(&self.y, &u2)).retrieve();
        Some(v.rem_vartime(&self.q) == r)
    }

    /// Big-endian, above 0 and below q.
    fn below_q(&self, bytes: &[u8]) -> Option<U192> {
        let number = U192::from_be_slice(&widened::<24>(bytes).ok()?);
        (number > U192::ZERO && number < *self.q).then_some(number)
    }

    /// The message as a big-endian number modulo q, a byte at a time.
    fn reduced(&self, message: &[u8]) -> U192 {
        message.iter().fold(U192::ZERO, |so_far, byte| {
            so_far.shl_vartime(8).wrapping_add(&U192::from_u8(*byte)).rem_vartime(&self.q)
        })
    }
}

/// A big-endian number with zeros in front, as the fixed-size integers take it.
fn widened<const N: usize>(bytes: &[u8]) -> Result<[u8; N], WireError> {
    let mut wide = [0; N];
    let zeros = N.checked_sub(bytes.len()).ok_or(WireError::TooLong("DSA number"))?;
    if let Some(low) = wide.get_mut(zeros..) {
        low.copy_from_slice(bytes);
    }
    Ok(wide)
}

#[cfg(test)]
impl DsaPublic {
    /// A signature with the nonce 1, which gives the key away: for tests of what verifies.
    pub(crate) fn sign_with_nonce_1(&self, x: &[u8], message: &[u8]) -> [u8; 40] {
        let x = U192::from_be_slice(&widened::<24>(x).expect("a short number"));
        let r = self.g.rem_vartime(&self.q);
        let s = x.mul_mod_vartime(&r, &self.q).wrapping_add(&self.reduced(message)).rem_vartime(&self.q);
        let bytes = |number: U192| number.to_be_bytes().as_ref()[4..].to_vec();
        [bytes(r), bytes(s)].concat().try_into().expect("20 bytes each")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vectors::{array, bytes, of_kind};
    use crate::wire::Writer;

    #[test]
    fn recorded_signatures_verify_and_changed_ones_do_not() {
        for v in of_kind("dsa") {
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
