//! Verifying each other: the Socialist Millionaires' Protocol in a conversation.
//! Spec: otrv4.md "The SMP State Machine", "Secret Information". Used by applications through [`Session`].
//!
//! One run at a time with each client. Whatever does not fit ends the run on both sides: who gets a message out of turn
//! answers with an abort, and an abort is answered by nothing.

use super::output::{Event, Output, Outputs, SmpEnd};
use super::send::check_text;
use super::{Context, Session};
use crate::Refused;
use crate::account::{Contact, ContactKey, Verification};
use crate::crypto::ed448::SecretScalar;
use crate::smp::ed448::{self, Ed448};
use crate::smp::{Role, Smp, SmpError};
use crate::v4::Channel;
use crate::wire::{InstanceTag, Reader, Tlv, WireError, Writer, tlv_type};

impl Session {
    /// Asks the correspondent to prove that they know a secret, with a question for it or, if both know which secret is
    /// meant, an empty one. The secret counts byte by byte, as typed. A run that is under way is given up.
    pub fn smp_start(
        &mut self,
        cx: &mut Context<'_>,
        to: Option<InstanceTag>,
        question: &str,
        secret: &str,
    ) -> Result<Vec<Output>, Refused> {
        check_secret(secret)?;
        check_text(question)?;
        if question.len() > MAX_QUESTION {
            return Err(Refused::TooLong);
        }
        let (tag, mut out) = (self.one_encrypted(to)?, Outputs::default());
        if self.take_smp(cx, tag, SmpEnd::Us, &mut out) {
            // A message of its own: others refuse a message with two records of SMP.
            self.send_quiet(cx, tag, &[abort()], &mut out);
        }
        let secret = self.smp_secret(cx, tag, Role::Initiator, secret)?;
        let (smp, body) = Smp::start(secret, cx.rng);
        let mut w = Writer::new();
        w.data(question.as_bytes()).bytes(&body);
        self.set_smp(tag, smp, Role::Initiator);
        self.send_quiet(cx, tag, &[Tlv { kind: tlv_type::SMP_1, value: w.finish() }], &mut out);
        Ok(out.finish())
    }

    /// Answers [`Event::SmpAsked`] with the secret that our user has typed.
    pub fn smp_answer(
        &mut self,
        cx: &mut Context<'_>,
        to: Option<InstanceTag>,
        secret: &str,
    ) -> Result<Vec<Output>, Refused> {
        check_secret(secret)?;
        let (tag, mut out) = (self.one_in(to, SmpProgress::Asked)?, Outputs::default());
        let role = self.channel(tag).map(|channel| channel.smp_role).ok_or(Refused::NoSmp)?;
        let secret = self.smp_secret(cx, tag, role, secret)?;
        let answered = self.channel(tag).and_then(|channel| channel.smp.answer(secret, cx.rng).ok());
        let (smp, body) = answered.ok_or(Refused::NoSmp)?;
        self.set_smp(tag, smp, role);
        self.send_quiet(cx, tag, &[Tlv { kind: tlv_type::SMP_2, value: body }], &mut out);
        Ok(out.finish())
    }

    /// Gives up a run, or declines one. "In all cases, send a type 6 TLV".
    pub fn smp_abort(
        &mut self,
        cx: &mut Context<'_>,
        to: Option<InstanceTag>,
    ) -> Result<Vec<Output>, Refused> {
        let running = self.one_in(to, SmpProgress::Asked).or_else(|_| self.one_in(to, SmpProgress::Waiting));
        let tag = running.or_else(|_| self.one_encrypted(to))?;
        let mut out = Outputs::default();
        self.take_smp(cx, tag, SmpEnd::Us, &mut out);
        self.send_quiet(cx, tag, &[abort()], &mut out);
        Ok(out.finish())
    }

    /// A record of a message that was just opened; those that are not of SMP are none of our business.
    pub(super) fn receive_smp(
        &mut self,
        cx: &mut Context<'_>,
        tag: InstanceTag,
        tlv: &Tlv,
        out: &mut Outputs,
    ) {
        let value = &tlv.value;
        let step = match tlv.kind {
            tlv_type::SMP_1 => self.receive_smp_1(tag, value, out),
            tlv_type::SMP_2 => self.receive_smp_2(cx, tag, value, out),
            tlv_type::SMP_3 => self.receive_smp_3(cx, tag, value, out),
            tlv_type::SMP_4 => self.receive_smp_4(cx, tag, value, out),
            tlv_type::SMP_ABORT => {
                self.take_smp(cx, tag, SmpEnd::Them, out);
                Ok(())
            }
            _ => Ok(()),
        };
        if step.is_err() {
            self.take_smp(cx, tag, SmpEnd::Broken, out);
            self.send_quiet(cx, tag, &[abort()], out);
        }
    }

    /// "Receiving a SMP Message 1": the answer waits for our user.
    fn receive_smp_1(&mut self, tag: InstanceTag, value: &[u8], out: &mut Outputs) -> Result<(), SmpError> {
        let mut r = Reader::new(value);
        let question = r.text("SMP question")?;
        if question.len() > MAX_QUESTION {
            return Err(WireError::TooLong("SMP question").into());
        }
        let channel = self.channel(tag).ok_or(SmpError::Unexpected)?;
        let smp = channel.smp.receive_1(r.ahead())?;
        let role = match question.is_empty() {
            true => Role::Responder,
            false => Role::Asked,
        };
        self.set_smp(tag, smp, role);
        out.event(Event::SmpAsked { from: tag, question });
        Ok(())
    }

    fn receive_smp_2(
        &mut self,
        cx: &mut Context<'_>,
        tag: InstanceTag,
        value: &[u8],
        out: &mut Outputs,
    ) -> Result<(), SmpError> {
        let channel = self.channel(tag).ok_or(SmpError::Unexpected)?;
        let (smp, body) = channel.smp.receive_2(value, cx.rng)?;
        self.set_smp(tag, smp, Role::Initiator);
        self.send_quiet(cx, tag, &[Tlv { kind: tlv_type::SMP_3, value: body }], out);
        Ok(())
    }

    fn receive_smp_3(
        &mut self,
        cx: &mut Context<'_>,
        tag: InstanceTag,
        value: &[u8],
        out: &mut Outputs,
    ) -> Result<(), SmpError> {
        let channel = self.channel(tag).ok_or(SmpError::Unexpected)?;
        let (equal, body) = channel.smp.receive_3(value, cx.rng)?;
        self.send_quiet(cx, tag, &[Tlv { kind: tlv_type::SMP_4, value: body }], out);
        self.conclude_smp(cx, tag, equal, out);
        Ok(())
    }

    fn receive_smp_4(
        &mut self,
        cx: &mut Context<'_>,
        tag: InstanceTag,
        value: &[u8],
        out: &mut Outputs,
    ) -> Result<(), SmpError> {
        let channel = self.channel(tag).ok_or(SmpError::Unexpected)?;
        let equal = channel.smp.receive_4(value)?;
        self.conclude_smp(cx, tag, equal, out);
        Ok(())
    }

    /// The run is over: EXPECT1, and what it says about the key at the other end is noted.
    fn conclude_smp(&mut self, cx: &mut Context<'_>, tag: InstanceTag, equal: bool, out: &mut Outputs) {
        let Some(channel) = self.channel_mut(tag) else { return };
        let (role, key) = (channel.smp_role, ContactKey::V4(channel.fingerprint));
        channel.smp = Smp::default();
        if !equal {
            cx.account.smp_failed(&self.correspondent);
            let failed = cx.account.contact(&self.correspondent).map_or(0, Contact::failed_smp);
            return out.event(Event::SmpFailed { with: tag, failed });
        }
        let proven = match role {
            Role::Initiator | Role::Responder => Verification::Smp,
            Role::Asked => Verification::TheirSmp,
        };
        cx.account.smp_succeeded(&self.correspondent, key, proven, cx.now);
        let verification = cx.account.verification(&self.correspondent, key);
        out.event(Event::SmpSucceeded { with: tag, verification });
    }

    /// The conversation with that client is about to be replaced or to end, and a run with it.
    pub(super) fn interrupt_smp(&mut self, cx: &mut Context<'_>, tag: InstanceTag, out: &mut Outputs) {
        self.take_smp(cx, tag, SmpEnd::Conversation, out);
    }

    /// Back to EXPECT1, whatever was under way; whether something was.
    fn take_smp(&mut self, cx: &mut Context<'_>, tag: InstanceTag, why: SmpEnd, out: &mut Outputs) -> bool {
        let Some(channel) = self.channel_mut(tag) else { return false };
        let smp = std::mem::take(&mut channel.smp);
        self.tell_smp_end(cx, tag, &smp, why, out)
    }

    /// Tells that a run has ended without a result, if it was one.
    pub(super) fn tell_smp_end(
        &self,
        cx: &mut Context<'_>,
        tag: InstanceTag,
        smp: &Smp<Ed448>,
        why: SmpEnd,
        out: &mut Outputs,
    ) -> bool {
        if SmpProgress::of(smp) == SmpProgress::None {
            return false;
        }
        // Who has message 3 knows the result, and may keep it to himself: it counts as a guess.
        if smp.has_sent_3() {
            cx.account.smp_failed(&self.correspondent);
        }
        out.save();
        out.event(Event::SmpAborted { with: tag, why });
        true
    }

    /// `x` or `y`, by who began.
    fn smp_secret(
        &self,
        cx: &Context<'_>,
        tag: InstanceTag,
        role: Role,
        secret: &str,
    ) -> Result<SecretScalar, Refused> {
        let channel = self.channel(tag).ok_or(Refused::NotEncrypted)?;
        let (ours, theirs) = (cx.account.fingerprint(), channel.fingerprint);
        let (initiator, responder) = match role {
            Role::Initiator => (ours, theirs),
            Role::Responder | Role::Asked => (theirs, ours),
        };
        Ok(ed448::secret(&initiator, &responder, &channel.ssid.bytes(), secret.as_bytes()))
    }

    fn set_smp(&mut self, tag: InstanceTag, smp: Smp<Ed448>, role: Role) {
        if let Some(channel) = self.channel_mut(tag) {
            (channel.smp, channel.smp_role) = (smp, role);
        }
    }

    /// The client named, or the only one whose run is that far.
    fn one_in(&self, to: Option<InstanceTag>, progress: SmpProgress) -> Result<InstanceTag, Refused> {
        let there = |tag: &InstanceTag| {
            self.channel(*tag).is_some_and(|channel| SmpProgress::of(&channel.smp) == progress)
        };
        let mut tags =
            self.instances.keys().copied().filter(|tag| to.is_none_or(|to| to == *tag)).filter(there);
        match (tags.next(), tags.next()) {
            (Some(tag), None) => Ok(tag),
            (Some(_), Some(_)) => Err(Refused::WhichInstance),
            (None, _) => Err(Refused::NoSmp),
        }
    }

    fn channel(&self, tag: InstanceTag) -> Option<&Channel> {
        self.instances.get(&tag)?.peek()
    }

    fn channel_mut(&mut self, tag: InstanceTag) -> Option<&mut Channel> {
        self.instances.get_mut(&tag)?.channel()
    }
}

/// How far a verification by SMP is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SmpProgress {
    /// None is under way.
    None,
    /// They have asked, and our user has still to answer.
    Asked,
    /// It is the other side's turn.
    Waiting,
}

impl SmpProgress {
    pub(super) fn of(smp: &Smp<Ed448>) -> Self {
        match (smp.is_asked(), smp.is_running()) {
            (true, _) => Self::Asked,
            (false, true) => Self::Waiting,
            (false, false) => Self::None,
        }
    }
}

/// "The associated length should be zero".
fn abort() -> Tlv {
    Tlv { kind: tlv_type::SMP_ABORT, value: Vec::new() }
}

fn check_secret(secret: &str) -> Result<(), Refused> {
    match secret.len() {
        0 => Err(Refused::EmptySecret),
        1..=MAX_QUESTION => Ok(()),
        _ => Err(Refused::TooLong),
    }
}

/// Longest question and longest secret, in bytes of UTF-8: more than anybody types.
const MAX_QUESTION: usize = 4096;
