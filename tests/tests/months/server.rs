//! The prekey server in memory: the protocol is the real one, the storage a map.

use std::collections::{BTreeMap, VecDeque};

use otrv4::prekey_server::{
    Checked, PendingDake, Request, ServerIdentity, ServerKey, ServerReply, read_ensembles, retrieval,
};
use otrv4::wire::InstanceTag;
use otrv4::{PrekeyEnsemble, Timestamp};
use otrv4_tests::{Person, rng};

pub(crate) struct Server {
    identity: ServerIdentity,
    clients: BTreeMap<String, Stored>,
}

/// What one client has published.
struct Stored {
    client_profile: Vec<u8>,
    prekey_profile: Vec<u8>,
    expires: Timestamp,
    messages: VecDeque<Vec<u8>>,
}

impl Server {
    pub(crate) fn new() -> Self {
        Self {
            identity: ServerIdentity::generate("prekey.example.org", &mut rng()),
            clients: BTreeMap::new(),
        }
    }

    /// The whole exchange: asks what is left, and publishes what the account thinks it should. Whether prekeys were among it.
    pub(crate) fn visit(&mut self, person: &mut Person) -> bool {
        let left = self.left(person.account.id());
        let first = left.is_none();
        let fresh = person.account.refill(left.unwrap_or_default(), person.now);
        if !first && fresh == 0 && !person.account.has_unpublished() {
            return false;
        }
        let (publishing, dake_1) =
            person.account.publish(fresh, &mut rng(), person.now).expect("a possible number");
        let pinned = ServerKey::new(self.identity.name(), self.identity.fingerprint());
        let Ok(Request::Dake1(dake_1)) = Request::read(&dake_1) else { panic!("DAKE-1") };
        let (pending, dake_2) =
            PendingDake::answer(&self.identity, person.account.id(), *dake_1, person.now, &mut rng())
                .expect("an honest client");
        let (reply, dake_3) = publishing
            .receive_dake_2(&person.account, &pinned, &dake_2, &mut rng())
            .expect("an honest server");
        let Ok(Request::Dake3(dake_3)) = Request::read(&dake_3) else { panic!("DAKE-3") };
        let authenticated = pending.finish(&self.identity, *dake_3).expect("an honest client");
        let Checked::Publish(publication, key) = authenticated.check(person.now) else { panic!("refused") };
        let profile = publication.client_profile().expect("always published");
        let stored = Stored {
            client_profile: profile.as_bytes().to_vec(),
            prekey_profile: publication.prekey_profile().expect("always published").as_bytes().to_vec(),
            expires: profile.expires(),
            messages: publication.prekeys().iter().map(|prekey| prekey.as_bytes().to_vec()).collect(),
        };
        let mut older = self.clients.remove(person.account.id()).map(|old| old.messages).unwrap_or_default();
        older.extend(stored.messages.iter().cloned());
        self.clients.insert(person.account.id().to_owned(), Stored { messages: older, ..stored });
        assert_eq!(reply.receive(&key.success()), Ok(ServerReply::Success));
        person.account.published(&publishing, person.now);
        fresh > 0
    }

    /// Hands out one ensemble, once; none if there is none that is valid.
    pub(crate) fn take(&mut self, from: InstanceTag, of: &str) -> Vec<PrekeyEnsemble> {
        let Some(stored) = self.clients.get_mut(of) else { return Vec::new() };
        let Some(message) = stored.messages.pop_front() else { return Vec::new() };
        let parts = (stored.client_profile.clone(), stored.prekey_profile.clone(), message);
        read_ensembles(&retrieval(from, of, &[parts]), from, of).expect("what was published")
    }

    /// Prekeys left, if this client has ever published.
    pub(crate) fn left(&self, of: &str) -> Option<u32> {
        self.clients.get(of).map(|stored| u32::try_from(stored.messages.len()).expect("few"))
    }

    /// When the profiles that it hands out expire.
    pub(crate) fn expires(&self, of: &str) -> Option<Timestamp> {
        self.clients.get(of).map(|stored| stored.expires)
    }
}
