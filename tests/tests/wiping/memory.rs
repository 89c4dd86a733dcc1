//! The memory of another process, as Linux shows it in `/proc`.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;

/// What a part of memory is used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// What the allocator has, and the variables of the program.
    Heap,
    /// The stack of the one thread.
    Stack,
}

/// Everything that a process can write, part by part.
pub fn of(process: u32) -> Vec<(Kind, Vec<u8>)> {
    let maps = fs::read_to_string(format!("/proc/{process}/maps")).expect("a process of ours");
    let memory = File::open(format!("/proc/{process}/mem")).expect("a process of ours");
    let parts = maps.lines().filter_map(|line| {
        let mut fields = line.split_whitespace();
        let (range, rights, name) = (fields.next()?, fields.next()?, fields.nth(3).unwrap_or_default());
        if !rights.starts_with("rw") {
            return None;
        }
        let (start, end) = range.split_once('-')?;
        let address = |hex| u64::from_str_radix(hex, 16).expect("an address");
        let mut bytes = vec![0; usize::try_from(address(end) - address(start)).expect("it fits")];
        memory.read_exact_at(&mut bytes, address(start)).ok()?;
        Some((if name == "[stack]" { Kind::Stack } else { Kind::Heap }, bytes))
    });
    parts.collect()
}
