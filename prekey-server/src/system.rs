//! The two things the server asks of the operating system; everything else gets them as values.

use otrv4::Timestamp;
use rand_core::{CryptoRng, UnwrapErr};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The time now. A clock before 1970 reads as 1970: then nothing has expired, and nothing panics.
pub fn now() -> Timestamp {
    Timestamp::from_unix(i64::try_from(since_1970().as_secs()).unwrap_or(i64::MAX))
}

/// The same in milliseconds since 1970, for limits.
pub(crate) fn now_ms() -> i64 {
    i64::try_from(since_1970().as_millis()).unwrap_or(i64::MAX)
}

#[expect(clippy::disallowed_methods, reason = "the one place where the server asks for the time")]
fn since_1970() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// The operating system's randomness. A system without any ends the request: no key is made without it. The one place
/// where the server asks for it.
pub fn rng() -> impl CryptoRng {
    UnwrapErr(getrandom::SysRng)
}
