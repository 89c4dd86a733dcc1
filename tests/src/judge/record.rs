//! A transcript and the keys of both, as files: lines of JSON, and accounts as the library saves them.

use std::fs;
use std::io::{Error, Read as _, Result};
use std::path::Path;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use otrv4::inside::primitives::over_bytes::ring_nonces;
use otrv4::wire::{InstanceTag, Reader, Versions, Writer};
use otrv4::{Account, Fingerprint, Point, PrekeyEnsemble};
use serde::{Deserialize, Serialize};

/// What went over the network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transcript {
    /// In the order in which it was sent.
    pub lines: Vec<Line>,
    /// The prekey ensemble that it began with, in base64, if it began offline and whoever shows it has that.
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

    /// The one in this record, if there is one; an error if it is not exactly one.
    pub(crate) fn ensemble(&self) -> Option<Result<PrekeyEnsemble>> {
        let read = |encoded: &String| {
            let bytes = BASE64_STANDARD.decode(encoded).map_err(Error::other)?;
            let mut r = Reader::new(&bytes);
            let ensemble = PrekeyEnsemble::read(&mut r).map_err(Error::other)?;
            r.end().map(|()| ensemble).map_err(Error::other)
        };
        self.ensemble.as_ref().map(read)
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
    /// If it makes a data message whole that arrived: the chain key of that, in base64, as the receiver's program had it then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chain_key: Option<String>,
}

/// What the two have of what the claim is about: long-term and forging secrets, and what is public. Whole accounts hold more that
/// time leaves in them: whom they have met and when, and prekeys that nobody has used yet. Who has these after the fact can see that
/// a conversation was none, so no rule gets them: a judge who is to be beaten has secrets, not devices.
pub struct Keys {
    /// Of both.
    pub accounts: [Known; 2],
}

impl Keys {
    /// Of accounts as [`Account::save`] wrote them. An error if they are one.
    pub fn load(accounts: [&[u8]; 2]) -> Result<Self> {
        let load = |bytes: &[u8]| Ok::<_, Error>(Known(Account::load(bytes).map_err(Error::other)?));
        let accounts = [load(accounts[0])?, load(accounts[1])?];
        match accounts[0].id() == accounts[1].id() {
            true => Err(Error::other("both accounts have the same name: give those of the two who talked")),
            false => Ok(Self { accounts }),
        }
    }

    /// The same from two files.
    pub fn read(files: [&Path; 2]) -> Result<Self> {
        Self::load([&read_bounded(files[0], MAX_ACCOUNT)?, &read_bounded(files[1], MAX_ACCOUNT)?])
    }

    /// Which of the two that is.
    pub(crate) fn side(&self, account: &str) -> Option<usize> {
        self.accounts.iter().position(|of| of.id() == account)
    }
}

/// Of one account its name, tag, public keys and what both secrets tell of a signature, and nothing else.
pub struct Known(Account);

impl Known {
    pub(crate) fn id(&self) -> &str {
        self.0.id()
    }

    pub(crate) const fn tag(&self) -> InstanceTag {
        self.0.tag()
    }

    pub(crate) fn identity_key(&self) -> &Point {
        self.0.client_profile().identity_key()
    }

    pub(crate) fn forging_key(&self) -> &Point {
        self.0.client_profile().forging_key()
    }

    pub(crate) fn fingerprint(&self) -> Fingerprint {
        self.0.fingerprint()
    }

    /// Those that the newest profile lists.
    pub(crate) fn versions(&self) -> Versions {
        self.0.client_profile().versions()
    }

    /// For each secret the nonce of a place in a ring signature, if it was this one that signed there.
    pub(crate) fn nonces(&self, c: &[u8], r: &[u8]) -> Option<Vec<[u8; 57]>> {
        ring_nonces(&self.0, c, r)
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
        let text = String::from_utf8(read_bounded(&file, MAX_FILE)?).map_err(Error::other)?;
        for (number, line) in text.lines().enumerate() {
            let place = || format!("{}:{}", file.display(), number + 1);
            if line.len() > MAX_TRANSCRIPT {
                return Err(Error::other(format!("{}: more than {MAX_TRANSCRIPT} bytes", place())));
            }
            let transcript = serde_json::from_str(line);
            let transcript = transcript.map_err(|error| Error::other(format!("{}: {error}", place())))?;
            all.push((place(), transcript));
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

/// The bytes of a file, which must not be larger than that.
fn read_bounded(file: &Path, most: u64) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    fs::File::open(file)?.take(most + 1).read_to_end(&mut bytes)?;
    match bytes.len() as u64 > most {
        true => Err(Error::other(format!("{}: more than {most} bytes", file.display()))),
        false => Ok(bytes),
    }
}

/// Bytes of an account: those with all prekeys that fit into one have less than half a megabyte.
const MAX_ACCOUNT: u64 = 16 << 20;

/// Bytes of a file of transcripts: several thousand of the experiment's.
const MAX_FILE: u64 = 512 << 20;

/// Bytes of one transcript: some ten thousand messages, which take the judge seconds.
const MAX_TRANSCRIPT: usize = 4 << 20;
