//! What a forged conversation is to be, and what it is then. Used by [`super::transcript`] and by applications.

use std::fmt;

use super::ensemble::Ensemble;
use super::forger::Who;
use super::network::Manner;
use crate::Timestamp;
use crate::crypto::secret::Secret;
use crate::dake::Ssid;

/// What is to have happened.
#[derive(Clone, Copy, Debug)]
pub struct Script<'a> {
    /// How it began.
    pub begin: Begin<'a>,
    /// When.
    pub start: Timestamp,
    /// What was said, in the order of time. Each goes out at its time, after what came before it; and what is said before the
    /// conversation is there waits for it, as it does in programs.
    pub said: &'a [Said<'a>],
    /// Who ended it and when, if anybody did.
    pub end: Option<(Who, Timestamp)>,
    /// When the record stops, or after the last of all this if that is later. Until then time brings what it brings: heartbeats,
    /// what is still on its way, and the end that comes by itself when nobody answers any more ([`crate::session::Expiry`]).
    pub until: Timestamp,
    /// How the participant's program was set.
    pub participant: Manner,
    /// How the other one's was.
    pub other: Manner,
}

impl Script<'_> {
    pub(super) const fn manner(&self, who: Who) -> Manner {
        match who {
            Who::Participant => self.participant,
            Who::Other => self.other,
        }
    }
}

/// How a conversation began.
#[derive(Clone, Copy, Debug)]
pub enum Begin<'a> {
    /// Both were there, and this side asked for it: by a query message, or by an Identity message where the policy knows no
    /// queries.
    Interactive(Who),
    /// Both were there, and this side said something in clear, with the whitespace tag that offers encryption.
    Tagged {
        /// Who.
        by: Who,
        /// What.
        text: &'a str,
    },
    /// One side wrote while its peer was away.
    Offline {
        /// Who wrote.
        starts: Who,
        /// An ensemble of the peer.
        ensemble: &'a Ensemble,
        /// When the peer came back and read.
        back: Timestamp,
    },
}

/// A text of one side.
#[derive(Clone, Copy)]
pub struct Said<'a> {
    /// Who said it.
    pub by: Who,
    /// When.
    pub at: Timestamp,
    /// What.
    pub text: &'a str,
}

/// Without the text.
impl fmt::Debug for Said<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { by, at, text } = self;
        write!(f, "Said({by:?}, {at:?}, {} bytes)", text.len())
    }
}

/// A forged conversation.
#[derive(Debug)]
pub struct Transcript {
    /// What went over the network, in the order in which it was sent.
    pub lines: Vec<Line>,
    /// The secure session id, as the participant sees it.
    pub ssid: Ssid,
}

/// One line of it.
pub struct Line {
    /// Who sent it.
    pub sender: Who,
    /// When.
    pub at: Timestamp,
    /// When its receiver got it; none if it was lost, or is still under way.
    pub received: Option<Timestamp>,
    /// As the messenger carried it.
    pub line: String,
    /// For a data message that was read its chain key: who has it can read the message, and forge it. It is with the last piece
    /// of a message that came in pieces. None for the last message of a side whose peer has ended the conversation: it holds
    /// nothing but MAC keys, and nobody is there to open it.
    pub chain_key: Option<Secret<64>>,
}

/// Without the line, which may be clear text.
impl fmt::Debug for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { sender, at, received, line, chain_key } = self;
        write!(f, "Line({sender:?}, {at:?}, {received:?}, {} bytes, {chain_key:?})", line.len())
    }
}
