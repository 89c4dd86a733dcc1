//! When a prekey server is to be asked how many of our prekeys it has left, and what settles that.
//! Spec: otrv4.md "Publishing Prekey Ensembles". Used by the account alone; see [`super`].

use crate::Timestamp;
use crate::account::DAY;
use crate::wire::{Reader, WireError, Writer};

/// When the prekey server should be asked how many prekeys it has left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::account) enum Look {
    /// It has nothing of ours, and we have not tried to give it anything.
    Never,
    /// Then, at most a day ahead.
    At(Timestamp),
    /// By now: only its answer settles this, not what we publish meanwhile.
    Due,
    /// By now, unless it is given something first: it has said that it has few, or was never known to have anything.
    Low,
}

impl Look {
    /// Whether to ask by now. What is put off for longer than a day was put off by a clock that was wrong.
    pub(super) fn is_due(self, now: Timestamp) -> bool {
        match self {
            Self::Never => false,
            Self::At(time) => time <= now || time > now.plus(DAY),
            Self::Due | Self::Low => true,
        }
    }

    /// The server has fewer than it had, if it has ever had anything of ours.
    pub(in crate::account) fn make_due(&mut self) {
        if *self != Self::Never {
            *self = Self::Due;
        }
    }

    /// The server has answered.
    pub(super) fn asked(&mut self, low: bool, now: Timestamp) {
        if *self != Self::Never {
            *self = if low { Self::Low } else { Self::after(now) };
        }
    }

    /// A publication of so many prekeys begins. Whether it gives the server what it lacks; see [`Self::published`].
    pub(super) fn begin(&mut self, prekeys: usize) -> bool {
        let first = *self == Self::Never;
        if first {
            *self = Self::Low;
        }
        first || (*self == Self::Low && prekeys > 0)
    }

    /// The server keeps what was published.
    pub(super) fn published(&mut self, gave_what_it_lacked: bool, now: Timestamp) {
        match self {
            Self::Due => {}
            Self::Low if !gave_what_it_lacked => {}
            Self::Never | Self::At(_) | Self::Low => *self = Self::after(now),
        }
    }

    /// The time for a look may have come. Whether it has.
    pub(in crate::account) fn pass(&mut self, now: Timestamp) -> bool {
        let come = matches!(self, Self::At(_)) && self.is_due(now);
        if come {
            *self = Self::Due;
        }
        come
    }

    /// When [`Self::pass`] has something to do.
    pub(in crate::account) const fn deadline(self) -> Option<Timestamp> {
        match self {
            Self::At(time) => Some(time),
            Self::Never | Self::Due | Self::Low => None,
        }
    }

    /// A byte for which, and the time.
    pub(in crate::account) fn save(self, w: &mut Writer) {
        match self {
            Self::Never => _ = w.byte(0),
            Self::At(time) => time.save(w.byte(1)),
            Self::Due => _ = w.byte(2),
            Self::Low => _ = w.byte(3),
        }
    }

    pub(in crate::account) fn load(r: &mut Reader<'_>) -> Result<Self, WireError> {
        match r.byte("look at the server")? {
            0 => Ok(Self::Never),
            1 => Ok(Self::At(Timestamp::load(r)?)),
            2 => Ok(Self::Due),
            3 => Ok(Self::Low),
            _ => Err(WireError::Illegal("look at the server")),
        }
    }

    /// The server was asked or given prekeys now.
    const fn after(now: Timestamp) -> Self {
        Self::At(now.plus(DAY))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_unix(1_800_000_000);

    #[test]
    fn a_saved_look_is_read_back() {
        for look in [Look::Never, Look::At(NOW), Look::Due, Look::Low] {
            let mut w = Writer::new();
            look.save(&mut w);
            assert_eq!(Look::load(&mut Reader::new(w.as_slice())), Ok(look));
        }
        assert_eq!(Look::load(&mut Reader::new(&[4])), Err(WireError::Illegal("look at the server")));
    }

    #[test]
    fn a_look_is_put_off_for_a_day_at_most() {
        assert!(!Look::At(NOW.plus(1)).is_due(NOW) && !Look::At(NOW.plus(DAY)).is_due(NOW));
        assert!(Look::At(NOW).is_due(NOW) && Look::At(NOW.plus(DAY + 1)).is_due(NOW));
    }

    #[test]
    fn only_an_answer_settles_what_a_used_prekey_has_made_due() {
        let mut look = Look::At(NOW);
        look.make_due();
        let gave = look.begin(1);
        look.published(gave, NOW);
        assert_eq!(look, Look::Due);
        look.asked(true, NOW);
        look.published(gave, NOW);
        assert_eq!(look, Look::Low, "that publication began before the answer");
        let gave = look.begin(1);
        look.published(gave, NOW);
        assert_eq!(look, Look::At(NOW.plus(DAY)));
    }
}
