//! Fragments put together, as their receiver does. Spec: otrv4.md "Fragmentation", OTRv3 "Fragmentation".

use std::collections::BTreeMap;

use otrv4::Timestamp;
use otrv4::prekey_server::FragmentAssembler;
use otrv4::wire::{Assembler, Fragment};

/// A message in pieces, and the numbers of their lines in the order of the pieces.
pub(crate) struct Whole {
    pub(crate) text: String,
    pub(crate) lines: Vec<usize>,
}

/// For each line, given with its number and its sender, if that is known, the message that it completes, if it does.
pub(crate) fn put_together<'a>(
    lines: impl Iterator<Item = (usize, Option<&'a str>, &'a str)>,
) -> Vec<Option<Whole>> {
    let mut senders: BTreeMap<Option<&str>, Pieces<'_>> = BTreeMap::new();
    lines.map(|(number, sender, line)| senders.entry(sender).or_default().add(number, line)).collect()
}

/// Of one sender.
struct Pieces<'a> {
    otr: Assembler,
    prekeys: FragmentAssembler,
    /// By what stands before the index, which tells messages apart: the lines by their index.
    lines: BTreeMap<&'a str, BTreeMap<u16, usize>>,
}

impl Default for Pieces<'_> {
    fn default() -> Self {
        Self { otr: Assembler::new(), prekeys: FragmentAssembler::new(None), lines: BTreeMap::new() }
    }
}

impl<'a> Pieces<'a> {
    fn add(&mut self, number: usize, line: &'a str) -> Option<Whole> {
        // A transcript may take years.
        let now = Timestamp::from_unix(0);
        let text = line.trim_end_matches(['\r', '\n']);
        let added = match Fragment::parse(text) {
            Ok(fragment) => self.otr.add(&fragment, now),
            Err(_) => self.prekeys.add(text, now),
        };
        let whole = added.ok()?;
        let mut parts = text.splitn(4, ',');
        let (Some(message), Some(index), Some(total)) = (parts.next(), parts.next(), parts.next()) else {
            return None;
        };
        self.lines.entry(message).or_default().insert(index.parse().ok()?, number);
        let text = whole?;
        let (lines, total) = (self.lines.remove(message)?, total.parse().ok()?);
        // Pieces of a message that was given up may have had other numbers.
        Some(Whole { text, lines: lines.range(1..=total).map(|(_, line)| *line).collect() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Line = (usize, Option<&'static str>, &'static str);

    fn line(number: usize, sender: &'static str, text: &'static str) -> Line {
        (number, Some(sender), text)
    }

    fn wholes(lines: &[Line]) -> Vec<(String, Vec<usize>)> {
        put_together(lines.iter().copied())
            .into_iter()
            .flatten()
            .map(|Whole { text, lines }| (text, lines))
            .collect()
    }

    #[test]
    fn pieces_of_each_kind_come_together_by_sender() {
        let lines = [
            line(1, "alice", "?OTR|1|100|200,2,2,def.,"),
            line(2, "bob", "?OTR|300|100,1,2,?OTR:,"),
            line(3, "alice", "?OTR|1|100|200,1,2,?OTR:abc,"),
            line(4, "alice", "?OTR|300|100,2,2,not Bob's,"),
            line(5, "bob", "?OTR|300|100,2,2,x.,"),
            line(6, "alice", "?OTRP|1|0|100,1,2,AAQ,"),
            line(7, "carol", "?OTR,1,2,?OTR:,"),
            line(8, "carol", "?OTR,2,2,y.,"),
            line(9, "alice", "?OTRP|1|0|100,2,2,Q.,"),
        ];
        let expected = [
            ("?OTR:abcdef.", vec![3, 1]),
            ("?OTR:x.", vec![2, 5]),
            ("?OTR:y.", vec![7, 8]),
            ("AAQQ.", vec![6, 9]),
        ];
        assert_eq!(wholes(&lines), expected.map(|(text, lines)| (text.to_owned(), lines)));
    }

    #[test]
    fn a_message_that_begins_anew_has_the_lines_of_its_second_beginning() {
        let lines = [
            line(1, "a", "?OTR|300|100,1,2,?OTR:a,"),
            line(2, "a", "?OTR|300|100,1,2,?OTR:b,"),
            line(3, "a", "?OTR|300|100,2,2,c.,"),
        ];
        assert_eq!(wholes(&lines), [("?OTR:bc.".to_owned(), vec![2, 3])]);
    }
}
