//! How our user begins a conversation: by a query, a bare Identity message, or an ensemble.
//! Spec: otrv4.md "User requests to start an OTR Conversation", "Starting a conversation interactively", "Sending a
//! Data Message to an offline participant". Used by applications through [`Session`].

use super::instance::Instance;
use super::output::{EndedBy, Event, Output, Outputs};
use super::start::OpenIdentity;
use super::{Context, MAX_INSTANCES, READ_OLD_FOR, Session};
use crate::dake::interactive::SentIdentity;
use crate::dake::offline;
use crate::prekey::{self, PrekeyEnsemble, VerifiedEnsemble};
use crate::wire::{InstanceTag, Padding, Tlv, query_message, tlv_type};
use crate::{Refused, Reject, Timestamp};

impl Session {
    /// Offers an encrypted conversation by a query message; with one running, refreshes its keys by a new handshake.
    pub fn start(&mut self, cx: &mut Context<'_>) -> Vec<Output> {
        if self.has_channel() || !self.policy.versions.contains(4) {
            return self.start_identity(cx);
        }
        let mut out = Outputs::default();
        self.ask(cx.now, &mut out);
        out.send(query_message(self.policy.versions));
        out.finish()
    }

    /// Begins an encrypted conversation directly by an Identity message, for when it is certain that the other side
    /// speaks version 4.
    pub fn start_identity(&mut self, cx: &mut Context<'_>) -> Vec<Output> {
        let mut out = Outputs::default();
        if self.policy.versions.contains(4) {
            if !self.has_channel() {
                self.ask(cx.now, &mut out);
            }
            self.send_identity(cx, None, &mut out);
        } else {
            out.reject(None, Reject::Version);
        }
        out.finish()
    }

    /// Begins encrypted conversations with somebody who is away: one with each client that an ensemble is there for.
    /// Invalid, expired and duplicate ensembles are dropped. otrv4.md "Receiving Prekey Ensembles".
    pub fn start_offline(
        &mut self,
        cx: &mut Context<'_>,
        ensembles: Vec<PrekeyEnsemble>,
    ) -> Result<Vec<Output>, Refused> {
        if !self.policy.versions.contains(4) {
            return Err(Refused::Version);
        }
        let chosen = self.those_with_room(prekey::choose(ensembles, cx.now, self.policy.versions))?;
        let mut out = Outputs::default();
        cx.account.renew(cx.rng, cx.now);
        let (mut reached, mut keys) = (Vec::new(), Vec::new());
        for ensemble in &chosen {
            let tag = ensemble.message().owner();
            // Refused if it is our own key, or if a place was promised that nobody gives up.
            let admitted = self.admit(tag, ensemble.profile().fingerprint());
            let started = admitted.and_then(|()| offline::start(self.us(cx.account), ensemble, cx.rng));
            let Ok((established, message)) = started else { continue };
            self.leave(cx, tag, &mut out);
            self.send_message(cx, Some(tag), &message, &mut out);
            self.establish(cx, tag, established, &mut out);
            reached.push(tag);
            keys.push(ensemble.profile().fingerprint());
        }
        if reached.is_empty() {
            return Err(Refused::NoEnsemble);
        }
        (self.selected, self.partners, self.ended) = (reached, keys, false);
        self.send_queue(cx, &mut out);
        Ok(out.finish())
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
        cx.account.renew(cx.rng, cx.now);
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

    /// Of the ensembles those for which there is a place and which have the key that we know; nothing changes.
    fn those_with_room(&self, chosen: Vec<VerifiedEnsemble>) -> Result<Vec<VerifiedEnsemble>, Refused> {
        if chosen.is_empty() {
            return Err(Refused::NoEnsemble);
        }
        let kept = self.instances.values().filter(|instance| !instance.is_evictable()).count();
        let mut free = MAX_INSTANCES.saturating_sub(kept);
        let fits = |ensemble: &VerifiedEnsemble| match self.instances.get(&ensemble.message().owner()) {
            Some(instance) if !instance.is_evictable() => {
                instance.key().is_none_or(|key| key == ensemble.profile().fingerprint())
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
        let until = cx.now.plus(READ_OLD_FOR);
        let stop = |instance: &mut Instance| {
            let disconnected = Tlv { kind: tlv_type::DISCONNECTED, value: Vec::new() };
            let channel = instance.stop(EndedBy::Us, until)?;
            Some(channel.seal_revealing_opened(
                (cx.account.tag(), tag),
                &[disconnected],
                Padding::Off,
                cx.now,
                cx.rng,
            ))
        };
        if let Some(message) = self.instances.get_mut(&tag).and_then(stop) {
            self.send_message(cx, Some(tag), &message, out);
            out.event(Event::Ended { with: tag, by: EndedBy::Us });
        }
    }
}

/// Seconds in which a query may be answered before what waits for it is given back.
const ANSWER_TIMEOUT: i64 = 2 * 60;
