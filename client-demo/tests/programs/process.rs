//! Our programs as processes: where they are, how to run them, and how to talk to a `client-demo pipe`.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Output, Stdio};
use std::sync::OnceLock;

/// A command of `client-demo`, without what the environment might tell it.
pub(crate) fn client<A: AsRef<OsStr>>(arguments: impl IntoIterator<Item = A>) -> Command {
    command(Path::new(env!("CARGO_BIN_EXE_client-demo")), "CLIENT_DEMO_", arguments)
}

/// A command of `prekey-server`, likewise.
pub(crate) fn server<A: AsRef<OsStr>>(arguments: impl IntoIterator<Item = A>) -> Command {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    command(PROGRAM.get_or_init(server_program), "PREKEY_SERVER_", arguments)
}

/// Beside `client-demo`: `cargo test --workspace` builds it for its own tests. Where only this package is tested, it
/// may have to be built first.
fn server_program() -> PathBuf {
    let folder = Path::new(env!("CARGO_BIN_EXE_client-demo")).parent().expect("it lies in TARGET/PROFILE");
    let program = folder.join("prekey-server").with_extension(std::env::consts::EXE_EXTENSION);
    if !program.exists() {
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(["build", "--quiet", "--package", "prekey-server", "--bins", "--target-dir"]);
        cargo.arg(folder.parent().expect("it lies in TARGET/PROFILE"));
        if folder.ends_with("release") {
            cargo.arg("--release");
        }
        assert!(cargo.status().expect("cargo runs").success(), "prekey-server does not build");
    }
    program
}

fn command<A: AsRef<OsStr>>(
    program: &Path,
    variables: &str,
    arguments: impl IntoIterator<Item = A>,
) -> Command {
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with(variables)) {
        command.env_remove(name);
    }
    command.args(arguments);
    command
}

/// Runs it to its end with nothing on stdin.
pub(crate) fn run(command: &mut Command) -> Output {
    command.stdin(Stdio::null()).output().expect("it runs")
}

/// A running `client-demo pipe`; killed when dropped.
pub(crate) struct Pipe {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: BufReader<ChildStdout>,
    /// What it said at the start, without `event done`.
    pub(crate) greeting: Vec<String>,
}

impl Pipe {
    /// `me` talks to `them`.
    pub(crate) fn start(me: &str, them: &str, more: &[&str]) -> Self {
        Self::spawn(client(["pipe", "--account", me, "--contact", them].iter().chain(more)))
    }

    /// The same with a home folder.
    pub(crate) fn at_home(me: &str, them: &str, home: &Path) -> Self {
        let mut command = client(["pipe", "--account", me, "--contact", them, "--home"]);
        command.arg(home);
        Self::spawn(command)
    }

    /// Starts it and reads its greeting.
    pub(crate) fn spawn(mut command: Command) -> Self {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("client-demo runs");
        let stdin = child.stdin.take();
        let stdout = BufReader::new(child.stdout.take().expect("piped"));
        let mut pipe = Self { child, stdin, stdout, greeting: Vec::new() };
        pipe.greeting = pipe.answer();
        pipe
    }

    /// Sends a command and reads its answer, without `event done`.
    pub(crate) fn ask(&mut self, command: &str) -> Vec<String> {
        self.tell(command.as_bytes());
        self.answer()
    }

    /// Sends a line and does not wait.
    pub(crate) fn tell(&mut self, line: &[u8]) {
        let stdin = self.stdin.as_mut().expect("not ended");
        stdin.write_all(line).and_then(|()| stdin.write_all(b"\n")).expect("it listens");
    }

    /// The lines up to `event done`.
    pub(crate) fn answer(&mut self) -> Vec<String> {
        let mut lines = Vec::new();
        loop {
            let mut line = String::new();
            assert!(self.stdout.read_line(&mut line).expect("UTF-8") > 0, "it ended after {lines:?}");
            match line.trim_end_matches('\n') {
                "event done" => return lines,
                line => lines.push(line.to_owned()),
            }
        }
    }

    /// Sends a text; the lines for the network.
    pub(crate) fn send(&mut self, text: &str) -> Vec<String> {
        let answer = self.ask(&format!("send {text}"));
        let lines = wire_lines(&answer);
        assert_eq!(lines.len(), answer.len(), "{answer:?}");
        lines
    }

    /// Gives it a line from the network.
    pub(crate) fn receive(&mut self, line: &str) -> Vec<String> {
        self.ask(&format!("recv {line}"))
    }

    /// Its instance tag, from the greeting.
    pub(crate) fn tag(&self) -> String {
        field(self.ready(), "tag").to_owned()
    }

    /// Its fingerprint, from the greeting.
    pub(crate) fn fingerprint(&self) -> String {
        field(self.ready(), "fingerprint").to_owned()
    }

    fn ready(&self) -> &str {
        self.greeting.first().expect("it greets")
    }

    /// Ends its input; the rest of its output and whether it ended well.
    pub(crate) fn end(mut self) -> (String, bool) {
        drop(self.stdin.take());
        let mut rest = String::new();
        std::io::Read::read_to_string(&mut self.stdout, &mut rest).expect("UTF-8");
        let status = self.child.wait().expect("it ended");
        (rest, status.success())
    }

    /// `kill -9`, and waits until it is gone; what it had said and nobody had read.
    pub(crate) fn kill(mut self) -> Vec<String> {
        self.child.kill().expect("killed");
        self.child.wait().expect("gone");
        let mut rest = String::new();
        std::io::Read::read_to_string(&mut self.stdout, &mut rest).expect("UTF-8");
        rest.lines().map(str::to_owned).collect()
    }
}

impl Drop for Pipe {
    fn drop(&mut self) {
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

/// What is for the network, in an answer.
pub(crate) fn wire_lines(answer: &[String]) -> Vec<String> {
    answer.iter().filter_map(|line| line.strip_prefix("out ")).map(str::to_owned).collect()
}

/// The decrypted texts in an answer.
pub(crate) fn plain(answer: &[String]) -> Vec<String> {
    answer.iter().filter_map(|line| line.strip_prefix("plain ")).map(str::to_owned).collect()
}

/// Whether a line of the answer begins like this.
pub(crate) fn says(answer: &[String], beginning: &str) -> bool {
    answer.iter().any(|line| line.starts_with(beginning))
}

/// The value of `name=value` in a line.
pub(crate) fn field<'a>(line: &'a str, name: &str) -> &'a str {
    let prefix = format!("{name}=");
    line.split(' ').find_map(|word| word.strip_prefix(prefix.as_str())).expect("the field is there")
}

/// Carries lines between the two, each of `lines` first to `to`, until nobody has anything to say; all that they said.
pub(crate) fn carry<'a>(lines: Vec<String>, mut from: &'a mut Pipe, mut to: &'a mut Pipe) -> Vec<String> {
    let (mut lines, mut said) = (lines, Vec::new());
    while !lines.is_empty() {
        let answers: Vec<String> = lines.iter().flat_map(|line| to.receive(line)).collect();
        lines = wire_lines(&answers);
        said.extend(answers);
        std::mem::swap(&mut from, &mut to);
    }
    said
}

/// Alice and Bob, without a home.
pub(crate) fn pair() -> (Pipe, Pipe) {
    (Pipe::start("alice", "bob", &[]), Pipe::start("bob", "alice", &[]))
}

/// An interactive start by Alice's query.
pub(crate) fn start(alice: &mut Pipe, bob: &mut Pipe) -> Vec<String> {
    let query = wire_lines(&alice.ask("query"));
    carry(query, alice, bob)
}

pub(crate) fn encrypted() -> (Pipe, Pipe) {
    let (mut alice, mut bob) = pair();
    assert_secure(&start(&mut alice, &mut bob), &alice, &bob);
    (alice, bob)
}

/// Both say the same about one conversation, and each shows the other's tag and fingerprint.
pub(crate) fn assert_secure(said: &[String], alice: &Pipe, bob: &Pipe) {
    let mut secure: Vec<&str> = said.iter().filter_map(|line| line.strip_prefix("event secure ")).collect();
    let ssid = field(secure.first().expect("an encrypted conversation"), "ssid");
    assert_eq!(ssid.len(), 16);
    let shown = |who: &Pipe| format!("{} v4 fingerprint={} ssid={ssid}", who.tag(), who.fingerprint());
    let mut expected = [shown(alice), shown(bob)];
    secure.sort_unstable();
    expected.sort_unstable();
    assert_eq!(secure, expected, "each is named by the other");
}

/// A text goes from one to the other, encrypted.
pub(crate) fn say(from: &mut Pipe, to: &mut Pipe, text: &str) {
    for line in from.send(text) {
        assert!(line.starts_with("?OTR:"), "{line}");
        assert_eq!(plain(&to.receive(&line)), [text]);
    }
}

/// Gives lines to somebody; the answer.
pub(crate) fn give(to: &mut Pipe, lines: &[String]) -> Vec<String> {
    lines.iter().flat_map(|line| to.receive(line)).collect()
}

/// A text each way.
pub(crate) fn goes_on(alice: &mut Pipe, bob: &mut Pipe) {
    say(alice, bob, "we go on");
    say(bob, alice, "we do");
}
