//! The primitives over plain bytes, as the test vectors of `conformance/` have them: what is not well formed gives nothing.

pub mod v3;

use rand_core::CryptoRng;

use crate::Account;
use crate::crypto::dh1536::Dh1536Public;
use crate::crypto::dh3072::{DhKeyPair, DhPublic};
use crate::crypto::ed448::{self, EcdhKeyPair, Point, Scalar, SecretScalar, SigningKey};
use crate::crypto::kdf::{OTRV4, PREKEY_SERVER, derive};
use crate::crypto::mac::Mac;
use crate::crypto::ring::{self, RingSignature, RingUse};
use crate::crypto::secret::Secret;
use crate::dake::{interactive, offline};
use crate::keys::{DsaKey, Fingerprint};
use crate::ratchet::keys::{BraceKey, ChainKey, MixedSecret, RootKey};
use crate::smp::Smp;
use crate::smp::ed448::secret as smp_secret_scalar;
use crate::smp::modp::Modp1536;
use crate::wire::{Reader, Writer};

/// `KDF(usage || value, size)`
pub fn kdf(usage: u8, value: &[u8], size: usize) -> Vec<u8> {
    derived(OTRV4, usage, value, size)
}

/// The same of the prekey protocol.
pub fn prekey_kdf(usage: u8, value: &[u8], size: usize) -> Vec<u8> {
    derived(PREKEY_SERVER, usage, value, size)
}

fn derived(domain: &[u8], usage: u8, value: &[u8], size: usize) -> Vec<u8> {
    let mut out = vec![0; size];
    derive(domain, usage, &[value], &mut out);
    out
}

/// Whether this is the one encoding of a point that may be used.
pub fn is_point(encoded: &[u8]) -> bool {
    point(encoded).is_some()
}

/// A scalar mod q.
pub fn scalar(encoded: &[u8]) -> Option<[u8; 57]> {
    Some(Scalar::decode(encoded.try_into().ok()?).to_bytes())
}

/// The scalar of 57 random bytes.
pub fn scalar_of_random(random: &[u8]) -> Option<[u8; 57]> {
    Some(SecretScalar::from_random57(&Secret::copied(random.try_into().ok()?)).publish().to_bytes())
}

/// `G * k`
pub fn mul_base(k: &[u8]) -> Option<[u8; 57]> {
    Some(*SecretScalar::decode(k.try_into().ok()?)?.mul_base().as_bytes())
}

/// The secret mod q and the public key of `sym`.
pub fn key_pair(sym: &[u8]) -> Option<([u8; 57], [u8; 57])> {
    let key = signing_key(sym)?;
    Some((key.secret_scalar().publish().to_bytes(), *key.public().as_bytes()))
}

/// EdDSA.
pub fn sign(sym: &[u8], message: &[u8]) -> Option<[u8; 114]> {
    Some(signing_key(sym)?.sign(message))
}

/// EdDSA by an account's long-term key, over anything.
pub fn sign_as(account: &Account, message: &[u8]) -> [u8; 114] {
    account.key().signing().sign(message)
}

/// EdDSA.
pub fn verify(public: &[u8], message: &[u8], signature: &[u8]) -> bool {
    let (Some(public), Ok(signature)) = (point(public), signature.try_into()) else { return false };
    ed448::verify(&public, message, signature)
}

/// `K_ecdh` of 57 random bytes and a public key.
pub fn ecdh(random: &[u8], public: &[u8]) -> Option<[u8; 57]> {
    let ours: EcdhKeyPair = SecretScalar::from_random57(&Secret::copied(random.try_into().ok()?)).into();
    Some(*ours.shared(&point(public)?).as_bytes())
}

/// `2^a mod p`, big-endian.
pub fn dh_public(secret: &[u8]) -> Option<Vec<u8>> {
    Some(dh_pair(secret)?.public().as_be_bytes().to_vec())
}

/// `B^a mod p`, big-endian without leading zeros.
pub fn dh_shared(secret: &[u8], public: &[u8]) -> Option<Vec<u8>> {
    let public = DhPublic::from_be_bytes(public).ok()?;
    Some(dh_pair(secret)?.shared(&public).to_vec())
}

/// Range and membership.
pub fn is_dh_member(x: &[u8]) -> bool {
    DhPublic::from_be_bytes(x).is_ok()
}

/// Of a long-term and a forging key.
pub fn fingerprint(identity: &[u8], forging: &[u8]) -> Option<[u8; 56]> {
    Some(*Fingerprint::of(&point(identity)?, &point(forging)?).as_bytes())
}

/// A ring signature by an account, over anything; the ring must hold its key.
pub fn ring_sign_as(
    account: &Account,
    rng: &mut dyn CryptoRng,
    ring: [&[u8]; 3],
    m: &[u8],
) -> Option<Vec<u8>> {
    let [a, b, c] = ring.map(point);
    let (a, b, c) = (a?, b?, c?);
    let sigma = ring::sign(rng, RingUse::Otr, account.key().signing(), [&a, &b, &c], m)?;
    let mut w = Writer::new();
    sigma.write(&mut w);
    Some(w.finish())
}

/// `RVrf`, of version 4 or of the prekey protocol.
pub fn ring_verify(prekey: bool, ring: [&[u8]; 3], sigma: &[u8], m: &[u8]) -> bool {
    let [Some(a), Some(b), Some(c)] = ring.map(point) else { return false };
    let mut r = Reader::new(sigma);
    let read = RingSignature::read(&mut r).and_then(|sigma| r.end().map(|()| sigma));
    let usage = if prekey { RingUse::PrekeyServer } else { RingUse::Otr };
    read.is_ok_and(|sigma| ring::verify(usage, [&a, &b, &c], &sigma, m))
}

/// `G·r + A·c`: what a place of a ring signature comes to.
pub fn ring_commitment(c: &[u8], r: &[u8], a: &[u8]) -> Option<[u8; 57]> {
    let read = |bytes| Scalar::read(&mut Reader::new(bytes), "scalar").ok();
    Some(*Point::combine(&read(r)?, &[(read(c)?, &point(a)?)]).as_bytes())
}

/// `a − b` mod q.
pub fn scalar_difference(a: &[u8], b: &[u8]) -> Option<[u8; 57]> {
    let read = |bytes| Scalar::read(&mut Reader::new(bytes), "scalar").ok();
    Some((read(a)? - read(b)?).to_bytes())
}

/// `r + c·h` for the long-term key of an account, and for its forging key if it has kept that secret: the nonce of the signature
/// where it was this key that signed, else a number without a meaning.
pub fn ring_nonces(account: &Account, c: &[u8], r: &[u8]) -> Option<Vec<[u8; 57]>> {
    let c = Scalar::read(&mut Reader::new(c), "c").ok()?;
    let keys = [Some(account.key().signing()), account.forging_key().signing()];
    let nonce = |key: &SigningKey| {
        let mut nonce = SecretScalar::decode(r.try_into().ok()?)?;
        nonce.add_product(&c, key.secret_scalar());
        Some(nonce.publish().to_bytes())
    };
    keys.into_iter().flatten().map(nonce).collect()
}

/// Of a ratchet that has begun: brace key, root key and chain key after a step. A new `k_dh` makes a new brace key.
pub fn ratchet_step(root: &[u8], brace: &[u8], k_ecdh: &[u8], k_dh: Option<&[u8]>) -> Option<[Vec<u8>; 3]> {
    let root = RootKey::load(&mut Reader::new(root)).ok()?;
    let brace = match k_dh {
        Some(k_dh) => BraceKey::fresh(k_dh),
        None => BraceKey::load(&mut Reader::new(brace)).ok()?.next(),
    };
    let mixed = MixedSecret::mix(&Secret::copied(k_ecdh.try_into().ok()?), &brace);
    let (root, chain) = root.turn(&mixed);
    Some([brace.as_bytes().to_vec(), saved(|w| root.save(w)), saved(|w| chain.save(w))])
}

/// Brace key, mixed secret, session id and first root key.
pub fn mixed(k_ecdh: &[u8], k_dh: &[u8]) -> Option<[Vec<u8>; 4]> {
    let brace = BraceKey::fresh(k_dh);
    let mixed = MixedSecret::mix(&Secret::copied(k_ecdh.try_into().ok()?), &brace);
    let first = mixed.first_root_key();
    let (brace, ssid) = (brace.as_bytes().to_vec(), mixed.ssid().to_vec());
    Some([brace, saved(|w| mixed.save(w)), ssid, saved(|w| first.save(w))])
}

/// Of an offline handshake: `tmp_k`, Auth MAC, mixed secret, session id, root key and chain key.
pub fn xzdh(
    k_ecdh: &[u8],
    with_shared_prekey: &[u8],
    with_identity_key: &[u8],
    brace: &[u8],
    t: &[u8],
) -> Option<[Vec<u8>; 6]> {
    let point = |bytes: &[u8]| Some(Secret::<57>::copied(bytes.try_into().ok()?));
    let brace = BraceKey::load(&mut Reader::new(brace)).ok()?;
    let tmp_k =
        offline::tmp_k(&point(k_ecdh)?, &point(with_shared_prekey)?, &point(with_identity_key)?, &brace);
    let mixed = MixedSecret::from_tmp_k(&tmp_k);
    let (root, chain) = mixed.offline_start();
    let auth_mac = saved(|w| offline::auth_mac(&tmp_k, t).write(w));
    let (ssid, mixed) = (mixed.ssid().to_vec(), saved(|w| mixed.save(w)));
    let tmp_k = tmp_k.as_bytes().to_vec();
    Some([tmp_k, auth_mac, mixed, ssid, saved(|w| root.save(w)), saved(|w| chain.save(w))])
}

/// What is compared when two Identity messages cross.
pub fn hash_of_b(b: &[u8]) -> Option<[u8; 32]> {
    Some(interactive::hash_of_b(&DhPublic::from_be_bytes(b).ok()?))
}

/// Encryption key, MAC key, extra symmetric key and next chain key.
pub fn chain_step(chain: &[u8]) -> Option<[Vec<u8>; 4]> {
    let chain = ChainKey::load(&mut Reader::new(chain)).ok()?;
    let key = chain.message_key();
    let (mac, extra, next) = (key.mac_key(), chain.extra_symm_key(), chain.next());
    Some([saved(|w| key.save(w)), mac.reveal().to_vec(), extra.as_bytes().to_vec(), saved(|w| next.save(w))])
}

/// A data message of version 4 under its chain key: the plaintext, if the authenticator over `sections` is right.
pub fn open(chain: &[u8], sections: &[u8], authenticator: &[u8], ciphertext: &[u8]) -> Option<Vec<u8>> {
    let key = ChainKey::load(&mut Reader::new(chain)).ok()?.message_key();
    let mut text = ciphertext.to_vec();
    key.mac_key().verify(sections, &Mac::new(authenticator.try_into().ok()?)).then(|| {
        key.decipher(&mut text);
        text
    })
}

/// The extra symmetric keys that records of type 7 at these places stand for.
pub fn extra_key(chain: &[u8], index: u8, context: [u8; 4], previous: Option<&[u8]>) -> Option<[u8; 64]> {
    let mut key = ChainKey::load(&mut Reader::new(chain)).ok()?.extra_symm_key();
    if let Some(previous) = previous {
        key = crate::ratchet::keys::ExtraSymmKey::load(&mut Reader::new(previous)).ok()?;
    }
    Some(*key.derive(index, context).as_bytes())
}

/// The secret that SMP compares, mod q.
pub fn smp_secret(initiator: &[u8], responder: &[u8], ssid: &[u8], secret: &[u8]) -> Option<[u8; 57]> {
    let [initiator, responder] = [initiator, responder].map(|bytes| bytes.try_into().ok());
    let of = Fingerprint::from_bytes;
    let x = smp_secret_scalar(&of(initiator?), &of(responder?), ssid.try_into().ok()?, secret);
    Some(x.publish().to_bytes())
}

/// Range and membership, in the group of versions 3 and 2.
pub fn is_dh1536_member(x: &[u8]) -> bool {
    Dh1536Public::from_be_bytes(x).is_ok()
}

/// Whether this is message 1 of SMP of versions 3 and 2, with proofs that hold.
pub fn is_smp_1_v3(body: &[u8]) -> bool {
    Smp::<Modp1536>::default().receive_1(body).is_ok()
}

/// PUBKEY: type, p, q, g and y.
pub fn dsa_public(key: &DsaKey) -> Vec<u8> {
    key.public().bytes().to_vec()
}

fn point(encoded: &[u8]) -> Option<Point> {
    Point::decode(encoded.try_into().ok()?).ok()
}

fn signing_key(sym: &[u8]) -> Option<SigningKey> {
    Some(SigningKey::from_sym(Secret::copied(sym.try_into().ok()?)))
}

fn dh_pair(secret: &[u8]) -> Option<DhKeyPair> {
    DhKeyPair::read(&mut Reader::new(secret), "DH secret").ok()
}

fn saved(save: impl FnOnce(&mut Writer)) -> Vec<u8> {
    let mut w = Writer::new();
    save(&mut w);
    w.finish()
}
