//! Lines of a messenger: which of them are OTR's, and the text form of encoded messages.
//! Spec: otrv4.md "Encoded Messages", "OTR Error Messages", "Query Messages", "Whitespace Tags". Used by the session.

use core::fmt;

use base64::prelude::{BASE64_STANDARD, Engine as _};

use super::{Fragment, WireError};

/// What a received line is.
#[derive(Debug, PartialEq, Eq)]
pub enum Line<'a> {
    /// A text without anything of OTR in it.
    Plain(&'a str),
    /// A text that carried a whitespace tag, which is taken out. A tag may offer nothing: the set is then empty.
    Tagged {
        /// The text without the tag.
        text: String,
        /// What the tag offers.
        versions: Versions,
    },
    /// A wish to talk with OTR. The set is empty when nothing is offered or the list of versions is malformed.
    Query(Versions),
    /// A complaint. Nobody vouches for it: it is shown at most, and never changes a conversation.
    Error {
        /// The code, if there is one that otrv4.md knows; its text is then [`ErrorCode::text`].
        code: Option<ErrorCode>,
        /// What follows the code, or everything when there is no known code.
        text: &'a str,
    },
    /// A piece of an encoded message.
    Fragment(Result<Fragment<'a>, WireError>),
    /// An encoded message, as bytes.
    Encoded(Result<Vec<u8>, WireError>),
}

/// Tells what a line is; any text is something. Fragments, messages and errors count at the very start only, queries
/// also after markup and blanks, whitespace tags anywhere. // spec-notes/SN-027
pub fn classify(line: &str) -> Line<'_> {
    if line.starts_with(FRAGMENT_PREFIX) || line.starts_with(FRAGMENT_PREFIX_V2) {
        Line::Fragment(Fragment::parse(line))
    } else if line.starts_with(MESSAGE_PREFIX) {
        Line::Encoded(unarmour(line))
    } else if let Some(rest) = line.strip_prefix(ERROR_PREFIX) {
        read_error(rest)
    } else if let Some(versions) = find_query(line) {
        Line::Query(versions)
    } else {
        untag(line)
    }
}

/// A message as a line: `?OTR:`, standard base64 with padding, `.`.
pub fn armour(binary: &[u8]) -> String {
    format!("{MESSAGE_PREFIX}{}.", BASE64_STANDARD.encode(binary))
}

/// The message in a line made by [`armour`]. Every deviation is refused: blanks, missing padding, spare bits, a line
/// longer than [`MAX_MESSAGE`].
pub fn unarmour(line: &str) -> Result<Vec<u8>, WireError> {
    let what = "encoded message";
    if line.len() > MAX_MESSAGE {
        return Err(WireError::TooLong(what));
    }
    let base64 = line.strip_prefix(MESSAGE_PREFIX).and_then(|rest| rest.strip_suffix('.'));
    let base64 = base64.ok_or(WireError::Illegal(what))?;
    BASE64_STANDARD.decode(base64).map_err(|_| WireError::Illegal(what))
}

/// Offers these versions: `?OTRv34?`.
pub fn query_message(versions: Versions) -> String {
    format!("{QUERY_PREFIX}v{}?", versions.to_digits())
}

/// The blanks that, anywhere in a text, offer these versions.
pub fn whitespace_tag(versions: Versions) -> String {
    let mut tag = String::from(TAG_BASE);
    for digit in versions.to_digits().bytes() {
        tag.extend((0..8).rev().map(|bit| if digit >> bit & 1 == 1 { '\t' } else { ' ' }));
    }
    tag
}

/// The line that tells the other side what went wrong: `?OTR Error: ERROR_1: Unreadable message`.
pub fn error_message(code: ErrorCode) -> String {
    format!("{ERROR_PREFIX} {}: {}", code.name(), code.text())
}

/// A set of protocol versions from 1 to 4.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Versions(u8);

impl Versions {
    /// No version.
    pub const EMPTY: Self = Self(0);
    /// Version 3 only.
    pub const V3: Self = Self::EMPTY.with(3);
    /// Version 4 only.
    pub const V4: Self = Self::EMPTY.with(4);
    /// Versions 3 and 4.
    pub const V34: Self = Self::V3.with(4);

    /// Is this version in the set?
    pub const fn contains(self, version: u8) -> bool {
        matches!(version, 1..=4) && self.0 >> version & 1 == 1
    }

    /// The set with this version in it; numbers other than 1 to 4 change nothing.
    #[must_use]
    pub const fn with(self, version: u8) -> Self {
        if matches!(version, 1..=4) { Self(self.0 | 1 << version) } else { self }
    }

    /// Is there no version in the set?
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// As a version string, ascending: "34".
    pub fn to_digits(self) -> String {
        (1..=4).filter(|version| self.contains(*version)).map(|version| char::from(b'0' + version)).collect()
    }

    /// From a version string; characters that name no version known here are passed over.
    pub fn from_digits(digits: impl AsRef<[u8]>) -> Self {
        let digits = digits.as_ref().iter();
        digits.fold(Self::EMPTY, |versions, digit| versions.with(digit.wrapping_sub(b'0')))
    }
}

impl fmt::Debug for Versions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Versions({:?})", self.to_digits())
    }
}

/// The errors of otrv4.md "OTR Error Messages"; the value is the number in `ERROR_N`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorCode {
    /// The message could not be decrypted.
    Unreadable = 1,
    /// The message arrived while no channel was open.
    NotPrivate = 2,
    /// The instance tags do not correspond.
    Malformed = 3,
}

impl ErrorCode {
    /// The human-readable text of the specification.
    pub fn text(self) -> &'static str {
        match self {
            Self::Unreadable => "Unreadable message",
            Self::NotPrivate => "Not in private state message",
            Self::Malformed => "Malformed message",
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Unreadable => "ERROR_1",
            Self::NotPrivate => "ERROR_2",
            Self::Malformed => "ERROR_3",
        }
    }
}

/// What follows `?OTR Error:`. The blank after the colon may be missing, as may the code.
fn read_error(rest: &str) -> Line<'_> {
    let text = rest.trim_start();
    for code in [ErrorCode::Unreadable, ErrorCode::NotPrivate, ErrorCode::Malformed] {
        if let Some(text) = text.strip_prefix(code.name()).and_then(|rest| rest.strip_prefix(':')) {
            return Line::Error { code: Some(code), text: text.trim_start() };
        }
    }
    Line::Error { code: None, text }
}

/// The first query in the leading markup or right after it.
fn find_query(line: &str) -> Option<Versions> {
    let text_start = line.len() - after_markup(line).len();
    line.match_indices(QUERY_PREFIX)
        .take_while(|(position, _)| *position <= text_start)
        .find_map(|(position, prefix)| read_query(line.get(position + prefix.len()..)?))
}

/// The line from its first character that is neither a blank nor part of a tag of HTML.
fn after_markup(line: &str) -> &str {
    let mut rest = line.trim_start();
    while let Some(tag) = rest.strip_prefix('<') {
        if !tag.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/' || c == '!') {
            break;
        }
        let Some((_, behind)) = tag.split_once('>') else { break };
        rest = behind.trim_start();
    }
    rest
}

/// What follows `?OTR`: `?` offers version 1, `v`, identifiers and `?` offer those; both may stand together.
fn read_query(rest: &str) -> Option<Versions> {
    let (first, rest) = match rest.strip_prefix('?') {
        Some(rest) => (Some(Versions::EMPTY.with(1)), rest),
        None => (None, rest),
    };
    // Identifiers are single printed characters; with a blank among them it is a sentence about OTR.
    let listed = rest.strip_prefix('v').and_then(|rest| rest.split_once('?'));
    let listed = listed.filter(|(identifiers, _)| identifiers.bytes().all(|c| c.is_ascii_graphic()));
    match listed {
        Some((identifiers, _)) => {
            let versions = Versions::from_digits(identifiers);
            Some(if first.is_some() { versions.with(1) } else { versions })
        }
        None => first,
    }
}

/// Takes the first whitespace tag out of a text; later ones stay, and count for nothing.
fn untag(line: &str) -> Line<'_> {
    let Some((before, mut after)) = line.split_once(TAG_BASE) else { return Line::Plain(line) };
    let mut versions = Versions::EMPTY;
    while let Some((version, rest)) = read_tag_version(after) {
        versions = versions.with(version);
        after = rest;
    }
    Line::Tagged { text: format!("{before}{after}"), versions }
}

/// One set of eight blanks: blank 0, tab 1, together a character, as in the base, which spells "OT". Version 1 is
/// "R", the others are digits. Digits not known yet are taken out too; other sets belong to the text.
fn read_tag_version(text: &str) -> Option<(u8, &str)> {
    let (set, rest) = text.split_at_checked(8)?;
    let mut character = 0;
    for blank in set.bytes() {
        let bit = match blank {
            b' ' => 0,
            b'\t' => 1,
            _ => return None,
        };
        character = character << 1 | bit;
    }
    match character {
        b'R' => Some((1, rest)),
        b'2'..=b'9' => Some((character - b'0', rest)),
        _ => None,
    }
}

/// The longest line we read as a message, in bytes, whole or reassembled: far above any message of the protocol
/// (the largest carry a few TLVs of at most 64 KiB), low enough that a stranger's line costs little.
pub const MAX_MESSAGE: usize = 256 * 1024;

/// Begins a line that is a fragment.
pub(super) const FRAGMENT_PREFIX: &str = "?OTR|";
/// Begins a line that is a fragment of version 2.
pub(super) const FRAGMENT_PREFIX_V2: &str = "?OTR,";
/// Begins a line that is an encoded message.
pub(super) const MESSAGE_PREFIX: &str = "?OTR:";
const ERROR_PREFIX: &str = "?OTR Error:";
const QUERY_PREFIX: &str = "?OTR";
const TAG_BASE: &str = " \t  \t\t\t\t \t \t \t  ";

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::vectors;

    fn offers_4(line: &Line<'_>) -> bool {
        match line {
            Line::Query(versions) | Line::Tagged { versions, .. } => versions.contains(4),
            _ => false,
        }
    }

    fn query(line: &str) -> Option<Versions> {
        match classify(line) {
            Line::Query(versions) => Some(versions),
            _ => None,
        }
    }

    #[test]
    fn framed_messages_of_the_vectors_are_read_and_written() {
        for vector in vectors::of_kind("framing") {
            let text = vector.inputs["text"].as_str().unwrap();
            let read = unarmour(text);
            assert_eq!(Some(read.is_ok()), vector.accept(), "{}", vector.name);
            if let Ok(binary) = read {
                assert_eq!(binary, vectors::bytes(&vector.outputs["binary"]), "{}", vector.name);
                assert_eq!(armour(&binary), text, "{}", vector.name);
                assert_eq!(classify(text), Line::Encoded(Ok(binary)), "{}", vector.name);
            }
        }
    }

    #[test]
    fn queries_of_the_vectors_offer_what_is_recorded() {
        for vector in vectors::of_kind("query") {
            let line = classify(vector.inputs["text"].as_str().unwrap());
            if let Some(expected) = vector.outputs["offers_4"].as_bool() {
                assert_eq!(offers_4(&line), expected, "{}", vector.name);
            }
        }
    }

    #[test]
    fn whitespace_tags_of_the_vectors_are_taken_out() {
        for vector in vectors::of_kind("whitespace") {
            let line = classify(vector.inputs["text"].as_str().unwrap());
            assert_eq!(Some(offers_4(&line)), vector.outputs["offers_4"].as_bool(), "{}", vector.name);
            let text = match &line {
                Line::Plain(text) => text,
                Line::Tagged { text, .. } => text.as_str(),
                _ => panic!("{}: {line:?}", vector.name),
            };
            assert_eq!(Some(text), vector.outputs["text"].as_str(), "{}", vector.name);
        }
    }

    #[test]
    fn only_the_first_whitespace_tag_counts() {
        let line = format!("a{}b{}", whitespace_tag(Versions::V3), whitespace_tag(Versions::V4));
        let text = format!("ab{}", whitespace_tag(Versions::V4));
        assert_eq!(classify(&line), Line::Tagged { text, versions: Versions::V3 });
    }

    #[test]
    fn a_tag_may_name_versions_we_do_not_know() {
        let (one, five, four) = (" \t \t  \t ", "  \t\t \t \t", "  \t\t \t  ");
        let line = format!("{TAG_BASE}{one}{five}{four}        x");
        let versions = Versions::V4.with(1);
        assert_eq!(classify(&line), Line::Tagged { text: "        x".into(), versions });
        assert_eq!(whitespace_tag(Versions::V4), format!("{TAG_BASE}{four}"));
    }

    #[test]
    fn queries_offer_the_versions_they_list() {
        assert_eq!(query("?OTR?"), Some(Versions::EMPTY.with(1)));
        assert_eq!(query("?OTR?v24?"), Some(Versions::V4.with(1).with(2)));
        assert_eq!(query("?OTR?v4"), Some(Versions::EMPTY.with(1)));
        for nothing in ["?OTRv?", "?OTRv?4?", "?OTRvx?", "?OTRv0567?"] {
            assert_eq!(query(nothing), Some(Versions::EMPTY), "{nothing}");
        }
        for text in ["?OTR", "?OTRv", "?OTRv34", "?OTR v4?", "?otrv4?", "?OTRv4 or what?", "OTRv4?"] {
            assert_eq!(classify(text), Line::Plain(text));
        }
        assert_eq!(query_message(Versions::V34), "?OTRv34?");
    }

    #[test]
    fn a_query_counts_after_markup_only() {
        for line in [
            "  ?OTRv4?",
            "<p>?OTRv4?</p>",
            "<html><body>\n<b>?OTRv4?</b> Your buddy has requested a private conversation.",
            "<span title=\"?OTRv4?\">Your buddy has requested a private conversation.</span>",
        ] {
            assert_eq!(query(line), Some(Versions::V4), "{line}");
        }
        for line in ["look: ?OTRv4?", "<p>look</p> ?OTRv4?", "<3 ?OTRv4?>", "<p ?OTRv4", "a<b>?OTRv4?"] {
            assert_eq!(classify(line), Line::Plain(line));
        }
    }

    #[test]
    fn errors_are_told_by_their_code() {
        for (code, line) in [
            (ErrorCode::Unreadable, "?OTR Error: ERROR_1: Unreadable message"),
            (ErrorCode::NotPrivate, "?OTR Error: ERROR_2: Not in private state message"),
            (ErrorCode::Malformed, "?OTR Error: ERROR_3: Malformed message"),
        ] {
            assert_eq!(error_message(code), line);
            assert_eq!(classify(line), Line::Error { code: Some(code), text: code.text() });
        }
    }

    #[test]
    fn an_error_without_a_known_code_keeps_its_text() {
        for (line, text) in [
            ("?OTR Error:", ""),
            ("?OTR Error: You sent garbage", "You sent garbage"),
            ("?OTR Error: ERROR_4: new", "ERROR_4: new"),
            ("?OTR Error:ERROR_12: new", "ERROR_12: new"),
        ] {
            assert_eq!(classify(line), Line::Error { code: None, text });
        }
        for line in ["say ?OTR Error: x", " ?OTR Error: x", "<p>?OTR Error: x</p>", "?OTR Error x"] {
            assert_eq!(classify(line), Line::Plain(line));
        }
    }

    #[test]
    fn a_fragment_is_recognised_before_a_message() {
        assert!(matches!(classify("?OTR|1|100|100,1,1,?OTR:AAQD.,"), Line::Fragment(Ok(_))));
        assert!(matches!(classify("?OTR|?OTR:AAQD."), Line::Fragment(Err(_))));
    }

    #[test]
    fn a_line_of_padding_only_is_refused() {
        assert_eq!(classify("?OTR:===."), Line::Encoded(Err(WireError::Illegal("encoded message"))));
    }

    #[test]
    fn only_the_standard_alphabet_and_the_bare_line_are_read() {
        assert!(unarmour("?OTR:AA+/.").is_ok());
        for bad in [
            "?OTR:AA-_.",
            "?OTR:AA+/. ",
            "?OTR:AA+/.\n",
            "?OTR:AA+/ .",
            " ?OTR:AA+/.",
            "?OTR:AA+/",
            "?otr:AA+/.",
        ] {
            assert_eq!(unarmour(bad), Err(WireError::Illegal("encoded message")), "{bad}");
        }
    }

    #[test]
    fn spare_bits_in_the_last_character_are_refused() {
        assert!(unarmour("?OTR:AAQDHg==.").is_ok());
        assert!(unarmour("?OTR:AAQDHh==.").is_err());
    }

    #[test]
    fn a_message_over_the_limit_is_refused() {
        let line = format!("?OTR:{}.", "A".repeat(MAX_MESSAGE - 6));
        assert_eq!(line.len(), MAX_MESSAGE);
        assert_eq!(unarmour(&format!("?OTR:{}.", "A".repeat(MAX_MESSAGE - 8))).map(|m| m.len()), Ok(196_602));
        assert_eq!(unarmour(&format!("{line}.")), Err(WireError::TooLong("encoded message")));
    }

    #[test]
    fn version_strings_pass_over_what_they_do_not_know() {
        assert_eq!(Versions::from_digits("43x5"), Versions::V34);
        assert_eq!(Versions::from_digits("").to_digits(), "");
        assert_eq!(Versions::V34.to_digits(), "34");
        assert!(Versions::from_digits("059/:é").is_empty());
        assert_eq!(Versions::from_digits(b"\xff4\xb4"), Versions::V4);
        assert!(!Versions::V34.contains(0) && !Versions::V34.contains(12));
    }

    proptest! {
        #[test]
        fn any_line_is_something(line in "\\PC*|[?OTRv:|Er ,.<>\t04]*") {
            classify(&line);
        }

        #[test]
        fn tags_are_taken_out_wherever_they_stand(before in "[a-zé ]*[a-z]", after in "([a-z][a-z\t ]*)?") {
            let line = format!("{before}{}{after}", whitespace_tag(Versions::V34));
            let expected = Line::Tagged { text: format!("{before}{after}"), versions: Versions::V34 };
            prop_assert_eq!(classify(&line), expected);
        }

        #[test]
        fn a_message_has_one_armour(
            line in "\\?OTR:([A-Z+/]{4}){0,3}([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=|[A-Z=_ -]{0,4})\\.{0,2} ?",
        ) {
            if let Ok(binary) = unarmour(&line) {
                prop_assert_eq!(armour(&binary), line);
            }
        }

        #[test]
        fn bytes_survive_the_armour(binary: Vec<u8>) {
            prop_assert_eq!(unarmour(&armour(&binary)), Ok(binary));
        }
    }
}
