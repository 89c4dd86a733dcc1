//! Fragments of several messages, lost, doubled, mixed up and damaged on the way. otrv4.md "Receiving Fragments"; OTRv3
//! "Fragmentation"
//!
//! What comes out is put together of pieces that were there, and a message of version 4 whose pieces all arrived comes out,
//! whatever came between them.

use std::collections::{BTreeSet, HashMap, HashSet};

use arbitrary::{Result, Unstructured};
use otrv4::Timestamp;
use otrv4::wire::{Assembler, Fragment, InstanceTag, MAX_MESSAGE, WireError, cut, cut_v2, cut_v3};

use crate::START;

/// The input is a list of choices.
pub(super) fn run(input: &[u8]) {
    _ = play(&mut Unstructured::new(input));
}

fn play(u: &mut Unstructured<'_>) -> Result<()> {
    let messages: Vec<Message> =
        (0..u.int_in_range(1..=4)?).map(|n| Message::new(n, u)).collect::<Result<_>>()?;
    let mut network = Network::default();
    let mut steps = 0;
    while !u.is_empty() && steps < 200 {
        steps += 1;
        let message = u.choose(&messages)?;
        let line = u.choose(&message.lines)?;
        match u.int_in_range(0..=11u8)? {
            0..=5 => network.deliver(line),
            6 => message.lines.iter().for_each(|line| network.deliver(line)),
            7 => network.forge(&damaged(line, u)?),
            8 => network.forge(&String::from_utf8_lossy(u.bytes(u.len().min(40))?)),
            9 => network.now = network.now.plus(u.int_in_range(0..=400)?),
            // A megabyte.
            10 if !network.flooded && u.ratio(1u8, 8u8)? => network.flood(u)?,
            _ => network.deliver_all_but(&message.lines, u.choose_index(message.lines.len())?),
        }
    }
    for message in &messages {
        network.assert_complete_is_out(message);
    }
    Ok(())
}

/// A message that was cut.
struct Message {
    whole: String,
    lines: Vec<String>,
    identifier: Option<u32>,
}

impl Message {
    /// The n-th; of a version, from one of two senders.
    fn new(n: u32, u: &mut Unstructured<'_>) -> Result<Self> {
        let whole = format!("?OTR:{}{}.", "ABCD".repeat(u.int_in_range(20..=60)?), n);
        let sender = InstanceTag::new(u.int_in_range(0x100..=0x101)?).expect("no reserved tag");
        let to = InstanceTag::new(0x200).filter(|_| n.is_multiple_of(2));
        let max_line = u.int_in_range(48..=120)?;
        let (lines, identifier) = match u.int_in_range(0..=5u8)? {
            0 => (cut_v2(&whole, max_line), None),
            1 => (cut_v3(&whole, max_line, sender, to), None),
            _ => (cut(&whole, max_line, n, sender, to), Some(n)),
        };
        Ok(Self { lines: lines.expect("room for a piece"), whole, identifier })
    }
}

/// With their index.
type Pieces = Vec<(u16, String)>;

/// An assembler, and everything that it has seen.
struct Network {
    assembler: Assembler,
    now: Timestamp,
    seen: HashSet<String>,
    /// By sender and identifier, the total and the pieces that came with it: since one came with another total, or since
    /// the message came out.
    so_far: HashMap<(InstanceTag, Option<u32>), (u16, Pieces)>,
    out: Vec<String>,
    /// Nothing but pieces of real messages was on the way, and no time passed.
    honest: bool,
    flooded: bool,
}

impl Default for Network {
    fn default() -> Self {
        Self {
            assembler: Assembler::new(),
            now: START,
            seen: HashSet::new(),
            so_far: HashMap::new(),
            out: Vec::new(),
            honest: true,
            flooded: false,
        }
    }
}

impl Network {
    fn deliver(&mut self, line: &str) {
        self.honest &= self.now == START;
        self.add(line);
    }

    fn deliver_all_but(&mut self, lines: &[String], missing: usize) {
        let others = lines.iter().enumerate().rev().filter(|(at, _)| *at != missing);
        others.for_each(|(_, line)| self.deliver(line));
    }

    fn forge(&mut self, line: &str) {
        self.honest = false;
        self.add(line);
    }

    /// Many pieces of eight messages that claim to have more.
    fn flood(&mut self, u: &mut Unstructured<'_>) -> Result<()> {
        (self.honest, self.flooded) = (false, true);
        let (many, length) = (u.int_in_range(1..=40u16)?, u.int_in_range(1..=9000)?);
        let (first, piece) = (u.int_in_range(0..=40u8)?, "x".repeat(length));
        for (identifier, index) in (first..first + 8).flat_map(|id| (1..=many).map(move |index| (id, index)))
        {
            let line = format!("?OTR|{identifier:x}|100|0,{index},65535,{piece},");
            let fragment = Fragment::parse(&line).expect("a fragment");
            assert!(!matches!(self.assembler.add(&fragment, self.now), Ok(Some(_))));
        }
        // Four of the largest messages, with the book-keeping that can be seen.
        let kept = format!("{:?}", self.assembler).len();
        assert!(kept <= 5 * MAX_MESSAGE, "{kept} bytes are kept");
        Ok(())
    }

    fn add(&mut self, line: &str) {
        let Ok(fragment) = Fragment::parse(line) else { return };
        // Printed only where it is needed: after a flood that is a megabyte.
        let again = self.seen.contains(line) && !self.flooded;
        let before = again.then(|| format!("{:?}", self.assembler));
        self.seen.insert(line.into());
        let name = (fragment.sender, fragment.identifier);
        let (total, pieces) = self.so_far.entry(name).or_insert((fragment.total, Vec::new()));
        if *total != fragment.total {
            *total = fragment.total;
            pieces.clear();
        }
        pieces.push((fragment.index, fragment.piece.into()));
        match self.assembler.add(&fragment, self.now) {
            Ok(Some(whole)) => {
                assert!(whole.len() <= MAX_MESSAGE);
                assert!(can_be_made(&whole, *total, pieces), "put together of pieces that were there");
                self.so_far.remove(&name);
                self.out.push(whole);
            }
            // The same piece again changes nothing.
            Err(WireError::Illegal("fragment index")) if fragment.identifier.is_some() => {
                let same = |before| self.now != START || format!("{:?}", self.assembler) == before;
                assert!(before.is_none_or(same));
            }
            Ok(None) | Err(_) => {}
        }
    }

    fn assert_complete_is_out(&self, message: &Message) {
        let there = message.lines.iter().all(|line| self.seen.contains(line));
        let out = self.out.iter().filter(|out| **out == message.whole).count();
        if self.honest && message.identifier.is_some() {
            assert_eq!(out > 0, there, "a message comes out if all its pieces were there, and only then");
        }
        // A piece without an identifier may be that of another message which says the same there.
        let came = |line: &String| self.seen.iter().any(|seen| same_piece(seen, line));
        assert!(there || out == 0 || !self.honest || message.lines.iter().all(came));
    }
}

/// Whether two lines have the same piece at the same place.
fn same_piece(one: &str, other: &str) -> bool {
    let read = |line| Fragment::parse(line).map(|it| (it.index, it.total, it.piece));
    one == other || read(one).is_ok_and(|piece| read(other) == Ok(piece))
}

/// Whether these pieces make that, one for each index.
fn can_be_made(whole: &str, total: u16, pieces: &[(u16, String)]) -> bool {
    let mut ends = BTreeSet::from([0]);
    for index in 1..=total {
        let behind = |end: &usize| {
            let rest = &whole[*end..];
            let fitting = pieces.iter().filter(|(at, piece)| *at == index && rest.starts_with(piece));
            fitting.map(|(_, piece)| end + piece.len()).collect::<Vec<_>>()
        };
        ends = ends.iter().flat_map(behind).collect();
    }
    ends.contains(&whole.len())
}

/// A fragment with another number, another piece, or something else in it.
fn damaged(line: &str, u: &mut Unstructured<'_>) -> Result<String> {
    let mut fields: Vec<String> = line.split([',', '|']).map(Into::into).collect();
    let at = u.choose_index(fields.len())?;
    fields[at] = match u.int_in_range(0..=5u8)? {
        0 => u.int_in_range(0..=70_000u32)?.to_string(),
        1 => format!("{:x}", u.int_in_range(0..=u64::from(u32::MAX) + 1)?),
        2 => String::new(),
        3 => fields[u.choose_index(fields.len())?].clone(),
        4 => String::from_utf8_lossy(u.bytes(u.len().min(12))?).into_owned(),
        _ => format!("0{}", fields[at]),
    };
    let bars = line.matches('|').count();
    let (names, rest) = fields.split_at(bars + 1);
    Ok(format!("{},{}", names.join("|"), rest.join(",")))
}
