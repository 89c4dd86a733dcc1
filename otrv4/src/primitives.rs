//! The primitives under names that the benchmarks can call. Not part of the interface: nothing here is stable, and no
//! application needs it.

use rand_core::CryptoRng;

use crate::crypto::dh1536::{Dh1536KeyPair, Dh1536Public};
use crate::crypto::dh3072::{DhKeyPair, DhPublic};
use crate::crypto::ed448::{Point, SigningKey};
use crate::crypto::ring::{self, RingSignature, RingUse};
use crate::keys::{DsaKey, Fingerprint, FingerprintV3};
use crate::smp::ed448::{self, Ed448};
use crate::smp::modp::{self, Modp1536};
use crate::smp::{Group, Smp, SmpError};

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

/// The same in the group of versions 2 and 3.
pub struct Dh1536Power {
    ours: Dh1536KeyPair,
    theirs: Dh1536Public,
}

impl Dh1536Power {
    /// One fresh key pair (one `2^x`), combined with its own public key.
    pub fn new(rng: &mut dyn CryptoRng) -> Self {
        let ours = Dh1536KeyPair::generate(rng);
        Self { theirs: ours.public().clone(), ours }
    }

    /// `B^x`
    pub fn power(&self) -> usize {
        self.ours.shared(&self.theirs).len()
    }

    /// Range and Legendre symbol.
    pub fn is_member(&self) -> bool {
        Dh1536Public::from_be_bytes(self.theirs.as_be_bytes()).is_ok()
    }
}

/// Signs with a key of versions 2 and 3, without a hash: what is signed is a MAC.
pub fn dsa_sign(key: &DsaKey, mac: &[u8; 32], rng: &mut dyn CryptoRng) -> [u8; 40] {
    key.sign(mac, rng)
}

/// Verifies.
pub fn dsa_verify(key: &DsaKey, mac: &[u8; 32], signature: &[u8; 40]) -> bool {
    key.public().verify(mac, signature)
}

/// A whole run of SMP with equal secrets, both sides, without the data messages that carry it.
pub fn smp(rng: &mut dyn CryptoRng) -> bool {
    let fingerprint = Fingerprint::from_bytes([7; 56]);
    run::<Ed448>(|| ed448::secret(&fingerprint, &fingerprint, &[7; 8], b"secret"), rng)
}

/// The same in the group of versions 2 and 3.
pub fn smp_v3(rng: &mut dyn CryptoRng) -> bool {
    let fingerprint = FingerprintV3::from_bytes([7; 20]);
    run::<Modp1536>(|| modp::secret(&fingerprint, &fingerprint, &[7; 8], b"secret"), rng)
}

fn run<G: Group>(secret: impl Fn() -> G::Secret, rng: &mut dyn CryptoRng) -> bool {
    let (alice, message_1) = Smp::<G>::start(secret(), rng);
    let mut run = || {
        let (bob, message_2) = Smp::<G>::default().receive_1(&message_1)?.answer(secret(), rng)?;
        let (alice, message_3) = alice.receive_2(&message_2, rng)?;
        let (bobs_result, message_4) = bob.receive_3(&message_3, rng)?;
        Ok::<_, SmpError>(bobs_result && alice.receive_4(&message_4)?)
    };
    run().is_ok_and(|equal| equal)
}
