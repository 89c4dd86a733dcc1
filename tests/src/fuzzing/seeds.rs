//! Inputs to begin with, from real conversations; always the same. What fuzzing finds on top of them is in
//! `otrv4/fuzz/corpus`, too.

use std::collections::BTreeSet;

use otrv4::prekey_server::{ensemble_query, no_ensembles, retrieval};
use otrv4::wire::{Reader, Versions, error_message, query_message, whitespace_tag};
use rand::rngs::ChaCha8Rng;
use rand::{Rng, SeedableRng};

use super::film::KEYS;
use super::mutation::encoded;
use super::prekeys::{cast, exchange};
use super::scene::{aims, scenes, talking};
use super::{libotr_files, readers, saved};

/// Of the target of that name; none if there is no such target.
pub fn of(target: &str) -> Vec<Vec<u8>> {
    match target {
        "lines" => lines(),
        "readers" => for_readers(),
        "fragments" => choices(0, 30, 200),
        "receive" => first_choices(u8::try_from(aims().len()).expect("few kinds"), 10),
        "correspondent" => each_with_choices(talking().len(), 90),
        "prekeys" => first_choices(8, 3),
        "saved" => saved_states(),
        "libotr_files" => files(),
        _ => Vec::new(),
    }
}

/// One of each kind.
fn lines() -> Vec<Vec<u8>> {
    let tagged = format!("hello{}", whitespace_tag(Versions::V34));
    let mut lines: Vec<String> = vec![
        "hello".into(),
        tagged,
        query_message(Versions::V34),
        "?OTR?v23?".into(),
        "<p><b>?OTRv4?</b> wants to talk</p>".into(),
        error_message(otrv4::wire::ErrorCode::Unreadable),
        "?OTR Error: You sent garbage".into(),
        "?OTR|1f|100|200,00001,00002,?OTR:AAQ,".into(),
        "?OTR|1f|100|200,1,65535,?OTR:AAQ,".into(),
        "?OTR|100|0,1,2,?OTR:AAM,".into(),
        "?OTR,1,2,?OTR:AAI,".into(),
        "?OTRP|1f|100|0,1,2,AAQ,".into(),
        "?OTR:AAQDAAABAA==.".into(),
        "AAQ=.".into(),
    ];
    lines.extend(kinds(all_lines(), |line| encoded(line).map(|message| kind(&message))));
    lines.into_iter().map(String::into_bytes).collect()
}

/// One of each kind for each reader, its name before it, and choices.
fn for_readers() -> Vec<Vec<u8>> {
    let seeds = read().into_iter().map(|(which, bytes)| [&[which], bytes.as_slice()].concat());
    seeds.chain(choices(readers::CHANGED, 30, 90)).collect()
}

/// What that reader reads, one of each kind.
pub(super) fn for_reader(name: u8) -> Vec<Vec<u8>> {
    read().into_iter().filter_map(|(which, bytes)| (which == name).then_some(bytes)).collect()
}

fn read() -> Vec<(u8, Vec<u8>)> {
    let cast = cast();
    let owner = cast.profile.owner();
    let exchange = exchange();
    let (client_profile, prekey_profile, message) = &cast.ensembles[0];
    let identity = "bob@example.org";
    let mut seeds: Vec<(u8, Vec<u8>)> = vec![
        (readers::REQUEST, exchange.question.clone()),
        (readers::REQUEST, exchange.publication.clone()),
        (readers::REQUEST, ensemble_query(owner, identity, Versions::V34)),
        (readers::REQUEST, exchange.dake_1.clone()),
        (readers::REQUEST, exchange.dake_2.clone()),
        (readers::CLIENT_PROFILE, client_profile.clone()),
        (readers::PREKEY_PROFILE, prekey_profile.clone()),
        (readers::PREKEY_MESSAGE, message.clone()),
        (readers::ENSEMBLE, [client_profile.as_slice(), prekey_profile, message].concat()),
        (readers::ENSEMBLES, retrieval(owner, identity, &cast.ensembles)),
        (readers::ENSEMBLES, no_ensembles(owner, identity)),
        (readers::PLAINTEXT, b"a text".to_vec()),
        (
            readers::NUMBERS,
            [[0, 7].as_slice(), &[1, 0, 7], &[4, 0, 0, 0, 1, 7], &[5, 0, 0, 0, 1, 7]].concat(),
        ),
    ];
    let messages = all_lines().filter_map(|line| encoded(&line));
    seeds.extend(kinds(messages, |message| Some(kind(message))).map(|message| (readers::MESSAGE, message)));
    let profile = scenes().iter().filter_map(|scene| scene.past.iter().find_map(|line| v3_profile(line)));
    seeds.extend(profile.take(1).map(|profile| (readers::CLIENT_PROFILE, profile)));
    let plaintexts = scenes().iter().flat_map(|scene| scene.plaintexts.iter().cloned());
    let by_records = |plaintext: &Vec<u8>| Some((plaintext.len(), plaintext.first().copied()));
    seeds.extend(kinds(plaintexts, by_records).map(|plaintext| (readers::PLAINTEXT, plaintext)));
    seeds
}

/// The profile in an Identity message, if it carries a key of version 3.
fn v3_profile(line: &str) -> Option<Vec<u8>> {
    let message = encoded(line)?;
    let mut r = Reader::new(message.get(11..)?);
    (message.get(..3)? == [0, 4, 0x35]).then_some(())?;
    let profile = otrv4::client_profile::ClientProfile::read(&mut r).ok()?;
    (r.since(0).get(..4)? == [0, 0, 0, 7]).then(|| profile.as_bytes().to_vec())
}

fn saved_states() -> Vec<Vec<u8>> {
    let sessions = scenes().iter().step_by(3).map(|scene| (saved::SESSION, scene.victim.session.clone()));
    let accounts = scenes().iter().step_by(29).map(|scene| (saved::ACCOUNT, scene.victim.account.clone()));
    let all: BTreeSet<_> = sessions.chain(accounts).collect();
    all.into_iter().map(|(which, bytes)| [&[which], bytes.as_slice()].concat()).collect()
}

fn files() -> Vec<Vec<u8>> {
    let fingerprint = "0123456789abcdef0123456789abcdef01234567";
    let fingerprints = [
        format!("bob@example.org\talice@example.org/\tprpl-jabber\t{fingerprint}\tverified\n"),
        format!("bob\talice\tIRC\t{fingerprint}\t\n"),
    ];
    let tags = "# a comment\nalice@example.org/\tprpl-jabber\t0000abcd\nalice\tIRC\t12345678\n";
    let files = [
        (libotr_files::PRIVATE_KEYS, KEYS.to_vec()),
        (libotr_files::PRIVATE_KEYS, with_a_quoted_name()),
        (libotr_files::PRIVATE_KEYS, b"(privkeys)".to_vec()),
        (libotr_files::FINGERPRINTS, fingerprints.concat().into_bytes()),
        (libotr_files::INSTANCE_TAGS, tags.into()),
    ];
    files.into_iter().map(|(which, bytes)| [&[which], bytes.as_slice()].concat()).collect()
}

/// A name with everything in it that has to be escaped.
fn with_a_quoted_name() -> Vec<u8> {
    let keys = String::from_utf8(KEYS.to_vec()).expect("text");
    keys.replacen("alice@example.org", r#"al\\ice \"of\" \'example\'"#, 1).into_bytes()
}

/// Choices that begin with that one.
fn choices(first: u8, count: u64, length: usize) -> Vec<Vec<u8>> {
    let random = |seed| {
        let mut bytes = vec![0; length];
        ChaCha8Rng::seed_from_u64(seed).fill_bytes(&mut bytes);
        bytes
    };
    (0..count).map(|seed| [&[first], random(seed).as_slice()].concat()).collect()
}

/// So many choices of each first one.
fn first_choices(first: u8, count: u64) -> Vec<Vec<u8>> {
    (0..first).flat_map(|first| choices(first, count, 90)).collect()
}

/// Choices that begin with each of so many.
fn each_with_choices(count: usize, length: usize) -> Vec<Vec<u8>> {
    let wide = count > 256;
    let first = (0..count).map(|n| u16::try_from(n).expect("few").to_be_bytes());
    let seeds = first.zip(choices(0, count as u64, length));
    seeds.map(|(first, choices)| [&first[usize::from(!wide)..], &choices[1..]].concat()).collect()
}

fn all_lines() -> impl Iterator<Item = String> {
    scenes().iter().flat_map(|scene| scene.past.iter().cloned())
}

/// The first of each kind.
fn kinds<T, K: Ord>(all: impl Iterator<Item = T>, kind: impl Fn(&T) -> Option<K>) -> impl Iterator<Item = T> {
    let mut known = BTreeSet::new();
    all.filter(move |one| kind(one).is_some_and(|kind| known.insert(kind)))
}

/// Version, type, and its length, roughly.
fn kind(message: &[u8]) -> (Vec<u8>, usize) {
    (message.iter().take(3).copied().collect(), message.len() / 256)
}
