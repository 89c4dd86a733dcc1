//! Encoded messages that are changed: where the fields are, and how a case damages them.

use otrv4::client_profile::ClientProfile;
use otrv4::wire::{Header, MessageType, Reader, Version, WireError, Writer, armour, unarmour};

use crate::stop::{Step, failed};

/// A message in binary, and where its fields are.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    pub(crate) bytes: Vec<u8>,
    fields: Vec<(&'static str, usize, usize)>,
}

impl Message {
    /// Of a line of ours.
    pub(crate) fn of(line: &str) -> Step<Self> {
        let read = unarmour(line).and_then(|bytes| Ok(Self { fields: fields(&bytes)?, bytes }));
        match read {
            Ok(message) => Ok(message),
            Err(error) => failed(format!("not a message that can be taken apart: {error}")),
        }
    }

    /// Where a field is.
    pub(crate) fn at(&self, field: &str) -> Step<(usize, usize)> {
        match self.fields.iter().find(|(name, ..)| *name == field) {
            Some((_, start, end)) => Ok((*start, *end)),
            None => failed(format!("the message has no {field}")),
        }
    }

    /// What a field holds.
    pub(crate) fn get(&self, field: &str) -> Step<&[u8]> {
        let (start, end) = self.at(field)?;
        Ok(self.bytes.get(start..end).unwrap_or_default())
    }

    /// The same with another field.
    pub(crate) fn with(&self, field: &str, value: &[u8]) -> Step<Self> {
        let (start, end) = self.at(field)?;
        let mut changed = self.clone();
        changed.bytes.splice(start..end, value.iter().copied());
        for (_, from, to) in &mut changed.fields {
            if *from >= end {
                *from = *from + value.len() - (end - start);
            }
            if *to >= end {
                *to = *to + value.len() - (end - start);
            }
        }
        Ok(changed)
    }

    /// The same with a bit of a field changed, this many bytes behind its beginning.
    pub(crate) fn flipped(&self, field: &str, offset: usize) -> Step<Self> {
        let (start, _) = self.at(field)?;
        let mut changed = self.clone();
        if let Some(byte) = changed.bytes.get_mut(start + offset) {
            *byte ^= 1;
        }
        Ok(changed)
    }

    /// Its first bytes.
    pub(crate) fn cut(&self, behind: usize) -> Self {
        let mut changed = self.clone();
        changed.bytes.truncate(self.bytes.len().saturating_sub(behind));
        changed
    }

    /// Followed by something.
    pub(crate) fn followed_by(&self, more: &[u8]) -> Self {
        let mut changed = self.clone();
        changed.bytes.extend(more);
        changed
    }

    /// As it goes over the network.
    pub(crate) fn line(&self) -> String {
        armour(&self.bytes)
    }
}

/// A number as an MPI.
pub(crate) fn mpi(number: &[u8]) -> Vec<u8> {
    let mut w = Writer::new();
    w.mpi(number);
    w.finish()
}

fn fields(bytes: &[u8]) -> Result<Vec<(&'static str, usize, usize)>, WireError> {
    let mut r = Reader::new(bytes);
    let header = Header::read(&mut r)?;
    let mut found = vec![("version", 0, 2), ("type", 2, 3)];
    if header.version != Version::V2 {
        found.extend([("sender tag", 3, 7), ("receiver tag", 7, 11)]);
    }
    for (name, shape) in layout(header) {
        let start = r.position();
        match shape {
            Shape::Fixed(length) => _ = r.bytes(*length, name)?,
            Shape::Mpi => _ = r.mpi(name)?,
            Shape::Data => _ = r.data(name)?,
            Shape::Profile => _ = ClientProfile::read(&mut r)?,
        }
        found.push((name, start, r.position()));
    }
    Ok(found)
}

enum Shape {
    Fixed(usize),
    Mpi,
    Data,
    Profile,
}

fn layout(header: Header) -> &'static [(&'static str, Shape)] {
    use Shape::{Data, Fixed, Mpi, Profile};
    match (header.message_type, header.version) {
        (MessageType::Identity, _) => &[
            ("profile", Profile),
            ("Y", Fixed(57)),
            ("B", Mpi),
            ("first ECDH", Fixed(57)),
            ("first DH", Mpi),
        ],
        (MessageType::AuthR, _) => &[
            ("profile", Profile),
            ("X", Fixed(57)),
            ("A", Mpi),
            ("sigma", Fixed(342)),
            ("first ECDH", Fixed(57)),
            ("first DH", Mpi),
        ],
        (MessageType::AuthI, _) => &[("sigma", Fixed(342))],
        (MessageType::NonInteractiveAuth, _) => &[
            ("profile", Profile),
            ("X", Fixed(57)),
            ("A", Mpi),
            ("sigma", Fixed(342)),
            ("prekey id", Fixed(4)),
            ("auth MAC", Fixed(64)),
            ("first ECDH", Fixed(57)),
            ("first DH", Mpi),
        ],
        (MessageType::Data, Version::V4) => &[
            ("flags", Fixed(1)),
            ("pn", Fixed(4)),
            ("i", Fixed(4)),
            ("j", Fixed(4)),
            ("ECDH", Fixed(57)),
            ("DH", Mpi),
            ("ciphertext", Data),
            ("MAC", Fixed(64)),
            ("old MAC keys", Data),
        ],
        (MessageType::Data, _) => &[
            ("flags", Fixed(1)),
            ("sender keyid", Fixed(4)),
            ("recipient keyid", Fixed(4)),
            ("next DH", Mpi),
            ("counter", Fixed(8)),
            ("ciphertext", Data),
            ("MAC", Fixed(20)),
            ("old MAC keys", Data),
        ],
        (MessageType::DhCommit, _) => &[("encrypted gx", Data), ("hashed gx", Data)],
        (MessageType::DhKey, _) => &[("gy", Mpi)],
        (MessageType::RevealSignature, _) => {
            &[("revealed key", Data), ("encrypted signature", Data), ("MAC", Fixed(20))]
        }
        (MessageType::Signature, _) => &[("encrypted signature", Data), ("MAC", Fixed(20))],
        _ => &[],
    }
}
