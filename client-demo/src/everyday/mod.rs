//! The everyday commands: each its own process, with its state in an encrypted home folder.

mod account;
mod server;
mod talk;

use std::io;
use std::path::PathBuf;

use otrv4::{Account, LoadError, Refused, Reject};

pub(crate) use account::{contacts, fingerprint, init, status};
pub(crate) use server::{Choice, publish};
pub(crate) use talk::{receive, send};

use crate::keep::{Bytes, Home, KeepError, State};
use crate::network::NetworkError;
use crate::passphrase::{self, PassphraseError};
use crate::prekeys::PrekeyError;

/// The home folder, and what opens it.
pub(crate) struct Place {
    /// The folder.
    pub(crate) home: PathBuf,
    /// A file with the passphrase.
    pub(crate) passphrase_file: Option<PathBuf>,
}

/// What every command works on.
struct Desk {
    home: Home,
    state: State,
    account: Account,
}

impl Desk {
    fn open(place: &Place) -> Result<Self, EverydayError> {
        let passphrase =
            || passphrase::given_or_asked(place.passphrase_file.as_deref()).map_err(EverydayError::from);
        let (home, state) = Home::open(&place.home, passphrase)?;
        let account = Account::load(state.account.as_slice())?;
        Ok(Self { home, state, account })
    }

    fn keep(&mut self) -> Result<(), EverydayError> {
        self.state.account = Bytes::from(self.account.save());
        Ok(self.home.save(&self.state)?)
    }
}

/// Why a command was not done, and what to do next.
#[derive(Debug, thiserror::Error)]
pub(crate) enum EverydayError {
    #[error(transparent)]
    Keep(#[from] KeepError),
    #[error(transparent)]
    Passphrase(#[from] PassphraseError),
    #[error("the home folder's account or conversation cannot be read: {0}")]
    Load(#[from] LoadError),
    #[error(transparent)]
    Network(#[from] NetworkError),
    #[error(transparent)]
    Prekeys(#[from] PrekeyError),
    #[error("cannot write to the screen: {0}")]
    Screen(#[from] io::Error),
    #[error("not sent: {0}")]
    Refused(#[from] Refused),
    #[error(
        "the prekey server's answer was refused: {0}. Try again; if it stays so, do not trust this server"
    )]
    Rejected(#[from] Reject),
    #[error("the prekey server refused the publication, and nothing of it is stored there. Try again later")]
    PublicationFailed,
    #[error("which prekey server? Give --server URL once; it is remembered")]
    NoServer,
    #[error(transparent)]
    ServerKey(#[from] Box<server::WrongKey>),
    #[error(
        "{contact} has nothing on {server} that a conversation could start from: they have never published there, or \
         all of it has been used.\nAsk them to run `client-demo publish`, or to write first"
    )]
    NoPrekeys { contact: String, server: String },
    #[error("will the forging key's secret be kept or destroyed? Say it with --forging-key keep|destroy")]
    NoChoice,
}
