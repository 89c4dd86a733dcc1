//! What a transcript shows to whoever looks at it: whole messages with their fields.

use otrv4::Timestamp;
use otrv4::forge::{Field, Kind, Parsed, Value, parse};
use otrv4::wire::{Assembler, Line as Classified, classify};

use super::record::{Keys, Line, Transcript};

/// A transcript, looked at.
pub(crate) struct Look<'a> {
    pub(crate) lines: &'a [Line],
    pub(crate) messages: Vec<Message>,
    /// Pieces of messages that never became whole, and lines of nobody.
    pub(crate) strange: usize,
    pub(crate) pieces: usize,
}

/// A message that is whole, or a line in clear.
pub(crate) struct Message {
    /// Which of the two sent it.
    pub(crate) sender: usize,
    pub(crate) at: i64,
    /// When the last piece arrived.
    pub(crate) received: Option<i64>,
    pub(crate) line: String,
    /// Of how many pieces it was.
    pub(crate) pieces: usize,
    pub(crate) parsed: Parsed,
    pub(crate) data: Option<Data>,
}

/// What only data messages have.
pub(crate) struct Data {
    pub(crate) quiet: bool,
    pub(crate) pn: u64,
    pub(crate) i: u64,
    pub(crate) j: u64,
    pub(crate) ecdh: Vec<u8>,
    pub(crate) dh: Vec<u8>,
    pub(crate) ciphertext: Vec<u8>,
    pub(crate) mac: Vec<u8>,
    /// What the MAC covers.
    pub(crate) sections: Vec<u8>,
    pub(crate) revealed: Vec<Vec<u8>>,
}

impl<'a> Look<'a> {
    pub(crate) fn at(transcript: &'a Transcript, keys: &Keys) -> Self {
        let mut look = Self { lines: &transcript.lines, messages: Vec::new(), strange: 0, pieces: 0 };
        let mut assemblers = [Assembler::new(), Assembler::new()];
        let mut so_far = [0, 0];
        for line in look.lines {
            let Some(sender) = keys.side(&line.sender) else {
                look.strange += 1;
                continue;
            };
            let whole = match classify(&line.line) {
                Classified::Fragment(Ok(piece)) => {
                    so_far[sender] += 1;
                    look.pieces += 1;
                    assemblers[sender].add(&piece, Timestamp::from_unix(line.at)).ok().flatten()
                }
                _ => Some(line.line.clone()),
            };
            if let Some(whole) = whole {
                let pieces = if whole == line.line { 0 } else { std::mem::take(&mut so_far[sender]) };
                look.messages.push(Message::read(sender, line, whole, pieces));
            }
        }
        look.strange += so_far.iter().sum::<usize>();
        look
    }

    pub(crate) fn data(&self) -> impl Iterator<Item = (usize, &Message, &Data)> {
        self.messages
            .iter()
            .enumerate()
            .filter_map(|(at, message)| Some((at, message, message.data.as_ref()?)))
    }
}

impl Message {
    fn read(sender: usize, line: &Line, whole: String, pieces: usize) -> Self {
        let parsed = parse(&whole);
        let mut message =
            Self { sender, at: line.at, received: line.received, line: whole, pieces, parsed, data: None };
        message.data = (message.parsed.name == "Data message").then(|| message.read_data()).flatten();
        message
    }

    fn read_data(&self) -> Option<Data> {
        let covered = self.parsed.fields.iter().take_while(|field| field.name != "authenticator");
        Some(Data {
            quiet: self.number("flags")? & 1 == 1,
            pn: self.number("previous chain message number")?,
            i: self.number("ratchet id")?,
            j: self.number("message id")?,
            ecdh: self.bytes("public ECDH key")?.to_vec(),
            dh: self.bytes("public DH key")?.to_vec(),
            ciphertext: self.bytes("encrypted message")?.to_vec(),
            mac: self.bytes("authenticator")?.to_vec(),
            sections: covered.flat_map(encode).collect(),
            revealed: self.all("revealed MAC key").map(<[u8]>::to_vec).collect(),
        })
    }

    pub(crate) fn is(&self, name: &str) -> bool {
        self.parsed.name == name
    }

    pub(crate) fn number(&self, name: &str) -> Option<u64> {
        self.parsed.fields.iter().find(|field| field.name == name).and_then(|field| match field.value {
            Value::Number(number) => Some(number),
            _ => None,
        })
    }

    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.parsed.fields.iter().find(|field| field.name == name).and_then(|field| match &field.value {
            Value::Text(text) => Some(text.as_str()),
            _ => None,
        })
    }

    pub(crate) fn bytes(&self, name: &'static str) -> Option<&[u8]> {
        self.all(name).next()
    }

    fn all(&self, name: &'static str) -> impl Iterator<Item = &[u8]> {
        self.parsed.fields.iter().filter(move |field| field.name == name).filter_map(|field| {
            match &field.value {
                Value::Bytes(bytes) => Some(bytes.as_slice()),
                _ => None,
            }
        })
    }

    /// The six numbers of a ring signature, if there is one.
    pub(crate) fn ring_signature(&self) -> Option<[&[u8]; 6]> {
        let [c1, r1, c2, r2, c3, r3] = ["c1", "r1", "c2", "r2", "c3", "r3"].map(|name| self.bytes(name));
        Some([c1?, r1?, c2?, r2?, c3?, r3?])
    }

    /// The client profile in it, as it was written.
    pub(crate) fn profile(&self) -> Option<Vec<u8>> {
        let from =
            self.parsed.fields.iter().position(|field| field.name == "number of Client Profile fields")?;
        let to = self.parsed.fields.iter().position(|field| field.name == "Client Profile signature")?;
        Some(self.parsed.fields[from..=to].iter().flat_map(encode).collect())
    }
}

/// A field, written as the specification says.
pub(crate) fn encode(field: &Field) -> Vec<u8> {
    let with_length = |value: &[u8]| {
        let length = u32::try_from(value.len()).expect("a line is far shorter than 4 GiB");
        [length.to_be_bytes().as_slice(), value].concat()
    };
    match (&field.kind, &field.value) {
        (Kind::Byte, Value::Number(n)) => n.to_be_bytes()[7..].to_vec(),
        (Kind::Short, Value::Number(n)) => n.to_be_bytes()[6..].to_vec(),
        (Kind::Int | Kind::Data, Value::Number(n)) => n.to_be_bytes()[4..].to_vec(),
        (_, Value::Number(n)) => n.to_be_bytes().to_vec(),
        (Kind::Data | Kind::Mpi, Value::Bytes(bytes)) => with_length(bytes),
        (_, Value::Bytes(bytes)) => bytes.clone(),
        (_, Value::Text(text)) => text.as_bytes().to_vec(),
    }
}
