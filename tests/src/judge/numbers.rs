//! Rules of the ratchets' numbers: `i`, `j`, `pn`, and when there are new keys. Spec: otrv4.md "Key Management".

use super::look::{Data, Look, Message};
use super::{Found, violation};

/// Within a conversation each side counts its ratchets and the messages in them, without a gap; a ratchet has one ECDH key, each third
/// one a DH key, and `pn` is the number of messages in the one before.
pub(crate) fn ratchets_count_as_honest_ones_do(look: &Look<'_>) -> Found {
    const RULE: &str = "ratchets_count_as_honest_ones_do";
    let mut found = Vec::new();
    for side in 0..2 {
        let mut last: Option<&Data> = None;
        for message in look.messages.iter().filter(|message| message.sender == side) {
            let Some(data) = &message.data else {
                if begins(message) {
                    last = None;
                }
                continue;
            };
            let goes_on = last.is_some_and(|last| last.ecdh == data.ecdh);
            let fits = match last {
                Some(last) if goes_on => (data.i, data.j, data.pn) == (last.i, last.j + 1, last.pn),
                // An offline start has sent under its own key; a handshake goes on without a message of its sender.
                Some(last) => {
                    (data.j == 0 && data.i > last.i && data.pn == last.j + 1) || (data.i <= 1 && data.pn == 0)
                }
                None => data.i <= 2 && (data.j == 0 || data.i == 0),
            };
            if !fits || data.dh.is_empty() == data.i.is_multiple_of(3) {
                let Data { i, j, pn, .. } = data;
                found.push(violation(RULE, format!("i {i}, j {j}, pn {pn} at {}", message.at)));
            }
            last = Some(data);
        }
    }
    found
}

/// Whoever goes on to a ratchet has received something of the one before.
pub(crate) fn nobody_goes_on_without_an_answer(look: &Look<'_>) -> Found {
    const RULE: &str = "nobody_goes_on_without_an_answer";
    let mut found = Vec::new();
    for (at, message, data) in look.data().filter(|(_, _, data)| data.i >= 2) {
        let answered = look.data().take_while(|(before, _, _)| *before < at).any(|(_, before, of)| {
            let arrived = before.received.is_some_and(|received| received <= message.at);
            before.sender != message.sender && of.i + 1 == data.i && arrived
        });
        if !answered {
            found.push(violation(RULE, format!("ratchet {} at {}", data.i, message.at)));
        }
    }
    found
}

fn begins(message: &Message) -> bool {
    ["Auth-R message", "Auth-I message", "Non-Interactive-Auth message"].contains(&message.parsed.name)
}
