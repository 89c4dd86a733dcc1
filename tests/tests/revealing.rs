//! MAC keys of messages that were read are revealed, however many there are.

use otrv4::Event;
use otrv4::session::EndedBy;
use otrv4_tests::{deliver, talking};

#[test]
fn somebody_who_only_listens_still_reveals_mac_keys_and_can_answer() {
    let (mut alice, mut bob) = talking();
    for n in 0..3100 {
        let line = alice.line(&n.to_string());
        bob.receive(&line);
        bob.take().iter().for_each(|line| _ = alice.receive(line));
        alice.take();
    }
    assert_eq!(bob.heard().len(), 3100);
    assert!(bob.state().len() < 100_000, "what waits to be revealed is bounded");
    let line = bob.line(&"x".repeat(64 * 1024));
    alice.told();
    assert_eq!(alice.receive(&line).heard(), ["x".repeat(64 * 1024)]);
}

#[test]
fn mac_keys_of_late_messages_are_revealed_before_they_are_too_many() {
    let (mut alice, mut bob) = talking();
    let late: Vec<String> = (0..3500).map(|n| alice.line(&n.to_string())).collect();
    alice.act(|session, cx| session.start_identity(cx));
    deliver(&mut alice, &mut bob);
    // In a conversation that a new one has replaced.
    late.iter().for_each(|line| _ = bob.receive(line));
    assert_eq!(bob.heard().len(), 3500);
    assert_eq!(bob.take().len(), 3, "a message for a thousand keys");
    assert!(bob.state().len() < 50_000, "what waits to be revealed is bounded");
    alice.told();
    bob.act(|session, cx| session.end(cx));
    deliver(&mut alice, &mut bob);
    let ended = |event: &Event| matches!(event, Event::Ended { by: EndedBy::Them, .. });
    assert!(alice.told().iter().any(ended), "the last message can be read");
}
