//! Rules of the ratchets' numbers and keys: `i`, `j`, `pn`, and when there are new keys. Spec: otrv4.md "Key Management",
//! "Data Message"; spec-notes/SN-009.

use std::collections::BTreeSet;

use otrv4::inside::primitives::over_bytes::{is_dh_member, is_point};

use super::conversations::Conversations;
use super::look::{Data, Look};
use super::{Found, violation};

/// Within a conversation each side counts its ratchets and the messages in them, without a gap, and `pn` is the number of messages in the
/// one before; a ratchet has one ECDH key, and each third one a DH key.
pub(crate) fn ratchets_count_as_honest_ones_do(look: &Look<'_>, placed: &Conversations) -> Found {
    const RULE: &str = "ratchets_count_as_honest_ones_do";
    let mut found = Vec::new();
    for (at, message, data) in look.data() {
        let Data { i, j, pn, .. } = data;
        if placed.not_next.contains(&at) || data.dh.is_empty() == i.is_multiple_of(3) {
            found.push(violation(RULE, format!("i {i}, j {j}, pn {pn} at {}", message.at)));
        }
    }
    for side in 0..2 {
        for which in 0..placed.all.len() {
            let sent = placed.data(look, side, which);
            for ((_, _, before), (_, message, data)) in sent.clone().zip(sent.skip(1)) {
                if before.ecdh == data.ecdh && before.dh != data.dh {
                    found.push(violation(RULE, format!("another DH key at {}", message.at)));
                }
            }
        }
    }
    found
}

/// Whoever answers, or starts offline, sends in ratchet 0 under the first keys in that message. Nobody sends under first keys later, or
/// under those in an Identity message: they have served when the handshake is complete.
pub(crate) fn first_keys_are_those_of_the_handshake(look: &Look<'_>, placed: &Conversations) -> Found {
    const FIRST: [&str; 2] = ["first ECDH public key", "first DH public key"];
    let all: BTreeSet<&[u8]> =
        look.messages.iter().flat_map(|message| FIRST.map(|name| message.bytes(name))).flatten().collect();
    let mut found = Vec::new();
    for (at, message, data) in look.data() {
        let Some(which) = placed.of_data(at) else { continue };
        let (conversation, keys) = (&placed.all[which], [data.ecdh.as_slice(), data.dh.as_slice()]);
        let first = FIRST.map(|name| look.messages[conversation.first].bytes(name));
        let fits = match data.i == 0 && message.sender == conversation.alice {
            true => keys.map(Some) == first,
            false => keys.iter().all(|key| !all.contains(key)),
        };
        if !fits {
            let detail = format!("ratchet {} at {}", data.i, message.at);
            found.push(violation("first_keys_are_those_of_the_handshake", detail));
        }
    }
    found
}

/// Public keys are points of the curve, and numbers of the group.
pub(crate) fn public_keys_are_in_their_groups(look: &Look<'_>) -> Found {
    const POINTS: [&str; 4] = ["X", "Y", "first ECDH public key", "public ECDH key"];
    const NUMBERS: [&str; 4] = ["A", "B", "first DH public key", "public DH key"];
    let (mut found, mut seen) = (Vec::new(), BTreeSet::new());
    for message in look.messages.iter().filter(|message| message.number("protocol version") == Some(4)) {
        for name in POINTS.into_iter().chain(NUMBERS) {
            let Some(key) = message.bytes(name).filter(|key| seen.insert(key.to_vec())) else { continue };
            // Two of three ratchets have no DH key.
            let absent = name == "public DH key" && key.is_empty();
            let fits = if POINTS.contains(&name) { is_point(key) } else { absent || is_dh_member(key) };
            if !fits {
                let detail = format!("{name} at {}", message.at);
                found.push(violation("public_keys_are_in_their_groups", detail));
            }
        }
    }
    found
}

/// Of the flags one has a meaning; the others are not set.
pub(crate) fn flags_are_those_with_a_meaning(look: &Look<'_>) -> Found {
    let odd = look.data().filter(|(_, _, data)| data.flags > 1);
    let detail = |at: i64, flags: u64| format!("{flags:#04x} at {at}");
    odd.map(|(_, message, data)| violation("flags_are_those_with_a_meaning", detail(message.at, data.flags)))
        .collect()
}
