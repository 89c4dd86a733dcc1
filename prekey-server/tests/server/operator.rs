//! What an operator does from the command line: accounts, backups, and the way back.

use crate::client::{Device, Http, prekeys};
use crate::process::{program, start};
use otrv4::Timestamp;
use otrv4::prekey_server::ServerReply;
use otrv4::wire::Versions;
use std::ffi::OsStr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Output;

const BOB: &str = "bob@example.org";

/// Runs the program on the database in `folder`; gives exit code, output and errors.
fn run<A: AsRef<OsStr>>(
    folder: &Path,
    arguments: impl IntoIterator<Item = A>,
) -> (Option<i32>, String, String) {
    let database = folder.join("prekeys.db");
    let mut command = program();
    command.env("PREKEY_SERVER_DATABASE", database).args(arguments);
    let Output { status, stdout, stderr } = command.output().expect("the program");
    (status.code(), String::from_utf8(stdout).expect("text"), String::from_utf8(stderr).expect("text"))
}

/// The one line of output of a command that succeeds and complains of nothing.
fn line(folder: &Path, arguments: &[&str]) -> String {
    let (code, stdout, stderr) = run(folder, arguments);
    assert_eq!((code, stderr.as_str(), stdout.lines().count()), (Some(0), "", 1), "{arguments:?}: {stdout}");
    stdout.trim_end().to_owned()
}

/// 400 or 401: nonsense of somebody who may speak is refused; of others, it is not even looked at.
fn status(http: &Http, token: &str) -> u16 {
    http.message(Some(token), b"nonsense").expect("an answer").status
}

#[test]
fn accounts_are_made_listed_and_removed_while_the_server_runs() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let server = start(folder.path());
    let http = Http::new(&server.base);
    let token = line(folder.path(), &["account", "add", BOB]);
    let device = Device::new(&http, BOB, &token);
    assert_eq!(device.publish(&http, &prekeys(0..3)), Ok(ServerReply::Success));

    let (code, _, stderr) = run(folder.path(), ["account", "add", BOB]);
    assert_eq!(code, Some(1));
    assert!(stderr.contains("account token"), "{stderr}");
    line(folder.path(), &["account", "add", "alice@example.org"]);
    let (_, list, _) = run(folder.path(), ["account", "list"]);
    let rows: Vec<Vec<&str>> = list.lines().map(|row| row.split('\t').collect()).collect();
    let without_date: Vec<_> = rows.iter().map(|row| (row[0], &row[2..])).collect();
    assert_eq!(without_date, [("alice@example.org", &["1", "0", "0"][..]), (BOB, &["1", "1", "3"])]);

    assert_eq!(run(folder.path(), ["account", "remove", BOB]), (Some(0), String::new(), String::new()));
    assert_eq!(status(&http, &token), 401);
    assert!(http.fetch(BOB).expect("an answer").is_empty());
    let (code, _, stderr) = run(folder.path(), ["account", "remove", BOB]);
    assert_eq!(code, Some(1));
    assert!(stderr.contains("account list"), "{stderr}");
    let (code, _, stderr) = run(folder.path(), ["account", "add", "Bob Smith"]);
    assert_eq!(code, Some(2));
    assert!(stderr.contains("lower-case"), "{stderr}");
}

#[test]
fn a_new_token_ends_the_old_ones_unless_they_are_kept() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let server = start(folder.path());
    let http = Http::new(&server.base);
    let first = http.register(BOB);
    let second = line(folder.path(), &["account", "token", BOB, "--keep"]);
    assert_eq!((status(&http, &first), status(&http, &second)), (400, 400));
    let third = line(folder.path(), &["account", "token", BOB]);
    assert_eq!([&first, &second, &third].map(|token| status(&http, token)), [401, 401, 400]);
    for _ in 1..16 {
        line(folder.path(), &["account", "token", BOB, "--keep"]);
    }
    let (code, _, stderr) = run(folder.path(), ["account", "token", BOB, "--keep"]);
    assert_eq!(code, Some(1));
    assert!(stderr.contains("16 tokens"), "{stderr}");
    for arguments in [&["account", "token", "eve"][..], &["account", "token", "eve", "--keep"]] {
        let (code, _, stderr) = run(folder.path(), arguments);
        assert_eq!(code, Some(1));
        assert!(stderr.contains("no account"), "{stderr}");
    }
}

#[test]
fn commands_make_no_database_where_there_is_none() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let copy = folder.path().join("copy");
    for arguments in
        [&["account", "list"][..], &["migrate"], &["backup", "--to", copy.to_str().expect("a path")]]
    {
        let (code, _, stderr) = run(folder.path(), arguments);
        assert_eq!(code, Some(1), "{arguments:?}");
        assert!(stderr.contains("prekeys.db"), "{stderr}");
    }
    assert_eq!(std::fs::read_dir(folder.path()).expect("the folder").count(), 0);
}

#[test]
fn the_database_is_named_behind_account() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let _server = start(folder.path());
    let mut command = program();
    command.args(["account", "--database"]).arg(folder.path().join("prekeys.db")).args(["add", BOB]);
    assert!(command.output().expect("the program").status.success());
    assert!(run(folder.path(), ["account", "list"]).1.starts_with(BOB));
}

#[test]
fn a_second_server_on_a_database_is_refused() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut running = start(folder.path());
    let serve = ["serve", "--listen", "127.0.0.1:0", "--identity", "prekey.example.org", "--key-file"];
    let key = folder.path().join("key");
    let arguments = serve.iter().map(OsStr::new).chain([key.as_os_str()]);
    let (code, _, stderr) = run(folder.path(), arguments);
    assert_eq!(code, Some(1));
    assert!(stderr.contains("stop that one first"), "{stderr}");
    running.kill();
    drop(start(folder.path()));
}

#[test]
fn a_restored_backup_hands_out_no_prekey_that_was_there_before() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (backup, raw) = (folder.path().join("backup.db"), folder.path().join("raw.db"));
    let mut server = start(folder.path());
    let http = Http::new(&server.base);
    let token = http.register(BOB);
    let device = Device::new(&http, BOB, &token);
    let first = prekeys(0..4);
    device.publish(&http, &first).expect("an answer");
    fetch_one(&http);

    // While the server runs. The copy holds no byte of a prekey that could be handed out.
    let saved = run(folder.path(), [OsStr::new("backup"), OsStr::new("--to"), backup.as_os_str()]);
    assert_eq!(saved, (Some(0), String::new(), String::new()));
    let mode = std::fs::metadata(&backup).expect("the copy").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let again = run(folder.path(), [OsStr::new("backup"), OsStr::new("--to"), backup.as_os_str()]);
    assert_eq!(again.0, Some(1));
    assert!(again.2.contains("nothing is ever overwritten"), "{}", again.2);

    // After it, one more is taken, and somebody registers.
    let wal = std::fs::read(folder.path().join("prekeys.db-wal")).expect("the last changes");
    let was_waiting = fetch_one(&http);
    let holds = |bytes: &[u8]| bytes.windows(was_waiting.len()).any(|window| window == was_waiting);
    assert!(holds(&wal) && !holds(&std::fs::read(&backup).expect("the copy")));
    http.register("alice@example.org");
    let restore =
        |from: &Path| run(folder.path(), [OsStr::new("restore"), OsStr::new("--from"), from.as_os_str()]);
    let (code, _, stderr) = restore(&backup);
    assert_eq!(code, Some(1));
    assert!(stderr.contains("stop that one first"), "{stderr}");
    server.kill();
    // A copy as somebody may have made it who did not know better, with all that a running server had there.
    std::fs::copy(folder.path().join("prekeys.db"), &raw).expect("a copy");
    std::fs::copy(folder.path().join("prekeys.db-wal"), folder.path().join("raw.db-wal")).expect("a copy");

    for (from, burnt, accounts) in [(&backup, 0, 1), (&raw, 2, 2)] {
        let (code, _, stderr) = restore(from);
        assert_eq!(code, Some(0), "{stderr}");
        assert!(stderr.contains(&format!("{burnt} prekeys will not be handed out")), "{stderr}");
        assert!(stderr.contains("the database of before is"), "{stderr}");
        let mut server = start(folder.path());
        http.moved_to(&server.base);
        assert!(http.fetch(BOB).expect("an answer").is_empty());
        assert_eq!(device.count(&http), Ok(ServerReply::Status(0)));
        // Known ones do not come back; new ones serve.
        assert_eq!(device.refill(&http, &first), Ok(ServerReply::Success));
        assert!(http.fetch(BOB).expect("an answer").is_empty());
        assert_eq!(device.refill(&http, &prekeys(burnt + 10..burnt + 11)), Ok(ServerReply::Success));
        assert_eq!(http.fetch(BOB).expect("an answer").len(), 1);
        assert_eq!(run(folder.path(), ["account", "list"]).1.lines().count(), accounts);
        server.kill();
    }
}

/// The bytes of the prekey that is handed out.
fn fetch_one(http: &Http) -> Vec<u8> {
    let given = http.fetch(BOB).expect("an answer");
    let valid = otrv4::prekey::choose(given, Timestamp::from_unix(1_800_000_000), Versions::V4);
    assert_eq!(valid.len(), 1);
    valid[0].message().as_bytes().to_vec()
}

#[test]
fn what_lies_beside_a_database_that_is_gone_does_not_get_into_the_restored_one() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (database, backup) = (folder.path().join("prekeys.db"), folder.path().join("backup.db"));
    let mut server = start(folder.path());
    let http = Http::new(&server.base);
    http.register(BOB);
    assert_eq!(run(folder.path(), [OsStr::new("backup"), OsStr::new("--to"), backup.as_os_str()]).0, Some(0));
    http.register("alice@example.org");
    server.kill();
    std::fs::remove_file(&database).expect("the database");
    assert!(folder.path().join("prekeys.db-wal").exists());
    let (code, _, stderr) =
        run(folder.path(), [OsStr::new("restore"), OsStr::new("--from"), backup.as_os_str()]);
    assert_eq!(code, Some(0), "{stderr}");
    assert!(!stderr.contains("database of before"), "{stderr}");
    let (_, list, _) = run(folder.path(), ["account", "list"]);
    assert!(list.starts_with(BOB) && list.lines().count() == 1, "{list}");
}

#[test]
fn a_backup_that_is_none_leaves_the_database_as_it_was() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut server = start(folder.path());
    Http::new(&server.base).register(BOB);
    server.kill();
    let broken = folder.path().join("broken.db");
    let restore =
        |from: &Path| run(folder.path(), [OsStr::new("restore"), OsStr::new("--from"), from.as_os_str()]);
    assert_eq!(restore(&broken).0, Some(1), "no such file");
    // As a copy to a full disk leaves it, for which SQLite takes any empty file.
    for text in ["", "no database"] {
        std::fs::write(&broken, text).expect("a file");
        let (code, _, stderr) = restore(&broken);
        assert_eq!(code, Some(1), "{text:?}");
        assert!(stderr.contains("the database is as it was"), "{stderr}");
    }
    // What ends last brings all changes into the one file.
    assert_eq!(run(folder.path(), ["account", "list"]).0, Some(0));
    // Damaged in the middle.
    let mut bytes = std::fs::read(folder.path().join("prekeys.db")).expect("the database");
    let middle = bytes.len() / 2;
    bytes[4096..middle].fill(0xff);
    std::fs::write(&broken, bytes).expect("a file");
    let (code, _, stderr) = restore(&broken);
    assert_eq!(code, Some(1));
    assert!(stderr.contains("the database is as it was"), "{stderr}");
    assert!(run(folder.path(), ["account", "list"]).1.starts_with(BOB));
    let files = std::fs::read_dir(folder.path()).expect("the folder");
    assert!(files.flatten().all(|file| !file.file_name().to_string_lossy().ends_with(".restoring")));
}
