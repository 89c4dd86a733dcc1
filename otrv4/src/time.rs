//! Time as a value: the library never asks for it, it comes in through [`crate::Context`].

/// Seconds since 1970-01-01T00:00:00Z, leap seconds ignored; signed, as the expiry fields of otrv4.md.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// From Unix time in seconds.
    pub const fn from_unix(seconds: i64) -> Self {
        Self(seconds)
    }

    /// Unix time in seconds.
    pub const fn unix(self) -> i64 {
        self.0
    }

    /// This many seconds later (earlier, if negative); stops at the ends of the range.
    #[must_use]
    pub const fn plus(self, seconds: i64) -> Self {
        Self(self.0.saturating_add(seconds))
    }
}
