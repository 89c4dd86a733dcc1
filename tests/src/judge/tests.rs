//! Each rule finds what breaks it; and the secrets of the two are what finds a nonce that is there again.

mod handshakes;
mod messages;
mod nonsense;
mod readable;
mod revealed;
mod times;

use otrv4::Account;
use otrv4::wire::{armour, unarmour};
use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;

use super::Found;
use super::experiment::{Leak, people};
use super::leaks::leak;
use super::live::converse;
use super::lives::{Begun, Life};
use super::look::{Data, Look, Message};
use super::record::{Keys, Line, Transcript};
use super::repeats::{Repeats, fresh_values};
use super::verdict::broken_rules;
use crate::START;

/// A real conversation that began with a query, in which everything arrived and enough was said; with its keys.
fn real(max_line: Option<usize>, fits: &dyn Fn(&Look<'_>) -> bool) -> (Transcript, Keys) {
    let asked = |begin| matches!(begin, Begun::Asked(_));
    begun(&asked, max_line, &|look| look.messages[0].is("Query message") && fits(look))
}

/// The same, however it begins.
fn begun(
    begins: &dyn Fn(Begun) -> bool,
    max_line: Option<usize>,
    fits: &dyn Fn(&Look<'_>) -> bool,
) -> (Transcript, Keys) {
    let saved = people(1);
    let keys = Keys::load([&saved[0], &saved[1]]).unwrap();
    let accounts = [0, 1].map(|side| (keys.accounts[side].id(), saved[side].as_slice()));
    let found = (0..3000).find_map(|seed| {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let life = Life::draw(&mut rng, START);
        let likely = begins(life.begin)
            && life.said.len() > 6
            && life.manners.iter().all(|manner| manner.max_line == max_line);
        let talk = likely.then(|| converse(&life, accounts, &mut rng)).flatten()?;
        let look = Look::at(&talk, &keys);
        let arrives = talk.lines.iter().all(|line| line.received.is_some());
        (arrives && fits(&look)).then(|| talk.clone())
    });
    (found.expect("one of many"), keys)
}

/// A message with keys, and one after it in the same ratchet that says something: numbers of lines.
fn ratchet_of_two(look: &Look<'_>) -> Option<(usize, usize)> {
    look.data().find_map(|(_, first, data)| {
        let mut behind = look.data().filter(|(_, _, of)| of.ecdh == data.ecdh && of.j > 0 && !of.quiet);
        let (_, second, _) = behind.next().filter(|_| data.j == 0 && !data.revealed.is_empty())?;
        Some((first.last_line, second.last_line))
    })
}

/// A message changed by somebody who has no chain key to show for it then.
fn edit<T>(line: &mut Line, change: impl FnOnce(&mut Vec<u8>) -> T) -> T {
    let mut bytes = unarmour(&line.line).unwrap();
    let given = change(&mut bytes);
    line.line = armour(&bytes);
    line.chain_key = None;
    given
}

/// A line that never arrived, so that nobody has a key for it.
fn lose(line: &mut Line) {
    (line.received, line.chain_key) = (None, None);
}

/// What a record breaks after a change, which keeps to all rules before.
fn broken_by(talk: &Transcript, keys: &Keys, change: impl FnOnce(&mut Vec<Line>)) -> Vec<&'static str> {
    assert_eq!(broken_rules(&Look::at(talk, keys), keys), Vec::new());
    let mut changed = talk.clone();
    change(&mut changed.lines);
    rules(&broken_rules(&Look::at(&changed, keys), keys))
}

fn rules(found: &Found) -> Vec<&'static str> {
    let mut rules: Vec<_> = found.iter().map(|violation| violation.rule).collect();
    rules.sort_unstable();
    rules.dedup();
    rules
}

#[test]
fn the_secrets_of_the_two_show_a_nonce_that_is_there_again_and_those_of_strangers_do_not() {
    let keys = |seed| {
        let saved = people(seed);
        Keys::load([&saved[0], &saved[1]]).unwrap()
    };
    let (theirs, strangers) = (keys(1), keys(2));
    let accounts = people(1).map(|saved| Account::load(&saved).unwrap());
    let forged: Vec<Transcript> = (0..200)
        .filter_map(|seed| {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            let life = Life::draw(&mut rng, START);
            let talk = leak(Leak::Nonces, 0, &life, (accounts.each_ref(), &theirs), &mut rng)?;
            let look = Look::at(&talk, &theirs);
            look.messages.iter().any(|message| message.is("Auth-I message")).then_some(())?;
            assert_eq!(broken_rules(&look, &theirs), Vec::new());
            Some(talk.clone())
        })
        .take(4)
        .collect();
    let repeated = |keys: &Keys| {
        let values: Vec<_> = forged.iter().map(|talk| fresh_values(&Look::at(talk, keys), keys)).collect();
        let mut repeats = Repeats::default();
        values.iter().enumerate().for_each(|(which, values)| repeats.note(which, values));
        repeats.found()
    };
    let found = repeated(&theirs);
    assert_eq!(found.len(), 4);
    for found in found.values() {
        assert_eq!(found.len(), 1);
        assert!(found[0].detail.starts_with("nonce of a signature"), "{found:?}");
    }
    assert!(repeated(&strangers).is_empty());
}
