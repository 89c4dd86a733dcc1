//! What happened, as lines of the protocol.

use otrv4::account::Verification;
use otrv4::session::EndedBy;
use otrv4::{Event, Mode, Output};

use super::words::escape;

/// What an output says.
pub(super) fn line(output: &Output) -> Option<String> {
    match output {
        Output::Save => None,
        Output::Send(line) => Some(wire_line(line)),
        Output::Event(event) => event_line(event),
    }
}

/// A line for the network.
pub(super) fn wire_line(line: &str) -> String {
    format!("out {}", escape(line))
}

/// An event as a line; nothing for what the protocol has no line for.
pub(super) fn event_line(event: &Event) -> Option<String> {
    Some(match event {
        Event::Message { text, .. } => format!("plain {}", escape(text)),
        Event::Plaintext { text, warn: false } => format!("event cleartext {}", escape(text)),
        Event::Plaintext { text, warn: true } => format!("event warn-unencrypted {}", escape(text)),
        Event::Secure { with, version, fingerprint, ssid, .. } => {
            format!("event secure {with} v{} fingerprint={fingerprint} ssid={ssid}", *version as u16)
        }
        Event::OldVersion { with, version } => format!("event old-version {with} v{}", version.number()),
        Event::Resent { with } => format!("event resent {with}"),
        Event::NewFingerprint { fingerprint, .. } => format!("event fingerprint new {fingerprint}"),
        Event::ChangedFingerprint { fingerprint, .. } => format!("event fingerprint changed {fingerprint}"),
        Event::SharedFingerprint { fingerprint, contact, .. } => {
            format!("event fingerprint shared {fingerprint} {}", escape(contact))
        }
        Event::SmpAsked { question, .. } => format!("event smp-ask {}", escape(question)),
        Event::SmpSucceeded { .. } => "event smp-success".to_owned(),
        Event::SmpFailed { .. } => "event smp-failure".to_owned(),
        Event::SmpAborted { .. } => "event smp-aborted".to_owned(),
        Event::ExtraKey { key, .. } => {
            let data =
                if key.data.is_empty() { String::new() } else { format!(" {}", hex::encode(&key.data)) };
            format!("event extra-key {} {}{data}", hex::encode(key.context), hex::encode(&*key.key))
        }
        // Who ended it by a command knows.
        Event::Ended { with, by: EndedBy::Them | EndedBy::Expiry | EndedBy::Room } => {
            format!("event finished {with}")
        }
        Event::NotDone { reason } => format!("err {}", escape(&reason.to_string())),
        Event::Queued => "event queued".to_owned(),
        Event::NotSent { text } => format!("event not-sent {}", escape(text)),
        Event::Held { from } => format!("event held {from}"),
        Event::TheirError { code, text } => {
            let code = code.map(|code| format!("ERROR_{}: ", code as u8)).unwrap_or_default();
            format!("event otr-error {code}{}", escape(text))
        }
        Event::Rejected { reason, .. } => format!("event rejected {}", escape(&reason.to_string())),
        _ => return None,
    })
}

/// How a conversation began, in a word.
pub(super) fn mode(mode: Mode) -> &'static str {
    match mode {
        Mode::Interactive => "interactive",
        Mode::Offline => "offline",
    }
}

/// How a key was verified, in a word. `no` also where only they have asked us.
pub(super) fn verification(verification: Verification) -> &'static str {
    match verification {
        Verification::None | Verification::TheirSmp => "no",
        Verification::Smp => "smp",
        Verification::ByHand => "by-hand",
    }
}
