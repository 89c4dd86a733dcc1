//! The primitives under names that the benchmarks and the programs of `conformance/` can call. Not part of the interface: nothing here is stable, and no
//! application needs it.

pub mod over_bytes;

use rand_core::CryptoRng;

use crate::channel::{Flags, Sealing};
use crate::crypto::dh1536::{Dh1536KeyPair, Dh1536Public};
use crate::crypto::dh3072::{DhKeyPair, DhPublic};
use crate::crypto::ed448::{Point, SigningKey};
use crate::crypto::ring::{self, RingSignature, RingUse};
use crate::keys::{DsaKey, Fingerprint, FingerprintV3};
use crate::smp::ed448::{self, Ed448};
use crate::smp::modp::{self, Modp1536};
use crate::smp::{Group, Smp, SmpError};
use crate::v3::ake::{SentCommit, SentDhKey};
use crate::v3::messages::{DhCommit, DhKey, RevealSignature, Signature as SignatureMessage};
use crate::v3::{Channel, DataMessage};
use crate::wire::{Header, InstanceTag, Padding, Reader, Version, WireError};
use crate::{Reject, Timestamp};

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

/// Two long-term keys of version 3.
pub struct V3Keys {
    alice: DsaKey,
    bob: DsaKey,
}

/// Two channels of version 3 that talk to each other.
pub struct V3Channels {
    alice: Channel,
    bob: Channel,
}

impl V3Keys {
    /// Fresh keys: this takes long.
    pub fn new(rng: &mut dyn CryptoRng) -> Self {
        Self { alice: DsaKey::generate(rng), bob: DsaKey::generate(rng) }
    }

    /// The four messages of a key exchange, both sides.
    pub fn exchange(&self, rng: &mut dyn CryptoRng) -> V3Channels {
        self.try_exchange(rng).expect("both sides are honest")
    }

    fn try_exchange(&self, rng: &mut dyn CryptoRng) -> Result<V3Channels, Reject> {
        let (a, b) = tags();
        let commit = SentCommit::new(Version::V3, b, None, rng);
        let message = behind_header(commit.message(), DhCommit::read)?;
        let dh_key = SentDhKey::new(Version::V3, (a, b), message, rng);
        let message = behind_header(dh_key.message(), DhKey::read)?;
        let reveal = commit.receive((b, a), &self.bob, &message, rng)?;
        let message = behind_header(reveal.message(), RevealSignature::read)?;
        let (established, message) = dh_key.receive(&self.alice, &message, rng)?;
        let alice = Channel::new(established, BEGIN, rng);
        let established = reveal.receive(&behind_header(&message, SignatureMessage::read)?)?;
        Ok(V3Channels { alice, bob: Channel::new(established, BEGIN, rng) })
    }
}

impl V3Channels {
    /// Alice says something, and Bob reads it. Gives its length.
    pub fn say(&mut self, text: &str, rng: &mut dyn CryptoRng) -> usize {
        self.try_say(text, rng).expect("both sides are honest")
    }

    /// Alice says something, and they change places: then each message has new keys.
    pub fn say_and_swap(&mut self, text: &str, rng: &mut dyn CryptoRng) -> usize {
        let length = self.say(text, rng);
        core::mem::swap(&mut self.alice, &mut self.bob);
        length
    }

    fn try_say(&mut self, text: &str, rng: &mut dyn CryptoRng) -> Result<usize, Reject> {
        let with = Sealing { tags: tags(), padding: Padding::Off, now: BEGIN, rng };
        let (message, _) = self.alice.seal(Flags::None, text, &[], with)?;
        let mut r = Reader::new(&message);
        let header = Header::read(&mut r)?;
        let (content, step) = self.bob.try_open(&DataMessage::read(&header, &mut r)?)?;
        self.bob.advance(step, rng);
        Ok(content.text.map_or(0, |text| text.len()))
    }
}

fn behind_header<T>(
    message: &[u8],
    read: impl FnOnce(&mut Reader<'_>) -> Result<T, WireError>,
) -> Result<T, WireError> {
    let mut r = Reader::new(message);
    Header::read(&mut r)?;
    read(&mut r)
}

fn tags() -> (InstanceTag, InstanceTag) {
    let tag = |tag| InstanceTag::new(tag).expect("at least 0x100");
    (tag(0x100), tag(0x101))
}

const BEGIN: Timestamp = Timestamp::from_unix(1_800_000_000);
