//! Requests that were answered already: a relay that sends one again would take another prekey, and see by the answer, or
//! by whose prekeys run out, for whom it was. Spec: RFC 9458, sections 6.5 and 6.5.1 (use of `Date`).

use super::encapsulation::Enc;
use otrv4::Timestamp;
use std::collections::{HashSet, VecDeque};
use std::sync::{Mutex, PoisonError};

/// Seconds by which the date of a request may differ from our clock.
pub(super) const WINDOW: i64 = 300;

/// How long a request is remembered: past this, its date is no longer accepted, whenever it came.
const LIFETIME: i64 = 2 * WINDOW;

/// Requests remembered at a time, about 100 bytes each; some 200 a second. When there are more, further ones wait: a place
/// given up early would let its request be sent again.
const MAX_SEEN: usize = 1 << 17;

/// What this process has answered lately. Another process, or this one after a restart, knows nothing of it.
#[derive(Debug, Default)]
pub(super) struct Seen(Mutex<Table>);

#[derive(Debug, Default)]
struct Table {
    known: HashSet<Enc>,
    in_order: VecDeque<(Timestamp, Enc)>,
}

/// Why a request is not answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unanswered {
    /// It has no date, or one too far from our clock.
    Date,
    /// It has been answered.
    Replayed,
    /// Too many others have been.
    Full,
}

impl Seen {
    /// Passes a request once.
    pub(super) fn first_time(&self, enc: &Enc, date: Option<i64>, now: Timestamp) -> Result<(), Unanswered> {
        if date.is_none_or(|date| date.abs_diff(now.unix()) > WINDOW.unsigned_abs()) {
            return Err(Unanswered::Date);
        }
        // A panic elsewhere left the table whole: nothing in here panics between two changes that belong together.
        let mut table = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        table.sweep(now);
        if table.known.contains(enc) {
            return Err(Unanswered::Replayed);
        }
        if table.known.len() >= MAX_SEEN {
            return Err(Unanswered::Full);
        }
        table.known.insert(*enc);
        table.in_order.push_back((now, *enc));
        Ok(())
    }
}

impl Table {
    fn sweep(&mut self, now: Timestamp) {
        while let Some((_, enc)) = self.in_order.pop_front_if(|(seen, _)| seen.plus(LIFETIME) < now) {
            self.known.remove(&enc);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_unix(1_700_000_000);

    fn enc(n: usize) -> Enc {
        let mut enc = [0; 32];
        enc[..8].copy_from_slice(&n.to_be_bytes());
        enc
    }

    #[test]
    fn a_request_passes_once_for_as_long_as_its_date_does() {
        let date = Some(NOW.unix() + WINDOW);
        let seen = Seen::default();
        assert_eq!(seen.first_time(&enc(1), date, NOW), Ok(()));
        assert_eq!(seen.first_time(&enc(2), date, NOW), Ok(()));
        for later in [0, WINDOW, LIFETIME] {
            let again = seen.first_time(&enc(1), date, NOW.plus(later));
            assert_eq!(again, Err(Unanswered::Replayed), "{later}");
        }
        let again = seen.first_time(&enc(1), date, NOW.plus(LIFETIME + 1));
        assert_eq!(again, Err(Unanswered::Date));
    }

    #[test]
    fn a_date_that_is_missing_or_off_is_refused_and_nothing_remembered() {
        let seen = Seen::default();
        for date in [None, Some(NOW.unix() - WINDOW - 1), Some(NOW.unix() + WINDOW + 1), Some(i64::MIN)] {
            assert_eq!(seen.first_time(&enc(1), date, NOW), Err(Unanswered::Date));
        }
        assert_eq!(seen.first_time(&enc(1), Some(NOW.unix() - WINDOW), NOW), Ok(()));
    }

    #[test]
    fn a_full_table_forgets_nothing_and_has_room_when_the_oldest_have_expired() {
        let seen = Seen::default();
        let pass = |n, now: Timestamp| seen.first_time(&enc(n), Some(now.unix()), now);
        for n in 0..MAX_SEEN {
            assert_eq!(pass(n, NOW), Ok(()));
        }
        assert_eq!(pass(MAX_SEEN, NOW), Err(Unanswered::Full));
        assert_eq!(pass(0, NOW), Err(Unanswered::Replayed));
        assert_eq!(pass(MAX_SEEN, NOW.plus(LIFETIME + 1)), Ok(()));
    }
}
