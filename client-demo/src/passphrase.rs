//! Where the passphrase of the home folder, and the secret of a verification, come from: a file, the environment, or the person at the terminal. Never an
//! argument: others on the machine can read those.

use std::env::{self, VarError};
use std::path::{Path, PathBuf};
use std::{fs, io};

use age::secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroizing;

/// Why there is no passphrase.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PassphraseError {
    /// The file cannot be read.
    #[error("cannot read {}: {cause}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The system's answer.
        cause: io::Error,
    },
    /// Nobody can be asked.
    #[error("a passphrase is needed: give --passphrase-file or {VARIABLE}, or run it on a terminal ({0})")]
    NobodyToAsk(io::Error),
    /// Nobody can be asked for the secret of a verification.
    #[error("a secret is needed: give --secret-file, or run it on a terminal ({0})")]
    NobodyKnows(io::Error),
    /// It is empty or no text, or the second entry differs from the first.
    #[error("{0}: nothing was done")]
    Unusable(&'static str),
}

/// The passphrase for a folder that has one.
pub(crate) fn given_or_asked(file: Option<&Path>) -> Result<SecretString, PassphraseError> {
    match given(file)? {
        Some(passphrase) => Ok(passphrase),
        None => ask("Passphrase: "),
    }
}

/// The passphrase for a new folder; a person types it twice.
pub(crate) fn new(file: Option<&Path>) -> Result<SecretString, PassphraseError> {
    if let Some(passphrase) = given(file)? {
        return Ok(passphrase);
    }
    let first = ask("A passphrase for the home folder: ")?;
    if ask("The same again: ")?.expose_secret() != first.expose_secret() {
        return Err(PassphraseError::Unusable("the two passphrases differ"));
    }
    not_empty(first)
}

/// The passphrase that needs no asking: the first line of the file, or the environment's. An empty one is an accident
/// that would protect nothing.
pub(crate) fn given(file: Option<&Path>) -> Result<Option<SecretString>, PassphraseError> {
    let passphrase = match (file, env::var(VARIABLE)) {
        (Some(path), _) => first_line(path)?,
        (None, Ok(passphrase)) => SecretString::from(passphrase),
        (None, Err(VarError::NotPresent)) => return Ok(None),
        (None, Err(VarError::NotUnicode(_))) => {
            return Err(PassphraseError::Unusable("the passphrase is not UTF-8"));
        }
    };
    not_empty(passphrase).map(Some)
}

/// The secret of a verification: the first line of the file, or what the person types.
pub(crate) fn secret(file: Option<&Path>, prompt: &str) -> Result<SecretString, PassphraseError> {
    match file {
        Some(path) => first_line(path),
        None => {
            rpassword::prompt_password(prompt).map(SecretString::from).map_err(PassphraseError::NobodyKnows)
        }
    }
}

fn not_empty(passphrase: SecretString) -> Result<SecretString, PassphraseError> {
    match passphrase.expose_secret().is_empty() {
        true => Err(PassphraseError::Unusable("the passphrase is empty")),
        false => Ok(passphrase),
    }
}

fn first_line(path: &Path) -> Result<SecretString, PassphraseError> {
    let text = fs::read_to_string(path).map(Zeroizing::new);
    let text = text.map_err(|cause| PassphraseError::File { path: path.to_owned(), cause })?;
    Ok(SecretString::from(text.lines().next().unwrap_or_default().to_owned()))
}

fn ask(prompt: &str) -> Result<SecretString, PassphraseError> {
    rpassword::prompt_password(prompt).map(SecretString::from).map_err(PassphraseError::NobodyToAsk)
}

/// The environment variable that may hold the passphrase.
pub(crate) const VARIABLE: &str = "CLIENT_DEMO_PASSPHRASE";
