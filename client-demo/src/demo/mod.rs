//! `demo`: the story of an offline conversation, with real parts: a prekey server over HTTP with its database, two
//! accounts in encrypted home folders, and a network that delivers out of order and one line twice. It ends well only
//! if everything in it has happened.

mod observer;
pub(crate) mod page;
mod person;
mod server;
mod story;

use std::io;

use otrv4::{LoadError, Refused, Reject};

pub(crate) use story::run;

use crate::keep::KeepError;
use crate::prekeys::PrekeyError;

/// Why the story did not end well.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DemoError {
    #[error("the demo failed: {0}")]
    NotAsTold(&'static str),
    #[error("the demo's prekey server failed: {0}")]
    Server(String),
    #[error("the demo needs a temporary folder, a loopback port and a screen: {0}")]
    System(#[from] io::Error),
    #[error(transparent)]
    Keep(#[from] KeepError),
    #[error(transparent)]
    Load(#[from] LoadError),
    #[error(transparent)]
    Prekeys(#[from] PrekeyError),
    #[error("the demo's conversation refused a step: {0}")]
    Refused(#[from] Refused),
    #[error("the demo's prekey protocol refused a message: {0}")]
    Rejected(#[from] Reject),
}

/// The story goes on only if this is so.
fn check(so: bool, otherwise: &'static str) -> Result<(), DemoError> {
    if so { Ok(()) } else { Err(DemoError::NotAsTold(otherwise)) }
}
