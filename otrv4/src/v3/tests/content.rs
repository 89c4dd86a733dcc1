//! What messages carry: texts, records, padding and extra keys.

use super::*;
use crate::vectors::bytes;
use crate::wire::{Line, Versions, classify};

#[test]
fn extra_keys_are_the_same_on_both_sides_and_version_2_has_none() {
    let tlv = |kind, value: &[u8]| Tlv { kind, value: value.to_vec() };
    let tlvs = [tlv(8, b"filenotes.txt"), tlv(7, b""), tlv(8, b"ca")];
    let (mut alice, mut bob) = alice_and_bob(Version::V3);
    turn(&mut alice, &mut bob);
    let (message, keys) = say_with(&mut alice, "", &tlvs);
    let [file, call] = &keys[..] else { panic!("two keys") };
    assert_eq!((file.context, file.data.as_slice(), file.key.len()), (*b"file", b"notes.txt".as_slice(), 32));
    assert_eq!((call.context, &call.key), (*b"ca\0\0", &file.key));
    let content = hear(&mut bob, &message).expect("a message for us");
    assert_eq!((content.text, content.extra_keys), (None, keys.clone()));
    // Another pair of keys, another key.
    turn(&mut alice, &mut bob);
    assert_ne!(say_with(&mut alice, "", &tlvs).1[0].key, keys[0].key);
    assert!(say_with(&mut alice, "", &tlvs[1..2]).1.is_empty());
    let many: Vec<_> = (0..20).map(|_| tlv(8, b"file")).collect();
    assert_eq!(say_with(&mut alice, "", &many).1.len(), MAX_EXTRA_KEYS);

    let (mut alice, mut bob) = alice_and_bob(Version::V2);
    let (message, keys) = say_with(&mut alice, "", &tlvs);
    assert!(keys.is_empty() && hear(&mut bob, &message).expect("a message for us").extra_keys.is_empty());
}

#[test]
fn recorded_plaintexts_say_what_is_recorded() {
    let mut kinds = std::collections::BTreeSet::new();
    for message in crate::v3::vectors::data_messages() {
        let content = read_strange(&bytes(&message["plaintext"]));
        assert_eq!(content.text.unwrap_or_default(), message["text"].as_str().expect("a text"));
        let recorded = message["tlvs"].as_array().expect("records").iter();
        let recorded: Vec<_> =
            recorded.map(|tlv| (tlv[0].as_u64().expect("a type"), bytes(&tlv[1]))).collect();
        let read: Vec<_> = content.tlvs.iter().map(|tlv| (u64::from(tlv.kind), tlv.value.clone())).collect();
        assert_eq!(read, recorded);
        kinds.extend(read.into_iter().map(|(kind, _)| kind));
    }
    assert_eq!(kinds.into_iter().collect::<Vec<_>>(), [1, 2, 3, 4, 5, 6, 7, 8]);
}

#[test]
fn recorded_queries_offer_their_version() {
    for session in sessions() {
        let query = session.only("query")["wire"].as_str().expect("a line").to_owned();
        let digit = if session.name == "v2" { 2 } else { 3 };
        assert_eq!(classify(&query), Line::Query(Versions::EMPTY.with(digit)), "{query}");
    }
}

/// Bob reads a plaintext that he would not write himself.
fn read_strange(plaintext: &[u8]) -> Content {
    let (mut alice, mut bob) = alice_and_bob(Version::V3);
    let message =
        alice.seal_revealing(Flags::None, plaintext.to_vec().into(), Vec::new(), &sealing(&mut rng())).0;
    hear(&mut bob, &message).expect("a message for us")
}

#[test]
fn plaintexts_of_others_are_read() {
    let read = |plaintext: &[u8]| {
        let content = read_strange(plaintext);
        (content.text, content.tlvs.iter().map(|tlv| (tlv.kind, tlv.value.len())).collect::<Vec<_>>())
    };
    let text = |text: &str| Some(text.to_string());
    assert_eq!(read(b""), (None, vec![]));
    assert_eq!(read(b"\0"), (None, vec![]));
    assert_eq!(read(b"no NUL"), (text("no NUL"), vec![]));
    assert_eq!(read(b"<b>bold</b>\0"), (text("<b>bold</b>"), vec![]));
    assert_eq!(read(b"caf\xe9\0"), (text("caf\u{fffd}"), vec![]));
    let padding = [b"text\0\0\0\0\xfb".as_slice(), &[0; 251]].concat();
    assert_eq!(read(&padding), (text("text"), vec![(0, 251)]));
    assert_eq!(read(b"text\0\xff\xff\0\x01x\0\x01\0\0"), (text("text"), vec![(0xffff, 1), (1, 0)]));
    assert_eq!(read(b"text\0\0\x01\0\0\0\x01"), (text("text"), vec![(1, 0)]));
}

#[test]
fn messages_are_padded() {
    let (mut alice, mut bob) = alice_and_bob(Version::V3);
    let mut rng = rng();
    let with = Sealing { padding: Padding::Classes, ..sealing(&mut rng) };
    let message = alice.seal(Flags::None, "text", &[], with).expect("a short text").0;
    assert_eq!(data_message(&message).ciphertext.len(), 256);
    assert_eq!(hear_text(&mut bob, &message), "text");
}

#[test]
fn messages_without_text_say_that_they_may_be_ignored() {
    let (mut alice, mut bob) = alice_and_bob(Version::V3);
    let disconnected = || [Tlv { kind: 1, value: Vec::new() }];
    let message = alice.seal_revealing_opened(&disconnected(), sealing(&mut rng()));
    assert!(data_message(&message).ignore_unreadable);
    let content = hear(&mut bob, &message).expect("a message for us");
    assert!(content.text.is_none() && content.tlvs == disconnected());
    assert!(!data_message(&say(&mut alice, "text")).ignore_unreadable);
}
