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
use crate::smp::{Smp, SmpError};
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
        self.in_time(cx, |session, cx, out| {
            let tag = session.one_encrypted(to)?;
            let x = session.smp_secret(cx, tag, Initiator::We, secret)?;
            if session.take_smp(cx, tag, SmpEnd::Us, out) {
                // A message of its own: others refuse a message with two records of SMP.
                session.send_quiet(cx, tag, &[abort()], out);
            }
            let (smp, body) = Smp::start(x, cx.rng);
            let mut w = Writer::new();
            w.data(question.as_bytes()).bytes(&body);
            session.set_smp(tag, smp, None);
            session.send_quiet(cx, tag, &[Tlv { kind: tlv_type::SMP_1, value: w.finish() }], out);
            Ok(())
        })
    }

    /// Answers [`Event::SmpAsked`] with the secret that our user has typed. `from` and `question` are those of the event:
    /// should the other side have asked something else since, the answer is refused. spec-notes/SN-037
    pub fn smp_answer(
        &mut self,
        cx: &mut Context<'_>,
        from: InstanceTag,
        question: &str,
        secret: &str,
    ) -> Result<Vec<Output>, Refused> {
        check_secret(secret)?;
        self.in_time(cx, |session, cx, out| {
            if session.smp_question(from) != Some(question) {
                return Err(Refused::NoSmp);
            }
            let y = session.smp_secret(cx, from, Initiator::They, secret)?;
            let answered = session.channel(from).and_then(|channel| channel.smp.answer(y, cx.rng).ok());
            let (smp, body) = answered.ok_or(Refused::NoSmp)?;
            session.set_smp(from, smp, Some(question.into()));
            session.send_quiet(cx, from, &[Tlv { kind: tlv_type::SMP_2, value: body }], out);
            Ok(())
        })
    }

    /// What that client has asked and our user has still to answer; empty if it has asked for a secret that both know.
    pub fn smp_question(&self, from: InstanceTag) -> Option<&str> {
        let channel = self.channel(from).filter(|channel| channel.smp.is_asked())?;
        channel.smp_question.as_deref()
    }

    /// Gives up a run, or declines one: that with the client named, or the only one. "In all cases, send a type 6 TLV".
    pub fn smp_abort(
        &mut self,
        cx: &mut Context<'_>,
        to: Option<InstanceTag>,
    ) -> Result<Vec<Output>, Refused> {
        self.in_time(cx, |session, cx, out| {
            let is_running =
                |tag: &InstanceTag| session.channel(*tag).is_some_and(|channel| channel.smp.is_running());
            let mut running = session.instances.keys().copied().filter(is_running);
            let tag = match (to, running.next(), running.next()) {
                (None, Some(tag), None) => tag,
                (None, Some(_), Some(_)) => return Err(Refused::WhichInstance),
                (Some(_), _, _) | (None, None, _) => session.one_encrypted(to)?,
            };
            session.take_smp(cx, tag, SmpEnd::Us, out);
            session.send_quiet(cx, tag, &[abort()], out);
            Ok(())
        })
    }

    /// The records of a message that was just opened; those that are not of SMP are none of our business. More than one
    /// of SMP is against the protocol, and would make us answer each.
    pub(super) fn receive_smp(
        &mut self,
        cx: &mut Context<'_>,
        tag: InstanceTag,
        tlvs: &[Tlv],
        out: &mut Outputs,
    ) {
        let mut ours = tlvs.iter().filter(|tlv| (tlv_type::SMP_1..=tlv_type::SMP_ABORT).contains(&tlv.kind));
        let step = match (ours.next(), ours.next()) {
            (None, _) => Ok(()),
            (Some(tlv), None) => self.receive_smp_record(cx, tag, tlv, out),
            (Some(_), Some(_)) => Err(SmpError::Unexpected),
        };
        if step.is_err() {
            self.take_smp(cx, tag, SmpEnd::Broken, out);
            self.send_quiet(cx, tag, &[abort()], out);
        }
    }

    fn receive_smp_record(
        &mut self,
        cx: &mut Context<'_>,
        tag: InstanceTag,
        tlv: &Tlv,
        out: &mut Outputs,
    ) -> Result<(), SmpError> {
        match tlv.kind {
            tlv_type::SMP_1 => self.receive_smp_1(tag, &tlv.value, out),
            tlv_type::SMP_2 => self.receive_smp_2(cx, tag, &tlv.value, out),
            tlv_type::SMP_3 => self.receive_smp_3(cx, tag, &tlv.value, out),
            tlv_type::SMP_4 => self.receive_smp_4(cx, tag, &tlv.value, out),
            _ => {
                self.take_smp(cx, tag, SmpEnd::Them, out);
                Ok(())
            }
        }
    }

    /// "Receiving a SMP Message 1": the answer waits for our user.
    fn receive_smp_1(&mut self, tag: InstanceTag, value: &[u8], out: &mut Outputs) -> Result<(), SmpError> {
        let mut r = Reader::new(value);
        let question = r.text("SMP question")?;
        if question.len() > MAX_QUESTION || question.contains('\0') {
            return Err(WireError::Illegal("SMP question").into());
        }
        let channel = self.channel(tag).ok_or(SmpError::Unexpected)?;
        let smp = channel.smp.receive_1(r.ahead())?;
        self.set_smp(tag, smp, Some(question.clone()));
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
        self.set_smp(tag, smp, None);
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
        let (question, key) = (channel.smp_question.take(), ContactKey::V4(channel.fingerprint));
        channel.smp = Smp::default();
        if !equal {
            let failed = self.count_failure(cx);
            return out.event(Event::SmpFailed { with: tag, failed });
        }
        // Who chooses the question may choose one to which he knows the answer.
        let proven = match question.as_deref() {
            None | Some("") => Verification::Smp,
            Some(_) => Verification::TheirSmp,
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
        channel.smp_question = None;
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
        let failed = smp.has_sent_3().then(|| self.count_failure(cx));
        out.save();
        out.event(Event::SmpAborted { with: tag, why, failed });
        true
    }

    fn count_failure(&self, cx: &mut Context<'_>) -> u32 {
        cx.account.smp_failed(&self.correspondent);
        cx.account.contact(&self.correspondent).map_or(0, Contact::failed_smp)
    }

    /// `x` or `y`, by who began.
    fn smp_secret(
        &self,
        cx: &Context<'_>,
        tag: InstanceTag,
        initiator: Initiator,
        secret: &str,
    ) -> Result<SecretScalar, Refused> {
        let channel = self.channel(tag).ok_or(Refused::NotEncrypted)?;
        let (ours, theirs) = (cx.account.fingerprint(), channel.fingerprint);
        let (initiator, responder) = match initiator {
            Initiator::We => (ours, theirs),
            Initiator::They => (theirs, ours),
        };
        Ok(ed448::secret(&initiator, &responder, &channel.ssid.bytes(), secret.as_bytes()))
    }

    fn set_smp(&mut self, tag: InstanceTag, smp: Smp<Ed448>, question: Option<String>) {
        if let Some(channel) = self.channel_mut(tag) {
            (channel.smp, channel.smp_question) = (smp, question);
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

/// Who began a run.
enum Initiator {
    We,
    They,
}

/// "The associated length should be zero".
fn abort() -> Tlv {
    Tlv { kind: tlv_type::SMP_ABORT, value: Vec::new() }
}

/// A secret of blanks is none; blanks around one belong to it.
fn check_secret(secret: &str) -> Result<(), Refused> {
    match secret.len() {
        _ if secret.trim().is_empty() => Err(Refused::EmptySecret),
        ..=MAX_QUESTION => Ok(()),
        _ => Err(Refused::TooLong),
    }
}

/// Longest question and longest secret, in bytes of UTF-8: more than anybody types.
const MAX_QUESTION: usize = 4096;

#[cfg(test)]
mod tests;
