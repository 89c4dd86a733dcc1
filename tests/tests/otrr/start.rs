//! How conversations of version 4 begin, and which version is chosen. Spec: otrv4.md "User requests to start an OTR
//! Conversation", "Receiving plaintext with the whitespace tag", "Receiving an Identity Message".

use otrr::{Policy as Theirs, UserMessage};
use otrv4::wire::{Version, Versions};
use otrv4::{Event, Policy, Reject, Session};
use otrv4_tests::Person;

use crate::peer::{Keys, Otrr, Wishes, assert_same_conversation, deliver, kinds, person, they_say, we_say};

#[test]
fn a_tagged_text_of_either_side_is_read_and_begins_a_conversation() {
    let (mut alice, mut bob) = people(Versions::V4, Theirs::ALLOW_V4 | Theirs::WHITESPACE_START_AKE);
    alice.act(|session, cx| session.send_tagged(cx, TEXT).expect("in clear"));
    let lines = deliver(&mut alice, &mut bob);
    assert_eq!(kinds(&lines), ["our tagged text", "their Identity", "our AuthR", "their AuthI"]);
    bob.read_in_clear(TEXT);
    talk(&mut alice, &mut bob, Version::V4);

    let (mut alice, mut bob) = people(Versions::V4, Theirs::ALLOW_V4 | Theirs::SEND_WHITESPACE_TAG);
    bob.say(TEXT);
    let lines = deliver(&mut alice, &mut bob);
    assert_eq!(kinds(&lines), ["their tagged text", "our Identity", "their AuthR", "our AuthI"]);
    read_in_clear(&mut alice, TEXT);
    talk(&mut alice, &mut bob, Version::V4);
}

#[test]
fn an_identity_message_that_nobody_has_asked_for_begins_a_conversation() {
    let (mut alice, mut bob) = people(Versions::V4, Theirs::ALLOW_V4);
    alice.act(|session, cx| session.start_identity(cx));
    let lines = deliver(&mut alice, &mut bob);
    assert_eq!(kinds(&lines), ["our Identity", "their AuthR", "our AuthI"]);
    talk(&mut alice, &mut bob, Version::V4);

    let (mut alice, mut bob) = people(Versions::V4, Theirs::ALLOW_V4);
    bob.begin(otrr::Version::V4);
    let lines = deliver(&mut alice, &mut bob);
    assert_eq!(kinds(&lines), ["their Identity", "our AuthR", "their AuthI"]);
    talk(&mut alice, &mut bob, Version::V4);
}

#[test]
fn identity_messages_that_cross_lead_to_one_conversation_whichever_wins() {
    for ours_wins in [true, false] {
        let (mut alice, mut bob) = people(Versions::V4, Theirs::ALLOW_V4);
        bob.begin(otrr::Version::V4);
        let theirs = bob.take().remove(0);
        // Whose number is higher is decided by chance.
        let ours = loop {
            alice.act(|session, cx| session.start_identity(cx));
            let ours = alice.take().remove(0);
            alice.receive(&theirs);
            if alice.sent.is_empty() == ours_wins {
                break ours;
            }
            alice.take();
            alice.session = Session::new("bob@example.org", alice.policy);
        };
        bob.receive(&ours);
        let lines = kinds(&deliver(&mut alice, &mut bob));
        // COMMITS APART: otrr does not see that they cross, and answers ours in any case.
        if ours_wins {
            assert_eq!(lines, ["their AuthR", "our AuthI"]);
        } else {
            assert_eq!(lines, ["our AuthR", "their AuthR", "their AuthI"]);
            let from = Some(alice.channels()[0].0);
            assert_eq!(alice.events.remove(0), Event::Rejected { from, reason: Reject::Unexpected });
        }
        talk(&mut alice, &mut bob, Version::V4);
    }
}

#[test]
fn the_newest_version_of_both_is_chosen_however_the_offer_comes() {
    for (ours, theirs, version) in [
        (Versions::V34, ALL, Version::V4),
        (Versions::V34, Theirs::ALLOW_V3, Version::V3),
        (Versions::V3, ALL, Version::V3),
    ] {
        for offer in [Offer::OurQuery, Offer::TheirQuery, Offer::OurTag, Offer::TheirTag] {
            let lacks = match offer {
                // NEWEST ONLY.
                Offer::TheirQuery | Offer::TheirTag => ours == Versions::V3,
                // LAST TAG: that of version 4.
                Offer::OurTag => theirs == Theirs::ALLOW_V3,
                Offer::OurQuery => false,
            };
            // One of version 4 is slow; tags and queries of that alone have tests of their own.
            if version == Version::V4 && offer == Offer::OurTag {
                continue;
            }
            let (mut alice, mut bob) = people(ours, theirs | TAGS);
            offer.make(&mut alice, &mut bob);
            deliver(&mut alice, &mut bob);
            assert_eq!(alice.channels().is_empty(), lacks, "{ours:?} {theirs:?} {offer:?}");
            alice.events.retain(|event| !matches!(event, Event::Plaintext { .. }));
            bob.told.retain(|message| !matches!(message, UserMessage::Plaintext(_)));
            if lacks {
                let refused = [Event::Rejected { from: None, reason: Reject::Version }];
                let is_query = offer == Offer::TheirQuery;
                assert_eq!(alice.told(), if is_query { &refused[..] } else { &[] });
                // Whoever knows more asks.
                Offer::OurQuery.make(&mut alice, &mut bob);
                deliver(&mut alice, &mut bob);
            }
            talk(&mut alice, &mut bob, version);
        }
    }
}

#[test]
fn offers_that_name_no_version_are_no_harm_to_ours_and_make_otrr_panic() {
    // BARE OFFERS: a query of version 1, and a tag without a version behind it.
    for offer in ["?OTR?", " \t  \t\t\t\t \t \t \t  hello"] {
        let (mut alice, mut bob) = people(Versions::V4, Theirs::ALLOW_V4);
        alice.receive(offer);
        assert_eq!((alice.take(), alice.channels()), (vec![], vec![]));
        let panics = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| bob.try_receive(offer)));
        assert!(panics.is_err(), "{offer:?}");
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Offer {
    OurQuery,
    TheirQuery,
    OurTag,
    TheirTag,
}

impl Offer {
    fn make(self, ours: &mut Person, theirs: &mut Otrr) {
        match self {
            Self::OurQuery => _ = ours.act(|session, cx| session.start(cx)),
            Self::TheirQuery => theirs.session().query().expect("a version is allowed"),
            Self::OurTag => _ = ours.act(|session, cx| session.send_tagged(cx, TEXT).expect("in clear")),
            Self::TheirTag => theirs.say(TEXT),
        }
    }
}

/// Alice with ours, Bob with otrr.
fn people(ours: Versions, theirs: Theirs) -> (Person, Otrr) {
    let policy = Policy { versions: ours, ..Policy::default() };
    let mut alice = person("alice@example.org", "bob@example.org").with(policy);
    if ours.contains(3) {
        alice = alice.with_v3();
    }
    let dsa = theirs.contains(Theirs::ALLOW_V3);
    let bob = Otrr::new(
        "bob@example.org",
        "alice@example.org",
        Wishes { policy: theirs, dsa, ..Wishes::default() },
    );
    (alice, bob)
}

fn read_in_clear(ours: &mut Person, text: &str) {
    let plain = Event::Plaintext { text: text.into(), warn: false };
    assert_eq!(ours.events.remove(0), plain);
}

fn talk(ours: &mut Person, theirs: &mut Otrr, version: Version) {
    assert_eq!(assert_same_conversation(ours, theirs, Keys::First), version);
    we_say(ours, theirs, &["hello".into()]);
    they_say(ours, theirs, &["hello".into()]);
    ours.restart();
    we_say(ours, theirs, &["still here".into()]);
    they_say(ours, theirs, &["so are we".into()]);
}

const TEXT: &str = "Hast du Zeit? ☕";

/// otrr with all its versions.
const ALL: Theirs = Theirs::ALLOW_V3.union(Theirs::ALLOW_V4);

/// It offers versions by tags, and takes such offers.
const TAGS: Theirs = Theirs::SEND_WHITESPACE_TAG.union(Theirs::WHITESPACE_START_AKE);
