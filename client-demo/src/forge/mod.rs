//! `forge`: the forging tools of the specification on the command line, and a guided tour of what they mean.
//! Spec: otrv4.md "Forging Transcripts". What is forged comes from `otrv4::forge`; here it is read, asked for and shown.

mod arguments;
mod impersonate;
mod input;
mod key_exchange;
mod message;
mod person;
mod play;
mod show;
mod transcript;
mod version_3;

use std::io;
use std::path::PathBuf;

use otrv4::forge::{CannotForge, ForgeError, Who};
use otrv4::{LoadError, Refused, Reject};

pub(crate) use arguments::ForgeArguments;
use arguments::Operation;

use crate::harmless;
use crate::keep::KeepError;
use crate::passphrase::PassphraseError;

/// Why nothing was forged, and what to do.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unforged {
    #[error("cannot read {}: {cause}", path.display())]
    File { path: PathBuf, cause: io::Error },
    #[error("cannot read standard input: {0}")]
    Input(io::Error),
    #[error("cannot write to the screen: {0}")]
    Screen(#[from] io::Error),
    #[error("there is nothing where {0} should be")]
    Nothing(&'static str),
    #[error("{0} is not in hex digits. To give a file, write @FILE; for standard input, -")]
    NotHex(&'static str),
    #[error("{what} has {needed} bytes, {} hex digits; this one has {given} bytes", 2 * needed)]
    Length { what: &'static str, needed: usize, given: usize },
    #[error(
        "none of the {0} MAC keys that the recording reveals is that of the message: record on, until whoever read the \
         message has answered, and mostly once more"
    )]
    NotRevealed(usize),
    #[error(transparent)]
    Forge(#[from] ForgeError),
    #[error("{0}{hint}", hint = what_to_do(.0))]
    Cannot(#[from] CannotForge),
    /// Where everything happens now.
    #[error("{0}{hint}", hint = what_to_do_now(.0))]
    CannotPose(CannotForge),
    #[error(
        "no client profile of somebody else in it: give a line of theirs that begins a conversation (Identity, Auth-R or \
         Non-Interactive-Auth), a recording with one, or a profile or prekey ensemble in base64"
    )]
    NoProfile,
    #[error("no prekey ensemble in it: give one in base64, or the answer of a prekey server that has one")]
    NoEnsemble,
    #[error("which prekey ensemble? Give one of whoever receives with --ensemble")]
    WhichEnsemble,
    #[error(
        "you have never published prekeys, so there is no prekey profile of yours to forge with: `client-demo publish`"
    )]
    NoPrekeyProfile,
    #[error("the signatures do not hold, or the recording is not whole: {0}{hint}", hint = what_is_missing(.0))]
    NotWitnessed(Reject),
    #[error("{0} cannot be read: write `NAME: TEXT`, or `+SECONDS NAME: TEXT`")]
    ScriptLine(transcript::Place),
    #[error(
        "{0} comes too soon: who was away needs {1} seconds to come back and read. Let more time pass before it"
    )]
    TooSoon(transcript::Place, i64),
    #[error(
        "the script is not as it should be: {}. Write [{{\"by\": NAME, \"text\": TEXT, \"after\": SECONDS}}, …]",
        harmless::line(&.0.to_string())
    )]
    ScriptJson(serde_json::Error),
    #[error("the script has {}, who is neither of the two, or might be both: write the whole account name", harmless::name(.0))]
    ScriptName(String),
    #[error("the conversation refused it: {0}")]
    Refused(#[from] Refused),
    #[error(transparent)]
    Keep(#[from] KeepError),
    #[error(transparent)]
    Passphrase(#[from] PassphraseError),
    #[error("the home folder's account cannot be read: {0}")]
    Load(#[from] LoadError),
    #[error(transparent)]
    Play(#[from] play::PlayError),
}

/// `forge`, any of its operations.
pub(crate) fn run(arguments: ForgeArguments) -> Result<(), Unforged> {
    let ForgeArguments { json, operation } = arguments;
    let shown = match operation {
        Operation::Play { auto } => return Ok(play::run(auto)?),
        Operation::Impersonate(arguments) => return impersonate::impersonate(arguments, json),
        Operation::Parse { line } => message::parse(&line)?,
        Operation::Modify(arguments) => message::modify(&arguments)?,
        Operation::Read { key, new, line } => message::read(&key, new.as_deref(), &line)?,
        Operation::MacKey(arguments) => message::mac_key(&arguments)?,
        Operation::Remac { mac_key, line } => message::remac(&mac_key, &line)?,
        Operation::Revealed { recording } => message::revealed(&recording)?,
        Operation::SessionKeys { secret, their_public } => version_3::session_keys(&secret, &their_public)?,
        Operation::Assemble(arguments) => version_3::assemble(&arguments)?,
        Operation::Dake(arguments) => key_exchange::dake(arguments)?,
        Operation::Check(arguments) => key_exchange::check(&arguments)?,
        Operation::Ensemble { of, when } => key_exchange::ensemble(&of, when.or_now())?,
        Operation::Transcript(arguments) => transcript::transcript(arguments)?,
    };
    Ok(shown.print(json)?)
}

fn what_to_do(why: &CannotForge) -> &'static str {
    match why {
        CannotForge::Profile(Who::Participant, _) => {
            ".\nIt is your own: `client-demo status` says until when it is valid and renews it; --at TIME forges for another time"
        }
        CannotForge::Profile(Who::Other, _) => {
            ".\nIt is that of the other one: take a newer recording, or forge for the time of this one with --at TIME"
        }
        CannotForge::Ensemble(_) => {
            ".\nTake one of whoever receives that is valid now, or forge for its time with --at TIME"
        }
        CannotForge::OutsideRing => {
            ".\nThe key is chosen with --key; --false-prekey makes a false ensemble of a genuine one"
        }
        CannotForge::Destroyed => ".\nThe long-term key is taken with --key long-term",
        _ => "",
    }
}

/// The same where no other time can be asked for.
fn what_to_do_now(why: &CannotForge) -> &'static str {
    match why {
        CannotForge::Profile(Who::Participant, _) => {
            ".\nIt is that of the owner of the home folder: `client-demo status` says until when it is valid and renews it"
        }
        CannotForge::Profile(Who::Other, _) => ".\nIt is that of the one to pose as: take a newer recording",
        // There is no other key to choose.
        CannotForge::Destroyed | CannotForge::OutsideRing => "",
        _ => what_to_do(why),
    }
}

fn what_is_missing(why: &Reject) -> &'static str {
    match why {
        Reject::Unexpected => {
            ".\nGive all of its lines: Identity, Auth-R and Auth-I, or Non-Interactive-Auth"
        }
        Reject::UnknownPrekey => {
            ".\nGive the prekey ensemble that the conversation began with, with --ensemble"
        }
        Reject::Forged => ".\nThe two account names are signed, too: they have to be exactly those",
        Reject::Expired(_) => ".\n--at TIME checks for the time of the recording",
        _ => "",
    }
}
