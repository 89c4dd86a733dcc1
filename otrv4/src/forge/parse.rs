//! "Parse": a line as the fields that it is made of. Spec: otrv4.md "Forging Transcripts", and the format table of each
//! message. What the messages of each protocol are made of is in [`messages`] and [`prekeys`].

mod messages;
mod prekeys;
mod walk;

use crate::wire::{Fragment, InstanceTag, Line, Versions, WireError, classify, whitespace_tag};

/// A line, taken apart. Nothing in it has been checked but its format and the signatures of profiles, see [`Field::holds`].
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
    /// Whether the signature of a profile holds under the key of the Client Profile in the same line; dates, tags and the other
    /// fields have not been looked at. `None` of a Prekey Profile before which no key came, and of every other field: no ring signature, MAC or proof
    /// has been checked.
    pub holds: Option<bool>,
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
/// 2, 3 and 4, or a message or fragment of the prekey server's protocol. Whatever the line, there is an answer; of an encoded
/// message of another version it has the version, the type, and the rest as one field.
pub fn parse(line: &str) -> Parsed {
    let line = line.trim_end_matches(['\r', '\n']);
    match classify(line) {
        Line::Plain(text) => prekeys::parse(text).unwrap_or_else(|| clear("Text", vec![shown("text", text)])),
        Line::Tagged { text, versions } => clear("Text with a whitespace tag", tagged(line, &text, versions)),
        Line::Query(versions) => {
            clear("Query message", vec![shown("query", line), offer(versions, listed(line))])
        }
        Line::Error { .. } => clear("Error message", error(line)),
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
    Field { name, kind: Kind::Text, value: Value::Text(text.to_owned()), meaning: None, holds: None }
}

/// The versions known here; what else was offered is said beside them.
fn offer(versions: Versions, others: impl Iterator<Item = char>) -> Field {
    let others: String = others.filter(|c| !matches!(c, '1'..='4')).collect();
    let meaning = match (versions.is_empty(), others.is_empty()) {
        (_, false) => Some(format!("and unknown ones: {others}")),
        (true, true) => Some("none".to_owned()),
        (false, true) => None,
    };
    Field { meaning, ..shown("versions", &versions.to_digits()) }
}

/// What a query lists behind `v`, of the first beginning that is one.
fn listed(line: &str) -> impl Iterator<Item = char> {
    let of_one = |rest: &'_ str| -> Option<String> {
        let (offers_1, rest) = rest.strip_prefix('?').map_or((false, rest), |rest| (true, rest));
        let listed = rest.strip_prefix('v').and_then(|rest| rest.split_once('?'));
        let listed = listed.filter(|(listed, _)| listed.bytes().all(|c| c.is_ascii_graphic()));
        listed.map(|(listed, _)| listed.to_owned()).or_else(|| offers_1.then(String::new))
    };
    let listed: Vec<char> = line.split("?OTR").skip(1).find_map(of_one).unwrap_or_default().chars().collect();
    listed.into_iter()
}

/// The text without the first tag, and the tag: its base and sets of eight blanks, each of which spells a version.
fn tagged(line: &str, text: &str, versions: Versions) -> Vec<Field> {
    let tag = line.len().saturating_sub(text.len());
    let start = line.find(&whitespace_tag(Versions::EMPTY)).unwrap_or_default();
    let tag = line.get(start..start.saturating_add(tag)).unwrap_or_default();
    let sets = tag.as_bytes().chunks(8).skip(2).map(|set| {
        char::from(set.iter().fold(0_u8, |character, blank| character << 1 | u8::from(*blank == b'\t')))
    });
    // Version 1 is an R there.
    let others = sets.filter(|set| *set != 'R');
    vec![shown("text", text), shown("whitespace tag", tag), offer(versions, others)]
}

/// The code as it was sent, with what otrv4.md "OTR Error Messages" says that it means, and the text.
fn error(line: &str) -> Vec<Field> {
    let said = line.strip_prefix(ERROR_PREFIX).unwrap_or(line).trim_start();
    let number =
        |code: &str| code.strip_prefix("ERROR_").is_some_and(|n| n.bytes().all(|c| c.is_ascii_digit()));
    let Some((code, text)) = said.split_once(':').filter(|(code, _)| number(code)) else {
        return vec![shown("text", said)];
    };
    let meaning = match code {
        "ERROR_1" => "the message is undecryptable",
        "ERROR_2" => "the message arrived in a state that is not encrypted messages",
        "ERROR_3" => "the instance tags do not correspond",
        _ => "a code that is not known here",
    };
    vec![
        Field { meaning: Some(meaning.to_owned()), ..shown("error code", code) },
        shown("text", text.trim_start()),
    ]
}

const ERROR_PREFIX: &str = "?OTR Error:";

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
    let number = |name, kind, value: u32| Field {
        name,
        kind,
        value: Value::Number(value.into()),
        meaning: None,
        holds: None,
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
