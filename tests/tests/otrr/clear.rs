//! What is said in clear, what must not be, and what happens when something cannot be read, in versions 3 and 4.
//! Spec: otrv4.md "OTR Error Messages", "Session Expiration"; OTRv3 "Policies", "Receiving an Error Message".

use otrr::{OTRError, Policy as Theirs, ProtocolStatus, UserMessage};
use otrv4::session::EndedBy;
use otrv4::wire::{Version, Versions};
use otrv4::{Event, Policy, Refused, Reject};
use otrv4_tests::Person;

use crate::peer::{Keys, Otrr, Wishes, assert_same_conversation, deliver, kinds, person, they_say, we_say};

#[test]
fn what_our_user_types_too_early_waits_where_nothing_may_go_in_clear() {
    for version in BOTH {
        let (mut alice, mut bob) = strangers(version, Theirs::empty());
        alice.session.policy().require_encryption = true;
        alice.say("typed early");
        assert_eq!(kinds(&deliver(&mut alice, &mut bob))[0], "our query");
        assert_eq!(alice.events.remove(0), Event::Queued);
        let waited = bob.told.pop().expect("it has arrived");
        assert_eq!(assert_same_conversation(&mut alice, &mut bob, Keys::First), version);
        bob.told.push(waited);
        assert_eq!(bob.read(), ["typed early"]);
    }
}

#[test]
fn what_otrr_s_user_types_too_early_is_refused_where_nothing_may_go_in_clear() {
    for version in BOTH {
        let (mut alice, mut bob) = strangers(version, Theirs::REQUIRE_ENCRYPTION);
        // NOTHING WAITS: its user has to type it again.
        let refused = bob.session().send(0, b"typed early");
        assert!(matches!(refused, Err(OTRError::PolicyRestriction(_))), "{refused:?}");
        assert_eq!(kinds(&deliver(&mut alice, &mut bob))[0], "their query");
        assert_eq!(assert_same_conversation(&mut alice, &mut bob, Keys::First), version);
        they_say(&mut alice, &mut bob, &["typed early".into()]);
    }
}

#[test]
fn clear_text_is_shown_as_such_and_with_a_warning_in_a_conversation() {
    for version in BOTH {
        let (mut alice, mut bob) = strangers(version, Theirs::empty());
        alice.say(TEXT);
        bob.say(TEXT);
        assert_eq!(kinds(&deliver(&mut alice, &mut bob)), ["our text", "their text"]);
        bob.read_in_clear(TEXT);
        assert_eq!(alice.told(), [Event::Plaintext { text: TEXT.into(), warn: false }]);
        begin(&mut alice, &mut bob, version);
        // Somebody else's.
        bob.receive(TEXT);
        let told = bob.told();
        assert!(
            matches!(&told[..], [UserMessage::WarningUnencrypted(text)] if text == TEXT.as_bytes()),
            "{told:?}"
        );
        assert_eq!(alice.receive(TEXT).told(), [Event::Plaintext { text: TEXT.into(), warn: true }]);
    }
}

#[test]
fn a_damaged_message_of_otrr_is_complained_about_and_its_client_renews_the_conversation() {
    for version in BOTH {
        let (mut alice, mut bob) = strangers(version, Theirs::ERROR_START_AKE);
        begin(&mut alice, &mut bob, version);
        bob.say("damaged");
        let line = bob.take().remove(0);
        alice.receive(&damage(&line));
        let from = Some(alice.channels()[0].0);
        assert_eq!(alice.told(), [Event::Rejected { from, reason: Reject::Forged }]);
        let lines = kinds(&deliver(&mut alice, &mut bob));
        assert_eq!(lines[..2], ["our error", "their query"]);
        let told = bob.told.remove(0);
        assert!(matches!(&told, UserMessage::Error(_)), "{told:?}");
        assert_eq!(assert_same_conversation(&mut alice, &mut bob, Keys::Same), version);
        they_say(&mut alice, &mut bob, &[TEXT.into()]);
        we_say(&mut alice, &mut bob, &[TEXT.into()]);
    }
}

#[test]
fn a_damaged_message_of_ours_is_complained_about_and_our_client_renews_the_conversation() {
    for version in BOTH {
        let (mut alice, mut bob) = strangers(version, Theirs::empty());
        begin(&mut alice, &mut bob, version);
        let line = alice.line("damaged");
        alice.session.policy().start_on_error = true;
        let refused = bob.try_receive(&damage(&line));
        assert!(matches!(refused, Err(OTRError::UnreadableMessage(_))), "{refused:?}");
        let lines = kinds(&deliver(&mut alice, &mut bob));
        assert_eq!(lines[0], "their error");
        // NO CODES: the text of the error does not begin with one.
        let told = alice.events.remove(0);
        assert!(matches!(&told, Event::TheirError { code: None, .. }), "{told:?}");
        if version == Version::V3 {
            // spec-notes/SN-042
            assert_eq!(alice.events.pop(), Some(Event::Resent { with: alice.channels()[0].0 }));
            let again = bob.told.pop();
            assert!(
                matches!(&again, Some(UserMessage::Confidential(_, text, _)) if text == b"[resent] damaged"),
                "{again:?}"
            );
        }
        assert_eq!(assert_same_conversation(&mut alice, &mut bob, Keys::Same), version);
        they_say(&mut alice, &mut bob, &[TEXT.into()]);
        we_say(&mut alice, &mut bob, &[TEXT.into()]);
    }
}

#[test]
fn what_otrr_lets_expire_is_ended_on_both_sides() {
    let (mut alice, mut bob) = strangers(Version::V4, Theirs::empty());
    begin(&mut alice, &mut bob, Version::V4);
    // SYSTEM CLOCK: of no age at all.
    bob.account.expire(0);
    // COMPLAINS ANYWAY
    assert_eq!(kinds(&deliver(&mut alice, &mut bob)), ["their Data", "our Data", "their error"]);
    let with = bob.with;
    assert_eq!(bob.session().status(with), Some(ProtocolStatus::Finished));
    assert!(bob.told().is_empty());
    let told = alice.told();
    assert!(
        matches!(told[..], [Event::Ended { by: EndedBy::Them, .. }, Event::TheirError { .. }]),
        "{told:?}"
    );
    assert_eq!(alice.refused("by accident"), Refused::Ended);
}

#[test]
fn a_client_of_otrr_that_starts_afresh_is_another_one_and_our_query_brings_it_in() {
    for version in BOTH {
        let (mut alice, mut bob) = strangers(version, Theirs::empty());
        begin(&mut alice, &mut bob, version);
        let (_, mut bob) = strangers(version, Theirs::empty());
        let line = alice.line("lost");
        let refused = bob.try_receive(&line);
        assert!(matches!(refused, Err(OTRError::MessageForOtherInstance)), "{refused:?}");
        alice.act(|session, cx| session.start(cx));
        deliver(&mut alice, &mut bob);
        let told = bob.told();
        let [UserMessage::ConfidentialSessionStarted(with)] = told[..] else { panic!("{told:?}") };
        bob.with = with;
        let tag = bob.account.instance_tag();
        let channels = alice.channels();
        let (tag, ..) = channels.iter().find(|(with, ..)| with.get() == tag).expect("a conversation");
        let told = alice.told();
        assert!(matches!(&told[..], [Event::Secure { .. }, Event::ChangedFingerprint { .. }]), "{told:?}");
        alice.act(|session, cx| session.send(cx, Some(*tag), TEXT).expect("may be sent"));
        bob.say(TEXT);
        deliver(&mut alice, &mut bob);
        assert_eq!(bob.read(), [TEXT]);
        assert_eq!(alice.told(), [Event::Message { from: *tag, text: TEXT.into() }]);
    }
}

/// otrr asks, so that an Identity message of its own stays possible. NO SECOND SESSION
fn begin(ours: &mut Person, theirs: &mut Otrr, version: Version) {
    theirs.session().query().expect("a version is allowed");
    deliver(ours, theirs);
    assert_eq!(assert_same_conversation(ours, theirs, Keys::First), version);
    they_say(ours, theirs, &[TEXT.into()]);
}

/// Alice with ours, Bob with otrr, both with one version.
fn strangers(version: Version, more: Theirs) -> (Person, Otrr) {
    let (versions, wishes) = match version {
        Version::V4 => (Versions::V4, Wishes { policy: Theirs::ALLOW_V4 | more, ..Wishes::default() }),
        _ => (Versions::V3, Wishes::v3(more)),
    };
    let mut alice =
        person("alice@example.org", "bob@example.org").with(Policy { versions, ..Policy::default() });
    if version == Version::V3 {
        alice = alice.with_v3();
    }
    (alice, Otrr::new("bob@example.org", "alice@example.org", wishes))
}

/// A message without revealed MAC keys, with a changed MAC.
fn damage(line: &str) -> String {
    let (before, after) = line.split_at(line.len() - 20);
    let changed = if after.starts_with('A') { 'B' } else { 'A' };
    format!("{before}{changed}{}", &after[1..])
}

const BOTH: [Version; 2] = [Version::V3, Version::V4];

const TEXT: &str = "Hast du Zeit? ☕";
