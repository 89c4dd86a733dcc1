//! Messages that cannot be read: told by an error message, unless they say by their flag that it does not matter.

use otrv4::wire::Version::V4;

use super::{Bench, Case};
use crate::conversation::{Conversation, shortened};
use crate::message::Message;
use crate::stop::{Step, ensure, failed};

pub(super) const CASES: &[Case] = &[
    Case::new(V4, "unreadable-is-told", "otrv4: OTR Error Messages; Receiving a Data Message", is_told),
    Case::new(V4, "unreadable-and-flagged", "otrv4: Data Message Format", flagged),
    Case::new(V4, "flag-of-texts", "otrv4: Data Message Format", flag_of_texts),
    Case::new(V4, "flag-of-smp", "otrv4: TLV Record Types", flag_of_smp),
    Case::new(V4, "flag-of-the-end", "otrv4: TLV Record Types", flag_of_the_end),
    Case::new(V4, "flag-of-heartbeats", "otrv4: Data Exchange", flag_of_heartbeats),
    Case::new(V4, "flag-of-extra-keys", "otrv4: TLV Record Types", flag_of_extra_keys),
];

const IGNORE_UNREADABLE: u8 = 1;

fn is_told(bench: &Bench<'_>) -> Step {
    let mut c = bench.talking()?;
    c.lives()?;
    let line = c.line("intact")?;
    let honest = Message::of(&line)?;
    for (how, field, offset) in [("MAC", "MAC", 9), ("text", "ciphertext", 4)] {
        let what = format!("a message with another {how}");
        told(&mut c, &what, &honest.flipped(field, offset)?.line(), "?OTR Error: ERROR_1: ")?;
    }
    c.they_read(&line, "intact")?;
    told(&mut c, "a message that was read already", &line, "?OTR Error: ERROR_1: ")?;
    c.lives()?;
    c.them.obey("end")?;
    told(&mut c, "a message after the end", &line, "?OTR Error: ERROR_2: ")
}

fn told(c: &mut Conversation, what: &str, line: &str, error: &str) -> Step {
    let answer = c.ignored(what, line)?;
    let told = answer.out().first().is_some_and(|line| line.starts_with(error));
    ensure!(told, "{what} is not answered by {error:?}: {:?}", shortened(&answer));
    Ok(())
}

fn flagged(bench: &Bench<'_>) -> Step {
    let mut c = bench.talking()?;
    c.lives()?;
    let line = our_heartbeat(&mut c)?;
    let honest = Message::of(&line)?;
    // The ciphertext has its length before it.
    for (field, offset) in [("MAC", 3), ("ciphertext", 4), ("j", 3)] {
        let changed = honest.flipped(field, offset)?;
        silent(&mut c, &format!("a heartbeat with another {field}"), &changed.line())?;
    }
    let answer = c.them.receive(&line)?;
    c.carry(answer.out())?;
    silent(&mut c, "a heartbeat that was read already", &line)?;
    c.lives()?;
    let late = our_heartbeat(&mut c)?;
    let end = c.them.obey("end")?;
    ensure!(!end.out().is_empty(), "an end is not sent");
    silent(&mut c, "a heartbeat that was read already, after the end", &line)?;
    silent(&mut c, "a heartbeat after the end", &late)
}

/// Not even an error message.
fn silent(c: &mut Conversation, what: &str, line: &str) -> Step {
    let answer = c.ignored(what, line)?;
    ensure!(answer.out().is_empty(), "{what} is answered: {:?}", shortened(&answer));
    Ok(())
}

fn our_heartbeat(c: &mut Conversation) -> Step<String> {
    c.we(|session, cx| session.heartbeat(cx, None))?;
    let lines = c.us.take();
    let Some(line) = lines.first() else { return failed("our heartbeat sends nothing") };
    ensure!(Message::of(line)?.get("flags")? == [IGNORE_UNREADABLE], "our heartbeat has no flag");
    Ok(line.clone())
}

fn flag_of_texts(bench: &Bench<'_>) -> Step {
    let mut c = bench.talking()?;
    let line = c.their_line("a text that must not get lost silently")?;
    let flags = Message::of(&line)?.get("flags")?.to_vec();
    ensure!(flags == [0], "a text has the flags {flags:?}");
    Ok(())
}

fn flag_of_smp(bench: &Bench<'_>) -> Step {
    let mut c = bench.talking()?;
    c.we(|session, cx| session.smp_start(cx, None, "Where?", "here"))?;
    c.carry(Vec::new())?;
    let second = c.them.obey("smp-respond here")?.out();
    all_flagged("SMP message 2", &second)?;
    second.iter().for_each(|line| c.us.receive(line));
    let third = c.us.take();
    all_flagged("SMP message 4", &c.deliver(&third)?.out())?;
    all_flagged("SMP message 1", &c.them.obey("smp-start Where?|here")?.out())?;
    all_flagged("an abort of SMP", &c.them.obey("smp-abort")?.out())
}

fn flag_of_the_end(bench: &Bench<'_>) -> Step {
    let mut c = bench.talking()?;
    c.lives()?;
    all_flagged("an end", &c.them.obey("end")?.out())
}

fn flag_of_heartbeats(bench: &Bench<'_>) -> Step {
    let mut c = bench.talking()?;
    all_flagged("a heartbeat", &c.them.obey("heartbeat")?.out())
}

fn flag_of_extra_keys(bench: &Bench<'_>) -> Step {
    let mut c = bench.talking()?;
    all_flagged("an extra symmetric key", &c.them.obey("extra-key 00000001")?.out())
}

fn all_flagged(what: &str, lines: &[String]) -> Step {
    ensure!(!lines.is_empty(), "{what} is not sent");
    for line in lines {
        let flags = Message::of(line)?.get("flags")?.to_vec();
        ensure!(flags == [IGNORE_UNREADABLE], "{what} has the flags {flags:?}");
    }
    Ok(())
}
