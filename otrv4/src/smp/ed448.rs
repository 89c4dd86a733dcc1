//! SMP of version 4: the group Ed448, and the secret that is compared.
//! Spec: otrv4.md "Secret Information", "SMP Hash Function". Used by [`crate::session`].

use rand_core::CryptoRng;

use super::Group;
use crate::crypto::ed448::{Point, Scalar, SecretScalar};
use crate::crypto::kdf::{OTRV4, Usage, derive, kdf, shake256};
use crate::crypto::secret::Secret;
use crate::keys::Fingerprint;
use crate::wire::{Reader, WireError, Writer};

/// `x = HWC(usage_SMP_secret || version || Initiator fingerprint || Responder fingerprint || SSID || DATA(secret),
/// 57)`, pruned; the initiator is who sent SMP message 1. spec-notes/SN-015
pub(crate) fn secret(
    initiator: &Fingerprint,
    responder: &Fingerprint,
    ssid: &[u8; 8],
    user_secret: &[u8],
) -> SecretScalar {
    let length =
        u32::try_from(user_secret.len()).expect("what a user types is far shorter than 4 GiB").to_be_bytes();
    SecretScalar::pruned(&kdf(
        Usage::SmpSecret,
        &[&[SMP_VERSION], initiator.as_bytes(), responder.as_bytes(), ssid, &length, user_secret],
    ))
}

/// Elements are POINTs, numbers SCALARs, one after the other.
pub(crate) enum Ed448 {}

impl Group for Ed448 {
    type Element = Point;
    type Scalar = Scalar;
    type Secret = SecretScalar;

    fn write_count(_: u32, _: &mut Writer) {}

    fn read_count(_: u32, _: &mut Reader<'_>) -> Result<(), WireError> {
        Ok(())
    }

    fn write_element(element: &Point, w: &mut Writer) {
        element.write(w);
    }

    fn read_element(r: &mut Reader<'_>, what: &'static str) -> Result<Point, WireError> {
        Point::read(r, what)
    }

    fn write_scalar(scalar: Scalar, w: &mut Writer) {
        scalar.write(w);
    }

    /// Mod q, and zero is a number like the others. // spec-notes/SN-015
    fn read_scalar(r: &mut Reader<'_>, what: &'static str) -> Result<Scalar, WireError> {
        Scalar::read(r, what)
    }

    fn write_secret(secret: &SecretScalar, w: &mut Writer) {
        secret.write(w);
    }

    fn read_secret(r: &mut Reader<'_>, what: &'static str) -> Result<SecretScalar, WireError> {
        SecretScalar::read(r, what)
    }

    /// 57 bytes drawn in one call, hashed and pruned.
    fn exponent(rng: &mut dyn CryptoRng) -> SecretScalar {
        SecretScalar::random(rng)
    }

    /// 57 bytes drawn in one call, hashed to 114 and reduced. Pruned, as the text has it, they would fill half of Z_q,
    /// and each proof would tell which half of all guesses at the secret is wrong. // spec-notes/SN-015
    fn nonce(rng: &mut dyn CryptoRng) -> SecretScalar {
        let random = Secret::<57>::random(rng);
        SecretScalar::uniform(&Secret::filled(|hash| shake256(&[random.as_bytes()], hash)))
    }

    fn hash_to_scalar(i: u8, elements: &[&Point]) -> Scalar {
        let parts: Vec<&[u8]> = elements.iter().map(|point| point.as_bytes().as_slice()).collect();
        let mut hash = [0; 57];
        derive(OTRV4, i, &parts, &mut hash);
        Scalar::decode(&hash)
    }

    fn respond(r: SecretScalar, a: &SecretScalar, c: Scalar) -> Scalar {
        let mut d = r;
        d.add_product(&-c, a);
        d.publish()
    }

    fn mul_base(k: &SecretScalar) -> Point {
        k.mul_base()
    }

    fn mul(a: &Point, k: &SecretScalar) -> Point {
        k.mul(a)
    }

    fn commit(r: &SecretScalar, a: &Point, k: &SecretScalar) -> Point {
        Point::commit(r, k, a)
    }

    fn sub(a: &Point, b: &Point) -> Point {
        a - b
    }

    fn is_identity(a: &Point) -> bool {
        a.is_identity()
    }

    fn combine(d: Scalar, terms: &[(Scalar, &Point)]) -> Point {
        Point::combine(&d, terms)
    }

    fn sum_of_products(terms: &[(Scalar, &Point)]) -> Point {
        Point::sum_of_products(terms)
    }
}

/// The version of SMP in the secret.
const SMP_VERSION: u8 = 1;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vectors::{Recorded, array, of_kind, rng};

    #[test]
    fn secrets_are_the_recorded_ones() {
        for vector in of_kind("smp_secret") {
            let [initiator, responder] = ["initiator_fingerprint", "responder_fingerprint"]
                .map(|name| Fingerprint::from_bytes(array(&vector.inputs[name])));
            let text = vector.inputs["secret"].as_str().unwrap();
            let x = secret(&initiator, &responder, &array(&vector.inputs["SSID"]), text.as_bytes());
            assert_eq!(x.publish().to_bytes(), array(&vector.outputs["scalar_mod_q"]), "{}", vector.name);
        }
    }

    #[test]
    fn everything_that_goes_into_the_secret_counts() {
        let [a, b] = [1, 2].map(|n| Fingerprint::from_bytes([n; 56]));
        let all = [
            secret(&a, &b, &[3; 8], b"text"),
            secret(&b, &a, &[3; 8], b"text"),
            secret(&a, &a, &[3; 8], b"text"),
            secret(&b, &b, &[3; 8], b"text"),
            secret(&a, &b, &[4; 8], b"text"),
            secret(&a, &b, &[3; 8], b"Text"),
            secret(&a, &b, &[3; 8], b"text "),
            secret(&a, &b, &[3; 8], b""),
        ]
        .map(|x| x.publish());
        for (n, x) in all.iter().enumerate() {
            assert!(!all[..n].contains(x), "{n}");
        }
    }

    #[test]
    fn nonces_fill_all_of_the_numbers_and_pruned_ones_half() {
        // Pruned values have the second-lowest bit set when they are reduced mod q.
        let clear = |draw: fn(&mut dyn CryptoRng) -> SecretScalar| {
            (0..64).filter(|_| draw(&mut rng()).publish().to_bytes()[0] & 2 == 0).count()
        };
        assert!((8..56).contains(&clear(Ed448::nonce)));
        assert_eq!(clear(Ed448::exponent), 0);
    }

    #[test]
    fn an_exponent_and_a_nonce_are_one_draw_of_57_bytes_each() {
        let mut recorded = Recorded([vec![7; 57], vec![7; 57]].into());
        let [exponent, nonce] = [Ed448::exponent, Ed448::nonce].map(|draw| draw(&mut recorded).publish());
        assert!(recorded.0.is_empty());
        assert_ne!(exponent, nonce);
        assert_eq!(exponent, SecretScalar::from_random57(&Secret::copied(&[7; 57])).publish());
    }
}
