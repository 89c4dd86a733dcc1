//! Who forges: the two of a conversation by their public Client Profiles, and one key of one of them.
//! Spec: otrv4.md "Ring Signature Authentication", "Forger Keys". Used by the operations beside it.
//!
//! Each ring signature of a key exchange can be made by three keys, and the forger has one of them for certain, since who
//! makes both sides of an exchange makes both ephemeral keys:
//!
//! | message | signed by | ring | keys of a forger |
//! |---|---|---|---|
//! | Auth-R | Alice, who answers | `{F_b, H_a, Y}` | `H_a` if she forges, `F_b` if Bob does, `Y` always |
//! | Auth-I | Bob, who sent the Identity | `{H_b, F_a, X}` | `H_b` if he forges, `F_a` if Alice does, `X` always |
//! | Non-Interactive-Auth | Alice, who starts | `{F_b, H_a, Y}` | as for Auth-R, but `Y` only where the prekey's secret is known ([`super::Ensemble`]) |
//!
//! So one long-term or one forging secret is enough, and a signature does not show which key made it. The
//! specification asks for a participant's key, and so does [`Forger::new`]: the tools are for those who took part.

use core::convert::Infallible;
use core::fmt;

use rand_core::{CryptoRng, TryCryptoRng, TryRng};

use crate::account::Account;
use crate::client_profile::{ClientProfile, VerifiedClientProfile};
use crate::crypto::dh3072::{DhKeyPair, DhPublic};
use crate::crypto::ed448::{EcdhKeyPair, Point, SigningKey};
use crate::crypto::secret::Secret;
use crate::dake::Us;
use crate::keys::{ForgingKey, LongTermKey};
use crate::wire::{Reader, Versions};
use crate::{Refused, Reject, Timestamp};

/// One of the two: what everybody may know of them.
#[derive(Clone, Debug)]
pub struct Person {
    /// Their account id at the messenger, such as a bare JID.
    pub account: String,
    /// Their Client Profile as they published or sent it.
    pub profile: ClientProfile,
}

impl Person {
    /// The owner of this account, with the profile that it shows.
    pub fn of(account: &Account) -> Self {
        let mut r = Reader::new(account.client_profile().as_bytes());
        let profile = ClientProfile::read(&mut r).expect("a profile that was read or made before");
        Self { account: account.id().into(), profile }
    }
}

/// The secret of the participant who forges.
#[derive(Clone, Copy, Debug)]
pub enum Key<'a> {
    /// The long-term key of their profile: they sign their own part as ever.
    LongTerm(&'a LongTermKey),
    /// The forging key of their profile: it signs for the other side.
    Forging(&'a ForgingKey),
}

impl<'a> Key<'a> {
    /// The long-term key of this account.
    pub const fn long_term_of(account: &'a Account) -> Self {
        Self::LongTerm(account.key())
    }

    /// The forging key of this account.
    pub const fn forging_of(account: &'a Account) -> Self {
        Self::Forging(account.forging_key())
    }

    /// The key pair; refused if its secret was destroyed.
    pub(super) fn signing(self) -> Result<&'a SigningKey, CannotForge> {
        match self {
            Self::LongTerm(key) => Ok(key.signing()),
            Self::Forging(key) => key.signing().ok_or(CannotForge::Destroyed),
        }
    }
}

/// One of the two sides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    /// The one whose key the forger has.
    Participant,
    /// The one who knows nothing of it.
    Other,
}

impl Who {
    /// The other side.
    #[must_use]
    pub const fn peer(self) -> Self {
        match self {
            Self::Participant => Self::Other,
            Self::Other => Self::Participant,
        }
    }
}

/// Why something cannot be forged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CannotForge {
    /// The Client Profile of this side is not valid then: nobody would accept the conversation.
    #[error("the client profile cannot be used: {1}")]
    Profile(Who, Reject),
    /// The prekey ensemble is not valid then.
    #[error("the prekey ensemble cannot be used: {0}")]
    Ensemble(Reject),
    /// The prekey ensemble is of the right client, and was published with an earlier or a later profile.
    #[error("the prekey ensemble holds another profile of the same client: forge with the one that is in it")]
    OtherProfile,
    /// The prekey was made by its owner: their program answers to it, once, and has wiped its secret then.
    #[error("the prekey of this ensemble was not made up: its owner's program answers to it by itself, once")]
    Genuine,
    /// The key is in no ring of the conversation, and the secret of the ephemeral key in it is not known.
    #[error(
        "the key is in no ring of this conversation: take the long-term or the forging key of the participant's profile; from a \
         genuine prekey ensemble its owner needs their forging key and whoever starts their long-term key, from a false one \
         either serves; and posing as somebody takes the forging key of the one who is lied to"
    )]
    OutsideRing,
    /// The secret of the forging key was destroyed when it was made.
    #[error(
        "the secret of the forging key was destroyed when it was made: the long-term key forges, too, and nobody can pose as \
         somebody else to its owner while they are there"
    )]
    Destroyed,
    /// The two are one and the same client.
    #[error("both are the same client: take the profile of the other one")]
    OneClient,
    /// A text cannot be sent, or the policy does not allow the conversation.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// One side did not take what the other one sent.
    #[error("a message was refused: {0}")]
    Rejected(#[from] Reject),
    /// Whoever receives an offline conversation came back when an honest program would have forgotten the shared prekey.
    #[error(
        "whoever was away came back too late: a day after the end of a profile in the prekey ensemble their program has forgotten \
         its shared prekey; let them come back before"
    )]
    BackTooLate,
    /// A text was to be said by who was away.
    #[error("a text was to be sent by the one who was away: let them come back before, or say it later")]
    Away,
    /// There was no conversation in time: a text still waited for one, or none came about at all.
    #[error(
        "the conversation had not begun when the record stopped or a text could wait no longer: lines of the key exchange were \
         lost or slow; let them arrive, or let the record go on until they have"
    )]
    NotBegun,
}

/// The two of a conversation, and a key of one of them.
pub struct Forger {
    participant: Side,
    other: Side,
    key: SigningKey,
}

/// One of the two, verified.
pub(super) struct Side {
    pub(super) account: String,
    pub(super) profile: VerifiedClientProfile,
}

impl Forger {
    /// A forger of conversations that begin at that time. Refused if a profile is not valid then or does not list version
    /// 4, and if the key is not one of the participant's profile.
    pub fn new(participant: Person, key: Key<'_>, other: Person, at: Timestamp) -> Result<Self, CannotForge> {
        let participant = Side::verify(Who::Participant, participant, at)?;
        let other = Side::verify(Who::Other, other, at)?;
        if participant.profile.owner() == other.profile.owner() {
            return Err(CannotForge::OneClient);
        }
        let signing = key.signing()?;
        let expected = match key {
            Key::LongTerm(_) => participant.profile.identity_key(),
            Key::Forging(_) => participant.profile.forging_key(),
        };
        match signing.public() == expected {
            true => Ok(Self { participant, other, key: signing.copied() }),
            false => Err(CannotForge::OutsideRing),
        }
    }

    pub(super) const fn side(&self, who: Who) -> &Side {
        match who {
            Who::Participant => &self.participant,
            Who::Other => &self.other,
        }
    }

    /// What a key exchange is to know of the side that signs with this key.
    pub(super) fn us<'a>(&'a self, who: Who, key: &'a SigningKey) -> Us<'a> {
        let (side, peer) = (self.side(who), self.side(who.peer()));
        Us {
            tag: side.profile.owner(),
            account: &side.account,
            key,
            profile: &side.profile,
            versions: Versions::V4,
            correspondent: &peer.account,
        }
    }

    /// The key for a signature of that side over the ring of its `H`, its peer's `F` and its peer's ephemeral key: the
    /// participant's if it is in there, else the ephemeral one.
    pub(super) fn ring_key(
        &self,
        who: Who,
        ephemeral: impl FnOnce() -> Option<SigningKey>,
    ) -> Result<SigningKey, CannotForge> {
        let (ours, theirs) = (&self.side(who).profile, &self.side(who.peer()).profile);
        match [ours.identity_key(), theirs.forging_key()].contains(&self.key.public()) {
            true => Ok(self.key.copied()),
            false => ephemeral().ok_or(CannotForge::OutsideRing),
        }
    }

    /// Some key, for a side that has not to sign yet.
    pub(super) fn any_key(&self) -> SigningKey {
        self.key.copied()
    }
}

impl Side {
    pub(super) fn verify(who: Who, person: Person, at: Timestamp) -> Result<Self, CannotForge> {
        let Person { account, profile } = person;
        let owner = profile.owner();
        let profile = profile.verify(owner, at).map_err(|reason| CannotForge::Profile(who, reason))?;
        Ok(Self { account, profile })
    }
}

impl fmt::Debug for Forger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { participant, other, key: _ } = self;
        write!(f, "Forger({} and {})", participant.account, other.account)
    }
}

/// The forger's generator, which remembers what may have become ephemeral keys: their secrets are known to whoever brings the
/// randomness, so that a key exchange need not give them away.
pub(super) struct Remembering<'a> {
    rng: &'a mut dyn CryptoRng,
    ecdh: Vec<Secret<57>>,
    dh: Vec<Secret<80>>,
}

impl<'a> Remembering<'a> {
    pub(super) fn new(rng: &'a mut dyn CryptoRng) -> Self {
        Self { rng, ecdh: Vec::new(), dh: Vec::new() }
    }

    /// The key of that public key, to sign with.
    pub(super) fn key_of(&self, public: &Point) -> Option<SigningKey> {
        self.ecdh_of(public).as_ref().map(SigningKey::of_ephemeral)
    }

    /// The pair of that public key, if its secret was drawn here.
    pub(super) fn ecdh_of(&self, public: &Point) -> Option<EcdhKeyPair> {
        self.ecdh.iter().map(EcdhKeyPair::from_random57).find(|pair| pair.public() == public)
    }

    /// The same for a DH key.
    pub(super) fn dh_of(&self, public: &DhPublic) -> Option<DhKeyPair> {
        let pairs = self
            .dh
            .iter()
            .filter_map(|draw| DhKeyPair::read(&mut Reader::new(draw.as_bytes()), "DH secret").ok());
        pairs.into_iter().find(|pair| pair.public() == public)
    }
}

impl TryRng for Remembering<'_> {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(self.rng.next_u32())
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(self.rng.next_u64())
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Infallible> {
        self.rng.fill_bytes(out);
        if let Ok(draw) = (&*out).try_into() {
            self.ecdh.push(Secret::copied(draw));
        }
        if let Ok(draw) = (&*out).try_into() {
            self.dh.push(Secret::copied(draw));
        }
        Ok(())
    }
}

impl TryCryptoRng for Remembering<'_> {}
