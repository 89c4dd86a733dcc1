//! Conversations of versions 3 and 2, between two of ours: the handshake's table, what a hostile network can do, versions
//! side by side, and lost messages. Interop with libotr stands beside `client-demo`.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, missing_docs)]

mod ake;
mod clear;
mod data;
mod lost;
mod side_by_side;
mod strangers;

use otrv4::Policy;
use otrv4::wire::Versions;

/// Version 3 alone.
fn only_3() -> Policy {
    Policy { versions: Versions::V3, ..Policy::default() }
}

/// Version 2 alone.
fn only_2() -> Policy {
    Policy { versions: Versions::EMPTY, allow_v2: true, ..Policy::default() }
}
