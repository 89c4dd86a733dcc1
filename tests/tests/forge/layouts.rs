//! The fields of each message, in the order of its table in the texts: otrv4.md, otrv4-prekey-server.md and OTRv3. Fields of one type
//! that changed places would be read as well.

use otrv4::forge::Kind::{self, Byte, Bytes, Data, Int, Long, Mpi, Point, Scalar, Short};
use otrv4::forge::{Value, parse};
use otrv4::prekey_server::{
    Checked, PendingDake, Request, ServerIdentity, ServerKey, cut_text, encode_text, ensemble_query,
    no_ensembles, retrieval,
};
use otrv4::wire::{InstanceTag, Versions, Writer, armour};
use otrv4_tests::{Person, alice_and_bob, alice_and_bob_with_v3, rng};

use crate::only_3;
use crate::parse::{lines, whole};

type Layout = Vec<(&'static str, Kind)>;

const HEAD: &[(&str, Kind)] = &[("protocol version", Short), ("message type", Byte)];

const TAGS: &[(&str, Kind)] = &[("sender's instance tag", Int), ("receiver's instance tag", Int)];

/// With those fields that a client of version 4 alone has, in the order of their types.
const CLIENT_PROFILE: &[(&str, Kind)] = &[
    ("number of Client Profile fields", Int),
    ("field type", Short),
    ("owner's instance tag", Int),
    ("field type", Short),
    ("key type", Bytes),
    ("Ed448 public key", Point),
    ("field type", Short),
    ("key type", Bytes),
    ("Ed448 forging public key", Point),
    ("field type", Short),
    ("versions", Data),
    ("field type", Short),
    ("Client Profile expiration", Long),
    ("Client Profile signature", Bytes),
];

/// What a client of version 3, too, has before the signature.
const CLIENT_PROFILE_OF_VERSION_3: &[(&str, Kind)] = &[
    ("field type", Short),
    ("DSA key type", Short),
    ("p", Mpi),
    ("q", Mpi),
    ("g", Mpi),
    ("y", Mpi),
    ("field type", Short),
    ("transitional signature", Bytes),
];

const PREKEY_PROFILE: &[(&str, Kind)] = &[
    ("owner's instance tag", Int),
    ("Prekey Profile expiration", Long),
    ("key type", Bytes),
    ("shared prekey", Point),
    ("Prekey Profile signature", Bytes),
];

const PREKEY_MESSAGE: &[(&str, Kind)] =
    &[("prekey message identifier", Int), ("owner's instance tag", Int), ("Y", Point), ("B", Mpi)];

const RING_SIGNATURE: &[(&str, Kind)] =
    &[("c1", Scalar), ("r1", Scalar), ("c2", Scalar), ("r2", Scalar), ("c3", Scalar), ("r3", Scalar)];

const FIRST_KEYS: &[(&str, Kind)] = &[("first ECDH public key", Point), ("first DH public key", Mpi)];

/// The fields of a line of which nothing is left over.
fn layout(line: &str) -> Layout {
    whole(line).fields.iter().map(|field| (field.name, field.kind)).collect()
}

fn assert_layout(line: &str, parts: &[&[(&'static str, Kind)]]) {
    assert_eq!(layout(line), parts.concat(), "{}", parse(line).name);
}

#[test]
fn of_the_interactive_key_exchange() {
    let (alice, bob) = alice_and_bob();
    let lines = lines(alice, bob);
    let [_query, identity, auth_r, auth_i, ..] = &lines[..] else { panic!("{lines:?}") };
    let keys: &[_] = &[("Y", Point), ("B", Mpi)];
    assert_layout(identity, &[HEAD, TAGS, CLIENT_PROFILE, keys, FIRST_KEYS]);
    let keys: &[_] = &[("X", Point), ("A", Mpi)];
    assert_layout(auth_r, &[HEAD, TAGS, CLIENT_PROFILE, keys, RING_SIGNATURE, FIRST_KEYS]);
    assert_layout(auth_i, &[HEAD, TAGS, RING_SIGNATURE]);
}

#[test]
fn of_data_messages() {
    let (alice, bob) = alice_and_bob();
    let lines = lines(alice, bob);
    let fields: &[_] = &[
        ("flags", Byte),
        ("previous chain message number", Int),
        ("ratchet id", Int),
        ("message id", Int),
        ("public ECDH key", Point),
        ("public DH key", Mpi),
        ("encrypted message", Data),
        ("authenticator", Bytes),
        ("old MAC keys to be revealed", Data),
    ];
    let revealed = [("revealed MAC key", Bytes); 16];
    for line in &lines[4..] {
        let here = layout(line).iter().filter(|field| field.0 == "revealed MAC key").count();
        assert_layout(line, &[HEAD, TAGS, fields, &revealed[..here]]);
    }
}

#[test]
fn of_the_offline_key_exchange_with_profiles_of_version_3() {
    let (mut alice, mut bob) = alice_and_bob_with_v3(otrv4::Policy::default());
    let ensembles = bob.prekeys(1);
    let ([before @ .., signature], tag) = (CLIENT_PROFILE, bob.account.tag()) else { panic!("not empty") };
    let profile = &[before, CLIENT_PROFILE_OF_VERSION_3, &[*signature]].concat()[..];

    let mut w = Writer::new();
    ensembles[0].write(&mut w);
    let parts = (w.finish(), Vec::new(), Vec::new());
    let retrieved = encode_text(&retrieval(tag, "bob", &[parts]));
    let head: &[_] = &[
        ("receiver's instance tag", Int),
        ("participant's identity", Data),
        ("number of Prekey Ensembles", Int),
    ];
    assert_layout(&retrieved, &[HEAD, head, profile, PREKEY_PROFILE, HEAD, PREKEY_MESSAGE]);

    alice.start_offline(ensembles);
    let keys: &[_] = &[("X", Point), ("A", Mpi)];
    let mac: &[_] = &[("prekey message identifier", Int), ("Auth MAC", Bytes)];
    let start = alice.take().remove(0);
    assert_layout(&start, &[HEAD, TAGS, profile, keys, RING_SIGNATURE, mac, FIRST_KEYS]);
}

/// The last part of an ensemble, and its id.
fn prekey_message(bob: &mut Person) -> (Vec<u8>, u32) {
    let mut w = Writer::new();
    bob.prekeys(1)[0].write(&mut w);
    let ensemble = w.finish();
    let text =
        encode_text(&retrieval(bob.account.tag(), "bob", &[(ensemble.clone(), Vec::new(), Vec::new())]));
    let fields = whole(&text).fields;
    let lengths = fields[fields.len() - 2..].iter().map(|field| match &field.value {
        Value::Bytes(bytes) => bytes.len() + if field.kind == Mpi { 4 } else { 0 },
        other => panic!("{other:?}"),
    });
    let start = ensemble.len() - lengths.sum::<usize>() - 2 - 1 - 4 - 4;
    let Value::Number(id) = fields[fields.len() - 4].value else { panic!("{fields:?}") };
    (ensemble[start..].to_vec(), u32::try_from(id).unwrap())
}

#[test]
fn of_a_prekey_message_alone_in_either_text() {
    let (_, mut bob) = alice_and_bob();
    let (message, id) = prekey_message(&mut bob);
    for line in [armour(&message), encode_text(&message)] {
        assert_layout(&line, &[HEAD, PREKEY_MESSAGE]);
        let parsed = parse(&line);
        assert_eq!((parsed.name, &parsed.fields[2].value), ("Prekey message", &Value::Number(id.into())));
        assert_eq!(parsed.fields[3].meaning.as_deref(), Some(bob.account.tag().to_string().as_str()));
    }
}

#[test]
fn of_the_messages_between_a_client_and_the_prekey_server() {
    let (_, mut bob) = alice_and_bob();
    let tag: &[_] = &[("sender's instance tag", Int)];
    let back: &[_] = &[("receiver's instance tag", Int)];
    let mac: &[_] = &[("MAC", Bytes)];
    let server = ServerIdentity::generate("prekey.example.org", &mut rng());
    let pinned = ServerKey::new(server.name(), server.fingerprint());

    let (publishing, dake_1) = bob.account.publish(2, &mut rng(), bob.now).unwrap();
    assert_layout(&encode_text(&dake_1), &[HEAD, tag, CLIENT_PROFILE, &[("I", Point)]]);
    let Ok(Request::Dake1(dake_1)) = Request::read(&dake_1) else { panic!("DAKE-1") };
    let answered = PendingDake::answer(&server, bob.account.id(), *dake_1, bob.now, &mut rng());
    let (pending, dake_2) = answered.unwrap();
    let identity: &[_] =
        &[("prekey server identity", Data), ("key type", Bytes), ("prekey server public key", Point)];
    assert_layout(&encode_text(&dake_2), &[HEAD, back, identity, &[("S", Point)], RING_SIGNATURE]);
    let (_, dake_3) = publishing.receive_dake_2(&bob.account, &pinned, &dake_2, &mut rng()).unwrap();
    let proofs: &[_] = &[
        ("proof of the ECDH prekeys, c", Bytes),
        ("proof of the ECDH prekeys, v", Scalar),
        ("proof of the DH prekeys, c", Bytes),
        ("proof of the DH prekeys, v", Mpi),
        ("proof of the shared prekey, c", Bytes),
        ("proof of the shared prekey, v", Scalar),
    ];
    let (inside, n, k, j): (&[_], &[_], &[_], &[_]) =
        (&[("message inside DAKE-3", Data)], &[("N", Byte)], &[("K", Byte)], &[("J", Byte)]);
    let prekeys = [HEAD, PREKEY_MESSAGE, HEAD, PREKEY_MESSAGE].concat();
    let publication = [HEAD, n, &prekeys, k, CLIENT_PROFILE, j, PREKEY_PROFILE, proofs, mac].concat();
    assert_layout(&encode_text(&dake_3), &[HEAD, tag, RING_SIGNATURE, inside, &publication]);
    let Ok(Request::Dake3(dake_3)) = Request::read(&dake_3) else { panic!("DAKE-3") };
    let authenticated = pending.finish(&server, *dake_3).unwrap();
    let Checked::Publish(_, reply) = authenticated.check(bob.now) else { panic!("refused") };
    assert_layout(&encode_text(&reply.success()), &[HEAD, back, mac]);

    let (us, identity) = (bob.account.tag(), ("participant's identity", Data));
    let query = encode_text(&ensemble_query(us, "alice", Versions::V4));
    assert_layout(&query, &[HEAD, tag, &[identity, ("versions", Data)]]);
    assert_layout(&encode_text(&no_ensembles(us, "alice")), &[HEAD, back, &[identity, ("message", Data)]]);
}

#[test]
fn of_the_storage_status() {
    let (_, bob) = alice_and_bob();
    let server = ServerIdentity::generate("prekey.example.org", &mut rng());
    let pinned = ServerKey::new(server.name(), server.fingerprint());
    let (asking, dake_1) = bob.account.ask_storage(&mut rng());
    let Ok(Request::Dake1(dake_1)) = Request::read(&dake_1) else { panic!("DAKE-1") };
    let answered = PendingDake::answer(&server, bob.account.id(), *dake_1, bob.now, &mut rng());
    let (pending, dake_2) = answered.unwrap();
    let (_, dake_3) = asking.receive_dake_2(&bob.account, &pinned, &dake_2, &mut rng()).unwrap();
    let Ok(Request::Dake3(dake_3)) = Request::read(&dake_3) else { panic!("DAKE-3") };
    let authenticated = pending.finish(&server, *dake_3).unwrap();
    let Checked::Count(reply) = authenticated.check(bob.now) else { panic!("refused") };
    let status: &[_] =
        &[("receiver's instance tag", Int), ("number of prekey messages", Int), ("MAC", Bytes)];
    assert_layout(&encode_text(&reply.status(7)), &[HEAD, status]);
}

#[test]
fn of_version_3() {
    let (alice, bob) = alice_and_bob_with_v3(only_3());
    let lines = lines(alice, bob);
    let [_query, commit, key, reveal, signature, data, ..] = &lines[..] else { panic!("{lines:?}") };
    assert_layout(commit, &[HEAD, TAGS, &[("encrypted gx", Data), ("hashed gx", Data)]]);
    assert_layout(key, &[HEAD, TAGS, &[("gy", Mpi)]]);
    let sealed: &[_] = &[("encrypted signature", Data), ("MAC'd signature", Bytes)];
    assert_layout(reveal, &[HEAD, TAGS, &[("revealed key", Data)], sealed]);
    assert_layout(signature, &[HEAD, TAGS, sealed]);
    let fields: &[_] = &[
        ("flags", Byte),
        ("sender keyid", Int),
        ("recipient keyid", Int),
        ("DH y", Mpi),
        ("top half of counter init", Long),
        ("encrypted message", Data),
        ("authenticator", Bytes),
        ("old MAC keys to be revealed", Data),
    ];
    assert_layout(data, &[HEAD, TAGS, fields]);
}

#[test]
fn of_fragments() {
    let (_, bob) = alice_and_bob();
    let (tag, text) = (bob.account.tag(), "A".repeat(200));
    let pieces = cut_text(&format!("AAQ{text}."), 100, 7, None, Some(tag)).unwrap();
    let parsed = parse(&pieces[1]);
    let total = u64::try_from(pieces.len()).unwrap();
    let values: Vec<_> = parsed.fields.iter().map(|field| (field.name, field.value.clone())).collect();
    let [numbers @ .., ("piece", Value::Text(piece))] = &values[..] else { panic!("{parsed:?}") };
    let expected = [
        ("identifier", 7),
        ("sender's instance tag", 0),
        ("receiver's instance tag", tag.get().into()),
        ("index", 2),
        ("total", total),
    ];
    assert_eq!(numbers, expected.map(|(name, n)| (name, Value::Number(n))));
    assert!(pieces[1].ends_with(&format!(",{piece},")));
    let ours = InstanceTag::new(0x100).unwrap();
    let line = format!("?OTR|1|{:x}|200,2,3,abc,", ours.get());
    let names: Vec<_> = parse(&line).fields.iter().map(|field| field.name).collect();
    assert_eq!(names, values.iter().map(|(name, _)| *name).collect::<Vec<_>>());
}
