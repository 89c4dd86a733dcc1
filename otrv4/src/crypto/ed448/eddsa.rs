//! EdDSA over Ed448: RFC 8032, "Ed448" with the empty context. Long-term keys sign profiles with it.
//! Spec: otrv4.md "Public keys, Shared Prekeys, Forging keys and Fingerprints", "Create a Client Profile Signature".

use rand_core::CryptoRng;

use super::{EcdhKeyPair, Point, Scalar, SecretScalar};
use crate::crypto::{kdf::shake256, secret::Secret};
use crate::wire::{Reader, Writer};

/// A key pair made from 57 symmetric bytes, as the text makes the long-term, forging and shared prekey pairs.
#[derive(Debug)]
pub(crate) struct SigningKey {
    sym: Secret<57>,
    /// `a`: the first half of the hashed `sym`, pruned.
    secret: SecretScalar,
    /// The second half, from which nonces are made.
    prefix: Secret<57>,
    public: Point,
}

impl SigningKey {
    /// From 57 bytes drawn in one call.
    pub(crate) fn generate(rng: &mut dyn CryptoRng) -> Self {
        Self::from_sym(Secret::random(rng))
    }

    /// From the 57 bytes that [`SigningKey::sym`] gives to be saved.
    pub(crate) fn from_sym(sym: Secret<57>) -> Self {
        let hash = Secret::<114>::filled(|out| shake256(&[sym.as_bytes()], out));
        let (left, right) = hash.as_bytes().split_at(57);
        let secret = SecretScalar::pruned(&Secret::filled(|out| out.copy_from_slice(left)));
        let prefix = Secret::filled(|out| out.copy_from_slice(right));
        let public = secret.mul_base();
        Self { sym, secret, prefix, public }
    }

    /// A copy, to sign elsewhere with the same key.
    pub(crate) fn copied(&self) -> Self {
        Self::from_sym(Secret::copied(self.sym.as_bytes()))
    }

    /// An ephemeral key that signs in rings. Its scalar was not made from symmetric bytes: it stands in their place
    /// where nonces are made, and [`SigningKey::from_sym`] does not lead back to it.
    pub(crate) fn of_ephemeral(pair: &EcdhKeyPair) -> Self {
        let mut w = Writer::new();
        pair.write(&mut w);
        let scalar = Secret::filled(|out: &mut [u8; 57]| out.copy_from_slice(w.as_slice()));
        let secret = SecretScalar::read(&mut Reader::new(w.as_slice()), "scalar").expect("as it was written");
        let prefix = Secret::filled(|out| shake256(&[scalar.as_bytes()], out));
        Self { sym: scalar, secret, prefix, public: pair.public().clone() }
    }

    /// The 57 bytes everything else follows from.
    pub(crate) fn sym(&self) -> &Secret<57> {
        &self.sym
    }

    /// `a·G`.
    pub(crate) fn public(&self) -> &Point {
        &self.public
    }

    /// `a`, for ECDH with a shared prekey and for ring signatures.
    pub(crate) fn secret_scalar(&self) -> &SecretScalar {
        &self.secret
    }

    /// EDDSA-SIG: R and S, 57 bytes each.
    pub(crate) fn sign(&self, message: &[u8]) -> [u8; 114] {
        let hash = Secret::filled(|out| shake256(&[DOM4, self.prefix.as_bytes(), message], out));
        let mut s = SecretScalar::uniform(&hash);
        let r = s.mul_base();
        s.add_product(&challenge(r.as_bytes(), &self.public, message), &self.secret);
        let mut signature = [0; 114];
        let (left, right) = signature.split_at_mut(57);
        left.copy_from_slice(r.as_bytes());
        right.copy_from_slice(&s.publish().to_bytes());
        signature
    }
}

/// RFC 8032, 5.2.7, in its strict form: `S` is below q, and `R` is the one encoding of `S·G - k·A`, so that nobody
/// can make a second signature from a first.
pub(crate) fn verify(public: &Point, message: &[u8], signature: &[u8; 114]) -> bool {
    let (Some(r), Some(s)) = (signature.first_chunk(), signature.last_chunk()) else { return false };
    let k = challenge(r, public, message);
    let reduced = Scalar::decode(s);
    reduced.to_bytes() == *s && Point::combine(&reduced, &[(-k, public)]).as_bytes() == r
}

/// `k = SHAKE-256(dom4(0, "") || R || A || message, 114)` mod q.
fn challenge(r: &[u8; 57], public: &Point, message: &[u8]) -> Scalar {
    let mut hash = [0; 114];
    shake256(&[DOM4, r, public.as_bytes(), message], &mut hash);
    Scalar::wide(&hash)
}

/// `dom4(0, "")`: no prehash, no context.
const DOM4: &[u8] = b"SigEd448\x00\x00";

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use ed448_goldilocks::{CompressedEdwardsY, EdwardsPoint};

    use super::super::ORDER;
    use super::*;
    use crate::vectors::{Vector, array, bytes, of_kind};

    fn key_of(vector: &Vector) -> SigningKey {
        SigningKey::from_sym(Secret::copied(&array(&vector.inputs["sym"])))
    }

    #[test]
    fn keys_are_the_recorded_ones() {
        for vector in of_kind("key") {
            let key = key_of(&vector);
            let secret = key.secret_scalar().publish();
            assert_eq!(secret, Scalar::decode(&array(&vector.outputs["secret"])), "{}", vector.name);
            assert_eq!(secret.to_bytes(), array(&vector.outputs["secret_mod_q"]), "{}", vector.name);
            assert_eq!(key.public().as_bytes(), &array(&vector.outputs["public"]), "{}", vector.name);
            assert!(key.sym().ct_eq(&Secret::copied(&array(&vector.inputs["sym"]))));
        }
    }

    #[test]
    fn signatures_are_the_recorded_ones() {
        for vector in of_kind("eddsa") {
            let (key, message) = (key_of(&vector), bytes(&vector.inputs["message"]));
            let signature = key.sign(&message);
            assert_eq!(key.public().as_bytes(), &array(&vector.outputs["public"]), "{}", vector.name);
            assert_eq!(signature, array(&vector.outputs["signature"]), "{}", vector.name);
            assert!(verify(key.public(), &message, &signature), "{}", vector.name);
        }
    }

    #[test]
    fn signatures_are_accepted_or_refused_as_recorded() {
        for vector in of_kind("eddsa_verify") {
            let public = Point::decode(&array(&vector.inputs["public"])).unwrap();
            // Signatures of another length cannot be written down as the type.
            let signature = <[u8; 114]>::try_from(bytes(&vector.inputs["signature"])).ok();
            let valid = signature.is_some_and(|s| verify(&public, &bytes(&vector.inputs["message"]), &s));
            assert_eq!(Some(valid), vector.accept(), "{}", vector.name);
        }
    }

    #[test]
    fn a_key_is_not_printed() {
        let key = SigningKey::from_sym(Secret::copied(&[1; 57]));
        let public = format!("{:?}", key.public());
        let expected = format!(
            "SigningKey {{ sym: Secret<57>(..), secret: SecretScalar(..), prefix: Secret<57>(..), public: {public} }}"
        );
        assert_eq!(format!("{key:?}"), expected);
    }

    #[test]
    fn s_plus_q_is_refused() {
        let key = SigningKey::from_sym(Secret::copied(&[2; 57]));
        let mut signature = key.sign(b"message");
        let mut carry = 0;
        for (byte, q) in signature[57..].iter_mut().zip(ORDER) {
            let sum = u16::from(*byte) + u16::from(q) + carry;
            *byte = u8::try_from(sum & 0xFF).unwrap();
            carry = sum >> 8;
        }
        assert!(!verify(key.public(), b"message", &signature));
    }

    /// What the key's owner can make for `R` in any form: `S = r + k·a`.
    fn signed_with(key: &SigningKey, r: Scalar, encoded_r: [u8; 57]) -> [u8; 114] {
        let k = challenge(&encoded_r, key.public(), b"message");
        let s = r + k * key.secret_scalar().publish();
        [encoded_r, s.to_bytes()].concat().try_into().unwrap()
    }

    #[test]
    fn an_r_with_a_part_of_small_order_is_refused() {
        let key = SigningKey::from_sym(Secret::copied(&[2; 57]));
        let r = Scalar::decode(&[5; 57]);
        let order_4 = CompressedEdwardsY::IDENTITY.decompress_unchecked().unwrap().to_edwards();
        for (torsion, valid) in
            [(EdwardsPoint::IDENTITY, true), (order_4, false), (order_4.double(), false), (-order_4, false)]
        {
            let point = Point::from(Point::combine(&r, &[]).curve + torsion);
            let signature = signed_with(&key, r, *point.as_bytes());
            assert_eq!(verify(key.public(), b"message", &signature), valid);
        }
    }

    #[test]
    fn other_encodings_of_r_are_refused() {
        let key = SigningKey::from_sym(Secret::copied(&[2; 57]));
        let r = Scalar::decode(&[5; 57]);
        let canonical = *Point::combine(&r, &[]).as_bytes();
        assert!(verify(key.public(), b"message", &signed_with(&key, r, canonical)));
        for bit in 0..7 {
            let mut spare_bit = canonical;
            spare_bit[56] |= 1 << bit;
            assert!(!verify(key.public(), b"message", &signed_with(&key, r, spare_bit)), "bit {bit}");
        }
        // r = 0: the identity, whose x is 0 and has no sign.
        let zero = Scalar::decode(&[0; 57]);
        let mut identity = [0; 57];
        identity[0] = 1;
        assert!(verify(key.public(), b"message", &signed_with(&key, zero, identity)));
        identity[56] = 0x80;
        assert!(!verify(key.public(), b"message", &signed_with(&key, zero, identity)));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(16))]

        #[test]
        fn a_signature_holds_for_its_message_key_and_bytes_only(
            sym: [u8; 57],
            message: Vec<u8>,
            position in 0..114usize,
            bit in 0..8u8,
        ) {
            let key = SigningKey::from_sym(Secret::copied(&sym));
            let mut signature = key.sign(&message);
            prop_assert!(verify(key.public(), &message, &signature));
            prop_assert!(!verify(key.public(), &[&message[..], b"x"].concat(), &signature));
            prop_assert!(!verify(SigningKey::from_sym(Secret::copied(&[3; 57])).public(), &message, &signature));
            signature[position] ^= 1 << bit;
            prop_assert!(!verify(key.public(), &message, &signature));
        }
    }
}
