//! Verifying each other in version 3. Spec: OTRv3 "Socialist Millionaires' Protocol (SMP)". spec-notes/SN-041

use otrv4::session::SmpEnd;
use otrv4::{Event, Verification};

use crate::peer::{deliver, kinds};
use crate::v3::talking;
use crate::verifying::{
    ALIKE, QUESTION, SECRET, ask_up_to_message_2, assert_all_works, assert_failure, assert_success,
    assert_told_of_failure, failed_smp, they_ask, verification, we_abort, we_answer, we_ask,
};

#[test]
fn equal_secrets_succeed_whoever_asks_with_a_question_and_without() {
    let (mut alice, mut bob) = talking();
    they_ask(&mut alice, &mut bob, QUESTION, SECRET);
    we_answer(&mut alice, &mut bob, SECRET);
    assert_success(&mut alice, &mut bob, Verification::TheirSmp);
    they_ask(&mut alice, &mut bob, "", SECRET);
    we_answer(&mut alice, &mut bob, SECRET);
    assert_success(&mut alice, &mut bob, Verification::Smp);
    for question in [QUESTION, ""] {
        let (mut alice, mut bob) = talking();
        we_ask(&mut alice, &mut bob, question, SECRET, Some(SECRET));
        assert_success(&mut alice, &mut bob, Verification::Smp);
    }
}

#[test]
fn different_secrets_fail_and_take_no_verification_back() {
    let (mut alice, mut bob) = talking();
    they_ask(&mut alice, &mut bob, QUESTION, SECRET);
    we_answer(&mut alice, &mut bob, ALIKE);
    assert_failure(&mut alice, &mut bob, 1);
    we_ask(&mut alice, &mut bob, "", SECRET, Some(ALIKE));
    assert_failure(&mut alice, &mut bob, 2);
    assert_eq!(verification(&alice), Verification::None);
    we_ask(&mut alice, &mut bob, QUESTION, SECRET, Some(SECRET));
    assert_success(&mut alice, &mut bob, Verification::Smp);
    they_ask(&mut alice, &mut bob, "", SECRET);
    we_answer(&mut alice, &mut bob, ALIKE);
    assert_failure(&mut alice, &mut bob, 3);
    assert_eq!(verification(&alice), Verification::Smp);
}

#[test]
fn an_abort_of_either_side_ends_a_run_and_is_not_answered() {
    let (mut alice, mut bob) = talking();
    let with = alice.channels()[0].0;
    let aborted = |why, failed| Event::SmpAborted { with, why, failed };
    // Nothing is under way.
    we_abort(&mut alice);
    assert_eq!(kinds(&deliver(&mut alice, &mut bob)), ["our Data"]);
    assert_eq!(alice.told(), []);
    assert_told_of_failure(&mut alice, &mut bob, 1);
    bob.abort_smp();
    assert_eq!(kinds(&deliver(&mut alice, &mut bob)), ["their Data"]);
    assert_eq!((alice.told(), bob.told().len()), (vec![], 0));
    // otrr has asked.
    they_ask(&mut alice, &mut bob, QUESTION, SECRET);
    we_abort(&mut alice);
    assert_eq!(kinds(&deliver(&mut alice, &mut bob)), ["our Data"]);
    assert_eq!(alice.told(), [aborted(SmpEnd::Us, None)]);
    assert_told_of_failure(&mut alice, &mut bob, 1);
    they_ask(&mut alice, &mut bob, QUESTION, SECRET);
    bob.abort_smp();
    assert_eq!(kinds(&deliver(&mut alice, &mut bob)), ["their Data"]);
    assert_eq!((alice.told(), bob.told().len()), (vec![aborted(SmpEnd::Them, None)], 0));
    // We have asked, and its user declines.
    let lines = we_ask(&mut alice, &mut bob, QUESTION, SECRET, None);
    assert_eq!(lines, ["our Data", "their Data"]);
    assert_eq!(alice.told(), [aborted(SmpEnd::Them, None)]);
    assert_told_of_failure(&mut alice, &mut bob, 1);
    assert_eq!(failed_smp(&alice), 0);
    // It has answered: our message 3 is too late.
    ask_up_to_message_2(&mut alice, &mut bob);
    bob.abort_smp();
    assert_eq!(kinds(&deliver(&mut alice, &mut bob)), ["their Data", "their Data", "our Data", "their Data"]);
    assert_eq!(alice.told(), [aborted(SmpEnd::Them, Some(1))]);
    assert_told_of_failure(&mut alice, &mut bob, 1);
    assert_eq!((failed_smp(&alice), verification(&alice)), (1, Verification::None));
    assert_all_works(&mut alice, &mut bob);
}

#[test]
fn a_question_in_another_encoding_is_shown_as_well_as_can_be_and_answered() {
    let (mut alice, mut bob) = talking();
    bob.start_smp(b"caf\xe9?", SECRET);
    assert_eq!(kinds(&deliver(&mut alice, &mut bob)), ["their Data"]);
    let from = alice.channels()[0].0;
    assert_eq!(alice.told(), [Event::SmpAsked { from, question: "caf\u{fffd}?".into() }]);
    we_answer(&mut alice, &mut bob, SECRET);
    assert_success(&mut alice, &mut bob, Verification::TheirSmp);
}
