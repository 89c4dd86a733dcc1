//! Conversations of versions 3 and 2, between two of ours: the handshake's table, what a hostile network can do, versions
//! side by side, and lost messages. Interop with libotr stands beside `client-demo`.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, missing_docs)]

mod ake;
mod clear;
mod data;
mod lost;
mod side_by_side;
mod strangers;
mod tampered;

use otrv4::wire::{Header, MessageType, Reader, Versions, unarmour};
use otrv4::{Event, Policy, Reject};
use otrv4_tests::Person;

/// Version 3 alone.
fn only_3() -> Policy {
    Policy { versions: Versions::V3, ..Policy::default() }
}

/// Version 2 alone.
fn only_2() -> Policy {
    Policy { versions: Versions::EMPTY, allow_v2: true, ..Policy::default() }
}

/// The policies of both versions, one after the other.
const BOTH: [fn() -> Policy; 2] = [only_3, only_2];

fn kind(line: &str) -> MessageType {
    Header::read(&mut Reader::new(&unarmour(line).expect("an encoded message")))
        .expect("a header")
        .message_type
}

fn kinds(person: &Person) -> Vec<MessageType> {
    person.sent.iter().map(|line| kind(line)).collect()
}

/// The next of a person's lines.
fn next(person: &mut Person) -> String {
    person.sent.remove(0)
}

/// Why lines were refused so far; takes all events.
fn rejected(person: &mut Person) -> Vec<Reject> {
    let reasons = person.told().into_iter().filter_map(|event| match event {
        Event::Rejected { reason, .. } => Some(reason),
        _ => None,
    });
    reasons.collect()
}

/// Each hears what the other says.
fn assert_they_talk(a: &mut Person, b: &mut Person) {
    a.told();
    b.told();
    for (text, back) in [("one", "two"), ("three", "four")] {
        let line = a.line(text);
        assert_eq!(b.receive(&line).heard(), [text]);
        let line = b.line(back);
        assert_eq!(a.receive(&line).heard(), [back]);
    }
}
