//! What goes wrong on a network and a disk, against the program itself: it stays alive, says what it can, and has what it
//! acknowledged. Full and read-only disks and jumping clocks are tried by tests/faults/run, since they need root.

use crate::client::{Device, Http, NoAnswer, prekeys, rng};
use crate::process::{Process, start};
use otrv4::prekey_server::{ServerReply, encode_text, ensemble_query, read_ensembles};
use otrv4::wire::{InstanceTag, Versions};
use rand_core::Rng;
use sqlx::{Connection, SqliteConnection};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::time::{Duration, Instant};

const BOB: &str = "bob@example.org";
const ALICE: &str = "alice@example.org";

fn published(server: &Process, count: u32) -> Http {
    let http = Http::new(&server.base);
    let device = Device::new(&http, BOB, &http.register(BOB));
    assert_eq!(device.publish(&http, &prekeys(0..count)), Ok(ServerReply::Success));
    http
}

fn connect(server: &Process) -> TcpStream {
    TcpStream::connect(server.base.trim_start_matches("http://")).expect("a connection")
}

/// What comes until the other side closes.
fn rest(mut stream: TcpStream) -> String {
    stream.set_read_timeout(Some(Duration::from_secs(60))).expect("a timeout");
    let mut text = Vec::new();
    // A reset is an end, too.
    let _ = stream.read_to_end(&mut text);
    String::from_utf8(text).expect("text")
}

/// Its resident memory in MiB.
fn memory(server: &Process) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.id())).expect("Linux");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("its memory");
    line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") / 1024
}

#[test]
#[allow(clippy::disallowed_methods, reason = "it prints how long that took")]
fn ten_thousand_connections_that_say_nothing_keep_nobody_away() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let server = start(folder.path());
    let http = published(&server, 2);
    rlimit::increase_nofile_limit(u64::MAX).expect("a limit");
    let many =
        usize::try_from(rlimit::getrlimit(rlimit::Resource::NOFILE).expect("a limit").0).expect("64 bits");
    let silent: Vec<_> = (0..10_000.min(many - 200))
        .map(|n| {
            let mut stream = connect(&server);
            // Half of them begin a request.
            if n % 2 == 0 {
                let _ = stream.write_all(b"POST /v1/messages HTTP/1.1\r\nHost: ");
            }
            stream
        })
        .collect();
    let begun = Instant::now();
    // A client of its own, without a connection that is open already.
    assert_eq!(Http::new(&server.base).fetch(BOB).expect("an answer").len(), 1);
    println!(
        "{} connections open: an answer after {:?}, {} MiB",
        silent.len(),
        begun.elapsed(),
        memory(&server)
    );
    assert!(memory(&server) < 200, "{} MiB", memory(&server));
    drop(silent);
    assert_eq!(http.fetch(BOB).expect("an answer").len(), 1);
}

#[test]
fn whoever_sends_too_slowly_is_told_and_disconnected() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let server = start(folder.path());
    let mut head = connect(&server);
    head.write_all(b"POST /v1/messages HTTP/1.1\r\n").expect("a server that reads");
    let mut body = connect(&server);
    let request = b"POST /v1/messages HTTP/1.1\r\nHost: a\r\nContent-Type: text/plain\r\nContent-Length: 1000\r\n\r\nAAQ";
    body.write_all(request).expect("a server that reads");
    assert!(!rest(head).starts_with("HTTP/1.1 200"));
    assert!(rest(body).starts_with("HTTP/1.1 408"));
}

#[test]
fn bodies_of_a_mebibyte_from_all_sides_are_refused_and_take_no_memory_for_long() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let server = start(folder.path());
    let http = published(&server, 1);
    let mut long = "AAQ".to_owned() + &"A".repeat((1 << 20) - 8);
    long.push_str("A===.");
    let refused: Vec<_> = std::thread::scope(|scope| {
        let posts: Vec<_> = (0..64)
            .map(|_| {
                scope.spawn(|| {
                    let http = Http::new(&server.base);
                    let post =
                        || http.post("/v1/messages", &[("Content-Type", "text/plain")], long.as_bytes());
                    [post(), post(), post()].map(|answer| answer.map(|answer| answer.status))
                })
            })
            .collect();
        posts.into_iter().flat_map(|post| post.join().expect("no panic")).collect()
    });
    assert!(refused.iter().all(|status| *status == Ok(400)), "{refused:?}");
    println!("192 bodies of 1 MiB, 64 at a time: {} MiB", memory(&server));
    assert!(memory(&server) < 400, "{} MiB", memory(&server));
    assert_eq!(http.fetch(BOB).expect("an answer").len(), 1);
}

/// By hand and in pipelines of a hundred: a client that waits for each answer would take minutes.
#[test]
fn a_hundred_thousand_random_bodies_are_refused() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let server = start(folder.path());
    let http = published(&server, 1);
    let before = memory(&server);
    for _ in 0..1000 {
        let mut stream = connect(&server);
        let mut requests = Vec::new();
        for n in 0..100 {
            let mut bytes = vec![0; (rng().next_u32() % 700) as usize];
            rng().fill_bytes(&mut bytes);
            // A third looks like a message, and a third has the head of one.
            match n % 3 {
                0 => {}
                1 => bytes = encode_text(&bytes).into_bytes(),
                _ => {
                    let head = [0, 4, [0x35, 0x37, 0x10][n / 3 % 3]];
                    bytes.splice(0..0, head);
                    bytes = encode_text(&bytes).into_bytes();
                }
            }
            let last = if n == 99 { "Connection: close\r\n" } else { "" };
            write!(
                requests,
                "POST /v1/messages HTTP/1.1\r\nHost: a\r\nContent-Type: text/plain\r\n{last}Content-Length: {}\r\n\r\n",
                bytes.len()
            )
            .expect("room");
            requests.extend(bytes);
        }
        let mut writing = stream.try_clone().expect("a second handle");
        let writer = std::thread::spawn(move || writing.write_all(&requests).expect("a server that reads"));
        let answers = {
            let mut text = String::new();
            stream.read_to_string(&mut text).expect("answers");
            text
        };
        writer.join().expect("no panic");
        let refused = answers.matches("HTTP/1.1 400").count() + answers.matches("HTTP/1.1 401").count();
        // A random query may be one by chance, and gets an answer.
        let none = answers.matches("HTTP/1.1 200").count();
        assert_eq!(refused + none, 100, "{answers}");
    }
    println!("100000 random bodies: {before} MiB before, {} MiB after", memory(&server));
    assert!(memory(&server) < before + 64, "{before} MiB before, {} MiB after", memory(&server));
    assert_eq!(http.fetch(BOB).expect("an answer").len(), 1);
}

#[test]
fn a_damaged_row_is_a_fault_of_its_own_identity_alone() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let server = start(folder.path());
    let http = Http::new(&server.base);
    let [bob, alice] = [BOB, ALICE].map(|name| {
        let device = Device::new(&http, name, &http.register(name));
        assert_eq!(device.publish(&http, &prekeys(0..2)), Ok(ServerReply::Success));
        device
    });
    damage(folder.path());
    // What is handed out is checked by who gets it: the server cannot be trusted with that anyway.
    let tag = InstanceTag::random(&mut rng());
    let answer = http.exchange(None, &ensemble_query(tag, BOB, Versions::V4)).expect("an answer");
    assert!(read_ensembles(&answer, tag, BOB).is_err());
    assert_eq!(bob.count(&http), Err(NoAnswer::Refused(500)));

    assert_eq!(http.fetch(ALICE).expect("an answer").len(), 1);
    assert_eq!(alice.count(&http), Ok(ServerReply::Status(1)));
    assert_eq!(http.get("/health").expect("an answer").status, 200);
}

/// As a fault of the disk could leave it.
fn damage(folder: &Path) {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let url = format!("sqlite://{}", folder.join("prekeys.db").display());
        let mut connection = SqliteConnection::connect(&url).await.expect("the database");
        for statement in [
            "PRAGMA ignore_check_constraints = ON",
            "UPDATE devices SET client_profile = x'00' WHERE identity = 'bob@example.org'",
            "UPDATE tokens SET token_hash = x'00' WHERE identity = 'bob@example.org'",
        ] {
            sqlx::query(statement).execute(&mut connection).await.expect("damage");
        }
    });
}
