//! Conversations of `client-demo pipe` with libotr, the library of today's OTR clients, in version 3 and in version 2.
//! Spec: "Off-the-Record Messaging Protocol version 3" of libotr's authors.
//!
//! libotr is used as it is, by the program in `tests/interop/libotr`. What is odd about it and seen here, by name:
//!
//! | of libotr 4.1.1 | what is done about it |
//! |---|---|
//! | TWO COMMITS: two of it find no conversation in version 3 if both ask at once | nothing: ours and it do |
//! | SILENT LOSS: a data message of version 3 for a conversation that it has lost is dropped without a word | its user asks again |
//! | NO RESEND: in version 3 it never sends again what an error message says was unreadable | nothing |
//! | TEXT IS A QUERY: for a text that has a query somewhere in it, it sends a query of its own | its users write none |
//! | CUT QUERIES: a query for a long line is cut, in the way of version 2, with commas in its pieces | ours reads that |

mod ake;
mod itself;
mod loss;
pub(crate) mod peer;
mod smp;
mod talk;
mod tolerance;
mod versions;

use tempfile::TempDir;

use crate::process::{Pipe, carry, field, give, plain, wire_lines};

/// The two versions that libotr speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Version {
    Two,
    Three,
}

impl Version {
    /// What lets ours speak it with a libotr that speaks no other.
    fn for_ours(self) -> &'static str {
        match self {
            Self::Two => "234",
            Self::Three => "3",
        }
    }

    fn number(self) -> &'static str {
        match self {
            Self::Two => "2",
            Self::Three => "3",
        }
    }
}

/// Alice has `client-demo`, Bob has libotr; each in a folder of its own.
struct Pair {
    version: Version,
    ours: Pipe,
    theirs: Pipe,
    folder: TempDir,
}

impl Pair {
    fn new(version: Version) -> Self {
        Self::with(version, &[])
    }

    /// The same, and ours is told more.
    fn with(version: Version, more: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let arguments: Vec<&str> = ["--versions", version.for_ours()].iter().chain(more).copied().collect();
        let ours = Pipe::start("alice", "bob", &arguments);
        let theirs = peer::start("bob", "alice", version.number(), folder.path());
        Self { version, ours, theirs, folder }
    }

    /// In an encrypted conversation.
    fn encrypted(version: Version) -> Self {
        let mut pair = Self::new(version);
        let said = pair.begin();
        pair.assert_secure(&said);
        pair
    }

    /// Our query, and all that follows from it.
    fn begin(&mut self) -> Vec<String> {
        self.carry_from_ours("query")
    }

    /// What a command to ours brings about.
    fn carry_from_ours(&mut self, command: &str) -> Vec<String> {
        let mut said = self.ours.ask(command);
        said.extend(carry(wire_lines(&said), &mut self.ours, &mut self.theirs));
        said
    }

    /// What a command to theirs brings about.
    fn carry_from_theirs(&mut self, command: &str) -> Vec<String> {
        let mut said = self.theirs.ask(command);
        said.extend(carry(wire_lines(&said), &mut self.theirs, &mut self.ours));
        said
    }

    /// Who writes, and who reads.
    fn in_turn(&mut self, ours_writes: bool) -> (&mut Pipe, &mut Pipe) {
        if ours_writes { (&mut self.ours, &mut self.theirs) } else { (&mut self.theirs, &mut self.ours) }
    }

    /// Both have said the same about one conversation, and each shows the other's tag and fingerprint.
    fn assert_secure(&mut self, said: &[String]) {
        let mut secure: Vec<&str> =
            said.iter().filter_map(|line| line.strip_prefix("event secure ")).collect();
        let ssid = field(secure.first().expect("an encrypted conversation"), "ssid");
        assert_eq!(ssid.len(), 16);
        let shown = |tag: &str, fingerprint: &str| {
            let tag = if self.version == Version::Two { "00000000" } else { tag };
            format!("{tag} v{} fingerprint={fingerprint} ssid={ssid}", self.version.number())
        };
        let mut expected = [
            shown(&self.ours.tag(), &our_fingerprint(&mut self.ours)),
            shown(&self.theirs.tag(), &self.theirs.fingerprint()),
        ];
        secure.sort_unstable();
        expected.sort_unstable();
        assert_eq!(secure, expected, "each is named by the other: {said:?}");
    }

    /// A text goes each way.
    fn goes_on(&mut self) {
        say(&mut self.ours, &mut self.theirs, "we go on");
        say(&mut self.theirs, &mut self.ours, "we do");
    }

    /// libotr ends and starts again with its key and its tag, and without a conversation.
    fn restart_theirs(&mut self) {
        self.theirs.ask("quit");
        self.theirs = peer::start("bob", "alice", self.version.number(), self.folder.path());
    }
}

/// Does it in version 3 and in version 2; not at all where libotr is missing.
fn in_each_version(test: impl Fn(Version)) {
    if peer::is_there() {
        test(Version::Three);
        test(Version::Two);
    }
}

/// That of our key for versions 2 and 3.
fn our_fingerprint(ours: &mut Pipe) -> String {
    let state = ours.ask("state");
    let keys = state.iter().find(|line| line.starts_with("event state keys ")).expect("our keys");
    field(keys, "v3-fingerprint").to_owned()
}

/// How many of them say that they are in an encrypted conversation.
fn secure(said: &[String]) -> usize {
    said.iter().filter(|line| line.starts_with("event secure ")).count()
}

/// A text goes from one to the other, encrypted, in as many lines as it takes.
fn say(from: &mut Pipe, to: &mut Pipe, text: &str) {
    let lines = from.send(text);
    assert!(!lines.is_empty() && lines.iter().all(|line| is_encoded(line)), "{lines:?}");
    assert_eq!(plain(&give(to, &lines)), [text]);
}

/// Whether it is a message of the protocol, or a piece of one, and not a text for people.
fn is_encoded(line: &str) -> bool {
    ["?OTR:", "?OTR|", "?OTR,"].iter().any(|beginning| line.starts_with(beginning))
}

/// Bytes that it has on the network; a newline is two in an answer.
fn length(line: &str) -> usize {
    line.len() - line.matches(r"\n").count()
}
