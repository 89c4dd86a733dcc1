//! Rules of time: what clocks, people and networks do not do.

use super::look::Look;
use super::{Found, violation};

/// The record is in the order of time, nothing arrives before it was sent, and nothing overtakes what the same side sent before.
pub(crate) fn time_goes_forward(look: &Look<'_>) -> Found {
    const RULE: &str = "time_goes_forward";
    let mut found = Vec::new();
    if !look.lines.is_sorted_by_key(|line| line.at) {
        found.push(violation(RULE, "not in the order in which it was sent"));
    }
    if let Some(line) = look.lines.iter().find(|line| line.received.is_some_and(|at| at < line.at)) {
        found.push(violation(RULE, format!("received before it was sent, at {}", line.at)));
    }
    for side in 0..2 {
        let sent = look.messages.iter().filter(|message| message.sender == side);
        let arrivals: Vec<i64> = sent.filter_map(|message| message.received).collect();
        if !arrivals.is_sorted() {
            found.push(violation(RULE, format!("a message of side {side} overtakes another one")));
        }
    }
    found
}

/// A network takes time: not everything arrives in the second in which it was sent.
pub(crate) fn not_everything_arrives_at_once(look: &Look<'_>) -> Found {
    let delays: Vec<i64> = look.lines.iter().filter_map(|line| Some(line.received? - line.at)).collect();
    let at_once = delays.len() >= 2 * ENOUGH && delays.iter().all(|delay| *delay == 0);
    let detail = format!("{} lines in no time", delays.len());
    at_once.then(|| violation("not_everything_arrives_at_once", detail)).into_iter().collect()
}

/// People speak at odd times: neither on the minute each time, nor each time so many seconds after the last.
pub(crate) fn nobody_speaks_by_the_clock(look: &Look<'_>) -> Found {
    const RULE: &str = "nobody_speaks_by_the_clock";
    let mut said: Vec<i64> =
        look.data().filter(|(_, _, data)| !data.quiet).map(|(_, message, _)| message.at).collect();
    said.dedup();
    if said.len() < ENOUGH {
        return Vec::new();
    }
    let gaps: Vec<i64> = said.windows(2).map(|pair| pair[1] - pair[0]).collect();
    let mut found = Vec::new();
    if gaps.iter().all(|gap| *gap == gaps[0]) {
        found.push(violation(RULE, format!("always {} seconds after the last", gaps[0])));
    }
    for period in [5, 10, 15, 30, 60] {
        let phase = said[0].rem_euclid(period);
        if said.iter().filter(|at| at.rem_euclid(period) == phase).count() * 10 >= said.len() * 9 {
            found.push(violation(RULE, format!("in steps of {period} seconds")));
        }
    }
    found
}

/// So many are no chance.
const ENOUGH: usize = 6;
