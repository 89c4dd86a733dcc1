//! What a data message carries once it is decrypted: a text and TLV records.
//! Spec: otrv4.md "TLV Record Types", "Data Message"; OTRv3 "Data Message". Used by [`crate::v4`] and `v3`.

use core::fmt;
use core::num::NonZeroU16;

use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::{Reader, WireError, Writer};

/// A record beside the text: type SHORT, length SHORT, value. Wiped when dropped.
#[derive(PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct Tlv {
    /// One of [`tlv_type`], or a number to ignore.
    pub kind: u16,
    /// At most 65535 bytes.
    pub value: Vec<u8>,
}

impl fmt::Debug for Tlv {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, value } = self;
        write!(f, "Tlv(type {kind}, {} bytes)", value.len())
    }
}

/// The record types of version 4.
pub mod tlv_type {
    /// Any bytes, to be ignored: hides the length of the text.
    pub const PADDING: u16 = 0;
    /// The sender ended the conversation.
    pub const DISCONNECTED: u16 = 1;
    /// SMP message 1.
    pub const SMP_1: u16 = 2;
    /// SMP message 2.
    pub const SMP_2: u16 = 3;
    /// SMP message 3.
    pub const SMP_3: u16 = 4;
    /// SMP message 4.
    pub const SMP_4: u16 = 5;
    /// Ends a running SMP; empty.
    pub const SMP_ABORT: u16 = 6;
    /// The sender wants to use the extra symmetric key: 4 bytes of context, then what the use defines.
    pub const EXTRA_KEY: u16 = 7;
}

/// The record types of versions 2 and 3 that are others than those of version 4.
pub mod tlv_type_v3 {
    /// SMP message 1 with a question before it, which a NUL ends.
    pub const SMP_1_WITH_QUESTION: u16 = 7;
    /// As [`super::tlv_type::EXTRA_KEY`]; version 3 only.
    pub const EXTRA_KEY: u16 = 8;
}

/// How the length of a plaintext is disguised: with a record of zeros behind all others. spec-notes/SN-036
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Padding {
    /// Not at all.
    #[default]
    Off,
    /// Up to the next multiple.
    Multiple(NonZeroU16),
    /// Up to 256, 512, 1024, 2048, 4096, then multiples of 4096 bytes.
    Classes,
}

impl Padding {
    /// How many zeros the record needs behind `length` bytes, if there has to be one: it takes 4 bytes itself, so
    /// that a length which lacks fewer goes up to the size after the next.
    fn zeros(self, length: usize) -> Option<usize> {
        let with_record = length + TLV_HEADER;
        match self.size(length) == length {
            true => None,
            false => Some(self.size(with_record) - with_record),
        }
    }

    /// The smallest size that holds so many bytes.
    pub(crate) fn size(self, length: usize) -> usize {
        match self {
            Self::Off => length,
            Self::Multiple(of) => length.next_multiple_of(of.get().into()),
            Self::Classes if length > 4096 => length.next_multiple_of(4096),
            Self::Classes => length.next_power_of_two().max(256),
        }
    }
}

/// Splits a plaintext into its text, up to the first NUL, and the records behind it. A record that is cut short ends
/// the list; what stands before it counts.
pub fn read_plaintext(plaintext: &[u8]) -> (&[u8], Vec<Tlv>) {
    let mut parts = plaintext.splitn(2, |byte| *byte == 0);
    let text = parts.next().unwrap_or_default();
    let mut r = Reader::new(parts.next().unwrap_or_default());
    (text, core::iter::from_fn(|| read_tlv(&mut r).ok()).collect())
}

fn read_tlv(r: &mut Reader<'_>) -> Result<Tlv, WireError> {
    let kind = r.short("TLV type")?;
    let length = r.short("TLV length")?;
    let value = r.bytes(length.into(), "TLV value")?.to_vec();
    Ok(Tlv { kind, value })
}

/// The plaintext of a data message: text, a NUL even when no record follows, records, padding. A text with a NUL is
/// refused, since its rest would be read as records. // spec-notes/SN-013 // spec-notes/SN-030
pub fn write_plaintext(text: &[u8], tlvs: &[Tlv], padding: Padding) -> Result<Zeroizing<Vec<u8>>, WireError> {
    if text.contains(&0) {
        return Err(WireError::Illegal("text"));
    }
    let mut w = Writer::new();
    w.bytes(text).byte(0);
    tlvs.iter().try_for_each(|tlv| write_tlv(&mut w, tlv.kind, &tlv.value))?;
    if let Some(zeros) = padding.zeros(w.as_slice().len()) {
        write_tlv(&mut w, tlv_type::PADDING, &vec![0; zeros])?;
    }
    Ok(w.finish_secret())
}

fn write_tlv(w: &mut Writer, kind: u16, value: &[u8]) -> Result<(), WireError> {
    let length = u16::try_from(value.len()).map_err(|_| WireError::TooLong("TLV value"))?;
    w.short(kind).short(length).bytes(value);
    Ok(())
}

/// Type and length of a record, in bytes.
const TLV_HEADER: usize = 4;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::vectors;

    #[test]
    fn plaintexts_of_the_vectors_are_split_as_recorded() {
        for vector in vectors::of_kind("plaintext") {
            let plaintext = vectors::bytes(&vector.inputs["plaintext"]);
            let (text, tlvs) = read_plaintext(&plaintext);
            assert_eq!(text, vectors::bytes(&vector.outputs["text"]), "{}", vector.name);
            let expected: Vec<_> = vector.outputs["tlvs"].as_array().unwrap().iter().collect();
            assert_eq!(tlvs.len(), expected.len(), "{}", vector.name);
            for (tlv, expected) in tlvs.iter().zip(expected) {
                assert_eq!(Some(u64::from(tlv.kind)), expected[0].as_u64(), "{}", vector.name);
                assert_eq!(tlv.value, vectors::bytes(&expected[1]), "{}", vector.name);
            }
        }
    }

    #[test]
    fn the_nul_is_written_even_without_records() {
        assert_eq!(write_plaintext(b"hi", &[], Padding::Off).unwrap().as_slice(), b"hi\0");
        assert_eq!(write_plaintext(b"", &[], Padding::Off).unwrap().as_slice(), b"\0");
    }

    #[test]
    fn a_text_cannot_smuggle_records() {
        assert_eq!(write_plaintext(b"hi\0\0\x01\0\0", &[], Padding::Off), Err(WireError::Illegal("text")));
    }

    #[test]
    fn a_value_too_long_for_its_length_field_is_refused() {
        let largest = Tlv { kind: tlv_type::PADDING, value: vec![0; 0xffff] };
        assert_eq!(write_plaintext(b"", &[largest], Padding::Off).unwrap().len(), 1 + 4 + 0xffff);
        let too_long = Tlv { kind: tlv_type::PADDING, value: vec![0; 0x10000] };
        assert_eq!(write_plaintext(b"", &[too_long], Padding::Off), Err(WireError::TooLong("TLV value")));
    }

    #[test]
    fn debug_output_hides_the_value() {
        let tlv = Tlv { kind: tlv_type::SMP_1, value: b"secret".to_vec() };
        assert_eq!(format!("{tlv:?}"), "Tlv(type 2, 6 bytes)");
    }

    fn multiple(of: u16) -> Padding {
        Padding::Multiple(NonZeroU16::new(of).expect("not zero"))
    }

    /// The length of a plaintext that has so many bytes, NUL included, before it is padded.
    fn padded(length: usize, padding: Padding) -> usize {
        write_plaintext(&vec![b'x'; length - 1], &[], padding).expect("no NUL").len()
    }

    #[test]
    fn short_texts_go_up_to_a_class() {
        for (length, class) in [(1, 256), (252, 256), (256, 256), (257, 512), (1025, 2048), (4092, 4096)] {
            assert_eq!(padded(length, Padding::Classes), class, "{length}");
        }
        for (length, class) in [(4097, 8192), (8192, 8192), (8193, 12288), (64 * 1024, 64 * 1024)] {
            assert_eq!(padded(length, Padding::Classes), class, "{length}");
        }
    }

    #[test]
    fn where_a_record_does_not_fit_the_next_size_is_taken() {
        for lacking in 1..4 {
            assert_eq!(padded(256 - lacking, Padding::Classes), 512);
            assert_eq!(padded(4096 - lacking, Padding::Classes), 8192);
            assert_eq!(padded(100 - lacking, multiple(100)), 200);
        }
        assert_eq!(padded(5, multiple(2)), 10);
        assert_eq!(padded(1, multiple(2)), 6);
    }

    #[test]
    fn the_largest_padding_fits_its_record() {
        for lacking in 0..10 {
            assert_eq!(padded(0xffff - lacking, multiple(0xffff)) % 0xffff, 0);
            assert_eq!(padded(0x10000 + lacking, multiple(0xffff)), 2 * 0xffff);
        }
    }

    #[test]
    fn nothing_is_appended_without_a_need() {
        assert_eq!(padded(7, Padding::Off), 7);
        assert_eq!(padded(7, multiple(1)), 7);
        assert_eq!(padded(512, Padding::Classes), 512);
        assert_eq!(Padding::default(), Padding::Off);
    }

    #[test]
    fn the_largest_text_can_be_padded() {
        for padding in [Padding::Off, multiple(1), multiple(0xffff), Padding::Classes] {
            let text = "x".repeat(64 * 1024);
            let plaintext = write_plaintext(text.as_bytes(), &[], padding).unwrap();
            assert_eq!(read_plaintext(&plaintext).0, text.as_bytes(), "{padding:?}");
        }
    }

    fn any_padding() -> impl Strategy<Value = Padding> {
        prop_oneof![
            Just(Padding::Off),
            Just(Padding::Classes),
            (1..=64u16).prop_map(multiple),
            (1..=u16::MAX).prop_map(multiple),
        ]
    }

    fn is_a_size(length: usize, padding: Padding) -> bool {
        match padding {
            Padding::Off => true,
            Padding::Multiple(of) => length.is_multiple_of(of.get().into()),
            Padding::Classes => [256, 512, 1024, 2048].contains(&length) || length.is_multiple_of(4096),
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(
            text in "[^\0]*", records: Vec<(u16, Vec<u8>)>, padding in any_padding(),
        ) {
            let tlvs: Vec<_> = records.into_iter().map(|(kind, value)| Tlv { kind, value }).collect();
            let bare = write_plaintext(text.as_bytes(), &tlvs, Padding::Off).unwrap();
            let plaintext = write_plaintext(text.as_bytes(), &tlvs, padding).unwrap();
            prop_assert!(plaintext.starts_with(&bare));
            prop_assert!(is_a_size(plaintext.len(), padding));
            let (read, mut records) = read_plaintext(&plaintext);
            prop_assert_eq!(read, text.as_bytes());
            if plaintext.len() > bare.len() {
                let last = records.pop().expect("a record");
                prop_assert_eq!(last.kind, tlv_type::PADDING);
                prop_assert!(last.value.iter().all(|byte| *byte == 0));
            }
            prop_assert_eq!(records, tlvs);
        }

        #[test]
        fn any_plaintext_is_split(plaintext: Vec<u8>) {
            let (text, tlvs) = read_plaintext(&plaintext);
            let records: usize = tlvs.iter().map(|tlv| 4 + tlv.value.len()).sum();
            prop_assert!(plaintext.starts_with(text) && text.len() + records <= plaintext.len());
        }
    }
}
