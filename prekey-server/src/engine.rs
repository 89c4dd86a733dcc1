//! What the server makes of one message: bytes, sender, time and randomness in, the next step out.
//! Spec: otrv4-prekey-server.md, "Key Exchange" and "Retrieving Prekey Ensembles". Knows nothing of HTTP or databases.

use crate::account::Identity;
use crate::sealing::Seal;
use crate::store::{Deposit, Device, StoredEnsemble, StoredPrekey, StoredProfile};
use otrv4::prekey_server::{
    Checked, Dake1, Dake3, EnsembleQuery, PendingDake, Publication, ReplyKey, Request, ServerIdentity,
    no_ensembles, retrieval,
};
use otrv4::wire::Reader;
use otrv4::{Reject, Timestamp};
use rand_core::CryptoRng;

/// The server's key, and the one that seals exchanges which wait for their second message.
#[derive(Debug)]
pub(crate) struct Engine {
    identity: ServerIdentity,
    seal: Seal,
}

/// What is to be done about a publisher's message.
#[derive(Debug)]
pub(crate) enum Step {
    /// Send this.
    Reply(Vec<u8>),
    /// Keep the sealed exchange of this client, then send DAKE-2.
    Begin { tag: u32, exchange: Vec<u8>, dake2: Vec<u8> },
    /// Store it, then say whether that worked.
    Publish(Deposit, ReplyKey),
    /// Say how many prekeys the device has left.
    Count(Device, ReplyKey),
}

/// A message gets no answer of the protocol. The reason is for our log, never for the sender.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refused {
    /// It does not pass the protocol's checks.
    #[error(transparent)]
    Rejected(#[from] Reject),
    /// A DAKE-3 without its DAKE-1, or too late.
    #[error("no exchange waits for this message")]
    NotExpected,
}

impl Engine {
    pub(crate) fn new(identity: ServerIdentity) -> Self {
        Self { seal: Seal::of(&identity), identity }
    }

    pub(crate) fn identity(&self) -> &ServerIdentity {
        &self.identity
    }

    /// Answers a message of a publisher whom the network vouches for. `pending` is the sealed exchange of
    /// [`dake3_sender`], taken out of where it was kept. Takes milliseconds to a tenth of a second of arithmetic: run it
    /// where it holds up nobody.
    pub(crate) fn exchange(
        &self,
        sender: &Identity,
        message: &[u8],
        pending: Option<Vec<u8>>,
        now: Timestamp,
        rng: &mut dyn CryptoRng,
    ) -> Result<Step, Refused> {
        match Request::read(message)? {
            Request::Dake1(dake1) => self.begin(sender, *dake1, now, rng),
            Request::Dake3(dake3) => self.finish(sender, *dake3, pending, now),
            _ => Err(Refused::NotExpected),
        }
    }

    fn begin(
        &self,
        sender: &Identity,
        dake1: Dake1,
        now: Timestamp,
        rng: &mut dyn CryptoRng,
    ) -> Result<Step, Refused> {
        let (pending, dake2) = PendingDake::answer(&self.identity, sender.as_str(), dake1, now, rng)?;
        let tag = pending.owner().get();
        Ok(Step::Begin { tag, exchange: self.seal.seal(sender, tag, &pending.save(), rng), dake2 })
    }

    fn finish(
        &self,
        sender: &Identity,
        dake3: Dake3,
        pending: Option<Vec<u8>>,
        now: Timestamp,
    ) -> Result<Step, Refused> {
        let saved = pending.and_then(|sealed| self.seal.open(sender, dake3.sender().get(), &sealed));
        let pending = saved.and_then(|saved| PendingDake::load(&saved).ok()).ok_or(Refused::NotExpected)?;
        Ok(match pending.finish(&self.identity, dake3)?.check(now) {
            Checked::Publish(publication, reply) => Step::Publish(Deposit::from(&*publication), reply),
            Checked::Count(reply) => Step::Count(
                Device { tag: reply.owner().get(), identity_key: *reply.identity_key().as_bytes() },
                reply,
            ),
            Checked::Failure(failure) => Step::Reply(failure),
        })
    }
}

/// Whose exchange a message means to finish, if it looks like a DAKE-3.
pub(crate) fn dake3_sender(message: &[u8]) -> Option<u32> {
    let mut r = Reader::new(message);
    match (r.short("version"), r.byte("message type")) {
        (Ok(4), Ok(DAKE_3)) => r.int("sender").ok(),
        _ => None,
    }
}

const DAKE_3: u8 = 0x37;

/// Whether a message asks for ensembles: the only kind that needs no sender, and that costs no arithmetic.
pub(crate) fn is_query(message: &[u8]) -> bool {
    let mut r = Reader::new(message);
    matches!((r.short("version"), r.byte("message type")), (Ok(4), Ok(ENSEMBLE_QUERY)))
}

const ENSEMBLE_QUERY: u8 = 0x10;

/// Somebody asks for somebody's ensembles.
#[derive(Debug)]
pub(crate) struct Query(EnsembleQuery);

impl Query {
    pub(crate) fn read(message: &[u8]) -> Result<Self, Refused> {
        match Request::read(message)? {
            Request::EnsembleQuery(query) => Ok(Self(query)),
            _ => Err(Refused::NotExpected),
        }
    }

    /// Whose ensembles to take; `None` if there can be none: no account has that name, or another version is asked
    /// for.
    pub(crate) fn target(&self) -> Option<Identity> {
        if self.0.versions().contains(4) { Identity::new(self.0.identity()).ok() } else { None }
    }

    /// The answer; the same one for unknown and for drained identities.
    pub(crate) fn answer(self, ensembles: Vec<StoredEnsemble>) -> Vec<u8> {
        let (receiver, identity) = (self.0.sender(), self.0.identity());
        if ensembles.is_empty() {
            return no_ensembles(receiver, identity);
        }
        let parts: Vec<_> =
            ensembles.into_iter().map(|e| (e.client_profile, e.prekey_profile, e.prekey)).collect();
        retrieval(receiver, identity, &parts)
    }
}

impl From<&Publication> for Deposit {
    fn from(publication: &Publication) -> Self {
        Self {
            device: Device {
                tag: publication.owner().get(),
                identity_key: *publication.identity_key().as_bytes(),
            },
            client_profile: publication.client_profile().map(|profile| StoredProfile {
                bytes: profile.as_bytes().to_vec(),
                expires: profile.expires(),
            }),
            prekey_profile: publication.prekey_profile().map(|profile| StoredProfile {
                bytes: profile.as_bytes().to_vec(),
                expires: profile.expires(),
            }),
            prekeys: publication
                .prekeys()
                .iter()
                .map(|prekey| StoredPrekey { id: prekey.id(), bytes: prekey.as_bytes().to_vec() })
                .collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::system::rng;
    use otrv4::client_profile::{ClientProfile, VerifiedClientProfile};
    use otrv4::keys::{ForgingKey, ForgingSecret, LongTermKey};
    use otrv4::prekey_server::{AwaitReply, PublishRequest, Publisher, ServerKey, ServerReply};
    use otrv4::wire::{InstanceTag, Versions};

    const NOW: Timestamp = Timestamp::from_unix(1_700_000_000);
    const SERVER: &str = "prekey.example.org";

    struct Client {
        key: LongTermKey,
        profile: VerifiedClientProfile,
    }

    fn client() -> Client {
        let key = LongTermKey::generate(&mut rng());
        let forging = ForgingKey::generate(ForgingSecret::Destroy, &mut rng());
        let tag = InstanceTag::random(&mut rng());
        let profile = ClientProfile::sign(&key, forging.public(), tag, NOW.plus(1000), None);
        Client { key, profile }
    }

    fn bob() -> Identity {
        Identity::new("bob@example.org").expect("legal")
    }

    fn engine() -> Engine {
        Engine::new(ServerIdentity::generate(SERVER, &mut rng()))
    }

    impl Client {
        fn dake1(&self) -> (Publisher, Vec<u8>) {
            Publisher::start(&self.profile, bob().as_str(), &mut rng())
        }

        /// Goes through DAKE-1 and DAKE-2; gives a DAKE-3 that asks for the count, and the exchange that waits for it.
        fn dake3(&self, engine: &Engine) -> (AwaitReply, Vec<u8>, Option<Vec<u8>>) {
            let (publisher, dake1) = self.dake1();
            let Ok(Step::Begin { tag, exchange, dake2 }) =
                engine.exchange(&bob(), &dake1, None, NOW, &mut rng())
            else {
                panic!("DAKE-2 expected");
            };
            assert_eq!(tag, self.profile.owner().get());
            let server = ServerKey::new(SERVER, engine.identity().fingerprint());
            let request = PublishRequest::StorageInformation;
            let (awaits, dake3) = publisher
                .receive_dake2(&dake2, &server, &self.key, request, &mut rng())
                .expect("a valid DAKE-2");
            assert_eq!(dake3_sender(&dake3), Some(tag));
            (awaits, dake3, Some(exchange))
        }
    }

    #[test]
    fn an_exchange_asks_for_the_count_of_the_device_that_proved_its_key() {
        let (engine, client) = (engine(), client());
        let (awaits, dake3, pending) = client.dake3(&engine);
        let Ok(Step::Count(device, reply)) = engine.exchange(&bob(), &dake3, pending, NOW, &mut rng()) else {
            panic!("a count expected");
        };
        assert_eq!(device.tag, client.profile.owner().get());
        assert_eq!(device.identity_key, *client.key.public().as_bytes());
        assert_eq!(awaits.receive(&reply.status(7)), Ok(ServerReply::Status(7)));
    }

    #[test]
    fn another_process_with_the_same_key_goes_on_with_an_exchange_and_one_with_another_key_does_not() {
        let (engine, client) = (engine(), client());
        let again = Engine::new(ServerIdentity::new(SERVER, engine.identity().secret()));
        let stranger = Engine::new(ServerIdentity::generate(SERVER, &mut rng()));
        let (_, dake3, pending) = client.dake3(&engine);
        let finish = |engine: &Engine| engine.exchange(&bob(), &dake3, pending.clone(), NOW, &mut rng());
        assert!(matches!(finish(&again), Ok(Step::Count(..))));
        assert_eq!(finish(&stranger).err(), Some(Refused::NotExpected));
    }

    #[test]
    fn a_forged_dake3_and_one_without_its_exchange_are_refused() {
        let (engine, client) = (engine(), client());
        let (_, dake3, pending) = client.dake3(&engine);
        let mut forged = dake3.clone();
        forged[20] ^= 1;
        assert_eq!(
            engine.exchange(&bob(), &forged, pending, NOW, &mut rng()).err(),
            Some(Refused::Rejected(Reject::Forged))
        );
        let refused = engine.exchange(&bob(), &dake3, None, NOW, &mut rng()).err();
        assert_eq!(refused, Some(Refused::NotExpected));
    }

    #[test]
    fn a_dake3_for_another_account_or_of_an_older_exchange_is_refused() {
        let (engine, client) = (engine(), client());
        let (_, older, _) = client.dake3(&engine);
        let (_, dake3, pending) = client.dake3(&engine);
        let eve = Identity::new("eve@example.org").expect("legal");
        let refused = engine.exchange(&eve, &dake3, pending.clone(), NOW, &mut rng()).err();
        assert_eq!(refused, Some(Refused::NotExpected));
        assert_eq!(
            engine.exchange(&bob(), &older, pending, NOW, &mut rng()).err(),
            Some(Refused::Rejected(Reject::Forged))
        );
    }

    #[test]
    fn an_expired_profile_begins_nothing() {
        let (engine, client) = (engine(), client());
        let late = client.profile.expires();
        let (_, dake1) = client.dake1();
        assert!(matches!(
            engine.exchange(&bob(), &dake1, None, late, &mut rng()).err(),
            Some(Refused::Rejected(Reject::Expired(_)))
        ));
    }

    #[test]
    fn a_query_for_another_version_or_an_impossible_name_has_no_target() {
        let tag = InstanceTag::random(&mut rng());
        let target = |identity: &str, versions| {
            let message = otrv4::prekey_server::ensemble_query(tag, identity, versions);
            assert!(is_query(&message));
            Query::read(&message).expect("a query").target()
        };
        assert_eq!(target("bob@example.org", Versions::V34), Some(bob()));
        assert_eq!(target("bob@example.org", Versions::EMPTY), None);
        assert_eq!(target("Bob", Versions::V4), None);
    }

    #[test]
    fn only_queries_pass_for_queries() {
        for message in [&[][..], &[0, 4], &[0, 3, 0x10], &[0, 4, 0x35], &[0x10]] {
            assert!(!is_query(message), "{message:?}");
        }
        assert!(is_query(&[0, 4, 0x10]));
        assert!(Query::read(&[0, 4, 0x10]).is_err());
    }
}
