//! Lines taken apart: every byte of them is in a field, and what is no message is something all the same.

use base64::prelude::{BASE64_STANDARD, Engine as _};
use otrv4::forge::{Field, Kind, Parsed, Value, parse};
use otrv4::prekey_server::{decode_text, encode_text, ensemble_query, no_ensembles, retrieval};
use otrv4::wire::{InstanceTag, Versions, Writer, armour, unarmour, whitespace_tag};
use otrv4_tests::{Person, alice_and_bob, alice_and_bob_with_v3, deliver};
use proptest::prelude::*;

use crate::only_3;

/// The fields as they were on the wire.
fn written(parsed: &Parsed) -> Vec<u8> {
    parsed.fields.iter().flat_map(bytes).collect()
}

fn bytes(field: &Field) -> Vec<u8> {
    match (&field.value, field.kind) {
        (Value::Number(n), Kind::Byte) => n.to_be_bytes()[7..].to_vec(),
        (Value::Number(n), Kind::Short) => n.to_be_bytes()[6..].to_vec(),
        (Value::Number(n), Kind::Int | Kind::Data) => n.to_be_bytes()[4..].to_vec(),
        (Value::Number(n), Kind::Long) => n.to_be_bytes().to_vec(),
        (Value::Bytes(bytes), Kind::Data | Kind::Mpi) => {
            [&u32::try_from(bytes.len()).unwrap().to_be_bytes(), bytes.as_slice()].concat()
        }
        (Value::Bytes(bytes), _) => bytes.clone(),
        other => panic!("{other:?}"),
    }
}

/// A message of which nothing is left over.
pub(crate) fn whole(line: &str) -> Parsed {
    let parsed = parse(line);
    assert_eq!(parsed.error, None, "{parsed:?}");
    let message = unarmour(line).or_else(|_| decode_text(line)).expect("a message");
    assert_eq!(written(&parsed), message, "{}", parsed.name);
    parsed
}

/// All lines of a conversation, with two messages of each side.
pub(crate) fn lines(mut alice: Person, mut bob: Person) -> Vec<String> {
    let mut lines = Vec::new();
    alice.act(|session, cx| session.start(cx));
    for _ in 0..8 {
        let (to_bob, to_alice) = (alice.take(), bob.take());
        to_bob.iter().for_each(|line| _ = bob.receive(line));
        to_alice.iter().for_each(|line| _ = alice.receive(line));
        lines.extend(to_bob.into_iter().chain(to_alice));
    }
    for turn in 0..8 {
        let (from, to) = if turn % 2 == 0 { (&mut alice, &mut bob) } else { (&mut bob, &mut alice) };
        let line = from.line("text");
        to.receive(&line);
        lines.push(line);
    }
    lines
}

fn meaning<'a>(parsed: &'a Parsed, name: &str) -> Option<&'a str> {
    parsed.fields.iter().find(|field| field.name == name).and_then(|field| field.meaning.as_deref())
}

#[test]
fn every_message_of_a_conversation_in_version_4_is_taken_apart() {
    let (alice, bob) = alice_and_bob();
    let fingerprint = format!("holds; of the fingerprint {}", bob.account.fingerprint());
    let tag = bob.account.tag().to_string();
    let lines = lines(alice, bob);
    assert_eq!(parse(&lines[0]).name, "Query message");
    let parsed: Vec<Parsed> = lines[1..].iter().map(|line| whole(line)).collect();
    let names: Vec<&str> = parsed.iter().map(|parsed| parsed.name).collect();
    assert_eq!(names[..3], ["Identity message", "Auth-R message", "Auth-I message"]);
    assert!(names[3..].iter().all(|name| *name == "Data message"));
    assert_eq!(meaning(&parsed[0], "Client Profile signature"), Some(fingerprint.as_str()));
    assert_eq!(meaning(&parsed[0], "sender's instance tag"), Some(tag.as_str()));
    assert_eq!(meaning(&parsed[0], "versions"), Some("4"));
    let fields = || parsed.iter().flat_map(|parsed| &parsed.fields);
    assert!(fields().filter(|field| field.name == "revealed MAC key").count() > 2);
    let mut lists = fields().filter(|field| field.name == "old MAC keys to be revealed");
    assert!(lists.all(|field| field.kind == Kind::Data), "as the text's table has it");
}

#[test]
fn every_message_of_a_conversation_in_version_3_is_taken_apart() {
    let (alice, bob) = alice_and_bob_with_v3(only_3());
    let lines = lines(alice, bob);
    let names: Vec<&str> = lines[1..].iter().map(|line| whole(line).name).collect();
    let ake = ["D-H Commit message", "D-H Key message", "Reveal Signature message", "Signature message"];
    assert_eq!(names[..4], ake);
    assert!(names[4..].iter().all(|name| *name == "Data message"));
}

#[test]
fn messages_of_the_offline_start_and_of_the_prekey_server_are_taken_apart() {
    let (mut alice, mut bob) = alice_and_bob_with_v3(otrv4::Policy::default());
    let tag = InstanceTag::new(0x100).unwrap();
    let ensembles = bob.prekeys(2);
    // The three parts of each one after another, as an answer has them.
    let stored = ensembles.iter().map(|ensemble| {
        let mut w = Writer::new();
        ensemble.write(&mut w);
        (w.finish(), Vec::new(), Vec::new())
    });
    let answer = whole(&encode_text(&retrieval(tag, "bob", &stored.collect::<Vec<_>>())));
    assert_eq!(answer.name, "Prekey Ensemble Retrieval message");
    assert_eq!(meaning(&answer, "participant's identity"), Some("bob"));
    assert_eq!(whole(&encode_text(&no_ensembles(tag, "bob"))).name, "No Prekey Ensembles in Storage message");
    let query = whole(&encode_text(&ensemble_query(tag, "bob", Versions::V4)));
    assert_eq!(query.name, "Prekey Ensemble Query message");
    alice.start_offline(ensembles.into_iter().take(1).collect());
    assert_eq!(whole(&alice.take()[0]).name, "Non-Interactive-Auth message");
    deliver(&mut alice, &mut bob);
}

#[test]
fn lines_in_clear_are_told_apart() {
    let (tag, cut) = (whitespace_tag(Versions::V34), "?OTR|1|100|200,1,2,abc,");
    for (line, name, fields) in [
        ("Hello.", "Text", 1),
        ("", "Text", 1),
        ("?OTRv34?", "Query message", 2),
        (&format!("Hello.{tag}"), "Text with a whitespace tag", 3),
        ("?OTR Error: ERROR_1: Unreadable message", "Error message", 2),
        (cut, "Fragment", 6),
        ("?OTR,1,2,abc,", "Fragment", 3),
        ("?OTRP|1|0|200,1,2,abc,", "Fragment of a prekey server message", 6),
        ("?OTRP|1|0,1,2,abc,|broken", "Fragment of a prekey server message", 1),
        ("?OTR|broken", "Fragment", 1),
        ("?OTR:broken", "Encoded message", 1),
    ] {
        let parsed = parse(line);
        assert_eq!((parsed.name, parsed.fields.len()), (name, fields), "{parsed:?}");
        assert_eq!(parsed.error.is_some(), line.ends_with("broken"));
    }
    assert_eq!(meaning(&parse(cut), "sender's instance tag"), Some("00000100"));
}

#[test]
fn errors_and_offers_are_shown_as_they_were_sent() {
    let fields = |line: &str| -> Vec<(&'static str, String, String)> {
        let fields = parse(line).fields.into_iter();
        let shown = fields.map(|field| match field.value {
            Value::Text(text) => (field.name, text, field.meaning.unwrap_or_default()),
            other => panic!("{other:?}"),
        });
        shown.collect()
    };
    let error = |code: &str, meaning: &str, text: &str| {
        let text = ("text", text.to_owned(), String::new());
        let code = (!code.is_empty()).then(|| ("error code", code.to_owned(), meaning.to_owned()));
        code.into_iter().chain([text]).collect::<Vec<_>>()
    };
    for (line, expected) in [
        (
            "?OTR Error: ERROR_1: Unreadable message",
            error("ERROR_1", "the message is undecryptable", "Unreadable message"),
        ),
        ("?OTR Error:ERROR_3:", error("ERROR_3", "the instance tags do not correspond", "")),
        ("?OTR Error: ERROR_12: new", error("ERROR_12", "a code that is not known here", "new")),
        ("?OTR Error: ERROR_x: new", error("", "", "ERROR_x: new")),
        ("?OTR Error: You sent: garbage", error("", "", "You sent: garbage")),
    ] {
        assert_eq!(fields(line), expected, "{line}");
    }
    let offered = |line: &str| {
        let fields = fields(line).pop().unwrap();
        assert_eq!(fields.0, "versions");
        (fields.1, fields.2)
    };
    let (nothing, unknown) = (String::new(), |others: &str| format!("and unknown ones: {others}"));
    for (line, expected) in [
        ("?OTRv34?", ("34", nothing.clone())),
        ("?OTR?", ("1", nothing.clone())),
        ("?OTR?v4?", ("14", nothing.clone())),
        ("<b>?OTRv45x?</b> ?OTRv6?", ("4", unknown("5x"))),
        ("?OTRv?", ("", "none".to_owned())),
        ("?OTRv5?", ("", unknown("5"))),
    ] {
        assert_eq!(offered(line), (expected.0.to_owned(), expected.1), "{line}");
    }
    let (base, three, five) = (whitespace_tag(Versions::EMPTY), "  \t\t  \t\t", "  \t\t \t \t");
    let line = format!("a{base}{three}{five}b");
    let expected = [("text", "ab"), ("whitespace tag", &format!("{base}{three}{five}")), ("versions", "3")];
    let found: Vec<_> = fields(&line).iter().map(|(name, value, _)| (*name, value.clone())).collect();
    assert_eq!(found, expected.map(|(name, value)| (name, value.to_owned())));
    assert_eq!(offered(&line).1, unknown("5"));
    assert_eq!(offered(&format!("a{base}")), (String::new(), "none".to_owned()));
}

#[test]
fn of_messages_of_other_versions_nothing_but_the_head_is_taken_apart() {
    for version in [0, 1, 5, 0x104] {
        let message = [&u16::to_be_bytes(version)[..], &[3, 1, 2, 3]].concat();
        let parsed = whole(&armour(&message));
        let names: Vec<_> = parsed.fields.iter().map(|field| field.name).collect();
        assert_eq!(parsed.name, "Message of another version");
        assert_eq!(names, ["protocol version", "message type", "not taken apart"]);
    }
}

proptest! {
    #[test]
    fn whatever_a_message_holds_all_of_it_is_shown(
        version in 1..6_u16,
        kind in prop::sample::select(vec![2_u8, 3, 5, 6, 9, 0x0a, 0x0b, 0x0d, 0x0e, 0x0f, 0x10, 0x11, 0x12, 0x13, 0x35, 0x36, 0x37]),
        rest in prop::collection::vec(prop_oneof![Just(0_u8), 0..8_u8, any::<u8>()], 0..400),
    ) {
        let message = [&version.to_be_bytes(), [kind].as_slice(), &rest].concat();
        prop_assert_eq!(written(&parse(&armour(&message))), message.clone());
        if version == 4 {
            let text = format!("{}.", BASE64_STANDARD.encode(&message));
            prop_assert_eq!(written(&parse(&text)), message);
        }
    }

    #[test]
    fn any_line_is_something(line in "(\\?OTR[:|v ?])?\\PC{0,60}") {
        prop_assert!(!parse(&line).fields.is_empty());
    }
}
