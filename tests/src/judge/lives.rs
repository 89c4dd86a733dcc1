//! What two people do, and what their network does to them: drawn from the same distributions for real conversations and for forged
//! ones, since a forger lives in the same world.

use std::time::Duration;

use otrv4::forge::{Delivery, Manner};
use otrv4::session::OperationMode;
use otrv4::wire::{Padding, Versions};
use otrv4::{Policy, Timestamp};
use rand::RngExt;
use rand::rngs::ChaCha8Rng;

/// A conversation to be had.
#[derive(Clone)]
pub(crate) struct Life {
    pub(crate) begin: Begun,
    pub(crate) start: i64,
    /// In the order of time; both say something.
    pub(crate) said: Vec<Saying>,
    /// Who ends it, and when.
    pub(crate) end: Option<(usize, i64)>,
    /// When whoever made the record stopped.
    pub(crate) until: i64,
    pub(crate) manners: [Manner; 2],
    /// From each of the two to the other.
    pub(crate) links: [Link; 2],
}

/// How it begins, by the side that begins.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Begun {
    /// A query, or an Identity message.
    Asked(usize),
    /// A greeting with the whitespace tag.
    Tagged(usize),
    /// The other one is away until then.
    Offline(usize, i64),
}

/// A text.
#[derive(Clone)]
pub(crate) struct Saying {
    pub(crate) by: usize,
    pub(crate) at: i64,
    pub(crate) text: String,
}

/// The way from one to the other.
#[derive(Clone, Copy)]
pub(crate) struct Link {
    /// Milliseconds that a line takes at least.
    least: u32,
    /// Beyond that, on average.
    more: f64,
    /// Of a thousand lines so many wait for a phone to wake up.
    stalls: u32,
    /// Of a thousand lines so many are lost.
    pub(crate) losses: u32,
}

impl Link {
    fn draw(rng: &mut ChaCha8Rng) -> Self {
        Self {
            least: rng.random_range(150..700),
            more: rng.random_range(100.0..1500.0),
            stalls: if rng.random_bool(0.3) { 30 } else { 0 },
            losses: if rng.random_bool(0.2) { 10 } else { 0 },
        }
    }

    /// What becomes of the next line.
    pub(crate) fn carry(self, rng: &mut ChaCha8Rng) -> Delivery {
        if rng.random_range(0..1000) < self.losses {
            return Delivery::Lost;
        }
        let more = -self.more * (1.0 - rng.random::<f64>()).ln();
        let stalled = rng.random_range(0..1000) < self.stalls;
        let stall = if stalled { rng.random_range(5_000..60_000) } else { 0 };
        Delivery::After(Duration::from_millis(u64::from(self.least) + more as u64 + stall))
    }
}

impl Life {
    pub(crate) fn draw(rng: &mut ChaCha8Rng, beginning: Timestamp) -> Self {
        let start = beginning.unix() + rng.random_range(0..3 * 24 * 60 * 60);
        let first = rng.random_range(0..2);
        let begin = match rng.random_range(0..10) {
            0..6 => Begun::Asked(first),
            6 => Begun::Tagged(first),
            _ => Begun::Offline(first, start + rng.random_range(60..20_000)),
        };
        let mut at = start + rng.random_range(2..60);
        let mut said = Vec::new();
        if let Begun::Offline(starter, back) = begin {
            for _ in 0..rng.random_range(1..4) {
                said.push(saying(rng, starter, at));
                at += rng.random_range(2..40);
            }
            said.retain(|saying: &Saying| saying.at < back);
            at = at.max(back + rng.random_range(10..90));
        }
        let mut by = rng.random_range(0..2);
        let turns = rng.random_range(4..8);
        for turn in 0..turns {
            // Both have to speak, or nobody would see whether both were there.
            by = match turn {
                0 => 1 - first,
                1 => first,
                _ if rng.random_bool(0.65) => 1 - by,
                _ => by,
            };
            said.push(saying(rng, by, at));
            at += pause(rng);
        }
        if rng.random_bool(0.1) {
            // Now and then they come back, for hours: what was lost before is given up meanwhile.
            for _ in 0..4 {
                at += rng.random_range(40 * 60..55 * 60);
                by = 1 - by;
                said.push(saying(rng, by, at));
            }
            at += pause(rng);
        }
        let end = rng.random_bool(0.6).then(|| (rng.random_range(0..2), at + rng.random_range(60..200)));
        let last = end.map_or(at, |(_, at)| at);
        let until = last + if rng.random_bool(0.15) { 3 * 60 * 60 } else { rng.random_range(0..600) };
        let modern = begin != Begun::Tagged(first) && rng.random_bool(0.25);
        let manners = [(); 2].map(|()| manner(rng, modern));
        let links = [(); 2].map(|()| Link::draw(rng));
        Self { begin, start, said, end, until, manners, links }
    }

    /// The same so many seconds later.
    pub(crate) fn later(mut self, seconds: i64) -> Self {
        if let Begun::Offline(_, back) = &mut self.begin {
            *back += seconds;
        }
        self.said.iter_mut().for_each(|saying| saying.at += seconds);
        self.end.iter_mut().for_each(|(_, at)| *at += seconds);
        self.start += seconds;
        self.until += seconds;
        self
    }
}

/// Seconds between texts: mostly few, now and then many.
fn pause(rng: &mut ChaCha8Rng) -> i64 {
    let typical: f64 = if rng.random_bool(0.12) { 180.0 } else { 14.0 };
    1 + (-typical * (1.0 - rng.random::<f64>()).ln()) as i64
}

fn saying(rng: &mut ChaCha8Rng, by: usize, at: i64) -> Saying {
    const WORDS: [&str; 12] =
        ["yes", "no", "the", "money", "tomorrow", "at", "nine", "I", "have", "not", "seen", "him"];
    let words = rng.random_range(1..25);
    let text: Vec<&str> = (0..words).map(|_| WORDS[rng.random_range(0..WORDS.len())]).collect();
    Saying { by, at, text: text.join(" ") }
}

fn manner(rng: &mut ChaCha8Rng, modern: bool) -> Manner {
    let padding = [Padding::Off, Padding::Classes][usize::from(rng.random_bool(0.4))];
    let heartbeat_after = [Some(60), Some(60), Some(30), None][rng.random_range(0..4)];
    let versions = if rng.random_bool(0.7) { Versions::V34 } else { Versions::V4 };
    let operation = if modern { OperationMode::Standalone } else { OperationMode::V3Compatible };
    let policy = Policy { operation, versions, padding, heartbeat_after, ..Policy::default() };
    let max_line = [None, None, None, Some(400), Some(1200)][rng.random_range(0..5)];
    Manner { policy, max_line }
}
