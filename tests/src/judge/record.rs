//! A transcript and the keys of both, as files: lines of JSON, and accounts as the library saves them.

use std::fs;
use std::io::{Error, Result};
use std::path::Path;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use otrv4::wire::{Reader, Writer};
use otrv4::{Account, PrekeyEnsemble};
use serde::{Deserialize, Serialize};

/// What went over the network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transcript {
    /// In the order in which it was sent.
    pub lines: Vec<Line>,
    /// The prekey ensemble that it began with, in base64, if it began offline and the server remembers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ensemble: Option<String>,
}

impl Transcript {
    /// An ensemble as it stands in a record.
    pub(crate) fn encoded(ensemble: &PrekeyEnsemble) -> String {
        let mut w = Writer::new();
        ensemble.write(&mut w);
        BASE64_STANDARD.encode(w.as_slice())
    }

    /// The one in this record.
    pub(crate) fn ensemble(&self) -> Option<PrekeyEnsemble> {
        let bytes = BASE64_STANDARD.decode(self.ensemble.as_ref()?).ok()?;
        PrekeyEnsemble::read(&mut Reader::new(&bytes)).ok()
    }
}

/// One line of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// The account of whoever sent it.
    pub sender: String,
    /// When, in seconds since 1970.
    pub at: i64,
    /// When it arrived; none if it never did.
    pub received: Option<i64>,
    /// As the messenger carried it.
    pub line: String,
}

/// Everything that the two kept, after the fact: long-term and forging secrets with it.
pub struct Keys {
    /// Both accounts.
    pub accounts: [Account; 2],
}

impl Keys {
    /// Accounts as [`Account::save`] wrote them.
    pub fn load(accounts: [&[u8]; 2]) -> Result<Self> {
        let load = |bytes: &[u8]| Account::load(bytes).map_err(Error::other);
        Ok(Self { accounts: [load(accounts[0])?, load(accounts[1])?] })
    }

    /// The same from two files.
    pub fn read(files: [&Path; 2]) -> Result<Self> {
        Self::load([&fs::read(files[0])?, &fs::read(files[1])?])
    }

    /// Which of the two that is.
    pub(crate) fn side(&self, account: &str) -> Option<usize> {
        self.accounts.iter().position(|of| of.id() == account)
    }
}

/// Transcripts of a file, one a line, or of the files of a folder by name.
pub fn read(path: &Path) -> Result<Vec<(String, Transcript)>> {
    let mut files = vec![path.to_owned()];
    if path.is_dir() {
        files = fs::read_dir(path)?.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
        files.sort();
    }
    let mut all = Vec::new();
    for file in files {
        for (number, line) in fs::read_to_string(&file)?.lines().enumerate() {
            let transcript = serde_json::from_str(line).map_err(Error::other)?;
            all.push((format!("{}:{}", file.display(), number + 1), transcript));
        }
    }
    Ok(all)
}

/// Writes them, one a line.
pub fn write<'a>(path: &Path, transcripts: impl IntoIterator<Item = &'a Transcript>) -> Result<()> {
    let mut text = String::new();
    for transcript in transcripts {
        text.push_str(&serde_json::to_string(transcript).map_err(Error::other)?);
        text.push('\n');
    }
    fs::write(path, text)
}
