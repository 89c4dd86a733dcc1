//! Lines in: from a file, from stdin, or from the folder that stands in for the messenger.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use otrv4::Timestamp;
use serde::Deserialize;

use super::InspectError;
use crate::network::Letter;

/// A line of the messenger.
#[derive(Debug, PartialEq)]
pub(super) struct Line {
    /// Its place, from 1: in a file the number of the line, so that an editor finds it.
    pub(super) number: usize,
    /// Who it says it is from.
    pub(super) sender: Option<String>,
    pub(super) at: Option<Timestamp>,
    pub(super) text: String,
}

/// All lines there.
pub(super) fn read(source: &Path) -> Result<Vec<Line>, InspectError> {
    let failed = |cause| InspectError::Read { path: source.to_owned(), cause };
    let lines = if source == Path::new("-") {
        lines(io::stdin().lock()).map_err(failed)?
    } else if source.is_dir() {
        letters(source).map(Some)?
    } else {
        File::open(source).and_then(lines).map_err(failed)?
    };
    let lines = lines.ok_or(InspectError::TooLong)?;
    match lines.len() {
        0 => Err(InspectError::Empty),
        1..=MAX_LINES => Ok(lines),
        _ => Err(InspectError::TooMany),
    }
}

/// The lines of a file; `None` if it is too long. What is not UTF-8 is replaced.
fn lines(file: impl Read) -> io::Result<Option<Vec<Line>>> {
    let mut bytes = Vec::new();
    file.take(MAX_INPUT + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_INPUT {
        return Ok(None);
    }
    let text = String::from_utf8_lossy(&bytes);
    let text = text.trim_start_matches('\u{feff}');
    if let Some(Document { lines }) = object(text) {
        return Ok(Some(lines.into_iter().zip(1..).map(|(line, number)| line.numbered(number)).collect()));
    }
    let lines = text.split('\n').zip(1..);
    let lines = lines.filter(|(line, _)| !line.trim().is_empty()).take(MAX_LINES + 1);
    Ok(Some(lines.map(|(line, number)| Line::read(number, line.trim_end_matches('\r'))).collect()))
}

/// What waits in the maildirs of a network folder, in the order in which it was sent.
fn letters(folder: &Path) -> Result<Vec<Line>, InspectError> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |cause| InspectError::Read { path, cause }
    };
    let mut files: Vec<PathBuf> = Vec::new();
    for maildir in inside(folder).map_err(failed(folder))? {
        for part in ["new", "cur"].map(|part| maildir.join(part)).iter().filter(|part| part.is_dir()) {
            files.extend(inside(part).map_err(failed(part))?);
        }
    }
    files.sort_by(|a, b| a.file_name().cmp(&b.file_name()));
    let letters = files.into_iter().take(MAX_LINES + 1).zip(1..).map(|(file, number)| {
        let at = sent(&file);
        let Letter { from, line: text, .. } = Letter::read(file.clone())
            .map_err(|error| InspectError::Read { path: file, cause: io::Error::other(error) })?;
        Ok(Line { number, sender: Some(from).filter(|from| !from.is_empty()), at, text })
    });
    letters.collect()
}

fn inside(folder: &Path) -> io::Result<Vec<PathBuf>> {
    fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect()
}

/// When a letter was sent: its name begins with nanoseconds.
fn sent(file: &Path) -> Option<Timestamp> {
    let nanos: u128 = file.file_name()?.to_str()?.split_once('.')?.0.parse().ok()?;
    i64::try_from(nanos / 1_000_000_000).ok().map(Timestamp::from_unix)
}

impl Line {
    fn read(number: usize, text: &str) -> Self {
        object(text).map_or_else(|| Self::named(number, text), |recorded: Recorded| recorded.numbered(number))
    }

    /// A line with its sender, perhaps behind a time, or as it is.
    fn named(number: usize, text: &str) -> Self {
        let timed = text.split_once(' ').and_then(|(time, rest)| Some((Moment::parse(time)?, rest)));
        let (at, rest) = timed.map_or((None, text), |(at, rest)| (Some(at), rest));
        let in_brackets = rest.strip_prefix('<').and_then(|rest| rest.split_once("> "));
        // Markup may begin a text, too.
        let in_brackets = in_brackets.filter(|(sender, _)| !sender.contains(['<', '>']));
        // A number may begin a text for people.
        let is_dated = at.is_some() && text.split(' ').next().is_some_and(|time| time.contains('T'));
        let bare = || rest.split_once(' ').filter(|_| is_dated);
        match in_brackets.or_else(bare) {
            Some((sender, text)) => {
                Self { number, sender: Some(sender.to_owned()), at, text: text.to_owned() }
            }
            None => Self { number, sender: None, at: None, text: text.to_owned() },
        }
    }
}

/// A line as JSON.
#[derive(Deserialize)]
struct Recorded {
    #[serde(alias = "by")]
    sender: Option<String>,
    at: Option<Moment>,
    line: String,
}

impl Recorded {
    fn numbered(self, number: usize) -> Line {
        let Self { sender, at, line: text } = self;
        Line { number, sender, at: at.and_then(Moment::read), text }
    }
}

/// All lines in one object.
#[derive(Deserialize)]
struct Document {
    lines: Vec<Recorded>,
}

fn object<'a, T: Deserialize<'a>>(text: &'a str) -> Option<T> {
    Some(text).filter(|text| text.starts_with('{')).and_then(|text| serde_json::from_str(text).ok())
}

/// Seconds since 1970, or a date as in RFC 3339.
#[derive(Deserialize)]
#[serde(untagged)]
enum Moment {
    Unix(i64),
    Text(String),
}

impl Moment {
    fn read(self) -> Option<Timestamp> {
        match self {
            Self::Unix(seconds) => Some(Timestamp::from_unix(seconds)),
            Self::Text(text) => Self::parse(&text),
        }
    }

    fn parse(text: &str) -> Option<Timestamp> {
        let seconds = text.parse().ok().or_else(|| {
            let since_1970 = humantime::parse_rfc3339(text).ok()?.duration_since(UNIX_EPOCH).ok()?;
            i64::try_from(since_1970.as_secs()).ok()
        });
        seconds.map(Timestamp::from_unix)
    }
}

/// Bytes of a transcript.
pub(super) const MAX_INPUT: u64 = 16 << 20;

/// Lines of one: each is shown with some thousand bytes about it.
pub(super) const MAX_LINES: usize = 20_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> (Option<String>, Option<i64>, String) {
        let Line { number, sender, at, text } = Line::read(7, text);
        assert_eq!(number, 7);
        (sender, at.map(Timestamp::unix), text)
    }

    #[test]
    fn each_form_of_a_line_is_read() {
        let (alice, text) = (Some("alice".to_owned()), "?OTRv4?".to_owned());
        assert_eq!(shown("?OTRv4?"), (None, None, text.clone()));
        assert_eq!(shown("<alice> ?OTRv4?"), (alice.clone(), None, text.clone()));
        for time in ["2027-01-15T08:00:00Z", "1800000000"] {
            assert_eq!(
                shown(&format!("{time} <alice> ?OTRv4?")),
                (alice.clone(), Some(1_800_000_000), text.clone())
            );
            let json = format!(r#"{{"sender": "alice", "at": "{time}", "line": "?OTRv4?", "more": 1}}"#);
            assert_eq!(shown(&json), (alice.clone(), Some(1_800_000_000), text.clone()));
        }
        let dated = "2027-01-15T08:00:00Z alice ?OTRv4?";
        assert_eq!(shown(dated), (alice, Some(1_800_000_000), text));
        let json = r#"{"at": 1800000000, "line": "two\nlines"}"#;
        assert_eq!(shown(json), (None, Some(1_800_000_000), "two\nlines".to_owned()));
    }

    #[test]
    fn what_has_no_such_form_is_a_line_as_it_is() {
        for text in [
            "<b>bold</b> move",
            "Hello <alice> you",
            "{\"line\": 1}",
            "{",
            "<alice>",
            "a: b",
            "5 apples, please",
        ] {
            assert_eq!(shown(text), (None, None, text.to_owned()));
        }
    }

    #[test]
    fn an_object_may_hold_all_lines() {
        let json = br#"{"lines": [{"by": "alice", "at": 5, "line": "one"},
            {"line": "two"}], "ensemble": null}"#;
        let lines = lines(&json[..]).expect("read").expect("short");
        let shown: Vec<_> = lines.iter().map(|l| (l.number, l.sender.as_deref(), l.text.as_str())).collect();
        assert_eq!(shown, [(1, Some("alice"), "one"), (2, None, "two")]);
    }

    #[test]
    fn blank_lines_count_and_are_passed_over() {
        let lines = lines("\u{feff}one\r\n\n  \nfour".as_bytes()).expect("read").expect("short");
        let shown: Vec<_> = lines.iter().map(|line| (line.number, line.text.as_str())).collect();
        assert_eq!(shown, [(1, "one"), (4, "four")]);
    }
}
