//! Limits, and what an attacker gets who does not care for them.

use crate::client::{Answer, Device, Http, NoAnswer, prekeys, rng};
use crate::http::{ids, post_account, problem};
use crate::running::{Running, start, unlimited};
use otrv4::prekey_server::{ServerReply, decode_text, ensemble_query, read_ensembles};
use otrv4::wire::{InstanceTag, Versions};
use prekey_server::Settings;
use prekey_server::limits::{Bucket, Limits};
use serde_json::json;
use std::time::Duration;

const BOB: &str = "bob@example.org";

fn bucket(burst: u32, seconds: u64) -> Bucket {
    Bucket { burst, per: Duration::from_secs(seconds) }
}

/// A server with these limits and no others.
fn limited(set: impl FnOnce(&mut Limits)) -> Running {
    let mut limits = Limits {
        requests_per_source: Bucket::OFF,
        registrations_per_source: Bucket::OFF,
        queries_per_source: Bucket::OFF,
        queries_per_pair: Bucket::OFF,
        queries_per_target: Bucket::OFF,
        messages_per_account: Bucket::OFF,
        reserve: 0,
        ..Limits::default()
    };
    set(&mut limits);
    start(Settings { limits, ..Settings::default() })
}

fn query(http: &Http, identity: &str) -> Answer {
    let tag = InstanceTag::random(&mut rng());
    http.message(None, &ensemble_query(tag, identity, Versions::V4)).expect("an answer")
}

/// Retry-After of a refusal.
fn wait(answer: &Answer) -> u64 {
    assert_eq!(problem(answer), 429);
    answer.header("retry-after").parse().expect("seconds")
}

/// A server that has this many prekeys of Bob.
fn with_prekeys(server: &Running, count: u32) -> Device {
    let device = Device::new(&server.http, BOB, &server.http.register(BOB));
    assert_eq!(device.publish(&server.http, &prekeys(0..count)), Ok(ServerReply::Success));
    device
}

#[test]
fn a_source_of_too_many_requests_is_told_when_to_come_back_and_others_are_served() {
    let server = limited(|limits| limits.requests_per_source = bucket(2, 30));
    for _ in 0..2 {
        assert_eq!(server.http.get("/v1/server").expect("an answer").status, 200);
    }
    for path in ["/v1/server", "/v1/messages", "/v1/accounts"] {
        assert!((28..=30).contains(&wait(&server.http.get(path).expect("an answer"))));
    }
    assert!((28..=30).contains(&wait(&query(&server.http, BOB))));
    let other = server.http.at_address("198.51.100.9");
    assert_eq!(query(&other, BOB).status, 200);
    assert_eq!(server.http.get("/health").expect("an answer").status, 200);
    // A new network of IPv6 is another source, a new address in it is not.
    for (address, status) in
        [("2001:db8::1", 200), ("2001:db8::2", 200), ("2001:db8::3", 429), ("2001:db8:1::", 200)]
    {
        assert_eq!(query(&server.http.at_address(address), BOB).status, status, "{address}");
    }
    server.server.reload(unlimited());
    assert_eq!(query(&server.http, BOB).status, 200);
}

#[test]
fn nobody_registers_many_names_from_one_address() {
    let server = limited(|limits| limits.registrations_per_source = bucket(2, 3600));
    let register = |http: &Http, name: &str| post_account(http, &json!({ "identity": name }).to_string());
    assert_eq!(register(&server.http, "b1").status, 201);
    assert_eq!(register(&server.http, "b1").status, 409);
    assert!((3590..=3600).contains(&wait(&register(&server.http, "b2"))));
    assert_eq!(register(&server.http.at_address("198.51.100.9"), "b2").status, 201);
}

#[test]
fn an_account_begins_no_more_exchanges_than_it_may() {
    let server = limited(|limits| limits.messages_per_account = bucket(4, 3600));
    let (bob, eve) = (server.http.register(BOB), server.http.register("eve@example.org"));
    let device = Device::new(&server.http, BOB, &bob);
    let from_elsewhere = server.http.at_address("198.51.100.9");
    assert_eq!(device.count(&server.http), Ok(ServerReply::Status(0)));
    assert_eq!(device.count(&from_elsewhere), Ok(ServerReply::Status(0)));
    assert_eq!(device.count(&from_elsewhere), Err(NoAnswer::Refused(429)));
    let other = Device::new(&server.http, "eve@example.org", &eve);
    assert_eq!(other.count(&server.http), Ok(ServerReply::Status(0)));
}

#[test]
fn one_who_asks_ten_thousand_times_gets_what_one_may_get_and_leaves_the_rest_to_others() {
    // All limits as they come, but that on mere requests, which would end it before.
    let limits = Limits { requests_per_source: Bucket::OFF, ..Limits::default() };
    let server = start(Settings { limits: limits.clone(), ..Settings::default() });
    let device = with_prekeys(&server, 200);
    let attacker = server.http.at_address("203.0.113.7");
    let mut given = 0;
    for _ in 0..10_000 {
        let answer = query(&attacker, BOB);
        match answer.status {
            200 => given += 1,
            _ => assert!(wait(&answer) <= 1800),
        }
    }
    assert_eq!(given, limits.queries_per_pair.burst);
    assert_eq!(device.count(&server.http), Ok(ServerReply::Status(200 - given)));
    let honest = server.http.at_address("198.51.100.9");
    assert_eq!(honest.fetch(BOB).expect("an answer").len(), 1);
}

#[test]
fn many_who_ask_together_do_not_get_the_last_prekeys_and_learn_nothing_about_who_is_here() {
    let limits = Limits { requests_per_source: Bucket::OFF, ..Limits::default() };
    let server = start(Settings { limits: limits.clone(), ..Settings::default() });
    with_prekeys(&server, 20);
    let (mut given, mut none) = (0, 0);
    for n in 0..100 {
        let http = server.http.at_address(&format!("203.0.113.{n}"));
        let answers = [BOB, "nobody@example.org"].map(|identity| query(&http, identity));
        assert_eq!(answers[0].status, answers[1].status, "{n}");
        let is_served = n < limits.queries_per_target.burst;
        assert_eq!(answers[0].status, if is_served { 200 } else { 429 }, "{n}");
        if is_served {
            // No Ensembles or some; what is held back looks like what is not there.
            match decode_text(&answers[0].body).expect("a message")[2] {
                0x13 => given += 1,
                _ => none += 1,
            }
        }
    }
    // Down to the reserve, and one of it.
    assert_eq!((given, none), (20 - limits.reserve + 1, limits.queries_per_target.burst - 11));
}

#[test]
fn what_is_held_back_looks_like_what_is_not_there() {
    let server = limited(|limits| (limits.reserve, limits.reserve_release) = (10, bucket(1, 3600)));
    let device = with_prekeys(&server, 3);
    assert_eq!(server.http.fetch(BOB).expect("an answer").len(), 1);
    let tag = InstanceTag::random(&mut rng());
    let ask = |identity: &str| {
        let reply = server.http.exchange(None, &ensemble_query(tag, identity, Versions::V4));
        reply.expect("an answer").split_off(4)
    };
    assert_eq!(ask(BOB).len(), ask("eve@example.org").len());
    let of_bob = ask(BOB);
    assert_eq!(
        of_bob,
        server.http.exchange(None, &ensemble_query(tag, BOB, Versions::EMPTY)).expect("an answer")[4..]
    );
    assert_eq!(device.count(&server.http), Ok(ServerReply::Status(2)));
}

#[test]
fn a_query_that_is_repeated_with_its_key_gets_the_same_bytes_and_takes_nothing() {
    // One of each, so that only what is free can be had again.
    let server = limited(|limits| {
        limits.queries_per_source = bucket(2, 3600);
        limits.queries_per_pair = bucket(2, 3600);
        limits.queries_per_target = bucket(2, 3600);
    });
    let device = with_prekeys(&server, 3);
    let tag = InstanceTag::random(&mut rng());
    let ask = |http: &Http, key: &str, tag| {
        let message = ensemble_query(tag, BOB, Versions::V4);
        http.with_header("Idempotency-Key", key).message(None, &message).expect("an answer")
    };
    let (key, other_key) = ("0123456789abcdef", "another key.....".replace(' ', "_"));
    let first = ask(&server.http, key, tag);
    assert_eq!(first.status, 200);
    let ensembles =
        read_ensembles(&decode_text(&first.body).expect("a message"), tag, BOB).expect("ensembles");
    assert_eq!(ids(&ensembles), [0]);
    for http in [&server.http, &server.http, &server.http.at_address("198.51.100.9")] {
        let again = ask(http, key, tag);
        assert_eq!((again.status, &again.body), (200, &first.body));
    }
    assert_eq!(device.count(&server.http), Ok(ServerReply::Status(2)));
    // Another key, or another query with the same key, is another question.
    let second = ask(&server.http, &other_key, tag);
    assert_eq!(second.status, 200);
    assert_ne!(second.body, first.body);
    let refused = ask(&server.http, key, InstanceTag::random(&mut rng()));
    assert!((3590..=3600).contains(&wait(&refused)));
    assert_eq!(device.count(&server.http), Ok(ServerReply::Status(1)));
    for illegal in ["", "0123456789abcde", "0123456789 abcdef", &"x".repeat(65)] {
        assert_eq!(problem(&ask(&server.http, illegal, tag)), 400, "{illegal:?}");
    }
    let twice = server.http.with_header("Idempotency-Key", key);
    assert_eq!(problem(&ask(&twice, key, tag)), 400);
}
