//! Why something that our own user or application asked for cannot be done. Peers cause events, callers cause errors.

use crate::Reject;
use crate::wire::{InstanceTag, WireError};

/// Why a request was refused; nothing has changed when one is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refused {
    /// The correspondent ended the conversation, or it expired: nothing goes out until the user starts another one or
    /// ends it too.
    #[error("the conversation has ended; start a new one, or end it to write in clear text")]
    Ended,
    /// The text cannot be sent as it is, such as with a NUL in it.
    #[error("the text cannot be sent: {0}")]
    Text(WireError),
    /// The text is longer than [`crate::session::MAX_TEXT`].
    #[error("the text is longer than 64 KiB; send it in parts")]
    TooLong,
    /// No more texts can wait for the handshake.
    #[error("too many messages wait for the encrypted conversation to begin")]
    QueueFull,
    /// No client of the correspondent has that instance tag, or there is no conversation with it.
    #[error("there is no encrypted conversation with client {0}")]
    NoSuchInstance(InstanceTag),
    /// The line length leaves no room for fragments.
    #[error("lines of at most {0} characters are too short; at least {min} are needed", min = crate::session::MIN_LINE)]
    LineTooShort(usize),
    /// None of the ensembles can be used: none there, expired, damaged, or of another version.
    #[error("the prekey server gave nothing that a conversation can be started from")]
    NoEnsemble,
    /// The policy allows no version that this needs, or the account has no key for it.
    #[error("no version of OTR that this needs is allowed with this correspondent, or its key is missing")]
    Version,
    /// The conversation is one of version 2, which has no extra symmetric keys.
    #[error("version 2 of OTR has no extra keys; this needs a conversation of version 3 or 4")]
    NoExtraKeys,
    /// The account poses as somebody ([`crate::forge::impersonate`]): what its key signs would be a proof of that.
    #[error("this account only poses as somebody: it publishes nothing")]
    Posing,
    /// More prekeys at once than a server keeps.
    #[error("at most 1000 prekeys can be made at once")]
    TooManyPrekeys,
    /// The policy allows interactive conversations only.
    #[error("the policy does not allow offline conversations with this correspondent")]
    OnlyInteractive,
    /// The policy allows verified keys only, and none of theirs is.
    #[error("the policy allows verified fingerprints only; verify theirs by hand first")]
    NotVerified,
    /// There is no encrypted conversation that it could be part of.
    #[error("there is no encrypted conversation; start one first")]
    NotEncrypted,
    /// Several clients of the correspondent could be meant.
    #[error("several clients of the correspondent have conversations; select one")]
    WhichInstance,
    /// Nobody has asked for a verification, or it is over.
    #[error("no verification is waiting for an answer")]
    NoSmp,
    /// An empty secret would verify anybody.
    #[error("the secret is empty")]
    EmptySecret,
    /// More extra symmetric keys than may come from one message, or none.
    #[error("one message gives between 1 and 10 extra keys")]
    ExtraKeys,
    /// The correspondent has more clients than we keep conversations with.
    #[error("this correspondent has too many clients at once")]
    TooManyInstances,
}

/// Why saved bytes cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// Written by another version of this library.
    #[error("the saved state has format {0}, which this version does not read")]
    Version(u8),
    /// Not what was saved.
    #[error("the saved state is damaged")]
    Damaged,
}

impl From<WireError> for LoadError {
    fn from(_: WireError) -> Self {
        Self::Damaged
    }
}

impl From<Reject> for LoadError {
    fn from(_: Reject) -> Self {
        Self::Damaged
    }
}
