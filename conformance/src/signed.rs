//! What the ring signatures of version 4 cover, from the messages of a handshake, in parts that a case may exchange; and
//! profiles of ours that are signed again. The caller has the keys: whatever is wrong is well signed.

use otrv4::client_profile::{ClientProfile, VerifiedClientProfile};
use otrv4::inside::primitives::over_bytes as primitives;
use otrv4::prekey::VerifiedEnsemble;
use otrv4::wire::{InstanceTag, Reader, Writer};
use otrv4::{Account, Point, Timestamp};

use crate::correspondent::{Correspondent, START, THEM, US};
use crate::message::{Message, mpi};
use crate::stop::{Step, Stop, failed};

/// `t` of a message of ours, in parts, and the ring that signs it.
#[derive(Clone)]
pub(crate) struct Signed {
    /// 0 in Auth-R, 1 in Auth-I, nothing in Non-Interactive-Auth.
    pub(crate) prefix: Vec<u8>,
    /// Usage ids of the hashes of Bob's profile, Alice's profile and `phi`.
    pub(crate) usages: [u8; 3],
    /// Bob's and Alice's.
    pub(crate) profiles: [Vec<u8>; 2],
    /// `Y`, `X`, `B` and `A`.
    pub(crate) keys: [Vec<u8>; 4],
    /// With its type, in Non-Interactive-Auth.
    pub(crate) shared_prekey: Vec<u8>,
    /// The tags, the first keys and the ids, each of sender and receiver.
    pub(crate) phi: [Vec<u8>; 6],
    pub(crate) ring: [Vec<u8>; 3],
}

impl Signed {
    /// Of an Auth-R message of ours, whatever is in it, in answer to an Identity message of theirs: `{F_b, H_a, Y}`.
    pub(crate) fn auth_r(us: &Correspondent, identity: &Message, auth_r: &Message) -> Step<Self> {
        let bob = their_profile(identity)?;
        Ok(Self {
            prefix: vec![0],
            usages: [5, 6, 7],
            phi: phi((auth_r, US), (identity, THEM))?,
            ring: [point(bob.forging_key()), our_key(us), identity.get("Y")?.to_vec()],
            ..Self::between(identity, auth_r)?
        })
    }

    /// Of an Auth-I message of ours, in answer to an Auth-R message of theirs: `{H_b, F_a, X}`.
    pub(crate) fn auth_i(us: &Correspondent, identity: &Message, auth_r: &Message) -> Step<Self> {
        let alice = their_profile(auth_r)?;
        Ok(Self {
            prefix: vec![1],
            usages: [8, 9, 10],
            phi: phi((identity, US), (auth_r, THEM))?,
            ring: [our_key(us), point(alice.forging_key()), auth_r.get("X")?.to_vec()],
            ..Self::between(identity, auth_r)?
        })
    }

    /// Of a Non-Interactive-Auth message of ours, whatever is in it, in answer to an ensemble of theirs.
    pub(crate) fn non_interactive(
        us: &Correspondent,
        ensemble: &VerifiedEnsemble,
        auth: &Message,
    ) -> Step<Self> {
        let (bob, prekey) = (ensemble.profile(), ensemble.message());
        let [y, x] = [point(prekey.ecdh()), auth.get("X")?.to_vec()];
        let [b, a] = [mpi(prekey.dh().as_be_bytes()), auth.get("A")?.to_vec()];
        let shared = point(ensemble.prekey_profile().shared_prekey());
        let first = [auth.get("first ECDH")?, auth.get("first DH")?].concat();
        let tags = [auth.get("sender tag")?.to_vec(), prekey.owner().get().to_be_bytes().to_vec()];
        let [from, to] = tags;
        Ok(Self {
            prefix: Vec::new(),
            usages: [0x0e, 0x0f, 0x10],
            profiles: [bob.as_bytes().to_vec(), auth.get("profile")?.to_vec()],
            keys: [y.clone(), x, b, a],
            shared_prekey: [&SHARED_PREKEY_TYPE[..], &shared].concat(),
            phi: [from, to, first, Vec::new(), data(US), data(THEM)],
            ring: [point(bob.forging_key()), our_key(us), y],
        })
    }

    fn between(identity: &Message, auth_r: &Message) -> Step<Self> {
        let [y, x] = [identity.get("Y")?, auth_r.get("X")?].map(<[u8]>::to_vec);
        let [b, a] = [identity.get("B")?, auth_r.get("A")?].map(<[u8]>::to_vec);
        Ok(Self {
            prefix: Vec::new(),
            usages: [0; 3],
            profiles: [identity.get("profile")?.to_vec(), auth_r.get("profile")?.to_vec()],
            keys: [y, x, b, a],
            shared_prekey: Vec::new(),
            phi: Default::default(),
            ring: Default::default(),
        })
    }

    /// What is signed.
    pub(crate) fn t(&self) -> Vec<u8> {
        let Self { prefix, usages: [bob, alice, phi], profiles, keys, shared_prekey, phi: parts, .. } = self;
        let [their_profile, our_profile] = profiles;
        let hwc = |usage: u8, value: &[u8]| primitives::kdf(usage, value, 64);
        let profiles = [hwc(*bob, their_profile), hwc(*alice, our_profile)].concat();
        [prefix, &profiles, &keys.concat(), shared_prekey, &hwc(*phi, &parts.concat())]
            .map(Vec::as_slice)
            .concat()
    }

    /// `RSig` by our long-term key.
    pub(crate) fn sigma(&self, us: &Correspondent) -> Step<Vec<u8>> {
        let ring = self.ring.each_ref().map(Vec::as_slice);
        let signed = primitives::ring_sign_as(&us.account, &mut crate::correspondent::rng(), ring, &self.t());
        signed.ok_or_else(|| Stop::Failed("our key is not in the ring".into()))
    }
}

/// ED448-SHARED-PREKEY, little-endian. spec-notes/SN-003
const SHARED_PREKEY_TYPE: [u8; 2] = [0x11, 0];

/// Of a message that begins with one which is good.
pub(crate) fn their_profile(message: &Message) -> Step<VerifiedClientProfile> {
    let tag = message.get("sender tag")?.try_into().map(u32::from_be_bytes);
    let tag = tag.ok().and_then(InstanceTag::new);
    let read = ClientProfile::read(&mut Reader::new(message.get("profile")?));
    let (Some(tag), Ok(profile)) = (tag, read) else { return failed("a profile cannot be read") };
    profile
        .verify(tag, Timestamp::from_unix(START))
        .or_else(|reject| failed(format!("a profile is not valid: {reject}")))
}

/// Our long-term key.
pub(crate) fn our_key(us: &Correspondent) -> Vec<u8> {
    point(us.account.client_profile().identity_key())
}

/// A point as it is written.
pub(crate) fn point(point: &Point) -> Vec<u8> {
    point.as_bytes().to_vec()
}

/// Seen from the sender: tags, first keys, ids.
pub(crate) fn phi((sender, from): (&Message, &str), (receiver, to): (&Message, &str)) -> Step<[Vec<u8>; 6]> {
    let first = |message: &Message| Ok([message.get("first ECDH")?, message.get("first DH")?].concat());
    Ok([
        sender.get("sender tag")?.to_vec(),
        receiver.get("sender tag")?.to_vec(),
        first(sender)?,
        first(receiver)?,
        data(from),
        data(to),
    ])
}

/// A text as DATA.
pub(crate) fn data(text: &str) -> Vec<u8> {
    let mut w = Writer::new();
    w.data(text.as_bytes());
    w.finish()
}

/// The fields of a profile of ours, without their count and the signature: owner, H, F, versions and time, each with its
/// type.
pub(crate) fn profile_fields(profile: &[u8]) -> Step<Vec<Vec<u8>>> {
    let mut rest = profile.get(4..profile.len().saturating_sub(114)).unwrap_or_default();
    let lengths = [2 + 4, 2 + 2 + 57, 2 + 2 + 57, 2 + 4 + 1, 2 + 8];
    let mut fields = Vec::new();
    for length in lengths {
        let Some((field, behind)) = rest.split_at_checked(length) else {
            return failed("a profile of ours is short");
        };
        fields.push(field.to_vec());
        rest = behind;
    }
    Ok(fields)
}

/// The profile of these fields, signed by this account.
pub(crate) fn profile_of(fields: &[Vec<u8>], account: &Account) -> Vec<u8> {
    let signed = fields.concat();
    let mut w = Writer::new();
    w.int(u32::try_from(fields.len()).unwrap_or_default()).bytes(&signed);
    w.bytes(&primitives::sign_as(account, &signed));
    w.finish()
}

/// Profiles of ours that must be refused though our own key has signed all but one of them.
pub(crate) fn bad_profiles(profile: &[u8], account: &Account) -> Step<Vec<(&'static str, Vec<u8>)>> {
    let fields = profile_fields(profile)?;
    let with = |place: usize, value: &[u8]| {
        let mut changed = fields.clone();
        changed.get_mut(place).into_iter().for_each(|field| value.clone_into(field));
        profile_of(&changed, account)
    };
    let expired = [&[0, 5][..], &(START - 1).to_be_bytes()].concat();
    let mut unsigned = profile.to_vec();
    unsigned.last_mut().into_iter().for_each(|byte| *byte ^= 1);
    let at = profile.len() - 60;
    let mut forged = profile.to_vec();
    forged.get_mut(at).into_iter().for_each(|byte| *byte ^= 1);
    let mallory = Correspondent::new(&[otrv4::wire::Version::V4]);
    Ok(vec![
        ("that has expired", with(4, &expired)),
        ("of another client", with(0, &[0, 1, 0x77, 0, 0, 1])),
        ("without version 4", with(3, &[0, 4, 0, 0, 0, 1, b'5'])),
        ("whose signature is changed at its end", unsigned),
        ("whose signature is changed", forged),
        ("signed by another key", profile_of(&fields, &mallory.account)),
        ("of another owner", mallory.account.client_profile().as_bytes().to_vec()),
    ])
}
