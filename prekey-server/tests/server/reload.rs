//! SIGHUP: the config file is read again, and nobody's connection breaks.

use crate::client::Http;
use crate::process::{Process, launch, program};
use serde_json::json;
use std::fs::{self, File};
use std::path::Path;
use std::time::Duration;

struct World {
    folder: tempfile::TempDir,
    server: Process,
    http: Http,
}

const OPEN: &str = "log = \"info\"\n[rules]\nregistration = \"open\"\n";
const CLOSED: &str = "log = \"info\"\n[rules]\nregistration = \"closed\"\n";

fn config(folder: &Path, key: &str, text: &str) {
    let files = format!("database = {:?}\nkey_file = {:?}\n", folder.join("prekeys.db"), folder.join(key));
    fs::write(folder.join("config"), files + text).expect("a file");
}

fn start() -> World {
    let folder = tempfile::tempdir().expect("a temporary folder");
    config(folder.path(), "key", OPEN);
    let mut command = program();
    command.args(["serve", "--listen", "127.0.0.1:0", "--identity", "prekey.example.org", "--config"]);
    command.arg(folder.path().join("config")).arg("--no-limits");
    command.stderr(File::create(folder.path().join("log")).expect("a file"));
    let (server, _) = launch(command);
    let http = Http::new(&server.base);
    World { folder, server, http }
}

impl World {
    /// Writes the file anew, tells the server, and gives what it logs until these words come.
    fn reload(&self, key: &str, text: &str, until: &str) -> String {
        let log = self.folder.path().join("log");
        let before = fs::read_to_string(&log).expect("a log").len();
        config(self.folder.path(), key, text);
        self.server.signal("-HUP");
        for _ in 0..1000 {
            let log = fs::read_to_string(&log).expect("a log");
            if log[before..].contains(until) {
                return log[before..].to_owned();
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("no {until:?}: {}", fs::read_to_string(&log).expect("a log"));
    }

    /// The status of an attempt to get an account.
    fn register(&self, identity: &str) -> u16 {
        let body = json!({ "identity": identity }).to_string();
        let answer = self.http.post("/v1/accounts", &[("Content-Type", "application/json")], body.as_bytes());
        answer.expect("an answer").status
    }
}

#[test]
fn new_rules_hold_after_a_signal_and_a_faulty_file_changes_nothing() {
    let world = start();
    assert_eq!(world.register("one"), 201);
    world.reload("key", CLOSED, "config reloaded");
    assert_eq!(world.register("two"), 403);
    let log = world.reload("key", "log = \"info\"\n[rules]\nregistration = \"ajar\"\n", "not reloaded");
    assert!(log.contains("line 5, registration") && log.contains("all stays as it was"), "{log}");
    assert_eq!(world.register("two"), 403);
    // Neither half of it: the rules were right, the filter was not.
    let log = world.reload("key", &OPEN.replace("info", "=,="), "not reloaded");
    assert!(log.contains("log \"=,=\""), "{log}");
    assert_eq!(world.register("two"), 403);
    world.reload("key", OPEN, "config reloaded");
    assert_eq!(world.register("two"), 201);
}

#[test]
fn the_log_filter_changes_and_what_needs_a_restart_is_named() {
    let world = start();
    let query = |world: &World| world.http.fetch("bob@example.org").expect("an answer");
    query(&world);
    let log = || fs::read_to_string(world.folder.path().join("log")).expect("a log");
    assert_eq!(log().matches("query answered").count(), 1);
    // Also above its own message: a quieter log says nothing of it.
    config(world.folder.path(), "key", &OPEN.replace("info", "error"));
    world.server.signal("-HUP");
    while !(0..20).all(|_| {
        let before = log().matches("query answered").count();
        query(&world);
        log().matches("query answered").count() == before
    }) {}
    let log = world.reload("other-key", OPEN, "config reloaded");
    assert!(log.contains("key_file has changed") && log.contains("needs a restart"), "{log}");
    // Named on the command line, these are what they were.
    let with_listen = format!("listen = \"127.0.0.1:1\"\nidentity = \"other\"\n{OPEN}");
    let log = world.reload("key", &with_listen, "config reloaded");
    assert!(!log.contains("restart"), "{log}");
    assert!(!world.folder.path().join("other-key").exists());
}

#[test]
fn without_a_file_the_signal_does_no_harm() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let server = crate::process::start(folder.path());
    server.signal("-HUP");
    std::thread::sleep(Duration::from_millis(100));
    assert_eq!(Http::new(&server.base).get("/livez").expect("an answer").status, 200);
    server.signal("-TERM");
    assert_eq!(server.wait(), Some(0));
}
