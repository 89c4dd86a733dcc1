//! An Identity message of ours and the answers to it (state WAITING_AUTH_R).
//! Spec: otrv4.md "Starting a conversation interactively", "Receiving an Identity Message". Used by [`super::Session`].
//!
//! It names no receiver when the start was a query, so that every client of the correspondent may answer: the first
//! good answer of each starts a conversation with it.

use super::MAX_INSTANCES;
use crate::dake::interactive::SentIdentity;
use crate::wire::{InstanceTag, Reader, Writer};
use crate::{Reject, Timestamp};

/// Our open Identity message.
#[derive(Debug)]
pub(crate) struct OpenIdentity {
    pub(crate) sent: SentIdentity,
    /// The client that it names, if it names one.
    pub(crate) receiver: Option<InstanceTag>,
    sent_at: Timestamp,
    until: Timestamp,
    /// Clients whose answer is not waited for, the oldest first.
    closed: Vec<(InstanceTag, Closed)>,
    /// Set when it crossed one of theirs. spec-notes/SN-017
    resend_at: Option<Timestamp>,
}

/// Why an answer is not waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Closed {
    /// There is a conversation.
    Completed,
    /// It crossed one of theirs that stays: until it turns out that theirs gets nowhere.
    Lost,
}

impl OpenIdentity {
    pub(crate) fn new(sent: SentIdentity, receiver: Option<InstanceTag>, now: Timestamp) -> Self {
        let until = now.plus(HANDSHAKE_TIMEOUT);
        Self { sent, receiver, sent_at: now, until, closed: Vec::new(), resend_at: None }
    }

    /// Whether an Auth-R of that client would be taken.
    pub(crate) fn waits_for(&self, tag: InstanceTag) -> bool {
        !self.closed.iter().any(|(closed, _)| *closed == tag)
    }

    /// Whether it has led to a conversation with that client.
    pub(crate) fn is_completed(&self, tag: InstanceTag) -> bool {
        self.closed.contains(&(tag, Closed::Completed))
    }

    /// Whether nobody has answered yet, so that the message may simply be sent again.
    pub(crate) fn is_unanswered(&self) -> bool {
        !self.closed.iter().any(|(_, why)| *why == Closed::Completed)
    }

    /// There is a conversation with that client; others that are online answer within [`OTHER_CLIENTS`].
    pub(crate) fn complete(&mut self, tag: InstanceTag, now: Timestamp) {
        self.close(tag, Closed::Completed);
        self.until = self.until.min(now.plus(OTHER_CLIENTS));
        if !self.closed.iter().any(|(_, why)| *why == Closed::Lost) {
            self.resend_at = None;
        }
    }

    /// It crossed an Identity message of theirs and ours stays: it is sent again if no answer comes.
    pub(crate) fn win(&mut self, tag: InstanceTag) {
        self.closed.retain(|closed| *closed != (tag, Closed::Lost));
        self.resend_at.get_or_insert(self.sent_at.plus(RESEND_AFTER));
    }

    /// It crossed an Identity message of theirs and theirs stays. Should that one be an old one that nobody waits for
    /// any more, ours is sent again.
    pub(crate) fn lose(&mut self, tag: InstanceTag, now: Timestamp) {
        self.close(tag, Closed::Lost);
        self.resend_at.get_or_insert(now.plus(RESEND_AFTER));
    }

    /// Whether it is time to send it again; then everybody who has no conversation with us may answer.
    pub(crate) fn take_resend(&mut self, now: Timestamp) -> bool {
        let due = self.resend_at.is_some_and(|at| at <= now);
        if due {
            (self.sent_at, self.resend_at) = (now, None);
            self.closed.retain(|(_, why)| *why == Closed::Completed);
        }
        due
    }

    fn close(&mut self, tag: InstanceTag, why: Closed) {
        self.closed.retain(|(closed, _)| *closed != tag);
        if self.closed.len() >= MAX_INSTANCES {
            self.closed.remove(0);
        }
        self.closed.push((tag, why));
    }

    /// Whether nobody has answered in time, or everybody had the time to.
    pub(crate) fn is_over(&self, now: Timestamp) -> bool {
        self.until <= now
    }

    pub(crate) fn next_deadline(&self) -> Timestamp {
        self.resend_at.map_or(self.until, |at| at.min(self.until))
    }

    pub(crate) fn save(&self, w: &mut Writer) {
        let Self { sent, receiver, sent_at, until, closed, resend_at } = self;
        sent.save(w);
        w.option(*receiver, |w, tag| tag.write(w));
        sent_at.save(w);
        until.save(w);
        w.list(closed, |w, (tag, why)| {
            tag.write(w);
            w.byte((*why == Closed::Lost).into());
        });
        w.option(*resend_at, |w, at| at.save(w));
    }

    pub(crate) fn load(r: &mut Reader<'_>) -> Result<Self, Reject> {
        Ok(Self {
            sent: SentIdentity::load(r)?,
            receiver: r.option(InstanceTag::read)?,
            sent_at: Timestamp::load(r)?,
            until: Timestamp::load(r)?,
            closed: r.list(|r| {
                let tag = InstanceTag::read(r)?;
                Ok::<_, Reject>((tag, if r.flag("lost")? { Closed::Lost } else { Closed::Completed }))
            })?,
            resend_at: r.option(Timestamp::load)?,
        })
    }
}

/// Seconds in which an unfinished handshake may complete: a person may have to come back to the keyboard, but the
/// secrets of a handshake should not lie around.
pub(crate) const HANDSHAKE_TIMEOUT: i64 = 10 * 60;

/// Seconds in which further clients of the correspondent may answer after the first one did: they got the same
/// message at the same time.
pub(crate) const OTHER_CLIENTS: i64 = 60;

/// Seconds after which an Identity message that crossed theirs is sent again.
const RESEND_AFTER: i64 = 10;
