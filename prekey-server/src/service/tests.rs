//! What a service answers to publications, queries and limits, on a real SQLite file.

use super::*;
use crate::limits::{Bucket, Limits};
use crate::store::SqliteStore;
use otrv4::client_profile::ClientProfile;
use otrv4::keys::{ForgingKey, ForgingSecret, LongTermKey};
use otrv4::prekey_server::{PublishRequest, Publisher, ServerKey, ServerReply, ensemble_query};
use otrv4::wire::{InstanceTag, Versions};
use std::net::{IpAddr, Ipv4Addr};
use system::rng;
use tempfile::TempDir;

const BOB: &str = "bob@example.org";

async fn service(settings: Settings) -> (Service<SqliteStore>, TempDir) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let store = SqliteStore::open(&folder.path().join("prekeys.sqlite")).await.expect("a new database");
    let identity = ServerIdentity::generate("prekey.example.org", &mut rng());
    (Service::new(store, Names::plain(), identity, settings), folder)
}

#[tokio::test]
async fn an_exchange_is_still_there_for_whoever_was_told_to_come_back_later() {
    let (service, _folder) = service(Settings::default()).await;
    let caller = Caller { source: Source::Oblivious, vouched: None };
    let token = service.register(&caller, &Identity::new(BOB).expect("legal")).await.expect("an account");
    let ask = async |message: &[u8]| {
        let answer = service.answer(&caller, Some(token.as_str()), None, &encode_text(message)).await?;
        Ok::<_, Error>(decode_text(&answer).expect("a message"))
    };

    let key = LongTermKey::generate(&mut rng());
    let forging = ForgingKey::generate(ForgingSecret::Destroy, &mut rng());
    let tag = InstanceTag::random(&mut rng());
    let profile = ClientProfile::sign(&key, forging.public(), tag, system::now().plus(1000), None);
    let (publisher, dake1) = Publisher::start(&profile, BOB, &mut rng());
    let dake2 = ask(&dake1).await.expect("DAKE-2");
    let server = ServerKey::new("prekey.example.org", service.identity().fingerprint());
    let request = PublishRequest::StorageInformation;
    let (awaits, dake3) =
        publisher.receive_dake2(&dake2, &server, &key, request, &mut rng()).expect("a valid DAKE-2");

    let places: Vec<_> = std::iter::from_fn(|| service.workers.admit().ok()).collect();
    assert!(matches!(ask(&dake3).await, Err(Error::Busy)));
    drop(places);
    let reply = ask(&dake3).await.expect("an answer");
    assert_eq!(awaits.receive(&reply), Ok(ServerReply::Status(0)));
    assert!(matches!(ask(&dake3).await, Err(Error::Refused)), "it serves once");
}

#[tokio::test]
async fn who_asks_through_a_gateway_is_one_of_many_and_leaves_something_to_others() {
    let bucket = |burst| Bucket { burst, per: Duration::from_secs(3600) };
    let limits = Limits {
        queries_oblivious: bucket(3),
        queries_per_pair: bucket(1),
        queries_per_target: bucket(4),
        ..Limits::default()
    };
    let (service, _folder) = service(Settings { limits, ..Settings::default() }).await;
    let ask = async |source: Source, identity| {
        let query = ensemble_query(InstanceTag::random(&mut rng()), identity, Versions::V4);
        if service.admit(&source).is_err() {
            return false;
        }
        let caller = Caller { source, vouched: None };
        match service.answer(&caller, None, None, &encode_text(&query)).await {
            Ok(_) => true,
            Err(Error::Limited(_)) => false,
            Err(error) => panic!("{error}"),
        }
    };
    let address = |n| Source::Address(IpAddr::V4(Ipv4Addr::new(192, 0, 2, n)));
    for _ in 0..3 {
        assert!(ask(Source::Oblivious, BOB).await, "no bucket for the pair");
    }
    assert!(!ask(Source::Oblivious, "eve@example.org").await, "all that come through the gateway");
    assert!(ask(address(1), BOB).await, "what the others have left of the target");
    assert!(!ask(address(2), BOB).await, "the target");
    assert!(ask(address(2), "eve@example.org").await);
}

#[tokio::test]
async fn whoever_is_refused_because_of_others_has_lost_nothing() {
    let bucket = |burst, ms| Bucket { burst, per: Duration::from_millis(ms) };
    let limits = Limits {
        queries_per_pair: bucket(1, 3_600_000),
        queries_per_target: bucket(1, 300),
        ..Limits::default()
    };
    let (service, _folder) = service(Settings { limits, ..Settings::default() }).await;
    let ask = async |n| {
        let query = ensemble_query(InstanceTag::random(&mut rng()), BOB, Versions::V4);
        let source = Source::Address(IpAddr::V4(Ipv4Addr::new(192, 0, 2, n)));
        service.answer(&Caller { source, vouched: None }, None, None, &encode_text(&query)).await
    };
    ask(1).await.expect("the target's only one");
    for _ in 0..4 {
        assert!(matches!(ask(2).await, Err(Error::Limited(wait)) if wait <= Duration::from_millis(300)));
    }
    tokio::time::sleep(Duration::from_millis(400)).await;
    ask(2).await.expect("what has come back");
    tokio::time::sleep(Duration::from_millis(400)).await;
    assert!(matches!(ask(2).await, Err(Error::Limited(wait)) if wait > Duration::from_secs(60)), "the pair");
}

/// Begins an exchange over XMPP, by somebody with this address.
async fn begin(service: &Service<SqliteStore>, jid: &str) -> Result<(), Error> {
    let sender = Identity::new(jid).expect("legal");
    let caller = Caller::over_xmpp(sender, "prekey.example.org", &service.settings());
    service.admit(&caller.source)?;
    let key = LongTermKey::generate(&mut rng());
    let forging = ForgingKey::generate(ForgingSecret::Destroy, &mut rng());
    let tag = InstanceTag::random(&mut rng());
    let profile = ClientProfile::sign(&key, forging.public(), tag, system::now().plus(1000), None);
    let (_, dake1) = Publisher::start(&profile, jid, &mut rng());
    service.answer(&caller, None, None, &encode_text(&dake1)).await.map(|_| ())
}

#[tokio::test]
async fn who_comes_over_xmpp_is_hashed_and_known_again() {
    let registrations_per_source = Bucket { burst: 1, per: Duration::from_secs(3600) };
    let settings =
        Settings { limits: Limits { registrations_per_source, ..Limits::default() }, ..Settings::default() };
    let (Service { store, .. }, _folder) = service(settings.clone()).await;
    let identity = ServerIdentity::generate("prekey.example.org", &mut rng());
    let names = store.names(Some(&identity)).await.expect("a new database");
    let service = Service::new(store, names, identity, settings);
    for _ in 0..2 {
        begin(&service, "one@elsewhere.test").await.expect("the only one");
    }
    assert!(matches!(begin(&service, "two@elsewhere.test").await, Err(Error::Limited(_))));
    let accounts = service.store.accounts(None).await.expect("a store");
    assert!(accounts.len() == 1 && accounts[0].identity.is_hash());
}

#[tokio::test]
async fn another_xmpp_domain_has_one_share_however_many_people_it_invents() {
    let bucket = |burst| Bucket { burst, per: Duration::from_secs(3600) };
    let limits = Limits {
        registrations_per_source: bucket(2),
        queries_per_pair: bucket(2),
        queries_per_target: bucket(4),
        ..Limits::default()
    };
    let (service, _folder) = service(Settings { limits, ..Settings::default() }).await;
    for n in 0..3 {
        begin(&service, &format!("user{n}@example.org")).await.expect("our own people");
    }
    begin(&service, "one@elsewhere.test").await.expect("the first");
    begin(&service, "two@elsewhere.test").await.expect("the second");
    assert!(matches!(begin(&service, "three@elsewhere.test").await, Err(Error::Limited(_))));
    begin(&service, "one@elsewhere.test").await.expect("who has an account needs no other");
    begin(&service, "one@third.test").await.expect("another domain");

    let ask = async |jid: &str| {
        let query = ensemble_query(InstanceTag::random(&mut rng()), BOB, Versions::V4);
        let sender = Identity::new(jid).expect("legal");
        let caller = Caller::over_xmpp(sender, "prekey.example.org", &service.settings());
        service.answer(&caller, None, None, &encode_text(&query)).await
    };
    for n in 0..2 {
        ask(&format!("user{n}@elsewhere.test")).await.expect("a query");
    }
    assert!(matches!(ask("user3@elsewhere.test").await, Err(Error::Limited(_))), "the domain's pair");
    for n in 0..2 {
        ask(&format!("user{n}@example.org")).await.expect("each of our own people has a share");
    }

    service.reload(Settings { registration: Registration::Closed, ..Settings::default() });
    assert!(matches!(begin(&service, "one@elsewhere.test").await, Err(Error::Closed)));
    begin(&service, "four@example.org").await.expect("our own people");
    let own = vec!["elsewhere.test".into()];
    service.reload(Settings { registration: Registration::Closed, xmpp_domains: own, ..Settings::default() });
    begin(&service, "five@elsewhere.test").await.expect("now they are ours");
    assert!(matches!(begin(&service, "four@example.org").await, Err(Error::Closed)), "and these are not");
}
