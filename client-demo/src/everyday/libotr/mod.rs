//! `import-libotr` and `export-libotr`: moving in from Pidgin, irssi or Profanity, and back.

mod clients;
mod export;
mod files;
mod import;

use std::io;
use std::path::PathBuf;

use otrv4::libotr::{AccountName, FileError};

pub(crate) use clients::LibotrClient;
pub(crate) use export::{Export, export};
pub(crate) use import::{Import, import};

use crate::harmless::{self, argument};

/// Which of the accounts in the files.
pub(crate) struct Which {
    /// Its name there; this home folder's, if not given.
    pub(crate) name: Option<String>,
    /// Its protocol there.
    pub(crate) protocol: Option<String>,
}

/// Why nothing was imported or exported, and what to do next.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LibotrError {
    #[error("there are no key files of libotr in {}. They lie in\n{homes}", .0.display(), homes = clients::homes())]
    NoFiles(PathBuf),
    #[error("there are files of {list} in {folder}: say which with --client", list = names(.clients), folder = .folder.display())]
    WhichClient {
        /// Where.
        folder: PathBuf,
        /// Whose.
        clients: Vec<LibotrClient>,
    },
    #[error("cannot {what} {}: {cause}", path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// With which file.
        path: PathBuf,
        /// The system's answer.
        cause: io::Error,
    },
    #[error(
        "{} is damaged, or of another program: {why}.\nNothing has been imported. Mend that line, or take a backup of the \
         file",
        path.display()
    )]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// Where in it, and what.
        why: FileError,
    },
    #[error(
        "none of the accounts in the files is {}. Say which one is to be imported:\n{}",
        harmless::name(name),
        ways(accounts)
    )]
    NoSuchAccount {
        /// What was looked for.
        name: String,
        /// What is there.
        accounts: Vec<AccountName>,
    },
    #[error("several accounts in the files can be meant. Say which one is to be imported:\n{}", ways(.0))]
    WhichAccount(Vec<AccountName>),
    #[error(
        "this account has another key of version 3 already, and people know it by that one:\n  {ours} is the key here\n  \
         {theirs} is the key in the files\nNothing has been imported. With --replace the one here is deleted for good; \
         `client-demo export-libotr` keeps it"
    )]
    OtherKey {
        /// The fingerprint of the one that we have.
        ours: String,
        /// The fingerprint of the one in the files.
        theirs: String,
    },
    #[error(
        "this account has no key of version 3 yet, so there is nothing to export: the first use of a network or a \
         server makes one"
    )]
    NoKey,
    #[error(
        "{} cannot be written as the account's name or protocol into libotr's files: it is empty, too long, or has \
         control characters in it. Choose others with --account and --protocol",
        harmless::name(.0)
    )]
    NoName(String),
    #[error(
        "{} is there already, and may hold the only copy of other accounts' keys.\nNothing has been exported. Choose an \
         empty folder, or give --overwrite to lose what is in it",
        .0.display()
    )]
    Exists(PathBuf),
}

/// How to name each of them on the command line.
fn ways(accounts: &[AccountName]) -> String {
    let way = |account: &AccountName| {
        format!("  --account {} --protocol {}", argument(account.name()), argument(account.protocol()))
    };
    accounts.iter().map(way).collect::<Vec<_>>().join("\n")
}

fn names(clients: &[LibotrClient]) -> String {
    clients.iter().map(|client| client.name()).collect::<Vec<_>>().join(" and ")
}

/// An account of the files as it is shown.
fn shown(account: &AccountName) -> String {
    format!("{} ({})", harmless::name(account.name()), harmless::name(account.protocol()))
}

fn failed(what: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> LibotrError {
    move |cause| LibotrError::Io { what, path: path.into(), cause }
}
