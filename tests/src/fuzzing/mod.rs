//! What the fuzz targets of `otrv4/fuzz` do with the bytes that they are given: plain functions that panic when something
//! is wrong, so that the corpora are replayed by `cargo test`, too.
//!
//! | file | holds |
//! |---|---|
//! | `lines`, `readers`, `fragments`, `libotr_files` | targets without a conversation |
//! | `receive`, `correspondent` | targets in a conversation, against somebody on the way and against the other end |
//! | `prekeys`, `saved` | the prekey protocol in both roles; saved state |
//! | `scene`, `film` | conversations stopped at every point, to begin from |
//! | `client` | one end of them |
//! | `grammar`, `mutation` | the fields of messages, and what can be done to them |
//! | `seeds` | the corpora to begin with |

mod client;
mod correspondent;
mod film;
mod fragments;
mod grammar;
mod libotr_files;
mod lines;
mod mutation;
mod prekeys;
mod readers;
mod receive;
mod saved;
mod scene;
pub mod seeds;

/// A fuzz target: its name, which is that of its corpus, and what it does.
pub type Target = (&'static str, fn(&[u8]));

/// All of them.
pub const TARGETS: [Target; 8] = [
    ("lines", lines::run),
    ("readers", readers::run),
    ("fragments", fragments::run),
    ("receive", receive::run),
    ("correspondent", correspondent::run),
    ("prekeys", prekeys::run),
    ("saved", saved::run),
    ("libotr_files", libotr_files::run),
];

/// Makes the conversations that inputs begin from. It takes seconds, which would count as those of the first input.
pub fn prepare() {
    _ = (scene::aims(), prekeys::exchange());
}

/// Runs the target of that name.
pub fn run(name: &str, input: &[u8]) {
    let target = TARGETS.iter().find(|(target, _)| *target == name);
    target.unwrap_or_else(|| panic!("there is no target {name}")).1(input);
}
