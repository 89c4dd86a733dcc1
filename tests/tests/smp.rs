//! Verifying each other by a secret. Spec: otrv4.md "Socialist Millionaires Protocol (SMP)". spec-notes/SN-037

use otrv4::session::{SmpEnd, SmpProgress};
use otrv4::{ContactKey, Event, Refused, Verification};
use otrv4_tests::{Person, deliver, talking};

const SECRET: &str = "the café by the canal";

/// One side asks.
fn ask(from: &mut Person, question: &str, secret: &str) {
    from.act(|session, cx| session.smp_start(cx, None, question, secret).expect("may ask"));
}

/// The other side answers the one who asked.
fn answer(person: &mut Person, secret: &str) {
    let tags = person.session.instances().map(|instance| instance.tag);
    let asked = tags.filter_map(|tag| Some((tag, person.session.smp_question(tag)?.to_owned())));
    let (from, question) = asked.last().expect("somebody has asked");
    person.act(|session, cx| session.smp_answer(cx, from, &question, secret).expect("was asked"));
}

fn abort(from: &mut Person) {
    from.act(|session, cx| session.smp_abort(cx, None).expect("may abort"));
}

/// How `one` counts the key of `other`.
fn verification(one: &Person, other: &Person) -> Verification {
    one.account.verification(other.account.id(), ContactKey::V4(other.account.fingerprint()))
}

/// A message each way is read, and nothing else happens.
fn assert_they_talk_on(alice: &mut Person, bob: &mut Person) {
    alice.told();
    bob.told();
    let line = alice.line("still here?");
    assert_eq!(bob.receive(&line).heard(), ["still here?"]);
    let line = bob.line("still here.");
    assert_eq!(alice.receive(&line).heard(), ["still here."]);
}

fn no_smp_runs(person: &mut Person) {
    assert!(person.session.instances().all(|instance| instance.smp == SmpProgress::None));
}

#[test]
fn equal_secrets_verify_the_one_who_answered_and_without_a_question_both() {
    for (question, of_asked) in [("Where did we meet? ☕", Verification::TheirSmp), ("", Verification::Smp)]
    {
        let (mut alice, mut bob) = talking();
        for (asking, asked) in [(true, of_asked), (false, Verification::Smp)] {
            let (from, to) = if asking { (&mut alice, &mut bob) } else { (&mut bob, &mut alice) };
            ask(from, question, SECRET);
            deliver(from, to);
            let client = from.account.tag();
            assert_eq!(to.told(), [Event::SmpAsked { from: client, question: question.into() }]);
            answer(to, SECRET);
            deliver(from, to);
            let with = to.account.tag();
            assert_eq!(from.told(), [Event::SmpSucceeded { with, verification: Verification::Smp }]);
            assert_eq!(to.told(), [Event::SmpSucceeded { with: client, verification: asked }]);
            assert_eq!(verification(from, to), Verification::Smp);
            assert_eq!(verification(to, from), asked);
        }
        assert_they_talk_on(&mut alice, &mut bob);
    }
}

#[test]
fn different_secrets_fail_are_counted_and_leave_a_verification_alone() {
    let (mut alice, mut bob) = talking();
    let bobs = ContactKey::V4(bob.account.fingerprint());
    alice.account.verify_by_hand("bob@example.org", bobs, alice.now);
    for failed in 1..=2 {
        ask(&mut alice, "", SECRET);
        deliver(&mut alice, &mut bob);
        answer(&mut bob, "the café by the channel");
        bob.told();
        deliver(&mut alice, &mut bob);
        assert_eq!(alice.told(), [Event::SmpFailed { with: bob.account.tag(), failed }]);
        assert_eq!(bob.told(), [Event::SmpFailed { with: alice.account.tag(), failed }]);
    }
    assert_eq!(verification(&alice, &bob), Verification::ByHand);
    assert_eq!(verification(&bob, &alice), Verification::None);
    assert_eq!(alice.account.contact("bob@example.org").expect("known").failed_smp(), 2);
    // A run after a failure succeeds.
    ask(&mut bob, "", SECRET);
    deliver(&mut alice, &mut bob);
    answer(&mut alice, SECRET);
    deliver(&mut alice, &mut bob);
    assert_eq!(verification(&bob, &alice), Verification::Smp);
    assert_eq!(verification(&alice, &bob), Verification::ByHand);
    assert_they_talk_on(&mut alice, &mut bob);
}

#[test]
fn either_side_can_abort_at_each_step_and_an_abort_is_not_answered() {
    for step in 0..4 {
        for alice_aborts in [true, false] {
            if step == 0 && !alice_aborts {
                continue; // Bob knows of nothing yet.
            }
            let (mut alice, mut bob) = talking();
            ask(&mut alice, "?", SECRET);
            let mut to_bob = alice.take();
            let mut to_alice = Vec::new();
            if step >= 1 {
                to_bob.drain(..).for_each(|line| _ = bob.receive(&line));
            }
            if step >= 2 {
                answer(&mut bob, SECRET);
                to_alice = bob.take();
            }
            if step >= 3 {
                to_alice.drain(..).for_each(|line| _ = alice.receive(&line));
                to_bob = alice.take();
            }
            alice.told();
            bob.told();
            abort(if alice_aborts { &mut alice } else { &mut bob });
            // What was on its way arrives, then the abort.
            to_alice.iter().for_each(|line| _ = alice.receive(line));
            to_bob.iter().for_each(|line| _ = bob.receive(line));
            let (from_alice, from_bob) = (alice.take(), bob.take());
            from_alice.iter().for_each(|line| _ = bob.receive(line));
            from_bob.iter().for_each(|line| _ = alice.receive(line));
            deliver(&mut alice, &mut bob);
            let (of_alice, of_bob) = (alice.told(), bob.told());
            let aborted = |told: &[Event]| told.iter().any(|event| matches!(event, Event::SmpAborted { .. }));
            let done = |told: &[Event]| told.iter().any(|event| matches!(event, Event::SmpSucceeded { .. }));
            assert!(aborted(&of_alice), "step {step}, alice aborts: {alice_aborts}");
            // Who has message 3 has the result.
            let bob_knows = step == 3 && alice_aborts;
            assert_eq!((aborted(&of_bob), done(&of_bob)), (!bob_knows, bob_knows), "step {step}");
            assert_eq!(verification(&alice, &bob), Verification::None);
            no_smp_runs(&mut alice);
            no_smp_runs(&mut bob);
            ask(&mut bob, "", SECRET);
            deliver(&mut alice, &mut bob);
            answer(&mut alice, SECRET);
            deliver(&mut alice, &mut bob);
            assert_eq!(verification(&alice, &bob), Verification::Smp);
            assert_they_talk_on(&mut alice, &mut bob);
        }
    }
}

#[test]
fn an_abort_out_of_the_blue_makes_nobody_say_anything() {
    let (mut alice, mut bob) = talking();
    for _ in 0..2 {
        abort(&mut alice);
        let line = alice.take().remove(0);
        bob.receive(&line);
        assert!(bob.take().is_empty());
        assert_eq!(bob.told(), []);
    }
}

#[test]
fn beginning_again_gives_up_the_run_before_on_both_sides() {
    let (mut alice, mut bob) = talking();
    ask(&mut alice, "first?", SECRET);
    deliver(&mut alice, &mut bob);
    bob.told();
    ask(&mut alice, "second?", SECRET);
    assert_eq!(alice.told(), [Event::SmpAborted { with: bob.account.tag(), why: SmpEnd::Us, failed: None }]);
    deliver(&mut alice, &mut bob);
    let from = alice.account.tag();
    assert_eq!(
        bob.told(),
        [
            Event::SmpAborted { with: from, why: SmpEnd::Them, failed: None },
            Event::SmpAsked { from, question: "second?".into() }
        ]
    );
    answer(&mut bob, SECRET);
    deliver(&mut alice, &mut bob);
    assert_eq!(verification(&alice, &bob), Verification::Smp);
}

#[test]
fn both_asking_at_once_ends_without_a_result_on_both_sides() {
    let (mut alice, mut bob) = talking();
    ask(&mut alice, "", SECRET);
    ask(&mut bob, "", SECRET);
    let (of_alice, of_bob) = (alice.take(), bob.take());
    of_alice.iter().for_each(|line| _ = bob.receive(line));
    of_bob.iter().for_each(|line| _ = alice.receive(line));
    deliver(&mut alice, &mut bob);
    no_smp_runs(&mut alice);
    no_smp_runs(&mut bob);
    assert!(alice.told().iter().any(|event| matches!(event, Event::SmpAborted { .. })));
    assert!(bob.told().iter().any(|event| matches!(event, Event::SmpAborted { .. })));
    assert_they_talk_on(&mut alice, &mut bob);
}

#[test]
fn a_new_handshake_in_the_middle_ends_the_run_on_both_sides() {
    let (mut alice, mut bob) = talking();
    ask(&mut alice, "?", SECRET);
    deliver(&mut alice, &mut bob);
    answer(&mut bob, SECRET);
    let message_2 = bob.take();
    alice.told();
    bob.told();
    bob.act(|session, cx| session.start(cx));
    deliver(&mut alice, &mut bob);
    let broken = |with| Event::SmpAborted { with, why: SmpEnd::Conversation, failed: None };
    assert_eq!(alice.told()[0], broken(bob.account.tag()));
    assert_eq!(bob.told()[0], broken(alice.account.tag()));
    // What comes late belongs to a conversation that is no more.
    message_2.iter().for_each(|line| _ = alice.receive(line));
    assert_eq!((alice.take(), alice.told()), (vec![], vec![]));
    assert_they_talk_on(&mut alice, &mut bob);
}

#[test]
fn an_end_in_the_middle_ends_the_run_on_both_sides() {
    for (alice_ends, step) in [(true, 1), (false, 1), (true, 2), (false, 2)] {
        let (mut alice, mut bob) = talking();
        ask(&mut alice, "?", SECRET);
        deliver(&mut alice, &mut bob);
        if step == 2 {
            answer(&mut bob, SECRET);
            bob.take();
        }
        alice.told();
        bob.told();
        let ending = if alice_ends { &mut alice } else { &mut bob };
        ending.act(|session, cx| session.end(cx));
        deliver(&mut alice, &mut bob);
        for person in [&mut alice, &mut bob] {
            let told = person.told();
            assert!(matches!(told[0], Event::SmpAborted { why: SmpEnd::Conversation, .. }), "{told:?}");
        }
        alice.act(|session, cx| session.start(cx));
        deliver(&mut alice, &mut bob);
        no_smp_runs(&mut alice);
        no_smp_runs(&mut bob);
    }
}

#[test]
fn messages_out_of_order_end_the_run_or_do_not_matter() {
    // An abort that arrives before the question that it belongs to: the question stands until it is answered.
    let (mut alice, mut bob) = talking();
    ask(&mut alice, "late?", SECRET);
    let question = alice.take();
    abort(&mut alice);
    deliver(&mut alice, &mut bob);
    question.iter().for_each(|line| _ = bob.receive(line));
    answer(&mut bob, SECRET);
    deliver(&mut alice, &mut bob);
    no_smp_runs(&mut alice);
    no_smp_runs(&mut bob);
    assert!(bob.told().iter().any(|event| matches!(event, Event::SmpAborted { why: SmpEnd::Them, .. })));
    assert_eq!(verification(&alice, &bob), Verification::None);
    // Text may overtake every message of a run.
    ask(&mut alice, "?", SECRET);
    let mut late = alice.take();
    for turn in 0..3 {
        let (from, to) = if turn % 2 == 0 { (&mut alice, &mut bob) } else { (&mut bob, &mut alice) };
        from.say("meanwhile");
        from.take().iter().chain(&late).for_each(|line| _ = to.receive(line));
        if turn == 0 {
            answer(to, SECRET);
        }
        late = to.take();
    }
    late.iter().for_each(|line| _ = alice.receive(line));
    assert_eq!(verification(&alice, &bob), Verification::Smp);
    assert_they_talk_on(&mut alice, &mut bob);
}

#[test]
fn a_run_goes_on_after_a_restart_at_each_step() {
    for restarts in 0..4 {
        let (mut alice, mut bob) = talking();
        let restart = |alice: &mut Person, bob: &mut Person, step| {
            if step == restarts {
                alice.restart();
                bob.restart();
            }
        };
        ask(&mut alice, "?", SECRET);
        restart(&mut alice, &mut bob, 0);
        alice.take().iter().for_each(|line| _ = bob.receive(line));
        restart(&mut alice, &mut bob, 1);
        answer(&mut bob, SECRET);
        restart(&mut alice, &mut bob, 2);
        bob.take().iter().for_each(|line| _ = alice.receive(line));
        restart(&mut alice, &mut bob, 3);
        deliver(&mut alice, &mut bob);
        assert_eq!(verification(&alice, &bob), Verification::Smp, "{restarts}");
        alice.restart();
        assert_eq!(verification(&alice, &bob), Verification::Smp, "{restarts}");
    }
}

#[test]
fn whoever_withholds_the_last_message_has_used_up_a_guess() {
    let (mut alice, mut bob) = talking();
    ask(&mut alice, "?", SECRET);
    deliver(&mut alice, &mut bob);
    answer(&mut bob, "a guess");
    bob.take().iter().for_each(|line| _ = alice.receive(line));
    alice.take().iter().for_each(|line| _ = bob.receive(line));
    bob.take(); // message 4
    abort(&mut bob);
    deliver(&mut alice, &mut bob);
    assert!(matches!(alice.told()[..], [Event::SmpAborted { why: SmpEnd::Them, failed: Some(1), .. }]));
    assert_eq!(alice.account.contact("bob@example.org").expect("known").failed_smp(), 1);
}

#[test]
fn what_cannot_be_asked_or_answered_is_refused_with_a_reason() {
    let (mut alice, mut bob) = talking();
    for (question, secret, refused) in [
        ("?", "", Refused::EmptySecret),
        ("?", " \n", Refused::EmptySecret),
        ("?", &"x".repeat(4097), Refused::TooLong),
        (&"?".repeat(4097), SECRET, Refused::TooLong),
    ] {
        assert_eq!(alice.refuses(|session, cx| session.smp_start(cx, None, question, secret)), refused);
    }
    assert!(matches!(alice.refuses(|s, cx| s.smp_start(cx, None, "a\0b", SECRET)), Refused::Text(_)));
    let of_alice = alice.account.tag();
    assert_eq!(bob.refuses(|session, cx| session.smp_answer(cx, of_alice, "", SECRET)), Refused::NoSmp);
    let nobody = otrv4::wire::InstanceTag::new(0x1234).expect("a tag");
    let unknown = Refused::NoSuchInstance(nobody);
    assert_eq!(alice.refuses(|session, cx| session.smp_start(cx, Some(nobody), "?", SECRET)), unknown);
    bob.act(|session, cx| session.end(cx));
    assert_eq!(bob.refuses(|session, cx| session.smp_start(cx, None, "?", SECRET)), Refused::NotEncrypted);
    assert_eq!(bob.refuses(|session, cx| session.smp_abort(cx, None)), Refused::NotEncrypted);
}

#[test]
fn each_client_of_a_correspondent_is_verified_by_itself() {
    let (mut alice, mut bob) = talking();
    let mut tablet = Person::new("bob@example.org", "alice@example.org");
    tablet.act(|session, cx| session.start_identity(cx));
    deliver(&mut alice, &mut tablet);
    alice.told();
    tablet.told();
    let (of_bob, of_tablet) = (bob.account.tag(), tablet.account.tag());
    for (tag, to) in [(of_bob, &mut bob), (of_tablet, &mut tablet)] {
        alice.act(|session, cx| session.smp_start(cx, Some(tag), "?", SECRET).expect("may ask"));
        alice.take().iter().for_each(|line| _ = to.receive(line));
    }
    answer(&mut tablet, "wrong");
    deliver(&mut alice, &mut tablet);
    answer(&mut bob, SECRET);
    deliver(&mut alice, &mut bob);
    assert_eq!(verification(&alice, &bob), Verification::Smp);
    assert_eq!(verification(&alice, &tablet), Verification::None);
    assert_eq!(alice.session.best_instance(&alice.account), Some(of_bob));
    // With none verified, text stays where it goes, whoever was heard last.
    let bobs = ContactKey::V4(bob.account.fingerprint());
    assert!(alice.account.distrust("bob@example.org", bobs));
    alice.wait(5);
    let line = tablet.line("here I am");
    alice.receive(&line);
    assert_eq!(alice.session.best_instance(&alice.account), Some(of_bob));
    alice.act(|session, cx| session.select(cx, of_tablet).expect("a running conversation"));
    assert_eq!(alice.session.best_instance(&alice.account), Some(of_tablet));
}

#[test]
fn an_answer_is_to_the_question_that_was_read_and_to_no_other() {
    let (mut alice, mut bob) = talking();
    ask(&mut alice, "What is the capital of France?", "Paris");
    deliver(&mut alice, &mut bob);
    // While Bob types, the question changes into a secret that both are said to know.
    ask(&mut alice, "", "Paris");
    deliver(&mut alice, &mut bob);
    let of_alice = alice.account.tag();
    let question = "What is the capital of France?";
    assert_eq!(bob.refuses(|s, cx| s.smp_answer(cx, of_alice, question, "Paris")), Refused::NoSmp);
    assert_eq!(bob.session.smp_question(of_alice), Some(""));
    // After a restart the question can still be shown.
    bob.restart();
    assert_eq!(bob.session.smp_question(of_alice), Some(""));
    abort(&mut bob);
    assert_eq!(bob.session.smp_question(of_alice), None);
}

#[test]
fn declining_means_the_run_that_is_there_and_asks_back_if_there_are_several() {
    let (mut alice, mut bob) = talking();
    let mut tablet = Person::new("bob@example.org", "alice@example.org");
    tablet.act(|session, cx| session.start_identity(cx));
    deliver(&mut alice, &mut tablet);
    ask(&mut tablet, "?", SECRET);
    deliver(&mut alice, &mut tablet);
    // Bob's phone is selected, the tablet has asked.
    abort(&mut alice);
    deliver(&mut alice, &mut tablet);
    assert!(tablet.told().iter().any(|event| matches!(event, Event::SmpAborted { why: SmpEnd::Them, .. })));
    for from in [&mut tablet, &mut bob] {
        ask(from, "?", SECRET);
        from.take().iter().for_each(|line| _ = alice.receive(line));
    }
    assert_eq!(alice.refuses(|session, cx| session.smp_abort(cx, None)), Refused::WhichInstance);
    let of_bob = bob.account.tag();
    alice.act(|session, cx| session.smp_abort(cx, Some(of_bob)).expect("a run"));
    deliver(&mut alice, &mut bob);
    no_smp_runs(&mut bob);
    assert!(alice.session.smp_question(tablet.account.tag()).is_some());
}
