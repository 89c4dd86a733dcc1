//! The way from one end of a forged conversation to the other: how long each line takes, and whether it comes at all.
//! Used by [`super::transcript`].

use std::collections::VecDeque;
use std::time::Duration;

use crate::Timestamp;
use crate::session::Policy;
use crate::wire::{Assembler, Fragment};

/// How one side's program is set. Nothing says that both were set alike.
#[derive(Clone, Copy, Debug, Default)]
pub struct Manner {
    /// What it allows and wishes. The versions that it offers are those that the policy allows and the side's Client Profile
    /// lists. It has to do without [`Policy::require_authenticated`], which nobody sees.
    pub policy: Policy,
    /// The longest line that its network carries, as in [`crate::Session::set_max_line`].
    pub max_line: Option<usize>,
}

impl From<Policy> for Manner {
    /// On a network that carries lines of any length.
    fn from(policy: Policy) -> Self {
        Self { policy, max_line: None }
    }
}

/// What becomes of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// It arrives so much later; or behind the line before it of the same sender, if that takes longer: messengers keep the
    /// order.
    After(Duration),
    /// It never arrives.
    Lost,
}

impl Delivery {
    /// It arrives in the moment in which it is sent.
    pub const AT_ONCE: Self = Self::After(Duration::ZERO);
}

/// A time between the seconds that clocks show: milliseconds since 1970.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Moment(i64);

impl Moment {
    /// So many milliseconds after a second has begun.
    pub(super) const fn within(second: Timestamp, millis: u32) -> Self {
        Self(second.unix().saturating_mul(1000).saturating_add(millis as i64))
    }

    /// What a clock shows.
    pub(super) const fn second(self) -> Timestamp {
        Timestamp::from_unix(self.0.div_euclid(1000))
    }

    fn after(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)))
    }
}

/// The lines that are on their way to one end, by number, with the moment in which each arrives.
pub(super) struct Inbox {
    /// Before that nobody is there to receive anything: the messenger keeps it.
    there_from: Moment,
    lines: VecDeque<(Moment, usize)>,
    assembler: Assembler,
}

impl Inbox {
    pub(super) const fn new(there_from: Moment) -> Self {
        Self { there_from, lines: VecDeque::new(), assembler: Assembler::new() }
    }

    pub(super) const fn there_from(&self) -> Moment {
        self.there_from
    }

    /// A line is sent now.
    pub(super) fn put(&mut self, line: usize, now: Moment, delivery: Delivery) {
        if let Delivery::After(duration) = delivery {
            let before = self.lines.back().map_or(self.there_from, |(at, _)| *at);
            self.lines.push_back((now.after(duration).max(before), line));
        }
    }

    /// When the next one arrives.
    pub(super) fn next(&self) -> Option<Moment> {
        self.lines.front().map(|(at, _)| *at)
    }

    /// The next one, if it has arrived.
    pub(super) fn take(&mut self, now: Moment) -> Option<usize> {
        self.lines.pop_front_if(|(at, _)| *at <= now).map(|(_, line)| line)
    }

    /// A piece of a message has arrived; gives the message that it completes.
    pub(super) fn complete(&mut self, piece: &Fragment<'_>, now: Moment) -> Option<String> {
        self.assembler.add(piece, now.second()).ok().flatten()
    }
}
