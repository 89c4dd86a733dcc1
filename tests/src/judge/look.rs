//! What a transcript shows to whoever looks at it: whole messages with their fields.

use base64::prelude::{BASE64_STANDARD, Engine as _};
use otrv4::PrekeyEnsemble;
use otrv4::forge::{Field, Kind, Parsed, Value, parse};
use otrv4::wire::{Fragment, InstanceTag, Line as Classified, classify};

use super::readable::Plain;
use super::record::{Keys, Known, Line, Transcript};

/// A transcript, looked at.
pub(crate) struct Look<'a> {
    pub(crate) lines: &'a [Line],
    /// What an offline start used, if it is known; an error if it cannot be read.
    pub(crate) ensemble: Option<Result<PrekeyEnsemble, String>>,
    pub(crate) messages: Vec<Message>,
    /// Lines of neither of the two.
    pub(crate) foreign: usize,
    /// By their sender pieces of messages that never became whole.
    pub(crate) strays: [usize; 2],
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
    /// What all its pieces say of it.
    pub(crate) cut: Option<Cut>,
    pub(crate) parsed: Parsed,
    pub(crate) data: Option<Data>,
}

/// What stands on each piece of a message.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cut {
    pub(crate) identifier: Option<u32>,
    pub(crate) sender: InstanceTag,
    pub(crate) receiver: Option<InstanceTag>,
    total: u16,
}

/// What only data messages have.
pub(crate) struct Data {
    pub(crate) flags: u64,
    /// Nobody needs to hear of it: it has no text.
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
    /// If whoever received it shows that.
    pub(crate) chain_key: Option<Vec<u8>>,
    /// What it says, if that key opens it.
    pub(crate) plain: Option<Plain>,
}

impl<'a> Look<'a> {
    pub(crate) fn at(transcript: &'a Transcript, keys: &Keys) -> Self {
        let ensemble = transcript.ensemble().map(|read| read.map_err(|error| error.to_string()));
        let lines = &transcript.lines;
        let mut look = Self { lines, ensemble, messages: Vec::new(), foreign: 0, strays: [0; 2], pieces: 0 };
        let mut partial: [Option<Partial>; 2] = [None, None];
        for (number, line) in lines.iter().enumerate() {
            let Some(sender) = keys.side(&line.sender) else {
                look.foreign += 1;
                continue;
            };
            let before = partial[sender].take();
            let Classified::Fragment(Ok(piece)) = classify(&line.line) else {
                look.strays[sender] += before.map_or(0, |before| before.pieces.len());
                let read = (line.line.clone(), line.received);
                look.messages.push(Message::new(sender, line.at, number, read));
                continue;
            };
            look.pieces += 1;
            let (goes_on, strays) = Partial::go_on(before, &piece, line.received);
            look.strays[sender] += strays;
            match goes_on {
                Some(whole) if whole.is_complete() => {
                    let message = Message::new(sender, line.at, number, (whole.text, whole.received));
                    look.messages.push(Message { pieces: whole.pieces, cut: Some(whole.cut), ..message });
                }
                goes_on => partial[sender] = goes_on,
            }
        }
        for (strays, partial) in look.strays.iter_mut().zip(&partial) {
            *strays += partial.as_ref().map_or(0, |partial| partial.pieces.len());
        }
        for message in &mut look.messages {
            message.open(lines[message.last_line].chain_key.as_deref());
        }
        look
    }

    /// When the message there arrived, or the same line when it was sent again.
    pub(crate) fn arrival(&self, at: usize) -> Option<i64> {
        let message = &self.messages[at];
        let same = self.messages.iter().filter(|it| it.sender == message.sender && it.line == message.line);
        same.filter_map(|it| it.received).min()
    }

    pub(crate) fn data(&self) -> impl Iterator<Item = (usize, &Message, &Data)> {
        self.messages
            .iter()
            .enumerate()
            .filter_map(|(at, message)| Some((at, message, message.data.as_ref()?)))
    }
}

/// The beginning of a message that comes in pieces.
struct Partial {
    cut: Cut,
    text: String,
    pieces: Vec<usize>,
    /// When the last of them arrived; none if one was lost.
    received: Option<i64>,
}

impl Partial {
    /// With the next piece, if that begins a message or goes on with this one; and how many pieces belong to nothing. Whoever cuts
    /// a message sends its pieces one after the other.
    fn go_on(before: Option<Self>, piece: &Fragment<'_>, received: Option<i64>) -> (Option<Self>, usize) {
        let &Fragment { identifier, sender, receiver, index, total, piece } = piece;
        let cut = Cut { identifier, sender, receiver, total };
        match before {
            Some(mut so_far) if so_far.cut == cut && so_far.pieces.len() + 1 == usize::from(index) => {
                so_far.text.push_str(piece);
                so_far.pieces.push(piece.len());
                so_far.received = so_far.received.zip(received).map(|(one, other)| one.max(other));
                (Some(so_far), 0)
            }
            before => {
                let strays = before.map_or(0, |before| before.pieces.len());
                let begun = Self { cut, text: piece.to_owned(), pieces: vec![piece.len()], received };
                if index == 1 { (Some(begun), strays) } else { (None, strays + 1) }
            }
        }
    }

    fn is_complete(&self) -> bool {
        self.pieces.len() == usize::from(self.cut.total)
    }
}

impl Message {
    fn new(sender: usize, at: i64, last_line: usize, (line, received): (String, Option<i64>)) -> Self {
        let parsed = parse(&line);
        let (pieces, cut, data) = (Vec::new(), None, None);
        let mut message = Self { sender, at, received, line, last_line, pieces, cut, parsed, data };
        message.data = message.is("Data message").then(|| message.read_data()).flatten();
        message
    }

    /// With what its receiver shows.
    fn open(&mut self, chain_key: Option<&str>) {
        if let (Some(data), Some(key)) = (&mut self.data, chain_key) {
            // What is no key opens nothing.
            let key = BASE64_STANDARD.decode(key).unwrap_or_default();
            data.plain = Plain::of(data, &key);
            data.chain_key = Some(key);
        }
    }

    fn read_data(&self) -> Option<Data> {
        let covered = self.parsed.fields.iter().take_while(|field| field.name != "authenticator");
        let flags = self.number("flags")?;
        Some(Data {
            flags,
            quiet: flags & 1 == 1,
            pn: self.number("previous chain message number")?,
            i: self.number("ratchet id")?,
            j: self.number("message id")?,
            ecdh: self.bytes("public ECDH key")?.to_vec(),
            dh: self.bytes("public DH key")?.to_vec(),
            ciphertext: self.bytes("encrypted message")?.to_vec(),
            mac: self.bytes("authenticator")?.to_vec(),
            sections: covered.flat_map(encode).collect(),
            revealed: self.all("revealed MAC key").map(<[u8]>::to_vec).collect(),
            chain_key: None,
            plain: None,
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

    /// For each place of the ring signature and each secret of that side, the nonce if it was this secret that signed there.
    /// Numbers that are too great for a scalar have none; their signature does not hold.
    pub(crate) fn nonces(&self, of: &Known) -> Vec<[u8; 57]> {
        let Some(signature) = self.ring_signature() else { return Vec::new() };
        signature.chunks(2).filter_map(|pair| of.nonces(pair[0], pair[1])).flatten().collect()
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
