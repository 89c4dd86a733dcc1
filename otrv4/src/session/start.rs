//! An Identity message of ours and the answers to it (state WAITING_AUTH_R).
//! Spec: otrv4.md "Starting a conversation interactively", "Receiving an Identity Message". Used by [`super::Session`].
//!
//! It names no receiver when the start was a query, so that every client of the correspondent may answer: the first
//! good answer of each starts a conversation with it.

use crate::dake::interactive::SentIdentity;
use crate::wire::{InstanceTag, Reader, Writer};
use crate::{Reject, Timestamp};

/// Our open Identity message.
#[derive(Debug)]
pub(crate) struct OpenIdentity {
    pub(crate) sent: SentIdentity,
    sent_at: Timestamp,
    until: Timestamp,
    /// Clients whose answer is not waited for any more.
    closed: Vec<InstanceTag>,
    /// Set when it crossed one of theirs and ours stays. spec-notes/SN-017
    resend_at: Option<Timestamp>,
}

impl OpenIdentity {
    pub(crate) fn new(sent: SentIdentity, now: Timestamp) -> Self {
        Self { sent, sent_at: now, until: now.plus(HANDSHAKE_TIMEOUT), closed: Vec::new(), resend_at: None }
    }

    /// Whether an Auth-R of that client would be taken.
    pub(crate) fn waits_for(&self, tag: InstanceTag) -> bool {
        !self.closed.contains(&tag)
    }

    /// Whether nobody has answered yet, so that the message may simply be sent again.
    pub(crate) fn is_unanswered(&self) -> bool {
        self.closed.is_empty()
    }

    /// Takes no answer from that client any more.
    pub(crate) fn close(&mut self, tag: InstanceTag) {
        if self.waits_for(tag) {
            self.closed.push(tag);
        }
    }

    /// A client has answered; others that are online do so within [`OTHER_CLIENTS`].
    pub(crate) fn answered(&mut self, tag: InstanceTag, now: Timestamp) {
        self.close(tag);
        self.resend_at = None;
        self.until = self.until.min(now.plus(OTHER_CLIENTS));
    }

    /// It crossed an Identity message of theirs and ours stays: it is sent again if no answer comes.
    pub(crate) fn resend_later(&mut self) {
        self.resend_at.get_or_insert(self.sent_at.plus(RESEND_AFTER));
    }

    /// Whether it is time to send it again.
    pub(crate) fn take_resend(&mut self, now: Timestamp) -> bool {
        let due = self.resend_at.is_some_and(|at| at <= now);
        if due {
            (self.sent_at, self.resend_at) = (now, None);
        }
        due
    }

    /// Whether nobody has answered in time, or everybody had the time to.
    pub(crate) fn is_over(&self, now: Timestamp) -> bool {
        self.until <= now
    }

    pub(crate) fn next_deadline(&self) -> Timestamp {
        self.resend_at.map_or(self.until, |at| at.min(self.until))
    }

    pub(crate) fn save(&self, w: &mut Writer) {
        let Self { sent, sent_at, until, closed, resend_at } = self;
        sent.save(w);
        sent_at.save(w);
        until.save(w);
        w.list(closed, |w, tag| tag.write(w));
        w.option(*resend_at, |w, at| at.save(w));
    }

    pub(crate) fn load(r: &mut Reader<'_>) -> Result<Self, Reject> {
        Ok(Self {
            sent: SentIdentity::load(r)?,
            sent_at: Timestamp::load(r)?,
            until: Timestamp::load(r)?,
            closed: r.list(InstanceTag::read)?,
            resend_at: r.option(Timestamp::load)?,
        })
    }
}

/// Seconds in which an unfinished handshake may complete: a person may have to come back to the keyboard, but the
/// secrets of a handshake should not lie around.
pub(crate) const HANDSHAKE_TIMEOUT: i64 = 10 * 60;

/// Seconds in which further clients of the correspondent may answer after the first one did: they got the same
/// message at the same time.
const OTHER_CLIENTS: i64 = 60;

/// Seconds after which an Identity message that crossed theirs is sent again.
const RESEND_AFTER: i64 = 10;
