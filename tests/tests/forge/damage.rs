//! Data messages that break a rule of their format: the keys in them are out all the same, and their own MAC may hold.

use otrv4::forge::{RevealedKey, parse, revealed_keys};
use otrv4::wire::{armour, unarmour};
use otrv4_tests::{Person, talking, talking_with};

use crate::only_3;

fn conversation(mut alice: Person, mut bob: Person) -> Vec<String> {
    let line = |turn: usize| {
        let (from, to) = if turn.is_multiple_of(2) { (&mut alice, &mut bob) } else { (&mut bob, &mut alice) };
        let line = from.line("Ten o'clock.");
        to.receive(&line);
        line
    };
    (0..8).map(line).collect()
}

/// Each key of some message, with its messages.
fn found(lines: &[String]) -> Vec<(Vec<u8>, Vec<usize>)> {
    let keys = revealed_keys(lines).expect("few").into_iter().filter(|key| !key.messages.is_empty());
    keys.map(|RevealedKey { key, messages, .. }| (key, messages)).collect()
}

/// All keys that are shown are tried.
fn assert_shown_as_tried(lines: &[String]) {
    let shown = lines.iter().flat_map(|line| parse(line).fields);
    let shown = shown.filter(|field| field.name == "revealed MAC key").count();
    let tried: usize = revealed_keys(lines).expect("few").iter().map(|key| key.revealed_in.len()).sum();
    assert_eq!(shown, tried);
}

fn changed(line: &str, change: impl FnOnce(&mut Vec<u8>)) -> String {
    let mut message = unarmour(line).unwrap();
    change(&mut message);
    armour(&message)
}

/// A byte more in the list at the end, and in its length.
fn longer_list(message: &mut Vec<u8>, keys: usize, size: usize) {
    let at = message.len() - keys * size - 1;
    message[at] += 1;
    message.push(0xee);
}

#[test]
fn a_byte_too_many_in_the_list_hides_no_key() {
    for (lines, size) in [(conversation_of_4(), 64), (conversation_of_3(), 20)] {
        let expected = found(&lines);
        assert!(expected.len() > 2, "{}", expected.len());
        let keys = |line: &String| {
            parse(line).fields.iter().filter(|field| field.name == "revealed MAC key").count()
        };
        let longer = |line: &String| changed(line, |message| longer_list(message, keys(line), size));
        let lines: Vec<String> = lines.iter().map(longer).collect();
        for line in &lines {
            let parsed = parse(line);
            assert!(parsed.error.is_some());
            assert_eq!(parsed.fields.last().map(|field| field.name), Some("less than a MAC key"));
        }
        assert_eq!(found(&lines), expected, "the list is under no MAC");
        assert_shown_as_tried(&lines);
    }
}

#[test]
fn bytes_behind_the_end_and_broken_rules_hide_no_key() {
    let (of_4, of_3) = (conversation_of_4(), conversation_of_3());
    type Change = fn(&mut Vec<u8>);
    // Each in the last line, which reveals keys; its own MAC is of no matter.
    let tag: Change = |message| message[3..7].copy_from_slice(&[0, 0, 0, 1]);
    // With the number of another ratchet a DH key is missing, or too much.
    let ratchet: Change = |message| message[19] ^= if message[19] % 3 == 0 { 1 } else { 3 };
    let behind: Change = |message| message.push(0);
    let keyid: Change = |message| message[12..16].fill(0);
    let counter: Change = |message| {
        let length = u32::from_be_bytes(message[20..24].try_into().unwrap());
        let at = 24 + usize::try_from(length).unwrap();
        message[at..at + 8].fill(0);
    };
    for (lines, changes) in [(of_4, [tag, ratchet, behind]), (of_3, [behind, keyid, counter])] {
        let expected = found(&lines);
        for change in changes {
            let mut lines = lines.clone();
            let last = lines.pop().unwrap();
            lines.push(changed(&last, change));
            assert_eq!(found(&lines), expected);
            assert_shown_as_tried(&lines);
        }
    }
}

fn conversation_of_4() -> Vec<String> {
    let (alice, bob) = talking();
    conversation(alice, bob)
}

fn conversation_of_3() -> Vec<String> {
    let (alice, bob) = talking_with(only_3());
    conversation(alice, bob)
}
