//! The primitives under names of their own.

pub mod over_bytes;
mod smp;

use rand_core::CryptoRng;

pub use self::smp::{SmpSteps, smp, smp_steps, smp_steps_v3, smp_v3};

use crate::channel::{Flags, Sealing};
use crate::crypto::dh1536::{Dh1536KeyPair, Dh1536Public};
use crate::crypto::dh3072::{DhKeyPair, DhPublic};
use crate::crypto::ed448::{Point, SecretScalar, SigningKey};
use crate::crypto::mac::Mac;
use crate::crypto::ring::{self, RingSignature, RingUse};
use crate::crypto::secret::Secret;
use crate::keys::{DsaKey, LongTermKey};
use crate::ratchet::keys::MacKey;
use crate::v3::ake::{SentCommit, SentDhKey};
use crate::v3::messages::{DhCommit, DhKey, RevealSignature, Signature as SignatureMessage};
use crate::v3::{Channel, DataMessage};
use crate::wire::{Header, InstanceTag, Padding, Reader, Version, WireError, Writer};
use crate::{Reject, Timestamp};

/// A ring of three keys, of which we have one.
pub struct RingSigner {
    key: SigningKey,
    ring: [Point; 3],
}

/// A signature by one of three.
pub struct Signature(RingSignature);

impl RingSigner {
    /// Fresh keys; ours is at this place, from 0 to 2.
    pub fn at(place: usize, rng: &mut dyn CryptoRng) -> Self {
        let keys = [(); 3].map(|()| SigningKey::generate(rng));
        let ring = keys.each_ref().map(|key| key.public().clone());
        let key = keys.into_iter().nth(place).expect("a ring has three places");
        Self { key, ring }
    }

    /// Signs; the key is always in the ring.
    pub fn sign(&self, rng: &mut dyn CryptoRng, message: &[u8]) -> Signature {
        Signature(
            ring::sign(rng, RingUse::Otr, &self.key, self.ring.each_ref(), message)
                .expect("the key is in the ring"),
        )
    }

    /// Verifies.
    pub fn verify(&self, signature: &Signature, message: &[u8]) -> bool {
        ring::verify(RingUse::Otr, self.ring.each_ref(), &signature.0, message)
    }
}

/// A secret number mod q of Ed448.
pub struct Ed448Secret(SecretScalar);

impl Ed448Secret {
    /// 57 bytes, little-endian, mod q; zero is none.
    pub fn of(bytes: &[u8; 57]) -> Option<Self> {
        SecretScalar::decode(bytes).map(Self)
    }

    /// `k·G`
    pub fn times_base(&self) -> Point {
        self.0.mul_base()
    }

    /// `k·A`, where the product is secret.
    pub fn times(&self, a: &Point) -> Secret<57> {
        self.0.mul_secret(a)
    }
}

/// EdDSA.
pub fn eddsa_sign(key: &LongTermKey, message: &[u8]) -> [u8; 114] {
    key.signing().sign(message)
}

/// The key that authenticates one data message.
pub struct Authenticator(MacKey);

impl Authenticator {
    /// Of these 64 bytes.
    pub fn of(key: &[u8; 64]) -> Self {
        Self(MacKey::load(&mut Reader::new(key)).expect("64 bytes"))
    }

    /// The MAC.
    pub fn authenticate(&self, message: &[u8]) -> [u8; 64] {
        let mut w = Writer::new();
        self.0.authenticate(message).write(&mut w);
        w.as_slice().try_into().expect("64 bytes")
    }

    /// Whether it is the right one.
    pub fn verify(&self, message: &[u8], mac: &[u8; 64]) -> bool {
        self.0.verify(message, &Mac::new(*mac))
    }
}

/// Whether two MACs of versions 2 and 3 are the same.
pub fn macs_equal(a: &[u8; 20], b: &[u8; 20]) -> bool {
    Mac::new(*a).matches(&Mac::new(*b))
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
