//! Received messages as bytes again. With the feature `inside` only: see there.

use super::messages::{DAKE_1, Dake1, Dake2, Dake3, Request, write_head};
use crate::reject::Reject;

/// Reads a request, or DAKE-2, and writes it again, field by field. None for queries: what they ask for that nobody knows
/// is not kept.
pub fn rewrite(message: &[u8]) -> Result<Option<Vec<u8>>, Reject> {
    if let Ok(dake2) = Dake2::read(message) {
        return Ok(Some(dake2.write()));
    }
    Ok(match Request::read(message)? {
        Request::Dake1(dake1) => {
            let Dake1 { sender, profile, i } = *dake1;
            let mut w = write_head(DAKE_1);
            sender.write(&mut w);
            w.bytes(profile.as_bytes());
            i.write(&mut w);
            Some(w.finish())
        }
        Request::Dake3(dake3) => Some(Dake3::write(&dake3)),
        Request::EnsembleQuery(_) => None,
    })
}
