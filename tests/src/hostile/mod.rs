//! A hostile network. Clients of two people talk; between them Mallory drops, repeats, delays, reorders, cuts, damages and
//! makes up lines; processes die, and days pass. Everything is drawn from one seed, and everything is checked. What is checked
//! and what not, and which faults it has caught: `README.md` in this folder.
//!
//! | file | holds |
//! |---|---|
//! | `action`, `setting` | schedules, drawn from a seed; who takes part in one |
//! | `client` | a client and the application around it, which can die at any moment |
//! | `world`, `told`, `deeds`, `network` | what happens, and what follows from it |
//! | `tampering`, `mallory` | what Mallory does, and lines that nobody has sent |
//! | `record`, `lines`, `macs` | what is on the wire, read without the library |
//! | `model` | what users know |
//! | `handshakes`, `prekeys` | which message of a key exchange answers which; which ensemble a conversation began with |
//! | `invariants`, `revealed` | what must hold |
//! | `meet`, `settle` | nothing disturbs a start; Mallory goes, and all talk again |
//! | `run`, `summary` | many schedules, and what they came to |

mod action;
mod client;
mod deeds;
mod handshakes;
mod invariants;
mod keys;
mod lines;
mod macs;
mod mallory;
mod meet;
mod model;
mod network;
mod prekeys;
mod record;
mod revealed;
mod run;
mod setting;
mod settle;
mod summary;
mod tampering;
mod told;
mod world;

pub use action::{Action, Deed, draw};
pub use invariants::Violation;
pub(crate) use macs::hcmac;
pub use run::{Failure, LENGTH, Outcome, run, run_many};
pub use summary::Summary;
