//! Why something received was refused. Told to our user as an event, never to the peer.

use crate::wire::WireError;

/// Why a message, a profile or an ensemble was refused; nothing of our state has changed when one is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Reject {
    /// The bytes do not follow the format, or a value in them is outside its group.
    #[error(transparent)]
    Wire(#[from] WireError),
    /// A profile is past its date.
    #[error("{0} has expired")]
    Expired(&'static str),
    /// A signature, proof or MAC does not hold.
    #[error("authentication failed")]
    Forged,
    /// A profile or prekey names another instance tag than the message that carries it.
    #[error("{0} belongs to another client")]
    ForeignOwner(&'static str),
    /// A prekey server is not the one our user chose, or shows another key.
    #[error("another prekey server than the one chosen")]
    WrongServer,
    /// No version that both sides allow.
    #[error("no common protocol version")]
    Version,
}
