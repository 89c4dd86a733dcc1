//! What a session wants done, and what it has to tell. Used by applications; see [`crate::Session`].

use std::fmt;

use crate::account::{ContactKey, Verification};
use crate::channel::ExtraKey;
use crate::dake::{Mode, Ssid};
use crate::wire::{ErrorCode, InstanceTag, Version};
use crate::{Refused, Reject};

/// One thing to do. Perform them in order; if [`Output::Save`] fails, drop the rest.
#[derive(Clone, PartialEq, Eq)]
pub enum Output {
    /// Save account and session now: what follows relies on it. Save both in one atomic write, and with them what
    /// follows in the list: if the process dies before it has been performed, perform it after the restart. A line
    /// that was sent twice does no harm, one that was never sent may cost the conversation.
    Save,
    /// Put this line on the network.
    Send(String),
    /// Tell the user or the application.
    Event(Event),
}

/// Something that happened.
#[derive(Clone, PartialEq, Eq)]
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
        fingerprint: ContactKey,
        /// Whether our user has verified that they are the correspondent's.
        verification: Verification,
        /// Names this conversation, the same on both sides.
        ssid: Ssid,
    },
    /// The conversation that has just begun is of a version that is only for those who have nothing else: its SHA-1 is
    /// weak, and anybody on the way may have kept both sides from a newer one.
    OldVersion {
        /// The client at the other end.
        with: InstanceTag,
        /// Which: 2.
        version: Version,
    },
    /// The first conversation with somebody: nobody has verified yet whose fingerprint this is.
    NewFingerprint {
        /// The client at the other end.
        with: InstanceTag,
        /// Its fingerprint.
        fingerprint: ContactKey,
    },
    /// A fingerprint that this correspondent did not have before: another client of theirs, a new installation, or
    /// somebody else.
    ChangedFingerprint {
        /// The client at the other end.
        with: InstanceTag,
        /// Its fingerprint.
        fingerprint: ContactKey,
    },
    /// We know this fingerprint as that of somebody else, too.
    SharedFingerprint {
        /// The client at the other end.
        with: InstanceTag,
        /// Its fingerprint.
        fingerprint: ContactKey,
        /// The other correspondent.
        contact: String,
    },
    /// An offline conversation was started after an interactive one with the same client: that may cost the deniability
    /// of the first. otrv4.md "Security Properties"
    OfflineAfterInteractive {
        /// The client that is away.
        with: InstanceTag,
    },
    /// The correspondent wants to verify that we share a secret: ask our user, then [`crate::Session::smp_answer`] or
    /// [`crate::Session::smp_abort`]. Show with it whose key asks: it may be a client that our user does not know.
    SmpAsked {
        /// The client that asks.
        from: InstanceTag,
        /// What to ask our user, as the other side wrote it. Empty if the secret is one that both have agreed on outside of
        /// this conversation; if it was not, and be it named in a text just before, this must be declined.
        question: String,
    },
    /// Both have entered the same secret.
    SmpSucceeded {
        /// The client at the other end.
        with: InstanceTag,
        /// How far its key counts as verified now: an answer to a question of theirs verifies us to them, not them to us.
        verification: Verification,
    },
    /// The secrets were not the same. An earlier verification stays.
    SmpFailed {
        /// The client at the other end.
        with: InstanceTag,
        /// So many runs with this correspondent have failed: each lets somebody in the middle guess once.
        failed: u32,
    },
    /// A verification has ended without a result.
    SmpAborted {
        /// The client at the other end.
        with: InstanceTag,
        /// Why.
        why: SmpEnd,
        /// How many runs with this correspondent have failed, if this one counts among them: the other side had what
        /// tells it the result, and has kept that to itself.
        failed: Option<u32>,
    },
    /// An extra symmetric key, the same on both sides.
    ExtraKey {
        /// The client at the other end.
        with: InstanceTag,
        /// What it is for, and the key.
        key: ExtraKey,
    },
    /// Profiles or prekeys of the account should be published now, or the server be asked how many prekeys it has left:
    /// [`crate::Account::publish`], [`crate::Account::ask_storage`].
    PublicationDue,
    /// An encrypted conversation is over.
    Ended {
        /// The client at the other end.
        with: InstanceTag,
        /// Who ended it.
        by: EndedBy,
    },
    /// Our text waits until the conversation is encrypted.
    Queued,
    /// The other side could not read our last text; it was sent again, in a conversation with the same key.
    Resent {
        /// The client at the other end.
        with: InstanceTag,
    },
    /// Our text waited for an encrypted conversation that did not come about.
    NotSent {
        /// The text, to be sent again or not.
        text: String,
    },
    /// What our user asked for could not be done, since something that was due came first: see the events before this one.
    NotDone {
        /// Why.
        reason: Refused,
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
    /// The clock: no new keys for too long. See [`super::Expiry`].
    Expiry,
    /// We, for another client of the correspondent: there were too many, and this one is not verified, nor did our user write
    /// to it.
    Room,
}

/// Why a verification ended without a result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SmpEnd {
    /// Our user has stopped it, or begun another one.
    Us,
    /// The other side has stopped it.
    Them,
    /// One of its messages came when it should not, or contradicts the protocol: lost, late, or somebody cheats.
    Broken,
    /// The conversation that it belongs to was replaced or has ended.
    Conversation,
}

/// Without the texts of our user and the correspondent, so that it can be logged.
impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = |text: &String| format!("{} bytes", text.len());
        match self {
            Self::Plaintext { text: t, warn } => {
                f.debug_struct("Plaintext").field("text", &text(t)).field("warn", warn).finish()
            }
            Self::Message { from, text: t } => {
                f.debug_struct("Message").field("from", from).field("text", &text(t)).finish()
            }
            Self::Secure { with, version, mode, fingerprint, verification, ssid } => f
                .debug_struct("Secure")
                .field("with", with)
                .field("version", version)
                .field("mode", mode)
                .field("fingerprint", fingerprint)
                .field("verification", verification)
                .field("ssid", ssid)
                .finish(),
            Self::OldVersion { with, version } => {
                f.debug_struct("OldVersion").field("with", with).field("version", version).finish()
            }
            Self::NewFingerprint { with, fingerprint } => f
                .debug_struct("NewFingerprint")
                .field("with", with)
                .field("fingerprint", fingerprint)
                .finish(),
            Self::ChangedFingerprint { with, fingerprint } => f
                .debug_struct("ChangedFingerprint")
                .field("with", with)
                .field("fingerprint", fingerprint)
                .finish(),
            Self::SharedFingerprint { with, fingerprint, contact } => f
                .debug_struct("SharedFingerprint")
                .field("with", with)
                .field("fingerprint", fingerprint)
                .field("contact", contact)
                .finish(),
            Self::OfflineAfterInteractive { with } => {
                f.debug_struct("OfflineAfterInteractive").field("with", with).finish()
            }
            Self::SmpAsked { from, question } => {
                f.debug_struct("SmpAsked").field("from", from).field("question", &text(question)).finish()
            }
            Self::SmpSucceeded { with, verification } => f
                .debug_struct("SmpSucceeded")
                .field("with", with)
                .field("verification", verification)
                .finish(),
            Self::SmpFailed { with, failed } => {
                f.debug_struct("SmpFailed").field("with", with).field("failed", failed).finish()
            }
            Self::SmpAborted { with, why, failed } => f
                .debug_struct("SmpAborted")
                .field("with", with)
                .field("why", why)
                .field("failed", failed)
                .finish(),
            Self::ExtraKey { with, key } => {
                f.debug_struct("ExtraKey").field("with", with).field("key", key).finish()
            }
            Self::PublicationDue => f.write_str("PublicationDue"),
            Self::Ended { with, by } => f.debug_struct("Ended").field("with", with).field("by", by).finish(),
            Self::Queued => f.write_str("Queued"),
            Self::Resent { with } => f.debug_struct("Resent").field("with", with).finish(),
            Self::NotSent { text: t } => f.debug_struct("NotSent").field("text", &text(t)).finish(),
            Self::NotDone { reason } => f.debug_struct("NotDone").field("reason", reason).finish(),
            Self::Held { from } => f.debug_struct("Held").field("from", from).finish(),
            Self::TheirError { code, text: t } => {
                f.debug_struct("TheirError").field("code", code).field("text", &text(t)).finish()
            }
            Self::Rejected { from, reason } => {
                f.debug_struct("Rejected").field("from", from).field("reason", reason).finish()
            }
        }
    }
}

/// As [`Event`]; of a line its length, since it may be clear text.
impl fmt::Debug for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Save => f.write_str("Save"),
            Self::Send(line) => write!(f, "Send({} bytes)", line.len()),
            Self::Event(event) => f.debug_tuple("Event").field(event).finish(),
        }
    }
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

    pub(crate) fn is_empty(&self) -> bool {
        !self.save && self.list.is_empty()
    }

    /// All of them, in order.
    pub(crate) fn finish(self) -> Vec<Output> {
        let save = self.save.then_some(Output::Save);
        save.into_iter().chain(self.list).collect()
    }
}
