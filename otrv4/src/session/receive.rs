//! What comes from the network: the table of states and messages.
//! Spec: otrv4.md "Protocol Events". Used by [`super::Session::receive`].
//!
//! | message | needs | does |
//! |---|---|---|
//! | query, whitespace tag | version 4 offered and allowed | sends Identity |
//! | | an older one offered and allowed | see [`super::ake`], as for its handshake messages |
//! | Identity | a valid profile | sends Auth-R; the channel goes on |
//! | Auth-R | our open Identity | sends Auth-I; the channel is replaced |
//! | Auth-I | our Auth-R | the channel is replaced |
//! | Non-Interactive-Auth | an unused prekey of ours | the prekey is forgotten, the channel replaced |
//! | data | a channel | shown; or kept, if its handshake may still come |

use super::channel::Channel;
use super::instance::Instance;
use super::output::{Event, Output, Outputs};
use super::{Context, Session, SmpProgress, start};
use crate::account::{Account, ContactKey};
use crate::dake::interactive::{AuthI, AuthR, Identity, SentAuthR};
use crate::dake::offline::NonInteractiveAuth;
use crate::wire::{
    ErrorCode, Fragment, Header, InstanceTag, Line, MessageType, Reader, Version, Versions, WireError,
    classify,
};
use crate::{Reject, Timestamp};

impl Session {
    /// Takes a line from the network. It cannot fail: what is refused is an event, and has changed nothing.
    pub fn receive(&mut self, cx: &mut Context<'_>, line: &str) -> Vec<Output> {
        let mut out = Outputs::default();
        self.catch_up(cx, &mut out);
        self.receive_line(cx, classify(line), line, &mut out);
        // "If you have not sent a message to this correspondent in some (configurable) time, send a heartbeat".
        self.send_heartbeats(cx, &mut out);
        self.settle_queue(&mut out);
        out.finish()
    }

    /// The line, and what was read of it.
    fn receive_line(&mut self, cx: &mut Context<'_>, read: Line<'_>, line: &str, out: &mut Outputs) {
        match read {
            Line::Plain(text) => self.receive_plain(text.into(), out),
            // Without clear text there are no tags and queries: "such messages should be handled by the application".
            Line::Tagged { text, .. } if !self.policy.knows_clear_text() => self.receive_plain(text, out),
            Line::Query(_) if !self.policy.knows_clear_text() => self.receive_plain(line.into(), out),
            Line::Tagged { text, versions } => self.receive_tagged(cx, text, versions, out),
            Line::Query(versions) => self.receive_query(cx, versions, out),
            Line::Error { code, text } => self.receive_error(cx, code, text, out),
            Line::Fragment(Ok(fragment)) => self.receive_fragment(cx, &fragment, out),
            Line::Encoded(Ok(message)) => self.receive_encoded(cx, &message, out),
            Line::Fragment(Err(reason)) | Line::Encoded(Err(reason)) => out.reject(None, reason.into()),
        }
    }

    /// "Receiving plaintext without the whitespace tag": shown, with a warning where it is not expected; it ends and
    /// changes nothing. spec-notes/SN-019
    fn receive_plain(&mut self, text: String, out: &mut Outputs) {
        if !std::mem::replace(&mut self.tag_refused, true) {
            out.save();
        }
        let warn = self.expects_no_clear_text();
        out.event(Event::Plaintext { text, warn });
    }

    /// "Receiving plaintext with the whitespace tag".
    fn receive_tagged(&mut self, cx: &mut Context<'_>, text: String, versions: Versions, out: &mut Outputs) {
        let warn = self.expects_no_clear_text();
        out.event(Event::Plaintext { text, warn });
        if self.policy.start_on_whitespace_tag
            && !self.has_channel()
            && !self.is_ended()
            && self.may_show_our_key(cx.account)
        {
            // A tag says that they could, not that they want to: one that we cannot take is no news.
            if let Ok(version) = self.best_version(cx.account, versions) {
                self.answer_offer(cx, version, out);
            }
        }
    }

    /// "Receiving a Query Message". One without a version that we speak gets no answer.
    fn receive_query(&mut self, cx: &mut Context<'_>, versions: Versions, out: &mut Outputs) {
        match (self.best_version(cx.account, versions), self.may_show_our_key(cx.account)) {
            (Ok(version), true) => self.answer_offer(cx, version, out),
            (Ok(_), false) => out.reject(None, Reject::NotVerified),
            (Err(reason), _) => out.reject(None, reason),
        }
    }

    fn answer_offer(&mut self, cx: &mut Context<'_>, version: Version, out: &mut Outputs) {
        match version {
            Version::V4 => self.send_identity(cx, None, out),
            Version::V3 | Version::V2 => self.send_commit(cx, version, out),
        }
    }

    /// The newest version that is offered and that we may speak.
    fn best_version(&self, account: &Account, offered: Versions) -> Result<Version, Reject> {
        let allowed = self.allowed_versions(account);
        let both =
            |version: &Version| offered.contains(version.number()) && allowed.contains(version.number());
        match [Version::V4, Version::V3, Version::V2].into_iter().find(both) {
            Some(Version::V4) => Ok(Version::V4),
            Some(version) => self.may_fall_back(account, version, InstanceTag::V2).map(|()| version),
            None if offered == Versions::EMPTY.with(1) => Err(Reject::Version1),
            None => Err(Reject::Version),
        }
    }

    /// "Receiving an Error Message": shown. If the policy says so, a conversation is begun, or the keys of the one that
    /// runs are renewed: it goes on until the new handshake completes. spec-notes/SN-019
    fn receive_error(
        &mut self,
        cx: &mut Context<'_>,
        code: Option<ErrorCode>,
        text: &str,
        out: &mut Outputs,
    ) {
        out.event(Event::TheirError { code, text: text.into() });
        self.note_unreadable(cx.now, out);
        let recently = self.error_at.is_some_and(|at| at.plus(ERROR_START_PAUSE) > cx.now && at <= cx.now);
        let allowed = !self.allowed_versions(cx.account).is_empty() && self.may_show_our_key(cx.account);
        // A new handshake would end a verification, for which people need longer than a minute.
        let verifying = self
            .instances
            .values()
            .filter_map(Instance::peek)
            .any(|channel| channel.smp_progress() != SmpProgress::None);
        if !self.policy.start_on_error || !allowed || recently || self.is_ended() || verifying {
            return;
        }
        self.error_at = Some(cx.now);
        match (self.refreshes_v4() || !self.policy.knows_clear_text(), self.refreshes_old(cx.account)) {
            (true, _) => self.send_identity(cx, None, out),
            (false, Some(version)) => self.send_commit(cx, version, out),
            (false, None) => self.send_query(cx, out),
        }
    }

    fn expects_no_clear_text(&self) -> bool {
        self.has_channel() || self.is_ended() || !self.policy.may_send_clear_text()
    }

    /// Whether an Identity or D-H Commit message of that client answers something of ours, or the policy takes any.
    pub(super) fn may_start_with(&self, tag: InstanceTag) -> bool {
        let open = self.identity.as_ref().is_some_and(|open| open.receiver.is_none_or(|to| to == tag))
            || self.commit.is_some();
        self.policy.start_on_identity || self.offered_until.is_some() || open || self.is_encrypted(tag)
    }

    /// "Receiving Fragments". A whole message of ours comes out once.
    fn receive_fragment(&mut self, cx: &mut Context<'_>, fragment: &Fragment<'_>, out: &mut Outputs) {
        let from = Some(fragment.sender);
        if fragment.receiver.is_some_and(|tag| tag != cx.account.tag()) {
            return out.reject(from, Reject::NotForUs);
        }
        let added = self.assembler.add(fragment, cx.now);
        // Also when it was refused: the pieces before it may have been forgotten.
        out.save();
        match added {
            Ok(None) => {}
            Ok(Some(whole)) => match classify(&whole) {
                read @ (Line::Encoded(Ok(_)) | Line::Query(_) | Line::Tagged { .. }) => {
                    self.receive_line(cx, read, &whole, out);
                }
                _ => out.reject(from, WireError::Illegal("content of fragments").into()),
            },
            Err(reason) => out.reject(from, reason.into()),
        }
    }

    fn receive_encoded(&mut self, cx: &mut Context<'_>, message: &[u8], out: &mut Outputs) {
        let mut r = Reader::new(message);
        let header = match Header::read(&mut r) {
            Ok(header) => header,
            Err(reason) => return out.reject(None, reason.into()),
        };
        if let Err(reason) = self.dispatch(cx, &header, &mut r, out) {
            out.reject(Some(header.sender), reason);
        }
    }

    fn dispatch(
        &mut self,
        cx: &mut Context<'_>,
        header: &Header,
        r: &mut Reader<'_>,
        out: &mut Outputs,
    ) -> Result<(), Reject> {
        // What the policy takes away stops handshakes; a conversation that runs goes on until it is ended.
        let allowed = self.allowed_versions(cx.account).contains(header.version.number());
        if !allowed && header.message_type != MessageType::Data {
            return Err(Reject::Version);
        }
        if header.sender == cx.account.tag() {
            return Err(Reject::OwnMessage);
        }
        match header.receiver {
            Some(tag) if tag == cx.account.tag() => {}
            // "The exception here is the Identity Message where the receiver's instance tag may be 0", "the D-H Commit
            // Message"; version 2 has no tags.
            None if matches!(header.message_type, MessageType::Identity | MessageType::DhCommit) => {}
            None if header.version == Version::V2 => {}
            _ => return Err(Reject::NotForUs),
        }
        match header.message_type {
            MessageType::Identity => self.receive_identity(cx, header, r, out),
            MessageType::AuthR => self.receive_auth_r(cx, header, r, out),
            MessageType::AuthI => self.receive_auth_i(cx, header, r, out),
            MessageType::NonInteractiveAuth => self.receive_non_interactive_auth(cx, header, r, out),
            MessageType::Data => {
                self.receive_data(cx, header, r, out);
                Ok(())
            }
            MessageType::DhCommit
            | MessageType::DhKey
            | MessageType::RevealSignature
            | MessageType::Signature => self.receive_ake(cx, header, r, out),
        }
    }

    /// "Receiving an Identity Message", in every state: it never changes a running channel. spec-notes/SN-016
    fn receive_identity(
        &mut self,
        cx: &mut Context<'_>,
        header: &Header,
        r: &mut Reader<'_>,
        out: &mut Outputs,
    ) -> Result<(), Reject> {
        let tag = header.sender;
        let identity = Identity::read(header, r)?;
        let ours_stays = self.identity.as_ref().is_some_and(|open| open.sent.wins_over(&identity));
        // The same one again gets the same answer, unless ours is waiting and stays: then they answer that, and if both
        // did, both would believe in another conversation. spec-notes/SN-017
        if let Some(answer) =
            self.instances.get(&tag).and_then(|instance| instance.answer_to(identity.hash()))
        {
            match self.identity.as_mut().filter(|open| ours_stays && open.waits_for(tag)) {
                Some(open) => {
                    open.win(tag);
                    out.save();
                }
                None => self.send_message(cx, Some(tag), answer.message(), out),
            }
            return Ok(());
        }
        if !self.may_start_with(tag) {
            return Err(Reject::Policy);
        }
        let identity = identity.verify(self.us(cx.account), cx.now)?;
        self.admit(cx, tag, ContactKey::V4(identity.fingerprint()), out)?;
        // Also one that has lost against another of theirs, which may be old: each of theirs is compared with ours.
        let crossing = self.identity.as_mut().filter(|open| !open.is_completed(tag));
        if let Some(open) = crossing {
            out.save();
            if ours_stays {
                open.win(tag);
                return Ok(());
            }
            open.lose(tag, cx.now);
        }
        let answer = SentAuthR::new(self.us(cx.account), identity, cx.rng)?;
        out.save();
        self.send_message(cx, Some(tag), answer.message(), out);
        let until = cx.now.plus(start::HANDSHAKE_TIMEOUT);
        self.instances.entry(tag).or_default().answer(answer, until);
        Ok(())
    }

    /// "Receiving an Auth-R Message": WAITING_AUTH_R is our open Identity, which each client may answer once.
    fn receive_auth_r(
        &mut self,
        cx: &mut Context<'_>,
        header: &Header,
        r: &mut Reader<'_>,
        out: &mut Outputs,
    ) -> Result<(), Reject> {
        let tag = header.sender;
        let open = self.identity.as_ref().filter(|open| open.waits_for(tag)).ok_or(Reject::Unexpected)?;
        let auth_r = AuthR::read(header, r)?;
        let (established, auth_i) = open.sent.receive(self.us(cx.account), auth_r, cx.now, cx.rng)?;
        self.admit(cx, tag, ContactKey::V4(established.their_profile.fingerprint()), out)?;
        self.complete_start(tag, cx.now);
        self.send_message(cx, Some(tag), &auth_i, out);
        // What we answered before is older than this: whoever completes it has made the one that counts since.
        self.instances.entry(tag).or_default().forget_answers();
        self.establish(cx, tag, Channel::v4(established, cx.now), out);
        self.send_queue(cx, out);
        Ok(())
    }

    /// "Receiving an Auth-I Message": WAITING_AUTH_I is an Auth-R of ours.
    fn receive_auth_i(
        &mut self,
        cx: &mut Context<'_>,
        header: &Header,
        r: &mut Reader<'_>,
        out: &mut Outputs,
    ) -> Result<(), Reject> {
        let tag = header.sender;
        let instance = self.instances.get(&tag).filter(|instance| instance.awaits_auth_i());
        let (at, key) = instance.ok_or(Reject::Unexpected)?.completed_by(&AuthI::read(r)?)?;
        self.admit(cx, tag, key, out)?;
        let answer = self.instances.get_mut(&tag).and_then(|instance| instance.take_answer(at));
        let established = answer.ok_or(Reject::Unexpected)?.complete();
        self.complete_start(tag, cx.now);
        self.establish(cx, tag, Channel::v4(established, cx.now), out);
        self.send_queue(cx, out);
        Ok(())
    }

    /// There is a conversation with that client: an Auth-R of it to our open Identity would only be a second one.
    fn complete_start(&mut self, tag: InstanceTag, now: Timestamp) {
        if let Some(open) = &mut self.identity {
            open.complete(tag, now);
        }
    }

    /// "Receiving a Non-Interactive-Auth Message", also in FINISHED: an offline message to somebody whose last
    /// conversation was ended would be lost otherwise. spec-notes/SN-033
    fn receive_non_interactive_auth(
        &mut self,
        cx: &mut Context<'_>,
        header: &Header,
        r: &mut Reader<'_>,
        out: &mut Outputs,
    ) -> Result<(), Reject> {
        let tag = header.sender;
        if !self.policy.allows_offline() {
            return Err(Reject::Policy);
        }
        let message = NonInteractiveAuth::read(header, r)?;
        let id = message.prekey_id();
        let ours = cx.account.offered(id).ok_or(Reject::UnknownPrekey)?;
        let established = message.receive(self.us(cx.account), &ours, cx.now)?;
        let before = self.instances.get(&tag);
        if before.is_some_and(|instance| instance.has(&established.ssid)) {
            return Err(Reject::Replayed);
        }
        self.admit(cx, tag, ContactKey::V4(established.their_profile.fingerprint()), out)?;
        cx.account.forget_prekey(id);
        if cx.account.publication_due(cx.now) {
            out.event(Event::PublicationDue);
        }
        let replaces = self.is_encrypted(tag);
        self.establish(cx, tag, Channel::v4(established, cx.now), out);
        self.send_queue(cx, out);
        if replaces {
            // It may be older than the channel that it replaces, if it was long on its way: a new handshake brings
            // both sides to the same one. spec-notes/SN-033
            self.send_identity(cx, Some(tag), out);
        }
        Ok(())
    }
}

/// Seconds between conversations that error messages start.
const ERROR_START_PAUSE: i64 = 60;
