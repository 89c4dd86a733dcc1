//! Rules of MAC keys: which are revealed, by whom and when. Spec: otrv4.md "Revealing MAC Keys"; spec-notes/SN-014.

use std::collections::BTreeSet;

use super::look::Look;
use super::{Found, violation};
use crate::hostile::hcmac;

/// Each revealed key belongs to one message of the other side, and is revealed once. That message has arrived before; only at the end
/// are keys of messages revealed that are still missing.
pub(crate) fn revealed_keys_belong_to_messages_of_the_other_side(look: &Look<'_>) -> Found {
    const RULE: &str = "revealed_keys_belong_to_messages_of_the_other_side";
    let (mut found, mut revealed) = (Vec::new(), BTreeSet::new());
    for (at, message, data) in look.data() {
        let goes_on = look.data().any(|(other, of, _)| other > at && of.sender == message.sender);
        let at_the_end = data.quiet && !goes_on;
        for key in &data.revealed {
            let key: &[u8; 64] = key.as_slice().try_into().expect("the parser gives 64 bytes");
            let owner = look.data().take_while(|(before, _, _)| *before < at).find(|(before, other, of)| {
                other.sender != message.sender
                    && (at_the_end || other.received.is_some_and(|received| received <= message.at))
                    && !revealed.contains(before)
                    && hcmac(key, &of.sections)[..] == of.mac
            });
            match owner {
                Some((before, _, _)) => _ = revealed.insert(before),
                None => found.push(violation(RULE, format!("a key of no message, at {}", message.at))),
            }
        }
    }
    found
}

/// Keys are revealed with the first message of a ratchet, or with one that says nothing: a last one.
pub(crate) fn keys_are_revealed_when_a_ratchet_begins_or_all_ends(look: &Look<'_>) -> Found {
    const RULE: &str = "keys_are_revealed_when_a_ratchet_begins_or_all_ends";
    let wrong = look.data().filter(|(_, _, data)| !data.revealed.is_empty() && data.j > 0 && !data.quiet);
    wrong.map(|(_, message, _)| violation(RULE, format!("at {}", message.at))).collect()
}
