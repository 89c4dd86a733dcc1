//! Versions side by side: which one is chosen, and what may not be brought down. spec-notes/SN-039

use otrv4::wire::{Version, Versions};
use otrv4::{ContactKey, Policy, Reject};
use otrv4_tests::{Person, alice_and_bob_with_v3, deliver, talking_with};

use crate::{only_2, only_3, rejected};

fn all() -> Policy {
    Policy { allow_v2: true, ..Policy::default() }
}

#[test]
fn the_newest_common_version_is_chosen() {
    let only_4 = Policy { versions: Versions::V4, ..Policy::default() };
    let policies = [
        (only_4, 0b1_0000),
        (only_3(), 0b0_1000),
        (only_2(), 0b0_0100),
        (Policy::default(), 0b1_1000),
        (all(), 0b1_1100),
    ];
    for (a, of_a) in policies {
        for (b, of_b) in policies {
            let (mut alice, mut bob) = alice_and_bob_with_v3(a);
            bob = bob.with(b);
            alice.act(|session, cx| session.start(cx));
            deliver(&mut alice, &mut bob);
            let common: u32 = of_a & of_b;
            let expected = [(4, Version::V4), (3, Version::V3), (2, Version::V2)];
            let expected =
                expected.into_iter().find(|(bit, _)| common >> bit & 1 == 1).map(|(_, version)| version);
            assert_eq!(alice.channels().first().map(|channel| channel.1), expected, "{of_a:b} {of_b:b}");
            assert_eq!(bob.channels().first().map(|channel| channel.1), expected);
        }
    }
}

#[test]
fn an_account_without_a_key_of_version_3_speaks_version_4_alone() {
    let (mut alice, mut bob) = otrv4_tests::alice_and_bob();
    bob = bob.with_v3();
    alice.act(|session, cx| session.start(cx));
    assert_eq!(alice.sent, ["?OTRv4?"]);
    deliver(&mut alice, &mut bob);
    assert_eq!(alice.channels()[0].1, Version::V4);
    assert_eq!(alice.receive("?OTRv23?").take(), [""; 0]);
    assert_eq!(rejected(&mut alice), [Reject::Version]);
    assert_eq!(alice.account.client_profile().versions(), Versions::V4);
    assert_eq!(bob.account.client_profile().versions(), Versions::V34);
    assert!(bob.account.client_profile().dsa_key().is_some());
}

#[test]
fn versions_1_and_2_are_refused_with_an_event_unless_2_is_allowed() {
    let (mut alice, _) = alice_and_bob_with_v3(Policy::default());
    for (query, reason) in [
        ("?OTR?", Reject::Version1),
        ("?OTRv2?", Reject::Version),
        ("?OTR?v2?", Reject::Version),
        ("?OTRv?", Reject::Version),
    ] {
        assert_eq!(alice.receive(query).take(), [""; 0], "{query}");
        assert_eq!(rejected(&mut alice), [reason], "{query}");
    }
    let (mut alice, _) = alice_and_bob_with_v3(all());
    assert_eq!(alice.receive("?OTR?v2?").take().len(), 1);
}

#[test]
fn queries_as_people_s_clients_write_them_are_understood() {
    for query in [
        "?OTRv23?\n<b>bob@example.org</b> has requested an <a href=\"https://otr.cypherpunks.ca/\">Off-the-Record private conversation</a>.  However, you do not have a plugin to support that.\nSee <a href=\"https://otr.cypherpunks.ca/\">https://otr.cypherpunks.ca/</a> for more information.",
        "?OTR?v23? This user has requested an Off-the-Record private conversation.",
        "<html><body>?OTRv23?</body></html>",
        "\n  ?OTRv3?\n",
    ] {
        let (mut alice, _) = alice_and_bob_with_v3(Policy::default());
        let sent = alice.receive(query).take();
        assert_eq!(sent.len(), 1, "{query}");
        assert!(sent[0].starts_with("?OTR:AAMC"), "a D-H Commit of version 3");
    }
}

#[test]
fn a_whitespace_tag_at_either_end_starts_what_it_offers() {
    let tag = otrv4::wire::whitespace_tag(Versions::V3.with(2));
    for text in [format!("hello{tag}"), format!("{tag}hello"), format!("<b>hel{tag}lo</b>")] {
        let (mut alice, _) = alice_and_bob_with_v3(Policy::default());
        let sent = alice.receive(&text).take();
        assert!(sent[0].starts_with("?OTR:AAMC"), "{text}");
    }
}

#[test]
fn a_handshake_of_version_3_leaves_a_conversation_of_version_4_alone() {
    let (mut alice, mut bob) = talking_with(Policy::default());
    let before = alice.channels();
    assert_eq!(before[0].1, Version::V4);
    *bob.session.policy() = only_3();
    bob.act(|session, cx| session.end(cx));
    // The end is lost on the way; Bob begins anew in version 3, from the same client.
    bob.take();
    bob.act(|session, cx| session.start(cx));
    deliver(&mut alice, &mut bob);
    assert_eq!(alice.channels(), before);
    assert!(rejected(&mut alice).contains(&Reject::Downgrade));
    let commit = bob.receive("?OTRv3?").take().remove(0);
    let state = alice.state();
    assert_eq!(alice.receive(&commit).take(), [""; 0]);
    assert_eq!(rejected(&mut alice), [Reject::Downgrade]);
    assert_eq!(alice.state(), state);
    // Not even where the policy lets them fall back: what runs in version 4 is ended by our user first.
    alice.session.policy().allow_fallback = true;
    alice.receive(&commit);
    assert_eq!(rejected(&mut alice), [Reject::Downgrade]);
    alice.act(|session, cx| session.end(cx));
    alice.take();
    bob.act(|session, cx| session.start(cx));
    deliver(&mut alice, &mut bob);
    assert_eq!(alice.channels()[0].1, Version::V3);
}

#[test]
fn whoever_is_known_to_speak_version_4_is_brought_down_only_if_the_policy_says_so() {
    for allowed in [false, true] {
        let (mut alice, mut bob) = talking_with(Policy { allow_fallback: allowed, ..Policy::default() });
        alice.act(|session, cx| session.end(cx));
        deliver(&mut alice, &mut bob);
        *bob.session.policy() = only_3();
        bob.act(|session, cx| session.end(cx)).told();
        alice.told();
        alice.act(|session, cx| session.start(cx));
        deliver(&mut alice, &mut bob);
        assert_eq!(alice.channels().len(), usize::from(allowed));
        assert_eq!(rejected(&mut alice).contains(&Reject::Downgrade), !allowed);
    }
}

#[test]
fn version_2_never_takes_the_place_of_a_newer_one() {
    let (mut alice, mut bob) =
        talking_with(Policy { versions: Versions::V3, allow_v2: true, ..Policy::default() });
    let before = alice.channels();
    assert_eq!(before[0].1, Version::V3);
    assert_eq!(alice.receive("?OTRv2?").take(), [""; 0]);
    assert_eq!(rejected(&mut alice), [Reject::Downgrade]);
    *bob.session.policy() = only_2();
    let commit = bob.receive("?OTRv2?").take();
    // Bob's own conversation of version 3 is in the way, too.
    assert_eq!(commit, [""; 0]);
    let (mut other, _) = alice_and_bob_with_v3(only_2());
    let commit = other.receive("?OTRv2?").take().remove(0);
    alice.receive(&commit);
    assert_eq!(rejected(&mut alice), [Reject::Downgrade]);
    assert_eq!(alice.channels(), before);
}

#[test]
fn a_conversation_of_version_3_is_refreshed_in_it_and_the_next_one_is_of_version_4() {
    let (mut alice, mut bob) = talking_with(only_3());
    for person in [&mut alice, &mut bob] {
        person.policy = Policy::default();
        *person.session.policy() = Policy::default();
    }
    // Fresh keys come in the version that runs: a query would make libotr write in clear for a while.
    let before = alice.channels();
    alice.act(|session, cx| session.start(cx));
    assert!(alice.sent[0].starts_with("?OTR:AAMC"), "a D-H Commit of version 3");
    deliver(&mut alice, &mut bob);
    assert_eq!((alice.channels()[0].1, alice.channels()[0].2), (before[0].1, before[0].2));
    assert_ne!(alice.channels()[0].3, before[0].3);
    alice.act(|session, cx| session.end(cx));
    deliver(&mut alice, &mut bob);
    alice.act(|session, cx| session.start(cx));
    assert_eq!(alice.sent, ["?OTRv34?"]);
    bob.act(|session, cx| session.end(cx));
    deliver(&mut alice, &mut bob);
    assert_eq!((alice.channels()[0].1, bob.channels()[0].1), (Version::V4, Version::V4));
    alice.told();
    bob.told();
    let line = alice.line("in version 4");
    assert_eq!(bob.receive(&line).heard(), ["in version 4"]);
}

#[test]
fn where_a_key_is_verified_another_of_version_4_takes_its_place_only_when_it_is_verified_too() {
    let (mut alice, mut bob) = talking_with(only_3());
    let (now, of_bob) = (alice.now, bob.v3_fingerprint());
    alice.account.verify_by_hand("bob@example.org", of_bob, now);
    let before = alice.channels();
    for person in [&mut alice, &mut bob] {
        person.policy = Policy::default();
        *person.session.policy() = Policy::default();
    }
    // Whoever sits on the way begins one under Bob's tag, while our user refreshes the keys.
    let mut mallory = Person::new("bob@example.org", "alice@example.org");
    mallory.account = otrv4::Account::load(&bob.account.save()).unwrap();
    mallory.account.set_v3_key(None, &mut otrv4_tests::rng(), mallory.now);
    alice.act(|session, cx| session.start(cx)).take();
    mallory.act(|session, cx| session.start_identity(cx));
    deliver(&mut alice, &mut mallory);
    assert_eq!(alice.channels(), before);
    assert!(rejected(&mut alice).contains(&Reject::OtherKey));
    // Nor does an unverified key of version 4 keep Bob from coming back in version 3.
    let mut stranger = Person::new("bob@example.org", "alice@example.org");
    stranger.act(|session, cx| session.start_identity(cx));
    deliver(&mut alice, &mut stranger);
    assert_eq!(alice.channels().len(), 2);
    *bob.session.policy() = only_3();
    bob.act(|session, cx| session.end(cx));
    deliver(&mut alice, &mut bob);
    bob.act(|session, cx| session.start(cx));
    deliver(&mut alice, &mut bob);
    assert!(alice.channels().iter().any(|channel| channel.2 == of_bob));
    bob.told();
    let line = alice.line("for Bob");
    assert_eq!(bob.receive(&line).heard(), ["for Bob"]);
}

#[test]
fn nobody_takes_over_a_conversation_of_version_3_with_a_key_of_version_4() {
    let (mut alice, bob) = talking_with(only_3());
    *alice.session.policy() = Policy::default();
    // Somebody on the way, under Bob's tag.
    let mut mallory = Person::new("bob@example.org", "alice@example.org");
    let theirs = otrv4::Account::load(&bob.account.save()).unwrap();
    mallory.account = theirs;
    mallory.account.set_v3_key(None, &mut otrv4_tests::rng(), mallory.now);
    let before = alice.channels();
    mallory.act(|session, cx| session.start_identity(cx));
    deliver(&mut alice, &mut mallory);
    assert_eq!(alice.channels(), before);
    assert!(rejected(&mut alice).contains(&Reject::OtherKey));
    // A key that our user has verified may: it is the correspondent's.
    let key = ContactKey::V4(mallory.account.fingerprint());
    let now = alice.now;
    alice.account.verify_by_hand("bob@example.org", key, now);
    mallory.act(|session, cx| session.end(cx)).take();
    mallory.act(|session, cx| session.start_identity(cx));
    deliver(&mut alice, &mut mallory);
    assert_eq!(alice.channels()[0].1, Version::V4);
}
