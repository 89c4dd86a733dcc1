//! DAKEZ: Identity, Auth-R and Auth-I, both roles.
//! Spec: otrv4.md "Interactive Deniable Authenticated Key Exchange (DAKE)". Used by [`crate::session`].

use rand_core::CryptoRng;

use super::transcript::{Side, Transcript};
use super::{EphemeralKeys, Established, Mode, Ssid, Us, load_profile, save_profile};
use crate::client_profile::{ClientProfile, VerifiedClientProfile};
use crate::crypto::dh3072::DhPublic;
use crate::crypto::ed448::Point;
use crate::crypto::kdf::shake256;
use crate::crypto::ring::{self, RingSignature, RingUse};
use crate::keys::Fingerprint;
use crate::ratchet::keys::{BraceKey, MixedSecret};
use crate::ratchet::{FirstKeys, Ratchet};
use crate::wire::{Header, InstanceTag, MessageType, Reader, Version, WireError, Writer};
use crate::{Reject, Timestamp};

/// What Bob keeps after he sent an Identity message (state WAITING_AUTH_R).
#[derive(Debug)]
pub(crate) struct SentIdentity {
    keys: EphemeralKeys,
    /// Our profile as it was sent.
    profile: VerifiedClientProfile,
    message: Vec<u8>,
}

impl SentIdentity {
    /// otrv4.md "Identity Message". The receiver is not known yet when the start was a query or a whitespace tag.
    pub(crate) fn new(us: Us<'_>, receiver: Option<InstanceTag>, rng: &mut dyn CryptoRng) -> Self {
        let keys = EphemeralKeys::generate(rng);
        let mut w = Writer::new();
        header(MessageType::Identity, us.tag, receiver).write(&mut w);
        w.bytes(us.profile.as_bytes());
        keys.ecdh.public().write(&mut w);
        keys.dh.public().write(&mut w);
        keys.first_ecdh.public().write(&mut w);
        keys.first_dh.public().write(&mut w);
        Self { keys, profile: us.profile.clone(), message: w.finish() }
    }

    /// The Identity message.
    pub(crate) fn message(&self) -> &[u8] {
        &self.message
    }

    #[cfg(test)]
    pub(crate) fn keys(&self) -> &EphemeralKeys {
        &self.keys
    }

    /// Whether of two crossing Identity messages ours stays: the one with the higher hash of `B`. spec-notes/SN-017
    pub(crate) fn wins_over(&self, theirs: &Identity) -> bool {
        hash_of_b(self.keys.dh.public()) >= hash_of_b(&theirs.dh)
    }

    /// otrv4.md "To verify an Auth-R message", and Auth-I in answer to it.
    pub(crate) fn receive(
        &self,
        us: Us<'_>,
        auth_r: AuthR,
        now: Timestamp,
        rng: &mut dyn CryptoRng,
    ) -> Result<(Established, Vec<u8>), Reject> {
        let AuthR { sender, profile, ecdh, dh, sigma, first_ecdh, first_dh } = auth_r;
        let their_profile = profile.verify(sender, now)?;
        common_version(us, &their_profile)?;
        let transcript = Transcript {
            bob: Side {
                tag: us.tag,
                account: us.account,
                profile: self.profile.as_bytes(),
                ecdh: self.keys.ecdh.public(),
                dh: self.keys.dh.public(),
                first: Some(self.keys.first_public()),
            },
            alice: Side {
                tag: sender,
                account: us.correspondent,
                profile: their_profile.as_bytes(),
                ecdh: &ecdh,
                dh: &dh,
                first: Some((&first_ecdh, &first_dh)),
            },
        };
        // RVrf({F_b, H_a, Y}, sigma, t)
        let ring = [self.profile.forging_key(), their_profile.identity_key(), self.keys.ecdh.public()];
        if !ring::verify(RingUse::Otr, ring, &sigma, &transcript.auth_r()) {
            return Err(Reject::Forged);
        }
        // RSig(H_b, sk_hb, {H_b, F_a, X}, t)
        let ring = [self.profile.identity_key(), their_profile.forging_key(), &ecdh];
        let sigma =
            ring::sign(rng, RingUse::Otr, us.key, ring, &transcript.auth_i()).ok_or(Reject::OwnMessage)?;
        let mut w = Writer::new();
        header(MessageType::AuthI, us.tag, Some(sender)).write(&mut w);
        sigma.write(&mut w);

        let k = mixed_secret(&self.keys, &ecdh, &dh);
        let ours = (&self.keys.first_ecdh, &self.keys.first_dh);
        let ratchet = Ratchet::interactive_initiator(&k, ours, (first_ecdh, first_dh), rng);
        let ssid = Ssid::new(k.ssid(), false);
        Ok((Established { ratchet, ssid, mode: Mode::Interactive, their_profile }, w.finish()))
    }

    pub(crate) fn save(&self, w: &mut Writer) {
        let Self { keys, profile, message } = self;
        keys.save(w);
        save_profile(profile, w);
        w.data(message);
    }

    pub(crate) fn load(r: &mut Reader<'_>) -> Result<Self, Reject> {
        Ok(Self {
            keys: EphemeralKeys::load(r)?,
            profile: load_profile(r)?,
            message: r.data("Identity message")?.to_vec(),
        })
    }
}

/// What Alice keeps after she answered an Identity message with Auth-R (state WAITING_AUTH_I).
#[derive(Debug)]
pub(crate) struct SentAuthR {
    k: MixedSecret,
    first: FirstKeys,
    their_profile: VerifiedClientProfile,
    /// `{H_b, F_a, X}` and `t`: what Auth-I must be a signature of.
    ring: [Point; 3],
    t: Vec<u8>,
    /// SHAKE-256 of the Identity message, 32 bytes: the same again gets the same answer.
    answered: [u8; 32],
    message: Vec<u8>,
}

impl SentAuthR {
    /// Whose Identity message it answers.
    pub(crate) fn their_fingerprint(&self) -> Fingerprint {
        self.their_profile.fingerprint()
    }

    /// Auth-R in answer to an Identity message. otrv4.md "Auth-R Message".
    pub(crate) fn new(
        us: Us<'_>,
        identity: VerifiedIdentity,
        rng: &mut dyn CryptoRng,
    ) -> Result<Self, Reject> {
        let VerifiedIdentity { their_profile, ecdh, dh, first_ecdh, first_dh, hash } = identity;
        let sender = their_profile.owner();
        let keys = EphemeralKeys::generate(rng);
        let transcript = Transcript {
            bob: Side {
                tag: sender,
                account: us.correspondent,
                profile: their_profile.as_bytes(),
                ecdh: &ecdh,
                dh: &dh,
                first: Some((&first_ecdh, &first_dh)),
            },
            alice: Side {
                tag: us.tag,
                account: us.account,
                profile: us.profile.as_bytes(),
                ecdh: keys.ecdh.public(),
                dh: keys.dh.public(),
                first: Some(keys.first_public()),
            },
        };
        // RSig(H_a, sk_ha, {F_b, H_a, Y}, t)
        let ring = [their_profile.forging_key(), us.profile.identity_key(), &ecdh];
        let sigma =
            ring::sign(rng, RingUse::Otr, us.key, ring, &transcript.auth_r()).ok_or(Reject::OwnMessage)?;
        let mut w = Writer::new();
        header(MessageType::AuthR, us.tag, Some(sender)).write(&mut w);
        w.bytes(us.profile.as_bytes());
        keys.ecdh.public().write(&mut w);
        keys.dh.public().write(&mut w);
        sigma.write(&mut w);
        keys.first_ecdh.public().write(&mut w);
        keys.first_dh.public().write(&mut w);

        let t = transcript.auth_i();
        let ring = [
            their_profile.identity_key().clone(),
            us.profile.forging_key().clone(),
            keys.ecdh.public().clone(),
        ];
        let k = mixed_secret(&keys, &ecdh, &dh);
        let EphemeralKeys { first_ecdh: our_ecdh, first_dh: our_dh, .. } = keys;
        let first = FirstKeys { our_ecdh, our_dh, their_ecdh: first_ecdh, their_dh: first_dh };
        Ok(Self { k, first, their_profile, ring, t, answered: hash, message: w.finish() })
    }

    /// The Auth-R message.
    pub(crate) fn message(&self) -> &[u8] {
        &self.message
    }

    /// Whether this is the answer to that Identity message. spec-notes/SN-017
    pub(crate) fn answers(&self, hash_of_identity: &[u8; 32]) -> bool {
        &self.answered == hash_of_identity
    }

    /// otrv4.md "To verify an Auth-I message".
    pub(crate) fn verify(&self, auth_i: &AuthI) -> Result<(), Reject> {
        let [a1, a2, a3] = &self.ring;
        match ring::verify(RingUse::Otr, [a1, a2, a3], &auth_i.sigma, &self.t) {
            true => Ok(()),
            false => Err(Reject::Forged),
        }
    }

    /// The conversation, once [`Self::verify`] has accepted Auth-I.
    pub(crate) fn complete(self) -> Established {
        let ssid = Ssid::new(self.k.ssid(), true);
        let ratchet = Ratchet::interactive_responder(&self.k, self.first);
        Established { ratchet, ssid, mode: Mode::Interactive, their_profile: self.their_profile }
    }

    pub(crate) fn save(&self, w: &mut Writer) {
        let Self { k, first, their_profile, ring, t, answered, message } = self;
        k.save(w);
        first.save(w);
        save_profile(their_profile, w);
        ring.iter().for_each(|point| point.write(w));
        w.data(t).bytes(answered).data(message);
    }

    pub(crate) fn load(r: &mut Reader<'_>) -> Result<Self, Reject> {
        Ok(Self {
            k: MixedSecret::load(r)?,
            first: FirstKeys::load(r)?,
            their_profile: load_profile(r)?,
            ring: [Point::read(r, "H_b")?, Point::read(r, "F_a")?, Point::read(r, "X")?],
            t: r.data("t")?.to_vec(),
            answered: r.array("hash of the Identity message")?,
            message: r.data("Auth-R message")?.to_vec(),
        })
    }
}

/// A received Identity message; its profile is not verified yet.
#[derive(Debug)]
pub(crate) struct Identity {
    pub(crate) sender: InstanceTag,
    pub(crate) profile: ClientProfile,
    pub(crate) ecdh: Point,
    pub(crate) dh: DhPublic,
    pub(crate) first_ecdh: Point,
    pub(crate) first_dh: DhPublic,
    /// SHAKE-256 of the whole message, 32 bytes.
    pub(crate) hash: [u8; 32],
}

impl Identity {
    /// The fields after the header.
    pub(crate) fn read(header: &Header, r: &mut Reader<'_>) -> Result<Self, WireError> {
        let mut hash = [0; 32];
        shake256(&[r.whole()], &mut hash);
        let identity = Self {
            sender: header.sender,
            profile: ClientProfile::read(r)?,
            ecdh: Point::read(r, "Y")?,
            dh: DhPublic::read(r, "B")?,
            first_ecdh: Point::read(r, "first ECDH key")?,
            first_dh: DhPublic::read(r, "first DH key")?,
            hash,
        };
        r.clone().end()?;
        Ok(identity)
    }

    /// SHAKE-256 of the whole message, 32 bytes.
    pub(crate) fn hash(&self) -> &[u8; 32] {
        &self.hash
    }

    /// otrv4.md "To verify an Identity message": the keys were checked when they were read, the profile is now.
    pub(crate) fn verify(self, us: Us<'_>, now: Timestamp) -> Result<VerifiedIdentity, Reject> {
        let Self { sender, profile, ecdh, dh, first_ecdh, first_dh, hash } = self;
        let their_profile = profile.verify(sender, now)?;
        common_version(us, &their_profile)?;
        Ok(VerifiedIdentity { their_profile, ecdh, dh, first_ecdh, first_dh, hash })
    }
}

/// An Identity message whose profile is valid for the client that sent it.
#[derive(Debug)]
pub(crate) struct VerifiedIdentity {
    their_profile: VerifiedClientProfile,
    ecdh: Point,
    dh: DhPublic,
    first_ecdh: Point,
    first_dh: DhPublic,
    hash: [u8; 32],
}

impl VerifiedIdentity {
    /// Whose key it is.
    pub(crate) fn fingerprint(&self) -> Fingerprint {
        self.their_profile.fingerprint()
    }
}

/// A received Auth-R message; its profile is not verified yet.
#[derive(Debug)]
pub(crate) struct AuthR {
    pub(crate) sender: InstanceTag,
    pub(crate) profile: ClientProfile,
    pub(crate) ecdh: Point,
    pub(crate) dh: DhPublic,
    pub(crate) sigma: RingSignature,
    pub(crate) first_ecdh: Point,
    pub(crate) first_dh: DhPublic,
}

impl AuthR {
    /// The fields after the header.
    pub(crate) fn read(header: &Header, r: &mut Reader<'_>) -> Result<Self, WireError> {
        let auth_r = Self {
            sender: header.sender,
            profile: ClientProfile::read(r)?,
            ecdh: Point::read(r, "X")?,
            dh: DhPublic::read(r, "A")?,
            sigma: RingSignature::read(r)?,
            first_ecdh: Point::read(r, "first ECDH key")?,
            first_dh: DhPublic::read(r, "first DH key")?,
        };
        r.clone().end()?;
        Ok(auth_r)
    }
}

/// A received Auth-I message.
#[derive(Debug)]
pub(crate) struct AuthI {
    pub(crate) sigma: RingSignature,
}

impl AuthI {
    /// The field after the header.
    pub(crate) fn read(r: &mut Reader<'_>) -> Result<Self, WireError> {
        let auth_i = Self { sigma: RingSignature::read(r)? };
        r.clone().end()?;
        Ok(auth_i)
    }
}

fn header(message_type: MessageType, sender: InstanceTag, receiver: Option<InstanceTag>) -> Header {
    Header { version: Version::V4, message_type, sender, receiver }
}

/// `K` from the keys that only the exchange uses.
fn mixed_secret(ours: &EphemeralKeys, their_ecdh: &Point, their_dh: &DhPublic) -> MixedSecret {
    let brace = BraceKey::fresh(&ours.dh.shared(their_dh));
    MixedSecret::mix(&ours.ecdh.shared(their_ecdh), &brace)
}

/// "Picks the newest compatible version of OTR listed in the profile": here, that it is 4.
fn common_version(us: Us<'_>, their_profile: &VerifiedClientProfile) -> Result<(), Reject> {
    match us.versions.contains(4) && their_profile.versions().contains(4) {
        true => Ok(()),
        false => Err(Reject::Version),
    }
}

/// Big-endian, so that arrays compare as the numbers they are.
pub(crate) fn hash_of_b(b: &DhPublic) -> [u8; 32] {
    let mut mpi = Writer::new();
    b.write(&mut mpi);
    let mut hash = [0; 32];
    shake256(&[mpi.as_slice()], &mut hash);
    hash
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vectors::{array, bytes, of_kind};

    #[test]
    fn the_higher_hash_of_b_is_found_as_in_the_vectors() {
        for v in of_kind("tie_break") {
            let hash = |b: &str| hash_of_b(&DhPublic::from_be_bytes(&bytes(&v.inputs[b])).expect("a member"));
            assert_eq!(hash("our_B"), array(&v.outputs["our_hash"]), "{}", v.name);
            assert_eq!(hash("their_B"), array(&v.outputs["their_hash"]), "{}", v.name);
            let wins = hash("our_B") >= hash("their_B");
            assert_eq!(Some(wins), v.outputs["resend_ours"].as_bool(), "{}", v.name);
        }
    }
}
