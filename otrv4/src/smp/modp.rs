//! SMP of versions 2 and 3: the 1536-bit group, and the secret that is compared.
//! Spec: OTRv3 "Secret information", "SMP Hash function", "Data Message" (the records). Used by [`crate::session`].

use rand_core::CryptoRng;

use super::Group;
use crate::crypto::dh1536::{Dh1536Public, Dh1536Scalar, Dh1536Secret};
use crate::crypto::legacy::{sha256, sha256_secret};
use crate::keys::FingerprintV3;
use crate::wire::{Reader, WireError, Writer};

/// `x = SHA256(version || Initiator fingerprint || Responder fingerprint || ssid || secret)`; the initiator is who sent SMP
/// message 1.
pub(crate) fn secret(
    initiator: &FingerprintV3,
    responder: &FingerprintV3,
    ssid: &[u8; 8],
    user_secret: &[u8],
) -> Dh1536Secret {
    Dh1536Secret::of_hash(&sha256_secret(&[
        &[SMP_VERSION],
        initiator.as_bytes(),
        responder.as_bytes(),
        ssid,
        user_secret,
    ]))
}

/// A count, and as many MPIs. // spec-notes/SN-041
pub(crate) enum Modp1536 {}

impl Group for Modp1536 {
    type Element = Dh1536Public;
    type Scalar = Dh1536Scalar;
    type Secret = Dh1536Secret;

    fn write_count(fields: u32, w: &mut Writer) {
        w.int(fields);
    }

    fn read_count(fields: u32, r: &mut Reader<'_>) -> Result<(), WireError> {
        let what = "SMP count";
        if r.int(what)? == fields { Ok(()) } else { Err(WireError::Illegal(what)) }
    }

    fn write_element(element: &Dh1536Public, w: &mut Writer) {
        element.write(w);
    }

    /// With the Legendre symbol, which the text does not ask for.
    fn read_element(r: &mut Reader<'_>, what: &'static str) -> Result<Dh1536Public, WireError> {
        Dh1536Public::read(r, what)
    }

    fn write_scalar(scalar: Dh1536Scalar, w: &mut Writer) {
        scalar.write(w);
    }

    fn read_scalar(r: &mut Reader<'_>, what: &'static str) -> Result<Dh1536Scalar, WireError> {
        Dh1536Scalar::read(r, what)
    }

    fn write_secret(secret: &Dh1536Secret, w: &mut Writer) {
        secret.write(w);
    }

    fn read_secret(r: &mut Reader<'_>, what: &'static str) -> Result<Dh1536Secret, WireError> {
        Dh1536Secret::read(r, what)
    }

    fn exponent(rng: &mut dyn CryptoRng) -> Dh1536Secret {
        Dh1536Secret::random(rng)
    }

    fn nonce(rng: &mut dyn CryptoRng) -> Dh1536Secret {
        Dh1536Secret::random(rng)
    }

    /// `SHA256(i || MPI || MPI)`
    fn hash_to_scalar(i: u8, elements: &[&Dh1536Public]) -> Dh1536Scalar {
        let mut w = Writer::new();
        elements.iter().for_each(|element| element.write(&mut w));
        Dh1536Scalar::of_hash(&sha256(&[&[i], w.as_slice()]))
    }

    fn respond(r: Dh1536Secret, a: &Dh1536Secret, c: Dh1536Scalar) -> Dh1536Scalar {
        r.respond(a, c)
    }

    fn mul_base(k: &Dh1536Secret) -> Dh1536Public {
        k.power_of_two()
    }

    fn mul(a: &Dh1536Public, k: &Dh1536Secret) -> Dh1536Public {
        k.power_of(a)
    }

    fn commit(r: &Dh1536Secret, a: &Dh1536Public, k: &Dh1536Secret) -> Dh1536Public {
        k.commit(r, a)
    }

    fn sub(a: &Dh1536Public, b: &Dh1536Public) -> Dh1536Public {
        a.divided_by(b)
    }

    fn is_identity(a: &Dh1536Public) -> bool {
        a.is_one()
    }

    fn combine(d: Dh1536Scalar, terms: &[(Dh1536Scalar, &Dh1536Public)]) -> Dh1536Public {
        Dh1536Public::combine(d, terms)
    }

    fn sum_of_products(terms: &[(Dh1536Scalar, &Dh1536Public)]) -> Dh1536Public {
        Dh1536Public::product_of_powers(terms)
    }
}

/// The version of SMP in the secret.
const SMP_VERSION: u8 = 1;

#[cfg(test)]
mod tests;
