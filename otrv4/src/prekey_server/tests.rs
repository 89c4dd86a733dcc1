//! Both roles against each other, and against someone in between or a publisher that lies.

use super::exchange::{SessionKeys, Usage, hash};
use super::proofs::{DhProof, EcdhProof, EcdhUse};
use super::publication::{Body, Proofs};
use super::*;
use crate::Reject;
use crate::client_profile::{ClientProfile, VerifiedClientProfile};
use crate::crypto::ed448::EcdhKeyPair;
use crate::keys::{Fingerprint, ForgingKey, ForgingSecret, LongTermKey, SharedPrekey};
use crate::prekey::{PrekeySecret, VerifiedPrekeyMessage};
use crate::prekey_profile::{PrekeyProfile, VerifiedPrekeyProfile};
use crate::time::Timestamp;
use crate::vectors::{Recorded, bytes, of_kind, rng};
use crate::wire::{InstanceTag, WireError, Writer};

const NOW: Timestamp = Timestamp::from_unix(1000);
const ALICE: &str = "alice@example.org";
const SERVER: &str = "prekey.example.org";

fn tag(n: u32) -> InstanceTag {
    InstanceTag::new(n).unwrap()
}

struct Alice {
    key: LongTermKey,
    shared: SharedPrekey,
    profile: VerifiedClientProfile,
    prekey_profile: VerifiedPrekeyProfile,
    prekeys: Vec<PrekeySecret>,
}

impl Alice {
    fn new() -> Self {
        Self::with(LongTermKey::generate(&mut rng()), tag(0x100), NOW.plus(1))
    }

    fn with(key: LongTermKey, owner: InstanceTag, expires: Timestamp) -> Self {
        let forging = ForgingKey::generate(ForgingSecret::Keep, &mut rng());
        let shared = SharedPrekey::generate(&mut rng());
        Self {
            profile: ClientProfile::sign(&key, forging.public(), owner, expires, None),
            prekey_profile: PrekeyProfile::sign(&key, owner, shared.public(), expires),
            prekeys: [7, 3].map(|id| PrekeySecret::generate(&mut rng(), id)).into(),
            key,
            shared,
        }
    }

    fn prekeys(&self) -> Vec<&PrekeySecret> {
        self.prekeys.iter().collect()
    }

    fn everything<'a>(&'a self, prekeys: &'a [&'a PrekeySecret]) -> PublishRequest<'a> {
        PublishRequest::Publish {
            client_profile: Some(&self.profile),
            prekey_profile: Some((&self.prekey_profile, &self.shared)),
            prekeys,
        }
    }

    fn messages(&self) -> Vec<VerifiedPrekeyMessage> {
        self.prekeys.iter().map(|prekey| prekey.message(self.profile.owner())).collect()
    }

    /// DAKE-1, the same each time.
    fn start(&self) -> (Publisher, Vec<u8>) {
        Publisher::start(&self.profile, ALICE, &mut Recorded([vec![0x1a; 57]].into()))
    }
}

fn pinned(server: &ServerIdentity) -> ServerKey {
    ServerKey::new(SERVER, server.fingerprint())
}

fn server() -> ServerIdentity {
    ServerIdentity::generate(SERVER, &mut rng())
}

fn answer(server: &ServerIdentity, dake1: &[u8]) -> Result<(PendingDake, Vec<u8>), Reject> {
    let Request::Dake1(dake1) = Request::read(dake1)? else { return Err(Reject::Forged) };
    PendingDake::answer(server, ALICE, *dake1, NOW, &mut rng())
}

fn finish(server: &ServerIdentity, pending: PendingDake, dake3: &[u8]) -> Result<Authenticated, Reject> {
    let Request::Dake3(dake3) = Request::read(dake3)? else { return Err(Reject::Forged) };
    pending.finish(server, *dake3)
}

/// Everything up to DAKE-3.
fn dake3(
    alice: &Alice,
    server: &ServerIdentity,
    request: PublishRequest<'_>,
) -> (PendingDake, AwaitReply, Vec<u8>) {
    let (publisher, dake1) = alice.start();
    let (pending, dake2) = answer(server, &dake1).unwrap();
    let (awaiting, dake3) =
        publisher.receive_dake2(&dake2, &pinned(server), &alice.key, request, &mut rng()).unwrap();
    (pending, awaiting, dake3)
}

#[test]
fn whatever_is_published_arrives() {
    let (alice, server) = (Alice::new(), server());
    for parts in 0..8 {
        let [client_profile, prekey_profile, prekeys] = [1, 2, 4].map(|part| parts & part != 0);
        let client_profile = client_profile.then_some(&alice.profile);
        let prekey_profile = prekey_profile.then_some((&alice.prekey_profile, &alice.shared));
        let (prekeys, messages) =
            if prekeys { (alice.prekeys(), alice.messages()) } else { Default::default() };
        let request = PublishRequest::Publish { client_profile, prekey_profile, prekeys: &prekeys };
        let (pending, awaiting, dake3) = dake3(&alice, &server, request);
        let Checked::Publish(publication, reply) = finish(&server, pending, &dake3).unwrap().check(NOW)
        else {
            panic!("{request:?}")
        };
        assert_eq!(publication.owner(), alice.profile.owner());
        assert_eq!(publication.identity_key(), alice.key.public());
        assert_eq!(publication.client_profile(), client_profile);
        assert_eq!(publication.prekey_profile(), prekey_profile.map(|(profile, _)| profile));
        assert_eq!(publication.prekeys(), messages);
        assert_eq!(awaiting.receive(&reply.success()), Ok(ServerReply::Success));
    }
}

#[test]
fn the_publisher_learns_failure_and_status_and_believes_no_reply_of_another_exchange() {
    let (alice, server) = (Alice::new(), server());
    let run = || {
        let (pending, awaiting, dake3) = dake3(&alice, &server, PublishRequest::StorageInformation);
        let Checked::Count(reply) = finish(&server, pending, &dake3).unwrap().check(NOW) else {
            panic!("count")
        };
        (reply, awaiting)
    };
    let ((reply, awaiting), (other_reply, other)) = (run(), run());
    let (failure, status) = (reply.failure(), other_reply.status(300));
    assert_eq!(awaiting.receive(&failure), Ok(ServerReply::Failure));
    assert_eq!(other.receive(&status), Ok(ServerReply::Status(300)));
    assert_eq!(awaiting.receive(&status), Err(Reject::Forged));
    assert_eq!(other.receive(&failure), Err(Reject::Forged));
}

#[test]
fn a_dake_1_with_any_changed_byte_is_refused_or_its_answer_is() {
    let (alice, server) = (Alice::new(), server());
    let (_, dake1) = alice.start();
    for i in 0..dake1.len() {
        let mut changed = dake1.clone();
        changed[i] ^= 1;
        let Ok((_, dake2)) = answer(&server, &changed) else { continue };
        let (publisher, _) = alice.start();
        let request = PublishRequest::StorageInformation;
        let read = publisher.receive_dake2(&dake2, &pinned(&server), &alice.key, request, &mut rng());
        assert!(read.is_err(), "byte {i}");
    }
}

#[test]
fn a_dake_2_with_any_changed_field_is_refused() {
    let (alice, server) = (Alice::new(), server());
    let (_, dake1) = alice.start();
    let (_, dake2) = answer(&server, &dake1).unwrap();
    let receive = |dake2: &[u8], server_key: &ServerKey, key: &LongTermKey| {
        let request = PublishRequest::StorageInformation;
        alice.start().0.receive_dake2(dake2, server_key, key, request, &mut rng()).map(|_| ())
    };
    assert_eq!(receive(&dake2, &pinned(&server), &alice.key), Ok(()));
    let sigma = dake2.len() - 6 * 57;
    for i in (0..sigma).chain((sigma..dake2.len()).step_by(57)) {
        let mut changed = dake2.clone();
        changed[i] ^= 1;
        assert!(receive(&changed, &pinned(&server), &alice.key).is_err(), "byte {i}");
    }
    assert!(receive(&[dake2.as_slice(), &[0]].concat(), &pinned(&server), &alice.key).is_err());
    // A server that proves who it is, and is not the one our user chose.
    let other_key = ServerKey::new(SERVER, Fingerprint::of(alice.key.public(), alice.key.public()));
    let other_name = ServerKey::new("prekey.example.com", server.fingerprint());
    for wrong in [other_key, other_name] {
        assert_eq!(receive(&dake2, &wrong, &alice.key), Err(Reject::WrongServer));
    }
    let not_hers = LongTermKey::generate(&mut rng());
    assert_eq!(receive(&dake2, &pinned(&server), &not_hers), Err(Reject::ForeignOwner("long-term key")));
}

#[test]
fn the_true_dake_2_is_still_answered_after_forged_ones() {
    let (alice, server) = (Alice::new(), server());
    let (publisher, dake1) = alice.start();
    let (pending, dake2) = answer(&server, &dake1).unwrap();
    let receive = |dake2: &[u8]| {
        let request = PublishRequest::StorageInformation;
        publisher.receive_dake2(dake2, &pinned(&server), &alice.key, request, &mut rng())
    };
    let mut forged = dake2.clone();
    *forged.last_mut().unwrap() ^= 1;
    for forged in [b"garbage".as_slice(), &forged] {
        assert!(receive(forged).is_err());
    }
    let (_, dake3) = receive(&dake2).unwrap();
    assert!(finish(&server, pending, &dake3).is_ok());
}

#[test]
fn a_dake_3_with_any_changed_field_is_refused() {
    let (alice, server) = (Alice::new(), server());
    let fields = (0..7).chain((7..7 + 6 * 57).step_by(57)).chain(7 + 6 * 57..7 + 6 * 57 + 4);
    for i in fields {
        let (pending, _, mut dake3) = dake3(&alice, &server, alice.everything(&alice.prekeys()));
        dake3[i] ^= 1;
        assert!(finish(&server, pending, &dake3).is_err(), "byte {i}");
    }
}

#[test]
fn a_dake_3_of_another_exchange_is_refused() {
    let (alice, server) = (Alice::new(), server());
    let (_, _, earlier) = dake3(&alice, &server, alice.everything(&alice.prekeys()));
    let (pending, _, _) = dake3(&alice, &server, alice.everything(&alice.prekeys()));
    assert_eq!(finish(&server, pending, &earlier).err(), Some(Reject::Forged));
}

#[test]
fn an_expired_or_foreign_profile_begins_no_exchange() {
    let server = server();
    let key = || LongTermKey::generate(&mut rng());
    let (_, expired) = Alice::with(key(), tag(0x100), NOW).start();
    assert_eq!(answer(&server, &expired).err(), Some(Reject::Expired("client profile")));
    let (_, mut foreign) = Alice::new().start();
    foreign[6] ^= 1;
    assert_eq!(answer(&server, &foreign).err(), Some(Reject::ForeignOwner("client profile")));
}

/// Encodings of 57 bytes that are no point we take: identity, small order, outside the subgroup, not canonical.
fn bad_points() -> Vec<(String, [u8; 57])> {
    let bad = of_kind("point").into_iter().filter(|v| v.accept() == Some(false));
    let bad: Vec<_> =
        bad.filter_map(|v| Some((v.name.clone(), bytes(&v.inputs["encoded"]).try_into().ok()?))).collect();
    assert!(bad.len() > 20);
    bad
}

#[test]
fn an_ephemeral_key_that_is_no_point_is_refused_on_both_sides() {
    let (alice, server) = (Alice::new(), server());
    let (publisher, dake1) = alice.start();
    let (_, dake2) = answer(&server, &dake1).unwrap();
    for (name, point) in bad_points() {
        let mut bad = dake1.clone();
        let i = bad.len() - 57;
        bad[i..].copy_from_slice(&point);
        assert_eq!(answer(&server, &bad).err(), Some(WireError::Illegal("I").into()), "{name}");

        let mut bad = dake2.clone();
        let s = bad.len() - 6 * 57 - 57;
        bad[s..s + 57].copy_from_slice(&point);
        let request = PublishRequest::StorageInformation;
        let read = publisher.receive_dake2(&bad, &pinned(&server), &alice.key, request, &mut rng());
        assert_eq!(read.err(), Some(WireError::Illegal("S").into()), "{name}");
    }
}

#[test]
fn a_profile_without_version_4_begins_no_exchange() {
    let (alice, server) = (Alice::new(), server());
    let profile = alice.profile.as_bytes();
    let (mut fields, key) = (profile[4..profile.len() - 114].to_vec(), alice.key.signing());
    let versions = fields.windows(7).position(|window| window == [0, 4, 0, 0, 0, 1, b'4']).unwrap();
    let dake1 = |fields: &[u8]| {
        let (_, dake1) = alice.start();
        let (head, i) = (&dake1[..3 + 4 + 4], &dake1[dake1.len() - 57..]);
        [head, fields, &key.sign(fields), i].concat()
    };
    assert!(answer(&server, &dake1(&fields)).is_ok());
    fields[versions + 6] = b'5';
    assert_eq!(answer(&server, &dake1(&fields)).err(), Some(Reject::Version));
}

/// A publisher of which the server knows who it is, and which may put together what it wants.
struct Liar<'a> {
    alice: &'a Alice,
    ours: SessionKeys,
    theirs: Option<SessionKeys>,
}

/// A publication in parts.
#[derive(Clone)]
struct Parts {
    count: u8,
    prekeys: Vec<u8>,
    client_profile: Option<Vec<u8>>,
    prekey_profile: Option<Vec<u8>>,
    proofs: Vec<u8>,
}

impl<'a> Liar<'a> {
    fn new(alice: &'a Alice) -> Self {
        let (i, s) = (EcdhKeyPair::generate(&mut rng()), EcdhKeyPair::generate(&mut rng()));
        let [ours, theirs] = [SessionKeys::agree(&i, s.public()), SessionKeys::agree(&s, i.public())];
        Self { alice, ours, theirs: Some(theirs) }
    }

    /// An honest publication of everything, with these keys in the proofs.
    fn parts(&self, of: &Alice) -> Parts {
        let m = self.ours.proof_context();
        let mut r = rng();
        let ecdh: Vec<_> = of.prekeys.iter().map(|key| (key.ecdh().public(), key.ecdh().secret())).collect();
        let dh: Vec<_> = of.prekeys.iter().map(PrekeySecret::dh).collect();
        let shared = of.shared.signing();
        let proofs = Proofs {
            messages: Some((
                EcdhProof::prove(EcdhUse::Messages, &ecdh, m, &mut r),
                DhProof::prove(&dh, m, &mut r),
            )),
            shared_prekey: Some(EcdhProof::prove(
                EcdhUse::SharedPrekey,
                &[(shared.public(), shared.secret_scalar())],
                m,
                &mut r,
            )),
        };
        Parts {
            count: of.prekeys.len().try_into().unwrap(),
            prekeys: of.messages().iter().flat_map(|message| message.as_bytes().to_vec()).collect(),
            client_profile: Some(of.profile.as_bytes().to_vec()),
            prekey_profile: Some(of.prekey_profile.as_bytes().to_vec()),
            proofs: proofs.write(),
        }
    }

    fn seal(&self, parts: &Parts) -> Vec<u8> {
        let body = Body {
            count: parts.count,
            prekeys: &parts.prekeys,
            client_profile: parts.client_profile.as_deref(),
            prekey_profile: parts.prekey_profile.as_deref(),
            proofs: &parts.proofs,
        };
        body.write(&self.ours)
    }

    /// What the server makes of the message inside DAKE-3.
    fn check(mut self, message: Vec<u8>) -> Option<Box<Publication>> {
        let keys = self.theirs.take().unwrap();
        let (owner, identity_key) = (self.alice.profile.owner(), self.alice.key.public().clone());
        let failure = ServerReply::Failure.write(owner, &self.ours);
        match Authenticated::with(owner, identity_key, keys, message).check(NOW) {
            Checked::Publish(publication, _) => Some(publication),
            Checked::Failure(reply) => {
                assert_eq!(reply, failure);
                None
            }
            Checked::Count(_) => panic!("nobody asked"),
        }
    }
}

/// Whether the server takes a publication after a change that a right MAC covers.
fn accepts(alice: &Alice, change: impl FnOnce(&mut Parts)) -> bool {
    let liar = Liar::new(alice);
    let mut parts = liar.parts(alice);
    change(&mut parts);
    let message = liar.seal(&parts);
    liar.check(message).is_some()
}

#[test]
fn a_publication_with_any_changed_field_is_answered_with_failure() {
    let alice = Alice::new();
    let length = {
        let liar = Liar::new(&alice);
        liar.seal(&liar.parts(&alice)).len()
    };
    // The head byte by byte, then every 13th, so that every field is met.
    for i in (0..4).chain((4..length).step_by(13)).chain([length - 1]) {
        let liar = Liar::new(&alice);
        let mut message = liar.seal(&liar.parts(&alice));
        message[i] ^= 1;
        assert!(liar.check(message).is_none(), "byte {i}");
    }
    for message in [vec![], vec![0, 4, 8, 0, 0], vec![0, 4, 8, 255, 255], vec![0xff; 400]] {
        assert!(Liar::new(&alice).check(message).is_none());
    }
}

#[test]
fn parts_that_do_not_belong_to_the_publisher_are_answered_with_failure() {
    let alice = Alice::new();
    let (mallory, other_tag) =
        (Alice::new(), Alice::with(LongTermKey::generate(&mut rng()), tag(0x101), NOW.plus(1)));
    assert!(accepts(&alice, |_| ()));
    for other in [&mallory, &other_tag] {
        assert!(!accepts(&alice, |parts| parts.client_profile = Some(other.profile.as_bytes().to_vec())));
        assert!(
            !accepts(&alice, |parts| parts.prekey_profile = Some(other.prekey_profile.as_bytes().to_vec()))
        );
    }
    let of_other_client = |parts: &mut Parts| {
        let messages = alice.prekeys.iter().map(|prekey| prekey.message(tag(0x101)));
        parts.prekeys = messages.flat_map(|message| message.as_bytes().to_vec()).collect();
    };
    assert!(!accepts(&alice, of_other_client));
}

#[test]
fn expired_profiles_are_answered_with_failure() {
    let alice = Alice::new();
    let sign =
        |expires| ClientProfile::sign(&alice.key, alice.profile.forging_key(), tag(0x100), expires, None);
    let client_profile = |expires| move |parts: &mut Parts| parts.client_profile = Some(expires);
    assert!(accepts(&alice, client_profile(sign(NOW.plus(1)).as_bytes().to_vec())));
    assert!(!accepts(&alice, client_profile(sign(NOW).as_bytes().to_vec())));
    let expired = PrekeyProfile::sign(&alice.key, tag(0x100), alice.shared.public(), NOW);
    assert!(!accepts(&alice, |parts| parts.prekey_profile = Some(expired.as_bytes().to_vec())));
}

#[test]
fn keys_without_a_proof_that_their_secrets_are_known_are_answered_with_failure() {
    let (alice, mallory) = (Alice::new(), Alice::new());
    let stolen = mallory.messages().iter().flat_map(|message| message.as_bytes().to_vec()).collect();
    assert!(!accepts(&alice, |parts| parts.prekeys = stolen));
    // One of the two keys her own, the other somebody else's.
    let dh_key = 2 + 1 + 4 + 4 + 57;
    for [ecdh, dh] in [[&alice, &mallory], [&mallory, &alice]] {
        let pairs = ecdh.messages().into_iter().zip(dh.messages());
        let mixed = pairs.flat_map(|(y, b)| [&y.as_bytes()[..dh_key], &b.as_bytes()[dh_key..]].concat());
        assert!(!accepts(&alice, |parts| parts.prekeys = mixed.collect()));
    }
    // The shared prekey of somebody else, under her own signature.
    let shared = PrekeyProfile::sign(&alice.key, tag(0x100), mallory.shared.public(), NOW.plus(1));
    assert!(!accepts(&alice, |parts| parts.prekey_profile = Some(shared.as_bytes().to_vec())));
    let (messages, shared) = (2 * 64 + 57 + 4 + 384, 64 + 57);
    // One proof too few or too many, and each in the place of another.
    assert!(!accepts(&alice, |parts| parts.proofs.clear()));
    assert!(!accepts(&alice, |parts| parts.proofs.truncate(messages)));
    assert!(!accepts(&alice, |parts| parts.proofs.extend_from_within(messages..)));
    assert!(!accepts(&alice, |parts| parts.proofs.copy_within(..shared, messages)));
    // Made for another exchange: all of them, and each alone among good ones.
    let replayed = Liar::new(&alice).parts(&alice).proofs;
    assert!(!accepts(&alice, |parts| parts.proofs.clone_from(&replayed)));
    for (other, proof) in split_proofs(&replayed).into_iter().enumerate() {
        assert!(!accepts(&alice, |parts| {
            let mut proofs = split_proofs(&parts.proofs);
            proofs[other] = proof;
            parts.proofs = proofs.concat();
        }));
    }
}

/// The proofs of the prekeys, ECDH and DH, and of the shared prekey.
fn split_proofs(proofs: &[u8]) -> [Vec<u8>; 3] {
    let (ecdh, rest) = proofs.split_at(64 + 57);
    let (dh, shared) = rest.split_at(rest.len() - (64 + 57));
    [ecdh, dh, shared].map(<[u8]>::to_vec)
}

#[test]
fn counts_that_do_not_match_are_answered_with_failure() {
    let alice = Alice::new();
    for count in [0, 1, 3, 255] {
        assert!(!accepts(&alice, |parts| parts.count = count), "{count}");
    }
    assert!(!accepts(&alice, |parts| parts.client_profile = Some(Vec::new())));
    assert!(!accepts(&alice, |parts| parts.prekey_profile = None));
}

#[test]
fn messages_of_other_types_inside_dake_3_are_answered_with_failure() {
    let (alice, server) = (Alice::new(), server());
    let (_, dake1) = alice.start();
    let (_, dake2) = answer(&server, &dake1).unwrap();
    let (_, _, dake3) = dake3(&alice, &server, PublishRequest::StorageInformation);
    let liar = || Liar::new(&alice);
    for message in [dake1, dake2, dake3] {
        assert!(liar().check(message).is_none());
    }
    for reply in [ServerReply::Success, ServerReply::Failure, ServerReply::Status(1)] {
        let liar = liar();
        let message = reply.write(alice.profile.owner(), &liar.ours);
        assert!(liar.check(message).is_none(), "{reply:?}");
    }
    for message_type in [0x0a, 0x0b, 0x10, 0x35, 0x37] {
        let liar = liar();
        let mut message = liar.seal(&liar.parts(&alice));
        message[2] = message_type;
        assert!(liar.check(message).is_none(), "{message_type}");
    }
}

#[test]
fn a_profile_is_announced_by_a_1_and_nothing_else() {
    let alice = Alice::new();
    let accepts = |k: u8, j: u8| {
        let liar = Liar::new(&alice);
        let Parts { count, prekeys, client_profile, prekey_profile, proofs } = liar.parts(&alice);
        let (client_profile, prekey_profile) = (client_profile.unwrap(), prekey_profile.unwrap());
        let mut covered = Writer::new();
        covered.byte(0x08).byte(count).bytes(&hash(Usage::PrekeyMessages, &[&prekeys]));
        covered.byte(k).bytes(&hash(Usage::ClientProfile, &[&client_profile]));
        covered.byte(j).bytes(&hash(Usage::PrekeyProfile, &[&prekey_profile]));
        covered.bytes(&hash(Usage::MacProofs, &[&proofs]));
        let mut w = Writer::new();
        w.short(4).byte(0x08).byte(count).bytes(&prekeys);
        w.byte(k).bytes(&client_profile).byte(j).bytes(&prekey_profile).bytes(&proofs);
        liar.ours.mac(Usage::PreMac, &[covered.as_slice()]).write(&mut w);
        liar.check(w.finish()).is_some()
    };
    assert!(accepts(1, 1));
    for (k, j) in [(2, 1), (1, 2), (255, 1), (1, 255), (0, 1), (1, 0)] {
        assert!(!accepts(k, j), "K = {k}, J = {j}");
    }
}

#[test]
fn a_prekey_message_given_twice_is_stored_once_and_one_id_for_two_is_answered_with_failure() {
    let publish = |ids: &[u32], same_keys: bool| {
        let mut alice = Alice::new();
        let seeds = |n: usize| [vec![if same_keys { 7 } else { n.try_into().unwrap() }; 57], vec![9; 80]];
        alice.prekeys =
            (0..ids.len()).map(|n| PrekeySecret::generate(&mut Recorded(seeds(n).into()), ids[n])).collect();
        let liar = Liar::new(&alice);
        let message = liar.seal(&liar.parts(&alice));
        liar.check(message).map(|publication| {
            publication.prekeys().iter().map(VerifiedPrekeyMessage::id).collect::<Vec<_>>()
        })
    };
    assert_eq!(publish(&[5, 2, 9], false), Some(vec![5, 2, 9]));
    assert_eq!(publish(&[5, 2, 5], true), Some(vec![5, 2]));
    assert_eq!(publish(&[5, 2, 5], false), None);
}

#[test]
fn more_prekeys_than_a_byte_can_count_are_refused_on_our_side() {
    let mut alice = Alice::new();
    let server = server();
    alice.prekeys = (0..256).map(|id| PrekeySecret::generate(&mut rng(), id)).collect();
    let (publisher, dake1) = alice.start();
    let (_, dake2) = answer(&server, &dake1).unwrap();
    let result = publisher.receive_dake2(
        &dake2,
        &pinned(&server),
        &alice.key,
        alice.everything(&alice.prekeys()),
        &mut rng(),
    );
    assert_eq!(result.err(), Some(WireError::TooLong("publication").into()));
}

#[test]
fn the_longest_publication_is_read() {
    let mut w = Writer::new();
    w.short(4).byte(0x37);
    let filler = super::messages::MAX_REQUEST - 3 - 4 - 6 * 57 - 4;
    tag(0x100).write(&mut w);
    w.bytes(&[0; 6 * 57]).data(&vec![0; filler]);
    assert_eq!(w.as_slice().len(), MAX_REQUEST);
    assert!(Request::read(w.as_slice()).is_ok());
}
