//! What somebody without any secret can check of a recorded key exchange: profiles and ring signatures, as those check them who
//! take part. Spec: otrv4.md "Auth-R Message", "Auth-I Message", "Non-Interactive-Auth Message". Used by applications, to show
//! that forged exchanges pass.

use std::collections::{BTreeMap, VecDeque};

use super::ForgeError;
use super::line::Recording;
use crate::client_profile::{ClientProfile, VerifiedClientProfile};
use crate::crypto::dh3072::DhPublic;
use crate::crypto::ring::{self, RingSignature, RingUse};
use crate::dake::Mode;
use crate::dake::interactive::{AuthI, AuthR, Identity};
use crate::dake::offline::NonInteractiveAuth;
use crate::dake::transcript::{Side, Transcript};
use crate::keys::{Fingerprint, Point};
use crate::prekey::{PrekeyEnsemble, VerifiedEnsemble};
use crate::wire::{Header, InstanceTag, MessageType, Reader, Version, Versions};
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

/// Finds the last key exchange among recorded lines whose signatures hold; pieces are put together, and lines that are not of one, or do
/// not follow their format, are passed over. Of Identity messages that cross, and of the answers of several clients, those count that
/// belong together: of each client the last four are tried, as programs keep few, so that no recording takes longer than its length
/// explains. `began` and `answered` are the accounts of the two: who sent the Identity message that was answered, or the
/// Non-Interactive-Auth message, and the other one, of whom the latter needs the ensemble. Not checked: the Auth MAC, the prekey's secret
/// and data messages, which take keys. If none holds, the reason is that of the first which does not, and [`Reject::Unexpected`] if none
/// is whole.
pub fn witness<'a>(
    lines: impl IntoIterator<Item = &'a str>,
    names: [&str; 2],
    ensemble: Option<&PrekeyEnsemble>,
    at: Timestamp,
) -> Result<Witnessed, Reject> {
    let (mut recording, mut witnessed) = (Recording::default(), Err(Reject::Unexpected));
    let mut seen = Seen {
        names,
        at,
        ensemble: ensemble.map(|ensemble| ensemble.clone().verify(at, Versions::V4)),
        identities: BTreeMap::new(),
        answers: BTreeMap::new(),
        profiles: BTreeMap::new(),
    };
    for line in lines {
        let Some(message) = recording.next(line) else { continue };
        let mut r = Reader::new(&message);
        let Ok(header) = Header::read(&mut r) else { continue };
        if header.version != Version::V4 {
            continue;
        }
        let tried = match header.message_type {
            MessageType::Identity => {
                let identity = Identity::read(&header, &mut r);
                identity.into_iter().for_each(|identity| seen.identity(&message, identity));
                continue;
            }
            MessageType::AuthR => {
                let Ok(auth_r) = AuthR::read(&header, &mut r) else { continue };
                match seen.answer(&message, header.receiver, &auth_r) {
                    Ok(()) => continue,
                    Err(reason) => Err(reason),
                }
            }
            MessageType::AuthI => {
                let Ok(auth_i) = AuthI::read(&mut r) else { continue };
                let tags = (header.receiver, header.sender);
                let answers = seen.answers.get(&tags).into_iter().flatten().rev();
                first_that_holds(answers.map(|(_, answer)| answer.completed_by(&auth_i)))
            }
            MessageType::NonInteractiveAuth => {
                let Ok(message) = NonInteractiveAuth::read(&header, &mut r) else { continue };
                seen.offline(&message)
            }
            _ => continue,
        };
        witnessed = match (witnessed, tried) {
            (_, Ok(found)) => Ok(found),
            (before, Err(reason)) => before.map_err(|first| first_reason(first, reason)),
        };
    }
    witnessed
}

/// So many Identity messages of one client, and Auth-R messages from one client to another, are tried for what answers them.
const KEPT: usize = 4;

/// What may still be answered, as bytes and read, the last one last.
struct Seen<'a> {
    names: [&'a str; 2],
    at: Timestamp,
    ensemble: Option<Result<VerifiedEnsemble, Reject>>,
    identities: BTreeMap<InstanceTag, Kept<Identity>>,
    /// By whom they are from and for.
    answers: BTreeMap<(Option<InstanceTag>, InstanceTag), Kept<Answer>>,
    /// By whom they come from.
    profiles: BTreeMap<(InstanceTag, Vec<u8>), Result<VerifiedClientProfile, Reject>>,
}

type Kept<T> = VecDeque<(Vec<u8>, T)>;

impl Seen<'_> {
    fn identity(&mut self, message: &[u8], identity: Identity) {
        keep(self.identities.entry(identity.sender).or_default(), message, identity);
    }

    /// Keeps an Auth-R message, if it holds for one of the Identity messages of its receiver.
    fn answer(&mut self, message: &[u8], to: Option<InstanceTag>, auth_r: &AuthR) -> Result<(), Reject> {
        let to = to.ok_or(Reject::Unexpected)?;
        let answers = self.answers.entry((Some(auth_r.sender), to)).or_default();
        if answers.iter().any(|(before, _)| before == message) {
            return Ok(());
        }
        let tries = self.identities.get(&to).into_iter().flatten().rev();
        let answer = first_that_holds(tries.map(|(_, identity)| {
            let bobs = verified(&mut self.profiles, &identity.profile, identity.sender, self.at)?;
            let alices = verified(&mut self.profiles, &auth_r.profile, auth_r.sender, self.at)?;
            Answer::verify((identity, &bobs), (auth_r, &alices), self.names)
        }))?;
        keep(answers, message, answer);
        Ok(())
    }

    /// Alice began, with Bob's ensemble.
    fn offline(&mut self, message: &NonInteractiveAuth) -> Result<Witnessed, Reject> {
        let [alice, bob] = self.names;
        let ensemble =
            self.ensemble.as_ref().ok_or(Reject::UnknownPrekey)?.as_ref().map_err(|reason| *reason)?;
        let (bobs, prekey) = (ensemble.profile(), ensemble.message());
        if message.prekey_id() != prekey.id() {
            return Err(Reject::UnknownPrekey);
        }
        if message.sender == prekey.owner() {
            return Err(Reject::OwnMessage);
        }
        let alices = verified(&mut self.profiles, &message.profile, message.sender, self.at)?;
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
}

/// Each profile is verified once.
fn verified(
    profiles: &mut BTreeMap<(InstanceTag, Vec<u8>), Result<VerifiedClientProfile, Reject>>,
    profile: &ClientProfile,
    sender: InstanceTag,
    at: Timestamp,
) -> Result<VerifiedClientProfile, Reject> {
    let verify = || profile.clone().verify(sender, at);
    profiles.entry((sender, profile.as_bytes().to_vec())).or_insert_with(verify).clone()
}

fn keep<T>(kept: &mut Kept<T>, message: &[u8], read: T) {
    kept.retain(|(before, _)| before != message);
    kept.push_back((message.to_vec(), read));
    if kept.len() > KEPT {
        kept.pop_front();
    }
}

fn first_that_holds<T>(tries: impl Iterator<Item = Result<T, Reject>>) -> Result<T, Reject> {
    let mut refused = Reject::Unexpected;
    for tried in tries {
        match tried {
            Ok(holds) => return Ok(holds),
            Err(reason) => refused = first_reason(refused, reason),
        }
    }
    Err(refused)
}

/// That something does not hold says more than that something is missing.
fn first_reason(before: Reject, reason: Reject) -> Reject {
    if before == Reject::Unexpected { reason } else { before }
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

/// An Auth-R message that Alice has signed for an Identity message of Bob's, and what Bob's Auth-I has to be a signature of.
struct Answer {
    /// `{H_b, F_a, X}` and `t`
    ring: [Point; 3],
    t: Vec<u8>,
    witnessed: Witnessed,
}

impl Answer {
    fn verify(
        (identity, bobs): (&Identity, &VerifiedClientProfile),
        (auth_r, alices): (&AuthR, &VerifiedClientProfile),
        [bob, alice]: [&str; 2],
    ) -> Result<Self, Reject> {
        if identity.sender == auth_r.sender {
            return Err(Reject::OwnMessage);
        }
        let first = [(&identity.first_ecdh, &identity.first_dh), (&auth_r.first_ecdh, &auth_r.first_dh)];
        let transcript = Transcript {
            bob: side(bob, bobs, (&identity.ecdh, &identity.dh), Some(first[0])),
            alice: side(alice, alices, (&auth_r.ecdh, &auth_r.dh), Some(first[1])),
        };
        // RVrf({F_b, H_a, Y}, sigma, t)
        let ring = [bobs.forging_key(), alices.identity_key(), &identity.ecdh];
        holds(ring, &auth_r.sigma, &transcript.auth_r())?;
        let (mode, began, answered) = (Mode::Interactive, bobs.fingerprint(), alices.fingerprint());
        Ok(Self {
            ring: [bobs.identity_key(), alices.forging_key(), &auth_r.ecdh].map(Point::clone),
            t: transcript.auth_i(),
            witnessed: Witnessed { mode, began, answered },
        })
    }

    fn completed_by(&self, auth_i: &AuthI) -> Result<Witnessed, Reject> {
        // RVrf({H_b, F_a, X}, sigma, t)
        let [h_b, f_a, x] = &self.ring;
        holds([h_b, f_a, x], &auth_i.sigma, &self.t).map(|()| self.witnessed)
    }
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
