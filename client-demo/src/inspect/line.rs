//! A line of a transcript: what was on the wire, and what stands around it in a log. Used by [`super::input`].

use std::time::UNIX_EPOCH;

use otrv4::Timestamp;
use serde_json::Number;
use zeroize::Zeroizing;

use super::json;

/// A line of the messenger.
#[derive(Debug, PartialEq)]
pub(super) struct Line {
    /// Its place, from 1: in a file the number of the line, so that an editor finds it.
    pub(super) number: usize,
    /// Who it says it is from.
    pub(super) sender: Option<String>,
    pub(super) at: Option<Timestamp>,
    pub(super) text: String,
    /// The chain key of the data message that it is or completes, in hexadecimal digits, where the transcript gives it.
    pub(super) key: Option<Zeroizing<String>>,
}

impl Line {
    pub(super) fn read(number: usize, text: &str) -> Self {
        let json = Some(text).filter(|text| text.trim_start().starts_with('{')).and_then(json::whole);
        json.and_then(|object| Self::of(number, object)).unwrap_or_else(|| Self::found(number, text))
    }

    /// An object with the text under `line`. What else it may have is passed over where it is not as expected.
    pub(super) fn of(number: usize, object: &str) -> Option<Self> {
        let said = |name| json::member(object, name).and_then(json::string);
        let text = said("line")?;
        let sender = ["sender", "by"].into_iter().find_map(said);
        let seconds = || serde_json::from_str::<Number>(json::member(object, "at")?).ok();
        let at = match said("at") {
            Some(time) => moment(&time),
            None => seconds().and_then(|seconds| unix(&seconds.to_string())),
        };
        Some(Self { number, sender, at, text, key: said("chain_key").map(Zeroizing::new) })
    }

    /// A line with its sender, perhaps behind a time; a message of OTR whatever stands before it; or the line as it is.
    fn found(number: usize, text: &str) -> Self {
        let is_alone = text.starts_with(OTR);
        let found = (!is_alone).then(|| around(text).or_else(|| in_a_log(text))).flatten();
        let (at, sender, said) = found.unwrap_or((None, None, text));
        Self { number, sender, at, text: said.to_owned(), key: None }
    }
}

/// When, who, and what was on the wire.
type Found<'a> = (Option<Timestamp>, Option<String>, &'a str);

/// One of the forms that tell where the line of the messenger begins, which goes to the end.
fn around(text: &str) -> Option<Found<'_>> {
    if let Some((sender, said)) = in_brackets(text) {
        return Some((None, Some(sender.to_owned()), said));
    }
    let (at, rest) = time(text)?;
    if let Some((sender, said)) = in_brackets(rest) {
        return Some((at, Some(sender.to_owned()), said));
    }
    if rest.starts_with(OTR) {
        return Some((at, None, rest));
    }
    // A number, or the time of a day, may begin a text for people.
    let is_dated =
        text.trim_start_matches(['[', '(']).split(' ').next().is_some_and(|word| word.contains('-'));
    let (sender, said) =
        named(rest).filter(|(_, said)| said.starts_with(OTR) || (is_dated && !is_long(rest)))?;
    Some((at, Some(name(sender)?), said))
}

/// Whether a name of several words and a colon stand before a message.
fn is_long(text: &str) -> bool {
    message_in(text).is_some_and(|(before, _)| before.trim_end().ends_with(':') && name(before).is_some())
}

/// A log of any other kind.
fn in_a_log(text: &str) -> Option<Found<'_>> {
    let (before, message) = message_in(text)?;
    let (at, who) = time(before).unwrap_or((None, before));
    Some((at, name(who), message))
}

/// What is encrypted in a line, or a piece of it, and what stands before it.
fn message_in(line: &str) -> Option<(&str, &str)> {
    let found = |(at, _)| {
        let (before, here) = line.split_at_checked(at)?;
        Some((before, here.get(..end(here)?)?))
    };
    line.match_indices(OTR).take(TRIED).find_map(found)
}

/// So many beginnings are tried, each of which may be looked at to the end of the line: an honest log has one.
const TRIED: usize = 64;

/// Where a message or a piece of it ends that begins here.
fn end(here: &str) -> Option<usize> {
    if let Some(base64) = here.strip_prefix("?OTR:") {
        let rest = base64.trim_start_matches(|c: char| c.is_ascii_alphanumeric() || "+/=".contains(c));
        // The first byte of every version.
        return (base64.starts_with("AA") && rest.starts_with('.')).then(|| here.len() - rest.len() + 1);
    }
    let names = ["?OTR|", "?OTR,", "?OTRP|"].iter().find_map(|prefix| here.strip_prefix(prefix))?;
    if !names.starts_with(|c: char| c.is_ascii_hexdigit()) {
        return None;
    }
    let (last, _) = here.match_indices(',').skip(3).last()?;
    // What is cut without an identifier may have commas of its own.
    let has_identifier = here.split(',').next().is_some_and(|names| names.matches('|').count() > 2);
    let fourth = here.match_indices(',').nth(3).map(|(comma, _)| comma).filter(|_| has_identifier);
    Some(fourth.unwrap_or(last) + 1)
}

/// A sender in angle brackets, and what they said. Markup may begin a text, too.
fn in_brackets(text: &str) -> Option<(&str, &str)> {
    let (sender, said) = text.strip_prefix('<')?.split_once("> ")?;
    Some((sender, said)).filter(|(sender, _)| !sender.contains(['<', '>']))
}

/// A name, in quotation marks if it is not plain, and what its owner said.
fn named(text: &str) -> Option<(&str, &str)> {
    let Some(quoted) = text.strip_prefix('"') else { return text.split_once(' ') };
    let mut escaped = false;
    let end = quoted.find(|c| {
        let ends = c == '"' && !escaped;
        escaped = c == '\\' && !escaped;
        ends
    })?;
    let (name, said) = text.split_at_checked(end + 2)?;
    Some((name, said.strip_prefix(' ')?))
}

/// Who is named before a message: in brackets, in quotation marks, before a colon, or with a single word.
fn name(before: &str) -> Option<String> {
    let before = before.trim();
    let colon = before.strip_suffix(':');
    let inner = colon.unwrap_or(before).trim_end();
    let within = |open, close| inner.strip_prefix(open)?.strip_suffix(close);
    let plain = |name: &&str| !name.is_empty() && name.len() <= LONGEST_NAME;
    if let Some(quoted) = within('"', '"') {
        return Some(quoted).filter(plain).map(|name| name.replace("\\\"", "\""));
    }
    let bare = || {
        let is_word = !inner.contains(' ');
        // Brackets are in names of one word, and begin much else.
        let others = if is_word { ['<', '>', '"'].as_slice() } else { &['<', '>', '"', '{', '}', '[', ']'] };
        let is_name = !inner.starts_with(['{', '[']) && !inner.contains(others) && !inner.contains(": ");
        Some(inner).filter(|_| is_name && (is_word || colon.is_some()))
    };
    let bracketed = within('<', '>').filter(|name| !name.contains(['<', '>']));
    bracketed.or_else(bare).filter(plain).map(str::to_owned)
}

/// A time at the start, in brackets perhaps, and what follows it. That of a day without its date says nothing of when.
fn time(text: &str) -> Option<(Option<Timestamp>, &str)> {
    let text = text.trim_start();
    let closed = |open, close| text.strip_prefix(open)?.split_once(close);
    let words = |count: usize| {
        let (end, _) = text.match_indices(' ').nth(count - 1)?;
        text.split_at_checked(end)
    };
    let found = [closed('[', ']'), closed('(', ')'), words(2), words(1)].into_iter().flatten();
    let mut times = found.filter_map(|(word, rest)| {
        let at = moment(word);
        (at.is_some() || is_clock(word)).then_some((at, rest.trim_start()))
    });
    times.next()
}

/// Seconds since 1970, perhaps with a fraction; or a date as in RFC 3339, whose `T` may be a blank.
fn moment(text: &str) -> Option<Timestamp> {
    unix(text).or_else(|| date(text))
}

fn unix(text: &str) -> Option<Timestamp> {
    let (seconds, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let seconds = seconds.parse().ok().filter(|_| fraction.bytes().all(|c| c.is_ascii_digit()));
    seconds.map(Timestamp::from_unix)
}

fn date(text: &str) -> Option<Timestamp> {
    let end = text.len().checked_sub(OFFSET);
    let offset = end.and_then(|end| text.split_at_checked(end)).and_then(|(date, offset)| {
        let (hours, minutes) = offset.get(1..)?.split_once(':')?;
        let minutes = hours.parse::<i64>().ok()? * 60 + minutes.parse::<i64>().ok()?;
        match offset.as_bytes().first()? {
            b'+' => Some((date, minutes)),
            b'-' => Some((date, -minutes)),
            _ => None,
        }
    });
    let (date, minutes) = offset.unwrap_or((text, 0));
    // The parser does not look behind the seconds.
    let rest = date.get(TO_SECONDS..)?;
    let fraction = rest.strip_suffix('Z').unwrap_or(rest);
    if !fraction.is_empty()
        && !fraction.strip_prefix('.').is_some_and(|n| n.bytes().all(|c| c.is_ascii_digit()))
    {
        return None;
    }
    let since_1970 = humantime::parse_rfc3339_weak(date).ok()?.duration_since(UNIX_EPOCH).ok()?;
    Some(Timestamp::from_unix(i64::try_from(since_1970.as_secs()).ok()?.checked_sub(60 * minutes)?))
}

/// `12:00`, `12:00:05`, `12:00:05 PM`.
fn is_clock(word: &str) -> bool {
    let word = word.strip_suffix(" AM").or_else(|| word.strip_suffix(" PM")).unwrap_or(word);
    let parts: Vec<&str> = word.split(':').collect();
    let two = |part: &&str| (1..=2).contains(&part.len()) && part.bytes().all(|c| c.is_ascii_digit());
    (2..=3).contains(&parts.len()) && parts.iter().all(two)
}

/// Begins whatever is of OTR.
const OTR: &str = "?OTR";

/// Bytes of `2027-01-15T08:00:00`.
const TO_SECONDS: usize = 19;

/// Bytes of `+02:00`.
const OFFSET: usize = 6;

/// What is longer before a message is no name.
const LONGEST_NAME: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_beginnings_are_passed_over_at_once() {
        let text = "x ?OTR|1".repeat(1 << 20);
        assert_eq!(Line::read(1, &text).text, text);
    }

    const TEXT: &str = "?OTRv4?";
    const MESSAGE: &str = "?OTR:AAQD.";

    fn shown(text: &str) -> (Option<String>, Option<i64>, String) {
        let Line { number, sender, at, text, .. } = Line::read(7, text);
        assert_eq!(number, 7);
        (sender, at.map(Timestamp::unix), text)
    }

    fn expected(sender: &str, at: Option<i64>, text: &str) -> (Option<String>, Option<i64>, String) {
        (Some(sender.to_owned()).filter(|sender| !sender.is_empty()), at, text.to_owned())
    }

    #[test]
    fn each_form_of_a_line_is_read() {
        const AT: Option<i64> = Some(1_800_000_000);
        assert_eq!(shown(TEXT), expected("", None, TEXT));
        assert_eq!(shown("<alice> ?OTRv4?"), expected("alice", None, TEXT));
        for time in [
            "2027-01-15T08:00:00Z",
            "1800000000",
            "1800000000.5",
            "2027-01-15T10:00:00+02:00",
            "2027-01-15T02:30:00.25-05:30",
            "2027-01-15 08:00:00",
            "[2027-01-15T08:00:00.125Z]",
            "[1800000000]",
        ] {
            assert_eq!(shown(&format!("{time} <alice> ?OTRv4?")), expected("alice", AT, TEXT), "{time}");
            assert_eq!(shown(&format!("{time} ?OTRv4?")), expected("", AT, TEXT), "{time}");
            assert_eq!(shown(&format!("{time} alice ?OTRv4?")), expected("alice", AT, TEXT), "{time}");
            let json = format!(
                r#"{{"sender": "alice", "at": "{}", "line": "?OTRv4?", "more": 1}}"#,
                time.trim_matches(['[', ']'])
            );
            assert_eq!(shown(&json), expected("alice", AT, TEXT), "{time}");
        }
        let dated = "2027-01-15T08:00:00Z alice hello, Bob";
        assert_eq!(shown(dated), expected("alice", AT, "hello, Bob"));
        let quoted = "2027-01-15T08:00:00Z \"al \\\"x\\\" ice\" ?OTRv4?";
        assert_eq!(shown(quoted), expected("al \"x\" ice", AT, TEXT));
        for (at, read) in [("1800000000", AT), ("1800000000.5", AT), ("[]", None), ("null", None)] {
            let json = format!(r#"{{"at": {at}, "line": "two\nlines"}}"#);
            assert_eq!(shown(&json), expected("", read, "two\nlines"));
        }
    }

    #[test]
    fn what_is_encrypted_is_found_whatever_stands_before_it() {
        let piece = "?OTR|1|100|200,1,2,?OTR:AA,";
        let of_a_text = "?OTR,2,3,  However, you do not have a plugin,";
        for message in [MESSAGE, piece, "?OTR,1,2,?OTR:AA,", "?OTRP|1|100|0,1,2,AAQ,", of_a_text] {
            for (before, sender, at) in [
                ("alice: ", "alice", None),
                ("12:00 <alice> ", "alice", None),
                ("(12:00:05 PM) Alice Liddell: ", "Alice Liddell", None),
                ("[12:00] alice: ", "alice", None),
                ("alice@example.org ", "alice@example.org", None),
                ("\"al ice\" ", "al ice", None),
                ("2027-01-15T08:00:00Z ", "", Some(1_800_000_000)),
                ("2027-01-15T08:00:00Z \"al ice\" ", "al ice", Some(1_800_000_000)),
                ("2027-01-15 10:00:00+02:00 alice: ", "alice", Some(1_800_000_000)),
                ("{\"message\": \"", "", None),
                ("look at this, ", "", None),
                ("alice[m]: ", "alice[m]", None),
                ("<alice[m]>: ", "alice[m]", None),
                ("2027-01-15 08:00:00 Alice Liddell: ", "Alice Liddell", Some(1_800_000_000)),
            ] {
                assert_eq!(shown(&format!("{before}{message}")), expected(sender, at, message), "{before}");
            }
        }
        assert_eq!(shown("{\"text\": \"?OTR:AAQD.\"}"), expected("", None, MESSAGE));
        assert_eq!(shown("bob: ?OTR|1|100|200,1,2,?OTR:AA,."), expected("bob", None, piece));
        assert_eq!(shown("bob: ?OTR|1|100,1,2,a, b,. "), expected("bob", None, "?OTR|1|100,1,2,a, b,"));
        for whole in ["?OTR:AAQD. and more", "?OTR|broken ?OTR:AAQD."] {
            assert_eq!(shown(whole), expected("", None, whole), "as clients read it");
        }
    }

    #[test]
    fn a_line_goes_to_the_end_where_it_is_known_to_begin() {
        for said in [
            "?OTR:AAQD…",
            "?OTR:AAQD",
            "?OTR:AAQD. and more",
            "?OTR,2,3,  However, you do not have a plugin,",
            "I got ?OTR:AAMC from bob, what is it?",
            "I got ?OTR:AAMC. from bob",
            "look: ?OTR:AAMC.",
        ] {
            for sender in ["alice", "alice[m]", "al{i}ce", "[alice]", "{a} \"l\" ice", "alice: bob"] {
                for (time, at) in
                    [("", None), ("12:00 ", None), ("[2027-01-15T08:00:00Z] ", Some(1_800_000_000))]
                {
                    assert_eq!(
                        shown(&format!("{time}<{sender}> {said}")),
                        expected(sender, at, said),
                        "{time}"
                    );
                }
            }
            for sender in ["alice", "alice[m]", "al{i}ce"] {
                let dated = format!("2027-01-15T08:00:00Z {sender} {said}");
                assert_eq!(shown(&dated).1, Some(1_800_000_000));
                if said != "look: ?OTR:AAMC." {
                    assert_eq!(shown(&dated), expected(sender, Some(1_800_000_000), said));
                }
            }
        }
        let named = "2027-01-15T08:00:00Z alice: look: ?OTR:AAMC.";
        assert_eq!(shown(named), expected("alice", Some(1_800_000_000), "look: ?OTR:AAMC."));
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
            "5.30 is too late",
            "12:00 is better",
            "look: ?OTRv4?",
            "messages begin with ?OTR: and a blank",
            "alice: I got ?OTR:AAMC from bob, what is it?",
            "alice: ?OTR|1|2",
        ] {
            assert_eq!(shown(text), (None, None, text.to_owned()));
        }
    }
}
