//! The examples of `inspect --help`, as they stand there.

use std::path::Path;
use std::process::Command;

use super::recorded::Transcript;
use crate::process::{client, run};

#[test]
fn each_example_runs() {
    let help = run(&mut client(["inspect", "--help"]));
    let help = String::from_utf8(help.stdout).expect("UTF-8");
    let examples = help.lines().skip_while(|line| *line != "Examples:").skip(1);
    let examples: Vec<&str> = examples.map(str::trim).filter(|line| !line.is_empty()).collect();
    assert!(examples.len() > 2, "{help}");
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("talk.jsonl"), Transcript::interactive().json()).expect("written");
    let program = Path::new(env!("CARGO_BIN_EXE_client-demo")).parent().expect("a folder");
    let path = format!("{}:{}", program.display(), std::env::var("PATH").expect("a path"));
    for example in examples {
        let mut shell = Command::new("sh");
        let output = run(shell.args(["-c", example]).env("PATH", &path).current_dir(folder.path()));
        assert!(output.status.success(), "{example}: {}", String::from_utf8_lossy(&output.stderr));
    }
    assert!(folder.path().join("talk.html").exists());
}
