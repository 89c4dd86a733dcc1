//! What our user says, and how it ends: encrypted, kept for a handshake, or in clear if nothing speaks against it.
//! Spec: otrv4.md "Sending a Data Message", "User requests to end an OTRv4 Conversation". Used by applications through
//! [`Session`].

use super::channel::Channel;
use super::instance::Instance;
use super::output::{EndedBy, Event, Output, Outputs};
use super::{Context, Session};
use crate::Refused;
use crate::channel::{ExtraKey, Flags, MAX_EXTRA_KEYS};
use crate::wire::{InstanceTag, Tlv, WireError, tlv_type, whitespace_tag};

impl Session {
    /// Sends a text: encrypted to the client named or selected; kept until the conversation that our user has asked
    /// for is there; in clear only if nothing is encrypted, nothing has ended, and the policy allows it.
    pub fn send(
        &mut self,
        cx: &mut Context<'_>,
        to: Option<InstanceTag>,
        text: &str,
    ) -> Result<Vec<Output>, Refused> {
        check_text(text)?;
        let mut not_sent = false;
        let mut outputs = self.in_time(cx, |session, cx, out| {
            let sent = session.send_somehow(cx, to, text, out);
            not_sent = sent.is_err();
            sent
        })?;
        if not_sent {
            outputs.push(Output::Event(Event::NotSent { text: text.into() }));
        }
        Ok(outputs)
    }

    fn send_somehow(
        &mut self,
        cx: &mut Context<'_>,
        to: Option<InstanceTag>,
        text: &str,
        out: &mut Outputs,
    ) -> Result<(), Refused> {
        let to = match to {
            Some(tag) if self.is_encrypted(tag) => vec![tag],
            Some(tag) => return Err(Refused::NoSuchInstance(tag)),
            None => self.selected.iter().copied().filter(|tag| self.is_encrypted(*tag)).collect(),
        };
        if !to.is_empty() {
            return to.into_iter().try_for_each(|tag| self.send_sealed(cx, tag, text, out));
        }
        if self.asked_until.is_some() {
            return self.enqueue(text, out);
        }
        if self.is_ended() {
            return Err(Refused::Ended);
        }
        if self.is_starting() {
            return self.enqueue(text, out);
        }
        if self.has_channel() {
            // Nobody that text goes to, but not nobody: never in clear. spec-notes/SN-032
            return Err(Refused::WhichInstance);
        }
        if !self.policy.may_send_clear_text() {
            self.begin(cx, out)?;
            return self.enqueue(text, out);
        }
        let offers = !self.allowed_versions(cx.account).is_empty();
        match self.policy.send_whitespace_tag && offers && !self.tag_refused {
            true => self.send_with_tag(cx, text, out),
            false => out.send(text.into()),
        }
        Ok(())
    }

    /// Sends a text in clear with the invisible tag that offers an encrypted conversation; where clear text is out of
    /// the question, as [`Self::send`].
    pub fn send_tagged(&mut self, cx: &mut Context<'_>, text: &str) -> Result<Vec<Output>, Refused> {
        let offers = !self.allowed_versions(cx.account).is_empty();
        let clear = self.policy.may_send_clear_text() && offers;
        if self.has_channel() || self.is_ended() || self.is_starting() || !clear {
            return self.send(cx, None, text);
        }
        check_text(text)?;
        self.in_time(cx, |session, cx, out| {
            session.send_with_tag(cx, text, out);
            Ok(())
        })
    }

    /// Ends all conversations with the correspondent, and any handshake. Afterwards text goes out in clear again.
    pub fn end(&mut self, cx: &mut Context<'_>) -> Vec<Output> {
        self.in_time_or_told(cx, |session, cx, out| {
            let tags: Vec<InstanceTag> = session.instances.keys().copied().collect();
            tags.into_iter().for_each(|tag| session.disconnect(cx, tag, EndedBy::Us, out));
            out.save();
            session.selected.clear();
            session.partners.clear();
            (session.identity, session.commit, session.last_text) = (None, None, None);
            (session.asked_until, session.offered_until) = (None, None);
            session.ended = false;
            Ok(())
        })
    }

    /// Ends the conversation with one client, such as one whose key turned out to be a stranger's.
    pub fn end_with(&mut self, cx: &mut Context<'_>, tag: InstanceTag) -> Result<Vec<Output>, Refused> {
        self.in_time(cx, |session, cx, out| {
            if !session.instances.contains_key(&tag) {
                return Err(Refused::NoSuchInstance(tag));
            }
            session.disconnect(cx, tag, EndedBy::Us, out);
            out.save();
            session.last_text.take_if(|last| last.was_to(tag));
            session.selected.retain(|selected| *selected != tag);
            if !session.has_channel() {
                session.partners.clear();
            }
            Ok(())
        })
    }

    /// Sends what waited, if the clients that it may go to are there.
    pub(super) fn send_queue(&mut self, cx: &mut Context<'_>, out: &mut Outputs) {
        let to: Vec<_> = self.selected.iter().copied().filter(|tag| self.is_encrypted(*tag)).collect();
        if to.is_empty() {
            return;
        }
        while let Some(text) = self.queue.pop_front() {
            for tag in &to {
                // The texts were checked when they were queued.
                if self.send_sealed(cx, *tag, &text, out).is_err() {
                    out.event(Event::NotSent { text: text.clone() });
                }
            }
        }
    }

    pub(super) fn give_queue_back(&mut self, out: &mut Outputs) {
        self.queue.drain(..).for_each(|text| out.event(Event::NotSent { text }));
    }

    /// Tells the other side that we are there, by a message without text; it also renews our keys if it is our turn.
    pub fn heartbeat(
        &mut self,
        cx: &mut Context<'_>,
        to: Option<InstanceTag>,
    ) -> Result<Vec<Output>, Refused> {
        self.in_time(cx, |session, cx, out| {
            let tag = session.one_encrypted(to)?;
            session.send_quiet(cx, tag, &[], out);
            Ok(())
        })
    }

    /// Extra symmetric keys, the same on both sides: for each use 4 bytes that say what it is for, and whatever else
    /// the use defines. Between one and ten at once; they come as [`Event::ExtraKey`]. otrv4.md "Extra Symmetric Key"
    pub fn extra_keys(
        &mut self,
        cx: &mut Context<'_>,
        to: Option<InstanceTag>,
        uses: &[([u8; 4], &[u8])],
    ) -> Result<Vec<Output>, Refused> {
        if uses.is_empty() || uses.len() > MAX_EXTRA_KEYS {
            return Err(Refused::ExtraKeys);
        }
        if uses.iter().any(|(_, data)| data.len() > MAX_KEY_DATA) {
            return Err(Refused::TooLong);
        }
        self.in_time(cx, |session, cx, out| {
            let tag = session.one_encrypted(to)?;
            let kind = session.instances.get(&tag).and_then(Instance::peek).and_then(Channel::extra_key_type);
            let kind = kind.ok_or(Refused::NoExtraKeys)?;
            let record =
                |(context, data): &([u8; 4], &[u8])| Tlv { kind, value: [context.as_slice(), data].concat() };
            let records: Vec<Tlv> = uses.iter().map(record).collect();
            for key in session.send_quiet(cx, tag, &records, out) {
                out.event(Event::ExtraKey { with: tag, key });
            }
            Ok(())
        })
    }

    /// The client that something goes to: the one named, or the selected one.
    pub(super) fn one_encrypted(&self, to: Option<InstanceTag>) -> Result<InstanceTag, Refused> {
        match to {
            Some(tag) if self.is_encrypted(tag) => return Ok(tag),
            Some(tag) => return Err(Refused::NoSuchInstance(tag)),
            None => {}
        }
        let mut selected = self.selected.iter().filter(|tag| self.is_encrypted(**tag));
        match (selected.next(), selected.next()) {
            (Some(tag), None) => Ok(*tag),
            (Some(_), Some(_)) => Err(Refused::WhichInstance),
            (None, _) => Err(Refused::NotEncrypted),
        }
    }

    /// Sends a message without text, which does not matter if it cannot be read; gives the extra keys that it defines.
    pub(super) fn send_quiet(
        &mut self,
        cx: &mut Context<'_>,
        tag: InstanceTag,
        tlvs: &[Tlv],
        out: &mut Outputs,
    ) -> Vec<ExtraKey> {
        let padding = self.policy.padding;
        let Some(channel) = self.instances.get_mut(&tag).and_then(Instance::channel) else {
            return Vec::new();
        };
        let sealed = channel.seal(Flags::IgnoreUnreadable, "", tlvs, cx.sealing(tag, padding));
        let (message, keys) = sealed.expect("no text, and records of ours that are short");
        out.save();
        self.send_message(cx, Some(tag), &message, out);
        keys
    }

    pub(super) fn send_sealed(
        &mut self,
        cx: &mut Context<'_>,
        tag: InstanceTag,
        text: &str,
        out: &mut Outputs,
    ) -> Result<(), Refused> {
        let padding = self.policy.padding;
        let channel = self.instances.get_mut(&tag).and_then(Instance::channel);
        let channel = channel.ok_or(Refused::NoSuchInstance(tag))?;
        let sealed = channel.seal(Flags::None, text, &[], cx.sealing(tag, padding));
        let (message, _) = sealed.map_err(Refused::Text)?;
        out.save();
        self.send_message(cx, Some(tag), &message, out);
        self.remember(cx, tag, text);
        Ok(())
    }

    /// Forgets a client; with a running conversation that is told by TLV 1.
    pub(super) fn disconnect(
        &mut self,
        cx: &mut Context<'_>,
        tag: InstanceTag,
        by: EndedBy,
        out: &mut Outputs,
    ) {
        self.interrupt_smp(cx, tag, out);
        let padding = self.policy.padding;
        let Some(mut instance) = self.instances.remove(&tag) else { return };
        let (running, owing) = instance.end();
        if let Some(channel) = running {
            let disconnected = Tlv { kind: tlv_type::DISCONNECTED, value: Vec::new() };
            let messages = channel.seal_last(&[disconnected], cx.sealing(tag, padding));
            self.send_messages(cx, tag, &messages, out);
            out.event(Event::Ended { with: tag, by });
        }
        if let Some(channel) = owing {
            let messages = channel.seal_last(&[], cx.sealing(tag, padding));
            self.send_messages(cx, tag, &messages, out);
        }
    }

    fn enqueue(&mut self, text: &str, out: &mut Outputs) -> Result<(), Refused> {
        if self.queue.len() >= MAX_QUEUED {
            return Err(Refused::QueueFull);
        }
        self.queue.push_back(text.into());
        out.save();
        out.event(Event::Queued);
        Ok(())
    }

    fn send_with_tag(&mut self, cx: &Context<'_>, text: &str, out: &mut Outputs) {
        self.offer(cx.now, out);
        // In front: IRC servers cut blanks off at the end of a line.
        out.send(format!("{}{text}", whitespace_tag(self.allowed_versions(cx.account))));
    }
}

/// What would not arrive as it was typed is refused. spec-notes/SN-030
pub(super) fn check_text(text: &str) -> Result<(), Refused> {
    if text.contains('\0') {
        return Err(Refused::Text(WireError::Illegal("NUL in a text")));
    }
    match text.len() > MAX_TEXT {
        true => Err(Refused::TooLong),
        false => Ok(()),
    }
}

/// Longest text, in bytes of UTF-8: a base64 line of it is well below what other implementations reassemble.
pub const MAX_TEXT: usize = 64 * 1024;

/// Texts that wait for a handshake: a person does not type more in the time that it may take.
const MAX_QUEUED: usize = 100;

/// Longest data beside the context of an extra key, in bytes; such as a file's name and hash.
const MAX_KEY_DATA: usize = 4096;
