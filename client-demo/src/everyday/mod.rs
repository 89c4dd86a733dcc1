//! The everyday commands: each its own process, with its state in an encrypted home folder.

mod account;
mod desk;
mod libotr;
mod policy;
mod qr;
mod server;
mod talk;
mod trust;
mod verify;

use std::io;
use std::path::PathBuf;

use otrv4::{LoadError, Refused, Reject};

pub(crate) use account::{contacts, fingerprint, init, status};
use desk::Desk;
pub(crate) use libotr::{
    Export, Import, LibotrClient, LibotrError, Which, export as export_libotr, import as import_libotr,
};
pub(crate) use policy::{PolicyChange, policy};
pub(crate) use server::{Choice, publish};
pub(crate) use talk::{receive, send};
pub(crate) use trust::{TrustChange, trust};
pub(crate) use verify::{SmpStep, Whom, by_hand as verify_by_hand, show as verify, smp as verify_by_smp};

use crate::harmless::{self, argument};
use crate::keep::KeepError;
use crate::network::NetworkError;
use crate::passphrase::PassphraseError;
use crate::prekeys::PrekeyError;
use crate::relay::RelayError;

/// The home folder, and what opens it.
pub(crate) struct Place {
    /// The folder.
    pub(crate) home: PathBuf,
    /// A file with the passphrase.
    pub(crate) passphrase_file: Option<PathBuf>,
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
    #[error(transparent)]
    Relay(#[from] RelayError),
    #[error("cannot write to the screen: {0}")]
    Screen(#[from] io::Error),
    #[error("not sent: {0}{hint}", hint = which(.0))]
    Refused(#[from] Refused),
    #[error(
        "the prekey server's answer was refused: {0}. Try again; if it stays so, do not trust this server"
    )]
    Rejected(#[from] Reject),
    #[error("the prekey server refused the publication, and nothing of it is stored there. Try again later")]
    PublicationFailed,
    #[error("which prekey server? Give --server URL once; it is remembered")]
    NoServer,
    #[error(
        "through a relay the prekey server can be asked only once its key is known: else the relay could pose as the \
         server. Nothing was asked.\nGive --fingerprint HEX, as the server's operator shows it; or first let this account \
         get to know the server without a relay: `client-demo publish --server URL --fingerprint HEX`"
    )]
    Unpinned,
    #[error(transparent)]
    ServerKey(#[from] Box<server::WrongKey>),
    #[error(
        "{} has nothing on {} that a conversation could start from: they have never published there, or all of it has \
         been used.\nAsk them to run `client-demo publish`, or to write first",
        harmless::name(contact),
        harmless::name(server)
    )]
    NoPrekeys { contact: String, server: String },
    #[error("the verification was not done: {0}{hint}", hint = which(.0))]
    Smp(Refused),
    #[error("there is no encrypted conversation with {contact} that a secret could be compared in: \
             `client-demo send {name} TEXT` starts one", contact = harmless::name(.0), name = argument(.0))]
    NoConversation(String),
    #[error("{} has not asked anything that waits for an answer", harmless::name(.0))]
    NothingAsked(String),
    #[error("nothing is known of {} yet: give the fingerprint that they told you with --fingerprint HEX", harmless::name(.0))]
    NothingKnown(String),
    #[error(
        "{} is not known as a fingerprint of {}. Nothing has changed: see `client-demo trust {}` for \
             those that are.\nIf it differs from what they told you, somebody may sit between you. If they told you that \
             it is one of another client of theirs, say so with --unseen",
        given,
        harmless::name(contact),
        argument(contact)
    )]
    NotTheirs { contact: String, given: String },
    #[error("which fingerprint have you compared? Say it with --fingerprint HEX, or run it on a terminal")]
    WhichFingerprint,
    #[error("too many keys of {} are verified already: `client-demo trust {} --forget HEX` makes room", harmless::name(.0), argument(.0))]
    NoRoom(String),
    #[error("which network? Give --network DIR")]
    NoNetwork,
    #[error(
        "the policy has no conversations with people who are away, so nothing is to be published: \
             `client-demo policy` shows and changes it"
    )]
    NoOffline,
    #[error(transparent)]
    Libotr(#[from] LibotrError),
    #[error("will the forging key's secret be kept or destroyed? Say it with --forging-key keep|destroy")]
    NoChoice,
}

/// How to say which client of a contact is meant.
fn which(refused: &Refused) -> &'static str {
    match refused {
        Refused::WhichInstance | Refused::NoSuchInstance(_) => {
            ".\n--client TAG says which one; `client-demo contacts` lists them"
        }
        _ => "",
    }
}
