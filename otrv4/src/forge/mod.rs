//! The forging tools that the specification asks every implementation to have: what makes a transcript of a conversation worth
//! nothing as evidence.
//! Spec: otrv4.md "Forging Transcripts", "Modify an Encrypted Data Message", "Forger Keys", "KCI Attacks"; the toolkit of libotr
//! for version 3. Used by applications.
//!
//! Once a MAC key is revealed, anybody can change the message that it belongs to; whoever has a message's key can write another
//! message in its place; and each side can make up key exchanges and whole conversations with the other. What makes messages runs
//! the code that honest conversations run, so that each message is as a client sends it; what shows and checks them, [`parse()`] and
//! [`witness`], is written beside it. Where more than one message shows more, the
//! function says so. They take lines as they were on the wire, and say no where a key does not fit.
//!
//! | operation of the text | version 4 | versions 3 and 2 |
//! |---|---|---|
//! | Parse | [`parse()`] | [`parse()`] |
//! | Modify Data Message | [`v4::modify`] | [`v3::modify`] |
//! | Read and Forge Data Message | [`v4::read_and_forge`] | [`v3::read_and_forge`] |
//! | Forge DAKE and Session Keys | [`Forger::dake`], [`Forger::offline_dake`] | session keys alone: [`v3::session_keys`] |
//! | Show MAC Key | [`v4::mac_key`] | [`v3::mac_key`] |
//! | ReMAC Message | [`v4::remac`] | [`v3::remac`], and [`v3::Parts::assemble`] from its fields |
//! | Impersonate Initiator or Responder | [`impersonate`], [`impersonate_offline`] | |
//! | False Prekey Ensemble | [`Ensemble::forged`] | |
//! | Forge Entire Transcript | [`Forger::transcript`] | |
//! | MAC keys that a message reveals | [`v4::revealed_mac_keys`] | [`v3::revealed_mac_keys`] |
//! | What anybody can check of a key exchange | [`witness()`] | |
//! | Messages of the MAC keys that a transcript reveals | [`revealed_keys`] | [`revealed_keys`] |
//!
//! ```
//! use std::time::Duration;
//!
//! use otrv4::forge::{Begin, CannotForge, Delivery, Forger, Key, Manner, Person, Said, Script, Who};
//! use otrv4::{Account, Timestamp};
//!
//! /// What Alice could have talked about with somebody whose profile she has.
//! fn forged(alice: &Account, bob: Person, now: Timestamp, rng: &mut dyn rand_core::CryptoRng) -> Result<(), CannotForge> {
//!     let forger = Forger::new(Person::of(alice), Key::long_term_of(alice), bob, now)?;
//!     let said = [
//!         Said { by: Who::Participant, at: now.plus(5), text: "Did you take the money?" },
//!         Said { by: Who::Other, at: now.plus(20), text: "All of it." },
//!     ];
//!     let begin = Begin::Interactive(Who::Participant);
//!     let script = Script {
//!         begin,
//!         start: now,
//!         said: &said,
//!         end: None,
//!         until: now.plus(5 * 60),
//!         participant: Manner::default(),
//!         other: Manner::default(),
//!     };
//!     // Lines take between a fifth of a second and a whole one.
//!     let mut take = [200, 950, 310, 480, 720].map(Duration::from_millis).into_iter().cycle();
//!     let mut network = |_: &_| take.next().map_or(Delivery::Lost, Delivery::After);
//!     for line in forger.transcript(script, &mut network, rng)?.lines {
//!         println!("{:?} at {}: {}", line.sender, line.at.unix(), line.line);
//!     }
//!     Ok(())
//! }
//! ```

mod dake;
mod ensemble;
mod error;
mod forger;
#[cfg(test)]
mod judge;
mod line;
mod network;
mod parse;
mod revealed;
mod script;
#[cfg(test)]
mod tests;
mod transcript;
pub mod v3;
pub mod v4;
mod witness;

pub use dake::{ForgedDake, impersonate, impersonate_offline};
pub use ensemble::Ensemble;
pub use error::ForgeError;
pub use forger::{CannotForge, Forger, Key, Person, Who};
pub use line::{Content, version};
pub use network::{Delivery, Manner};
pub use parse::{Field, Kind, Parsed, Value, parse};
pub use revealed::{MAX_TRIED, RevealedKey, revealed_keys};
pub use script::{Begin, Line, Said, Script, Transcript};
pub use witness::{Witnessed, client_profile, witness};
