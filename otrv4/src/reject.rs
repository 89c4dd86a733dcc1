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
    #[error("no version of the protocol that both sides speak and our policy allows")]
    Version,
    /// Only version 1 is offered, which nobody should speak any more.
    #[error("OTR version 1 is broken and not spoken here")]
    Version1,
    /// An older version than the one that is spoken with this client, or that the correspondent is known to speak.
    #[error("the correspondent speaks a newer version; the policy does not allow to fall back to this one")]
    Downgrade,
    /// The message fits no step that is under way: a handshake that is over, or a conversation that we do not have.
    #[error("nothing that is under way expects this message")]
    Unexpected,
    /// Addressed to another client of ours, or to none.
    #[error("it is meant for another client")]
    NotForUs,
    /// It claims to come from us.
    #[error("it carries our own instance tag or key")]
    OwnMessage,
    /// A message that was shown already.
    #[error("the message has arrived before")]
    Replayed,
    /// A message too far ahead of those that have arrived. If it goes on, [`crate::Session::start`] brings fresh keys; we
    /// do not do it by ourselves, since anybody can forge such a message.
    #[error("too many messages before this one are missing")]
    TooFarAhead,
    /// A ratchet that is not the one that is due.
    #[error("the keys of the message are not known or used up")]
    UnknownRatchet,
    /// The prekey was never ours, or has served its conversation.
    #[error("the prekey is not ours or was used before")]
    UnknownPrekey,
    /// More clients of the correspondent than we keep conversations with.
    #[error("too many clients of this correspondent")]
    TooManyInstances,
    /// A handshake under the tag of a client that has, or had, a conversation with us under another key.
    #[error("this client has another key than before")]
    OtherKey,
    /// The policy does not want it: a bare Identity message, or an offline conversation.
    #[error("the policy does not allow this with this correspondent")]
    Policy,
    /// The policy wants to talk to verified keys only, and this one is not.
    #[error("the policy allows verified fingerprints only, and this one is not verified")]
    NotVerified,
}
