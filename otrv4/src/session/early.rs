//! Data messages that overtook the handshake that they belong to: kept, bounded in number, bytes and time, and shown
//! once when it completes. Spec: otrv4.md "Receiving a Data Message". spec-notes/SN-018, spec-notes/SN-028

use std::collections::VecDeque;

use crate::Timestamp;
use crate::wire::{InstanceTag, Reader, WireError, Writer};

/// Messages of one correspondent that cannot be read yet, oldest first.
#[derive(Debug, Default)]
pub(crate) struct Early(VecDeque<Kept>);

/// One of them.
#[derive(Debug)]
pub(crate) struct Kept {
    pub(crate) from: InstanceTag,
    /// The whole message, header first.
    pub(crate) message: Vec<u8>,
    until: Timestamp,
}

impl Early {
    /// Keeps a message; the same one only once. When there is no room the oldest go.
    pub(crate) fn keep(&mut self, from: InstanceTag, message: &[u8], now: Timestamp) {
        if message.len() > MAX_BYTES || self.0.iter().any(|kept| kept.message == message) {
            return;
        }
        while self.0.len() >= MAX_KEPT || self.bytes().saturating_add(message.len()) > MAX_BYTES {
            self.0.pop_front();
        }
        self.0.push_back(Kept { from, message: message.to_vec(), until: now.plus(KEEP_FOR) });
    }

    /// Takes out what that client sent.
    pub(crate) fn take(&mut self, from: InstanceTag) -> Vec<Kept> {
        let (theirs, others): (VecDeque<_>, VecDeque<_>) =
            std::mem::take(&mut self.0).into_iter().partition(|kept| kept.from == from);
        self.0 = others;
        Vec::from(theirs)
    }

    /// Puts back what is still unreadable.
    pub(crate) fn put_back(&mut self, kept: Kept) {
        self.0.push_back(kept);
    }

    /// Takes out what no handshake has come for.
    pub(crate) fn expire(&mut self, now: Timestamp) -> Vec<Kept> {
        let (over, waiting): (VecDeque<_>, VecDeque<_>) =
            std::mem::take(&mut self.0).into_iter().partition(|kept| kept.until <= now);
        self.0 = waiting;
        Vec::from(over)
    }

    /// When [`Self::expire`] has something to do.
    pub(crate) fn next_deadline(&self) -> Option<Timestamp> {
        self.0.iter().map(|kept| kept.until).min()
    }

    pub(crate) fn save(&self, w: &mut Writer) {
        w.list(&self.0, |w, Kept { from, message, until }| {
            from.write(w);
            w.data(message);
            until.save(w);
        });
    }

    pub(crate) fn load(r: &mut Reader<'_>) -> Result<Self, WireError> {
        let kept = r.list(|r| {
            let (from, message) = (InstanceTag::read(r)?, r.data("early message")?.to_vec());
            Ok(Kept { from, message, until: Timestamp::load(r)? })
        })?;
        Ok(Self(kept.into()))
    }

    fn bytes(&self) -> usize {
        self.0.iter().map(|kept| kept.message.len()).sum()
    }
}

/// Messages kept for one correspondent: a burst of short ones.
const MAX_KEPT: usize = 64;

/// Bytes kept for one correspondent: one message of the largest size, and a few.
const MAX_BYTES: usize = 256 * 1024;

/// Seconds that a message is kept; the text recommends 10 to 60 minutes.
const KEEP_FOR: i64 = 10 * 60;

#[cfg(test)]
mod tests {
    use super::*;

    fn tag(n: u32) -> InstanceTag {
        InstanceTag::new(n).expect("a valid tag")
    }

    const NOW: Timestamp = Timestamp::from_unix(1_800_000_000);

    #[test]
    fn the_same_message_is_kept_once_and_taken_once() {
        let mut early = Early::default();
        early.keep(tag(0x100), b"one", NOW);
        early.keep(tag(0x100), b"one", NOW);
        early.keep(tag(0x200), b"two", NOW);
        assert_eq!(early.take(tag(0x100)).len(), 1);
        assert_eq!(early.take(tag(0x100)).len(), 0);
        assert_eq!(early.take(tag(0x200)).len(), 1);
    }

    #[test]
    fn number_bytes_and_time_are_bounded() {
        let mut early = Early::default();
        (0..1000u32).for_each(|n| early.keep(tag(0x100), &n.to_be_bytes(), NOW));
        assert_eq!(early.0.len(), MAX_KEPT);
        early.keep(tag(0x100), &vec![7; MAX_BYTES], NOW);
        assert_eq!(early.0.len(), 1);
        early.keep(tag(0x100), &vec![8; MAX_BYTES + 1], NOW);
        assert_eq!(early.0.len(), 1);
        assert_eq!(early.next_deadline(), Some(NOW.plus(600)));
        assert!(early.expire(NOW.plus(599)).is_empty());
        assert_eq!(early.expire(NOW.plus(600)).len(), 1);
    }
}
