//! The prekey protocol, either side against a peer that is somebody else or does not keep to it: any message, a real one that
//! was changed on the way, a publication that is wrong under a MAC that is right. otrv4-prekey-server.md

mod cast;

use arbitrary::{Result, Unstructured};
use otrv4::inside::receive_dake_2;
use otrv4::prekey::choose;
use otrv4::prekey_server::{
    Checked, FragmentAssembler, PendingDake, PublishRequest, Request, ServerReply, cut_text, encode_text,
    ensemble_query, read_ensembles, retrieval,
};
use otrv4::wire::Versions;
use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;

use super::grammar::{Field, Kind, prekey_fields};
use super::mutation;
use crate::START;
use cast::{Cast, Exchange, IDENTITY};
pub(super) use cast::{cast, exchange};

/// The input is a list of choices.
pub(super) fn run(input: &[u8]) {
    let cast = cast();
    let u = &mut Unstructured::new(input);
    _ = match u.int_in_range(0..=7u8) {
        Ok(0) => any_request(cast, u),
        Ok(1) => changed_request(cast, u),
        Ok(2) => changed_dake_2(cast, u),
        Ok(3) => changed_dake_3(cast, u),
        Ok(4) => dishonest_publication(cast, u),
        Ok(5) => changed_reply(u),
        Ok(6) => changed_ensembles(cast, u),
        _ => fragments(cast, u),
    };
}

fn any_request(cast: &Cast, u: &mut Unstructured<'_>) -> Result<()> {
    answer(cast, u.bytes(u.len())?);
    Ok(())
}

fn changed_request(cast: &Cast, u: &mut Unstructured<'_>) -> Result<()> {
    let query = ensemble_query(cast.profile.owner(), IDENTITY, Versions::V4);
    let honest = [exchange().dake_1.clone(), query];
    let which = u.choose_index(honest.len())?;
    let message = changed(u, &honest[which], &honest)?;
    answer(cast, &message);
    Ok(())
}

/// As the server's engine does.
fn answer(cast: &Cast, message: &[u8]) {
    match Request::read(message) {
        Ok(Request::Dake1(dake_1)) => {
            _ = PendingDake::answer(&cast.server, IDENTITY, *dake_1, START, &mut rng(1));
        }
        Ok(Request::EnsembleQuery(query)) => _ = query.identity().len(),
        Ok(_) | Err(_) => {}
    }
}

/// The client takes no DAKE-2 but the server's.
fn changed_dake_2(cast: &Cast, u: &mut Unstructured<'_>) -> Result<()> {
    let Exchange { publisher, dake_1, dake_2, .. } = exchange();
    let message = changed(u, dake_2, std::slice::from_ref(dake_1))?;
    let (key, request) = (cast.server_key(), PublishRequest::StorageInformation);
    let taken = publisher.receive_dake2(&message, &key, &cast.key, request, &mut rng(2));
    assert_eq!(taken.is_ok(), message == *dake_2);
    Ok(())
}

/// The server takes no DAKE-3 but the client's, and nothing inside it that was changed.
fn changed_dake_3(cast: &Cast, u: &mut Unstructured<'_>) -> Result<()> {
    let Exchange { dake_1, publication, question, .. } = exchange();
    let honest = *u.choose(&[publication, question])?;
    let others = [dake_1.clone(), publication.clone(), question.clone()];
    let message = match u.ratio(1u8, 2u8)? {
        true => changed(u, honest, &others)?,
        false => {
            let mut message = honest.clone();
            mutation::message(u, &mut message, inner_fields, &others)?;
            message
        }
    };
    let Ok(Request::Dake3(read)) = Request::read(&message) else { return Ok(()) };
    let Ok(authenticated) = cast.pending(dake_1).0.finish(&cast.server, *read) else {
        assert!(message != *honest, "an honest client is refused");
        return Ok(());
    };
    let taken = !matches!(authenticated.check(START), Checked::Failure(_));
    let is_honest = message == *publication || message == *question;
    assert_eq!(taken, is_honest, "only what was authenticated is taken");
    Ok(())
}

/// The fields of the message inside a DAKE-3, its MAC last.
fn inner_fields(dake_3: &[u8]) -> Vec<Field> {
    let Some(Field { kind: Kind::Data, at }) = prekey_fields(dake_3).pop() else { return Vec::new() };
    let start = at.start + 4;
    let inside = prekey_fields(&dake_3[start..at.end]).into_iter();
    inside.map(|field| Field { at: start + field.at.start..start + field.at.end, ..field }).collect()
}

/// The server does not panic, and what it takes is the client's.
fn dishonest_publication(cast: &Cast, u: &mut Unstructured<'_>) -> Result<()> {
    let Exchange { publisher, dake_1, dake_2, .. } = exchange();
    let mut alter = |inner: &mut Vec<u8>| {
        for _ in 0..u.int_in_range(0..=2u8).unwrap_or(0) {
            _ = mutation::message(u, inner, prekey_fields, std::slice::from_ref(dake_2));
        }
    };
    let server = (&cast.server_key(), &cast.key);
    let (awaits, dake_3) = receive_dake_2(publisher, dake_2, server, cast.request(), &mut alter, &mut rng(2))
        .expect("an honest server");
    let Ok(Request::Dake3(dake_3)) = Request::read(&dake_3) else { return Ok(()) };
    let authenticated = cast.pending(dake_1).0.finish(&cast.server, *dake_3).expect("an honest exchange");
    let reply = match authenticated.check(START) {
        Checked::Publish(publication, reply) => {
            assert_eq!(publication.owner(), cast.profile.owner());
            assert!(publication.prekeys().len() <= 255);
            let theirs =
                publication.client_profile().is_none_or(|it| it.as_bytes() == cast.profile.as_bytes());
            assert!(theirs, "a profile that the client's key has signed");
            reply.success()
        }
        Checked::Count(reply) => reply.status(7),
        Checked::Failure(failure) => failure,
    };
    assert!(awaits.receive(&reply).is_ok(), "the client learns what came of it");
    Ok(())
}

/// The client believes no reply but the server's.
fn changed_reply(u: &mut Unstructured<'_>) -> Result<()> {
    let Exchange { dake_1, dake_2, awaits, answers, .. } = exchange();
    let honest = u.choose(answers)?;
    let others = [answers.as_slice(), &[dake_1.clone(), dake_2.clone()]].concat();
    let message = changed(u, honest, &others)?;
    match awaits.receive(&message) {
        Ok(reply) => assert!(answers.contains(&message) && matches!(reply, ServerReply::Status(_))),
        Err(_) => assert!(!answers.contains(&message)),
    }
    Ok(())
}

/// What the client takes of ensembles that were changed is signed by somebody; here, by one.
fn changed_ensembles(cast: &Cast, u: &mut Unstructured<'_>) -> Result<()> {
    let honest = retrieval(cast.profile.owner(), IDENTITY, &cast.ensembles);
    let message = changed(u, &honest, std::slice::from_ref(&honest))?;
    let Ok(ensembles) = read_ensembles(&message, cast.profile.owner(), IDENTITY) else { return Ok(()) };
    let (client_profile, prekey_profile, _) = &cast.ensembles[0];
    for chosen in choose(ensembles, START, Versions::V4) {
        assert_eq!(chosen.profile().as_bytes(), client_profile);
        assert_eq!(chosen.prekey_profile().as_bytes(), prekey_profile);
    }
    Ok(())
}

/// A text in pieces that were changed, lost, doubled.
fn fragments(cast: &Cast, u: &mut Unstructured<'_>) -> Result<()> {
    let text = encode_text(&exchange().dake_1);
    let (client, max_line) = (Some(cast.profile.owner()), u.int_in_range(60..=400)?);
    let lines = cut_text(&text, max_line, 7, client, None).expect("room for a piece");
    let mut server = FragmentAssembler::new(None);
    let (mut honest, mut there) = (true, vec![false; lines.len()]);
    for _ in 0..40 {
        let at = u.choose_index(lines.len())?;
        let mut line = lines[at].clone();
        if u.ratio(1u8, 4u8)? {
            honest = false;
            let at = u.choose_index(line.len())?;
            line.replace_range(at..=at, u.choose(&["0", "1", "|", ",", "A", ""])?);
        } else {
            there[at] = true;
        }
        if let Ok(Some(whole)) = server.add(&line, START) {
            assert!(!honest || (whole == text && there.iter().all(|piece| *piece)));
            return Ok(());
        }
    }
    Ok(())
}

fn changed(u: &mut Unstructured<'_>, message: &[u8], others: &[Vec<u8>]) -> Result<Vec<u8>> {
    let mut message = message.to_vec();
    for _ in 0..u.int_in_range(0..=2u8)? {
        mutation::message(u, &mut message, prekey_fields, others)?;
    }
    Ok(message)
}

/// Draws the same every time.
fn rng(which: u64) -> ChaCha8Rng {
    ChaCha8Rng::seed_from_u64(which)
}
