//! What valgrind is told: these bytes are secret, those are public again. Memcheck follows uninitialised memory bit by bit
//! through every computation, and reports where a branch or an address depends on it. Secrets are marked as such memory.

use std::convert::Infallible;
use std::ffi::c_void;

use crabgrind::memcheck::{MemState, mark_mem};
use getrandom::SysRng;
use rand_core::{CryptoRng, Rng, TryCryptoRng, TryRng, UnwrapErr};

/// From here on, whatever is computed from these bytes is secret.
pub fn hide(bytes: &mut [u8]) {
    mark(bytes.as_mut_ptr(), bytes.len(), MemState::Undefined);
}

/// Only the length of this text is public.
pub fn hide_text(text: &mut str) {
    mark(text.as_mut_ptr(), text.len(), MemState::Undefined);
}

/// These bytes are public, whatever they were computed from.
fn publish(bytes: &mut [u8]) {
    mark(bytes.as_mut_ptr(), bytes.len(), MemState::Defined);
}

/// A message that goes on the network: its bytes and their number.
pub fn published(message: Vec<u8>) -> Vec<u8> {
    let mut length = message.len().to_ne_bytes();
    publish(&mut length);
    let mut copy = message[..usize::from_ne_bytes(length)].to_vec();
    publish(&mut copy);
    // To free it by its length would be reported.
    std::mem::forget(message);
    copy
}

/// A line that goes on the network.
pub fn published_line(line: String) -> String {
    String::from_utf8(published(line.into_bytes())).expect("it was a string")
}

/// N secret bytes, all the same.
pub fn hidden<const N: usize>(byte: u8) -> [u8; N] {
    let mut bytes = [byte; N];
    hide(&mut bytes);
    bytes
}

/// Outside of valgrind nothing happens.
fn mark(start: *mut u8, length: usize, state: MemState) {
    let start: *mut c_void = start.cast();
    _ = mark_mem(start, length, state);
}

/// The system's randomness, of which draws of some lengths are secret.
pub struct SecretRng(Secret);

/// Which draws are secret.
#[derive(Clone, Copy)]
pub enum Secret {
    /// All but those shorter than a key, which are names (instance tags, prekey ids).
    All,
    /// Those of this many bytes.
    Only(usize),
    /// None.
    Nothing,
}

impl SecretRng {
    pub const fn new(secret: Secret) -> Self {
        Self(secret)
    }
}

impl TryRng for SecretRng {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(rng().next_u32())
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(rng().next_u64())
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Infallible> {
        rng().fill_bytes(out);
        let secret = match self.0 {
            Secret::All => out.len() >= SHORTEST_KEY,
            Secret::Only(length) => out.len() == length,
            Secret::Nothing => false,
        };
        if secret {
            hide(out);
        }
        Ok(())
    }
}

impl TryCryptoRng for SecretRng {}

/// The system's randomness, nothing of it secret.
pub fn rng() -> impl CryptoRng {
    UnwrapErr(SysRng)
}

const SHORTEST_KEY: usize = 16;
