//! The server over HTTP, in this process, on a loopback port of its own.

use crate::client::{Answer, Device, Http, prekeys, rng};
use crate::running::{start, unlimited};
use otrv4::prekey_server::{PublishRequest, ServerReply, encode_text, ensemble_query};
use otrv4::wire::{InstanceTag, Versions};
use prekey_server::{Registration, Settings};
use serde_json::json;
use std::io::{Read, Write};
use std::net::TcpStream;

const BOB: &str = "bob@example.org";

/// The status of a problem, after checking its form.
pub(crate) fn problem(answer: &Answer) -> u16 {
    assert_eq!(answer.header("content-type"), "application/problem+json", "{answer:?}");
    let body = answer.json();
    assert_eq!((&body["type"], &body["status"]), (&json!("about:blank"), &json!(answer.status)));
    assert!(
        body["title"].is_string()
            && body["detail"].is_string()
            && body.as_object().map(|o| o.len()) == Some(4)
    );
    answer.status
}

pub(crate) fn post_account(http: &Http, body: &str) -> Answer {
    http.post("/v1/accounts", &[("Content-Type", "application/json")], body.as_bytes()).expect("an answer")
}

fn post_text(http: &Http, token: &str, text: &[u8]) -> Answer {
    let bearer = format!("bearer {token}");
    let headers = [("Content-Type", "text/plain"), ("Authorization", bearer.as_str())];
    http.post("/v1/messages", &headers, text).expect("an answer")
}

pub(crate) fn ids(ensembles: &[otrv4::prekey::PrekeyEnsemble]) -> Vec<u32> {
    let now = otrv4::Timestamp::from_unix(1_800_000_000);
    otrv4::prekey::choose(ensembles.to_vec(), now, Versions::V4).iter().map(|e| e.message().id()).collect()
}

#[test]
fn the_server_says_who_it_is() {
    let server = start(unlimited());
    let answer = server.http.get("/v1/server").expect("an answer");
    let body = answer.json();
    assert_eq!((answer.status, answer.header("content-type")), (200, "application/json"));
    assert_eq!(body["identity"], "prekey.example.org");
    assert_eq!(body["public_key"].as_str().map(|key| (key.len(), &key[..4])), Some((118, "1000")));
    assert_eq!(body["fingerprint"].as_str().map(str::len), Some(112));
}

#[test]
fn registration_can_be_closed_while_the_server_runs_and_opened_again() {
    let server = start(unlimited());
    let body = json!({"identity": "bob@example.org"}).to_string();
    server.server.reload(Settings { registration: Registration::Closed, ..unlimited() });
    assert_eq!(problem(&post_account(&server.http, &body)), 403);
    server.server.reload(Settings { registration: Registration::Open, ..unlimited() });
    assert_eq!(post_account(&server.http, &body).status, 201);
}

#[test]
fn a_working_server_is_healthy() {
    let server = start(unlimited());
    let answer = server.http.get("/health").expect("an answer");
    assert_eq!((answer.status, answer.json()), (200, json!({"status": "ok"})));
}

#[test]
fn an_identity_belongs_to_the_first_who_asks() {
    let server = start(unlimited());
    let body = json!({ "identity": BOB }).to_string();
    let first = post_account(&server.http, &body);
    assert_eq!((first.status, &first.json()["identity"]), (201, &json!(BOB)));
    assert_eq!(first.header("cache-control"), "no-store");
    assert_eq!(problem(&post_account(&server.http, &body)), 409);
    let token = first.json()["token"].as_str().expect("a token").to_owned();
    let device = Device::new(&server.http, BOB, &token);
    assert_eq!(device.count(&server.http).expect("an answer"), ServerReply::Status(0));
}

#[test]
fn illegal_identities_and_bodies_get_no_account() {
    let server = start(unlimited());
    for identity in ["", "Bob@example.org", "bob\n", "b b", &"x".repeat(257)] {
        let body = json!({ "identity": identity }).to_string();
        assert_eq!(problem(&post_account(&server.http, &body)), 422, "{identity:?}");
    }
    for body in ["", "{", "[]", "{}", r#"{"identity": 1}"#, r#"{"identity": "bob", "admin": true}"#, "\u{0}"]
    {
        assert_eq!(problem(&post_account(&server.http, body)), 400, "{body:?}");
    }
    let untyped = server.http.post("/v1/accounts", &[], br#"{"identity": "bob"}"#).expect("an answer");
    assert_eq!(problem(&untyped), 415);
}

#[test]
fn what_is_published_can_be_fetched_once() {
    let server = start(unlimited());
    let device = Device::new(&server.http, BOB, &server.http.register(BOB));
    assert_eq!(device.publish(&server.http, &prekeys([7, 3])).expect("an answer"), ServerReply::Success);
    assert_eq!(device.refill(&server.http, &prekeys([5])).expect("an answer"), ServerReply::Success);
    assert_eq!(device.count(&server.http).expect("an answer"), ServerReply::Status(3));
    for expected in [vec![7], vec![3], vec![5], vec![]] {
        assert_eq!(ids(&server.http.fetch(BOB).expect("an answer")), expected);
    }
    assert_eq!(device.count(&server.http).expect("an answer"), ServerReply::Status(0));
}

#[test]
fn a_repeated_publication_succeeds_and_brings_nothing_back() {
    let server = start(unlimited());
    let device = Device::new(&server.http, BOB, &server.http.register(BOB));
    let prekeys = prekeys([1, 2]);
    device.publish(&server.http, &prekeys).expect("an answer");
    assert_eq!(ids(&server.http.fetch(BOB).expect("an answer")), [1]);
    assert_eq!(device.publish(&server.http, &prekeys).expect("an answer"), ServerReply::Success);
    assert_eq!(device.count(&server.http).expect("an answer"), ServerReply::Status(1));
    assert_eq!(ids(&server.http.fetch(BOB).expect("an answer")), [2]);
}

#[test]
fn a_used_id_with_another_prekey_fails() {
    let server = start(unlimited());
    let device = Device::new(&server.http, BOB, &server.http.register(BOB));
    device.publish(&server.http, &prekeys([1, 2])).expect("an answer");
    assert_eq!(device.publish(&server.http, &prekeys([3, 2])).expect("an answer"), ServerReply::Failure);
    assert_eq!(device.count(&server.http).expect("an answer"), ServerReply::Status(2));
}

#[test]
fn a_new_long_term_key_starts_over() {
    let server = start(unlimited());
    let token = server.http.register(BOB);
    let old = Device::new(&server.http, BOB, &token);
    old.publish(&server.http, &prekeys([1, 2])).expect("an answer");
    let new = Device::with_tag(&server.http, BOB, &token, old.tag);
    assert_eq!(new.count(&server.http).expect("an answer"), ServerReply::Status(0));
    assert_eq!(new.publish(&server.http, &prekeys([9])).expect("an answer"), ServerReply::Success);
    assert_eq!(old.count(&server.http).expect("an answer"), ServerReply::Status(0));
    assert_eq!(ids(&server.http.fetch(BOB).expect("an answer")), [9]);
}

#[test]
fn devices_of_one_identity_do_not_disturb_each_other() {
    let server = start(unlimited());
    let token = server.http.register(BOB);
    let devices = [Device::new(&server.http, BOB, &token), Device::new(&server.http, BOB, &token)];
    let begun = devices.each_ref().map(|device| {
        let (publisher, dake1) = device.start();
        (publisher, server.http.exchange(Some(&token), &dake1).expect("an answer"))
    });
    for (device, (publisher, dake2)) in devices.iter().zip(begun) {
        let (awaits, dake3) = device.go_on(publisher, &dake2, PublishRequest::StorageInformation);
        let reply = server.http.exchange(Some(&token), &dake3).expect("an answer");
        assert_eq!(awaits.receive(&reply), Ok(ServerReply::Status(0)));
    }
    for device in &devices {
        device.publish(&server.http, &prekeys([1])).expect("an answer");
    }
    assert_eq!(ids(&server.http.fetch(BOB).expect("an answer")), [1, 1]);
}

#[test]
fn unknown_drained_and_unfit_queries_get_the_same_answer() {
    let server = start(unlimited());
    let device = Device::new(&server.http, BOB, &server.http.register(BOB));
    device.publish(&server.http, &prekeys([1])).expect("an answer");
    let tag = InstanceTag::random(&mut rng());
    let ask = |identity: &str, versions| {
        let reply = server.http.exchange(None, &ensemble_query(tag, identity, versions)).expect("an answer");
        let at =
            reply.windows(identity.len()).position(|part| part == identity.as_bytes()).expect("the identity");
        [&reply[..at], &reply[at + identity.len()..]].concat()
    };
    let unfit = ask(BOB, Versions::EMPTY);
    assert_eq!(device.count(&server.http).expect("an answer"), ServerReply::Status(1));
    server.http.fetch(BOB).expect("an answer");
    assert_eq!(unfit, ask(BOB, Versions::V4));
    assert_eq!(unfit, ask("eve@example.org", Versions::V4));
    assert_eq!(unfit, ask("BOB@EXAMPLE.ORG", Versions::V4));
}

#[test]
fn publishers_need_the_token_of_their_account() {
    let server = start(unlimited());
    let token = server.http.register(BOB);
    let eve = server.http.register("eve@example.org");
    let device = Device::new(&server.http, BOB, &token);
    let (publisher, dake1) = device.start();
    let forged =
        format!("{}{}", token.split_once('.').expect("a dot").0, &eve[eve.find('.').expect("a dot")..]);
    for wrong in [None, Some(""), Some("x"), Some(forged.as_str())] {
        let answer = server.http.message(wrong, &dake1).expect("an answer");
        assert_eq!((problem(&answer), answer.header("www-authenticate")), (401, "Bearer"), "{wrong:?}");
    }
    // Eve's own token lets her begin, but the handshake names its publisher: Bob's client refuses her answer.
    let dake2 = server.http.exchange(Some(&token), &dake1).expect("an answer");
    let (_, dake3) = device.go_on(publisher, &dake2, PublishRequest::StorageInformation);
    assert_eq!(problem(&server.http.message(Some(&eve), &dake3).expect("an answer")), 400);
    server.http.exchange(Some(&token), &dake3).expect("the exchange is untouched");
}

#[test]
fn a_query_is_answered_whatever_token_comes_with_it() {
    let server = start(unlimited());
    let query = ensemble_query(InstanceTag::random(&mut rng()), BOB, Versions::V4);
    assert_eq!(server.http.message(Some("nonsense"), &query).expect("an answer").status, 200);
}

#[test]
fn refused_messages_are_all_refused_alike() {
    let server = start(unlimited());
    let token = server.http.register(BOB);
    let device = Device::new(&server.http, BOB, &token);
    let (publisher, dake1) = device.start();
    let dake2 = server.http.exchange(Some(&token), &dake1).expect("an answer");
    let (_, dake3) = device.go_on(publisher, &dake2, PublishRequest::StorageInformation);
    let mut sigma = dake3.clone();
    sigma[20] ^= 1;
    let mut profile = dake1.clone();
    profile[100] ^= 1;
    let long = [dake1.as_slice(), &[0]].concat();
    let query = ensemble_query(device.tag, BOB, Versions::V4);
    let messages: [&[u8]; 10] = [
        &[],
        &[0, 4],
        &[0, 3, 0x35],
        &[0, 4, 0x99],
        &dake1[..dake1.len() - 1],
        &long,
        &profile,
        &sigma, // ends the exchange, so that
        &dake3, // comes too late
        &query[..query.len() - 1],
    ];
    for (n, message) in messages.into_iter().enumerate() {
        let answer = server.http.message(Some(&token), message).expect("an answer");
        assert_eq!(
            (problem(&answer), &answer.json()["detail"]),
            (400, &json!("The message was refused.")),
            "{n}"
        );
    }
    for text in
        [&b""[..], b".", b"AAQ", b"AAQ*.", b"\xff\xfe", encode_text(&query).replace('.', "").as_bytes()]
    {
        let answer = post_text(&server.http, &token, text);
        assert_eq!(
            (problem(&answer), &answer.json()["detail"]),
            (400, &json!("The message was refused.")),
            "{text:?}"
        );
    }
}

#[test]
fn an_authenticated_client_is_told_that_its_request_failed() {
    let server = start(unlimited());
    let token = server.http.register(BOB);
    let device = Device::new(&server.http, BOB, &token);
    let (publisher, dake1) = device.start();
    let dake2 = server.http.exchange(Some(&token), &dake1).expect("an answer");
    let (awaits, mut dake3) = device.go_on(publisher, &dake2, PublishRequest::StorageInformation);
    *dake3.last_mut().expect("the last byte of the MAC") ^= 1;
    let reply = server.http.exchange(Some(&token), &dake3).expect("an answer");
    assert_eq!(awaits.receive(&reply), Ok(ServerReply::Failure));
}

#[test]
fn requests_that_are_no_messages_get_problem_details() {
    let server = start(unlimited());
    let http = &server.http;
    let json_message =
        http.post("/v1/messages", &[("Content-Type", "application/json")], b"AAQ.").expect("an answer");
    assert_eq!(problem(&json_message), 415);
    assert_eq!(problem(&post_text(http, "", &vec![b'A'; (1 << 20) + 1])), 413);
    assert_eq!(problem(&post_text(http, "", &vec![b'A'; 1 << 20])), 400);
    assert_eq!(problem(&post_account(http, &" ".repeat((4 << 10) + 1))), 413);
    assert_eq!(problem(&http.get("/").expect("an answer")), 404);
    assert_eq!(problem(&http.get("/v1/message").expect("an answer")), 404);
    let wrong_method = http.get("/v1/messages").expect("an answer");
    assert_eq!((problem(&wrong_method), wrong_method.header("allow")), (405, "POST"));
}

#[test]
fn text_may_end_with_a_line_break_and_name_its_charset() {
    let server = start(unlimited());
    let query = encode_text(&ensemble_query(InstanceTag::random(&mut rng()), BOB, Versions::V4));
    let headers = [("Content-Type", "Text/Plain; charset=utf-8")];
    let answer =
        server.http.post("/v1/messages", &headers, format!("{query}\r\n").as_bytes()).expect("an answer");
    assert_eq!((answer.status, answer.header("content-type")), (200, "text/plain; charset=utf-8"));
    assert!(answer.body.starts_with("AAQ") && answer.body.trim_ascii_end().ends_with('.'));
}

#[test]
fn a_server_told_to_stop_finishes_what_runs() {
    let mut server = start(unlimited());
    let query = encode_text(&ensemble_query(InstanceTag::random(&mut rng()), BOB, Versions::V4));
    let mut stream = TcpStream::connect(&server.address).expect("a connection");
    // The server has read the headers when it asks for the body: from then on the request runs.
    write!(
        stream,
        "POST /v1/messages HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\nExpect: 100-continue\r\n\
         Content-Length: {}\r\n\r\n",
        query.len()
    )
    .expect("headers");
    let mut go_on = [0; 25];
    stream.read_exact(&mut go_on).expect("a first answer");
    assert_eq!(&go_on, b"HTTP/1.1 100 Continue\r\n\r\n");
    server.tell_to_stop();
    while TcpStream::connect(&server.address).is_ok() {
        std::thread::yield_now();
    }
    stream.write_all(query.as_bytes()).expect("the body");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer, then the end");
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    server.stop();
}

#[test]
fn the_server_describes_the_paths_that_it_has() {
    let server = start(unlimited());
    let answer = server.http.get("/v1/openapi.json").expect("an answer");
    assert_eq!((answer.status, answer.header("content-type")), (200, "application/json"));
    let description = answer.json();
    let paths = description["paths"].as_object().expect("paths");
    assert!(paths.len() >= 9, "{}", paths.len());
    // The keys of the gateway are no text, which this client wants.
    for (path, methods) in paths.iter().filter(|(path, _)| *path != "/ohttp-keys") {
        let (method, answer) = match methods.get("get") {
            Some(method) => (method, server.http.get(path)),
            None => (&methods["post"], server.http.post(path, &[], b"")),
        };
        let status = answer.expect("an answer").status;
        assert!(![404, 405].contains(&status), "{path}: {status}");
        assert!(method["responses"].get(status.to_string()).is_some(), "{path}: {status} is not described");
    }
}
