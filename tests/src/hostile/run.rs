//! Runs schedules, over the cores, until there were enough; a failing one is made shorter. Used by the program and by the test.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, Once};

use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;

use super::action::{Action, draw};
use super::invariants::Violation;
use super::summary::Summary;
use super::world::World;

/// What a schedule came to.
#[derive(Debug)]
pub struct Outcome {
    /// In numbers.
    pub summary: Summary,
    /// What was wrong, if anything, and the number of the action after which it showed.
    pub violation: Option<(Violation, usize)>,
}

/// A schedule that fails, made short.
#[derive(Debug)]
pub struct Failure {
    /// Its seed.
    pub seed: u64,
    /// How long it was.
    pub length: usize,
    /// What was wrong.
    pub violation: Violation,
    /// After how many actions, before it was made shorter.
    pub after: usize,
    /// The actions that are left, with their numbers in the whole schedule.
    pub kept: Vec<(usize, Action)>,
}

impl Failure {
    /// The command that replays it, in full or made short.
    pub fn commands(&self) -> [String; 2] {
        let program = "cargo run --release -p otrv4-tests --bin hostile --";
        let whole = format!("{program} --seed {} --length {}", self.seed, self.length);
        let kept: Vec<String> = self.kept.iter().map(|(number, _)| number.to_string()).collect();
        let short = format!("{whole} --only {}", kept.join(","));
        [whole, short]
    }
}

/// How long a schedule is.
pub const LENGTH: usize = 400;

/// Runs the schedule of a seed, or only these of its actions.
pub fn run(seed: u64, length: usize, only: Option<&[usize]>) -> Outcome {
    let schedule = draw(seed, length).into_iter().enumerate();
    let schedule: Vec<(usize, Action)> =
        schedule.filter(|(number, _)| only.is_none_or(|only| only.contains(number))).collect();
    run_actions(seed, &schedule)
}

fn run_actions(seed: u64, schedule: &[(usize, Action)]) -> Outcome {
    hush();
    let mut world = World::new(seed);
    let mut at = 0;
    let result = catch_unwind(AssertUnwindSafe(|| {
        for (done, (_, action)) in schedule.iter().enumerate() {
            at = done + 1;
            world.perform(*action)?;
        }
        world.settle(&mut ChaCha8Rng::seed_from_u64(!seed))
    }));
    let violation = match result {
        Ok(Ok(())) => None,
        Ok(Err(violation)) => Some(violation),
        Err(_) => {
            let detail = PANIC.with(|last| last.borrow_mut().take()).unwrap_or_default();
            Some(Violation { invariant: "nothing_panics", detail })
        }
    };
    let mut summary = world.summary;
    summary.schedules += 1;
    summary.violations += u64::from(violation.is_some());
    Outcome { summary, violation: violation.map(|violation| (violation, at)) }
}

/// Runs the schedules of these seeds one after another on so many threads until `enough` says so. Gives the sum, and the
/// first failure, made short.
pub fn run_many(
    seeds: impl Iterator<Item = u64> + Send,
    length: usize,
    threads: usize,
    enough: impl Fn(&Summary) -> bool + Sync,
) -> (Summary, Option<Failure>) {
    let (seeds, sum, failure) = (Mutex::new(seeds), Mutex::new(Summary::default()), Mutex::new(None));
    let (failed, count) = (AtomicBool::new(false), AtomicU64::new(0));
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while !failed.load(Ordering::Relaxed) {
                    let Some(seed) = seeds.lock().expect("no thread panics").next() else { break };
                    let outcome = run(seed, length, None);
                    count.fetch_add(1, Ordering::Relaxed);
                    let mut sum = sum.lock().expect("no thread panics");
                    sum.add(&outcome.summary);
                    sum.violations += outcome.summary.violations;
                    if let Some((violation, after)) = outcome.violation {
                        failed.store(true, Ordering::Relaxed);
                        failure.lock().expect("no thread panics").get_or_insert((seed, violation, after));
                    }
                    if enough(&sum) {
                        break;
                    }
                }
            });
        }
    });
    let failure = failure.into_inner().expect("no thread panics");
    let failure = failure.map(|(seed, violation, after)| shorten(seed, length, violation, after));
    (sum.into_inner().expect("no thread panics"), failure)
}

/// Takes actions out of a failing schedule as long as it fails in the same way: first halves, then less and less.
fn shorten(seed: u64, length: usize, violation: Violation, after: usize) -> Failure {
    let mut kept: Vec<(usize, Action)> = draw(seed, length).into_iter().enumerate().take(after).collect();
    let fails = |schedule: &[(usize, Action)]| {
        let outcome = run_actions(seed, schedule);
        outcome.violation.is_some_and(|(other, _)| other.invariant == violation.invariant)
    };
    let mut size = kept.len().div_ceil(2);
    while size > 0 && !kept.is_empty() {
        let mut start = 0;
        while start < kept.len() {
            let end = (start + size).min(kept.len());
            let shorter = [&kept[..start], &kept[end..]].concat();
            if fails(&shorter) {
                kept = shorter;
            } else {
                start = end;
            }
        }
        size /= 2;
    }
    Failure { seed, length, violation, after, kept }
}

thread_local! {
    static PANIC: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// A panic is told as a violation, and not on standard error as well, each time that a schedule is tried.
fn hush() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            let ours = std::thread::current().name().is_none();
            PANIC.with(|last| *last.borrow_mut() = Some(panic.to_string()));
            if !ours {
                before(panic);
            }
        }));
    });
}
