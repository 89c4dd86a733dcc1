//! Messages put together again from their fragments.
//! Spec: otrv4.md "Receiving Fragments". Used by the session, which also checks whom a fragment is for.

use std::collections::BTreeMap;

use super::text::{Line, MAX_MESSAGE, MESSAGE_PREFIX, classify};
use super::{Fragment, InstanceTag, Reader, WireError, Writer};
use crate::Timestamp;

/// Puts messages together from their fragments. Everything in it is unauthenticated, so what it keeps is bounded in
/// number, bytes and time, and it believes no claimed total.
#[derive(Debug)]
pub struct Assembler {
    /// What a whole message begins with.
    whole: &'static str,
    /// The oldest first.
    incomplete: Vec<Incomplete>,
}

impl Default for Assembler {
    fn default() -> Self {
        Self::new()
    }
}

impl Assembler {
    /// Nothing received yet.
    pub const fn new() -> Self {
        Self::of(MESSAGE_PREFIX)
    }

    /// For messages that begin with this.
    pub(crate) const fn of(whole: &'static str) -> Self {
        Self { whole, incomplete: Vec::new() }
    }

    /// Takes a fragment in; gives the message that it completes. Pieces of version 4 come in any order, those of
    /// version 3 in theirs. A refused fragment is not kept; one that contradicts what is kept (another total, in
    /// version 3 another order) makes the pieces so far forgotten, as the specification says.
    pub fn add(&mut self, fragment: &Fragment<'_>, now: Timestamp) -> Result<Option<String>, WireError> {
        self.expire(now);
        let key = (fragment.sender, fragment.identifier);
        if self.incomplete.iter().any(|message| message.key == key && message.has(fragment)) {
            return Err(WireError::Illegal("fragment index"));
        }
        // Out of the list until all checks are passed: what fails one is forgotten.
        let found = self.incomplete.iter().position(|message| message.key == key);
        let so_far = found.map(|position| self.incomplete.remove(position));
        let begins_anew = fragment.identifier.is_none() && fragment.index == 1;
        let so_far = so_far.filter(|_| !begins_anew);
        let position = if so_far.is_some() { found } else { None };
        let mut message = so_far.unwrap_or_else(|| Incomplete::new(fragment, now));
        message.insert(fragment)?;
        if message.pieces.len() == usize::from(message.total) {
            return message.join(self.whole).map(Some);
        }
        self.keep(message, position);
        Ok(None)
    }

    /// Forgets what has waited too long.
    pub fn expire(&mut self, now: Timestamp) {
        self.incomplete.retain(|message| now < message.deadline);
    }

    /// When [`Assembler::expire`] next has something to forget.
    pub fn next_deadline(&self) -> Option<Timestamp> {
        self.incomplete.iter().map(|message| message.deadline).min()
    }

    /// Pieces that have arrived, as part of a saved session.
    pub(crate) fn save(&self, w: &mut Writer) {
        w.list(
            &self.incomplete,
            |w, Incomplete { key: (sender, identifier), total, pieces, bytes: _, deadline }| {
                sender.write(w);
                w.option(*identifier, |w, identifier| _ = w.int(identifier));
                w.short(*total);
                w.list(pieces, |w, (index, piece)| _ = w.short(*index).data(piece.as_bytes()));
                deadline.save(w);
            },
        );
    }

    pub(crate) fn load(r: &mut Reader<'_>) -> Result<Self, WireError> {
        let incomplete = r.list(|r| {
            let key = (InstanceTag::load(r)?, r.option(|r| r.int("fragment identifier"))?);
            let total = r.short("fragment total")?;
            let pieces = r.map(|r| Ok((r.short("fragment index")?, r.text("fragment")?.into_boxed_str())))?;
            let bytes = pieces.values().map(|piece| str::len(piece)).sum();
            Ok(Incomplete { key, total, pieces, bytes, deadline: Timestamp::load(r)? })
        })?;
        Ok(Self { incomplete, ..Self::new() })
    }

    /// Keeps an incomplete message at its place by age, a new one last, and makes room for it: the oldest ones go.
    /// They are the least likely to be completed. Refusing new ones instead would let a flood of forged first pieces
    /// block every message until the timeout, and a share for each sender would protect nobody, since senders can be
    /// forged.
    fn keep(&mut self, message: Incomplete, position: Option<usize>) {
        self.incomplete.insert(position.unwrap_or(self.incomplete.len()), message);
        while self.incomplete.len() > MAX_INCOMPLETE || self.buffered() > MAX_BUFFERED {
            self.incomplete.remove(0);
        }
    }

    /// Bytes kept for incomplete messages, with their book-keeping.
    pub(crate) fn buffered(&self) -> usize {
        self.incomplete.iter().map(|message| message.bytes + message.pieces.len() * PIECE_OVERHEAD).sum()
    }
}

/// The pieces of a message so far.
#[derive(Debug)]
struct Incomplete {
    key: (InstanceTag, Option<u32>),
    total: u16,
    /// By index. A map, since a claimed total of 65535 must cost nothing.
    pieces: BTreeMap<u16, Box<str>>,
    /// The length of all pieces.
    bytes: usize,
    deadline: Timestamp,
}

impl Incomplete {
    fn new(first: &Fragment<'_>, now: Timestamp) -> Self {
        let key = (first.sender, first.identifier);
        Self { key, total: first.total, pieces: BTreeMap::new(), bytes: 0, deadline: now.plus(TIMEOUT) }
    }

    /// Is this a second fragment with an index already filled, in a version where that is refused?
    fn has(&self, fragment: &Fragment<'_>) -> bool {
        self.key.1.is_some() && self.total == fragment.total && self.pieces.contains_key(&fragment.index)
    }

    fn insert(&mut self, fragment: &Fragment<'_>) -> Result<(), WireError> {
        if fragment.total != self.total {
            return Err(WireError::Illegal("fragment total"));
        }
        let in_order = usize::from(fragment.index) == self.pieces.len() + 1;
        if self.key.1.is_none() && !in_order {
            return Err(WireError::Illegal("fragment index"));
        }
        self.bytes += fragment.piece.len();
        if self.bytes > MAX_MESSAGE {
            return Err(WireError::TooLong("fragmented message"));
        }
        self.pieces.insert(fragment.index, fragment.piece.into());
        Ok(())
    }

    /// Only encoded messages are cut: a fragment, an error or a plain text that comes out of pieces is refused. But programs
    /// with libotr, which knows no identifier, cut their offers, too. spec-notes/SN-027
    fn join(self, whole: &str) -> Result<String, WireError> {
        let message: String = self.pieces.into_values().collect();
        let offer = || matches!(classify(&message), Line::Query(_) | Line::Tagged { .. });
        if message.starts_with(whole) || (self.key.1.is_none() && offer()) {
            return Ok(message);
        }
        Err(WireError::Illegal("fragmented message"))
    }
}

/// How many messages may be incomplete at once: several clients of a correspondent, each with a few messages mixed
/// up on the way.
const MAX_INCOMPLETE: usize = 32;

/// Bytes kept for incomplete messages, pieces and their book-keeping: four of the largest messages.
const MAX_BUFFERED: usize = 4 * MAX_MESSAGE;

/// What a piece costs beyond its text, in bytes, roughly: its place in the map and its allocation. Without it a
/// million pieces of one byte would seem to cost a megabyte.
const PIECE_OVERHEAD: usize = 64;

/// How long pieces wait for the others, in seconds. Fragments leave together; even a slow network with rate limits
/// delivers them within minutes.
const TIMEOUT: i64 = 10 * 60;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::vectors;
    use crate::wire::{cut, cut_v3};

    const NOW: Timestamp = Timestamp::from_unix(1_700_000_000);

    fn tag(number: u64) -> InstanceTag {
        InstanceTag::new(u32::try_from(number).unwrap()).unwrap()
    }

    fn add(assembler: &mut Assembler, line: &str) -> Result<Option<String>, WireError> {
        assembler.add(&Fragment::parse(line)?, NOW)
    }

    /// Adds lines of which none may complete a message.
    fn add_all<'a>(assembler: &mut Assembler, lines: impl IntoIterator<Item = &'a str>) {
        for line in lines {
            assert_eq!(add(assembler, line), Ok(None), "{line}");
        }
    }

    #[test]
    fn fragments_of_the_vectors_give_the_recorded_message() {
        for vector in vectors::of_kind("assemble") {
            let own_tag = tag(vector.inputs["own_tag"].as_u64().unwrap());
            let mut assembler = Assembler::new();
            let mut messages = Vec::new();
            for line in vector.inputs["pieces"].as_array().unwrap() {
                let Ok(fragment) = Fragment::parse(line.as_str().unwrap()) else { continue };
                // The session's check: for us, or for whoever reads it.
                if fragment.receiver.is_none_or(|receiver| receiver == own_tag) {
                    messages.extend(assembler.add(&fragment, NOW).ok().flatten());
                }
            }
            let expected: Vec<&str> = vector.outputs["message"].as_str().into_iter().collect();
            assert_eq!(messages, expected, "{}", vector.name);
        }
    }

    #[test]
    fn another_message_with_the_same_identifier_is_another_sender_s() {
        let mut assembler = Assembler::new();
        add_all(&mut assembler, ["?OTR|1|100|0,1,2,?OTR:A,", "?OTR|1|101|0,1,2,?OTR:B,"]);
        assert_eq!(add(&mut assembler, "?OTR|1|101|0,2,2,B.,"), Ok(Some("?OTR:BB.".into())));
        assert_eq!(add(&mut assembler, "?OTR|1|100|0,2,2,A.,"), Ok(Some("?OTR:AA.".into())));
    }

    #[test]
    fn a_second_piece_at_the_same_place_is_refused_and_the_first_stays() {
        let mut assembler = Assembler::new();
        add_all(&mut assembler, ["?OTR|1|100|0,1,2,?OTR:A,"]);
        assert_eq!(
            add(&mut assembler, "?OTR|1|100|0,1,2,?OTR:B,"),
            Err(WireError::Illegal("fragment index"))
        );
        assert_eq!(add(&mut assembler, "?OTR|1|100|0,2,2,.,"), Ok(Some("?OTR:A.".into())));
    }

    #[test]
    fn another_total_forgets_the_pieces_so_far() {
        let mut assembler = Assembler::new();
        add_all(&mut assembler, ["?OTR|1|100|0,1,2,?OTR:A,"]);
        assert_eq!(add(&mut assembler, "?OTR|1|100|0,2,3,.,"), Err(WireError::Illegal("fragment total")));
        assert_eq!(assembler.next_deadline(), None);
        add_all(&mut assembler, ["?OTR|1|100|0,2,2,.,"]);
    }

    #[test]
    fn a_fragment_inside_fragments_is_not_delivered() {
        for inner in ["?OTR|1|100|0,1,1", "?OTR Error: x", "?OTRv4?", "hello"] {
            let (left, right) = inner.split_at(3);
            let right = right.replace(',', "");
            let mut assembler = Assembler::new();
            add_all(&mut assembler, [format!("?OTR|1|100|0,1,2,{left},").as_str()]);
            let whole = add(&mut assembler, &format!("?OTR|1|100|0,2,2,{right},"));
            assert_eq!(whole, Err(WireError::Illegal("fragmented message")), "{inner}");
        }
    }

    #[test]
    fn offers_in_pieces_of_versions_2_and_3_are_put_together_and_nothing_else_for_people_is() {
        for names in ["?OTR", "?OTR|100|0"] {
            for (offer, delivered) in [
                ("?OTRv3?\nbob, who wants to talk", true),
                ("hello, \x20\t\x20\x20\t\t\t\t\x20\t\x20\t\x20\t\x20\x20\x20\x20\t\t\x20\x20\t\t", true),
                ("hello, bob", false),
                ("?OTR Error: x, y", false),
                ("?OTR,1,1,hello,", false),
            ] {
                let (left, right) = offer.split_at(7);
                let mut assembler = Assembler::new();
                add_all(&mut assembler, [format!("{names},1,2,{left},").as_str()]);
                let whole = add(&mut assembler, &format!("{names},2,2,{right},"));
                assert_eq!(whole == Ok(Some(offer.into())), delivered, "{offer}");
            }
        }
    }

    #[test]
    fn version_3_fragments_come_in_order() {
        let mut assembler = Assembler::new();
        add_all(&mut assembler, ["?OTR|100|0,1,3,?OTR:A,", "?OTR|100|0,2,3,B,"]);
        assert_eq!(add(&mut assembler, "?OTR|100|0,3,3,C.,"), Ok(Some("?OTR:ABC.".into())));
        for out_of_order in ["?OTR|100|0,3,3,C.,", "?OTR|100|0,2,4,C.,"] {
            add_all(&mut assembler, ["?OTR|100|0,1,3,?OTR:A,"]);
            assert!(add(&mut assembler, out_of_order).is_err());
            assert_eq!(assembler.next_deadline(), None);
        }
        assert!(add(&mut assembler, "?OTR|100|0,2,3,B,").is_err());
    }

    #[test]
    fn version_2_fragments_come_in_order_too() {
        let mut assembler = Assembler::new();
        add_all(&mut assembler, ["?OTR,1,2,?OTR:A,", "?OTR|100|0,1,2,?OTR:X,"]);
        assert_eq!(add(&mut assembler, "?OTR,2,2,B.,"), Ok(Some("?OTR:AB.".into())));
        add_all(&mut assembler, ["?OTR,1,3,?OTR:A,"]);
        assert!(add(&mut assembler, "?OTR,3,3,C.,").is_err());
        assert!(add(&mut assembler, "?OTR,2,3,B.,").is_err());
    }

    #[test]
    fn a_first_piece_of_version_3_begins_anew() {
        let mut assembler = Assembler::new();
        add_all(&mut assembler, ["?OTR|100|0,1,3,?OTR:A,", "?OTR|100|0,2,3,B,", "?OTR|100|0,1,2,?OTR:X,"]);
        assert_eq!(add(&mut assembler, "?OTR|100|0,2,2,Y.,"), Ok(Some("?OTR:XY.".into())));
    }

    #[test]
    fn pieces_wait_ten_minutes_from_the_first() {
        let mut assembler = Assembler::new();
        add_all(&mut assembler, ["?OTR|1|100|0,1,3,?OTR:A,"]);
        let second = Fragment::parse("?OTR|1|100|0,2,3,B,").unwrap();
        assert_eq!(assembler.add(&second, NOW.plus(599)), Ok(None));
        assert_eq!(assembler.next_deadline(), Some(NOW.plus(600)));
        assembler.expire(NOW.plus(599));
        assert_eq!(assembler.next_deadline(), Some(NOW.plus(600)));
        let third = Fragment::parse("?OTR|1|100|0,3,3,C.,").unwrap();
        assert_eq!(assembler.add(&third, NOW.plus(600)), Ok(None), "the others are gone");
    }

    #[test]
    fn the_oldest_incomplete_message_makes_room() {
        let mut assembler = Assembler::new();
        for identifier in 0..=MAX_INCOMPLETE {
            add_all(&mut assembler, [format!("?OTR|{identifier:x}|100|0,1,2,?OTR:A,").as_str()]);
        }
        assert_eq!(assembler.incomplete.len(), MAX_INCOMPLETE);
        assert_eq!(add(&mut assembler, "?OTR|1|100|0,2,2,.,"), Ok(Some("?OTR:A.".into())));
        add_all(&mut assembler, ["?OTR|0|100|0,2,2,.,"]);
    }

    #[test]
    fn what_is_kept_is_bounded_in_bytes() {
        let mut assembler = Assembler::new();
        let piece = "x".repeat(MAX_MESSAGE);
        for identifier in 1..=4 {
            add_all(&mut assembler, [format!("?OTR|{identifier:x}|100|0,1,65535,{piece},").as_str()]);
        }
        assert_eq!(assembler.incomplete.len(), 3, "the fourth with its book-keeping is one too many");
        assert!(assembler.buffered() <= MAX_BUFFERED);
        let too_much = add(&mut assembler, "?OTR|4|100|0,2,65535,x,");
        assert_eq!(too_much, Err(WireError::TooLong("fragmented message")));
        assert_eq!(assembler.incomplete.len(), 2, "a message over the limit is forgotten");
    }

    #[test]
    fn pieces_of_one_byte_count_for_more_than_their_bytes() {
        let mut assembler = Assembler::new();
        let most = MAX_BUFFERED / (1 + PIECE_OVERHEAD);
        let lines: Vec<_> = (1..=most).map(|index| format!("?OTR|1|100|0,{index},65535,x,")).collect();
        add_all(&mut assembler, lines.iter().map(String::as_str));
        assert_eq!(assembler.incomplete.len(), 1);
        add_all(&mut assembler, [format!("?OTR|1|100|0,{},65535,x,", most + 1).as_str()]);
        assert_eq!(assembler.incomplete.len(), 0);
    }

    #[test]
    fn waiting_pieces_survive_saving() {
        let mut assembler = Assembler::new();
        add_all(
            &mut assembler,
            ["?OTR|1|100|0,1,3,?OTR:A,", "?OTR|1|100|0,3,3,C.,", "?OTR|1|101|0,1,2,?OTR:X,"],
        );
        add_all(&mut assembler, ["?OTR|100|0,1,2,?OTR:V,", "?OTR,1,2,?OTR:W,"]);
        let mut w = Writer::new();
        assembler.save(&mut w);
        let mut r = Reader::new(w.as_slice());
        let mut loaded = Assembler::load(&mut r).unwrap();
        assert_eq!(r.end(), Ok(()));
        assert_eq!(format!("{loaded:?}"), format!("{assembler:?}"));
        assert_eq!(loaded.buffered(), assembler.buffered());
        assert_eq!(add(&mut loaded, "?OTR|1|101|0,2,2,Y.,"), Ok(Some("?OTR:XY.".into())));
        assert_eq!(add(&mut loaded, "?OTR|1|100|0,2,3,B,"), Ok(Some("?OTR:ABC.".into())));
        assert_eq!(add(&mut loaded, "?OTR|100|0,2,2,3.,"), Ok(Some("?OTR:V3.".into())));
        for end in 0..w.as_slice().len() {
            assert!(Assembler::load(&mut Reader::new(&w.as_slice()[..end])).is_err(), "{end}");
        }
    }

    proptest! {
        #[test]
        fn what_is_cut_is_put_together_in_any_order(
            body in "[A-Za-z0-9+/]{0,400}", max_line in 46..200_usize, identifier: u32, receiver: bool,
            order: Vec<u8>,
        ) {
            let message = format!("?OTR:{body}.");
            let receiver = receiver.then(|| tag(0x200));
            let lines = cut(&message, max_line, identifier, tag(0x100), receiver).unwrap();
            if message.len() <= max_line {
                prop_assert_eq!(lines, vec![message]);
                return Ok(());
            }
            prop_assert!(lines.iter().all(|line| line.len() <= max_line));
            let mut shuffled: Vec<_> = lines.iter().enumerate().collect();
            shuffled.sort_by_key(|(place, _)| order.get(*place).copied());
            let (last, others) = shuffled.split_last().unwrap();
            let mut assembler = Assembler::new();
            add_all(&mut assembler, others.iter().map(|(_, line)| line.as_str()));
            prop_assert_eq!(add(&mut assembler, last.1), Ok(Some(message)));
            prop_assert_eq!(assembler.next_deadline(), None);
        }

        #[test]
        fn version_3_is_put_together_in_order(body in "[A-Za-z0-9+/]{80,400}", max_line in 37..80_usize) {
            let message = format!("?OTR:{body}.");
            let lines = cut_v3(&message, max_line, tag(0x100), Some(tag(0x200))).unwrap();
            let mut assembler = Assembler::new();
            let whole: Vec<_> = lines.iter().map(|line| add(&mut assembler, line)).collect();
            let (last, others) = whole.split_last().unwrap();
            prop_assert!(others.iter().all(|none| *none == Ok(None)));
            prop_assert_eq!(last, &Ok(Some(message)));
        }
    }
}
