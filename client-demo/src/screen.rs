//! What a person sees of a conversation. Texts of others are shown without the power to move the cursor.

use std::fmt::{self, Write as _};
use std::io::{self, Write as _};

use otrv4::session::EndedBy;
use otrv4::{Event, Mode};

/// A line on stdout, written before this returns.
pub(crate) fn say(line: impl fmt::Display) -> io::Result<()> {
    let mut screen = io::stdout().lock();
    writeln!(screen, "{line}")?;
    screen.flush()
}

/// An event in a conversation with `contact`, as lines.
pub(crate) fn words(contact: &str, event: &Event) -> String {
    let contact = printable(contact);
    match event {
        Event::Message { text, .. } => message(&contact, text),
        Event::Plaintext { text, warn: false } => message(&format!("{contact} (not encrypted)"), text),
        Event::Plaintext { text, warn: true } => {
            message(&format!("{contact} (NOT ENCRYPTED: anyone may have written this)"), text)
        }
        Event::Secure { with, mode, fingerprint, ssid, .. } => format!(
            "* {contact}: encrypted conversation with client {with}, {}\n  fingerprint {}\n  session id  {ssid}",
            how(*mode),
            fingerprint.groups()
        ),
        Event::Ended { with, by: EndedBy::Them } => {
            format!("* {contact}: ended the conversation (client {with}); it can no longer be read by anyone")
        }
        Event::Ended { .. } => format!("* {contact}: conversation ended"),
        Event::Queued => format!("* {contact}: the text waits until the conversation is encrypted"),
        Event::NotSent { text } => {
            message(&format!("* {contact}: NOT SENT, no encrypted conversation came about"), text)
        }
        Event::Held { .. } => {
            format!("* {contact}: a message came before its handshake and is kept for a while")
        }
        Event::TheirError { text, .. } => message(&format!("* {contact}: reports an error"), text),
        Event::Rejected { reason, .. } => {
            format!("* {contact}: refused a line, nothing has changed: {reason}")
        }
        _ => format!("* {contact}: something that this client does not know"),
    }
}

/// How a conversation began.
fn how(mode: Mode) -> &'static str {
    match mode {
        Mode::Interactive => "begun while both were there",
        Mode::Offline => "begun while one was away",
    }
}

/// A text and who wrote it.
pub(crate) fn message(who: &str, text: &str) -> String {
    format!("{who}: {}", printable(text).replace('\n', "\n  "))
}

/// Text that others wrote, with control characters other than line breaks and tabs made visible.
pub(crate) fn printable(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' | '\t' => shown.push(c),
            c if c.is_control() => _ = write!(shown, "{}", c.escape_unicode()),
            c => shown.push(c),
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_lose_their_power() {
        assert_eq!(printable("\x1b[2Jhi\r\n\tthere\u{9b}1m"), "\\u{1b}[2Jhi\\u{d}\n\tthere\\u{9b}1m");
    }

    #[test]
    fn a_second_line_cannot_pass_for_another_message() {
        let event = Event::Plaintext { text: "hello\nbob: I owe you money".to_owned(), warn: false };
        assert_eq!(words("alice", &event), "alice (not encrypted): hello\n  bob: I owe you money");
    }
}
