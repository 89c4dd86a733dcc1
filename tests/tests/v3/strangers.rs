//! Whoever sits on the way: what they may not bring about in versions 3 and 2.

use otrv4::wire::{Versions, armour, unarmour};
use otrv4::{ContactKey, Policy, Refused, Reject};
use otrv4_tests::{Person, alice_and_bob_with_v3, deliver, dsa_key, talking_with};

use crate::{BOTH, next, only_2, only_3, rejected};

/// The same message from another client.
fn under_another_tag(line: &str, tag: u32) -> String {
    let mut message = unarmour(line).expect("a message");
    message[3..7].copy_from_slice(&tag.to_be_bytes());
    armour(&message)
}

/// Headers of the handshake are not authenticated: the same D-H Key and Signature come again from another tag.
#[test]
fn one_answer_under_two_tags_makes_one_conversation_and_no_key_serves_two() {
    for copied_at in 0..2 {
        let (mut alice, mut bob) = alice_and_bob_with_v3(only_3());
        bob.act(|session, cx| session.start(cx));
        let query = next(&mut bob);
        let commit = next(alice.receive(&query));
        let key = next(bob.receive(&commit));
        let reveal = next(alice.receive(&key));
        let (key_again, tag) = (under_another_tag(&key, 0x7777_7777), bob.account.tag());
        let signature = next(bob.receive(&reveal));
        let mut fresh = Vec::new();
        if copied_at == 0 {
            fresh.extend(alice.receive(&key_again).take());
        }
        alice.receive(&signature);
        alice.restart();
        if copied_at == 1 {
            fresh.extend(alice.receive(&key_again).take());
        }
        // The other tag is asked with a key of its own, and what was made for the first one is worth nothing there.
        assert_eq!(fresh.len(), 1);
        let hash = |line: &str| unarmour(line).expect("a message").split_off(32);
        assert_ne!(hash(&fresh[0]), hash(&commit));
        alice.receive(&under_another_tag(&signature, 0x7777_7777));
        alice.act(|session, cx| session.end_with(cx, tag).expect("a client"));
        alice.receive(&under_another_tag(&signature, 0x7777_7777));
        alice.receive(&key_again);
        alice.receive(&under_another_tag(&signature, 0x7777_7777));
        assert_eq!(alice.channels().len(), 0);
        alice.take();
        assert_eq!(alice.receive(&key).take(), [""; 0], "nor is the first answer taken again");
    }
}

#[test]
fn our_own_commit_that_comes_back_is_refused_without_an_answer() {
    let (mut alice, _) = alice_and_bob_with_v3(only_2());
    let commit = next(alice.receive("?OTRv2?"));
    assert_eq!(alice.receive(&commit).take(), [""; 0]);
    assert_eq!(rejected(&mut alice), [Reject::OwnMessage]);
}

#[test]
fn clients_that_nobody_writes_to_make_room_for_others() {
    let (mut alice, mut bob) = talking_with(only_3());
    for n in 0..40 {
        let mut stranger = Person::new("bob@example.org", "alice@example.org").with(only_3());
        let key = dsa_key(n);
        if [alice.v3_fingerprint(), bob.v3_fingerprint()].contains(&ContactKey::V3(key.fingerprint())) {
            continue;
        }
        stranger.account.set_v3_key(Some(key), &mut otrv4_tests::rng(), stranger.now);
        let commit = next(stranger.receive("?OTRv3?"));
        alice.receive(&commit);
        deliver(&mut alice, &mut stranger);
        assert_eq!(stranger.channels().len(), 1);
    }
    assert!(alice.channels().len() > 12 && alice.session.instances().count() <= 16);
    assert!(alice.channels().iter().any(|channel| channel.0 == bob.account.tag()), "text goes there");
    let line = alice.line("still for you");
    assert_eq!(bob.receive(&line).heard(), ["still for you"]);
}

#[test]
fn nothing_goes_out_in_clear_when_a_client_that_was_not_selected_ends() {
    for policy in [Policy::default(), only_3()] {
        let (mut alice, mut bob) = talking_with(policy);
        let mut other =
            Person::new("bob@example.org", "alice@example.org").with_v3_unlike(&[&alice, &bob]).with(policy);
        match policy.versions == Versions::V3 {
            true => other.act(|session, cx| session.start(cx)),
            false => other.act(|session, cx| session.start_identity(cx)),
        };
        deliver(&mut alice, &mut other);
        assert_eq!(alice.channels().len(), 2);
        let tag = bob.account.tag();
        alice.act(|session, cx| session.end_with(cx, tag).expect("a client"));
        deliver(&mut alice, &mut bob);
        let refused = alice.refused("to whom?");
        assert!(matches!(refused, Refused::WhichInstance), "{refused:?}");
        other.act(|session, cx| session.end(cx));
        deliver(&mut alice, &mut other);
        assert_eq!(alice.refused("in clear?"), Refused::Ended);
        // Our user says so.
        alice.act(|session, cx| session.end(cx));
        alice.take();
        assert_eq!(alice.line("in clear"), "in clear");
    }
}

#[test]
fn nothing_goes_out_in_clear_when_somebody_ends_to_whom_text_never_went() {
    for policy in BOTH {
        let (mut alice, mut bob) = talking_with(policy());
        let (now, key) = (alice.now, bob.v3_fingerprint());
        alice.account.verify_by_hand("bob@example.org", key, now);
        alice.act(|session, cx| session.end(cx));
        deliver(&mut alice, &mut bob);
        // Another key, which is not verified, gets no text by itself.
        let stranger = Person::new("bob@example.org", "alice@example.org").with_v3_unlike(&[&alice, &bob]);
        let mut stranger = stranger.with(policy());
        stranger.act(|session, cx| session.start(cx));
        deliver(&mut alice, &mut stranger);
        assert_eq!(alice.channels().len(), 1);
        assert_eq!(alice.refused("to whom?"), Refused::WhichInstance);
        stranger.act(|session, cx| session.end(cx));
        deliver(&mut alice, &mut stranger);
        assert_eq!(alice.refused("in clear?"), Refused::Ended);
    }
}

#[test]
fn commits_alone_keep_nobody_waiting_longer_than_one_handshake_may_take() {
    let (mut alice, mut mallory) = alice_and_bob_with_v3(only_3());
    for _ in 0..3 {
        mallory.act(|session, cx| session.end(cx)).take();
        let commit = next(mallory.receive("?OTRv3?"));
        alice.receive(&commit);
        alice.wait(250);
    }
    alice.take();
    assert_eq!(alice.line("hello"), "hello", "750 seconds after the first");
}

#[test]
fn the_text_of_a_conversation_that_our_user_has_ended_is_not_sent_again() {
    let (mut alice, mut bob) = talking_with(only_3());
    alice.say("said before");
    let tag = bob.account.tag();
    alice.act(|session, cx| session.end_with(cx, tag).expect("a client"));
    alice.take();
    alice.receive("?OTR Error: what was that?");
    bob.act(|session, cx| session.start(cx));
    deliver(&mut alice, &mut bob);
    assert_eq!(bob.heard(), [""; 0]);
}

#[test]
fn an_idle_conversation_of_version_3_stays() {
    let (mut alice, mut bob) = talking_with(only_3());
    alice.wait(30 * 24 * 3600);
    bob.wait(30 * 24 * 3600);
    let line = alice.line("after a month");
    assert_eq!(bob.receive(&line).heard(), ["after a month"]);
}

#[test]
fn a_verification_needs_the_key_of_its_version() {
    let (mut alice, bob) = talking_with(only_3());
    let now = alice.now;
    alice.account.set_v3_key(None, &mut otrv4_tests::rng(), now);
    let refused = alice.refuses(|session, cx| session.smp_start(cx, None, "", "secret"));
    assert_eq!(refused, Refused::Version);
    assert_eq!(bob.v3_fingerprint(), alice.channels()[0].2);
}
