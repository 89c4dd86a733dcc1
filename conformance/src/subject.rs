//! The program under test: started anew for each case, and driven over its standard input and output. `PIPE.md`.

use std::ffi::OsString;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use crate::stop::{Step, Stop, failed};

/// How to start it.
pub(crate) struct Program {
    words: Vec<OsString>,
    timeout: Duration,
}

/// It runs; killed when dropped.
pub(crate) struct Subject {
    child: Child,
    stdin: ChildStdin,
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
        let (said, lines) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if said.send(line).is_err() {
                    return;
                }
            }
        });
        let greeting = Answer::default();
        let mut subject = Subject { child, stdin, lines, timeout: self.timeout, greeting };
        subject.greeting = subject.answer("the start")?;
        if subject.greeting.event("ready ").is_none() {
            return failed(format!("no `event ready` at the start: {:?}", subject.greeting.0));
        }
        Ok(subject)
    }
}

impl Subject {
    /// Gives a command and reads the answer. A command that it does not know ends the case.
    pub(crate) fn ask(&mut self, command: &str) -> Step<Answer> {
        let what = command.split(' ').next().unwrap_or_default();
        if self.stdin.write_all(format!("{command}\n").as_bytes()).is_err() {
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
    pub(crate) fn kill(mut self) {
        self.stop();
    }

    fn answer(&mut self, what: &str) -> Step<Answer> {
        let mut lines = Vec::new();
        loop {
            match self.lines.recv_timeout(self.timeout) {
                Ok(line) if line == "event done" => return Ok(Answer(lines)),
                Ok(line) => lines.push(line),
                Err(RecvTimeoutError::Timeout) => {
                    return failed(format!("no answer to {what} within {} seconds", self.timeout.as_secs()));
                }
                Err(RecvTimeoutError::Disconnected) => return failed(format!("it ends at {what}")),
            }
        }
    }

    fn stop(&mut self) {
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

impl Drop for Subject {
    fn drop(&mut self) {
        self.stop();
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
