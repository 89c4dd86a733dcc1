//! The server's side of the exchange, as far as it needs no storage: answer DAKE-1, verify DAKE-3 and what is in it.
//! Spec: otrv4-prekey-server.md "Key Exchange", "Prekey Publication Message". Used by the server program, which keeps
//! pending exchanges and prekeys.

use std::collections::{BTreeMap, BTreeSet};

use rand_core::CryptoRng;
use zeroize::Zeroizing;

use super::exchange::{SessionKeys, Transcript, fingerprint};
use super::messages::{Dake1, Dake2, Dake3};
use super::proofs::EcdhUse;
use super::publication::{Inner, Raw, ServerReply};
use crate::client_profile::VerifiedClientProfile;
use crate::crypto::ed448::{EcdhKeyPair, SigningKey};
use crate::crypto::ring::{self, RingUse};
use crate::crypto::secret::Secret;
use crate::keys::{Fingerprint, KeyType, Point};
use crate::prekey::{PrekeyMessage, VerifiedPrekeyMessage};
use crate::prekey_profile::VerifiedPrekeyProfile;
use crate::reject::Reject;
use crate::time::Timestamp;
use crate::wire::{InstanceTag, Reader, WireError, Writer};

/// Who a server is: its address in its network and its long-term key.
#[derive(Debug)]
pub struct ServerIdentity {
    name: String,
    key: SigningKey,
}

impl ServerIdentity {
    /// From the 57 secret bytes that [`ServerIdentity::secret`] gives; wiping them is the caller's part.
    pub fn new(name: &str, secret: &[u8; 57]) -> Self {
        Self { name: name.into(), key: SigningKey::from_sym(Secret::copied(secret)) }
    }

    /// With a new key.
    pub fn generate(name: &str, rng: &mut dyn CryptoRng) -> Self {
        Self { name: name.into(), key: SigningKey::generate(rng) }
    }

    /// The server's address.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What to keep of the key: 57 secret bytes.
    pub fn secret(&self) -> &[u8; 57] {
        self.key.sym().as_bytes()
    }

    /// ED448-PUBKEY, 59 bytes.
    pub fn public_key_bytes(&self) -> Vec<u8> {
        KeyType::Identity.encode(self.key.public())
    }

    /// What the operator shows to users.
    pub fn fingerprint(&self) -> Fingerprint {
        fingerprint(self.key.public())
    }

    pub(super) const fn signing_key(&self) -> &SigningKey {
        &self.key
    }
}

/// We have answered DAKE-1 and wait for DAKE-3 of the same client. It serves one DAKE-3, right or wrong.
#[derive(Debug)]
pub struct PendingDake {
    owner: InstanceTag,
    identity_key: Point,
    s: Point,
    /// `t` of DAKE-3.
    t: Vec<u8>,
    keys: SessionKeys,
}

impl PendingDake {
    /// Verifies DAKE-1 and gives DAKE-2. `publisher` is the sender's address as its network vouches for it.
    pub fn answer(
        server: &ServerIdentity,
        publisher: &str,
        dake1: Dake1,
        now: Timestamp,
        rng: &mut dyn CryptoRng,
    ) -> Result<(Self, Vec<u8>), Reject> {
        let owner = dake1.sender;
        let profile = dake1.profile.verify(owner, now)?;
        let s = EcdhKeyPair::generate(rng);
        let transcript = Transcript {
            client_profile: profile.as_bytes(),
            publisher,
            server: &server.name,
            server_key: server.key.public(),
            i: &dake1.i,
            s: s.public(),
        };
        let ring = [profile.identity_key(), server.key.public(), &dake1.i];
        let sigma = ring::sign(rng, RingUse::PrekeyServer, &server.key, ring, &transcript.dake2());
        let dake2 = Dake2 {
            receiver: owner,
            server: &server.name,
            server_key: server.key.public().clone(),
            s: s.public().clone(),
            sigma: sigma.ok_or(Reject::Forged)?,
        };
        let pending = Self {
            owner,
            identity_key: profile.identity_key().clone(),
            s: s.public().clone(),
            t: transcript.dake3(),
            keys: SessionKeys::agree(&s, &dake1.i),
        };
        Ok((pending, dake2.write()))
    }

    /// The client that began the exchange.
    pub const fn owner(&self) -> InstanceTag {
        self.owner
    }

    /// What another process needs to go on with the exchange, with its session keys: keep it sealed, and for minutes only.
    pub fn save(&self) -> Zeroizing<Vec<u8>> {
        let Self { owner, identity_key, s, t, keys } = self;
        let mut w = Writer::new();
        w.byte(SAVED).int(owner.get());
        identity_key.write(&mut w);
        s.write(&mut w);
        w.data(t);
        keys.save(&mut w);
        w.finish_secret()
    }

    /// Reads what [`PendingDake::save`] wrote. An error means that it is something else.
    pub fn load(saved: &[u8]) -> Result<Self, WireError> {
        let mut r = Reader::new(saved);
        if r.byte("format of a saved exchange")? != SAVED {
            return Err(WireError::Illegal("format of a saved exchange"));
        }
        let pending = Self {
            owner: InstanceTag::read(&mut r)?,
            identity_key: Point::read(&mut r, "identity key")?,
            s: Point::read(&mut r, "S")?,
            t: r.data("t")?.to_vec(),
            keys: SessionKeys::load(&mut r)?,
        };
        r.end()?;
        Ok(pending)
    }

    /// Verifies sender and sigma of DAKE-3. From here on the peer is known, and gets an answer whatever it asks.
    pub fn finish(self, server: &ServerIdentity, dake3: Dake3) -> Result<Authenticated, Reject> {
        if dake3.sender != self.owner {
            return Err(Reject::ForeignOwner("DAKE-3"));
        }
        let ring = [&self.identity_key, server.key.public(), &self.s];
        if !ring::verify(RingUse::PrekeyServer, ring, &dake3.sigma, &self.t) {
            return Err(Reject::Forged);
        }
        let peer = ReplyKey { owner: self.owner, identity_key: self.identity_key, keys: self.keys };
        Ok(Authenticated { peer, message: dake3.message })
    }
}

/// The first byte of a saved exchange.
const SAVED: u8 = 1;

/// A DAKE-3 of a client that has proved who it is; what is in it is yet to be checked.
#[derive(Debug)]
pub struct Authenticated {
    peer: ReplyKey,
    message: Vec<u8>,
}

impl Authenticated {
    /// Checks the message inside, cheap checks first: format and MAC, profiles, ids and keys of prekey
    /// messages, proofs. The proofs
    /// of a full publication take long: run it where it holds up nobody.
    pub fn check(self, now: Timestamp) -> Checked {
        let Self { peer, message } = self;
        match Inner::open(&message, &peer.keys) {
            Some(Inner::StorageInformation) => Checked::Count(peer),
            Some(Inner::Publication(raw)) => match Publication::check(*raw, &peer, now) {
                Ok(publication) => Checked::Publish(Box::new(publication), peer),
                Err(_) => Checked::Failure(peer.failure()),
            },
            None => Checked::Failure(peer.failure()),
        }
    }
}

/// As after a DAKE-3 with this message.
#[cfg(test)]
impl Authenticated {
    pub(super) const fn with(
        owner: InstanceTag,
        identity_key: Point,
        keys: SessionKeys,
        message: Vec<u8>,
    ) -> Self {
        Self { peer: ReplyKey { owner, identity_key, keys }, message }
    }
}

/// What to do about a DAKE-3.
#[derive(Debug)]
pub enum Checked {
    /// Store it, then answer with success, or failure if it cannot be stored.
    Publish(Box<Publication>, ReplyKey),
    /// Answer with the number of prekey messages stored for this user, client and long-term key.
    Count(ReplyKey),
    /// Send this Failure message; store nothing.
    Failure(Vec<u8>),
}

/// The right to answer one authenticated request, once.
#[derive(Debug)]
pub struct ReplyKey {
    owner: InstanceTag,
    identity_key: Point,
    keys: SessionKeys,
}

impl ReplyKey {
    /// The client that asks.
    pub const fn owner(&self) -> InstanceTag {
        self.owner
    }

    /// The long-term key it has proved to hold.
    pub const fn identity_key(&self) -> &Point {
        &self.identity_key
    }

    /// The Success message. What was published must be stored before it is sent.
    pub fn success(self) -> Vec<u8> {
        ServerReply::Success.write(self.owner, &self.keys)
    }

    /// The Failure message.
    pub fn failure(self) -> Vec<u8> {
        ServerReply::Failure.write(self.owner, &self.keys)
    }

    /// The Storage Status message.
    pub fn status(self, count: u32) -> Vec<u8> {
        ServerReply::Status(count).write(self.owner, &self.keys)
    }
}

/// What an authenticated client publishes, every part of it checked. There is no other way to get one.
#[derive(Debug)]
pub struct Publication {
    owner: InstanceTag,
    identity_key: Point,
    client_profile: Option<VerifiedClientProfile>,
    prekey_profile: Option<VerifiedPrekeyProfile>,
    prekeys: Vec<VerifiedPrekeyMessage>,
}

impl Publication {
    fn check(raw: Raw, peer: &ReplyKey, now: Timestamp) -> Result<Self, Reject> {
        let ReplyKey { owner, identity_key, keys } = peer;
        let client_profile = raw.client_profile.map(|profile| profile.verify(*owner, now)).transpose()?;
        if client_profile.as_ref().is_some_and(|profile| profile.identity_key() != identity_key) {
            return Err(Reject::ForeignOwner("client profile"));
        }
        let prekey_profile =
            raw.prekey_profile.map(|profile| profile.verify(identity_key, *owner, now)).transpose()?;
        check_names(&raw.prekeys, *owner)?;
        let mut prekeys =
            raw.prekeys.into_iter().map(PrekeyMessage::verify).collect::<Result<Vec<_>, _>>()?;
        let m = keys.proof_context();
        if let (Some(profile), Some(proof)) = (&prekey_profile, &raw.proofs.shared_prekey) {
            proof.verify(EcdhUse::SharedPrekey, &[profile.shared_prekey()], m)?;
        }
        if let Some((ecdh, dh)) = &raw.proofs.messages {
            let (ys, bs): (Vec<_>, Vec<_>) =
                prekeys.iter().map(|prekey| (prekey.ecdh(), prekey.dh())).unzip();
            ecdh.verify(EcdhUse::Messages, &ys, m)?;
            dh.verify(&bs, m)?;
        }
        // The proofs are about each message as often as it was given.
        let mut ids = BTreeSet::new();
        prekeys.retain(|prekey| ids.insert(prekey.id()));
        let (owner, identity_key) = (*owner, identity_key.clone());
        Ok(Self { owner, identity_key, client_profile, prekey_profile, prekeys })
    }

    /// The client that publishes.
    pub const fn owner(&self) -> InstanceTag {
        self.owner
    }

    /// The long-term key it has proved to hold.
    pub const fn identity_key(&self) -> &Point {
        &self.identity_key
    }

    /// Replaces the one stored for this client.
    pub const fn client_profile(&self) -> Option<&VerifiedClientProfile> {
        self.client_profile.as_ref()
    }

    /// Replaces the one stored for this client.
    pub const fn prekey_profile(&self) -> Option<&VerifiedPrekeyProfile> {
        self.prekey_profile.as_ref()
    }

    /// To be added to those stored for this client, in this order; no two with the same id.
    pub fn prekeys(&self) -> &[VerifiedPrekeyMessage] {
        &self.prekeys
    }
}

/// All prekey messages belong to the publisher, and no id is that of two different ones: who got the first could not be
/// answered.
fn check_names(prekeys: &[PrekeyMessage], owner: InstanceTag) -> Result<(), Reject> {
    let mut by_id = BTreeMap::new();
    for prekey in prekeys {
        if prekey.owner() != owner {
            return Err(Reject::ForeignOwner("prekey message"));
        }
        if *by_id.entry(prekey.id()).or_insert(prekey) != prekey {
            return Err(WireError::Illegal("prekey id").into());
        }
    }
    Ok(())
}
