//! ECDH key pairs: the ephemeral keys of the handshakes and of the ratchet, and the keys of prekey messages.
//! Spec: otrv4.md "Generating ECDH and DH keys", "ECDH and DH Shared Secrets".

use rand_core::CryptoRng;

use super::{Point, SecretScalar};
use crate::crypto::secret::Secret;
use crate::wire::{Reader, WireError, Writer};

/// An ECDH secret and its public key.
#[derive(Debug)]
pub(crate) struct EcdhKeyPair {
    secret: SecretScalar,
    public: Point,
}

impl EcdhKeyPair {
    /// From 57 bytes drawn in one call.
    pub(crate) fn generate(rng: &mut dyn CryptoRng) -> Self {
        SecretScalar::random(rng).into()
    }

    /// From 57 random bytes; they are hashed and pruned here.
    pub(crate) fn from_random57(random: &Secret<57>) -> Self {
        SecretScalar::from_random57(random).into()
    }

    /// What the other side gets.
    pub(crate) fn public(&self) -> &Point {
        &self.public
    }

    /// The secret, for the proofs that it is known.
    pub(crate) fn secret(&self) -> &SecretScalar {
        &self.secret
    }

    /// `K_ecdh = secret·their`, encoded as a POINT. The text's check for zero cannot fire: neither factor is one
    /// whose product is the identity (spec-notes/SN-002).
    pub(crate) fn shared(&self, their: &Point) -> Secret<57> {
        self.secret.mul_secret(their)
    }

    /// Reads a saved pair: the secret scalar.
    pub(crate) fn read(r: &mut Reader<'_>, what: &'static str) -> Result<Self, WireError> {
        Ok(SecretScalar::read(r, what)?.into())
    }

    /// Writes a pair to be saved: the secret scalar, 57 bytes.
    pub(crate) fn write(&self, w: &mut Writer) {
        self.secret.write(w);
    }
}

impl From<SecretScalar> for EcdhKeyPair {
    fn from(secret: SecretScalar) -> Self {
        let public = secret.mul_base();
        Self { secret, public }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::vectors::{Recorded, array, bytes, of_kind};

    #[test]
    fn shared_secrets_are_the_recorded_ones() {
        for vector in of_kind("ecdh") {
            let ours = EcdhKeyPair::generate(&mut Recorded([bytes(&vector.inputs["sym_a"])].into()));
            let their = Point::decode(&array(&vector.inputs["public_b"])).unwrap();
            assert_eq!(ours.shared(&their).as_bytes(), &array(&vector.outputs["K_ecdh"]), "{}", vector.name);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(16))]

        #[test]
        fn both_sides_share_the_same_secret(a: [u8; 57], b: [u8; 57]) {
            let [a, b] = [a, b].map(|random| EcdhKeyPair::from_random57(&Secret::copied(&random)));
            prop_assert!(a.shared(b.public()).ct_eq(&b.shared(a.public())));
            prop_assert_eq!(&Point::decode(a.public().as_bytes()), &Ok(a.public().clone()));
        }

        #[test]
        fn a_saved_pair_is_read_again(random: [u8; 57]) {
            let pair = EcdhKeyPair::from_random57(&Secret::copied(&random));
            let mut w = Writer::new();
            pair.write(&mut w);
            let read = EcdhKeyPair::read(&mut Reader::new(w.as_slice()), "pair").unwrap();
            prop_assert_eq!(read.public(), pair.public());
        }
    }
}
