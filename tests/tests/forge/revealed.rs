//! Revealed MAC keys and the messages that they belong to, found by whoever has nothing but the lines.

use otrv4::forge::{self, RevealedKey, v3, v4};
use otrv4::{Policy, Secret};
use otrv4_tests::{Person, talking, talking_with};

use crate::only_3;

fn revealed_keys<L: AsRef<str>>(lines: &[L]) -> Vec<RevealedKey> {
    forge::revealed_keys(lines).expect("few keys")
}

/// Texts of these people in turn; the lines. The first four are left out: in the ratchet of the key exchange nothing is
/// revealed.
fn conversation(alice: Person, bob: Person, turns: &str) -> Vec<String> {
    all_lines(alice, bob, &format!("abab{turns}")).split_off(4)
}

fn all_lines(mut alice: Person, mut bob: Person, turns: &str) -> Vec<String> {
    let line = |who: char| {
        let (from, to) = if who == 'a' { (&mut alice, &mut bob) } else { (&mut bob, &mut alice) };
        let line = from.line("Ten o'clock.");
        to.receive(&line);
        line
    };
    turns.chars().map(line).collect()
}

fn places(keys: &[RevealedKey]) -> Vec<(&[usize], &[usize])> {
    keys.iter().map(|key| (&key.revealed_in[..], &key.messages[..])).collect()
}

#[test]
fn each_message_that_was_answered_has_its_key_in_the_answer() {
    let (alice, bob) = talking();
    let lines = conversation(alice, bob, "aababb");
    let keys = revealed_keys(&lines);
    // What came before these lines has keys, too.
    let found: Vec<_> = keys.iter().filter(|key| !key.messages.is_empty()).cloned().collect();
    let expected: [(&[usize], &[usize]); 4] = [(&[2], &[0]), (&[2], &[1]), (&[3], &[2]), (&[4], &[3])];
    assert_eq!(places(&found), expected);
    for key in found {
        let line = &lines[key.messages[0]];
        let key = Secret::copied(&key.key.try_into().unwrap());
        assert!(v4::modify(line, &key, "Ten", "Two", 0).is_ok());
    }
}

#[test]
fn nothing_is_revealed_before_a_ratchet_turns() {
    let (alice, bob) = talking();
    let lines = all_lines(alice, bob, "aaab");
    assert!(revealed_keys(&lines).iter().all(|key| key.messages.is_empty()));
}

#[test]
fn a_key_of_version_3_has_all_messages_that_it_served() {
    let (alice, bob) = talking_with(only_3());
    let lines = all_lines(alice, bob, "aabababab");
    let keys = revealed_keys(&lines);
    let found: Vec<&RevealedKey> = keys.iter().filter(|key| !key.messages.is_empty()).collect();
    assert!(found.iter().any(|key| key.messages == [0, 1]), "{:?}", places(&keys));
    for key in found {
        let mac_key = Secret::copied(&key.key.as_slice().try_into().unwrap());
        for message in &key.messages {
            assert!(*message < key.revealed_in[0]);
            assert!(v3::modify(&lines[*message], &mac_key, "Ten", "Two", 0).is_ok());
        }
    }
}

#[test]
fn a_repeated_line_a_changed_message_and_another_order_are_seen_through() {
    let (alice, bob) = talking_with(Policy::default());
    let mut lines = conversation(alice, bob, "ab");
    let key = v4::revealed_mac_keys(&lines[1]).unwrap();
    let key = key.iter().find(|key| v4::modify(&lines[0], key, "Ten", "Two", 0).is_ok()).unwrap();
    lines.push(v4::modify(&lines[0], key, "Ten", "Two", 0).unwrap());
    lines.push("and a text".into());
    lines.push(lines[1].clone());
    let found = |lines: &[String]| -> RevealedKey {
        let keys = revealed_keys(lines);
        keys.into_iter().find(|found| found.key == key.as_bytes()).unwrap()
    };
    assert_eq!(places(&[found(&lines)]), [(&[1, 4][..], &[0, 2][..])]);
    lines.swap(0, 1);
    assert_eq!(places(&[found(&lines)]), [(&[0, 4][..], &[1, 2][..])]);
}

#[test]
fn bytes_in_the_place_of_keys_are_of_no_message() {
    let (alice, bob) = talking();
    let lines = conversation(alice, bob, "ab");
    let mut bytes = otrv4::wire::unarmour(&lines[1]).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    let lines = [lines[0].clone(), otrv4::wire::armour(&bytes)];
    assert!(revealed_keys(&lines).iter().all(|key| key.messages.is_empty()));
    assert_eq!(revealed_keys(&["", "?OTR:AAQD.", "?OTRv4?"]), []);
}

#[test]
fn a_message_in_pieces_is_at_its_last_piece_and_a_key_twice_in_a_line_is_in_it_once() {
    let (mut alice, mut bob) = talking();
    for who in [&mut alice, &mut bob] {
        who.session.set_max_line(Some(300)).unwrap();
    }
    let (mut lines, mut ends) = (Vec::new(), Vec::new());
    for turn in 0..6 {
        let (from, to) = if turn % 2 == 0 { (&mut alice, &mut bob) } else { (&mut bob, &mut alice) };
        let pieces = from.say("Ten o'clock.").take();
        assert!(pieces.len() > 1);
        pieces.iter().for_each(|line| _ = to.receive(line));
        lines.extend(pieces);
        ends.push(lines.len() - 1);
    }
    let keys = revealed_keys(&lines);
    let last = keys.iter().rfind(|key| !key.messages.is_empty()).expect("some");
    assert_eq!(places(std::slice::from_ref(last)), [(&ends[5..], &ends[4..5])]);

    let (alice, bob) = talking_with(only_3());
    let line = all_lines(alice, bob, "abababab").remove(7);
    let mut message = otrv4::wire::unarmour(&line).unwrap();
    let key = v3::revealed_mac_keys(&line).unwrap().remove(0);
    let keys = v3::revealed_mac_keys(&line).unwrap().len() * 20;
    message.truncate(message.len() - keys - 4);
    message.extend([0, 0, 0, 40]);
    (0..2).for_each(|_| message.extend(key.as_bytes()));
    let twice = otrv4::wire::armour(&message);
    let found = revealed_keys(&[&twice, &twice]);
    assert_eq!((found.len(), &found[0].revealed_in[..]), (1, &[0, 1][..]));
}
