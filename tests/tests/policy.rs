//! Each flag of the policies and each mode, on and off. Spec: otrv4.md "OTRv4 Modes"; "Defining OTRv4 policies" of the
//! client recommendations. spec-notes/SN-038

use otrv4::session::OperationMode;
use otrv4::wire::{Line, Padding, Versions, classify};
use otrv4::{ContactKey, Event, Policy, Refused, Reject};
use otrv4_tests::{Person, deliver, talking};

fn pair(of_alice: Policy, of_bob: Policy) -> (Person, Person) {
    (
        Person::new("alice@example.org", "bob@example.org").with(of_alice),
        Person::new("bob@example.org", "alice@example.org").with(of_bob),
    )
}

/// What a line is, in a word.
fn kind(line: &str) -> &'static str {
    match classify(line) {
        Line::Plain(_) => "plain",
        Line::Tagged { .. } => "tagged",
        Line::Query(_) => "query",
        Line::Error { .. } => "error",
        Line::Fragment(_) => "fragment",
        Line::Encoded(_) => "encoded",
    }
}

fn kinds(person: &mut Person) -> Vec<&'static str> {
    person.take().iter().map(|line| kind(line)).collect()
}

fn are_talking(alice: &Person, bob: &Person) -> bool {
    assert_eq!(alice.secure().len(), bob.secure().len());
    !alice.secure().is_empty()
}

fn is_rejected(person: &mut Person, reason: Reject) -> bool {
    person.told().iter().any(|event| matches!(event, Event::Rejected { reason: r, .. } if *r == reason))
}

/// Marks the key of `other` as compared by hand.
fn verify(one: &mut Person, other: &Person) {
    let (key, now) = (ContactKey::V4(other.account.fingerprint()), one.now);
    one.account.verify_by_hand(other.account.id(), key, now);
}

#[test]
fn allowed_versions() {
    for allowed in [Versions::V4, Versions::V3, Versions::EMPTY] {
        let (mut alice, mut bob) = pair(Policy::default(), Policy { versions: allowed, ..Policy::default() });
        alice.act(|session, cx| session.start(cx));
        deliver(&mut alice, &mut bob);
        assert_eq!(are_talking(&alice, &bob), allowed == Versions::V4);
        assert_eq!(is_rejected(&mut bob, Reject::Version), allowed != Versions::V4);
    }
}

#[test]
fn require_encryption() {
    let (mut alice, mut bob) = pair(Policy::default(), Policy::default());
    alice.say("in clear");
    assert_eq!(kinds(&mut alice), ["plain"]);
    *alice.session.policy() = Policy { require_encryption: true, ..Policy::default() };
    alice.say("secret");
    assert_eq!(alice.told(), [Event::Queued]);
    let query = alice.take();
    assert_eq!(kind(&query[0]), "query");
    bob.receive(&query[0]);
    deliver(&mut alice, &mut bob);
    assert_eq!(bob.heard(), ["secret"]);
}

#[test]
fn send_whitespace_tag() {
    for (wanted, sent) in [(true, "tagged"), (false, "plain")] {
        let policy = Policy { send_whitespace_tag: wanted, ..Policy::default() };
        let (mut alice, mut bob) = pair(policy, Policy { start_on_whitespace_tag: false, ..policy });
        alice.say("hello");
        let line = alice.take().remove(0);
        assert_eq!(kind(&line), sent);
        // "If Alice receives a plaintext message from Bob, she should stop sending him a whitespace tag."
        bob.receive(&line).say("hello yourself");
        bob.take().iter().for_each(|line| _ = alice.receive(line.trim()));
        alice.say("again");
        assert_eq!(kinds(&mut alice), ["plain"]);
    }
}

#[test]
fn start_on_a_whitespace_tag() {
    for wanted in [true, false] {
        let (mut alice, mut bob) = pair(
            Policy { send_whitespace_tag: true, ..Policy::default() },
            Policy { start_on_whitespace_tag: wanted, ..Policy::default() },
        );
        alice.say("hello");
        deliver(&mut alice, &mut bob);
        assert_eq!(are_talking(&alice, &bob), wanted);
    }
}

#[test]
fn start_on_an_error() {
    const ERROR: &str = "?OTR Error: ERROR_2: Not in private state message";
    for wanted in [true, false] {
        let policy = Policy { start_on_error: wanted, ..Policy::default() };
        let (mut alice, mut bob) = pair(policy, Policy::default());
        alice.receive(ERROR);
        deliver(&mut alice, &mut bob);
        assert_eq!(are_talking(&alice, &bob), wanted);
        assert!(alice.told().iter().any(|event| matches!(event, Event::TheirError { .. })), "shown anyway");
        // Inside a conversation: a new handshake, at most once a minute, and nothing is lost meanwhile.
        let before = alice.secure();
        alice.receive(ERROR);
        assert!(alice.take().is_empty(), "anybody can write errors");
        alice.wait(60).receive(ERROR);
        assert_eq!(alice.secure(), before);
        deliver(&mut alice, &mut bob);
        assert_eq!(alice.secure() != before, wanted);
        assert_eq!(are_talking(&alice, &bob), wanted);
    }
    // Not after an end: text of our user must not depend on it.
    let (mut alice, mut bob) = talking();
    alice.session.policy().start_on_error = true;
    bob.act(|session, cx| session.end(cx));
    deliver(&mut alice, &mut bob);
    alice.receive(ERROR);
    assert!(alice.take().is_empty());
}

#[test]
fn require_interactive() {
    for wanted in [true, false] {
        let policy = Policy { require_interactive: wanted, ..Policy::default() };
        // Who wants it starts no offline conversation …
        let (mut alice, mut bob) = pair(policy, Policy::default());
        let ensembles = bob.prekeys(1);
        if wanted {
            let refused = alice.refuses(|session, cx| session.start_offline(cx, ensembles));
            assert_eq!(refused, Refused::OnlyInteractive);
        } else {
            alice.start_offline(ensembles);
        }
        // … and takes none, nor anything that waits for one.
        let (mut alice, mut bob) = pair(Policy::default(), policy);
        alice.start_offline(bob.prekeys(1)).say("are you there?");
        let lines = alice.take();
        lines.iter().rev().for_each(|line| _ = bob.receive(line));
        let told = bob.told();
        assert_eq!(told.iter().any(|event| matches!(event, Event::Held { .. })), !wanted);
        assert_eq!(told.iter().any(|event| matches!(event, Event::Message { .. })), !wanted);
        let refused = |event: &Event| matches!(event, Event::Rejected { reason: Reject::Policy, .. });
        assert_eq!(told.iter().any(refused), wanted);
        assert_eq!(bob.account.prekeys(), usize::from(wanted));
        // Interactive ones it does.
        let (mut alice, mut bob) = pair(policy, policy);
        alice.act(|session, cx| session.start(cx));
        deliver(&mut alice, &mut bob);
        assert!(are_talking(&alice, &bob));
    }
}

#[test]
fn start_on_a_bare_identity() {
    for wanted in [true, false] {
        let policy = Policy { start_on_identity: wanted, ..Policy::default() };
        let (mut alice, mut bob) = pair(Policy::default(), policy);
        alice.act(|session, cx| session.start_identity(cx));
        deliver(&mut alice, &mut bob);
        assert_eq!(are_talking(&alice, &bob), wanted);
        assert_eq!(is_rejected(&mut bob, Reject::Policy), !wanted);
        // What answers a query or a tag of ours is no bare Identity, and one inside a conversation renews its keys.
        for start in ["query", "tag", "inside"] {
            let (mut alice, mut bob) = pair(Policy::default(), policy);
            match start {
                "tag" => bob.act(|session, cx| session.send_tagged(cx, "hi").expect("clear text")),
                _ => bob.act(|session, cx| session.start(cx)),
            };
            deliver(&mut alice, &mut bob);
            let before = bob.secure();
            assert!(are_talking(&alice, &bob), "{start}");
            if start == "inside" {
                alice.act(|session, cx| session.start(cx));
                deliver(&mut alice, &mut bob);
                assert_ne!(bob.secure(), before);
            }
        }
    }
}

#[test]
fn an_offer_of_ours_is_not_open_for_ever() {
    let policy = Policy { start_on_identity: false, ..Policy::default() };
    for tagged in [true, false] {
        let (mut alice, _) = pair(policy, Policy::default());
        match tagged {
            true => alice.act(|session, cx| session.send_tagged(cx, "hi").expect("clear text")),
            false => alice.act(|session, cx| session.start(cx)),
        };
        alice.wait(600).take();
        let mut stranger = Person::new("bob@example.org", "alice@example.org");
        stranger.now = alice.now;
        stranger.act(|session, cx| session.start_identity(cx));
        deliver(&mut alice, &mut stranger);
        assert!(alice.secure().is_empty());
        assert!(is_rejected(&mut alice, Reject::Policy));
    }
}

#[test]
fn who_talks_to_verified_keys_only_shows_nobody_who_they_are() {
    let policy = Policy { require_authenticated: true, start_on_error: true, ..Policy::default() };
    let tagged = format!("hi{}", otrv4::wire::whitespace_tag(Versions::V4));
    for line in ["?OTRv4?", &tagged, "?OTR Error: ERROR_2: Not in private state message"] {
        let (mut alice, bob) = pair(policy, Policy::default());
        alice.receive(line);
        assert!(alice.take().is_empty(), "{line}");
        verify(&mut alice, &bob);
        alice.receive(line);
        assert_eq!(alice.take().len(), 1, "{line}");
    }
    // Nor when our own user asks: nobody could answer.
    let (mut alice, _) = pair(policy, Policy::default());
    alice.act(|session, cx| session.start(cx));
    assert_eq!(alice.told(), [Event::NotDone { reason: Refused::NotVerified }]);
    assert!(alice.take().is_empty());
}

#[test]
fn an_error_does_not_disturb_a_verification() {
    let (mut alice, mut bob) = talking();
    alice.session.policy().start_on_error = true;
    bob.act(|session, cx| session.smp_start(cx, None, "?", "secret").expect("may ask"));
    deliver(&mut alice, &mut bob);
    alice.receive("?OTR Error: ERROR_2: Not in private state message");
    assert!(alice.take().is_empty());
}

#[test]
fn a_version_that_is_taken_away_leaves_a_running_conversation_alone() {
    let (mut alice, mut bob) = talking();
    alice.session.policy().versions = Versions::EMPTY;
    let line = bob.line("still there?");
    assert_eq!(alice.receive(&line).heard(), ["still there?"]);
    bob.act(|session, cx| session.start(cx));
    deliver(&mut alice, &mut bob);
    assert!(is_rejected(&mut alice, Reject::Version));
}

#[test]
fn require_authenticated() {
    for (wanted, verified) in [(false, false), (true, false), (true, true)] {
        let policy = Policy { require_authenticated: wanted, ..Policy::default() };
        let allowed = verified || !wanted;
        for alice_starts in [true, false] {
            let (mut alice, mut bob) = pair(policy, Policy::default());
            if verified {
                verify(&mut alice, &bob);
            }
            let starting = if alice_starts { &mut alice } else { &mut bob };
            starting.act(|session, cx| session.start_identity(cx));
            deliver(&mut alice, &mut bob);
            assert_eq!(are_talking(&alice, &bob), allowed);
            let told = alice.told();
            let refused = |event: &Event| match event {
                Event::NotDone { reason: Refused::NotVerified } => alice_starts,
                Event::Rejected { reason: Reject::NotVerified, .. } => !alice_starts,
                _ => false,
            };
            assert_eq!(told.iter().any(refused), !allowed);
        }
        let (mut alice, mut bob) = pair(policy, Policy::default());
        if verified {
            verify(&mut alice, &bob);
        }
        let ensembles = bob.prekeys(1);
        if allowed {
            alice.start_offline(ensembles);
        } else {
            let refused = alice.refuses(|session, cx| session.start_offline(cx, ensembles));
            assert_eq!(refused, Refused::NotVerified);
        }
        bob.start_offline(alice.prekeys(1)).say("hello");
        bob.take().iter().for_each(|line| _ = alice.receive(line));
        assert_eq!(alice.heard(), if allowed { vec!["hello"] } else { vec![] });
        // What only the other side has verified does not count; and a prekey is not used up by a refusal.
        assert_eq!(alice.account.prekeys(), usize::from(!allowed));
    }
}

#[test]
fn padding() {
    for (padding, sizes) in [(Padding::Off, 40), (Padding::Classes, 1)] {
        let (mut alice, mut bob) = talking();
        alice.session.policy().padding = padding;
        let mut seen = std::collections::BTreeSet::new();
        for n in 0..40 {
            let line = alice.line(&"x".repeat(3 * n));
            seen.insert(line.len());
            bob.receive(&line);
        }
        assert_eq!(bob.heard().len(), 39, "an empty text shows nothing");
        assert_eq!(seen.len(), sizes, "{padding:?}");
    }
}

#[test]
fn the_modes() {
    for operation in [OperationMode::V3Compatible, OperationMode::Standalone, OperationMode::InteractiveOnly]
    {
        let policy = match operation {
            OperationMode::V3Compatible => Policy::default(),
            OperationMode::Standalone => Policy::standalone(),
            _ => Policy::interactive_only(),
        };
        assert_eq!(policy.operation, operation);
        let compatible = operation == OperationMode::V3Compatible;
        let offline = operation != OperationMode::InteractiveOnly;

        // "Query Messages", "Whitespace Tags": answered only where clear text belongs to the protocol.
        for line in ["?OTRv4? Let us encrypt", &format!("hi{}", otrv4::wire::whitespace_tag(Versions::V4))] {
            let (mut alice, _) = pair(policy, policy);
            alice.receive(line);
            assert_eq!(kinds(&mut alice) == ["encoded"], compatible, "{operation:?}");
            let warned =
                alice.told().iter().any(|event| matches!(event, Event::Plaintext { warn: true, .. }));
            assert_eq!(warned, !compatible, "handed to the application");
        }
        let (mut alice, _) = pair(policy, policy);
        alice.receive("plain");
        assert_eq!(alice.told(), [Event::Plaintext { text: "plain".into(), warn: !compatible }]);

        // No clear text in START: what is typed waits for a conversation that an Identity message begins.
        let (mut alice, mut bob) = pair(policy, policy);
        alice.say("hello");
        assert_eq!(kind(&alice.sent[0]), if compatible { "plain" } else { "encoded" });
        deliver(&mut alice, &mut bob);
        assert_eq!(are_talking(&alice, &bob), !compatible);
        assert_eq!(bob.heard(), if compatible { vec![] } else { vec!["hello"] });
        alice.act(|session, cx| session.end(cx));
        deliver(&mut alice, &mut bob);
        alice.told();
        alice.act(|session, cx| session.send_tagged(cx, "after the end").expect("sent, or waits"));
        assert_eq!(alice.told() == [Event::Queued], !compatible);

        // `start` begins accordingly.
        let (mut alice, mut bob) = pair(policy, policy);
        alice.act(|session, cx| session.start(cx));
        assert_eq!(kind(&alice.sent[0]), if compatible { "query" } else { "encoded" });
        deliver(&mut alice, &mut bob);
        assert!(are_talking(&alice, &bob));

        // "If a client implements the interactive-only mode and a request for an offline conversation arrives, reject".
        let mut alice = Person::new("alice@example.org", "bob@example.org");
        let mut bob = Person::new("bob@example.org", "alice@example.org").with(policy);
        assert!(bob.account.prekey_profile().is_none(), "never made unless prekeys are");
        alice.start_offline(bob.prekeys(1)).say("offline");
        alice.take().iter().for_each(|line| _ = bob.receive(line));
        assert_eq!(bob.heard() == ["offline"], offline);
        let ensembles = alice.prekeys(1);
        let mut fresh = Person::new("bob@example.org", "alice@example.org").with(policy);
        let mut rng = otrv4_tests::rng();
        let mut cx = otrv4::Context { account: &mut fresh.account, rng: &mut rng, now: fresh.now };
        assert_eq!(fresh.session.start_offline(&mut cx, ensembles).is_ok(), offline);
    }
}

#[test]
fn the_modes_without_clear_text_speak_version_4_alone() {
    let policy = Policy { versions: Versions::V34, ..Policy::standalone() };
    let (mut alice, _) = pair(policy, policy);
    // A D-H Commit message of version 3, from tag 0x100 to nobody.
    alice.receive("?OTR:AAMCAAABAAAAAAA=.");
    assert!(is_rejected(&mut alice, Reject::Version));
    alice.act(|session, cx| session.start(cx));
    assert_eq!(kinds(&mut alice), ["encoded"], "no query that offers version 3");
}

#[test]
fn lines_for_other_clients_and_of_our_own_are_told_and_change_nothing() {
    let (mut alice, mut bob) = talking();
    let mut tablet = Person::new("bob@example.org", "alice@example.org");
    let for_bob = alice.line("for Bob's phone");
    let (tablets, alices) = (tablet.state(), alice.state());
    // Carbon copies: to Bob's other client, and back to Alice's own.
    tablet.receive(&for_bob);
    assert!(is_rejected(&mut tablet, Reject::NotForUs));
    alice.receive(&for_bob);
    assert!(is_rejected(&mut alice, Reject::OwnMessage));
    assert_eq!((tablet.state(), alice.state()), (tablets, alices));
    assert!(tablet.take().is_empty() && alice.take().is_empty());
    assert_eq!(bob.receive(&for_bob).heard(), ["for Bob's phone"]);
}
