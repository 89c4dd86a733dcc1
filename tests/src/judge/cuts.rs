//! Whether one number alone tells forged transcripts from real ones: in all of them, or among those that are of one kind. A learner
//! who is right in half of all cases may still know one forged transcript of twenty for certain; here that shows.

use std::collections::BTreeMap;
use std::fmt;

use statrs::distribution::{DiscreteCDF as _, Hypergeometric};

use super::look::Look;
use super::verdict::Seen;

/// Where real and forged transcripts part most clearly.
#[derive(Clone, Debug)]
pub struct Cut {
    /// Transcripts of which kind.
    pub group: String,
    /// What was counted or measured.
    pub feature: String,
    /// Those with more than that.
    pub above: f64,
    /// Of so many real ones so many have more.
    pub real: (usize, usize),
    /// Of so many forged ones.
    pub forged: (usize, usize),
    /// How likely at most one of all cuts that were tried is as clear as this if nothing differs: its own chance, times their
    /// number.
    pub chance: f64,
}

impl fmt::Display for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { group, feature, above, real, forged, chance } = self;
        let ((reals, real), (forgeds, forged)) = (real, forged);
        write!(
            f,
            "{chance:.1e}: {feature} > {above:.2} in {group}: {real} of {reals} real, {forged} of {forgeds} forged"
        )
    }
}

/// The kinds that a transcript is of: by how it begins, whether messages are in pieces, and whether lines were lost.
pub(crate) fn groups(look: &Look<'_>) -> Vec<String> {
    let begins = look.messages.first().map_or("nothing", |message| message.parsed.name);
    let pieces = if look.pieces > 0 { "in pieces" } else { "whole" };
    let lost = look.lines.iter().any(|line| line.received.is_none());
    let lost = if lost { "with losses" } else { "without losses" };
    vec![
        "all".into(),
        begins.into(),
        pieces.into(),
        lost.into(),
        format!("{begins}, {pieces}"),
        format!("{begins}, {lost}"),
    ]
}

/// The clearest of all cuts: each feature, in each group, at some of its values.
pub(crate) fn clearest(all: &[(&Seen, bool)]) -> Option<Cut> {
    let mut members: BTreeMap<&str, Vec<(&Seen, bool)>> = BTreeMap::new();
    for (seen, forged) in all {
        for group in &seen.groups {
            members.entry(group).or_default().push((seen, *forged));
        }
    }
    let names = all.first().map(|(seen, _)| seen.names.as_slice()).unwrap_or_default();
    let (mut tried, mut clearest) = (0_usize, None::<Cut>);
    for (group, members) in members {
        for (number, feature) in names.iter().enumerate() {
            let values: Vec<(f64, bool)> =
                members.iter().map(|(seen, forged)| (seen.features[number], *forged)).collect();
            for above in places(&values) {
                tried += 1;
                let (real, forged, chance) = cut(&values, above);
                if clearest.as_ref().is_none_or(|clearest| chance < clearest.chance) {
                    let (group, feature) = (group.to_owned(), feature.clone());
                    clearest = Some(Cut { group, feature, above, real, forged, chance });
                }
            }
        }
    }
    clearest.map(|cut| Cut { chance: (cut.chance * tried as f64).min(1.0), ..cut })
}

/// Values to cut at, so that little, half or most lies above.
fn places(values: &[(f64, bool)]) -> Vec<f64> {
    let mut sorted: Vec<f64> = values.iter().map(|(value, _)| *value).collect();
    sorted.sort_by(f64::total_cmp);
    let last = sorted.len() - 1;
    let at = QUANTILES.iter().map(|permille| sorted[last * permille / 1000]);
    let mut places: Vec<f64> = at.filter(|value| *value < sorted[last]).collect();
    places.dedup();
    places
}

const QUANTILES: [usize; 13] = [0, 10, 20, 50, 100, 250, 500, 750, 900, 950, 980, 990, 999];

/// Of so many real ones so many lie above, the same of forged ones, and how likely chance alone puts them as unevenly.
fn cut(values: &[(f64, bool)], above: f64) -> ((usize, usize), (usize, usize), f64) {
    let count = |kind: bool| {
        let of = values.iter().filter(|(_, forged)| *forged == kind);
        (of.clone().count(), of.filter(|(value, _)| *value > above).count())
    };
    let (real, forged) = (count(false), count(true));
    let [all, forgeds, above, both] =
        [real.0 + forged.0, forged.0, real.1 + forged.1, forged.1].map(|n| n as u64);
    let draw = Hypergeometric::new(all, forgeds, above).expect("a part of all");
    // So few or fewer of those above are forged, or so many or more.
    let few = draw.cdf(both);
    let many = if both == 0 { 1.0 } else { draw.sf(both - 1) };
    (real, forged, (2.0 * few.min(many)).min(1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two thousand transcripts with one number each, half of them forged, and the clearest cut.
    fn clearest_of(real: &dyn Fn(usize) -> f64, forged: &dyn Fn(usize) -> f64) -> Cut {
        let groups = |n: usize| vec!["all".to_owned(), format!("kind {}", n % 3)];
        let seen = |n: usize| {
            let value = if n.is_multiple_of(2) { forged(n) } else { real(n) };
            Seen::of_features(vec![("value".into(), value)], groups(n))
        };
        let all: Vec<Seen> = (0..2000).map(seen).collect();
        let labelled: Vec<(&Seen, bool)> =
            all.iter().enumerate().map(|(n, seen)| (seen, n.is_multiple_of(2))).collect();
        clearest(&labelled).expect("some")
    }

    fn noise(n: usize) -> f64 {
        (n * 7919 % 1009) as f64 / 1009.0
    }

    #[test]
    fn what_differs_nowhere_is_no_clear_cut() {
        assert!(clearest_of(&noise, &noise).chance > 0.05);
        assert!(clearest_of(&|_| 1.0, &|n| if n == 2 { 2.0 } else { 1.0 }).chance > 0.5);
    }

    #[test]
    fn one_forged_transcript_of_thirty_that_gives_itself_away_is_a_clear_cut() {
        let cut = clearest_of(&noise, &|n| if n % 60 == 0 { 5.0 } else { noise(n) });
        assert!(cut.chance < 1e-5, "{cut}");
        assert_eq!((cut.group.as_str(), cut.real.1, cut.forged.1), ("kind 0", 0, 34), "{cut}");
    }

    #[test]
    fn so_is_a_number_that_is_missing_at_its_lower_end() {
        assert!(clearest_of(&noise, &|n| noise(n).max(0.05)).chance < 1e-6);
    }
}
