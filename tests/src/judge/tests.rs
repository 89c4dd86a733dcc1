//! Each rule finds what breaks it; and the secrets of the two are what finds a nonce that is there again.

use base64::prelude::{BASE64_STANDARD, Engine as _};
use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;

use super::Found;
use super::experiment::{Leak, people};
use super::leaks::leak;
use super::live::converse;
use super::lives::{Begun, Life};
use super::look::Look;
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

fn edit<T>(line: &mut Line, change: impl FnOnce(&mut Vec<u8>) -> T) -> T {
    let body = line.line.strip_prefix("?OTR:").unwrap().strip_suffix('.').unwrap();
    let mut bytes = BASE64_STANDARD.decode(body).unwrap();
    let given = change(&mut bytes);
    line.line = format!("?OTR:{}.", BASE64_STANDARD.encode(bytes));
    given
}

fn rules(found: &Found) -> Vec<&'static str> {
    let mut rules: Vec<_> = found.iter().map(|violation| violation.rule).collect();
    rules.sort_unstable();
    rules.dedup();
    rules
}

#[test]
fn each_rule_finds_what_breaks_it() {
    let (talk, keys) = real(None, &|look| {
        let mut said: Vec<i64> = look.data().filter(|it| !it.2.quiet).map(|it| it.1.at / 5).collect();
        said.dedup();
        let late = look.messages.iter().any(|message| message.received.unwrap() / 5 > message.at / 5);
        ratchet_of_two(look).is_some() && said.len() > 6 && late && look.messages[0].at != look.messages[1].at
    });
    let look = Look::at(&talk, &keys);
    assert_eq!(broken_rules(&look, &keys), Vec::new());
    let breaks = |change: &dyn Fn(&mut [Line]), expected: &[&str]| {
        let mut changed = talk.clone();
        change(&mut changed.lines);
        let found = broken_rules(&Look::at(&changed, &keys), &keys);
        assert_eq!(rules(&found), expected, "{found:?}");
    };
    let line_of = |name| look.messages.iter().find(|message| message.is(name)).unwrap().last_line;
    let last_data = look.data().last().unwrap().1.last_line;
    let (reveals, same_ratchet) = ratchet_of_two(&look).unwrap();
    let end = talk.lines.last().unwrap().at;

    breaks(
        &|lines| lines[0].sender = "mallory@example.org".into(),
        &["every_line_is_written_as_the_specification_says"],
    );
    // The last byte of the sender's tag.
    breaks(
        &|lines| edit(&mut lines[line_of("Identity message")], |bytes| bytes[6] ^= 1),
        &["tags_are_those_of_the_two"],
    );
    let later = 5 * 24 * 60 * 60;
    breaks(
        &|lines| {
            for line in lines {
                line.at += later;
                line.received = line.received.map(|received| received + later);
            }
        },
        &["profiles_were_current"],
    );
    breaks(&|lines| lines[0].line = "?OTRv2?".into(), &["offers_are_those_of_the_profile"]);
    // The last byte is of r3.
    let r3 = |bytes: &mut Vec<u8>| *bytes.iter_mut().rev().nth(56).unwrap() ^= 1;
    breaks(&|lines| edit(&mut lines[line_of("Auth-I message")], r3), &["ring_signatures_hold"]);
    // The last byte of pn, in a message whose key nobody has revealed yet.
    breaks(
        &|lines| edit(&mut lines[last_data], |bytes| bytes[15] ^= 1),
        &["ratchets_count_as_honest_ones_do"],
    );
    breaks(
        &|lines| edit(&mut lines[reveals], |bytes| *bytes.last_mut().unwrap() ^= 1),
        &["revealed_keys_belong_to_messages_of_the_other_side"],
    );
    // Who has received nothing can neither go on nor know keys.
    breaks(
        &|lines| {
            let bob = lines[0].sender.clone();
            lines.iter_mut().filter(|line| line.sender == bob).for_each(|line| line.received = None);
        },
        &["nobody_goes_on_without_an_answer", "revealed_keys_belong_to_messages_of_the_other_side"],
    );
    breaks(
        &|lines| {
            let keys = look.messages.iter().find(|message| message.last_line == reveals).unwrap();
            let length = 64 * keys.data.as_ref().unwrap().revealed.len();
            let field = edit(&mut lines[reveals], |bytes| {
                let field = bytes.split_off(bytes.len() - length - 4);
                bytes.extend([0; 4]);
                field
            });
            edit(&mut lines[same_ratchet], |bytes| {
                bytes.truncate(bytes.len() - 4);
                bytes.extend(field);
            });
        },
        &["keys_are_revealed_when_a_ratchet_begins_or_all_ends"],
    );
    breaks(&|lines| lines.swap(0, 1), &["time_goes_forward"]);
    breaks(&|lines| lines[0].received = Some(lines[0].at - 1), &["time_goes_forward"]);
    breaks(&|lines| lines[0].received = Some(end + 1000), &["time_goes_forward"]);
    breaks(
        &|lines| lines.iter_mut().for_each(|line| line.received = Some(line.at)),
        &["not_everything_arrives_at_once"],
    );
    breaks(
        &|lines| {
            for line in lines {
                line.at = line.at / 5 * 5;
                line.received = line.received.map(|received| received / 5 * 5);
            }
        },
        &["nobody_speaks_by_the_clock"],
    );
}

#[test]
fn an_offline_start_with_another_signature_or_another_ensemble_is_found() {
    let offline = |begin| matches!(begin, Begun::Offline(..));
    let (talk, keys) = begun(&offline, None, &|look| look.messages[0].is("Non-Interactive-Auth message"));
    let look = Look::at(&talk, &keys);
    assert!(look.ensemble.is_some());
    assert_eq!(broken_rules(&look, &keys), Vec::new());
    let other = {
        let offered =
            |look: &Look<'_>| look.messages[0].bytes("X") != Look::at(&talk, &keys).messages[0].bytes("X");
        begun(&offline, None, &|look| look.messages[0].is("Non-Interactive-Auth message") && offered(look)).0
    };
    // The first byte of c1.
    let mut signed_otherwise = talk.clone();
    edit(&mut signed_otherwise.lines[0], |bytes| {
        let sigma = look.messages[0].ring_signature().unwrap().concat();
        let at = bytes.windows(sigma.len()).position(|window| window == sigma).unwrap();
        bytes[at] ^= 1;
    });
    let mut prekeys_of_another = talk.clone();
    prekeys_of_another.ensemble = other.ensemble;
    for changed in [signed_otherwise, prekeys_of_another] {
        let found = broken_rules(&Look::at(&changed, &keys), &keys);
        assert_eq!(rules(&found), ["offline_starts_hold"], "{found:?}");
    }
}

#[test]
fn pieces_of_another_length_are_found() {
    let (mut talk, keys) = real(Some(400), &|_| true);
    let look = Look::at(&talk, &keys);
    assert_eq!(broken_rules(&look, &keys), Vec::new());
    let cut = look.messages.iter().find(|message| message.pieces.len() > 2).unwrap();
    let (name, last) = (talk.lines[cut.last_line].sender.clone(), cut.last_line);
    let numbers: Vec<usize> =
        (0..=last).rev().filter(|number| talk.lines[*number].sender == name).take(cut.pieces.len()).collect();
    // From the first piece to the second one.
    let (one, other) = (numbers[cut.pieces.len() - 1], numbers[cut.pieces.len() - 2]);
    let first = &mut talk.lines[one].line;
    first.pop();
    let moved = first.pop().unwrap();
    first.push(',');
    let second = &mut talk.lines[other].line;
    let begins = second.match_indices(',').nth(2).unwrap().0 + 1;
    second.insert(begins, moved);
    let found = broken_rules(&Look::at(&talk, &keys), &keys);
    assert_eq!(rules(&found), ["pieces_have_one_length"], "{found:?}");
}

#[test]
fn the_secrets_of_the_two_show_a_nonce_that_is_there_again_and_those_of_strangers_do_not() {
    let keys = |seed| {
        let saved = people(seed);
        Keys::load([&saved[0], &saved[1]]).unwrap()
    };
    let (theirs, strangers) = (keys(1), keys(2));
    let forged: Vec<Transcript> = (0..200)
        .filter_map(|seed| {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            let life = Life::draw(&mut rng, START);
            let talk = leak(Leak::Nonces, 0, &life, &theirs, &mut rng)?;
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
