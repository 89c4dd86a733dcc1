//! The judge's verdict on transcripts: forged if a rule is broken, or if it looks more like forged ones than like real ones.

use super::conversations::Conversations;
use super::cuts::groups;
use super::features::features;
use super::learner::Learner;
use super::look::Look;
use super::record::{Keys, Transcript};
use super::repeats::{Fresh, Repeats, fresh_values};
use super::signatures::Signatures;
use super::{
    Found, Violation, causality, clocks, form, numbers, offline, pieces, readable, revealing, signatures,
};

/// What the judge says of one transcript.
#[derive(Clone, Debug)]
pub struct Verdict {
    /// Whether it is forged.
    pub forged: bool,
    /// The rules that it breaks.
    pub violations: Vec<Violation>,
    /// How likely it is forged by its features, from 0 to 1; none without examples to learn from.
    pub likely: Option<f64>,
}

/// What was seen of one transcript, by itself.
#[derive(Clone)]
pub struct Seen {
    violations: Found,
    pub(crate) features: Vec<f64>,
    pub(crate) names: Vec<String>,
    /// The kinds that it is of.
    pub(crate) groups: Vec<String>,
    fresh: Vec<Fresh>,
}

/// Looks at one transcript with all rules that need no other one. Whatever is in it: it may be somebody's who does not want to be judged.
pub fn see(transcript: &Transcript, keys: &Keys) -> Seen {
    let look = Look::at(transcript, keys);
    let of_another_time = clocks::dates_are_of_our_time(&look);
    if !of_another_time.is_empty() {
        // Of these nothing can be computed.
        let nothing = Transcript { lines: Vec::new(), ensemble: None };
        return Seen { violations: of_another_time, ..see(&nothing, keys) };
    }
    let (names, features): (Vec<_>, Vec<_>) = features(&look, keys).into_iter().unzip();
    let features = features.into_iter().map(|value| if value.is_finite() { value } else { 0.0 }).collect();
    let (violations, fresh, groups) = (broken_rules(&look, keys), fresh_values(&look, keys), groups(&look));
    Seen { violations, features, names, groups, fresh }
}

/// What nothing speaks for or against in a transcript, in words; none if everything was looked at.
pub fn not_verified(transcript: &Transcript, keys: &Keys) -> Option<String> {
    let look = Look::at(transcript, keys);
    let starts = offline::not_verified(&look);
    let old = look.messages.iter().filter(|it| matches!(it.number("protocol version"), Some(2 | 3))).count();
    let starts =
        (starts > 0).then(|| format!("signatures of {starts} offline starts, for want of their prekeys"));
    let old = (old > 0).then(|| format!("{old} messages of older versions than 4"));
    let all: Vec<String> = starts.into_iter().chain(old).collect();
    (!all.is_empty()).then(|| all.join("; "))
}

/// What a look at one transcript has against it.
pub(crate) fn broken_rules(look: &Look<'_>, keys: &Keys) -> Found {
    let signatures = Signatures::of(look, keys);
    let placed = Conversations::of(look, &signatures);
    [
        form::every_line_is_written_as_the_specification_says(look),
        form::tags_are_those_of_the_two(look, keys),
        form::profiles_were_current(look, keys),
        form::offers_are_those_of_the_profile(look, keys),
        pieces::pieces_make_messages(look),
        pieces::pieces_have_one_length(look),
        signatures::ring_signatures_hold(look, &signatures),
        offline::offline_starts_hold(look, keys),
        numbers::ratchets_count_as_honest_ones_do(look, &placed),
        numbers::flags_are_those_with_a_meaning(look),
        numbers::first_keys_are_those_of_the_handshake(look, &placed),
        numbers::public_keys_are_in_their_groups(look),
        causality::handshakes_answer_what_has_arrived(look, &signatures),
        causality::data_messages_follow_a_handshake(look, &placed),
        causality::nobody_goes_on_without_an_answer(look, &placed),
        causality::everybody_goes_on_after_an_answer(look, &placed),
        revealing::revealed_keys(look, &placed),
        revealing::keys_are_revealed_when_a_ratchet_begins_or_all_ends(look, &placed),
        readable::messages_open_under_their_chain_keys(look),
        readable::chain_keys_lead_to_each_other(look),
        readable::plaintexts_are_as_programs_write_them(look),
        clocks::time_goes_forward(look),
        clocks::nobody_speaks_by_the_clock(look),
    ]
    .concat()
}

/// The verdicts on all of them, side by side. `examples` are known ones, with whether they are forged.
pub fn judge(all: &[&Seen], examples: &[(&Seen, bool)]) -> Vec<Verdict> {
    let mut repeats = Repeats::default();
    // What an example holds must not be here again either.
    let with_examples = all.iter().copied().chain(examples.iter().map(|(seen, _)| *seen));
    with_examples.enumerate().for_each(|(which, seen)| repeats.note(which, &seen.fresh));
    let mut repeated = repeats.found();
    let known = not_convicted(examples);
    // From few of one kind there is nothing to be learned, and from none of it that everybody is of the other.
    let enough =
        [false, true].iter().all(|kind| known.iter().filter(|(_, forged)| forged == kind).count() >= FEW);
    let learner = enough.then(|| Learner::learn(&known));
    let verdict = |(which, seen): (usize, &&Seen)| {
        let mut violations = seen.violations.clone();
        violations.extend(repeated.remove(&which).unwrap_or_default());
        let likely = learner.as_ref().map(|learner| learner.judge(&seen.features));
        let forged = !violations.is_empty() || likely.is_some_and(|likely| likely > 0.5);
        Verdict { forged, violations, likely }
    };
    all.iter().enumerate().map(verdict).collect()
}

/// Examples of each kind that a learner needs.
const FEW: usize = 10;

/// The features of those examples that no rule convicts: there is nothing to be learned from the others.
fn not_convicted<'a>(examples: &[(&'a Seen, bool)]) -> Vec<(&'a [f64], bool)> {
    let mut repeats = Repeats::default();
    examples.iter().enumerate().for_each(|(which, (seen, _))| repeats.note(which, &seen.fresh));
    let repeated = repeats.found();
    let convicts = |which: usize, seen: &Seen| !seen.violations.is_empty() || repeated.contains_key(&which);
    let left = examples.iter().enumerate().filter(|(which, (seen, _))| !convicts(*which, seen));
    left.map(|(_, (seen, forged))| (seen.features.as_slice(), *forged)).collect()
}

#[cfg(test)]
impl Seen {
    /// What shows no more than these numbers.
    pub(crate) fn of_features(features: Vec<(String, f64)>, groups: Vec<String>) -> Self {
        let (names, features) = features.into_iter().unzip();
        Self { violations: Vec::new(), features, names, groups, fresh: Vec::new() }
    }
}
