//! Values as libgcrypt prints them; see [`super::expression`]. Used by [`super::private_keys`].

use super::expression::is_word;
use crate::wire::Writer;

/// A text as libgcrypt prints it: bare if it is a word; in quotation marks; or in hex digits, if a byte is none that it
/// takes for text.
pub(super) fn write_text(w: &mut Writer, text: &[u8]) {
    let first = text.first().copied().unwrap_or_default();
    let odd = |byte: &u8| *byte < b' ' || (0x7f..=0xa0).contains(byte);
    if first >= 0x80 || text.iter().any(odd) {
        write_hex(w, text);
    } else if text.iter().all(|byte| is_word(*byte)) && !first.is_ascii_digit() && !text.is_empty() {
        w.bytes(text);
    } else {
        w.byte(b'"');
        for byte in text {
            if matches!(byte, b'"' | b'\'' | b'\\') {
                w.byte(b'\\');
            }
            w.byte(*byte);
        }
        w.byte(b'"');
    }
}

/// A number above zero, big-endian, in hex digits; with a zero in front where the first bit would make it negative.
pub(super) fn write_number(w: &mut Writer, number: &[u8]) {
    let zero: &[u8] = if number.first().is_some_and(|first| *first >= 0x80) { &[0] } else { &[] };
    let mut padded = Writer::new();
    padded.bytes(zero).bytes(number);
    write_hex(w, padded.as_slice());
}

fn write_hex(w: &mut Writer, bytes: &[u8]) {
    // 7 more for the letters; without a branch.
    let digit = |nibble: u8| nibble + b'0' + 7 * u8::from(nibble > 9);
    w.byte(b'#');
    for byte in bytes {
        w.byte(digit(byte >> 4)).byte(digit(byte & 0xf));
    }
    w.byte(b'#');
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::libotr::expression::Expressions;

    fn written(text: &[u8]) -> Vec<u8> {
        let mut w = Writer::new();
        write_text(&mut w, text);
        w.finish()
    }

    /// What libgcrypt 1.10.1 prints.
    #[test]
    fn texts_are_written_as_libgcrypt_writes_them() {
        for bare in ["alice", "prpl-jabber", "IRC", "a1", "-a", "+a", "a/b:c_d*e+f=g.h"] {
            assert_eq!(written(bare.as_bytes()), bare.as_bytes());
        }
        for quoted in
            ["alice@example.org", "1abc", "zoë", "a b", "a{b", "a~b", "a#b", "a(b", "a|b", "a%b", ""]
        {
            assert_eq!(written(quoted.as_bytes()), format!("\"{quoted}\"").as_bytes());
        }
        assert_eq!(written(b"a\xa1"), b"\"a\xa1\"");
        assert_eq!(written(br#"a"b\c'd"#), br#""a\"b\\c\'d""#);
        for (text, hex) in
            [("éz", "C3A97A"), ("À", "C380"), ("aÀ", "61C380"), ("a\x01b", "610162"), ("a\x7f", "617F")]
        {
            assert_eq!(written(text.as_bytes()), format!("#{hex}#").as_bytes());
        }
    }

    #[test]
    fn a_number_is_never_negative() {
        for (number, expected) in
            [([0x7f, 0xff], "#7FFF#"), ([0x80, 0x0a], "#00800A#"), ([1, 0x9f], "#019F#")]
        {
            let mut w = Writer::new();
            write_number(&mut w, &number);
            assert_eq!(w.as_slice(), expected.as_bytes());
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(text in proptest::collection::vec(any::<u8>(), 0..200)) {
            let whole = [b"(name ".as_slice(), &written(&text), b")"].concat();
            let mut c = Expressions::new(&whole).expect("short");
            c.open("name").expect("it is");
            let read = c.only_value().expect("a value");
            prop_assert_eq!(&*read, &text);
        }
    }
}
