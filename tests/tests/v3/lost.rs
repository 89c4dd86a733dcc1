//! Messages that could not be read, since a side has lost its keys. spec-notes/SN-042

use otrv4::session::EndedBy;
use otrv4::{Event, Policy, Session};
use otrv4_tests::{Person, deliver, talking_with};

use crate::{only_2, only_3};

/// The process ends and its conversation is gone; the account stays.
fn forgets(person: &mut Person) {
    let correspondent = person.session.correspondent().to_owned();
    person.session = Session::new(&correspondent, person.policy);
}

fn is_rejected(event: &Event) -> bool {
    matches!(event, Event::Rejected { .. })
}

fn is_error(event: &Event) -> bool {
    matches!(event, Event::TheirError { .. })
}

fn resent(event: &Event) -> bool {
    matches!(event, Event::Resent { .. })
}

#[test]
fn both_sides_are_told_and_the_text_goes_again_in_the_next_conversation() {
    for policy in [only_3(), only_2()] {
        let (mut alice, mut bob) = talking_with(policy);
        forgets(&mut bob);
        alice.say("are you there?");
        deliver(&mut alice, &mut bob);
        assert!(bob.told().iter().any(is_rejected));
        assert!(alice.told().iter().any(is_error));
        assert!(alice.channels().len() == 1 && bob.channels().is_empty(), "no new one by itself");
        alice.act(|session, cx| session.start(cx));
        deliver(&mut alice, &mut bob);
        assert!(alice.told().iter().any(resent));
        assert_eq!(bob.heard(), ["[resent] are you there?"]);
        // Once.
        alice.act(|session, cx| session.start(cx));
        deliver(&mut alice, &mut bob);
        assert_eq!(bob.heard(), [""; 0]);
    }
}

#[test]
fn an_error_starts_a_new_handshake_if_the_policy_says_so_and_at_most_once_a_minute() {
    for policy in [only_3(), only_2()] {
        let (mut alice, mut bob) = talking_with(Policy { start_on_error: true, ..policy });
        forgets(&mut bob);
        alice.say("are you there?");
        deliver(&mut alice, &mut bob);
        assert_eq!(bob.heard(), ["[resent] are you there?"]);
        alice.told();
        for (after, queries) in [(0, 0), (58, 0), (1, 0), (1, 1)] {
            alice.wait(after);
            alice.receive("?OTR Error: You sent something");
            let sent = alice.take();
            assert_eq!(sent.len(), queries, "{after}: {sent:?}");
        }
    }
}

#[test]
fn another_key_never_gets_the_text() {
    let (mut alice, mut bob) = talking_with(Policy { start_on_error: true, ..only_3() });
    let mallory = Person::new("bob@example.org", "alice@example.org").with(only_3());
    let mut mallory = mallory.with_v3_unlike(&[&alice, &bob]);
    alice.say("for Bob");
    // Mallory keeps the line, and complains in Bob's name.
    alice.take();
    alice.receive("?OTR Error: I could not read this");
    deliver(&mut alice, &mut mallory);
    assert_eq!(mallory.channels().len(), 1);
    assert!(!alice.told().iter().any(resent), "another key");
    assert_eq!(mallory.heard(), [""; 0]);
    alice.told();
    // Bob himself does.
    forgets(&mut bob);
    bob.act(|session, cx| session.start(cx));
    deliver(&mut alice, &mut bob);
    assert_eq!(bob.heard(), ["[resent] for Bob"]);
}

#[test]
fn what_was_answered_or_is_long_ago_is_not_sent_again() {
    let (mut alice, mut bob) = talking_with(only_3());
    alice.say("one");
    deliver(&mut alice, &mut bob);
    bob.say("two");
    deliver(&mut alice, &mut bob);
    bob.told();
    alice.receive("?OTR Error: what?");
    alice.act(|session, cx| session.start(cx));
    deliver(&mut alice, &mut bob);
    assert_eq!(bob.heard(), [""; 0], "it was answered");
    alice.say("three");
    alice.take();
    alice.receive("?OTR Error: what?");
    alice.wait(120);
    bob.wait(120);
    alice.act(|session, cx| session.start(cx));
    deliver(&mut alice, &mut bob);
    assert_eq!(bob.heard(), [""; 0], "two minutes ago");
}

#[test]
fn a_message_of_no_conversation_that_need_not_be_read_is_passed_over() {
    let (mut alice, mut bob) = talking_with(only_3());
    forgets(&mut bob);
    alice.act(|session, cx| session.heartbeat(cx, None).expect("a conversation"));
    deliver(&mut alice, &mut bob);
    assert_eq!((bob.told(), alice.told()), (vec![], vec![]));
}

#[test]
fn an_end_is_told_and_nothing_goes_out_in_clear_after_it() {
    for policy in [only_3(), only_2()] {
        let (mut alice, mut bob) = talking_with(policy);
        bob.act(|session, cx| session.end(cx));
        deliver(&mut alice, &mut bob);
        let ended = |event: &Event| matches!(event, Event::Ended { by: EndedBy::Them, .. });
        assert!(alice.told().iter().any(ended));
        alice.refused("nobody reads this");
        bob.told();
        alice.act(|session, cx| session.start(cx));
        deliver(&mut alice, &mut bob);
        bob.told();
        let line = alice.line("again");
        assert_eq!(bob.receive(&line).heard(), ["again"]);
    }
}
