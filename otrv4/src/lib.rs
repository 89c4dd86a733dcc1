//! Off-the-Record Messaging, version 4.

pub mod account;
pub mod client_profile;
pub(crate) mod crypto;
pub(crate) mod dake;
pub mod keys;
pub mod prekey;
pub mod prekey_profile;
pub mod prekey_server;
pub(crate) mod ratchet;
mod refused;
mod reject;
pub mod session;
mod time;
pub(crate) mod v4;
#[cfg(test)]
mod vectors;
pub mod wire;

pub use account::{Account, Lifetimes};
pub use crypto::{ed448::Point, secret::Secret};
pub use dake::{Mode, Ssid};
pub use keys::Fingerprint;
pub use prekey::PrekeyEnsemble;
pub use refused::{LoadError, Refused};
pub use reject::Reject;
pub use session::{Context, Event, InstanceView, Output, Policy, Protection, Session};
pub use time::Timestamp;
