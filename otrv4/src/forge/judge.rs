//! What a judge can see in a transcript without any secret: everything that is on the wire, in numbers that can be compared.
//! Tests only.

use super::forger::Who;
use super::script::Line;
use crate::Timestamp;
use crate::ratchet::keys::MacKey;
use crate::v4::DataMessage;
use crate::wire::{Header, Line as Classified, MessageType, Reader, classify};

/// One line as the judge sees it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Observed {
    pub(super) sender: Who,
    pub(super) at: Timestamp,
    pub(super) kind: Kind,
    /// Bytes of the message, or characters of a line that is none, as if no DH key began with a zero byte.
    pub(super) length: usize,
    /// Sender's and receiver's tag.
    pub(super) tags: Option<(u32, Option<u32>)>,
    pub(super) data: Option<Data>,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Query,
    Message(MessageType),
    Other,
}

/// What only data messages have.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Data {
    pub(super) flags: u8,
    pub(super) pn: u32,
    pub(super) i: u32,
    pub(super) j: u32,
    pub(super) has_dh: bool,
    /// Where in the transcript the same ECDH key was seen first.
    pub(super) ratchet_since: usize,
    pub(super) ciphertext: usize,
    /// For each revealed MAC key the line that it authenticates; none if there is no such line before.
    pub(super) reveals: Vec<Option<usize>>,
}

/// Everything at once.
pub(super) fn observe(lines: &[Line]) -> Vec<Observed> {
    let messages: Vec<Option<Vec<u8>>> = lines
        .iter()
        .map(|line| match classify(&line.line) {
            Classified::Encoded(message) => message.ok(),
            _ => None,
        })
        .collect();
    let observed = lines.iter().enumerate().map(|(at, line)| {
        let (kind, length, tags, data) = match &messages[at] {
            None if matches!(classify(&line.line), Classified::Query(_)) => {
                (Kind::Query, line.line.len(), None, None)
            }
            None => (Kind::Other, line.line.len(), None, None),
            Some(message) => {
                let header = Header::read(&mut Reader::new(message)).expect("a header");
                let data = (header.message_type == MessageType::Data).then(|| data(&messages, at));
                let (data, short) = match data {
                    Some((data, dh)) => (Some(data), dh),
                    None => (None, short_dh(&header, message)),
                };
                let tags = (header.sender.get(), header.receiver.map(|tag| tag.get()));
                (Kind::Message(header.message_type), message.len() + short, Some(tags), data)
            }
        };
        Observed { sender: line.sender, at: line.at, kind, length, tags, data }
    });
    observed.collect()
}

/// Bytes that the DH keys of a handshake message lack, since numbers are written without leading zeros.
fn short_dh(header: &Header, message: &[u8]) -> usize {
    let mut r = Reader::new(message);
    Header::read(&mut r).expect("a header");
    let profile =
        |r: &mut Reader<'_>| crate::client_profile::ClientProfile::read(r).map(|_| ()).expect("a profile");
    let short = |r: &mut Reader<'_>| 384 - r.mpi("DH key").expect("an MPI").len();
    let skip = |r: &mut Reader<'_>, count| _ = r.bytes(count, "fields").expect("fields");
    match header.message_type {
        MessageType::Identity => {
            profile(&mut r);
            skip(&mut r, 57);
            let first = short(&mut r);
            skip(&mut r, 57);
            first + short(&mut r)
        }
        MessageType::AuthR | MessageType::NonInteractiveAuth => {
            profile(&mut r);
            skip(&mut r, 57);
            let first = short(&mut r);
            let more = if header.message_type == MessageType::NonInteractiveAuth { 4 + 64 } else { 0 };
            skip(&mut r, 342 + more + 57);
            first + short(&mut r)
        }
        _ => 0,
    }
}

/// The fields of the data message there, and the bytes that its DH key lacks.
fn data(messages: &[Option<Vec<u8>>], at: usize) -> (Data, usize) {
    let fields = |message: &[u8]| {
        let mut r = Reader::new(message);
        Header::read(&mut r).ok().filter(|header| header.message_type == MessageType::Data)?;
        let flags = r.byte("flags").ok()?;
        let ids = (r.int("pn").ok()?, r.int("i").ok()?, r.int("j").ok()?);
        let ecdh = r.bytes(57, "ECDH key").ok()?.to_vec();
        let dh = r.mpi("DH key").ok()?.len();
        let ciphertext = r.data("ciphertext").ok()?.len();
        r.bytes(64, "MAC").ok()?;
        let revealed = r.data("MAC keys").ok()?.to_vec();
        Some((flags, ids, ecdh, dh, ciphertext, revealed))
    };
    let message = messages[at].as_ref().expect("a message");
    let (flags, (pn, i, j), ecdh, dh, ciphertext, revealed) = fields(message).expect("a data message");
    let same = |message: &Option<Vec<u8>>| message.as_ref().is_some_and(|message| contains(message, &ecdh));
    let ratchet_since = messages.iter().position(same).expect("here at the latest");
    let reveals = revealed.chunks(64).map(|key| {
        let key = MacKey::load(&mut Reader::new(key)).expect("64 bytes");
        messages[..at].iter().position(|message| message.as_ref().is_some_and(|m| authenticates(&key, m)))
    });
    let data =
        Data { flags, pn, i, j, has_dh: dh > 0, ratchet_since, ciphertext, reveals: reveals.collect() };
    (data, if dh > 0 { 384 - dh } else { 0 })
}

fn contains(message: &[u8], part: &[u8]) -> bool {
    message.windows(part.len()).any(|window| window == part)
}

fn authenticates(key: &MacKey, message: &[u8]) -> bool {
    let mut r = Reader::new(message);
    let header = Header::read(&mut r).expect("a header");
    header.message_type == MessageType::Data
        && DataMessage::read(&mut r).is_ok_and(|message| message.is_authentic(key))
}
