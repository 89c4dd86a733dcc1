//! Real and forged transcripts, shuffled, before the judge: how often is he right?

use std::fmt;
use std::io::Result;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use otrv4::keys::{DsaKey, ForgingSecret};
use otrv4::{Account, Lifetimes};
use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;
use rand::seq::SliceRandom;

pub use super::forged::Kept;
pub use super::leaks::Leak;
pub use super::score::Score;

use super::cuts::clearest;
use super::forged::forge;
use super::leaks::leak;
use super::live::converse;
use super::lives::Life;
use super::record::{self, Keys, Transcript};
use super::verdict::{Seen, judge, see};
use crate::START;

/// Two people, what they said, and what a seed made of it.
pub struct Experiment {
    seed: u64,
    saved: [Vec<u8>; 2],
    /// What forgers have of them, who are one of the two.
    accounts: [Account; 2],
    keys: Keys,
    real: Vec<(Transcript, Seen)>,
}

/// What somebody forged.
pub struct Pile(Vec<(Transcript, Seen)>);

impl Pile {
    /// As the judge gets them.
    pub fn transcripts(&self) -> impl Iterator<Item = &Transcript> {
        self.0.iter().map(|(transcript, _)| transcript)
    }

    fn seen(&self) -> impl Iterator<Item = &Seen> {
        self.0.iter().map(|(_, seen)| seen)
    }
}

/// Who forges.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ForgedBy {
    /// Somebody with that key, as well as can be.
    Key(Kept),
    /// Somebody who gives himself away.
    Leak(Leak),
}

impl ForgedBy {
    /// All of them.
    pub fn all() -> impl Iterator<Item = Self> {
        Kept::ALL.into_iter().map(Self::Key).chain(Leak::ALL.into_iter().map(Self::Leak))
    }
}

impl fmt::Display for ForgedBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const NAMES: [&str; 2] = ["Alice", "Bob"];
        f.write_str(&match self {
            Self::Key(Kept::LongTerm(side)) => format!("long-term secret of {}", NAMES[*side]),
            Self::Key(Kept::Forging(side)) => format!("forging secret of {}", NAMES[*side]),
            Self::Leak(Leak::FieldOrder) => "leaky: two fields in the other order".into(),
            Self::Leak(Leak::Clock) => "leaky: people speak by the clock".into(),
            Self::Leak(Leak::AtOnce) => "leaky: a network that takes no time".into(),
            Self::Leak(Leak::Nonces) => "leaky: nonces of signatures again".into(),
            Self::Leak(Leak::EvenNetwork) => "leaky: a network that is always alike".into(),
            Self::Leak(Leak::Blanks) => "leaky: texts filled up with blanks".into(),
            Self::Leak(Leak::OldProfile) => "leaky: profiles that had been renewed".into(),
            Self::Leak(Leak::Flags) => "leaky: a flag without a meaning".into(),
            Self::Leak(Leak::FirstKeys) => "leaky: first keys other than the handshake's".into(),
            Self::Leak(Leak::KeyOrder) => "leaky: MAC keys in the reverse order".into(),
        })
    }
}

impl Experiment {
    /// Alice and Bob with keys from that seed, who have really talked so many times.
    pub fn new(seed: u64, count: usize) -> Self {
        let saved = people(seed);
        let keys = Keys::load([&saved[0], &saved[1]]).expect("what was saved");
        let accounts = saved.each_ref().map(|saved| Account::load(saved).expect("what was saved"));
        let account = |side: usize| (accounts[side].id(), saved[side].as_slice());
        let both = [account(0), account(1)];
        let real = in_parallel(count, |which| {
            let mut rng = generator(seed, REAL, which);
            loop {
                let life = Life::draw(&mut rng, START);
                if let Some(transcript) = converse(&life, both, &mut rng) {
                    let seen = see(&transcript, &keys);
                    return (transcript, seen);
                }
            }
        });
        Self { seed, saved, accounts, keys, real }
    }

    /// As many forged transcripts, or by a leaky forger a quarter as many, who are to be caught by fewer.
    pub fn forge(&self, by: ForgedBy) -> Pile {
        let stream = ForgedBy::all().position(|other| other == by).map_or(REAL, |n| REAL + 1 + n as u64);
        let count = match by {
            ForgedBy::Key(_) => self.real.len(),
            ForgedBy::Leak(_) => self.real.len().div_ceil(4),
        };
        let forged = in_parallel(count, |which| {
            let mut rng = generator(self.seed, stream, which);
            loop {
                let life = Life::draw(&mut rng, START);
                let accounts = self.accounts.each_ref();
                let forged = match by {
                    ForgedBy::Key(kept) => {
                        forge(&life, accounts, kept, &mut rng).map(|(transcript, _)| transcript)
                    }
                    ForgedBy::Leak(what) => leak(what, which as u64, &life, (accounts, &self.keys), &mut rng),
                };
                if let Some(transcript) = forged {
                    let seen = see(&transcript, &self.keys);
                    return (transcript, seen);
                }
            }
        });
        Pile(forged)
    }

    /// Forged ones and as many real ones, shuffled: the judge learns from one half and judges the other, and once more the other
    /// way round.
    pub fn judge(&self, forged: &Pile) -> Score {
        let seen: Vec<&Seen> = forged.seen().collect();
        self.judge_seen(&seen)
    }

    fn judge_seen(&self, forged: &[&Seen]) -> Score {
        let real = self.real.iter().take(forged.len()).map(|(_, seen)| (seen, false)).collect::<Vec<_>>();
        let forged = forged.iter().map(|seen| (*seen, true)).collect::<Vec<_>>();
        // As many of each in both halves: more of one kind to learn from would be fewer of it to judge.
        let (mut rng, mut halves) = (ChaCha8Rng::seed_from_u64(self.seed), [Vec::new(), Vec::new()]);
        for mut pile in [real, forged] {
            pile.shuffle(&mut rng);
            halves[1].extend(pile.split_off(pile.len() / 2));
            halves[0].append(&mut pile);
        }
        halves.iter_mut().for_each(|half| half.shuffle(&mut rng));
        let mut judged = Vec::new();
        for (learn_from, to_judge) in [(&halves[0], &halves[1]), (&halves[1], &halves[0])] {
            let seen: Vec<&Seen> = to_judge.iter().map(|(seen, _)| *seen).collect();
            let verdicts = judge(&seen, learn_from);
            judged
                .extend(verdicts.into_iter().zip(to_judge).map(|(verdict, (_, forged))| (verdict, *forged)));
        }
        Score::of(judged, clearest(&halves.concat()))
    }

    /// A forger who is careful as a rule, and leaky in some of his transcripts: the least share of those, in percent, at which the
    /// judge sees that something is wrong with the pile. None if he sees it at no share up to a quarter.
    pub fn least_share_found(&self, careful: &Pile, leaky: &Pile) -> Option<usize> {
        let shows = |share: &usize| {
            let count = self.real.len() * share / 100;
            let mixed: Vec<&Seen> = leaky.seen().take(count).chain(careful.seen().skip(count)).collect();
            self.judge_seen(&mixed).shows_something()
        };
        [1, 2, 3, 5, 10, 25].into_iter().find(shows)
    }

    /// Real and forged transcripts, and the accounts of both, as files in that folder.
    pub fn write(&self, folder: &Path) -> Result<()> {
        std::fs::create_dir_all(folder)?;
        for (name, saved) in ["alice.account", "bob.account"].iter().zip(&self.saved) {
            std::fs::write(folder.join(name), saved)?;
        }
        record::write(&folder.join("real.jsonl"), self.real.iter().map(|(transcript, _)| transcript))?;
        for (number, by) in ForgedBy::all().enumerate() {
            let forged = self.forge(by);
            record::write(&folder.join(format!("forged-{number}.jsonl")), forged.transcripts())?;
        }
        Ok(())
    }
}

/// Alice, who has a key of version 3 as well, and Bob. Both keep their forging secret, and can be written to while away.
pub(crate) fn people(seed: u64) -> [Vec<u8>; 2] {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    ["alice@example.org", "bob@example.org"].map(|id| {
        let mut account = Account::new(id, ForgingSecret::Keep, Lifetimes::default(), &mut rng, START);
        if id.starts_with("alice") {
            account.set_v3_key(Some(DsaKey::generate(&mut rng)), &mut rng, START);
        }
        account.make_prekeys(0, &mut rng, START).expect("few");
        account.save().to_vec()
    })
}

fn generator(seed: u64, stream: u64, which: usize) -> ChaCha8Rng {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream((stream << 32) + which as u64 + 1);
    rng
}

/// The same as one after the other, on all cores.
fn in_parallel<T: Send>(count: usize, make: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let next = AtomicUsize::new(0);
    let work = || {
        let mut made = Vec::new();
        loop {
            let which = next.fetch_add(1, Ordering::Relaxed);
            if which >= count {
                return made;
            }
            made.push((which, make(which)));
        }
    };
    let mut made: Vec<(usize, T)> = std::thread::scope(|scope| {
        let running: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        running.into_iter().flat_map(|thread| thread.join().expect("no panic")).collect()
    });
    made.sort_by_key(|(which, _)| *which);
    made.into_iter().map(|(_, made)| made).collect()
}

const REAL: u64 = 1;
