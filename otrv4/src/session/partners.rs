//! Whom we talk to: whose handshakes go on, who gets our text, and what is told about a key.
//! Spec: otrv4.md "Public keys, Shared Prekeys, Forging keys and Fingerprints"; the policy `OTRNG_REQUIRE_AUTHENTICATED`.
//! spec-notes/SN-031, spec-notes/SN-038. Used by [`Session`].

use super::channel::Channel;
use super::instance::Instance;
use super::output::{EndedBy, Event, Outputs};
use super::{Context, MAX_INSTANCES, Session};
use crate::Reject;
use crate::account::{Account, ContactKey, KnownKey, Verification};
use crate::wire::{InstanceTag, Version};

impl Session {
    /// The client that text had best go to, of those with an encrypted conversation: one whose key our user has verified
    /// before others, then those that text went to, then those whose key is not a changed one, then one with a newer version,
    /// then whoever was heard last.
    /// For [`Self::select`].
    pub fn best_instance(&self, account: &Account) -> Option<InstanceTag> {
        let known = account.contact(&self.correspondent);
        let rank = |(_, channel): &(InstanceTag, &Channel)| {
            let key = known.and_then(|contact| contact.key(channel.key()));
            let verified = key.is_some_and(|key| key.verification.is_verified());
            let changed = key.is_none_or(KnownKey::changed);
            let (partner, heard_at) = (self.partners.contains(&channel.key()), channel.times().heard_at());
            (verified, partner, !changed, channel.version(), heard_at)
        };
        let running = self.instances.iter().filter_map(|(tag, instance)| Some((*tag, instance.peek()?)));
        running.max_by_key(rank).map(|(tag, _)| tag)
    }

    /// Whether a handshake with this client may go on: it has the key it had before, and there is room for it, which
    /// may be that of one with nothing to lose. spec-notes/SN-031 A running conversation of another version has another key
    /// of necessity: it gives way if our user has asked for a new one, or to a verified key. spec-notes/SN-039
    pub(super) fn admit(
        &mut self,
        cx: &mut Context<'_>,
        tag: InstanceTag,
        key: ContactKey,
        out: &mut Outputs,
    ) -> Result<(), Reject> {
        let account = &*cx.account;
        if !self.may_talk_to(account, key) {
            return Err(Reject::NotVerified);
        }
        let before = self.instances.get(&tag).and_then(Instance::key).filter(|before| *before != key);
        let asked = self.asked_until.is_some() && self.may_turn_to(account, key);
        let wanted = asked || self.verification(account, key).is_verified();
        match before {
            None => {}
            // The tag of version 2 is nobody's: another client may have it when the conversation of one has ended.
            Some(_) if tag == InstanceTag::V2 && !self.is_encrypted(tag) => {}
            Some(before) if before.version() == key.version() => return Err(Reject::OtherKey),
            Some(_) if self.is_encrypted(tag) && !wanted => return Err(Reject::OtherKey),
            Some(_) => {}
        }
        self.make_room(cx, tag, out)
    }

    /// Makes room for one more client, unless there is some.
    pub(super) fn make_room(
        &mut self,
        cx: &mut Context<'_>,
        tag: InstanceTag,
        out: &mut Outputs,
    ) -> Result<(), Reject> {
        if self.instances.contains_key(&tag) || self.instances.len() < MAX_INSTANCES {
            return Ok(());
        }
        let evictable = self.instances.iter().filter(|(_, instance)| instance.is_evictable());
        let oldest = evictable.min_by_key(|(_, instance)| instance.newest_answer()).map(|(tag, _)| *tag);
        if let Some(oldest) = oldest {
            self.instances.remove(&oldest);
            return Ok(());
        }
        // Conversations of version 3 never end by themselves: strangers could take all places, and keep them.
        let forgotten = self.most_forgotten_v3(cx.account).ok_or(Reject::TooManyInstances)?;
        self.disconnect(cx, forgotten, EndedBy::Room, out);
        Ok(())
    }

    /// Of the conversations of version 3 and 2 that text does not go to and whose key is neither verified nor a partner's, the
    /// one that was heard longest ago.
    fn most_forgotten_v3(&self, account: &Account) -> Option<InstanceTag> {
        let running = self.instances.iter().filter_map(|(tag, instance)| Some((*tag, instance.peek()?)));
        let of_nobody = running.filter(|(tag, channel)| {
            let key = channel.key();
            channel.version() < Version::V4
                && !self.selected.contains(tag)
                && !self.partners.contains(&key)
                && !self.verification(account, key).is_verified()
        });
        of_nobody.min_by_key(|(_, channel)| channel.times().heard_at()).map(|(tag, _)| tag)
    }

    /// Our text goes there from now on. An end that has kept it back is forgotten when a conversation begins, not when our user
    /// chooses among those that run. spec-notes/SN-032
    pub(super) fn turn_to(&mut self, selected: Vec<InstanceTag>, partners: Vec<ContactKey>) {
        (self.selected, self.partners, self.asked_until) = (selected, partners, None);
    }

    /// Whether text may go to that key without our user choosing it: none of the correspondent's keys is verified, or this
    /// one is.
    pub(super) fn may_turn_to(&self, account: &Account, key: ContactKey) -> bool {
        self.verification(account, key).is_verified() || !self.knows_verified(account)
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
    pub(super) fn may_talk_to(&self, account: &Account, key: ContactKey) -> bool {
        !self.policy.require_authenticated || self.verification(account, key).is_verified()
    }

    fn verification(&self, account: &Account, key: ContactKey) -> Verification {
        account.verification(&self.correspondent, key)
    }

    /// Tells that a conversation is encrypted, and what is new about the key at the other end.
    pub(super) fn tell_secure(
        &self,
        cx: &mut Context<'_>,
        with: InstanceTag,
        channel: &Channel,
        out: &mut Outputs,
    ) {
        let fingerprint = channel.key();
        let meeting = cx.account.meet(&self.correspondent, fingerprint, cx.now);
        let verification = cx.account.verification(&self.correspondent, fingerprint);
        let (version, mode, ssid) = (channel.version(), channel.mode(), channel.ssid());
        out.event(Event::Secure { with, version, mode, fingerprint, verification, ssid });
        if version == Version::V2 {
            out.event(Event::OldVersion { with, version });
        }
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
