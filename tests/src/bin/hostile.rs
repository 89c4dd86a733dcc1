//! Runs schedules of the hostile network for as long as wanted, and prints what happened.

use std::io::{Error, Result};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Parser;
use indicatif::{ProgressBar, ProgressStyle};
use otrv4_tests::hostile::{LENGTH, run, run_many};

/// Two people talk through a network that drops, repeats, delays, reorders, cuts, damages and makes up lines; clients die and
/// days pass. Whatever must hold is checked after each step. A failing seed is printed with the command that replays it.
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
    /// Stop after so many actions
    #[arg(long, conflicts_with = "seed")]
    actions: Option<u64>,
    /// Stop after so many seconds
    #[arg(long, conflicts_with = "seed")]
    seconds: Option<u64>,
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

#[allow(clippy::disallowed_methods, reason = "a program that runs for a time needs a clock")]
fn explore(arguments: &Arguments) -> Result<ExitCode> {
    let first = getrandom::u64().map_err(Error::other)?;
    let (start, actions) = (Instant::now(), arguments.actions);
    let time = match (arguments.seconds, actions) {
        (None, None) => Some(Duration::from_secs(60)),
        (seconds, _) => seconds.map(Duration::from_secs),
    };
    let threads =
        arguments.threads.map_or_else(|| std::thread::available_parallelism().map(usize::from), Ok)?;
    let bar = ProgressBar::new(time.map_or_else(|| actions.unwrap_or(0), |time| time.as_secs()));
    let style = ProgressStyle::with_template("{elapsed_precise} {wide_bar} {msg}").map_err(Error::other)?;
    bar.set_style(style);
    println!("seeds from {first}");
    let (summary, failure) =
        run_many((0..).map(|n| first.wrapping_add(n)), arguments.length, threads, |sum| {
            bar.set_position(time.map_or_else(|| sum.count(), |_| start.elapsed().as_secs()));
            bar.set_message(format!("{} actions", sum.count()));
            time.is_some_and(|time| start.elapsed() >= time)
                || actions.is_some_and(|actions| sum.count() >= actions)
        });
    bar.finish_and_clear();
    print!("{summary}");
    println!("{:>10}  seconds", start.elapsed().as_secs());
    let Some(failure) = failure else { return Ok(ExitCode::SUCCESS) };
    println!(
        "\n{} after action {}: {}",
        failure.violation.invariant, failure.after, failure.violation.detail
    );
    for (number, action) in &failure.kept {
        println!("{number:>6}  {action:?}");
    }
    failure.commands().iter().for_each(|command| println!("{command}"));
    Ok(ExitCode::FAILURE)
}
