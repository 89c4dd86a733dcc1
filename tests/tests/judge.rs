//! The judge of [`otrv4_tests::judge`], who has every long-term key, cannot tell forged conversations from real ones; and he is no coin: he
//! catches forgers who make a mistake. Spec: otrv4.md "Forging Transcripts", "Deniability".
//!
//! `cargo run --release -p otrv4-tests --bin judge -- experiment` prints the table, with other seeds if wanted.

use otrv4_tests::judge::experiment::{Experiment, ForgedBy, Kept, Leak};

#[test]
fn a_judge_with_every_long_term_key_is_as_good_as_a_coin_and_yet_catches_forgers_who_make_a_mistake() {
    println!("seed {SEED}, {COUNT} real and as many forged transcripts each");
    let experiment = Experiment::new(SEED, COUNT);
    let careful = Kept::ALL.map(|kept| {
        let by = ForgedBy::Key(kept);
        let forged = experiment.forge(by);
        let score = experiment.judge(&forged);
        println!("{by}: {score}");
        assert!((47.0..=53.0).contains(&score.right()), "{by}: {score:#?}");
        // A judge whose answer is always the same is right in half of all cases, too.
        assert!((15.0..=85.0).contains(&score.false_alarms()), "{by}: {score}");
        assert!(score.false_violations.is_empty() && score.violations.is_empty(), "{by}: {score:#?}");
        // Nor does he know a few of them for certain: half of a hundred, give or take five.
        let (of, suspicious) = score.most_suspicious;
        assert!((35..=65).contains(&(suspicious * 100 / of)), "{by}: {score:#?}");
        assert!(score.chance() > 0.001, "{by}: {score:#?}");
        forged
    });
    for leak in Leak::ALL {
        let by = ForgedBy::Leak(leak);
        let forged = experiment.forge(by);
        let score = experiment.judge(&forged);
        println!("{by}: {score}");
        assert!(score.false_violations.is_empty(), "{by}: {score:#?}");
        let rule = leak.rule().unwrap_or("none");
        assert!(score.violations.iter().all(|violation| violation.starts_with(rule)), "{by}: {score:#?}");
        assert!(score.violations.len() * 100 >= score.forged.0 * least_convicted(leak), "{by}: {score:#?}");
        // Of 500 cases a coin is right in 250, give or take eleven.
        assert!(score.right() >= 70.0, "{by}: {score:#?}");
        // Nor does it help to err in few conversations.
        let share = experiment.least_share_found(&careful[0], &forged);
        println!("{by}: the least share that is seen: {share:?} %");
        assert!(share.is_some_and(|share| share <= seen_at(leak)), "{by}: {share:?} %");
    }
}

/// How many are to break a rule, in percent. Not each conversation is long enough to tell by.
const fn least_convicted(leak: Leak) -> usize {
    match leak {
        Leak::FieldOrder => 90,
        Leak::Nonces | Leak::Flags | Leak::FirstKeys | Leak::KeyOrder => 95,
        Leak::OldProfile => 75,
        Leak::Clock | Leak::AtOnce | Leak::EvenNetwork | Leak::Blanks => 0,
    }
}

/// At which share of leaky ones in a pile he is to see them at the latest, in percent. Of honest networks one in nine looks like an even
/// one, too, so that shows late.
const fn seen_at(leak: Leak) -> usize {
    match leak {
        Leak::EvenNetwork => 25,
        _ => 10,
    }
}

#[test]
fn a_seed_gives_the_same_verdicts_each_time() {
    let [one, other] = [(), ()].map(|()| {
        let experiment = Experiment::new(2, 4);
        ForgedBy::all()
            .map(|by| {
                let forged = experiment.forge(by);
                let score = experiment.judge(&forged).to_string();
                (score, forged.transcripts().cloned().collect::<Vec<_>>())
            })
            .collect::<Vec<_>>()
    });
    assert!(one == other, "two runs of one seed differ");
}

const SEED: u64 = 1;

/// Real ones, and forged ones by each forger with a key.
const COUNT: usize = 1000;
