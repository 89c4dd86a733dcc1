//! The handshake of versions 3 and 2: the table of authentication states.
//! Spec: OTRv3 "The protocol state machine", "State transitions"; how it lives beside version 4: spec-notes/SN-039.
//! Used by [`super::receive`].
//!
//! | message | needs | does |
//! |---|---|---|
//! | query, whitespace tag | the version offered and allowed, nothing newer possible | sends D-H Commit: AWAITING_DHKEY |
//! | D-H Commit | AWAITING_DHKEY, and ours has the higher hash | sends ours again |
//! | | AWAITING_REVEALSIG | sends the same D-H Key for the new Commit |
//! | | another state | sends a new D-H Key: AWAITING_REVEALSIG |
//! | D-H Key | AWAITING_DHKEY | sends Reveal Signature: AWAITING_SIG |
//! | | AWAITING_DHKEY, and another client has answered that Commit | sends a Commit to this one |
//! | | AWAITING_SIG, and it is the one that we have answered | sends the same Reveal Signature |
//! | | AWAITING_SIG, and a later Commit is open | sends Reveal Signature for that one |
//! | Reveal Signature | AWAITING_REVEALSIG | sends Signature; the channel is replaced |
//! | Signature | AWAITING_SIG | the channel is replaced |
//!
//! What fails a check changes nothing, and the handshake goes on with the honest message.

use rand_core::CryptoRng;

use super::channel::Channel;
use super::instance::Instance;
use super::output::Outputs;
use super::start::{HANDSHAKE_TIMEOUT, OTHER_CLIENTS};
use super::{Context, MAX_INSTANCES, Session};
use crate::account::{Account, ContactKey, KnownKey};
use crate::v3::ake::{Established, SentCommit, SentDhKey, SentRevealSignature};
use crate::v3::messages::{DhCommit, DhKey, RevealSignature, Signature};
use crate::wire::{Header, InstanceTag, Reader, Version, WireError, Writer};
use crate::{Reject, Timestamp};

/// The authstate with one client, where it is not AUTHSTATE_NONE.
#[derive(Debug)]
#[expect(clippy::enum_variant_names, reason = "the names of the text")]
pub(crate) enum Ake {
    /// AUTHSTATE_AWAITING_DHKEY, after a Commit to this client alone; [`OpenCommit`] is one that all may answer.
    AwaitingDhKey(Box<SentCommit>),
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
            Self::AwaitingDhKey(sent) => sent.save(w.byte(2)),
        }
    }

    pub(crate) fn load(r: &mut Reader<'_>) -> Result<Self, WireError> {
        match r.byte("authstate")? {
            0 => Ok(Self::AwaitingRevealSig(Box::new(SentDhKey::load(r)?))),
            1 => Ok(Self::AwaitingSig(Box::new(SentRevealSignature::load(r)?))),
            2 => Ok(Self::AwaitingDhKey(Box::new(SentCommit::load(r)?))),
            _ => Err(WireError::Illegal("authstate")),
        }
    }
}

/// Our D-H Commit message to whoever may answer it. The first answer takes its key; every other client that answers gets a
/// Commit of its own. With one key for several, the peer of one conversation could have messages of another sealed with
/// the same keys, and whoever is on the way the same conversation made twice: tags are not authenticated. spec-notes/SN-040
#[derive(Debug)]
pub(crate) struct OpenCommit {
    version: Version,
    /// None when it has been answered.
    sent: Option<SentCommit>,
    until: Timestamp,
    /// The clients that have answered; they are not forgotten as long as it is open, so that none answers twice.
    answered: Vec<InstanceTag>,
    /// A handshake that it began has completed.
    completed: bool,
}

impl OpenCommit {
    fn new(version: Version, ours: InstanceTag, now: Timestamp, rng: &mut dyn CryptoRng) -> Self {
        let sent = Some(SentCommit::new(version, ours, None, rng));
        Self { version, sent, until: now.plus(HANDSHAKE_TIMEOUT), answered: Vec::new(), completed: false }
    }

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

    /// Whether that client may answer it.
    fn check(&self, tag: InstanceTag, version: Version) -> Result<(), Reject> {
        match self.answered.len() {
            _ if self.version != version || self.answered.contains(&tag) => Err(Reject::Unexpected),
            ..MAX_INSTANCES => Ok(()),
            _ => Err(Reject::TooManyInstances),
        }
    }

    /// There is a conversation; others that are online answer within [`OTHER_CLIENTS`].
    fn complete(&mut self, now: Timestamp) {
        self.completed = true;
        self.until = self.until.min(now.plus(OTHER_CLIENTS));
    }

    pub(crate) fn save(&self, w: &mut Writer) {
        let Self { version, sent, until, answered, completed } = self;
        w.byte(version.number());
        w.option(sent.as_ref(), |w, sent| sent.save(w));
        until.save(w);
        w.list(answered, |w, tag| tag.write(w));
        w.byte((*completed).into());
    }

    pub(crate) fn load(r: &mut Reader<'_>) -> Result<Self, WireError> {
        Ok(Self {
            version: match r.byte("version")? {
                2 => Version::V2,
                3 => Version::V3,
                _ => return Err(WireError::Illegal("version")),
            },
            sent: r.option(SentCommit::load)?,
            until: Timestamp::load(r)?,
            answered: r.list(InstanceTag::load)?,
            completed: r.flag("completed")?,
        })
    }
}

impl Session {
    /// Sends our D-H Commit to whoever may answer it; the one that is open again, if nobody has.
    pub(super) fn send_commit(&mut self, cx: &mut Context<'_>, version: Version, out: &mut Outputs) {
        let again =
            |open: &OpenCommit| open.version == version && open.sent.is_some() && !open.is_over(cx.now);
        let open = self.commit.take().filter(again);
        let open = open.unwrap_or_else(|| OpenCommit::new(version, cx.account.tag(), cx.now, cx.rng));
        // AUTHSTATE_AWAITING_DHKEY with each client, whatever it was. But who has our Reveal Signature message may be
        // in the conversation by now, and writing: that one is completed until it is answered. spec-notes/SN-040
        self.instances.values_mut().for_each(Instance::forget_early_ake);
        out.save();
        if let Some(sent) = &open.sent {
            self.send_message(cx, None, sent.message(), out);
        }
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
        // Where a key of version 3 is verified, one of version 4 that is not may be anybody's.
        let verified_3 =
            known.iter().any(|it| matches!(it.key, ContactKey::V3(_)) && it.verification.is_verified());
        let counts = |it: &KnownKey| it.verification.is_verified() || !verified_3;
        let speaks_4 = known.iter().any(|it| matches!(it.key, ContactKey::V4(_)) && counts(it));
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
        let ours = match self.instances.get(&tag).and_then(Instance::ake) {
            Some(Ake::AwaitingDhKey(sent)) => Some((&**sent, Some(tag))),
            Some(Ake::AwaitingRevealSig(_)) => None,
            Some(Ake::AwaitingSig(_)) | None => {
                self.commit.as_ref().and_then(|open| open.sent.as_ref()).map(|sent| (sent, None))
            }
        };
        if let Some((sent, receiver)) = ours.filter(|(sent, _)| sent.version() == version)
            && sent.wins_over(&commit)?
        {
            let message = sent.message().to_vec();
            self.send_message(cx, receiver, &message, out);
            return Ok(());
        }
        self.make_room(cx, tag, out)?;
        out.save();
        let tags = (cx.account.tag(), tag);
        let (sent, until) = match self.instances.get_mut(&tag).and_then(Instance::take_ake) {
            // The time stays: nobody keeps us waiting by Commits alone.
            Some((Ake::AwaitingRevealSig(sent), until)) => (sent.with_commit(commit), until),
            _ => {
                let until = cx.now.plus(HANDSHAKE_TIMEOUT);
                (SentDhKey::new(version, tags, commit, cx.rng), until)
            }
        };
        self.send_message(cx, Some(tag), sent.message(), out);
        self.instances.entry(tag).or_default().set_ake(Ake::AwaitingRevealSig(Box::new(sent)), until);
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
        let (tag, tags) = (header.sender, (cx.account.tag(), header.sender));
        let dh_key = DhKey::read(r)?;
        let key = cx.account.v3_key().ok_or(Reject::Version)?;
        let later = self.commit.as_ref().is_some_and(|open| open.check(tag, header.version).is_ok());
        let next = match self.instances.get(&tag).and_then(Instance::ake) {
            Some(Ake::AwaitingSig(sent)) if sent.answers(&dh_key) && !later => {
                self.send_message(cx, Some(tag), sent.message(), out);
                return Ok(());
            }
            Some(Ake::AwaitingDhKey(sent)) => {
                Ake::AwaitingSig(Box::new(sent.receive(tags, key, &dh_key, cx.rng)?))
            }
            Some(Ake::AwaitingRevealSig(_)) => return Err(Reject::Unexpected),
            Some(Ake::AwaitingSig(_)) | None => {
                let open = self.commit.as_ref().ok_or(Reject::Unexpected)?;
                open.check(tag, header.version)?;
                match &open.sent {
                    Some(sent) => Ake::AwaitingSig(Box::new(sent.receive(tags, key, &dh_key, cx.rng)?)),
                    None => {
                        let sent = SentCommit::new(header.version, tags.0, Some(tag), cx.rng);
                        Ake::AwaitingDhKey(Box::new(sent))
                    }
                }
            }
        };
        self.make_room(cx, tag, out)?;
        if let Some(open) = self.commit.as_mut().filter(|open| open.check(tag, header.version).is_ok()) {
            open.answered.push(tag);
            open.sent = None;
        }
        out.save();
        let message = match &next {
            Ake::AwaitingDhKey(sent) => sent.message(),
            Ake::AwaitingRevealSig(sent) => sent.message(),
            Ake::AwaitingSig(sent) => sent.message(),
        };
        self.send_message(cx, Some(tag), message, out);
        let until = cx.now.plus(HANDSHAKE_TIMEOUT);
        self.instances.entry(tag).or_default().set_ake(next, until);
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
        self.admit(cx, tag, ContactKey::V3(established.fingerprint), out)?;
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
        self.admit(cx, tag, ContactKey::V3(established.fingerprint), out)?;
        if let Some(open) = self.commit.as_mut().filter(|open| open.answered.contains(&tag)) {
            open.complete(cx.now);
        }
        self.complete_ake(cx, tag, established, out);
        Ok(())
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
}
