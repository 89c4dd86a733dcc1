//! Somebody who sees every line on the network. What can be read off them is all that this file knows.

use otrv4::wire::{Header, MessageType, Reader, WireError, unarmour};

/// Everything that went over the network, in the order in which it was sent.
#[derive(Default)]
pub(super) struct Observer {
    lines: Vec<Observed>,
}

/// What shows of one line.
struct Observed {
    characters: usize,
    data: Option<DataInTheOpen>,
}

/// What a data message says to everybody.
#[derive(Clone)]
pub(super) struct DataInTheOpen {
    /// Which ratchet.
    pub(super) ratchet: u32,
    /// Which message of it.
    pub(super) message: u32,
    /// Whose turn of the ratchet: its public key.
    pub(super) key: [u8; 57],
    /// How long the encrypted text with its padding is, in bytes.
    pub(super) encrypted: usize,
    /// Keys that are used up, published so that anybody could have forged the messages that they vouched for.
    pub(super) revealed: usize,
}

impl Observer {
    /// Looks at a line. Nothing in it can be changed unnoticed, so looking is all there is.
    pub(super) fn see(&mut self, line: &str) {
        let data = unarmour(line).ok().and_then(|bytes| DataInTheOpen::read(&bytes).ok().flatten());
        self.lines.push(Observed { characters: line.len(), data });
    }

    /// Lines and characters.
    pub(super) fn traffic(&self) -> (usize, usize) {
        (self.lines.len(), self.lines.iter().map(|line| line.characters).sum())
    }

    /// How many MAC keys were published.
    pub(super) fn revealed(&self) -> usize {
        self.lines.iter().filter_map(|line| line.data.as_ref()).map(|data| data.revealed).sum()
    }

    /// The data messages among the lines from that one on.
    pub(super) fn data_since(&self, line: usize) -> Vec<DataInTheOpen> {
        self.lines.iter().skip(line).filter_map(|line| line.data.clone()).collect()
    }
}

impl DataInTheOpen {
    /// otrv4.md "Data Message Format"; nothing for messages of other types.
    fn read(bytes: &[u8]) -> Result<Option<Self>, WireError> {
        let mut r = Reader::new(bytes);
        if Header::read(&mut r)?.message_type != MessageType::Data {
            return Ok(None);
        }
        r.byte("flags")?;
        r.int("previous chain length")?;
        let (ratchet, message) = (r.int("ratchet id")?, r.int("message id")?);
        let key = r.array("ECDH key")?;
        r.mpi("DH key")?;
        let encrypted = r.data("encrypted message")?.len();
        r.bytes(64, "authenticator")?;
        let revealed = r.data("old MAC keys")?.len() / 64;
        Ok(Some(Self { ratchet, message, key, encrypted, revealed }))
    }
}
