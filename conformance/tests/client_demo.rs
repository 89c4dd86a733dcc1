//! Our own `client-demo pipe` passes every case.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

#[test]
fn our_own_pipe_passes_every_case_and_skips_none() {
    let output = Command::new(env!("CARGO_BIN_EXE_conformance"))
        .args(["check", "--json"])
        .arg(client_demo())
        .arg("pipe")
        .output()
        .expect("the runner runs");
    let said = String::from_utf8(output.stdout).expect("UTF-8");
    let cases: Vec<serde_json::Value> =
        said.lines().map(|line| serde_json::from_str(line).expect("a JSON object a line")).collect();
    assert!(cases.len() >= 165, "{said}");
    let others: Vec<_> = cases.iter().filter(|case| case["verdict"] != "pass").collect();
    assert!(others.is_empty(), "{others:#?}");
    assert!(output.status.success());
}

#[test]
fn a_program_that_says_nothing_fails_and_one_that_is_not_there_does_too() {
    for program in ["true", "/nonexistent/program"] {
        let output = Command::new(env!("CARGO_BIN_EXE_conformance"))
            .args(["check", "--filter", "v4/our-query", program])
            .output()
            .expect("the runner runs");
        assert_eq!(output.status.code(), Some(1), "{program}");
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(said.contains("FAIL    v4/our-query"), "{said}");
    }
}

/// A program with this body in a shell, and what becomes of these cases of it.
#[cfg(unix)]
fn verdicts(body: &str, filter: &str) -> (Vec<String>, Option<i32>) {
    let output = Command::new(env!("CARGO_BIN_EXE_conformance"))
        .args(["check", "--json", "--timeout", "2", "--filter", filter, "sh", "-c", body, "sh"])
        .output()
        .expect("the runner runs");
    let said = String::from_utf8(output.stdout).expect("UTF-8");
    let cases = said.lines().map(|line| serde_json::from_str(line).expect("a JSON object a line"));
    let verdicts = cases.map(|case: serde_json::Value| case["verdict"].as_str().expect("a text").to_owned());
    (verdicts.collect(), output.status.code())
}

#[cfg(unix)]
#[test]
fn only_status_2_before_it_is_ready_skips_a_case_and_never_version_4_itself() {
    for (body, filter, verdict) in [
        ("exit 2", "v3/our-query", "skipped"),
        ("exit 2", "v4/fragments-cut", "skipped"),
        ("exit 2", "v4/prekey-after-a-restart", "skipped"),
        ("exit 2", "v4/our-query", "fail"),
        ("exit 1", "v3/our-query", "fail"),
        ("exit 1", "v4/fragments-cut", "fail"),
        ("kill -9 $$", "v3/our-query", "fail"),
        ("exec sleep 60", "v3/our-query", "fail"),
    ] {
        let (verdicts, status) = verdicts(body, filter);
        assert_eq!(
            (verdicts.as_slice(), status),
            ([verdict.to_owned()].as_slice(), Some(1)),
            "{body}, {filter}"
        );
    }
}

#[cfg(unix)]
#[test]
#[allow(clippy::disallowed_methods, reason = "it is about how long it takes")]
fn a_program_that_talks_for_ever_or_never_listens_is_stopped() {
    for body in [
        "exec yes 'event state more'",
        "while sleep 0.2; do echo event state more; done",
        "exec cat /dev/zero",
        "echo event ready x tag=00000100 fingerprint=00; while sleep 0.1; do echo event done; done",
    ] {
        let start = SystemTime::now();
        let (verdicts, _) = verdicts(body, "v4/our-query");
        assert_eq!(verdicts, ["fail"], "{body}");
        assert!(start.elapsed().expect("no time travel").as_secs() < 30, "{body}");
    }
}

/// Beside the runner: `cargo test --workspace` builds it for its own tests. Where only this package is tested, it may have
/// to be built first, or anew.
fn client_demo() -> PathBuf {
    let folder = Path::new(env!("CARGO_BIN_EXE_conformance")).parent().expect("it lies in TARGET/PROFILE");
    let program = folder.join("client-demo").with_extension(std::env::consts::EXE_EXTENSION);
    let changed = ["../otrv4/src", "../client-demo/src"].map(|sources| newest(Path::new(sources)));
    if changed.into_iter().any(|changed| program.metadata().map_or(true, |program| when(&program) < changed))
    {
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(["build", "--quiet", "--locked", "--package", "client-demo", "--target-dir"]);
        cargo.arg(folder.parent().expect("it lies in TARGET/PROFILE"));
        if folder.ends_with("release") {
            cargo.arg("--release");
        }
        assert!(cargo.status().expect("cargo runs").success(), "client-demo does not build");
    }
    program
}

/// When a file below this folder was changed last.
fn newest(folder: &Path) -> SystemTime {
    let entries = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry"));
    let changed = entries.map(|entry| match entry.metadata().expect("it is there") {
        below if below.is_dir() => newest(&entry.path()),
        file => when(&file),
    });
    changed.max().expect("no folder is empty")
}

fn when(file: &fs::Metadata) -> SystemTime {
    file.modified().expect("a time")
}
