//! The 3072-bit Diffie-Hellman group of the brace keys: integers modulo `dh_p`, a safe prime, with generator 2.
//! Spec: otrv4.md "3072-bit Diffie-Hellman Parameters", "Generating ECDH and DH keys", "Shared Secrets". Used by the
//! DAKEs, the ratchet and the prekeys.

mod proof;

use core::fmt;
use std::sync::LazyLock;

use crypto_bigint::modular::ConstMontyForm;
use crypto_bigint::{U3072, Uint, nlimbs};
use rand_core::CryptoRng;
use zeroize::Zeroizing;

pub(crate) use self::proof::{DhNonce, DhResponse};
use super::modp::{Comb, DhPublicOf, minimal_bytes, read_exponent};
use super::secret::Secret;
use crate::wire::{Reader, WireError, Writer};

/// A public key: a checked member of the group of order `dh_q`, neither 1 nor its negative.
pub type DhPublic = DhPublicOf<Modulus, { U3072::LIMBS }>;

/// A secret exponent of 640 bits, kept as its 80 random bytes, big-endian.
pub(crate) struct DhSecret(Secret<80>);

impl DhSecret {
    /// The exponent as a number.
    fn exponent(&self) -> Zeroizing<Exponent> {
        Zeroizing::new(Exponent::from_be_slice_truncated(self.0.as_bytes(), Exponent::BITS))
    }
}

impl fmt::Debug for DhSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(_) = self;
        write!(f, "DhSecret(..)")
    }
}

/// A secret exponent and its public key, 2 to that power.
#[derive(Debug)]
pub(crate) struct DhKeyPair {
    secret: DhSecret,
    public: DhPublic,
}

impl DhKeyPair {
    /// `generateDH()`: 80 bytes in one draw.
    pub(crate) fn generate(rng: &mut dyn CryptoRng) -> Self {
        Self::of(Secret::random(rng))
    }

    /// The key pair of recorded bytes.
    #[cfg(test)]
    pub(crate) fn from_bytes(secret: &Secret<80>) -> Self {
        Self::of(Secret::copied(secret.as_bytes()))
    }

    fn of(secret: Secret<80>) -> Self {
        static COMB: LazyLock<Comb<Modulus, { U3072::LIMBS }>> = LazyLock::new(|| Comb::new(Exponent::BITS));
        let secret = DhSecret(secret);
        let public = DhPublic::of(*COMB.power(&secret.exponent()));
        Self { secret, public }
    }

    /// The exponent, for proofs that it is known.
    pub(crate) fn secret(&self) -> &DhSecret {
        &self.secret
    }

    /// The public half.
    pub(crate) fn public(&self) -> &DhPublic {
        &self.public
    }

    /// Reads a saved pair: the 80 bytes of the secret; zero is none.
    pub(crate) fn read(r: &mut Reader<'_>, what: &'static str) -> Result<Self, WireError> {
        Ok(Self::of(read_exponent(r, what)?))
    }

    /// Writes a pair to be saved: the secret, 80 bytes.
    pub(crate) fn write(&self, w: &mut Writer) {
        w.bytes(self.secret.0.as_bytes());
    }

    /// `k_dh = their ^ our`, big-endian without leading zeros. Only the length depends on the result in
    /// time. // spec-notes/SN-012
    pub(crate) fn shared(&self, their: &DhPublic) -> Zeroizing<Vec<u8>> {
        let exponent = self.secret.exponent();
        minimal_bytes(&Zeroizing::new(their.element().pow_bounded_exp(&exponent, Exponent::BITS)))
    }
}

/// 2 to the power of a number of 3072 bits.
fn power_of_two(exponent: &U3072) -> Zeroizing<Element> {
    static COMB: LazyLock<Comb<Modulus, { U3072::LIMBS }>> = LazyLock::new(|| Comb::new(U3072::BITS));
    COMB.power(exponent)
}

/// A number modulo `dh_p`, in Montgomery form.
type Element = ConstMontyForm<Modulus, { U3072::LIMBS }>;

/// A secret exponent.
type Exponent = Uint<{ nlimbs(640) }>;

/// Bytes of `dh_p`.
const LENGTH: usize = 384;

crypto_bigint::const_monty_params!(
    Modulus,
    U3072,
    "FFFFFFFFFFFFFFFFC90FDAA22168C234C4C6628B80DC1CD129024E088A67CC74\
     020BBEA63B139B22514A08798E3404DDEF9519B3CD3A431B302B0A6DF25F1437\
     4FE1356D6D51C245E485B576625E7EC6F44C42E9A637ED6B0BFF5CB6F406B7ED\
     EE386BFB5A899FA5AE9F24117C4B1FE649286651ECE45B3DC2007CB8A163BF05\
     98DA48361C55D39A69163FA8FD24CF5F83655D23DCA3AD961C62F356208552BB\
     9ED529077096966D670C354E4ABC9804F1746C08CA18217C32905E462E36CE3B\
     E39E772C180E86039B2783A2EC07A28FB5C55DF06F4C52C9DE2BCBF695581718\
     3995497CEA956AE515D2261898FA051015728E5A8AAAC42DAD33170D04507A33\
     A85521ABDF1CBA64ECFB850458DBEF0A8AEA71575D060C7DB3970F85A6E1E4C7\
     ABF5AE8CDB0933D71E8C94E04A25619DCEE3D2261AD2EE6BF12FFA06D98A0864\
     D87602733EC86A64521F2B18177B200CBBE117577A615D6C770988C0BAD946E2\
     08E24FA074E5AB3143DB5BFCE0FD108E4B82D120A93AD2CAFFFFFFFFFFFFFFFF",
    "`dh_p`."
);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vectors::{self, Recorded};

    fn pair(secret: &serde_json::Value) -> DhKeyPair {
        DhKeyPair::from_bytes(&Secret::copied(&vectors::array(secret)))
    }

    #[test]
    fn exchanges_of_the_vectors_give_the_recorded_numbers() {
        for vector in vectors::of_kind("dh") {
            let (inputs, outputs) = (&vector.inputs, &vector.outputs);
            let ours = pair(&inputs["a"]);
            if inputs.get("b").is_some() {
                let theirs = pair(&inputs["b"]);
                assert_eq!(ours.public().as_be_bytes(), vectors::bytes(&outputs["A"]), "{}", vector.name);
                assert_eq!(theirs.public().as_be_bytes(), vectors::bytes(&outputs["B"]), "{}", vector.name);
                assert_eq!(theirs.shared(ours.public()), ours.shared(theirs.public()), "{}", vector.name);
            }
            let theirs = inputs.get("B").unwrap_or(&outputs["B"]);
            let theirs = DhPublic::from_be_bytes(&vectors::bytes(theirs)).unwrap();
            assert_eq!(*ours.shared(&theirs), vectors::bytes(&outputs["k_dh"]), "{}", vector.name);
        }
    }

    #[test]
    fn numbers_of_the_vectors_are_members_as_recorded() {
        for vector in vectors::of_kind("dh_member") {
            let public = DhPublic::from_be_bytes(&vectors::bytes(&vector.inputs["x"]));
            assert_eq!(Some(public.is_ok()), vector.accept(), "{}", vector.name);
        }
    }

    #[test]
    fn a_key_is_made_from_one_draw_and_from_its_saved_bytes() {
        let mut rng = Recorded([vec![0x5a; 80]].into());
        let made = DhKeyPair::generate(&mut rng);
        assert!(rng.0.is_empty());
        let mut w = Writer::new();
        made.write(&mut w);
        assert_eq!(w.as_slice(), [0x5a; 80]);
        let saved = DhKeyPair::read(&mut Reader::new(w.as_slice()), "secret").unwrap();
        assert_eq!(saved.public(), made.public());
    }

    #[test]
    fn zero_is_not_a_saved_secret() {
        let read = |bytes: &[u8]| DhKeyPair::read(&mut Reader::new(bytes), "secret").map(|_| ());
        assert_eq!(read(&[0; 80]), Err(WireError::Illegal("secret")));
        assert_eq!(read(&[[0; 79].as_slice(), &[1]].concat()), Ok(()));
        assert_eq!(read(&[1; 79]), Err(WireError::Truncated("secret")));
    }

    #[test]
    fn a_public_key_is_written_as_the_mpi_it_was_read_from() {
        let public = DhKeyPair::generate(&mut vectors::rng()).public;
        let mut w = Writer::new();
        public.write(&mut w);
        assert_eq!(DhPublic::read(&mut Reader::new(w.as_slice()), "B"), Ok(public));
        let malformed = [0, 0, 0, 1, 1];
        assert_eq!(DhPublic::read(&mut Reader::new(&malformed), "B"), Err(WireError::Illegal("B")));
    }

    #[test]
    fn other_encodings_of_a_member_are_refused() {
        assert!(DhPublic::from_be_bytes(&[4]).is_ok());
        for bytes in [&[0, 4][..], &[], &[[1].as_slice(), &[4; 384]].concat()] {
            assert_eq!(DhPublic::from_be_bytes(bytes), Err(WireError::Illegal("DH public key")));
        }
    }

    #[test]
    fn debug_output_hides_the_secret() {
        let pair = DhKeyPair::from_bytes(&Secret::copied(&[0xab; 80]));
        let shown = format!("{pair:?}");
        assert!(shown.starts_with("DhKeyPair { secret: DhSecret(..), public: DhPublic("), "{shown}");
    }
}
