//! SMP without the data messages that carry it: a whole run, and step by step.

use rand_core::CryptoRng;

use crate::keys::{Fingerprint, FingerprintV3};
use crate::smp::ed448::{self, Ed448};
use crate::smp::modp::{self, Modp1536};
use crate::smp::{Group, Smp, SmpError};
use crate::wire::Reader;

/// A whole run of SMP with equal secrets, both sides.
pub fn smp(rng: &mut dyn CryptoRng) -> bool {
    let fingerprint = Fingerprint::from_bytes([7; 56]);
    run::<Ed448>(|| ed448::secret(&fingerprint, &fingerprint, &[7; 8], b"secret"), rng)
}

/// The same in the group of versions 2 and 3.
pub fn smp_v3(rng: &mut dyn CryptoRng) -> bool {
    let fingerprint = FingerprintV3::from_bytes([7; 20]);
    run::<Modp1536>(|| modp::secret(&fingerprint, &fingerprint, &[7; 8], b"secret"), rng)
}

fn run<G: Group>(secret: impl Fn() -> G::Secret, rng: &mut dyn CryptoRng) -> bool {
    let run = Run::<G, _>::new(secret(), secret, rng, |message| message);
    run.is_ok_and(|run| run.equal_for_bob && run.receive_4())
}

/// A run with all its states and messages: each step can be taken again.
pub trait SmpSteps {
    /// Bob's answer to message 1 is message 2.
    fn answer(&self, rng: &mut dyn CryptoRng) -> Vec<u8>;
    /// Alice's answer to message 2 is message 3.
    fn receive_2(&self, rng: &mut dyn CryptoRng) -> Vec<u8>;
    /// What Bob learns from message 3, and message 4.
    fn receive_3(&self, rng: &mut dyn CryptoRng) -> (bool, Vec<u8>);
    /// What Alice learns from message 4.
    fn receive_4(&self) -> bool;
}

/// A run with these numbers as the secrets of Alice and Bob: 57 bytes, little-endian, below q; none of them zero. The
/// messages go through `network`.
pub fn smp_steps(
    x: &[u8; 57],
    y: [u8; 57],
    rng: &mut dyn CryptoRng,
    network: fn(Vec<u8>) -> Vec<u8>,
) -> impl SmpSteps + use<> {
    steps::<Ed448, 57>(x, y, rng, network)
}

/// The same in the group of versions 2 and 3: 192 bytes, big-endian, below q; none of them zero.
pub fn smp_steps_v3(
    x: &[u8; 192],
    y: [u8; 192],
    rng: &mut dyn CryptoRng,
    network: fn(Vec<u8>) -> Vec<u8>,
) -> impl SmpSteps + use<> {
    steps::<Modp1536, 192>(x, y, rng, network)
}

fn steps<G: Group, const N: usize>(
    x: &[u8; N],
    y: [u8; N],
    rng: &mut dyn CryptoRng,
    network: fn(Vec<u8>) -> Vec<u8>,
) -> impl SmpSteps + use<G, N> {
    let y = move || number::<G>(&y);
    Run::<G, _>::new(number::<G>(x), y, rng, network).expect("both sides are honest")
}

fn number<G: Group>(bytes: &[u8]) -> G::Secret {
    G::read_secret(&mut Reader::new(bytes), "secret").expect("in range and not zero")
}

struct Run<G: Group, Y> {
    y: Y,
    asked: Smp<G>,
    expect_2: Smp<G>,
    expect_3: Smp<G>,
    expect_4: Smp<G>,
    message_2: Vec<u8>,
    message_3: Vec<u8>,
    message_4: Vec<u8>,
    equal_for_bob: bool,
}

impl<G: Group, Y: Fn() -> G::Secret> Run<G, Y> {
    fn new(
        x: G::Secret,
        y: Y,
        rng: &mut dyn CryptoRng,
        network: fn(Vec<u8>) -> Vec<u8>,
    ) -> Result<Self, SmpError> {
        let (expect_2, message_1) = Smp::start(x, rng);
        let asked = Smp::default().receive_1(&network(message_1))?;
        let (expect_3, message_2) = asked.answer(y(), rng)?;
        let message_2 = network(message_2);
        let (expect_4, message_3) = expect_2.receive_2(&message_2, rng)?;
        let message_3 = network(message_3);
        let (equal_for_bob, message_4) = expect_3.receive_3(&message_3, rng)?;
        let message_4 = network(message_4);
        Ok(Self { y, asked, expect_2, expect_3, expect_4, message_2, message_3, message_4, equal_for_bob })
    }
}

impl<G: Group, Y: Fn() -> G::Secret> SmpSteps for Run<G, Y> {
    fn answer(&self, rng: &mut dyn CryptoRng) -> Vec<u8> {
        self.asked.answer((self.y)(), rng).expect(HONEST).1
    }

    fn receive_2(&self, rng: &mut dyn CryptoRng) -> Vec<u8> {
        self.expect_2.receive_2(&self.message_2, rng).expect(HONEST).1
    }

    fn receive_3(&self, rng: &mut dyn CryptoRng) -> (bool, Vec<u8>) {
        self.expect_3.receive_3(&self.message_3, rng).expect(HONEST)
    }

    fn receive_4(&self) -> bool {
        self.expect_4.receive_4(&self.message_4).expect(HONEST)
    }
}

const HONEST: &str = "this step was taken before";
