//! `client-demo forge`: each operation with a forgery that honest code accepts, and with a key or a guess that is refused.

mod examples;
mod hostile;
mod inspected;
mod key_exchange;
mod message;
mod play;
mod transcript;
mod version_3;

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use crate::process::{Pipe, carry, client, run, wire_lines};

const ALICE: &str = "alice@example.org";
const BOB: &str = "bob@example.org";

/// A folder with two homes, a recorded conversation, and what else the examples name.
struct Stage(TempDir);

impl Stage {
    /// Alice and Bob keep the secrets of their forging keys, which a `pipe` does not.
    fn new() -> Self {
        let stage = Self(tempfile::tempdir().expect("a folder"));
        for (who, id) in [("alice", ALICE), ("bob", BOB)] {
            stage.done(&["init", "--home", who, "--account", id, "--forging-key", "keep"]);
        }
        stage
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).expect("written");
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).expect("read")
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = client(arguments);
        command.current_dir(self.0.path()).env("CLIENT_DEMO_PASSPHRASE", PASSPHRASE);
        command
    }

    /// What a command says that does what it should.
    fn done(&self, arguments: &[&str]) -> String {
        self.given("", arguments)
    }

    /// The same with something on standard input.
    fn given(&self, input: &str, arguments: &[&str]) -> String {
        let mut command = self.command(arguments);
        let command = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("it runs");
        // One that reads nothing may have ended.
        _ = child.stdin.take().expect("piped").write_all(input.as_bytes());
        let output = child.wait_with_output().expect("it ends");
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {error}");
        assert_eq!(error, "");
        String::from_utf8(output.stdout).expect("UTF-8")
    }

    fn json(&self, arguments: &[&str]) -> Value {
        let said = self.done(&[arguments, &["--json"]].concat());
        serde_json::from_str(&said).expect("JSON")
    }

    /// Why a command is refused.
    fn refused(&self, arguments: &[&str]) -> String {
        let output = run(&mut self.command(arguments));
        assert!(!output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stdout));
        String::from_utf8(output.stderr).expect("UTF-8")
    }

    fn pipe(&self, who: &str, more: &[&str]) -> Pipe {
        let (me, them) = if who.starts_with("alice") { (ALICE, BOB) } else { (BOB, ALICE) };
        let arguments = ["pipe", "--account", me, "--contact", them, "--home", who];
        Pipe::spawn(self.command(&[&arguments, more].concat()))
    }

    /// Alice and Bob talk, and somebody records it; a copy of Bob's home is as it was before the message that is to be changed.
    /// Files: `message`, `recording`, and the home `before`.
    fn record(&self, more: &[&str]) {
        let (mut alice, mut bob) = (self.pipe("alice", more), self.pipe("bob", more));
        let mut wire = wire_lines(&alice.ask("query"));
        let mut lines = wire.clone();
        let mut to_bob = true;
        while !lines.is_empty() {
            let to = if to_bob { &mut bob } else { &mut alice };
            lines = lines.iter().flat_map(|line| wire_lines(&to.receive(line))).collect();
            wire.extend(lines.iter().cloned());
            to_bob = !to_bob;
        }
        wire.extend(talk(&mut alice, &mut bob, "Hello Bob."));
        bob.end();
        copy(&self.path("bob"), &self.path("before"));
        let mut bob = self.pipe("bob", more);
        let message = talk(&mut alice, &mut bob, "Meet me at noon.");
        self.write("message", message.first().expect("a line"));
        wire.extend(message);
        for turn in 0..3 {
            wire.extend(talk(&mut bob, &mut alice, &format!("Answer {turn}.")));
            wire.extend(talk(&mut alice, &mut bob, &format!("Question {turn}.")));
        }
        self.write("recording", &wire.join("\n"));
    }

    /// What Bob's honest program reads of a line if it comes in the place of the message.
    fn read_by_bob(&self, line: &str, more: &[&str]) -> Vec<String> {
        copy(&self.path("before"), &self.path("bob-again"));
        let answer = self.pipe("bob-again", more).receive(line);
        fs::remove_dir_all(self.path("bob-again")).expect("removed");
        crate::process::plain(&answer)
    }

    /// A conversation of which each key is known: `message` is one of Alice's.
    /// Files: `recording`, `message`, `chain.key`, `mac.key`, `script`, `ensemble`; and of version 3 `exponent`, `aes.key`, `mac-3.key`.
    fn with_keys(self) -> Self {
        self.record(&[]);
        self.write("script", "alice: Meet me at noon.\n+20 bob: All right.\nalice: Good.\nbob: Bye.\n");
        let ensemble = self.pipe("bob", &[]).ask("prekeys 1");
        let ensemble = ensemble.first().and_then(|line| line.strip_prefix("event ensemble "));
        self.write("ensemble", ensemble.expect("an ensemble"));
        let transcript = self.json(&[
            "forge",
            "transcript",
            "--home",
            "alice",
            "--with",
            BOB,
            "--profile",
            "@recording",
            "@script",
        ]);
        let lines = transcript.get("lines").and_then(Value::as_array).expect("lines");
        let of_alice = |line: &&Value| line["by"] == ALICE && line["chain_key"].is_string();
        let message = lines.iter().find(of_alice).expect("her message");
        let wire: Vec<&str> = lines.iter().map(|line| line["line"].as_str().expect("a line")).collect();
        self.write("recording", &wire.join("\n"));
        self.write("message", message["line"].as_str().expect("a line"));
        self.write("chain.key", message["chain_key"].as_str().expect("a key"));
        self.write("mac.key", &self.done(&["forge", "mac-key", "--chain-key", "@chain.key"]));
        self.write("exponent", &"5a".repeat(40));
        self.write("aes.key", &"5a".repeat(16));
        self.write("mac-3.key", &"5a".repeat(20));
        self
    }
}

/// A text from one to the other and what the other answers by itself: the lines on the wire.
fn talk(from: &mut Pipe, to: &mut Pipe, text: &str) -> Vec<String> {
    let mut lines = from.send(text);
    let answer: Vec<String> = lines.iter().flat_map(|line| to.receive(line)).collect();
    assert_eq!(crate::process::plain(&answer), [text]);
    let answers = wire_lines(&answer);
    carry(answers.clone(), to, from);
    lines.extend(answers);
    lines
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).expect("made");
    for entry in fs::read_dir(from).expect("a folder") {
        let path = entry.expect("an entry").path();
        fs::copy(&path, to.join(path.file_name().expect("a name"))).expect("copied");
    }
}

const PASSPHRASE: &str = "correct horse battery staple";
