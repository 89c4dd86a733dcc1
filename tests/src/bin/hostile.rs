//! Runs schedules of the hostile network for as long as wanted, and prints what happened.

use std::io::{Error, Result};
use std::process::ExitCode;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use clap::Parser;
use indicatif::{ProgressBar, ProgressStyle};
use otrv4_tests::hostile::{LENGTH, Summary, run, run_many};

/// Two people talk through a network that drops, repeats, delays, reorders, cuts, damages and makes up lines; clients die and
/// days pass. Whatever must hold is checked after each step. A failing seed is printed with the command that replays it, and the
/// run goes on until ten have failed.
#[derive(Parser)]
struct Arguments {
    /// Replay the schedule of this seed
    #[arg(long)]
    seed: Option<u64>,
    /// Only these of its actions, by number
    #[arg(long, value_delimiter = ',', requires = "seed")]
    only: Option<Vec<usize>>,
    /// Actions in a schedule
    #[arg(long, default_value_t = LENGTH)]
    length: usize,
    /// Run this seed and those after it, instead of fresh ones
    #[arg(long, conflicts_with = "seed")]
    from: Option<u64>,
    /// Stop after so many actions
    #[arg(long, conflicts_with = "seed")]
    actions: Option<u64>,
    /// Stop after so many seconds
    #[arg(long, conflicts_with = "seed")]
    seconds: Option<u64>,
    /// Stop when so many seeds have failed
    #[arg(long, default_value_t = 10, conflicts_with = "seed")]
    failures: usize,
    /// Schedules at the same time; as many as there are cores if not given
    #[arg(long)]
    threads: Option<usize>,
}

fn main() -> Result<ExitCode> {
    let arguments = Arguments::parse();
    match arguments.seed {
        Some(seed) => Ok(replay(seed, &arguments)),
        None => explore(&arguments),
    }
}

fn replay(seed: u64, arguments: &Arguments) -> ExitCode {
    let outcome = run(seed, arguments.length, arguments.only.as_deref());
    print!("{}", outcome.summary);
    match outcome.violation {
        Some((violation, after)) => {
            println!("{} after action {after}: {}", violation.invariant, violation.detail);
            ExitCode::FAILURE
        }
        None => ExitCode::SUCCESS,
    }
}

fn explore(arguments: &Arguments) -> Result<ExitCode> {
    let first = arguments.from.map_or_else(|| getrandom::u64().map_err(Error::other), Ok)?;
    let threads =
        arguments.threads.map_or_else(|| std::thread::available_parallelism().map(usize::from), Ok)?;
    println!("seeds from {first}, {} actions each, {threads} at the same time", arguments.length);
    let seeds = (0..).map(|n| first.wrapping_add(n));
    let progress = Progress::new(arguments)?;
    let (summary, failures) = run_many(
        seeds,
        arguments.length,
        threads,
        arguments.failures,
        |sum| progress.show(sum),
        |failure| progress.bar.suspend(|| println!("\n{failure}\n")),
    );
    progress.bar.finish_and_clear();
    print!("{summary}");
    println!("{:>10}  seconds", progress.start.elapsed().as_secs());
    let failed: Vec<String> = failures.iter().map(|failure| failure.commands()[0].clone()).collect();
    if failed.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    println!("\n{} seeds failed:\n{}", failed.len(), failed.join("\n"));
    Ok(ExitCode::FAILURE)
}

/// How far a run is: a bar where somebody looks, and a line each minute for whoever reads later.
struct Progress {
    start: Instant,
    actions: Option<u64>,
    time: Option<Duration>,
    bar: ProgressBar,
    /// How many lines were printed.
    lines: Mutex<u64>,
}

#[allow(clippy::disallowed_methods, reason = "a program that runs for a time needs a clock")]
impl Progress {
    fn new(arguments: &Arguments) -> Result<Self> {
        let actions = arguments.actions;
        let time = match (arguments.seconds, actions) {
            (None, None) => Some(Duration::from_secs(60)),
            (seconds, _) => seconds.map(Duration::from_secs),
        };
        let bar = ProgressBar::new(time.map_or_else(|| actions.unwrap_or(0), |time| time.as_secs()));
        let style =
            ProgressStyle::with_template("{elapsed_precise} {wide_bar} {msg}").map_err(Error::other)?;
        bar.set_style(style);
        Ok(Self { start: Instant::now(), actions, time, bar, lines: Mutex::new(0) })
    }

    /// Shows it, and says whether it is enough.
    fn show(&self, sum: &Summary) -> bool {
        let passed = self.start.elapsed();
        self.bar.set_position(self.time.map_or_else(|| sum.count(), |_| passed.as_secs()));
        self.bar.set_message(format!("{} actions", sum.count()));
        let mut lines = self.lines.lock().expect("no thread panics");
        let minutes = passed.as_secs() / 60;
        if minutes > *lines {
            *lines = minutes;
            self.bar.suspend(|| println!("{minutes:>6} min  {}", sum.in_one_line()));
        }
        self.time.is_some_and(|time| passed >= time)
            || self.actions.is_some_and(|actions| sum.count() >= actions)
    }
}
