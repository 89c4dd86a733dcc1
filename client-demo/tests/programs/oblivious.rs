//! A conversation started through a relay: server, relay and client as processes, and what each of the first two saw.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use crate::process::server;
use crate::world::{World, fingerprint, line_with, texts};

/// A running relay; killed when dropped.
struct Relay {
    child: Child,
    url: String,
}

fn relay(gateway: &str) -> Relay {
    let mut command = server(["relay", "--gateway", gateway, "--listen", "127.0.0.1:0"]);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().expect("it runs");
    let line = BufReader::new(child.stdout.take().expect("piped")).lines().next();
    let line = line.expect("a line").expect("UTF-8");
    Relay { url: line.strip_prefix("listening on ").expect("it says so").to_owned(), child }
}

impl Drop for Relay {
    fn drop(&mut self) {
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

/// Somebody on the way who passes everything on and keeps a copy.
struct Tap {
    url: String,
    seen: Arc<Mutex<Vec<u8>>>,
}

fn tap(url: &str) -> Tap {
    let to = url.strip_prefix("http://").expect("an address").to_owned();
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let seen = Arc::new(Mutex::new(Vec::new()));
    let copy = Arc::clone(&seen);
    thread::spawn(move || {
        for near in listener.incoming().map_while(Result::ok) {
            let far = TcpStream::connect(&to).expect("it listens");
            for (from, to) in [(&near, &far), (&far, &near)] {
                let (from, to) = (from.try_clone().expect("a socket"), to.try_clone().expect("a socket"));
                let copy = Arc::clone(&copy);
                thread::spawn(move || carry(from, to, &copy));
            }
        }
    });
    Tap { url, seen }
}

fn carry(mut from: TcpStream, mut to: TcpStream, copy: &Mutex<Vec<u8>>) {
    let mut buffer = [0; 4096];
    while let Ok(read @ 1..) = from.read(&mut buffer) {
        let bytes = buffer.get(..read).expect("no more than fits");
        copy.lock().expect("no panic").extend_from_slice(bytes);
        if to.write_all(bytes).is_err() {
            break;
        }
    }
    _ = to.shutdown(Shutdown::Write);
}

impl Tap {
    fn seen(&self) -> Vec<u8> {
        self.seen.lock().expect("no panic").clone()
    }

    /// First lines and headers of all requests, in lower case and without the host and the length.
    fn requests(&self) -> Vec<String> {
        let seen = String::from_utf8_lossy(&self.seen()).to_lowercase();
        let line = |line: &str| line.split("\r\n").next().expect("a line").to_owned();
        let mut requests = Vec::new();
        for method in ["get ", "post "] {
            for (start, _) in seen.match_indices(&format!("{method}/")) {
                let head = seen[start..].split("\r\n\r\n").next().expect("a head");
                let headers = head.split("\r\n").skip(1);
                let kept =
                    headers.filter(|line| !line.starts_with("host:") && !line.starts_with("content-length:"));
                requests.push(
                    std::iter::once(line(head)).chain(kept.map(str::to_owned)).collect::<Vec<_>>().join("|"),
                );
            }
        }
        requests
    }
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window.eq_ignore_ascii_case(part))
}

/// The ways in which a name, a tag or a fingerprint could stand in a message.
fn forms(what: &[u8]) -> Vec<Vec<u8>> {
    let hex: String = what.iter().map(|byte| format!("{byte:02x}")).collect();
    // In base64 it begins at any of three places.
    let base64 = (0..3).map(|shift| {
        let text = BASE64_STANDARD.encode([&vec![0; shift][..], what].concat());
        text.as_bytes().get(4..text_end(shift, what.len())).expect("whole groups").to_vec()
    });
    [what.to_vec(), hex.into_bytes()].into_iter().chain(base64).filter(|form| form.len() >= 4).collect()
}

/// Where in the base64 the last group ends that depends on nothing behind it.
fn text_end(shift: usize, length: usize) -> usize {
    ((shift + length) / 3 * 4).max(4)
}

#[test]
fn neither_relay_nor_server_learns_who_asks_for_whom() {
    let elsewhere = World::new();
    let server = elsewhere.server("server");
    let world = World::with_bob_published(&server);
    let before_server = tap(&server.url);
    let relay = relay(&before_server.url);
    let before_relay = tap(&relay.url);

    let send = ["send", "bob@example.org", "are you there?", "--oblivious", &before_relay.url];
    let sent = world.done("alice", &[&send[..], &["--fingerprint", &server.fingerprint]].concat());
    let fetched = format!("from prekey-server through the relay at {}: 1 client(s).", before_relay.url);
    assert!(sent.contains(&fetched), "{sent}");
    assert_eq!(texts(&world.done("bob", &["receive"]), "alice"), ["are you there?"]);

    // Neither side of the relay shows a name, a key or a client of either.
    let tag = |who| {
        let status = world.done(who, &["status"]);
        let tag = line_with(&status, "client  ").split_whitespace().last().expect("a tag").to_owned();
        u32::from_str_radix(&tag, 16).expect("hex").to_be_bytes().to_vec()
    };
    let key = |who| -> Vec<u8> {
        let digits = fingerprint(&world, who);
        (0..digits.len() / 2)
            .map(|n| u8::from_str_radix(&digits[2 * n..2 * n + 2], 16).expect("hex"))
            .collect()
    };
    let names = ["alice@example.org", "bob@example.org"].map(|name| name.as_bytes().to_vec());
    let secrets = names.into_iter().chain(["alice", "bob"].map(tag)).chain(["alice", "bob"].map(key));
    for secret in secrets.flat_map(|secret| forms(&secret)) {
        for (place, tap) in [("relay", &before_relay), ("server", &before_server)] {
            assert!(!contains(&tap.seen(), &secret), "{} at the {place}", String::from_utf8_lossy(&secret));
        }
    }

    // What the relay sends to the server says nothing of who sent it there.
    let expected = ["get /ohttp-keys http/1.1", "post /ohttp http/1.1|content-type: message/ohttp-req"];
    assert_eq!(before_server.requests(), expected);
    assert_eq!(before_relay.requests(), expected);

    // The taps do see what is in clear.
    world.done("alice", &["publish", "--server", &before_server.url, "--count", "1"]);
    assert!(contains(&before_server.seen(), b"alice@example.org"));
    assert!(before_server.requests().len() > expected.len());
}

#[test]
fn a_server_that_is_known_needs_no_fingerprint_and_one_that_is_not_does() {
    let elsewhere = World::new();
    let server = elsewhere.server("server");
    let world = World::with_bob_published(&server);
    let relay = relay(&server.url);
    let send = ["send", "bob@example.org", "hello", "--oblivious", &relay.url];
    for arguments in [send.to_vec(), [&send[..], &["--server", &server.url]].concat()] {
        let refused = world.refused("alice", &arguments);
        assert!(
            refused.contains("Give --fingerprint HEX")
                && refused.contains("client-demo publish --server URL"),
            "{refused}"
        );
    }
    world.done("alice", &["publish", "--server", &server.url, "--fingerprint", &server.fingerprint]);
    let sent = world.done("alice", &send);
    assert!(sent.contains("from prekey.example.org through the relay at "), "{sent}");
    let refused = world.refused("alice", &["send", "carol@example.org", "hello", "--oblivious", &relay.url]);
    assert!(refused.contains("carol@example.org has nothing on prekey.example.org"), "{refused}");
}

#[test]
fn a_relay_of_another_server_or_without_one_is_refused_and_the_words_say_what_to_do() {
    let elsewhere = World::new();
    let (server, other) = (elsewhere.server("server"), elsewhere.server("other"));
    let world = World::with_bob_published(&server);
    let before_other = tap(&other.url);
    let wrong = relay(&before_other.url);
    let lonely = relay("http://127.0.0.1:1");
    let send = |url: &str| {
        let fingerprint = server.fingerprint.as_str();
        world.refused(
            "alice",
            &["send", "bob@example.org", "hello", "--oblivious", url, "--fingerprint", fingerprint],
        )
    };
    let refused = send(&wrong.url);
    assert!(
        refused.contains("not signed by the server's key") && refused.contains("Use another relay"),
        "{refused}"
    );
    assert_eq!(before_other.requests(), ["get /ohttp-keys http/1.1"], "nothing was asked");
    let refused = send(&lonely.url);
    assert!(refused.contains("gets no answer from its prekey server"), "{refused}");
    let refused = send("http://127.0.0.1:1");
    assert!(refused.contains("no answer from the relay at http://127.0.0.1:1"), "{refused}");
}
