//! Runs schedules, over the cores, until there were enough; a failing one is made shorter. Used by the program and by the test.

use std::cell::RefCell;
use std::fmt;
use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Mutex, Once};
use std::time::Duration;

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

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Violation { invariant, detail } = &self.violation;
        writeln!(f, "seed {}: {invariant} after action {}: {detail}", self.seed, self.after)?;
        for (number, action) in &self.kept {
            writeln!(f, "{number:>6}  {action:?}")?;
        }
        write!(f, "{}", self.commands().join("\n"))
    }
}

impl Failure {
    /// The commands that replay it, in full and made short. Nothing but the end may be left, when Mallory goes.
    pub fn commands(&self) -> Vec<String> {
        let whole = command(self.seed, self.length);
        let kept: Vec<String> = self.kept.iter().map(|(number, _)| number.to_string()).collect();
        let short = (!kept.is_empty()).then(|| format!("{whole} --only {}", kept.join(",")));
        std::iter::once(whole).chain(short).collect()
    }
}

/// Replays a whole schedule.
fn command(seed: u64, length: usize) -> String {
    format!("cargo run --profile hostile -p otrv4-tests --bin hostile -- --seed {seed} --length {length}")
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
    let (mut world, mut at) = (None, 0);
    let result = catch_unwind(AssertUnwindSafe(|| {
        let world = world.insert(World::new(seed));
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
            Some(Violation { invariant: PANICS, detail })
        }
    };
    let mut summary = world.map(|world| world.summary).unwrap_or_default();
    summary.schedules += 1;
    summary.violations += u64::from(violation.is_some());
    Outcome { summary, violation: violation.map(|violation| (violation, at)) }
}

/// Runs the schedules of these seeds one after another on so many threads until `enough` says so, or so many have failed.
/// What fails is made short and told at once, while the other threads go on. Gives the sum, and all failures.
pub fn run_many(
    seeds: impl Iterator<Item = u64> + Send,
    length: usize,
    threads: usize,
    most_failures: usize,
    enough: impl Fn(&Summary) -> bool + Sync,
    tell: impl Fn(&Failure) + Sync,
) -> (Summary, Vec<Failure>) {
    let (seeds, sum, failures) = (Mutex::new(seeds), Mutex::new(Summary::default()), Mutex::new(Vec::new()));
    let failed = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while failed.load(Ordering::Relaxed) < most_failures {
                    let Some(seed) = seeds.lock().expect("no thread panics").next() else { break };
                    let outcome = watched(seed, length, || run(seed, length, None));
                    let is_enough = {
                        let mut sum = sum.lock().expect("no thread panics");
                        sum.add(&outcome.summary);
                        enough(&sum)
                    };
                    if let Some((violation, after)) = outcome.violation
                        && failed.fetch_add(1, Ordering::Relaxed) < most_failures
                    {
                        let failure = shorten(seed, length, violation, after);
                        tell(&failure);
                        failures.lock().expect("no thread panics").push(failure);
                    }
                    if is_enough {
                        break;
                    }
                }
            });
        }
    });
    (sum.into_inner().expect("no thread panics"), failures.into_inner().expect("no thread panics"))
}

/// Tells of a schedule that takes long while it runs: whoever ends the process would not know which one it was.
fn watched<T>(seed: u64, length: usize, work: impl FnOnce() -> T) -> T {
    let (done, is_done) = mpsc::channel::<()>();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            if is_done.recv_timeout(LONG) == Err(RecvTimeoutError::Timeout) {
                let command = command(seed, length);
                // Not by `eprintln`, which tests keep to themselves.
                _ = writeln!(std::io::stderr(), "after {LONG:?} still running: {command}");
            }
        });
        let result = work();
        drop(done);
        result
    })
}

/// Takes actions out of a failing schedule as long as it fails in the same way: first halves, then less and less, until it has been
/// tried often enough.
fn shorten(seed: u64, length: usize, violation: Violation, after: usize) -> Failure {
    let mut kept: Vec<(usize, Action)> = draw(seed, length).into_iter().enumerate().take(after).collect();
    let fails = |schedule: &[(usize, Action)]| {
        let outcome = run_actions(seed, schedule);
        outcome.violation.is_some_and(|(other, _)| is_the_same(&other, &violation))
    };
    let (mut size, mut tries) = (kept.len().div_ceil(2), 0);
    while size > 0 && !kept.is_empty() {
        let mut start = 0;
        while start < kept.len() && tries < MOST_TRIES {
            tries += 1;
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

/// Whether the same is wrong; with panics, whether it is the same place in the program.
fn is_the_same(one: &Violation, other: &Violation) -> bool {
    let place = |it: &Violation| it.detail.lines().next().map(str::to_owned);
    one.invariant == other.invariant && (one.invariant != PANICS || place(one) == place(other))
}

const PANICS: &str = "nothing_panics";

/// A schedule takes a second or a few; with a flood a minute.
const LONG: Duration = Duration::from_secs(300);

/// So that what fails only in a long schedule is told within minutes.
const MOST_TRIES: usize = 200;

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
