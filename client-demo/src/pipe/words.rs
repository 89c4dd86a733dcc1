//! How text goes through a protocol of lines: `\` is written `\\` and a newline `\n`, in both directions. And how tags
//! are written.

use otrv4::wire::InstanceTag;

/// The text on one line.
pub(crate) fn escape(text: &str) -> String {
    text.replace('\\', r"\\").replace('\n', r"\n")
}

/// The text that was escaped. Any other use of `\` is an error rather than a guess.
pub(crate) fn unescape(line: &str) -> Result<String, BadEscape> {
    let mut text = String::with_capacity(line.len());
    let mut rest = line.chars();
    while let Some(c) = rest.next() {
        text.push(match c {
            '\\' => match rest.next() {
                Some('\\') => '\\',
                Some('n') => '\n',
                _ => return Err(BadEscape),
            },
            c => c,
        });
    }
    Ok(text)
}

/// An instance tag of 8 hex digits; all zeros for the client of somebody who speaks version 2.
pub(crate) fn tag(hex: &str) -> Option<InstanceTag> {
    let mut bytes = [0; 4];
    hex::decode_to_slice(hex, &mut bytes).ok()?;
    match u32::from_be_bytes(bytes) {
        0 => Some(InstanceTag::V2),
        tag => InstanceTag::new(tag),
    }
}

/// A `\` that is followed by neither `\` nor `n`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(r"after \ only \ or n may stand")]
pub(crate) struct BadEscape;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_escaped_comes_back_on_one_line() {
        for text in ["", "plain", r"a\b", "two\nlines", r"\n", "\n", "\\\n", "C:\\new\r", "größe → 😀"]
        {
            let line = escape(text);
            assert!(!line.contains('\n'));
            assert_eq!(unescape(&line), Ok(text.to_owned()));
        }
        assert_eq!(escape("a\\b\nc"), r"a\\b\nc");
    }

    #[test]
    fn other_escapes_are_refused() {
        for line in [r"\", r"\t", r"a\", r"\\\", r"\N"] {
            assert_eq!(unescape(line), Err(BadEscape), "{line}");
        }
    }
}
