//! The two things the server asks of the operating system; everything else gets them as values.

use otrv4::Timestamp;
use rand_core::{CryptoRng, UnwrapErr};
use std::time::{SystemTime, UNIX_EPOCH};

/// The time now. A clock before 1970 reads as 1970: then nothing has expired, and nothing panics.
#[expect(clippy::disallowed_methods, reason = "the one place where the server asks for the time")]
pub fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_unix(i64::try_from(since.as_secs()).unwrap_or(i64::MAX))
}

/// The operating system's randomness. A system without any ends the request: no key is made without it. The one place
/// where the server asks for it.
pub fn rng() -> impl CryptoRng {
    UnwrapErr(getrandom::SysRng)
}
