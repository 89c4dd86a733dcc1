//! What came of the cases: a table, or JSON a line.

use crate::check::CaseResult;
use crate::stop::Stop;

/// Prints results as they come, and counts.
pub(crate) struct Report {
    json: bool,
    passed: usize,
    failed: usize,
    skipped: usize,
    differing: usize,
}

impl Report {
    pub(crate) fn new(json: bool) -> Self {
        Self { json, passed: 0, failed: 0, skipped: 0, differing: 0 }
    }

    pub(crate) fn add(&mut self, result: &CaseResult) {
        let (verdict, reason) = match &result.verdict {
            Ok(()) => ("pass", ""),
            Err(Stop::Failed(reason)) => ("FAIL", reason.as_str()),
            Err(Stop::Skipped(reason)) => ("skipped", reason.as_str()),
            Err(Stop::Differs(reason)) => ("differs", reason.as_str()),
        };
        match &result.verdict {
            Ok(()) => self.passed += 1,
            Err(Stop::Failed(_)) => self.failed += 1,
            Err(Stop::Skipped(_)) => self.skipped += 1,
            Err(Stop::Differs(_)) => self.differing += 1,
        }
        let (case, section) = (&result.case, result.section);
        if self.json {
            let verdict = verdict.to_lowercase();
            let line =
                serde_json::json!({ "case": case, "section": section, "verdict": verdict, "reason": reason });
            println!("{line}");
        } else {
            let reason = if reason.is_empty() { String::new() } else { format!("\n        {reason}") };
            println!("{verdict:<8}{case:<48}{section}{reason}");
        }
    }

    /// The closing line. Whether the program may call itself conformant: something passed, and nothing failed.
    pub(crate) fn end(self) -> bool {
        if !self.json {
            let Self { passed, failed, skipped, differing, .. } = self;
            println!("{passed} passed, {failed} failed, {skipped} skipped, {differing} differ");
        }
        self.failed == 0 && self.passed > 0
    }
}
