//! Verification by a shared secret.

use otrv4::wire::Version::{V2, V3, V4};
use otrv4::{Event, inside};

use super::{Bench, Case};
use crate::conversation::Conversation;
use crate::stop::{Step, ensure, failed};
use crate::subject::Answer;

pub(super) const CASES: &[Case] = &[
    Case::new(V4, "smp-we-ask", V4_SMP, we_ask),
    Case::new(V4, "smp-they-ask", V4_SMP, they_ask),
    Case::new(V4, "smp-without-question", V4_SMP, without_question),
    Case::new(V4, "smp-different-secrets", V4_SMP, different),
    Case::new(V4, "smp-we-abort", "otrv4: The SMP State Machine", we_abort),
    Case::new(V4, "smp-they-abort", "otrv4: The SMP State Machine", they_abort),
    Case::new(V4, "smp-bad-messages", V4_SMP, bad_first_messages),
    Case::new(V4, "smp-out-of-order", "otrv4: The SMP State Machine", out_of_order),
    Case::new(V4, "smp-abort-without-a-run", "otrv4: The SMP State Machine", abort_without_a_run),
    Case::new(V3, "smp-bad-messages", V3_SMP, bad_first_messages),
    Case::new(V3, "smp-out-of-order", "otrv3: The SMP state machine", out_of_order),
    Case::new(V3, "smp-abort-without-a-run", "otrv3: The SMP state machine", abort_without_a_run),
    Case::new(V3, "smp-we-ask", V3_SMP, we_ask),
    Case::new(V3, "smp-they-ask", V3_SMP, they_ask),
    Case::new(V3, "smp-without-question", V3_SMP, without_question),
    Case::new(V3, "smp-different-secrets", V3_SMP, different),
    Case::new(V3, "smp-we-abort", "otrv3: The SMP state machine", we_abort),
    Case::new(V3, "smp-they-abort", "otrv3: The SMP state machine", they_abort),
    Case::new(V2, "smp-we-ask", V3_SMP, we_ask),
    Case::new(V2, "smp-they-ask", V3_SMP, they_ask),
];

pub(super) const V4_SMP: &str = "otrv4: Socialist Millionaires Protocol (SMP)";
pub(super) const V3_SMP: &str = "otrv3: Socialist Millionaires' Protocol (SMP)";
pub(super) const SECRET: &str = "the café by the canal";

fn we_ask(bench: &Bench<'_>) -> Step {
    let mut c = bench.talking()?;
    for _ in 0..2 {
        our_run(&mut c, "Where did we meet?", SECRET, SECRET, true)?;
    }
    c.lives()
}

fn they_ask(bench: &Bench<'_>) -> Step {
    let mut c = bench.talking()?;
    their_run(&mut c, "Where did we meet?", SECRET, SECRET, true)?;
    their_run(&mut c, "Where?", "here", "there", false)?;
    their_run(&mut c, "Where, now?", SECRET, SECRET, true)?;
    c.lives()
}

fn without_question(bench: &Bench<'_>) -> Step {
    let mut c = bench.talking()?;
    our_run(&mut c, "", SECRET, SECRET, true)?;
    their_run(&mut c, "", SECRET, SECRET, true)?;
    c.lives()
}

fn different(bench: &Bench<'_>) -> Step {
    let mut c = bench.talking()?;
    our_run(&mut c, "Where?", "here", "there", false)?;
    c.lives()?;
    // Blanks and case count.
    our_run(&mut c, "Where?", "here", "Here", false)?;
    our_run(&mut c, "Where?", SECRET, SECRET, true)?;
    c.lives()
}

pub(super) fn our_run(c: &mut Conversation, question: &str, ours: &str, theirs: &str, equal: bool) -> Step {
    c.us.heard();
    c.we(|session, cx| session.smp_start(cx, None, question, ours))?;
    let asked = c.carry(Vec::new())?;
    ensure!(asked.event("smp-ask").is_some(), "no `event smp-ask`: {:?}", asked.lines());
    let shown = asked.event("smp-ask ").unwrap_or_default();
    ensure!(shown == question, "the question is shown as {shown:?}");
    let mut said = c.them.obey(&format!("smp-respond {theirs}"))?;
    said.add(c.carry(said.out())?);
    outcome(c, &said, equal)
}

pub(super) fn their_run(c: &mut Conversation, question: &str, ours: &str, theirs: &str, equal: bool) -> Step {
    c.us.heard();
    let mut said = c.them.obey(&format!("smp-start {question}|{theirs}"))?;
    said.add(c.carry(said.out())?);
    let with = c.ours()?.with;
    let asked = c.us.session.smp_question(with).map(str::to_owned);
    ensure!(asked.as_deref() == Some(question), "we are asked {asked:?}");
    c.we(|session, cx| session.smp_answer(cx, with, question, ours))?;
    said.add(c.carry(Vec::new())?);
    outcome(c, &said, equal)
}

/// Both have come to the same result, which is this one.
fn outcome(c: &Conversation, said: &Answer, equal: bool) -> Step {
    let (yes, no) = (said.event("smp-success").is_some(), said.event("smp-failure").is_some());
    ensure!((yes, no) == (equal, !equal), "the program's result is not {equal}: {:?}", said.lines());
    let yes = c.we_were_told(|event| matches!(event, Event::SmpSucceeded { .. }));
    let no = c.we_were_told(|event| matches!(event, Event::SmpFailed { .. }));
    ensure!((yes, no) == (equal, !equal), "our result is not {equal}");
    Ok(())
}

fn we_abort(bench: &Bench<'_>) -> Step {
    let mut c = bench.talking()?;
    c.we(|session, cx| session.smp_start(cx, None, "Where?", SECRET))?;
    c.carry(Vec::new())?;
    c.we(|session, cx| session.smp_abort(cx, None))?;
    let lines = c.us.take();
    let answer = c.deliver(&lines)?;
    ensure!(answer.event("smp-aborted").is_some(), "no `event smp-aborted`: {:?}", answer.lines());
    // Two that answer each other's aborts would never stop.
    ensure!(answer.out().is_empty(), "an abort is answered");
    let late = c.them.ask(&format!("smp-respond {SECRET}"))?;
    ensure!(late.error().is_some(), "it answers a question that was taken back: {:?}", late.lines());
    our_run(&mut c, "Again?", SECRET, SECRET, true)?;
    c.lives()
}

fn they_abort(bench: &Bench<'_>) -> Step {
    let mut c = bench.talking()?;
    let started = c.them.obey(&format!("smp-start Where?|{SECRET}"))?;
    c.carry(started.out())?;
    c.us.heard();
    let aborted = c.them.obey("smp-abort")?;
    if aborted.out().is_empty() {
        return failed("an abort is not sent");
    }
    c.carry(aborted.out())?;
    ensure!(
        c.we_were_told(|event| matches!(event, Event::SmpAborted { .. })),
        "we are not told of the abort"
    );
    our_run(&mut c, "Again?", SECRET, SECRET, true)?;
    c.lives()
}

/// The vectors that stand in for message 1: nobody is asked, and an honest run works afterwards.
fn bad_first_messages(bench: &Bench<'_>) -> Step {
    let (file, kind) = match bench.version {
        V4 => (include_str!("../../vectors/smp.json"), "smp_bad"),
        _ => (include_str!("../../vectors/v3-smp.json"), "v3_smp_bad"),
    };
    let bad = crate::illegal::bad_smp_messages(file, kind)?;
    ensure!(!bad.is_empty(), "no vectors of kind {kind}");
    let mut c = bench.talking()?;
    for (name, record) in bad {
        refused(&mut c, &format!("the vector {name}"), record)?;
    }
    our_run(&mut c, "Where?", SECRET, SECRET, true)?;
    c.lives()
}

/// Messages 2, 3 and 4 that nobody waits for.
fn out_of_order(bench: &Bench<'_>) -> Step {
    let mut c = bench.talking()?;
    for kind in [3, 4, 5] {
        for value in [Vec::new(), vec![0; 500], vec![0xff; 1000]] {
            refused(&mut c, &format!("a record of type {kind} that nobody waits for"), (kind, value))?;
        }
    }
    // In the middle of a run of theirs.
    let started = c.them.obey(&format!("smp-start Where?|{SECRET}"))?;
    c.carry(started.out())?;
    refused(&mut c, "message 4 instead of message 2", (5, vec![1; 200]))?;
    c.we(|session, cx| session.smp_abort(cx, None)).or(Ok(()))?;
    let lines = c.us.take();
    c.deliver(&lines)?;
    our_run(&mut c, "Where?", SECRET, SECRET, true)?;
    c.lives()
}

/// Two that answer each other's aborts would never stop.
fn abort_without_a_run(bench: &Bench<'_>) -> Step {
    let mut c = bench.talking()?;
    let with = c.ours()?.with;
    for _ in 0..3 {
        c.us.act(|session, cx| inside::send_records(session, cx, with, vec![(6, Vec::new())]));
        let lines = c.us.take();
        let answer = c.deliver(&lines)?;
        ensure!(answer.out().is_empty(), "an abort is answered: {:?}", answer.lines());
    }
    c.lives()
}

/// A record that asks nobody, tells no result and is answered by one abort at most.
fn refused(c: &mut Conversation, what: &str, record: (u16, Vec<u8>)) -> Step {
    let with = c.ours()?.with;
    c.us.act(|session, cx| inside::send_records(session, cx, with, vec![record]));
    let lines = c.us.take();
    let answer = c.deliver(&lines)?;
    let told = ["smp-ask", "smp-success", "smp-failure"].iter().any(|event| answer.event(event).is_some());
    ensure!(!told && answer.out().len() <= 1, "{what} is not refused: {:?}", answer.lines());
    answer.out().iter().for_each(|line| c.us.receive(line));
    c.us.take();
    Ok(())
}
