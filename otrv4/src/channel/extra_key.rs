//! A key for a use outside of the conversation: for file transfers, calls and whatever else applications agree on.
//! Spec: otrv4.md "Extra Symmetric Key"; OTRv3 "Extra symmetric key". Used by the channels of all versions.

use core::fmt;

use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// A key for a use outside of the conversation, which only the two sides of it have. It is as good as the message that
/// named it, and never travels itself. Wipe it when it is no longer needed.
#[derive(Clone)]
pub struct ExtraKey {
    /// What it is for; the applications agree on the meaning. Zeros where the sender gave less than four bytes.
    pub context: [u8; 4],
    /// What else the sender says of the use, such as the name of a file.
    pub data: Vec<u8>,
    /// The key itself: 64 bytes in version 4, 32 in version 3; wiped when dropped.
    pub key: Zeroizing<Vec<u8>>,
}

impl ExtraKey {
    /// The key for the use that a record names: four bytes of context, padded with zeros, then what follows them.
    pub(crate) fn for_use(value: &[u8], key: &[u8]) -> Self {
        let (context, data) = split_use(value);
        Self { context, data: data.to_vec(), key: Zeroizing::new(key.to_vec()) }
    }
}

/// The context, padded with zeros, and what follows it.
pub(crate) fn split_use(value: &[u8]) -> ([u8; 4], &[u8]) {
    match value.split_first_chunk() {
        Some((context, data)) => (*context, data),
        None => {
            let mut context = [0; 4];
            context.iter_mut().zip(value).for_each(|(to, from)| *to = *from);
            (context, &[])
        }
    }
}

/// Keys that one message gives. otrv4.md: "only 10 extra symmetric keys can be derived".
pub(crate) const MAX_EXTRA_KEYS: usize = 10;

/// In constant time, as far as the key goes.
impl PartialEq for ExtraKey {
    fn eq(&self, other: &Self) -> bool {
        let Self { context, data, key } = self;
        let same_key: bool = key.ct_eq(other.key.as_slice()).into();
        same_key && *context == other.context && *data == other.data
    }
}

impl Eq for ExtraKey {}

impl fmt::Debug for ExtraKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { context, data, key: _ } = self;
        write!(f, "ExtraKey(context {:08x}, {} bytes)", u32::from_be_bytes(*context), data.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_use_is_four_bytes_of_context_and_what_follows() {
        let key = ExtraKey::for_use(b"filenotes.txt", &[7; 32]);
        assert_eq!(
            (key.context, key.data.as_slice(), key.key.as_slice()),
            (*b"file", b"notes.txt".as_slice(), [7; 32].as_slice())
        );
        for (short, whole) in [(b"".as_slice(), [0; 4]), (b"\x42", [0x42, 0, 0, 0]), (b"abc", *b"abc\0")] {
            assert_eq!(ExtraKey::for_use(short, &[7; 32]), ExtraKey::for_use(&whole, &[7; 32]));
        }
    }

    #[test]
    fn keys_that_differ_in_anything_are_not_equal() {
        let key = ExtraKey::for_use(b"filenotes", &[7; 32]);
        assert_ne!(key, ExtraKey::for_use(b"filenotes", &[8; 32]));
        assert_ne!(key, ExtraKey::for_use(b"filenotes", &[7; 64]));
        assert_ne!(key, ExtraKey::for_use(b"callnotes", &[7; 32]));
        assert_ne!(key, ExtraKey::for_use(b"file", &[7; 32]));
    }

    #[test]
    fn debug_output_hides_key_and_data() {
        let key = ExtraKey::for_use(b"filesecret", &[0xab; 64]);
        assert_eq!(format!("{key:?}"), "ExtraKey(context 66696c65, 6 bytes)");
    }
}
