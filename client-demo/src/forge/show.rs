//! What an operation gives: lines for people and for pipes, or JSON for programs.

use std::io;

use otrv4::Secret;
use otrv4::wire::Version;
use serde_json::Value;

use crate::harmless;
use crate::screen::say;

/// The same in both forms.
pub(super) struct Shown {
    pub(super) lines: Vec<String>,
    pub(super) json: Value,
}

impl Shown {
    pub(super) fn print(&self, json: bool) -> io::Result<()> {
        match json {
            true => say(harmless::json(&format!("{:#}", self.json))),
            false => self.lines.iter().try_for_each(say),
        }
    }
}

/// A line that was forged.
pub(super) fn forged(version: Version, line: String) -> Shown {
    let json = serde_json::json!({ "version": version.number(), "line": line });
    Shown { lines: vec![line], json }
}

/// A key, for whoever asked for it.
pub(super) fn key<const N: usize>(key: &Secret<N>) -> String {
    hex::encode(key.as_bytes())
}
