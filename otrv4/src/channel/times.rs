//! When what happened in a channel: for the session's expiry, for heartbeats, and for choosing among several clients.
//! Spec: otrv4.md "Session Expiration", "Receiving a Data Message". Used by the channels of all versions.

use crate::Timestamp;
use crate::wire::{Reader, WireError, Writer};

/// The times of one channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Times {
    /// When our side made the ECDH key that it sends under, or the channel began if that was later.
    renewed: Timestamp,
    /// When our last message went, or the channel began.
    sent: Timestamp,
    /// When their last message came.
    heard: Option<Timestamp>,
    /// A message with a text has come since our last one.
    owes_answer: bool,
}

impl Times {
    /// Of a channel that begins.
    pub(crate) const fn new(now: Timestamp) -> Self {
        Self { renewed: now, sent: now, heard: None, owes_answer: false }
    }

    /// We send a message, which may be the first under a new ECDH key.
    pub(crate) fn send(&mut self, renews: bool, now: Timestamp) {
        if renews {
            self.renewed = now;
        }
        (self.sent, self.owes_answer) = (now, false);
    }

    /// A message has come.
    pub(crate) fn hear(&mut self, text: bool, now: Timestamp) {
        self.heard = Some(now);
        self.owes_answer |= text;
    }

    /// Nothing has happened later than now: times that a clock gave which was ahead become the present. Else the session
    /// would not expire until the clock is there again. Whether there were any.
    pub(crate) fn clamp(&mut self, now: Timestamp) -> bool {
        let Self { renewed, sent, heard, owes_answer: _ } = self;
        let mut any = false;
        for time in [renewed, sent].into_iter().chain(heard).filter(|time| **time > now) {
            (*time, any) = (now, true);
        }
        any
    }

    /// When their last message came.
    pub(crate) const fn heard_at(&self) -> Option<Timestamp> {
        self.heard
    }

    /// When the session expires that lives for so many seconds without a new key of ours. spec-notes/SN-021
    pub(crate) const fn expires_at(&self, lifetime: i64) -> Timestamp {
        self.renewed.plus(lifetime)
    }

    /// When to answer with a message without text, if our user sends nothing for so many seconds.
    pub(crate) fn heartbeat_at(&self, after: Option<u32>) -> Option<Timestamp> {
        let after = after.filter(|_| self.owes_answer)?;
        Some(self.sent.plus(after.into()))
    }

    pub(crate) fn save(&self, w: &mut Writer) {
        let Self { renewed, sent, heard, owes_answer } = self;
        renewed.save(w);
        sent.save(w);
        w.option(*heard, |w, heard| heard.save(w));
        w.byte((*owes_answer).into());
    }

    pub(crate) fn load(r: &mut Reader<'_>) -> Result<Self, WireError> {
        Ok(Self {
            renewed: Timestamp::load(r)?,
            sent: Timestamp::load(r)?,
            heard: r.option(Timestamp::load)?,
            owes_answer: r.flag("owes an answer")?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_unix(1_800_000_000);

    #[test]
    fn a_text_is_owed_an_answer_after_our_own_pause_and_only_one() {
        let mut times = Times::new(NOW);
        times.hear(false, NOW.plus(5));
        assert_eq!(times.heartbeat_at(Some(60)), None);
        times.hear(true, NOW.plus(10));
        times.hear(false, NOW.plus(11));
        assert_eq!(times.heartbeat_at(Some(60)), Some(NOW.plus(60)));
        assert_eq!(times.heartbeat_at(None), None);
        times.send(false, NOW.plus(60));
        assert_eq!(times.heartbeat_at(Some(60)), None);
        assert_eq!(times.heard_at(), Some(NOW.plus(11)));
    }

    #[test]
    fn only_a_new_key_of_ours_renews_the_session() {
        let mut times = Times::new(NOW);
        times.send(false, NOW.plus(10));
        times.hear(true, NOW.plus(20));
        assert_eq!(times.expires_at(100), NOW.plus(100));
        times.send(true, NOW.plus(30));
        assert_eq!(times.expires_at(100), NOW.plus(130));
    }

    #[test]
    fn times_of_a_clock_that_was_a_year_ahead_become_the_present() {
        let year = 365 * 24 * 60 * 60;
        let mut times = Times::new(NOW);
        times.send(true, NOW.plus(year));
        times.hear(true, NOW.plus(year));
        assert!(!times.clamp(NOW.plus(year)));
        assert!(times.clamp(NOW.plus(1)));
        assert_eq!(times.expires_at(100), NOW.plus(101));
        assert_eq!(times.heartbeat_at(Some(60)), Some(NOW.plus(61)));
        assert_eq!(times.heard_at(), Some(NOW.plus(1)));
        assert!(!times.clamp(NOW.plus(1)));
    }

    #[test]
    fn each_time_is_brought_back_and_what_has_passed_stays() {
        let mut renewed = Times::new(NOW.plus(10));
        renewed.send(false, NOW);
        let mut sent = Times::new(NOW);
        sent.send(false, NOW.plus(10));
        let mut heard = Times::new(NOW);
        heard.hear(false, NOW.plus(10));
        for mut times in [renewed, sent, heard] {
            assert!(times.clamp(NOW.plus(9)) && !times.clamp(NOW.plus(9)), "{times:?}");
        }
        let mut past = Times::new(NOW);
        past.hear(true, NOW.plus(5));
        let before = past;
        assert!(!past.clamp(NOW.plus(5)));
        assert_eq!(past, before);
    }

    #[test]
    fn saved_times_are_read_back() {
        let mut times = Times::new(NOW);
        times.hear(true, NOW.plus(10));
        let mut w = Writer::new();
        times.save(&mut w);
        assert_eq!(Times::load(&mut Reader::new(w.as_slice())), Ok(times));
    }
}
