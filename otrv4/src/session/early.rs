//! Data messages that overtook the handshake that they belong to: kept, bounded in number, bytes and time, and shown
//! once when it completes. Spec: otrv4.md "Receiving a Data Message". spec-notes/SN-018, spec-notes/SN-028

use std::collections::VecDeque;

use crate::Timestamp;
use crate::wire::{InstanceTag, Reader, WireError, Writer};

/// Messages of one correspondent that cannot be read yet, oldest first.
#[derive(Debug, Default)]
pub(crate) struct Early(VecDeque<Kept>);

/// What keeping a message did.
pub(crate) enum Keep {
    /// It is there already.
    Already,
    /// It is kept, and these made room for it.
    New { pushed_out: Vec<Kept> },
}

/// One of them.
#[derive(Debug)]
pub(crate) struct Kept {
    pub(crate) from: InstanceTag,
    /// The whole message, header first.
    pub(crate) message: Vec<u8>,
    until: Timestamp,
}

impl Early {
    /// Keeps a message, unless it is kept already. When there is no room the oldest go and come back.
    pub(crate) fn keep(&mut self, from: InstanceTag, message: &[u8], now: Timestamp) -> Keep {
        if self.0.iter().any(|kept| kept.message == message) {
            return Keep::Already;
        }
        let mut pushed_out = Vec::new();
        while self.0.len() >= MAX_KEPT || self.bytes().saturating_add(message.len()) > MAX_BYTES {
            match self.0.pop_front() {
                Some(oldest) => pushed_out.push(oldest),
                None => break,
            }
        }
        self.0.push_back(Kept { from, message: message.to_vec(), until: now.plus(KEEP_FOR) });
        Keep::New { pushed_out }
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

/// Messages kept for one correspondent: as many as may be out of order within a ratchet.
const MAX_KEPT: usize = 1000;

/// Bytes kept for one correspondent: as much as fragments may take, several messages of the largest size.
const MAX_BYTES: usize = 1024 * 1024;

/// Seconds that a message is kept; the text recommends 10 to 60 minutes.
const KEEP_FOR: i64 = 10 * 60;

#[cfg(test)]
mod tests {
    use super::*;

    fn tag(n: u32) -> InstanceTag {
        InstanceTag::new(n).expect("a valid tag")
    }

    const NOW: Timestamp = Timestamp::from_unix(1_800_000_000);

    fn pushed_out(keep: Keep) -> usize {
        match keep {
            Keep::Already => panic!("it is new"),
            Keep::New { pushed_out } => pushed_out.len(),
        }
    }

    #[test]
    fn the_same_message_is_kept_once_and_taken_once() {
        let mut early = Early::default();
        early.keep(tag(0x100), b"one", NOW);
        assert!(matches!(early.keep(tag(0x100), b"one", NOW), Keep::Already));
        early.keep(tag(0x200), b"two", NOW);
        assert_eq!(early.take(tag(0x100)).len(), 1);
        assert_eq!(early.take(tag(0x100)).len(), 0);
        assert_eq!(early.take(tag(0x200)).len(), 1);
    }

    #[test]
    fn number_bytes_and_time_are_bounded_and_what_is_pushed_out_is_told() {
        let mut early = Early::default();
        let out: usize =
            (0..1001u32).map(|n| pushed_out(early.keep(tag(0x100), &n.to_be_bytes(), NOW))).sum();
        assert_eq!((out, early.0.len()), (1, MAX_KEPT));
        assert_eq!(pushed_out(early.keep(tag(0x100), &vec![7; MAX_BYTES], NOW)), MAX_KEPT);
        assert_eq!(early.next_deadline(), Some(NOW.plus(600)));
        assert!(early.expire(NOW.plus(599)).is_empty());
        assert_eq!(early.expire(NOW.plus(600)).len(), 1);
    }
}
