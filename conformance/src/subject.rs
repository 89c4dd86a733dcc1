//! The program under test: started anew for each case, and driven over its standard input and output. `PIPE.md`.

use std::ffi::OsString;
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use crate::stop::{Step, Stop, failed};

/// How to start it.
pub(crate) struct Program {
    words: Vec<OsString>,
    timeout: Duration,
}

/// It runs; killed when dropped.
pub(crate) struct Subject {
    child: Child,
    commands: Sender<String>,
    lines: Receiver<String>,
    timeout: Duration,
    /// What it said at the start.
    pub(crate) greeting: Answer,
}

/// What it says to one command, without `event done`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Answer(Vec<String>);

impl Program {
    /// `words` are the program and its own arguments; it may take so long for one command.
    pub(crate) fn new(words: Vec<OsString>, timeout: Duration) -> Self {
        Self { words, timeout }
    }

    /// Starts it with options of `PIPE.md`, and reads its greeting.
    pub(crate) fn start(&self, options: &[&str]) -> Step<Subject> {
        let mut words = self.words.iter();
        let program = words.next().cloned().unwrap_or_default();
        let mut command = Command::new(&program);
        command.args(words).args(options).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = match command.spawn() {
            Ok(child) => child,
            Err(error) => return failed(format!("{} does not start: {error}", program.display())),
        };
        let (Some(stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
            return failed("no standard input or output");
        };
        let (commands, lines) = (write_all(stdin), read_all(stdout));
        let mut subject =
            Subject { child, commands, lines, timeout: self.timeout, greeting: Answer::default() };
        match subject.answer("the start") {
            Ok(greeting) => subject.greeting = greeting,
            // Whoever says nothing at all may lack an option.
            Err(_) if subject.ends_with_status_2() => {
                let options: Vec<_> = options.iter().filter(|word| word.starts_with("--")).copied().collect();
                return Err(Stop::Skipped(format!("it does not have all of {}", options.join(" "))));
            }
            Err(stop) => return Err(stop),
        }
        if subject.greeting.event("ready ").is_none() {
            return failed(format!("no `event ready` at the start: {:?}", subject.greeting.0));
        }
        Ok(subject)
    }
}

/// In a thread: a program that does not read its input must not stop us.
fn write_all(mut stdin: ChildStdin) -> Sender<String> {
    let (commands, given) = channel::<String>();
    std::thread::spawn(move || {
        for command in given {
            if stdin.write_all(command.as_bytes()).is_err() {
                return;
            }
        }
    });
    commands
}

/// The lines that it says, in a thread; up to one that is too long or not UTF-8.
fn read_all(stdout: ChildStdout) -> Receiver<String> {
    let (said, lines) = channel();
    std::thread::spawn(move || {
        let mut stdout = BufReader::new(stdout);
        loop {
            let mut line = Vec::new();
            let read = stdout.by_ref().take(MAX_LINE).read_until(b'\n', &mut line);
            let whole = read.is_ok() && line.pop() == Some(b'\n');
            let line = String::from_utf8(line).ok().filter(|_| whole);
            if line.is_none_or(|line| said.send(line).is_err()) {
                return;
            }
        }
    });
    lines
}

/// Bytes in a line, far more than any message takes.
const MAX_LINE: u64 = 16 * 1024 * 1024;

/// Lines in an answer, far more than any case asks for.
const MAX_LINES: usize = 10_000;

impl Subject {
    /// Gives a command and reads the answer. A command that it does not know ends the case.
    pub(crate) fn ask(&mut self, command: &str) -> Step<Answer> {
        let what = command.split(' ').next().unwrap_or_default();
        if self.commands.send(format!("{command}\n")).is_err() {
            return failed(format!("it has ended before `{what}`"));
        }
        let answer = self.answer(&format!("`{what}`"))?;
        match answer.error() {
            Some("unknown command") => Err(Stop::Skipped(format!("it has no command `{what}`"))),
            _ => Ok(answer),
        }
    }

    /// The same, and it must be done: an `err` fails the case.
    pub(crate) fn obey(&mut self, command: &str) -> Step<Answer> {
        let answer = self.ask(command)?;
        match answer.error() {
            Some(error) => {
                failed(format!("`{}` is refused: {error}", command.split(' ').next().unwrap_or_default()))
            }
            None => Ok(answer),
        }
    }

    /// A line from the network.
    pub(crate) fn receive(&mut self, line: &str) -> Step<Answer> {
        self.obey(&format!("recv {}", escape(line)))
    }

    /// `kill -9`, and waits until it is gone.
    pub(crate) fn kill(&mut self) {
        _ = self.child.kill();
        _ = self.child.wait();
    }

    /// What it says up to `event done`. The time is for all of it: one that talks for ever is stopped, too.
    fn answer(&mut self, what: &str) -> Step<Answer> {
        let (start, mut lines) = (now(), Vec::new());
        while lines.len() < MAX_LINES {
            match self.lines.recv_timeout(self.timeout.saturating_sub(start.elapsed())) {
                Ok(line) if line == "event done" => return Ok(Answer(lines)),
                Ok(line) => lines.push(line),
                Err(RecvTimeoutError::Timeout) => {
                    return failed(format!("no answer to {what} within {} seconds", self.timeout.as_secs()));
                }
                Err(RecvTimeoutError::Disconnected) => return failed(format!("it ends at {what}")),
            }
        }
        failed(format!("it does not stop talking after {what}"))
    }

    /// Whether it ends by itself, in time, with the status of a program that was given an option it does not have.
    fn ends_with_status_2(&mut self) -> bool {
        let start = now();
        while start.elapsed() < self.timeout {
            match self.child.try_wait() {
                Ok(None) => std::thread::sleep(Duration::from_millis(10)),
                Ok(Some(status)) => return status.code() == Some(2),
                Err(_) => return false,
            }
        }
        false
    }
}

impl Drop for Subject {
    fn drop(&mut self) {
        self.kill();
    }
}

impl Answer {
    /// All of several answers.
    pub(crate) fn add(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// What goes to the network.
    pub(crate) fn out(&self) -> Vec<String> {
        self.of("out ").collect()
    }

    /// The decrypted texts.
    pub(crate) fn plain(&self) -> Vec<String> {
        self.of("plain ").collect()
    }

    /// Why it was refused.
    pub(crate) fn error(&self) -> Option<&str> {
        self.0.iter().find_map(|line| line.strip_prefix("err "))
    }

    /// What follows `event` and this beginning, in the first such line.
    pub(crate) fn event(&self, beginning: &str) -> Option<String> {
        self.of(&format!("event {beginning}")).next()
    }

    /// How many such lines.
    pub(crate) fn count(&self, beginning: &str) -> usize {
        self.of(beginning).count()
    }

    /// The lines, for showing.
    pub(crate) fn lines(&self) -> &[String] {
        &self.0
    }

    fn of(&self, beginning: &str) -> impl Iterator<Item = String> {
        self.0.iter().filter_map(move |line| line.strip_prefix(beginning)).map(unescape)
    }
}

#[allow(clippy::disallowed_methods, reason = "how long a program takes is no matter of the protocol")]
fn now() -> Instant {
    Instant::now()
}

/// `name=value` in the words of a line.
pub(crate) fn field<'a>(line: &'a str, name: &str) -> Option<&'a str> {
    line.split(' ').find_map(|word| word.strip_prefix(name)?.strip_prefix('='))
}

/// A text on one line.
pub(crate) fn escape(text: &str) -> String {
    text.replace('\\', r"\\").replace('\n', r"\n")
}

fn unescape(line: &str) -> String {
    let mut text = String::with_capacity(line.len());
    let mut rest = line.chars();
    while let Some(c) = rest.next() {
        text.push(match c {
            '\\' if rest.next() == Some('n') => '\n',
            c => c,
        });
    }
    text
}
