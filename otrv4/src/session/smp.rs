//! Verifying each other: the Socialist Millionaires' Protocol in a conversation.
//! Spec: otrv4.md "The SMP State Machine", "Secret Information". Used by applications through [`Session`].
//!
//! One run at a time with each client. Whatever does not fit ends the run on both sides: who gets a message out of turn
//! answers with an abort, and an abort is answered by nothing.

use super::channel::{Channel, MAX_QUESTION, SmpStep, abort};
use super::instance::Instance;
use super::output::{Event, Output, Outputs, SmpEnd};
use super::send::check_text;
use super::{Context, Session};
use crate::Refused;
use crate::account::{Contact, Verification};
use crate::smp::{Group, Smp, SmpError};
use crate::wire::{InstanceTag, Tlv};

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
            if session.channel_mut(tag).is_some_and(|channel| !channel.has_keys(cx.account)) {
                return Err(Refused::Version);
            }
            if session.take_smp(cx, tag, SmpEnd::Us, out) {
                // A message of its own: others refuse a message with two records of SMP.
                session.send_quiet(cx, tag, &[abort()], out);
            }
            let channel = session.channel_mut(tag).ok_or(Refused::NotEncrypted)?;
            let begun = channel.smp_start(cx.account, question, secret, cx.rng);
            session.send_quiet(cx, tag, &[begun.ok_or(Refused::Version)?], out);
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
            let channel = session.channel_mut(from).ok_or(Refused::NotEncrypted)?;
            let answer = channel.smp_answer(cx.account, secret, cx.rng).map_err(|_| Refused::NoSmp)?;
            session.send_quiet(cx, from, &[answer], out);
            Ok(())
        })
    }

    /// What that client has asked and our user has still to answer; empty if it has asked for a secret that both know.
    pub fn smp_question(&self, from: InstanceTag) -> Option<&str> {
        self.instances.get(&from)?.peek()?.smp_question()
    }

    /// Gives up a run, or declines one: that with the client named, or the only one. "In all cases, send a type 6 TLV".
    pub fn smp_abort(
        &mut self,
        cx: &mut Context<'_>,
        to: Option<InstanceTag>,
    ) -> Result<Vec<Output>, Refused> {
        self.in_time(cx, |session, cx, out| {
            let is_running = |instance: &Instance| {
                instance.peek().is_some_and(|channel| channel.smp_progress() != SmpProgress::None)
            };
            let running = session.instances.iter().filter(|(_, instance)| is_running(instance));
            let mut running = running.map(|(tag, _)| *tag);
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
        let Some(channel) = self.channel_mut(tag) else { return };
        let mut ours = tlvs.iter().filter(|tlv| channel.is_smp(tlv));
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
        let channel = self.channel_mut(tag).ok_or(SmpError::Unexpected)?;
        match channel.smp_receive(tlv, cx.rng)? {
            // The answer waits for our user.
            SmpStep::Asked(question) => out.event(Event::SmpAsked { from: tag, question }),
            SmpStep::Reply(reply) => _ = self.send_quiet(cx, tag, &[reply], out),
            SmpStep::Concluded { equal, question, reply } => {
                if let Some(reply) = reply {
                    self.send_quiet(cx, tag, &[reply], out);
                }
                self.conclude_smp(cx, tag, equal, question, out);
            }
            SmpStep::Aborted => _ = self.take_smp(cx, tag, SmpEnd::Them, out),
        }
        Ok(())
    }

    /// What a run says about the key at the other end is noted.
    fn conclude_smp(
        &mut self,
        cx: &mut Context<'_>,
        tag: InstanceTag,
        equal: bool,
        question: Option<String>,
        out: &mut Outputs,
    ) {
        if !equal {
            let failed = self.count_failure(cx);
            return out.event(Event::SmpFailed { with: tag, failed });
        }
        let Some(key) = self.channel_mut(tag).map(|channel| channel.key()) else { return };
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
        let run = self.channel_mut(tag).and_then(Channel::take_smp);
        self.tell_smp_end(cx, tag, run, why, out)
    }

    /// Tells that a run, if there was one, has ended without a result; whether there was one. `run` says whether message 3
    /// was sent in it.
    pub(super) fn tell_smp_end(
        &self,
        cx: &mut Context<'_>,
        tag: InstanceTag,
        run: Option<bool>,
        why: SmpEnd,
        out: &mut Outputs,
    ) -> bool {
        let Some(has_sent_3) = run else { return false };
        // Who has message 3 knows the result, and may keep it to himself: it counts as a guess.
        let failed = has_sent_3.then(|| self.count_failure(cx));
        out.save();
        out.event(Event::SmpAborted { with: tag, why, failed });
        true
    }

    fn count_failure(&self, cx: &mut Context<'_>) -> u32 {
        cx.account.smp_failed(&self.correspondent);
        cx.account.contact(&self.correspondent).map_or(0, Contact::failed_smp)
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
    pub(super) fn of<G: Group>(smp: &Smp<G>) -> Self {
        match (smp.is_asked(), smp.is_running()) {
            (true, _) => Self::Asked,
            (false, true) => Self::Waiting,
            (false, false) => Self::None,
        }
    }
}

/// A secret of blanks is none; blanks around one belong to it.
fn check_secret(secret: &str) -> Result<(), Refused> {
    match secret.len() {
        _ if secret.trim().is_empty() => Err(Refused::EmptySecret),
        ..=MAX_QUESTION => Ok(()),
        _ => Err(Refused::TooLong),
    }
}

#[cfg(test)]
mod tests;
