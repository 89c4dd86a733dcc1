//! Two server processes on one PostgreSQL, which `tests/postgres/run` has started.

use crate::client::{Device, Http, prekeys, rng};
use crate::crash::{Answered, BUSY, QUIET, Working, check, publish_all, take_all};
use crate::process::{Process, program, start_on};
use otrv4::prekey_server::ServerReply;
use rand_core::Rng;
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use std::path::Path;
use std::process::Stdio;
use std::sync::atomic::AtomicUsize;
use std::sync::mpsc::channel;
use std::thread;

const TAKERS: usize = 64;

/// One of the two dies after so many publications and takes.
const LIFE: usize = 60;

/// The URL of an empty database; `None` without a server for tests.
pub(crate) fn database() -> Option<String> {
    let Ok(url) = std::env::var("PREKEY_SERVER_TEST_POSTGRES") else {
        assert!(
            std::env::var_os("PREKEY_SERVER_REQUIRE_POSTGRES").is_none(),
            "PREKEY_SERVER_TEST_POSTGRES names no PostgreSQL: run the tests by tests/postgres/run"
        );
        eprintln!("no PostgreSQL (tests/postgres/run starts one): skipped two servers on one database");
        return None;
    };
    let name = format!("servers_{}", hex::encode(rng().next_u64().to_be_bytes()));
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let mut connection = PgConnection::connect(&url).await.expect("the PostgreSQL of the tests");
        let create = AssertSqlSafe(format!("CREATE DATABASE {name} TEMPLATE template0"));
        sqlx::query(create).execute(&mut connection).await.expect("a new database");
    });
    Some(format!("{url}/{name}"))
}

fn start(folder: &Path, database: &str) -> Process {
    start_on(folder, database.as_ref(), "error", Stdio::inherit())
}

#[test]
fn an_exchange_goes_on_at_another_server() {
    let Some(database) = database() else { return };
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (one, other) = (start(folder.path(), &database), start(folder.path(), &database));
    assert_eq!(one.fingerprint, other.fingerprint);
    // Each second request, the DAKE-3 of each exchange among them, comes to the other one.
    let http = Http::between(&one.base, &other.base);
    let device = Device::new(&http, "bob@example.org", &http.register("bob@example.org"));
    assert_eq!(device.publish(&http, &prekeys(0..2)), Ok(ServerReply::Success));
    assert_eq!(device.count(&http), Ok(ServerReply::Status(2)));
    let given = [0, 1, 2].map(|_| http.fetch("bob@example.org").expect("an answer").len());
    assert_eq!(given, [1, 1, 0]);
}

#[test]
fn two_servers_hand_nothing_out_twice_and_lose_nothing_when_one_is_killed() {
    let Some(database) = database() else { return };
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (one, mut other) = (start(folder.path(), &database), start(folder.path(), &database));
    let (safe, doomed) = (Http::new(&one.base), Http::new(&other.base));
    let both = Http::between(&one.base, &other.base);
    let devices: Vec<(&str, Device)> = BUSY
        .into_iter()
        .chain([QUIET])
        .map(|identity| (identity, Device::new(&both, identity, &both.register(identity))))
        .collect();

    let (done, operations) = channel();
    let publishing = AtomicUsize::new(devices.len());
    let publishing = &publishing;
    thread::scope(|scope| {
        let (safe, doomed, both) = (&safe, &doomed, &both);
        let killer = scope.spawn(move || {
            let mut count = 0;
            for _ in operations {
                count += 1;
                if count == LIFE {
                    other.kill();
                    doomed.moved_to(&one.base);
                    both.moved_to(&one.base);
                }
            }
            (one, count)
        });
        let publishers: Vec<_> = devices
            .iter()
            .map(|(identity, device)| {
                let done = done.clone();
                scope.spawn(move || {
                    let _working = Working(publishing);
                    (*identity, publish_all(both, device, &done))
                })
            })
            .collect();
        let takers: Vec<_> = (0..TAKERS)
            .map(|taker| {
                let done = done.clone();
                let http = if taker % 2 == 0 { safe } else { doomed };
                scope.spawn(move || take_all(http, BUSY[taker / 2 % BUSY.len()], publishing, &done))
            })
            .collect();
        drop(done);

        let published =
            publishers.into_iter().map(|publisher| publisher.join().expect("a publisher")).collect();
        let mut handed_out = Vec::new();
        let mut lost = 0;
        for taker in takers {
            let taken = taker.join().expect("a taker");
            handed_out.extend(taken.prekeys);
            lost += taken.lost;
        }
        let (_one, count) = killer.join().expect("a killer");
        assert!(count > 2 * LIFE, "only {count} answers");
        let (idle, done) = (AtomicUsize::new(0), channel::<Answered>().0);
        handed_out.extend(take_all(safe, QUIET, &idle, &done).prekeys);
        check(&handed_out, &published, lost);
    });
}

#[test]
fn an_operator_manages_what_lies_in_postgresql() {
    let Some(database) = database() else { return };
    let folder = tempfile::tempdir().expect("a temporary folder");
    let run = |arguments: &[&str]| {
        let mut command = program();
        command.env("PREKEY_SERVER_DATABASE", &database).args(arguments);
        let output = command.output().expect("the program");
        let text = |bytes| String::from_utf8(bytes).expect("text");
        (output.status.code(), text(output.stdout), text(output.stderr))
    };
    let (code, _, stderr) = run(&["account", "list"]);
    assert_eq!(code, Some(1));
    assert!(stderr.contains("prekey-server migrate"), "{stderr}");
    assert_eq!(run(&["migrate"]), (Some(0), String::new(), String::new()));
    let (_, token, _) = run(&["account", "add", "bob@example.org"]);
    let server = start(folder.path(), &database);
    let http = Http::new(&server.base);
    let device = Device::new(&http, "bob@example.org", token.trim_end());
    assert_eq!(device.publish(&http, &prekeys(0..2)), Ok(ServerReply::Success));
    assert!(run(&["account", "list"]).1.ends_with("\t1\t1\t2\n"));
    for wrong in [&["restore", "--from", "dump"][..], &["backup", "--to", "dump"], &["restore"]] {
        assert_ne!(run(wrong).0, Some(0), "{wrong:?}");
    }
    let (code, _, stderr) = run(&["restore", "--burn"]);
    assert_eq!(code, Some(0), "{stderr}");
    assert!(stderr.starts_with("2 prekeys will not"), "{stderr}");
    assert!(http.fetch("bob@example.org").expect("an answer").is_empty());
}
