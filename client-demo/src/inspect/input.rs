//! Lines in: from a file, from stdin, or from the folder that stands in for the messenger.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use otrv4::Timestamp;
use otrv4::prekey::PrekeyEnsemble;
use otrv4::wire::Reader;
use zeroize::Zeroizing;

use super::InspectError;
use super::json;
use super::line::Line;
use crate::network::Letter;

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
    let mut bytes = Zeroizing::new(Vec::new());
    file.take(MAX_INPUT + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_INPUT {
        return Ok(None);
    }
    let text = String::from_utf8_lossy(&bytes);
    let text = text.trim_start_matches('\u{feff}');
    Ok(Some(documents(text).unwrap_or_else(|| one_by_one(text))))
}

/// The lines of a file that is all of JSON: objects, lists of them, and objects that hold such a list.
fn documents(text: &str) -> Option<Vec<Line>> {
    if !text.trim_start().starts_with(['{', '[']) {
        return None;
    }
    let (mut lines, mut number, mut rest) = (Vec::new(), 1, text);
    while lines.len() <= MAX_LINES {
        let ahead = rest.trim_start();
        number += line_ends(rest.get(..rest.len() - ahead.len())?);
        if ahead.is_empty() {
            break;
        }
        let (value, behind) = json::value(ahead)?;
        lines.extend(document(number, value)?);
        number += line_ends(value);
        rest = behind;
    }
    // Several on one line, or in one list.
    if !lines.is_sorted_by(|a, b| a.number < b.number) {
        lines.iter_mut().zip(1..).for_each(|(line, place)| line.number = place);
    }
    Some(lines)
}

/// A line, or a list of them as `forge transcript` and `forge dake` print it, too. What else a list holds is text.
fn document(number: usize, value: &str) -> Option<Vec<Line>> {
    if let Some(line) = Line::of(number, value) {
        return Some(vec![line]);
    }
    let listed = || {
        let mut members = ["lines", "messages"].into_iter().filter_map(|name| json::member(value, name));
        members.find(|member| member.starts_with('['))
    };
    let list = if value.starts_with('[') { value } else { listed()? };
    let elements = || json::elements(list).into_iter().flatten();
    // One line more than there may be, so that it shows.
    elements().any(|value| Line::of(0, value).is_some()).then(|| {
        let lines = elements().zip(1..).take(MAX_LINES + 1);
        lines.map(|(value, place)| element(place, value)).collect()
    })
}

fn element(place: usize, value: &str) -> Line {
    let text = json::string(value);
    Line::of(place, value).unwrap_or_else(|| Line::read(place, text.as_deref().unwrap_or(value)))
}

fn line_ends(text: &str) -> usize {
    text.matches('\n').count()
}

fn one_by_one(text: &str) -> Vec<Line> {
    let lines = text.split('\n').zip(1..).map(|(line, number)| (line.trim_end_matches('\r'), number));
    let mut lines: Vec<(&str, usize)> =
        lines.filter(|(line, _)| !line.trim().is_empty()).take(MAX_LINES + 1).collect();
    while lines.len() > 1 && lines.last().is_some_and(|(line, _)| is_behind_the_lines(line)) {
        lines.pop();
    }
    lines.into_iter().map(|(line, number)| Line::read(number, line)).collect()
}

/// What `forge dake` and `forge transcript` print behind the lines: keys and the ensemble, which were not on the wire.
fn is_behind_the_lines(line: &str) -> bool {
    let is_hex = |hex: &str, digits| hex.len() == digits && hex.bytes().all(|c| c.is_ascii_hexdigit());
    if let Some(id) = line.strip_prefix("session id ") {
        return is_hex(id, 16);
    }
    if let Some(key) = line.strip_prefix("chain key of ") {
        return key.rsplit_once(' ').is_some_and(|(_, key)| is_hex(key, 128));
    }
    let ensemble = line.strip_prefix("ensemble ").and_then(|base64| BASE64_STANDARD.decode(base64).ok());
    ensemble.is_some_and(|ensemble| PrekeyEnsemble::read(&mut Reader::new(&ensemble)).is_ok())
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
        Ok(Line { number, sender: Some(from).filter(|from| !from.is_empty()), at, text, key: None })
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

/// Bytes of a transcript.
pub(super) const MAX_INPUT: u64 = 16 << 20;

/// Lines of one: each is shown with some thousand bytes about it.
pub(super) const MAX_LINES: usize = 20_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<(usize, Option<String>, String)> {
        let lines = lines(text.as_bytes()).expect("read").expect("short");
        lines.into_iter().map(|Line { number, sender, text, .. }| (number, sender, text)).collect()
    }

    fn line(number: usize, sender: &str, text: &str) -> (usize, Option<String>, String) {
        (number, Some(sender.to_owned()).filter(|sender| !sender.is_empty()), text.to_owned())
    }

    #[test]
    fn lines_may_be_in_one_object_or_one_list() {
        let all = r#"[{"by": "alice", "at": 5.5, "line": "one"},
            {"sender": 7, "line": "two"}, "three", 4]"#;
        let expected = [line(1, "alice", "one"), line(2, "", "two"), line(3, "", "three"), line(4, "", "4")];
        assert_eq!(read(all), expected);
        for name in ["lines", "messages"] {
            assert_eq!(
                read(&format!("{{\"session_id\": null, \"{name}\": {all}, \"ensemble\": null}}")),
                expected
            );
        }
    }

    #[test]
    fn objects_may_be_on_one_line_each_or_on_several() {
        let objects =
            "\n{\"line\": \"one\"}\n\n{\n  \"by\": \"bob\",\n  \"line\": \"two\"\n}\n{\"line\": \"three\"}\n";
        assert_eq!(read(objects), [line(2, "", "one"), line(4, "bob", "two"), line(8, "", "three")]);
        assert_eq!(read("{\"line\": \"one\"} {\"line\": \"two\"}"), [line(1, "", "one"), line(2, "", "two")]);
        let mixed = "{\"line\": \"one\"}\n{broken\nalice: ?OTR:AAQD.";
        for text in ["[]", "[1, 2]", "{}", "[\"?OTRv4?\"]", "{\"lines\": 1}"] {
            assert_eq!(read(text), [line(1, "", text)]);
        }
        assert_eq!(read(mixed), [line(1, "", "one"), line(2, "", "{broken"), line(3, "alice", "?OTR:AAQD.")]);
    }

    #[test]
    fn what_was_not_on_the_wire_is_passed_over_at_the_end() {
        let (id, key) = ("0".repeat(16), "a".repeat(128));
        let trailers = format!("session id {id}\nchain key of \"al ice\" {key}\nchain key of bob {key}\n");
        let printed = format!("alice ?OTR:AAQD.\n{trailers}");
        assert_eq!(read(&printed), [line(1, "alice", "?OTR:AAQD.")]);
        assert_eq!(read(&format!("{trailers}ensemble AAAA")).len(), 4, "no ensemble, so a text");
        assert_eq!(read(&format!("session id {id}\nsaid alice")).len(), 2);
    }

    #[test]
    fn blank_lines_count_and_are_passed_over() {
        assert_eq!(read("\u{feff}one\r\n\n  \nfour"), [line(1, "", "one"), line(4, "", "four")]);
    }
}
