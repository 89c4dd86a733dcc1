//! A connection to an XMPP server that the test plays.

use super::*;
use crate::settings::Settings;
use crate::store::{Names, SqliteStore};
use otrv4::prekey_server::ServerIdentity;
use std::pin::pin;
use tokio::io::{DuplexStream, duplex};
use tokio::sync::oneshot;

const SERVER: &str = "prekey.example.org";
const HEADER: &str = "<stream:stream xmlns='jabber:component:accept' \
                      xmlns:stream='http://etherx.jabber.org/streams' id='3BF96D32'>";

/// Reads until it has seen this.
async fn hear(io: &mut DuplexStream, what: &str) -> String {
    let mut heard = String::new();
    while !heard.ends_with(what) {
        heard.push(char::from(io.read_u8().await.expect("more")));
    }
    heard
}

/// An XMPP server that answers the handshake with this, then says that.
async fn server(mut io: DuplexStream, answer: &str, then: &str) -> (DuplexStream, String) {
    hear(&mut io, "'prekey.example.org'>").await;
    io.write_all(HEADER.as_bytes()).await.expect("a listener");
    let handshake = hear(&mut io, "</handshake>").await;
    io.write_all(format!("{answer}{then}").as_bytes()).await.expect("a listener");
    (io, handshake)
}

async fn service(folder: &tempfile::TempDir) -> Arc<Service<SqliteStore>> {
    let store = SqliteStore::open(&folder.path().join("prekeys.db")).await.expect("a database");
    let identity = ServerIdentity::generate(SERVER, &mut system::rng());
    Arc::new(Service::new(store, Names::plain(), identity, Settings::default()))
}

#[tokio::test]
async fn the_secret_opens_a_stream_and_a_wrong_one_is_told_apart() {
    let (ours, theirs) = duplex(4096);
    let (stream, (_, handshake)) =
        tokio::join!(Stream::open(ours, SERVER, "secret"), server(theirs, "<handshake/>", ""));
    assert!(stream.is_ok());
    assert_eq!(handshake, stanzas::handshake("3BF96D32", "secret"));

    let error = "<stream:error><not-authorized xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error>";
    for (answer, reason) in [(error, "the server says \"not-authorized\""), ("<iq/>", "no handshake")] {
        let (ours, theirs) = duplex(4096);
        let (stream, _) = tokio::join!(Stream::open(ours, SERVER, "wrong"), server(theirs, answer, ""));
        assert_eq!(stream.err().map(|lost| lost.to_string()).as_deref(), Some(reason));
    }
}

#[tokio::test]
async fn told_to_stop_it_sends_what_runs_and_closes_the_stream() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let service = service(&folder).await;
    let mut component = Component::new(service.identity());
    let (ours, theirs) = duplex(1 << 16);
    let message =
        "<message from='bob@example.org/x' to='prekey.example.org' id='1'><body>hello</body></message>";
    let (stream, (mut theirs, _)) =
        tokio::join!(Stream::open(ours, SERVER, "secret"), server(theirs, "<handshake/>", message));
    let mut connection = Connection::new(stream.expect("a stream"), &service);
    // The message is taken in before the answer can leave.
    while connection.running.is_empty() {
        let step = connection.step(&mut component, pin!(std::future::pending())).await;
        assert!(step.is_ok());
    }
    let peer = async {
        let heard = hear(&mut theirs, stanzas::CLOSE).await;
        drop(theirs);
        heard
    };
    let told = pin!(async {});
    let (end, heard) = tokio::join!(connection.run(&mut component, told), peer);
    assert!(matches!(end, End::Told));
    assert!(heard.contains("bad-request") && heard.contains("to='bob@example.org/x'"), "{heard}");
}

#[tokio::test]
async fn one_domain_leaves_room_for_others_and_gets_its_room_back() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let service = service(&folder).await;
    let mut component = Component::new(service.identity());
    let (ours, theirs) = duplex(1 << 16);
    let message =
        "<message from='bob@a.example/x' to='prekey.example.org' id='1'><body>hello</body></message>";
    let messages = [message, &message.replace("a.example", "d.example")].concat();
    let (stream, (mut theirs, _)) =
        tokio::join!(Stream::open(ours, SERVER, "secret"), server(theirs, "<handshake/>", &messages));
    let xmpp_domains = ["a", "b", "c", "d"].map(|name| format!("{name}.example")).into();
    service.reload(Settings { xmpp_domains, ..Settings::default() });
    let mut connection = Connection::new(stream.expect("a stream"), &service);
    let mut ends = Vec::new();
    for (domain, expected) in [("a.example", 64), ("b.example", 32), ("c.example", 16)] {
        let mut taken = 0;
        while connection.has_room(domain) {
            let (end, ended) = oneshot::channel::<()>();
            connection.start(domain.into(), async move {
                _ = ended.await;
                Vec::new()
            });
            ends.push(end);
            taken += 1;
        }
        assert_eq!(taken, expected, "{domain}");
    }
    // The message of the domain that has its share is refused, that of another is taken.
    let step = connection.step(&mut component, pin!(std::future::pending())).await;
    assert!(step.is_ok());
    while connection.running.len() == 112 {
        let step = connection.step(&mut component, pin!(std::future::pending())).await;
        assert!(step.is_ok());
    }
    let heard = hear(&mut theirs, "</message>").await;
    assert!(heard.contains("resource-constraint") && heard.contains("to='bob@a.example/x'"), "{heard}");
    // Each that ends makes room.
    ends.truncate(63);
    while connection.running.len() > 63 {
        let step = connection.step(&mut component, pin!(std::future::pending())).await;
        assert!(step.is_ok());
    }
    assert_eq!(connection.domains.len(), 63);
    assert!(connection.has_room("a.example") && connection.has_room("b.example"));
}

#[tokio::test]
async fn other_domains_together_leave_half_to_our_own() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let service = service(&folder).await;
    let (ours, theirs) = duplex(4096);
    let (stream, (_theirs, _)) =
        tokio::join!(Stream::open(ours, SERVER, "secret"), server(theirs, "<handshake/>", ""));
    let mut connection = Connection::new(stream.expect("a stream"), &service);
    for n in 0..1000 {
        let domain = format!("{n}.other.example");
        if connection.has_room(&domain) {
            connection.start(domain, std::future::pending());
        }
    }
    assert_eq!(connection.running.len(), MAX_OF_OTHERS);
    assert!(connection.has_room("example.org"), "the domain above the component's");
}

#[tokio::test]
async fn an_answer_that_panics_takes_no_room_for_ever() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let service = service(&folder).await;
    let mut component = Component::new(service.identity());
    let (ours, theirs) = duplex(4096);
    let (stream, (_theirs, _)) =
        tokio::join!(Stream::open(ours, SERVER, "secret"), server(theirs, "<handshake/>", ""));
    let mut connection = Connection::new(stream.expect("a stream"), &service);
    connection.start("a.example".into(), async { panic!("on purpose") });
    while !connection.running.is_empty() {
        let step = connection.step(&mut component, pin!(std::future::pending())).await;
        assert!(step.is_ok());
    }
    assert!(connection.domains.is_empty());
}

#[tokio::test]
async fn a_server_that_closes_or_complains_is_lost() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let service = service(&folder).await;
    let error = "<stream:error><conflict xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error>";
    for (then, reason) in
        [(stanzas::CLOSE, "the server closed the stream"), (error, "the server says \"conflict\"")]
    {
        let (ours, theirs) = duplex(4096);
        let (stream, (_theirs, _)) =
            tokio::join!(Stream::open(ours, SERVER, "secret"), server(theirs, "<handshake/>", then));
        let connection = Connection::new(stream.expect("a stream"), &service);
        let mut component = Component::new(service.identity());
        match connection.run(&mut component, pin!(std::future::pending())).await {
            End::Lost(lost) => assert_eq!(lost.to_string(), reason),
            End::Told => panic!("nobody told it"),
        }
    }
}

#[tokio::test]
async fn a_silent_server_is_asked_twice_and_then_given_up() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let service = service(&folder).await;
    let (ours, theirs) = duplex(4096);
    let (stream, (mut theirs, _)) =
        tokio::join!(Stream::open(ours, SERVER, "secret"), server(theirs, "<handshake/>", ""));
    let mut connection = Connection::new(stream.expect("a stream"), &service);
    for _ in 0..3 {
        assert!(connection.listen(SERVER).await.is_ok());
    }
    assert!(matches!(connection.listen(SERVER).await, Err(Lost::Silent)));
    for _ in 0..2 {
        hear(&mut theirs, "<ping xmlns='urn:xmpp:ping'/></iq>").await;
    }
}
