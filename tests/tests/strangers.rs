//! People whom our user did not mean: what they may not bring about.

use otrv4::{Event, Refused, Reject};
use otrv4_tests::{Person, deliver, talking};

/// Somebody who writes under Bob's name with a key and a tag of their own.
fn mallory() -> Person {
    Person::new("bob@example.org", "alice@example.org")
}

/// Mallory starts and completes a handshake with Alice.
fn complete(alice: &mut Person, mallory: &mut Person) {
    mallory.act(|session, cx| session.start_identity(cx));
    deliver(alice, mallory);
    assert_eq!(mallory.secure().len(), 1);
}

#[test]
fn a_stranger_who_completes_a_handshake_does_not_get_our_text() {
    let (mut alice, mut bob) = talking();
    let mut mallory = mallory();
    complete(&mut alice, &mut mallory);
    assert!(alice.told().iter().any(|event| matches!(event, Event::Secure { .. })), "our user is told");
    let line = alice.line("for Bob");
    mallory.receive(&line);
    assert_eq!(mallory.heard(), [""; 0]);
    assert_eq!(bob.receive(&line).heard(), ["for Bob"]);
    // Unless our user says so.
    let tag = mallory.account.tag();
    alice.act(|session, cx| session.select(cx, tag).expect("a running conversation"));
    alice.restart();
    let line = alice.line("for Mallory");
    assert_eq!(mallory.receive(&line).heard(), ["for Mallory"]);
    alice.act(|session, cx| session.end_with(cx, tag).expect("a client"));
    assert_eq!(alice.secure().len(), 1);
}

#[test]
fn a_stranger_does_not_take_over_a_conversation_that_has_ended() {
    let (mut alice, mut bob) = talking();
    bob.act(|session, cx| session.end(cx));
    deliver(&mut alice, &mut bob);
    let mut mallory = mallory();
    mallory.act(|session, cx| session.start_identity(cx));
    mallory.take().iter().for_each(|line| _ = alice.receive(line));
    assert_eq!(alice.refused("nobody is there"), Refused::Ended);
    alice.take().iter().for_each(|line| _ = mallory.receive(line));
    deliver(&mut alice, &mut mallory);
    assert_eq!(alice.refused("nobody is there yet"), Refused::Ended);
    // Bob himself may come back.
    bob.act(|session, cx| session.start_identity(cx));
    deliver(&mut alice, &mut bob);
    bob.told();
    let line = alice.line("there you are");
    assert_eq!(bob.receive(&line).heard(), ["there you are"]);
}

#[test]
fn a_query_of_a_stranger_moves_nothing() {
    let (mut alice, mut bob) = talking();
    let mut mallory = mallory();
    alice.receive("?OTRv4?");
    deliver(&mut alice, &mut mallory);
    assert_eq!(alice.secure().len(), 2);
    let line = alice.line("for Bob");
    assert_eq!(bob.receive(&line).heard(), ["for Bob"]);
}

#[test]
fn text_for_one_client_is_not_sent_to_another() {
    let (mut alice, mut bob) = talking();
    let mut rng = otrv4_tests::rng();
    let stranger = mallory().account.tag();
    let mut cx = otrv4::Context { account: &mut alice.account, rng: &mut rng, now: alice.now };
    let refused = alice.session.send(&mut cx, Some(stranger), "for the phone");
    assert_eq!(refused, Err(Refused::NoSuchInstance(stranger)));
    bob.act(|session, cx| session.end(cx));
}

#[test]
fn seventeen_ensembles_start_sixteen_conversations_and_more_start_none() {
    let mut alice = Person::new("alice@example.org", "bob@example.org");
    let clients: Vec<_> = (0..17).map(|_| mallory().prekeys(1).remove(0)).collect();
    alice.start_offline(clients);
    assert_eq!(alice.secure().len(), 16);
    assert_eq!(alice.take().len(), 16);

    let before = alice.state();
    let mut rng = otrv4_tests::rng();
    let one_more = mallory().prekeys(1);
    let mut cx = otrv4::Context { account: &mut alice.account, rng: &mut rng, now: alice.now };
    assert_eq!(alice.session.start_offline(&mut cx, one_more), Err(Refused::TooManyInstances));
    assert_eq!(alice.state(), before);
}

#[test]
fn a_used_place_is_refused_to_a_stranger_and_said() {
    let (mut alice, _bob) = talking();
    for _ in 0..15 {
        complete(&mut alice, &mut mallory());
    }
    alice.told();
    let mut one_more = mallory();
    one_more.act(|session, cx| session.start_identity(cx));
    one_more.take().iter().for_each(|line| _ = alice.receive(line));
    let tag = one_more.account.tag();
    assert_eq!(alice.told(), [Event::Rejected { from: Some(tag), reason: Reject::TooManyInstances }]);
}
