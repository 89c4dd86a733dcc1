//! What somebody without any secret can check of a recorded key exchange: profiles and ring signatures, as those check them who
//! take part. Spec: otrv4.md "Auth-R Message", "Auth-I Message", "Non-Interactive-Auth Message". Used by applications, to show
//! that forged exchanges pass.

use super::ForgeError;
use crate::client_profile::{ClientProfile, VerifiedClientProfile};
use crate::crypto::dh3072::DhPublic;
use crate::crypto::ring::{self, RingSignature, RingUse};
use crate::dake::Mode;
use crate::dake::interactive::{AuthI, AuthR, Identity};
use crate::dake::offline::NonInteractiveAuth;
use crate::dake::transcript::{Side, Transcript};
use crate::keys::{Fingerprint, Point};
use crate::prekey::{PrekeyEnsemble, VerifiedEnsemble};
use crate::wire::{Header, Line, MessageType, Reader, Version, Versions, classify};
use crate::{Reject, Timestamp};

/// A key exchange whose signatures hold. It was made by one of the two, or by anybody who made up both ephemeral keys, or who has
/// a forging secret: nobody can tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Witnessed {
    /// Which key exchange.
    pub mode: Mode,
    /// Whose profile came from the account that began.
    pub began: Fingerprint,
    /// Whose profile is the other one.
    pub answered: Fingerprint,
}

/// Checks the last key exchange among recorded lines; other lines are passed over. `began` and `answered` are the accounts of
/// the two: who sent the Identity or the Non-Interactive-Auth message, and the other one, of whom the latter needs the ensemble.
/// Not checked: the Auth MAC, the prekey's secret and data messages, which take keys. [`Reject::Unexpected`] if a message is missing.
pub fn witness<'a>(
    lines: impl IntoIterator<Item = &'a str>,
    [began, answered]: [&str; 2],
    ensemble: Option<&PrekeyEnsemble>,
    at: Timestamp,
) -> Result<Witnessed, Reject> {
    let (mut identity, mut auth_r, mut witnessed) = (None, None, Err(Reject::Unexpected));
    for line in lines {
        let Line::Encoded(message) = classify(line.trim_end_matches(['\r', '\n'])) else { continue };
        let message = message?;
        let mut r = Reader::new(&message);
        let header = Header::read(&mut r)?;
        if header.version != Version::V4 {
            continue;
        }
        match header.message_type {
            MessageType::Identity => identity = Some(Identity::read(&header, &mut r)?),
            MessageType::AuthR => auth_r = Some(AuthR::read(&header, &mut r)?),
            MessageType::AuthI => {
                let (Some(identity), Some(auth_r)) = (identity.take(), auth_r.take()) else {
                    return Err(Reject::Unexpected);
                };
                witnessed = interactive(&identity, &auth_r, &AuthI::read(&mut r)?, [began, answered], at);
            }
            MessageType::NonInteractiveAuth => {
                let ensemble = ensemble.cloned().ok_or(Reject::UnknownPrekey)?.verify(at, Versions::V4)?;
                let message = NonInteractiveAuth::read(&header, &mut r)?;
                witnessed = offline(&message, &ensemble, [began, answered], at);
            }
            _ => {}
        }
    }
    witnessed
}

/// The Client Profile in an Identity, Auth-R or Non-Interactive-Auth message, as it was sent: nothing in it has been checked.
pub fn client_profile(line: &str) -> Result<ClientProfile, ForgeError> {
    let message = super::line::message(line)?;
    let mut r = Reader::new(&message);
    let header = Header::read(&mut r)?;
    match (header.version, header.message_type) {
        (Version::V4, MessageType::Identity | MessageType::AuthR | MessageType::NonInteractiveAuth) => {
            Ok(ClientProfile::read(&mut r)?)
        }
        _ => Err(ForgeError::NoProfile),
    }
}

/// Bob began, Alice answered.
fn interactive(
    identity: &Identity,
    auth_r: &AuthR,
    auth_i: &AuthI,
    [bob, alice]: [&str; 2],
    at: Timestamp,
) -> Result<Witnessed, Reject> {
    let bobs = identity.profile.clone().verify(identity.sender, at)?;
    let alices = auth_r.profile.clone().verify(auth_r.sender, at)?;
    let first = [(&identity.first_ecdh, &identity.first_dh), (&auth_r.first_ecdh, &auth_r.first_dh)];
    let transcript = Transcript {
        bob: side(bob, &bobs, (&identity.ecdh, &identity.dh), Some(first[0])),
        alice: side(alice, &alices, (&auth_r.ecdh, &auth_r.dh), Some(first[1])),
    };
    // RVrf({F_b, H_a, Y}, sigma, t) and RVrf({H_b, F_a, X}, sigma, t)
    let ring = [bobs.forging_key(), alices.identity_key(), &identity.ecdh];
    holds(ring, &auth_r.sigma, &transcript.auth_r())?;
    let ring = [bobs.identity_key(), alices.forging_key(), &auth_r.ecdh];
    holds(ring, &auth_i.sigma, &transcript.auth_i())?;
    Ok(Witnessed { mode: Mode::Interactive, began: bobs.fingerprint(), answered: alices.fingerprint() })
}

/// Alice began, with Bob's ensemble.
fn offline(
    message: &NonInteractiveAuth,
    ensemble: &VerifiedEnsemble,
    [alice, bob]: [&str; 2],
    at: Timestamp,
) -> Result<Witnessed, Reject> {
    let (bobs, prekey) = (ensemble.profile(), ensemble.message());
    if message.prekey_id() != prekey.id() {
        return Err(Reject::UnknownPrekey);
    }
    let alices = message.profile.clone().verify(message.sender, at)?;
    let first = Some((&message.first_ecdh, &message.first_dh));
    let transcript = Transcript {
        bob: side(bob, bobs, (prekey.ecdh(), prekey.dh()), None),
        alice: side(alice, &alices, (&message.ecdh, &message.dh), first),
    };
    // RVrf({F_b, H_a, Y}, sigma, t)
    let ring = [bobs.forging_key(), alices.identity_key(), prekey.ecdh()];
    holds(ring, &message.sigma, &transcript.non_interactive(ensemble.prekey_profile().shared_prekey()))?;
    Ok(Witnessed { mode: Mode::Offline, began: alices.fingerprint(), answered: bobs.fingerprint() })
}

type Keys<'a> = (&'a Point, &'a DhPublic);

fn side<'a>(
    account: &'a str,
    profile: &'a VerifiedClientProfile,
    (ecdh, dh): Keys<'a>,
    first: Option<Keys<'a>>,
) -> Side<'a> {
    Side { tag: profile.owner(), account, profile: profile.as_bytes(), ecdh, dh, first }
}

fn holds(ring: [&Point; 3], sigma: &RingSignature, t: &[u8]) -> Result<(), Reject> {
    if ring::verify(RingUse::Otr, ring, sigma, t) { Ok(()) } else { Err(Reject::Forged) }
}
