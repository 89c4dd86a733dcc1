//! The keys that last: long-term, forging and shared prekeys, and the fingerprint people compare.
//! Spec: otrv4.md "Public keys, Shared Prekeys, Forging keys and Fingerprints". Used by the profiles, the handshakes
//! and the account.

mod fingerprint;

use rand_core::CryptoRng;

pub use crate::crypto::dsa::{DsaKey, DsaParts};
pub use crate::crypto::ed448::Point;
use crate::crypto::ed448::SigningKey;
use crate::crypto::secret::Secret;
use crate::wire::{Reader, WireError, Writer};
pub use fingerprint::{Fingerprint, FingerprintOf, FingerprintV3};

/// The key pair that says who we are: it signs the profiles and authenticates the handshakes.
///
/// The three kinds of key in this module have the same bytes and are never interchangeable:
///
/// ```compile_fail,E0308
/// fn publish(key: &otrv4::keys::LongTermKey) {}
/// fn mixed_up(prekey: &otrv4::keys::SharedPrekey) {
///     publish(prekey);
/// }
/// ```
/// ```compile_fail,E0308
/// fn publish(key: &otrv4::keys::LongTermKey) {}
/// fn mixed_up(key: &otrv4::keys::ForgingKey) {
///     publish(key);
/// }
/// ```
/// ```compile_fail,E0308
/// fn offer(key: &otrv4::keys::SharedPrekey) {}
/// fn mixed_up(key: &otrv4::keys::ForgingKey) {
///     offer(key);
/// }
/// ```
#[derive(Debug)]
pub struct LongTermKey(SigningKey);

impl LongTermKey {
    /// A new key pair from 57 random bytes (`sym_h`).
    pub fn generate(rng: &mut dyn CryptoRng) -> Self {
        Self(SigningKey::generate(rng))
    }

    /// The public key `H`.
    pub fn public(&self) -> &Point {
        self.0.public()
    }

    /// Another key of a ring in the place of a long-term key. It must sign nothing but rings.
    pub(crate) const fn standing_in(key: SigningKey) -> Self {
        Self(key)
    }

    pub(crate) const fn signing(&self) -> &SigningKey {
        &self.0
    }

    /// 57 bytes, secret: `sym_h`.
    pub(crate) fn save(&self, w: &mut Writer) {
        save_sym(&self.0, w);
    }

    pub(crate) fn load(r: &mut Reader<'_>) -> Result<Self, WireError> {
        Ok(Self(load_sym(r, "long-term key")?))
    }
}

/// Whether the owner keeps the secret of the forging key. Nobody can tell from outside, which is the point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ForgingSecret {
    /// Keep it: whoever uses our device could have forged conversations with it.
    Keep,
    /// Never have it: protects against impersonation towards us after our long-term key was stolen (otrv4.md "KCI Attacks"). Waiting
    /// prekeys that were stolen with it still serve for that, in offline starts.
    Destroy,
}

/// The forging key: a point that could sign in our name towards us, with or without its secret.
#[derive(Debug)]
pub struct ForgingKey(Forging);

#[derive(Debug)]
enum Forging {
    Kept(SigningKey),
    Destroyed(Point),
}

impl ForgingKey {
    /// A new forging key; with [`ForgingSecret::Destroy`] a point of which nobody has ever known the secret.
    pub fn generate(secret: ForgingSecret, rng: &mut dyn CryptoRng) -> Self {
        Self(match secret {
            ForgingSecret::Keep => Forging::Kept(SigningKey::generate(rng)),
            ForgingSecret::Destroy => Forging::Destroyed(random_point(rng)),
        })
    }

    /// The public key `F`.
    pub fn public(&self) -> &Point {
        match &self.0 {
            Forging::Kept(key) => key.public(),
            Forging::Destroyed(point) => point,
        }
    }

    /// What the owner chose.
    pub const fn secret(&self) -> ForgingSecret {
        match self.0 {
            Forging::Kept(_) => ForgingSecret::Keep,
            Forging::Destroyed(_) => ForgingSecret::Destroy,
        }
    }

    /// The key of somebody else, or of ours without its secret.
    pub(crate) const fn without_secret(public: Point) -> Self {
        Self(Forging::Destroyed(public))
    }

    /// The key pair, if its secret was kept.
    pub(crate) const fn signing(&self) -> Option<&SigningKey> {
        match &self.0 {
            Forging::Kept(key) => Some(key),
            Forging::Destroyed(_) => None,
        }
    }

    /// One byte, 1 for a kept secret and 0 for none, then 57 bytes: `sym_f` (secret) or the point.
    pub(crate) fn save(&self, w: &mut Writer) {
        match &self.0 {
            Forging::Kept(key) => save_sym(key, w.byte(1)),
            Forging::Destroyed(point) => point.write(w.byte(0)),
        }
    }

    pub(crate) fn load(r: &mut Reader<'_>) -> Result<Self, WireError> {
        match r.byte("kind of forging key")? {
            1 => Ok(Self(Forging::Kept(load_sym(r, "forging key")?))),
            0 => Ok(Self(Forging::Destroyed(Point::read(r, "forging key")?))),
            _ => Err(WireError::Illegal("kind of forging key")),
        }
    }
}

/// A point without a secret: random bytes until they decode. The seven bits of the last byte that no encoding uses
/// are cleared first; of what remains about one try in eight is a point of the prime-order group.
fn random_point(rng: &mut dyn CryptoRng) -> Point {
    loop {
        let mut bytes = [0; 57];
        rng.fill_bytes(&mut bytes);
        if let Some(last) = bytes.last_mut() {
            *last &= 0x80;
        }
        if let Ok(point) = Point::decode(&bytes) {
            return point;
        }
    }
}

/// The key pair `D` of a Prekey Profile, shared by all offline conversations that start during its life.
#[derive(Debug)]
pub struct SharedPrekey(SigningKey);

impl SharedPrekey {
    /// A new key pair from 57 random bytes (`sym_d`).
    pub fn generate(rng: &mut dyn CryptoRng) -> Self {
        Self(SigningKey::generate(rng))
    }

    /// The public key `D`.
    pub fn public(&self) -> &Point {
        self.0.public()
    }

    pub(crate) const fn signing(&self) -> &SigningKey {
        &self.0
    }

    /// 57 bytes, secret: `sym_d`.
    pub(crate) fn save(&self, w: &mut Writer) {
        save_sym(&self.0, w);
    }

    pub(crate) fn load(r: &mut Reader<'_>) -> Result<Self, WireError> {
        Ok(Self(load_sym(r, "shared prekey")?))
    }
}

fn save_sym(key: &SigningKey, w: &mut Writer) {
    w.bytes(key.sym().as_bytes());
}

fn load_sym(r: &mut Reader<'_>, what: &'static str) -> Result<SigningKey, WireError> {
    Ok(SigningKey::from_sym(Secret::copied(r.chunk(what)?)))
}

/// What a public key is for; its number goes before the point, two bytes little-endian (spec-notes/SN-003).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub(crate) enum KeyType {
    /// ED448-PUBKEY
    Identity = 0x0010,
    /// ED448-SHARED-PREKEY
    SharedPrekey = 0x0011,
    /// ED448-FORGING-KEY
    Forging = 0x0012,
}

impl KeyType {
    /// The public key as it stands in profiles and transcripts: type and point, 59 bytes.
    pub(crate) fn write(self, key: &Point, w: &mut Writer) {
        w.bytes(&(self as u16).to_le_bytes());
        key.write(w);
    }

    /// [`KeyType::write`] on its own.
    pub(crate) fn encode(self, key: &Point) -> Vec<u8> {
        let mut w = Writer::new();
        self.write(key, &mut w);
        w.finish()
    }

    /// Type and point; the type must be this one.
    pub(crate) fn read(self, r: &mut Reader<'_>) -> Result<Point, WireError> {
        Point::decode(&self.read_undecoded(r)?)
    }

    /// As [`KeyType::read`] with the point left undecoded, for readers that have cheaper checks to do first.
    pub(crate) fn read_undecoded(self, r: &mut Reader<'_>) -> Result<[u8; 57], WireError> {
        if r.array("key type")? != (self as u16).to_le_bytes() {
            return Err(WireError::Illegal("key type"));
        }
        r.array("public key")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vectors::{Recorded, rng};

    #[test]
    fn public_keys_carry_their_type_little_endian_and_are_not_read_as_another() {
        let key = LongTermKey::generate(&mut rng());
        for (kind, first) in
            [(KeyType::Identity, 0x10), (KeyType::SharedPrekey, 0x11), (KeyType::Forging, 0x12)]
        {
            let bytes = kind.encode(key.public());
            assert_eq!(bytes.len(), 59);
            assert_eq!(bytes[..2], [first, 0]);
            for other in [KeyType::Identity, KeyType::SharedPrekey, KeyType::Forging] {
                let read = other.read(&mut Reader::new(&bytes));
                let expected = if other == kind {
                    Ok(key.public().clone())
                } else {
                    Err(WireError::Illegal("key type"))
                };
                assert_eq!(read, expected);
            }
        }
    }

    #[test]
    fn a_big_endian_key_type_is_refused() {
        let mut bytes = KeyType::Identity.encode(LongTermKey::generate(&mut rng()).public());
        bytes.swap(0, 1);
        assert_eq!(KeyType::Identity.read(&mut Reader::new(&bytes)), Err(WireError::Illegal("key type")));
    }

    #[test]
    fn a_destroyed_forging_key_is_the_first_random_point_of_the_group() {
        let key = LongTermKey::generate(&mut rng());
        let mut spare_bits_set = *key.public().as_bytes();
        spare_bits_set[56] |= 0x2a;
        // The neutral element and a point of order 4 (x = ±1, y = 0) are not in the group of order q.
        let neutral = core::iter::once(1).chain([0; 56]).collect();
        let draws = [neutral, vec![0; 57], vec![0xff; 57], spare_bits_set.to_vec()];
        let mut recorded = Recorded(draws.into());
        let forging = ForgingKey::generate(ForgingSecret::Destroy, &mut recorded);
        assert_eq!(forging.public(), key.public());
        assert!(recorded.0.is_empty());
    }

    #[test]
    fn keys_survive_saving_and_cut_ones_are_refused() {
        let (long_term, prekey) = (LongTermKey::generate(&mut rng()), SharedPrekey::generate(&mut rng()));
        let kept = ForgingKey::generate(ForgingSecret::Keep, &mut rng());
        let destroyed = ForgingKey::generate(ForgingSecret::Destroy, &mut rng());
        let mut w = Writer::new();
        long_term.save(&mut w);
        prekey.save(&mut w);
        kept.save(&mut w);
        destroyed.save(&mut w);
        let bytes = w.finish();
        let mut r = Reader::new(&bytes);
        assert_eq!(LongTermKey::load(&mut r).unwrap().public(), long_term.public());
        assert_eq!(SharedPrekey::load(&mut r).unwrap().public(), prekey.public());
        for (choice, key) in [(ForgingSecret::Keep, kept), (ForgingSecret::Destroy, destroyed)] {
            let loaded = ForgingKey::load(&mut r).unwrap();
            assert_eq!((loaded.secret(), loaded.public()), (choice, key.public()));
        }
        assert_eq!(r.end(), Ok(()));
        assert!(LongTermKey::load(&mut Reader::new(&bytes[..56])).is_err());
        assert!(ForgingKey::load(&mut Reader::new(&[2; 58])).is_err());
    }

    #[test]
    fn keys_do_not_print_their_secret() {
        let key = LongTermKey(SigningKey::from_sym(Secret::filled(|out| out.fill(0xab))));
        let printed = format!("{key:?}").to_lowercase();
        assert!(!printed.contains("abab") && !printed.contains("171, 171"), "{printed}");
    }
}
