//! False Prekey Ensemble: a prekey message in somebody's name, of which the forger has the secrets.
//! Spec: otrv4.md "Forging Transcripts", "Prekey Server Forged Conversations". Used by the operations beside it.
//!
//! Prekey messages are not signed, so anybody can make one for any client, and whoever starts a conversation from it cannot
//! tell. What the forger cannot make are the two profiles around it: he takes the real ones. A conversation can be forged in
//! which the owner receives; a live one cannot be read by the forger, since the owner's long-term key and shared prekey
//! are in its secret, too.
//!
//! The offline key exchange denies less than the interactive one. The Prekey Profile is signed by the owner's long-term key:
//! a transcript that holds one proves that they were ready to be written to offline with that shared prekey, and whoever
//! has seen when it was published knows the earliest time of the transcript. A prekey server remembers which prekeys it was
//! given: somebody who trusts its memory, or has a copy, can tell that a prekey message made here was never published. That one
//! was published proves nothing: whoever starts a conversation can forge all of it from a real one, and so can its owner; these
//! functions take none yet. And as the text says under "KCI Attacks", somebody who holds the prekey's secret from the start, knows
//! that nobody else has it or a forging secret, and watches Alice write knows that it was her.

use core::fmt;

use rand_core::CryptoRng;

use super::forger::{CannotForge, Side};
use crate::client_profile::ClientProfile;
use crate::crypto::ed448::EcdhKeyPair;
use crate::prekey::{PrekeyEnsemble, PrekeySecret, VerifiedEnsemble};
use crate::prekey_profile::PrekeyProfile;
use crate::wire::{Reader, Versions, Writer};
use crate::{Reject, Timestamp};

/// A Prekey Ensemble whose one-time keys the forger knows.
pub struct FalseEnsemble {
    ensemble: PrekeyEnsemble,
    secret: PrekeySecret,
}

impl FalseEnsemble {
    /// Of the client whose profiles these are; checked where it is used.
    pub fn new(
        client_profile: &ClientProfile,
        prekey_profile: &PrekeyProfile,
        rng: &mut dyn CryptoRng,
    ) -> Self {
        let id = rng.next_u32();
        let secret = PrekeySecret::generate(rng, id);
        let mut w = Writer::new();
        w.bytes(client_profile.as_bytes())
            .bytes(prekey_profile.as_bytes())
            .bytes(secret.message(client_profile.owner()).as_bytes());
        let ensemble = PrekeyEnsemble::read(&mut Reader::new(w.as_slice()));
        Self { ensemble: ensemble.expect("three parts that were read or made before"), secret }
    }

    /// As an honest prekey server would hand it out.
    pub const fn ensemble(&self) -> &PrekeyEnsemble {
        &self.ensemble
    }

    /// Checked as whoever starts a conversation from it does; and it must be an ensemble of that side.
    pub(super) fn verify_for(&self, owner: &Side, at: Timestamp) -> Result<VerifiedEnsemble, CannotForge> {
        let verified = self.ensemble.clone().verify(at, Versions::V4).map_err(CannotForge::Ensemble)?;
        match verified.profile().as_bytes() == owner.profile.as_bytes() {
            true => Ok(verified),
            false => Err(CannotForge::Ensemble(Reject::ForeignOwner("prekey ensemble"))),
        }
    }

    pub(super) const fn secret(&self) -> &PrekeySecret {
        &self.secret
    }

    /// The pair of `Y`, to sign with.
    pub(super) const fn y(&self) -> &EcdhKeyPair {
        self.secret.ecdh()
    }
}

/// Without the secrets.
impl fmt::Debug for FalseEnsemble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { ensemble, secret: _ } = self;
        f.debug_tuple("FalseEnsemble").field(ensemble).finish()
    }
}
