//! Version 3.

use otrv4::forge::{ForgeError, Value, parse, v3};
use otrv4::wire::InstanceTag;
use otrv4::{Event, Reject, Secret};
use otrv4_tests::{Person, talking, talking_with};

use crate::{aes_key, only_3};

/// A message that is under way from Alice to Bob, and the AES key that it was made with.
fn under_way(text: &str) -> (Person, Person, String, Secret<16>) {
    let (mut alice, mut bob) = talking_with(only_3());
    let first = alice.line("the first");
    assert_eq!(bob.receive(&first).heard(), ["the first"]);
    let key = aes_key(&alice, &bob);
    let line = alice.line(text);
    (alice, bob, line, key)
}

#[test]
fn a_modified_message_is_taken_for_the_real_one() {
    let (_, mut bob, line, key) = under_way("hi Bob, pay 100 now");
    let forged = v3::modify(&line, &v3::mac_key(&key), "100", "999", 12).expect("the right key");
    assert_eq!(bob.receive(&forged).heard(), ["hi Bob, pay 999 now"]);
    bob.receive(&line);
    assert!(bob.told().iter().any(|event| matches!(event, Event::Rejected { reason: Reject::Replayed, .. })));
}

#[test]
fn a_wrong_guess_of_the_text_is_not_noticed_and_its_reader_sees_garbage_there() {
    let (_, mut bob, line, key) = under_way("hi Bob, pay 100 now");
    let forged = v3::modify(&line, &v3::mac_key(&key), "278", "999", 12).expect("the right key");
    let garbage: Vec<u8> = [b'1' ^ b'2' ^ b'9', b'0' ^ b'7' ^ b'9', b'0' ^ b'8' ^ b'9'].into();
    let seen = [b"hi Bob, pay ", garbage.as_slice(), b" now"].concat();
    // Its MAC holds.
    let read = v3::read_and_forge(&forged, &key, None).expect("the right key");
    assert_eq!(read.text.as_bytes(), seen);
    let told = bob.receive(&forged).told();
    assert!(matches!(&told[..], [Event::Message { text, .. }] if text.as_bytes() == seen), "{told:?}");
}

#[test]
fn wrong_keys_and_texts_that_do_not_fit_are_refused() {
    let (mut alice, mut bob, line, key) = under_way("hi Bob");
    let other = aes_key(&bob, &alice);
    let right = v3::mac_key(&key);
    assert_eq!(v3::modify(&line, &v3::mac_key(&other), "hi", "yo", 0), Err(ForgeError::WrongMacKey));
    assert_eq!(v3::modify(&line, &right, "hi", "you", 0), Err(ForgeError::Lengths { old: 2, new: 3 }));
    let outside = ForgeError::OutOfRange { offset: 6, text: 2, message: 7 };
    assert_eq!(v3::modify(&line, &right, "hi", "yo", 6), Err(outside));
    assert_eq!(v3::read_and_forge(&line, &other, None).err(), Some(ForgeError::WrongAesKey));
    assert_eq!(v3::read_and_forge(&line, &key, Some("\0")).err(), Some(ForgeError::Nul));
    let (mut carol, _) = talking();
    assert_eq!(v3::remac(&carol.line("version 4"), &right), Err(ForgeError::NotData("3")));
    bob.receive(&line);
    alice.take();
}

#[test]
fn a_message_is_read_and_forged_with_its_aes_key() {
    let (mut alice, mut bob, line, key) = under_way("what Alice said");
    let read = v3::read_and_forge(&line, &key, Some("what she has never said")).expect("the right key");
    assert_eq!((read.text.as_str(), read.tlvs.len(), read.steps), ("what Alice said", 0, 0));
    assert_eq!(bob.receive(&read.forged.unwrap()).heard(), ["what she has never said"]);
    let next = alice.line("the next one");
    assert_eq!(v3::read_and_forge(&next, &key, None).unwrap().text.as_str(), "the next one");
}

#[test]
fn a_message_gets_a_new_mac_under_any_key() {
    let (_, mut bob, line, key) = under_way("hi Bob");
    let broken = v3::remac(&line, &Secret::copied(&[1; 20])).expect("any key");
    bob.receive(&broken);
    let told = bob.told();
    assert!(told.iter().any(|event| matches!(event, Event::Rejected { reason: Reject::Forged, .. })));
    let mended = v3::remac(&broken, &v3::mac_key(&key)).expect("any key");
    assert_eq!(mended, line);
    assert_eq!(bob.receive(&mended).heard(), ["hi Bob"]);
}

#[test]
fn each_operation_keeps_the_mac_keys_that_a_message_reveals() {
    let (mut alice, mut bob) = talking_with(only_3());
    let revealed = |line: &str| -> Vec<Vec<u8>> {
        let keys = v3::revealed_mac_keys(line).expect("a data message");
        keys.iter().map(|key| key.as_bytes().to_vec()).collect()
    };
    for turn in 0..8 {
        let (from, to) = if turn % 2 == 0 { (&mut alice, &mut bob) } else { (&mut bob, &mut alice) };
        let line = from.line("in turn");
        to.receive(&line);
    }
    let key = aes_key(&alice, &bob);
    let line = alice.line("Ten o'clock.");
    assert!(!revealed(&line).is_empty());
    let read = v3::read_and_forge(&line, &key, Some("Never.")).expect("the right key");
    let modified = v3::modify(&line, &v3::mac_key(&key), "Ten", "Two", 0).expect("the right key");
    let broken = v3::remac(&line, &Secret::copied(&[1; 20])).expect("any key");
    for forged in [read.forged.expect("a message"), modified, broken] {
        assert_ne!(forged, line);
        assert_eq!(revealed(&forged), revealed(&line));
    }
}

#[test]
fn the_parts_of_a_message_are_put_together_again_and_taken_under_its_key_alone() {
    let (_, mut bob, line, key) = under_way("hi Bob");
    let parsed = parse(&line);
    let value = |name: &str| &parsed.fields.iter().find(|field| field.name == name).unwrap().value;
    let number = |name| match value(name) {
        Value::Number(number) => *number,
        other => panic!("{other:?}"),
    };
    let int = |name| u32::try_from(number(name)).unwrap();
    let bytes = |name| match value(name) {
        Value::Bytes(bytes) => bytes.as_slice(),
        other => panic!("{other:?}"),
    };
    let parts = v3::Parts {
        sender: InstanceTag::new(int("sender's instance tag")).unwrap(),
        receiver: InstanceTag::new(int("receiver's instance tag")).unwrap(),
        flags: u8::try_from(number("flags")).unwrap(),
        sender_keyid: int("sender keyid"),
        recipient_keyid: int("recipient keyid"),
        next_dh: bytes("DH y"),
        counter: number("top half of counter init"),
        ciphertext: bytes("encrypted message"),
        revealed: &[],
    };
    bob.receive(&parts.assemble(&Secret::copied(&[1; 20])).unwrap());
    let told = bob.told();
    assert!(told.iter().any(|event| matches!(event, Event::Rejected { reason: Reject::Forged, .. })));
    let again = parts.assemble(&v3::mac_key(&key)).unwrap();
    assert_eq!(again, line);
    assert_eq!(bob.receive(&again).heard(), ["hi Bob"]);
}
