//! Fragments: put together in any order, as they must; cut, where the program can; and illegal ones, of which nothing is taken.

use otrv4::wire::Version::{V2, V3, V4};

use super::{Bench, Case};
use crate::conversation::Conversation;
use crate::correspondent::Correspondent;
use crate::stop::{Step, ensure, failed};

pub(super) const CASES: &[Case] = &[
    Case::new(V4, "fragments", "otrv4: Receiving Fragments", put_together),
    Case::new(V4, "fragments-cut", "otrv4: Transmitting Fragments", cut),
    Case::new(V4, "fragments-mixed", "otrv4: Receiving Fragments", mixed),
    Case::new(V4, "fragments-damaged", "otrv4: Receiving Fragments", damaged),
    Case::new(V4, "fragments-of-others", "otrv4: Receiving Fragments; Instance Tags", of_others),
    Case::new(V4, "fragments-at-odds", "otrv4: Receiving Fragments", at_odds),
    Case::new(V3, "fragments", "otrv3: Fragmentation", put_together),
    Case::new(V3, "fragments-cut", "otrv3: Fragmentation", cut),
    Case::new(V3, "fragments-damaged", "otrv3: Fragmentation", damaged),
    Case::new(V3, "fragments-of-others", "otrv3: Fragmentation; Instance Tags", of_others),
    Case::new(V3, "fragments-at-odds", "otrv3: Fragmentation", at_odds_3),
    Case::new(V2, "fragments", "otrv3: Fragmentation", put_together),
    Case::new(V2, "fragments-cut", "otrv3: Fragmentation", cut),
];

/// From the handshake on.
fn put_together(bench: &Bench<'_>) -> Step {
    let mut c = bench.strangers()?;
    c.we(|session, _| session.set_max_line(Some(250)).map(|()| Vec::new()))?;
    bench.begin(&mut c)?;
    let text = "x".repeat(1500);
    c.we(|session, cx| session.send(cx, None, &text))?;
    let mut lines = c.us.take();
    // Those of versions 2 and 3 come in order or not at all.
    if bench.version == V4 {
        lines.reverse();
    }
    let said = c.deliver(&lines)?;
    ensure!(said.plain() == [text], "a text in {} fragments is not read", lines.len());
    c.carry(said.out())?;
    c.we(|session, _| session.set_max_line(None).map(|()| Vec::new()))?;
    c.lives()
}

/// "Performing fragmentation on outgoing messages is optional".
fn cut(bench: &Bench<'_>) -> Step {
    let them = bench.subject(&["--mtu", "300"])?;
    let mut c = Conversation { version: bench.version, us: Correspondent::new(&[bench.version]), them };
    let said = bench.begin(&mut c)?;
    ensure!(said.out().iter().all(|line| line.len() <= 300), "a line is longer than --mtu");
    let text = "x".repeat(1500);
    let lines = c.them.obey(&format!("send {text}"))?.out();
    ensure!(lines.len() > 1 && lines.iter().all(|line| line.len() <= 300), "not cut to --mtu");
    c.us.heard();
    lines.iter().for_each(|line| c.us.receive(line));
    ensure!(c.us.heard() == [text], "what the program cut cannot be put together");
    c.them.obey("mtu 0")?;
    c.lives()
}

/// Two messages at once, numbers with and without zeros in front, and a receiver that nobody knew yet.
fn mixed(bench: &Bench<'_>) -> Step {
    let mut c = bench.talking()?;
    let (us, them) = (c.us.account.tag().get(), c.ours()?.with.get());
    let (one, two) = (c.line("one")?, c.line("two")?);
    let (a, b, c1) = thirds(&one);
    let (x, y, z) = thirds(&two);
    let pieces = [
        format!("?OTR|a1|{us:08x}|{them:08x},00002,00003,{b},"),
        format!("?OTR|000000a2|{us:x}|{them:x},3,3,{z},"),
        format!("?OTR|000000a2|{us:x}|{them:x},1,3,{x},"),
        format!("?OTR|000000a1|{us:08x}|{them:08x},3,3,{c1},"),
    ];
    for piece in pieces {
        c.ignored("a piece of a message", &piece)?;
    }
    c.they_read(&format!("?OTR|a2|{us:x}|{them:x},2,3,{y},"), "two")?;
    c.they_read(&format!("?OTR|a1|{us:08x}|{them:08x},1,3,{a},"), "one")?;
    let line = c.line("for whoever reads it")?;
    let (first, second) = line.split_at(line.len() / 2);
    c.ignored("a piece of a message", &format!("?OTR|a3|{us:x}|0,1,2,{first},"))?;
    c.they_read(&format!("?OTR|a3|{us:x}|00000000,2,2,{second},"), "for whoever reads it")?;
    c.lives()
}

fn thirds(line: &str) -> (&str, &str, &str) {
    let (first, rest) = line.split_at(line.len() / 3);
    let (second, third) = rest.split_at(rest.len() / 2);
    (first, second, third)
}

/// Each holds a message that can be read: whoever takes an illegal one shows it.
fn damaged(bench: &Bench<'_>) -> Step {
    let mut c = bench.talking()?;
    let line = c.line("in a legal line only")?;
    let (first, second) = line.split_at(line.len() / 2);
    for (n, numbers) in [
        "0,0", "0,1", "1,0", "2,1", "99999,2", "1,65537", "65537,1", "-1,1", "1,-1", "a,b", ",1", "1,",
        "+1,+1",
    ]
    .into_iter()
    .enumerate()
    {
        let head = head(&c, n)?;
        c.ignored(&format!("a fragment {numbers}"), &format!("{head}{numbers},{line},"))?;
    }
    // Counted from 0.
    let head_0 = head(&c, 20)?;
    for piece in [format!("{head_0}0,2,{first},"), format!("{head_0}1,2,{second},")] {
        c.ignored("a fragment with the index 0", &piece)?;
    }
    // One more than there are.
    let head_1 = head(&c, 21)?;
    for piece in [format!("{head_1}1,2,{first},"), format!("{head_1}3,2,{second},")] {
        c.ignored("a fragment with an index above the total", &piece)?;
    }
    for rest in ["1,2,,", "1,2", "1,1,x", "1,1,x,", ",,,", "1", ""] {
        let head = head(&c, 22)?;
        c.ignored("a fragment that is none", &format!("{head}{rest}"))?;
    }
    // "You can't fragment a fragment".
    let (inner, outer) = (head(&c, 23)?, head(&c, 24)?);
    let inside = format!("{inner}1,1,{line},");
    let (first, second) = inside.split_at(inside.len() / 2);
    for piece in [format!("{outer}1,2,{first},"), format!("{outer}2,2,{second},")] {
        c.ignored("a fragment in fragments", &piece)?;
    }
    c.they_read(&line, "in a legal line only")?;
    c.lives()
}

/// What other clients are sent belongs to no message of this one.
fn of_others(bench: &Bench<'_>) -> Step {
    let mut c = bench.talking()?;
    let (us, them) = (c.us.account.tag(), c.ours()?.with);
    let number = if bench.version == V4 { "b1|" } else { "" };
    let line = c.line("in two pieces")?;
    let (first, second) = line.split_at(line.len() / 2);
    c.ignored(
        "a whole message in a fragment for another",
        &format!("?OTR|{number}{us}|77000001,1,1,{line},"),
    )?;
    c.ignored("a fragment for nobody", &format!("?OTR|{number}{us}|00000005,1,1,{line},"))?;
    c.ignored("a fragment of nobody", &format!("?OTR|{number}00000005|{them},1,1,{line},"))?;
    c.ignored("a fragment", &format!("?OTR|{number}{us}|{them},1,2,{first},"))?;
    c.ignored("the other one, for another", &format!("?OTR|{number}{us}|77000001,2,2,{second},"))?;
    c.they_read(&format!("?OTR|{number}{us}|{them},2,2,{second},"), "in two pieces")?;
    c.lives()
}

/// The same index again is refused; another total makes what was there forgotten.
fn at_odds(bench: &Bench<'_>) -> Step {
    let mut c = bench.talking()?;
    let line = c.line("in two pieces")?;
    let (first, second) = line.split_at(line.len() / 2);
    let head_1 = head(&c, 1)?;
    c.ignored("a fragment", &format!("{head_1}1,2,{first},"))?;
    c.ignored("the same index with another piece", &format!("{head_1}1,2,{second},"))?;
    c.they_read(&format!("{head_1}2,2,{second},"), "in two pieces")?;
    let line = c.line("of two totals")?;
    let (first, second) = line.split_at(line.len() / 2);
    let head_2 = head(&c, 2)?;
    c.ignored("a fragment", &format!("{head_2}1,2,{first},"))?;
    c.ignored("a fragment with another total", &format!("{head_2}2,3,{second},"))?;
    c.ignored("a fragment of a message that is forgotten", &format!("{head_2}2,2,{second},"))?;
    c.they_read(&line, "of two totals")?;
    c.lives()
}

/// "Forget any stored fragments", if the next one is not the next one.
fn at_odds_3(bench: &Bench<'_>) -> Step {
    let mut c = bench.talking()?;
    let line = c.line("in order")?;
    let (first, second) = line.split_at(line.len() / 2);
    let head = head(&c, 0)?;
    for (what, pieces) in [
        ("the second first", [format!("2,2,{second}"), format!("1,2,{first}")]),
        ("another total", [format!("1,2,{first}"), format!("2,3,{second}")]),
        ("one left out", [format!("1,3,{first}"), format!("3,3,{second}")]),
    ] {
        for piece in pieces {
            c.ignored(&format!("fragments, {what}"), &format!("{head}{piece},"))?;
        }
    }
    c.ignored("a fragment", &format!("{head}1,2,{first},"))?;
    c.they_read(&format!("{head}2,2,{second},"), "in order")?;
    c.lives()
}

/// What a fragment of ours to them begins with. Version 3 has no identifier.
fn head(c: &Conversation, identifier: usize) -> Step<String> {
    let (us, them) = (c.us.account.tag(), c.ours()?.with);
    match c.version {
        V4 => Ok(format!("?OTR|{identifier:08x}|{us}|{them},")),
        V3 => Ok(format!("?OTR|{us}|{them},")),
        V2 => failed("version 2 has no instance tags"),
    }
}
