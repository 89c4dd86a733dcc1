//! Both roles against each other, and against someone in between; a publisher that lies is in [`liar`].

mod liar;

use super::*;
use crate::Reject;
use crate::client_profile::{ClientProfile, VerifiedClientProfile};
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
fn a_server_is_known_by_name_and_key_and_made_again_from_its_secret() {
    let server = server();
    let again = ServerIdentity::new(SERVER, server.secret());
    assert_eq!((again.name(), again.fingerprint()), (SERVER, server.fingerprint()));
    assert_eq!(pinned(&server).name(), SERVER);
    // ED448-PUBKEY: the type of an identity key, little-endian, then the point.
    let key = server.public_key_bytes();
    assert_eq!((key.len(), &key[..2]), (59, &[0x10, 0x00][..]));
    let mut of_key = [0; 56];
    crate::crypto::kdf::shake256(&[b"OTRv4\x00", &key], &mut of_key);
    assert_eq!(server.fingerprint(), Fingerprint::from_bytes(of_key));
}

#[test]
fn an_exchange_that_was_saved_in_the_middle_goes_on_and_nothing_else_does() {
    let (alice, server) = (Alice::new(), server());
    let (pending, awaiting, dake3) = dake3(&alice, &server, PublishRequest::StorageInformation);
    let saved = pending.save();
    drop(pending);
    for length in 0..saved.len() {
        assert!(PendingDake::load(&saved[..length]).is_err(), "{length} bytes");
    }
    assert!(PendingDake::load(&[saved.as_slice(), &[0]].concat()).is_err());
    assert!(PendingDake::load(&[&[2], &saved[1..]].concat()).is_err());

    let loaded = PendingDake::load(&saved).unwrap();
    assert_eq!(loaded.owner(), alice.profile.owner());
    assert_eq!(loaded.save(), saved);
    let Checked::Count(reply) = finish(&server, loaded, &dake3).unwrap().check(NOW) else { panic!("count") };
    assert_eq!(awaiting.receive(&reply.status(3)), Ok(ServerReply::Status(3)));
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
