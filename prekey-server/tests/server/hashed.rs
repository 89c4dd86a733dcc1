//! Identities at rest as keyed hashes: nothing in the database tells who has an account, and everything goes on working.

use crate::client::{Device, Http, prekeys};
use crate::process::{Process, launch, program, run, serve};
use crate::scale_out;
use otrv4::prekey_server::{ServerReply, ensemble_query};
use otrv4::wire::{InstanceTag, Versions};
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use std::ffi::OsStr;
use std::path::Path;
use std::process::{Output, Stdio};

/// Long enough to stand nowhere by chance.
const BOB: &str = "bob-the-one-and-only@example.org";
const EVE: &str = "eve-who-was-here-before@example.org";

/// A server on this database, with the key in `folder`.
fn start(folder: &Path, database: &OsStr, arguments: &[&str]) -> Process {
    let mut command = serve(folder, database, "error", Stdio::inherit());
    command.args(arguments);
    run(command)
}

/// What a command says that runs on this database: exit code, output, errors.
fn ask(folder: &Path, database: &OsStr, arguments: &[&str]) -> (Option<i32>, String, String) {
    let mut command = program();
    command.env("PREKEY_SERVER_DATABASE", database).env("PREKEY_SERVER_KEY_FILE", folder.join("key"));
    let Output { status, stdout, stderr } = command.args(arguments).output().expect("the program");
    (status.code(), String::from_utf8(stdout).expect("text"), String::from_utf8(stderr).expect("text"))
}

/// The names of the files in which these bytes are.
fn holding(folder: &Path, bytes: &str) -> Vec<String> {
    let files = std::fs::read_dir(folder).expect("the folder").map(|file| file.expect("a file"));
    files
        .filter(|file| {
            let content = std::fs::read(file.path()).expect("its content");
            content.windows(bytes.len()).any(|window| window == bytes.as_bytes())
        })
        .map(|file| file.file_name().into_string().expect("text"))
        .collect()
}

/// Bob registers, publishes five prekeys, and one is taken, by a query that can be repeated.
fn publish_and_take(http: &Http) -> Device {
    let device = Device::new(http, BOB, &http.register(BOB));
    assert_eq!(device.publish(http, &prekeys(0..5)), Ok(ServerReply::Success));
    let repeatable = http.with_header("Idempotency-Key", "0123456789abcdef");
    let query = ensemble_query(InstanceTag::new(0x100).expect("legal"), BOB, Versions::V4);
    let answer = repeatable.exchange(None, &query).expect("an answer");
    assert_eq!(repeatable.exchange(None, &query), Ok(answer));
    assert_eq!(device.count(http), Ok(ServerReply::Status(4)));
    device
}

#[test]
fn with_the_option_no_file_holds_a_name_and_everything_works() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let database = folder.path().join("prekeys.db");
    let mut server = start(folder.path(), database.as_os_str(), &["--hash-identities"]);
    let http = Http::new(&server.base);
    let device = publish_and_take(&http);
    assert_eq!(http.fetch(BOB).expect("an answer").len(), 1);
    assert!(http.fetch(EVE).expect("an answer").is_empty());

    let ask = |arguments: &[&str]| ask(folder.path(), database.as_os_str(), arguments);
    let (code, token, stderr) = ask(&["account", "--hash-identities", "add", EVE]);
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
    assert_eq!(http.message(Some(token.trim_end()), b"nonsense").expect("an answer").status, 400);
    let (_, newer, _) = ask(&["account", "--hash-identities", "token", EVE]);
    assert_eq!(http.message(Some(token.trim_end()), b"nonsense").expect("an answer").status, 401);
    assert_eq!(http.message(Some(newer.trim_end()), b"nonsense").expect("an answer").status, 400);
    let (code, list, stderr) = ask(&["account", "--hash-identities", "list"]);
    assert_eq!(code, Some(0));
    assert!(list.lines().count() == 2 && list.lines().all(|line| line.starts_with("H:")), "{list}");
    assert!(list.lines().any(|line| line.ends_with("\t1\t1\t3")), "{list}");
    assert!(stderr.contains("does not hold the names"), "{stderr}");
    assert_eq!(ask(&["account", "list"]), (Some(0), list.clone(), stderr), "it needs neither option nor key");
    let (code, _, stderr) = ask(&["account", "--hash-identities", "add", EVE]);
    assert_eq!(code, Some(1));
    assert!(stderr.contains("has an account"), "{stderr}");
    assert_eq!(ask(&["account", "--hash-identities", "remove", EVE]).0, Some(0));

    // What touches no names needs no key.
    assert!(ask(&["stats"]).1.contains("accounts            1\n"));
    let backup = folder.path().join("backup.db");
    assert_eq!(ask(&["backup", "--to", backup.to_str().expect("a path")]).0, Some(0));
    for name in [BOB, EVE] {
        assert!(folder.path().join("prekeys.db-wal").exists());
        assert_eq!(holding(folder.path(), name), [""; 0]);
    }

    server.kill();
    assert_eq!(ask(&["restore", "--from", backup.to_str().expect("a path")]).0, Some(0));
    let server = start(folder.path(), database.as_os_str(), &["--hash-identities"]);
    http.moved_to(&server.base);
    assert_eq!(device.count(&http), Ok(ServerReply::Status(0)));
    assert_eq!(device.refill(&http, &prekeys(10..12)), Ok(ServerReply::Success));
    assert_eq!(http.fetch(BOB).expect("an answer").len(), 1);
    assert_eq!(holding(folder.path(), BOB), [""; 0]);
}

#[test]
fn whom_a_proxy_names_is_hashed_too() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let config = folder.path().join("config");
    let (database, key) = (folder.path().join("prekeys.db"), folder.path().join("key"));
    let text = format!(
        "listen = \"127.0.0.1:0\"\ndatabase = {database:?}\nkey_file = {key:?}\nidentity = \"prekey.example.org\"\n\
         hash_identities = true\n[rules]\nregistration = \"header\"\ntrusted_header = \"x-remote-user\"\n"
    );
    std::fs::write(&config, text).expect("a file");
    let mut command = program();
    command.args(["serve", "--config"]).arg(&config);
    let (server, _) = launch(command);
    let http = Http::new(&server.base).with_header("x-remote-user", BOB);
    let device = Device::new(&http, BOB, "");
    assert_eq!(device.publish(&http, &prekeys(0..1)), Ok(ServerReply::Success));
    assert_eq!(http.fetch(BOB).expect("an answer").len(), 1);
    assert_eq!(holding(folder.path(), BOB), [""; 0]);
}

#[test]
fn option_key_file_and_database_must_fit() {
    for postgres in [false, true] {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let Some(plain) = database(folder.path(), "plain.db", postgres) else { break };
        let Some(hashed) = database(folder.path(), "hashed.db", postgres) else { break };
        for (database, arguments) in [(&plain, &[][..]), (&hashed, &["--hash-identities"])] {
            let mut server = start(folder.path(), database, arguments);
            Http::new(&server.base).register(BOB);
            server.kill();
        }
        let other = tempfile::tempdir().expect("a temporary folder");
        start(other.path(), other.path().join("prekeys.db").as_os_str(), &[]).kill();
        for (key, database, on, said) in [
            (&folder, &plain, true, "prekey-server hash-identities"),
            (&folder, &hashed, false, "PREKEY_SERVER_HASH_IDENTITIES=true"),
            (&other, &hashed, true, "another key file"),
        ] {
            for arguments in [&["account", "remove", BOB][..], &["account", "add", "alice"], &["serve"]] {
                let mut command = program();
                command.env("PREKEY_SERVER_DATABASE", database);
                command.env("PREKEY_SERVER_KEY_FILE", key.path().join("key"));
                command.env("PREKEY_SERVER_HASH_IDENTITIES", if on { "true" } else { "false" });
                command.env("PREKEY_SERVER_IDENTITY", "prekey.example.org");
                command.env("PREKEY_SERVER_LISTEN", "127.0.0.1:0");
                let Output { status, stderr, .. } = command.args(arguments).output().expect("the program");
                let stderr = String::from_utf8(stderr).expect("text");
                assert_eq!(status.code(), Some(1), "{arguments:?} {stderr}");
                assert!(stderr.contains(said), "{arguments:?} {stderr}");
            }
        }
        let (code, _, stderr) = ask(other.path(), &hashed, &["hash-identities"]);
        assert_eq!(code, Some(1));
        assert!(stderr.contains("another key file"), "{stderr}");
    }
    let (code, _, stderr) =
        ask(Path::new("/nowhere"), OsStr::new("x"), &["account", "--hash-identities", "list"]);
    assert_eq!(code, Some(1));
    assert!(stderr.contains("there is no key file"), "{stderr}");
}

/// An empty database: a file of this name, or one on the PostgreSQL of the tests, if there is one.
fn database(folder: &Path, name: &str, postgres: bool) -> Option<std::ffi::OsString> {
    if postgres { scale_out::database().map(Into::into) } else { Some(folder.join(name).into()) }
}

#[test]
fn a_database_with_names_becomes_one_with_hashes_and_nothing_is_lost() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let database = folder.path().join("prekeys.db");
    let mut server = start(folder.path(), database.as_os_str(), &[]);
    let http = Http::new(&server.base);
    let device = publish_and_take(&http);
    // What was deleted leaves traces in the file, too.
    http.register(EVE);
    let ask = |arguments: &[&str]| ask(folder.path(), database.as_os_str(), arguments);
    assert_eq!(ask(&["account", "remove", EVE]).0, Some(0));
    let (code, _, stderr) = ask(&["hash-identities"]);
    assert_eq!(code, Some(1));
    assert!(stderr.contains("stop that one first"), "{stderr}");
    server.kill();
    assert!([BOB, EVE].iter().all(|name| !holding(folder.path(), name).is_empty()));

    let (code, _, stderr) = ask(&["hash-identities"]);
    assert_eq!(code, Some(0), "{stderr}");
    assert!(stderr.starts_with("1 identities are hashed now"), "{stderr}");
    for name in [BOB, EVE] {
        assert_eq!(holding(folder.path(), name), [""; 0]);
    }
    let (code, _, stderr) = ask(&["hash-identities"]);
    assert_eq!(code, Some(0), "whoever was interrupted runs it again: {stderr}");
    assert!(stderr.starts_with("0 identities"), "{stderr}");
    goes_on(folder.path(), database.as_os_str(), &http, &device);
    assert_eq!(holding(folder.path(), BOB), [""; 0]);
}

/// Bob's token, his prekeys, and what was handed out of them are there under the hash of his name.
fn goes_on(folder: &Path, database: &OsStr, http: &Http, device: &Device) {
    let server = start(folder, database, &["--hash-identities"]);
    http.moved_to(&server.base);
    assert_eq!(device.count(http), Ok(ServerReply::Status(4)));
    let query = ensemble_query(InstanceTag::new(0x100).expect("legal"), BOB, Versions::V4);
    let repeated = http.with_header("Idempotency-Key", "0123456789abcdef").exchange(None, &query);
    repeated.expect("the answer of before");
    assert_eq!(device.count(http), Ok(ServerReply::Status(4)));
    for left in [1, 1, 1, 1, 0] {
        assert_eq!(http.fetch(BOB).expect("an answer").len(), left);
    }
    assert_eq!(device.publish(http, &prekeys(10..11)), Ok(ServerReply::Success));
    assert_eq!(http.fetch(BOB).expect("an answer").len(), 1);
}

#[test]
fn a_postgresql_with_names_becomes_one_with_hashes_when_no_server_runs() {
    let Some(url) = scale_out::database() else { return };
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut server = start(folder.path(), url.as_ref(), &[]);
    let http = Http::new(&server.base);
    let device = publish_and_take(&http);
    assert!(holds(&url, BOB));
    let ask = |arguments: &[&str]| ask(folder.path(), url.as_ref(), arguments);
    let (code, _, stderr) = ask(&["hash-identities"]);
    assert_eq!(code, Some(1));
    assert!(stderr.contains("stop every server"), "{stderr}");
    server.kill();
    // PostgreSQL notices a little later that its client has gone.
    let mut told = ask(&["hash-identities"]);
    for _ in 0..50 {
        if told.0 == Some(0) {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(100));
        told = ask(&["hash-identities"]);
    }
    assert!(told.2.starts_with("1 identities are hashed now"), "{}", told.2);
    assert!(told.2.contains("old rows"), "{}", told.2);
    assert!(!holds(&url, BOB));
    goes_on(folder.path(), url.as_ref(), &http, &device);
    assert!(!holds(&url, BOB));
}

/// Whether any row of any table has this, as text or as bytes.
fn holds(url: &str, name: &str) -> bool {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let mut connection = PgConnection::connect(url).await.expect("the database");
        let tables: Vec<String> = sqlx::query_scalar(
            "SELECT relname::text FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace",
        )
        .fetch_all(&mut connection)
        .await
        .expect("the tables");
        assert!(tables.len() >= 8, "{tables:?}");
        let mut found = false;
        for table in tables {
            // Columns of bytes are hex digits in it.
            let rows: Vec<String> = sqlx::query_scalar(AssertSqlSafe(format!("SELECT t::text FROM {table} t")))
                .fetch_all(&mut connection)
                .await
                .expect("rows");
            found |= rows.iter().any(|row| row.contains(name) || row.contains(&hex::encode(name)));
        }
        found
    })
}
