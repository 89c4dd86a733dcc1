//! How conversations end: by either side, and by the clock.

use otrv4::Event;
use otrv4::wire::Version::{V2, V3, V4};

use super::damage::{authenticator, sections};
use super::{Bench, Case};
use crate::conversation::Conversation;
use crate::correspondent::START;
use crate::message::Message;
use crate::stop::{Step, Stop, ensure};

pub(super) const CASES: &[Case] = &[
    Case::new(V4, "we-end", "otrv4: User requests to end an OTRv4 Conversation", we_end),
    Case::new(V4, "they-end", "otrv4: User requests to end an OTRv4 Conversation", they_end),
    Case::new(V4, "expiry", "otrv4: Session Expiration", expiry),
    Case::new(V3, "we-end", "otrv3: User requests to end an OTR conversation", we_end),
    Case::new(V3, "they-end", "otrv3: User requests to end an OTR conversation", they_end),
    Case::new(V2, "they-end", "otrv3: User requests to end an OTR conversation", they_end),
];

fn we_end(bench: &Bench<'_>) -> Step {
    let mut c = bench.talking()?;
    c.lives()?;
    c.us.act(|session, cx| session.end(cx));
    let lines = c.us.take();
    let answer = c.deliver(&lines)?;
    let finished = answer.event("finished ");
    ensure!(
        finished == Some(c.us.tag(bench.version).to_string()),
        "no `event finished`: {:?}",
        answer.lines()
    );
    nothing_in_clear(&mut c)?;
    bench.begin(&mut c)?;
    c.lives()
}

/// After an end by the other side or by the clock nothing goes out in clear until the user says so.
fn nothing_in_clear(c: &mut Conversation) -> Step {
    let answer = c.them.ask("send typed too late")?;
    let clear = answer.out().iter().any(|line| line.contains("too late"));
    ensure!(!clear && answer.error().is_some(), "text goes out after the end: {:?}", answer.lines());
    Ok(())
}

fn they_end(bench: &Bench<'_>) -> Step {
    let mut c = bench.talking()?;
    c.lives()?;
    let answer = c.them.obey("end")?;
    answer.out().iter().for_each(|line| c.us.receive(line));
    ensure!(c.we_were_told(|event| matches!(event, Event::Ended { .. })), "we are not told of the end");
    ensure!(c.us.channels().is_empty(), "the end does not reach us");
    bench.begin(&mut c)?;
    c.lives()
}

/// "The session expiration time is decided individually": without a new key of theirs for longer than the two weeks that the
/// text names, their side is over, or it has no such time. Its last message says so, and reveals what is left.
fn expiry(bench: &Bench<'_>) -> Step {
    const LATER: i64 = 15 * 24 * 60 * 60;
    let mut c = bench.talking()?;
    c.lives()?;
    let never_arrives = c.line("never arrives")?;
    let mut owed = vec![("that never arrived", never_arrives)];
    for text in ["one", "two"] {
        let line = c.line(text)?;
        let answer = c.them.receive(&line)?;
        ensure!(answer.plain() == [text], "a message was not read: {:?}", answer.lines());
        owed.push(("that was read", line));
    }
    let answer = c.them.obey(&format!("time {}", START + LATER))?;
    if answer.event("finished ").is_none() {
        return Err(Stop::Skipped("no session of its has expired after 15 days".to_owned()));
    }
    c.us.heard();
    answer.out().iter().for_each(|line| c.us.receive(line));
    ensure!(c.we_were_told(|event| matches!(event, Event::Ended { .. })), "we are not told of the end");
    let mut revealed = Vec::new();
    for line in answer.out() {
        let message = Message::of(&line)?;
        let keys = message.get("old MAC keys")?.get(4..).unwrap_or_default();
        revealed.extend(keys.chunks(64).map(<[u8]>::to_vec));
    }
    for (which, line) in owed {
        let message = Message::of(&line)?;
        let (sections, mac) = (sections(&message)?, message.get("MAC")?);
        let known = revealed.iter().any(|key| authenticator(key, sections) == mac);
        ensure!(known, "the last message does not reveal the MAC key of a message {which}");
    }
    nothing_in_clear(&mut c)?;
    c.us.wait(LATER);
    c.us.take();
    bench.begin(&mut c)?;
    c.lives()
}
