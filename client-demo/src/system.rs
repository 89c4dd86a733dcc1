//! What the library does not do itself: ask this machine for the time and for randomness. The one place where the
//! client does.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "a binary has to get them from somewhere"
)]

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use otrv4::Timestamp;
use rand_core::UnwrapErr;

/// The operating system's random numbers; the process ends if it has none to give.
pub(crate) fn rng() -> UnwrapErr<getrandom::SysRng> {
    UnwrapErr(getrandom::SysRng)
}

/// The system clock, to the second.
pub(crate) fn now() -> Timestamp {
    Timestamp::from_unix(i64::try_from(since_1970().as_secs()).unwrap_or(i64::MAX))
}

/// The system clock, for names that sort by age. A clock before 1970 reads as 1970.
pub(crate) fn since_1970() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// Measures how long something takes.
pub(crate) struct Stopwatch(Instant);

impl Stopwatch {
    /// Starts to measure.
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    /// Time since the start.
    pub(crate) fn read(&self) -> Duration {
        self.0.elapsed()
    }
}
