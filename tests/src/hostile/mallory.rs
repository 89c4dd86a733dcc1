//! Lines that Mallory makes: damaged ones, made-up ones, old ones of others. She has no keys but those that were revealed. Used
//! by [`super::deeds`].

use std::sync::OnceLock;

use otrv4::keys::ForgingSecret;
use otrv4::{Account, Context, Lifetimes, Output, Policy, Session};
use rand::rngs::ChaCha8Rng;
use rand::seq::IndexedRandom;
use rand::{Rng, RngExt, SeedableRng};

use super::lines;
use crate::START;

/// What she knows of those whose lines she changes.
pub(crate) struct Known {
    pub(crate) tags: Vec<u32>,
}

/// A line that is another one than this, and how it was made.
pub(crate) fn damaged(rng: &mut ChaCha8Rng, line: &str, known: &Known) -> (&'static str, String) {
    match lines::decode(line) {
        Some(mut bytes) if rng.random_range(0..4) > 0 => {
            let how = damage_bytes(rng, &mut bytes, known);
            (how, lines::encode(&bytes))
        }
        _ => ("a character", damaged_text(rng, line)),
    }
}

fn damage_bytes(rng: &mut ChaCha8Rng, bytes: &mut Vec<u8>, known: &Known) -> &'static str {
    let at = rng.random_range(0..bytes.len());
    match rng.random_range(0..12) {
        0..4 => {
            bytes[at] ^= 1 << rng.random_range(0..8);
            "a bit"
        }
        4 => {
            bytes.truncate(at);
            "cut short"
        }
        5 => {
            bytes.extend([0; 4]);
            "made longer"
        }
        6 => {
            put(bytes, 0, &[0, rng.random_range(0..6)]);
            "its version"
        }
        7 => {
            let unknown = rng.random_range(0..4) == 0;
            let tag = known.tags.choose(rng).copied().filter(|_| !unknown).unwrap_or(at as u32);
            put(bytes, *[3, 7].choose(rng).expect("some"), &tag.to_be_bytes());
            "a tag"
        }
        8..11 => {
            // Three numbers from byte 12 on: pn, i and j of version 4; in version 3 the ids of keys.
            let numbers = [0, 1, 2, 3, 999, 1000, 1001, 1 << 31, u32::MAX, rng.next_u32()];
            let number = numbers.choose(rng).expect("some");
            put(bytes, *[12, 16, 20].choose(rng).expect("some"), &number.to_be_bytes());
            "a number"
        }
        _ => {
            put(bytes, at, &rng.next_u32().to_be_bytes());
            "four bytes"
        }
    }
}

fn damaged_text(rng: &mut ChaCha8Rng, line: &str) -> String {
    let mut characters: Vec<char> = line.chars().collect();
    let at = rng.random_range(0..characters.len());
    match rng.random_range(0..5) {
        0 => characters.truncate(at),
        1 => _ = characters.remove(at),
        2 => characters.insert(at, *[' ', '\n', 'A', ',', '|', '=', '\u{202e}'].choose(rng).expect("some")),
        3 => characters[at] = *['A', 'B', '1', '0', '/'].choose(rng).expect("some"),
        _ => characters.extend(['.', 'A', ' ']),
    }
    characters.into_iter().collect()
}

fn put(bytes: &mut [u8], at: usize, with: &[u8]) {
    if let Some(there) = bytes.get_mut(at..at + with.len()) {
        there.copy_from_slice(with);
    }
}

/// A line that nobody has sent, and of what kind.
pub(crate) fn made_up(rng: &mut ChaCha8Rng, known: &Known) -> (&'static str, String) {
    let kind = rng.random_range(0..10);
    let name = match kind {
        0 => "a query",
        1 | 2 => "an error message",
        3 | 4 => "clear text",
        5 => "garbage",
        6 => "a piece",
        7 => "random bytes",
        _ => "a message of others",
    };
    (name, made_up_of(rng, kind, known))
}

fn made_up_of(rng: &mut ChaCha8Rng, kind: u32, known: &Known) -> String {
    let tag = |rng: &mut ChaCha8Rng| known.tags.choose(rng).copied().unwrap_or(0x100);
    match kind {
        0 => ["?OTRv4?", "?OTRv34?", "?OTRv3?", "?OTRv2?", "?OTR?v2?", "?OTRv?", "?OTR?"]
            .choose(rng)
            .expect("some")
            .to_string(),
        1 => format!("?OTR Error: ERROR_{}: of Mallory", rng.random_range(0..9)),
        2 => "?OTR Error: of Mallory".into(),
        3 => format!("Mallory was here, {}", rng.next_u32()),
        4 => otrv4::wire::whitespace_tag(otrv4::wire::Versions::V34) + "by Mallory",
        5 => GARBAGE.choose(rng).expect("some").to_string(),
        6 => {
            let (from, to) = (tag(rng), tag(rng));
            let index = rng.random_range(0..4);
            format!("?OTR|{:08x}|{from:08x}|{to:08x},{index},3,AAAA,", rng.next_u32())
        }
        // A message of random bytes under an honest header.
        7 => {
            let version = rng.random_range(2..5);
            let kind = *[3, 0x35, 0x36, 0x37, 0x0d, 0x02, 0x0a, 0x11, 0x12].choose(rng).expect("some");
            let mut bytes = vec![0, version, kind];
            bytes.extend(tag(rng).to_be_bytes());
            bytes.extend(tag(rng).to_be_bytes());
            let length = rng.random_range(0..400);
            let start = bytes.len();
            bytes.resize(start + length, 0);
            rng.fill_bytes(&mut bytes[start..]);
            lines::encode(&bytes)
        }
        // A message of others, as it was or to one of these.
        _ => {
            let line = of_others().choose(rng).expect("some").clone();
            match lines::decode(&line) {
                Some(mut bytes) if rng.random_range(0..2) == 0 => {
                    put(&mut bytes, 3, &tag(rng).to_be_bytes());
                    put(&mut bytes, 7, &tag(rng).to_be_bytes());
                    lines::encode(&bytes)
                }
                _ => line,
            }
        }
    }
}

/// The lines of a conversation of two others, with the same names.
fn of_others() -> &'static [String] {
    static LINES: OnceLock<Vec<String>> = OnceLock::new();
    LINES.get_or_init(|| {
        let mut rng = ChaCha8Rng::seed_from_u64(0);
        let mut all = Vec::new();
        let mut person = |id, other| {
            let account = Account::new(id, ForgingSecret::Destroy, Lifetimes::default(), &mut rng, START);
            (account, Session::new(other, Policy::default()))
        };
        let [alice, bob] = super::client::NAMES;
        let mut two = [person(alice, bob), person(bob, alice)];
        let mut act = |at: usize, act: &dyn Fn(&mut Session, &mut Context<'_>) -> Vec<Output>| {
            let (account, session) = &mut two[at];
            let outputs = act(session, &mut Context { account, rng: &mut rng, now: START });
            let sent = outputs.into_iter().filter_map(|output| match output {
                Output::Send(line) => Some(line),
                Output::Save | Output::Event(_) => None,
            });
            sent.collect::<Vec<String>>()
        };
        let mut under_way = act(0, &|session, cx| session.start(cx));
        let mut to = 1;
        while !under_way.is_empty() {
            all.extend(under_way.iter().cloned());
            under_way =
                under_way.iter().flat_map(|line| act(to, &|session, cx| session.receive(cx, line))).collect();
            to = 1 - to;
        }
        for at in [0, 1, 0] {
            all.extend(act(at, &|session, cx| session.send(cx, None, "of others").expect("a conversation")));
        }
        all.extend(act(1, &|session, cx| session.end(cx)));
        all
    })
}

const GARBAGE: &[&str] = &[
    "",
    "?",
    "?OTR",
    "?OTR:",
    "?OTR:.",
    "?OTR:===.",
    "?OTR:AAQ.",
    "?OTR:AAQD.",
    "?OTR:AAMC.",
    "?OTR|",
    "?OTR|1|2|3,4,5,6,",
    "?OTR|1|00000100|0,99999,99999,x,",
    "?OTR,1,2,x,",
    "?OTR Error:",
    "?OTR:AAQ1\0.",
    "\u{202e}?OTRv4?",
    " \t  \t\t\t\t \t \t \t  ",
];
