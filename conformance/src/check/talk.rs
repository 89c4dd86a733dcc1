//! Encrypted conversations: in turns, out of order, over restarts.

use otrv4::Event;
use otrv4::wire::Version::{V2, V3, V4};

use super::{Bench, Case, Home};
use crate::conversation::Conversation;
use crate::correspondent::Correspondent;
use crate::stop::{Step, ensure};

pub(super) const CASES: &[Case] = &[
    Case::new(V4, "turns", "otrv4: Key Management; Data Exchange", turns),
    Case::new(V4, "out-of-order", "otrv4: When you receive a Data Message", out_of_order),
    Case::new(V4, "late-ratchets", "otrv4: Deletion of Stored Message Keys", late_ratchets),
    Case::new(V4, "odd-texts", "otrv4: Data Message", odd_texts),
    Case::new(V4, "extra-key", "otrv4: Extra Symmetric Key", extra_key),
    Case::new(V4, "heartbeat", "otrv4: Receiving a Data Message", heartbeat),
    Case::new(V4, "restart", "otrv4: Key Management", restart),
    Case::new(V3, "turns", "otrv3: Exchanging data", turns),
    Case::new(V3, "odd-texts", "otrv3: Exchanging data", odd_texts),
    Case::new(V3, "extra-key", "otrv3: Extra symmetric key", extra_key),
    Case::new(V3, "heartbeat", "otrv3: Exchanging data", heartbeat),
    Case::new(V3, "restart", "otrv3: Exchanging data", restart),
    Case::new(V2, "turns", "otrv3: Exchanging data", turns),
];

fn turns(bench: &Bench<'_>) -> Step {
    let mut c = bench.talking()?;
    for turn in 0..8 {
        for message in 0..=turn % 3 {
            c.we_say(&format!("our turn {turn}, message {message}"))?;
        }
        for message in 0..=(turn + 1) % 3 {
            c.they_say(&format!("their turn {turn}, message {message}"))?;
        }
    }
    Ok(())
}

fn out_of_order(bench: &Bench<'_>) -> Step {
    let mut c = bench.talking()?;
    for round in 0..3 {
        let texts: Vec<String> = (0..5).map(|n| format!("round {round}, message {n}")).collect();
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        for text in &texts {
            ours.push(c.line(text)?);
            theirs.push(c.their_line(text)?);
        }
        for n in [3, 0, 4, 2, 1] {
            let (Some(text), Some(our), Some(their)) = (texts.get(n), ours.get(n), theirs.get(n)) else {
                continue;
            };
            c.they_read(our, text)?;
            c.we_read(their, text)?;
        }
        for line in &ours {
            c.ignored("a message that was read already", line)?;
        }
        c.lives()?;
    }
    Ok(())
}

/// A message of each of six ratchets is held back until the end.
fn late_ratchets(bench: &Bench<'_>) -> Step {
    let mut c = bench.talking()?;
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for ratchet in 0..6 {
        let text = format!("late, of ratchet {ratchet}");
        ours.push((c.line(&text)?, text.clone()));
        theirs.push((c.their_line(&text)?, text));
        c.lives()?;
    }
    for (line, text) in ours.iter().rev() {
        c.they_read(line, text)?;
    }
    for (line, text) in theirs.iter().rev() {
        c.we_read(line, text)?;
    }
    c.lives()
}

fn odd_texts(bench: &Bench<'_>) -> Step {
    let mut c = bench.talking()?;
    let long = "long ".repeat(2000);
    for text in [
        "größe → 😀",
        "two\nlines",
        "back\\slash",
        " spaces ",
        "?OTRv4? is no query here",
        "<b>markup</b>",
        &long,
    ] {
        c.we_say(text)?;
        let line = c.them.obey(&format!("send {}", crate::subject::escape(text)))?.out();
        c.us.heard();
        line.iter().for_each(|line| c.us.receive(line));
        ensure!(c.us.heard() == [text], "a text does not arrive as it was: {text:.20}");
    }
    Ok(())
}

fn extra_key(bench: &Bench<'_>) -> Step {
    let mut c = bench.talking()?;
    c.lives()?;
    c.we(|session, cx| session.extra_keys(cx, None, &[([0, 0, 1, 0x2a], b"file")]))?;
    let (ours, lines) = (our_extra_key(&mut c), c.us.take());
    let shown = c.deliver(&lines)?.event("extra-key ");
    ensure!(ours.is_some() && shown == ours, "we have the key {ours:?}, it has {shown:?}");
    let answer = c.them.obey("extra-key 0000002b 66696c65")?;
    answer.out().iter().for_each(|line| c.us.receive(line));
    let (ours, shown) = (our_extra_key(&mut c), answer.event("extra-key "));
    ensure!(ours.is_some() && shown == ours, "it made the key {shown:?}, we have {ours:?}");
    c.lives()
}

fn our_extra_key(c: &mut Conversation) -> Option<String> {
    let events = std::mem::take(&mut c.us.events);
    events.iter().find_map(|event| match event {
        Event::ExtraKey { key, .. } => {
            let (context, data) = (hex::encode(key.context), hex::encode(&key.data));
            Some(format!("{context} {} {data}", hex::encode(&*key.key)))
        }
        _ => None,
    })
}

fn heartbeat(bench: &Bench<'_>) -> Step {
    let mut c = bench.talking()?;
    let answer = c.them.obey("heartbeat")?;
    ensure!(!answer.out().is_empty(), "a heartbeat sends nothing");
    c.us.heard();
    answer.out().iter().for_each(|line| c.us.receive(line));
    let seen = c.we_were_told(|event| !matches!(event, Event::Message { text, .. } if text.is_empty()));
    ensure!(!seen, "a heartbeat is no message, and cannot be refused");
    c.we(|session, cx| session.heartbeat(cx, None))?;
    let lines = c.us.take();
    let answer = c.deliver(&lines)?;
    ensure!(answer.plain().is_empty() && answer.event("rejected").is_none(), "{:?}", answer.lines());
    c.lives()
}

/// With `--home`, killed in the middle of everything.
fn restart(bench: &Bench<'_>) -> Step {
    let home = Home::new()?;
    let them = bench.subject(&home.option())?;
    let mut c = Conversation { version: bench.version, us: Correspondent::new(&[bench.version]), them };
    bench.begin(&mut c)?;
    c.lives()?;
    let late = c.line("held back over restarts")?;
    let read = c.line("read before")?;
    c.they_read(&read, "read before")?;
    for restart in 0..3 {
        if restart == 1 {
            c.them.obey("quit")?;
        }
        bench.restart(&mut c, &home)?;
        c.ignored("a message that was read before the restart", &read)?;
        c.lives()?;
    }
    // Version 3 reads nothing that later messages have overtaken for long.
    if bench.version == V4 {
        c.they_read(&late, "held back over restarts")?;
        c.ignored("the same again", &late)?;
    }
    Ok(())
}
