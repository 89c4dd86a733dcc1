//! The primitives under names that the benchmarks can call. Not part of the interface: nothing here is stable, and no
//! application needs it.

use rand_core::CryptoRng;

use crate::crypto::dh3072::{DhKeyPair, DhPublic};
use crate::crypto::ed448::{Point, SigningKey};
use crate::crypto::ring::{self, RingSignature, RingUse};

/// A ring of three keys, of which we have the second.
pub struct RingSigner {
    key: SigningKey,
    others: [Point; 2],
}

/// A signature by one of three.
pub struct Signature(RingSignature);

impl RingSigner {
    /// Fresh keys.
    pub fn new(rng: &mut dyn CryptoRng) -> Self {
        let others = [SigningKey::generate(rng).public().clone(), SigningKey::generate(rng).public().clone()];
        Self { key: SigningKey::generate(rng), others }
    }

    /// Signs; the key is always in the ring.
    pub fn sign(&self, rng: &mut dyn CryptoRng, message: &[u8]) -> Signature {
        Signature(
            ring::sign(rng, RingUse::Otr, &self.key, self.ring(), message).expect("the key is in the ring"),
        )
    }

    /// Verifies.
    pub fn verify(&self, signature: &Signature, message: &[u8]) -> bool {
        ring::verify(RingUse::Otr, self.ring(), &signature.0, message)
    }

    fn ring(&self) -> [&Point; 3] {
        let [first, third] = &self.others;
        [first, self.key.public(), third]
    }
}

/// A DH key pair and somebody else's public key.
pub struct DhPower {
    ours: DhKeyPair,
    theirs: DhPublic,
}

impl DhPower {
    /// One fresh key pair (one `2^x`), combined with its own public key.
    pub fn new(rng: &mut dyn CryptoRng) -> Self {
        let ours = DhKeyPair::generate(rng);
        Self { theirs: ours.public().clone(), ours }
    }

    /// `B^x`
    pub fn power(&self) -> usize {
        self.ours.shared(&self.theirs).len()
    }

    /// Range and Legendre symbol.
    pub fn is_member(&self) -> bool {
        DhPublic::from_be_bytes(self.theirs.as_be_bytes()).is_ok()
    }
}
