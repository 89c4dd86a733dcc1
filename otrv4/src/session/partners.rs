//! Whom we talk to: whose handshakes go on, who gets our text, and what is told about a key.
//! Spec: otrv4.md "Public keys, Shared Prekeys, Forging keys and Fingerprints"; the policy `OTRNG_REQUIRE_AUTHENTICATED`.
//! spec-notes/SN-031, spec-notes/SN-038. Used by [`Session`].

use super::instance::Instance;
use super::output::{Event, Outputs};
use super::{Context, MAX_INSTANCES, Session};
use crate::Reject;
use crate::account::{Account, ContactKey, KnownKey};
use crate::keys::Fingerprint;
use crate::v4::Channel;
use crate::wire::{InstanceTag, Version};

impl Session {
    /// The client that text had best go to, of those with an encrypted conversation: one whose key our user has verified
    /// before others, then those that text went to, then those whose key is not a changed one, then whoever was heard last.
    /// For [`Self::select`].
    pub fn best_instance(&self, account: &Account) -> Option<InstanceTag> {
        let known = account.contact(&self.correspondent);
        let rank = |(_, channel): &(InstanceTag, &Channel)| {
            let key = known.and_then(|contact| contact.key(ContactKey::V4(channel.fingerprint)));
            let verified = key.is_some_and(|key| key.verification.is_verified());
            let changed = key.is_none_or(KnownKey::changed);
            (verified, self.partners.contains(&channel.fingerprint), !changed, channel.times.heard_at())
        };
        let running = self.instances.iter().filter_map(|(tag, instance)| Some((*tag, instance.peek()?)));
        running.max_by_key(rank).map(|(tag, _)| tag)
    }

    /// Whether a handshake with this client may go on: it has the key it had before, and there is room for it, which
    /// may be that of one with nothing to lose. spec-notes/SN-031
    pub(super) fn admit(
        &mut self,
        account: &Account,
        tag: InstanceTag,
        fingerprint: Fingerprint,
    ) -> Result<(), Reject> {
        if !self.may_talk_to(account, fingerprint) {
            return Err(Reject::NotVerified);
        }
        if self.instances.get(&tag).and_then(Instance::key).is_some_and(|before| before != fingerprint) {
            return Err(Reject::OtherKey);
        }
        if self.instances.contains_key(&tag) || self.instances.len() < MAX_INSTANCES {
            return Ok(());
        }
        let evictable = self.instances.iter().filter(|(_, instance)| instance.is_evictable());
        let oldest = evictable.min_by_key(|(_, instance)| instance.newest_answer()).map(|(tag, _)| *tag);
        oldest.and_then(|tag| self.instances.remove(&tag)).map(|_| ()).ok_or(Reject::TooManyInstances)
    }

    /// Our text goes there from now on.
    pub(super) fn turn_to(&mut self, selected: Vec<InstanceTag>, partners: Vec<Fingerprint>) {
        (self.selected, self.partners, self.ended, self.asked_until) = (selected, partners, false, None);
    }

    /// Whether text may go to that key without our user choosing it: none of the correspondent's keys is verified, or this
    /// one is.
    pub(super) fn may_turn_to(&self, account: &Account, fingerprint: Fingerprint) -> bool {
        let verification = account.verification(&self.correspondent, ContactKey::V4(fingerprint));
        verification.is_verified() || !self.knows_verified(account)
    }

    /// Whether a key of the correspondent is verified.
    pub(super) fn knows_verified(&self, account: &Account) -> bool {
        let contact = account.contact(&self.correspondent);
        contact.is_some_and(|contact| contact.keys().iter().any(|key| key.verification.is_verified()))
    }

    /// Whether the policy allows to show anybody who answers for the correspondent who we are.
    pub(super) fn may_show_our_key(&self, account: &Account) -> bool {
        !self.policy.require_authenticated || self.knows_verified(account)
    }

    /// Whether the policy allows conversations with that key.
    pub(super) fn may_talk_to(&self, account: &Account, fingerprint: Fingerprint) -> bool {
        let verification = account.verification(&self.correspondent, ContactKey::V4(fingerprint));
        !self.policy.require_authenticated || verification.is_verified()
    }

    /// Tells that a conversation is encrypted, and what is new about the key at the other end.
    pub(super) fn tell_secure(
        &self,
        cx: &mut Context<'_>,
        with: InstanceTag,
        channel: &Channel,
        out: &mut Outputs,
    ) {
        let fingerprint = ContactKey::V4(channel.fingerprint);
        let meeting = cx.account.meet(&self.correspondent, fingerprint, cx.now);
        let verification = cx.account.verification(&self.correspondent, fingerprint);
        let (mode, ssid) = (channel.mode, channel.ssid);
        out.event(Event::Secure { with, version: Version::V4, mode, fingerprint, verification, ssid });
        if meeting.new {
            out.event(match meeting.changed {
                true => Event::ChangedFingerprint { with, fingerprint },
                false => Event::NewFingerprint { with, fingerprint },
            });
            let shared = |contact| Event::SharedFingerprint { with, fingerprint, contact };
            meeting.elsewhere.into_iter().map(shared).for_each(|event| out.event(event));
        }
    }
}
