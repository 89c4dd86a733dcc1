//! The peer made of libotr: how it is compiled and started.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use crate::process::{Pipe, run};

/// Whether there is a peer to talk to. Where there is none, says so; fails instead if the environment demands one.
pub(super) fn is_there() -> bool {
    program().is_some()
}

/// Starts one.
pub(super) fn start(me: &str, them: &str, versions: &str, home: &Path) -> Pipe {
    let mut command = Command::new(program().expect("who asks has seen that it is there"));
    command.args(["--account", me, "--contact", them, "--versions", versions, "--home"]).arg(home);
    Pipe::spawn(command)
}

/// Compiled once in each run of the tests, so that it is never an old one.
fn program() -> Option<&'static Path> {
    static PROGRAM: OnceLock<Option<PathBuf>> = OnceLock::new();
    PROGRAM.get_or_init(|| compiled("libotr-peer", &["peer.c", "told.c", "words.c"])).as_deref()
}

/// A program of ours with libotr; nothing where that is missing.
pub(crate) fn compiled(name: &str, sources: &[&str]) -> Option<PathBuf> {
    let Some(flags) = flags() else {
        assert!(std::env::var_os(REQUIRED).is_none(), "{MISSING}, and {REQUIRED} demands it");
        // Not by a macro: what tests print by those is only shown when they fail.
        writeln!(io::stderr(), "{MISSING}: skipped the conversations with libotr").expect("stderr");
        return None;
    };
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    // Of its own until it is whole: another run may do the same.
    let (new, program) = (folder.join(format!("{name}-{}", std::process::id())), folder.join(name));
    let mut compiler = Command::new("cc");
    compiler.args(["-std=c11", "-D_POSIX_C_SOURCE=200809L", "-O1"]);
    compiler.args(["-Wall", "-Wextra", "-Wpedantic", "-Wshadow", "-Wconversion", "-Werror", "-o"]).arg(&new);
    compiler.args(sources.iter().map(|source| Path::new(FOLDER).join(source))).args(flags);
    let output = run(&mut compiler);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    std::fs::rename(&new, &program).expect("in the same folder");
    Some(program)
}

/// What the compiler needs to be told; nothing where the compiler or the libraries are missing.
fn flags() -> Option<Vec<String>> {
    let mut asked = Command::new("pkg-config");
    asked.args(["--cflags", "--libs", "libotr >= 4.1", "libgcrypt"]).stderr(Stdio::null());
    let flags = asked.output().ok().filter(|output| output.status.success())?;
    Command::new("cc").arg("--version").output().ok()?;
    let flags = String::from_utf8(flags.stdout).expect("UTF-8");
    Some(flags.split_whitespace().map(str::to_owned).collect())
}

/// Set where a machine has to have libotr.
const REQUIRED: &str = "OTRV4_REQUIRE_LIBOTR";
const MISSING: &str = "libotr is missing (Debian: libotr5-dev, pkg-config and gcc)";

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/interop/libotr");
