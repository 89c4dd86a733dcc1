//! "Parse": a line as the fields that it is made of. Spec: otrv4.md "Forging Transcripts", and the format table of each
//! message. What the messages of each protocol are made of is in [`messages`] and [`prekeys`].

mod messages;
mod prekeys;
mod walk;

use crate::wire::{Fragment, InstanceTag, Line, Versions, WireError, classify};

/// A line, taken apart. Nothing in it has been checked but its format.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parsed {
    /// What it is, such as "Data message".
    pub name: &'static str,
    /// Its fields, in the order of the wire.
    pub fields: Vec<Field>,
    /// Where it does not follow its format any more; what is left is the last field then.
    pub error: Option<WireError>,
}

/// A field of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// As the text calls it.
    pub name: &'static str,
    /// Its data type.
    pub kind: Kind,
    /// What it holds.
    pub value: Value,
    /// What that says to people, where it says more than the value.
    pub meaning: Option<String>,
}

/// Data types.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// One byte.
    Byte,
    /// Two bytes.
    Short,
    /// Four bytes.
    Int,
    /// Eight bytes.
    Long,
    /// A length of four bytes, and the bytes.
    Data,
    /// The same, of a number.
    Mpi,
    /// A point of the curve, 57 bytes.
    Point,
    /// A number modulo the order of the curve, 57 bytes.
    Scalar,
    /// Bytes of a fixed number: MACs, signatures, hashes.
    Bytes,
    /// What is written in the line itself.
    Text,
}

impl Kind {
    /// As the specification calls it; what has no name there is "bytes" and "text".
    pub const fn name(self) -> &'static str {
        match self {
            Self::Byte => "BYTE",
            Self::Short => "SHORT",
            Self::Int => "INT",
            Self::Long => "LONG",
            Self::Data => "DATA",
            Self::Mpi => "MPI",
            Self::Point => "POINT",
            Self::Scalar => "SCALAR",
            Self::Bytes => "bytes",
            Self::Text => "text",
        }
    }
}

/// The value of a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// Of BYTE, SHORT, INT and dates; and the length of DATA whose content is in the fields behind it.
    Number(u64),
    /// Of everything else that is not text.
    Bytes(Vec<u8>),
    /// Of a line in clear.
    Text(String),
}

/// The fields of any line: of a query, a text with a whitespace tag, an error, a fragment, an encoded message of the versions
/// 2, 3 and 4, or a message or fragment of the prekey server's protocol. Whatever the line, there is an answer.
pub fn parse(line: &str) -> Parsed {
    let line = line.trim_end_matches(['\r', '\n']);
    match classify(line) {
        Line::Plain(text) => prekeys::parse(text).unwrap_or_else(|| clear("Text", vec![shown("text", text)])),
        Line::Tagged { text, versions } => {
            clear("Text with a whitespace tag", vec![shown("text", &text), offer(versions)])
        }
        Line::Query(versions) => clear("Query message", vec![shown("query", line), offer(versions)]),
        Line::Error { code, text } => {
            let code = code.map(|code| shown("error code", code.text()));
            clear("Error message", code.into_iter().chain([shown("text", text)]).collect())
        }
        Line::Fragment(Ok(fragment)) => clear("Fragment", of_fragment(&fragment)),
        Line::Fragment(Err(error)) => damaged("Fragment", line, error),
        Line::Encoded(Ok(message)) => messages::parse(&message),
        Line::Encoded(Err(error)) => damaged("Encoded message", line, error),
    }
}

fn clear(name: &'static str, fields: Vec<Field>) -> Parsed {
    Parsed { name, fields, error: None }
}

fn damaged(name: &'static str, line: &str, error: WireError) -> Parsed {
    Parsed { name, fields: vec![shown("line", line)], error: Some(error) }
}

fn shown(name: &'static str, text: &str) -> Field {
    Field { name, kind: Kind::Text, value: Value::Text(text.to_owned()), meaning: None }
}

fn offer(versions: Versions) -> Field {
    shown("versions", &versions.to_digits())
}

fn of_fragment(fragment: &Fragment<'_>) -> Vec<Field> {
    let &Fragment { identifier, sender, receiver, index, total, piece } = fragment;
    // Version 2 has no tags.
    let tags = (sender != InstanceTag::V2).then(|| [sender.get(), receiver.map_or(0, InstanceTag::get)]);
    of_pieces(identifier, tags, index, total, piece)
}

fn of_pieces(
    identifier: Option<u32>,
    tags: Option<[u32; 2]>,
    index: u16,
    total: u16,
    piece: &str,
) -> Vec<Field> {
    let number = |name, kind, value: u32| {
        let meaning = None;
        Field { name, kind, value: Value::Number(value.into()), meaning }
    };
    let tag =
        |name, tag| Field { meaning: Some(messages::meaning_of_tag(tag)), ..number(name, Kind::Int, tag) };
    let identifier = identifier.map(|id| number("identifier", Kind::Int, id));
    let tags = tags.map(|[sender, receiver]| {
        [tag("sender's instance tag", sender), tag("receiver's instance tag", receiver)]
    });
    let rest = [
        number("index", Kind::Short, index.into()),
        number("total", Kind::Short, total.into()),
        shown("piece", piece),
    ];
    identifier.into_iter().chain(tags.into_iter().flatten()).chain(rest).collect()
}
