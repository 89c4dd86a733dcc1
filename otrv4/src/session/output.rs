//! What a session wants done, and what it has to tell. Used by applications; see [`crate::Session`].

use crate::Reject;
use crate::dake::{Mode, Ssid};
use crate::keys::Fingerprint;
use crate::wire::{ErrorCode, InstanceTag, Version};

/// One thing to do. Perform them in order; if [`Output::Save`] fails, drop the rest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Save account and session now: what follows relies on it.
    Save,
    /// Put this line on the network.
    Send(String),
    /// Tell the user or the application.
    Event(Event),
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// Text that was not encrypted; `warn` when the user has reason to expect that it would be.
    Plaintext {
        /// Without any whitespace tag.
        text: String,
        /// Show it with a warning: anyone may have written it.
        warn: bool,
    },
    /// An authenticated, decrypted message.
    Message {
        /// The client that sent it.
        from: InstanceTag,
        /// What it says.
        text: String,
    },
    /// An encrypted conversation is up, or a running one has fresh keys.
    Secure {
        /// The client at the other end.
        with: InstanceTag,
        /// The protocol version.
        version: Version,
        /// How it began.
        mode: Mode,
        /// Whose keys these are; compare it with what the correspondent says.
        fingerprint: Fingerprint,
        /// Names this conversation, the same on both sides.
        ssid: Ssid,
    },
    /// An encrypted conversation is over.
    Ended {
        /// The client at the other end.
        with: InstanceTag,
        /// Who ended it.
        by: EndedBy,
    },
    /// Our text waits until the conversation is encrypted.
    Queued,
    /// Our text waited for an encrypted conversation that did not come about.
    NotSent {
        /// The text, to be sent again or not.
        text: String,
    },
    /// A message came before the handshake that it needs; it is kept for a while.
    Held {
        /// The client that sent it.
        from: InstanceTag,
    },
    /// The other side says that it could not read something. Anyone may have written this.
    TheirError {
        /// The kind, if it is one that the text defines.
        code: Option<ErrorCode>,
        /// What the other side wrote.
        text: String,
    },
    /// A line was refused; nothing has changed.
    Rejected {
        /// The client that it claims to come from, if it says.
        from: Option<InstanceTag>,
        /// Why.
        reason: Reject,
    },
}

/// Who ended a conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EndedBy {
    /// Our user.
    Us,
    /// The correspondent.
    Them,
}

/// Collects outputs; whatever was saved comes first.
#[derive(Default)]
pub(crate) struct Outputs {
    save: bool,
    list: Vec<Output>,
}

impl Outputs {
    /// State has changed that must outlive us.
    pub(crate) fn save(&mut self) {
        self.save = true;
    }

    pub(crate) fn send(&mut self, line: String) {
        self.list.push(Output::Send(line));
    }

    pub(crate) fn event(&mut self, event: Event) {
        self.list.push(Output::Event(event));
    }

    pub(crate) fn reject(&mut self, from: Option<InstanceTag>, reason: Reject) {
        self.event(Event::Rejected { from, reason });
    }

    /// All of them, in order.
    pub(crate) fn finish(self) -> Vec<Output> {
        let save = self.save.then_some(Output::Save);
        save.into_iter().chain(self.list).collect()
    }
}
