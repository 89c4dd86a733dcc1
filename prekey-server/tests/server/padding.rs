//! What the lengths of bodies tell: a size class, and no more.

use crate::client::{Device, Http, NoAnswer, prekeys, rng};
use crate::running::{start, unlimited};
use otrv4::prekey::PrekeySecret;
use otrv4::prekey_server::{
    PublishRequest, ServerReply, decode_text, encode_text, ensemble_query, read_ensembles,
};
use otrv4::wire::{InstanceTag, Versions};
use prekey_server::padding::{ANSWERS, PUBLISHING, QUERIES, pad};

const BOB: &str = "bob@example.org";

/// The body of the answer to this body.
fn answer(http: &Http, token: Option<&str>, body: &str) -> Result<String, NoAnswer> {
    let bearer = token.map(|token| format!("Bearer {token}"));
    let mut headers = vec![("Content-Type", "text/plain")];
    headers.extend(bearer.as_deref().map(|bearer| ("Authorization", bearer)));
    let answer = http.post("/v1/messages", &headers, body.as_bytes())?;
    if answer.status == 200 { Ok(answer.body) } else { Err(NoAnswer::Refused(answer.status)) }
}

/// The length of the answer to a query, and the ensembles in it.
fn ask(http: &Http, whom: &str) -> (usize, usize) {
    let tag = InstanceTag::random(&mut rng());
    let query = pad(encode_text(&ensemble_query(tag, whom, Versions::V4)), &QUERIES);
    assert_eq!(query.len(), QUERIES[0]);
    let body = answer(http, None, &query).expect("an answer");
    let ensembles = read_ensembles(&decode_text(&body).expect("a message"), tag, whom).expect("ensembles");
    (body.len(), ensembles.len())
}

#[test]
fn nobody_none_left_one_client_and_five_look_the_same() {
    let server = start(unlimited());
    let token = server.http.register(BOB);
    Device::new(&server.http, BOB, &token).publish(&server.http, &prekeys([1])).expect("an answer");
    let smallest = ANSWERS[0];
    assert_eq!(ask(&server.http, BOB), (smallest, 1));
    assert_eq!(ask(&server.http, BOB), (smallest, 0));
    assert_eq!(ask(&server.http, &"x".repeat(256)), (smallest, 0));
    for _ in 0..5 {
        Device::new(&server.http, BOB, &token).publish(&server.http, &prekeys([1])).expect("an answer");
    }
    assert_eq!(ask(&server.http, BOB), (smallest, 5));
}

#[test]
fn each_step_of_a_publication_looks_like_any_other_however_many_prekeys_are_in_it() {
    let server = start(unlimited());
    let token = server.http.register(BOB);
    let device = Device::new(&server.http, BOB, &token);
    let hundred = prekeys(1..=100);
    let hundred: Vec<&PrekeySecret> = hundred.iter().collect();
    let requests = [
        (device.publication(&hundred), ServerReply::Success),
        (device.publication(&hundred[..1]), ServerReply::Success),
        (PublishRequest::StorageInformation, ServerReply::Status(100)),
    ];
    for (request, expected) in requests {
        let (publisher, dake1) = device.start();
        let dake1 = pad(encode_text(&dake1), &PUBLISHING);
        let dake2 = answer(&server.http, Some(&token), &dake1).expect("an answer");
        let (awaits, dake3) = device.go_on(publisher, &decode_text(&dake2).expect("a message"), request);
        let dake3 = pad(encode_text(&dake3), &PUBLISHING);
        let reply = answer(&server.http, Some(&token), &dake3).expect("an answer");
        assert_eq!(awaits.receive(&decode_text(&reply).expect("a message")), Ok(expected));
        assert_eq!([dake1.len(), dake3.len()], [PUBLISHING[0]; 2]);
        assert_eq!([dake2.len(), reply.len()], [ANSWERS[0]; 2]);
    }
}

#[test]
fn the_longest_publication_is_taken_padded() {
    let server = start(unlimited());
    let token = server.http.register(BOB);
    let device = Device::new(&server.http, BOB, &token);
    let (publisher, dake1) = device.start();
    let dake2 = server.http.exchange(Some(&token), &dake1).expect("an answer");
    let most = prekeys(1..=255);
    let most: Vec<&PrekeySecret> = most.iter().collect();
    let (awaits, dake3) = device.go_on(publisher, &dake2, device.publication(&most));
    let dake3 = pad(encode_text(&dake3), &PUBLISHING);
    assert_eq!(dake3.len(), PUBLISHING[1]);
    let reply = answer(&server.http, Some(&token), &dake3).expect("an answer");
    assert_eq!(awaits.receive(&decode_text(&reply).expect("a message")), Ok(ServerReply::Success));
}

#[test]
fn a_refusal_costs_the_server_no_padding() {
    let server = start(unlimited());
    let refused = server.http.message(None, &[0, 4]).expect("an answer");
    assert!(refused.status == 401 && refused.body.len() < 1024, "{refused:?}");
}
