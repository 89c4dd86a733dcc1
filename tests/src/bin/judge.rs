//! Tries to tell real transcripts from forged ones, with all long-term keys in hand.

use std::io::Result;
use std::path::PathBuf;

use clap::{Parser, Subcommand};
use otrv4_tests::judge::experiment::{Experiment, ForgedBy};
use otrv4_tests::judge::record::{Keys, read};
use otrv4_tests::judge::verdict::{Seen, judge, not_verified, see};

/// A judge gets transcripts and the keys of both sides, after the fact, and says which transcripts are forged, and why.
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Makes real and forged transcripts, shuffles them, and prints how often the judge is right
    Experiment {
        /// Real transcripts, and forged ones with each kind of key
        #[arg(long, default_value_t = 1000)]
        count: usize,
        /// The same seed gives the same table
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// Also write all transcripts, and the accounts of both, into this folder
        #[arg(long)]
        out: Option<PathBuf>,
        /// Also print broken rules, and the features that tell most where the judge is no coin
        #[arg(long)]
        why: bool,
    },
    /// Judges transcripts: files with one a line, `{"lines":[{"sender":…,"at":…,"received":…,"line":…}]}`, or folders of them
    Transcripts {
        /// The accounts of both sides as the library saves them, with all secrets
        #[arg(long, num_args = 2, required = true)]
        accounts: Vec<PathBuf>,
        /// Transcripts known to be real, to learn from
        #[arg(long, requires = "forged")]
        real: Option<PathBuf>,
        /// Transcripts known to be forged, to learn from
        #[arg(long, requires = "real")]
        forged: Option<PathBuf>,
        /// What to judge
        #[arg(required = true)]
        transcripts: Vec<PathBuf>,
    },
}

fn main() -> Result<()> {
    match Arguments::parse().what {
        What::Experiment { count, seed, out, why } => experiment(count, seed, out, why),
        What::Transcripts { accounts, real, forged, transcripts } => {
            let keys = Keys::read([&accounts[0], &accounts[1]])?;
            let known = |path: Option<PathBuf>| -> Result<Vec<Seen>> {
                let all = path.map_or_else(|| Ok(Vec::new()), |path| read(&path))?;
                Ok(all.iter().map(|(_, transcript)| see(transcript, &keys)).collect())
            };
            let (real, forged) = (known(real)?, known(forged)?);
            let examples: Vec<(&Seen, bool)> =
                real.iter().map(|seen| (seen, false)).chain(forged.iter().map(|seen| (seen, true))).collect();
            let mut all = Vec::new();
            for path in transcripts {
                all.extend(read(&path)?);
            }
            let seen: Vec<Seen> = all.iter().map(|(_, transcript)| see(transcript, &keys)).collect();
            let verdicts = judge(&seen.iter().collect::<Vec<_>>(), &examples);
            for ((name, transcript), verdict) in all.iter().zip(verdicts) {
                let likely = verdict
                    .likely
                    .map_or_else(String::new, |likely| format!(", forged by {:.0} %", likely * 100.0));
                let says = if verdict.forged { "forged" } else { "nothing speaks against it" };
                println!("{name}: {says}{likely}");
                if let Some(what) = not_verified(transcript, &keys) {
                    println!("    not verified: {what}");
                }
                for violation in verdict.violations {
                    println!("    {}: {}", violation.rule, violation.detail);
                }
            }
            Ok(())
        }
    }
}

fn experiment(count: usize, seed: u64, out: Option<PathBuf>, why: bool) -> Result<()> {
    println!("seed {seed}, {count} real and {count} forged transcripts each");
    println!("{COLUMNS}\n|---|---|---|---|---|---|---|---|");
    let experiment = Experiment::new(seed, count);
    let mut careful = None;
    let mut least_shares = Vec::new();
    for by in ForgedBy::all() {
        let forged = experiment.forge(by);
        let score = experiment.judge(&forged);
        println!("| {by} | {score} |");
        if why {
            score
                .false_violations
                .iter()
                .take(5)
                .for_each(|broken| println!("    real: {}", broken.join("; ")));
            score.violations.iter().take(5).for_each(|broken| println!("    forged: {}", broken.join("; ")));
            score.clearest.iter().for_each(|cut| println!("    {cut}"));
        }
        match (by, &careful) {
            (ForgedBy::Leak(_), Some(careful)) => {
                least_shares.push((by, experiment.least_share_found(careful, &forged)));
            }
            _ => careful = careful.or(Some(forged)),
        }
    }
    println!("\nThe least share of leaky ones, among forged ones, at which the judge sees something:");
    for (by, share) in least_shares {
        println!("{by}: {}", share.map_or_else(|| "none".to_owned(), |share| format!("{share} %")));
    }
    out.map_or(Ok(()), |folder| experiment.write(&folder))
}

const COLUMNS: &str = "| forged with | right | forged called forged | real called forged | real that break a rule | forged that do \
    | forged of the most suspicious | chance of the clearest difference |";
