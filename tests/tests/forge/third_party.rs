//! Mallory has recorded the wire, and nothing else: with the MAC keys that later messages reveal she changes what was said,
//! and nobody can tell which transcript is the real one.

use otrv4::forge::{ForgeError, v3, v4, version};
use otrv4::wire::Version;
use otrv4::{Account, Policy, Session};
use otrv4_tests::{Person, alice_and_bob, alice_and_bob_with_v3};

use crate::only_3;

/// Everything between Alice and Bob from the query on, in its order.
#[derive(Default)]
struct Wire(Vec<String>);

impl Wire {
    fn begin(&mut self, alice: &mut Person, bob: &mut Person) {
        alice.act(|session, cx| session.start(cx));
        self.deliver(alice, bob);
        assert_eq!((alice.channels().len(), bob.channels().len()), (1, 1));
    }

    fn carry(&mut self, from: &mut Person, to: &mut Person, text: &str) {
        self.deliver(from.say(text), to);
        assert_eq!(to.heard(), [text]);
    }

    fn deliver(&mut self, from: &mut Person, to: &mut Person) {
        loop {
            let (lines, answers) = (from.take(), to.take());
            if lines.is_empty() && answers.is_empty() {
                return;
            }
            lines.iter().for_each(|line| _ = to.receive(line));
            answers.iter().for_each(|line| _ = from.receive(line));
            self.0.extend(lines.into_iter().chain(answers));
        }
    }
}

/// What Mallory can do: every key that these lines reveal is tried on one line. So many were.
fn forge(wire: &[String], line: &str, old: &str, new: &str) -> (usize, Result<String, ForgeError>) {
    match version(line).expect("a message") {
        Version::V4 => try_all(wire, v4::revealed_mac_keys, |key| v4::modify(line, key, old, new, 0)),
        _ => try_all(wire, v3::revealed_mac_keys, |key| v3::modify(line, key, old, new, 0)),
    }
}

fn try_all<K>(
    wire: &[String],
    revealed: impl Fn(&str) -> Result<Vec<K>, ForgeError>,
    modify: impl Fn(&K) -> Result<String, ForgeError>,
) -> (usize, Result<String, ForgeError>) {
    let keys: Vec<K> = wire.iter().filter_map(|line| revealed(line).ok()).flatten().collect();
    (keys.len(), keys.iter().map(modify).fold(Err(ForgeError::WrongMacKey), Result::or))
}

const OLD: &str = "Meet me at noon.";
const NEW: &str = "Meet me at four.";

/// The same program at the same moment.
fn copy(of: &Person, with: &Person, policy: Policy) -> Person {
    let mut copy = Person::new(of.account.id(), with.account.id());
    copy.account = Account::load(&of.account.save()).expect("what was saved");
    copy.session = Session::load(&of.session.save(), policy).expect("what was saved");
    copy
}

/// Alice writes [`OLD`]. Before its key is on the wire it cannot be changed, whatever other keys are; from that very line on it can.
fn is_changed_with_revealed_keys_alone(mut alice: Person, mut bob: Person, policy: Policy) {
    let mut wire = Wire::default();
    wire.begin(&mut alice, &mut bob);
    for turn in 0..5 {
        wire.carry(&mut alice, &mut bob, &format!("question {turn}"));
        wire.carry(&mut bob, &mut alice, &format!("answer {turn}"));
    }
    let copy_of_bob = || copy(&bob, &alice, policy);
    let (mut who_gets_the_old, mut who_gets_the_new) = (copy_of_bob(), copy_of_bob());
    wire.carry(&mut alice, &mut bob, OLD);
    let which = wire.0.len() - 1;
    let line = wire.0[which].clone();
    for turn in 0..4 {
        wire.carry(&mut bob, &mut alice, &format!("late answer {turn}"));
        wire.carry(&mut alice, &mut bob, &format!("late question {turn}"));
    }
    let by = |end: usize| forge(&wire.0[..end], &line, OLD, NEW);
    let revealing = (0..wire.0.len()).find(|at| by(at + 1).1.is_ok()).expect("its key is revealed");
    assert!(revealing > which);
    for end in which + 1..=revealing {
        let (tried, forged) = by(end);
        assert!(tried > 0, "other keys are on the wire");
        assert_eq!(forged, Err(ForgeError::WrongMacKey), "after {end} lines");
    }
    let forged = by(revealing + 1).1.expect("its key has been revealed");
    // It looks the same but for the encrypted text and the authenticator.
    assert_eq!(forged.len(), line.len());
    assert_ne!(forged, line);
    // Bob, as he was when it came, takes either.
    assert_eq!(who_gets_the_old.receive(&line).heard(), [OLD]);
    assert_eq!(who_gets_the_new.receive(&forged).heard(), [NEW]);
    // The last message is not answered: its key is on no line.
    let latest = wire.0.last().expect("many");
    let (tried, refused) = forge(&wire.0, latest, "late", "soon");
    assert!(tried > 0);
    assert_eq!(refused, Err(ForgeError::WrongMacKey));
}

#[test]
fn a_recorded_message_of_version_4_is_changed_with_revealed_keys_alone() {
    let (alice, bob) = alice_and_bob();
    is_changed_with_revealed_keys_alone(alice, bob, Policy::default());
}

#[test]
fn a_recorded_message_of_version_3_is_changed_with_revealed_keys_alone() {
    let (alice, bob) = alice_and_bob_with_v3(only_3());
    is_changed_with_revealed_keys_alone(alice, bob, only_3());
}
