//! The fields of messages, from the format tables of the texts and apart from the library's own readers: to damage one field
//! of a message, and to check that nothing is read which has another encoding. Used by [`super::mutation`] and
//! [`super::readers`].

use std::ops::Range;

/// What a field is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A number of a fixed length, big-endian.
    Number,
    /// A POINT that the reader decodes.
    Point,
    /// Bytes of a fixed length.
    Bytes,
    /// INT length, number without leading zeros.
    Mpi,
    /// INT length, bytes.
    Data,
    /// What stands behind the last field.
    Rest,
}

/// A field of a message.
#[derive(Clone, Debug)]
pub(crate) struct Field {
    pub(crate) kind: Kind,
    /// With its length, if it says that.
    pub(crate) at: Range<usize>,
}

/// The fields of a message of any version of OTR: all of them if it is whole, or those that are there.
pub(crate) fn fields(message: &[u8]) -> Vec<Field> {
    split(message, otr_message)
}

/// The same for a message of the prekey protocol.
pub(crate) fn prekey_fields(message: &[u8]) -> Vec<Field> {
    split(message, prekey_message)
}

/// Whether it is a whole message, each field of it in the one encoding that its value has.
pub(crate) fn is_canonical(message: &[u8], fields: &[Field]) -> bool {
    fields.iter().all(|field| {
        let bytes = &message[field.at.clone()];
        match field.kind {
            Kind::Number | Kind::Bytes | Kind::Data => true,
            Kind::Mpi => bytes.get(4) != Some(&0),
            Kind::Point => is_canonical_point(bytes),
            Kind::Rest => false,
        }
    })
}

/// y below p, little-endian, no bit on top but the sign, and none of the four points of a small order: their y is 0, 1
/// or p - 1.
fn is_canonical_point(encoding: &[u8]) -> bool {
    let (sign, y) = encoding.split_last().expect("57 bytes");
    let below = |y: &[u8], limit: &[u8]| y.iter().rev().lt(limit.iter().rev());
    let small_order = below(y, &small(2)) || y == minus(&P, &small(1));
    sign & 0x7f == 0 && below(y, &P) && !small_order
}

/// The sum of this point and the one of order 2: (-x, -y). On the curve, and in the prime-order group only if the point is
/// not.
pub(crate) fn plus_order_2(encoding: &[u8]) -> Vec<u8> {
    let (sign, y) = encoding.split_last().expect("57 bytes");
    let mut sum = minus(&P, y.try_into().expect("56 bytes")).to_vec();
    sum.push(sign ^ 0x80);
    sum
}

/// Encodings that no reader may take: the points of a small order, and y that are not below p, that of a point of the
/// prime-order group among them (p + 19).
pub(crate) fn bad_points() -> Vec<Vec<u8>> {
    let above_p = |n: u8| {
        let mut y = [0xff; 56];
        y[..28].fill(0);
        y[0] = n - 1;
        y
    };
    let ys = [small(0), small(1), minus(&P, &small(1)), P, above_p(1), above_p(19)];
    ys.iter().flat_map(|y| [0, 0x80].map(|sign| [y.as_slice(), &[sign]].concat())).collect()
}

fn small(n: u8) -> [u8; 56] {
    let mut y = [0; 56];
    y[0] = n;
    y
}

/// Little-endian.
fn minus(a: &[u8; 56], b: &[u8; 56]) -> [u8; 56] {
    let mut borrow = false;
    std::array::from_fn(|at| {
        let (difference, first) = a[at].overflowing_sub(b[at]);
        let (difference, second) = difference.overflowing_sub(borrow.into());
        borrow = first || second;
        difference
    })
}

/// p = 2^448 - 2^224 - 1, little-endian.
const P: [u8; 56] = {
    let mut p = [0xff; 56];
    p[28] = 0xfe;
    p
};

fn split(message: &[u8], grammar: impl FnOnce(&mut Splitter<'_>) -> Option<()>) -> Vec<Field> {
    let mut splitter = Splitter { message, at: 0, fields: Vec::new() };
    let whole = grammar(&mut splitter);
    if whole.is_none() || splitter.at < message.len() {
        splitter.fields.push(Field { kind: Kind::Rest, at: splitter.at..message.len() });
    }
    splitter.fields
}

/// otrv4.md "Identity Message" to "Data Message Format"; OTRv3 "D-H Commit Message" to "Data Message".
fn otr_message(s: &mut Splitter<'_>) -> Option<()> {
    let version = s.number(2)?;
    let message_type = s.number(1)?;
    if version != 2 {
        s.number(4)?;
        s.number(4)?;
    }
    match (version, message_type) {
        (4, 0x35) => s.client_profile()?.key_pairs(2),
        (4, 0x36) => s.client_profile()?.key_pairs(1)?.ring_signature()?.key_pairs(1),
        (4, 0x37) => s.ring_signature(),
        (4, 0x0d) => {
            s.client_profile()?.key_pairs(1)?.ring_signature()?;
            s.number(4)?;
            s.bytes(64)?.key_pairs(1)
        }
        (4, 0x03) => {
            for length in [1, 4, 4, 4] {
                s.number(length)?;
            }
            s.bytes(57)?.mpi()?.data()?.bytes(64)?.data()
        }
        (2 | 3, 0x02) => s.data()?.data(),
        (2 | 3, 0x0a) => s.mpi(),
        (2 | 3, 0x11) => s.data()?.data()?.bytes(20),
        (2 | 3, 0x12) => s.data()?.bytes(20),
        (2 | 3, 0x03) => {
            for length in [1, 4, 4] {
                s.number(length)?;
            }
            s.mpi()?;
            s.number(8)?;
            s.data()?.bytes(20)?.data()
        }
        _ => None,
    }
    .map(|_| ())
}

/// otrv4-prekey-server.md "DAKE-1 Message" to "Prekey Ensemble Retrieval Message".
fn prekey_message(s: &mut Splitter<'_>) -> Option<()> {
    (s.number(2)? == 4).then_some(())?;
    match s.number(1)? {
        0x35 => {
            s.number(4)?;
            s.client_profile()?.point()
        }
        0x36 => {
            s.number(4)?;
            s.data()?;
            s.number(2)?;
            s.point()?.point()?.ring_signature()
        }
        0x37 => {
            s.number(4)?;
            s.ring_signature()?.data()
        }
        0x10 => {
            s.number(4)?;
            s.data()?.data()
        }
        0x13 => {
            s.number(4)?;
            s.data()?;
            for _ in 0..s.number(4)? {
                s.client_profile()?.prekey_profile()?.prekey_message()?;
            }
            Some(s)
        }
        0x0e => {
            s.number(4)?;
            s.data()?.data()
        }
        0x08 => s.publication(),
        0x09 => s.bytes(64),
        0x05 | 0x06 => {
            s.number(4)?;
            s.bytes(64)
        }
        0x0b => {
            s.number(4)?;
            s.number(4)?;
            s.bytes(64)
        }
        _ => None,
    }
    .map(|_| ())
}

struct Splitter<'a> {
    message: &'a [u8],
    at: usize,
    fields: Vec<Field>,
}

impl Splitter<'_> {
    fn take(&mut self, kind: Kind, length: usize) -> Option<&mut Self> {
        let end = self.at.checked_add(length).filter(|end| *end <= self.message.len())?;
        self.fields.push(Field { kind, at: self.at..end });
        self.at = end;
        Some(self)
    }

    fn number(&mut self, length: usize) -> Option<u64> {
        let start = self.at;
        self.take(Kind::Number, length)?;
        Some(self.message[start..self.at].iter().fold(0, |number, byte| number << 8 | u64::from(*byte)))
    }

    fn bytes(&mut self, length: usize) -> Option<&mut Self> {
        self.take(Kind::Bytes, length)
    }

    fn point(&mut self) -> Option<&mut Self> {
        self.take(Kind::Point, 57)
    }

    fn counted(&mut self, kind: Kind) -> Option<&mut Self> {
        let length = self.message.get(self.at..)?.first_chunk().map(|bytes| u32::from_be_bytes(*bytes))?;
        self.take(kind, usize::try_from(length).ok()?.checked_add(4)?)
    }

    fn mpi(&mut self) -> Option<&mut Self> {
        self.counted(Kind::Mpi)
    }

    fn data(&mut self) -> Option<&mut Self> {
        self.counted(Kind::Data)
    }

    fn ring_signature(&mut self) -> Option<&mut Self> {
        (0..6).try_fold(self, |s, _| s.bytes(57))
    }

    fn key_pairs(&mut self, count: usize) -> Option<&mut Self> {
        (0..count).try_fold(self, |s, _| s.point()?.mpi())
    }

    /// otrv4.md "Client Profile Data Type". Its points are decoded later, when it is verified.
    fn client_profile(&mut self) -> Option<&mut Self> {
        for _ in 0..self.number(4)? {
            match self.number(2)? {
                1 => _ = self.number(4)?,
                2 | 3 => {
                    self.number(2)?;
                    self.bytes(57)?;
                }
                4 => _ = self.data()?,
                5 => _ = self.number(8)?,
                6 => {
                    self.number(2)?;
                    self.mpi()?.mpi()?.mpi()?.mpi()?;
                }
                7 => _ = self.bytes(40)?,
                _ => return None,
            }
        }
        self.bytes(114)
    }

    /// otrv4.md "Prekey Profile Data Type"
    fn prekey_profile(&mut self) -> Option<&mut Self> {
        for length in [4, 8, 2] {
            self.number(length)?;
        }
        self.bytes(57)?.bytes(114)
    }

    /// otrv4.md "Prekey Message"
    fn prekey_message(&mut self) -> Option<&mut Self> {
        for length in [2, 1, 4, 4] {
            self.number(length)?;
        }
        self.bytes(57)?.mpi()
    }

    /// otrv4-prekey-server.md "Prekey Publication Message", behind its head.
    fn publication(&mut self) -> Option<&mut Self> {
        let count = self.number(1)?;
        for _ in 0..count {
            self.prekey_message()?;
        }
        if self.number(1)? == 1 {
            self.client_profile()?;
        }
        let shared = self.number(1)? == 1;
        if shared {
            self.prekey_profile()?;
        }
        if count > 0 {
            self.bytes(64)?.bytes(57)?.bytes(64)?.mpi()?;
        }
        if shared {
            self.bytes(64)?.bytes(57)?;
        }
        self.bytes(64)
    }
}
