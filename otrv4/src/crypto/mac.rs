//! Message authentication codes. Used wherever one is checked: in every version and in the prekey protocol.

use core::fmt;

use subtle::ConstantTimeEq;

use crate::wire::{Reader, WireError, Writer};

/// A MAC of N bytes: one we computed, or one that came and is not believed yet. It has no `==`, which would tell by its
/// time how many bytes of a forgery are right; [`Self::matches`] is the only comparison.
pub(crate) struct Mac<const N: usize>([u8; N]);

impl<const N: usize> Mac<N> {
    pub(crate) const fn new(computed: [u8; N]) -> Self {
        Self(computed)
    }

    pub(crate) fn read(r: &mut Reader<'_>) -> Result<Self, WireError> {
        r.array("MAC").map(Self)
    }

    pub(crate) fn write(&self, w: &mut Writer) {
        w.bytes(&self.0);
    }

    /// Whether they are the same; in constant time.
    pub(crate) fn matches(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

/// Shows nothing: ours is a secret while theirs is not believed.
impl<const N: usize> fmt::Debug for Mac<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Mac of {N} bytes")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_changed_bit_makes_another_mac() {
        let mac = Mac::new([0x5a; 64]);
        assert!(mac.matches(&Mac::new([0x5a; 64])));
        for bit in 0..512 {
            let mut other = [0x5a; 64];
            other[bit / 8] ^= 1 << (bit % 8);
            assert!(!mac.matches(&Mac::new(other)), "bit {bit}");
        }
    }

    /// No assertion can tell a time. What decides it can be read: the type has no other comparison, and this one is the
    /// crate's that is made for it. docs/constant-time.md has it measured.
    #[test]
    fn macs_are_compared_in_constant_time() {
        let code = include_str!("mac.rs").split("#[cfg(test)]").next().expect("code");
        assert!(code.contains("self.0.ct_eq(&other.0).into()"));
        assert!(!code.contains("derive") && !code.contains("PartialEq"));
    }
}
