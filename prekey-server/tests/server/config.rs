//! Where the program's options come from: the command line, the environment, a file, and what is said when they are wrong.

use crate::process::{launch, program};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn run(command: &mut Command) -> (Option<i32>, String, String) {
    let Output { status, stdout, stderr } = command.output().expect("the program");
    (status.code(), String::from_utf8(stdout).expect("text"), String::from_utf8(stderr).expect("text"))
}

/// A config file with this text in a folder of its own.
fn file(text: &str) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("prekey-server.toml");
    fs::write(&path, text).expect("a file");
    (folder, path)
}

/// The least that `serve` needs, with files in this folder.
fn least(folder: &Path) -> String {
    let (database, key) = (folder.join("prekeys.db"), folder.join("key"));
    format!(
        "listen = \"127.0.0.1:0\"\ndatabase = {database:?}\nkey_file = {key:?}\nidentity = \"prekey.example.org\"\n"
    )
}

#[test]
fn every_command_takes_its_options_from_the_file() {
    let (folder, path) = file("");
    fs::write(&path, least(folder.path())).expect("a file");
    let mut command = program();
    command.args(["serve", "--config"]).arg(&path);
    let (server, _) = launch(command);
    let ask = |arguments: &[&str]| run(program().env("PREKEY_SERVER_CONFIG", &path).args(arguments));
    assert_eq!(ask(&["fingerprint"]), (Some(0), format!("{}\n", server.fingerprint), String::new()));
    assert_eq!(ask(&["account", "add", "bob@example.org"]).0, Some(0));
    assert!(ask(&["account", "list"]).1.starts_with("bob@example.org\t"));
    assert_eq!(ask(&["backup", "--to", folder.path().join("copy").to_str().expect("a path")]).0, Some(0));
    assert!(ask(&["stats"]).1.contains("accounts            1\n"));
    let address = server.base.strip_prefix("http://").expect("a URL");
    fs::write(&path, least(folder.path()).replace("127.0.0.1:0", address)).expect("a file");
    assert_eq!(ask(&["healthcheck"]), (Some(0), String::new(), String::new()));
}

#[test]
fn an_option_beats_its_variable_and_both_beat_the_file_and_that_the_default() {
    let (folder, path) = file("");
    let check = |text: &str, variable: Option<&str>, option: Option<&str>| {
        fs::write(&path, format!("{}{text}", least(folder.path()))).expect("a file");
        let mut command = program();
        command.arg("check-config").env("PREKEY_SERVER_CONFIG", &path);
        variable.map(|log| command.env("PREKEY_SERVER_LOG", log));
        option.map(|log| command.args(["--log", log]));
        let (code, stdout, stderr) = run(&mut command);
        assert_eq!((code, stderr.as_str()), (Some(0), ""));
        stdout.lines().find_map(|line| line.strip_prefix("log: ")).expect("the filter").to_owned()
    };
    let in_file = "log = \"warn\"\n";
    assert_eq!(check(in_file, Some("error"), Some("debug")), "debug");
    assert_eq!(check(in_file, Some("error"), None), "error");
    assert_eq!(check(in_file, None, None), "warn");
    assert_eq!(check("", None, None), "info");
}

#[test]
fn check_config_says_what_holds_and_makes_nothing() {
    let (folder, path) = file("");
    let text = format!(
        "{}metrics_listen = \"127.0.0.1:7449\"\n[rules]\nregistration = \"closed\"\n",
        least(folder.path())
    );
    fs::write(&path, text).expect("a file");
    let check = || run(program().args(["check-config", "--config"]).arg(&path));
    let (code, stdout, stderr) = check();
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
    for line in [
        format!("config file: {}", path.display()),
        "listen: 127.0.0.1:0".into(),
        format!("database: {}", folder.path().join("prekeys.db").display()),
        "identity: prekey.example.org".into(),
        "hash_identities: false".into(),
        "metrics_listen: 127.0.0.1:7449".into(),
        "log_format: text".into(),
    ] {
        assert!(stdout.lines().any(|said| said == line), "{line}: {stdout}");
    }
    assert!(stdout.contains("registration: Closed"), "{stdout}");
    assert_eq!(fs::read_dir(folder.path()).expect("the folder").count(), 1);

    let secret = "postgres://prekey:SECRET@db.example.org/prekeys";
    let (code, stdout, _) =
        run(program().args(["check-config", "--database", secret, "--config"]).arg(&path));
    assert_eq!(code, Some(0));
    assert!(stdout.contains("database: postgres://prekey@db.example.org:5432/prekeys\n"), "{stdout}");
    assert!(!stdout.contains("SECRET"), "{stdout}");

    // A key file that `serve` would refuse.
    fs::write(folder.path().join("key"), "no key").expect("a file");
    let (code, _, stderr) = check();
    assert_eq!(code, Some(1));
    assert!(stderr.contains("key file"), "{stderr}");
}

#[test]
fn what_is_wrong_in_the_file_is_named_by_file_line_and_key() {
    let (_folder, path) = file("");
    for (text, said) in [
        ("listen = \"127.0.0.1:0\"\ncolour = \"red\"\n", "line 2, colour: unknown field `colour`"),
        ("listen = \"nowhere\"\n", "line 1, listen: invalid socket address"),
        ("\nidentity = \"Prekey Server\"\n", "line 2, identity: "),
        ("log_format = \"xml\"\n", "line 1, log_format: unknown variant `xml`"),
        ("[rules]\nregistration = \"ajar\"\n", "line 2, registration: unknown variant `ajar`"),
        ("[rules]\nregistraton = \"open\"\n", "line 2, registraton: unknown field `registraton`"),
        ("database = \"\"\n", "line 1, database: the name of a file, or a URL"),
    ] {
        fs::write(&path, text).expect("a file");
        for command in ["serve", "check-config", "migrate"] {
            let (code, _, stderr) = run(program().arg(command).arg("--config").arg(&path));
            assert_eq!(code, Some(1), "{text}");
            assert!(stderr.contains(&format!("config file {}, {said}", path.display())), "{text}: {stderr}");
        }
    }
    // Nothing of a line that may hold a password.
    fs::write(&path, "database = \"postgres://prekey:SECRET@db/x\n").expect("a file");
    let (code, _, stderr) = run(program().args(["check-config", "--config"]).arg(&path));
    assert_eq!(code, Some(1));
    assert!(stderr.contains("line 1, database") && !stderr.contains("SECRET"), "{stderr}");
}

#[test]
fn a_header_that_others_set_is_not_trusted() {
    let (_folder, path) = file("");
    for header in ["X-Real-IP", "x-forwarded-for", "forwarded", "authorization", "cookie"] {
        let rules = format!("[rules]\nregistration = \"header\"\ntrusted_header = \"{header}\"\n");
        fs::write(&path, rules).expect("a file");
        for command in ["serve", "check-config"] {
            let (code, _, stderr) = run(program().arg(command).arg("--config").arg(&path));
            assert_eq!(code, Some(1), "{header}");
            assert!(stderr.contains("rules.trusted_header: clients set this header themselves"), "{stderr}");
        }
    }
}

#[test]
fn what_is_missing_is_said_with_all_the_ways_to_give_it() {
    let (code, _, stderr) = run(program().args(["serve", "--database", "x", "--key-file", "y"]));
    assert_eq!(code, Some(1));
    for way in ["--identity", "PREKEY_SERVER_IDENTITY", "`identity` in a config file"] {
        assert!(stderr.contains(way), "{stderr}");
    }
    let (code, _, stderr) = run(program().args(["account", "list"]));
    assert_eq!(code, Some(1));
    assert!(stderr.contains("PREKEY_SERVER_DATABASE"), "{stderr}");
    let (code, _, stderr) = run(program().args(["serve", "--config", "/nowhere.toml"]));
    assert_eq!(code, Some(1));
    assert!(stderr.contains("/nowhere.toml") && stderr.contains("--config"), "{stderr}");
    let (code, _, stderr) = run(program().args([
        "check-config",
        "--database",
        "x",
        "--key-file",
        "y",
        "--identity",
        "z",
        "--log",
        "=,=",
    ]));
    assert_eq!(code, Some(1));
    assert!(stderr.contains("info,sqlx=warn"), "{stderr}");
}

#[test]
fn the_example_file_is_true() {
    let example = concat!(env!("CARGO_MANIFEST_DIR"), "/prekey-server.example.toml");
    let text = fs::read_to_string(example).expect("the example");
    let (code, as_it_is, stderr) = run(program().args(["check-config", "--config", example]));
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
    // Every line that is commented out is one that could be there, and says the default.
    let all: String = text
        .lines()
        .map(|line| match line.strip_prefix('#') {
            Some(code) if code.starts_with('[') || code.contains(" = ") && !code.starts_with(' ') => code,
            _ => line,
        })
        .flat_map(|line| [line, "\n"])
        .collect();
    let (_folder, path) = file(&all);
    let (code, with_all, stderr) = run(program().args(["check-config", "--config"]).arg(&path));
    assert_eq!((code, stderr.as_str()), (Some(0), ""), "{all}");
    let rest = |said: &str| -> Vec<String> {
        let differs =
            |line: &&str| !line.starts_with("config file: ") && !line.starts_with("metrics_listen: ");
        said.lines().filter(differs).map(ToOwned::to_owned).collect()
    };
    assert_eq!(rest(&as_it_is), rest(&with_all));
    // And nothing is missing: `rules` prints every rule there is.
    for rule in as_it_is.lines().filter_map(|line| line.strip_prefix("    ")?.split_once(':')) {
        let name = rule.0.trim();
        assert!(
            all.contains(&format!("{name} = ")) || all.contains(&format!("{name}]")),
            "{name} is not in the example"
        );
    }
}
