//! `inspect`: every field of any line of OTR in versions 4, 3 and 2, explained, and who could forge it by now. What it says comes from the lines
//! alone: it has no keys but those that the lines reveal, and chain keys where the transcript gives them.
//!
//! [`input`] reads the lines, [`mod@line`] finds in each what was on the wire, [`json`] parts what is JSON, [`crate::pieces`] puts fragments together, [`report`] takes everything apart and draws conclusions with
//! [`timeline`], [`forgery`] and [`observer`]; [`text`] and [`page`] show it.

pub(crate) mod arguments;
mod explain;
mod forgery;
mod input;
mod json;
mod line;
mod observer;
mod opened;
mod page;
mod report;
mod text;
mod timeline;

use std::fs::OpenOptions;
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use arguments::InspectArguments;
use otrv4::forge::ForgeError;
use report::Report;

use crate::harmless;

/// What was asked for cannot be shown.
#[derive(Debug, thiserror::Error)]
pub(crate) enum InspectError {
    /// The lines cannot be read.
    #[error("cannot read {}: {cause}", shown(path))]
    Read { path: PathBuf, cause: io::Error },
    /// More than a person looks at.
    #[error("more than {} MiB: inspect a part of it", input::MAX_INPUT >> 20)]
    TooLong,
    /// Likewise.
    #[error("more than {} lines: inspect a part of them", input::MAX_LINES)]
    TooMany,
    /// Likewise.
    #[error("more than {} revealed MAC keys: inspect a part of it", report::MAX_KEYS)]
    TooManyKeys,
    /// Likewise: keys of messages that are not there.
    #[error(transparent)]
    Untried(#[from] ForgeError),
    /// Likewise.
    #[error("more than {} fields: inspect a part of it", report::MAX_FIELDS)]
    TooManyFields,
    /// Nothing to show.
    #[error("no line in it")]
    Empty,
    /// A page does not take the place of something else.
    #[error("{} exists: remove it, or choose another name", shown(path))]
    Exists { path: PathBuf },
    /// The page cannot be written.
    #[error("cannot write {}: {cause}", shown(path))]
    Write { path: PathBuf, cause: io::Error },
    /// Nor what goes to the terminal.
    #[error("cannot print: {0}")]
    Print(#[from] io::Error),
    #[error("cannot print: {0}")]
    Json(#[from] serde_json::Error),
}

fn shown(path: &Path) -> String {
    harmless::line(&path.display().to_string())
}

/// Shows what lines hold.
pub(crate) fn run(InspectArguments { source, json, html }: InspectArguments) -> Result<(), InspectError> {
    let report = Report::of(input::read(&source)?)?;
    let mut stdout = io::BufWriter::new(io::stdout().lock());
    match html {
        Some(page) if page != Path::new("-") => {
            let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&page);
            let written = file.and_then(|mut file| file.write_all(page::of(&report).as_bytes()));
            written.map_err(|cause| match cause.kind() {
                ErrorKind::AlreadyExists => InspectError::Exists { path: page },
                _ => InspectError::Write { path: page, cause },
            })?;
        }
        Some(_) => stdout.write_all(page::of(&report).as_bytes())?,
        None if json => {
            let json = harmless::json(&serde_json::to_string_pretty(&report)?);
            writeln!(stdout, "{json}")?;
        }
        None => stdout.write_all(text::of(&report).as_bytes())?,
    }
    Ok(stdout.flush()?)
}
