//! What a transcript shows to whoever looks at it: whole messages with their fields.

use otrv4::forge::{Field, Kind, Parsed, Value, parse};
use otrv4::inside::primitives::over_bytes::ring_nonces;
use otrv4::wire::{Assembler, Line as Classified, classify};
use otrv4::{Account, PrekeyEnsemble, Timestamp};

use super::record::{Keys, Line, Transcript};

/// A transcript, looked at.
pub(crate) struct Look<'a> {
    pub(crate) lines: &'a [Line],
    /// What an offline start used.
    pub(crate) ensemble: Option<PrekeyEnsemble>,
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
    /// When all of it had arrived; none if a piece was lost.
    pub(crate) received: Option<i64>,
    pub(crate) line: String,
    /// The number of the line that made it whole.
    pub(crate) last_line: usize,
    /// The lengths of its pieces; none if it was whole.
    pub(crate) pieces: Vec<usize>,
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
        let ensemble = transcript.ensemble();
        let mut look =
            Self { lines: &transcript.lines, ensemble, messages: Vec::new(), strange: 0, pieces: 0 };
        let mut assemblers = [Assembler::new(), Assembler::new()];
        // Lengths and arrivals of the pieces of the message that each is sending.
        let mut so_far: [(Vec<usize>, Vec<Option<i64>>); 2] = Default::default();
        for (number, line) in look.lines.iter().enumerate() {
            let Some(sender) = keys.side(&line.sender) else {
                look.strange += 1;
                continue;
            };
            let whole = match classify(&line.line) {
                Classified::Fragment(Ok(piece)) => {
                    so_far[sender].0.push(piece.piece.len());
                    so_far[sender].1.push(line.received);
                    look.pieces += 1;
                    assemblers[sender].add(&piece, Timestamp::from_unix(line.at)).ok().flatten()
                }
                _ => Some(line.line.clone()),
            };
            if let Some(whole) = whole {
                let (pieces, arrivals) = match whole == line.line {
                    true => (Vec::new(), vec![line.received]),
                    false => std::mem::take(&mut so_far[sender]),
                };
                let received = arrivals.into_iter().collect::<Option<Vec<_>>>();
                let received = received.and_then(|all| all.into_iter().max());
                let parsed = parse(&whole);
                let (at, last_line) = (line.at, number);
                let data = None;
                let mut message =
                    Message { sender, at, received, line: whole, last_line, pieces, parsed, data };
                message.data = message.is("Data message").then(|| message.read_data()).flatten();
                look.messages.push(message);
            }
        }
        look.strange += so_far.iter().map(|(pieces, _)| pieces.len()).sum::<usize>();
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

    /// For each place of the ring signature and each secret of that account, the nonce if it was this secret that signed there.
    /// Numbers that are too great for a scalar have none; their signature does not hold.
    pub(crate) fn nonces(&self, account: &Account) -> Vec<[u8; 57]> {
        let Some(signature) = self.ring_signature() else { return Vec::new() };
        signature.chunks(2).filter_map(|pair| ring_nonces(account, pair[0], pair[1])).flatten().collect()
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
