//! Fragments of prekey server messages, for networks with short lines.
//! Spec: otrv4-prekey-server.md "Fragmentation of some Messages". Used by clients and servers on such networks; over
//! HTTP nothing is cut.

use crate::time::Timestamp;
use crate::wire::{Assembler, Fragment, InstanceTag, WireError, cut_behind, parse_behind};

/// Cuts the text of a message into lines `?OTRP|identifier|sender|receiver,index,total,piece,` of at most `max_line`
/// bytes; a text that fits is the only line. A server has no tag: `None`. The identifier must be random and not in
/// use for another message. Fails if there is no room for a piece, or no number for the last one.
pub fn cut_text(
    text: &str,
    max_line: usize,
    identifier: u32,
    sender: Option<InstanceTag>,
    receiver: Option<InstanceTag>,
) -> Result<Vec<String>, WireError> {
    let [sender, receiver] = [sender, receiver].map(|tag| tag.map_or(0, InstanceTag::get));
    let names = format!("{FRAGMENT_PREFIX}{identifier:08x}|{sender:08x}|{receiver:08x}");
    cut_behind(&names, text, TEXT_PREFIX, max_line)
}

/// Puts texts together from their fragments, within the limits of [`Assembler`]. A client has one for its server, a
/// server one for each publisher.
#[derive(Debug)]
pub struct FragmentAssembler {
    our_tag: Option<InstanceTag>,
    assembler: Assembler,
}

impl FragmentAssembler {
    /// For a client with this tag, or for a server.
    pub const fn new(our_tag: Option<InstanceTag>) -> Self {
        Self { our_tag, assembler: Assembler::of(TEXT_PREFIX) }
    }

    /// Takes in a line that begins with `?OTRP|`; gives the text that it completes.
    pub fn add(&mut self, line: &str, now: Timestamp) -> Result<Option<String>, WireError> {
        let ([identifier, sender, receiver], index, total, piece) = read_fragment(line)?;
        let receiver = InstanceTag::receiver(receiver)?;
        if self.our_tag.is_some() && receiver.is_some() && receiver != self.our_tag {
            return Err(WireError::Illegal("receiver of the fragment"));
        }
        // The one of the two that is a client names the conversation.
        let sender = InstanceTag::receiver(sender)?.or(receiver).ok_or(WireError::Illegal("instance tag"))?;
        let fragment = Fragment { identifier: Some(identifier), sender, receiver, index, total, piece };
        self.assembler.add(&fragment, now)
    }

    /// Forgets what has waited too long.
    pub fn expire(&mut self, now: Timestamp) {
        self.assembler.expire(now);
    }

    /// When [`FragmentAssembler::expire`] next has something to forget.
    pub fn next_deadline(&self) -> Option<Timestamp> {
        self.assembler.next_deadline()
    }

    /// Bytes kept for incomplete texts, with their book-keeping: at most a mebibyte. For a server, which keeps many of
    /// these and bounds their sum.
    pub fn buffered(&self) -> usize {
        self.assembler.buffered()
    }
}

/// Identifier, sender's and receiver's instance tag, index, total and piece of a line that begins with `?OTRP|`.
pub(crate) fn read_fragment(line: &str) -> Result<([u32; 3], u16, u16, &str), WireError> {
    let (names, index, total, piece) = parse_behind(FRAGMENT_PREFIX, line)?;
    let names = names.try_into().map_err(|_| WireError::Illegal("fragment"))?;
    Ok((names, index, total, piece))
}

/// What a fragment begins with.
pub(crate) const FRAGMENT_PREFIX: &str = "?OTRP|";

/// What the text of every message of version 4 begins with: the version, in base64.
const TEXT_PREFIX: &str = "AAQ";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vectors::of_kind;

    const NOW: Timestamp = Timestamp::from_unix(0);

    fn tag(n: u64) -> Option<InstanceTag> {
        InstanceTag::new(u32::try_from(n).unwrap())
    }

    #[test]
    fn a_text_is_cut_as_recorded_and_put_together_again_in_any_order() {
        for v in of_kind("prekey_fragment") {
            let number = |name: &str| v.inputs[name].as_u64().unwrap();
            let (text, receiver) = (v.inputs["message"].as_str().unwrap(), tag(number("receiver_tag")));
            let lines = cut_text(
                text,
                number("max_size").try_into().unwrap(),
                number("identifier").try_into().unwrap(),
                tag(number("sender_tag")),
                receiver,
            )
            .unwrap();
            assert_eq!(serde_json::to_value(&lines).unwrap(), v.outputs["pieces"]);
            for our_tag in [receiver, None] {
                let mut assembler = FragmentAssembler::new(our_tag);
                let (last, first) = lines.split_first().unwrap();
                for line in first.iter().rev() {
                    assert_eq!(assembler.add(line, NOW), Ok(None));
                }
                assert_eq!(assembler.add(last, NOW), Ok(Some(text.into())));
            }
        }
    }

    #[test]
    fn a_text_that_fits_is_not_cut_and_one_without_room_is_refused() {
        assert_eq!(cut_text("AAQQ.", 5, 1, tag(0x100), None), Ok(vec!["AAQQ.".into()]));
        assert_eq!(
            cut_text(&format!("AAQ{}", "Q".repeat(100)), 40, 1, tag(0x100), None),
            Err(WireError::TooLong("fragment"))
        );
    }

    #[test]
    fn fragments_for_another_client_are_refused() {
        let mut assembler = FragmentAssembler::new(tag(0x100));
        assert!(assembler.add("?OTRP|1|0|101,1,1,AAQQ.,", NOW).is_err());
        assert_eq!(assembler.add("?OTRP|1|0|100,1,1,AAQQ.,", NOW), Ok(Some("AAQQ.".into())));
        assert_eq!(assembler.add("?OTRP|1|200|0,1,1,AAQQ.,", NOW), Ok(Some("AAQQ.".into())));
    }

    #[test]
    fn malformed_fragments_and_pieces_of_something_else_are_refused() {
        let mut assembler = FragmentAssembler::new(None);
        for line in [
            "",
            "?OTRP|",
            "?OTR|1|100|0,1,1,AAQQ.,",
            "?OTRP|100|0,1,1,AAQQ.,",
            "?OTRP|1|0|0,1,1,AAQQ.,",
            "?OTRP|1|ff|0,1,1,AAQQ.,",
            "?OTRP|1|100|0,0,1,AAQQ.,",
            "?OTRP|1|100|0,2,1,AAQQ.,",
            "?OTRP|1|100|0,1,1,,",
            "?OTRP|1|100|0,1,1,?OTR:AAQ.,",
            "?OTRP|1|100|0,1,1,?OTRP|1|100|0,1,1,AAQQ.,,",
        ] {
            assert!(assembler.add(line, NOW).is_err(), "{line}");
        }
        assert_eq!(assembler.next_deadline(), None);
    }

    #[test]
    fn incomplete_texts_are_forgotten_in_time() {
        let mut assembler = FragmentAssembler::new(None);
        assert_eq!(assembler.add("?OTRP|1|100|0,1,2,AAQ,", NOW), Ok(None));
        assert!((3..1000).contains(&assembler.buffered()));
        let deadline = assembler.next_deadline().unwrap();
        assembler.expire(deadline);
        assert_eq!((assembler.next_deadline(), assembler.buffered()), (None, 0));
    }
}
