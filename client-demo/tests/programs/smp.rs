//! Two `client-demo pipe` processes that verify each other; this test is the network.

use std::path::Path;

use crate::process::{
    Pipe, assert_secure, carry, encrypted, field, give, goes_on, plain, say, says, start, wire_lines,
};

/// The result on both sides: what the one who began says, and what the other one says.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) initiator: Vec<String>,
    pub(crate) responder: Vec<String>,
}

pub(crate) const SUCCESS: [&str; 1] = ["event smp-success"];
pub(crate) const FAILURE: [&str; 1] = ["event smp-failure"];
pub(crate) const ABORTED: [&str; 1] = ["event smp-aborted"];

/// What an answer says about SMP.
pub(crate) fn smp_events(answer: &[String]) -> Vec<String> {
    answer.iter().filter(|line| line.starts_with("event smp-")).cloned().collect()
}

/// Carries lines until nobody has anything to say; what each said about SMP.
fn settle(mut to_responder: Vec<String>, initiator: &mut Pipe, responder: &mut Pipe) -> Told {
    let mut told = Told::default();
    while !to_responder.is_empty() {
        let answer = give(responder, &to_responder);
        told.responder.extend(smp_events(&answer));
        let answer = give(initiator, &wire_lines(&answer));
        told.initiator.extend(smp_events(&answer));
        to_responder = wire_lines(&answer);
    }
    told
}

/// `initiator` asks, and `responder` is asked.
pub(crate) fn ask(initiator: &mut Pipe, responder: &mut Pipe, question: &str, secret: &str) {
    let asked = initiator.ask(&format!("smp-start {question}|{secret}"));
    assert!(smp_events(&asked).is_empty(), "{asked:?}");
    let asked = give(responder, &wire_lines(&asked));
    assert_eq!(asked, [format!("event smp-ask {question}")], "and nothing goes out before the answer");
}

/// A run with these secrets; what both say at its end.
pub(crate) fn run(initiator: &mut Pipe, responder: &mut Pipe, question: &str, secrets: (&str, &str)) -> Told {
    ask(initiator, responder, question, secrets.0);
    let answer = responder.ask(&format!("smp-respond {}", secrets.1));
    assert!(smp_events(&answer).is_empty(), "{answer:?}");
    let more = give(initiator, &wire_lines(&answer));
    assert!(smp_events(&more).is_empty(), "{more:?}");
    settle(wire_lines(&more), initiator, responder)
}

pub(crate) fn both(events: [&str; 1]) -> Told {
    let events = || events.map(str::to_owned).to_vec();
    Told { initiator: events(), responder: events() }
}

#[test]
fn equal_secrets_succeed_and_others_fail_from_either_side_with_and_without_a_question() {
    let (mut alice, mut bob) = encrypted();
    for question in ["", r"Wo trafen wir uns? \\ 😀\nzweite Zeile"] {
        for alice_asks in [true, false] {
            for (secrets, result) in [
                (("on the train", "on the train"), SUCCESS),
                (("on the train", "On the train"), FAILURE),
                (("größe|", "größe"), FAILURE),
                (("größe|", "größe|"), SUCCESS),
            ] {
                let (from, to) = if alice_asks { (&mut alice, &mut bob) } else { (&mut bob, &mut alice) };
                assert_eq!(run(from, to, question, secrets), both(result), "{question} {secrets:?}");
                goes_on(&mut alice, &mut bob);
            }
        }
    }
}

#[test]
fn who_asked_has_verified_and_who_was_asked_a_question_has_not() {
    let verified = |who: &mut Pipe| field(&who.ask("state")[0], "verified").to_owned();
    let (mut alice, mut bob) = encrypted();
    assert_eq!((verified(&mut alice), verified(&mut bob)), ("no".to_owned(), "no".to_owned()));
    assert_eq!(run(&mut alice, &mut bob, "where?", ("here", "there")), both(FAILURE));
    assert_eq!((verified(&mut alice), verified(&mut bob)), ("no".to_owned(), "no".to_owned()));
    assert_eq!(run(&mut alice, &mut bob, "where?", ("here", "here")), both(SUCCESS));
    assert_eq!((verified(&mut alice), verified(&mut bob)), ("smp".to_owned(), "no".to_owned()));
    assert_eq!(run(&mut alice, &mut bob, "", ("both know", "both know")), both(SUCCESS));
    assert_eq!((verified(&mut alice), verified(&mut bob)), ("smp".to_owned(), "smp".to_owned()));
    assert_eq!(run(&mut bob, &mut alice, "where?", ("here", "there")), both(FAILURE));
    assert_eq!((verified(&mut alice), verified(&mut bob)), ("smp".to_owned(), "smp".to_owned()));
}

#[test]
fn a_client_in_the_middle_of_a_run_says_so() {
    let (mut alice, mut bob) = encrypted();
    ask(&mut alice, &mut bob, "where?", "here");
    assert!(alice.ask("state")[0].ends_with(" smp=waiting"));
    assert!(bob.ask("state")[0].ends_with(" smp=asked"));
    let answer = wire_lines(&bob.ask("smp-respond here"));
    assert!(bob.ask("state")[0].ends_with(" smp=waiting"));
    let rest = wire_lines(&give(&mut alice, &answer));
    assert_eq!(settle(rest, &mut alice, &mut bob), both(SUCCESS));
    assert!(!alice.ask("state")[0].contains("smp=") && !bob.ask("state")[0].contains("smp="));
}

/// How far a run is when somebody gives it up; the message of the last step is still on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Step {
    Started,
    Asked,
    Responded,
    Proven,
    Concluded,
}

/// Runs up to there; what is on its way to the responder or, else, to the initiator.
pub(crate) fn run_up_to(step: Step, alice: &mut Pipe, bob: &mut Pipe) -> (Vec<String>, Vec<String>) {
    let one = wire_lines(&alice.ask("smp-start where?|here"));
    if step == Step::Started {
        return (one, Vec::new());
    }
    assert!(says(&give(bob, &one), "event smp-ask where?"));
    if step == Step::Asked {
        return (Vec::new(), Vec::new());
    }
    let two = wire_lines(&bob.ask("smp-respond here"));
    if step == Step::Responded {
        return (Vec::new(), two);
    }
    let three = wire_lines(&give(alice, &two));
    if step == Step::Proven {
        return (three, Vec::new());
    }
    let concluded = give(bob, &three);
    assert_eq!(smp_events(&concluded), SUCCESS);
    (Vec::new(), wire_lines(&concluded))
}

#[test]
fn either_side_can_give_up_at_each_step_and_both_learn_of_it() {
    let steps = [Step::Started, Step::Asked, Step::Responded, Step::Proven, Step::Concluded];
    for (step, alice_aborts) in steps.into_iter().flat_map(|step| [(step, true), (step, false)]) {
        let context = format!("{step:?}, by Alice: {alice_aborts}");
        let (mut alice, mut bob) = encrypted();
        let (mut to_bob, mut to_alice) = run_up_to(step, &mut alice, &mut bob);
        let aborter = if alice_aborts { &mut alice } else { &mut bob };
        let abort = aborter.ask("smp-abort");
        assert!(!says(&abort, "err ") && !wire_lines(&abort).is_empty(), "{context}: {abort:?}");
        let mut told = Told::default();
        if alice_aborts {
            told.initiator.extend(smp_events(&abort));
            to_bob.extend(wire_lines(&abort));
        } else {
            told.responder.extend(smp_events(&abort));
            to_alice.extend(wire_lines(&abort));
        }
        for _ in 0..4 {
            let (at_alice, at_bob) = (give(&mut alice, &to_alice), give(&mut bob, &to_bob));
            told.initiator.extend(smp_events(&at_alice));
            told.responder.extend(smp_events(&at_bob));
            (to_bob, to_alice) = (wire_lines(&at_alice), wire_lines(&at_bob));
        }
        assert!(to_bob.is_empty() && to_alice.is_empty(), "{context}: nobody answers an abort for ever");
        let expected = match (step, alice_aborts) {
            // The question comes before the news that it is withdrawn, or crosses the abort of who has not heard it.
            (Step::Started, true) => Told { responder: asked_then(&ABORTED), ..both(ABORTED) },
            (Step::Started, false) => Told { responder: asked_then(&[]), ..both(ABORTED) },
            // The last proof, or the result, was on its way: the responder has the result, and so has the initiator if it came before the abort.
            (Step::Proven, true) => Told { responder: SUCCESS.map(str::to_owned).to_vec(), ..both(ABORTED) },
            (Step::Concluded, true) => Told { responder: Vec::new(), ..both(ABORTED) },
            (Step::Concluded, false) => Told { responder: Vec::new(), ..both(SUCCESS) },
            _ => both(ABORTED),
        };
        assert_eq!(told, expected, "{context}");
        goes_on(&mut alice, &mut bob);
        if says(&bob.ask("smp-abort"), "event smp-aborted") {
            // What crossed an abort was withdrawn, too: who answers it now gets an abort.
            assert_eq!((step, alice_aborts), (Step::Started, false));
        }
        assert_eq!(run(&mut alice, &mut bob, "", ("again", "again")), both(SUCCESS), "{context}");
        goes_on(&mut alice, &mut bob);
    }
}

fn asked_then(events: &[&str]) -> Vec<String> {
    ["event smp-ask where?"].iter().chain(events).map(|event| (*event).to_owned()).collect()
}

#[test]
fn an_answer_to_a_question_that_was_withdrawn_ends_in_an_abort() {
    let (mut alice, mut bob) = encrypted();
    ask(&mut alice, &mut bob, "where?", "here");
    let withdrawn = alice.ask("smp-abort");
    let answer = wire_lines(&bob.ask("smp-respond here"));
    assert_eq!(smp_events(&give(&mut bob, &wire_lines(&withdrawn))), ABORTED);
    let refused = give(&mut alice, &answer);
    assert!(smp_events(&refused).is_empty(), "{refused:?}");
    let heard = give(&mut bob, &wire_lines(&refused));
    assert!(smp_events(&heard).is_empty() && wire_lines(&heard).is_empty(), "{heard:?}");
    assert!(says(&bob.ask("smp-respond here"), "err "));
    goes_on(&mut alice, &mut bob);
}

#[test]
fn a_second_start_replaces_the_first_run_and_two_at_once_end_both() {
    let (mut alice, mut bob) = encrypted();
    ask(&mut alice, &mut bob, "first?", "one");
    let again = alice.ask("smp-start second?|two");
    assert_eq!(smp_events(&again), ABORTED);
    let asked = give(&mut bob, &wire_lines(&again));
    assert_eq!(smp_events(&asked), ["event smp-aborted", "event smp-ask second?"]);
    let answer = wire_lines(&bob.ask("smp-respond two"));
    let rest = wire_lines(&give(&mut alice, &answer));
    assert_eq!(settle(rest, &mut alice, &mut bob), both(SUCCESS));

    let (from_alice, from_bob) =
        (wire_lines(&alice.ask("smp-start a?|x")), wire_lines(&bob.ask("smp-start b?|x")));
    let (at_alice, at_bob) = (give(&mut alice, &from_bob), give(&mut bob, &from_alice));
    assert_eq!(
        (smp_events(&at_alice), smp_events(&at_bob)),
        (ABORTED.map(str::to_owned).to_vec(), ABORTED.map(str::to_owned).to_vec())
    );
    let (at_bob, at_alice) = (give(&mut bob, &wire_lines(&at_alice)), give(&mut alice, &wire_lines(&at_bob)));
    assert!(wire_lines(&at_alice).is_empty() && wire_lines(&at_bob).is_empty());
    assert_eq!(run(&mut bob, &mut alice, "b?", ("x", "x")), both(SUCCESS));
    goes_on(&mut alice, &mut bob);
}

#[test]
fn a_new_handshake_ends_a_run_on_both_sides() {
    for by_alice in [true, false] {
        let (mut alice, mut bob) = encrypted();
        ask(&mut alice, &mut bob, "where?", "here");
        let (from, to) = if by_alice { (&mut alice, &mut bob) } else { (&mut bob, &mut alice) };
        let identity = wire_lines(&from.ask("identity"));
        let said = carry(identity, from, to);
        assert_secure(&said, &alice, &bob);
        assert_eq!(smp_events(&said), ["event smp-aborted", "event smp-aborted"]);
        assert!(says(&bob.ask("smp-respond here"), "err "));
        assert_eq!(run(&mut alice, &mut bob, "where?", ("here", "here")), both(SUCCESS));
        goes_on(&mut alice, &mut bob);
    }
}

#[test]
fn the_end_of_a_conversation_ends_a_run_on_both_sides() {
    for by_alice in [true, false] {
        let (mut alice, mut bob) = encrypted();
        ask(&mut alice, &mut bob, "where?", "here");
        let (from, to) = if by_alice { (&mut alice, &mut bob) } else { (&mut bob, &mut alice) };
        let ended = from.ask("end");
        assert_eq!(smp_events(&ended), ABORTED);
        assert!(!says(&ended, "event finished "), "who ends it knows");
        let heard = give(to, &wire_lines(&ended));
        assert_eq!(smp_events(&heard), ABORTED);
        assert!(says(&heard, &format!("event finished {}", from.tag())));
        for command in
            ["smp-start where?|here", "smp-respond here", "smp-abort", "heartbeat", "extra-key 00000000"]
        {
            assert!(says(&to.ask(command), "err "), "{command} without a conversation");
        }
        assert_secure(&start(&mut alice, &mut bob), &alice, &bob);
        assert_eq!(run(&mut alice, &mut bob, "where?", ("here", "here")), both(SUCCESS));
        goes_on(&mut alice, &mut bob);
    }
}

#[test]
fn texts_in_between_and_a_bad_network_do_not_disturb_a_run() {
    let (mut alice, mut bob) = encrypted();
    ask(&mut alice, &mut bob, "where?", "here");
    goes_on(&mut alice, &mut bob);
    let mut late = alice.send("overtaken");
    let answer = wire_lines(&bob.ask("smp-respond here"));
    say(&mut bob, &mut alice, "this one overtakes the answer");
    let three = wire_lines(&give(&mut alice, &answer));
    assert_eq!(settle(three.clone(), &mut alice, &mut bob), both(SUCCESS));
    assert_eq!(plain(&give(&mut bob, &late)), ["overtaken"]);
    // Every line of it again.
    for line in three.iter().chain(&late) {
        let again = bob.receive(line);
        assert!(smp_events(&again).is_empty() && plain(&again).is_empty(), "{again:?}");
    }
    for line in &answer {
        assert!(smp_events(&alice.receive(line)).is_empty());
    }
    late = alice.send("still here");
    assert_eq!(plain(&give(&mut bob, &late)), ["still here"]);
}

#[test]
fn a_restart_of_both_at_each_step_of_a_run_is_not_noticed() {
    let folder = tempfile::tempdir().expect("a folder");
    let (home_a, home_b) = (folder.path().join("a"), folder.path().join("b"));
    let restart = |pipe: Pipe, me: &str, them: &str, home: &Path| {
        pipe.kill();
        Pipe::at_home(me, them, home)
    };
    let mut alice = Pipe::at_home("alice", "bob", &home_a);
    let mut bob = Pipe::at_home("bob", "alice", &home_b);
    assert_secure(&start(&mut alice, &mut bob), &alice, &bob);
    for (secrets, result) in [(("here", "there"), FAILURE), (("here", "here"), SUCCESS)] {
        let mut lines = wire_lines(&alice.ask(&format!("smp-start where?|{}", secrets.0)));
        let mut told = Vec::new();
        for step in 0..4 {
            alice = restart(alice, "alice", "bob", &home_a);
            bob = restart(bob, "bob", "alice", &home_b);
            let receiver = if step % 2 == 0 { &mut bob } else { &mut alice };
            let mut said = give(receiver, &lines);
            if step == 0 {
                assert!(says(&said, "event smp-ask where?"));
                bob = restart(bob, "bob", "alice", &home_b);
                said = bob.ask(&format!("smp-respond {}", secrets.1));
            }
            told.extend(smp_events(&said));
            lines = wire_lines(&said);
        }
        assert!(lines.is_empty());
        assert_eq!(told, [result, result].concat());
        alice = restart(alice, "alice", "bob", &home_a);
        goes_on(&mut alice, &mut bob);
    }
    assert_eq!(field(&alice.ask("state")[0], "verified"), "smp");
}
