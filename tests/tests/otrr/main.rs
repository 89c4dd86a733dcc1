//! Conversations with another implementation: the crate `otrr`, in versions 4 and 3, in both roles of the key exchange.
//! Here: otrv4.md "Interactive DAKE Overview", "Data Exchange", "Extra Symmetric Key"; the other files say theirs.
//!
//! It is used as it is. What would stop a conversation is gone around, and the place says so by the fault's name:
//!
//! | fault of otrr 0.7.4 | what is done about it |
//! |---|---|
//! | SYSTEM CLOCK: it asks the system for the time | our side lives in that time too |
//! | BORROWED PROFILE: every handshake reads its profile back from the host | the host keeps it |
//! | NEWEST ONLY: it offers the newest version that it speaks, and not the others | who does not speak that one asks |
//! | LAST TAG: of a whitespace tag it sees the last version | an older one is asked for by a query |
//! | BARE OFFERS: a query or a tag that names no version makes it panic | ours sends none, unless its user types one in clear |
//! | COMMITS APART: it does not see that its Identity or D-H Commit message crosses ours, and answers ours in any case | the answer that nobody waits for is refused; there is one conversation |
//! | NO SECOND SESSION: its Identity message stays open for ever and forbids the next | a new client for each conversation |
//! | NOTHING WAITS: what its user types before an encrypted conversation is refused, never sent later | they type it again |
//! | NO STORED KEYS: what a later message, or its own next ratchet, has overtaken is lost, also what follows a message that it answers by itself | delivery in order; each side reads all before it writes; an SMP that goes wrong by it ends, and is begun again |
//! | MAC KEYS DEMANDED: it refuses a ratchet, other than the first, that begins without revealed MAC keys | nothing: ours always reveals some (spec-notes/SN-014), and it would say so if not |
//! | COUNTER OF OLD KEYS: in version 3 it holds the counter of the first message with new keys against that of the keys before: after a turn of n > 1 messages it loses the next n; and it reads the first one twice if somebody repeats it | ours says one thing in a turn |
//! | NO EXPIRY IN 3: conversations of version 3 never expire | nothing |
//! | COMPLAINS ANYWAY: it reports a message as unreadable that says to ignore it if it is | the report is expected |
//! | NO CODES: its error messages have none | they are shown as they are |
//! | NO RECORDS: its application cannot send TLVs, and gets the wish for an extra key without the key | ours are read; the keys are compared with test vectors |
//! | SMP AT ONCE: it asks its user while it reads the question | the answer is there before |
//! | SILENT REFUSAL: in version 4 it tells only its own user that SMP was declined, or that a message of it was refused | our user gives up |
//! | ECHOED ABORTS: in version 4 it answers an abort with an abort, even if nothing was under way | nothing: ours answers none, so that it ends |
//! | ALL FAILED: it reports an abort as a failure, and even after a success | both are expected |

mod clear;
mod fragments;
mod peer;
mod smp;
mod smp_v3;
mod start;
mod v3;
mod verifying;

use std::collections::HashSet;

use otrr::{OTRError, ProtocolStatus, UserMessage};
use otrv4::session::EndedBy;
use otrv4::wire::Padding;
use otrv4::{Event, Policy, Refused};
use otrv4_tests::Person;
use peer::{Keys, Otrr, Wishes, assert_same_conversation, deliver, kinds, person, texts, they_say, we_say};

#[test]
fn we_receive_an_identity_of_otrr_and_talk_until_it_ends_the_conversation() {
    let mut alice = person("alice@example.org", "bob@example.org");
    let mut bob = Otrr::new("bob@example.org", "alice@example.org", Wishes::default());
    alice.act(|session, cx| session.start(cx));
    let lines = deliver(&mut alice, &mut bob);
    assert_eq!(kinds(&lines), ["our query", "their Identity", "our AuthR", "their AuthI"]);
    assert_same_conversation(&mut alice, &mut bob, Keys::First);
    for turn in 0..TURNS {
        we_say(&mut alice, &mut bob, &texts(turn, 1 + turn % 3));
        they_say(&mut alice, &mut bob, &texts(turn, 1 + turn / 3 % 3));
    }
    they_end(&mut alice, &mut bob);
}

#[test]
fn otrr_receives_an_identity_of_ours_and_talks_until_we_end_the_conversation() {
    let mut alice = Otrr::new("alice@example.org", "bob@example.org", Wishes::default());
    let mut bob = person("bob@example.org", "alice@example.org");
    alice.session().query().expect("a version is allowed");
    let lines = deliver(&mut bob, &mut alice);
    assert_eq!(kinds(&lines), ["their query", "our Identity", "their AuthR", "our AuthI"]);
    assert_same_conversation(&mut bob, &mut alice, Keys::First);
    for turn in 0..TURNS {
        they_say(&mut bob, &mut alice, &texts(turn, 1 + turn % 3));
        we_say(&mut bob, &mut alice, &texts(turn, 1 + turn / 3 % 3));
    }
    we_end(&mut bob, &mut alice);
}

#[test]
fn an_ended_conversation_can_be_followed_by_another_whoever_ended_it() {
    let mut alice = person("alice@example.org", "bob@example.org");
    let keys = [Keys::First, Keys::Others, Keys::Others];
    for (keys, end) in keys.into_iter().zip([they_end, we_end, they_end]) {
        // NO SECOND SESSION: our side goes on with what it has; otrr starts afresh, with other keys and another tag.
        let mut bob = Otrr::new("bob@example.org", "alice@example.org", Wishes::default());
        alice.act(|session, cx| session.start(cx));
        deliver(&mut alice, &mut bob);
        assert_same_conversation(&mut alice, &mut bob, keys);
        // Bob writes first: he opens a ratchet before he has heard anything in Alice's first one.
        they_say(&mut alice, &mut bob, &texts(0, 2));
        we_say(&mut alice, &mut bob, &texts(0, 1));
        they_say(&mut alice, &mut bob, &texts(1, 1));
        end(&mut alice, &mut bob);
    }
}

#[test]
fn a_profile_with_a_dsa_key_and_short_lines_make_no_difference() {
    let mut alice = Otrr::new(
        "alice@example.org",
        "bob@example.org",
        Wishes { dsa: true, max_line: SHORT, ..Wishes::default() },
    );
    let mut bob = person("bob@example.org", "alice@example.org");
    bob.session.set_max_line(Some(SHORT)).expect("long enough");
    alice.session().query().expect("a version is allowed");
    let lines = deliver(&mut bob, &mut alice);
    assert!(lines.iter().all(|(_, line)| line.len() <= SHORT));
    let pieces =
        |whose: &str| kinds(&lines).iter().filter(|kind| **kind == format!("{whose} Fragment")).count();
    assert!(pieces("our") > 10 && pieces("their") > 20, "Auth-R takes 18, and with a DSA key 23");
    assert_same_conversation(&mut bob, &mut alice, Keys::First);
    for turn in 0..3 {
        we_say(&mut bob, &mut alice, &[format!("turn {turn}: {}", "länger ".repeat(100))]);
        they_say(&mut bob, &mut alice, &[format!("turn {turn}: {}", "long ".repeat(100))]);
    }
}

#[test]
fn padding_extra_keys_and_heartbeats_do_not_disturb_otrr() {
    let padded = Policy { padding: Padding::Classes, ..Policy::default() };
    let mut alice = person("alice@example.org", "bob@example.org").with(padded);
    let mut bob = Otrr::new("bob@example.org", "alice@example.org", Wishes::default());
    alice.act(|session, cx| session.start(cx));
    deliver(&mut alice, &mut bob);
    assert_same_conversation(&mut alice, &mut bob, Keys::First);
    // A ratchet's first message has revealed MAC keys, too; the others are of one length.
    let lines = we_say(&mut alice, &mut bob, &["first", "short", &"long ".repeat(40)].map(String::from));
    assert_eq!(lines[1..].iter().map(|(_, line)| line.len()).collect::<HashSet<_>>().len(), 1);
    they_say(&mut alice, &mut bob, &texts(0, 1));

    let (from, with) = (alice.account.tag().get(), alice.secure()[0].0);
    let uses: [([u8; 4], &[u8]); 2] = [(*b"file", b"notes.txt"), (*b"call", b"")];
    alice.act(|session, cx| session.extra_keys(cx, None, &uses).expect("two uses"));
    assert_eq!(kinds(&deliver(&mut alice, &mut bob)), ["our Data"]);
    let told = bob.told();
    let [UserMessage::Confidential(tag, text, tlvs)] = &told[..] else { panic!("{told:?}") };
    assert_eq!((*tag, text.as_slice()), (from, b"".as_slice()));
    let tlvs: Vec<_> = tlvs.iter().map(|tlv| (tlv.0, tlv.1.as_slice())).collect();
    assert_eq!(tlvs, [(7, b"filenotes.txt".as_slice()), (7, b"call")]);
    let keys = alice.told();
    let [Event::ExtraKey { with: a, key: file }, Event::ExtraKey { with: b, key: call }] = &keys[..] else {
        panic!("{keys:?}")
    };
    assert_eq!((*a, *b, file.context, call.context), (with, with, *b"file", *b"call"));

    // One that our user sends, then one that is due because he only listens.
    alice.act(|session, cx| session.heartbeat(cx, None).expect("a conversation"));
    assert_otrr_reads_a_heartbeat(&mut alice, &mut bob);
    they_say(&mut alice, &mut bob, &texts(1, 1));
    alice.wait(60);
    assert_otrr_reads_a_heartbeat(&mut alice, &mut bob);
    // And one of theirs.
    bob.say("");
    assert_eq!(kinds(&deliver(&mut alice, &mut bob)), ["their Data"]);
    assert_eq!(alice.told(), []);
    they_say(&mut alice, &mut bob, &texts(2, 1));
    we_say(&mut alice, &mut bob, &texts(2, 1));
}

/// It shows a message without text to its application as any other.
fn assert_otrr_reads_a_heartbeat(ours: &mut Person, theirs: &mut Otrr) {
    assert_eq!(kinds(&deliver(ours, theirs)), ["our Data"]);
    let told = theirs.told();
    let [UserMessage::Confidential(from, text, tlvs)] = &told[..] else { panic!("{told:?}") };
    assert_eq!((*from, text.len(), tlvs.len()), (ours.account.tag().get(), 0, 0));
    assert_eq!(ours.told(), []);
}

/// Our user ends the conversation; both see it, and otrr's user cannot write on by accident.
fn we_end(ours: &mut Person, theirs: &mut Otrr) {
    let with = ours.channels()[0].0;
    ours.act(|session, cx| session.end(cx));
    assert_eq!(kinds(&deliver(ours, theirs)), ["our Data"]);
    assert_eq!(ours.told(), [Event::Ended { with, by: EndedBy::Us }]);
    assert_eq!(ours.channels(), []);
    let told = theirs.told();
    assert!(
        matches!(&told[..], [UserMessage::ConfidentialSessionFinished(_, text)] if text.is_empty()),
        "{told:?}"
    );
    let with = theirs.with;
    assert_eq!(theirs.session().status(with), Some(ProtocolStatus::Finished));
    assert!(matches!(theirs.session().send(with, b"by accident"), Err(OTRError::IncorrectState(_))));
}

/// otrr's user ends the conversation; both see it, and our user cannot write on by accident.
fn they_end(ours: &mut Person, theirs: &mut Otrr) {
    let (with, by) = (ours.channels()[0].0, EndedBy::Them);
    let ended = theirs.with;
    assert!(matches!(theirs.session().end(ended), Ok(UserMessage::Reset(tag)) if tag == ended));
    // COMPLAINS ANYWAY: our last message only reveals MAC keys, and otrr has forgotten the conversation already.
    assert_eq!(kinds(&deliver(ours, theirs)), ["their Data", "our Data", "their error"]);
    let told = ours.told();
    assert!(matches!(&told[..], [Event::Ended { .. }, Event::TheirError { .. }]), "{told:?}");
    assert_eq!(told[0], Event::Ended { with, by });
    assert_eq!(ours.channels(), []);
    assert_eq!(ours.refused("by accident"), Refused::Ended);
    assert!(theirs.told().is_empty());
    assert_eq!(theirs.session().status(ended), Some(ProtocolStatus::Plaintext));
}

/// So many times each side takes its turn: 48 ratchets, of which 16 bring new DH keys.
const TURNS: usize = 24;

/// Short enough for a handshake message to take ten lines and more.
const SHORT: usize = 160;
