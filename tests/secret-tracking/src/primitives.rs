//! The operations on secrets, one by one.

use std::hint::black_box;
use std::mem::forget;

use otrv4::Secret;
use otrv4::inside::primitives::{
    Authenticator, Dh1536Power, DhPower, Ed448Secret, RingSigner, SmpSteps, dsa_sign, eddsa_sign, macs_equal,
    smp_steps, smp_steps_v3,
};
use otrv4::keys::{DsaKey, LongTermKey, Point};

use rand_core::Rng;

use crate::secret::{Secret::All, SecretRng, hidden, hide, published, rng};

/// Key generation and the signature, our key at this place.
pub fn ring_signature(place: usize) {
    let signer = RingSigner::at(place, &mut all());
    black_box(signer.sign(&mut all(), b"message"));
}

/// `k·G` and `k·A`.
pub fn ed448() {
    let k = Ed448Secret::of(&random()).expect("not zero");
    black_box(k.times_base());
    black_box(k.times(&point()));
}

/// A signature of EdDSA.
pub fn eddsa() {
    let key = LongTermKey::generate(&mut all());
    black_box(eddsa_sign(&key, b"message"));
}

/// `2^x` and `B^x` in the group of version 4.
pub fn dh3072() {
    black_box(DhPower::new(&mut all()).power());
}

/// `2^x` and `B^x` in the group of versions 2 and 3.
pub fn dh1536() {
    black_box(Dh1536Power::new(&mut all()).power());
}

/// A signature of DSA.
pub fn dsa() {
    black_box(dsa_sign(&dsa_key(), &hidden(7), &mut all()));
}

/// A key of DSA whose secret number is followed.
pub fn dsa_key() -> DsaKey {
    let mut parts = DsaKey::generate(&mut rng()).parts();
    hide(&mut parts.x);
    DsaKey::from_parts(&parts.p, &parts.q, &parts.g, &parts.y, &parts.x).expect("the parts of a key")
}

/// The MAC of a message under a secret key, and its comparison with a right and a wrong one.
pub fn mac() {
    let key = Authenticator::of(&random());
    black_box(key.verify(b"message", &hidden(1)));
    black_box(macs_equal(&hidden(1), &hidden(1)));
    black_box(macs_equal(&hidden(1), &hidden(2)));
    black_box(Secret::copied(&hidden::<57>(1)).ct_eq(&Secret::copied(&hidden(2))));
}

/// All steps of both sides.
pub fn smp() {
    let below_q = || {
        let mut number = random::<57>();
        (number[55], number[56]) = (number[55] & 0x3f, 0);
        number
    };
    steps(&smp_steps(&below_q(), below_q(), &mut all(), published));
}

/// The same in the group of versions 2 and 3.
pub fn smp_v3() {
    let below_q = || {
        let mut number = random::<192>();
        number[0] = 0;
        number
    };
    steps(&smp_steps_v3(&below_q(), below_q(), &mut all(), published));
}

/// The messages are not freed: valgrind would say that their lengths, which are public, depend on secrets.
fn steps(run: &impl SmpSteps) {
    forget(black_box(run.answer(&mut all())));
    forget(black_box(run.receive_2(&mut all())));
    forget(black_box(run.receive_3(&mut all())));
    black_box(run.receive_4());
}

/// Somebody's public key.
fn point() -> Point {
    LongTermKey::generate(&mut rng()).public().clone()
}

fn all() -> SecretRng {
    SecretRng::new(All)
}

fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    all().fill_bytes(&mut bytes);
    bytes
}
