//! Of what the messages say, where their receivers show it.

use base64::prelude::{BASE64_STANDARD, Engine as _};
use otrv4::Secret;
use otrv4::forge::v4::read_and_forge;

use super::{broken_by, ratchet_of_two, real};
use crate::judge::look::{Look, Message};
use crate::judge::record::Line;

#[test]
fn every_message_that_arrived_can_be_read() {
    let (talk, keys) = real(Some(400), &|_| true);
    let look = Look::at(&talk, &keys);
    // Whoever has said that it is over reads nothing more.
    let says_the_end = |at: usize, message: &Message| {
        look.data().take_while(|(before, _, _)| *before < at).any(|(_, of, data)| {
            of.sender != message.sender
                && data.plain.as_ref().is_some_and(|plain| plain.records.contains(&END))
        })
    };
    assert!(look.data().all(|(at, message, data)| data.plain.is_some() || says_the_end(at, message)));
    assert!(look.data().any(|(_, _, data)| data.plain.as_ref().is_some_and(|plain| !plain.text.is_empty())));
}

#[test]
fn a_chain_key_of_another_message_is_found() {
    let (talk, keys) = real(None, &|look| ratchet_of_two(look).is_some());
    let (first, second) = ratchet_of_two(&Look::at(&talk, &keys)).unwrap();
    let broken = broken_by(&talk, &keys, |lines| lines[second].chain_key = lines[first].chain_key.clone());
    assert_eq!(broken, ["chain_keys_lead_to_each_other", "messages_open_under_their_chain_keys"]);
    // Nor has anybody one of what never came.
    let lost = {
        let look = Look::at(&talk, &keys);
        let last = look.data().filter(|(_, _, data)| data.chain_key.is_some()).last();
        last.map(|(_, message, _)| message.last_line).unwrap()
    };
    let broken = broken_by(&talk, &keys, |lines| lines[lost].received = None);
    assert_eq!(broken, ["messages_open_under_their_chain_keys"]);
    let broken = broken_by(&talk, &keys, |lines| lines[first].chain_key = Some("none".into()));
    assert_eq!(broken, ["chain_keys_lead_to_each_other", "messages_open_under_their_chain_keys"]);
}

#[test]
fn a_text_in_a_message_that_says_to_have_none_is_found() {
    let (talk, keys) = real(None, &|look| look.data().any(|(_, _, data)| data.quiet));
    let quiet = {
        let look = Look::at(&talk, &keys);
        look.data().find(|(_, _, data)| data.quiet).map(|(_, message, _)| message.last_line).unwrap()
    };
    let broken = broken_by(&talk, &keys, |lines| write_into(&mut lines[quiet], "I have the money"));
    assert_eq!(broken, ["plaintexts_are_as_programs_write_them"]);
}

/// The record that ends a conversation.
const END: (u16, Vec<u8>) = (1, Vec::new());

/// Another text under the key of this message.
fn write_into(line: &mut Line, text: &str) {
    let key = BASE64_STANDARD.decode(line.chain_key.as_ref().unwrap()).unwrap();
    let key = Secret::copied(key.as_slice().try_into().unwrap());
    line.line = read_and_forge(&line.line, &key, Some(text)).unwrap().forged.unwrap();
}
