//! The keys that a message's TLVs of type 7 stand for.
//! Spec: otrv4.md "Extra Symmetric Key". Used by [`super::Channel`]. spec-notes/SN-022

use crate::channel::{ExtraKey, MAX_EXTRA_KEYS, split_use};
use crate::ratchet::keys::ExtraSymmKey;
use crate::wire::{Tlv, tlv_type};

/// The keys of a message with these TLVs, in their order: each comes from the one before, the first from `base`, which
/// is asked for only if there is a TLV of type 7. Both sides of a conversation get the same ones.
pub(super) fn extra_keys(tlvs: &[Tlv], base: impl FnOnce() -> ExtraSymmKey) -> Vec<ExtraKey> {
    let indexed = (0..=u8::MAX).zip(tlvs);
    let wanted: Vec<_> =
        indexed.filter(|(_, tlv)| tlv.kind == tlv_type::EXTRA_KEY).take(MAX_EXTRA_KEYS).collect();
    if wanted.is_empty() {
        return Vec::new();
    }
    let mut previous = base();
    let derive = |(index, tlv): (u8, &Tlv)| {
        let (context, _) = split_use(&tlv.value);
        previous = previous.derive(index, context);
        ExtraKey::for_use(&tlv.value, previous.as_bytes())
    };
    // The length is known in advance, so that the keys are not moved, and left behind, while the list grows.
    wanted.into_iter().map(derive).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ratchet::keys::ChainKey;
    use crate::vectors::{array, bytes, of_kind};
    use crate::wire::Reader;

    fn chain(bytes: [u8; 64]) -> ChainKey {
        ChainKey::load(&mut Reader::new(&bytes)).expect("64 bytes")
    }

    fn tlv(kind: u16, value: &[u8]) -> Tlv {
        Tlv { kind, value: value.to_vec() }
    }

    fn keys(tlvs: &[Tlv]) -> Vec<ExtraKey> {
        extra_keys(tlvs, || chain([7; 64]).extra_symm_key())
    }

    #[test]
    fn keys_are_those_of_the_vectors() {
        for v in of_kind("extra_key") {
            let tlvs = v.inputs["tlvs"].as_array().expect("TLVs").iter();
            let tlvs: Vec<_> =
                tlvs.map(|t| tlv(t[0].as_u64().unwrap().try_into().unwrap(), &bytes(&t[1]))).collect();
            let base = chain(array(&v.inputs["chain_key"])).extra_symm_key();
            assert_eq!(base.as_bytes(), &array(&v.outputs["extra_sym_key_1"]), "{}", v.name);
            let derived = extra_keys(&tlvs, || base);
            let expected = v.outputs["derived"].as_array().expect("keys");
            assert_eq!(derived.len(), expected.len(), "{}", v.name);
            for (key, expected) in derived.iter().zip(expected) {
                assert_eq!(key.context, array(&expected[0]), "{}", v.name);
                assert_eq!(*key.key, bytes(&expected[1]), "{}", v.name);
            }
        }
    }

    #[test]
    fn what_follows_the_context_is_the_data_and_not_in_the_key() {
        let [key] = &keys(&[tlv(7, b"\0\0\0\x01a file")])[..] else { panic!("one key") };
        assert_eq!((key.context, key.data.as_slice()), ([0, 0, 0, 1], b"a file".as_slice()));
        assert_eq!(key.key, keys(&[tlv(7, b"\0\0\0\x01")])[0].key);
    }

    #[test]
    fn a_short_context_is_padded_with_zeros() {
        for (short, whole) in [(b"".as_slice(), [0; 4]), (b"\x42", [0x42, 0, 0, 0]), (b"abc", *b"abc\0")] {
            assert_eq!(keys(&[tlv(7, short)]), keys(&[tlv(7, &whole)]));
        }
    }

    #[test]
    fn position_context_and_what_came_before_make_a_difference() {
        let first = keys(&[tlv(7, b"file"), tlv(7, b"file")]);
        assert_ne!(first[0].key, first[1].key);
        assert_ne!(first[0].key, keys(&[tlv(7, b"call")])[0].key);
        assert_ne!(first[0].key, keys(&[tlv(0xffff, b""), tlv(7, b"file")])[0].key);
        assert_ne!(first[1].key, keys(&[tlv(0xffff, b""), tlv(7, b"file")])[0].key);
    }

    #[test]
    fn ten_keys_are_derived_and_an_eleventh_is_not() {
        let eleven: Vec<_> = (0..11).map(|n| tlv(7, &[0, 0, 0, n])).collect();
        let ten = keys(&eleven);
        assert_eq!(ten.last().map(|key| key.context), Some([0, 0, 0, 9]));
        assert_eq!(ten, keys(&eleven[..10]));
    }

    #[test]
    fn a_position_beyond_a_byte_has_no_key() {
        let mut tlvs: Vec<_> = (0..255).map(|_| tlv(0, b"")).collect();
        tlvs.push(tlv(7, b"last"));
        tlvs.push(tlv(7, b"none"));
        let [last] = &keys(&tlvs)[..] else { panic!("one key") };
        assert_eq!(&last.context, b"last");
    }

    #[test]
    fn nothing_is_derived_for_a_message_that_asks_for_no_key() {
        assert!(extra_keys(&[tlv(0, b"padding"), tlv(8, b"file")], || panic!("not needed")).is_empty());
    }
}
