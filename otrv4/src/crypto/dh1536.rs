//! The 1536-bit Diffie-Hellman group of versions 2 and 3 (RFC 3526), with generator 2.
//! Spec: OTRv3 "Encoded messages", "Key Management". Used by `v3` and by SMP.

mod powers;

use core::fmt;
use std::sync::LazyLock;

use crypto_bigint::modular::ConstMontyForm;
use crypto_bigint::{U1536, Uint, nlimbs};
use rand_core::CryptoRng;
use zeroize::Zeroizing;

pub(crate) use self::powers::{Dh1536Scalar, Dh1536Secret};
use super::modp::{Comb, DhPublicOf, minimal_bytes, read_exponent};
use super::secret::Secret;
use crate::wire::{Reader, WireError, Writer};

/// A public key: 2 <= x <= p - 2 and of the group of prime order; ordered as numbers, which decides who is the
/// "high" end.
pub(crate) type Dh1536Public = DhPublicOf<Modulus, { U1536::LIMBS }>;

/// A secret exponent of 320 bits, kept as its 40 random bytes, big-endian, and its public key, 2 to that power.
pub(crate) struct Dh1536KeyPair {
    secret: Secret<40>,
    public: Dh1536Public,
}

impl Dh1536KeyPair {
    /// "Picks a random value […] (at least 320 bits)": 40 bytes in one draw.
    pub(crate) fn generate(rng: &mut dyn CryptoRng) -> Self {
        Self::of(Secret::random(rng))
    }

    /// The key pair of recorded bytes.
    #[cfg(test)]
    pub(crate) fn from_bytes(secret: &[u8; 40]) -> Self {
        Self::of(Secret::copied(secret))
    }

    fn of(secret: Secret<40>) -> Self {
        static COMB: LazyLock<Comb<Modulus, { U1536::LIMBS }>> = LazyLock::new(|| Comb::new(Exponent::BITS));
        let public = Dh1536Public::of(*COMB.power(&exponent(&secret)));
        Self { secret, public }
    }

    /// The public half.
    pub(crate) fn public(&self) -> &Dh1536Public {
        &self.public
    }

    /// Reads a saved pair: the 40 bytes of the secret; zero is none.
    pub(crate) fn read(r: &mut Reader<'_>, what: &'static str) -> Result<Self, WireError> {
        Ok(Self::of(read_exponent(r, what)?))
    }

    /// Writes a pair to be saved: the secret, 40 bytes.
    pub(crate) fn write(&self, w: &mut Writer) {
        w.bytes(self.secret.as_bytes());
    }

    /// "secbytes": the MPI of `s = their ^ our`. Only its length depends on the result in time, and that of hashes over
    /// it. // spec-notes/SN-012
    pub(crate) fn shared(&self, their: &Dh1536Public) -> Zeroizing<Vec<u8>> {
        let power = their.element().pow_bounded_exp(&exponent(&self.secret), Exponent::BITS);
        let mut w = Writer::new();
        w.data(&minimal_bytes(&Zeroizing::new(power)));
        w.finish_secret()
    }
}

impl fmt::Debug for Dh1536KeyPair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { secret: _, public } = self;
        write!(f, "Dh1536KeyPair({public:?})")
    }
}

fn exponent(secret: &Secret<40>) -> Zeroizing<Exponent> {
    Zeroizing::new(Exponent::from_be_slice_truncated(secret.as_bytes(), Exponent::BITS))
}

/// A number modulo p, in Montgomery form.
type Element = ConstMontyForm<Modulus, { U1536::LIMBS }>;

/// A secret exponent of a key.
type Exponent = Uint<{ nlimbs(320) }>;

crypto_bigint::const_monty_params!(
    Modulus,
    U1536,
    "FFFFFFFFFFFFFFFFC90FDAA22168C234C4C6628B80DC1CD129024E088A67CC74\
     020BBEA63B139B22514A08798E3404DDEF9519B3CD3A431B302B0A6DF25F1437\
     4FE1356D6D51C245E485B576625E7EC6F44C42E9A637ED6B0BFF5CB6F406B7ED\
     EE386BFB5A899FA5AE9F24117C4B1FE649286651ECE45B3DC2007CB8A163BF05\
     98DA48361C55D39A69163FA8FD24CF5F83655D23DCA3AD961C62F356208552BB\
     9ED529077096966D670C354E4ABC9804F1746C08CA237327FFFFFFFFFFFFFFFF",
    "The prime p."
);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vectors::{self, Recorded, array, bytes, v3_file};

    fn read(encoded: &[u8]) -> Result<Dh1536Public, WireError> {
        Dh1536Public::read(&mut Reader::new(encoded), "gx")
    }

    #[test]
    fn exchanges_of_recorded_sessions_give_the_recorded_numbers() {
        let file = v3_file();
        for version in ["v3", "v2"] {
            let messages = &file["sessions"][version]["messages"];
            let (commit, dh_key) = (&messages[1], &messages[2]);
            let ours = Dh1536KeyPair::from_bytes(&array(&commit["x"]));
            let theirs = Dh1536KeyPair::from_bytes(&array(&dh_key["y"]));
            let mut w = Writer::new();
            ours.public().write(&mut w);
            assert_eq!(w.as_slice(), bytes(&commit["gx_mpi"]));
            assert_eq!(read(&bytes(&commit["gx_mpi"])).as_ref(), Ok(ours.public()));
            assert_eq!(read(&bytes(&dh_key["gy_mpi"])).as_ref(), Ok(theirs.public()));
            let secbytes = bytes(&dh_key["s_secbytes"]);
            assert_eq!(*ours.shared(theirs.public()), secbytes);
            assert_eq!(*theirs.shared(ours.public()), secbytes);
        }
    }

    #[test]
    fn the_modulus_is_the_recorded_one() {
        assert_eq!(Element::MODULUS.as_ref(), &U1536::from_be_slice(&bytes(&v3_file()["dh_prime"])));
    }

    #[test]
    fn numbers_outside_the_group_are_refused() {
        let p = *Element::MODULUS.as_ref();
        let judged = |n: &U1536| {
            let mut w = Writer::new();
            w.mpi(n.to_be_bytes().as_ref());
            read(w.as_slice()).is_ok()
        };
        // 2 is a square and -1 is none.
        for small in [2_u8, 4, 8] {
            let small = U1536::from_u8(small);
            assert!(judged(&small));
            assert!(!judged(&p.wrapping_sub(&small)));
        }
        for bad in
            [U1536::ZERO, U1536::ONE, p.wrapping_sub(&U1536::ONE), p, p.wrapping_add(&U1536::from_u8(2))]
        {
            assert!(!judged(&bad), "{bad}");
        }
        assert_eq!(read(&[0, 0, 0, 2, 0, 4]), Err(WireError::Illegal("gx")));
        assert_eq!(read(&[[0, 0, 0, 0xc1, 1].as_slice(), &[4; 192]].concat()), Err(WireError::Illegal("gx")));
        assert_eq!(read(&[0, 0, 0, 1]), Err(WireError::Truncated("gx")));
        assert_eq!(Dh1536Public::from_be_bytes(&[]), Err(WireError::Illegal("DH public key")));
    }

    #[test]
    fn public_keys_are_ordered_as_numbers() {
        let key = |bytes: &[u8]| Dh1536Public::from_be_bytes(bytes).unwrap();
        let ascending = [key(&[2]), key(&[4]), key(&[0x80]), key(&[1, 0]), key(&[4, 0]), key(&[1, 0, 0])];
        assert!(ascending.is_sorted_by(|a, b| a < b));
    }

    #[test]
    fn a_key_is_made_from_one_draw_and_from_its_saved_bytes() {
        let mut rng = Recorded([vec![0x5a; 40]].into());
        let made = Dh1536KeyPair::generate(&mut rng);
        assert!(rng.0.is_empty());
        let mut w = Writer::new();
        made.write(&mut w);
        assert_eq!(w.as_slice(), [0x5a; 40]);
        let saved = Dh1536KeyPair::read(&mut Reader::new(w.as_slice()), "secret").unwrap();
        assert_eq!(saved.public(), made.public());
    }

    #[test]
    fn zero_is_not_a_saved_secret() {
        let read = |bytes: &[u8]| Dh1536KeyPair::read(&mut Reader::new(bytes), "secret").map(|_| ());
        assert_eq!(read(&[0; 40]), Err(WireError::Illegal("secret")));
        assert_eq!(read(&[[0; 39].as_slice(), &[1]].concat()), Ok(()));
        assert_eq!(read(&[1; 39]), Err(WireError::Truncated("secret")));
    }

    #[test]
    fn a_short_shared_number_is_a_short_mpi() {
        let ours = Dh1536KeyPair::from_bytes(&core::array::from_fn(|n| u8::from(n == 39)));
        let theirs = Dh1536Public::from_be_bytes(&[1, 0]).unwrap();
        assert_eq!(*ours.shared(&theirs), [0, 0, 0, 2, 1, 0]);
    }

    #[test]
    fn debug_output_hides_the_secret() {
        let pair = Dh1536KeyPair::generate(&mut vectors::rng());
        let shown = format!("{pair:?}");
        assert!(shown.starts_with("Dh1536KeyPair(DhPublic(") && shown.len() < 40, "{shown}");
    }
}
