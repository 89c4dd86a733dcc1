//! Queries through a relay, with server and relay as processes, and a relay before a server that is none.

use crate::client::{Device, Http, prekeys, rng};
use crate::process::{Process, program, start};
use otrv4::prekey_server::{decode_text, encode_text, ensemble_query, read_ensembles};
use otrv4::wire::{InstanceTag, Versions};
use prekey_server::oblivious::{
    Answer, AwaitAnswer, KEYS_PATH, KEYS_TYPE, KeyConfig, KeysError, REQUEST_PATH, REQUEST_TYPE,
    RESPONSE_TYPE, SIGNATURE, query,
};
use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::process::{Child, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;
use ureq::http::HeaderMap;

const BOB: &str = "bob@example.org";

/// A running relay; killed when dropped.
struct Relay {
    child: Child,
    base: String,
}

fn relay(gateway: &str) -> Relay {
    let mut command = program();
    command.args(["relay", "--gateway", gateway, "--listen", "127.0.0.1:0", "--log", "error"]);
    let mut child = command.stdout(Stdio::piped()).spawn().expect("the program");
    let line = BufReader::new(child.stdout.take().expect("its output")).lines().next();
    let line = line.expect("a line").expect("text");
    let base = line.strip_prefix("listening on ").expect("an address").to_owned();
    Relay { child, base }
}

impl Drop for Relay {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

struct Got {
    status: u16,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Got {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().expect("text"))
    }

    fn problem(&self) -> serde_json::Value {
        assert_eq!(self.header("content-type"), "application/problem+json");
        serde_json::from_slice(&self.body).expect("a problem")
    }
}

fn agent() -> ureq::Agent {
    let config = ureq::Agent::config_builder().http_status_as_error(false);
    config.timeout_global(Some(Duration::from_secs(60))).build().new_agent()
}

fn got(response: ureq::http::Response<ureq::Body>) -> Got {
    let (parts, mut body) = response.into_parts();
    let body = body.read_to_vec().expect("a body");
    Got { status: parts.status.as_u16(), headers: parts.headers, body }
}

fn get(base: &str, path: &str) -> Got {
    got(agent().get(format!("{base}{path}")).call().expect("an answer"))
}

fn post(base: &str, media_type: &str, body: &[u8]) -> Got {
    let request = agent().post(format!("{base}{REQUEST_PATH}")).header("content-type", media_type);
    got(request.send(body).expect("an answer"))
}

fn keys(base: &str, server: &Process) -> Result<KeyConfig, KeysError> {
    let got = get(base, KEYS_PATH);
    assert_eq!((got.status, got.header("content-type")), (200, KEYS_TYPE));
    KeyConfig::verify(server.fingerprint.parse().expect("a fingerprint"), &got.body, got.header(SIGNATURE))
}

/// A query for Bob's ensembles, with its tag.
fn ask_for_bob(keys: &KeyConfig) -> (InstanceTag, Vec<u8>, AwaitAnswer) {
    let tag = InstanceTag::random(&mut rng());
    let message = encode_text(&ensemble_query(tag, BOB, Versions::V4));
    let (request, answer) = query(keys, &message, prekey_server::now(), &mut rng()).expect("a good key");
    (tag, request, answer)
}

fn ensembles(tag: InstanceTag, answer: &Answer) -> usize {
    assert_eq!(answer.status, 200, "{answer:?}");
    let message = decode_text(std::str::from_utf8(&answer.content).expect("text")).expect("a message");
    read_ensembles(&message, tag, BOB).expect("an answer to the query").len()
}

/// A server with so many prekeys of Bob.
fn server_with(count: u32) -> (tempfile::TempDir, Process) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let server = start(folder.path());
    let http = Http::new(&server.base);
    let device = Device::new(&http, BOB, &http.register(BOB));
    device.publish(&http, &prekeys(1..=count)).expect("published");
    (folder, server)
}

#[test]
fn a_query_through_a_relay_takes_ensembles_and_its_size_does_not_tell_whether_there_are_any() {
    let (_folder, server) = server_with(1);
    let relay = relay(&server.base);
    let keys = keys(&relay.base, &server).expect("signed");
    let mut sizes = BTreeSet::new();
    for expected in [1, 0] {
        let (tag, request, answer) = ask_for_bob(&keys);
        let got = post(&relay.base, REQUEST_TYPE, &request);
        assert_eq!((got.status, got.header("content-type")), (200, RESPONSE_TYPE));
        assert_eq!(ensembles(tag, &answer.open(&got.body).expect("sealed for us")), expected);
        sizes.insert((request.len(), got.body.len()));
    }
    assert_eq!(sizes.len(), 1, "{sizes:?}");
}

#[test]
fn a_request_that_is_sent_again_takes_no_prekey() {
    let (_folder, server) = server_with(2);
    let keys = keys(&server.base, &server).expect("signed");
    let (tag, request, answer) = ask_for_bob(&keys);
    let first = post(&server.base, REQUEST_TYPE, &request);
    let again = post(&server.base, REQUEST_TYPE, &request);
    assert_eq!((again.status, again.body.len()), (200, first.body.len()), "it looks the same");
    assert_eq!(ensembles(tag, &answer.open(&first.body).expect("sealed for us")), 1);

    let (tag, request, answer) = ask_for_bob(&keys);
    let second = post(&server.base, REQUEST_TYPE, &request);
    assert_eq!(ensembles(tag, &answer.open(&second.body).expect("sealed for us")), 1, "one was left");
}

#[test]
fn what_cannot_be_opened_is_refused_in_clear() {
    let (_folder, server) = server_with(1);
    let keys = keys(&server.base, &server).expect("signed");
    let (_, request, _) = ask_for_bob(&keys);
    let mut tampered = request.clone();
    *tampered.last_mut().expect("a request") ^= 1;
    let mut other_key = request.clone();
    other_key[0] ^= 1;
    for bad in [&tampered[..], &other_key, &request[..40], &request[..request.len() - 1], b""] {
        let got = post(&server.base, REQUEST_TYPE, bad);
        assert_eq!(got.status, 422);
        assert_eq!(got.problem()["type"], "https://iana.org/assignments/http-problem-types#ohttp-key");
    }
    assert_eq!(post(&server.base, REQUEST_TYPE, &vec![1; 20 << 10]).status, 413);
    assert_eq!(post(&server.base, "text/plain", &request).status, 415);
    assert_eq!(get(&server.base, REQUEST_PATH).status, 405);
}

#[test]
fn a_restart_keeps_the_key_and_another_key_file_has_another() {
    let (folder, mut server) = server_with(1);
    let before = keys(&server.base, &server).expect("signed");
    server.kill();
    let server = start(folder.path());
    assert!(keys(&server.base, &server) == Ok(before.clone()));
    let (_elsewhere, other) = server_with(1);
    assert!(keys(&other.base, &other).is_ok_and(|keys| keys != before));
    assert_eq!(keys(&other.base, &server), Err(KeysError::NotTheServers));
}

/// A server that gives each connection the next answer; what it was asked, byte for byte.
fn pretended(answers: Vec<String>) -> (String, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let base = format!("http://{}", listener.local_addr().expect("an address"));
    let (asked, requests) = channel();
    std::thread::spawn(move || {
        for answer in answers {
            let (mut stream, _) = listener.accept().expect("the relay");
            let mut request = vec![0; 64 << 10];
            let read = stream.read(&mut request).expect("a request");
            asked.send(String::from_utf8_lossy(&request[..read]).into_owned()).expect("a test that waits");
            stream.write_all(answer.as_bytes()).expect("an answer");
        }
    });
    (base, requests)
}

fn http(status: &str, headers: &[&str], body: &str) -> String {
    let headers: String = headers.iter().map(|header| format!("{header}\r\n")).collect();
    let length = body.len();
    format!("HTTP/1.1 {status}\r\n{headers}connection: close\r\ncontent-length: {length}\r\n\r\n{body}")
}

#[test]
fn a_relay_carries_the_content_and_its_type_and_no_other_header_either_way() {
    let answer = ["Content-Type: message/ohttp-res", "Set-Cookie: who=you", "X-Trace: 1"];
    let (base, requests) = pretended(vec![http("200 OK", &answer, "sealed")]);
    let relay = relay(&base);
    let request = agent()
        .post(format!("{}{REQUEST_PATH}?who=alice", relay.base))
        .header("content-type", format!("{REQUEST_TYPE}; who=alice"))
        .header("user-agent", "Alice/1.0")
        .header("cookie", "who=alice")
        .header("authorization", "Bearer alice")
        .header("x-forwarded-for", "192.0.2.7")
        .header("forwarded", "for=192.0.2.7")
        .header("via", "1.1 alice")
        .header("x-alice", "alice");
    let got = got(request.send("enc").expect("an answer"));
    assert_eq!((got.status, &got.body[..]), (200, &b"sealed"[..]));
    let mut names: Vec<_> = got.headers.keys().map(|name| name.as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, ["cache-control", "content-length", "content-type", "date"]);

    let asked = requests.recv().expect("a request");
    let (head, body) = asked.split_once("\r\n\r\n").expect("a whole request");
    let mut lines: Vec<_> = head.split("\r\n").map(str::to_lowercase).collect();
    lines.sort_unstable();
    let host = base.strip_prefix("http://").expect("an address");
    let expected = [
        "content-length: 3".to_owned(),
        "content-type: message/ohttp-req".to_owned(),
        format!("host: {host}"),
        "post /ohttp http/1.1".to_owned(),
    ];
    assert_eq!((lines.as_slice(), body), (expected.as_slice(), "enc"));
}

#[test]
fn a_relay_asks_for_the_keys_once_and_gives_all_clients_the_same() {
    let answer = ["Content-Type: application/ohttp-keys", "ohttp-keys-signature: c2ln"];
    let (base, requests) = pretended(vec![http("200 OK", &answer, "keys")]);
    let relay = relay(&base);
    for _ in 0..3 {
        let got = get(&relay.base, KEYS_PATH);
        assert_eq!((got.status, &got.body[..], got.header(SIGNATURE)), (200, &b"keys"[..], "c2ln"));
    }
    assert_eq!(requests.iter().count(), 1);
}

#[test]
fn a_relay_passes_problems_on_and_says_so_when_the_server_gives_nothing_else() {
    let problem = r#"{"type":"about:blank","title":"No","status":422,"detail":"x"}"#;
    let (base, _requests) = pretended(vec![
        http("422 No", &["Content-Type: application/problem+json", "X-Trace: 1"], problem),
        http("200 OK", &["Content-Type: text/html"], "<html>"),
        http("500 Oh", &["Content-Type: text/html"], "<html>"),
        http("200 OK", &["Content-Type: message/ohttp-res"], &"A".repeat(2 << 20)),
        "no HTTP".to_owned(),
        http("200 OK", &["Content-Type: application/ohttp-keys"], "no signature"),
    ]);
    let relay = relay(&base);
    let got = post(&relay.base, REQUEST_TYPE, b"enc");
    assert_eq!((got.status, got.header("x-trace")), (422, ""));
    assert_eq!(got.problem()["title"], "No");
    for what in ["a page", "an error", "a flood", "no answer"] {
        let got = post(&relay.base, REQUEST_TYPE, b"enc");
        assert_eq!((got.status, got.problem()["title"].as_str()), (502, Some("Bad Gateway")), "{what}");
    }
    assert_eq!(get(&relay.base, KEYS_PATH).status, 502);
    assert_eq!(get(&relay.base, "/health").status, 200);
    assert_eq!(get(&relay.base, "/v1/server").status, 404, "it carries nothing else");
    assert_eq!(post(&relay.base, REQUEST_TYPE, &vec![1; 20 << 10]).status, 413);
    assert_eq!(post(&relay.base, "text/plain", b"enc").status, 415);
}

#[test]
fn a_relay_needs_the_address_of_a_server() {
    for bad in ["prekey.example.org", "https://prekey.example.org/ohttp"] {
        let output = program().args(["relay", "--gateway", bad]).output().expect("it runs");
        let said = String::from_utf8(output.stderr).expect("text");
        assert!(
            !output.status.success() && said.contains("https://prekey.example.org, without a path"),
            "{said}"
        );
    }
}
