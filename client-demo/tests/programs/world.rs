//! Everyday commands of `client-demo` as processes, with a running `prekey-server` and a folder for the network.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use crate::process::{client, run, server};

/// A folder with everything in it: homes, network, the server's key and database.
pub(crate) struct World {
    folder: TempDir,
}

/// A running prekey server; killed when dropped.
pub(crate) struct Server {
    child: Child,
    pub(crate) url: String,
    pub(crate) fingerprint: String,
}

/// What a command said.
struct Said {
    ok: bool,
    out: String,
    err: String,
}

impl World {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().expect("a folder") }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A prekey server whose key and database have this name.
    pub(crate) fn server(&self, name: &str) -> Server {
        let (key, database) = (self.path(&format!("{name}.key")), self.path(&format!("{name}.db")));
        let mut command =
            server(["serve", "--no-limits", "--listen", "127.0.0.1:0", "--identity", "prekey.example.org"]);
        command.arg("--key-file").arg(key).arg("--database").arg(database);
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("it runs");
        let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        let mut line = |prefix: &str| {
            let line = lines.next().expect("a line").expect("UTF-8");
            line.strip_prefix(prefix).expect("it says so").to_owned()
        };
        Server { url: line("listening on "), fingerprint: line("fingerprint "), child }
    }

    pub(crate) fn command(&self, who: &str, arguments: &[&str]) -> Command {
        let mut command = client(arguments);
        command.env("CLIENT_DEMO_HOME", self.path(who)).env("CLIENT_DEMO_NETWORK", self.path("network"));
        command.env("CLIENT_DEMO_PASSPHRASE", format!("{PASSPHRASE} {who}"));
        command
    }

    fn client(&self, who: &str, arguments: &[&str]) -> Said {
        let output = run(&mut self.command(who, arguments));
        let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
        Said { ok: output.status.success(), out: text(output.stdout), err: text(output.stderr) }
    }

    /// A command that does what it should; what it says.
    pub(crate) fn done(&self, who: &str, arguments: &[&str]) -> String {
        let said = self.client(who, arguments);
        assert!(said.ok, "{who} {arguments:?}: {}{}", said.out, said.err);
        assert_eq!(said.err, "");
        said.out
    }

    /// A command that is refused; why.
    pub(crate) fn refused(&self, who: &str, arguments: &[&str]) -> String {
        let said = self.client(who, arguments);
        assert!(!said.ok, "{who} {arguments:?}: {}", said.out);
        said.err
    }

    pub(crate) fn init(&self, who: &str) -> String {
        self.done(who, &["init", "--account", &address(who), "--forging-key", "destroy"])
    }

    /// Bob has an account and three prekeys on the server, Alice has an account.
    pub(crate) fn with_bob_published(server: &Server) -> Self {
        let world = Self::new();
        world.init("alice");
        world.init("bob");
        world.done(
            "bob",
            &["publish", "--server", &server.url, "--fingerprint", &server.fingerprint, "--count", "3"],
        );
        world
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

pub(crate) fn address(who: &str) -> String {
    format!("{who}@example.org")
}

/// What `contact` is shown to have said, in the order in which it is shown.
pub(crate) fn texts<'a>(out: &'a str, contact: &str) -> Vec<&'a str> {
    let prefix = format!("{}: ", address(contact));
    out.lines().filter_map(|line| line.strip_prefix(prefix.as_str())).collect()
}

/// The line that follows the first that contains this, without blanks around it.
pub(crate) fn line_with<'a>(out: &'a str, part: &str) -> &'a str {
    out.lines().find(|line| line.contains(part)).expect(out).trim()
}

pub(crate) const PASSPHRASE: &str = "correct horse battery staple";

/// Alice and Bob in a conversation; both have read what the other wrote.
pub(crate) fn talking(server: &Server) -> World {
    let world = World::with_bob_published(server);
    world.done("alice", &["send", "bob@example.org", "hello", "--server", &server.url]);
    world.done("bob", &["receive"]);
    world.done("bob", &["send", "alice@example.org", "hello"]);
    world.done("alice", &["receive"]);
    world
}

/// The fingerprint that somebody shows of himself, as digits.
pub(crate) fn fingerprint(world: &World, who: &str) -> String {
    let shown = world.done(who, &["fingerprint"]);
    shown.lines().nth(1).expect("a fingerprint").replace(' ', "").to_lowercase()
}

/// All files below a folder.
pub(crate) fn files(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let entries = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    entries
        .flat_map(|path| match path.is_dir() {
            true => files(&path),
            false => vec![(path.clone(), fs::read(&path).expect("a file"))],
        })
        .collect()
}
