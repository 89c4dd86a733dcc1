//! What time brings: handshakes that nobody answers, conversations and keys that expire, heartbeats, renewals.
//! Spec: otrv4.md "Session Expiration", "Deletion of Stored Message Keys", "Client Profile Expiration and Renewal". Used
//! by applications through [`Session::tick`], and before everything that they ask for.

use super::ake::OpenCommit;
use super::channel::Channel;
use super::instance::Expired;
use super::output::{EndedBy, Event, Output, Outputs, SmpEnd};
use super::resend::LastText;
use super::start::OpenIdentity;
use super::{Context, Session};
use crate::account::Account;
use crate::wire::{InstanceTag, Tlv, tlv_type};
use crate::{Refused, Reject, Timestamp};

impl Session {
    /// Does what is due: gives up handshakes, expires conversations and keys, sends heartbeats, renews profiles.
    /// [`Self::receive`] does it first, too.
    pub fn tick(&mut self, cx: &mut Context<'_>) -> Vec<Output> {
        let mut out = Outputs::default();
        self.catch_up(cx, &mut out);
        out.finish()
    }

    /// When [`Self::tick`] has something to do, for this session or its account.
    pub fn next_deadline(&self, account: &Account) -> Timestamp {
        let instances = self.instances.values().filter_map(|instance| instance.next_deadline(&self.policy));
        let identity = self.identity.as_ref().map(OpenIdentity::next_deadline);
        let (fragments, early) = (self.assembler.next_deadline(), self.early.next_deadline());
        let commit = self.commit.as_ref().map(OpenCommit::next_deadline);
        let last_text = self.last_text.as_ref().map(LastText::next_deadline);
        let others = [fragments, early, self.asked_until, self.offered_until, identity, commit, last_text];
        instances.chain(others.into_iter().flatten()).fold(account.next_deadline(), Timestamp::min)
    }

    /// Does what our user asks for, after what is due by now. Refused: nothing has happened, unless something was due;
    /// then it is told as an event.
    pub(super) fn in_time(
        &mut self,
        cx: &mut Context<'_>,
        act: impl FnOnce(&mut Self, &mut Context<'_>, &mut Outputs) -> Result<(), Refused>,
    ) -> Result<Vec<Output>, Refused> {
        let mut out = Outputs::default();
        self.catch_up(cx, &mut out);
        let was_due = !out.is_empty();
        match act(self, cx, &mut out) {
            Ok(()) => self.settle_queue(&mut out),
            Err(reason) if was_due => out.event(Event::NotDone { reason }),
            Err(reason) => return Err(reason),
        }
        Ok(out.finish())
    }

    /// The same where a refusal is no error but told.
    pub(super) fn in_time_or_told(
        &mut self,
        cx: &mut Context<'_>,
        act: impl FnOnce(&mut Self, &mut Context<'_>, &mut Outputs) -> Result<(), Refused>,
    ) -> Vec<Output> {
        let told = |reason| vec![Output::Event(Event::NotDone { reason })];
        self.in_time(cx, act).unwrap_or_else(told)
    }

    pub(super) fn catch_up(&mut self, cx: &mut Context<'_>, out: &mut Outputs) {
        if cx.account.renew(cx.rng, cx.now) {
            out.save();
            if cx.account.publication_due(cx.now) {
                out.event(Event::PublicationDue);
            }
        }
        self.assembler.expire(cx.now);
        for kept in self.early.expire(cx.now) {
            out.save();
            self.report_unreadable(&kept.message, kept.from, Reject::Unexpected, out);
        }
        self.expire_instances(cx, out);
        self.send_heartbeats(cx, out);
        self.expire_start(cx, out);
    }

    fn expire_instances(&mut self, cx: &mut Context<'_>, out: &mut Outputs) {
        let tags: Vec<InstanceTag> = self.instances.keys().copied().collect();
        for tag in tags {
            if let Some(instance) = self.instances.get_mut(&tag) {
                let expired = instance.expire(self.policy.expiry, cx.now);
                self.perform_expiry(cx, tag, expired, out);
            }
        }
        self.instances.retain(|_, instance| !instance.is_empty());
    }

    fn perform_expiry(
        &mut self,
        cx: &mut Context<'_>,
        tag: InstanceTag,
        expired: Expired,
        out: &mut Outputs,
    ) {
        let padding = self.policy.padding;
        if expired.changed {
            out.save();
        }
        if let Some(mut channel) = expired.session {
            out.save();
            self.tell_smp_end(cx, tag, channel.take_smp(), SmpEnd::Conversation, out);
            let disconnected = Tlv { kind: tlv_type::DISCONNECTED, value: Vec::new() };
            let messages = channel.seal_last(&[disconnected], cx.sealing(tag, padding));
            self.note_end();
            self.send_messages(cx, tag, &messages, out);
            self.reveal_owing(cx, tag, out);
            out.event(Event::Ended { with: tag, by: EndedBy::Expiry });
        }
        if let Some(channel) = expired.unrevealed.filter(|channel| channel.has_to_reveal()) {
            let messages = channel.seal_last(&[], cx.sealing(tag, padding));
            self.send_messages(cx, tag, &messages, out);
        }
    }

    pub(super) fn send_heartbeats(&mut self, cx: &mut Context<'_>, out: &mut Outputs) {
        let after = self.policy.heartbeat_after;
        let due = |channel: &Channel| channel.times().heartbeat_at(after).is_some_and(|at| at <= cx.now);
        let running = self.instances.iter().filter_map(|(tag, instance)| Some((*tag, instance.peek()?)));
        let due: Vec<InstanceTag> = running.filter(|(_, channel)| due(channel)).map(|(tag, _)| tag).collect();
        for tag in due {
            self.send_quiet(cx, tag, &[], out);
        }
    }

    fn expire_start(&mut self, cx: &mut Context<'_>, out: &mut Outputs) {
        if self.identity.as_ref().is_some_and(|open| open.is_over(cx.now)) {
            self.identity = None;
            out.save();
        }
        if self.commit.take_if(|open| open.is_over(cx.now)).is_some() {
            out.save();
        }
        if self.last_text.take_if(|last| last.is_over(cx.now)).is_some() {
            out.save();
        }
        if self.asked_until.is_some_and(|until| until <= cx.now) {
            self.asked_until = None;
            out.save();
        }
        if let Some(open) = &mut self.identity
            && open.take_resend(cx.now)
        {
            let (receiver, message) = (open.receiver, open.sent.message().to_vec());
            out.save();
            self.send_message(cx, receiver, &message, out);
        }
        if self.offered_until.is_some_and(|until| until <= cx.now) {
            self.offered_until = None;
            out.save();
        }
        self.settle_queue(out);
    }

    /// Gives back what waits for nothing any more.
    pub(super) fn settle_queue(&mut self, out: &mut Outputs) {
        if !self.queue.is_empty() && !self.is_starting() {
            out.save();
            self.give_queue_back(out);
        }
    }
}
