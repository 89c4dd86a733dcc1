//! Whom we know: the keys that each contact has shown, and what our user has done to know whose they are.
//! Spec: otrv4.md "Public keys, Shared Prekeys, Forging keys and Fingerprints", "Socialist Millionaires Protocol (SMP)".
//! Used by sessions, which meet keys and run SMP, and by applications, which show and change what is known.
//!
//! A key is trusted for itself alone. The keys of the two versions stand side by side, and the transitional signature
//! that binds one to the other in a profile says nothing: anybody can make one (spec-notes/SN-008).

mod contact;

pub use contact::{Contact, ContactKey, KnownKey, MAX_KEYS_A_CONTACT, Verification};

use super::Account;
use crate::Timestamp;

/// What is to be said about a key that has just proved itself in a handshake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Meeting {
    /// Nothing was known of it with this contact before.
    pub(crate) new: bool,
    /// As [`KnownKey::changed`].
    pub(crate) changed: bool,
    /// The other contacts under whom this very key is known.
    pub(crate) elsewhere: Vec<String>,
}

/// Whom we know. A contact is kept as long as something is known of it, at most [`MAX_KEYS_A_CONTACT`] keys, some 100
/// bytes each. How many contacts there are is not limited here: one comes into being by our user's hand or by a completed
/// handshake, which takes a [`crate::Session`] that the application has made for that name and that is larger. An
/// application that opens sessions for strangers limits those, and forgets the keys of the ones it closes.
impl Account {
    /// All of whom something is known, by name.
    pub fn contacts(&self) -> impl Iterator<Item = (&str, &Contact)> {
        self.contacts.iter().map(|(id, contact)| (id.as_str(), contact))
    }

    /// What is known of a contact, if anything is.
    pub fn contact(&self, id: &str) -> Option<&Contact> {
        self.contacts.get(id)
    }

    /// How sure we are that this key is that contact's.
    pub fn verification(&self, contact: &str, key: ContactKey) -> Verification {
        let known = self.contact(contact).and_then(|contact| contact.key(key));
        known.map_or(Verification::None, |known| known.verification)
    }

    /// Our user has compared the fingerprint, or has it from a business card: the key need not have been seen before.
    /// Save afterwards. Whether there was room for it; there is unless [`MAX_KEYS_A_CONTACT`] others are verified.
    pub fn verify_by_hand(&mut self, contact: &str, key: ContactKey, now: Timestamp) -> bool {
        self.raise(contact, key, Verification::ByHand, now)
    }

    /// Our user brings what another client of theirs knows: the key is known from now on, and verified at least so.
    /// Nothing changes if it is already. Save afterwards. Whether there was room for it, as in
    /// [`Self::verify_by_hand`].
    pub fn bring(
        &mut self,
        contact: &str,
        key: ContactKey,
        verification: Verification,
        now: Timestamp,
    ) -> bool {
        let known = self.contact(contact).and_then(|contact| contact.key(key));
        known.is_some_and(|known| known.verification >= verification)
            || self.raise(contact, key, verification, now)
    }

    /// Our user takes back that the key is verified, in whatever way. Whether it was known. Save afterwards.
    pub fn distrust(&mut self, contact: &str, key: ContactKey) -> bool {
        self.contacts.get_mut(contact).is_some_and(|contact| contact.distrust(key))
    }

    /// Forgets the key: it will be new when it is met again. Whether it was known. Save afterwards.
    pub fn forget(&mut self, contact: &str, key: ContactKey) -> bool {
        let known = self.contacts.get_mut(contact).is_some_and(|contact| contact.forget(key));
        self.drop_unknown();
        known
    }

    /// Our user knows of the failed runs of SMP with this contact: counts from zero again. Save afterwards.
    pub fn reset_failed_smp(&mut self, contact: &str) {
        if let Some(contact) = self.contacts.get_mut(contact) {
            contact.reset_failed_smp();
        }
        self.drop_unknown();
    }

    /// A handshake with this key was completed.
    pub(crate) fn meet(&mut self, contact: &str, key: ContactKey, now: Timestamp) -> Meeting {
        let elsewhere = self.contacts().filter(|(id, other)| *id != contact && other.key(key).is_some());
        let elsewhere = elsewhere.map(|(id, _)| id.to_owned()).collect();
        let contact = self.contacts.entry(contact.to_owned()).or_default();
        let new = contact.key(key).is_none();
        // Where there is no room, many others are known.
        let changed = contact.see(key, now).is_none_or(KnownKey::changed);
        Meeting { new, changed, elsewhere }
    }

    /// A run of SMP has succeeded; [`Verification::TheirSmp`] if it was the other side that asked a question.
    pub(crate) fn smp_succeeded(&mut self, contact: &str, key: ContactKey, by: Verification, now: Timestamp) {
        self.raise(contact, key, by, now);
    }

    /// A run of SMP has failed. It lowers nothing: a typing error looks the same, and who can make runs fail must not be
    /// able to take away what is verified.
    pub(crate) fn smp_failed(&mut self, contact: &str) {
        self.contacts.entry(contact.to_owned()).or_default().count_failed_smp();
    }

    /// Whether there was room for the key.
    fn raise(&mut self, contact: &str, key: ContactKey, by: Verification, now: Timestamp) -> bool {
        let known = self.contacts.entry(contact.to_owned()).or_default().know(key, now);
        known.map(|known| known.raise(by, now)).is_some()
    }

    fn drop_unknown(&mut self) {
        self.contacts.retain(|_, contact| !contact.is_unknown());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::{Fingerprint, FingerprintV3, ForgingSecret};
    use crate::vectors::rng;
    use crate::{Lifetimes, LoadError};
    use Verification::{ByHand, None as Unverified, Smp, TheirSmp};

    const BOB: &str = "bob@example.org";
    const NOW: Timestamp = Timestamp::from_unix(1_800_000_000);

    fn alice() -> Account {
        Account::new("alice@example.org", ForgingSecret::Destroy, Lifetimes::default(), &mut rng(), NOW)
    }

    fn v4(n: u8) -> ContactKey {
        ContactKey::V4(Fingerprint::from_bytes([n; 56]))
    }

    fn v3(n: u8) -> ContactKey {
        ContactKey::V3(FingerprintV3::from_bytes([n; 20]))
    }

    fn known(account: &Account, key: ContactKey) -> KnownKey {
        *account.contact(BOB).and_then(|bob| bob.key(key)).expect("a known key")
    }

    fn first_meeting(changed: bool) -> Meeting {
        Meeting { new: true, changed, elsewhere: Vec::new() }
    }

    #[test]
    fn a_key_is_new_once_and_stays_unverified_however_often_it_is_met() {
        let mut alice = alice();
        assert_eq!(alice.contact(BOB), None);
        assert_eq!(alice.verification(BOB, v4(1)), Unverified);
        assert_eq!(alice.meet(BOB, v4(1), NOW), first_meeting(false));
        assert_eq!(alice.meet(BOB, v4(1), NOW.plus(9)), Meeting { new: false, ..first_meeting(false) });
        let expected = KnownKey {
            key: v4(1),
            first_seen: NOW,
            last_seen: NOW.plus(9),
            verification: Unverified,
            verified_at: None,
            not_first: false,
        };
        assert_eq!(known(&alice, v4(1)), expected);
        assert!(!alice.verification(BOB, v4(1)).is_verified());
    }

    #[test]
    fn another_key_of_a_contact_is_changed_until_our_user_verifies_it() {
        for (by, changed) in [(TheirSmp, true), (Smp, false), (ByHand, false)] {
            let mut alice = alice();
            alice.meet(BOB, v4(1), NOW);
            alice.verify_by_hand(BOB, v4(1), NOW);
            assert_eq!(alice.meet(BOB, v4(2), NOW), first_meeting(true));
            assert_eq!(alice.verification(BOB, v4(2)), Unverified, "the other key says nothing about it");
            assert!(alice.meet(BOB, v4(2), NOW.plus(1)).changed, "still");
            assert!(!alice.meet(BOB, v4(1), NOW).changed, "the first one has not changed");
            alice.raise(BOB, v4(2), by, NOW);
            assert_eq!(alice.meet(BOB, v4(2), NOW.plus(2)).changed, changed, "{by:?}");
            assert_eq!(alice.verification(BOB, v4(1)), ByHand);
        }
    }

    #[test]
    fn keys_of_the_two_versions_stand_side_by_side_and_lend_each_other_nothing() {
        let mut alice = alice();
        alice.meet(BOB, v3(1), NOW);
        alice.verify_by_hand(BOB, v3(1), NOW);
        assert_eq!(alice.meet(BOB, v4(1), NOW), first_meeting(false));
        assert_eq!(alice.verification(BOB, v4(1)), Unverified);
        assert_eq!(alice.verification(BOB, v3(1)), ByHand);
        assert!(alice.meet(BOB, v3(2), NOW).changed);
        assert!(alice.distrust(BOB, v3(1)));
        assert_eq!(alice.contact(BOB).map(|bob| bob.keys().len()), Some(3));
    }

    #[test]
    fn a_key_from_a_business_card_is_neither_new_nor_changed_when_it_is_met_and_another_one_is() {
        let mut alice = alice();
        assert!(alice.verify_by_hand(BOB, v4(1), NOW));
        assert_eq!(alice.meet(BOB, v4(2), NOW), first_meeting(true));
        assert!(alice.verify_by_hand(BOB, v4(3), NOW));
        for key in [v4(1), v4(3)] {
            assert_eq!(alice.meet(BOB, key, NOW), Meeting { new: false, ..first_meeting(false) });
            assert_eq!(alice.verification(BOB, key), ByHand);
        }
    }

    #[test]
    fn what_verifies_a_key_best_is_remembered_with_the_time_of_the_last_time() {
        let after = [
            (TheirSmp, [(TheirSmp, TheirSmp), (Smp, Smp), (ByHand, ByHand)]),
            (Smp, [(TheirSmp, Smp), (Smp, Smp), (ByHand, ByHand)]),
            (ByHand, [(TheirSmp, ByHand), (Smp, ByHand), (ByHand, ByHand)]),
        ];
        let later = NOW.plus(60);
        for (first, then) in after {
            for (second, expected) in then {
                let mut alice = alice();
                alice.meet(BOB, v4(1), NOW);
                alice.smp_succeeded(BOB, v4(1), first, NOW);
                assert_eq!(known(&alice, v4(1)).verified_at, Some(NOW));
                alice.smp_succeeded(BOB, v4(1), second, later);
                let key = known(&alice, v4(1));
                assert_eq!(key.verification, expected, "{first:?}, {second:?}");
                let at = if second == expected { later } else { NOW };
                assert_eq!(key.verified_at, Some(at), "{first:?}, {second:?}");
                assert_eq!(key.verification.is_verified(), expected != TheirSmp);
            }
        }
    }

    #[test]
    fn a_success_that_verifies_nothing_changes_nothing() {
        let mut alice = alice();
        alice.meet(BOB, v4(1), NOW);
        alice.smp_succeeded(BOB, v4(1), Unverified, NOW);
        assert_eq!(known(&alice, v4(1)).verified_at, None);
    }

    #[test]
    fn what_another_client_knows_is_known_once_and_lowers_nothing() {
        let mut alice = alice();
        assert!(alice.bring(BOB, v3(1), Smp, NOW));
        assert!(alice.bring(BOB, v3(2), Unverified, NOW));
        assert_eq!(known(&alice, v3(1)).verified_at, Some(NOW));
        assert_eq!((known(&alice, v3(2)).verification, known(&alice, v3(2)).verified_at), (Unverified, None));
        assert!(known(&alice, v3(2)).changed());
        let before = alice.contacts.clone();
        for lower in [Unverified, TheirSmp, Smp] {
            assert!(alice.bring(BOB, v3(1), lower, NOW.plus(9)));
            assert!(alice.bring(BOB, v3(2), Unverified, NOW.plus(9)));
            assert_eq!(alice.contacts, before, "{lower:?}");
        }
        assert!(alice.bring(BOB, v3(1), ByHand, NOW.plus(9)));
        assert_eq!(known(&alice, v3(1)).verified_at, Some(NOW.plus(9)));
        assert!(!alice.meet(BOB, v3(1), NOW).new);
    }

    #[test]
    fn failed_runs_are_counted_and_lower_nothing() {
        let mut alice = alice();
        alice.meet(BOB, v4(1), NOW);
        alice.smp_succeeded(BOB, v4(1), Smp, NOW);
        alice.smp_failed(BOB);
        alice.smp_failed(BOB);
        assert_eq!(alice.contact(BOB).map(Contact::failed_smp), Some(2));
        assert_eq!(alice.verification(BOB, v4(1)), Smp);
        alice.reset_failed_smp(BOB);
        assert_eq!(alice.contact(BOB).map(Contact::failed_smp), Some(0));
        assert_eq!(alice.verification(BOB, v4(1)), Smp);
    }

    #[test]
    fn a_distrusted_key_stays_known_and_is_not_verified() {
        let mut alice = alice();
        assert!(!alice.distrust(BOB, v4(1)));
        alice.verify_by_hand(BOB, v4(1), NOW);
        assert!(alice.distrust(BOB, v4(1)));
        let key = known(&alice, v4(1));
        assert_eq!((key.verification, key.verified_at), (Unverified, None));
        assert!(!alice.meet(BOB, v4(1), NOW).new);
    }

    #[test]
    fn another_key_that_was_verified_by_mistake_is_changed_again_when_it_is_distrusted() {
        let mut alice = alice();
        alice.meet(BOB, v4(1), NOW);
        for by in [Smp, ByHand] {
            assert!(alice.meet(BOB, v4(2), NOW).changed, "{by:?}");
            alice.raise(BOB, v4(2), by, NOW);
            assert!(!alice.meet(BOB, v4(2), NOW).changed, "{by:?}");
            alice.distrust(BOB, v4(2));
            alice = Account::load(&alice.save()).expect("what was saved");
        }
        assert!(alice.meet(BOB, v4(2), NOW).changed);
        alice.distrust(BOB, v4(1));
        assert!(!alice.meet(BOB, v4(1), NOW).changed, "it was the first");
    }

    #[test]
    fn a_forgotten_key_is_new_again_and_a_contact_of_whom_nothing_is_known_is_gone() {
        let mut alice = alice();
        assert!(!alice.forget(BOB, v4(1)));
        assert!(!alice.distrust(BOB, v4(1)));
        alice.reset_failed_smp(BOB);
        assert_eq!(alice.contacts().count(), 0, "asking leaves no trace");
        alice.verify_by_hand(BOB, v4(1), NOW);
        alice.smp_failed(BOB);
        assert!(alice.forget(BOB, v4(1)));
        assert_eq!(alice.verification(BOB, v4(1)), Unverified);
        assert_eq!(alice.contact(BOB).map(Contact::failed_smp), Some(1), "failed runs are not forgotten");
        alice.reset_failed_smp(BOB);
        assert_eq!(alice.contact(BOB), None);
        assert_eq!(alice.meet(BOB, v4(1), NOW), first_meeting(false));
    }

    #[test]
    fn a_key_that_others_have_shown_is_told_with_their_names() {
        let mut alice = alice();
        alice.meet(BOB, v4(1), NOW);
        alice.verify_by_hand("carol@example.org", v4(1), NOW);
        alice.meet("dave@example.org", v4(2), NOW);
        let meeting = alice.meet("mallory@example.org", v4(1), NOW);
        assert_eq!(meeting.elsewhere, [BOB, "carol@example.org"]);
        assert_eq!(alice.meet(BOB, v4(1), NOW).elsewhere, ["carol@example.org", "mallory@example.org"]);
        assert_eq!(alice.verification("mallory@example.org", v4(1)), Unverified);
        assert_eq!(alice.meet(BOB, v3(2), NOW).elsewhere, Vec::<String>::new());
    }

    #[test]
    fn what_is_known_survives_saving() {
        let mut alice = alice();
        alice.meet(BOB, v4(1), NOW);
        alice.smp_succeeded(BOB, v4(1), TheirSmp, NOW.plus(1));
        alice.meet(BOB, v3(2), NOW.plus(2));
        alice.meet(BOB, v3(3), NOW.plus(3));
        alice.verify_by_hand("carol@example.org", v4(1), NOW.plus(4));
        alice.smp_succeeded("dave@example.org", v4(1), Smp, NOW.plus(5));
        alice.smp_failed("dave@example.org");
        let loaded = Account::load(&alice.save()).expect("what was saved");
        assert_eq!(loaded.contacts, alice.contacts);
        assert_eq!(loaded.contacts().count(), 3);
        assert_eq!(*loaded.save(), *alice.save());
    }

    #[test]
    fn an_account_without_contacts_of_the_first_format_is_not_read() {
        let mut saved = alice().save();
        saved[0] = 1;
        assert_eq!(Account::load(&saved).err(), Some(LoadError::Version(1)));
    }
}
