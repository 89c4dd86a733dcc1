//! Finds every branch and every memory access that depends on a secret, on the paths that are taken here. Each case runs
//! under valgrind in a process of its own, with its secrets marked as uninitialised memory; memcheck follows them through
//! every computation, exactly, whatever else the machine does. docs/constant-time.md tells how to read the result.

mod controls;
mod conversation;
mod explained;
mod primitives;
mod report;
mod secret;

use std::error::Error;
use std::fs;
use std::process::{Command, ExitCode, Stdio};

use clap::Parser;
use report::Finding;

/// Finds branches and memory accesses that depend on secrets, by valgrind.
#[derive(Parser)]
#[command(version, max_term_width = 100)]
struct Arguments {
    /// Run only the cases whose names contain this.
    #[arg(long, default_value = "")]
    only: String,
    /// Show the stacks of findings that have an explanation, too.
    #[arg(long)]
    all: bool,
    /// Run this case here, without valgrind.
    #[arg(long, hide = true)]
    case: Option<String>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if let Some(name) = arguments.case {
        let case = CASES.iter().find(|case| case.name == name).expect("the name of a case");
        (case.run)();
        return ExitCode::SUCCESS;
    }
    match track(&arguments) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("secret-tracking: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Whether every case went as it has to.
fn track(arguments: &Arguments) -> Result<bool, Box<dyn Error>> {
    let mut good = true;
    let mut all = Vec::new();
    println!("{:<48} {:>9} {:>11}", "", "explained", "unexplained");
    for case in CASES.iter().filter(|case| case.name.contains(&arguments.only)) {
        let findings = run(case)?;
        let (explained, unexplained): (Vec<_>, Vec<_>) =
            findings.iter().partition(|finding| explained::of(finding).is_some());
        let as_expected = unexplained.is_empty() != case.leaks;
        let verdict = if as_expected { "" } else { "  WRONG" };
        println!("{:<48} {:>9} {:>11}{verdict}", case.name, explained.len(), unexplained.len());
        if arguments.all {
            explained.into_iter().for_each(|finding| show(finding));
        }
        if !case.leaks {
            unexplained.into_iter().for_each(|finding| show(finding));
        }
        good &= as_expected;
        all.extend(findings);
    }
    if arguments.only.is_empty() {
        for explanation in explained::that_fit_none(&all) {
            println!("explains nothing any more: {:?}", explanation.lines);
            good = false;
        }
    }
    Ok(good)
}

fn show(finding: &Finding) {
    if let Some(explanation) = explained::of(finding) {
        println!("  {}:", explanation.why);
    }
    println!("{finding}");
}

/// Runs a case under valgrind.
fn run(case: &Case) -> Result<Vec<Finding>, Box<dyn Error>> {
    let xml = tempfile::NamedTempFile::new()?;
    let status = Command::new("valgrind")
        .args(["--tool=memcheck", "--leak-check=no", "--expensive-definedness-checks=yes"])
        .args(["--num-callers=60", "--error-limit=no", "--demangle=no", "--xml=yes"])
        .arg(format!("--xml-file={}", xml.path().display()))
        .arg(std::env::current_exe()?)
        .args(["--case", case.name])
        .stdout(Stdio::null())
        .status()
        .map_err(|error| format!("valgrind: {error}"))?;
    if !status.success() {
        return Err(format!("{}: {status}", case.name).into());
    }
    Ok(report::read(&fs::read_to_string(xml.path())?)?)
}

struct Case {
    name: &'static str,
    run: fn(),
    /// A control that has to be reported.
    leaks: bool,
}

const fn case(name: &'static str, run: fn()) -> Case {
    Case { name, run, leaks: false }
}

const fn control(name: &'static str, run: fn()) -> Case {
    Case { name, run, leaks: true }
}

const CASES: &[Case] = &[
    control("control: a comparison that stops early", controls::early_exit),
    control("control: a look-up by a secret", controls::look_up),
    case("control: a comparison in constant time", controls::constant_time),
    case("ring signature, first place", || primitives::ring_signature(0)),
    case("ring signature, second place", || primitives::ring_signature(1)),
    case("ring signature, third place", || primitives::ring_signature(2)),
    case("Ed448: k·G and k·A", primitives::ed448),
    case("EdDSA", primitives::eddsa),
    case("DH-3072: 2^x and B^x", primitives::dh3072),
    case("DH-1536: 2^x and B^x", primitives::dh1536),
    case("DSA", primitives::dsa),
    case("MACs and their comparison", primitives::mac),
    case("SMP, both sides", primitives::smp),
    case("SMP of version 3, both sides", primitives::smp_v3),
    case("DAKEZ and messages, long-term keys", conversation::long_term_keys),
    case("XZDH and messages, long-term keys", conversation::long_term_keys_offline),
    case("DAKEZ and messages, ephemeral ECDH keys", conversation::ephemeral_keys),
    case("XZDH and messages, ephemeral ECDH keys", conversation::ephemeral_keys_offline),
    case("SMP in a conversation, what is typed", conversation::smp),
    case("AKE of version 3, long-term keys", conversation::long_term_keys_v3),
];
