//! Verification of the people. Spec: "Socialist Millionaires' Protocol (SMP)".

use super::{Pair, in_each_version};
use crate::process::{Pipe, field, give, says, wire_lines};
use crate::smp::{ABORTED, FAILURE, SUCCESS, Step, Told, ask, both, run, run_up_to, smp_events};

#[test]
fn equal_secrets_succeed_and_others_fail_from_either_side_with_and_without_a_question() {
    in_each_version(|version| {
        let mut pair = Pair::encrypted(version);
        for question in ["", r"Wo trafen wir uns? \\ 😀\nzweite Zeile"] {
            for ours_asks in [true, false] {
                for (secrets, result) in
                    [(("größe|", "größe"), FAILURE), (("on the train|", "on the train|"), SUCCESS)]
                {
                    let (from, to) = pair.in_turn(ours_asks);
                    assert_eq!(run(from, to, question, secrets), both(result), "{question} {secrets:?}");
                    pair.goes_on();
                }
            }
        }
    });
}

#[test]
fn a_wrong_answer_takes_no_verification_of_ours_back() {
    in_each_version(|version| {
        let mut pair = Pair::encrypted(version);
        let verified = |pair: &mut Pair| field(&pair.ours.ask("state")[0], "verified").to_owned();
        assert_eq!(verified(&mut pair), "no");
        assert_eq!(run(&mut pair.theirs, &mut pair.ours, "where?", ("here", "here")), both(SUCCESS));
        assert_eq!(verified(&mut pair), "no", "they asked, and so they know");
        assert_eq!(run(&mut pair.ours, &mut pair.theirs, "where?", ("here", "here")), both(SUCCESS));
        assert_eq!(verified(&mut pair), "smp");
        for ours_asks in [true, false] {
            let (from, to) = pair.in_turn(ours_asks);
            assert_eq!(run(from, to, "where?", ("here", "there")), both(FAILURE));
            assert_eq!(verified(&mut pair), "smp");
        }
        pair.goes_on();
    });
}

#[test]
fn either_side_can_give_up_at_each_step_and_the_other_learns_of_it() {
    in_each_version(|version| {
        for ours_began in [true, false] {
            let mut pair = Pair::encrypted(version);
            for step in [Step::Started, Step::Asked, Step::Responded, Step::Proven] {
                for initiator_aborts in [true, false] {
                    let (initiator, responder) = pair.in_turn(ours_began);
                    let told = give_up_at(step, initiator_aborts, initiator, responder);
                    let context = format!(
                        "{step:?}, ours began: {ours_began}, initiator: {initiator_aborts}: {told:?}"
                    );
                    let (gave_up, learns) = match initiator_aborts {
                        true => (&told.initiator, &told.responder),
                        false => (&told.responder, &told.initiator),
                    };
                    // Who has not heard of the run yet has nothing to give up, but its word for it goes out.
                    let knew = step != Step::Started || initiator_aborts;
                    assert!(!knew || gave_up.contains(&ABORTED[0].to_owned()), "{context}");
                    // Who has the last proof has the result, and knows no more of the run.
                    let result = if step == Step::Proven && initiator_aborts { SUCCESS } else { ABORTED };
                    assert!(learns.contains(&result[0].to_owned()), "{context}");
                    pair.goes_on();
                    let (initiator, responder) = pair.in_turn(ours_began);
                    assert_eq!(run(initiator, responder, "", ("again", "again")), both(SUCCESS), "{context}");
                    pair.goes_on();
                }
            }
        }
    });
}

/// One of them gives up when the run is at that step; what both say, and what was on its way arrives after it.
fn give_up_at(step: Step, initiator_aborts: bool, initiator: &mut Pipe, responder: &mut Pipe) -> Told {
    let (mut to_responder, mut to_initiator) = run_up_to(step, initiator, responder);
    let mut told = Told::default();
    let (aborter, lines, said) = match initiator_aborts {
        true => (&mut *initiator, &mut to_responder, &mut told.initiator),
        false => (&mut *responder, &mut to_initiator, &mut told.responder),
    };
    let abort = aborter.ask("smp-abort");
    said.extend(smp_events(&abort));
    lines.extend(wire_lines(&abort));
    for _ in 0..4 {
        let (at_initiator, at_responder) = (give(initiator, &to_initiator), give(responder, &to_responder));
        told.initiator.extend(smp_events(&at_initiator));
        told.responder.extend(smp_events(&at_responder));
        (to_responder, to_initiator) = (wire_lines(&at_initiator), wire_lines(&at_responder));
    }
    assert!(to_responder.is_empty() && to_initiator.is_empty(), "nobody answers an abort for ever");
    // What crossed the abort may have asked once more.
    for line in wire_lines(&responder.ask("smp-abort")) {
        initiator.receive(&line);
    }
    told
}

#[test]
fn two_runs_at_once_end_and_a_third_succeeds() {
    in_each_version(|version| {
        let mut pair = Pair::encrypted(version);
        let (mut to_theirs, mut to_ours) =
            (wire_lines(&pair.ours.ask("smp-start a?|x")), wire_lines(&pair.theirs.ask("smp-start b?|x")));
        let mut said = Vec::new();
        for _ in 0..4 {
            let (at_ours, at_theirs) = (give(&mut pair.ours, &to_ours), give(&mut pair.theirs, &to_theirs));
            (to_theirs, to_ours) = (wire_lines(&at_ours), wire_lines(&at_theirs));
            said.extend(at_ours.into_iter().chain(at_theirs));
        }
        assert!(to_theirs.is_empty() && to_ours.is_empty());
        assert!(says(&said, ABORTED[0]) && !says(&said, SUCCESS[0]), "{said:?}");
        assert_eq!(run(&mut pair.ours, &mut pair.theirs, "", ("x", "x")), both(SUCCESS));
        pair.goes_on();
    });
}

#[test]
fn a_new_handshake_or_the_end_of_the_conversation_ends_our_run() {
    in_each_version(|version| {
        for ours_acts in [true, false] {
            for command in ["query", "end"] {
                let mut pair = Pair::encrypted(version);
                ask(&mut pair.theirs, &mut pair.ours, "where?", "here");
                let said =
                    if ours_acts { pair.carry_from_ours(command) } else { pair.carry_from_theirs(command) };
                assert!(says(&said, ABORTED[0]), "{command}: {said:?}");
                assert!(says(&pair.ours.ask("smp-respond here"), "err "));
                let said = pair.begin();
                pair.assert_secure(&said);
                pair.goes_on();
            }
        }
    });
}
