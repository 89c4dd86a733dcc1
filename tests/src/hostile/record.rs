//! Everything that has ever left a client, as somebody who listens would keep it. Used by [`super::world`], by the checks,
//! and by Mallory, who plays it again.

use std::collections::{BTreeMap, HashMap};

use otrv4::Timestamp;

use super::lines::{self, Kind, Message};

/// A message, or another line.
pub(crate) struct Sent {
    /// The client that sent it.
    pub(crate) from: usize,
    pub(crate) at: Timestamp,
    /// One, or its pieces.
    pub(crate) lines: Vec<String>,
    /// Of an encoded message its bytes; else nothing.
    pub(crate) bytes: Vec<u8>,
    /// None of a query, an error, or clear text.
    pub(crate) message: Option<Message>,
    /// What a user has typed and it carries, and the conversation that it was typed in.
    pub(crate) text: Option<(usize, Ssid)>,
    /// Of a data message: the conversation that it was sent in.
    pub(crate) ssid: Option<Ssid>,
    /// Of a key exchange: the message that it answers, whose turn it was.
    pub(crate) answers: Option<usize>,
}

/// The eight bytes that name a conversation.
pub(crate) type Ssid = [u8; 8];

/// All of them, in order.
#[derive(Default)]
pub(crate) struct Record {
    pub(crate) sent: Vec<Sent>,
    /// Those of key exchanges.
    pub(crate) handshakes: BTreeMap<Kind, Vec<usize>>,
    by_lines: HashMap<(usize, Vec<String>), usize>,
    /// The bytes that a MAC covers, and the MAC, of all data messages.
    by_section: HashMap<Vec<u8>, usize>,
}

impl Record {
    /// Puts down what a client sends, in one line or in pieces; says whether it is new. The same again, by a client that was
    /// closed in the middle, is the same message.
    pub(crate) fn add(&mut self, from: usize, at: Timestamp, lines: Vec<String>) -> (usize, bool) {
        let key = (from, lines.clone());
        if let Some(known) = self.by_lines.get(&key) {
            return (*known, false);
        }
        let whole = if lines.len() > 1 { lines::join(&lines) } else { lines.concat() };
        let bytes = lines::decode(&whole).unwrap_or_default();
        let message = (!bytes.is_empty()).then(|| lines::read(&bytes));
        let number = self.sent.len();
        if let Some(end) = message.as_ref().and_then(authenticated) {
            self.by_section.insert(bytes[..end].to_vec(), number);
        }
        if let Some(Message::Handshake { kind, .. }) = message {
            self.handshakes.entry(kind).or_default().push(number);
        }
        self.by_lines.insert(key, number);
        self.sent.push(Sent { from, at, lines, bytes, message, text: None, ssid: None, answers: None });
        (number, true)
    }

    /// When that message of a key exchange was sent for the first time.
    pub(crate) fn first_sent(&self, number: usize) -> Timestamp {
        let Sent { from, bytes, at, .. } = &self.sent[number];
        let mut handshakes = self.handshakes.values().flatten().map(|number| &self.sent[*number]);
        let first = handshakes.find(|sent| sent.from == *from && sent.bytes == *bytes);
        first.map_or(*at, |first| first.at)
    }

    /// Whether a message of a key exchange was sent before, and only cut into other pieces: whom it went to may have answered it.
    pub(crate) fn says_the_same_again(&self, number: usize) -> bool {
        let Sent { from, bytes, .. } = &self.sent[number];
        let before = &self.sent[..number];
        before.iter().any(|sent| sent.message.is_some() && sent.from == *from && sent.bytes == *bytes)
    }

    /// The data message with the same authenticated bytes and the same MAC. What follows them anybody may change.
    pub(crate) fn genuine(&self, bytes: &[u8]) -> Option<usize> {
        let end = authenticated(&lines::read(bytes))?;
        self.by_section.get(&bytes[..end]).copied()
    }

    /// Whether a line was sent by anybody as it is.
    pub(crate) fn has_line(&self, line: &str) -> bool {
        self.sent.iter().any(|sent| sent.lines.iter().any(|it| it == line))
    }
}

/// Where the MAC of a data message ends.
fn authenticated(message: &Message) -> Option<usize> {
    match message {
        Message::Data4(data) => Some(data.mac_at + 64),
        Message::Data3(data) => Some(data.mac_at + 20),
        Message::Handshake { .. } | Message::Malformed => None,
    }
}
