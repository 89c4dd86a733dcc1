//! What a data message carries once it is decrypted: a text and TLV records.
//! Spec: otrv4.md "TLV Record Types", "Data Message". Used by [`crate::v4`].

use core::fmt;

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

/// The plaintext of a data message: text, a NUL even when no record follows, records. A text with a NUL is refused,
/// since its rest would be read as records. // spec-notes/SN-013 // spec-notes/SN-030
pub fn write_plaintext(text: &[u8], tlvs: &[Tlv]) -> Result<Zeroizing<Vec<u8>>, WireError> {
    if text.contains(&0) {
        return Err(WireError::Illegal("text"));
    }
    let mut w = Writer::new();
    w.bytes(text).byte(0);
    for Tlv { kind, value } in tlvs {
        let length = u16::try_from(value.len()).map_err(|_| WireError::TooLong("TLV value"))?;
        w.short(*kind).short(length).bytes(value);
    }
    Ok(w.finish_secret())
}

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
        assert_eq!(write_plaintext(b"hi", &[]).unwrap().as_slice(), b"hi\0");
        assert_eq!(write_plaintext(b"", &[]).unwrap().as_slice(), b"\0");
    }

    #[test]
    fn a_text_cannot_smuggle_records() {
        assert_eq!(write_plaintext(b"hi\0\0\x01\0\0", &[]), Err(WireError::Illegal("text")));
    }

    #[test]
    fn a_value_too_long_for_its_length_field_is_refused() {
        let largest = Tlv { kind: tlv_type::PADDING, value: vec![0; 0xffff] };
        assert_eq!(write_plaintext(b"", &[largest]).unwrap().len(), 1 + 4 + 0xffff);
        let too_long = Tlv { kind: tlv_type::PADDING, value: vec![0; 0x10000] };
        assert_eq!(write_plaintext(b"", &[too_long]), Err(WireError::TooLong("TLV value")));
    }

    #[test]
    fn debug_output_hides_the_value() {
        let tlv = Tlv { kind: tlv_type::SMP_1, value: b"secret".to_vec() };
        assert_eq!(format!("{tlv:?}"), "Tlv(type 2, 6 bytes)");
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(text in "[^\0]*", records: Vec<(u16, Vec<u8>)>) {
            let tlvs: Vec<_> = records.into_iter().map(|(kind, value)| Tlv { kind, value }).collect();
            let plaintext = write_plaintext(text.as_bytes(), &tlvs).unwrap();
            prop_assert_eq!(read_plaintext(&plaintext), (text.as_bytes(), tlvs));
        }

        #[test]
        fn any_plaintext_is_split(plaintext: Vec<u8>) {
            let (text, tlvs) = read_plaintext(&plaintext);
            let records: usize = tlvs.iter().map(|tlv| 4 + tlv.value.len()).sum();
            prop_assert!(plaintext.starts_with(text) && text.len() + records <= plaintext.len());
        }
    }
}
