//! Times of an operation on inputs of two classes, in random order.

use std::convert::Infallible;
use std::hint::black_box;
use std::time::Instant;

use indicatif::ProgressBar;
use rand_core::{CryptoRng, Rng, TryCryptoRng, TryRng};

use crate::statistics::Times;

/// Times `run`, so many times, on inputs that `prepare` makes for a class. They are made in advance and in batches, so that
/// neither what makes them nor what was measured before tells the classes apart.
pub fn measure<I, O>(
    samples: usize,
    progress: &ProgressBar,
    mut prepare: impl FnMut(Class) -> I,
    mut run: impl FnMut(&mut I) -> O,
) -> Times {
    let mut times = Times::default();
    while times.0[0].len() + times.0[1].len() < samples {
        let batch = (0..BATCH).map(|_| if rng().next_u32().is_multiple_of(2) { Class::A } else { Class::B });
        let mut batch: Vec<_> = batch.map(|class| (class, prepare(class))).collect();
        for (class, input) in &mut batch {
            #[allow(clippy::disallowed_methods, reason = "this program measures time")]
            let start = Instant::now();
            black_box(run(black_box(input)));
            times.0[*class as usize].push(start.elapsed().as_nanos() as f64);
            progress.inc(1);
        }
    }
    times
}

/// One of two kinds of inputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    A,
    B,
}

impl Class {
    /// What this class has.
    pub fn of<T>(self, a: T, b: T) -> T {
        match self {
            Self::A => a,
            Self::B => b,
        }
    }
}

/// Randomness that was drawn in advance, so that no call of the system is measured.
#[derive(Clone)]
pub struct Drawn {
    bytes: Vec<u8>,
    used: usize,
}

impl Drawn {
    /// So many random bytes.
    pub fn random(length: usize) -> Self {
        let mut bytes = vec![0; length];
        rng().fill_bytes(&mut bytes);
        Self::of(bytes)
    }

    /// These bytes.
    pub fn of(bytes: Vec<u8>) -> Self {
        Self { bytes, used: 0 }
    }
}

impl TryRng for Drawn {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let mut bytes = [0; 4];
        self.fill_bytes(&mut bytes);
        Ok(u32::from_be_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let mut bytes = [0; 8];
        self.fill_bytes(&mut bytes);
        Ok(u64::from_be_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Infallible> {
        out.copy_from_slice(&self.bytes[self.used..self.used + out.len()]);
        self.used += out.len();
        Ok(())
    }
}

impl TryCryptoRng for Drawn {}

/// The system's randomness.
pub fn rng() -> impl CryptoRng {
    otrv4_tests::rng()
}

/// N random bytes.
pub fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    rng().fill_bytes(&mut bytes);
    bytes
}

const BATCH: usize = 50;
