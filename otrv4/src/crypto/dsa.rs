//! DSA of 1024 bits as versions 2 and 3 use it: the keys that people compare, and the transitional signature of a Client
//! Profile.
//! Spec: OTRv3 "Public keys, signatures, and fingerprints"; otrv4.md "Create a Client Profile Signature".
//!
//! OTR signs the message itself as a number modulo q, without a hash. To one signature anybody can find other messages
//! and keys of which it is one, too; it is worth something only where the message is a MAC over the key, as in the AKE.
//! spec-notes/SN-008

mod generate;
mod key;
mod public;

pub use self::key::{DsaKey, DsaParts};
pub(crate) use self::public::DsaPublic;
use crate::wire::WireError;

/// A big-endian number with zeros in front, as the fixed-size integers take it.
fn widened<const N: usize>(bytes: &[u8]) -> Result<[u8; N], WireError> {
    let mut wide = [0; N];
    let zeros = N.checked_sub(bytes.len()).ok_or(WireError::TooLong("DSA number"))?;
    if let Some(low) = wide.get_mut(zeros..) {
        low.copy_from_slice(bytes);
    }
    Ok(wide)
}
