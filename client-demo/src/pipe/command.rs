//! The commands of `pipe`, one a line.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use otrv4::wire::InstanceTag;
use zeroize::Zeroizing;

use super::words::{BadEscape, tag, unescape};

/// What one line asks for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Command {
    Query,
    Identity,
    Whitespace(String),
    Receive(String),
    Send(String),
    SmpStart { question: String, secret: Zeroizing<String> },
    SmpRespond(Zeroizing<String>),
    SmpAbort,
    Heartbeat,
    ExtraKey { context: [u8; 4], data: Vec<u8> },
    End,
    State,
    Use(InstanceTag),
    Mtu(Option<usize>),
    Time(i64),
    Prekeys(usize),
    Offline(Vec<u8>),
    Save,
    Quit,
}

/// Why a line is no command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum BadCommand {
    /// Its first word is none of ours.
    #[error("unknown command")]
    Unknown,
    /// What follows the first word is not what it takes.
    #[error("{0}")]
    Usage(&'static str),
    /// A wrong `\`.
    #[error(transparent)]
    Escape(#[from] BadEscape),
}

impl Command {
    /// Reads a line without its line break. Spaces after the one that ends the first word belong to what follows.
    pub(super) fn read(line: &str) -> Result<Self, BadCommand> {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        let number = |usage| rest.parse::<usize>().map_err(|_| BadCommand::Usage(usage));
        Ok(match word {
            "whitespace" => Self::Whitespace(unescape(rest)?),
            "recv" => Self::Receive(unescape(rest)?),
            "send" => Self::Send(unescape(rest)?),
            "smp-start" => {
                // The question holds no `|`; the secret may.
                let usage = BadCommand::Usage("smp-start <question>|<secret>");
                let (question, secret) = rest.split_once('|').ok_or(usage)?;
                Self::SmpStart { question: unescape(question)?, secret: unescape(secret)?.into() }
            }
            "smp-respond" => Self::SmpRespond(unescape(rest)?.into()),
            "extra-key" => {
                let usage = BadCommand::Usage("extra-key <usage: 8 hex digits> [data in hex]");
                let (context, data) = extra_key(rest).ok_or(usage)?;
                Self::ExtraKey { context, data }
            }
            "use" => {
                Self::Use(tag(rest).ok_or(BadCommand::Usage("use <tag>: 8 hex digits, at least 00000100"))?)
            }
            "mtu" => Self::Mtu(Some(number("mtu <bytes>, 0 for no limit")?).filter(|limit| *limit > 0)),
            "time" => Self::Time(rest.parse().map_err(|_| BadCommand::Usage("time <unix seconds>"))?),
            "prekeys" => Self::Prekeys(number("prekeys <how many>")?),
            "offline" => Self::Offline(
                BASE64_STANDARD.decode(rest).map_err(|_| BadCommand::Usage("offline <base64>"))?,
            ),
            _ if word.len() < line.len() => return Err(BadCommand::Unknown),
            "query" => Self::Query,
            "identity" => Self::Identity,
            "smp-abort" => Self::SmpAbort,
            "heartbeat" => Self::Heartbeat,
            "end" => Self::End,
            "state" => Self::State,
            "save" => Self::Save,
            "quit" => Self::Quit,
            _ => return Err(BadCommand::Unknown),
        })
    }
}

/// What an extra key is for, and what else is said of it.
fn extra_key(words: &str) -> Option<([u8; 4], Vec<u8>)> {
    let (context, data) = words.split_once(' ').unwrap_or((words, ""));
    let mut four = [0; 4];
    hex::decode_to_slice(context, &mut four).ok()?;
    Some((four, hex::decode(data).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spaces_and_escapes_reach_the_text() {
        assert_eq!(
            Command::read(r"send  two  spaces \\ and\na line "),
            Ok(Command::Send(" two  spaces \\ and\na line ".into()))
        );
        assert_eq!(Command::read("recv ?OTRv4? hello"), Ok(Command::Receive("?OTRv4? hello".into())));
        for (line, command) in
            [("send", Command::Send(String::new())), ("send ", Command::Send(String::new()))]
        {
            assert_eq!(Command::read(line), Ok(command));
        }
    }

    #[test]
    fn numbers_tags_and_bytes_are_read() {
        let tag = InstanceTag::new(0x1f00_ab00).expect("a tag");
        for (line, command) in [
            ("use 1f00ab00", Command::Use(tag)),
            ("use 1F00AB00", Command::Use(tag)),
            ("mtu 200", Command::Mtu(Some(200))),
            ("mtu 0", Command::Mtu(None)),
            ("time -5", Command::Time(-5)),
            ("prekeys 3", Command::Prekeys(3)),
            ("offline AAQ=", Command::Offline(vec![0, 4])),
            ("query", Command::Query),
            ("smp-abort", Command::SmpAbort),
            ("heartbeat", Command::Heartbeat),
            ("quit", Command::Quit),
        ] {
            assert_eq!(Command::read(line), Ok(command), "{line}");
        }
    }

    #[test]
    fn a_question_ends_at_the_first_bar_and_the_secret_at_the_end() {
        for (line, question, secret) in [
            ("smp-start where did we meet?|on the train", "where did we meet?", "on the train"),
            ("smp-start |secret", "", "secret"),
            ("smp-start | a|b| ", "", " a|b| "),
            (r"smp-start two\nlines \\|a\\b\n", "two\nlines \\", "a\\b\n"),
            ("smp-start  q |", " q ", ""),
        ] {
            let (question, secret) = (question.to_owned(), secret.to_owned().into());
            assert_eq!(Command::read(line), Ok(Command::SmpStart { question, secret }), "{line}");
        }
        assert_eq!(Command::read("smp-respond a|b "), Ok(Command::SmpRespond("a|b ".to_owned().into())));
        assert_eq!(
            Command::read(r"smp-start a\|b"),
            Err(BadCommand::Escape(BadEscape)),
            "no way to escape it"
        );
    }

    #[test]
    fn an_extra_key_has_four_bytes_and_maybe_data() {
        let command = |context, data: &[u8]| Ok(Command::ExtraKey { context, data: data.to_vec() });
        assert_eq!(Command::read("extra-key 0000abCD"), command([0, 0, 0xab, 0xcd], &[]));
        assert_eq!(Command::read("extra-key 00000001 "), command([0, 0, 0, 1], &[]));
        assert_eq!(Command::read("extra-key 00000001 ff00"), command([0, 0, 0, 1], &[0xff, 0]));
    }

    #[test]
    fn what_is_no_command_says_why() {
        for line in [
            "",
            " ",
            "hello",
            "Query",
            "query now",
            "query ",
            " query",
            "quit\r",
            "heartbeat 1",
            "smp-abort now",
        ] {
            assert_eq!(Command::read(line), Err(BadCommand::Unknown), "{line:?}");
        }
        for line in [
            "use",
            "use 1",
            "use 000000ff",
            "use +1f00ab0",
            "use 1f00ab00 ",
            "mtu",
            "mtu -1",
            "mtu many",
            "mtu 99999999999999999999",
            "time",
            "time now",
            "prekeys",
            "prekeys -1",
            "offline AAQ",
            "offline ?",
            "smp-start",
            "smp-start no bar",
            "extra-key",
            "extra-key 1",
            "extra-key 000000001",
            "extra-key 00000000 f",
            "extra-key 00000000 ff 00",
            "extra-key 0000000g",
        ] {
            assert!(matches!(Command::read(line), Err(BadCommand::Usage(_))), "{line:?}");
        }
        assert_eq!(Command::read(r"send \x"), Err(BadCommand::Escape(BadEscape)));
    }
}
