//! Fragments: messages cut into lines a network can carry.
//! Spec: otrv4.md "Transmitting Fragments", OTRv3 "Fragmentation". Used by the session; put together again by
//! [`super::Assembler`].

use super::text::{FRAGMENT_PREFIX, FRAGMENT_PREFIX_V2, MESSAGE_PREFIX};
use super::{InstanceTag, WireError};

/// One line `?OTR|identifier|sender|receiver,index,total,piece,`; version 3 has no identifier, and version 2 no tags
/// either: `?OTR,index,total,piece,`. The tags and the identifier are 1 to 8 hex digits, index and total 1 to 5 decimal
/// ones. Where there is no identifier, commas may be in the piece: it may be of a text for people. spec-notes/SN-027
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fragment<'a> {
    /// Tells messages of one sender apart; `None` in versions 2 and 3.
    pub identifier: Option<u32>,
    /// The client that wrote the message; [`InstanceTag::V2`] in version 2.
    pub sender: InstanceTag,
    /// The client it is for; `None` (0 on the wire) while the sender knows none, and in version 2.
    pub receiver: Option<InstanceTag>,
    /// The place of the piece, from 1 to `total`.
    pub index: u16,
    /// How many pieces make the message; at least 1.
    pub total: u16,
    /// The piece itself; not empty.
    pub piece: &'a str,
}

impl<'a> Fragment<'a> {
    /// Reads a line.
    pub fn parse(line: &'a str) -> Result<Self, WireError> {
        if let Some(rest) = line.strip_prefix(FRAGMENT_PREFIX_V2) {
            let (index, total, piece) = parse_pieces(rest)?;
            return Ok(Self {
                identifier: None,
                sender: InstanceTag::V2,
                receiver: None,
                index,
                total,
                piece,
            });
        }
        let (names, index, total, piece) = parse_behind(FRAGMENT_PREFIX, line)?;
        let (identifier, sender, receiver) = match *names.as_slice() {
            [identifier, sender, receiver] => (Some(identifier), sender, receiver),
            [sender, receiver] => (None, sender, receiver),
            _ => return Err(WireError::Illegal("fragment")),
        };
        let sender = InstanceTag::new(sender).ok_or(WireError::Illegal("instance tag"))?;
        let receiver = InstanceTag::receiver(receiver)?;
        Ok(Self { identifier, sender, receiver, index, total, piece })
    }
}

/// Reads a line of this prefix, up to four hex numbers with bars between them, and `,index,total,piece,`. For the
/// fragments of the prekey server, too.
pub(crate) fn parse_behind<'a>(
    prefix: &str,
    line: &'a str,
) -> Result<(Vec<u32>, u16, u16, &'a str), WireError> {
    let rest = line.strip_prefix(prefix).and_then(|rest| rest.split_once(','));
    let (names, rest) = rest.ok_or(WireError::Illegal("fragment"))?;
    let names: Vec<u32> = names.splitn(4, '|').map(hex).collect::<Result<_, _>>()?;
    let (index, total, piece) = parse_pieces(rest)?;
    if names.len() > 2 && piece.contains(',') {
        return Err(WireError::Illegal("fragment"));
    }
    Ok((names, index, total, piece))
}

/// `index,total,piece,`
fn parse_pieces(rest: &str) -> Result<(u16, u16, &str), WireError> {
    let illegal = WireError::Illegal("fragment");
    let mut fields = rest.strip_suffix(',').ok_or(illegal)?.splitn(3, ',');
    let (Some(index), Some(total), Some(piece)) = (fields.next(), fields.next(), fields.next()) else {
        return Err(illegal);
    };
    let (index, total) = (decimal(index)?, decimal(total)?);
    if index == 0 || index > total {
        return Err(WireError::Illegal("fragment index"));
    }
    if piece.is_empty() {
        return Err(illegal);
    }
    Ok((index, total, piece))
}

/// Cuts an encoded message of version 4 into lines of at most `max_line` bytes; one that fits is the only line. The
/// identifier must be random and not in use for another message. Fails if there is no room for a piece, or no
/// number for the last one.
pub fn cut(
    message: &str,
    max_line: usize,
    identifier: u32,
    sender: InstanceTag,
    receiver: Option<InstanceTag>,
) -> Result<Vec<String>, WireError> {
    let receiver = receiver.map_or(0, InstanceTag::get);
    let names = format!("{FRAGMENT_PREFIX}{identifier:08x}|{sender}|{receiver:08x}");
    cut_behind(&names, message, MESSAGE_PREFIX, max_line)
}

/// As [`cut`], for version 3, which has no identifier.
pub fn cut_v3(
    message: &str,
    max_line: usize,
    sender: InstanceTag,
    receiver: Option<InstanceTag>,
) -> Result<Vec<String>, WireError> {
    let receiver = receiver.map_or(0, InstanceTag::get);
    cut_behind(&format!("{FRAGMENT_PREFIX}{sender}|{receiver:08x}"), message, MESSAGE_PREFIX, max_line)
}

/// As [`cut`], for version 2, which has no tags either.
pub fn cut_v2(message: &str, max_line: usize) -> Result<Vec<String>, WireError> {
    cut_behind(V2_NAMES, message, MESSAGE_PREFIX, max_line)
}

/// Cuts a message that begins with `whole` into lines that begin with `names` and go on `,index,total,piece,`.
pub(crate) fn cut_behind(
    names: &str,
    message: &str,
    whole: &str,
    max_line: usize,
) -> Result<Vec<String>, WireError> {
    if message.len() <= max_line {
        return Ok(vec![message.into()]);
    }
    if !message.starts_with(whole) || !message.is_ascii() {
        return Err(WireError::Illegal("message to cut"));
    }
    let room = max_line.checked_sub(names.len() + ",00001,00001,,".len()).filter(|room| *room > 0);
    let room = room.ok_or(WireError::TooLong("fragment"))?;
    let total =
        u16::try_from(message.len().div_ceil(room)).map_err(|_| WireError::TooLong("fragmented message"))?;
    let mut lines = Vec::with_capacity(total.into());
    let mut rest = message;
    for index in 1..=total {
        let (piece, behind) = rest.split_at(rest.len().min(room));
        lines.push(format!("{names},{index:05},{total:05},{piece},"));
        rest = behind;
    }
    Ok(lines)
}

/// What stands before the first comma of a fragment of version 2.
const V2_NAMES: &str = "?OTR";

/// `%x`: 1 to 8 hex digits, leading zeros allowed.
fn hex(digits: &str) -> Result<u32, WireError> {
    let illegal = WireError::Illegal("fragment");
    // from_str_radix would take a sign, too.
    if digits.len() > 8 || !digits.bytes().all(|c| c.is_ascii_hexdigit()) {
        return Err(illegal);
    }
    u32::from_str_radix(digits, 16).map_err(|_| illegal)
}

/// `%hu`: 1 to 5 digits, at most 65535, leading zeros allowed.
fn decimal(digits: &str) -> Result<u16, WireError> {
    let illegal = WireError::Illegal("fragment index");
    if digits.len() > 5 || !digits.bytes().all(|c| c.is_ascii_digit()) {
        return Err(illegal);
    }
    digits.parse().map_err(|_| illegal)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::vectors;

    fn tag(number: u64) -> InstanceTag {
        InstanceTag::new(u32::try_from(number).unwrap()).unwrap()
    }

    #[test]
    fn messages_of_the_vectors_are_cut_as_recorded() {
        for vector in vectors::of_kind("fragment") {
            let number = |name: &str| vector.inputs[name].as_u64().unwrap();
            let lines = cut(
                vector.inputs["message"].as_str().unwrap(),
                usize::try_from(number("max_size")).unwrap(),
                u32::try_from(number("identifier")).unwrap(),
                tag(number("sender_tag")),
                Some(tag(number("receiver_tag"))),
            );
            assert_eq!(
                serde_json::to_value(lines.unwrap()).unwrap(),
                vector.outputs["pieces"],
                "{}",
                vector.name
            );
        }
    }

    #[test]
    fn malformed_fragments_are_refused() {
        for line in [
            "?OTR|",
            "?OTR|,",
            "?OTR|1|100,1,1,x",
            "?OTR|1|100,1,1,,",
            "?OTR|1|100|100,1,1,x,y,",
            "?OTR|1|100|100,,1,x,",
            "?OTR|1|100|100,+1,1,x,",
            "?OTR|1|100|100,000001,1,x,",
            "?OTR|1|100|100,1,65536,x,",
            "?OTR|+1|100|100,1,1,x,",
            "?OTR||100|100,1,1,x,",
            "?OTR|1|100|100|100,1,1,x,",
            "?OTR|100,1,1,x,",
            "?OTR|1|ff|100,1,1,x,",
            "?OTR|1|100|ff,1,1,x,",
            "?OTR|1|0|100,1,1,x,",
            "?OTR:1|100|100,1,1,x,",
            "?OTR,1,1,,",
            "?OTR,0,1,x,",
            "?OTR,2,1,x,",
            "?OTR,1,1,x",
            "?OTR,100,1,1,x,",
        ] {
            assert!(Fragment::parse(line).is_err(), "{line}");
        }
    }

    #[test]
    fn version_2_has_neither_identifier_nor_tags() {
        let fragment = Fragment::parse("?OTR,00002,3,piece,").unwrap();
        assert_eq!((fragment.identifier, fragment.sender, fragment.receiver), (None, InstanceTag::V2, None));
        assert_eq!((fragment.index, fragment.total, fragment.piece), (2, 3, "piece"));
        let message = "?OTR:AAIDAQAAAAUAAAAGAAAAwA==.";
        let lines =
            ["?OTR,00001,00003,?OTR:AAIDA,", "?OTR,00002,00003,QAAAAUAAAA,", "?OTR,00003,00003,GAAAAwA==.,"];
        assert_eq!(cut_v2(message, 28), Ok(lines.map(str::to_owned).to_vec()));
        assert_eq!(cut_v2(message, 30), Ok(vec![message.to_owned()]));
    }

    #[test]
    fn a_piece_without_an_identifier_may_have_commas() {
        for line in ["?OTR,1,2,here, and there,", "?OTR|100|100,1,2,here, and there,"] {
            assert_eq!(Fragment::parse(line).unwrap().piece, "here, and there");
        }
        assert_eq!(Fragment::parse("?OTR,1,2,,,,").unwrap().piece, ",,");
    }

    #[test]
    fn numbers_may_have_leading_zeros_or_none() {
        let short = Fragment::parse("?OTR|a|100|0,2,3,x,");
        assert_eq!(short, Fragment::parse("?OTR|0000000A|00000100|00000000,00002,00003,x,"));
        let expected = Fragment {
            identifier: Some(10),
            sender: tag(0x100),
            receiver: None,
            index: 2,
            total: 3,
            piece: "x",
        };
        assert_eq!(short, Ok(expected));
    }

    #[test]
    fn a_message_that_fits_is_the_only_line() {
        let message = "?OTR:AAQD.";
        assert_eq!(cut(message, message.len(), 1, tag(0x100), None), Ok(vec![message.into()]));
    }

    #[test]
    fn a_line_without_room_for_a_piece_is_refused() {
        let message = format!("?OTR:{}.", "A".repeat(100));
        assert_eq!(cut(&message, 45, 1, tag(0x100), None), Err(WireError::TooLong("fragment")));
        assert_eq!(cut(&message, 46, 1, tag(0x100), None).unwrap().len(), message.len());
        assert_eq!(cut_v3(&message, 36, tag(0x100), None), Err(WireError::TooLong("fragment")));
        assert_eq!(cut_v3(&message, 37, tag(0x100), None).unwrap().len(), message.len());
        let long = format!("?OTR:{}.", "A".repeat(65536));
        assert_eq!(cut(&long, 46, 1, tag(0x100), None), Err(WireError::TooLong("fragmented message")));
    }

    #[test]
    fn only_encoded_messages_are_cut() {
        let fragment = format!("?OTR|1|100|0,1,2,{},", "A".repeat(100));
        assert_eq!(cut(&fragment, 60, 1, tag(0x100), None), Err(WireError::Illegal("message to cut")));
    }

    proptest! {
        #[test]
        fn any_line_is_a_fragment_or_not(line in "\\?OTR\\|[0-9a-g|,]{0,40},?|\\PC*") {
            if let Ok(fragment) = Fragment::parse(&line) {
                prop_assert!((1..=fragment.total).contains(&fragment.index) && !fragment.piece.is_empty());
            }
        }
    }
}
