//! The forging tools that the specification asks every implementation to have, on the same functions as honest
//! conversations. Spec: otrv4.md "Forging Transcripts", "Forger Keys", "KCI Attacks". Used by applications.
//!
//! | operation | here |
//! |---|---|
//! | Forge DAKE and Session Keys | [`Forger::dake`], [`Forger::offline_dake`] |
//! | Impersonate Initiator or Responder | [`impersonate`] |
//! | False Prekey Ensemble | [`FalseEnsemble`] |
//! | Forge Entire Transcript | [`Forger::transcript`] |
//!
//! ```
//! use otrv4::forge::{Begin, CannotForge, Forger, Key, Person, Said, Script, Who};
//! use otrv4::{Account, Policy, Timestamp};
//!
//! /// What Alice could have talked about with somebody whose profile she has.
//! fn forged(alice: &Account, bob: Person, now: Timestamp, rng: &mut dyn rand_core::CryptoRng) -> Result<(), CannotForge> {
//!     let forger = Forger::new(Person::of(alice), Key::long_term_of(alice), bob, now)?;
//!     let said = [
//!         Said { by: Who::Participant, at: now.plus(5), text: "Did you take the money?" },
//!         Said { by: Who::Other, at: now.plus(20), text: "All of it." },
//!     ];
//!     let begin = Begin::Interactive(Who::Participant);
//!     let script = Script { begin, start: now, said: &said, end: None, policy: Policy::default() };
//!     for line in forger.transcript(script, rng)?.lines {
//!         println!("{:?} at {}: {}", line.sender, line.at.unix(), line.line);
//!     }
//!     Ok(())
//! }
//! ```

mod dake;
mod ensemble;
mod forger;
#[cfg(test)]
mod judge;
#[cfg(test)]
mod tests;
mod transcript;

pub use dake::{ForgedDake, impersonate};
pub use ensemble::FalseEnsemble;
pub use forger::{CannotForge, Forger, Key, Person, Who};
pub use transcript::{Begin, Line, Said, Script, Transcript};
