//! The handshake of versions 3 and 2: the table of authentication states.
//! Spec: Protocol-v3 "The protocol state machine", "State transitions"; how it lives beside version 4: spec-notes/SN-039.
//! Used by [`super::receive`].
//!
//! | message | needs | does |
//! |---|---|---|
//! | query, whitespace tag | the version offered and allowed, nothing newer possible | sends D-H Commit: AWAITING_DHKEY |
//! | D-H Commit | AWAITING_DHKEY, and ours has the higher hash | sends ours again |
//! | | AWAITING_REVEALSIG | sends the same D-H Key for the new Commit |
//! | | another state | sends a new D-H Key: AWAITING_REVEALSIG |
//! | D-H Key | AWAITING_DHKEY | sends Reveal Signature: AWAITING_SIG |
//! | | AWAITING_SIG, and it is the one that we have answered | sends the same Reveal Signature |
//! | Reveal Signature | AWAITING_REVEALSIG | sends Signature; the channel is replaced |
//! | Signature | AWAITING_SIG | the channel is replaced |
//!
//! What fails a check changes nothing, and the handshake goes on with the honest message.

use super::channel::Channel;
use super::instance::Instance;
use super::output::Outputs;
use super::start::HANDSHAKE_TIMEOUT;
use super::{Context, MAX_INSTANCES, Session};
use crate::account::{Account, ContactKey};
use crate::v3::ake::{Established, SentCommit, SentDhKey, SentRevealSignature};
use crate::v3::messages::{DhCommit, DhKey, RevealSignature, Signature};
use crate::wire::{Header, InstanceTag, Reader, Version, WireError, Writer};
use crate::{Reject, Timestamp};

/// The authstate with one client, where it is not AUTHSTATE_NONE. AUTHSTATE_AWAITING_DHKEY is [`OpenCommit`], which all
/// clients of the correspondent may answer.
#[derive(Debug)]
pub(crate) enum Ake {
    /// AUTHSTATE_AWAITING_REVEALSIG
    AwaitingRevealSig(Box<SentDhKey>),
    /// AUTHSTATE_AWAITING_SIG
    AwaitingSig(Box<SentRevealSignature>),
}

impl Ake {
    pub(crate) fn save(&self, w: &mut Writer) {
        match self {
            Self::AwaitingRevealSig(sent) => sent.save(w.byte(0)),
            Self::AwaitingSig(sent) => sent.save(w.byte(1)),
        }
    }

    pub(crate) fn load(r: &mut Reader<'_>) -> Result<Self, WireError> {
        match r.byte("authstate")? {
            0 => Ok(Self::AwaitingRevealSig(Box::new(SentDhKey::load(r)?))),
            1 => Ok(Self::AwaitingSig(Box::new(SentRevealSignature::load(r)?))),
            _ => Err(WireError::Illegal("authstate")),
        }
    }
}

/// Our D-H Commit message, and the clients whose answer is not waited for (any more).
#[derive(Debug)]
pub(crate) struct OpenCommit {
    sent: SentCommit,
    until: Timestamp,
    closed: Vec<InstanceTag>,
    /// A handshake that it began has completed.
    completed: bool,
}

impl OpenCommit {
    /// Whether nobody has a conversation of it yet.
    pub(crate) fn is_unanswered(&self) -> bool {
        !self.completed
    }

    pub(crate) fn is_over(&self, now: Timestamp) -> bool {
        self.until <= now
    }

    pub(crate) const fn next_deadline(&self) -> Timestamp {
        self.until
    }

    fn waits_for(&self, tag: InstanceTag, version: Version) -> bool {
        self.sent.version() == version && !self.closed.contains(&tag)
    }

    fn close(&mut self, tag: InstanceTag) {
        self.closed.retain(|closed| *closed != tag);
        if self.closed.len() >= MAX_INSTANCES {
            self.closed.remove(0);
        }
        self.closed.push(tag);
    }

    pub(crate) fn save(&self, w: &mut Writer) {
        let Self { sent, until, closed, completed } = self;
        sent.save(w);
        until.save(w);
        w.list(closed, |w, tag| tag.write(w));
        w.byte((*completed).into());
    }

    pub(crate) fn load(r: &mut Reader<'_>) -> Result<Self, WireError> {
        Ok(Self {
            sent: SentCommit::load(r)?,
            until: Timestamp::load(r)?,
            closed: r.list(InstanceTag::load)?,
            completed: r.byte("completed")? != 0,
        })
    }
}

impl Session {
    /// Sends our D-H Commit to whoever may answer it; the one that is open again, if nobody has.
    pub(super) fn send_commit(&mut self, cx: &mut Context<'_>, version: Version, out: &mut Outputs) {
        let again = |open: &OpenCommit| {
            open.sent.version() == version && open.closed.is_empty() && !open.is_over(cx.now)
        };
        let open = self.commit.take().filter(again).unwrap_or_else(|| OpenCommit {
            sent: SentCommit::new(version, cx.account.tag(), None, cx.rng),
            until: cx.now.plus(HANDSHAKE_TIMEOUT),
            closed: Vec::new(),
            completed: false,
        });
        // AUTHSTATE_AWAITING_DHKEY with each client, whatever it was.
        self.instances.values_mut().for_each(Instance::forget_ake);
        out.save();
        self.send_message(cx, None, open.sent.message(), out);
        self.commit = Some(open);
    }

    /// A handshake message of version 3 or 2.
    pub(super) fn receive_ake(
        &mut self,
        cx: &mut Context<'_>,
        header: &Header,
        r: &mut Reader<'_>,
        out: &mut Outputs,
    ) -> Result<(), Reject> {
        use crate::wire::MessageType::{DhCommit, DhKey, RevealSignature, Signature};
        self.may_fall_back(cx.account, header.version, header.sender)?;
        match header.message_type {
            DhCommit => self.receive_commit(cx, header, r, out),
            DhKey => self.receive_dh_key(cx, header, r, out),
            RevealSignature => self.receive_reveal_signature(cx, header, r, out),
            Signature => self.receive_signature(cx, header, r, out),
            _ => Err(Reject::Unexpected),
        }
    }

    /// Whether an older version than 4 may be spoken with that client now: it is allowed and replaces nothing newer, and
    /// nobody who is known to speak version 4 is brought down to it unless the policy says so. spec-notes/SN-039
    pub(super) fn may_fall_back(
        &self,
        account: &Account,
        version: Version,
        tag: InstanceTag,
    ) -> Result<(), Reject> {
        if !self.allowed_versions(account).contains(version.number()) {
            return Err(Reject::Version);
        }
        let newer = |channel: &Channel| channel.version() > version;
        let replaces = self.instances.get(&tag).and_then(Instance::peek).is_some_and(newer);
        // Version 2 has no tags: it would replace any of them.
        let any = version == Version::V2 && self.instances.values().filter_map(Instance::peek).any(newer);
        let known = account.contact(&self.correspondent).map_or(&[][..], |contact| contact.keys());
        let speaks_4 = known.iter().any(|known| matches!(known.key, ContactKey::V4(_)));
        let falls_back = speaks_4 && self.policy.allows_4() && !self.policy.allow_fallback;
        if replaces || any || falls_back { Err(Reject::Downgrade) } else { Ok(()) }
    }

    /// "Receiving a D-H Commit Message".
    fn receive_commit(
        &mut self,
        cx: &mut Context<'_>,
        header: &Header,
        r: &mut Reader<'_>,
        out: &mut Outputs,
    ) -> Result<(), Reject> {
        let (tag, version) = (header.sender, header.version);
        let commit = DhCommit::read(r)?;
        if !self.may_start_with(tag) {
            return Err(Reject::Policy);
        }
        if !self.may_show_our_key(cx.account) {
            return Err(Reject::NotVerified);
        }
        self.make_room(tag)?;
        out.save();
        if let Some(open) = self.commit.as_mut().filter(|open| open.waits_for(tag, version)) {
            if open.sent.wins_over(&commit) {
                let message = open.sent.message().to_vec();
                self.send_message(cx, None, &message, out);
                return Ok(());
            }
            open.close(tag);
        }
        let tags = (cx.account.tag(), tag);
        let sent = match self.instances.get_mut(&tag).and_then(Instance::take_ake) {
            Some(Ake::AwaitingRevealSig(sent)) => sent.with_commit(commit),
            Some(Ake::AwaitingSig(_)) | None => SentDhKey::new(version, tags, commit, cx.rng),
        };
        self.send_message(cx, Some(tag), sent.message(), out);
        self.await_answer(cx, tag, Ake::AwaitingRevealSig(Box::new(sent)));
        Ok(())
    }

    /// "Receiving a D-H Key Message".
    fn receive_dh_key(
        &mut self,
        cx: &mut Context<'_>,
        header: &Header,
        r: &mut Reader<'_>,
        out: &mut Outputs,
    ) -> Result<(), Reject> {
        let tag = header.sender;
        let dh_key = DhKey::read(r)?;
        match self.instances.get(&tag).and_then(Instance::ake) {
            Some(Ake::AwaitingSig(sent)) if sent.answers(&dh_key) => {
                self.send_message(cx, Some(tag), sent.message(), out);
                return Ok(());
            }
            Some(_) => return Err(Reject::Unexpected),
            None => {}
        }
        let open = self.commit.as_ref().filter(|open| open.waits_for(tag, header.version));
        let open = open.ok_or(Reject::Unexpected)?;
        let key = cx.account.v3_key().ok_or(Reject::Version)?;
        let sent = open.sent.receive((cx.account.tag(), tag), key, &dh_key, cx.rng)?;
        self.make_room(tag)?;
        if let Some(open) = &mut self.commit {
            open.close(tag);
        }
        out.save();
        self.send_message(cx, Some(tag), sent.message(), out);
        self.await_answer(cx, tag, Ake::AwaitingSig(Box::new(sent)));
        Ok(())
    }

    /// "Receiving a Reveal Signature Message".
    fn receive_reveal_signature(
        &mut self,
        cx: &mut Context<'_>,
        header: &Header,
        r: &mut Reader<'_>,
        out: &mut Outputs,
    ) -> Result<(), Reject> {
        let tag = header.sender;
        let Some(Ake::AwaitingRevealSig(sent)) = self.instances.get(&tag).and_then(Instance::ake) else {
            return Err(Reject::Unexpected);
        };
        let key = cx.account.v3_key().ok_or(Reject::Version)?;
        let (established, signature) = sent.receive(key, &RevealSignature::read(r)?, cx.rng)?;
        self.admit(cx.account, tag, ContactKey::V3(established.fingerprint))?;
        self.check_is_new(&established)?;
        self.send_message(cx, Some(tag), &signature, out);
        self.complete_ake(cx, tag, established, out);
        Ok(())
    }

    /// "Receiving a Signature Message".
    fn receive_signature(
        &mut self,
        cx: &mut Context<'_>,
        header: &Header,
        r: &mut Reader<'_>,
        out: &mut Outputs,
    ) -> Result<(), Reject> {
        let tag = header.sender;
        let Some(Ake::AwaitingSig(sent)) = self.instances.get(&tag).and_then(Instance::ake) else {
            return Err(Reject::Unexpected);
        };
        let established = sent.receive(&Signature::read(r)?)?;
        self.admit(cx.account, tag, ContactKey::V3(established.fingerprint))?;
        self.check_is_new(&established)?;
        if let Some(open) = &mut self.commit {
            open.completed = true;
        }
        self.complete_ake(cx, tag, established, out);
        Ok(())
    }

    /// Tags are not authenticated: somebody on the way may have one client of theirs answer our Commit under two tags. Both
    /// conversations would have the same keys, and their messages the same counters. spec-notes/SN-040
    fn check_is_new(&self, established: &Established) -> Result<(), Reject> {
        match self.instances.values().any(|instance| instance.has(&established.ssid)) {
            true => Err(Reject::Replayed),
            false => Ok(()),
        }
    }

    /// AUTHSTATE_NONE and MSGSTATE_ENCRYPTED.
    fn complete_ake(
        &mut self,
        cx: &mut Context<'_>,
        tag: InstanceTag,
        established: Established,
        out: &mut Outputs,
    ) {
        if let Some(instance) = self.instances.get_mut(&tag) {
            instance.forget_ake();
        }
        let channel = Channel::v3(established, cx.now, cx.rng);
        self.establish(cx, tag, channel, out);
        self.resend(cx, tag, out);
        self.send_queue(cx, out);
    }

    fn await_answer(&mut self, cx: &Context<'_>, tag: InstanceTag, ake: Ake) {
        self.instances.entry(tag).or_default().set_ake(ake, cx.now.plus(HANDSHAKE_TIMEOUT));
    }
}
