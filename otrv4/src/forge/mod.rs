//! Forging: what makes a transcript of a conversation worth nothing as evidence.
//! Spec: otrv4.md "Forging Transcripts", "Modify an Encrypted Data Message"; the toolkit of libotr for version 3.
//!
//! Once a MAC key is revealed, anybody can change the message that it belongs to, and whoever has a message's key can write
//! another message in its place. These functions do it, with the code that honest conversations run: what they make cannot be
//! told from what a client has sent. They take lines as they were on the wire, and say no where a key does not fit.
//!
//! | operation of the text | version 4 | versions 3 and 2 |
//! |---|---|---|
//! | Parse | [`parse()`] | [`parse()`] |
//! | Modify Data Message | [`v4::modify`] | [`v3::modify`] |
//! | Read and Forge Data Message | [`v4::read_and_forge`] | [`v3::read_and_forge`] |
//! | Show MAC Key | [`v4::mac_key`] | [`v3::mac_key`] |
//! | ReMAC Message | [`v4::remac`] | [`v3::remac`], and [`v3::Parts::assemble`] from its fields |
//! | Session Keys | | [`v3::session_keys`] |
//! | MAC keys that a message reveals | [`v4::revealed_mac_keys`] | [`v3::revealed_mac_keys`] |

mod error;
mod line;
mod parse;
pub mod v3;
pub mod v4;

pub use error::ForgeError;
pub use line::{Content, version};
pub use parse::{Field, Kind, Parsed, Value, parse};
