//! One contact: its keys, how each was verified, and how often SMP has failed.
//! Used by the account alone; see [`super`].

use core::fmt;

use crate::Timestamp;
use crate::keys::{Fingerprint, FingerprintV3};
use crate::wire::{Reader, Version, WireError, Writer};

/// A key as people compare it, by the version of the protocol that it belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ContactKey {
    /// Long-term and forging key of version 4.
    V4(Fingerprint),
    /// The DSA key of version 3.
    V3(FingerprintV3),
}

impl ContactKey {
    /// The version of the protocol that it belongs to.
    pub const fn version(self) -> Version {
        match self {
            Self::V4(_) => Version::V4,
            Self::V3(_) => Version::V3,
        }
    }

    /// The digits in groups of eight, for people to read to each other.
    pub fn groups(self) -> String {
        match self {
            Self::V4(fingerprint) => fingerprint.groups(),
            Self::V3(fingerprint) => fingerprint.groups(),
        }
    }

    /// The version as a byte, and 56 or 20 bytes.
    pub(crate) fn save(self, w: &mut Writer) {
        match self {
            Self::V4(fingerprint) => w.byte(4).bytes(fingerprint.as_bytes()),
            Self::V3(fingerprint) => w.byte(3).bytes(fingerprint.as_bytes()),
        };
    }

    pub(crate) fn load(r: &mut Reader<'_>) -> Result<Self, WireError> {
        match r.byte("version of a key")? {
            4 => Ok(Self::V4(Fingerprint::from_bytes(r.array("fingerprint")?))),
            3 => Ok(Self::V3(FingerprintV3::from_bytes(r.array("fingerprint")?))),
            _ => Err(WireError::Illegal("version of a key")),
        }
    }
}

/// Lower-case hex digits: 112, or 40 of version 3.
impl fmt::Display for ContactKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::V4(fingerprint) => fingerprint.fmt(f),
            Self::V3(fingerprint) => fingerprint.fmt(f),
        }
    }
}

impl From<FingerprintV3> for ContactKey {
    fn from(fingerprint: FingerprintV3) -> Self {
        Self::V3(fingerprint)
    }
}

impl From<Fingerprint> for ContactKey {
    fn from(fingerprint: Fingerprint) -> Self {
        Self::V4(fingerprint)
    }
}

/// What our user has done to know whose key it is. The best is remembered, and in this order: who has compared all the
/// digits has relied on nothing else, while SMP also relies on a secret that nobody else may know or guess.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verification {
    /// Nothing.
    None,
    /// Answered a question of theirs with the same secret; whether they saw the result is not known. That says nothing
    /// about them: who chooses the question may choose one to which he knows the answer.
    TheirSmp,
    /// Asked them with SMP, or answered them when they asked without a question, and the secrets were equal.
    Smp,
    /// Compared the fingerprints.
    ByHand,
}

impl Verification {
    /// Whether our user has verified the key. Nothing else may be shown as verified.
    pub const fn is_verified(self) -> bool {
        match self {
            Self::None | Self::TheirSmp => false,
            Self::Smp | Self::ByHand => true,
        }
    }

    fn save(self, w: &mut Writer) {
        w.byte(match self {
            Self::None => 0,
            Self::TheirSmp => 1,
            Self::Smp => 2,
            Self::ByHand => 3,
        });
    }

    fn load(r: &mut Reader<'_>) -> Result<Self, WireError> {
        match r.byte("verification")? {
            0 => Ok(Self::None),
            1 => Ok(Self::TheirSmp),
            2 => Ok(Self::Smp),
            3 => Ok(Self::ByHand),
            _ => Err(WireError::Illegal("verification")),
        }
    }
}

/// A key that a contact has shown, or that our user has entered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KnownKey {
    /// Which.
    pub key: ContactKey,
    /// When it was first known.
    pub first_seen: Timestamp,
    /// When it was last seen in a handshake; before the first one, when it was entered.
    pub last_seen: Timestamp,
    /// How it was verified.
    pub verification: Verification,
    /// When: the last time that it was verified in this way.
    pub verified_at: Option<Timestamp>,
    /// Other keys of that version were known of the contact before it.
    pub not_first: bool,
}

impl KnownKey {
    /// Whether the contact had another key before this one, which our user has not verified. A verification that is
    /// taken back makes it so again.
    pub const fn changed(&self) -> bool {
        self.not_first && !self.verification.is_verified()
    }

    /// Takes note of a verification, unless a better one is known.
    pub(super) fn raise(&mut self, by: Verification, now: Timestamp) {
        if by > Verification::None && by >= self.verification {
            (self.verification, self.verified_at) = (by, Some(now));
        }
    }

    fn save(&self, w: &mut Writer) {
        let Self { key, first_seen, last_seen, verification, verified_at, not_first } = self;
        key.save(w);
        first_seen.save(w);
        last_seen.save(w);
        verification.save(w);
        w.option(*verified_at, |w, at| at.save(w)).byte((*not_first).into());
    }

    fn load(r: &mut Reader<'_>) -> Result<Self, WireError> {
        Ok(Self {
            key: ContactKey::load(r)?,
            first_seen: Timestamp::load(r)?,
            last_seen: Timestamp::load(r)?,
            verification: Verification::load(r)?,
            verified_at: r.option(Timestamp::load)?,
            not_first: r.flag("not the first")?,
        })
    }
}

/// What is known of somebody we talk to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Contact {
    /// As they became known; at most [`MAX_KEYS_A_CONTACT`], each once.
    keys: Vec<KnownKey>,
    failed_smp: u32,
}

impl Contact {
    /// The keys, as they became known.
    pub fn keys(&self) -> &[KnownKey] {
        &self.keys
    }

    /// One of the keys, if it is known.
    pub fn key(&self, key: ContactKey) -> Option<&KnownKey> {
        self.keys.iter().find(|known| known.key == key)
    }

    /// How many runs of SMP have failed since our user last reset the count. Each is a guess that somebody may have made
    /// at the secret.
    pub const fn failed_smp(&self) -> u32 {
        self.failed_smp
    }

    /// The key was seen now. None if there is no room for it.
    pub(super) fn see(&mut self, key: ContactKey, now: Timestamp) -> Option<&KnownKey> {
        let known = self.know(key, now)?;
        known.last_seen = known.last_seen.max(now);
        Some(known)
    }

    /// The key, known from now on if it was not. None if there is no room for it.
    pub(super) fn know(&mut self, key: ContactKey, now: Timestamp) -> Option<&mut KnownKey> {
        if let Some(place) = self.keys.iter().position(|known| known.key == key) {
            return self.keys.get_mut(place);
        }
        let not_first = self.keys.iter().any(|known| known.key.version() == key.version());
        self.make_room()?;
        self.keys.push(KnownKey {
            key,
            first_seen: now,
            last_seen: now,
            verification: Verification::None,
            verified_at: None,
            not_first,
        });
        self.keys.last_mut()
    }

    pub(super) fn distrust(&mut self, key: ContactKey) -> bool {
        let Some(known) = self.keys.iter_mut().find(|known| known.key == key) else { return false };
        (known.verification, known.verified_at) = (Verification::None, None);
        true
    }

    pub(super) fn forget(&mut self, key: ContactKey) -> bool {
        let before = self.keys.len();
        self.keys.retain(|known| known.key != key);
        self.keys.len() < before
    }

    pub(super) const fn count_failed_smp(&mut self) {
        self.failed_smp = self.failed_smp.saturating_add(1);
    }

    pub(super) const fn reset_failed_smp(&mut self) {
        self.failed_smp = 0;
    }

    /// Nothing is known.
    pub(super) const fn is_unknown(&self) -> bool {
        self.keys.is_empty() && self.failed_smp == 0
    }

    /// Room for one more key: of those that are not verified, the one that was seen longest ago goes. Whoever can write
    /// in the contact's name can show as many keys as they like, and must not push out a verified one.
    fn make_room(&mut self) -> Option<()> {
        if self.keys.len() >= MAX_KEYS_A_CONTACT {
            let unverified =
                self.keys.iter().enumerate().filter(|(_, known)| !known.verification.is_verified());
            let (place, _) = unverified.min_by_key(|(_, known)| known.last_seen)?;
            self.keys.remove(place);
        }
        Some(())
    }

    pub(in crate::account) fn save(&self, w: &mut Writer) {
        let Self { keys, failed_smp } = self;
        w.list(keys, |w, key| key.save(w)).int(*failed_smp);
    }

    pub(in crate::account) fn load(r: &mut Reader<'_>) -> Result<Self, WireError> {
        Ok(Self { keys: r.list(KnownKey::load)?, failed_smp: r.int("failed runs")? })
    }
}

/// So many keys of one contact are kept: more than anybody has clients and has had in years.
pub const MAX_KEYS_A_CONTACT: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_unix(1_800_000_000);

    fn key(n: u8) -> ContactKey {
        ContactKey::V4(Fingerprint::from_bytes([n; 56]))
    }

    /// A contact with all the keys there is room for, each met a second after the one before.
    fn full(verification: Verification) -> Contact {
        let mut contact = Contact::default();
        for n in 0..64 {
            contact.know(key(n), NOW.plus(n.into())).unwrap().raise(verification, NOW);
        }
        contact
    }

    #[test]
    fn of_too_many_keys_the_unverified_one_that_was_seen_longest_ago_goes() {
        for verification in [Verification::None, Verification::TheirSmp] {
            let mut contact = full(verification);
            contact.know(key(0), NOW).unwrap().raise(Verification::ByHand, NOW);
            contact.see(key(1), NOW.plus(100));
            assert!(contact.see(key(64), NOW.plus(101)).is_some());
            assert_eq!(contact.keys().len(), MAX_KEYS_A_CONTACT);
            assert_eq!(contact.key(key(2)), None, "{verification:?}");
            assert!([0, 1, 3, 64].iter().all(|n| contact.key(key(*n)).is_some()));
        }
    }

    #[test]
    fn verified_keys_are_never_pushed_out() {
        for verification in [Verification::Smp, Verification::ByHand] {
            let mut contact = full(verification);
            let before = contact.clone();
            assert_eq!(contact.see(key(64), NOW.plus(100)), None);
            assert_eq!(contact, before);
            assert!(contact.see(key(1), NOW.plus(100)).is_some(), "what is known is still seen");
        }
    }

    #[test]
    fn a_key_is_not_seen_earlier_than_it_was() {
        let mut contact = Contact::default();
        contact.see(key(1), NOW);
        contact.see(key(1), NOW.plus(-1));
        assert_eq!(contact.keys()[0].last_seen, NOW);
    }

    #[test]
    fn the_count_of_failed_runs_stops_at_its_end() {
        let mut contact = Contact { failed_smp: u32::MAX, ..Contact::default() };
        contact.count_failed_smp();
        assert_eq!(contact.failed_smp(), u32::MAX);
    }

    #[test]
    fn a_key_is_shown_by_its_digits() {
        let v3 = ContactKey::V3(FingerprintV3::from_bytes([0xab; 20]));
        assert_eq!((v3.to_string(), v3.version()), ("ab".repeat(20), Version::V3));
        assert_eq!(v3.groups(), "ABABABAB ABABABAB ABABABAB ABABABAB ABABABAB");
        assert_eq!((key(1).to_string(), key(1).version()), ("01".repeat(56), Version::V4));
    }

    #[test]
    fn saved_bytes_of_another_kind_are_refused() {
        assert_eq!(Verification::load(&mut Reader::new(&[4])), Err(WireError::Illegal("verification")));
        let version_2 = ContactKey::load(&mut Reader::new(&[2; 57]));
        assert_eq!(version_2, Err(WireError::Illegal("version of a key")));
    }
}
