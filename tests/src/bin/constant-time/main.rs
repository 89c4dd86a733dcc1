//! Measures whether the time of an operation tells two classes of secrets apart, as dudect does (O. Reparaz, J. Balasch,
//! I. Verbauwhede, "Dude, is my code constant time?", 2017). docs/constant-time.md has the result and its limits; what is
//! exact on the paths that it takes is `tests/secret-tracking`.

mod operations;
mod sample;
mod statistics;

use std::process::ExitCode;

use clap::Parser;
use indicatif::{ProgressBar, ProgressStyle};

use operations::{Expected, OPERATIONS, Operation};
use statistics::{Times, largest_t};

/// Measures whether the time of an operation tells two classes of secrets apart.
///
/// |t| is the largest of Welch's t over the whole samples and 100 cuts of the slowest. Below 4.5 nothing was found, which is
/// no proof that there is nothing: a difference that is smaller than the noise of the machine, or that shows on other secrets
/// than these, stays hidden. The two times are the medians of the classes. From 4.5 on measure again, with more samples; from 10 on the classes differ.
#[derive(Parser)]
#[command(name = "constant-time", version, max_term_width = 100)]
struct Arguments {
    /// Measure only the operations whose names contain this.
    #[arg(long, default_value = "")]
    only: String,
    /// Samples of the fast operations; slow ones get a share.
    #[arg(long, default_value_t = 40_000)]
    samples: usize,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let chosen: Vec<_> = OPERATIONS.iter().filter(|one| one.name.contains(&arguments.only)).collect();
    println!("{:<36} {:<32} {:>7} {:>10} {:>10} {:>7}", "operation", "classes", "samples", "ns", "ns", "|t|");
    let mut good = true;
    for operation in chosen {
        let samples = (arguments.samples / operation.share).max(200);
        let progress = ProgressBar::new(samples as u64)
            .with_style(ProgressStyle::with_template("{msg} {bar:40} {pos}/{len}").expect("a template"));
        progress.set_message(operation.name);
        let times = (operation.measure)(samples, &progress);
        progress.finish_and_clear();
        good &= report(operation, samples, &times);
    }
    if good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Prints a line; whether it is as it should be.
fn report(operation: &Operation, samples: usize, times: &Times) -> bool {
    let (t, [a, b]) = (largest_t(times), times.medians());
    let differs = t >= DIFFERS;
    let verdict = match operation.expected {
        Expected::Difference if differs => "differs, as it should",
        Expected::Difference => "NOT FOUND",
        Expected::NoDifference if differs => "DIFFERS",
        Expected::NoDifference if t >= UNCLEAR => "unclear: measure again",
        Expected::NoDifference => "",
    };
    println!(
        "{:<36} {:<32} {samples:>7} {a:>10} {b:>10} {t:>7.1} {verdict}",
        operation.name, operation.classes
    );
    differs == (operation.expected == Expected::Difference)
}

/// The paper's threshold.
const UNCLEAR: f64 = 4.5;

/// Where the paper's program says "probably not constant time".
const DIFFERS: f64 = 10.0;
