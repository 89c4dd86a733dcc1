//! SMP with somebody who follows it but for one value: every proof of messages 2, 3 and 4 is falsified in one number at a
//! time, while all else is right. The run ends without a result, the conversation goes on, and an honest run succeeds.

use otrv4::wire::Version::{V2, V3, V4};
use otrv4::wire::{Reader, Version, Writer, read_plaintext, unarmour};

use super::smp::{SECRET, V3_SMP, V4_SMP, our_run, their_run};
use super::{Bench, Case};
use crate::conversation::Conversation;
use crate::illegal::{self, Record};
use crate::message::mpi;
use crate::stop::{Step, ensure, failed};
use crate::subject::Answer;

pub(super) const CASES: &[Case] = &[
    Case::new(V4, "smp-proofs-of-message-2", V4_SMP, proofs_of_2),
    Case::new(V4, "smp-proofs-of-message-3", V4_SMP, proofs_of_3),
    Case::new(V4, "smp-proofs-of-message-4", V4_SMP, proofs_of_4),
    Case::new(V4, "smp-replayed", V4_SMP, replayed),
    Case::new(V4, "smp-message-1-in-between", "otrv4: The SMP State Machine", in_between),
    Case::new(V3, "smp-proofs-of-message-2", V3_SMP, proofs_of_2),
    Case::new(V3, "smp-proofs-of-message-3", V3_SMP, proofs_of_3),
    Case::new(V3, "smp-proofs-of-message-4", V3_SMP, proofs_of_4),
    Case::new(V3, "smp-replayed", V3_SMP, replayed),
    Case::new(V3, "smp-message-1-in-between", "otrv3: The SMP state machine", in_between),
    Case::new(V2, "smp-proofs-of-message-3", V3_SMP, proofs_of_3),
];

/// What a field is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Field {
    /// Of the group.
    Element,
    /// Of a proof.
    Scalar,
}

use Field::{Element, Scalar};

/// `G2, c2, d2, G3, c3, d3, P, Q, cP, d5, d6`
const MESSAGE_2: &[Field] =
    &[Element, Scalar, Scalar, Element, Scalar, Scalar, Element, Element, Scalar, Scalar, Scalar];
/// `P, Q, cP, d5, d6, R, cR, d7`
const MESSAGE_3: &[Field] = &[Element, Element, Scalar, Scalar, Scalar, Element, Scalar, Scalar];
/// `R, cR, d7`
const MESSAGE_4: &[Field] = &[Element, Scalar, Scalar];

/// Our next message in a run that it begins.
type Maker = fn(&mut Conversation) -> Step<Record>;

/// They have begun; what we would answer.
fn message_2(c: &mut Conversation) -> Step<Record> {
    let started = c.them.obey(&format!("smp-start Where?|{SECRET}"))?;
    started.out().iter().for_each(|line| c.us.receive(line));
    let with = c.ours()?.with;
    let mut record = None;
    c.us.act(|session, cx| {
        record = otrv4::inside::smp_answer(session, cx, with, SECRET);
        Vec::new()
    });
    record.map_or_else(|| failed("our side has no answer to message 1"), Ok)
}

/// We have begun, and they have answered; what comes next.
fn message_3(c: &mut Conversation) -> Step<Record> {
    c.we(|session, cx| session.smp_start(cx, None, "Where?", SECRET))?;
    c.carry(Vec::new())?;
    let answer = c.them.obey(&format!("smp-respond {SECRET}"))?;
    reply(c, &answer)
}

/// They have begun and have sent message 3; the last one.
fn message_4(c: &mut Conversation) -> Step<Record> {
    let record = message_2(c)?;
    let answer = sent(c, record)?;
    reply(c, &answer)
}

/// What our side replies to the one record of SMP in these lines.
fn reply(c: &mut Conversation, answer: &Answer) -> Step<Record> {
    let theirs = their_record(c, answer)?;
    let with = c.ours()?.with;
    let mut record = None;
    c.us.act(|session, cx| {
        record = otrv4::inside::smp_reply(session, cx, with, theirs);
        Vec::new()
    });
    record.map_or_else(|| failed("our side has no reply: what the program sent is not right"), Ok)
}

/// The record of SMP in what they sent. Our side has not read it then, and need not.
fn their_record(c: &Conversation, answer: &Answer) -> Step<Record> {
    let out = answer.out();
    let opened = out.iter().filter_map(|line| otrv4::inside::plaintext(&c.us.session, &unarmour(line).ok()?));
    let mut records = opened.flat_map(|plaintext| {
        let (_, tlvs) = read_plaintext(&plaintext);
        tlvs.into_iter().map(|tlv| (tlv.kind, tlv.value.clone())).collect::<Vec<_>>()
    });
    match records.find(|(kind, _)| (2..=7).contains(kind)) {
        Some(record) => Ok(record),
        None => failed(format!("no record of SMP: {:?}", answer.lines())),
    }
}

/// What they say to a record of ours.
fn sent(c: &mut Conversation, record: Record) -> Step<Answer> {
    let with = c.ours()?.with;
    c.us.act(|session, cx| otrv4::inside::send_records(session, cx, with, vec![record]));
    let lines = c.us.take();
    c.deliver(&lines)
}

/// The run ends without a result, and we may be told so by an abort.
fn ends(c: &mut Conversation, what: &str, record: Record) -> Step {
    let answer = sent(c, record)?;
    ended(c, what, &answer)
}

fn ended(c: &mut Conversation, what: &str, answer: &Answer) -> Step {
    ensure!(!has_result(answer), "{what} is not refused: {:?}", answer.lines());
    ensure!(answer.event("smp-aborted").is_some(), "{what} ends no run: {:?}", answer.lines());
    if !answer.out().is_empty() {
        let (kind, _) = their_record(c, answer)?;
        ensure!(kind == 6, "{what} is answered by a record of type {kind} instead of an abort");
    }
    answer.out().iter().for_each(|line| c.us.receive(line));
    let ours = c.us.take();
    ensure!(ours.is_empty(), "our side answers an abort");
    Ok(())
}

fn has_result(answer: &Answer) -> bool {
    ["smp-ask", "smp-success", "smp-failure"].iter().any(|event| answer.event(event).is_some())
}

fn proofs_of_2(bench: &Bench<'_>) -> Step {
    falsified(bench, "message 2", MESSAGE_2, message_2)
}

fn proofs_of_3(bench: &Bench<'_>) -> Step {
    falsified(bench, "message 3", MESSAGE_3, message_3)
}

fn proofs_of_4(bench: &Bench<'_>) -> Step {
    falsified(bench, "message 4", MESSAGE_4, message_4)
}

/// Each field in turn: another of its kind, and one that is none.
fn falsified(bench: &Bench<'_>, name: &str, layout: &[Field], make: Maker) -> Step {
    let mut c = bench.talking()?;
    let illegal = match bench.version {
        V4 => illegal::points()?,
        _ => illegal::v3_dh_numbers()?,
    };
    for (place, field) in layout.iter().enumerate() {
        let (kind, body) = make(&mut c)?;
        let other = Body::read(bench.version, layout, &body)?.with(place, |value| another(*field, value));
        let what = format!("{name} with field {} changed", place + 1);
        ends(&mut c, &what, (kind, other))?;
        let late = sent(&mut c, (kind, body))?;
        ensure!(!has_result(&late), "the run goes on behind {what}: {:?}", late.lines());
        give_up(&mut c)?;
        if *field == Element {
            // Not all of them: each takes a run.
            for (vector, value) in illegal.iter().step_by(illegal.len().div_ceil(4)) {
                let (kind, body) = make(&mut c)?;
                let bad = Body::read(bench.version, layout, &body)?.with(place, |_| value.clone());
                let what = format!("{name} with the vector {vector} as field {}", place + 1);
                ends(&mut c, &what, (kind, bad))?;
            }
        }
    }
    for cut in [1, 60] {
        let (kind, mut body) = make(&mut c)?;
        body.truncate(body.len() - cut);
        ends(&mut c, &format!("{name} that is cut by {cut} bytes"), (kind, body))?;
    }
    c.lives()?;
    our_run(&mut c, "Where?", SECRET, SECRET, true)?;
    their_run(&mut c, "Where?", SECRET, SECRET, true)?;
    c.lives()
}

/// Another element of the group, or another number.
fn another(field: Field, value: &[u8]) -> Vec<u8> {
    match (field, value.len()) {
        // The generator, which nobody has sent by chance.
        (Element, 57) => super::damage::generator(),
        (Element, _) => vec![2],
        (Scalar, 57) => {
            let mut changed = value.to_vec();
            changed.first_mut().into_iter().for_each(|byte| *byte ^= 1);
            changed
        }
        (Scalar, _) => {
            let mut changed = value.to_vec();
            changed.last_mut().into_iter().for_each(|byte| *byte ^= 1);
            changed
        }
    }
}

/// The fields of a body: points and scalars of 57 bytes in version 4; in version 3 numbers, and their count before them.
struct Body {
    version: Version,
    fields: Vec<Vec<u8>>,
}

impl Body {
    fn read(version: Version, layout: &[Field], body: &[u8]) -> Step<Self> {
        let mut r = Reader::new(body);
        let mut fields = Vec::new();
        let read = (|| {
            if version != V4 {
                r.int("count")?;
            }
            for _ in layout {
                fields.push(match version {
                    V4 => r.bytes(57, "field")?.to_vec(),
                    _ => r.mpi("field")?.to_vec(),
                });
            }
            r.end()
        })();
        match read {
            Ok(()) => Ok(Self { version, fields }),
            Err(error) => failed(format!("our own message of SMP cannot be read: {error}")),
        }
    }

    /// With another field, as bytes again.
    fn with(mut self, place: usize, change: impl FnOnce(&[u8]) -> Vec<u8>) -> Vec<u8> {
        if let Some(field) = self.fields.get_mut(place) {
            *field = change(field);
        }
        if self.version == V4 {
            return self.fields.concat();
        }
        let mut w = Writer::new();
        w.int(u32::try_from(self.fields.len()).unwrap_or_default());
        self.fields.iter().for_each(|field| _ = w.bytes(&mpi(field)));
        w.finish()
    }
}

/// What was good in one run is good in no other, and not twice in the same.
fn replayed(bench: &Bench<'_>) -> Step {
    let mut c = bench.talking()?;
    let makers: [(&str, Maker); 3] =
        [("message 2", message_2), ("message 3", message_3), ("message 4", message_4)];
    for (name, make) in makers {
        let old = make(&mut c)?;
        give_up(&mut c)?;
        make(&mut c)?;
        ends(&mut c, &format!("{name} of an earlier run"), old)?;
    }
    reflected(&mut c)?;
    for (name, make) in &makers[1..] {
        let record = make(&mut c)?;
        let answer = sent(&mut c, record.clone())?;
        ensure!(answer.event("smp-success").is_some(), "an honest {name}: {:?}", answer.lines());
        let again = sent(&mut c, record)?;
        ensure!(!has_result(&again) && again.out().len() <= 1, "{name} counts twice: {:?}", again.lines());
        give_up(&mut c)?;
    }
    c.lives()?;
    our_run(&mut c, "Where?", SECRET, SECRET, true)?;
    c.lives()
}

/// Message 4 is R and its proof, as at the end of message 3: their own come back to them.
fn reflected(c: &mut Conversation) -> Step {
    let record = message_2(c)?;
    let answer = sent(c, record)?;
    let (_, theirs) = their_record(c, &answer)?;
    let Body { version, fields } = Body::read(c.version, MESSAGE_3, &theirs)?;
    let fields = fields.into_iter().skip(MESSAGE_3.len() - MESSAGE_4.len()).collect();
    let body = Body { version, fields }.with(0, <[u8]>::to_vec);
    ends(c, "message 4 made of their own message 3", (5, body))
}

/// Our side forgets its run, and tells so.
fn give_up(c: &mut Conversation) -> Step {
    c.we(|session, cx| session.smp_abort(cx, None))?;
    let lines = c.us.take();
    c.deliver(&lines)?;
    Ok(())
}

/// "If smpstate is not the receive state: set it to EXPECT1 and send an abort", wherever they are.
fn in_between(bench: &Bench<'_>) -> Step {
    let mut c = bench.talking()?;
    let makers: [(&str, Maker); 3] = [
        ("they wait for message 2", message_2),
        ("they wait for message 3", message_3),
        ("they wait for message 4", message_4),
    ];
    for (when, make) in makers {
        make(&mut c)?;
        message_1(&mut c, when)?;
    }
    c.lives()?;
    our_run(&mut c, "Where?", SECRET, SECRET, true)?;
    c.lives()
}

/// Our message 1 in the middle of a run, without the abort that an honest client sends before it.
fn message_1(c: &mut Conversation, when: &str) -> Step {
    c.we(|session, cx| session.smp_start(cx, None, "And now?", SECRET))?;
    let lines = c.us.take();
    let Some((last, _)) = lines.split_last() else { return failed("our side begins no run") };
    let answer = c.them.receive(last)?;
    ensure!(!answer.out().is_empty(), "message 1 while {when} is not answered by an abort");
    ended(c, &format!("message 1 while {when}"), &answer)
}
