//! What others have written, without the power to move the cursor, to hide, or to pass for what this client says.

use std::fmt::Write as _;

/// A text and who wrote it. Every line but the first begins with a bar, which nothing of ours does.
pub(crate) fn message(who: &str, words: &str) -> String {
    format!("{who}: {}", text(words).replace('\n', "\n  | "))
}

/// A name that others have chosen, on one line: as it is if it is plain, else in quotation marks.
pub(crate) fn name(name: &str) -> String {
    let plain = |c: char| (c.is_alphanumeric() && !is_hidden(c)) || "@._+-/".contains(c);
    match !name.is_empty() && name.chars().all(plain) {
        true => name.to_owned(),
        false => format!("\"{}\"", line(name).replace('"', "\\\"")),
    }
}

/// A name as it can be copied into a shell.
pub(crate) fn argument(contact: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "@._+-/".contains(c);
    match !contact.is_empty() && !contact.starts_with('-') && contact.chars().all(plain) {
        true => contact.to_owned(),
        false => format!("'{}'", text(contact).replace('\n', " ").replace('\'', r"'\''")),
    }
}

/// A text on one line.
pub(crate) fn line(words: &str) -> String {
    text(words).replace('\n', "\\n").replace('\t', "\\t")
}

/// JSON that says the same, with the characters escaped that JSON itself lets through.
pub(crate) fn json(json: &str) -> String {
    let mut shown = String::with_capacity(json.len());
    for c in json.chars() {
        match c {
            // JSON has none of these within a string, and no others outside.
            '\n' => shown.push(c),
            c if c.is_control() || is_hidden(c) => {
                c.encode_utf16(&mut [0; 2]).iter().for_each(|unit| _ = write!(shown, "\\u{unit:04x}"));
            }
            c => shown.push(c),
        }
    }
    shown
}

/// Text with control characters other than line breaks and tabs made visible, and those that show nothing or turn the
/// direction of what follows.
fn text(words: &str) -> String {
    let mut shown = String::with_capacity(words.len());
    for c in words.chars() {
        match c {
            '\n' | '\t' => shown.push(c),
            c if c.is_control() || is_hidden(c) => _ = write!(shown, "{}", c.escape_unicode()),
            c => shown.push(c),
        }
    }
    shown
}

/// The format characters of Unicode that a messenger has no need of, and its line and paragraph separators.
fn is_hidden(c: char) -> bool {
    matches!(
        c,
        '\u{ad}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}'
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_lose_their_power() {
        assert_eq!(text("\x1b[2Jhi\r\n\tthere\u{9b}1m"), "\\u{1b}[2Jhi\\u{d}\n\tthere\\u{9b}1m");
    }

    #[test]
    fn json_says_the_same_with_dangerous_characters_escaped() {
        let words = "\x1b\u{7f}\u{9b}1m\u{202e}\u{e0041}größe 😀\n\"";
        let shown = json(&serde_json::to_string_pretty(&[words]).expect("JSON"));
        assert_eq!(shown, "[\n  \"\\u001b\\u007f\\u009b1m\\u202e\\udb40\\udc41größe 😀\\n\\\"\"\n]");
        assert_eq!(serde_json::from_str::<[String; 1]>(&shown).expect("JSON"), [words]);
    }

    #[test]
    fn characters_that_hide_or_turn_are_shown() {
        for c in ['\u{202e}', '\u{2066}', '\u{200b}', '\u{200f}', '\u{2028}', '\u{feff}', '\u{e0041}'] {
            let shown = text(&format!("a{c}b"));
            assert_eq!(shown, format!("a{}b", c.escape_unicode()));
            assert_ne!(name(&format!("bob{c}@example.org")), "bob@example.org");
        }
        assert_eq!(text("größe → 😀 العربية"), "größe → 😀 العربية");
    }

    #[test]
    fn a_second_line_cannot_pass_for_a_line_of_ours() {
        assert_eq!(
            message("alice", "where?\n  Its key is verified by hand."),
            "alice: where?\n  |   Its key is verified by hand."
        );
    }

    #[test]
    fn a_name_cannot_pass_for_a_status_line() {
        assert_eq!(name("bob@example.org"), "bob@example.org");
        assert_eq!(name("Zoë"), "Zoë");
        assert_eq!(name("* bob@example.org"), "\"* bob@example.org\"");
        assert_eq!(name("bob\n  fingerprint 1234"), "\"bob\\n  fingerprint 1234\"");
        assert_eq!(name("a\" b"), "\"a\\\" b\"");
        assert_eq!(name(""), "\"\"");
    }

    #[test]
    fn a_name_cannot_command_a_shell() {
        assert_eq!(argument("bob@example.org"), "bob@example.org");
        assert_eq!(argument("a b; rm -rf ~"), "'a b; rm -rf ~'");
        assert_eq!(argument("it's"), r"'it'\''s'");
        assert_eq!(argument("$(x)\n"), "'$(x) '");
        assert_eq!(argument("-rf"), "'-rf'");
        assert_eq!(argument(""), "''");
    }
}
