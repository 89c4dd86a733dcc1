//! The server's program as a process, for the tests.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Lines};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

/// A running server; killed when this is dropped.
pub(crate) struct Process {
    child: Child,
    /// `http://ADDRESS:PORT`
    pub(crate) base: String,
    pub(crate) fingerprint: String,
}

/// The program without any of the environment's settings.
pub(crate) fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_prekey-server"));
    command.env_clear();
    command
}

/// Starts a server whose database and key lie in `folder`, on any free loopback port.
pub(crate) fn start(folder: &Path) -> Process {
    start_logging(folder, "error", Stdio::inherit())
}

/// The same, with a log at this level.
pub(crate) fn start_logging(folder: &Path, level: &str, log: Stdio) -> Process {
    start_on(folder, folder.join("prekeys.db").as_os_str(), level, log)
}

/// A server whose key lies in `folder`, on this database.
pub(crate) fn start_on(folder: &Path, database: &OsStr, level: &str, log: Stdio) -> Process {
    run(serve(folder, database, level, log))
}

/// The command of such a server.
pub(crate) fn serve(folder: &Path, database: &OsStr, level: &str, log: Stdio) -> Command {
    let mut command = program();
    command.args(["serve", "--listen", "127.0.0.1:0", "--identity", "prekey.example.org", "--log", level]);
    // One client of the tests is a crowd.
    command.arg("--no-limits").stderr(log);
    command.arg("--database").arg(database).arg("--key-file").arg(folder.join("key"));
    command
}

/// Starts it.
pub(crate) fn run(command: Command) -> Process {
    launch(command).0
}

/// A server by this command, and the rest of what it prints.
pub(crate) fn launch(mut command: Command) -> (Process, Lines<BufReader<ChildStdout>>) {
    let mut child = command.stdout(Stdio::piped()).spawn().expect("the program");
    let mut lines = BufReader::new(child.stdout.take().expect("its output")).lines();
    let base = line(&mut lines, "listening on ");
    let fingerprint = line(&mut lines, "fingerprint ");
    (Process { child, base, fingerprint }, lines)
}

/// What the next line says behind these words.
pub(crate) fn line(lines: &mut Lines<BufReader<ChildStdout>>, what: &str) -> String {
    let line = lines.next().expect("a line").expect("text");
    line.strip_prefix(what).unwrap_or_else(|| panic!("{what:?} expected: {line}")).to_owned()
}

impl Process {
    pub(crate) fn id(&self) -> String {
        self.child.id().to_string()
    }

    /// Sends a signal, such as "-HUP".
    pub(crate) fn signal(&self, signal: &str) {
        let sent = Command::new("kill").args([signal, &self.id()]).status().expect("kill");
        assert!(sent.success());
    }

    /// SIGKILL, as a crash: the process gets no chance to finish anything.
    pub(crate) fn kill(&mut self) {
        self.child.kill().expect("a running server");
        self.child.wait().expect("a process that ends");
    }

    /// Waits for its end; gives the exit code.
    pub(crate) fn wait(mut self) -> Option<i32> {
        self.child.wait().expect("a process that ends").code()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // An error means that it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
