//! The program: flags, environment, exit codes and what it says when something is wrong.

use crate::client::{Device, Http, prekeys};
use crate::process::{program, start, start_logging};
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Output};

fn run(command: &mut Command) -> (Option<i32>, String, String) {
    let Output { status, stdout, stderr } = command.output().expect("the program");
    (status.code(), String::from_utf8(stdout).expect("text"), String::from_utf8(stderr).expect("text"))
}

#[test]
fn help_names_every_option_and_its_variable() {
    let (code, help, _) = run(program().args(["serve", "--help"]));
    assert_eq!(code, Some(0));
    for (option, variable) in [
        ("--listen", "PREKEY_SERVER_LISTEN"),
        ("--database", "PREKEY_SERVER_DATABASE"),
        ("--identity", "PREKEY_SERVER_IDENTITY"),
        ("--key-file", "PREKEY_SERVER_KEY_FILE"),
        ("--hash-identities", "PREKEY_SERVER_HASH_IDENTITIES"),
        ("--no-limits", "PREKEY_SERVER_NO_LIMITS"),
        ("--log", "PREKEY_SERVER_LOG"),
        ("--log-format", "PREKEY_SERVER_LOG_FORMAT"),
        ("--metrics-listen", "PREKEY_SERVER_METRICS_LISTEN"),
        ("--config", "PREKEY_SERVER_CONFIG"),
    ] {
        assert!(help.contains(option) && help.contains(variable), "{option}: {help}");
    }
    let (code, help, _) = run(program().arg("--help"));
    assert_eq!(code, Some(0));
    assert!(
        ["serve", "fingerprint", "healthcheck", "check-config", "stats", "hash-identities"]
            .iter()
            .all(|command| help.contains(command)),
        "{help}"
    );
}

#[test]
fn a_first_start_makes_key_and_database_for_their_owner_only() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let server = start(folder.path());
    for file in ["key", "prekeys.db"] {
        let mode = std::fs::metadata(folder.path().join(file)).expect("a file").permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{file}");
    }
    let printed = run(program().arg("fingerprint").arg("--key-file").arg(folder.path().join("key")));
    assert_eq!(printed, (Some(0), format!("{}\n", server.fingerprint), String::new()));
}

#[test]
fn only_a_start_that_makes_key_and_database_warns_of_it() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("log");
    let log_of_a_start = || {
        let log = std::fs::File::create(&path).expect("a file");
        let fingerprint = start_logging(folder.path(), "warn", log.into()).fingerprint.clone();
        (std::fs::read_to_string(&path).expect("a log"), fingerprint)
    };
    let (log, fingerprint) = log_of_a_start();
    let file = |name| folder.path().join(name).display().to_string();
    assert!(log.contains(&format!("new key file {}, fingerprint {fingerprint}", file("key"))), "{log}");
    assert!(log.contains(&format!("new database {}", file("prekeys.db"))), "{log}");
    assert_eq!(log_of_a_start(), (String::new(), fingerprint));
}

#[test]
fn options_come_from_the_environment_too() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let server = start(folder.path());
    let printed = run(program().arg("fingerprint").env("PREKEY_SERVER_KEY_FILE", folder.path().join("key")));
    assert_eq!(printed.1.trim_end(), server.fingerprint);
    let address = server.base.strip_prefix("http://").expect("a URL");
    assert_eq!(run(program().arg("healthcheck").env("PREKEY_SERVER_LISTEN", address)).0, Some(0));
}

#[test]
fn the_health_check_tells_a_running_server_from_a_stopped_one() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut server = start(folder.path());
    let address = server.base.strip_prefix("http://").expect("a URL").to_owned();
    assert_eq!(
        run(program().args(["healthcheck", "--listen", &address])),
        (Some(0), String::new(), String::new())
    );
    server.kill();
    let (code, _, stderr) = run(program().args(["healthcheck", "--listen", &address]));
    assert_eq!(code, Some(1));
    assert!(stderr.contains("no healthy server"), "{stderr}");
}

#[test]
fn signals_to_stop_end_it_with_success_and_a_restart_is_the_same_server() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut fingerprints = Vec::new();
    for signal in ["-TERM", "-INT"] {
        let server = start(folder.path());
        fingerprints.push(server.fingerprint.clone());
        let sent = Command::new("kill").args([signal, &server.id()]).status().expect("kill");
        assert!(sent.success());
        assert_eq!(server.wait(), Some(0), "{signal}");
    }
    assert_eq!(fingerprints[0], fingerprints[1]);
}

#[test]
fn a_key_that_others_can_read_stops_the_start() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    drop(start(folder.path()));
    let key = folder.path().join("key");
    std::fs::set_permissions(&key, PermissionsExt::from_mode(0o644)).expect("another mode");
    let (code, _, stderr) = run(program()
        .args(["serve", "--listen", "127.0.0.1:0", "--identity", "prekey.example.org", "--database"])
        .arg(folder.path().join("prekeys.db"))
        .arg("--key-file")
        .arg(&key));
    assert_eq!(code, Some(1));
    assert!(stderr.contains(&format!("chmod 600 {}", key.display())), "{stderr}");
}

#[test]
fn a_start_that_cannot_work_says_why() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let serve = |listen: &str, identity: &str, database: &str| {
        run(program()
            .args(["serve", "--listen", listen, "--identity", identity, "--database"])
            .arg(folder.path().join(database))
            .arg("--key-file")
            .arg(folder.path().join("key")))
    };
    let running = start(folder.path());
    let taken = running.base.strip_prefix("http://").expect("a URL");
    let (code, _, stderr) = serve(taken, "prekey.example.org", "other.db");
    assert_eq!(code, Some(1));
    assert!(stderr.contains(&format!("listen on {taken}")), "{stderr}");
    let (code, _, stderr) = serve("127.0.0.1:0", "prekey.example.org", "no/such/folder.db");
    assert_eq!(code, Some(1));
    assert!(stderr.contains("no/such/folder.db") && stderr.contains("folder must exist"), "{stderr}");
    let (code, _, stderr) = serve("127.0.0.1:0", "Prekey Server", "other.db");
    assert_eq!(code, Some(2));
    assert!(stderr.contains("--identity"), "{stderr}");
}

#[test]
fn the_log_names_nobody() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("log");
    let mut server =
        start_logging(folder.path(), "debug", std::fs::File::create(&path).expect("a file").into());
    let http = Http::new(&server.base);
    let token = http.register("bob@example.org");
    let device = Device::new(&http, "bob@example.org", &token);
    device.publish(&http, &prekeys([1])).expect("an answer");
    http.fetch("bob@example.org").expect("an answer");
    http.message(Some(&token), b"nonsense").expect("an answer");
    server.kill();
    let log = std::fs::read_to_string(&path).expect("a log");
    for event in ["publication stored", "query answered", "message refused"] {
        assert!(log.contains(event), "{event}: {log}");
    }
    let (name, secret) = token.split_once('.').expect("a dot");
    assert!(!["bob", name, secret].iter().any(|private| log.contains(private)), "{log}");
}
