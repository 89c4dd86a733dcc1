//! Publishing profiles and prekeys of an account on a prekey server, asking how many are left, and when to do so.
//! Spec: otrv4.md "Publishing Prekey Ensembles", "Publishing Prekey Messages". The messages are those of
//! [`crate::prekey_server`].

mod look;

use rand_core::CryptoRng;

use super::Account;
use crate::client_profile::VerifiedClientProfile;
use crate::prekey::PrekeySecret;
use crate::prekey_profile::VerifiedPrekeyProfile;
pub use crate::prekey_server::MAX_PREKEYS as MAX_PREKEYS_A_PUBLICATION;
use crate::prekey_server::{AwaitReply, PublishRequest, Publisher, ServerKey};
use crate::{Refused, Reject, Timestamp};
pub(super) use look::Look;

impl Account {
    /// Begins a publication: the DAKE-1 message for the server, and what answers its DAKE-2. `fresh` prekeys are made
    /// on top of those that no server has confirmed. Save before the message leaves. Refused to an account that poses as
    /// somebody.
    pub fn publish(
        &mut self,
        fresh: usize,
        rng: &mut dyn CryptoRng,
        now: Timestamp,
    ) -> Result<(Publishing, Vec<u8>), Refused> {
        if self.is_posing() {
            return Err(Refused::Posing);
        }
        self.renew_for_publication(rng, now);
        let waiting = self.unpublished.len().min(MAX_PREKEYS_A_PUBLICATION);
        let fresh = fresh.min(MAX_PREKEYS_A_PUBLICATION.saturating_sub(waiting));
        for _ in 0..fresh {
            let id = self.make_prekey(rng);
            self.unpublished.push(id);
        }
        let ids: Vec<u32> = self.unpublished.iter().take(MAX_PREKEYS_A_PUBLICATION).copied().collect();
        let gives_what_it_lacks = self.look.begin(ids.len());
        let (publisher, dake_1) = Publisher::start(self.client_profile(), &self.id, rng);
        let offer = Offer { ids, profiles: self.profiles(), gives_what_it_lacks };
        Ok((Publishing { publisher, offer: Some(offer) }, dake_1))
    }

    /// Asks the server how many of our prekeys it still has, in the same way; what it says is for [`Self::refill`].
    pub fn ask_storage(&self, rng: &mut dyn CryptoRng) -> (Publishing, Vec<u8>) {
        let (publisher, dake_1) = Publisher::start(self.client_profile(), &self.id, rng);
        (Publishing { publisher, offer: None }, dake_1)
    }

    /// Whether a prekey server lacks something that we have: new profiles or prekeys.
    pub fn has_unpublished(&self) -> bool {
        !self.profiles_published || !self.unpublished.is_empty()
    }

    /// Whether somebody who has published before, or has tried to, should do something at the server: ask it
    /// ([`Self::should_ask_server`]), or publish what it lacks. Never true for who only talks to those online.
    ///
    /// If the server cannot be reached it stays true: try again after minutes, not at once.
    pub fn publication_due(&self, now: Timestamp) -> bool {
        let something_new = self.has_unpublished() || self.is_renewal_due(now);
        self.look != Look::Never && (something_new || self.should_ask_server(now))
    }

    /// Whether to ask the server how many prekeys it has left: a day after it was asked or given some, as soon as one
    /// of them was used, and when the first publication was begun and not confirmed. Never for an account that has not
    /// tried to publish. The answer settles it ([`Self::refill`]); where that is low, the prekeys that follow it.
    pub fn should_ask_server(&self, now: Timestamp) -> bool {
        self.look.is_due(now)
    }

    /// How many fresh prekeys to publish when the server has `on_server` left: none while they are at least
    /// [`LOW_STOCK`], else so many that it has [`FULL_STOCK`] with those that wait to be published. Save afterwards.
    pub fn refill(&mut self, on_server: u32, now: Timestamp) -> usize {
        let on_server = usize::try_from(on_server).unwrap_or(usize::MAX);
        let low = on_server < LOW_STOCK;
        self.look.asked(low, now);
        let there = on_server.saturating_add(self.unpublished.len());
        if low { FULL_STOCK.saturating_sub(there) } else { 0 }
    }

    /// Takes note that the server keeps what was published; after [`crate::prekey_server::ServerReply::Success`]. Save
    /// afterwards.
    pub fn published(&mut self, publication: &Publishing, now: Timestamp) {
        let Some(Offer { ids, profiles, gives_what_it_lacks }) = &publication.offer else { return };
        self.unpublished.retain(|id| !ids.contains(id));
        // They may have been renewed since.
        self.profiles_published = *profiles == self.profiles();
        self.look.published(*gives_what_it_lacks, now);
    }

    /// Takes note that the server has refused what was published and keeps none of it; after
    /// [`crate::prekey_server::ServerReply::Failure`]. The prekeys are forgotten, so that the next publication is
    /// another one. Save afterwards.
    pub fn refused(&mut self, publication: &Publishing) {
        let ids = publication.ids();
        self.unpublished.retain(|id| !ids.contains(id));
        self.prekeys.retain(|prekey| !ids.contains(&prekey.id()));
    }

    /// The profiles that we show.
    fn profiles(&self) -> Profiles {
        (self.client_profile().clone(), self.prekey_profile().cloned())
    }
}

/// A server with fewer prekeys of ours than this is given more.
pub const LOW_STOCK: usize = 20;

/// So many prekeys of ours a server has after that.
pub const FULL_STOCK: usize = 100;

/// A publication under way, or a question about storage: what answers the server's DAKE-2.
#[derive(Debug)]
pub struct Publishing {
    publisher: Publisher,
    /// None when we only ask.
    offer: Option<Offer>,
}

/// What is published.
#[derive(Debug)]
struct Offer {
    /// The prekeys.
    ids: Vec<u32>,
    profiles: Profiles,
    /// As [`Look::begin`] has said.
    gives_what_it_lacks: bool,
}

/// One of each kind.
type Profiles = (VerifiedClientProfile, Option<VerifiedPrekeyProfile>);

impl Publishing {
    /// The prekeys that it publishes.
    pub fn ids(&self) -> &[u32] {
        self.offer.as_ref().map(|offer| offer.ids.as_slice()).unwrap_or_default()
    }

    /// Checks that DAKE-2 comes from that server, and gives DAKE-3 with the profiles and prekeys in it. A message that is
    /// refused is to be ignored: the true one may still come. After one that is not, drop this when the server has
    /// answered.
    pub fn receive_dake_2(
        &self,
        account: &Account,
        server: &ServerKey,
        dake_2: &[u8],
        rng: &mut dyn CryptoRng,
    ) -> Result<(AwaitReply, Vec<u8>), Reject> {
        let prekeys: Vec<&PrekeySecret> = self.ids().iter().filter_map(|id| account.prekey(*id)).collect();
        let request = match self.offer {
            Some(_) => PublishRequest::Publish {
                client_profile: Some(account.client_profile()),
                prekey_profile: account.prekey_profiles.last().map(|(shared, profile)| (profile, shared)),
                prekeys: &prekeys,
            },
            None => PublishRequest::StorageInformation,
        };
        self.publisher.receive_dake2(dake_2, server, account.key(), request, rng)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Lifetimes;
    use crate::account::{DAY, MAX_KEPT_PREKEYS};
    use crate::keys::ForgingSecret;
    use crate::vectors::rng;

    const NOW: Timestamp = Timestamp::from_unix(1_800_000_000);

    fn bob() -> Account {
        Account::new("bob@example.org", ForgingSecret::Destroy, Lifetimes::default(), &mut rng(), NOW)
    }

    fn publish(account: &mut Account, fresh: usize, now: Timestamp) -> Publishing {
        account.publish(fresh, &mut rng(), now).expect("a publication").0
    }

    /// Bob, whose server has his profiles and so many prekeys.
    fn published(fresh: usize) -> Account {
        let mut bob = bob();
        let publication = publish(&mut bob, fresh, NOW);
        bob.published(&publication, NOW);
        bob
    }

    #[test]
    fn who_has_not_published_is_never_told_to() {
        let mut bob = bob();
        bob.make_prekeys(1, &mut rng(), NOW).expect("few");
        bob.forget_prekey(bob.prekeys[0].id());
        for day in 0..30 {
            let now = NOW.plus(day * DAY);
            bob.renew(&mut rng(), now);
            assert!(!bob.should_ask_server(now) && !bob.publication_due(now));
        }
        assert_eq!(bob.refill(0, NOW), 100, "though it would be the way to begin");
        assert!(!bob.should_ask_server(NOW));
    }

    #[test]
    fn the_server_is_asked_a_day_after_it_was_given_something_and_a_day_after_it_was_asked() {
        let mut bob = published(0);
        assert_eq!(bob.next_deadline(), NOW.plus(DAY));
        assert!(!bob.should_ask_server(NOW.plus(DAY - 1)) && !bob.publication_due(NOW.plus(DAY - 1)));
        assert!(bob.should_ask_server(NOW.plus(DAY)), "also before the clock is looked at");
        bob.renew(&mut rng(), NOW.plus(DAY));
        assert!(bob.should_ask_server(NOW.plus(DAY)) && bob.publication_due(NOW.plus(DAY)));
        assert_eq!(bob.refill(20, NOW.plus(DAY + 60)), 0);
        assert!(!bob.should_ask_server(NOW.plus(2 * DAY + 59)));
        assert!(bob.should_ask_server(NOW.plus(2 * DAY + 60)));
    }

    #[test]
    fn the_server_is_asked_when_a_prekey_was_used() {
        let mut bob = published(1);
        assert!(!bob.should_ask_server(NOW));
        bob.forget_prekey(bob.prekeys[0].id());
        assert!(bob.should_ask_server(NOW) && bob.publication_due(NOW));
        let loaded = Account::load(&bob.save()).expect("what was saved");
        assert!(loaded.should_ask_server(NOW));
    }

    #[test]
    fn a_low_stock_is_filled_with_what_waits_and_fresh_prekeys() {
        let mut bob = published(0);
        for (on_server, fresh) in [(0, 100), (19, 81), (20, 0), (100, 0), (u32::MAX, 0)] {
            assert_eq!(bob.refill(on_server, NOW), fresh);
        }
        publish(&mut bob, 3, NOW);
        assert_eq!(bob.refill(19, NOW), 78);
        assert_eq!(publish(&mut bob, 2, NOW).ids().len(), 5);
    }

    #[test]
    fn a_low_stock_is_not_forgotten_before_it_is_filled() {
        let mut bob = published(0);
        let fresh = bob.refill(19, NOW);
        assert!(bob.should_ask_server(NOW), "the process may end here");
        let publication = publish(&mut bob, fresh.min(1), NOW);
        bob.refused(&publication);
        assert!(bob.should_ask_server(NOW));
        assert_eq!((bob.prekeys(), bob.unpublished.len()), (0, 0), "what was refused is forgotten");
        let publication = publish(&mut bob, 1, NOW);
        bob.published(&publication, NOW);
        assert!(!bob.publication_due(NOW));
        assert_eq!(bob.prekeys(), 1);
    }

    #[test]
    fn profiles_alone_do_not_fill_a_low_stock() {
        let mut bob = published(0);
        bob.refill(19, NOW);
        let profiles = publish(&mut bob, 0, NOW);
        let prekeys = publish(&mut bob, 1, NOW);
        bob.published(&profiles, NOW);
        assert!(bob.should_ask_server(NOW));
        bob.published(&prekeys, NOW);
        assert!(!bob.should_ask_server(NOW));
    }

    #[test]
    fn what_is_published_is_no_answer_to_how_many_are_left() {
        for fresh in [0, 1] {
            let mut bob = published(1);
            bob.forget_prekey(bob.prekeys[0].id());
            let publication = publish(&mut bob, fresh, NOW);
            bob.published(&publication, NOW);
            assert!(bob.should_ask_server(NOW), "{fresh} fresh");
        }
    }

    #[test]
    fn a_prekey_that_is_used_during_a_publication_makes_a_look_due() {
        for left in [20, 19] {
            let mut bob = published(1);
            bob.refill(left, NOW);
            let publication = publish(&mut bob, 1, NOW);
            bob.forget_prekey(bob.prekeys[0].id());
            bob.published(&publication, NOW);
            assert!(bob.should_ask_server(NOW), "{left} left");
            bob.refill(100, NOW);
            assert!(!bob.publication_due(NOW));
        }
    }

    #[test]
    fn who_has_tried_to_publish_is_told_to_until_it_succeeds() {
        for fresh in [0, 1] {
            let mut bob = bob();
            let publication = publish(&mut bob, fresh, NOW);
            let mut loaded = Account::load(&bob.save()).expect("what was saved");
            assert!(loaded.publication_due(NOW) && loaded.should_ask_server(NOW), "{fresh} fresh");
            assert_eq!(loaded.refill(0, NOW), 100 - fresh);
            let mut refused = Account::load(&bob.save()).expect("what was saved");
            refused.refused(&publication);
            assert!(refused.publication_due(NOW));
            bob.published(&publication, NOW);
            assert!(!bob.publication_due(NOW));
            assert_eq!(bob.next_deadline(), NOW.plus(DAY));
        }
    }

    #[test]
    fn a_look_that_a_wrong_clock_has_put_off_is_due() {
        let mut bob = published(0);
        bob.refill(100, NOW.plus(365 * DAY));
        assert!(bob.should_ask_server(NOW), "also before the clock is looked at");
        bob.renew(&mut rng(), NOW);
        assert!(bob.should_ask_server(NOW));
        bob.refill(100, NOW);
        assert!(!bob.publication_due(NOW) && bob.publication_due(NOW.plus(DAY)));
    }

    #[test]
    fn profiles_that_were_made_by_a_wrong_clock_are_due_for_replacement() {
        let mut bob = published(0);
        let later = NOW.plus(365 * DAY);
        let publication = publish(&mut bob, 0, later);
        bob.published(&publication, later);
        bob.refill(100, NOW);
        assert!(!bob.has_unpublished() && bob.publication_due(NOW));
        let publication = publish(&mut bob, 0, NOW);
        assert!(bob.has_unpublished());
        bob.published(&publication, NOW);
        assert!(!bob.publication_due(NOW));
    }

    #[test]
    fn a_prekey_that_is_pushed_out_is_not_published() {
        let mut bob = bob();
        publish(&mut bob, 2, NOW);
        for count in [1000, 999] {
            bob.make_prekeys(count, &mut rng(), NOW).expect("as many as are allowed");
        }
        assert_eq!(bob.prekeys(), MAX_KEPT_PREKEYS);
        assert_eq!(bob.unpublished.len(), 1);
        assert!(bob.prekey(bob.unpublished[0]).is_some());
        assert_eq!(publish(&mut bob, 0, NOW).ids(), bob.unpublished);
    }

    #[test]
    fn new_profiles_are_due_for_publication_until_the_server_has_them() {
        let mut bob = published(0);
        let renewal = NOW.plus(4 * DAY);
        bob.refill(100, renewal.plus(-60));
        assert!(!bob.publication_due(renewal.plus(-1)));
        assert!(bob.publication_due(renewal), "before they are made");
        bob.renew(&mut rng(), renewal);
        assert!(bob.has_unpublished() && bob.publication_due(renewal));
        let publication = publish(&mut bob, 0, renewal);
        bob.published(&publication, renewal);
        assert!(!bob.has_unpublished() && !bob.publication_due(renewal));
    }

    #[test]
    fn profiles_that_were_renewed_while_the_old_ones_were_published_are_still_due() {
        let mut bob = bob();
        let renewal = NOW.plus(4 * DAY);
        let publication = publish(&mut bob, 1, renewal.plus(-1));
        bob.renew(&mut rng(), renewal);
        bob.published(&publication, renewal);
        assert!(bob.has_unpublished());
        assert!(bob.unpublished.is_empty(), "the prekey is there");
    }

    #[test]
    fn a_question_publishes_nothing() {
        let mut bob = bob();
        let (question, _) = bob.ask_storage(&mut rng());
        bob.published(&question, NOW);
        assert!(bob.has_unpublished() && !bob.should_ask_server(NOW.plus(DAY)));
        assert_eq!(bob.prekey_profile(), None);
    }
}
