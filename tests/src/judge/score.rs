//! How a judge did with real and forged transcripts.

use std::fmt;

use super::cuts::Cut;
use super::verdict::Verdict;

/// How often he was right, and what else he has seen.
#[derive(Clone, Debug)]
pub struct Score {
    /// Real transcripts, and of them those that he called forged.
    pub real: (usize, usize),
    /// Forged ones, and of them those that he called forged.
    pub forged: (usize, usize),
    /// Real ones that break a rule: those would be faults of the rules, or of the library.
    pub false_violations: Vec<Vec<String>>,
    /// Forged ones that break a rule, each with all that it breaks.
    pub violations: Vec<Vec<String>>,
    /// The twentieth part that looks most like forged ones to the learner, and how many of them are; none where rules have left nothing
    /// to be learned.
    pub most_suspicious: Option<(usize, usize)>,
    /// The one number by which the two piles part most clearly.
    pub clearest: Option<Cut>,
}

impl Score {
    /// From the verdict on each, with whether it was forged.
    pub(crate) fn of(mut judged: Vec<(Verdict, bool)>, clearest: Option<Cut>) -> Self {
        let count = |kind: bool, is: &dyn Fn(&Verdict) -> bool| {
            let of = judged.iter().filter(|(_, forged)| *forged == kind);
            (of.clone().count(), of.filter(|(verdict, _)| is(verdict)).count())
        };
        let (real, forged) = (count(false, &|v| v.forged), count(true, &|v| v.forged));
        let broken = |kind: bool| {
            let of = judged.iter().filter(|(_, forged)| *forged == kind);
            let broken = of.filter(|(verdict, _)| !verdict.violations.is_empty());
            let said = broken.map(|(verdict, _)| {
                let all = verdict.violations.iter();
                all.map(|violation| format!("{}: {}", violation.rule, violation.detail)).collect()
            });
            said.collect()
        };
        let (false_violations, violations) = (broken(false), broken(true));
        judged
            .sort_by(|(a, _), (b, _)| b.likely.unwrap_or_default().total_cmp(&a.likely.unwrap_or_default()));
        let twentieth = judged.len().div_ceil(20);
        let suspicious = judged.iter().take(twentieth).filter(|(_, forged)| *forged).count();
        let has_learned = judged.iter().all(|(verdict, _)| verdict.likely.is_some());
        let most_suspicious = has_learned.then_some((twentieth, suspicious));
        Self { real, forged, false_violations, violations, most_suspicious, clearest }
    }

    /// How often he was right, in percent.
    pub fn right(&self) -> f64 {
        let right = self.real.0 - self.real.1 + self.forged.1;
        100.0 * right as f64 / (self.real.0 + self.forged.0) as f64
    }

    /// Of the forged ones so many were called that, in percent.
    pub fn caught(&self) -> f64 {
        100.0 * self.forged.1 as f64 / self.forged.0 as f64
    }

    /// Of the real ones so many were, in percent.
    pub fn false_alarms(&self) -> f64 {
        100.0 * self.real.1 as f64 / self.real.0 as f64
    }

    /// How likely the clearest difference is, if there is none.
    pub fn chance(&self) -> f64 {
        self.clearest.as_ref().map_or(1.0, |cut| cut.chance)
    }

    /// Whether a rule is broken, or a difference clearer than chance makes one of a thousand times.
    pub fn shows_something(&self) -> bool {
        !self.violations.is_empty() || self.chance() < 0.001
    }
}

impl fmt::Display for Score {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (right, caught, alarms, chance) =
            (self.right(), self.caught(), self.false_alarms(), self.chance());
        let rules = (self.false_violations.len(), self.violations.len());
        let suspicious = self
            .most_suspicious
            .map_or_else(|| "–".to_owned(), |(of, suspicious)| format!("{suspicious} of {of}"));
        write!(
            f,
            "{right:6.2} % | {caught:6.2} % | {alarms:6.2} % | {} | {} | {suspicious} | {chance:.1e}",
            rules.0, rules.1
        )
    }
}
