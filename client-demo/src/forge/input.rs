//! Where keys, lines and recordings come from: the argument itself, `@FILE`, or `-` for standard input.

use std::convert::Infallible;
use std::fs;
use std::io::{self, Read};
use std::path::PathBuf;
use std::str::FromStr;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use otrv4::client_profile::ClientProfile;
use otrv4::forge::client_profile;
use otrv4::prekey::PrekeyEnsemble;
use otrv4::wire::{Fragment, Header, InstanceTag, Reader, unarmour};
use otrv4::{Secret, Timestamp};
use zeroize::Zeroizing;

use super::Unforged;
use crate::pieces::put_together;

/// An argument that may lie elsewhere.
#[derive(Clone)]
pub(crate) enum Source {
    /// It is the argument.
    Given(Zeroizing<String>),
    /// In this file.
    File(PathBuf),
    /// On standard input.
    Input,
}

impl FromStr for Source {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(match (text, text.strip_prefix('@')) {
            ("-", _) => Self::Input,
            (_, Some(path)) => Self::File(path.into()),
            (_, None) => Self::Given(Zeroizing::new(text.to_owned())),
        })
    }
}

impl Source {
    /// All of it.
    pub(super) fn whole(&self) -> Result<Zeroizing<String>, Unforged> {
        let text = match self {
            Self::Given(text) => return Ok(text.clone()),
            Self::File(path) => {
                fs::read(path).map_err(|cause| Unforged::File { path: path.clone(), cause })?
            }
            Self::Input => {
                let mut text = Vec::new();
                io::stdin().lock().read_to_end(&mut text).map_err(Unforged::Input)?;
                text
            }
        };
        let bytes = Zeroizing::new(text);
        Ok(Zeroizing::new(String::from_utf8_lossy(&bytes).into_owned()))
    }

    /// Its first line that is not empty, without its end. Several arguments that are `-` take one line each, in their order.
    pub(super) fn line(&self, what: &'static str) -> Result<Zeroizing<String>, Unforged> {
        let text = match self {
            Self::Input => next_line().map_err(Unforged::Input)?,
            _ => self.whole()?,
        };
        let line = text.lines().find(|line| !line.trim().is_empty());
        line.map(|line| Zeroizing::new(line.to_owned())).ok_or(Unforged::Nothing(what))
    }

    /// A secret of that many bytes, in hex digits.
    pub(super) fn secret<const N: usize>(&self, what: &'static str) -> Result<Secret<N>, Unforged> {
        let bytes = self.hex(what)?;
        let wrong = Unforged::Length { what, needed: N, given: bytes.len() };
        Ok(Secret::copied(bytes.as_slice().try_into().map_err(|_| wrong)?))
    }

    /// Bytes in hex digits.
    pub(super) fn hex(&self, what: &'static str) -> Result<Zeroizing<Vec<u8>>, Unforged> {
        let line = self.line(what)?;
        hex::decode(line.trim()).map(Zeroizing::new).map_err(|_| Unforged::NotHex(what))
    }

    /// The last Client Profile of another client than ours in a recording; or one in base64, alone or at the head of an ensemble.
    pub(super) fn profile(&self, ours: InstanceTag) -> Result<ClientProfile, Unforged> {
        let text = self.whole()?;
        let messages = encoded(&text);
        let mut theirs = messages.iter().rev().filter(|line| sender(line) != Some(ours));
        if let Some(profile) = theirs.find_map(|line| client_profile(line).ok()) {
            return Ok(profile);
        }
        let bytes = BASE64_STANDARD.decode(text.trim()).map_err(|_| Unforged::NoProfile)?;
        ClientProfile::read(&mut Reader::new(&bytes)).map_err(|_| Unforged::NoProfile)
    }

    /// The first prekey ensemble: in base64, or in the answer of a prekey server.
    pub(super) fn ensemble(&self) -> Result<PrekeyEnsemble, Unforged> {
        let text = self.whole()?;
        let base64 = text.trim().trim_end_matches('.');
        let bytes = BASE64_STANDARD.decode(base64).map_err(|_| Unforged::NoEnsemble)?;
        let alone = PrekeyEnsemble::read(&mut Reader::new(&bytes)).ok();
        alone.or_else(|| in_an_answer(&bytes)).ok_or(Unforged::NoEnsemble)
    }
}

/// The encoded messages in a recording, whatever stands around them; one that came in pieces where its last piece stands.
pub(super) fn encoded(recording: &str) -> Vec<String> {
    let (mut found, mut rest) = (Vec::new(), recording);
    while let Some(here) = rest.find(BEGINNING).and_then(|at| rest.get(at..)) {
        let length = message(here).or_else(|| piece(here));
        let (line, after) = here.split_at_checked(length.unwrap_or(BEGINNING.len())).unwrap_or((here, ""));
        found.extend(length.map(|_| line));
        rest = after;
    }
    let wholes = put_together(found.iter().map(|line| (0, None, *line)));
    let messages = found.iter().zip(wholes).filter_map(|(line, whole)| match whole {
        Some(whole) => Some(whole.text),
        None => message(line).map(|_| (*line).to_owned()),
    });
    messages.collect()
}

/// How long the encoded message is that stands here: base64 up to a full stop.
fn message(text: &str) -> Option<usize> {
    let base64 = text.strip_prefix(BEGINNING)?.strip_prefix(':')?;
    let rest = base64.trim_start_matches(|c: char| c.is_ascii_alphanumeric() || "+/=".contains(c));
    rest.starts_with('.').then(|| text.len() - rest.len() + 1)
}

/// How long the piece of a message is that stands here: three commas soon, and one at the end of what a message is made of. No part of a
/// recording is looked at for more pieces than one, however it is made.
fn piece(text: &str) -> Option<usize> {
    let mut commas = text.bytes().take(PIECE_HEAD).enumerate().filter(|(_, byte)| *byte == b',');
    let (begins, _) = commas.nth(2)?;
    let payload = text.get(begins + 1..)?;
    let rest = payload.trim_start_matches(|c: char| c.is_ascii_alphanumeric() || "+/=?:.".contains(c));
    let length = text.len() - rest.len() + usize::from(rest.starts_with(','));
    Fragment::parse(text.get(..length)?).ok().map(|_| length)
}

/// Longer than `?OTR|` with three numbers in hexadecimal digits, and two numbers.
const PIECE_HEAD: usize = 64;

/// Of messages and pieces.
const BEGINNING: &str = "?OTR";

/// A time: seconds since 1970, or `2026-11-28T10:00:00Z` in UTC.
pub(super) fn time(text: &str) -> Result<Timestamp, String> {
    if let Ok(seconds) = text.parse() {
        return Ok(Timestamp::from_unix(seconds));
    }
    let time = humantime::parse_rfc3339_weak(text)
        .map_err(|_| "not a time: seconds since 1970, or such as 2026-11-28T10:00:00Z".to_owned())?;
    let since_1970 = time.duration_since(std::time::UNIX_EPOCH);
    let since_1970 = since_1970.map_err(|_| "a date before 1970: write it in seconds".to_owned())?;
    Ok(Timestamp::from_unix(i64::try_from(since_1970.as_secs()).unwrap_or(i64::MAX)))
}

fn sender(line: &str) -> Option<InstanceTag> {
    Some(Header::read(&mut Reader::new(&unarmour(line).ok()?)).ok()?.sender)
}

/// otrv4-prekey-server.md "Prekey Ensemble Retrieval Message": version, type, receiver, identity, number.
fn in_an_answer(bytes: &[u8]) -> Option<PrekeyEnsemble> {
    let mut r = Reader::new(bytes);
    if (r.short("version").ok()?, r.byte("message type").ok()?) != (4, 0x13) {
        return None;
    }
    r.int("receiver's instance tag").ok()?;
    r.data("participant's identity").ok()?;
    match r.int("number of ensembles").ok()? {
        0 => None,
        _ => PrekeyEnsemble::read(&mut r).ok(),
    }
}

fn next_line() -> io::Result<Zeroizing<String>> {
    let mut line = Zeroizing::new(String::new());
    while io::stdin().read_line(&mut line)? > 0 && line.trim().is_empty() {
        line.clear();
    }
    Ok(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_found_whatever_stands_around_them() {
        let recording = "12:00 alice: ?OTR:AAQ1.\n{\"line\": \"?OTR:AAQ2.\"},?OTRv4?\n?OTR:cut";
        assert_eq!(encoded(recording), ["?OTR:AAQ1.", "?OTR:AAQ2."]);
        assert_eq!(encoded("?OTR:AAQ1 cut. ?OTR:?OTR:AAQ2."), ["?OTR:AAQ2."]);
    }

    #[test]
    fn messages_in_pieces_are_put_together_whatever_stands_between_them() {
        let recording = "\
            12:00 alice: ?OTR|1|100|200,2,2,Q1.,\n\
            12:00 bob: ?OTR|2|200|100,1,2,?OTR:AA,\n\
            {\"line\": \"?OTR|1|100|200,1,2,?OTR:AA,\"}, ?OTR:AAQ2.\n\
            12:01 bob: ?OTR|2|200|100,2,2,Q3.,\n\
            ?OTR|3|200|100,1,2,?OTR:AA, and nothing more, of this one, or of ?OTR|, others.";
        assert_eq!(encoded(recording), ["?OTR:AAQ1.", "?OTR:AAQ2.", "?OTR:AAQ3."]);
    }

    #[test]
    fn many_beginnings_of_pieces_are_passed_over_at_once() {
        let beginnings = "?OTR|1|200|100,1,2,".repeat(200_000);
        assert!(encoded(&beginnings).is_empty());
        let bare = format!("{}, ?OTR:AAQ1.", "?OTR".repeat(1_000_000));
        assert_eq!(encoded(&bare), ["?OTR:AAQ1."]);
    }

    #[test]
    fn times_are_read_in_both_forms() {
        for text in ["1800000000", "2027-01-15T08:00:00Z", "2027-01-15 08:00:00"] {
            assert_eq!(time(text).map(Timestamp::unix), Ok(1_800_000_000), "{text}");
        }
        assert!(time("tomorrow").is_err() && time("1969-12-31T23:59:59Z").is_err());
    }
}
