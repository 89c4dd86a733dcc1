//! What a person sees of a conversation.

use std::fmt;
use std::io::{self, Write as _};
use std::time::{Duration, UNIX_EPOCH};

use otrv4::account::{ContactKey, Verification};
use otrv4::session::{EndedBy, SmpEnd};
use otrv4::wire::InstanceTag;
use otrv4::{Account, Event, Mode, Protection, Session, Timestamp};

use crate::harmless::{self, argument, message};

/// A line on stdout, written before this returns.
pub(crate) fn say(line: impl fmt::Display) -> io::Result<()> {
    let mut screen = io::stdout().lock();
    writeln!(screen, "{line}")?;
    screen.flush()
}

/// An event in a conversation, as lines.
pub(crate) fn words(account: &Account, session: &Session, event: &Event) -> String {
    let (name, contact) = (argument(session.correspondent()), harmless::name(session.correspondent()));
    match event {
        Event::Message { from, text } => {
            message(&format!("{contact}{}", doubt(account, session, *from)), text)
        }
        Event::Plaintext { text, warn: false } => message(&format!("{contact} (not encrypted)"), text),
        Event::Plaintext { text, warn: true } => {
            message(&format!("{contact} (NOT ENCRYPTED: anyone may have written this)"), text)
        }
        Event::Secure { with, version, mode, fingerprint, verification, ssid } => format!(
            "* {contact}: encrypted conversation with client {with}, version {}, {}\n  fingerprint {}\n  {}\n  session id  {ssid}",
            version.number(),
            how(*mode),
            fingerprint.groups(),
            verified(*verification)
        ),
        Event::OldVersion { version, .. } => loud(&format!(
            "{contact}: THIS IS VERSION {} OF OTR, old and weak. Ask them for a client with version 3 or 4",
            version.number()
        )),
        Event::NewFingerprint { .. } => loud(&format!(
            "{contact}: THE FIRST CONVERSATION with them. Nobody has verified yet whose fingerprint this is\n  {}",
            compare(&name)
        )),
        Event::ChangedFingerprint { fingerprint, .. } => loud(&format!(
            "{contact}: ANOTHER FINGERPRINT than those known before. It is another client of theirs, a new \
             installation, or somebody else:\n  {}\n  {}",
            fingerprint.groups(),
            compare(&name)
        )),
        Event::SharedFingerprint { contact: other, fingerprint, .. } => loud(&format!(
            "{contact}: HAS THE FINGERPRINT OF {}, too. Unless both are one person, something is wrong:\n  {}",
            harmless::name(other),
            fingerprint.groups()
        )),
        Event::OfflineAfterInteractive { with } => format!(
            "* {contact}: the conversation with client {with} began while both were there, and goes on as one with \
             somebody who is away; that may make the first one less deniable"
        ),
        Event::SmpAsked { from, question } if question.is_empty() => format!(
            "* {contact}: client {from} wants to compare a secret that you have agreed on outside of this chat\n  \
             {}\n  Enter it with `client-demo verify {name} --answer`; if there is none, decline with --abort",
            whose(account, session, *from)
        ),
        Event::SmpAsked { from, question } => format!(
            "* {contact}: client {from} asks you something. {}\n  Answer with `client-demo verify {name} --answer`, or \
             decline with --abort\n{}",
            whose(account, session, *from),
            message("  The question", question)
        ),
        Event::SmpSucceeded { verification, .. } => format!("* {contact}: {}", succeeded(*verification)),
        Event::SmpFailed { failed, .. } => loud(&format!(
            "{contact}: THE SECRETS WERE NOT THE SAME. Nothing is verified by it; {}",
            failures(*failed)
        )),
        Event::SmpAborted { why, failed, .. } => {
            let counted = failed.map(|failed| format!("\n  They may know the result: {}", failures(failed)));
            format!(
                "* {contact}: the verification has ended without a result: {}{}",
                ended(*why),
                counted.unwrap_or_default()
            )
        }
        Event::ExtraKey { key, .. } => {
            format!(
                "* {contact}: a key for another use ({}); this client has none for it",
                hex::encode(key.context)
            )
        }
        Event::PublicationDue => PUBLICATION_DUE.to_owned(),
        Event::Ended { with, by: EndedBy::Them } => {
            format!("* {contact}: ended the conversation (client {with}); its keys are gone here")
        }
        Event::Ended { with, by: EndedBy::Expiry } => format!(
            "* {contact}: the conversation has expired (client {with}): no answer for too long. Its keys are deleted"
        ),
        Event::Ended { with, by: EndedBy::Room } => {
            format!(
                "* {contact}: client {with} had to make room for another one; nobody here has written to it"
            )
        }
        Event::Ended { .. } => format!("* {contact}: conversation ended"),
        Event::NotDone { reason } => format!("* {contact}: not done: {reason}"),
        Event::Queued => format!("* {contact}: the text waits until the conversation is encrypted"),
        Event::Resent { .. } => {
            format!("* {contact}: could not read the last text; it was sent again, to the same key")
        }
        Event::NotSent { text } => {
            message(&format!("* {contact}: NOT SENT, no encrypted conversation came about"), text)
        }
        Event::Held { .. } => {
            format!(
                "* {contact}: a message cannot be read yet: its handshake may still come. It is kept for a while"
            )
        }
        Event::TheirError { text, .. } => message(&format!("* {contact}: reports an error"), text),
        Event::Rejected { reason, .. } => {
            format!("* {contact}: refused a line, nothing has changed: {reason}")
        }
        _ => format!("* {contact}: something that this client does not know"),
    }
}

/// What is doubtful about whoever wrote a message: a key that is not verified where others of the contact are, or that
/// came after others.
fn doubt(account: &Account, session: &Session, from: InstanceTag) -> String {
    let known = account.contact(session.correspondent());
    let key = key_of(session, from).and_then(|key| known?.key(key));
    let others_verified =
        known.is_some_and(|known| known.keys().iter().any(|key| key.verification.is_verified()));
    match key {
        Some(key) if !key.verification.is_verified() && (others_verified || key.changed()) => {
            format!(" (UNVERIFIED KEY, client {from})")
        }
        _ => String::new(),
    }
}

/// Whether the key of a client is verified, in a sentence.
pub(crate) fn whose(account: &Account, session: &Session, client: InstanceTag) -> String {
    let key = key_of(session, client);
    let verification = key.map(|key| account.verification(session.correspondent(), key));
    format!("Its key: {}.", verified(verification.unwrap_or(Verification::None)))
}

fn key_of(session: &Session, client: InstanceTag) -> Option<ContactKey> {
    match session.instances().find(|instance| instance.tag == client)?.protection {
        Protection::Encrypted { fingerprint, .. } => Some(fingerprint),
        Protection::None | Protection::Finished => None,
    }
}

/// How sure our user is that a key is their correspondent's.
pub(crate) fn verified(verification: Verification) -> &'static str {
    match verification {
        Verification::None => "NOT VERIFIED",
        Verification::TheirSmp => {
            "NOT VERIFIED: you have answered a question of theirs, so they know you; ask them one, too"
        }
        Verification::Smp => "verified by a secret that both knew",
        Verification::ByHand => "verified by hand",
    }
}

/// What a number of failed verifications means; nothing to say of none.
pub(crate) fn failures(failed: u32) -> String {
    match failed {
        1 => "1 verification by a secret has failed: a wrong spelling, or somebody in the middle who guesses"
            .to_owned(),
        _ => format!(
            "{failed} verifications by a secret have failed: each lets somebody in the middle guess once"
        ),
    }
}

/// The day and minute, in UTC.
pub(crate) fn date(time: Timestamp) -> String {
    let since_1970 = Duration::from_secs(u64::try_from(time.unix()).unwrap_or_default().min(LAST_SECOND));
    let date = humantime::format_rfc3339_seconds(UNIX_EPOCH + since_1970).to_string();
    let minute = date.get(..16).unwrap_or(&date);
    format!("{} UTC", minute.replace('T', " "))
}

/// A fingerprint in lines of seven groups.
pub(crate) fn lines_of_groups(key: ContactKey) -> Vec<String> {
    let groups = key.groups();
    let groups: Vec<&str> = groups.split(' ').collect();
    groups.chunks(7).map(|line| line.join(" ")).collect()
}

/// What is said when profiles or prekeys should go to the server.
pub(crate) const PUBLICATION_DUE: &str =
    "* The prekey server should be looked at: `client-demo publish` renews what it has of you";

/// Of the year 9999: later dates have no common form.
const LAST_SECOND: u64 = 253_402_300_799;

fn succeeded(verification: Verification) -> &'static str {
    match verification {
        Verification::Smp => "VERIFIED: both have entered the same secret",
        Verification::ByHand => "both have entered the same secret; you have verified them by hand before",
        Verification::None | Verification::TheirSmp => {
            "your answer was right, so they know you. That says nothing about them: ask them something, too"
        }
    }
}

fn ended(why: SmpEnd) -> &'static str {
    match why {
        SmpEnd::Us => "you have stopped it",
        SmpEnd::Them => "they have stopped it",
        SmpEnd::Conversation => "the conversation has ended or begun anew",
        _ => "something came that does not belong to it; begin again",
    }
}

fn compare(name: &str) -> String {
    format!("Compare it: `client-demo verify {name}`")
}

/// Not to be overlooked.
fn loud(text: &str) -> String {
    format!("!! {text}")
}

/// How a conversation began.
fn how(mode: Mode) -> &'static str {
    match mode {
        Mode::Interactive => "begun while both were there",
        Mode::Offline => "begun while one was away",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::system;
    use otrv4::keys::ForgingSecret;
    use otrv4::{Lifetimes, Policy};

    fn shown(event: &Event) -> String {
        let now = Timestamp::from_unix(1_800_000_000);
        let account =
            Account::new("bob", ForgingSecret::Destroy, Lifetimes::default(), &mut system::rng(), now);
        words(&account, &Session::new("alice", Policy::default()), event)
    }

    #[test]
    fn a_second_line_cannot_pass_for_another_message() {
        let event = Event::Plaintext { text: "hello\nbob: I owe you money".to_owned(), warn: false };
        assert_eq!(shown(&event), "alice (not encrypted): hello\n  | bob: I owe you money");
    }

    #[test]
    fn a_question_is_harmless_and_comes_after_whose_it_is() {
        let from = InstanceTag::new(0x100).expect("a tag");
        let event =
            Event::SmpAsked { from, question: "where?\x1b[2J\nIts key: verified by hand.".to_owned() };
        assert_eq!(
            shown(&event),
            "* alice: client 00000100 asks you something. Its key: NOT VERIFIED.\n  \
             Answer with `client-demo verify alice --answer`, or decline with --abort\n  \
             The question: where?\\u{1b}[2J\n  | Its key: verified by hand."
        );
    }

    #[test]
    fn a_message_from_a_key_beside_the_verified_one_says_so() {
        let now = Timestamp::from_unix(1_800_000_000);
        let account = |id: &str| {
            Account::new(id, ForgingSecret::Destroy, Lifetimes::default(), &mut system::rng(), now)
        };
        let (mut alice, mut bob) = (account("alice"), account("bob"));
        let mut with_bob = Session::new("bob", Policy::default());
        let mut with_alice = Session::new("alice", Policy::default());
        let lines = |outputs: Vec<otrv4::Output>| -> Vec<String> {
            let lines = outputs.into_iter().filter_map(|output| match output {
                otrv4::Output::Send(line) => Some(line),
                _ => None,
            });
            lines.collect()
        };
        let rng = &mut system::rng();
        let mut under_way =
            lines(with_alice.start_identity(&mut otrv4::Context { account: &mut bob, rng, now }));
        for turn in 0..3 {
            let (session, account) =
                if turn % 2 == 0 { (&mut with_bob, &mut alice) } else { (&mut with_alice, &mut bob) };
            let rng = &mut system::rng();
            let cx = &mut otrv4::Context { account, rng, now };
            under_way = under_way.iter().flat_map(|line| lines(session.receive(cx, line))).collect();
        }
        let event = Event::Message { from: bob.tag(), text: "what was the code?".to_owned() };
        assert_eq!(words(&alice, &with_bob, &event), "bob: what was the code?");
        // Another key of Bob's is the one that Alice has compared.
        let compared = ContactKey::V4(account("bob").fingerprint());
        assert!(alice.verify_by_hand("bob", compared, now));
        assert_eq!(
            words(&alice, &with_bob, &event),
            format!("bob (UNVERIFIED KEY, client {}): what was the code?", bob.tag())
        );
        assert!(alice.verify_by_hand("bob", ContactKey::V4(bob.fingerprint()), now));
        assert_eq!(words(&alice, &with_bob, &event), "bob: what was the code?");
    }

    #[test]
    fn only_what_our_user_has_done_is_called_verified() {
        for verification in [Verification::None, Verification::TheirSmp] {
            assert!(verified(verification).starts_with("NOT VERIFIED"));
            assert!(!succeeded(verification).to_lowercase().contains("verified"));
        }
        for verification in [Verification::Smp, Verification::ByHand] {
            assert!(verified(verification).starts_with("verified"));
        }
    }

    #[test]
    fn a_date_is_read_at_a_glance() {
        assert_eq!(date(Timestamp::from_unix(1_800_000_000)), "2027-01-15 08:00 UTC");
        assert_eq!(date(Timestamp::from_unix(-1)), "1970-01-01 00:00 UTC");
        assert_eq!(date(Timestamp::from_unix(i64::MAX)), "9999-12-31 23:59 UTC");
    }
}
