//! The groups of whole numbers modulo a safe prime p, with generator 2 (RFC 3526), written once for every size.
//! Spec: otrv4.md "3072-bit Diffie-Hellman Parameters", "Verifying that an integer is in the DH group"; OTRv3 "Encoded
//! messages". Used by [`super::dh3072`] and [`super::dh1536`].

mod comb;
mod membership;
mod product;

use core::cmp::Ordering;
use core::fmt;

use crypto_bigint::Uint;
use crypto_bigint::modular::{ConstMontyForm, ConstMontyParams};
use zeroize::Zeroizing;

pub(super) use self::comb::Comb;
pub(super) use self::product::product_of_powers;
use super::secret::Secret;
use crate::wire::{Reader, WireError, Writer};

/// A public key: a checked member of the group of order (p - 1) / 2, neither 1 nor its negative.
#[derive(Clone, PartialEq, Eq)]
pub struct DhPublicOf<M: ConstMontyParams<LIMBS>, const LIMBS: usize> {
    element: ConstMontyForm<M, LIMBS>,
    /// Big-endian, without leading zeros.
    bytes: Box<[u8]>,
}

impl<M: ConstMontyParams<LIMBS>, const LIMBS: usize> DhPublicOf<M, LIMBS> {
    /// otrv4.md "Verifying that an integer is in the DH group": 2 <= x <= p - 2 and x^((p - 1) / 2) = 1, big-endian
    /// without leading zeros. Variable time: the number is public. // spec-notes/SN-023
    pub fn from_be_bytes(bytes: &[u8]) -> Result<Self, WireError> {
        let illegal = WireError::Illegal("DH public key");
        if bytes.len() > LIMBS * size_of::<crypto_bigint::Limb>() || bytes.first() == Some(&0) {
            return Err(illegal);
        }
        let value = Uint::<LIMBS>::from_be_slice_truncated(bytes, Uint::<LIMBS>::BITS);
        let p = ConstMontyForm::<M, LIMBS>::MODULUS;
        let two = Uint::from_u8(2);
        if value < two || value > p.as_ref().wrapping_sub(&two) || !membership::is_square(&value, &p) {
            return Err(illegal);
        }
        Ok(Self { element: ConstMontyForm::new(&value), bytes: bytes.into() })
    }

    /// Reads an MPI.
    pub fn read(r: &mut Reader<'_>, what: &'static str) -> Result<Self, WireError> {
        Self::from_be_bytes(r.mpi(what)?).map_err(|_| WireError::Illegal(what))
    }

    /// Writes the MPI.
    pub fn write(&self, w: &mut Writer) {
        w.mpi(&self.bytes);
    }

    /// Big-endian, without leading zeros.
    pub fn as_be_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// An element that is a product of powers of 2 and of public keys, and so a member without a check.
    pub(super) fn of(element: ConstMontyForm<M, LIMBS>) -> Self {
        Self { element, bytes: minimal_bytes(&element).as_slice().into() }
    }

    pub(super) const fn element(&self) -> &ConstMontyForm<M, LIMBS> {
        &self.element
    }
}

/// As numbers.
impl<M: ConstMontyParams<LIMBS>, const LIMBS: usize> Ord for DhPublicOf<M, LIMBS> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.bytes.len().cmp(&other.bytes.len()).then_with(|| self.bytes.cmp(&other.bytes))
    }
}

impl<M: ConstMontyParams<LIMBS>, const LIMBS: usize> PartialOrd for DhPublicOf<M, LIMBS> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<M: ConstMontyParams<LIMBS>, const LIMBS: usize> fmt::Debug for DhPublicOf<M, LIMBS> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { element: _, bytes } = self;
        write!(f, "DhPublic(")?;
        bytes.iter().take(4).try_for_each(|byte| write!(f, "{byte:02x}"))?;
        write!(f, "..)")
    }
}

/// The number behind an element, big-endian without leading zeros. Only the length depends on the element in
/// time. // spec-notes/SN-012
pub(super) fn minimal_bytes<M: ConstMontyParams<LIMBS>, const LIMBS: usize>(
    element: &ConstMontyForm<M, LIMBS>,
) -> Zeroizing<Vec<u8>> {
    let value = Zeroizing::new(element.retrieve());
    let mut bytes = Zeroizing::new(Vec::with_capacity(size_of_val(&*value)));
    for word in value.as_words().iter().rev() {
        bytes.extend_from_slice(&word.to_be_bytes());
    }
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    // Always copied, whether there are any or not.
    Zeroizing::new(bytes.get(zeros..).unwrap_or_default().to_vec())
}

/// Reads the `N` bytes of a saved exponent; zero is none.
pub(super) fn read_exponent<const N: usize>(
    r: &mut Reader<'_>,
    what: &'static str,
) -> Result<Secret<N>, WireError> {
    let secret = Secret::copied(r.chunk(what)?);
    if secret.ct_eq(&Secret::copied(&[0; N])) { Err(WireError::Illegal(what)) } else { Ok(secret) }
}
