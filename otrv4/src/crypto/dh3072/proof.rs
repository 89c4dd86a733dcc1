//! The arithmetic of the batch proof that a publisher knows the secrets of its DH prekeys.
//! Spec: otrv4-prekey-server.md "Proofs"; spec-notes/SN-024. Used by [`crate::prekey_server`], which also makes the
//! challenge and its pieces t_j, 44 bytes each, big-endian.

use crypto_bigint::{NonZero, U384, U1024, U3072, Uint, nlimbs};
use zeroize::Zeroizing;

use super::{DhPublic, DhSecret, Element, power_of_two};
use crate::crypto::modp::{minimal_bytes, product_of_powers};
use crate::crypto::secret::Secret;
use crate::wire::{Reader, WireError, Writer};

/// The nonce r: a number modulo `dh_q`, spent by the one response it may be used for.
pub(crate) struct DhNonce(Zeroizing<U3072>);

impl DhNonce {
    /// Uniform modulo `dh_q`: 400 uniform bytes, big-endian, reduced. The 129 bits too many make every value as likely
    /// as any other, but for a part in 2^129. The text's 80 bytes would give the secrets away: spec-notes/SN-024.
    pub(crate) fn uniform(bytes: &Secret<400>) -> Self {
        let wide = Zeroizing::new(Uint::<{ nlimbs(3200) }>::from_be_slice(bytes.as_bytes()));
        Self(Zeroizing::new(wide.rem(&ORDER)))
    }

    /// `A = 2 ^ r`, big-endian without leading zeros.
    pub(crate) fn commitment(&self) -> Vec<u8> {
        core::mem::take(&mut *minimal_bytes(&power_of_two(&self.0)))
    }

    /// `v = (r + t_1 * b_1 + … + t_n * b_n) mod dh_q`. Constant time.
    pub(crate) fn respond(self, terms: &[(&[u8; 44], &DhSecret)]) -> DhResponse {
        // A product has 352 + 640 = 992 bits; 2^32 of them would be needed to fill the sum.
        let mut sum = Zeroizing::new(U1024::ZERO);
        for (piece, secret) in terms {
            let secret: Zeroizing<U1024> = Zeroizing::new(secret.exponent().resize());
            let product = Zeroizing::new(secret.wrapping_mul(&piece_number(piece)));
            *sum = sum.wrapping_add(&product);
        }
        let sum: Zeroizing<U3072> = Zeroizing::new(sum.resize());
        DhResponse(self.0.add_mod(&sum, &ORDER))
    }
}

/// The response v: a number below `dh_q`, public.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DhResponse(U3072);

impl DhResponse {
    /// Reads an MPI below `dh_q`.
    pub(crate) fn read(r: &mut Reader<'_>) -> Result<Self, WireError> {
        let bytes = r.mpi("DH proof")?;
        let value = U3072::from_be_slice_truncated(bytes, U3072::BITS);
        if bytes.len() > super::LENGTH || value >= *ORDER.as_ref() {
            return Err(WireError::Illegal("DH proof"));
        }
        Ok(Self(value))
    }

    /// Writes the MPI.
    pub(crate) fn write(&self, w: &mut Writer) {
        w.mpi(self.0.to_be_bytes().as_ref());
    }

    /// `A = 2 ^ v * (B_1 ^ t_1 * … * B_n ^ t_n) ^ -1`, big-endian without leading zeros: the commitment, if the proof is
    /// right. Variable time: everything in it is public.
    pub(crate) fn recommit(&self, terms: &[(&[u8; 44], &DhPublic)]) -> Vec<u8> {
        let terms: Vec<_> = terms.iter().map(|(piece, key)| (*key.element(), piece_number(piece))).collect();
        let divisor = product_of_powers(&terms).invert_vartime().into_option();
        let divisor = divisor.expect("an element of the group is not zero");
        core::mem::take(&mut *minimal_bytes(&power_of_two(&self.0).mul(&divisor)))
    }
}

fn piece_number(piece: &[u8; 44]) -> U384 {
    U384::from_be_slice_truncated(piece, U384::BITS)
}

/// `dh_q = (dh_p - 1) / 2`.
const ORDER: NonZero<U3072> = NonZero::<U3072>::new_unwrap(Element::MODULUS.as_ref().shr_vartime(1));

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::crypto::dh3072::DhKeyPair;
    use crate::crypto::kdf::shake256;
    use crate::vectors::{self, Vector};

    const PREFIX: &[u8] = b"OTR-Prekey-Server";

    fn publics(vector: &Vector) -> Vec<DhPublic> {
        let list = vector.inputs["publics"].as_array().unwrap();
        list.iter().map(|key| DhPublic::from_be_bytes(&vectors::bytes(key)).unwrap()).collect()
    }

    /// `c = KDF(14, MPI(A) || MPI(B_1) … || m, 64)`, and its pieces `KDF(17, c, 44 n)`.
    fn challenge(vector: &Vector, commitment: &[u8]) -> ([u8; 64], Vec<[u8; 44]>) {
        let mut w = Writer::new();
        w.mpi(commitment);
        let publics = publics(vector);
        publics.iter().for_each(|key| key.write(&mut w));
        w.bytes(&vectors::bytes(&vector.inputs["m"]));
        let mut c = [0; 64];
        shake256(&[PREFIX, &[0x14], w.as_slice()], &mut c);
        let mut pieces = vec![0; 44 * publics.len()];
        shake256(&[PREFIX, &[0x17], &c], &mut pieces);
        (c, pieces.as_chunks().0.to_vec())
    }

    /// Whether the recorded C ‖ MPI(V) holds for the recorded keys.
    fn verify(vector: &Vector, proof: &Value) -> bool {
        let proof = vectors::bytes(proof);
        let mut r = Reader::new(&proof);
        let c: [u8; 64] = r.array("challenge").unwrap();
        let response = DhResponse::read(&mut r).unwrap();
        let publics = publics(vector);
        let mut pieces = vec![0; 44 * publics.len()];
        shake256(&[PREFIX, &[0x17], &c], &mut pieces);
        let terms: Vec<_> = pieces.as_chunks().0.iter().zip(&publics).collect();
        challenge(vector, &response.recommit(&terms)).0 == c
    }

    #[test]
    fn proofs_of_the_vectors_are_made_byte_for_byte() {
        for vector in vectors::of_kind("dh_proof") {
            let draw = [vec![0; 16], vectors::bytes(&vector.inputs["r"])].concat();
            let nonce = DhNonce::uniform(&Secret::copied(&draw.try_into().unwrap()));
            let (c, pieces) = challenge(&vector, &nonce.commitment());
            let recorded: Vec<_> =
                vector.outputs["t"].as_array().unwrap().iter().map(vectors::array).collect();
            assert_eq!(pieces, recorded, "{}", vector.name);
            let secrets = vector.inputs["secrets"].as_array().unwrap();
            let keys =
                secrets.iter().map(|secret| DhKeyPair::from_bytes(&Secret::copied(&vectors::array(secret))));
            let keys: Vec<_> = keys.collect();
            let terms: Vec<_> = pieces.iter().zip(keys.iter().map(DhKeyPair::secret)).collect();
            let mut w = Writer::new();
            w.bytes(&c);
            nonce.respond(&terms).write(&mut w);
            assert_eq!(w.as_slice(), vectors::bytes(&vector.outputs["proof"]), "{}", vector.name);
            assert!(verify(&vector, &vector.outputs["proof"]), "{}", vector.name);
        }
    }

    #[test]
    fn proofs_of_the_vectors_are_judged_as_recorded() {
        for vector in vectors::of_kind("dh_proof_verify") {
            assert_eq!(Some(verify(&vector, &vector.inputs["proof"])), vector.accept(), "{}", vector.name);
        }
    }

    #[test]
    fn a_nonce_is_reduced_from_400_bytes() {
        let nonce = DhNonce::uniform(&Secret::copied(&[0xff; 400]));
        let expected = Uint::<{ nlimbs(3200) }>::MAX.rem_vartime(&ORDER);
        assert_eq!(*nonce.0, expected);
    }

    #[test]
    fn a_response_is_below_the_order() {
        let encoded = |value: &U3072| Writer::new().mpi(value.to_be_bytes().as_ref()).as_slice().to_vec();
        let order = *ORDER.as_ref();
        let largest = order.wrapping_sub(&U3072::ONE);
        assert_eq!(DhResponse::read(&mut Reader::new(&encoded(&largest))), Ok(DhResponse(largest)));
        assert_eq!(DhResponse::read(&mut Reader::new(&encoded(&U3072::ZERO))), Ok(DhResponse(U3072::ZERO)));
        let illegal = Err(WireError::Illegal("DH proof"));
        assert_eq!(DhResponse::read(&mut Reader::new(&encoded(&order))), illegal);
        let too_long = [&[0, 0, 1, 0x81, 1], [0; 384].as_slice()].concat();
        assert_eq!(DhResponse::read(&mut Reader::new(&too_long)), illegal);
    }
}
