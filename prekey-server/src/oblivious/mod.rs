//! Asking for ensembles without anybody knowing both who asks and for whom: Oblivious HTTP through a relay that
//! somebody else runs. The relay sees the client's address and ciphertext, the server the query and the relay's address.
//! Spec: RFC 9458 (Oblivious HTTP), RFC 9292 (binary HTTP), RFC 9180 (HPKE). docs/privacy.md says who learns what.
//!
//! | | client | relay | server |
//! |---|---|---|---|
//! | `GET /ohttp-keys` | [`KeyConfig::verify`] | [`relay`], cached | the key and its signature |
//! | `POST /ohttp` | [`query`], [`AwaitAnswer::open`] | [`relay`], carries it | `gateway`: opens, answers, seals |

mod binary;
mod client;
mod encapsulation;
pub(crate) mod gateway;
mod keys;
pub mod relay;
mod replay;

pub use client::{Answer, AwaitAnswer, query};
pub use keys::{KeyConfig, KeysError, SIGNATURE};

/// Where the keys are, on relay and server (RFC 9458, section 3.2).
pub const KEYS_PATH: &str = "/ohttp-keys";

/// Where requests go, on relay and server.
pub const REQUEST_PATH: &str = "/ohttp";

/// The media type of the keys.
pub const KEYS_TYPE: &str = "application/ohttp-keys";

/// The media type of an encapsulated request.
pub const REQUEST_TYPE: &str = "message/ohttp-req";

/// The media type of an encapsulated response.
pub const RESPONSE_TYPE: &str = "message/ohttp-res";

/// Longest encapsulated request, in bytes: many times the longest query.
pub(crate) const MAX_REQUEST: usize = 16 << 10;

/// Longest encapsulated response, in bytes: the largest size of an answer, and what encryption adds.
pub const MAX_RESPONSE: usize = (1 << 20) + 1024;
