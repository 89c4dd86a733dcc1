//! People whom our user did not mean: what they may not bring about.

use otrv4::{ContactKey, Event, Refused, Reject};
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

/// Another client under Bob's name that Alice has a conversation with, too.
fn alice_bob_and_another() -> (Person, Person, Person) {
    let (mut alice, bob) = talking();
    let mut another = mallory();
    complete(&mut alice, &mut another);
    alice.told();
    (alice, bob, another)
}

#[test]
fn nothing_goes_out_in_clear_while_somebody_is_encrypted() {
    let (mut alice, bob, another) = alice_bob_and_another();
    let (of_bob, of_another) = (bob.account.tag(), another.account.tag());
    alice.act(|session, cx| session.end_with(cx, of_bob).expect("a client")).take();
    assert_eq!(alice.refused("secret"), Refused::WhichInstance);
    alice.act(|session, cx| session.end_with(cx, of_another).expect("a client")).take();
    assert_eq!(alice.line("in clear, by our own wish"), "in clear, by our own wish");
}

#[test]
fn what_waits_does_not_go_to_another_key_than_the_verified_one() {
    let (mut alice, mut bob) = talking();
    let key = ContactKey::V4(bob.account.fingerprint());
    alice.account.verify_by_hand("bob@example.org", key, alice.now);
    bob.act(|session, cx| session.end(cx));
    deliver(&mut alice, &mut bob);
    alice.act(|session, cx| session.start(cx)).say("for the verified Bob");
    let query_and_more = alice.take();
    let mut mallory = mallory();
    query_and_more.iter().for_each(|line| _ = mallory.receive(line));
    deliver(&mut alice, &mut mallory);
    assert!(alice.told().iter().any(|event| matches!(event, Event::ChangedFingerprint { .. })));
    assert_eq!(mallory.heard(), [""; 0]);
    // It still waits for Bob, who answers later.
    query_and_more.iter().for_each(|line| _ = bob.receive(line));
    deliver(&mut alice, &mut bob);
    assert_eq!(bob.heard(), ["for the verified Bob"]);
    assert_eq!(mallory.heard(), [""; 0]);
}

#[test]
fn what_waits_goes_to_whom_our_user_chooses() {
    let (mut alice, mut bob) = talking();
    let key = ContactKey::V4(bob.account.fingerprint());
    alice.account.verify_by_hand("bob@example.org", key, alice.now);
    bob.act(|session, cx| session.end(cx));
    deliver(&mut alice, &mut bob);
    alice.act(|session, cx| session.start(cx)).say("hello");
    let mut new_phone = mallory();
    deliver(&mut alice, &mut new_phone);
    let tag = new_phone.account.tag();
    alice.act(|session, cx| session.select(cx, tag).expect("a running conversation"));
    deliver(&mut alice, &mut new_phone);
    assert_eq!(new_phone.heard(), ["hello"]);
}

#[test]
fn an_offline_start_with_a_key_that_is_not_the_verified_one_sends_nothing_there_by_itself() {
    let (mut alice, bob) = talking();
    let key = ContactKey::V4(bob.account.fingerprint());
    alice.account.verify_by_hand("bob@example.org", key, alice.now);
    let mut mallory = mallory();
    alice.start_offline(mallory.prekeys(1));
    assert_eq!(alice.refused("secret"), Refused::WhichInstance);
}

#[test]
fn a_new_start_counts_although_a_stranger_is_there() {
    let (mut alice, mut bob, mut another) = alice_bob_and_another();
    bob.act(|session, cx| session.end(cx));
    deliver(&mut alice, &mut bob);
    assert_eq!(alice.refused("to nobody"), Refused::Ended);
    alice.act(|session, cx| session.start(cx)).say("to whoever answers");
    deliver(&mut alice, &mut another);
    assert_eq!(another.heard(), ["to whoever answers"]);
}
