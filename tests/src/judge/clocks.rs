//! Rules of time: what clocks, people and networks do not do.

use super::look::Look;
use super::{Found, violation};

/// So many seconds two machines' clocks may differ: a record may be put together from both.
pub(crate) const CLOCKS: i64 = 60;

/// Times are some that a clock shows.
pub(crate) fn dates_are_of_our_time(look: &Look<'_>) -> Found {
    const OURS: std::ops::Range<i64> = 1_000_000_000..10_000_000_000;
    let times = look.lines.iter().flat_map(|line| std::iter::once(line.at).chain(line.received));
    let other = times.into_iter().find(|at| !OURS.contains(at));
    other.map(|at| violation("dates_are_of_our_time", format!("{at}"))).into_iter().collect()
}

/// The record is in the order of time, and nothing arrives before it was sent. Where two clocks differ, lines one way seem too fast, and
/// those the other way slow by as much. Messages may overtake each other: the network is of any kind.
pub(crate) fn time_goes_forward(look: &Look<'_>) -> Found {
    const RULE: &str = "time_goes_forward";
    let mut found = Vec::new();
    let mut latest = i64::MIN;
    for line in look.lines {
        if line.at.saturating_add(CLOCKS) < latest {
            found.push(violation(RULE, format!("not in the order in which it was sent, at {}", line.at)));
        }
        latest = latest.max(line.at);
    }
    let least = [0, 1].map(|side| {
        let sent = look.messages.iter().filter(|message| message.sender == side);
        sent.filter_map(|message| Some(message.received?.saturating_sub(message.at))).min()
    });
    let round_trip = least[0].zip(least[1]).map_or(0, |(one, other)| one.saturating_add(other));
    if round_trip < ROUNDED || least.iter().flatten().any(|least| *least < -CLOCKS) {
        found.push(violation(RULE, "received before it was sent"));
    }
    found
}

/// People speak at odd times: neither on the minute each time, nor each time so many seconds after the last. How many times in a row
/// tell: with whatever pauses people make, the next text comes on the same second of a period with a chance of one in that period, or
/// little more. A rule that convicts must not meet chance.
pub(crate) fn nobody_speaks_by_the_clock(look: &Look<'_>) -> Found {
    let said: Vec<i64> =
        look.data().filter(|(_, _, data)| !data.quiet).map(|(_, message, _)| message.at).collect();
    let by_the_clock = by_the_clock(said);
    by_the_clock.map(|detail| violation("nobody_speaks_by_the_clock", detail)).into_iter().collect()
}

/// How these times are those of a clock, if they are. By chance that is so once in a thousand million conversations.
pub(crate) fn by_the_clock(mut said: Vec<i64>) -> Option<String> {
    said.dedup();
    let texts = said.len() as f64;
    // Where a run may begin, times the chance of each that follows.
    let is_chance = |run: usize, next: f64| texts * next.powi(run as i32 - 1) > CHANCE;
    let gaps: Vec<i64> = said.windows(2).map(|pair| pair[1].saturating_sub(pair[0])).collect();
    for run in gaps.chunk_by(|one, other| one == other) {
        // Whatever the mean of pauses, one of exactly that length is hardly likelier than one in as many seconds. Of short ones a program
        // may send many, such as lines that were pasted.
        if run[0] >= SHORT && !is_chance(run.len(), 1.0 / run[0] as f64) {
            return Some(format!("{} times {} seconds after the last", run.len(), run[0]));
        }
    }
    for period in [5, 10, 15, 30, 60] {
        let phase = |at: &i64| at.rem_euclid(period);
        for run in said.chunk_by(|one, other| phase(one) == phase(other)) {
            if !is_chance(run.len(), 1.5 / period as f64) {
                return Some(format!("{} times in steps of {period} seconds", run.len()));
            }
        }
    }
    None
}

/// Seconds between texts that are too few to tell anything.
const SHORT: i64 = 10;

/// Of all six ways to speak by the clock together less than one in a thousand million.
const CHANCE: f64 = 1e-10;

/// Two differences of times in whole seconds, each of which may be too small by almost one.
const ROUNDED: i64 = -1;
