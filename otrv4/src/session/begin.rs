//! How our user begins a conversation: by a query, a bare Identity message, or an ensemble.
//! Spec: otrv4.md "User requests to start an OTR Conversation", "Starting a conversation interactively", "Sending a
//! Data Message to an offline participant". Used by applications through [`Session`].

use super::channel::Channel;
use super::output::{EndedBy, Event, Output, Outputs};
use super::start::{HANDSHAKE_TIMEOUT, OpenIdentity};
use super::{Context, MAX_INSTANCES, Session};
use crate::account::ContactKey;
use crate::dake::interactive::SentIdentity;
use crate::dake::offline;
use crate::prekey::{self, PrekeyEnsemble, VerifiedEnsemble};
use crate::wire::{InstanceTag, Tlv, query_message, tlv_type};
use crate::{Refused, Timestamp};

impl Session {
    /// Offers an encrypted conversation by a query message; with one running, refreshes its keys by a new handshake of its
    /// version. To move from version 3 to version 4, end it and start again. In the modes that know no query messages it begins with an Identity message.
    /// If the policy does not allow it, that is told as [`Event::NotDone`].
    pub fn start(&mut self, cx: &mut Context<'_>) -> Vec<Output> {
        self.in_time_or_told(cx, Self::begin)
    }

    /// Begins an encrypted conversation directly by an Identity message, for when it is certain that the other side
    /// speaks version 4.
    pub fn start_identity(&mut self, cx: &mut Context<'_>) -> Vec<Output> {
        self.in_time_or_told(cx, Self::begin_by_identity)
    }

    /// Begins encrypted conversations with somebody who is away: one with each client that an ensemble is there for.
    /// Invalid, expired and duplicate ensembles are dropped. otrv4.md "Receiving Prekey Ensembles". Where a key of the
    /// correspondent is verified, text goes to clients with another key only after [`Self::select`].
    pub fn start_offline(
        &mut self,
        cx: &mut Context<'_>,
        ensembles: Vec<PrekeyEnsemble>,
    ) -> Result<Vec<Output>, Refused> {
        self.in_time(cx, |session, cx, out| session.begin_offline(cx, ensembles, out))
    }

    fn begin_offline(
        &mut self,
        cx: &mut Context<'_>,
        ensembles: Vec<PrekeyEnsemble>,
        out: &mut Outputs,
    ) -> Result<(), Refused> {
        if !self.policy.allows_4() {
            return Err(Refused::Version);
        }
        if !self.policy.allows_offline() {
            return Err(Refused::OnlyInteractive);
        }
        let chosen = prekey::choose(ensembles, cx.now, self.allowed_versions(cx.account));
        let chosen = self.those_with_room(self.those_verified(cx, chosen)?)?;
        let (mut reached, mut tags, mut keys) = (false, Vec::new(), Vec::new());
        for ensemble in &chosen {
            let (tag, key) = (ensemble.message().owner(), ContactKey::V4(ensemble.profile().fingerprint()));
            let started = offline::start(self.us(cx.account), ensemble, cx.rng);
            let Ok((established, message)) = started else { continue };
            // Refused if it is our own key, or if a place was promised that nobody gives up.
            if self.admit(cx, tag, key, out).is_err() {
                continue;
            }
            self.leave(cx, tag, out);
            self.send_message(cx, Some(tag), &message, out);
            self.establish(cx, tag, Channel::v4(established, cx.now), out);
            reached = true;
            if self.may_turn_to(cx.account, key) {
                tags.push(tag);
                keys.push(key);
            }
        }
        if !reached {
            return Err(Refused::NoEnsemble);
        }
        self.turn_to(tags, keys);
        self.ended = false;
        self.send_queue(cx, out);
        Ok(())
    }

    pub(super) fn begin(&mut self, cx: &mut Context<'_>, out: &mut Outputs) -> Result<(), Refused> {
        if self.refreshes_v4() || !self.policy.knows_clear_text() {
            return self.begin_by_identity(cx, out);
        }
        self.check_start(cx, !self.allowed_versions(cx.account).is_empty())?;
        if let Some(version) = self.refreshes_old(cx.account) {
            self.send_commit(cx, version, out);
            return Ok(());
        }
        self.ask(cx.now, out);
        self.send_query(cx, out);
        Ok(())
    }

    fn begin_by_identity(&mut self, cx: &mut Context<'_>, out: &mut Outputs) -> Result<(), Refused> {
        self.check_start(cx, self.policy.allows_4())?;
        if !self.selected.iter().any(|tag| self.is_encrypted(*tag)) {
            self.ask(cx.now, out);
        }
        self.send_identity(cx, None, out);
        Ok(())
    }

    fn check_start(&self, cx: &Context<'_>, allowed: bool) -> Result<(), Refused> {
        match (allowed, self.may_show_our_key(cx.account)) {
            (false, _) => Err(Refused::Version),
            (true, false) => Err(Refused::NotVerified),
            (true, true) => Ok(()),
        }
    }

    pub(super) fn send_query(&mut self, cx: &Context<'_>, out: &mut Outputs) {
        self.offer(cx.now, out);
        out.send(query_message(self.allowed_versions(cx.account)));
    }

    /// An Identity message that comes soon answers us.
    pub(super) fn offer(&mut self, now: Timestamp, out: &mut Outputs) {
        self.offered_until = Some(now.plus(HANDSHAKE_TIMEOUT));
        out.save();
    }

    /// Our user wants a conversation with whoever answers: what is typed waits for it.
    pub(super) fn ask(&mut self, now: Timestamp, out: &mut Outputs) {
        self.asked_until = Some(now.plus(ANSWER_TIMEOUT));
        out.save();
    }

    /// Sends our Identity message; the one that is open again, if nobody has answered it.
    pub(super) fn send_identity(
        &mut self,
        cx: &mut Context<'_>,
        receiver: Option<InstanceTag>,
        out: &mut Outputs,
    ) {
        let again =
            |open: &OpenIdentity| open.receiver == receiver && open.is_unanswered() && !open.is_over(cx.now);
        let open = self.identity.take().filter(again).unwrap_or_else(|| {
            let sent = SentIdentity::new(self.us(cx.account), receiver, cx.rng);
            OpenIdentity::new(sent, receiver, cx.now)
        });
        out.save();
        self.send_message(cx, receiver, open.sent.message(), out);
        self.identity = Some(open);
    }

    /// Of the ensembles those whose keys the policy allows.
    fn those_verified(
        &self,
        cx: &Context<'_>,
        chosen: Vec<VerifiedEnsemble>,
    ) -> Result<Vec<VerifiedEnsemble>, Refused> {
        let some = !chosen.is_empty();
        let allowed = |ensemble: &VerifiedEnsemble| {
            self.may_talk_to(cx.account, ensemble.profile().fingerprint().into())
        };
        let verified: Vec<_> = chosen.into_iter().filter(allowed).collect();
        if some && verified.is_empty() { Err(Refused::NotVerified) } else { Ok(verified) }
    }

    /// Of the ensembles those for which there is a place and which have the key that we know; nothing changes.
    fn those_with_room(&self, chosen: Vec<VerifiedEnsemble>) -> Result<Vec<VerifiedEnsemble>, Refused> {
        if chosen.is_empty() {
            return Err(Refused::NoEnsemble);
        }
        let kept = self.instances.values().filter(|instance| !instance.is_evictable()).count();
        let mut free = MAX_INSTANCES.saturating_sub(kept);
        let fits = |ensemble: &VerifiedEnsemble| match self.instances.get(&ensemble.message().owner()) {
            Some(instance) if !instance.is_evictable() => {
                instance.key().is_none_or(|key| key == ensemble.profile().fingerprint().into())
            }
            _ => {
                let fits = free > 0;
                free = free.saturating_sub(1);
                fits
            }
        };
        let fitting: Vec<_> = chosen.into_iter().filter(fits).collect();
        if fitting.is_empty() { Err(Refused::TooManyInstances) } else { Ok(fitting) }
    }

    /// "Send a TLV type 1" before an offline conversation replaces a running one; what still comes in that one is
    /// read. spec-notes/SN-034
    fn leave(&mut self, cx: &mut Context<'_>, tag: InstanceTag, out: &mut Outputs) {
        self.interrupt_smp(cx, tag, out);
        let (until, padding) = (self.read_old_until(cx.now), self.policy.padding);
        if std::mem::take(&mut self.was_interactive) {
            out.event(Event::OfflineAfterInteractive { with: tag });
        }
        let Some(instance) = self.instances.get_mut(&tag) else { return };
        let Some(channel) = instance.stop(EndedBy::Us, until) else { return };
        let disconnected = Tlv { kind: tlv_type::DISCONNECTED, value: Vec::new() };
        let messages = channel.seal_revealing_opened(&[disconnected], cx.sealing(tag, padding));
        self.send_messages(cx, tag, &messages, out);
        self.reveal_owing(cx, tag, out);
        out.event(Event::Ended { with: tag, by: EndedBy::Us });
    }
}

/// Seconds in which a query may be answered before what waits for it is given back.
const ANSWER_TIMEOUT: i64 = 2 * 60;
