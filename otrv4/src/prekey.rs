//! One-time prekeys: the message published for each, its secret half, and the ensemble that starts a conversation
//! with a client that is offline.
//! Spec: otrv4.md "Prekey Message", "Validating Prekey Ensembles", "Receiving Prekey Ensembles". Used by the offline
//! handshake, the account and the prekey server protocol.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use rand_core::CryptoRng;

use crate::client_profile::{ClientProfile, VerifiedClientProfile};
use crate::crypto::dh3072::DhKeyPair;
pub use crate::crypto::dh3072::DhPublic;
use crate::crypto::ed448::EcdhKeyPair;
use crate::keys::Point;
use crate::prekey_profile::{PrekeyProfile, VerifiedPrekeyProfile};
use crate::reject::Reject;
use crate::time::Timestamp;
use crate::wire::{InstanceTag, Reader, Versions, WireError, Writer};

/// A prekey message as received: one ECDH and one DH key, for one conversation. It shows neither before
/// [`PrekeyMessage::verify`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PrekeyMessage {
    id: u32,
    owner: InstanceTag,
    ecdh: [u8; 57],
    /// Big-endian, without leading zeros.
    dh: Box<[u8]>,
    bytes: Vec<u8>,
}

impl PrekeyMessage {
    /// Version 4, type 0x0F, id (INT), owner's tag (INT), Y (POINT), B (MPI); the keys unchecked.
    pub fn read(r: &mut Reader<'_>) -> Result<Self, WireError> {
        let start = r.position();
        if r.short("version")? != 4 {
            return Err(WireError::Illegal("version"));
        }
        if r.byte("message type")? != MESSAGE_TYPE {
            return Err(WireError::Illegal("message type"));
        }
        Ok(Self {
            id: r.int("prekey id")?,
            owner: InstanceTag::read(r)?,
            ecdh: r.array(ECDH_KEY)?,
            dh: r.mpi(DH_KEY)?.into(),
            bytes: r.since(start).to_vec(),
        })
    }

    /// otrv4.md "Prekey Message": Y is a point of the curve, B a member of the group. It costs more than a stranger may
    /// ask for.
    pub fn verify(self) -> Result<VerifiedPrekeyMessage, WireError> {
        Ok(VerifiedPrekeyMessage {
            id: self.id,
            owner: self.owner,
            ecdh: Point::decode(&self.ecdh).map_err(|_| WireError::Illegal(ECDH_KEY))?,
            dh: DhPublic::from_be_bytes(&self.dh).map_err(|_| WireError::Illegal(DH_KEY))?,
            bytes: self.bytes,
        })
    }

    /// Names it among the prekeys of its owner.
    pub(crate) const fn id(&self) -> u32 {
        self.id
    }

    /// The client it claims to belong to.
    pub(crate) const fn owner(&self) -> InstanceTag {
        self.owner
    }

    /// Exactly what was received.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }
}

const MESSAGE_TYPE: u8 = 0x0F;
const ECDH_KEY: &str = "prekey ECDH key";
const DH_KEY: &str = "prekey DH key";

/// A prekey message whose keys are valid (or is our own).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedPrekeyMessage {
    id: u32,
    owner: InstanceTag,
    ecdh: Point,
    dh: DhPublic,
    bytes: Vec<u8>,
}

impl VerifiedPrekeyMessage {
    /// Names it among the prekeys of its owner.
    pub const fn id(&self) -> u32 {
        self.id
    }

    /// The client it belongs to.
    pub const fn owner(&self) -> InstanceTag {
        self.owner
    }

    /// The one-time ECDH key `Y`.
    pub const fn ecdh(&self) -> &Point {
        &self.ecdh
    }

    /// The one-time DH key `B`.
    pub const fn dh(&self) -> &DhPublic {
        &self.dh
    }

    /// As it goes over the wire.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// The secret half of a prekey message. It serves one conversation: whoever uses it forgets it.
#[derive(Debug)]
pub struct PrekeySecret {
    id: u32,
    ecdh: EcdhKeyPair,
    dh: DhKeyPair,
}

impl PrekeySecret {
    /// New keys, the ECDH key first. `id` is random and not that of another prekey of this client.
    pub fn generate(rng: &mut dyn CryptoRng, id: u32) -> Self {
        Self { id, ecdh: EcdhKeyPair::generate(rng), dh: DhKeyPair::generate(rng) }
    }

    /// The message to publish.
    pub(crate) fn message(&self, owner: InstanceTag) -> VerifiedPrekeyMessage {
        let mut w = Writer::new();
        w.short(4).byte(MESSAGE_TYPE).int(self.id);
        owner.write(&mut w);
        self.ecdh.public().write(&mut w);
        self.dh.public().write(&mut w);
        VerifiedPrekeyMessage {
            id: self.id,
            owner,
            ecdh: self.ecdh.public().clone(),
            dh: self.dh.public().clone(),
            bytes: w.finish(),
        }
    }

    pub(crate) const fn id(&self) -> u32 {
        self.id
    }

    pub(crate) const fn ecdh(&self) -> &EcdhKeyPair {
        &self.ecdh
    }

    pub(crate) const fn dh(&self) -> &DhKeyPair {
        &self.dh
    }

    /// INT id, the 57-byte ECDH scalar, the 80-byte DH secret; all secret.
    pub(crate) fn save(&self, w: &mut Writer) {
        w.int(self.id);
        self.ecdh.write(w);
        self.dh.write(w);
    }

    pub(crate) fn load(r: &mut Reader<'_>) -> Result<Self, WireError> {
        Ok(Self {
            id: r.int("prekey id")?,
            ecdh: EcdhKeyPair::read(r, "prekey ECDH secret")?,
            dh: DhKeyPair::read(r, "prekey DH secret")?,
        })
    }
}

/// All that is needed to write to a client that is offline, as received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PrekeyEnsemble {
    client_profile: ClientProfile,
    prekey_profile: PrekeyProfile,
    message: PrekeyMessage,
}

impl PrekeyEnsemble {
    /// The three parts one after another, as they stand in a Prekey Ensemble Retrieval message. Only their format is
    /// checked: a bad key must not take the ensembles beside it along.
    pub fn read(r: &mut Reader<'_>) -> Result<Self, WireError> {
        Ok(Self {
            client_profile: ClientProfile::read(r)?,
            prekey_profile: PrekeyProfile::read(r)?,
            message: PrekeyMessage::read(r)?,
        })
    }

    pub(crate) const fn message(&self) -> &PrekeyMessage {
        &self.message
    }

    /// As it was read.
    pub fn write(&self, w: &mut Writer) {
        w.bytes(self.client_profile.as_bytes())
            .bytes(self.prekey_profile.as_bytes())
            .bytes(self.message.as_bytes());
    }

    /// otrv4.md "Validating Prekey Ensembles", in its order. `our_versions` are the versions we speak.
    pub fn verify(self, now: Timestamp, our_versions: Versions) -> Result<VerifiedEnsemble, Reject> {
        let owner = self.message.owner();
        if self.client_profile.owner() != owner || self.prekey_profile.owner() != owner {
            return Err(Reject::ForeignOwner("prekey ensemble"));
        }
        let profile = self.client_profile.verify(owner, now)?;
        let prekey_profile = self.prekey_profile.verify(profile.identity_key(), owner, now)?;
        // The message is of version 4, which every verified profile lists.
        if !our_versions.contains(4) {
            return Err(Reject::Version);
        }
        Ok(VerifiedEnsemble { profile, prekey_profile, message: self.message.verify()? })
    }
}

/// An ensemble that was valid when it was checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedEnsemble {
    profile: VerifiedClientProfile,
    prekey_profile: VerifiedPrekeyProfile,
    message: VerifiedPrekeyMessage,
}

impl VerifiedEnsemble {
    /// Who the client says it is.
    pub const fn profile(&self) -> &VerifiedClientProfile {
        &self.profile
    }

    /// Its shared prekey.
    pub const fn prekey_profile(&self) -> &VerifiedPrekeyProfile {
        &self.prekey_profile
    }

    /// Its one-time keys.
    pub const fn message(&self) -> &VerifiedPrekeyMessage {
        &self.message
    }

    /// When the first of its profiles expires.
    pub(crate) fn expires(&self) -> Timestamp {
        self.profile.expires().min(self.prekey_profile.expires())
    }
}

/// otrv4.md "Receiving Prekey Ensembles": invalid and duplicate ones are dropped, and of several for one client the
/// one that lives longest stays, so that there is one for each, ordered by instance tag.
pub fn choose(
    ensembles: Vec<PrekeyEnsemble>,
    now: Timestamp,
    our_versions: Versions,
) -> Vec<VerifiedEnsemble> {
    let mut chosen = BTreeMap::new();
    for ensemble in ensembles.into_iter().filter_map(|ensemble| ensemble.verify(now, our_versions).ok()) {
        match chosen.entry(ensemble.profile.owner()) {
            Entry::Vacant(entry) => {
                entry.insert(ensemble);
            }
            Entry::Occupied(mut entry) if entry.get().expires() < ensemble.expires() => {
                entry.insert(ensemble);
            }
            Entry::Occupied(_) => {}
        }
    }
    chosen.into_values().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::{ForgingKey, ForgingSecret, LongTermKey, SharedPrekey};
    use crate::vectors::{Recorded, bytes, of_kind, rng};

    fn whole<'a, T>(
        bytes: &'a [u8],
        read: impl FnOnce(&mut Reader<'a>) -> Result<T, WireError>,
    ) -> Result<T, WireError> {
        let mut r = Reader::new(bytes);
        let value = read(&mut r)?;
        r.end()?;
        Ok(value)
    }

    #[test]
    fn recorded_prekey_messages_get_the_recorded_verdict_and_are_made_from_the_recorded_secrets() {
        for v in of_kind("prekey_message") {
            let encoded = bytes(&v.inputs["encoded"]);
            let verdict = whole(&encoded, PrekeyMessage::read).and_then(PrekeyMessage::verify);
            assert_eq!(Some(verdict.is_ok()), v.accept(), "{}: {verdict:?}", v.name);
            let Ok(message) = verdict else { continue };
            let draws = [bytes(&v.inputs["y_sym"]), bytes(&v.inputs["b"])];
            let secret = PrekeySecret::generate(&mut Recorded(draws.into()), message.id());
            assert_eq!(secret.message(message.owner()), message);
            assert_eq!(message.as_bytes(), encoded);
        }
    }

    #[test]
    fn recorded_ensembles_get_the_recorded_verdict() {
        for v in of_kind("ensemble") {
            let encoded = bytes(&v.inputs["encoded"]);
            let now = Timestamp::from_unix(v.inputs["now"].as_i64().unwrap());
            let verdict = whole(&encoded, PrekeyEnsemble::read)
                .map_err(Reject::from)
                .and_then(|ensemble| ensemble.verify(now, Versions::V4));
            assert_eq!(Some(verdict.is_ok()), v.accept(), "{}: {verdict:?}", v.name);
        }
    }

    #[test]
    fn a_prekey_secret_survives_saving() {
        let secret = PrekeySecret::generate(&mut rng(), 7);
        let mut w = Writer::new();
        secret.save(&mut w);
        let saved = w.finish();
        assert_eq!(saved.len(), 4 + 57 + 80);
        let owner = InstanceTag::new(0x100).unwrap();
        assert_eq!(whole(&saved, PrekeySecret::load).unwrap().message(owner), secret.message(owner));
        assert!(whole(&saved[..140], PrekeySecret::load).is_err());
    }

    /// A client that publishes.
    struct Client {
        key: LongTermKey,
        forging: ForgingKey,
        shared: SharedPrekey,
        owner: InstanceTag,
    }

    impl Client {
        fn new(tag: u32) -> Self {
            Self {
                key: LongTermKey::generate(&mut rng()),
                forging: ForgingKey::generate(ForgingSecret::Destroy, &mut rng()),
                shared: SharedPrekey::generate(&mut rng()),
                owner: InstanceTag::new(tag).unwrap(),
            }
        }

        fn ensemble(&self, id: u32, profile_expires: i64, prekey_expires: i64) -> PrekeyEnsemble {
            let at = Timestamp::from_unix;
            let profile =
                ClientProfile::sign(&self.key, self.forging.public(), self.owner, at(profile_expires), None);
            let prekey_profile =
                PrekeyProfile::sign(&self.key, self.owner, self.shared.public(), at(prekey_expires));
            let message = PrekeySecret::generate(&mut rng(), id).message(self.owner);
            let bytes = [profile.as_bytes(), prekey_profile.as_bytes(), message.as_bytes()].concat();
            whole(&bytes, PrekeyEnsemble::read).unwrap()
        }
    }

    const NOW: Timestamp = Timestamp::from_unix(10);

    #[test]
    fn an_ensemble_is_written_as_it_was_read() {
        let ensemble = Client::new(0x100).ensemble(1, 20, 20);
        let mut w = Writer::new();
        ensemble.write(&mut w);
        assert_eq!(whole(w.as_slice(), PrekeyEnsemble::read), Ok(ensemble));
    }

    #[test]
    fn an_ensemble_is_refused_when_we_do_not_speak_its_version() {
        let ensemble = Client::new(0x100).ensemble(1, 20, 20);
        assert!(ensemble.clone().verify(NOW, Versions::V34).is_ok());
        assert_eq!(ensemble.verify(NOW, Versions::EMPTY.with(3)), Err(Reject::Version));
    }

    #[test]
    fn an_ensemble_with_parts_of_two_clients_is_refused() {
        let (ours, theirs) = (Client::new(0x100).ensemble(1, 20, 20), Client::new(0x101).ensemble(1, 20, 20));
        let foreign = Err(Reject::ForeignOwner("prekey ensemble"));
        let message = PrekeyEnsemble { message: theirs.message.clone(), ..ours.clone() };
        let prekey_profile = PrekeyEnsemble { prekey_profile: theirs.prekey_profile, ..ours.clone() };
        let client_profile = PrekeyEnsemble { client_profile: theirs.client_profile, ..ours };
        for mixed in [message, prekey_profile, client_profile] {
            assert_eq!(mixed.verify(NOW, Versions::V4), foreign);
        }
    }

    #[test]
    fn a_prekey_profile_of_another_key_of_the_same_tag_is_refused() {
        let (ours, theirs) = (Client::new(0x100).ensemble(1, 20, 20), Client::new(0x100).ensemble(1, 20, 20));
        let mixed = PrekeyEnsemble { prekey_profile: theirs.prekey_profile, ..ours };
        assert_eq!(mixed.verify(NOW, Versions::V4), Err(Reject::Forged));
    }

    #[test]
    fn one_ensemble_is_chosen_for_each_client_the_longest_lived_one() {
        let (first, second) = (Client::new(0x200), Client::new(0x100));
        let soon = first.ensemble(1, 90, 30);
        let late = first.ensemble(2, 80, 40);
        let expired = first.ensemble(3, 90, 10);
        let other = second.ensemble(1, 20, 20);
        let given = vec![soon, late.clone(), late.clone(), expired, other.clone()];
        let expected: Vec<_> =
            [other, late].map(|ensemble| ensemble.verify(NOW, Versions::V4).unwrap()).into();
        assert_eq!(choose(given.clone(), NOW, Versions::V4), expected);
        assert_eq!(choose(given.into_iter().rev().collect(), NOW, Versions::V4), expected);
    }
}
