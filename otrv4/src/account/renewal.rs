//! The life of profiles: made, shown, renewed ahead of their end, still accepted for an overlap, forgotten.
//! Spec: otrv4.md "Client Profile Expiration and Renewal", "Prekey Profile Expiration and Renewal", "Publishing Prekey
//! Ensembles". Used by sessions, at every call, and by [`Account::publish`].

use rand_core::CryptoRng;

use super::{Account, DAY};
use crate::Timestamp;
use crate::client_profile::{ClientProfile, DsaSigner, VerifiedClientProfile};
use crate::keys::SharedPrekey;
use crate::prekey_profile::PrekeyProfile;

/// How long profiles are valid. The same for Client and Prekey Profile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lifetimes {
    /// Seconds from making a profile to its expiry; the text recommends one week.
    pub profile: i64,
    /// Seconds after expiry in which we still accept what was written with it; the text recommends one day.
    pub overlap: i64,
    /// Seconds before expiry at which a new one is made; three days by default. For so long at least the one that we
    /// show is still valid: it travels with what we write to somebody who is offline, and who must refuse that message
    /// if they come back after its end.
    pub renew_ahead: i64,
}

impl Default for Lifetimes {
    fn default() -> Self {
        Self { profile: 7 * DAY, overlap: DAY, renew_ahead: 3 * DAY }
    }
}

impl Lifetimes {
    /// Of profiles that are neither renewed nor forgotten: renewal is due after the end of time.
    pub(super) const FOR_EVER: Self = Self { profile: i64::MAX, overlap: i64::MAX, renew_ahead: i64::MIN };

    /// The nearest that makes sense: a profile lives for an hour at least and is renewed in the second half of its
    /// life, so that two of a kind are valid at a time and not more.
    pub(super) fn sane(self) -> Self {
        let profile = self.profile.max(60 * 60);
        let (overlap, renew_ahead) = (self.overlap.clamp(0, profile), self.renew_ahead.clamp(0, profile / 2));
        Self { profile, overlap, renew_ahead }
    }

    /// Whether the profile that we show gets a successor by now: its end is near, or further than that of one made now.
    /// Then the clock was wrong when it was made, and it and its shared prekey would live for as long as that error.
    fn is_renewal_due(self, expires: Timestamp, now: Timestamp) -> bool {
        self.renewal(expires) <= now || expires > now.plus(self.profile)
    }

    /// When the profile that we show gets a successor, as long as the clock goes forward.
    const fn renewal(self, expires: Timestamp) -> Timestamp {
        expires.plus(self.renew_ahead.saturating_neg())
    }

    /// When a profile that has a successor is forgotten, and its shared prekey wiped; with it go those before it.
    const fn end(self, expires: Timestamp) -> Timestamp {
        expires.plus(self.overlap)
    }

    /// When there is something to do for profiles of one kind that expire then; the last one is shown. It has no
    /// successor, so it gets one before it is forgotten.
    fn deadline(self, expiries: impl DoubleEndedIterator<Item = Timestamp> + Clone) -> Option<Timestamp> {
        let renewal = expiries.clone().next_back().map(|expires| self.renewal(expires));
        let end = expiries.min().map(|expires| self.end(expires));
        renewal.into_iter().chain(end).min()
    }

    /// Forgets profiles whose overlap is over, never the last one. Whether there were any. One ends with its successor
    /// at the latest: what was made while the clock was ahead may have been written with, but not until its date.
    fn forget<T>(self, profiles: &mut Vec<T>, expires: impl Fn(&T) -> Timestamp, now: Timestamp) -> bool {
        let last_ended = profiles.iter().rposition(|profile| self.end(expires(profile)) <= now);
        let ended = last_ended.map_or(0, |at| at.saturating_add(1));
        let too_many = profiles.len().saturating_sub(MAX_PROFILES);
        profiles.drain(..ended.min(profiles.len().saturating_sub(1)).max(too_many)).count() > 0
    }
}

/// So many profiles of a kind are kept. While the clock goes forward there are fewer: one is made at most every half
/// life, and is kept for at most two lives.
const MAX_PROFILES: usize = 8;

impl Account {
    /// Does what is due by now: makes new profiles when the current ones end soon (or too late, because the clock was
    /// wrong for a while), forgets those that have ended for longer than the overlap, and notes that the prekey server
    /// should be asked again. Whether anything changed: then save. What is to be published afterwards,
    /// [`Self::publication_due`] tells.
    pub fn renew(&mut self, rng: &mut dyn CryptoRng, now: Timestamp) -> bool {
        let lifetimes = self.lifetimes;
        let due = |expires| lifetimes.is_renewal_due(expires, now);
        let mut changed = self.look.pass(now);
        if due(self.client_profile().expires()) {
            self.make_client_profile(rng, now);
            changed = true;
        }
        if self.prekey_profile().is_some_and(|profile| due(profile.expires())) {
            self.make_prekey_profile(rng, now);
            changed = true;
        }
        changed |= lifetimes.forget(&mut self.client_profiles, VerifiedClientProfile::expires, now);
        changed | lifetimes.forget(&mut self.prekey_profiles, |(_, profile)| profile.expires(), now)
    }

    /// When [`Self::renew`] has something to do next: exactly then, not before. If the clock is set back by more than
    /// profiles have aged, it has something to do at once.
    pub fn next_deadline(&self) -> Timestamp {
        let client = self.lifetimes.deadline(self.client_profiles.iter().map(VerifiedClientProfile::expires));
        let prekey = self.lifetimes.deadline(self.prekey_profiles.iter().map(|(_, it)| it.expires()));
        let all = [client, prekey, self.look.deadline()];
        all.into_iter().flatten().min().expect("an account always has a client profile")
    }

    /// [`Self::renew`], after which there is a Prekey Profile too.
    pub(super) fn renew_for_publication(&mut self, rng: &mut dyn CryptoRng, now: Timestamp) {
        self.renew(rng, now);
        if self.prekey_profiles.is_empty() {
            self.make_prekey_profile(rng, now);
        }
    }

    /// Whether the profiles that we show are to be renewed by now.
    pub(super) fn is_renewal_due(&self, now: Timestamp) -> bool {
        let expiries = [Some(self.client_profile().expires()), self.prekey_profile().map(|it| it.expires())];
        expiries.into_iter().flatten().any(|expires| self.lifetimes.is_renewal_due(expires, now))
    }

    pub(super) fn make_client_profile(&mut self, rng: &mut dyn CryptoRng, now: Timestamp) {
        let expires = now.plus(self.lifetimes.profile);
        let (key, forging, tag) = (&self.key, self.forging.public(), self.tag);
        let profile = match &self.v3_key {
            None => ClientProfile::sign(key, forging, tag, expires, None),
            Some(dsa) => {
                let mut sign = |fields: &[u8]| dsa.sign(fields, rng);
                let signer = DsaSigner { public_key: dsa.public().bytes(), sign: &mut sign };
                ClientProfile::sign(key, forging, tag, expires, Some(signer))
            }
        };
        self.client_profiles.push(profile);
        self.profiles_published = false;
    }

    fn make_prekey_profile(&mut self, rng: &mut dyn CryptoRng, now: Timestamp) {
        let shared = SharedPrekey::generate(rng);
        let expires = now.plus(self.lifetimes.profile);
        let profile = PrekeyProfile::sign(&self.key, self.tag, shared.public(), expires);
        self.prekey_profiles.push((shared, profile));
        self.profiles_published = false;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::keys::ForgingSecret;
    use crate::vectors::rng;
    use crate::wire::Writer;

    const NOW: Timestamp = Timestamp::from_unix(1_800_000_000);

    fn account(lifetimes: Lifetimes) -> Account {
        Account::new("bob@example.org", ForgingSecret::Destroy, lifetimes, &mut rng(), NOW)
    }

    fn default() -> Account {
        account(Lifetimes::default())
    }

    fn shared_prekeys(account: &Account) -> Vec<Vec<u8>> {
        let secrets = account.prekey_profiles.iter().map(|(shared, _)| {
            let mut w = Writer::new();
            shared.save(&mut w);
            w.finish()
        });
        secrets.collect()
    }

    fn contains(bytes: &[u8], part: &[u8]) -> bool {
        bytes.windows(part.len()).any(|window| window == part)
    }

    #[test]
    fn who_never_publishes_never_has_a_shared_prekey() {
        let mut bob = default();
        for day in 0..30 {
            bob.renew(&mut rng(), NOW.plus(day * DAY));
            assert_eq!(bob.prekey_profile(), None);
        }
        assert!(bob.prekey_profiles.is_empty());
        let loaded = Account::load(&bob.save()).expect("what was saved");
        assert_eq!(loaded.prekey_profile(), None);
    }

    #[test]
    fn the_first_prekeys_bring_a_prekey_profile_and_later_ones_are_of_the_same() {
        let mut bob = default();
        let ensembles = bob.make_prekeys(1, &mut rng(), NOW).expect("few");
        let first = bob.prekey_profile().cloned().expect("a profile");
        assert_eq!(first.expires(), NOW.plus(7 * DAY));
        assert_eq!(ensembles.len(), 1);
        bob.publish(0, &mut rng(), NOW.plus(3 * DAY)).expect("a publication");
        assert_eq!(bob.prekey_profile(), Some(&first));
        let (mut carol, later) = (default(), NOW.plus(DAY));
        carol.publish(0, &mut rng(), later).expect("a publication");
        assert_eq!(carol.prekey_profile().map(|profile| profile.expires()), Some(later.plus(7 * DAY)));
    }

    #[test]
    fn both_profiles_are_renewed_three_days_ahead_and_the_old_ones_are_gone_from_saved_bytes_a_day_after_their_end()
     {
        let mut bob = default();
        bob.make_prekeys(0, &mut rng(), NOW).expect("few");
        let old_shared = shared_prekeys(&bob).remove(0);
        let old_profile = bob.client_profile().as_bytes().to_vec();
        let kept = |bob: &Account| {
            let saved = bob.save();
            (contains(&saved, &old_shared), contains(&saved, &old_profile))
        };
        let (renewal, end) = (NOW.plus(4 * DAY), NOW.plus(8 * DAY));
        assert!(!bob.renew(&mut rng(), renewal.plus(-1)));
        assert_eq!(bob.next_deadline(), renewal);
        assert!(bob.renew(&mut rng(), renewal));
        assert_ne!(bob.client_profile().as_bytes(), old_profile);
        assert_eq!(bob.client_profile().expires(), renewal.plus(7 * DAY));
        assert_eq!(bob.prekey_profile().map(|profile| profile.expires()), Some(renewal.plus(7 * DAY)));
        assert!(!bob.renew(&mut rng(), end.plus(-1)));
        assert_eq!(kept(&bob), (true, true), "what was written with them can still be read");
        assert_eq!(bob.next_deadline(), end);
        assert!(bob.renew(&mut rng(), end));
        assert_eq!(kept(&bob), (false, false));
    }

    #[test]
    fn after_a_long_absence_only_new_profiles_are_there() {
        let mut bob = default();
        bob.make_prekeys(0, &mut rng(), NOW).expect("few");
        let (old, later) = (shared_prekeys(&bob), NOW.plus(365 * DAY));
        assert!(bob.renew(&mut rng(), later));
        assert_eq!((bob.client_profiles.len(), bob.prekey_profiles.len()), (1, 1));
        assert_eq!(bob.client_profile().expires(), later.plus(7 * DAY));
        assert_ne!(shared_prekeys(&bob), old);
    }

    #[test]
    fn profiles_of_a_clock_that_was_a_year_ahead_are_replaced_and_end_with_their_successors() {
        let mut bob = default();
        bob.make_prekeys(0, &mut rng(), NOW).expect("few");
        bob.renew(&mut rng(), NOW.plus(365 * DAY));
        let wrong_shared = shared_prekeys(&bob).remove(0);
        let wrong_profile = bob.client_profile().as_bytes().to_vec();
        assert!(bob.is_renewal_due(NOW));
        assert!(bob.next_deadline() > NOW, "the deadline does not know that the clock is right again");
        assert!(bob.renew(&mut rng(), NOW));
        assert_eq!(bob.client_profile().expires(), NOW.plus(7 * DAY));
        assert_eq!(bob.prekey_profile().map(|profile| profile.expires()), Some(NOW.plus(7 * DAY)));
        assert!(!bob.is_renewal_due(NOW) && !bob.renew(&mut rng(), NOW));
        for day in 0..8 {
            bob.renew(&mut rng(), NOW.plus(day * DAY));
            let saved = bob.save();
            let kept = (contains(&saved, &wrong_shared), contains(&saved, &wrong_profile));
            assert_eq!(kept, (true, true), "somebody may have written with them, day {day}");
        }
        assert_eq!(bob.next_deadline(), NOW.plus(8 * DAY));
        bob.renew(&mut rng(), NOW.plus(8 * DAY));
        let saved = bob.save();
        assert!(!contains(&saved, &wrong_shared) && !contains(&saved, &wrong_profile));
    }

    #[test]
    fn a_clock_that_jumps_to_and_fro_leaves_few_profiles() {
        let mut bob = default();
        bob.make_prekeys(0, &mut rng(), NOW).expect("few");
        for _ in 0..20 {
            for now in [NOW.plus(5 * DAY), NOW] {
                bob.renew(&mut rng(), now);
                assert_eq!(bob.client_profile().expires(), now.plus(7 * DAY));
            }
        }
        assert_eq!((bob.client_profiles.len(), bob.prekey_profiles.len()), (8, 8));
    }

    #[test]
    fn there_is_a_client_profile_even_at_the_ends_of_time() {
        for seconds in [i64::MIN, i64::MAX] {
            let mut bob = default();
            bob.renew(&mut rng(), Timestamp::from_unix(seconds));
            bob.client_profile();
        }
    }

    /// What an application does between two looks at the clock.
    #[derive(Clone, Copy, Debug)]
    enum Step {
        Wait(i64),
        Make,
        Publish,
        Refill(u32),
        UsePrekey,
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            4 => (0..3 * DAY).prop_map(Step::Wait),
            1 => (0..30 * DAY).prop_map(Step::Wait),
            1 => Just(Step::Make),
            2 => Just(Step::Publish),
            1 => (0..40u32).prop_map(Step::Refill),
            1 => Just(Step::UsePrekey),
        ]
    }

    fn lifetimes() -> impl Strategy<Value = Lifetimes> {
        let seconds = || prop_oneof![Just(0), Just(DAY), 0..10 * DAY];
        prop_oneof![
            Just(Lifetimes::default()),
            (seconds(), seconds(), seconds()).prop_map(|(profile, overlap, renew_ahead)| Lifetimes {
                profile,
                overlap,
                renew_ahead
            }),
        ]
    }

    /// Renewing a copy of the account then: whether anything is said to change, and whether it does.
    fn renewed(account: &Account, now: Timestamp) -> (bool, bool) {
        let before = account.save();
        let mut copy = Account::load(&before).expect("what was saved");
        let told = copy.renew(&mut rng(), now);
        (told, *copy.save() != *before)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn renewing_changes_nothing_before_the_deadline_and_something_at_it(
            lifetimes in lifetimes(), steps in prop::collection::vec(step(), 0..10), early in 0..i64::MAX,
        ) {
            let (mut account, mut now) = (account(lifetimes), NOW);
            for step in steps {
                match step {
                    Step::Wait(seconds) => {
                        now = now.plus(seconds);
                        account.renew(&mut rng(), now);
                    }
                    Step::Make => _ = account.make_prekeys(1, &mut rng(), now),
                    Step::Publish => {
                        let (publication, _) = account.publish(0, &mut rng(), now).expect("a publication");
                        account.published(&publication, now);
                    }
                    Step::Refill(left) => _ = account.refill(left, now),
                    Step::UsePrekey => {
                        let id = account.prekeys.front().map(|prekey| prekey.id());
                        account.forget_prekey(id.unwrap_or_default());
                    }
                }
                let deadline = account.next_deadline();
                prop_assert!(deadline > now, "{step:?} leaves something to do");
                let before = now.plus(early % (deadline.unix() - now.unix()));
                prop_assert_eq!(renewed(&account, before), (false, false));
                prop_assert_eq!(renewed(&account, deadline.plus(-1)), (false, false));
                prop_assert_eq!(renewed(&account, deadline), (true, true));
            }
        }

        #[test]
        fn however_the_clock_jumps_no_profile_outlives_one_that_is_made_now(
            lifetimes in lifetimes(), jumps in prop::collection::vec(-400 * DAY..400 * DAY, 1..10),
        ) {
            let mut account = account(lifetimes);
            account.make_prekeys(0, &mut rng(), NOW).expect("few");
            let Lifetimes { profile, overlap, .. } = account.lifetimes;
            for now in jumps.into_iter().map(|jump| NOW.plus(jump)) {
                account.renew(&mut rng(), now);
                prop_assert_eq!(renewed(&account, now), (false, false));
                prop_assert!(account.next_deadline() > now);
                let shared = account.prekey_profile().expect("it was made").expires();
                for expires in [account.client_profile().expires(), shared] {
                    prop_assert!(now < expires && expires <= now.plus(profile));
                }
                // Whatever was kept until then goes when the time has come.
                let mut later = Account::load(&account.save()).expect("what was saved");
                later.renew(&mut rng(), now.plus(profile + overlap));
                prop_assert_eq!((later.client_profiles.len(), later.prekey_profiles.len()), (1, 1));
            }
        }
    }
}
