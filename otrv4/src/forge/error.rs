//! Why something cannot be forged. Used by every operation of [`super`].

use crate::wire::WireError;

/// Why an operation was refused, and what to do about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ForgeError {
    /// Not one whole encoded message.
    #[error(
        "not an encoded message: give one line from ?OTR: to the dot at its end, and put fragments together before"
    )]
    NotEncoded,
    /// Another kind of message.
    #[error("not a data message of version {0}: only those are encrypted and can be changed")]
    NotData(&'static str),
    /// The message does not follow its format.
    #[error("the message is damaged: {0}")]
    Wire(#[from] WireError),
    /// The MAC does not hold under the key that was given.
    #[error(
        "the MAC of the message does not hold under this key: take the key of this very message, as a later message of \
         its reader reveals it"
    )]
    WrongMacKey,
    /// No key that comes from the given one is that of the message.
    #[error(
        "neither this chain key nor one that follows from it is that of the message: take one of the message's own \
         ratchet, from this message or one before it, at most {} before",
        crate::ratchet::MAX_AHEAD
    )]
    WrongChainKey,
    /// The AES key is not that of the message.
    #[error(
        "the message was not made with this AES key: take the sending key of its sender for its two keyids"
    )]
    WrongAesKey,
    /// Old and new text differ in length.
    #[error(
        "the old text has {old} bytes and the new one {new}: a text can only be changed into one as long"
    )]
    Lengths {
        /// Bytes of the old text.
        old: usize,
        /// Bytes of the new text.
        new: usize,
    },
    /// The text would not lie in the message.
    #[error("{text} bytes at offset {offset} do not fit into the {message} bytes that are encrypted")]
    OutOfRange {
        /// Where the text would begin.
        offset: usize,
        /// Its length.
        text: usize,
        /// How many bytes there are.
        message: usize,
    },
    /// A text or a line that no client would take.
    #[error("a {what} of more than {limit} bytes: no client takes it, so make the text shorter")]
    TooLong {
        /// "text" or "line".
        what: &'static str,
        /// The most bytes that it may have.
        limit: usize,
    },
    /// More MAC keys and messages than can be tried on each other.
    #[error(
        "these lines reveal so many MAC keys of messages that are not among them that it would take too long to try them all: give \
         the lines of one conversation, or fewer of them"
    )]
    TooManyKeys,
    /// A text with a NUL in it, which would end it.
    #[error("a text cannot contain a NUL: what follows it would be read as TLV records")]
    Nul,
    /// A message in which no Client Profile travels.
    #[error("no client profile in it: take an Identity, Auth-R or Non-Interactive-Auth message of version 4")]
    NoProfile,
    /// A Diffie-Hellman number outside its group.
    #[error("not a Diffie-Hellman key of version 3: {0}")]
    DhKey(WireError),
}
