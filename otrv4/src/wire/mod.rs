//! Bytes and lines: what OTR looks like on the wire, before anything is decrypted or believed.
//! Spec: otrv4.md "Data Types". Used by every other module; knows nothing of keys or state.
//!
//! Reading is total: any input gives a value or a [`WireError`], and nothing is allocated by a claimed length.

mod assembler;
mod fragment;
mod header;
mod saved;
mod text;
mod tlv;

pub use assembler::Assembler;
pub use fragment::{Fragment, cut, cut_v2, cut_v3};
pub(crate) use fragment::{cut_behind, parse_behind};
pub use header::{Header, InstanceTag, MessageType, Version};
pub use text::{
    ErrorCode, Line, MAX_MESSAGE, Versions, armour, classify, error_message, query_message, unarmour,
    whitespace_tag,
};
pub use tlv::{Padding, Tlv, read_plaintext, tlv_type, tlv_type_v3, write_plaintext};

use zeroize::Zeroizing;

/// Why bytes could not be read as a value of otrv4.md "Data Types".
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WireError {
    /// The input ends before the value does.
    #[error("{0} is cut short")]
    Truncated(&'static str),
    /// The value is outside its range, group or format.
    #[error("{0} is not allowed")]
    Illegal(&'static str),
    /// The value is longer than we accept.
    #[error("{0} is too long")]
    TooLong(&'static str),
    /// Bytes are left after the last field.
    #[error("bytes follow the end of the message")]
    Trailing,
}

/// Reads the data types of otrv4.md "Data Types" from the front of a byte string. Every method names what it
/// reads, for the error; after an error the position is where the value would have begun or deeper in it.
#[derive(Clone)]
pub struct Reader<'a> {
    whole: &'a [u8],
    /// Bytes read so far; never more than `whole.len()`.
    position: usize,
}

impl<'a> Reader<'a> {
    /// A reader at the first of these bytes.
    pub fn new(whole: &'a [u8]) -> Self {
        Self { whole, position: 0 }
    }

    /// BYTE.
    pub fn byte(&mut self, what: &'static str) -> Result<u8, WireError> {
        Ok(u8::from_be_bytes(self.array(what)?))
    }

    /// SHORT: two bytes, big-endian.
    pub fn short(&mut self, what: &'static str) -> Result<u16, WireError> {
        Ok(u16::from_be_bytes(self.array(what)?))
    }

    /// INT: four bytes, big-endian.
    pub fn int(&mut self, what: &'static str) -> Result<u32, WireError> {
        Ok(u32::from_be_bytes(self.array(what)?))
    }

    /// Eight bytes, big-endian: dates, in two's complement.
    pub fn long(&mut self, what: &'static str) -> Result<u64, WireError> {
        Ok(u64::from_be_bytes(self.array(what)?))
    }

    /// DATA: an INT length and that many bytes, borrowed.
    pub fn data(&mut self, what: &'static str) -> Result<&'a [u8], WireError> {
        let length = self.int(what)?;
        self.bytes(usize::try_from(length).map_err(|_| WireError::Truncated(what))?, what)
    }

    /// MPI: an INT length and that many bytes of a big-endian number; zero is the empty string. A leading zero
    /// byte is refused: a number has one encoding, or hashes over it would not agree.
    pub fn mpi(&mut self, what: &'static str) -> Result<&'a [u8], WireError> {
        match self.data(what)? {
            [0, ..] => Err(WireError::Illegal(what)),
            value => Ok(value),
        }
    }

    /// The next `count` bytes, borrowed.
    pub fn bytes(&mut self, count: usize, what: &'static str) -> Result<&'a [u8], WireError> {
        let (value, _) = self.ahead().split_at_checked(count).ok_or(WireError::Truncated(what))?;
        self.position += count;
        Ok(value)
    }

    /// The next N bytes.
    pub fn array<const N: usize>(&mut self, what: &'static str) -> Result<[u8; N], WireError> {
        let (value, _) = self.ahead().split_first_chunk().ok_or(WireError::Truncated(what))?;
        self.position += N;
        Ok(*value)
    }

    /// The next N bytes, borrowed.
    pub(crate) fn chunk<const N: usize>(&mut self, what: &'static str) -> Result<&'a [u8; N], WireError> {
        let (value, _) = self.ahead().split_first_chunk().ok_or(WireError::Truncated(what))?;
        self.position += N;
        Ok(value)
    }

    /// How many bytes were read.
    pub fn position(&self) -> usize {
        self.position
    }

    /// All bytes the reader was made from.
    pub fn whole(&self) -> &'a [u8] {
        self.whole
    }

    /// The bytes read since [`Reader::position`] was `start`: what a MAC or a signature covers.
    pub fn since(&self, start: usize) -> &'a [u8] {
        self.whole.get(start..self.position).unwrap_or_default()
    }

    /// The message ends here, or is refused.
    pub fn end(self) -> Result<(), WireError> {
        if self.ahead().is_empty() { Ok(()) } else { Err(WireError::Trailing) }
    }

    /// The bytes that have not been read.
    pub(crate) fn ahead(&self) -> &'a [u8] {
        self.whole.get(self.position..).unwrap_or_default()
    }
}

/// Writes the data types of otrv4.md "Data Types". Saved secrets go through it, so its buffer is wiped when it is
/// dropped and whenever it moves to a larger one.
#[derive(Default)]
pub struct Writer(Zeroizing<Vec<u8>>);

impl Writer {
    /// Nothing written yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// BYTE.
    pub fn byte(&mut self, value: u8) -> &mut Self {
        self.bytes(&[value])
    }

    /// SHORT: two bytes, big-endian.
    pub fn short(&mut self, value: u16) -> &mut Self {
        self.bytes(&value.to_be_bytes())
    }

    /// INT: four bytes, big-endian.
    pub fn int(&mut self, value: u32) -> &mut Self {
        self.bytes(&value.to_be_bytes())
    }

    /// Eight bytes, big-endian: dates, in two's complement.
    pub fn long(&mut self, value: u64) -> &mut Self {
        self.bytes(&value.to_be_bytes())
    }

    /// DATA: an INT length and the bytes.
    pub fn data(&mut self, value: &[u8]) -> &mut Self {
        let length = u32::try_from(value.len()).expect("no field of ours comes near 4 GiB");
        self.int(length).bytes(value)
    }

    /// MPI of a public number, given big-endian: leading zero bytes are left out.
    pub fn mpi(&mut self, value: &[u8]) -> &mut Self {
        let zeros = value.iter().take_while(|byte| **byte == 0).count();
        self.data(value.get(zeros..).unwrap_or_default())
    }

    /// Bytes as they are.
    pub fn bytes(&mut self, value: &[u8]) -> &mut Self {
        let needed = self.0.len() + value.len();
        if needed > self.0.capacity() {
            // Vec would free the old buffer with its bytes still in it; the assignment here wipes it.
            let mut larger = Zeroizing::new(Vec::with_capacity(needed.max(2 * self.0.capacity())));
            larger.extend_from_slice(&self.0);
            self.0 = larger;
        }
        self.0.extend_from_slice(value);
        self
    }

    /// What was written so far.
    pub fn as_slice(&self) -> &[u8] {
        &self.0
    }

    /// What was written, when nothing in it is secret.
    pub fn finish(mut self) -> Vec<u8> {
        core::mem::take(&mut *self.0)
    }

    /// What was written, wiped when dropped.
    pub fn finish_secret(self) -> Zeroizing<Vec<u8>> {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::vectors;

    #[test]
    fn mpis_of_the_vectors_are_judged_as_recorded() {
        for vector in vectors::of_kind("mpi") {
            let encoded = vectors::bytes(&vector.inputs["encoded"]);
            let mut r = Reader::new(&encoded);
            let read = r.mpi("number");
            assert_eq!(Some(read.is_ok()), vector.accept(), "{}", vector.name);
            if let Ok(value) = read {
                assert_eq!(Writer::new().mpi(value).as_slice(), encoded, "{}", vector.name);
                assert_eq!(r.end(), Ok(()));
            }
        }
    }

    #[test]
    fn a_number_is_written_without_its_leading_zeros() {
        assert_eq!(Writer::new().mpi(&[0, 0, 1, 0]).as_slice(), [0, 0, 0, 2, 1, 0]);
        assert_eq!(Writer::new().mpi(&[0, 0]).as_slice(), [0, 0, 0, 0]);
    }

    #[test]
    fn a_value_that_ends_early_is_refused_and_nothing_is_read() {
        let mut r = Reader::new(&[1, 2, 3]);
        assert_eq!(r.int("count"), Err(WireError::Truncated("count")));
        assert_eq!(r.bytes(4, "key"), Err(WireError::Truncated("key")));
        assert_eq!(r.bytes(usize::MAX, "key"), Err(WireError::Truncated("key")));
        assert_eq!(r.position(), 0);
        assert_eq!(r.short("count"), Ok(0x0102));
        assert_eq!(r.short("count"), Err(WireError::Truncated("count")));
        assert_eq!(r.byte("count"), Ok(3));
    }

    #[test]
    fn a_claimed_length_beyond_the_input_is_refused() {
        assert_eq!(Reader::new(&[0xff; 8]).data("name"), Err(WireError::Truncated("name")));
    }

    #[test]
    fn bytes_after_the_end_are_refused() {
        let mut r = Reader::new(&[7, 8]);
        assert_eq!(r.byte("type"), Ok(7));
        assert_eq!(r.clone().end(), Err(WireError::Trailing));
        assert_eq!(r.byte("type"), Ok(8));
        assert_eq!(r.end(), Ok(()));
    }

    #[test]
    fn a_reader_gives_back_the_bytes_a_signature_covers() {
        let bytes = [1, 2, 3, 4, 5];
        let mut r = Reader::new(&bytes);
        r.byte("type").unwrap();
        let start = r.position();
        r.short("field").unwrap();
        assert_eq!(r.since(start), [2, 3]);
        assert_eq!(r.since(r.position()), b"");
        assert_eq!(r.since(9), b"");
        assert_eq!(r.whole(), bytes);
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(
            byte: u8, short: u16, int: u32, long: u64, data: Vec<u8>, number: Vec<u8>, key: [u8; 57],
        ) {
            let mut w = Writer::new();
            w.byte(byte).short(short).int(int).long(long).data(&data).mpi(&number).bytes(&key);
            prop_assert_eq!(w.as_slice().len(), w.0.len());
            let bytes = w.finish_secret();
            let mut r = Reader::new(&bytes);
            prop_assert_eq!(r.byte("a"), Ok(byte));
            prop_assert_eq!(r.short("b"), Ok(short));
            prop_assert_eq!(r.int("c"), Ok(int));
            prop_assert_eq!(r.long("d"), Ok(long));
            prop_assert_eq!(r.data("e"), Ok(data.as_slice()));
            let minimal: Vec<u8> = number.into_iter().skip_while(|byte| *byte == 0).collect();
            prop_assert_eq!(r.mpi("f"), Ok(minimal.as_slice()));
            prop_assert_eq!(r.array("g"), Ok(key));
            prop_assert_eq!(r.end(), Ok(()));
        }
    }
}
