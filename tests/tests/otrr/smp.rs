//! Verifying each other by a secret, with otrr at the other end.
//! Spec: otrv4.md "Socialist Millionaires Protocol (SMP)". spec-notes/SN-015, spec-notes/SN-037

use otrr::UserMessage;
use otrv4::session::SmpEnd;
use otrv4::wire::Padding;
use otrv4::{Event, Policy, Refused, Verification};
use otrv4_tests::Person;

use crate::SHORT;
use crate::peer::{Keys, Otrr, Wishes, assert_same_conversation, deliver, kinds, person, they_say};
use crate::verifying::{
    ALIKE, QUESTION, SECRET, ask_up_to_message_2, ask_up_to_message_3, assert_all_works, assert_failure,
    assert_success, assert_told_of_failure, failed_smp, they_ask, verification, we_abort, we_answer, we_ask,
};

#[test]
fn equal_secrets_succeed_whoever_asks_with_a_question_and_without() {
    for start in [we_start, they_start] {
        let (mut alice, mut bob) = start();
        // The one whom we have asked is verified. The one who has asked us is not, unless both knew what was asked for.
        they_ask(&mut alice, &mut bob, QUESTION, SECRET);
        we_answer(&mut alice, &mut bob, SECRET);
        assert_success(&mut alice, &mut bob, Verification::TheirSmp);
        they_ask(&mut alice, &mut bob, "", SECRET);
        we_answer(&mut alice, &mut bob, SECRET);
        assert_success(&mut alice, &mut bob, Verification::Smp);
    }
    for (start, question) in [(we_start as Start, QUESTION), (they_start, "")] {
        let (mut alice, mut bob) = start();
        we_ask(&mut alice, &mut bob, question, SECRET, Some(SECRET));
        assert_success(&mut alice, &mut bob, Verification::Smp);
    }
}

#[test]
fn padding_and_short_lines_make_no_difference() {
    let mut alice = person("alice@example.org", "bob@example.org")
        .with(Policy { padding: Padding::Classes, ..Policy::default() });
    alice.session.set_max_line(Some(SHORT)).expect("long enough");
    let short = Wishes { max_line: SHORT, ..Wishes::default() };
    let mut bob = Otrr::new("bob@example.org", "alice@example.org", short);
    alice.act(|session, cx| session.start(cx));
    deliver(&mut alice, &mut bob);
    assert_same_conversation(&mut alice, &mut bob, Keys::First);
    let lines = we_ask(&mut alice, &mut bob, QUESTION, SECRET, Some(SECRET));
    assert!(lines.iter().all(|kind| kind.ends_with("Fragment")), "{lines:?}");
    assert_success(&mut alice, &mut bob, Verification::Smp);
}

#[test]
fn different_secrets_fail_are_counted_and_a_further_run_succeeds() {
    let (mut alice, mut bob) = they_start();
    they_ask(&mut alice, &mut bob, QUESTION, SECRET);
    we_answer(&mut alice, &mut bob, ALIKE);
    assert_failure(&mut alice, &mut bob, 1);
    we_ask(&mut alice, &mut bob, "", SECRET, Some(ALIKE));
    assert_failure(&mut alice, &mut bob, 2);
    assert_eq!(verification(&alice), Verification::None);
    we_ask(&mut alice, &mut bob, QUESTION, SECRET, Some(SECRET));
    assert_success(&mut alice, &mut bob, Verification::Smp);
    // What is verified stays verified.
    they_ask(&mut alice, &mut bob, "", SECRET);
    we_answer(&mut alice, &mut bob, ALIKE);
    assert_failure(&mut alice, &mut bob, 3);
    they_ask(&mut alice, &mut bob, QUESTION, SECRET);
    we_answer(&mut alice, &mut bob, SECRET);
    assert_success(&mut alice, &mut bob, Verification::Smp);
}

#[test]
fn our_abort_ends_a_run_and_its_echo_is_not_answered() {
    let (mut alice, mut bob) = we_start();
    let (with, why) = (alice.secure()[0].0, SmpEnd::Us);
    // Nothing is under way.
    we_abort(&mut alice);
    assert_eq!(kinds(&deliver(&mut alice, &mut bob)), ["our Data", "their Data"]);
    assert_eq!(alice.told(), []);
    assert_told_of_failure(&mut alice, &mut bob, 1);
    // We were asked.
    they_ask(&mut alice, &mut bob, QUESTION, SECRET);
    we_abort(&mut alice);
    assert_eq!(kinds(&deliver(&mut alice, &mut bob)), ["our Data", "their Data"]);
    assert_eq!(alice.told(), [Event::SmpAborted { with, why, failed: None }]);
    assert_told_of_failure(&mut alice, &mut bob, 1);
    // SILENT REFUSAL: we have asked, and otrr's user has declined.
    let lines = we_ask(&mut alice, &mut bob, QUESTION, SECRET, None);
    assert_eq!(lines, ["our Data"]);
    we_abort(&mut alice);
    assert_eq!(kinds(&deliver(&mut alice, &mut bob)), ["our Data", "their Data"]);
    assert_eq!(alice.told(), [Event::SmpAborted { with, why, failed: None }]);
    assert_told_of_failure(&mut alice, &mut bob, 2);
    assert_eq!(failed_smp(&alice), 0);
    // NO STORED KEYS: behind our message 3 the abort is lost, and otrr has a result. Its message 4 gets another abort.
    ask_up_to_message_3(&mut alice, &mut bob);
    we_abort(&mut alice);
    let lines = deliver(&mut alice, &mut bob);
    let expected = ["our Data", "our Data", "their Data", "their error", "our Data", "their Data"];
    assert_eq!(kinds(&lines), expected);
    let told = alice.told();
    assert_eq!(told[0], Event::SmpAborted { with, why, failed: Some(1) });
    assert!(matches!(told[1..], [Event::TheirError { .. }]), "{told:?}");
    let (told, from) = (bob.told(), alice.account.tag().get());
    // ALL FAILED: although it was a success.
    assert!(
        matches!(told[..], [UserMessage::SMPSucceeded(a), UserMessage::SMPFailed(b)] if [a, b] == [from; 2]),
        "{told:?}"
    );
    // They know the result, and we do not: for us they have used up a guess.
    assert_eq!((failed_smp(&alice), verification(&alice)), (1, Verification::None));
    assert_all_works(&mut alice, &mut bob);
}

#[test]
fn an_abort_of_otrr_ends_a_run_and_is_not_answered() {
    let (mut alice, mut bob) = they_start();
    let (with, why) = (alice.secure()[0].0, SmpEnd::Them);
    // Nothing is under way.
    bob.abort_smp();
    assert_eq!(kinds(&deliver(&mut alice, &mut bob)), ["their Data"]);
    assert_eq!((alice.told(), bob.told().len()), (vec![], 0));
    // It has asked, and our user has not answered.
    they_ask(&mut alice, &mut bob, QUESTION, SECRET);
    bob.abort_smp();
    assert_eq!(kinds(&deliver(&mut alice, &mut bob)), ["their Data"]);
    assert_eq!((alice.told(), bob.told().len()), (vec![Event::SmpAborted { with, why, failed: None }], 0));
    assert_eq!(alice.refuses(|session, cx| session.smp_answer(cx, with, QUESTION, SECRET)), Refused::NoSmp);
    assert_eq!(failed_smp(&alice), 0);
    // It has answered: our message 3 is too late, and its user alone is told so.
    ask_up_to_message_2(&mut alice, &mut bob);
    bob.abort_smp();
    assert_eq!(kinds(&deliver(&mut alice, &mut bob)), ["their Data", "their Data", "our Data"]);
    assert_eq!(alice.told(), [Event::SmpAborted { with, why, failed: Some(1) }]);
    assert_told_of_failure(&mut alice, &mut bob, 1);
    assert_eq!((failed_smp(&alice), verification(&alice)), (1, Verification::None));
    // It has sent message 3: ours has the result, and its own message 4 is too late.
    they_ask(&mut alice, &mut bob, QUESTION, SECRET);
    alice.act(|session, cx| session.smp_answer(cx, with, QUESTION, SECRET).expect("was asked"));
    alice.take().iter().for_each(|line| bob.receive(line));
    bob.abort_smp();
    assert_eq!(kinds(&deliver(&mut alice, &mut bob)), ["their Data", "their Data", "our Data"]);
    let verification = Verification::TheirSmp;
    assert_eq!(alice.told(), [Event::SmpSucceeded { with, verification }]);
    assert_told_of_failure(&mut alice, &mut bob, 1);
    assert_all_works(&mut alice, &mut bob);
}

#[test]
fn a_run_in_place_of_another_ends_with_it_and_can_be_begun_again() {
    let (mut alice, mut bob) = we_start();
    we_ask(&mut alice, &mut bob, QUESTION, SECRET, None);
    assert_told_of_failure(&mut alice, &mut bob, 1);
    // NO STORED KEYS: the new question is lost behind the abort of the run before. ECHOED ABORTS: that ends it.
    alice.act(|session, cx| session.smp_start(cx, None, "again?", SECRET).expect("may ask"));
    let lines = deliver(&mut alice, &mut bob);
    assert_eq!(kinds(&lines), ["our Data", "our Data", "their Data", "their error"]);
    let (with, told) = (alice.secure()[0].0, alice.told());
    let aborted = |why| Event::SmpAborted { with, why, failed: None };
    assert_eq!(told[..2], [aborted(SmpEnd::Us), aborted(SmpEnd::Them)]);
    assert!(matches!(told[2..], [Event::TheirError { .. }]), "{told:?}");
    assert!(bob.host.asked.take().is_empty());
    assert_told_of_failure(&mut alice, &mut bob, 1);
    assert_eq!((failed_smp(&alice), verification(&alice)), (0, Verification::None));
    assert_all_works(&mut alice, &mut bob);
}

#[test]
fn both_asking_at_once_ends_both_runs() {
    let (mut alice, mut bob) = they_start();
    // NO STORED KEYS: otrr has spoken last, and so goes on in a ratchet that our message does not overtake.
    they_say(&mut alice, &mut bob, &["hello".into()]);
    bob.start_smp(QUESTION.as_bytes(), SECRET);
    alice.act(|session, cx| session.smp_start(cx, None, "", SECRET).expect("may ask"));
    let lines = deliver(&mut alice, &mut bob);
    assert_eq!(kinds(&lines), ["our Data", "their Data", "our Data", "their Data"]);
    let (with, why) = (alice.secure()[0].0, SmpEnd::Broken);
    assert_eq!(alice.told(), [Event::SmpAborted { with, why, failed: None }]);
    assert_told_of_failure(&mut alice, &mut bob, 2);
    assert!(bob.host.asked.take().is_empty());
    assert_all_works(&mut alice, &mut bob);
}

#[test]
fn a_question_that_is_not_text_is_answered_with_an_abort() {
    let (mut alice, mut bob) = we_start();
    bob.start_smp(b"caf\xe9?", SECRET);
    assert_eq!(kinds(&deliver(&mut alice, &mut bob)), ["their Data", "our Data", "their Data"]);
    assert_eq!(alice.told(), []);
    assert_told_of_failure(&mut alice, &mut bob, 1);
    assert_all_works(&mut alice, &mut bob);
}

/// How a conversation begins; both have been told of it.
type Start = fn() -> (Person, Otrr);

/// Our user asks for a conversation, and otrr's Identity message is answered.
fn we_start() -> (Person, Otrr) {
    let (mut alice, mut bob) = strangers();
    alice.act(|session, cx| session.start(cx));
    deliver(&mut alice, &mut bob);
    assert_same_conversation(&mut alice, &mut bob, Keys::First);
    (alice, bob)
}

/// The other way round.
fn they_start() -> (Person, Otrr) {
    let (mut alice, mut bob) = strangers();
    bob.session().query().expect("a version is allowed");
    deliver(&mut alice, &mut bob);
    assert_same_conversation(&mut alice, &mut bob, Keys::First);
    (alice, bob)
}

fn strangers() -> (Person, Otrr) {
    let bob = Otrr::new("bob@example.org", "alice@example.org", Wishes::default());
    (person("alice@example.org", "bob@example.org"), bob)
}
