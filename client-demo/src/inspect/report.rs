//! What there is to say about lines, before it is shown in any form.

use otrv4::Timestamp;
use otrv4::forge::{self, RevealedKey, Value as Parsed, revealed_keys};
use serde::Serialize;

use super::explain::{self, explain};
use super::forgery::Forgery;
use super::input::Line;
use super::observer::Observer;
use super::timeline::{self, Conversation, Step};
use crate::pieces::{self, Whole};
use crate::screen;

/// About a transcript, or about a single line.
#[derive(Serialize)]
pub(super) struct Report {
    pub(super) conversations: Vec<Conversation>,
    pub(super) observer: Observer,
    pub(super) lines: Vec<Entry>,
}

/// About a line.
#[derive(Serialize)]
pub(super) struct Entry {
    pub(super) number: usize,
    pub(super) sender: Option<String>,
    /// Seconds since 1970.
    pub(super) at: Option<i64>,
    /// As it was on the wire.
    pub(super) line: String,
    /// What it is; a fragment, if it is one.
    pub(super) message: Message,
    /// What it completes, if it is the last piece to come.
    pub(super) whole: Option<Message>,
    /// The numbers of the lines of all its pieces then.
    pub(super) pieces: Vec<usize>,
    /// Its place in a conversation.
    pub(super) step: Option<Step>,
    pub(super) reveals: Vec<Reveal>,
    /// The line that reveals its MAC key.
    pub(super) revealed_in: Option<usize>,
    pub(super) forgery: Forgery,
}

/// A MAC key that a line reveals.
#[derive(Serialize)]
pub(super) struct Reveal {
    /// In hexadecimal digits.
    pub(super) key: String,
    /// Numbers of the lines whose MAC holds under it.
    pub(super) messages: Vec<usize>,
}

/// A message, taken apart.
#[derive(Serialize)]
pub(super) struct Message {
    pub(super) name: &'static str,
    /// Of the protocol; nothing for what is in clear.
    pub(super) version: Option<u64>,
    /// What it is for.
    pub(super) about: &'static str,
    pub(super) fields: Vec<Field>,
    /// Where it does not follow its format.
    pub(super) error: Option<String>,
}

/// A field of a message.
#[derive(Serialize)]
pub(super) struct Field {
    pub(super) name: &'static str,
    #[serde(rename = "type")]
    pub(super) kind: &'static str,
    pub(super) value: Value,
    /// What the value says.
    pub(super) meaning: Option<String>,
    /// What such a field is for.
    pub(super) explanation: &'static str,
}

/// A value: a number, or text, which of bytes is in hexadecimal digits.
#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum Value {
    Number(u64),
    Bytes(String),
    Text(String),
}

impl Report {
    pub(super) fn of(lines: Vec<Line>) -> Self {
        let wholes = pieces::put_together(
            lines.iter().map(|line| (line.number, line.sender.as_deref(), line.text.as_str())),
        );
        let messages: Vec<&str> = lines.iter().zip(&wholes).map(|(line, whole)| text(line, whole)).collect();
        let revealed = Revealed {
            numbers: lines.iter().map(|line| line.number).collect(),
            keys: revealed_keys(&messages),
        };
        let mut entries: Vec<Entry> = lines
            .into_iter()
            .zip(wholes)
            .zip(0..)
            .map(|((line, whole), place)| Entry::of(line, whole, place, &revealed))
            .collect();
        let conversations = timeline::follow(&mut entries);
        for entry in &mut entries {
            entry.forgery = Forgery::of(entry);
        }
        Self { conversations, observer: Observer::of(&entries), lines: entries }
    }
}

/// The message that a line is, or completes.
fn text<'a>(line: &'a Line, whole: &'a Option<Whole>) -> &'a str {
    whole.as_ref().map_or(&line.text, |whole| &whole.text)
}

struct Revealed {
    numbers: Vec<usize>,
    keys: Vec<RevealedKey>,
}

impl Revealed {
    fn number(&self, place: usize) -> usize {
        self.numbers.get(place).copied().unwrap_or_default()
    }

    fn by(&self, place: usize) -> Vec<Reveal> {
        let keys = self.keys.iter().filter(|key| key.revealed_in.contains(&place));
        let reveal = |key: &RevealedKey| Reveal {
            key: hex::encode(&key.key),
            messages: key.messages.iter().map(|place| self.number(*place)).collect(),
        };
        keys.map(reveal).collect()
    }

    fn key_of(&self, place: usize) -> Option<usize> {
        let key = self.keys.iter().find(|key| key.messages.contains(&place))?;
        key.revealed_in.first().map(|place| self.number(*place))
    }
}

impl Entry {
    fn of(
        Line { number, sender, at, text }: Line,
        whole: Option<Whole>,
        place: usize,
        revealed: &Revealed,
    ) -> Self {
        let message = Message::of(&text);
        let pieces = whole.as_ref().map(|whole| whole.lines.clone()).unwrap_or_default();
        Self {
            number,
            sender,
            at: at.map(Timestamp::unix),
            line: text,
            message,
            whole: whole.map(|whole| Message::of(&whole.text)),
            pieces,
            step: None,
            reveals: revealed.by(place),
            revealed_in: revealed.key_of(place),
            forgery: Forgery::NONE,
        }
    }

    /// The message that it is, or completes.
    pub(super) fn main(&self) -> &Message {
        self.whole.as_ref().unwrap_or(&self.message)
    }

    /// When it was sent, for people.
    pub(super) fn time(&self) -> Option<String> {
        self.at.map(|at| screen::date(Timestamp::from_unix(at)))
    }
}

impl Message {
    fn of(text: &str) -> Self {
        let parsed = forge::parse(text);
        let name = parsed.name;
        let fields: Vec<Field> = parsed.fields.into_iter().map(|field| Field::of(name, field)).collect();
        let mut message = Self {
            name,
            version: None,
            about: explain::about(name),
            fields,
            error: parsed.error.map(|error| error.to_string()),
        };
        message.version = message.number("protocol version");
        message
    }

    /// The value of the first field with this name.
    pub(super) fn number(&self, name: &str) -> Option<u64> {
        match self.field(name)?.value {
            Value::Number(number) => Some(number),
            Value::Bytes(_) | Value::Text(_) => None,
        }
    }

    /// The hexadecimal digits of the first field with this name.
    pub(super) fn hex(&self, name: &str) -> Option<&str> {
        match &self.field(name)?.value {
            Value::Bytes(hex) => Some(hex),
            Value::Number(_) | Value::Text(_) => None,
        }
    }

    pub(super) fn field(&self, name: &str) -> Option<&Field> {
        self.fields.iter().find(|field| field.name == name)
    }

    /// Whether it is a whole message of OTR that follows its format.
    pub(super) fn is_sound(&self) -> bool {
        self.error.is_none()
    }
}

impl Field {
    fn of(message: &str, forge::Field { name, kind, value, meaning }: forge::Field) -> Self {
        let meaning = match &value {
            Parsed::Number(seconds) if name.ends_with("expiration") => {
                Some(format!("valid until {}", screen::date(Timestamp::from_unix(seconds.cast_signed()))))
            }
            _ => meaning,
        };
        let value = match value {
            Parsed::Number(number) => Value::Number(number),
            Parsed::Bytes(bytes) => Value::Bytes(hex::encode(bytes)),
            Parsed::Text(text) => Value::Text(text),
        };
        Self { name, kind: explain::kind(kind), value, meaning, explanation: explain(message, name) }
    }
}
