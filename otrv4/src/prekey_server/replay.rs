//! The recorded conversation with a prekey server, played again by both roles: from the recorded random values come
//! the recorded bytes. Our signatures and proofs have hedged nonces and so differ; each role gets the recorded messages
//! of the other and verifies what is in them.

use serde_json::Value;

use super::exchange::SessionKeys;
use super::proofs::{DhProof, EcdhProof, EcdhUse};
use super::publication::{Body, Proofs, storage_information};
use super::*;
use crate::client_profile::{ClientProfile, VerifiedClientProfile};
use crate::crypto::dh3072::DhNonce;
use crate::crypto::ed448::SecretScalar;
use crate::crypto::secret::Secret;
use crate::keys::{LongTermKey, Point, SharedPrekey};
use crate::prekey::{PrekeySecret, VerifiedPrekeyMessage};
use crate::prekey_profile::{PrekeyProfile, VerifiedPrekeyProfile};
use crate::time::Timestamp;
use crate::vectors::{Recorded, array, bytes, rng, whole_of_kind};
use crate::wire::{InstanceTag, Reader, Versions};

fn number<T: TryFrom<u64, Error: core::fmt::Debug>>(value: &Value) -> T {
    T::try_from(value.as_u64().unwrap()).unwrap()
}

fn tag(value: &Value) -> InstanceTag {
    InstanceTag::new(number(value)).unwrap()
}

/// A recorded message.
fn message(text: &Value) -> Vec<u8> {
    let text = text.as_str().unwrap();
    let message = decode_text(text).unwrap();
    assert_eq!(encode_text(&message), text);
    message
}

/// The values of a step that were drawn for this, in their order.
fn drawn<'a>(values: &'a Value, wanted: impl Fn(&str) -> bool + 'a) -> impl Iterator<Item = Vec<u8>> + 'a {
    let named = values.as_array().unwrap().iter().filter(move |value| wanted(value[0].as_str().unwrap()));
    named.map(|value| bytes(&value[1]))
}

/// The same bytes but for the ring signature at this place.
fn assert_same_but_sigma(ours: &[u8], recorded: &[u8], sigma: usize) {
    assert_eq!(ours.len(), recorded.len());
    assert_eq!(ours[..sigma], recorded[..sigma]);
    assert_eq!(ours[sigma + SIGMA_LEN..], recorded[sigma + SIGMA_LEN..]);
}

const SIGMA_LEN: usize = 6 * 57;

/// Where the message inside DAKE-3 begins, after its length.
const INNER: usize = 3 + 4 + SIGMA_LEN + 4;

struct Alice {
    id: String,
    key: LongTermKey,
    shared: SharedPrekey,
    profile: VerifiedClientProfile,
    prekey_profile: VerifiedPrekeyProfile,
}

impl Alice {
    fn new(recorded: &Value, now: Timestamp) -> Self {
        let owner = tag(&recorded["tag"]);
        let key = LongTermKey::load(&mut Reader::new(&bytes(&recorded["sym_h"]))).unwrap();
        let profile = ClientProfile::read(&mut Reader::new(&bytes(&recorded["client_profile"]))).unwrap();
        let prekey_profile =
            PrekeyProfile::read(&mut Reader::new(&bytes(&recorded["prekey_profile"]))).unwrap();
        Self {
            id: recorded["id"].as_str().unwrap().into(),
            shared: SharedPrekey::load(&mut Reader::new(&bytes(&recorded["sym_d"]))).unwrap(),
            profile: profile.verify(owner, now).unwrap(),
            prekey_profile: prekey_profile.verify(key.public(), owner, now).unwrap(),
            key,
        }
    }

    /// The prekeys that a step made.
    fn prekeys(values: &Value) -> Vec<PrekeySecret> {
        let mut draws = drawn(values, |name| name.starts_with("prekey"));
        let mut prekeys = Vec::new();
        while let Some(id) = draws.next() {
            let mut rng = Recorded(draws.by_ref().take(2).collect());
            prekeys.push(PrekeySecret::generate(&mut rng, u32::from_be_bytes(id.try_into().unwrap())));
        }
        prekeys
    }

    /// The message inside DAKE-3 with the recorded nonces, and how many bytes of it depend on none.
    fn inner(&self, request: PublishRequest<'_>, keys: &SessionKeys, random: &Value) -> (Vec<u8>, usize) {
        let PublishRequest::Publish { client_profile, prekey_profile, prekeys } = request else {
            let message = storage_information(keys);
            let length = message.len();
            return (message, length);
        };
        let m = keys.proof_context();
        let mut ecdh_nonces = drawn(random, |name| name == "ecdh proof r")
            .map(|r| SecretScalar::from_random57(&Secret::copied(&r.try_into().unwrap())));
        let mut dh_nonces = drawn(random, |name| name == "dh proof r")
            .map(|r| DhNonce::uniform(&Secret::copied(&r.try_into().unwrap())));
        let mut ecdh_proof = |usage, keys: &[(&Point, &SecretScalar)]| {
            EcdhProof::prove_with(ecdh_nonces.next().unwrap(), usage, keys, m)
        };
        let ys: Vec<_> =
            prekeys.iter().map(|prekey| (prekey.ecdh().public(), prekey.ecdh().secret())).collect();
        let bs: Vec<_> = prekeys.iter().map(|prekey| prekey.dh()).collect();
        let dh_proof = DhProof::prove_with(dh_nonces.next().unwrap(), &bs, m);
        let messages = Some((ecdh_proof(EcdhUse::Messages, &ys), dh_proof));
        let d = self.shared.signing();
        let shared_prekey =
            prekey_profile.map(|_| ecdh_proof(EcdhUse::SharedPrekey, &[(d.public(), d.secret_scalar())]));
        let proofs = Proofs { messages, shared_prekey }.write();
        let messages: Vec<_> = prekeys.iter().map(|prekey| prekey.message(self.profile.owner())).collect();
        let body = Body {
            count: prekeys.len().try_into().unwrap(),
            prekeys: &messages.iter().flat_map(|message| message.as_bytes().to_vec()).collect::<Vec<_>>(),
            client_profile: client_profile.map(VerifiedClientProfile::as_bytes),
            prekey_profile: prekey_profile.map(|(profile, _)| profile.as_bytes()),
            proofs: &proofs,
        };
        let message = body.write(keys);
        let before_proofs = message.len() - proofs.len() - 64;
        (message, before_proofs)
    }
}

#[test]
fn a_recorded_conversation_with_a_prekey_server_is_reproduced() {
    for v in whole_of_kind("prekey_transcript") {
        let now = Timestamp::from_unix(v.inputs["now"].as_i64().unwrap());
        let server = ServerIdentity::new(
            v.inputs["server_identity"].as_str().unwrap(),
            &array(&v.inputs["server_sym"]),
        );
        let server_key = ServerKey::new(server.name(), server.fingerprint());
        let alice = Alice::new(&v.inputs["alice"], now);
        let mut steps = v.outputs["steps"].as_array().unwrap().iter();
        let mut stored: Vec<VerifiedPrekeyMessage> = Vec::new();
        while let Some(step) = steps.next() {
            if step["from"] == alice.id.as_str() {
                exchange(&alice, &server, &server_key, [step, steps.next().unwrap()], now, &mut stored);
            } else {
                retrieve(&alice, tag(&v.inputs["bob_tag"]), step, &mut stored);
            }
        }
        assert!(stored.is_empty());
    }
}

/// DAKE-1 and DAKE-2 in the first step, DAKE-3 and the reply in the second.
fn exchange(
    alice: &Alice,
    server: &ServerIdentity,
    server_key: &ServerKey,
    [first, second]: [&Value; 2],
    now: Timestamp,
    stored: &mut Vec<VerifiedPrekeyMessage>,
) {
    let everything = |values| Recorded(drawn(values, |_| true).collect());
    let [dake1, dake2, dake3, reply] =
        [&first["to_server"], &first["to_client"][0], &second["to_server"], &second["to_client"][0]]
            .map(message);

    let (publisher, ours) =
        Publisher::start(&alice.profile, &alice.id, &mut everything(&first["client_random"]));
    assert_eq!(ours, dake1);

    let Request::Dake1(received) = Request::read(&dake1).unwrap() else { panic!("DAKE-1") };
    let mut recorded_rng = everything(&first["server_random"]);
    let (pending, ours) = PendingDake::answer(server, &alice.id, *received, now, &mut recorded_rng).unwrap();
    assert_same_but_sigma(&ours, &dake2, dake2.len() - SIGMA_LEN);
    assert_eq!(pending.owner(), alice.profile.owner());

    let prekeys = Alice::prekeys(&second["client_random"]);
    let prekeys: Vec<_> = prekeys.iter().collect();
    let with_profiles = second["name"].as_str().unwrap().contains("profiles");
    let request = match second["name"] == "status" {
        true => PublishRequest::StorageInformation,
        false => PublishRequest::Publish {
            client_profile: with_profiles.then_some(&alice.profile),
            prekey_profile: with_profiles.then_some((&alice.prekey_profile, &alice.shared)),
            prekeys: &prekeys,
        },
    };
    let (awaiting, ours) =
        publisher.receive_dake2(&dake2, server_key, &alice.key, request, &mut rng()).unwrap();
    let (ours, recorded) = (ours.split_at(INNER), dake3.split_at(INNER));
    assert_same_but_sigma(&ours.0[..INNER - 4], &recorded.0[..INNER - 4], 3 + 4);
    // Our proofs have other nonces as well, and with them another length. From the recorded ones they, and the MAC,
    // are as recorded.
    let keys = SessionKeys::from_ecdh(&array(&second["client_secrets"]["SK_ecdh"]));
    let (inner, before_proofs) = alice.inner(request, &keys, &second["client_random"]);
    assert_eq!(inner, recorded.1);
    assert_eq!(ours.1[..before_proofs], recorded.1[..before_proofs]);

    let Request::Dake3(received) = Request::read(&dake3).unwrap() else { panic!("DAKE-3") };
    let ours = match pending.finish(server, *received).unwrap().check(now) {
        Checked::Publish(publication, reply) => {
            assert_eq!(publication.owner(), alice.profile.owner());
            assert_eq!(publication.identity_key(), alice.key.public());
            assert_eq!(publication.client_profile(), with_profiles.then_some(&alice.profile));
            assert_eq!(publication.prekey_profile(), with_profiles.then_some(&alice.prekey_profile));
            stored.extend_from_slice(publication.prekeys());
            reply.success()
        }
        Checked::Count(reply) => reply.status(stored.len().try_into().unwrap()),
        Checked::Failure(_) => panic!("{}", second["name"]),
    };
    assert_eq!(ours, reply);
    let event = match awaiting.receive(&reply).unwrap() {
        ServerReply::Success => "event success".into(),
        ServerReply::Failure => "event failure".into(),
        ServerReply::Status(count) => format!("event stored {count}"),
    };
    assert_eq!(second["events"][0], event.as_str());
}

/// An Ensemble Query, answered with the oldest prekey message.
fn retrieve(alice: &Alice, bob: InstanceTag, step: &Value, stored: &mut Vec<VerifiedPrekeyMessage>) {
    let (query, answer) = (message(&step["to_server"]), message(&step["to_client"][0]));
    let Request::EnsembleQuery(received) = Request::read(&query).unwrap() else { panic!("query") };
    assert_eq!(ensemble_query(bob, received.identity(), Versions::V4), query);
    assert_eq!((received.sender(), received.versions()), (bob, Versions::V4));

    let known = received.identity() == alice.id && !stored.is_empty();
    let ensembles: Vec<_> = known
        .then(|| {
            let parts = (alice.profile.as_bytes(), alice.prekey_profile.as_bytes(), stored.remove(0));
            (parts.0.to_vec(), parts.1.to_vec(), parts.2.as_bytes().to_vec())
        })
        .into_iter()
        .collect();
    assert_eq!(retrieval(bob, received.identity(), &ensembles), answer);

    let read = read_ensembles(&answer, bob, received.identity()).unwrap();
    let recorded = step["events"].as_array().unwrap().iter().filter_map(|event| {
        event
            .as_str()
            .unwrap()
            .strip_prefix("event ensemble ")
            .map(|text| decode_text(&format!("{text}.")).unwrap())
    });
    let written = read.iter().map(|ensemble| {
        let mut w = crate::wire::Writer::new();
        ensemble.write(&mut w);
        w.finish()
    });
    assert!(written.eq(recorded), "{}", step["name"]);
}
