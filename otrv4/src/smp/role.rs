//! Who did what in a run of SMP: what its result means depends on it. spec-notes/SN-037. Used by [`crate::v4`] and
//! [`crate::session`].

use crate::wire::{Reader, WireError, Writer};

/// Our part in a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// Alice, who begins.
    Initiator,
    /// Bob, without a question: both know which secret is meant.
    Responder,
    /// Bob, who answers a question of Alice's choice.
    Asked,
}

impl Role {
    /// A byte.
    pub(crate) fn save(self, w: &mut Writer) {
        w.byte(match self {
            Self::Initiator => 0,
            Self::Responder => 1,
            Self::Asked => 2,
        });
    }

    pub(crate) fn load(r: &mut Reader<'_>) -> Result<Self, WireError> {
        match r.byte("SMP role")? {
            0 => Ok(Self::Initiator),
            1 => Ok(Self::Responder),
            2 => Ok(Self::Asked),
            _ => Err(WireError::Illegal("SMP role")),
        }
    }
}
