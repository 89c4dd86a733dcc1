//! Version 3 with otrr: the handshake in both roles, texts, extra keys, ends, and both at once.
//! Spec: "Off-the-Record Messaging Protocol version 3", "Authenticated Key Exchange (AKE)", "Exchanging Data".

use otrr::{OTRError, Policy as Theirs, UserMessage};
use otrv4::wire::{Padding, Version, Versions};
use otrv4::{Event, Policy, Reject, Session};
use otrv4_tests::Person;

use crate::peer::{
    Keys, Otrr, Wishes, assert_same_conversation, deliver, deliver_all, kinds, person, texts, they_say,
    we_say,
};
use crate::{TURNS, they_end, we_end};

#[test]
fn either_side_begins_and_they_talk_until_either_ends_it_again_and_again() {
    let (mut alice, mut bob) = strangers();
    let mut keys = Keys::First;
    for (we_begin, end) in [(true, they_end as End), (false, we_end), (false, they_end), (true, we_end)] {
        let lines = begin(we_begin, &mut alice, &mut bob);
        assert_eq!(lines, if we_begin { AFTER_OUR_QUERY } else { AFTER_THEIR_QUERY });
        assert_eq!(assert_same_conversation(&mut alice, &mut bob, keys), Version::V3);
        keys = Keys::Same;
        for turn in 0..TURNS {
            // COUNTER OF OLD KEYS: ours says one thing in each turn.
            we_say(&mut alice, &mut bob, &texts(turn, 1));
            they_say(&mut alice, &mut bob, &texts(turn, 1 + turn % 3));
        }
        end(&mut alice, &mut bob);
    }
}

#[test]
fn a_query_of_either_side_refreshes_a_running_conversation() {
    let (mut alice, mut bob) = talking();
    for we_ask in [true, false, false, true] {
        let lines = begin(we_ask, &mut alice, &mut bob);
        // Whoever is in a conversation need not ask for one.
        assert_eq!(lines, if we_ask { &AFTER_THEIR_QUERY[1..] } else { &AFTER_THEIR_QUERY[..] });
        assert_eq!(assert_same_conversation(&mut alice, &mut bob, Keys::Same), Version::V3);
        they_say(&mut alice, &mut bob, &texts(0, 2));
        we_say(&mut alice, &mut bob, &texts(0, 1));
    }
}

#[test]
fn commits_that_cross_lead_to_one_conversation_whichever_wins() {
    for ours_wins in [true, false] {
        let (mut alice, mut bob) = strangers();
        bob.begin(otrr::Version::V3);
        let theirs = bob.take().remove(0);
        // Whose hash is higher is decided by chance.
        let ours = loop {
            alice.receive("?OTRv3?");
            let ours = alice.take().remove(0);
            alice.receive(&theirs);
            if (alice.sent == [ours.as_str()]) == ours_wins {
                break ours;
            }
            alice.take();
            alice.session = Session::new("bob@example.org", alice.policy);
        };
        bob.receive(&ours);
        let (lines, refused) = deliver_all(&mut alice, &mut bob);
        // COMMITS APART: otrr does not see that they cross. It answers ours in any case, and the repetition of ours, too.
        if ours_wins {
            let twice = ["our DhCommit", "their DhKey", "our RevealSignature", "their DhKey"];
            assert_eq!(kinds(&lines)[..4], twice);
            assert_eq!(kinds(&lines)[4..], ["our RevealSignature", "their Signature"]);
            assert!(matches!(refused[..], [OTRError::AuthenticationError(_)]), "{refused:?}");
        } else {
            assert_eq!(kinds(&lines), ["our DhKey", "their DhKey", "their RevealSignature", "our Signature"]);
            assert!(refused.is_empty(), "{refused:?}");
            let with = alice.channels()[0].0;
            assert_eq!(
                alice.events.remove(0),
                Event::Rejected { from: Some(with), reason: Reject::Unexpected }
            );
        }
        assert_same_conversation(&mut alice, &mut bob, Keys::First);
        they_say(&mut alice, &mut bob, &texts(0, 2));
        we_say(&mut alice, &mut bob, &texts(0, 1));
    }
}

#[test]
fn padding_extra_keys_heartbeats_and_a_restart_of_ours_do_not_disturb_otrr() {
    let (mut alice, mut bob) = talking();
    alice.session.policy().padding = Padding::Classes;
    alice.policy.padding = Padding::Classes;
    let mut lengths = Vec::new();
    for text in ["short", &"long ".repeat(40)] {
        lengths.push(we_say(&mut alice, &mut bob, &[text.into()])[0].1.len());
        they_say(&mut alice, &mut bob, &texts(0, 1));
        alice.restart();
    }
    assert_eq!(lengths[0], lengths[1]);

    // NO RECORDS: the key is ours alone, the wish for it arrives.
    alice.act(|session, cx| session.extra_keys(cx, None, &[(*b"file", b"notes.txt")]).expect("one use"));
    assert_eq!(kinds(&deliver(&mut alice, &mut bob)), ["our Data"]);
    let told = bob.told();
    let [UserMessage::Confidential(_, text, tlvs)] = &told[..] else { panic!("{told:?}") };
    assert!(text.is_empty());
    assert_eq!((tlvs.len(), tlvs[0].0, tlvs[0].1.as_slice()), (1, 8, b"filenotes.txt".as_slice()));
    let keys = alice.told();
    assert!(matches!(&keys[..], [Event::ExtraKey { key, .. }] if key.context == *b"file"), "{keys:?}");

    they_say(&mut alice, &mut bob, &texts(1, 1));
    alice.wait(60);
    assert_eq!(kinds(&deliver(&mut alice, &mut bob)), ["our Data"], "a heartbeat");
    let told = bob.told();
    assert!(matches!(&told[..], [UserMessage::Confidential(_, text, _)] if text.is_empty()), "{told:?}");
    they_say(&mut alice, &mut bob, &texts(2, 1));
    we_say(&mut alice, &mut bob, &texts(2, 1));
    assert_eq!(alice.told(), []);
}

#[test]
fn otrr_loses_as_many_messages_after_a_turn_of_several_as_that_had() {
    let (mut alice, mut bob) = talking();
    for several in 2..=4 {
        we_say(&mut alice, &mut bob, &texts(0, several));
        they_say(&mut alice, &mut bob, &texts(0, 1));
        // COUNTER OF OLD KEYS.
        texts(1, several + 1).iter().for_each(|text| _ = alice.say(text));
        let (_, refused) = deliver_all(&mut alice, &mut bob);
        assert_eq!(refused.len(), several);
        assert!(refused.iter().all(|error| matches!(error, OTRError::UnreadableMessage(_))), "{refused:?}");
        let (told, last) = (bob.told(), texts(1, several + 1).remove(several));
        assert!(
            matches!(&told[..], [UserMessage::Confidential(_, text, _)] if text == last.as_bytes()),
            "{told:?}"
        );
        assert_eq!(alice.told().len(), several, "complaints");
        they_say(&mut alice, &mut bob, &texts(1, 1));
    }
}

#[test]
fn the_first_message_with_new_keys_is_read_twice_by_otrr_and_once_by_ours() {
    let (mut alice, mut bob) = talking();
    bob.say("once");
    let line = bob.take().remove(0);
    let (from, text) = (alice.channels()[0].0, "once".into());
    assert_eq!(alice.receive(&line).told(), [Event::Message { from, text }]);
    alice.receive(&line).take();
    assert_eq!(alice.told(), [Event::Rejected { from: Some(from), reason: Reject::Replayed }]);
    // COUNTER OF OLD KEYS: it starts again as soon as the message has told of the next key.
    let line = alice.line("once");
    let read = [(); 3].map(|()| bob.try_receive(&line).is_ok());
    assert_eq!((read, bob.read()), ([true, true, false], vec!["once".into(), "once".into()]));
}

#[test]
fn nothing_of_version_3_expires_at_otrr() {
    let (mut alice, mut bob) = talking();
    // NO EXPIRY IN 3.
    bob.account.expire(0);
    assert_eq!(bob.take(), [""; 0]);
    we_say(&mut alice, &mut bob, &texts(0, 1));
    they_say(&mut alice, &mut bob, &texts(0, 1));
}

fn begin(we_ask: bool, ours: &mut Person, theirs: &mut Otrr) -> Vec<String> {
    match we_ask {
        true => _ = ours.act(|session, cx| session.start(cx)),
        false => theirs.session().query().expect("a version is allowed"),
    }
    kinds(&deliver(ours, theirs))
}

/// Either side ends the conversation.
type End = fn(&mut Person, &mut Otrr);

/// In a conversation, each has been told.
pub(crate) fn talking() -> (Person, Otrr) {
    let (mut alice, mut bob) = strangers();
    begin(true, &mut alice, &mut bob);
    assert_same_conversation(&mut alice, &mut bob, Keys::First);
    (alice, bob)
}

/// Alice with ours, Bob with otrr.
pub(crate) fn strangers() -> (Person, Otrr) {
    let policy = Policy { versions: Versions::V3, ..Policy::default() };
    let alice = person("alice@example.org", "bob@example.org").with_v3().with(policy);
    (alice, Otrr::new("bob@example.org", "alice@example.org", Wishes::v3(Theirs::empty())))
}

const AFTER_OUR_QUERY: [&str; 5] =
    ["our query", "their DhCommit", "our DhKey", "their RevealSignature", "our Signature"];

const AFTER_THEIR_QUERY: [&str; 5] =
    ["their query", "our DhCommit", "their DhKey", "our RevealSignature", "their Signature"];
