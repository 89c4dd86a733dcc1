//! What there is to say about lines, before it is shown in any form.

use std::collections::BTreeMap;

use otrv4::Timestamp;
use otrv4::forge::{self, Parsed, RevealedKey, Value as Held, revealed_keys};
use otrv4::wire::WireError;
use serde::Serialize;

use super::InspectError;
use super::explain::{self, explain};
use super::forgery::Forgery;
use super::line::Line;
use super::observer::Observer;
use super::opened::Opened;
use super::text::cut;
use super::timeline::{self, Conversation, Step};
use crate::pieces::{self, Whole};
use crate::screen;

/// About a transcript, or about a single line.
#[derive(Serialize)]
pub(super) struct Report {
    /// What was, and what was not; the same for every report.
    pub(super) checked: &'static str,
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
    /// What it says, if the transcript gives its chain key.
    pub(super) opened: Option<Opened>,
}

/// A MAC key that a line reveals.
#[derive(Serialize)]
pub(super) struct Reveal {
    /// In hexadecimal digits.
    pub(super) key: String,
    /// Numbers of the lines whose MAC holds under it; none where an earlier line revealed it.
    pub(super) messages: Vec<usize>,
    /// That earlier line.
    pub(super) before: Option<usize>,
}

impl Reveal {
    /// Whether no MAC here holds under it.
    pub(super) fn is_strange(&self) -> bool {
        self.messages.is_empty() && self.before.is_none()
    }
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
    /// Whether that is its end.
    #[serde(skip)]
    pub(super) is_cut_short: bool,
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
    /// Whether a profile's signature holds; `None` of everything that was not checked.
    pub(super) holds: Option<bool>,
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
    pub(super) fn of(lines: Vec<Line>) -> Result<Self, InspectError> {
        let wholes = pieces::put_together(
            lines.iter().map(|line| (line.number, line.sender.as_deref(), line.text.as_str())),
        );
        let parsed = parse(&lines, &wholes)?;
        let messages: Vec<&str> = lines.iter().zip(&wholes).map(|(line, whole)| text(line, whole)).collect();
        let keys = revealed_keys(&messages)?;
        let mut revealed = Revealed::of(&lines, keys);
        let mut entries: Vec<Entry> = lines
            .into_iter()
            .zip(wholes)
            .zip(parsed)
            .zip(0..)
            .map(|(((line, whole), parsed), place)| Entry::of(line, whole, parsed, place, &mut revealed))
            .collect();
        let conversations = timeline::follow(&mut entries);
        for entry in &mut entries {
            entry.forgery = Forgery::of(entry);
        }
        Ok(Self { checked: CHECKED, conversations, observer: Observer::of(&entries), lines: entries })
    }
}

/// The message that a line is, or completes.
fn text<'a>(line: &'a Line, whole: &'a Option<Whole>) -> &'a str {
    whole.as_ref().map_or(&line.text, |whole| &whole.text)
}

/// A line, taken apart, and the message that it completes.
type Both = (Parsed, Option<Parsed>);

/// All of them, unless they have more than a person looks at.
fn parse(lines: &[Line], wholes: &[Option<Whole>]) -> Result<Vec<Both>, InspectError> {
    let (mut parsed, mut fields, mut keys) = (Vec::with_capacity(lines.len()), 0, 0);
    for (line, whole) in lines.iter().zip(wholes) {
        let both = (forge::parse(&line.text), whole.as_ref().map(|whole| forge::parse(&whole.text)));
        for Parsed { fields: more, .. } in [Some(&both.0), both.1.as_ref()].into_iter().flatten() {
            fields += more.len();
            keys += more.iter().filter(|field| field.name == "revealed MAC key").count();
        }
        if keys > MAX_KEYS {
            return Err(InspectError::TooManyKeys);
        }
        if fields > MAX_FIELDS {
            return Err(InspectError::TooManyFields);
        }
        parsed.push(both);
    }
    Ok(parsed)
}

/// What the words of a report rest on.
const CHECKED: &str = "Checked: the signatures of profiles, where the same line holds the key, but not their dates and tags; and MACs, \
    under the MAC keys that these lines reveal. Not checked: ring signatures, transitional signatures, all other MACs, proofs, and who sent \
    the lines.";

/// Fields of a transcript: an honest message has some twenty, and each is shown with several hundred bytes about it.
pub(super) const MAX_FIELDS: usize = 400_000;

/// What the library says of versions that somebody offers and that it does not know: any characters, as many as they like.
pub(super) const UNKNOWN: &str = "and unknown ones: ";

/// Characters of it that are shown.
const MOST_VERSIONS: usize = 40;

/// Revealed keys of a transcript: an honest one has about as many as lines, and each is tried on many messages.
pub(super) const MAX_KEYS: usize = 20_000;

/// By the places of lines.
#[derive(Default)]
struct Revealed {
    by: BTreeMap<usize, Vec<Reveal>>,
    /// The number of the line that reveals the MAC key of this one.
    key_of: BTreeMap<usize, usize>,
}

impl Revealed {
    fn of(lines: &[Line], keys: Vec<RevealedKey>) -> Self {
        let number = |place: usize| lines.get(place).map_or(0, |line| line.number);
        let mut revealed = Self::default();
        for RevealedKey { key, revealed_in, messages } in keys {
            let Some((first, again)) = revealed_in.split_first() else { continue };
            let (key, known) = (hex::encode(key), number(*first));
            for place in &messages {
                revealed.key_of.entry(*place).or_insert(known);
            }
            for place in again {
                let again = Reveal { key: key.clone(), messages: Vec::new(), before: Some(known) };
                revealed.by.entry(*place).or_default().push(again);
            }
            let messages = messages.into_iter().map(number).collect();
            revealed.by.entry(*first).or_default().push(Reveal { key, messages, before: None });
        }
        revealed
    }
}

impl Entry {
    fn of(
        Line { number, sender, at, text, key }: Line,
        whole: Option<Whole>,
        (message, completed): Both,
        place: usize,
        revealed: &mut Revealed,
    ) -> Self {
        let encoded = whole.as_ref().map_or(&text, |whole| &whole.text);
        let opened = key.and_then(|key| Opened::with(&key, encoded));
        let pieces = whole.map(|whole| whole.lines).unwrap_or_default();
        Self {
            number,
            sender,
            at: at.map(Timestamp::unix),
            line: text,
            message: Message::of(message),
            whole: completed.map(Message::of),
            pieces,
            step: None,
            reveals: revealed.by.remove(&place).unwrap_or_default(),
            revealed_in: revealed.key_of.remove(&place),
            forgery: Forgery::NONE,
            opened,
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
    fn of(parsed: Parsed) -> Self {
        let name = parsed.name;
        let fields: Vec<Field> = parsed.fields.into_iter().map(|field| Field::of(name, field)).collect();
        let mut message = Self {
            name,
            version: None,
            about: explain::about(name),
            fields,
            is_cut_short: matches!(parsed.error, Some(WireError::Truncated(_))),
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

    /// The signatures of profiles in it.
    pub(super) fn signatures(&self) -> impl Iterator<Item = &Field> {
        self.fields.iter().filter(|field| field.name.ends_with("Profile signature"))
    }

    /// Whether it is a whole message of OTR that follows its format.
    pub(super) fn is_sound(&self) -> bool {
        self.error.is_none()
    }
}

impl Field {
    /// Whether its meaning is what somebody has written.
    pub(super) fn is_quoted(&self) -> bool {
        self.kind == "DATA"
            && ["prekey server identity", "participant's identity", "message", "versions"]
                .contains(&self.name)
    }

    fn of(message: &str, forge::Field { name, kind, value, meaning, holds }: forge::Field) -> Self {
        let meaning = match &value {
            Held::Number(seconds) if name.ends_with("expiration") => {
                Some(format!("valid until {}", screen::date(Timestamp::from_unix(seconds.cast_signed()))))
            }
            _ => meaning.map(|meaning| match meaning.strip_prefix(UNKNOWN) {
                Some(theirs) => format!("{UNKNOWN}{}", cut(theirs, MOST_VERSIONS)),
                None => meaning,
            }),
        };
        let value = match value {
            Held::Number(number) => Value::Number(number),
            Held::Bytes(bytes) => Value::Bytes(hex::encode(bytes)),
            Held::Text(text) => Value::Text(text),
        };
        Self { name, kind: kind.name(), value, meaning, holds, explanation: explain(message, name, holds) }
    }
}
