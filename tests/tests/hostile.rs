//! A hundred thousand actions of users, time and a hostile network, from fresh seeds: nothing of [`otrv4_tests::hostile`] is
//! violated. `cargo run --profile hostile -p otrv4-tests --bin hostile -- --help` runs more of them.

use std::io::Write;

use otrv4_tests::hostile::{LENGTH, run, run_many};

#[test]
fn no_schedule_of_a_hostile_network_breaks_anything() {
    let first = getrandom::u64().expect("the system's randomness");
    // Not by `println`, which is shown only when a test fails: whoever ends one that hangs needs them.
    _ = writeln!(std::io::stderr(), "hostile network: seeds from {first}, {LENGTH} actions each");
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let seeds = (0..).map(|n| first.wrapping_add(n));
    let (summary, failures) = run_many(seeds, LENGTH, threads, 1, |sum| sum.count() >= ACTIONS, |_| {});
    println!("{summary}");
    if let Some(failure) = failures.first() {
        panic!("{failure}");
    }
    // What is checked must have happened.
    let numbers = [summary.texts_owed, summary.keys_revealed, summary.reunions, summary.expiries];
    assert!(numbers.iter().zip([1000, 1000, 50, 10]).all(|(number, least)| *number > least), "{summary}");
    for (group, kind) in HAPPENS {
        assert!(summary.kinds.contains_key(&(*group, (*kind).to_string())), "no {group}: {kind}\n{summary}");
    }
}

#[test]
fn the_same_few_schedules_hold_each_time() {
    for seed in FIXED {
        let outcome = run(seed, LENGTH, None);
        assert!(outcome.violation.is_none(), "seed {seed}: {:?}", outcome.violation);
    }
}

#[test]
fn a_seed_gives_the_same_schedule_each_time() {
    let [one, other] = [(), ()].map(|()| run(1, 100, None).summary.to_string());
    assert_eq!(one, other);
}

const ACTIONS: u64 = 100_000;

/// What happens in so many actions: each many times, so that chance alone does not leave one out.
const HAPPENS: &[(&str, &str)] = &[
    ("conversations", "version 2, interactive"),
    ("conversations", "version 3, interactive"),
    ("conversations", "version 4, interactive"),
    ("conversations", "version 4, offline, by who starts it"),
    ("conversations", "version 4, offline, by who was away"),
    ("conversations ended", "by Expiry"),
    ("conversations ended", "by Them"),
    ("conversations ended", "by Us"),
    ("SMP", "success"),
    ("SMP", "failure"),
    ("met", "one started"),
    ("met", "both started"),
    ("owed", "a text that came before its handshake"),
    ("owed", "a text in other pieces"),
    ("owed", "a text after a flood"),
    ("owed", "the result of a verification, to both"),
];

/// Seeds that are run each time, so that a fault which one of them shows is seen at once. Those of mended faults belong here.
const FIXED: [u64; 11] = [
    1,
    2,
    3,
    4,
    9,
    5061633113821047739,
    3010748058298008219,
    8276914965638374244,
    17740416278342956812,
    3242013652941816109,
    5914820356152273935,
];
