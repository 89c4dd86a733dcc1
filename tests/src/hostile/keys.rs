//! Keys of version 3 that are the same in every run: finding the primes of one takes long. Used by [`super::client`].

use std::sync::OnceLock;

use otrv4::keys::DsaKey;
use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;

/// One of a few.
pub(crate) fn dsa_key(which: usize) -> DsaKey {
    static MADE: [OnceLock<DsaKey>; KEYS] = [const { OnceLock::new() }; KEYS];
    let which = which % KEYS;
    let make = || DsaKey::generate(&mut ChaCha8Rng::seed_from_u64(which as u64));
    let parts = MADE[which].get_or_init(make).parts();
    DsaKey::from_parts(&parts.p, &parts.q, &parts.g, &parts.y, &parts.x).expect("the parts of a key")
}

/// More than clients take part.
const KEYS: usize = 4;
