//! Offline conversations: from an ensemble, in any order, once.

use otrv4::{Event, Mode, PrekeyEnsemble, Refused, Reject};
use otrv4_tests::{Person, alice_and_bob, assert_same_conversation, deliver, talking};

fn written_to_bob_while_away() -> (Person, Person, Vec<String>) {
    let (mut alice, mut bob) = alice_and_bob();
    let ensembles = bob.prekeys(1);
    alice.start_offline(ensembles);
    ["one", "two", "three"].iter().for_each(|text| _ = alice.say(text));
    let lines = alice.take();
    assert_eq!(lines.len(), 4);
    (alice, bob, lines)
}

#[test]
fn what_was_written_while_bob_was_away_is_read_and_answered() {
    let (mut alice, mut bob, lines) = written_to_bob_while_away();
    bob.restart();
    lines.iter().for_each(|line| _ = bob.receive(line));
    assert_same_conversation(&alice, &bob);
    assert!(bob.events.iter().any(|event| matches!(event, Event::Secure { mode: Mode::Offline, .. })));
    assert_eq!(bob.heard(), ["one", "two", "three"]);
    for turn in 0..8 {
        let line = bob.line(&format!("answer {turn}"));
        assert_eq!(alice.receive(&line).heard(), [format!("answer {turn}")]);
        let line = alice.line(&format!("reply {turn}"));
        assert_eq!(bob.receive(&line).heard(), [format!("reply {turn}")]);
    }
}

#[test]
fn somebody_who_has_no_mac_keys_to_reveal_may_write_first() {
    let (mut alice, mut bob, lines) = written_to_bob_while_away();
    bob.receive(&lines[0]);
    let line = bob.line("before he has read anything");
    assert_eq!(alice.receive(&line).heard(), ["before he has read anything"]);
    lines[1..].iter().for_each(|line| _ = bob.receive(line));
    assert_eq!(bob.heard(), ["one", "two", "three"]);
}

#[test]
fn data_that_overtakes_the_handshake_is_shown_once_when_it_arrives() {
    let (_, mut bob, mut lines) = written_to_bob_while_away();
    lines.reverse();
    let copy = lines[0].clone();
    for line in &lines[..3] {
        bob.receive(line);
        bob.restart();
    }
    assert_eq!(bob.heard(), [""; 0]);
    bob.receive(&lines[3]);
    assert_eq!(bob.heard(), ["three", "two", "one"]);
    bob.receive(&copy);
    assert!(matches!(bob.told()[..], [Event::Rejected { .. }]));
}

#[test]
fn a_prekey_serves_one_conversation_for_ever() {
    let (mut alice, mut bob) = alice_and_bob();
    let mut mallory = Person::new("alice@example.org", "bob@example.org");
    let ensembles = bob.prekeys(1);
    mallory.start_offline(ensembles.clone());
    alice.start_offline(ensembles);
    let (first, second) = (alice.take().remove(0), mallory.take().remove(0));
    bob.receive(&first);
    bob.told();
    for line in [&first, &second] {
        bob.restart();
        bob.receive(line);
        assert!(matches!(bob.told()[..], [Event::Rejected { reason: Reject::UnknownPrekey, .. }]));
    }
}

#[test]
fn an_expired_damaged_or_foreign_ensemble_starts_nothing() {
    let (mut alice, mut bob) = alice_and_bob();
    let ensembles = bob.prekeys(1);
    alice.wait(8 * 24 * 60 * 60);
    let before = alice.state();
    let mut rng = otrv4_tests::rng();
    let mut cx = otrv4::Context { account: &mut alice.account, rng: &mut rng, now: alice.now };
    assert_eq!(alice.session.start_offline(&mut cx, ensembles), Err(Refused::NoEnsemble));
    assert_eq!(alice.session.start_offline(&mut cx, Vec::new()), Err(Refused::NoEnsemble));
    assert_eq!(alice.state(), before);
}

#[test]
fn what_was_written_with_a_profile_that_has_just_expired_can_still_be_read() {
    let (_, mut bob, lines) = written_to_bob_while_away();
    // Alice's own profile is read while it is valid, Bob's for a day more; his has a successor since.
    bob.wait(6 * 24 * 60 * 60 + 60);
    assert!(bob.account.has_unpublished(), "new profiles wait to be published");
    lines.iter().for_each(|line| _ = bob.receive(line));
    assert_eq!(bob.heard(), ["one", "two", "three"]);
}

#[test]
fn all_clients_of_somebody_who_is_away_are_written_to_until_one_answers() {
    let mut alice = Person::new("alice@example.org", "bob@example.org");
    let mut desk = Person::new("bob@example.org", "alice@example.org");
    let mut phone = Person::new("bob@example.org", "alice@example.org");
    let mut ensembles: Vec<PrekeyEnsemble> = desk.prekeys(2);
    ensembles.extend(phone.prekeys(1));
    alice.start_offline(ensembles);
    alice.say("wherever you are");
    assert_eq!(alice.secure().len(), 2);
    for line in alice.take() {
        desk.receive(&line);
        phone.receive(&line);
    }
    assert_eq!(desk.heard(), ["wherever you are"]);
    assert_eq!(phone.heard(), ["wherever you are"]);
    let line = phone.line("on the phone");
    alice.receive(&line);
    alice.told();
    let line = alice.line("ah");
    assert_eq!(phone.receive(&line).heard(), ["ah"]);
}

#[test]
fn an_offline_start_replaces_an_online_conversation_and_nothing_is_lost() {
    let (mut alice, mut bob) = talking();
    let ensembles = bob.prekeys(1);
    let late = alice.line("sent before");
    alice.start_offline(ensembles);
    alice.say("written while away");
    let mut lines = alice.take();
    lines.reverse();
    lines.iter().for_each(|line| _ = bob.receive(line));
    bob.receive(&late);
    let heard = bob.heard();
    assert!(
        heard.contains(&"written while away".into()) && heard.contains(&"sent before".into()),
        "{heard:?}"
    );
    deliver(&mut alice, &mut bob);
    assert_same_conversation(&alice, &bob);
}

#[test]
fn somebody_whose_last_conversation_was_ended_can_be_written_to_offline() {
    let (mut alice, mut bob) = talking();
    let ensembles = bob.prekeys(1);
    alice.act(|session, cx| session.end(cx));
    deliver(&mut alice, &mut bob);
    alice.start_offline(ensembles);
    alice.say("one more thing");
    bob.told();
    alice.take().iter().for_each(|line| _ = bob.receive(line));
    assert_eq!(bob.heard(), ["one more thing"]);
}

#[test]
fn text_that_waits_goes_out_with_the_offline_start() {
    let (mut alice, mut bob) = alice_and_bob();
    let ensembles = bob.prekeys(1);
    alice.session.policy().require_encryption = true;
    alice.say("typed before");
    alice.take();
    alice.start_offline(ensembles);
    alice.take().iter().for_each(|line| _ = bob.receive(line));
    assert_eq!(bob.heard(), ["typed before"]);
}

#[test]
fn a_late_offline_start_and_a_newer_interactive_one_end_in_one_conversation() {
    let (mut alice, mut bob) = alice_and_bob();
    let ensembles = alice.prekeys(1);
    bob.start_offline(ensembles);
    let late = bob.take().remove(0);
    alice.act(|session, cx| session.start_identity(cx));
    deliver(&mut alice, &mut bob);
    assert_same_conversation(&alice, &bob);
    alice.receive(&late);
    deliver(&mut alice, &mut bob);
    assert_same_conversation(&alice, &bob);
    bob.told();
    let line = alice.line("we understand each other");
    assert_eq!(bob.receive(&line).heard(), ["we understand each other"]);
}

#[test]
fn a_message_older_than_the_end_and_the_offline_start_after_it_is_read() {
    let (mut alice, mut bob) = talking();
    let ensembles = bob.prekeys(1);
    let (late_of_alice, late_of_bob) = (alice.line("late"), bob.line("late, too"));
    alice.start_offline(ensembles);
    alice.say("written while away");
    alice.take().iter().for_each(|line| _ = bob.receive(line));
    assert_eq!(bob.heard(), ["written while away"]);
    assert_eq!(bob.receive(&late_of_alice).heard(), ["late"]);
    alice.told();
    assert_eq!(alice.receive(&late_of_bob).heard(), ["late, too"]);
}

#[test]
fn a_hundred_messages_that_overtake_the_handshake_are_all_shown() {
    let (mut alice, mut bob) = alice_and_bob();
    let ensembles = bob.prekeys(1);
    alice.start_offline(ensembles);
    (0..100).for_each(|n| _ = alice.say(&n.to_string()));
    let mut lines = alice.take();
    lines.reverse();
    lines.iter().for_each(|line| _ = bob.receive(line));
    assert_eq!(bob.heard().len(), 100);
}

#[test]
fn somebody_whose_prekeys_are_drained_for_ever_can_still_be_written_to() {
    let (mut alice, mut bob) = alice_and_bob();
    let drained = bob.prekeys(1000);
    bob.prekeys(1000);
    let fresh = bob.prekeys(1);
    assert_eq!(bob.account.prekeys(), 2000);
    let mut mallory = Person::new("alice@example.org", "bob@example.org");
    mallory.start_offline(drained[..1].to_vec());
    mallory.take().iter().for_each(|line| _ = bob.receive(line));
    assert!(matches!(bob.told()[..], [Event::Rejected { reason: Reject::UnknownPrekey, .. }]));
    alice.start_offline(fresh);
    alice.say("you can be reached");
    alice.take().iter().for_each(|line| _ = bob.receive(line));
    assert_eq!(bob.heard(), ["you can be reached"]);
}

#[test]
fn a_publication_that_falls_due_as_our_user_starts_a_conversation_is_told() {
    let (_, mut bob) = alice_and_bob();
    let (publishing, _) =
        bob.account.publish(1, &mut otrv4_tests::rng(), bob.now).expect("a possible number");
    bob.account.published(&publishing, bob.now);
    bob.told();
    // The user is faster than the timer.
    bob.now = bob.deadline();
    bob.act(|session, cx| session.start_identity(cx));
    assert!(bob.told().contains(&Event::PublicationDue));
    bob.wait(0);
    assert!(!bob.told().contains(&Event::PublicationDue), "once");
}
