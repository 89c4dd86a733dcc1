//! What has to be reported, and what must not: that the tracking tracks.

use std::hint::black_box;

use crate::secret::hidden;

/// Stops at the first difference.
pub fn early_exit() {
    let (a, b): ([u8; 32], [u8; 32]) = (hidden(1), hidden(1));
    black_box(black_box(a).iter().zip(black_box(&b)).all(|(a, b)| a == b));
}

/// A secret is an index.
pub fn look_up() {
    let table: [u8; 256] = black_box(std::array::from_fn(|n| n as u8 ^ 0x55));
    let [index]: [u8; 1] = hidden(7);
    black_box(table[usize::from(black_box(index))]);
}

/// All differences are gathered first. Only the result would be public, and nobody asks for it.
pub fn constant_time() {
    let (a, b): ([u8; 32], [u8; 32]) = (hidden(1), hidden(1));
    black_box(black_box(a).iter().zip(black_box(&b)).fold(0, |differences, (a, b)| differences | (a ^ b)));
}
