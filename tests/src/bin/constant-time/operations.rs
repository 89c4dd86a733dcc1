//! What is measured: operations, and the two classes of secrets that each is measured on.

use std::hint::black_box;

use indicatif::ProgressBar;
use otrv4::inside::primitives::{
    Authenticator, Dh1536Power, DhPower, Ed448Secret, RingSigner, SmpSteps, dsa_sign, eddsa_sign, macs_equal,
    smp_steps, smp_steps_v3,
};
use otrv4::keys::{DsaKey, LongTermKey};

use crate::sample::{Class, Drawn, measure, random, rng};
use crate::statistics::Times;

/// One line of the table.
pub struct Operation {
    pub name: &'static str,
    pub classes: &'static str,
    pub measure: fn(usize, &ProgressBar) -> Times,
    /// It gets this part of the samples.
    pub share: usize,
    pub expected: Expected,
}

/// Whether the classes may differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    NoDifference,
    /// A control.
    Difference,
}

const fn operation(
    name: &'static str,
    classes: &'static str,
    share: usize,
    measure: fn(usize, &ProgressBar) -> Times,
) -> Operation {
    Operation { name, classes, measure, share, expected: Expected::NoDifference }
}

pub const OPERATIONS: &[Operation] = &[
    Operation {
        expected: Expected::Difference,
        ..operation("control: compare that stops early", "first byte / last byte", 1, early_exit)
    },
    operation("control: the same class twice", "last byte / last byte", 1, null),
    operation("ring signature", "first place / second place", 8, |n, p| ring(n, p, 0, 1)),
    operation("ring signature", "second place / third place", 8, |n, p| ring(n, p, 1, 2)),
    operation("ring signature", "first place / third place", 8, |n, p| ring(n, p, 0, 2)),
    operation("Ed448 k·G", "k = 1 / random", 1, ed448_base),
    operation("Ed448 k·G", "one number / random", 1, ed448_base_of_one_number),
    operation("Ed448 k·A", "k = 1 / random", 4, ed448_power),
    operation("EdDSA", "one key / random keys", 1, eddsa),
    operation("DH-3072 2^x", "x = 2^639 / random", 4, dh_base),
    operation("DH-3072 B^x", "x = 2^639 / random", 10, dh_power),
    operation("DH-1536 2^x", "x = 2^319 / random", 2, dh1536_base),
    operation("DH-1536 B^x", "x = 2^319 / random", 4, dh1536_power),
    operation("DSA signature", "one nonce / random nonces", 4, dsa),
    operation("MAC of a data message", "right / first byte wrong", 1, |n, p| mac(n, p, None)),
    operation("MAC of a data message", "last byte wrong / first", 1, |n, p| mac(n, p, Some(63))),
    operation("MAC of version 3", "right / first byte wrong", 1, |n, p| mac_v3(n, p, None)),
    operation("MAC of version 3", "last byte wrong / first", 1, |n, p| mac_v3(n, p, Some(19))),
    operation("SMP, message 2", "secrets 1 / random", 40, |n, p| {
        measure(n, p, small, |run| run.answer(&mut rng()))
    }),
    operation("SMP, message 3", "secrets 1 / random", 40, |n, p| {
        measure(n, p, small, |run| run.receive_2(&mut rng()))
    }),
    operation("SMP, result of Bob", "equal / not", 40, |n, p| {
        measure(n, p, equal, |run| run.receive_3(&mut rng()))
    }),
    operation("SMP, result of Alice", "equal / not", 40, |n, p| measure(n, p, equal, |run| run.receive_4())),
    operation("SMP of version 3, message 2", "secrets 1 / random", 80, |n, p| {
        measure(n, p, small_v3, |run| run.answer(&mut rng()))
    }),
    operation("SMP of version 3, message 3", "secrets 1 / random", 80, |n, p| {
        measure(n, p, small_v3, |run| run.receive_2(&mut rng()))
    }),
    operation("SMP of version 3, result of Bob", "equal / not", 80, |n, p| {
        measure(n, p, equal_v3, |run| run.receive_3(&mut rng()))
    }),
    operation("SMP of version 3, result of Alice", "equal / not", 80, |n, p| {
        measure(n, p, equal_v3, |run| run.receive_4())
    }),
];

fn early_exit(samples: usize, progress: &ProgressBar) -> Times {
    compare(samples, progress, |class| class.of(0, 63))
}

fn null(samples: usize, progress: &ProgressBar) -> Times {
    compare(samples, progress, |_| 63)
}

/// Byte by byte, up to the first difference.
fn compare(samples: usize, progress: &ProgressBar, differs_at: fn(Class) -> usize) -> Times {
    let prepare = |class| {
        let right: [u8; 64] = random();
        let mut wrong = right;
        wrong[differs_at(class)] ^= 1;
        (right, wrong)
    };
    measure(samples, progress, prepare, |(right, wrong)| {
        repeat(|| right.iter().zip(wrong.iter()).all(|(a, b)| black_box(a) == black_box(b)));
    })
}

fn ring(samples: usize, progress: &ProgressBar, a: usize, b: usize) -> Times {
    let prepare = |class: Class| (RingSigner::at(class.of(a, b), &mut rng()), Drawn::random(5 * 57));
    measure(samples, progress, prepare, |(signer, drawn)| signer.sign(drawn, b"message"))
}

fn ed448_base(samples: usize, progress: &ProgressBar) -> Times {
    measure(samples, progress, ed448_secret, |k| k.times_base())
}

fn ed448_base_of_one_number(samples: usize, progress: &ProgressBar) -> Times {
    let number = random();
    let prepare = |class: Class| Ed448Secret::of(&class.of(number, random())).expect("not zero");
    measure(samples, progress, prepare, |k| k.times_base())
}

fn ed448_power(samples: usize, progress: &ProgressBar) -> Times {
    let key = LongTermKey::generate(&mut rng());
    measure(samples, progress, ed448_secret, |k| k.times(key.public()))
}

fn ed448_secret(class: Class) -> Ed448Secret {
    Ed448Secret::of(&class.of(one_little_endian(), random())).expect("not zero")
}

fn eddsa(samples: usize, progress: &ProgressBar) -> Times {
    let prepare = |class: Class| LongTermKey::generate(&mut Drawn::of(class.of([1; 57], random()).to_vec()));
    measure(samples, progress, prepare, |key| eddsa_sign(key, b"message"))
}

fn dh_base(samples: usize, progress: &ProgressBar) -> Times {
    measure(samples, progress, exponent::<80>, |drawn| DhPower::new(drawn))
}

fn dh_power(samples: usize, progress: &ProgressBar) -> Times {
    measure(samples, progress, |class| DhPower::new(&mut exponent::<80>(class)), |power| power.power())
}

fn dh1536_base(samples: usize, progress: &ProgressBar) -> Times {
    measure(samples, progress, exponent::<40>, |drawn| Dh1536Power::new(drawn))
}

fn dh1536_power(samples: usize, progress: &ProgressBar) -> Times {
    measure(samples, progress, |class| Dh1536Power::new(&mut exponent::<40>(class)), |power| power.power())
}

/// The highest bit alone, or random bits.
fn exponent<const N: usize>(class: Class) -> Drawn {
    let mut highest_bit = [0; N];
    highest_bit[0] = 0x80;
    Drawn::of(class.of(highest_bit, random()).to_vec())
}

/// The nonce is a hash of key, message and 28 random bytes.
fn dsa(samples: usize, progress: &ProgressBar) -> Times {
    let key = DsaKey::generate(&mut rng());
    let prepare = |class: Class| Drawn::of(class.of([1; 28], random()).to_vec());
    measure(samples, progress, prepare, |drawn| dsa_sign(&key, &[7; 32], drawn))
}

fn mac(samples: usize, progress: &ProgressBar, wrong_at: Option<usize>) -> Times {
    let prepare = |class: Class| {
        let key = Authenticator::of(&random());
        let mut mac = key.authenticate(b"message");
        if let Some(at) = class.of(wrong_at, Some(0)) {
            mac[at] ^= 1;
        }
        (key, mac)
    };
    measure(samples, progress, prepare, |(key, mac)| repeat(|| key.verify(b"message", mac)))
}

fn mac_v3(samples: usize, progress: &ProgressBar, wrong_at: Option<usize>) -> Times {
    let prepare = |class: Class| {
        let right: [u8; 20] = random();
        let mut mac = right;
        if let Some(at) = class.of(wrong_at, Some(0)) {
            mac[at] ^= 1;
        }
        (right, mac)
    };
    measure(samples, progress, prepare, |(right, mac)| repeat(|| macs_equal(right, mac)))
}

fn small(class: Class) -> impl SmpSteps {
    let secret = class.of(one_little_endian(), scalar());
    smp_steps(&secret, secret, &mut rng(), |message| message)
}

fn equal(class: Class) -> impl SmpSteps {
    let secret = scalar();
    smp_steps(&secret, class.of(secret, scalar()), &mut rng(), |message| message)
}

fn small_v3(class: Class) -> impl SmpSteps {
    let mut one = [0; 192];
    one[191] = 1;
    let secret = class.of(one, below_q());
    smp_steps_v3(&secret, secret, &mut rng(), |message| message)
}

fn equal_v3(class: Class) -> impl SmpSteps {
    let secret = below_q();
    smp_steps_v3(&secret, class.of(secret, below_q()), &mut rng(), |message| message)
}

/// A number below 2^446, which is below q of Ed448 but for one in 2^222.
fn scalar() -> [u8; 57] {
    let mut number: [u8; 57] = random();
    (number[55], number[56]) = (number[55] & 0x3f, 0);
    number
}

fn one_little_endian() -> [u8; 57] {
    let mut one = [0; 57];
    one[0] = 1;
    one
}

fn below_q() -> [u8; 192] {
    let mut number: [u8; 192] = random();
    number[0] = 0;
    number
}

/// Some operations are too short for the clock.
fn repeat<O>(mut run: impl FnMut() -> O) {
    for _ in 0..20 {
        black_box(run());
    }
}
