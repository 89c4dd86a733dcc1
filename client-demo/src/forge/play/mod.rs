//! `forge play`: what a recording of a conversation is worth, as a story. Alice and Bob are real sessions; what is forged is checked by
//! honest code, and the story goes on only if it was as told.

mod changed;
mod invented;
mod people;

use std::io;

use otrv4::forge::{CannotForge, ForgeError};
use otrv4::{LoadError, Refused, Reject};

use crate::demo::page::{chapter, told};
use crate::screen::say;

/// Why the story did not end well.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PlayError {
    #[error("the story failed: {0}")]
    NotAsTold(&'static str),
    #[error("the story needs a screen: {0}")]
    Screen(#[from] io::Error),
    #[error("the story's conversation refused a step: {0}")]
    Refused(#[from] Refused),
    #[error("the story's conversation could not be continued: {0}")]
    Load(#[from] LoadError),
    #[error("the story's forgery failed: {0}")]
    Forge(#[from] ForgeError),
    #[error("the story's forgery failed: {0}")]
    Cannot(#[from] CannotForge),
    #[error("the story's check failed: {0}")]
    Rejected(#[from] Reject),
}

/// Tells the story; an error if any of it did not happen.
pub(super) fn run(auto: bool) -> Result<(), PlayError> {
    let reader = Reader { auto };
    say("What is a recording of an encrypted chat worth? You will change one, and make")?;
    say("one up. Everything below happens as you read it; only the names are made up.")?;
    changed::tell(reader)?;
    invented::tell(reader)?;
    chapter(6, "What this shows, and what it does not")?;
    told("It shows: a recording of such a chat is worth no more than the word of")?;
    told("whoever shows it. Once the MAC key of a message is out, whoever has seen it")?;
    told("can put words as long in the place of words that they guess; and one of the")?;
    told("two can make all of it up. There are limits: the last messages, whose keys")?;
    told("are not out yet, only the two could have changed; and who starts a chat while")?;
    told("the other is away can prove to somebody that the other has answered. All of")?;
    told("them: docs/deniability.md.")?;
    told("It does not show that nobody will believe it. A screenshot proves as little,")?;
    told("and people believe those. Who has watched the network knows who wrote when;")?;
    told("who has the phone of one of the two can read what is kept there.")?;
    told("And it takes nothing from Alice and Bob: while they talked, each was sure of")?;
    told("the other, and nobody could change a word.")?;
    say("")?;
    say("The end. All of it was checked while it happened. To do it yourself:")?;
    say("    client-demo forge --help")?;
    Ok(())
}

/// Whoever reads the story.
#[derive(Clone, Copy)]
struct Reader {
    auto: bool,
}

impl Reader {
    /// Waits until they want more.
    fn next(self) -> Result<(), PlayError> {
        if !self.auto {
            told("[Enter]")?;
            io::stdin().read_line(&mut String::new())?;
        }
        Ok(())
    }
}

/// The story goes on only if this is so.
fn check(so: bool, otherwise: &'static str) -> Result<(), PlayError> {
    if so { Ok(()) } else { Err(PlayError::NotAsTold(otherwise)) }
}

/// A line as it fits on the page.
fn beginning(line: &str) -> String {
    let shown: String = line.chars().take(24).collect();
    format!("{shown}…  {} characters", line.chars().count())
}
