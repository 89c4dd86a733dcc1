//! A prekey server and one of its users, always the same. Used by [`super`] and by [`crate::fuzzing::seeds`].

use std::sync::LazyLock;

use otrv4::client_profile::{ClientProfile, VerifiedClientProfile};
use otrv4::keys::{ForgingKey, ForgingSecret, LongTermKey, SharedPrekey};
use otrv4::prekey::PrekeySecret;
use otrv4::prekey_profile::{PrekeyProfile, VerifiedPrekeyProfile};
use otrv4::prekey_server::{
    AwaitReply, Checked, PendingDake, PublishRequest, Publisher, Request, ServerIdentity, ServerKey,
};
use otrv4::wire::{InstanceTag, Writer};
use otrv4::{Account, Lifetimes};

use super::rng;
use crate::START;

/// Who takes part.
pub(crate) struct Cast {
    pub(crate) server: ServerIdentity,
    pub(crate) key: LongTermKey,
    pub(crate) profile: VerifiedClientProfile,
    shared_prekey: SharedPrekey,
    prekey_profile: VerifiedPrekeyProfile,
    prekeys: [PrekeySecret; 2],
    /// Of an account of the same name.
    pub(crate) ensembles: Vec<Ensemble>,
}

/// As the server keeps it: both profiles, and a prekey message.
pub(crate) type Ensemble = (Vec<u8>, Vec<u8>, Vec<u8>);

/// Made once.
pub(crate) fn cast() -> &'static Cast {
    static CAST: LazyLock<Cast> = LazyLock::new(Cast::new);
    &CAST
}

impl Cast {
    fn new() -> Self {
        let rng = &mut rng(0);
        let owner = InstanceTag::new(0x100).expect("no reserved tag");
        let (key, expires) = (LongTermKey::generate(rng), START.plus(1000));
        let forging = ForgingKey::generate(ForgingSecret::Destroy, rng);
        let profile = ClientProfile::sign(&key, forging.public(), owner, expires, None);
        let shared_prekey = SharedPrekey::generate(rng);
        let prekey_profile = PrekeyProfile::sign(&key, owner, shared_prekey.public(), expires);
        let prekeys = [1, 2].map(|id| PrekeySecret::generate(rng, id));
        let server = ServerIdentity::generate("prekey.example.org", rng);
        Self { server, key, profile, shared_prekey, prekey_profile, prekeys, ensembles: ensembles() }
    }

    /// The server's side of the exchange, as it is before DAKE-3, which uses it up; and DAKE-2.
    pub(crate) fn pending(&self, dake_1: &[u8]) -> (PendingDake, Vec<u8>) {
        let Ok(Request::Dake1(dake_1)) = Request::read(dake_1) else { unreachable!("an honest client") };
        PendingDake::answer(&self.server, IDENTITY, *dake_1, START, &mut rng(1)).expect("an honest client")
    }

    /// The server as its users know it.
    pub(crate) fn server_key(&self) -> ServerKey {
        ServerKey::new(self.server.name(), self.server.fingerprint())
    }

    /// To publish all that there is.
    pub(crate) fn request(&self) -> PublishRequest<'_> {
        static PREKEYS: LazyLock<[&PrekeySecret; 2]> = LazyLock::new(|| cast().prekeys.each_ref());
        PublishRequest::Publish {
            client_profile: Some(&self.profile),
            prekey_profile: Some((&self.prekey_profile, &self.shared_prekey)),
            prekeys: &*PREKEYS,
        }
    }
}

/// An honest exchange: what both send, and the client's side before each answer. Made once: it takes a dozen ring signatures'
/// and proofs' time.
pub(crate) struct Exchange {
    pub(crate) publisher: Publisher,
    pub(crate) dake_1: Vec<u8>,
    pub(crate) dake_2: Vec<u8>,
    /// DAKE-3 that publishes.
    pub(crate) publication: Vec<u8>,
    /// DAKE-3 that asks how many prekeys there are, who awaits the answer, and some answers.
    pub(crate) question: Vec<u8>,
    pub(crate) awaits: AwaitReply,
    pub(crate) answers: [Vec<u8>; 3],
}

/// The one of [`cast`].
pub(crate) fn exchange() -> &'static Exchange {
    static EXCHANGE: LazyLock<Exchange> = LazyLock::new(|| Exchange::of(cast()));
    &EXCHANGE
}

impl Exchange {
    fn of(cast: &Cast) -> Self {
        let (publisher, dake_1) = Publisher::start(&cast.profile, IDENTITY, &mut rng(0));
        let (_, dake_2) = cast.pending(&dake_1);
        let dake_3 = |request| {
            let answer =
                publisher.receive_dake2(&dake_2, &cast.server_key(), &cast.key, request, &mut rng(2));
            answer.expect("an honest server")
        };
        let (_, publication) = dake_3(cast.request());
        let (awaits, question) = dake_3(PublishRequest::StorageInformation);
        let answers = [0, 7, u32::MAX].map(|count| {
            let Ok(Request::Dake3(question)) = Request::read(&question) else { unreachable!("a DAKE-3") };
            let finished = cast.pending(&dake_1).0.finish(&cast.server, *question).expect("an honest client");
            let Checked::Count(reply) = finished.check(START) else { unreachable!("it asks for the count") };
            reply.status(count)
        });
        Self { publisher, dake_1, dake_2, publication, question, awaits, answers }
    }
}

fn ensembles() -> Vec<Ensemble> {
    let rng = &mut rng(3);
    let mut account = Account::new(IDENTITY, ForgingSecret::Destroy, Lifetimes::default(), rng, START);
    let made = account.make_prekeys(2, rng, START).expect("few");
    let parts = made.into_iter().map(|ensemble| {
        let mut w = Writer::new();
        ensemble.write(&mut w);
        let mut client_profile = w.finish();
        let mut prekey_profile = client_profile.split_off(account.client_profile().as_bytes().len());
        let message = prekey_profile.split_off(PREKEY_PROFILE);
        (client_profile, prekey_profile, message)
    });
    parts.collect()
}

/// Bytes of one.
const PREKEY_PROFILE: usize = 185;

/// The user's address.
pub(crate) const IDENTITY: &str = "bob@example.org";
