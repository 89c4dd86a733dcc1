//! The judge looks at whatever he is given.

use rand::RngExt;

use super::*;
use crate::judge::record::read;
use crate::judge::verdict::{judge, not_verified, see};

#[test]
fn no_record_is_too_strange_to_be_judged() {
    let (talk, keys) = real(None, &|_| true);
    let (pieces, _) = real(Some(400), &|_| true);
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let seen: Vec<_> = (0..150)
        .map(|which| {
            let mut talk = if which % 3 == 0 { pieces.clone() } else { talk.clone() };
            for _ in 0..rng.random_range(1..6) {
                spoil(&mut talk, &mut rng);
            }
            not_verified(&talk, &keys);
            see(&talk, &keys)
        })
        .collect();
    let all: Vec<_> = seen.iter().collect();
    assert!(judge(&all, &[]).iter().any(|verdict| verdict.forged));
}

fn spoil(talk: &mut Transcript, rng: &mut ChaCha8Rng) {
    const TIMES: [i64; 6] = [i64::MIN, -1, 0, 999_999_999, 9_999_999_999, i64::MAX];
    if talk.lines.is_empty() {
        return;
    }
    let at = rng.random_range(0..talk.lines.len());
    let line = &mut talk.lines[at];
    match rng.random_range(0..13) {
        0 => line.at = TIMES[rng.random_range(0..TIMES.len())],
        1 => line.received = Some(TIMES[rng.random_range(0..TIMES.len())]),
        2 => line.received = None,
        3 => line.sender = ["", "mallory@example.org"][rng.random_range(0..2)].into(),
        4 => line.line.clear(),
        5 => {
            line.line = ["?OTR:", "?OTR:AAQ=.", "?OTR|1|100|0,1,1,ä,", "?OTRv?", "?OTR,1,2,x,"]
                [rng.random_range(0..5)]
            .into()
        }
        6 => talk.lines.truncate(at),
        7 => _ = talk.lines.remove(at),
        8 => talk.lines.reverse(),
        9 => {
            let again = line.clone();
            talk.lines.insert(0, again);
        }
        10 => line.chain_key = Some(["", "AA==", "ä", &"A".repeat(88)][rng.random_range(0..4)].into()),
        11 => talk.ensemble = Some("?".into()),
        _ => {
            if let Ok(mut bytes) = unarmour(&line.line) {
                let place = rng.random_range(0..bytes.len());
                match rng.random_bool(0.5) {
                    true => bytes[place] = rng.random(),
                    false => bytes.truncate(place),
                }
                line.line = armour(&bytes);
            }
        }
    }
}

#[test]
fn dates_of_another_time_are_found_and_nothing_is_computed_of_them() {
    let (mut talk, keys) = real(None, &|_| true);
    talk.lines[0].at = 0;
    talk.lines.last_mut().unwrap().received = Some(i64::MAX);
    let seen = see(&talk, &keys);
    let verdicts = judge(&[&seen], &[]);
    let [verdict] = verdicts.as_slice() else { panic!("one") };
    assert_eq!(rules(&verdict.violations), ["dates_are_of_our_time"]);
}

#[test]
fn files_that_are_too_large_and_accounts_that_are_one_are_refused() {
    let path = std::env::temp_dir().join(format!("judge-{}.jsonl", std::process::id()));
    let line = |length: usize| format!("{{\"lines\":[],\"ensemble\":\"{}\"}}\n", "A".repeat(length));
    std::fs::write(&path, line(10) + &line(5 << 20)).unwrap();
    let refused = read(&path).unwrap_err().to_string();
    std::fs::write(&path, line(10)).unwrap();
    let taken = read(&path).unwrap().len();
    std::fs::write(&path, vec![0; 17 << 20]).unwrap();
    let account = Keys::read([&path, &path]).err().unwrap().to_string();
    std::fs::remove_file(&path).unwrap();
    assert!(refused.contains(":2: more than 4194304 bytes"), "{refused}");
    assert_eq!(taken, 1);
    assert!(account.contains("more than 16777216 bytes"), "{account}");
    let saved = &people(1)[0];
    assert!(Keys::load([saved, saved]).is_err());
}
