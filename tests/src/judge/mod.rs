//! A judge who gets transcripts and all long-term keys after the fact, and tries to tell real conversations from forged ones by
//! everything that anybody has thought of. Spec: otrv4.md "Forging Transcripts", "Deniability".
//!
//! | file | holds |
//! |---|---|
//! | `record` | a transcript and the keys, as files |
//! | `look` | what a transcript shows: messages put together from pieces, with their fields |
//! | `form`, `pieces`, `signatures`, `offline`, `numbers`, `causality`, `revealing`, `clocks` | rules that an honest conversation keeps, each a function |
//! | `readable` | what the messages say, where whoever received them shows it |
//! | `conversations` | which handshake a data message belongs to, and what an honest side would send next |
//! | `repeats` | what must be nowhere twice, within a transcript and across all of them |
//! | `features`, `learner` | what has no rule, in numbers; and what tells two piles of transcripts apart in these numbers |
//! | `cuts` | whether one number alone tells them apart, in all of them or among those of one kind |
//! | `verdict` | all of it together |
//! | `score` | how a judge did |
//! | `lives`, `live`, `forged`, `leaks` | lives of two people; real ones, by two honest programs; forged ones; and forgers who give themselves away |
//! | `experiment` | real and forged ones, shuffled, before the judge |

pub mod cuts;
pub mod experiment;
pub mod record;
pub mod verdict;

mod causality;
mod clocks;
mod conversations;
mod features;
mod forged;
mod form;
mod leaks;
mod learner;
mod live;
mod lives;
mod look;
mod numbers;
mod offline;
mod pieces;
mod readable;
mod repeats;
mod revealing;
mod score;
mod signatures;
#[cfg(test)]
mod tests;

/// What a judge says against a transcript.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The rule that it breaks.
    pub rule: &'static str,
    /// Where, and how.
    pub detail: String,
}

/// What a rule finds, or nothing.
type Found = Vec<Violation>;

fn violation(rule: &'static str, detail: impl Into<String>) -> Violation {
    Violation { rule, detail: detail.into() }
}
