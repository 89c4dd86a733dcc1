//! The process that is searched, and what it has told.

use std::collections::{HashMap, HashSet};
use std::io::{Read, Write};
use std::process::{Child, Command, Stdio};

use otrv4::wire::unarmour;

use crate::memory::{self, Kind};

/// What a secret belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Owner {
    Account,
    Conversation,
}

/// A running process, and pieces of its secrets: each is looked for at every address.
pub struct Victim {
    process: Child,
    secrets: HashMap<Piece, Origin>,
    public: HashSet<Piece>,
    told: usize,
    /// What the last search has found.
    found: Vec<(Kind, Origin)>,
}

/// Where a piece of a secret comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Origin {
    pub owner: Owner,
    /// Which of the records that were told, how long it was, and where in it the piece stands; as a number the other way
    /// round.
    pub record: usize,
    pub length: usize,
    pub reversed: bool,
    pub position: usize,
}

/// Short enough that a key of 20 bytes has one wherever it begins, long enough that no other bytes are the same.
type Piece = [u8; 16];

impl Origin {
    /// In saved state, public values stand side by side, and elsewhere in memory, too, by chance: a piece of two of them
    /// is no secret. Two pieces that overlap come from one value.
    fn overlaps(&self, other: &Self) -> bool {
        let beside = self.position.abs_diff(other.position) == 4;
        (self.record, self.reversed) == (other.record, other.reversed) && beside
    }
}

/// Longer records are saved state.
const LONGEST_DRAW: usize = 192;

impl Victim {
    pub fn start(kind: &str) -> Self {
        let process = Command::new(env!("CARGO_BIN_EXE_wiping-victim"))
            .arg(kind)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a process");
        Self { process, secrets: HashMap::new(), public: HashSet::new(), told: 0, found: Vec::new() }
    }

    /// Listens to what it tells until it stops there, and searches its memory.
    pub fn runs_to(&mut self, place: &str) {
        loop {
            let (what, bytes) = self.hear();
            match what {
                b'A' => self.learn(&bytes, Owner::Account),
                b'C' => self.learn(&bytes, Owner::Conversation),
                b'P' => self.public.extend(everywhere(&bytes)),
                b'L' => {
                    let line = String::from_utf8(bytes).expect("a line");
                    self.public.extend(everywhere(&unarmour(&line).unwrap_or_default()));
                }
                _ => {
                    assert_eq!(String::from_utf8_lossy(&bytes), place);
                    break;
                }
            }
        }
        self.search();
        let stack = [Owner::Account, Owner::Conversation].map(|owner| self.found(owner, Kind::Stack).len());
        println!(
            "{place}: on the stack {} pieces of the account, {} of the conversation",
            stack[0], stack[1]
        );
        self.process.stdin.as_mut().expect("a pipe").write_all(&[0]).expect("it waits");
    }

    /// What the last search has found.
    pub fn found(&self, owner: Owner, kind: Kind) -> Vec<Origin> {
        let found = self.found.iter().filter(|(at, origin)| (*at, origin.owner) == (kind, owner));
        let mut found: Vec<_> = found.map(|(_, origin)| *origin).collect();
        found.sort_unstable();
        let all = found.clone();
        found.retain(|one| one.length <= LONGEST_DRAW || all.iter().any(|other| other.overlaps(one)));
        found
    }

    fn hear(&mut self) -> (u8, Vec<u8>) {
        let pipe = self.process.stdout.as_mut().expect("a pipe");
        let (mut letter, mut length) = ([0], [0; 4]);
        pipe.read_exact(&mut letter).and_then(|()| pipe.read_exact(&mut length)).expect("it runs");
        let mut bytes = vec![0; usize::try_from(u32::from_be_bytes(length)).expect("short")];
        pipe.read_exact(&mut bytes).expect("it runs");
        (letter[0], bytes)
    }

    /// As they are, and the other way round, as numbers stand in memory.
    fn learn(&mut self, bytes: &[u8], owner: Owner) {
        self.told += 1;
        for (reversed, bytes) in [(false, bytes.to_vec()), (true, bytes.iter().rev().copied().collect())] {
            for position in (0..bytes.len().saturating_sub(15)).step_by(4) {
                let piece = Piece::try_from(&bytes[position..position + 16]).expect("16 bytes");
                if is_random(&piece) {
                    let origin = Origin { owner, record: self.told, length: bytes.len(), reversed, position };
                    self.secrets.insert(piece, origin);
                }
            }
        }
    }

    fn search(&mut self) {
        let secrets: HashMap<_, _> =
            self.secrets.iter().filter(|(piece, _)| !self.public.contains(*piece)).collect();
        self.found.clear();
        for (kind, bytes) in memory::of(self.process.id()) {
            let mut found = HashSet::new();
            for piece in bytes.windows(16).filter(|piece| is_random(piece)) {
                let piece = Piece::try_from(piece).expect("16 bytes");
                if let Some(origin) = secrets.get(&piece)
                    && found.insert(piece)
                {
                    self.found.push((kind, **origin));
                }
            }
        }
    }
}

impl Drop for Victim {
    fn drop(&mut self) {
        _ = self.process.kill();
        _ = self.process.wait();
    }
}

/// Every piece of these bytes, and of the same bytes the other way round.
fn everywhere(bytes: &[u8]) -> Vec<Piece> {
    let reversed: Vec<u8> = bytes.iter().rev().copied().collect();
    let pieces = bytes.windows(16).chain(reversed.windows(16));
    pieces.map(|piece| piece.try_into().expect("16 bytes")).collect()
}

/// Whether it looks like a piece of a key: texts, counters, times and what stands between them do not.
fn is_random(piece: &[u8]) -> bool {
    let mut seen = [false; 256];
    let different =
        piece.iter().filter(|byte| !std::mem::replace(&mut seen[usize::from(**byte)], true)).count();
    let zeros = piece.iter().filter(|byte| **byte == 0).count();
    let beyond_text = piece.iter().filter(|byte| !byte.is_ascii()).count();
    different >= 11 && zeros <= 1 && beyond_text >= 3
}
