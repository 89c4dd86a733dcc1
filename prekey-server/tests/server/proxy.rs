//! A proxy in front that says who asks, and people who only pretend to be one.

use crate::client::{Answer, Device, Http, NoAnswer, prekeys, rng};
use crate::http::{post_account, problem};
use crate::running::{Running, start, unlimited};
use otrv4::prekey_server::{ServerReply, ensemble_query};
use otrv4::wire::{InstanceTag, Versions};
use prekey_server::limits::{Bucket, Limits};
use prekey_server::{Registration, Settings};
use serde_json::json;
use std::time::Duration;

const BOB: &str = "bob@example.org";

/// A server that believes proxies at these addresses when they name a person.
fn behind(proxies: &str, limits: Limits) -> Running {
    let settings = Settings {
        registration: Registration::Header,
        trusted_header: Some("X-Remote-User".into()),
        trusted_proxies: vec![proxies.parse().expect("a network")],
        limits,
        ..Settings::default()
    };
    settings.check().expect("legal settings");
    start(settings)
}

fn dake1(server: &Running, http: &Http) -> Answer {
    let (_, dake1) = Device::new(&server.http, BOB, "no token").start();
    http.message(None, &dake1).expect("an answer")
}

#[test]
fn whoever_the_proxy_names_publishes_without_registering() {
    let server = behind("127.0.0.1/32", unlimited().limits);
    let http = server.http.with_header("x-remote-user", BOB);
    // The token counts for nothing.
    let device = Device::new(&http, BOB, "no token");
    assert_eq!(device.publish(&http, &prekeys([1, 2])), Ok(ServerReply::Success));
    assert_eq!(device.count(&http), Ok(ServerReply::Status(2)));
    assert_eq!(server.http.fetch(BOB).expect("queries need nobody's word").len(), 1);
    let body = json!({ "identity": BOB }).to_string();
    assert_eq!(problem(&post_account(&http, &body)), 403);
    // Another person with Bob's client is still another person, and the handshake says so.
    let (publisher, dake1) = device.start();
    let eve = server.http.with_header("x-remote-user", "eve@example.org");
    let dake2 = eve.exchange(None, &dake1).expect("an answer");
    let server_key = http.server_key();
    let key = otrv4::keys::LongTermKey::generate(&mut rng());
    let request = otrv4::prekey_server::PublishRequest::StorageInformation;
    assert!(publisher.receive_dake2(&dake2, &server_key, &key, request, &mut rng()).is_err());
}

#[test]
fn nobody_is_believed_without_the_header_or_with_two_or_with_nonsense_in_it() {
    let server = behind("127.0.0.1/32", unlimited().limits);
    let named = server.http.with_header("x-remote-user", BOB);
    assert_eq!(dake1(&server, &named).status, 200);
    for http in [
        &server.http,
        &named.with_header("x-remote-user", BOB),
        &server.http.with_header("x-remote-user", "Bob@example.org"),
        &server.http.with_header("x-remote-user", ""),
        &server.http.with_header("x-remote-user", "bob@example.org,eve@example.org"),
        &server.http.with_header("remote-user", BOB),
    ] {
        let answer = dake1(&server, http);
        assert_eq!(problem(&answer), 403, "{http:?}");
    }
    let query = ensemble_query(InstanceTag::random(&mut rng()), BOB, Versions::V4);
    assert_eq!(server.http.message(None, &query).expect("an answer").status, 200);
}

#[test]
fn a_header_from_an_address_that_is_no_proxy_is_nobodys_word() {
    let server = behind(
        "192.0.2.1/32",
        Limits { queries_per_pair: Bucket { burst: 1, per: Duration::from_secs(60) }, ..Limits::default() },
    );
    assert_eq!(problem(&dake1(&server, &server.http.with_header("x-remote-user", BOB))), 403);
    // Nor does it give another address.
    let mut answers = (0..3).map(|n| server.http.at_address(&format!("198.51.100.{n}")).fetch(BOB));
    assert!(answers.next().expect("three").is_ok());
    assert!(answers.all(|answer| matches!(answer, Err(NoAnswer::Refused(429)))));
}

#[test]
fn a_header_means_nothing_where_accounts_have_tokens() {
    let server = start(Settings { trusted_header: Some("x-remote-user".into()), ..unlimited() });
    server.http.register(BOB);
    assert_eq!(problem(&dake1(&server, &server.http.with_header("x-remote-user", BOB))), 401);
}

#[test]
fn people_whom_the_proxy_names_do_not_share_what_their_address_may_ask() {
    let server = behind(
        "127.0.0.1/32",
        Limits { queries_per_pair: Bucket { burst: 1, per: Duration::from_secs(60) }, ..Limits::default() },
    );
    let ask = |name: &str| server.http.with_header("x-remote-user", name).fetch(BOB).map(|given| given.len());
    assert_eq!(ask("alice"), Ok(0));
    assert_eq!(ask("eve"), Ok(0));
    assert_eq!(ask("alice"), Err(NoAnswer::Refused(429)));
    assert_eq!(server.http.fetch(BOB).map(|given| given.len()), Ok(0));
}

#[test]
fn pages_of_other_sites_cannot_use_what_a_browser_is_known_by() {
    let server = behind("127.0.0.1/32", unlimited().limits);
    let named = server.http.with_header("x-remote-user", BOB);
    let (_, dake1) = Device::new(&server.http, BOB, "no token").start();
    let query = ensemble_query(InstanceTag::random(&mut rng()), BOB, Versions::V4);
    let statuses = |headers: &[(&str, &str)]| {
        let http = headers.iter().fold(named.clone(), |http, (name, value)| http.with_header(name, value));
        assert_eq!(http.get("/v1/server").expect("an answer").status, 200);
        [&dake1, &query].map(|message| http.message(None, message).expect("an answer").status)
    };
    let own = format!("http://{}", server.address);
    for fine in [
        &[("Sec-Fetch-Site", "same-origin")][..],
        &[("Sec-Fetch-Site", "none")],
        &[("Sec-Fetch-Site", "same-origin"), ("Origin", "https://behind.example.org")],
        &[("Origin", "https://prekey.example.org")],
        &[("Origin", &own)],
    ] {
        assert_eq!(statuses(fine), [200, 200], "{fine:?}");
    }
    for foreign in [
        &[("Sec-Fetch-Site", "cross-site")][..],
        &[("Sec-Fetch-Site", "same-site")],
        &[("Sec-Fetch-Site", "")],
        &[("Sec-Fetch-Site", "none"), ("Sec-Fetch-Site", "cross-site")],
        &[("Sec-Fetch-Site", "cross-site"), ("Origin", &own)],
        &[("Origin", "null")],
        &[("Origin", "https://mallory.example")],
        &[("Origin", "http://prekey.example.org")],
        &[("Origin", "https://prekey.example.org.mallory.example")],
        &[("Origin", "https://prekey.example.org"), ("Origin", "https://mallory.example")],
    ] {
        assert_eq!(statuses(foreign), [403, 403], "{foreign:?}");
    }
    // Where a token says who it is, there is nothing that a browser adds by itself.
    server.server.reload(unlimited());
    let elsewhere = server.http.with_header("Sec-Fetch-Site", "cross-site");
    assert_eq!(elsewhere.message(None, &query).expect("an answer").status, 200);
}
