//! Mallory has recorded the wire, and nothing else: with the MAC keys that later messages reveal she changes what was said,
//! and nobody can tell which transcript is the real one.

use otrv4::forge::{ForgeError, v3, v4};
use otrv4_tests::{Person, talking, talking_with};

use crate::{aes_key, chain_key, only_3};

/// Everything between Alice and Bob, in its order.
#[derive(Default)]
struct Wire(Vec<String>);

impl Wire {
    fn carry(&mut self, from: &mut Person, to: &mut Person, text: &str) {
        let line = from.line(text);
        to.receive(&line);
        self.0.push(line);
        let answers = to.take();
        answers.iter().for_each(|line| _ = from.receive(line));
        self.0.extend(answers);
    }
}

/// What Mallory can do: every key that the other lines reveal is tried on the line.
fn forge_v4(
    wire: &[String],
    which: usize,
    old: &str,
    new: &str,
    offset: usize,
) -> Result<String, ForgeError> {
    let revealed = wire.iter().flat_map(|line| v4::revealed_mac_keys(line).expect("data messages"));
    let tries = revealed.map(|key| v4::modify(&wire[which], &key, old, new, offset));
    tries.fold(Err(ForgeError::WrongMacKey), Result::or)
}

/// The same for version 3.
fn forge_v3(
    wire: &[String],
    which: usize,
    old: &str,
    new: &str,
    offset: usize,
) -> Result<String, ForgeError> {
    let revealed = wire.iter().flat_map(|line| v3::revealed_mac_keys(line).expect("data messages"));
    let tries = revealed.map(|key| v3::modify(&wire[which], &key, old, new, offset));
    tries.fold(Err(ForgeError::WrongMacKey), Result::or)
}

const OLD: &str = "Meet me at noon.";
const NEW: &str = "Meet me at four.";

#[test]
fn a_recorded_message_of_version_4_is_changed_with_revealed_keys_alone() {
    let (mut alice, mut bob) = talking();
    let mut wire = Wire::default();
    wire.carry(&mut alice, &mut bob, "Hello.");
    let reader = chain_key(&mut alice, &bob);
    wire.carry(&mut alice, &mut bob, OLD);
    let which = wire.0.len() - 1;
    // Nothing that would reveal its key has been sent.
    assert_eq!(forge_v4(&wire.0, which, OLD, NEW, 0), Err(ForgeError::WrongMacKey));

    // Bob still is in the ratchet that the handshake opened; his next one reveals what he has read.
    wire.carry(&mut bob, &mut alice, "All right.");
    assert_eq!(forge_v4(&wire.0, which, OLD, NEW, 0), Err(ForgeError::WrongMacKey));
    wire.carry(&mut alice, &mut bob, "Good.");
    wire.carry(&mut bob, &mut alice, "All the best.");
    let forged = forge_v4(&wire.0, which, OLD, NEW, 0).expect("its key has been revealed");
    // It looks the same but for the encrypted text and the authenticator.
    assert_eq!(forged.len(), wire.0[which].len());
    assert_ne!(forged, wire.0[which]);
    // Both hold under the same keys: who reads them with the key of the conversation cannot say which was sent.
    let read = |line: &str| v4::read_and_forge(line, &reader, None).expect("the MAC holds").text;
    assert_eq!((read(&wire.0[which]).as_str(), read(&forged).as_str()), (OLD, NEW));
    // The answer is Bob's latest: its key has not been revealed.
    let latest = wire.0.len() - 1;
    assert_eq!(forge_v4(&wire.0, latest, "All", "Non", 0), Err(ForgeError::WrongMacKey));
}

#[test]
fn a_recorded_message_of_version_3_is_changed_with_revealed_keys_alone() {
    let (mut alice, mut bob) = talking_with(only_3());
    let mut wire = Wire::default();
    wire.carry(&mut alice, &mut bob, "Hello.");
    let reader = aes_key(&alice, &bob);
    wire.carry(&mut alice, &mut bob, OLD);
    let which = wire.0.len() - 1;
    assert_eq!(forge_v3(&wire.0, which, OLD, NEW, 0), Err(ForgeError::WrongMacKey));

    // Keys are revealed when both sides have moved on by two keys.
    for turn in 0..4 {
        wire.carry(&mut bob, &mut alice, &format!("answer {turn}"));
        wire.carry(&mut alice, &mut bob, &format!("question {turn}"));
    }
    let forged = forge_v3(&wire.0, which, OLD, NEW, 0).expect("its key has been revealed");
    assert_eq!(forged.len(), wire.0[which].len());
    let read = |line: &str| v3::read_and_forge(line, &reader, None).expect("the MAC holds").text;
    assert_eq!((read(&wire.0[which]).as_str(), read(&forged).as_str()), (OLD, NEW));
    let latest = wire.0.len() - 1;
    assert_eq!(forge_v3(&wire.0, latest, "quest", "thing", 0), Err(ForgeError::WrongMacKey));
}
