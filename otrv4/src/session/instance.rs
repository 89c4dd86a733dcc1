//! The conversation with one client of the correspondent: who we are still authenticating, and what protects
//! messages now. Spec: otrv4.md "Protocol States". Used by [`super::Session`].
//!
//! A handshake that was started never costs a running channel: the channel is replaced when the handshake completes.

use rand_core::CryptoRng;

use super::ake::Ake;
use super::channel::{Channel, DataMessage};
use super::output::EndedBy;
use super::policy::{Expiry, Policy};
use crate::account::ContactKey;
use crate::channel::Content;
use crate::dake::Ssid;
use crate::dake::interactive::{AuthI, SentAuthR};
use crate::wire::{Reader, WireError, Writer};
use crate::{Reject, Timestamp};

/// One client of the correspondent.
#[derive(Debug, Default)]
pub(crate) struct Instance {
    /// Our Auth-R messages that wait for Auth-I, oldest first, until when (state WAITING_AUTH_I). More than one, so
    /// that an old Identity message, delivered late or again, does not cost us the one that is being answered.
    answers: Vec<(SentAuthR, Timestamp)>,
    /// The handshake of version 3 or 2, and until when it may go on.
    ake: Option<(Ake, Timestamp)>,
    pub(crate) state: State,
    /// The channel before, only to read what was on its way when it was replaced or ended. spec-notes/SN-034
    previous: Option<(Channel, Timestamp)>,
    /// Channels that are forgotten and have MAC keys that no other one can reveal: for [`Self::take_owing`], in the same step.
    owing: Vec<Channel>,
}

/// What protects messages now.
#[derive(Debug, Default)]
pub(crate) enum State {
    /// Nothing: START.
    #[default]
    Start,
    /// ENCRYPTED_MESSAGES
    Encrypted(Channel),
    /// FINISHED: the other side, who has this key, has ended it. An expired conversation belongs here, too.
    /// spec-notes/SN-021
    Finished(ContactKey),
}

/// Which channel a message was opened with.
pub(crate) enum OpenedBy {
    Current,
    Previous,
}

impl Instance {
    /// The channel, if there is one.
    pub(crate) fn channel(&mut self) -> Option<&mut Channel> {
        match &mut self.state {
            State::Encrypted(channel) => Some(channel),
            State::Start | State::Finished(_) => None,
        }
    }

    /// The channel, to be looked at.
    pub(crate) fn peek(&self) -> Option<&Channel> {
        match &self.state {
            State::Encrypted(channel) => Some(channel),
            State::Start | State::Finished(_) => None,
        }
    }

    /// Whether a handshake is under way.
    pub(crate) fn is_answering(&self) -> bool {
        !self.answers.is_empty() || self.ake.is_some()
    }

    /// Whether an Auth-I is expected.
    pub(crate) fn awaits_auth_i(&self) -> bool {
        !self.answers.is_empty()
    }

    /// The authstate, if it is not AUTHSTATE_NONE.
    pub(crate) fn ake(&self) -> Option<&Ake> {
        self.ake.as_ref().map(|(ake, _)| ake)
    }

    pub(crate) fn set_ake(&mut self, ake: Ake, until: Timestamp) {
        self.ake = Some((ake, until));
    }

    /// AUTHSTATE_NONE
    pub(crate) fn forget_ake(&mut self) {
        self.ake = None;
    }

    /// The same; gives what it was, and until when it could go on.
    pub(crate) fn take_ake(&mut self) -> Option<(Ake, Timestamp)> {
        self.ake.take()
    }

    /// Whether there is nothing to remember.
    pub(crate) fn is_empty(&self) -> bool {
        matches!(self.state, State::Start) && self.previous.is_none() && !self.is_answering()
    }

    /// Whether another client may have this one's place: at most a handshake would be lost.
    pub(crate) fn is_evictable(&self) -> bool {
        !matches!(self.state, State::Encrypted(_)) && self.previous.is_none()
    }

    /// Whose key the conversation with this client has, or had.
    pub(crate) fn key(&self) -> Option<ContactKey> {
        match &self.state {
            State::Start => None,
            State::Encrypted(channel) => Some(channel.key()),
            State::Finished(key) => Some(*key),
        }
    }

    /// Whether a channel with that session id is here already.
    pub(crate) fn has(&self, ssid: &Ssid) -> bool {
        let current = match &self.state {
            State::Encrypted(channel) => channel.ssid().bytes() == ssid.bytes(),
            State::Start | State::Finished(_) => false,
        };
        current || self.previous.as_ref().is_some_and(|(channel, _)| channel.ssid().bytes() == ssid.bytes())
    }

    /// Until when the newest handshake is waited for.
    pub(crate) fn newest_answer(&self) -> Option<Timestamp> {
        let ake = self.ake.as_ref().map(|(_, until)| *until);
        self.answers.last().map(|(_, until)| *until).max(ake)
    }

    /// The Auth-R that we sent in answer to exactly this Identity message. spec-notes/SN-017
    pub(crate) fn answer_to(&self, hash: &[u8; 32]) -> Option<&SentAuthR> {
        self.answers.iter().map(|(answer, _)| answer).find(|answer| answer.answers(hash))
    }

    /// Waits for the Auth-I to an Auth-R.
    pub(crate) fn answer(&mut self, answer: SentAuthR, until: Timestamp) {
        if self.answers.len() >= MAX_ANSWERS {
            self.answers.remove(0);
        }
        self.answers.push((answer, until));
    }

    /// Which handshake an Auth-I completes, and with whose key.
    pub(crate) fn completed_by(&self, auth_i: &AuthI) -> Result<(usize, ContactKey), Reject> {
        let mut reason = Reject::Unexpected;
        for (at, (answer, _)) in self.answers.iter().enumerate().rev() {
            match answer.verify(auth_i) {
                Ok(()) => return Ok((at, ContactKey::V4(answer.their_fingerprint()))),
                Err(refused) => reason = refused,
            }
        }
        Err(reason)
    }

    /// That handshake, taken out with those that were begun before it: the other side has made later ones after it.
    pub(crate) fn take_answer(&mut self, at: usize) -> Option<SentAuthR> {
        let until = self.answers.len().min(at.saturating_add(1));
        self.answers.drain(..until).next_back().map(|(answer, _)| answer)
    }

    /// Waits for no Auth-I any more: a handshake that was begun later has completed.
    pub(crate) fn forget_answers(&mut self) {
        self.answers.clear();
    }

    /// Puts a completed handshake's channel to use; what was on its way in the old channel can be read until then.
    pub(crate) fn establish(&mut self, mut channel: Channel, read_old_until: Timestamp) {
        if let State::Encrypted(old) = std::mem::take(&mut self.state) {
            channel.reveal_opened_of(self.keep_to_read(old, read_old_until));
        }
        self.state = State::Encrypted(channel);
    }

    /// Channels whose MAC keys have to go out in a last message of their own.
    pub(crate) fn take_owing(&mut self) -> Vec<Channel> {
        std::mem::take(&mut self.owing)
    }

    /// Opens a data message with the channel, or with the one before. Refused: nothing has changed.
    pub(crate) fn open(
        &mut self,
        message: &DataMessage<'_>,
        now: Timestamp,
        rng: &mut dyn CryptoRng,
    ) -> Result<(Content, OpenedBy), Reject> {
        let mut reason = Reject::Unexpected;
        if let State::Encrypted(channel) = &mut self.state {
            match channel.open(message, now, rng) {
                Ok(content) => return Ok((content, OpenedBy::Current)),
                Err(refused) => reason = refused,
            }
        }
        if let Some((previous, _)) = &mut self.previous
            && let Ok(content) = previous.open(message, now, rng)
        {
            if let State::Encrypted(channel) = &mut self.state {
                channel.reveal_opened_of(previous);
            }
            return Ok((content, OpenedBy::Previous));
        }
        Err(reason)
    }

    /// Whether a message comes from a ratchet that we have seen.
    pub(crate) fn knows(&self, message: &DataMessage<'_>) -> bool {
        let current = match &self.state {
            State::Encrypted(channel) => channel.knows(message),
            State::Start | State::Finished(_) => false,
        };
        current || self.previous.as_ref().is_some_and(|(channel, _)| channel.knows(message))
    }

    /// Ends the channel: FINISHED when the other side has ended it, else START. Gives it for a last message; what
    /// still comes in it can be read until then. spec-notes/SN-014, spec-notes/SN-034
    pub(crate) fn stop(&mut self, by: EndedBy, read_old_until: Timestamp) -> Option<&mut Channel> {
        let State::Encrypted(channel) = std::mem::take(&mut self.state) else { return None };
        if by == EndedBy::Them {
            self.state = State::Finished(channel.key());
        }
        Some(self.keep_to_read(channel, read_old_until))
    }

    /// Forgets the channel of a conversation that has ended, once nothing can arrive for it and nothing is owed.
    pub(crate) fn forget_if_complete(&mut self) {
        let over = !matches!(self.state, State::Encrypted(_));
        if over && self.previous.as_ref().is_some_and(|(channel, _)| !channel.has_to_reveal()) {
            self.previous = None;
        }
    }

    /// Our user ends it: START, and nothing is kept. Gives the running channel for the last message, and an old one that has
    /// MAC keys to reveal which it cannot.
    pub(crate) fn end(&mut self) -> (Option<Channel>, Option<Channel>) {
        self.answers.clear();
        self.ake = None;
        let old = self.previous.take().map(|(channel, _)| channel);
        match std::mem::take(&mut self.state) {
            State::Encrypted(mut channel) => {
                let owing = old.and_then(|old| channel.reveal_all_of(old));
                (Some(channel), owing)
            }
            State::Start | State::Finished(_) => (None, old.filter(|old| old.has_to_reveal())),
        }
    }

    /// Keeps a channel only to read with. MAC keys of the one that it displaces go out with it.
    fn keep_to_read(&mut self, mut channel: Channel, until: Timestamp) -> &mut Channel {
        if let Some((older, _)) = self.previous.take() {
            self.owing.extend(channel.reveal_all_of(older));
        }
        &mut self.previous.insert((channel, until)).0
    }

    /// Forgets what is past its time. MAC keys of a forgotten channel go out with the running one, or come back.
    pub(crate) fn expire(&mut self, expiry: Expiry, now: Timestamp) -> Expired {
        let before = self.answers.len();
        self.answers.retain(|(_, until)| *until > now);
        let ake_over = self.ake.take_if(|(_, until)| *until <= now).is_some();
        let mut changed = ake_over || before != self.answers.len();
        for channel in self.channels() {
            changed |= channel.clamp_times(now);
        }
        let session = self.expire_session(expiry, now);
        for channel in self.channels() {
            changed |= channel.expire_stored(expiry, now);
        }
        let mut expired = Expired { changed, session, unrevealed: None };
        if self.previous.as_ref().is_some_and(|(_, until)| *until <= now) {
            expired.changed = true;
            if let Some((old, _)) = self.previous.take() {
                match &mut self.state {
                    State::Encrypted(channel) => expired.unrevealed = channel.reveal_all_of(old),
                    State::Start | State::Finished(_) => expired.unrevealed = Some(old),
                }
            }
        }
        expired
    }

    /// The channel that runs and the one before.
    fn channels(&mut self) -> impl Iterator<Item = &mut Channel> {
        let current = match &mut self.state {
            State::Encrypted(channel) => Some(channel),
            State::Start | State::Finished(_) => None,
        };
        current.into_iter().chain(self.previous.as_mut().map(|(channel, _)| channel))
    }

    /// "To expire a session": FINISHED, and nothing is kept, not even to read what is on its way. Gives the channel for
    /// the last message, which reveals what is left. spec-notes/SN-021
    fn expire_session(&mut self, expiry: Expiry, now: Timestamp) -> Option<Channel> {
        let State::Encrypted(channel) = &self.state else { return None };
        if channel.expires_at(expiry).is_none_or(|at| at > now) {
            return None;
        }
        let finished = State::Finished(channel.key());
        let State::Encrypted(mut channel) = std::mem::replace(&mut self.state, finished) else { return None };
        if let Some((old, _)) = self.previous.take() {
            self.owing.extend(channel.reveal_all_of(old));
        }
        Some(channel)
    }

    /// When [`Self::expire`] or a heartbeat has something to do.
    pub(crate) fn next_deadline(&self, policy: &Policy) -> Option<Timestamp> {
        let answers = self.answers.iter().map(|(_, until)| *until);
        let answers = answers.chain(self.ake.as_ref().map(|(_, until)| *until));
        let stored = |channel: &Channel| channel.stored_until(policy.expiry);
        let previous = self
            .previous
            .as_ref()
            .map(|(channel, until)| stored(channel).map_or(*until, |at| at.min(*until)));
        let channel = self.peek().and_then(|channel| {
            let heartbeat = channel.times().heartbeat_at(policy.heartbeat_after);
            [channel.expires_at(policy.expiry), stored(channel), heartbeat].into_iter().flatten().min()
        });
        answers.chain(previous).chain(channel).min()
    }

    pub(crate) fn save(&self, w: &mut Writer) {
        let Self { answers, ake, state, previous, owing: _ } = self;
        w.list(answers, |w, (answer, until)| {
            answer.save(w);
            until.save(w);
        });
        w.option(ake.as_ref(), |w, (ake, until)| {
            ake.save(w);
            until.save(w);
        });
        match state {
            State::Start => _ = w.byte(0),
            State::Encrypted(channel) => channel.save(w.byte(1)),
            State::Finished(key) => key.save(w.byte(2)),
        }
        w.option(previous.as_ref(), |w, (channel, until)| {
            channel.save(w);
            until.save(w);
        });
    }

    pub(crate) fn load(r: &mut Reader<'_>) -> Result<Self, Reject> {
        let mut answers = Vec::new();
        for _ in 0..r.int("handshakes")? {
            answers.push((SentAuthR::load(r)?, Timestamp::load(r)?));
        }
        let ake = r.option(|r| Ok::<_, WireError>((Ake::load(r)?, Timestamp::load(r)?)))?;
        let state = match r.byte("state")? {
            0 => State::Start,
            1 => State::Encrypted(Channel::load(r)?),
            2 => State::Finished(ContactKey::load(r)?),
            _ => return Err(WireError::Illegal("state").into()),
        };
        let previous = r.option(|r| Ok::<_, WireError>((Channel::load(r)?, Timestamp::load(r)?)))?;
        Ok(Self { answers, ake, state, previous, owing: Vec::new() })
    }
}

/// What [`Instance::expire`] did.
pub(crate) struct Expired {
    pub(crate) changed: bool,
    /// The channel of a conversation that has expired.
    pub(crate) session: Option<Channel>,
    /// A channel whose MAC keys have nobody to go out with.
    pub(crate) unrevealed: Option<Channel>,
}

/// Handshakes with one client that may complete: the honest one, and room for two that somebody replays.
const MAX_ANSWERS: usize = 3;
