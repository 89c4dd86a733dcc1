//! The last text once more, when the other side has lost its keys and could not read it.
//! Spec: OTRv3 "Receiving a Reveal Signature Message" and "User types a message to be sent" ("If there is a recent
//! stored message, encrypt it and send it"). For versions 3 and 2. spec-notes/SN-042. Used by [`super::Session`].

use zeroize::Zeroizing;

use super::channel::Channel;
use super::instance::Instance;
use super::output::{Event, Outputs};
use super::{Context, Session};
use crate::Timestamp;
use crate::account::ContactKey;
use crate::wire::{InstanceTag, Reader, Version, WireError, Writer};

/// What our user wrote last, and to whom.
pub(super) struct LastText {
    to: InstanceTag,
    key: ContactKey,
    text: Zeroizing<String>,
    at: Timestamp,
    /// An error message has come since.
    unreadable: bool,
}

impl LastText {
    /// When it is forgotten.
    pub(super) fn next_deadline(&self) -> Timestamp {
        self.at.plus(RECENT)
    }

    /// Whether it is: also if the clock says that it has not been written yet.
    pub(super) fn is_over(&self, now: Timestamp) -> bool {
        self.next_deadline() <= now || self.at > now
    }

    /// Whether it went to that client.
    pub(super) fn was_to(&self, tag: InstanceTag) -> bool {
        self.to == tag
    }

    pub(super) fn save(&self, w: &mut Writer) {
        let Self { to, key, text, at, unreadable } = self;
        to.write(w);
        key.save(w);
        w.data(text.as_bytes());
        at.save(w);
        w.byte((*unreadable).into());
    }

    pub(super) fn load(r: &mut Reader<'_>) -> Result<Self, WireError> {
        Ok(Self {
            to: InstanceTag::load(r)?,
            key: ContactKey::load(r)?,
            text: Zeroizing::new(r.text("last text")?),
            at: Timestamp::load(r)?,
            unreadable: r.flag("unreadable")?,
        })
    }
}

impl Session {
    /// "Store the plaintext message for possible retransmission." One that could not be read is still to be sent again.
    pub(super) fn remember(&mut self, cx: &Context<'_>, to: InstanceTag, text: &str) {
        let channel = self.instances.get(&to).and_then(Instance::peek);
        let waits = self.last_text.as_ref().is_some_and(|last| last.unreadable && !last.is_over(cx.now));
        if let Some(channel) = channel.filter(|channel| channel.version() < Version::V4 && !waits) {
            let (key, text) = (channel.key(), Zeroizing::new(text.to_owned()));
            self.last_text = Some(LastText { to, key, text, at: cx.now, unreadable: false });
        }
    }

    /// An error message has come: it may be about our last text.
    pub(super) fn note_unreadable(&mut self, now: Timestamp, out: &mut Outputs) {
        if let Some(last) = self.last_text.as_mut().filter(|last| !last.is_over(now) && !last.unreadable) {
            last.unreadable = true;
            out.save();
        }
    }

    /// They have the keys of the conversation: what we wrote was read, as far as anybody can tell.
    pub(super) fn note_read(&mut self, from: InstanceTag) {
        self.last_text.take_if(|last| last.to == from && !last.unreadable);
    }

    /// Sends our last text again if they have complained, and only to the key that it went to.
    pub(super) fn resend(&mut self, cx: &mut Context<'_>, tag: InstanceTag, out: &mut Outputs) {
        let key = self.instances.get(&tag).and_then(Instance::peek).map(Channel::key);
        let same = |last: &mut LastText| last.unreadable && Some(last.key) == key;
        let Some(last) = self.last_text.take_if(same) else { return };
        let text = Zeroizing::new(format!("{RESENT}{}", last.text.as_str()));
        if self.send_sealed(cx, tag, &text, out).is_ok() {
            out.event(Event::Resent { with: tag });
        }
        // Once: whoever can make us do it again should not.
        self.last_text = None;
    }
}

/// What stands before a text that is sent again, so that a person who reads it twice knows why.
const RESENT: &str = "[resent] ";

/// Seconds in which the last text may be sent again.
const RECENT: i64 = 2 * 60;
