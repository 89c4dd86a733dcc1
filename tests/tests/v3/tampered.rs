//! Handshakes that were tampered with, replayed, or made by somebody else.

use otrv4::wire::{MessageType, armour, unarmour};
use otrv4::{Event, Protection, Reject};
use otrv4_tests::{Person, alice_and_bob_with_v3, deliver, talking_with};

use crate::{BOTH, assert_they_talk, kind, next, only_2, only_3};

#[test]
fn a_replayed_handshake_leaves_the_conversation_alone() {
    for policy in BOTH {
        let (mut alice, mut bob) = alice_and_bob_with_v3(policy());
        alice.act(|session, cx| session.start(cx));
        let mut recorded = Vec::new();
        for _ in 0..6 {
            let (to_bob, to_alice) = (alice.take(), bob.take());
            to_bob.iter().for_each(|line| _ = bob.receive(line));
            to_alice.iter().for_each(|line| _ = alice.receive(line));
            recorded.extend(to_bob.into_iter().chain(to_alice));
        }
        let before = (alice.channels(), bob.channels());
        let said = alice.line("said before");
        bob.receive(&said);
        for line in &recorded[1..] {
            alice.receive(line);
            bob.receive(line);
        }
        alice.take();
        bob.take();
        assert_eq!((alice.channels(), bob.channels()), before);
        bob.heard();
        assert_eq!(bob.receive(&said).heard(), [""; 0], "no keys come twice");
        bob.take();
        assert_they_talk(&mut alice, &mut bob);
    }
}

/// Every byte of every handshake message changed once: refused, while a conversation runs and when there is none. What is
/// sent then is an answer of the table at most, and the honest message still does its work.
#[test]
fn a_changed_byte_in_any_handshake_message_never_leads_to_a_conversation_and_costs_none() {
    for policy in BOTH {
        for running in [false, true] {
            let (mut alice, mut bob) = match running {
                true => talking_with(policy()),
                false => alice_and_bob_with_v3(policy()),
            };
            let before = (alice.channels(), bob.channels());
            bob.receive("?OTRv23?");
            for _ in 0..4 {
                let (from, to) =
                    if bob.sent.is_empty() { (&mut alice, &mut bob) } else { (&mut bob, &mut alice) };
                let line = next(from);
                let message = unarmour(&line).unwrap();
                let (account, session) = (to.account.save(), to.state());
                let length = message.len();
                // All of the short parts, and every 7th byte of the long ones.
                for at in (0..length).filter(|at| *at < 24 || *at + 24 > length || at % 7 == 0) {
                    let mut changed = message.clone();
                    changed[at] ^= 1;
                    to.receive(&armour(&changed));
                    let secure = to.told().iter().any(|event| matches!(event, Event::Secure { .. }));
                    assert!(!secure, "{:?}, byte {at}", kind(&line));
                    to.take();
                    if kind(&line) == MessageType::DhCommit || kind(&line) == MessageType::DhKey {
                        // Unauthenticated: they may be answered, and the text's table says with what.
                        to.account = otrv4::Account::load(&account).unwrap();
                        to.session = otrv4::Session::load(&session, to.policy).unwrap();
                    } else {
                        assert_eq!(to.state(), session, "{:?}, byte {at}", kind(&line));
                    }
                    if running {
                        assert_eq!(
                            to.channels(),
                            if to.account.id().starts_with("alice") {
                                before.0.clone()
                            } else {
                                before.1.clone()
                            }
                        );
                    }
                }
                to.receive(&line);
                assert!(
                    kind(&line) == MessageType::Signature || !to.sent.is_empty(),
                    "{:?}: {:?}",
                    kind(&line),
                    to.told()
                );
            }
            deliver(&mut alice, &mut bob);
            assert_ne!(alice.channels(), before.0, "the honest handshake is done");
            assert_they_talk(&mut alice, &mut bob);
        }
    }
}

/// A D-H Commit or D-H Key that is changed may take the place of the honest one, as the text has it; what comes of it
/// fails, and the next handshake does not.
#[test]
fn a_changed_unauthenticated_message_that_arrives_costs_at_most_its_handshake() {
    for policy in BOTH {
        for message in [MessageType::DhCommit, MessageType::DhKey] {
            let (mut alice, mut bob) = talking_with(policy());
            let before = alice.channels();
            alice.act(|session, cx| session.start(cx));
            for _ in 0..6 {
                let (to_bob, to_alice) = (alice.take(), bob.take());
                let change = |line: String| match line.starts_with("?OTR:") && kind(&line) == message {
                    true => {
                        let mut bytes = unarmour(&line).unwrap();
                        let last = bytes.len() - 1;
                        bytes[last] ^= 1;
                        armour(&bytes)
                    }
                    false => line,
                };
                to_bob.into_iter().map(change).for_each(|line| _ = bob.receive(&line));
                to_alice.into_iter().map(change).for_each(|line| _ = alice.receive(&line));
            }
            assert_eq!(alice.channels(), before);
            assert_they_talk(&mut alice, &mut bob);
            alice.act(|session, cx| session.start(cx));
            deliver(&mut alice, &mut bob);
            assert_ne!(alice.channels(), before);
            assert_they_talk(&mut alice, &mut bob);
        }
    }
}

#[test]
fn another_key_under_the_same_tag_does_not_take_over() {
    let (mut alice, bob) = talking_with(only_3());
    let mut thief = Person::new("bob@example.org", "alice@example.org").with(only_3());
    thief.account = otrv4::Account::load(&bob.account.save()).unwrap();
    let mut thief = thief.with_v3_unlike(&[&alice, &bob]);
    thief.act(|session, cx| session.start(cx));
    let before = alice.channels();
    deliver(&mut alice, &mut thief);
    assert_eq!(alice.channels(), before);
    assert!(
        alice.told().iter().any(|event| matches!(event, Event::Rejected { reason: Reject::OtherKey, .. }))
    );
}

#[test]
fn the_other_client_of_version_2_may_come_when_the_first_has_gone() {
    let (mut alice, mut bob) = talking_with(only_2());
    bob.act(|session, cx| session.end(cx));
    deliver(&mut alice, &mut bob);
    assert!(alice.session.instances().all(|instance| instance.protection == Protection::Finished));
    let other = Person::new("bob@example.org", "alice@example.org").with(only_2());
    let mut other = other.with_v3_unlike(&[&alice, &bob]);
    other.act(|session, cx| session.start(cx));
    deliver(&mut alice, &mut other);
    assert_eq!(alice.channels()[0].2, other.v3_fingerprint());
    // It is another key: our user says whether text goes there.
    alice.refused("to whom?");
    alice.act(|session, cx| session.start(cx));
    deliver(&mut alice, &mut other);
    other.told();
    let line = alice.line("to you");
    assert_eq!(other.receive(&line).heard(), ["to you"]);
}
