//! The handshake, by its table. OTRv3 "Receiving a D-H Commit Message" to "Receiving a Signature Message".

use otrv4::wire::{MessageType, Version, armour, unarmour};
use otrv4::{Event, Reject};
use otrv4_tests::{Person, alice_and_bob_with_v3, deliver};

use crate::{BOTH, assert_they_talk, kind, kinds, next, only_2, only_3, rejected};

#[test]
fn a_query_leads_to_a_conversation_with_the_right_keys() {
    for (policy, version) in [(only_3(), Version::V3), (only_2(), Version::V2)] {
        let (mut alice, mut bob) = alice_and_bob_with_v3(policy);
        alice.act(|session, cx| session.start(cx));
        assert_eq!(alice.sent, [format!("?OTRv{}?", version.number())]);
        deliver(&mut alice, &mut bob);
        let (of_alice, of_bob) = (alice.channels(), bob.channels());
        assert_eq!((of_alice.len(), of_bob.len()), (1, 1));
        assert_eq!((of_alice[0].1, of_bob[0].1), (version, version));
        assert_eq!((of_alice[0].2, of_bob[0].2), (bob.v3_fingerprint(), alice.v3_fingerprint()));
        let (ssid_a, ssid_b) = (of_alice[0].3, of_bob[0].3);
        assert_eq!(ssid_a.bytes(), ssid_b.bytes());
        // "If the user transmitted the Reveal Signature message …, display the first 32 bits in bold": Bob did.
        assert_eq!((ssid_a.ours_is_first(), ssid_b.ours_is_first()), (false, true));
        let old = |event: &Event| matches!(event, Event::OldVersion { version: Version::V2, .. });
        assert_eq!(alice.told().iter().any(old), version == Version::V2);
        assert_they_talk(&mut alice, &mut bob);
    }
}

#[test]
fn both_who_ask_at_once_find_one_conversation() {
    for policy in BOTH {
        for _ in 0..4 {
            let (mut alice, mut bob) = alice_and_bob_with_v3(policy());
            alice.act(|session, cx| session.start(cx));
            bob.act(|session, cx| session.start(cx));
            alice.say("typed while it runs");
            let (a, b) = (next(&mut alice), next(&mut bob));
            bob.receive(&a);
            alice.receive(&b);
            // Both have sent a Commit; the one with the lower hash gives way.
            assert_eq!(
                (kinds(&alice), kinds(&bob)),
                (vec![MessageType::DhCommit], vec![MessageType::DhCommit])
            );
            deliver(&mut alice, &mut bob);
            assert_eq!(alice.channels()[0].3.bytes(), bob.channels()[0].3.bytes());
            assert_eq!(bob.heard(), ["typed while it runs"]);
            assert_they_talk(&mut alice, &mut bob);
        }
    }
}

#[test]
fn of_two_crossing_commits_the_lower_hash_gives_way() {
    for policy in BOTH {
        let (mut alice, mut bob) = alice_and_bob_with_v3(policy());
        let query = "?OTRv23?";
        alice.receive(query);
        bob.receive(query);
        let (of_alice, of_bob) = (next(&mut alice), next(&mut bob));
        let hash = |line: &str| unarmour(line).unwrap().split_off(unarmour(line).unwrap().len() - 32);
        alice.receive(&of_bob);
        bob.receive(&of_alice);
        let (winner, loser, commit) = match hash(&of_alice) > hash(&of_bob) {
            true => (&mut alice, &mut bob, &of_alice),
            false => (&mut bob, &mut alice, &of_bob),
        };
        assert_eq!(winner.sent, [commit.as_str()], "resends its own");
        assert_eq!(kinds(loser), [MessageType::DhKey]);
        deliver(&mut alice, &mut bob);
        assert_they_talk(&mut alice, &mut bob);
    }
}

#[test]
fn a_second_commit_while_one_waits_gets_the_same_key_again() {
    for policy in BOTH {
        let (mut alice, mut bob) = alice_and_bob_with_v3(policy());
        alice.act(|session, cx| session.start(cx));
        let query = next(&mut alice);
        let first = next(bob.receive(&query));
        let key = next(alice.receive(&first));
        // Bob has lost his state, and begins again.
        bob.act(|session, cx| session.end(cx));
        let second = next(bob.receive(&query));
        assert_ne!(first, second);
        assert_eq!(alice.receive(&second).take(), [key.as_str()], "the same D-H Key");
        // The new Commit counts, the first one no longer.
        bob.receive(&key);
        deliver(&mut alice, &mut bob);
        assert_they_talk(&mut alice, &mut bob);
    }
}

#[test]
fn a_commit_while_the_signature_is_awaited_gets_a_new_key() {
    for policy in BOTH {
        let (mut alice, mut bob) = alice_and_bob_with_v3(policy());
        bob.act(|session, cx| session.start(cx));
        let query = next(&mut bob);
        let commit = next(alice.receive(&query));
        let key = next(bob.receive(&commit));
        let reveal = next(alice.receive(&key));
        assert_eq!(kind(&reveal), MessageType::RevealSignature);
        // Bob begins one himself, from the other end.
        bob.act(|session, cx| session.end(cx));
        let theirs = next(bob.receive("?OTRv23?"));
        alice.receive(&theirs);
        assert_eq!(kinds(&alice), [MessageType::DhKey]);
        bob.receive(&reveal);
        assert_eq!(rejected(&mut bob), [Reject::Unexpected], "of the handshake before");
        deliver(&mut alice, &mut bob);
        assert_they_talk(&mut alice, &mut bob);
    }
}

#[test]
fn a_query_that_overtakes_the_signature_costs_nothing_that_was_written_meanwhile() {
    for policy in BOTH {
        let (mut alice, mut bob) = alice_and_bob_with_v3(policy());
        alice.act(|session, cx| session.start(cx));
        let query = next(&mut alice);
        let commit = next(bob.receive(&query));
        let dh_key = next(alice.receive(&commit));
        let reveal_signature = next(bob.receive(&dh_key));
        let signature = next(alice.receive(&reveal_signature));
        let text = alice.line("already here");

        let second_commit = next(bob.receive(&query));
        assert_ne!(commit, second_commit);
        assert!(bob.receive(&signature).channels().len() == 1);
        assert_eq!(bob.receive(&text).heard(), ["already here"]);
        let before = bob.channels()[0].3;
        assert_they_talk(&mut alice, &mut bob);

        // The second handshake goes on, and a third Signature message is nobody's.
        alice.receive(&second_commit);
        deliver(&mut alice, &mut bob);
        assert_ne!(bob.channels()[0].3.bytes(), before.bytes());
        assert_they_talk(&mut alice, &mut bob);
        assert_eq!(rejected(bob.receive(&signature)), [Reject::Unexpected]);
    }
}

#[test]
fn a_signature_that_comes_after_the_answer_to_a_later_commit_is_ignored() {
    for policy in BOTH {
        let (mut alice, mut bob) = alice_and_bob_with_v3(policy());
        alice.act(|session, cx| session.start(cx));
        let query = next(&mut alice);
        let commit = next(bob.receive(&query));
        let dh_key = next(alice.receive(&commit));
        let reveal_signature = next(bob.receive(&dh_key));
        let late = next(alice.receive(&reveal_signature));
        let commit = next(bob.receive(&query));
        let dh_key = next(alice.receive(&commit));
        bob.receive(&dh_key);
        assert_eq!(kinds(&bob), [MessageType::RevealSignature]);
        bob.told();
        assert_eq!(rejected(bob.receive(&late)), [Reject::Forged]);
        assert!(bob.channels().is_empty());
        deliver(&mut alice, &mut bob);
        assert_they_talk(&mut alice, &mut bob);
    }
}

#[test]
fn the_same_d_h_key_again_gets_the_same_reveal_signature_and_another_one_nothing() {
    for policy in BOTH {
        let (mut alice, mut bob) = alice_and_bob_with_v3(policy());
        alice.act(|session, cx| session.start(cx));
        let query = next(&mut alice);
        let commit = next(bob.receive(&query));
        let key = next(alice.receive(&commit));
        let reveal = next(bob.receive(&key));
        assert_eq!(bob.receive(&key).take(), [reveal.as_str()]);
        let (mut other, _) = alice_and_bob_with_v3(policy());
        other.act(|session, cx| session.start(cx)).take();
        let other_key = next(other.receive(&commit));
        // The same sender, another key.
        let mut message = unarmour(&key).unwrap();
        let theirs = unarmour(&other_key).unwrap();
        let at = message.len() - 100;
        message[at..].copy_from_slice(&theirs[theirs.len() - 100..]);
        bob.receive(&armour(&message));
        assert_eq!(bob.sent.len(), 0);
        assert_eq!(rejected(&mut bob).len(), 1);
        alice.receive(&reveal);
        deliver(&mut alice, &mut bob);
        assert_they_talk(&mut alice, &mut bob);
        // When all is over, every message of it is one too many.
        for line in [&key, &reveal] {
            let state = (alice.state(), bob.state());
            alice.receive(line);
            bob.receive(line);
            assert_eq!((alice.state(), bob.state()), state);
            assert_eq!((alice.sent.len(), bob.sent.len()), (0, 0));
        }
        assert_they_talk(&mut alice, &mut bob);
    }
}

#[test]
fn two_clients_answer_one_commit_and_one_query() {
    // Bob's phone and his laptop read the same lines.
    let (mut alice, mut laptop) = alice_and_bob_with_v3(only_3());
    let mut phone =
        Person::new("bob@example.org", "alice@example.org").with_v3_unlike(&[&alice, &laptop]).with(only_3());
    alice.act(|session, cx| session.start(cx));
    for _ in 0..5 {
        for line in alice.take() {
            laptop.receive(&line);
            phone.receive(&line);
        }
        let back: Vec<String> = laptop.take().into_iter().chain(phone.take()).collect();
        back.iter().for_each(|line| _ = alice.receive(line));
    }
    assert_eq!((alice.channels().len(), laptop.channels().len(), phone.channels().len()), (2, 1, 1));
    // And the other way round: one query of Bob's account, which Alice answers by one Commit for both.
    let (mut alice, mut laptop) = alice_and_bob_with_v3(only_3());
    let mut phone =
        Person::new("bob@example.org", "alice@example.org").with_v3_unlike(&[&alice, &laptop]).with(only_3());
    laptop.act(|session, cx| session.start(cx));
    phone.act(|session, cx| session.start(cx));
    phone.take();
    let query = next(&mut laptop);
    alice.receive(&query);
    for _ in 0..5 {
        for line in alice.take() {
            laptop.receive(&line);
            phone.receive(&line);
        }
        let back: Vec<String> = laptop.take().into_iter().chain(phone.take()).collect();
        back.iter().for_each(|line| _ = alice.receive(line));
    }
    assert_eq!((alice.channels().len(), laptop.channels().len(), phone.channels().len()), (2, 1, 1));
    alice.told();
    let tag = phone.account.tag();
    alice.act(|session, cx| session.send(cx, Some(tag), "for the phone").expect("a client"));
    let line = next(&mut alice);
    assert_eq!(phone.receive(&line).heard(), ["for the phone"]);
}

#[test]
fn a_handshake_survives_a_restart_at_every_step() {
    for policy in BOTH {
        let (mut alice, mut bob) = alice_and_bob_with_v3(policy());
        alice.act(|session, cx| session.start(cx));
        for _ in 0..5 {
            let (to_bob, to_alice) = (alice.take(), bob.take());
            for line in to_bob {
                bob.receive(&line);
                bob.restart();
            }
            for line in to_alice {
                alice.receive(&line);
                alice.restart();
            }
        }
        assert_they_talk(&mut alice, &mut bob);
    }
}

#[test]
fn a_handshake_that_nobody_goes_on_with_is_given_up_after_ten_minutes() {
    let (mut alice, mut bob) = alice_and_bob_with_v3(only_3());
    let commit = next(alice.receive("?OTRv3?"));
    let key = next(bob.receive(&commit));
    let empty = |person: &Person| person.session.instances().count() == 0;
    assert!(!empty(&bob));
    bob.wait(599);
    assert!(!empty(&bob));
    bob.wait(1);
    alice.wait(600);
    assert!(empty(&bob));
    assert_eq!(alice.receive(&key).take(), [""; 0]);
    assert_eq!(rejected(&mut alice), [Reject::Unexpected]);
}
