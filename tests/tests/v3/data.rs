//! Data messages: order and repetition, fragments, verification, extra keys, heartbeats.

use otrv4::session::MIN_LINE;
use otrv4::wire::Padding;
use otrv4::{Event, Policy, Refused, Reject, Verification};
use otrv4_tests::{Person, deliver, talking_with};

use crate::{BOTH, only_2, only_3, rejected};

#[test]
fn a_message_counts_once_the_first_of_a_turn_too() {
    for policy in BOTH {
        let (mut alice, mut bob) = talking_with(policy());
        let mut seen: Vec<String> = Vec::new();
        for turn in 0..6 {
            let (from, to) = if turn % 2 == 0 { (&mut alice, &mut bob) } else { (&mut bob, &mut alice) };
            for n in 0..3 {
                let line = from.line(&format!("{turn}.{n}"));
                assert_eq!(to.receive(&line).heard(), [format!("{turn}.{n}")]);
                // At once.
                assert_eq!(to.receive(&line).sent.len(), 1, "an error message");
                assert_eq!(rejected(to), [Reject::Replayed]);
                to.take();
                seen.push(line);
            }
            // And all that came before.
            for line in &seen {
                for person in [&mut alice, &mut bob] {
                    assert_eq!(person.receive(line).heard(), [""; 0]);
                    person.take();
                }
            }
        }
    }
}

#[test]
fn counters_pass_127_255_and_65535_in_one_pair_of_keys() {
    let (mut alice, mut bob) = talking_with(only_3());
    // Bob never writes, so that no key changes.
    *bob.session.policy() = Policy { heartbeat_after: None, ..only_3() };
    for n in 1..=65_540_u32 {
        let line = alice.line("x");
        if [1, 2, 127, 128, 129, 255, 256, 257, 65_535, 65_536, 65_537, 65_540].contains(&n) {
            assert_eq!(bob.receive(&line).heard(), ["x"], "{n}");
            assert_eq!(bob.receive(&line).heard(), [""; 0], "{n}, again");
            bob.take();
        }
    }
    let line = bob.line("an answer");
    assert_eq!(alice.receive(&line).heard(), ["an answer"]);
}

#[test]
fn lost_messages_cost_nothing_but_themselves_and_late_ones_are_refused() {
    for policy in BOTH {
        let (mut alice, mut bob) = talking_with(policy());
        let lines: Vec<String> = (0..4).map(|n| alice.line(&n.to_string())).collect();
        assert_eq!(bob.receive(&lines[2]).heard(), ["2"]);
        for late in [0, 1] {
            assert_eq!(bob.receive(&lines[late]).heard(), [""; 0]);
        }
        assert_eq!(bob.receive(&lines[3]).heard(), ["3"]);
        bob.take();
        // A whole turn is lost, and then another.
        for _ in 0..3 {
            bob.line("lost");
        }
        let line = alice.line("still here");
        assert_eq!(bob.receive(&line).heard(), ["still here"]);
        for _ in 0..3 {
            let line = bob.line("back");
            assert_eq!(alice.receive(&line).heard(), ["back"]);
            let line = alice.line("forth");
            assert_eq!(bob.receive(&line).heard(), ["forth"]);
        }
    }
}

#[test]
fn every_changed_byte_of_a_message_is_refused_and_the_message_itself_is_read() {
    for policy in BOTH {
        let (mut alice, mut bob) = talking_with(policy());
        for _ in 0..3 {
            let line = alice.line("to Bob");
            let message = otrv4::wire::unarmour(&line).unwrap();
            let state = bob.state();
            // Up to the MAC. What follows are revealed MAC keys, for which nobody vouches.
            let header = if message[1] == 2 { 3 } else { 11 };
            // Flags, numbers of the keys, next key, counter, text, MAC.
            let end = header + 1 + 8 + (4 + 192) + 8 + (4 + "to Bob\0".len()) + 20;
            for at in 0..end {
                let mut changed = message.clone();
                changed[at] ^= 1;
                bob.receive(&otrv4::wire::armour(&changed));
                assert_eq!(bob.state(), state, "byte {at}");
            }
            bob.take();
            bob.told();
            assert_eq!(bob.receive(&line).heard(), ["to Bob"]);
            let line = bob.line("to Alice");
            assert_eq!(alice.receive(&line).heard(), ["to Alice"]);
        }
    }
}

#[test]
fn long_messages_go_in_fragments_of_the_version_and_in_order() {
    for (policy, prefix) in [(only_3(), "?OTR|"), (only_2(), "?OTR,")] {
        let (mut alice, mut bob) = talking_with(policy);
        alice.session.set_max_line(Some(200)).expect("long enough");
        let text = "many words ".repeat(100);
        alice.say(&text);
        assert!(alice.sent.len() > 5);
        assert!(alice.sent.iter().all(|line| line.starts_with(prefix) && line.len() <= 200));
        deliver(&mut alice, &mut bob);
        assert_eq!(bob.heard(), [text]);
        alice.session.set_max_line(Some(MIN_LINE)).expect("the shortest");
        alice.act(|session, cx| session.start(cx));
        deliver(&mut alice, &mut bob);
        bob.told();
        alice.say("in a new conversation");
        deliver(&mut alice, &mut bob);
        assert_eq!(bob.heard(), ["in a new conversation"]);
    }
}

#[test]
fn padding_hides_the_length() {
    let (mut alice, mut bob) = talking_with(Policy { padding: Padding::Classes, ..only_3() });
    let (short, long) = (alice.line("yes"), alice.line("no, and for many reasons"));
    assert_eq!(short.len(), long.len());
    assert_eq!(bob.receive(&short).heard(), ["yes"]);
    assert_eq!(bob.receive(&long).heard(), ["no, and for many reasons"]);
}

#[test]
fn smp_verifies_the_key_and_a_wrong_answer_takes_nothing_away() {
    for policy in BOTH {
        for question in ["", "where did we meet?"] {
            let (mut alice, mut bob) = talking_with(policy());
            let (of_alice, bobs) = (bob.channels()[0].0, bob.v3_fingerprint());
            let run = |alice: &mut Person, bob: &mut Person, answer: &str| {
                alice.act(|session, cx| {
                    session.smp_start(cx, None, question, "Paris").expect("a conversation")
                });
                deliver(alice, bob);
                let asked = Event::SmpAsked { from: of_alice, question: question.into() };
                assert_eq!(bob.told(), [asked]);
                bob.act(|session, cx| session.smp_answer(cx, of_alice, question, answer).expect("asked"));
                deliver(alice, bob);
            };
            run(&mut alice, &mut bob, "Paris");
            let verified =
                |person: &Person, key| person.account.verification(person.session.correspondent(), key);
            assert_eq!(verified(&alice, bobs), Verification::Smp);
            let expected = if question.is_empty() { Verification::Smp } else { Verification::TheirSmp };
            assert_eq!(verified(&bob, alice.v3_fingerprint()), expected);
            alice.told();
            bob.told();
            run(&mut alice, &mut bob, "London");
            assert!(matches!(alice.told()[..], [Event::SmpFailed { failed: 1, .. }]));
            assert!(matches!(bob.told()[..], [Event::SmpFailed { failed: 1, .. }]));
            assert_eq!(verified(&alice, bobs), Verification::Smp, "an earlier verification stays");
            let line = alice.line("and we go on");
            assert_eq!(bob.receive(&line).heard(), ["and we go on"]);
        }
    }
}

#[test]
fn an_extra_key_is_the_same_on_both_sides_and_version_2_has_none() {
    let (mut alice, mut bob) = talking_with(only_3());
    let keys = |person: &mut Person| {
        let keys = person.told().into_iter().filter_map(|event| match event {
            Event::ExtraKey { key, .. } => Some(key),
            _ => None,
        });
        keys.collect::<Vec<_>>()
    };
    alice
        .act(|session, cx| session.extra_keys(cx, None, &[(*b"file", b"name.txt")]).expect("a conversation"));
    deliver(&mut alice, &mut bob);
    let (of_alice, of_bob) = (keys(&mut alice), keys(&mut bob));
    assert_eq!(of_alice, of_bob);
    assert_eq!(
        (of_alice.len(), of_alice[0].key.len(), of_alice[0].data.as_slice()),
        (1, 32, b"name.txt".as_slice())
    );
    let (mut alice, _) = talking_with(only_2());
    let refused = alice.refuses(|session, cx| session.extra_keys(cx, None, &[(*b"file", b"")]));
    assert_eq!(refused, Refused::NoExtraKeys);
}

#[test]
fn a_listener_sends_heartbeats_and_the_conversation_does_not_expire() {
    for policy in BOTH {
        let (mut alice, mut bob) = talking_with(policy());
        for _ in 0..50 {
            alice.wait(3600);
            bob.wait(3600);
            let line = alice.line("another hour");
            bob.receive(&line);
            assert_eq!(bob.sent.len(), 1, "a heartbeat");
            deliver(&mut alice, &mut bob);
        }
        assert_eq!(bob.heard().len(), 50);
        assert_eq!((alice.channels().len(), bob.channels().len()), (1, 1));
    }
}

#[test]
fn a_conversation_survives_a_restart_at_any_time() {
    for policy in BOTH {
        let (mut alice, mut bob) = talking_with(policy());
        for turn in 0..6 {
            let (from, to) = if turn % 2 == 0 { (&mut alice, &mut bob) } else { (&mut bob, &mut alice) };
            for n in 0..2 {
                let text = format!("{turn}.{n}");
                let line = from.line(&text);
                from.restart();
                assert_eq!(to.receive(&line).heard(), [text]);
                to.restart();
                assert_eq!(to.receive(&line).heard(), [""; 0]);
                to.take();
            }
        }
    }
}
