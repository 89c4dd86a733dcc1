//! A report for the terminal. What others have written is harmless in it, and long values are shortened.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use console::{Term, style};

use super::observer::list;
use super::opened::Opened;
use super::report::{Entry, Field, Message, Report, Value};
use super::timeline::Conversation;
use crate::harmless;

pub(super) fn of(report: &Report) -> String {
    let width = Term::stdout().size_checked().map_or(80, |(_, columns)| usize::from(columns).clamp(40, 100));
    let mut screen = Screen { width, text: String::new() };
    if report.lines.len() > 1 {
        screen.timeline(&report.lines);
        for (conversation, number) in report.conversations.iter().zip(1..) {
            screen.conversation(number, conversation);
        }
    }
    screen.heading("What was checked");
    screen.wrapped("  ", "  ", report.checked);
    screen.heading("What an observer learns");
    report.observer.learns.iter().for_each(|learnt| screen.item(learnt));
    report.observer.does_not_learn.iter().for_each(|hidden| screen.item(&format!("not: {hidden}")));
    report.lines.iter().for_each(|entry| screen.entry(entry));
    screen.text
}

struct Screen {
    width: usize,
    text: String,
}

impl Screen {
    fn timeline(&mut self, entries: &[Entry]) {
        self.heading("Timeline");
        for entry in entries {
            let step =
                entry.step.as_ref().filter(|step| step.ratchet.is_some() || step.place != "key exchange");
            let place = step.map(|step| format!(", {}", step.place)).unwrap_or_default();
            let turn = step.and_then(|step| step.turn).map(|turn| format!("; {turn}")).unwrap_or_default();
            let said = format!("{}{place}{turn}{}", title(entry), keys(entry));
            self.wrapped(&format!("{:>5}  ", entry.number), "       ", &said);
        }
    }

    fn conversation(&mut self, number: usize, conversation: &Conversation) {
        let between = match conversation.between.is_empty() {
            true => String::new(),
            false => format!(" between {}", conversation.between.join(" and ")),
        };
        self.heading(&format!("Conversation {number}, version {}{between}", conversation.version));
        self.item(&format!("begun {}", conversation.begins));
        if !conversation.exchange.is_empty() {
            self.item(&format!("key exchange: {}", list(&conversation.exchange)));
        }
        let count = conversation.messages.len();
        self.item(&format!(
            "{count} data messages, {} of which anybody can change now",
            conversation.changeable
        ));
        self.item(&conversation.end);
    }

    fn entry(&mut self, entry: &Entry) {
        self.heading(&format!("Line {}: {}", entry.number, title(entry)));
        self.wrapped("  ", "  ", entry.main().about);
        if let Some(time) = entry.time() {
            self.wrapped("  ", "  ", &format!("sent: {time}"));
        }
        if let Some(step) = &entry.step {
            let turn = step.turn.map(|turn| format!("; {turn}")).unwrap_or_default();
            let place = format!("conversation {}: {}{turn}", step.conversation, step.place);
            self.wrapped("  ", "  ", &place);
        }
        if !entry.pieces.is_empty() {
            self.wrapped("  ", "  ", &format!("put together from {}", list(&entry.pieces)));
        }
        for said in key_sentences(entry) {
            self.wrapped("  ", "  ", &said);
        }
        let label = style("Who can forge it now:").bold();
        self.wrapped(
            &format!("  {label} "),
            "    ",
            &format!("{}. {}", entry.forgery.short, entry.forgery.why),
        );
        if let Some(Opened { text, records }) = &entry.opened {
            self.wrapped(
                "  ",
                "    ",
                &format!("With the chain key that the transcript gives it says: {}", quoted(text)),
            );
            records.iter().for_each(|record| self.wrapped("    ", "    ", &record.words()));
        }
        self.fields(&entry.message);
        if let Some(whole) = &entry.whole {
            self.wrapped("  ", "  ", "The whole message:");
            self.fields(whole);
        }
    }

    fn fields(&mut self, message: &Message) {
        for field in &message.fields {
            let Field { name, kind, explanation, .. } = field;
            let said = field.meaning.as_deref().map(|meaning| match field.is_quoted() {
                true => format!(" ({})", quoted(meaning)),
                false => format!(" ({meaning})"),
            });
            let value = shortened(&field.value);
            self.wrapped("    ", "      ", &format!("{name}, {kind}: {value}{}", said.unwrap_or_default()));
            if !explanation.is_empty() {
                self.wrapped("      ", "      ", explanation);
            }
        }
        if let Some(error) = &message.error {
            self.wrapped("    ", "      ", &format!("damaged: {error}"));
        }
    }

    fn heading(&mut self, words: &str) {
        let gap = if self.text.is_empty() { "" } else { "\n" };
        let words = harmless::line(words);
        let options = textwrap::Options::new(self.width).subsequent_indent("  | ");
        let lines = textwrap::wrap(&words, options);
        let lines: Vec<String> = lines.iter().map(|line| style(line).bold().to_string()).collect();
        _ = writeln!(self.text, "{gap}{}", lines.join("\n"));
    }

    fn item(&mut self, words: &str) {
        self.wrapped("  - ", "    ", words);
    }

    /// A paragraph, without power over the terminal. Where somebody's words stand in quotation marks in it, every line but the first begins
    /// with a bar, which nothing of ours does.
    fn wrapped(&mut self, first: &str, others: &str, words: &str) {
        let others = &if words.contains('"') { format!("{others}| ") } else { others.to_owned() };
        let first_width = console::measure_text_width(first);
        let indent = " ".repeat(first_width);
        let options = textwrap::Options::new(self.width).initial_indent(&indent).subsequent_indent(others);
        let words = harmless::line(words);
        let lines = textwrap::wrap(&words, options);
        for (line, number) in lines.iter().zip(0..) {
            match line.get(first_width..).filter(|_| number == 0) {
                Some(rest) => _ = writeln!(self.text, "{first}{rest}"),
                None => _ = writeln!(self.text, "{line}"),
            }
        }
    }
}

/// Who sent what.
pub(super) fn title(entry: &Entry) -> String {
    let sender =
        entry.sender.as_ref().map(|sender| format!("{}: ", harmless::name(sender))).unwrap_or_default();
    let version = entry.main().version.map(|version| format!(", version {version}")).unwrap_or_default();
    let name = entry.main().name;
    match entry.whole {
        Some(_) => format!("{sender}last piece of a {name}{version}"),
        None => match (entry.message.number("index"), entry.message.number("total")) {
            (Some(index), Some(total)) => format!("{sender}{name}, {index} of {total}"),
            _ => format!("{sender}{name}{version}"),
        },
    }
}

fn keys(entry: &Entry) -> String {
    key_sentences(entry).into_iter().map(|said| format!("; {said}")).collect()
}

/// Which MAC keys it reveals, and where its own is.
pub(super) fn key_sentences(entry: &Entry) -> Vec<String> {
    let messages: Vec<usize> = entry.reveals.iter().flat_map(|reveal| reveal.messages.clone()).collect();
    let strangers = entry.reveals.iter().filter(|reveal| reveal.is_strange()).count();
    let again: BTreeSet<usize> = entry.reveals.iter().filter_map(|reveal| reveal.before).collect();
    [
        match messages.as_slice() {
            [] => None,
            [one] => Some(format!("reveals the MAC key of line {one}")),
            several => Some(format!("reveals the MAC keys of {}", list(several))),
        },
        (!again.is_empty()).then(|| format!("repeats MAC keys of {}", list(&Vec::from_iter(again)))),
        (strangers > 0).then(|| format!("reveals {} of no message here", counted(strangers))),
        entry.revealed_in.map(|line| format!("its own MAC key is revealed in line {line}")),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn counted(keys: usize) -> String {
    if keys == 1 { "1 MAC key".to_owned() } else { format!("{keys} MAC keys") }
}

/// A value on one line.
fn shortened(value: &Value) -> String {
    match value {
        Value::Number(number) => number.to_string(),
        Value::Text(text) => cut(text, 400),
        Value::Bytes(hex) if hex.is_empty() => "empty".to_owned(),
        Value::Bytes(hex) => match hex.get(..SHOWN) {
            Some(beginning) if hex.len() > SHOWN => format!("{beginning}… ({} bytes)", hex.len() / 2),
            _ => hex.clone(),
        },
    }
}

/// What somebody has written, or the beginning of it.
pub(super) fn cut(text: &str, characters: usize) -> String {
    match text.char_indices().nth(characters) {
        Some((end, _)) => format!("{}… ({} bytes)", quoted(text.get(..end).unwrap_or_default()), text.len()),
        None => quoted(text),
    }
}

/// What somebody has written, so that its end cannot be mistaken.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// Hexadecimal digits of a value that are shown.
pub(super) const SHOWN: usize = 32;
