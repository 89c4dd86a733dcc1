//! The expressions of libgcrypt in their advanced form, as far as it prints them: lists in parentheses, of values that
//! are bare words, quoted, in hex digits between `#`, or counted (`5:alice`). Used by [`super::private_keys`].
//!
//! What is read may be a secret key: every value is wiped, and no error tells what it read. How long reading takes tells
//! something of the digits; they lie in clear on the disk, and are read once.

use zeroize::Zeroizing;

use super::{Fault, FileError, MAX_FILE, line_of};

/// What is left of a file, from the front.
pub(super) struct Expressions<'a> {
    file: &'a [u8],
    /// Never more than the file is long.
    at: usize,
}

impl<'a> Expressions<'a> {
    pub(super) fn new(file: &'a [u8]) -> Result<Self, FileError> {
        let whole = Self { file, at: 0 };
        if file.len() > MAX_FILE { Err(whole.fault(Fault::TooLong("the file"))) } else { Ok(whole) }
    }

    /// Where the next list or value begins, for [`Self::fault_at`].
    pub(super) fn place(&mut self) -> usize {
        self.skip_blanks();
        self.at
    }

    /// The beginning of a list and its first value, which must be this word.
    pub(super) fn open(&mut self, word: &'static str) -> Result<(), FileError> {
        let place = self.place();
        match self.list()? {
            Some(name) if *name == word.as_bytes() => Ok(()),
            _ => Err(self.fault_at(place, Fault::Expected(word))),
        }
    }

    /// The beginning of the next list inside of this one and its first value, or the end of this one.
    pub(super) fn list(&mut self) -> Result<Option<Zeroizing<Vec<u8>>>, FileError> {
        self.skip_blanks();
        match self.peek() {
            Some(b'(') => {
                self.at += 1;
                self.value().map(Some)
            }
            Some(b')') => {
                self.at += 1;
                Ok(None)
            }
            Some(_) => Err(self.fault(Fault::Expected("a parenthesis"))),
            None => Err(self.fault(Fault::CutShort("a list"))),
        }
    }

    /// The only value after the first of this list, and the list's end.
    pub(super) fn only_value(&mut self) -> Result<Zeroizing<Vec<u8>>, FileError> {
        let value = self.value()?;
        let place = self.place();
        match self.list()? {
            None => Ok(value),
            Some(_) => Err(self.fault_at(place, Fault::Expected("a closing parenthesis"))),
        }
    }

    /// Whatever is left of this list.
    pub(super) fn skip_list(&mut self) -> Result<(), FileError> {
        let mut depth = 1;
        while depth > 0 {
            self.skip_blanks();
            match self.peek() {
                Some(b'(') if depth == MAX_DEPTH => return Err(self.fault(Fault::TooDeep)),
                Some(b'(') => (self.at, depth) = (self.at + 1, depth + 1),
                Some(b')') => (self.at, depth) = (self.at + 1, depth - 1),
                Some(_) => _ = self.value()?,
                None => return Err(self.fault(Fault::CutShort("a list"))),
            }
        }
        Ok(())
    }

    /// Nothing but blanks is left.
    pub(super) fn end(mut self) -> Result<(), FileError> {
        self.skip_blanks();
        if self.peek().is_none() { Ok(()) } else { Err(self.fault(Fault::Trailing)) }
    }

    /// A fault that begins at a place.
    pub(super) fn fault_at(&self, place: usize, fault: Fault) -> FileError {
        FileError { line: line_of(self.file, place), fault }
    }

    fn fault(&self, fault: Fault) -> FileError {
        self.fault_at(self.at, fault)
    }

    fn value(&mut self) -> Result<Zeroizing<Vec<u8>>, FileError> {
        self.skip_blanks();
        match self.peek() {
            Some(b'"') => self.quoted(),
            Some(b'#') => self.hex(),
            Some(b'0'..=b'9') => self.counted(),
            Some(byte) if is_word(byte) => self.word(),
            Some(_) => Err(self.fault(Fault::Expected("a value"))),
            None => Err(self.fault(Fault::CutShort("a list"))),
        }
    }

    fn word(&mut self) -> Result<Zeroizing<Vec<u8>>, FileError> {
        let length = self.ahead().iter().take_while(|byte| is_word(**byte)).count();
        self.bytes(length)
    }

    /// A decimal number, a colon, and so many bytes.
    fn counted(&mut self) -> Result<Zeroizing<Vec<u8>>, FileError> {
        let mut length = 0;
        loop {
            match self.next("a length")? {
                b'0' if length == 0 => return Err(self.fault(Fault::Illegal("a length"))),
                digit @ b'0'..=b'9' if length <= MAX_VALUE => {
                    length = 10 * length + usize::from(digit - b'0')
                }
                b'0'..=b'9' => return Err(self.fault(Fault::TooLong("a value"))),
                b':' => return self.bytes(length),
                _ => return Err(self.fault(Fault::Illegal("a length"))),
            }
        }
    }

    fn bytes(&mut self, length: usize) -> Result<Zeroizing<Vec<u8>>, FileError> {
        if length > MAX_VALUE {
            return Err(self.fault(Fault::TooLong("a value")));
        }
        let Some(bytes) = self.ahead().get(..length) else {
            return Err(self.fault(Fault::CutShort("a value")));
        };
        let bytes = Zeroizing::new(bytes.to_vec());
        self.at += length;
        Ok(bytes)
    }

    /// Pairs of hex digits, with blanks between them where there are any.
    fn hex(&mut self) -> Result<Zeroizing<Vec<u8>>, FileError> {
        let mut value = Value::new();
        let mut high = None;
        self.at += 1;
        loop {
            let byte = self.next("a number")?;
            match (nibble(byte), high) {
                (Some(low), Some(before)) => {
                    value.push(before << 4 | low).map_err(|fault| self.fault(fault))?;
                    high = None;
                }
                (Some(first), None) => high = Some(first),
                (None, None) if byte == b'#' => return Ok(value.0),
                (None, _) if is_blank(byte) => {}
                _ => return Err(self.fault(Fault::Illegal("a number"))),
            }
        }
    }

    fn quoted(&mut self) -> Result<Zeroizing<Vec<u8>>, FileError> {
        let mut value = Value::new();
        self.at += 1;
        loop {
            let byte = match self.next("a quoted text")? {
                b'"' => return Ok(value.0),
                b'\\' => self.escaped()?,
                byte => Some(byte),
            };
            if let Some(byte) = byte {
                value.push(byte).map_err(|fault| self.fault(fault))?;
            }
        }
    }

    /// What follows a backslash; none for a line that goes on.
    fn escaped(&mut self) -> Result<Option<u8>, FileError> {
        let illegal = Fault::Illegal("a backslash");
        Ok(Some(match self.next("a quoted text")? {
            b'b' => 0x08,
            b't' => b'\t',
            b'v' => 0x0b,
            b'n' => b'\n',
            b'f' => 0x0c,
            b'r' => b'\r',
            byte @ (b'"' | b'\'' | b'\\') => byte,
            b'x' => {
                let digits = [self.next("a quoted text")?, self.next("a quoted text")?].map(nibble);
                let [Some(high), Some(low)] = digits else { return Err(self.fault(illegal)) };
                high << 4 | low
            }
            first @ b'0'..=b'3' => {
                let mut byte = first - b'0';
                for _ in 0..2 {
                    let digit @ b'0'..=b'7' = self.next("a quoted text")? else {
                        return Err(self.fault(illegal));
                    };
                    byte = byte << 3 | (digit - b'0');
                }
                byte
            }
            b'\n' => {
                self.at += usize::from(self.peek() == Some(b'\r'));
                return Ok(None);
            }
            b'\r' => {
                self.at += usize::from(self.peek() == Some(b'\n'));
                return Ok(None);
            }
            _ => return Err(self.fault(illegal)),
        }))
    }

    fn next(&mut self, what: &'static str) -> Result<u8, FileError> {
        let byte = self.peek().ok_or_else(|| self.fault(Fault::CutShort(what)))?;
        self.at += 1;
        Ok(byte)
    }

    fn peek(&self) -> Option<u8> {
        self.file.get(self.at).copied()
    }

    fn ahead(&self) -> &'a [u8] {
        self.file.get(self.at..).unwrap_or_default()
    }

    fn skip_blanks(&mut self) {
        self.at += self.ahead().iter().take_while(|byte| is_blank(**byte)).count();
    }
}

/// A value that grows within the room that it has from the start, so that no copy of it is left behind.
struct Value(Zeroizing<Vec<u8>>);

impl Value {
    fn new() -> Self {
        Self(Zeroizing::new(Vec::with_capacity(MAX_VALUE)))
    }

    fn push(&mut self, byte: u8) -> Result<(), Fault> {
        if self.0.len() == MAX_VALUE {
            return Err(Fault::TooLong("a value"));
        }
        self.0.push(byte);
        Ok(())
    }
}

fn nibble(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|nibble| u8::try_from(nibble).ok())
}

const fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | 0x0b | 0x0c | b'\r' | b'\n')
}

/// Whether it may stand in a bare word.
pub(super) const fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'/' | b'_' | b':' | b'*' | b'+' | b'=')
}

/// The longest value, in bytes: no number of a key, and no name, comes near.
const MAX_VALUE: usize = 1024;

/// So many lists in one another; libotr writes five.
const MAX_DEPTH: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    /// The only value of the list `(name …)`.
    fn value(text: &str) -> Result<Vec<u8>, Fault> {
        let whole = format!("(name {text})");
        let read = |c: &mut Expressions<'_>| {
            c.open("name")?;
            c.only_value()
        };
        let mut c = Expressions::new(whole.as_bytes()).expect("short");
        let value = read(&mut c).map_err(|error| error.fault)?;
        c.end().map_err(|error| error.fault)?;
        Ok(value.to_vec())
    }

    /// What libgcrypt 1.10.1 makes of each.
    #[test]
    fn values_are_read_as_libgcrypt_reads_them() {
        for text in
            ["abc", "\"abc\"", "#616263#", "#61 62\n63#", "#6162 6\t3#", "3:abc", " \t\x0b\x0c\r\nabc "]
        {
            assert_eq!(value(text), Ok(b"abc".to_vec()), "{text:?}");
        }
        for (text, expected) in [
            ("=a", "=a"),
            ("a-./_:*+=", "a-./_:*+="),
            ("6:a b)\"#", "a b)\"#"),
            (r#""a\x41\101\"\\\'""#, "aAA\"\\'"),
            (r#""\b\t\v\n\f\r""#, "\x08\t\x0b\n\x0c\r"),
            ("\"a\\\nb\\\r\nc\\\n\rd\"", "abcd"),
            ("\"a\nb\"", "a\nb"),
            ("\"zoë (1)\"", "zoë (1)"),
            ("##", ""),
            ("\"\"", ""),
        ] {
            assert_eq!(value(text), Ok(expected.as_bytes().to_vec()), "{text:?}");
        }
    }

    #[test]
    fn what_libgcrypt_refuses_and_never_prints_is_refused() {
        use Fault::{CutShort, Expected, Illegal, TooLong, Trailing};
        for (text, fault) in [
            ("#616#", Illegal("a number")),
            ("#zz#", Illegal("a number")),
            ("#61\"#", Illegal("a number")),
            ("\"\\q\"", Illegal("a backslash")),
            ("\"\\x4\"", Illegal("a backslash")),
            ("\"\\8\"", Illegal("a backslash")),
            ("\"\\777\"", Illegal("a backslash")),
            ("\"\\189\"", Illegal("a backslash")),
            ("3 :abc", Illegal("a length")),
            ("3", Illegal("a length")),
            ("9:abc", CutShort("a value")),
            ("1025:abc", TooLong("a value")),
            ("99999999999999999999999:abc", TooLong("a value")),
            ("03:abc", Illegal("a length")),
            ("0:", Illegal("a length")),
            ("zoë", Expected("a parenthesis")),
            ("ab@c", Expected("a parenthesis")),
            ("@a", Expected("a value")),
            ("{YWJj}", Expected("a value")),
            ("|YWJj|", Expected("a value")),
            ("[text]abc", Expected("a value")),
            ("", Expected("a value")),
            ("(x)", Expected("a value")),
            ("abc; why", Expected("a parenthesis")),
            ("abc (x)", Expected("a closing parenthesis")),
            ("abc)(x", Trailing),
            ("\"abc", CutShort("a quoted text")),
            ("\"abc\\", Illegal("a backslash")),
            ("#616263", Illegal("a number")),
        ] {
            assert_eq!(value(text), Err(fault), "{text:?}");
        }
    }

    #[test]
    fn a_value_is_as_long_as_its_room_and_no_longer() {
        let forms: [fn(usize) -> String; 4] = [
            |length| "a".repeat(length),
            |length| format!("\"{}\"", "a".repeat(length)),
            |length| format!("#{}#", "61".repeat(length)),
            |length| format!("{length}:{}", "a".repeat(length)),
        ];
        for form in forms {
            assert_eq!(value(&form(1024)), Ok(vec![b'a'; 1024]));
            assert_eq!(value(&form(1025)), Err(Fault::TooLong("a value")));
        }
    }

    #[test]
    fn lists_are_skipped_with_all_that_is_in_them_and_not_too_deep() {
        let skip = |text: &str| {
            let mut c = Expressions::new(text.as_bytes()).expect("short");
            c.open("x").and_then(|()| c.skip_list()).and_then(|()| c.end()).map_err(|error| error.fault)
        };
        assert_eq!(skip("(x (y \")\" 2:)) (#29# ()) z))"), Ok(()));
        assert_eq!(skip("(x (y)"), Err(Fault::CutShort("a list")));
        let nested = |depth: usize| format!("(x {}{})", "(".repeat(depth), ")".repeat(depth));
        assert_eq!(skip(&nested(31)), Ok(()));
        assert_eq!(skip(&nested(32)), Err(Fault::TooDeep));
        assert_eq!(skip(&format!("(x {}", "(".repeat(500_000))), Err(Fault::TooDeep));
    }

    #[test]
    fn a_file_that_is_too_large_is_not_read() {
        assert!(Expressions::new(&vec![b'('; MAX_FILE]).is_ok());
        let error = Expressions::new(&vec![b'('; MAX_FILE + 1]).err();
        assert_eq!(error, Some(FileError { line: 1, fault: Fault::TooLong("the file") }));
    }

    #[test]
    fn a_fault_is_told_with_its_line() {
        let mut c = Expressions::new(b"\n(a\n b\n\n ?)").expect("short");
        c.open("a").expect("it is");
        let error = c.only_value().expect_err("a question mark");
        assert_eq!(error, FileError { line: 5, fault: Fault::Expected("a parenthesis") });
        assert_eq!(error.to_string(), "line 5: a parenthesis is expected here");
    }
}
