//! The unfinished messages of all senders: for each an assembler, and bounds on the sum of them.
//! Spec: otrv4-prekey-server.md "Receiving Fragments". Used by [`super::component`].

use crate::account::Identity;
use otrv4::Timestamp;
use otrv4::prekey_server::FragmentAssembler;
use otrv4::wire::WireError;
use std::collections::HashMap;

/// What fragments begin with.
pub(super) const PREFIX: &str = "?OTRP|";

#[derive(Debug, Default)]
pub(super) struct Fragments {
    by_sender: HashMap<Identity, Waiting>,
    /// How many fragments have come: the number of the next.
    count: u64,
    /// Bytes of all assemblers.
    buffered: usize,
}

#[derive(Debug)]
struct Waiting {
    assembler: FragmentAssembler,
    /// The number of the sender's last fragment.
    last: u64,
}

impl Fragments {
    /// Takes in a line that begins with [`PREFIX`]; gives the text that it completes.
    pub(super) fn add(
        &mut self,
        sender: &Identity,
        line: &str,
        now: Timestamp,
    ) -> Result<Option<String>, WireError> {
        let mut waiting =
            self.remove(sender).unwrap_or(Waiting { assembler: FragmentAssembler::new(None), last: 0 });
        let text = waiting.assembler.add(line, now);
        waiting.last = self.count;
        self.count += 1;
        self.keep(sender, waiting);
        if self.by_sender.len() > MAX_SENDERS || self.buffered > MAX_BUFFERED {
            self.make_room(now);
        }
        text
    }

    fn remove(&mut self, sender: &Identity) -> Option<Waiting> {
        let waiting = self.by_sender.remove(sender)?;
        self.buffered -= waiting.assembler.buffered();
        Some(waiting)
    }

    /// Whoever has nothing unfinished costs nothing.
    fn keep(&mut self, sender: &Identity, waiting: Waiting) {
        let buffered = waiting.assembler.buffered();
        if buffered > 0 {
            self.buffered += buffered;
            self.by_sender.insert(sender.clone(), waiting);
        }
    }

    /// What has waited too long goes, then those whose last fragment is the oldest: pieces of a message come one right after
    /// another, so these are the least likely to be completed. A quarter at once, so that the search is rare.
    fn make_room(&mut self, now: Timestamp) {
        let senders: Vec<_> = self.by_sender.keys().cloned().collect();
        for sender in senders {
            if let Some(mut waiting) = self.remove(&sender) {
                waiting.assembler.expire(now);
                self.keep(&sender, waiting);
            }
        }
        let mut by_age: Vec<_> = self.by_sender.iter().map(|(sender, w)| (w.last, sender.clone())).collect();
        by_age.sort_unstable_by_key(|(last, _)| *last);
        for (_, sender) in by_age {
            if self.by_sender.len() <= MAX_SENDERS / 4 * 3 && self.buffered <= MAX_BUFFERED / 4 * 3 {
                break;
            }
            self.remove(&sender);
        }
    }
}

/// Senders with unfinished messages; each may have as many as its assembler takes.
const MAX_SENDERS: usize = 1024;

/// Bytes kept for unfinished messages, all senders together: the longest publications of a hundred clients at once.
const MAX_BUFFERED: usize = 32 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_unix(1_700_000_000);

    fn sender(n: usize) -> Identity {
        Identity::new(&format!("bob{n}@example.org")).expect("legal")
    }

    /// The sum is what it should be.
    fn check(fragments: &Fragments) {
        let sum: usize = fragments.by_sender.values().map(|waiting| waiting.assembler.buffered()).sum();
        assert_eq!(fragments.buffered, sum);
        assert!(sum <= MAX_BUFFERED && fragments.by_sender.len() <= MAX_SENDERS);
    }

    #[test]
    fn pieces_of_two_senders_are_not_mixed() {
        let mut fragments = Fragments::default();
        assert_eq!(fragments.add(&sender(1), "?OTRP|1|100|0,1,2,AAQ,", NOW), Ok(None));
        assert_eq!(fragments.add(&sender(2), "?OTRP|1|100|0,2,2,X.,", NOW), Ok(None));
        assert_eq!(fragments.add(&sender(1), "?OTRP|1|100|0,2,2,Q.,", NOW), Ok(Some("AAQQ.".into())));
        assert_eq!(fragments.add(&sender(2), "?OTRP|1|100|0,1,2,AAQ,", NOW), Ok(Some("AAQX.".into())));
        assert!(fragments.by_sender.is_empty());
        check(&fragments);
    }

    #[test]
    fn refused_fragments_leave_nothing_behind() {
        let mut fragments = Fragments::default();
        assert!(fragments.add(&sender(1), "?OTRP|", NOW).is_err());
        assert!(fragments.by_sender.is_empty());
    }

    #[test]
    fn past_the_bound_the_senders_go_that_have_been_silent_longest() {
        let mut fragments = Fragments::default();
        let first = "?OTRP|1|100|0,1,2,AAQ,";
        for n in 0..=MAX_SENDERS {
            assert_eq!(fragments.add(&sender(n), first, NOW), Ok(None));
            if n == MAX_SENDERS - 1 {
                assert_eq!(fragments.add(&sender(0), "?OTRP|2|100|0,1,2,AAQ,", NOW), Ok(None));
            }
        }
        check(&fragments);
        assert!(!fragments.by_sender.contains_key(&sender(1)));
        for n in [0, MAX_SENDERS] {
            let whole = fragments.add(&sender(n), "?OTRP|1|100|0,2,2,Q.,", NOW);
            assert_eq!(whole, Ok(Some("AAQQ.".into())), "{n}");
        }
    }

    #[test]
    fn what_is_kept_is_bounded_in_bytes_and_in_time() {
        let mut fragments = Fragments::default();
        let long = format!("?OTRP|1|100|0,1,2,{},", "A".repeat(200 << 10));
        for n in 0..300 {
            assert_eq!(fragments.add(&sender(n), &long, NOW), Ok(None));
            check(&fragments);
        }
        assert!(fragments.buffered > MAX_BUFFERED / 2);
        for n in 300..500 {
            assert_eq!(fragments.add(&sender(n), &long, NOW.plus(600)), Ok(None));
        }
        check(&fragments);
        assert!(!fragments.by_sender.contains_key(&sender(299)), "ten minutes are over");
    }
}
