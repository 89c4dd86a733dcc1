//! What our user says, and how it ends: encrypted, kept for a handshake, or in clear if nothing speaks against it.
//! Spec: otrv4.md "Sending a Data Message", "User requests to end an OTRv4 Conversation". Used by applications through
//! [`Session`].

use super::instance::Instance;
use super::output::{EndedBy, Event, Output, Outputs};
use super::{Context, Session};
use crate::Refused;
use crate::v4::Flags;
use crate::wire::{InstanceTag, Padding, Tlv, WireError, query_message, tlv_type, whitespace_tag};

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
        let to = match to {
            Some(tag) if self.is_encrypted(tag) => vec![tag],
            Some(tag) => return Err(Refused::NoSuchInstance(tag)),
            None => self.selected.iter().copied().filter(|tag| self.is_encrypted(*tag)).collect(),
        };
        let mut out = Outputs::default();
        if !to.is_empty() {
            for tag in to {
                self.send_sealed(cx, tag, text, &mut out)?;
            }
        } else if self.asked_until.is_some() {
            self.enqueue(text, &mut out)?;
        } else if self.ended {
            return Err(Refused::Ended);
        } else if self.is_starting() {
            self.enqueue(text, &mut out)?;
        } else if self.policy.require_encryption {
            self.enqueue(text, &mut out)?;
            self.ask(cx.now, &mut out);
            out.send(query_message(self.policy.versions));
        } else if self.policy.send_whitespace_tag && !self.tag_refused {
            out.send(self.tagged(text));
        } else {
            out.send(text.into());
        }
        Ok(out.finish())
    }

    /// Sends a text in clear with the invisible tag that offers an encrypted conversation; where clear text is out of
    /// the question, as [`Self::send`].
    pub fn send_tagged(&mut self, cx: &mut Context<'_>, text: &str) -> Result<Vec<Output>, Refused> {
        if self.has_channel() || self.ended || self.is_starting() || self.policy.require_encryption {
            return self.send(cx, None, text);
        }
        check_text(text)?;
        let mut out = Outputs::default();
        out.send(self.tagged(text));
        Ok(out.finish())
    }

    /// Ends all conversations with the correspondent, and any handshake. Afterwards text goes out in clear again.
    pub fn end(&mut self, cx: &mut Context<'_>) -> Vec<Output> {
        let mut out = Outputs::default();
        let tags: Vec<InstanceTag> = self.instances.keys().copied().collect();
        tags.into_iter().for_each(|tag| self.disconnect(cx, tag, &mut out));
        out.save();
        self.selected.clear();
        self.partners.clear();
        (self.identity, self.asked_until, self.ended) = (None, None, false);
        self.give_queue_back(&mut out);
        out.finish()
    }

    /// Ends the conversation with one client, such as one whose key turned out to be a stranger's.
    pub fn end_with(&mut self, cx: &mut Context<'_>, tag: InstanceTag) -> Result<Vec<Output>, Refused> {
        if !self.instances.contains_key(&tag) {
            return Err(Refused::NoSuchInstance(tag));
        }
        let mut out = Outputs::default();
        self.disconnect(cx, tag, &mut out);
        out.save();
        self.selected.retain(|selected| *selected != tag);
        Ok(out.finish())
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

    fn send_sealed(
        &mut self,
        cx: &mut Context<'_>,
        tag: InstanceTag,
        text: &str,
        out: &mut Outputs,
    ) -> Result<(), Refused> {
        let channel = self.instances.get_mut(&tag).and_then(Instance::channel);
        let channel = channel.ok_or(Refused::NoSuchInstance(tag))?;
        let tags = (cx.account.tag(), tag);
        let (message, _) = channel
            .seal(tags, Flags::None, text, &[], Padding::Off, cx.now, cx.rng)
            .map_err(Refused::Text)?;
        out.save();
        self.send_message(cx, Some(tag), &message, out);
        Ok(())
    }

    /// Forgets a client; with a running conversation that is told by TLV 1.
    fn disconnect(&mut self, cx: &mut Context<'_>, tag: InstanceTag, out: &mut Outputs) {
        let Some(mut instance) = self.instances.remove(&tag) else { return };
        let (running, owing) = instance.end();
        if let Some(channel) = running {
            let disconnected = Tlv { kind: tlv_type::DISCONNECTED, value: Vec::new() };
            let message =
                channel.seal_last((cx.account.tag(), tag), &[disconnected], Padding::Off, cx.now, cx.rng);
            self.send_message(cx, Some(tag), &message, out);
            out.event(Event::Ended { with: tag, by: EndedBy::Us });
        }
        if let Some(channel) = owing {
            let message = channel.seal_last((cx.account.tag(), tag), &[], Padding::Off, cx.now, cx.rng);
            self.send_message(cx, Some(tag), &message, out);
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

    fn tagged(&self, text: &str) -> String {
        format!("{text}{}", whitespace_tag(self.policy.versions))
    }
}

/// What would not arrive as it was typed is refused. spec-notes/SN-030
fn check_text(text: &str) -> Result<(), Refused> {
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
