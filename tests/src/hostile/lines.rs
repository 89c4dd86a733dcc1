//! What is on the wire, read without the library: the checks must not ask the code that they check.
//! Spec: otrv4.md "Data Message Format", "Transmitting Fragments"; OTRv3 "Data Message". Used by [`super::record`] and
//! by [`super::mallory`].

use base64::prelude::{BASE64_STANDARD, Engine as _};

/// An encoded message, as far as the checks look into it.
#[derive(Clone, Debug)]
pub(crate) enum Message {
    /// A data message of version 4.
    Data4(Data4),
    /// A data message of version 3 or 2.
    Data3(Data3),
    /// A message of a key exchange, to the client with that tag; 0 for all of them, and in version 2.
    Handshake { kind: Kind, to: u32 },
    /// Nothing that an honest client writes.
    Malformed,
}

/// Messages of key exchanges, by their type on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Identity = 0x35,
    AuthR = 0x36,
    AuthI = 0x37,
    NonInteractiveAuth = 0x0d,
    DhCommit = 0x02,
    DhKey = 0x0a,
    RevealSignature = 0x11,
    Signature = 0x12,
}

impl Kind {
    fn of(version: u8, byte: u8) -> Option<Self> {
        let of_4 = [Self::Identity, Self::AuthR, Self::AuthI, Self::NonInteractiveAuth];
        let older = [Self::DhCommit, Self::DhKey, Self::RevealSignature, Self::Signature];
        let kinds = if version == 4 { of_4 } else { older };
        kinds.into_iter().find(|kind| *kind as u8 == byte)
    }

    /// Whether its sender has the conversation with it, and its receiver as soon as it comes.
    pub(crate) fn completes(self) -> bool {
        matches!(self, Self::AuthI | Self::NonInteractiveAuth | Self::Signature)
    }

    /// Whether it answers nothing.
    pub(crate) fn is_first(self) -> bool {
        matches!(self, Self::Identity | Self::DhCommit)
    }

    /// Whether it is of use only to somebody who has sent the message before it.
    pub(crate) fn is_answer(self) -> bool {
        matches!(self, Self::AuthR | Self::AuthI | Self::RevealSignature | Self::Signature)
    }
}

/// A data message of version 4.
#[derive(Clone, Debug)]
pub(crate) struct Data4 {
    /// The sender's instance tag, and the receiver's.
    pub(crate) tags: (u32, u32),
    /// Whether it may be dropped silently: then no person has typed it.
    pub(crate) quiet: bool,
    pub(crate) i: u32,
    pub(crate) j: u32,
    pub(crate) ecdh: [u8; 57],
    /// Where the ciphertext is.
    pub(crate) ciphertext: std::ops::Range<usize>,
    /// Where the authenticator begins: it covers everything before.
    pub(crate) mac_at: usize,
    pub(crate) revealed: Vec<[u8; 64]>,
}

/// A data message of version 3 or 2, where tags are 0.
#[derive(Clone, Debug)]
pub(crate) struct Data3 {
    pub(crate) tags: (u32, u32),
    pub(crate) quiet: bool,
    pub(crate) recipient_keyid: u32,
    /// The sender's next key: a random number that no other key of any conversation is.
    pub(crate) next_dh: Vec<u8>,
    /// Where the counter is, 8 bytes; the ciphertext follows.
    pub(crate) counter_at: usize,
    pub(crate) counter: u64,
    pub(crate) ciphertext: std::ops::Range<usize>,
    pub(crate) mac_at: usize,
    pub(crate) revealed: Vec<[u8; 20]>,
}

/// The bytes of `?OTR:….`.
pub(crate) fn decode(line: &str) -> Option<Vec<u8>> {
    BASE64_STANDARD.decode(line.strip_prefix("?OTR:")?.strip_suffix('.')?).ok()
}

/// The line of a message.
pub(crate) fn encode(message: &[u8]) -> String {
    format!("?OTR:{}.", BASE64_STANDARD.encode(message))
}

/// Whether a line is a piece of a message.
pub(crate) fn is_fragment(line: &str) -> bool {
    line.starts_with("?OTR|") || line.starts_with("?OTR,")
}

/// The message that pieces in order make: what stands between the third comma and the last one.
pub(crate) fn join(lines: &[String]) -> String {
    lines.iter().filter_map(|line| line.splitn(4, ',').nth(3)?.strip_suffix(',')).collect()
}

/// The place of a piece, and how many there are.
pub(crate) fn place(line: &str) -> Option<(u16, u16)> {
    let mut fields = line.splitn(4, ',').skip(1);
    Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
}

/// Cuts a message of version 4 or 3 into pieces of so many bytes, under names of its own.
pub(crate) fn cut(line: &str, names: &str, length: usize) -> Vec<String> {
    let pieces: Vec<&[u8]> = line.as_bytes().chunks(length).collect();
    let text = |piece: &[u8]| String::from_utf8_lossy(piece).into_owned();
    let numbered = pieces.iter().zip(1..);
    numbered.map(|(piece, n)| format!("?OTR|{names},{n},{},{},", pieces.len(), text(piece))).collect()
}

impl Message {
    /// The client that it is for; 0 if it is for all or does not say.
    pub(crate) fn receiver(&self) -> u32 {
        match self {
            Self::Data4(data) => data.tags.1,
            Self::Data3(data) => data.tags.1,
            Self::Handshake { to, .. } => *to,
            Self::Malformed => 0,
        }
    }
}

/// Reads the fields of a message.
pub(crate) fn read(message: &[u8]) -> Message {
    let mut fields = Fields { message, at: 0 };
    fields.message().unwrap_or(Message::Malformed)
}

struct Fields<'a> {
    message: &'a [u8],
    at: usize,
}

impl<'a> Fields<'a> {
    fn message(&mut self) -> Option<Message> {
        let (version, kind) = (self.take(2)?, self.take(1)?[0]);
        match (version, kind) {
            ([0, 4], 3) => self.data_4().map(Message::Data4),
            ([0, 2 | 3], 3) => self.data_3(version[1]).map(Message::Data3),
            ([0, 2..=4], _) => {
                let kind = Kind::of(version[1], kind)?;
                let (_sender, to) = if version[1] == 2 { (0, 0) } else { (self.int()?, self.int()?) };
                Some(Message::Handshake { kind, to })
            }
            _ => None,
        }
    }

    fn data_4(&mut self) -> Option<Data4> {
        let tags = (self.int()?, self.int()?);
        let quiet = self.take(1)?[0] & 1 == 1;
        let (_pn, i, j) = (self.int()?, self.int()?, self.int()?);
        let ecdh = self.take(57)?.try_into().ok()?;
        self.data()?;
        let ciphertext = self.data()?;
        let mac_at = self.at;
        self.take(64)?;
        let revealed = self.keys()?;
        Some(Data4 { tags, quiet, i, j, ecdh, ciphertext, mac_at, revealed })
    }

    fn data_3(&mut self, version: u8) -> Option<Data3> {
        let tags = if version == 2 { (0, 0) } else { (self.int()?, self.int()?) };
        let quiet = self.take(1)?[0] & 1 == 1;
        let (_sender_keyid, recipient_keyid) = (self.int()?, self.int()?);
        let next_dh = self.data()?;
        let next_dh = self.message.get(next_dh)?.to_vec();
        let counter_at = self.at;
        let counter = u64::from_be_bytes(self.take(8)?.try_into().ok()?);
        let ciphertext = self.data()?;
        let mac_at = self.at;
        self.take(20)?;
        let revealed = self.keys()?;
        Some(Data3 {
            tags,
            quiet,
            recipient_keyid,
            next_dh,
            counter_at,
            counter,
            ciphertext,
            mac_at,
            revealed,
        })
    }

    /// The revealed MAC keys, which end the message.
    fn keys<const N: usize>(&mut self) -> Option<Vec<[u8; N]>> {
        let range = self.data()?;
        let keys = self.message.get(range)?.chunks(N);
        (self.at == self.message.len()).then_some(())?;
        keys.map(|key| key.try_into().ok()).collect()
    }

    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let bytes = self.message.get(self.at..self.at.checked_add(count)?)?;
        self.at += count;
        Some(bytes)
    }

    fn int(&mut self) -> Option<u32> {
        Some(u32::from_be_bytes(self.take(4)?.try_into().ok()?))
    }

    /// Where a field with its length in front is.
    fn data(&mut self) -> Option<std::ops::Range<usize>> {
        let length = self.int()? as usize;
        self.take(length)?;
        Some(self.at - length..self.at)
    }
}
