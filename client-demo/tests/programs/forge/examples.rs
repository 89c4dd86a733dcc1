//! The examples of `--help`: each is run as it stands there.

use std::path::Path;
use std::process::Command;

use super::Stage;
use crate::process::run;

/// The commands below "Example" in a help text.
fn examples(help: &str) -> Vec<String> {
    let after = help.lines().skip_while(|line| !line.starts_with("Example")).skip(1);
    let lines = after.take_while(|line| line.starts_with("    "));
    let joined = lines.collect::<Vec<_>>().join("\n").replace("\\\n", " ");
    joined.lines().map(|line| line.trim().to_owned()).collect()
}

#[test]
fn every_operation_has_an_example_and_each_runs_and_says_something() {
    let stage = Stage::new().with_keys();
    let help = stage.done(&["forge", "--help"]);
    let operations: Vec<&str> = help
        .lines()
        .skip_while(|line| *line != "Commands:")
        .skip(1)
        .map_while(|line| line.strip_prefix("  "))
        .filter(|line| !line.starts_with(' '))
        .map(|line| line.split(' ').next().expect("a name"))
        .filter(|name| *name != "help")
        .collect();
    assert!(operations.len() >= 14, "{operations:?}");
    for operation in operations {
        let help = stage.done(&["forge", operation, "--help"]);
        let examples = examples(&help);
        assert!(!examples.is_empty(), "{help}");
        for example in examples {
            assert!(example.starts_with(&format!("client-demo forge {operation} ")), "{example}");
            assert_eq!(open_secrets(&example), [""; 0], "{example}");
            let output = run(&mut shell(&stage, &example));
            let error = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success() && error.is_empty(), "{example}: {error}");
            assert!(!output.stdout.is_empty(), "{example}");
        }
    }
}

/// The secrets in it that stand there for everybody on the machine to see.
fn open_secrets(example: &str) -> Vec<&str> {
    let words: Vec<&str> = example.split_whitespace().collect();
    let secrets = words.array_windows().filter(|[name, _]| {
        ["--mac-key", "--chain-key", "--message-key", "--aes-key", "--secret"].contains(name)
            || example.contains(" forge read ") && *name == "--key"
    });
    secrets.map(|[_, value]| *value).filter(|value| !value.starts_with('@') && *value != "-").collect()
}

/// As somebody types it, in the folder with the files.
fn shell(stage: &Stage, line: &str) -> Command {
    let program = Path::new(env!("CARGO_BIN_EXE_client-demo"));
    let mut command = stage.command(&[]);
    let mut shell = Command::new("sh");
    shell.args(["-c", line]).current_dir(stage.0.path());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => shell.env(name, value),
            None => shell.env_remove(name),
        };
    }
    command.stdin(std::process::Stdio::null());
    let folder = program.parent().expect("it lies in a folder");
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::iter::once(folder.to_owned()).chain(std::env::split_paths(&path));
    shell.env("PATH", std::env::join_paths(folders).expect("a path"));
    shell
}
