//! The deniable authenticated key exchanges: DAKEZ when both are online, XZDH when one is not.
//! Spec: otrv4.md "Online Conversation Initialization", "Offline Conversation Initialization".
//! Used by [`crate::session`]. Each step borrows what we keep, and gives what to keep next.

pub(crate) mod interactive;
pub(crate) mod offline;
#[cfg(feature = "inside")]
mod rewriting;
#[cfg(test)]
mod tests;
pub(crate) mod transcript;

use std::fmt;

use rand_core::CryptoRng;

use crate::client_profile::{ClientProfile, VerifiedClientProfile};
use crate::crypto::dh3072::{DhKeyPair, DhPublic};
use crate::crypto::ed448::{EcdhKeyPair, Point, SigningKey};
use crate::ratchet::Ratchet;
use crate::wire::{InstanceTag, Reader, Versions, WireError, Writer};
use crate::{Reject, Timestamp};

/// Who we are in a key exchange, and whom we mean to talk to.
#[derive(Clone, Copy)]
pub(crate) struct Us<'a> {
    pub(crate) tag: InstanceTag,
    pub(crate) account: &'a str,
    /// What authenticates us: our long-term key. The rings hold two others that would do as well, see [`crate::forge`].
    pub(crate) key: &'a SigningKey,
    pub(crate) profile: &'a VerifiedClientProfile,
    /// The versions that our policy allows with this correspondent.
    pub(crate) versions: Versions,
    /// The correspondent's account id.
    pub(crate) correspondent: &'a str,
}

/// What a completed key exchange gives.
#[derive(Debug)]
pub(crate) struct Established {
    pub(crate) ratchet: Ratchet,
    pub(crate) ssid: Ssid,
    pub(crate) mode: Mode,
    pub(crate) their_profile: VerifiedClientProfile,
}

/// How a conversation began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Both were online (DAKEZ): both can deny to have taken part, to anyone.
    Interactive,
    /// One was away (XZDH): the side that wrote first cannot deny it to a judge who took part.
    Offline,
}

/// The secure session id: eight bytes that two people can read to each other. otrv4.md "Secure Session ID".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ssid {
    bytes: [u8; 8],
    ours_first: bool,
}

impl Ssid {
    pub(crate) const fn new(bytes: [u8; 8], ours_first: bool) -> Self {
        Self { bytes, ours_first }
    }

    /// The eight bytes.
    pub const fn bytes(&self) -> [u8; 8] {
        self.bytes
    }

    /// Whether the first half is the one in bold, which our user reads out; else it is the second.
    pub const fn ours_is_first(&self) -> bool {
        self.ours_first
    }

    pub(crate) fn save(&self, w: &mut Writer) {
        w.bytes(&self.bytes).byte(self.ours_first.into());
    }

    pub(crate) fn load(r: &mut Reader<'_>) -> Result<Self, WireError> {
        Ok(Self { bytes: r.array("SSID")?, ours_first: r.flag("half of the SSID")? })
    }
}

/// 16 lower-case hex digits.
impl fmt::Display for Ssid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl Mode {
    pub(crate) fn save(self, w: &mut Writer) {
        w.byte(match self {
            Self::Interactive => 0,
            Self::Offline => 1,
        });
    }

    pub(crate) fn load(r: &mut Reader<'_>) -> Result<Self, WireError> {
        match r.byte("mode")? {
            0 => Ok(Self::Interactive),
            1 => Ok(Self::Offline),
            _ => Err(WireError::Illegal("mode")),
        }
    }
}

/// The four key pairs that one side makes for an exchange.
#[derive(Debug)]
pub(crate) struct EphemeralKeys {
    pub(crate) ecdh: EcdhKeyPair,
    pub(crate) dh: DhKeyPair,
    pub(crate) first_ecdh: EcdhKeyPair,
    pub(crate) first_dh: DhKeyPair,
}

impl EphemeralKeys {
    pub(crate) fn generate(rng: &mut dyn CryptoRng) -> Self {
        Self {
            ecdh: EcdhKeyPair::generate(rng),
            dh: DhKeyPair::generate(rng),
            first_ecdh: EcdhKeyPair::generate(rng),
            first_dh: DhKeyPair::generate(rng),
        }
    }

    pub(crate) fn first_public(&self) -> (&Point, &DhPublic) {
        (self.first_ecdh.public(), self.first_dh.public())
    }

    pub(crate) fn save(&self, w: &mut Writer) {
        let Self { ecdh, dh, first_ecdh, first_dh } = self;
        ecdh.write(w);
        dh.write(w);
        first_ecdh.write(w);
        first_dh.write(w);
    }

    pub(crate) fn load(r: &mut Reader<'_>) -> Result<Self, WireError> {
        Ok(Self {
            ecdh: EcdhKeyPair::read(r, "ECDH key pair")?,
            dh: DhKeyPair::read(r, "DH key pair")?,
            first_ecdh: EcdhKeyPair::read(r, "ECDH key pair")?,
            first_dh: DhKeyPair::read(r, "DH key pair")?,
        })
    }
}

/// A verified profile as part of saved state.
pub(crate) fn save_profile(profile: &VerifiedClientProfile, w: &mut Writer) {
    profile.owner().write(w);
    w.bytes(profile.as_bytes());
}

/// Reads it back. It was valid when it was saved; whether it is still is asked where that matters.
pub(crate) fn load_profile(r: &mut Reader<'_>) -> Result<VerifiedClientProfile, Reject> {
    let owner = InstanceTag::read(r)?;
    ClientProfile::read(r)?.verify(owner, Timestamp::from_unix(i64::MIN))
}
