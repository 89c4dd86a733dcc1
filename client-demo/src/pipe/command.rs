//! The commands of `pipe`, one a line.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use otrv4::wire::InstanceTag;

use super::words::{BadEscape, unescape};

/// What one line asks for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Command {
    Query,
    Identity,
    Whitespace(String),
    Receive(String),
    Send(String),
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
    /// A command of the protocol that this version does not have.
    #[error("{0} is not available in this version")]
    NotYet(&'static str),
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
            "use" => {
                Self::Use(tag(rest).ok_or(BadCommand::Usage("use <tag>: 8 hex digits, at least 00000100"))?)
            }
            "mtu" => Self::Mtu(Some(number("mtu <bytes>, 0 for no limit")?).filter(|limit| *limit > 0)),
            "time" => Self::Time(rest.parse().map_err(|_| BadCommand::Usage("time <unix seconds>"))?),
            "prekeys" => Self::Prekeys(number("prekeys <how many>")?),
            "offline" => Self::Offline(
                BASE64_STANDARD.decode(rest).map_err(|_| BadCommand::Usage("offline <base64>"))?,
            ),
            "smp-start" | "smp-respond" | "smp-abort" => return Err(BadCommand::NotYet("SMP")),
            "heartbeat" => return Err(BadCommand::NotYet("heartbeat")),
            "extra-key" => return Err(BadCommand::NotYet("extra-key")),
            _ if word.len() < line.len() => return Err(BadCommand::Unknown),
            "query" => Self::Query,
            "identity" => Self::Identity,
            "end" => Self::End,
            "state" => Self::State,
            "save" => Self::Save,
            "quit" => Self::Quit,
            _ => return Err(BadCommand::Unknown),
        })
    }
}

fn tag(hex: &str) -> Option<InstanceTag> {
    // from_str_radix would take a sign.
    let digits = hex.len() == 8 && hex.bytes().all(|byte| byte.is_ascii_hexdigit());
    u32::from_str_radix(hex, 16).ok().filter(|_| digits).and_then(InstanceTag::new)
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
            ("quit", Command::Quit),
        ] {
            assert_eq!(Command::read(line), Ok(command), "{line}");
        }
    }

    #[test]
    fn what_is_no_command_says_why() {
        for line in ["", " ", "hello", "Query", "query now", "query ", " query", "quit\r"] {
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
        ] {
            assert!(matches!(Command::read(line), Err(BadCommand::Usage(_))), "{line:?}");
        }
        assert_eq!(Command::read(r"send \x"), Err(BadCommand::Escape(BadEscape)));
        assert_eq!(Command::read("smp-start |secret"), Err(BadCommand::NotYet("SMP")));
    }
}
