//! The client's side: a query in, a request for the relay out; its response in, the answer out.

use super::binary::{Response, write_post};
use super::encapsulation::ResponseKey;
use super::keys::{KeyConfig, KeysError};
use otrv4::Timestamp;
use rand_core::CryptoRng;

/// What a client's clock says goes to the server to the minute: closer would tell one client from another.
const MINUTE: i64 = 60;

/// Encapsulates one message of the prekey protocol as text, an ensemble query, for `POST` to the relay. Each request has
/// keys of its own and serves once: after a failure make another one.
pub fn query(
    keys: &KeyConfig,
    message: &str,
    now: Timestamp,
    rng: &mut impl CryptoRng,
) -> Result<(Vec<u8>, AwaitAnswer), KeysError> {
    let date = now.unix() - now.unix().rem_euclid(MINUTE);
    let request = write_post("/v1/messages", date, message);
    let (request, key) = keys.encapsulate(&request, rng).ok_or(KeysError::Unusable)?;
    Ok((request, AwaitAnswer(key)))
}

/// The request is under way.
#[derive(Debug)]
pub struct AwaitAnswer(ResponseKey);

impl AwaitAnswer {
    /// What the server says, if it is the server that says it.
    pub fn open(self, response: &[u8]) -> Option<Answer> {
        let Response { status, content } = Response::read(&self.0.open(response)?)?;
        Some(Answer { status, content })
    }
}

/// The server's answer, as `POST /v1/messages` would have given it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// A message of the protocol as text; problem details (RFC 9457) if the status is no success.
    pub content: Vec<u8>,
}
