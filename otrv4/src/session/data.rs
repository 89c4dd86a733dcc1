//! Data messages: opened, kept for their handshake, or reported; what they say is shown, and what their records ask for is
//! done. Spec: otrv4.md "Receiving a Data Message", "TLV Record Types". Used by [`super::receive`].

use super::channel::DataMessage;
use super::early::{Keep, Kept};
use super::instance::{Instance, OpenedBy};
use super::output::{EndedBy, Event, Outputs};
use super::{Context, Session};
use crate::Reject;
use crate::channel::{Content, Flags};
use crate::wire::{ErrorCode, Header, InstanceTag, Reader, error_message, tlv_type};

impl Session {
    /// "Receiving a Data Message".
    pub(super) fn receive_data(
        &mut self,
        cx: &mut Context<'_>,
        header: &Header,
        r: &mut Reader<'_>,
        out: &mut Outputs,
    ) {
        let (tag, whole) = (header.sender, r.whole());
        let message = match DataMessage::read(header, r) {
            Ok(message) => message,
            Err(reason) => return self.report_unreadable(whole, tag, reason.into(), out),
        };
        let instance = self.instances.get_mut(&tag);
        let opened =
            instance.map_or(Err(Reject::Unexpected), |instance| instance.open(&message, cx.now, cx.rng));
        match opened {
            Ok((content, by)) => self.show(cx, tag, content, by, out),
            Err(_) if self.may_be_early(cx, tag, &message) => self.keep_early(cx, tag, &message, whole, out),
            Err(reason) => self.report_unreadable(whole, tag, reason, out),
        }
    }

    fn keep_early(
        &mut self,
        cx: &Context<'_>,
        tag: InstanceTag,
        message: &DataMessage<'_>,
        whole: &[u8],
        out: &mut Outputs,
    ) {
        let Keep::New { pushed_out } = self.early.keep(tag, whole, cx.now) else { return };
        out.save();
        if !message.ignore_unreadable() {
            out.event(Event::Held { from: tag });
        }
        for Kept { from, message, .. } in pushed_out {
            self.report_unreadable(&message, from, Reject::Unexpected, out);
        }
    }

    /// Whether a message that cannot be read may belong to a handshake that it has overtaken: it is of a first
    /// ratchet that we have not seen, and Auth-I or Non-Interactive-Auth can still come. spec-notes/SN-028
    fn may_be_early(&self, cx: &Context<'_>, tag: InstanceTag, message: &DataMessage<'_>) -> bool {
        let instance = self.instances.get(&tag);
        let known = instance.is_some_and(|instance| instance.knows(message));
        let handshake = instance.is_some_and(Instance::awaits_auth_i);
        message.is_of_first_ratchet()
            && !known
            && (handshake || (cx.account.prekeys() > 0 && self.policy.allows_offline()))
    }

    /// Shows what a message said, and does what its TLVs ask for.
    fn show(
        &mut self,
        cx: &mut Context<'_>,
        tag: InstanceTag,
        content: Content,
        by: OpenedBy,
        out: &mut Outputs,
    ) {
        let Content { text, tlvs, extra_keys } = content;
        out.save();
        let current = matches!(by, OpenedBy::Current);
        let disconnected = tlvs.iter().any(|tlv| tlv.kind == tlv_type::DISCONNECTED);
        if let Some(channel) = self.instances.get_mut(&tag).and_then(Instance::channel).filter(|_| current) {
            channel.hear(text.is_some(), cx.now);
            self.note_read(tag);
        }
        if let Some(text) = text {
            if self.selected.len() > 1 && self.selected.contains(&tag) && !disconnected {
                // One of the clients that we wrote to is the one that our correspondent reads on.
                self.selected = vec![tag];
            }
            out.event(Event::Message { from: tag, text });
        }
        extra_keys.into_iter().for_each(|key| out.event(Event::ExtraKey { with: tag, key }));
        match by {
            OpenedBy::Current => {
                self.receive_smp(cx, tag, &tlvs, out);
                match disconnected {
                    true => self.finish(cx, tag, out),
                    false => self.reveal_much(cx, tag, out),
                }
            }
            OpenedBy::Previous => {
                self.reveal_much(cx, tag, out);
                if let Some(instance) = self.instances.get_mut(&tag) {
                    instance.forget_if_complete();
                }
            }
        }
    }

    /// They have ended the conversation: FINISHED. Our last message reveals the MAC keys that are left.
    fn finish(&mut self, cx: &mut Context<'_>, tag: InstanceTag, out: &mut Outputs) {
        self.interrupt_smp(cx, tag, out);
        let (until, padding) = (self.read_old_until(cx.now), self.policy.padding);
        let Some(instance) = self.instances.get_mut(&tag) else { return };
        let Some(channel) = instance.stop(EndedBy::Them, until) else { return };
        let messages = channel.seal_revealing_opened(&[], cx.sealing(tag, padding));
        instance.forget_if_complete();
        self.note_end();
        self.send_messages(cx, tag, &messages, out);
        self.reveal_owing(cx, tag, out);
        out.event(Event::Ended { with: tag, by: EndedBy::Them });
    }

    /// Somebody who only listens sends an empty message when as many MAC keys wait as one message reveals.
    fn reveal_much(&mut self, cx: &mut Context<'_>, tag: InstanceTag, out: &mut Outputs) {
        let padding = self.policy.padding;
        let channel = self.instances.get_mut(&tag).and_then(Instance::channel);
        if let Some(channel) = channel.filter(|channel| channel.owes_much()) {
            let messages = channel.seal_revealing_opened(&[], cx.sealing(tag, padding));
            self.send_messages(cx, tag, &messages, out);
        }
    }

    /// Opens what overtook the handshake that has just completed; the rest stays until its time is over.
    pub(super) fn open_early(&mut self, cx: &mut Context<'_>, tag: InstanceTag, out: &mut Outputs) {
        for kept in self.early.take(tag) {
            if let Err(kept) = self.open_kept(cx, tag, kept, out) {
                self.early.put_back(kept);
            }
        }
    }

    fn open_kept(
        &mut self,
        cx: &mut Context<'_>,
        tag: InstanceTag,
        kept: Kept,
        out: &mut Outputs,
    ) -> Result<(), Kept> {
        let mut r = Reader::new(&kept.message);
        let read = Header::read(&mut r).and_then(|header| DataMessage::read(&header, &mut r));
        let opened = read.map(|message| {
            let instance = self.instances.get_mut(&tag)?;
            instance.open(&message, cx.now, cx.rng).ok()
        });
        match opened {
            Ok(Some((content, by))) => {
                self.show(cx, tag, content, by, out);
                Ok(())
            }
            _ => Err(kept),
        }
    }

    /// "Inform the user that an unreadable encrypted message was received by replying with an Error Message", unless
    /// the message says that it does not matter.
    pub(super) fn report_unreadable(
        &self,
        message: &[u8],
        from: InstanceTag,
        reason: Reject,
        out: &mut Outputs,
    ) {
        // Asked of the byte alone: a message may be unreadable since it is not well formed.
        let mut r = Reader::new(message);
        let flags = Header::read(&mut r).and_then(|_| r.byte("flags"));
        if flags.is_ok_and(|flags| flags & Flags::IgnoreUnreadable as u8 != 0) {
            return;
        }
        let encrypted = self.is_encrypted(from);
        out.reject(Some(from), reason);
        out.send(error_message(if encrypted { ErrorCode::Unreadable } else { ErrorCode::NotPrivate }));
    }
}
