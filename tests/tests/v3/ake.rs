//! The handshake. Protocol-v3 "Receiving a D-H Commit Message" to "Receiving a Signature Message".

use otrv4::wire::{Header, MessageType, Reader, Version, armour, unarmour};
use otrv4::{ContactKey, Event, Policy, Protection, Reject};
use otrv4_tests::{Person, alice_and_bob_with_v3, deliver, dsa_key, talking_with};

use crate::{only_2, only_3};

const BOTH: [fn() -> Policy; 2] = [only_3, only_2];

fn kind(line: &str) -> MessageType {
    Header::read(&mut Reader::new(&unarmour(line).expect("an encoded message")))
        .expect("a header")
        .message_type
}

fn kinds(person: &Person) -> Vec<MessageType> {
    person.sent.iter().map(|line| kind(line)).collect()
}

/// The next of a person's lines.
fn next(person: &mut Person) -> String {
    person.sent.remove(0)
}

fn rejected(person: &mut Person) -> Vec<Reject> {
    let reasons = person.told().into_iter().filter_map(|event| match event {
        Event::Rejected { reason, .. } => Some(reason),
        _ => None,
    });
    reasons.collect()
}

/// Each hears what the other says.
fn assert_they_talk(a: &mut Person, b: &mut Person) {
    a.told();
    b.told();
    for (text, back) in [("one", "two"), ("three", "four")] {
        let line = a.line(text);
        assert_eq!(b.receive(&line).heard(), [text]);
        let line = b.line(back);
        assert_eq!(a.receive(&line).heard(), [back]);
    }
}

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
fn two_clients_answer_one_commit_and_one_query() {
    // Bob's phone and his laptop read the same lines.
    let (mut alice, mut laptop) = alice_and_bob_with_v3(only_3());
    let mut phone = Person::new("bob@example.org", "alice@example.org").with_v3().with(only_3());
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
    let mut phone = Person::new("bob@example.org", "alice@example.org").with_v3().with(only_3());
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

#[test]
fn another_key_under_the_same_tag_does_not_take_over() {
    let (mut alice, bob) = talking_with(only_3());
    let mut thief = Person::new("bob@example.org", "alice@example.org").with(only_3());
    thief.account = otrv4::Account::load(&bob.account.save()).unwrap();
    let taken: Vec<ContactKey> = vec![bob.v3_fingerprint(), alice.v3_fingerprint()];
    let key = (0..4).map(dsa_key).find(|key| !taken.contains(&ContactKey::V3(key.fingerprint())));
    thief.account.set_v3_key(key, &mut otrv4_tests::rng(), thief.now);
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
    let mut other = Person::new("bob@example.org", "alice@example.org").with(only_2());
    let key = (0..4).map(dsa_key).find(|key| {
        ![bob.v3_fingerprint(), alice.v3_fingerprint()].contains(&ContactKey::V3(key.fingerprint()))
    });
    other.account.set_v3_key(key, &mut otrv4_tests::rng(), other.now);
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
