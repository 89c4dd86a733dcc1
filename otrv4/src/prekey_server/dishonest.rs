//! Publications that no honest client makes. With the feature `inside` only: see there.

use rand_core::CryptoRng;

use super::messages::Dake3;
use super::publication::authenticated_again;
use super::publisher::{AwaitReply, PublishRequest, Publisher, ServerKey};
use crate::Reject;
use crate::keys::LongTermKey;

/// As [`Publisher::receive_dake2`], with the message inside DAKE-3 as `alter` leaves it. Its MAC is right if it can still
/// be read.
pub fn receive_dake_2(
    publisher: &Publisher,
    message: &[u8],
    (server, key): (&ServerKey, &LongTermKey),
    request: PublishRequest<'_>,
    alter: &mut dyn FnMut(&mut Vec<u8>),
    rng: &mut dyn CryptoRng,
) -> Result<(AwaitReply, Vec<u8>), Reject> {
    let (awaits, honest) = publisher.answer(message, server, key, request, rng)?;
    let Dake3 { sender, sigma, message: mut inner } = honest;
    alter(&mut inner);
    let message = authenticated_again(&inner, awaits.keys()).unwrap_or(inner);
    Ok((awaits, Dake3 { sender, sigma, message }.write()))
}
