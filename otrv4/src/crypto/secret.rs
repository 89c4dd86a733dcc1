//! Secret bytes of a fixed length. Everything secret that is not a number lives in one of these.
//! Used by every module that handles keys.

use core::fmt;

use rand_core::CryptoRng;
use subtle::ConstantTimeEq;
use zeroize::Zeroize;

/// N secret bytes: on the heap, so that moving them leaves no copies behind; wiped when dropped; never printed.
/// It cannot be cloned in passing, and one of another length is another type:
///
/// ```compile_fail,E0599
/// let secret = otrv4::Secret::copied(&[0; 32]);
/// let second = secret.clone();
/// ```
///
/// ```compile_fail,E0308
/// let (brace_key, root_key) = (otrv4::Secret::copied(&[0; 32]), otrv4::Secret::copied(&[0; 64]));
/// assert!(brace_key.ct_eq(&root_key));
/// ```
pub struct Secret<const N: usize>(Box<[u8; N]>);

impl<const N: usize> Secret<N> {
    /// Made in place: `fill` gets the zeroed bytes that will stay where they are.
    pub fn filled(fill: impl FnOnce(&mut [u8; N])) -> Self {
        let mut secret = Self(Box::new([0; N]));
        fill(&mut secret.0);
        secret
    }

    /// Drawn in one call of `fill_bytes`.
    pub fn random(rng: &mut dyn CryptoRng) -> Self {
        Self::filled(|out| rng.fill_bytes(out))
    }

    /// A copy; wiping the original is the caller's part.
    pub fn copied(bytes: &[u8; N]) -> Self {
        Self::filled(|out| out.copy_from_slice(bytes))
    }

    /// The bytes themselves.
    pub fn as_bytes(&self) -> &[u8; N] {
        &self.0
    }

    /// Whether both are the same, in constant time.
    pub fn ct_eq(&self, other: &Self) -> bool {
        self.0.ct_eq(other.0.as_slice()).into()
    }
}

impl<const N: usize> Drop for Secret<N> {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl<const N: usize> fmt::Debug for Secret<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(_) = self;
        write!(f, "Secret<{N}>(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vectors::Recorded;

    #[test]
    fn a_secret_is_not_printed() {
        assert_eq!(format!("{:?}", Secret::copied(&[0xAB; 3])), "Secret<3>(..)");
    }

    #[test]
    fn secrets_are_equal_when_every_byte_is() {
        let one = Secret::copied(&[1, 2, 3]);
        assert!(one.ct_eq(&Secret::copied(&[1, 2, 3])));
        for position in 0..3 {
            let mut bytes = [1, 2, 3];
            bytes[position] ^= 0x80;
            assert!(!one.ct_eq(&Secret::copied(&bytes)));
        }
    }

    #[test]
    fn a_random_secret_is_one_draw_of_its_whole_length() {
        let mut rng = Recorded([vec![7; 57]].into());
        assert_eq!(Secret::<57>::random(&mut rng).as_bytes(), &[7; 57]);
        assert!(rng.0.is_empty());
    }
}
