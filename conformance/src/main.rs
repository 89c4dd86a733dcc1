//! Checks implementations of OTR: our own library with the test vectors of `vectors/`, any program as a black box.

mod check;
mod conversation;
mod correspondent;
mod illegal;
mod message;
mod report;
mod signed;
mod stop;
mod subject;
mod vectors;

use std::ffi::OsString;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};

use check::Lab;
use report::Report;
use subject::Program;

/// Conformance of implementations of Off-the-Record Messaging, versions 4, 3 and 2.
#[derive(Parser)]
#[command(version, max_term_width = 110)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Check our own library against the test vectors
    Vectors {
        /// Only vectors whose name contains this
        #[arg(long, value_name = "PART")]
        filter: Option<String>,
    },
    /// Drive a program that speaks the line protocol of conformance/PIPE.md; exit status 1 if it fails a case
    ///
    /// Each case starts the program anew, talks to it as its correspondent and carries the lines between the two, in order,
    /// late, twice or damaged. What the program does not have is skipped, and the table says so.
    Check(CheckArguments),
}

#[derive(Args)]
struct CheckArguments {
    /// Only cases whose name contains this, such as v3/ or smp
    #[arg(long, value_name = "PART")]
    filter: Option<String>,
    /// Print one JSON object a case instead of the table
    #[arg(long)]
    json: bool,
    /// Print the names and sections of the cases and run nothing
    #[arg(long)]
    list: bool,
    /// How long the program may take to answer one command, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 20)]
    timeout: u64,
    /// How many cases run at once; as many as there are processors, without
    #[arg(long, value_name = "N")]
    jobs: Option<usize>,
    /// The program and its own arguments; those of PIPE.md are added behind them
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, required_unless_present = "list", num_args = 1..)]
    program: Vec<OsString>,
}

fn main() -> ExitCode {
    let passed = match Arguments::parse().command {
        Command::Vectors { filter } => vectors::run(filter.as_deref().unwrap_or_default()),
        Command::Check(arguments) => check(arguments),
    };
    if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn check(arguments: CheckArguments) -> bool {
    let CheckArguments { filter, json, list, timeout, jobs, program } = arguments;
    let chosen = check::cases(filter.as_deref().unwrap_or_default());
    if list {
        chosen.iter().for_each(|case| println!("{:<44} {}", case.name(), case.section()));
        return true;
    }
    let lab = Lab::new(Program::new(program, Duration::from_secs(timeout)));
    let mut report = Report::new(json);
    let jobs = jobs.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from));
    lab.run(&chosen, jobs, &mut |result| report.add(&result));
    report.end()
}
