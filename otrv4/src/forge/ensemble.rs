//! Prekey Ensembles that offline conversations are forged from: genuine ones, and the False Prekey Ensemble of the text.
//! Spec: otrv4.md "Forging Transcripts", "Prekey Server Forged Conversations" (spec-notes/SN-046). Used by the operations beside it.
//!
//! The keys of an offline conversation follow from what is public in the ensemble and from the starter's ephemeral secrets, which are the
//! forger's own. What is left is the signature of the start, over the ring `{F_b, H_a, Y}`: Bob owns the ensemble, Alice starts.
//!
//! | who forges | with | from | signs with |
//! |---|---|---|---|
//! | Alice | long-term key | any ensemble of Bob's with the profile that she has of him | `H_a` |
//! | Alice | forging key | a false one | `y` |
//! | Bob | forging key | any of his own with the profile that he forges with | `F_b` |
//! | Bob | long-term key | one of his own whose prekey he still has, or a false one | `y` |
//!
//! Prekey messages are not signed, so anybody can make one for any client, and whoever starts a conversation from it cannot
//! tell. What the maker of a false one cannot make are the two profiles around it: he takes the real ones. A live conversation that is
//! started from it he cannot read, since the owner's long-term key and shared prekey are in its secret, too. Whoever has the owner's
//! account can: [`Ensemble::give_to`].
//!
//! The offline key exchange denies less than the interactive one. The Prekey Profile is signed by the owner's long-term key:
//! a transcript that holds one proves that they were ready to be written to offline with that shared prekey, and whoever
//! has seen when it was published knows the earliest time of the transcript. That a prekey message was published proves nothing, since
//! both sides can forge from it. That one was not may: a prekey server remembers which prekeys it was given, and somebody who trusts its
//! memory, or has a copy, can tell a false one. A prekey serves one conversation: of two from one prekey at least one is forged,
//! but neither shows which. And as the text says under "KCI Attacks", somebody who holds the prekey's secret from the start, knows
//! that nobody else has it or a forging secret, and watches Alice write knows that it was her.

use core::fmt;

use rand_core::CryptoRng;

use super::forger::{CannotForge, Side};
use crate::account::Account;
use crate::client_profile::ClientProfile;
use crate::crypto::ed448::SigningKey;
use crate::prekey::{PrekeyEnsemble, PrekeySecret, VerifiedEnsemble};
use crate::prekey_profile::PrekeyProfile;
use crate::wire::{Reader, Versions, Writer};
use crate::{Reject, Timestamp};

/// A Prekey Ensemble, and the secret of its prekey where the forger knows it. It is checked where it is used; its
/// Client Profile must be the one that the forger has of its owner.
pub struct Ensemble {
    ensemble: PrekeyEnsemble,
    secret: Option<PrekeySecret>,
    is_made_up: bool,
}

impl Ensemble {
    /// One that its owner has published, as a prekey server handed it out.
    pub const fn genuine(ensemble: PrekeyEnsemble) -> Self {
        Self { ensemble, secret: None, is_made_up: false }
    }

    /// One that this account has published, with the secret of its prekey. Refused if the account has it no more, as after the
    /// first conversation that came from it.
    pub fn own(ensemble: PrekeyEnsemble, account: &Account) -> Result<Self, CannotForge> {
        let message = ensemble.message();
        let prekey = account.offered(message.id()).map(|published| published.prekey);
        let prekey = prekey.filter(|p| p.message(account.tag()).as_bytes() == message.as_bytes());
        let secret = copied(prekey.ok_or(CannotForge::Ensemble(Reject::UnknownPrekey))?);
        Ok(Self { ensemble, secret: Some(secret), is_made_up: false })
    }

    /// False Prekey Ensemble: one of the client whose profiles these are, with a prekey message made up here. Refused if no honest
    /// client would take it at that time.
    pub fn forged(
        client_profile: &ClientProfile,
        prekey_profile: &PrekeyProfile,
        at: Timestamp,
        rng: &mut dyn CryptoRng,
    ) -> Result<Self, CannotForge> {
        let id = rng.next_u32();
        let secret = PrekeySecret::generate(rng, id);
        let mut w = Writer::new();
        w.bytes(client_profile.as_bytes())
            .bytes(prekey_profile.as_bytes())
            .bytes(secret.message(client_profile.owner()).as_bytes());
        let ensemble = PrekeyEnsemble::read(&mut Reader::new(w.as_slice()));
        let ensemble = ensemble.expect("three parts that were read or made before");
        let forged = Self { ensemble, secret: Some(secret), is_made_up: true };
        forged.verify(at)?;
        Ok(forged)
    }

    /// Gives the secret of a made-up prekey to the account of its owner, which then answers who starts a conversation from this ensemble,
    /// once each time that it is given: the forging device of "Prekey Server Forged Conversations" is a client with that account. As with
    /// any new prekey the oldest one goes if there are very many. Refused if the prekey was not made up, since one that its owner's program
    /// has wiped must not come back, or if the account has not got the long-term key and the shared prekey that are in the ensemble.
    /// Save the account afterwards.
    pub fn give_to(&self, owner: &mut Account) -> Result<(), CannotForge> {
        let secret = self.secret.as_ref().filter(|_| self.is_made_up).ok_or(CannotForge::Genuine)?;
        match owner.take_prekey(&self.ensemble, copied(secret)) {
            true => Ok(()),
            false => Err(CannotForge::Ensemble(Reject::ForeignOwner("prekey ensemble"))),
        }
    }

    /// As an honest prekey server would hand it out.
    pub const fn ensemble(&self) -> &PrekeyEnsemble {
        &self.ensemble
    }

    /// Checked as whoever starts a conversation from it does.
    pub(super) fn verify(&self, at: Timestamp) -> Result<VerifiedEnsemble, CannotForge> {
        self.ensemble.clone().verify(at, Versions::V4).map_err(CannotForge::Ensemble)
    }

    /// The same; and it must be an ensemble of that side.
    pub(super) fn verify_for(&self, owner: &Side, at: Timestamp) -> Result<VerifiedEnsemble, CannotForge> {
        let verified = self.verify(at)?;
        let (profile, expected) = (verified.profile(), &owner.profile);
        if profile.as_bytes() == expected.as_bytes() {
            return Ok(verified);
        }
        match (profile.owner(), profile.fingerprint()) == (expected.owner(), expected.fingerprint()) {
            true => Err(CannotForge::OtherProfile),
            false => Err(CannotForge::Ensemble(Reject::ForeignOwner("prekey ensemble"))),
        }
    }

    /// `Y`, to sign with, where its secret is known.
    pub(super) fn key(&self) -> Option<SigningKey> {
        self.secret.as_ref().map(|secret| SigningKey::of_ephemeral(secret.ecdh()))
    }
}

fn copied(secret: &PrekeySecret) -> PrekeySecret {
    let mut w = Writer::new();
    secret.save(&mut w);
    let saved = w.finish_secret();
    PrekeySecret::load(&mut Reader::new(&saved)).expect("as it was saved")
}

/// Without the secret.
impl fmt::Debug for Ensemble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { ensemble, secret, is_made_up } = self;
        let mut shown = f.debug_struct("Ensemble");
        shown.field("ensemble", ensemble).field("knows_y", &secret.is_some()).field("is_made_up", is_made_up);
        shown.finish()
    }
}
