//! The server as a component of a real XMPP server, and clients that log in there.

#![allow(clippy::disallowed_methods, reason = "a test that waits for another program looks at the clock")]

mod client;
mod prosody;

use crate::client::{Device, EXPIRES, Http, prekeys, rng};
use crate::process::{Process, run, serve};
use client::{Client, SERVER};
use otrv4::prekey::PrekeyEnsemble;
use otrv4::prekey_server::{
    PublishRequest, ServerKey, ServerReply, encode_text, ensemble_query, read_ensembles,
};
use otrv4::wire::{InstanceTag, Versions};
use prosody::{Prosody, SECRET};
use std::fs::File;
use std::process::Command;
use std::time::{Duration, Instant};

const ALICE: &str = "alice@example.org";

/// A line of this length is never cut.
const WHOLE: usize = 1 << 20;

/// A prekey server that is a component of this XMPP server.
fn start(prosody: &Prosody, secret: &str) -> Process {
    let folder = prosody.folder.path();
    let secret_file = folder.join("secret");
    std::fs::write(&secret_file, format!("{secret}\n")).expect("a file");
    let log = File::create(folder.join("log")).expect("a file");
    let mut command = serve(folder, folder.join("prekeys.db").as_os_str(), "warn", log.into());
    command.arg(format!("--xmpp-component=127.0.0.1:{}", prosody.component_port));
    command.arg("--xmpp-secret-file").arg(secret_file);
    run(command)
}

/// Whether the component answers. Where there is none, Prosody answers in its place, or with an error.
fn is_there(client: &mut Client) -> bool {
    let info = client.discover(SERVER, "disco#info");
    info.iter().any(|element| element.attribute("var") == FEATURE)
}

const FEATURE: &str = "http://jabber.org/protocol/otrv4-prekey-server";

/// Waits until the component is there, or gone.
fn wait(client: &mut Client, there: bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while is_there(client) != there {
        assert!(Instant::now() < deadline, "the component is not {}", if there { "there" } else { "gone" });
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// What the server says its fingerprint is.
fn server_key(client: &mut Client) -> ServerKey {
    let items = client.discover(SERVER, "disco#items");
    let item = items.iter().find(|element| element.attribute("node") == "fingerprint").expect("the item");
    assert_eq!(item.attribute("jid"), SERVER);
    ServerKey::new(SERVER, item.attribute("name").parse().expect("a fingerprint"))
}

fn device(client: &mut Client) -> Device {
    Device::trusting(server_key(client), ALICE, "", InstanceTag::random(&mut rng()), EXPIRES)
}

/// Goes through an exchange in lines of this length.
fn exchange(client: &mut Client, device: &Device, request: PublishRequest<'_>, line: usize) -> ServerReply {
    let (publisher, dake1) = device.start();
    let (dake2, _) = client.exchange(device.tag, &dake1, line);
    let (awaits, dake3) = device.go_on(publisher, &dake2, request);
    let (reply, _) = client.exchange(device.tag, &dake3, line);
    awaits.receive(&reply).expect("an authenticated answer")
}

/// Somebody's ensembles, and in how many pieces they came.
fn fetch(client: &mut Client, identity: &str) -> (Vec<PrekeyEnsemble>, usize) {
    let tag = InstanceTag::random(&mut rng());
    let (answer, pieces) = client.exchange(tag, &ensemble_query(tag, identity, Versions::V4), WHOLE);
    (read_ensembles(&answer, tag, identity).expect("ensembles"), pieces)
}

#[test]
fn people_find_the_server_publish_ask_and_fetch() {
    let Some(prosody) = Prosody::start() else { return };
    let server = start(&prosody, SECRET);
    let mut alice = Client::login(prosody.client_port, "alice", "home");
    wait(&mut alice, true);

    let items = alice.discover("example.org", "disco#items");
    assert!(items.iter().any(|item| item.name == "item" && item.attribute("jid") == SERVER), "{items:?}");
    let info = alice.discover(SERVER, "disco#info");
    let identity = info.iter().find(|element| element.name == "identity").expect("an identity");
    assert_eq!((identity.attribute("category"), identity.attribute("type")), ("auth", "otr-prekey"));

    let device = device(&mut alice);
    let secrets = prekeys(0..3);
    let secrets: Vec<_> = secrets.iter().collect();
    let published = exchange(&mut alice, &device, device.publication(&secrets), WHOLE);
    assert_eq!(published, ServerReply::Success);
    let count = |client: &mut Client| exchange(client, &device, PublishRequest::StorageInformation, WHOLE);
    assert_eq!(count(&mut alice), ServerReply::Status(3));

    let mut bob = Client::login(prosody.client_port, "bob", "phone");
    let (ensembles, pieces) = fetch(&mut bob, ALICE);
    assert_eq!((ensembles.len(), pieces), (1, 1));
    // Whoever asks over HTTP gets what was published here.
    assert_eq!(Http::new(&server.base).fetch(ALICE).expect("an answer").len(), 1);
    assert_eq!(count(&mut alice), ServerReply::Status(1));
    assert_eq!(fetch(&mut bob, ALICE).0.len(), 1);
    assert!(fetch(&mut bob, ALICE).0.is_empty(), "none are left");
    assert!(fetch(&mut bob, "nobody@example.org").0.is_empty());
}

#[test]
fn long_messages_go_in_fragments_both_ways() {
    let Some(prosody) = Prosody::start() else { return };
    let _server = start(&prosody, SECRET);
    let mut alice = Client::login(prosody.client_port, "alice", "home");
    wait(&mut alice, true);
    let secrets = prekeys(0..100);
    let secrets: Vec<_> = secrets.iter().collect();
    let devices: Vec<_> = (0..7).map(|_| device(&mut alice)).collect();
    for device in &devices {
        let published = exchange(&mut alice, device, device.publication(&secrets), 3000);
        assert_eq!(published, ServerReply::Success);
    }
    let (ensembles, pieces) = fetch(&mut alice, ALICE);
    assert!(ensembles.len() == devices.len() && pieces > 1, "{} in {pieces} pieces", ensembles.len());
}

#[test]
fn nobody_speaks_for_another_and_nonsense_gets_errors_or_silence() {
    let Some(prosody) = Prosody::start() else { return };
    let _server = start(&prosody, SECRET);
    let mut alice = Client::login(prosody.client_port, "alice", "home");
    wait(&mut alice, true);
    let device = device(&mut alice);

    // Alice's DAKE-1 from Mallory's address begins an exchange of Mallory's, which Alice's key cannot finish.
    let mut mallory = Client::login(prosody.client_port, "mallory", "evil");
    let (publisher, dake1) = device.start();
    let (dake2, _) = alice.exchange(device.tag, &dake1, WHOLE);
    let (_, dake3) = device.go_on(publisher, &dake2, PublishRequest::StorageInformation);
    assert_eq!(mallory.ask(&encode_text(&dake3)), Err("bad-request".into()));
    mallory.exchange(device.tag, &dake1, WHOLE);
    assert_eq!(mallory.ask(&encode_text(&dake3)), Err("bad-request".into()));
    // It has cost Alice nothing.
    assert!(alice.ask(&encode_text(&dake3)).is_ok());

    for nonsense in ["hello", "AAQ1", "AAQ1.", "?OTRv4?"] {
        assert_eq!(mallory.ask(nonsense), Err("bad-request".into()), "{nonsense}");
    }
    // None of these is answered; the next question is.
    for silence in [
        format!("<message to='{SERVER}' type='error'><body>AAQ.</body><error type='cancel'/></message>"),
        format!("<message to='{SERVER}' type='headline'><body>AAQ.</body></message>"),
        format!("<message to='{SERVER}'><subject>AAQ.</subject></message>"),
        format!("<message to='{SERVER}'><body>?OTRP|1|100|0,2,1,AAQ.,</body></message>"),
        format!("<message to='{SERVER}'><body>?OTRP|1|100|0,1,2,AAQ.,</body></message>"),
        format!("<message to='{SERVER}' type='nonsense' a='{}'/>", "x".repeat(100_000)),
        format!("<message to='{SERVER}'>{}{}</message>", "<a>".repeat(1000), "</a>".repeat(1000)),
        format!("<presence to='{SERVER}' type='subscribe'/>"),
    ] {
        mallory.send(&silence);
    }
    mallory.send(&format!("<iq type='get' id='v' to='{SERVER}'><query xmlns='jabber:iq:version'/></iq>"));
    let answer = mallory.next();
    let error: Vec<_> = answer.iter().map(|element| element.name.as_str()).collect();
    assert!(error.contains(&"service-unavailable") && answer[0].attribute("id") == "v", "{error:?}");
}

#[test]
fn the_server_comes_back_when_the_xmpp_server_does_and_leaves_when_told() {
    let Some(mut prosody) = Prosody::start() else { return };
    let server = start(&prosody, SECRET);
    wait(&mut Client::login(prosody.client_port, "alice", "home"), true);
    prosody.restart();
    let mut alice = Client::login(prosody.client_port, "alice", "home");
    wait(&mut alice, true);
    assert!(fetch(&mut alice, ALICE).0.is_empty());

    let told = Instant::now();
    assert!(Command::new("kill").args(["-TERM", &server.id()]).status().expect("kill").success());
    assert_eq!(server.wait(), Some(0));
    assert!(told.elapsed() < Duration::from_secs(4), "it has nothing to wait for");
    wait(&mut alice, false);
}

#[test]
fn without_the_right_secret_it_is_no_component_and_still_serves_http() {
    let Some(prosody) = Prosody::start() else { return };
    let server = start(&prosody, "another secret");
    let log = || std::fs::read_to_string(prosody.folder.path().join("log")).expect("a log");
    let deadline = Instant::now() + Duration::from_secs(30);
    while !log().contains("not-authorized") {
        assert!(Instant::now() < deadline, "{}", log());
        std::thread::sleep(Duration::from_millis(50));
    }
    let mut alice = Client::login(prosody.client_port, "alice", "home");
    assert!(!is_there(&mut alice));
    assert!(Http::new(&server.base).fetch(ALICE).expect("an answer").is_empty());
}
