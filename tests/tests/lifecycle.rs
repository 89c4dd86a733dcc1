//! Weeks of a conversation: expiry, heartbeats, keys that go with time, extra keys, from offline to online and back. All
//! by a virtual clock. Spec: otrv4.md "Session Expiration", "Deletion of Stored Message Keys", "Extra Symmetric Key",
//! "Starting an online conversation after an offline one". spec-notes/SN-021, spec-notes/SN-035

use otrv4::session::EndedBy;
use otrv4::{Event, Mode, Protection, Refused, Reject};
use otrv4_tests::{Person, START, assert_same_conversation, deliver, talking};

const HOUR: i64 = 60 * 60;
const DAY: i64 = 24 * HOUR;

fn ended(person: &mut Person, by: EndedBy) -> bool {
    person.told().iter().any(|event| matches!(event, Event::Ended { by: who, .. } if *who == by))
}

fn is_finished(person: &Person) -> bool {
    person.session.instances().all(|instance| instance.protection == Protection::Finished)
}

/// Both clocks go on; nothing is delivered.
fn wait(alice: &mut Person, bob: &mut Person, seconds: i64) {
    alice.wait(seconds);
    bob.wait(seconds);
}

#[test]
fn two_hours_without_a_new_key_of_ours_end_it_and_nothing_goes_out_in_clear() {
    let (mut alice, mut bob) = talking();
    // Alice's own messages do not make a new key: Bob does not answer.
    for _ in 0..119 {
        alice.wait(60).say("anybody there?");
        alice.take();
    }
    alice.told();
    alice.wait(59);
    assert!(!is_finished(&alice));
    alice.wait(1);
    assert!(ended(&mut alice, EndedBy::Expiry));
    assert!(is_finished(&alice));
    assert_eq!(alice.refused("more"), Refused::Ended);
    // The other side is told, and its own last message reveals what is left there.
    let last = alice.take();
    assert_eq!(last.len(), 1);
    bob.receive(&last[0]);
    assert!(ended(&mut bob, EndedBy::Them));
    assert_eq!(bob.refused("more"), Refused::Ended);
    // Both may begin again.
    alice.act(|session, cx| session.start(cx));
    deliver(&mut alice, &mut bob);
    assert_same_conversation(&alice, &bob);
}

#[test]
fn answers_renew_the_time_and_each_side_has_its_own() {
    let (mut alice, mut bob) = talking();
    bob.session.policy().expiry.online = 14 * 24 * 60 * 60;
    for person in [&mut alice, &mut bob] {
        person.session.policy().heartbeat_after = None;
    }
    for _ in 0..5 {
        let line = bob.line("question");
        alice.receive(&line);
        let line = alice.line("answer");
        bob.receive(&line);
        wait(&mut alice, &mut bob, 2 * HOUR - 1);
        assert!(!is_finished(&alice) && !is_finished(&bob));
    }
    alice.wait(1);
    alice.take();
    assert!(is_finished(&alice));
    bob.wait(5 * DAY);
    assert!(!is_finished(&bob));
}

#[test]
fn an_offline_start_lives_for_two_weeks() {
    let (mut alice, mut bob) = (
        Person::new("alice@example.org", "bob@example.org"),
        Person::new("bob@example.org", "alice@example.org"),
    );
    alice.session.policy().heartbeat_after = None;
    alice.start_offline(bob.prekeys(1)).say("when you are back");
    alice.wait(14 * DAY - 1);
    assert!(!is_finished(&alice));
    // Bob comes back just before Alice's profile, which came with it, expires; his answer is read.
    bob.wait(7 * DAY - 1);
    alice.take().iter().for_each(|line| _ = bob.receive(line));
    assert!(bob.heard().contains(&"when you are back".to_owned()));
    bob.say("now").take().iter().for_each(|line| _ = alice.receive(line));
    assert!(alice.heard().contains(&"now".to_owned()));
    alice.wait(1);
    assert!(is_finished(&alice), "she has not answered, so her key is as old as before");
}

#[test]
fn somebody_who_only_listens_answers_with_a_heartbeat() {
    let (mut alice, mut bob) = talking();
    wait(&mut alice, &mut bob, 30);
    let line = bob.line("once upon a time");
    alice.receive(&line);
    assert!(alice.take().is_empty(), "her last message is not a minute old");
    assert_eq!(alice.deadline(), alice.now.plus(30));
    alice.wait(29);
    assert!(alice.take().is_empty());
    alice.wait(1);
    let beat = alice.take();
    assert_eq!(beat.len(), 1);
    bob.told();
    bob.wait(31).receive(&beat[0]);
    assert_eq!((bob.told(), bob.take()), (vec![], vec![]), "it shows nothing, and is not answered");
    wait(&mut alice, &mut bob, HOUR);
    assert!(alice.take().is_empty() && bob.take().is_empty(), "no more of them");
    // The next message is answered at once, the ones after it in a minute.
    let line = bob.line("there was a king");
    assert_eq!(alice.receive(&line).take().len(), 1);
    assert_eq!(alice.wait(0).take().len(), 0);
    let line = bob.line("who had three daughters");
    assert_eq!(alice.receive(&line).wait(1).take().len(), 0);
    // Whoever writes owes nothing.
    alice.say("and then?");
    alice.take();
    assert_eq!(alice.wait(HOUR).take().len(), 0);
    // A heartbeat that was lost and comes late is no trouble.
    bob.receive(&beat[0]);
    assert_eq!(bob.take().len(), 0);
}

#[test]
fn heartbeats_keep_a_conversation_alive_in_which_one_side_only_listens() {
    for wanted in [true, false] {
        let (mut alice, mut bob) = talking();
        alice.session.policy().heartbeat_after = wanted.then_some(60);
        for n in 0..60 {
            wait(&mut alice, &mut bob, 300);
            bob.told();
            if !is_finished(&bob) {
                bob.say(&format!("part {n}"));
            }
            deliver(&mut alice, &mut bob);
            alice.wait(0);
            bob.wait(0);
            deliver(&mut alice, &mut bob);
        }
        assert_eq!(is_finished(&bob), !wanted, "five hours");
    }
}

#[test]
fn a_heartbeat_can_be_sent_by_hand() {
    let (mut alice, mut bob) = talking();
    alice.act(|session, cx| session.heartbeat(cx, None).expect("a conversation"));
    let beat = alice.take();
    assert_eq!(beat.len(), 1);
    bob.receive(&beat[0]);
    assert_eq!(bob.told(), []);
    alice.act(|session, cx| session.end(cx));
    assert_eq!(alice.refuses(|session, cx| session.heartbeat(cx, None)), Refused::NotEncrypted);
}

#[test]
fn a_message_that_is_missing_for_too_long_can_no_longer_be_read() {
    for (late, readable) in [(2 * HOUR - 1, true), (2 * HOUR, false)] {
        let (mut alice, mut bob) = talking();
        let missing = alice.line("delayed");
        let line = alice.line("in time");
        assert_eq!(bob.receive(&line).heard(), ["in time"]);
        // They talk on, so that the conversation does not expire.
        for part in [1800, 1800, 1800, late - 5400] {
            wait(&mut alice, &mut bob, part);
            alice.take();
            bob.take();
            let line = bob.line("go on");
            alice.receive(&line).take();
            let line = alice.line("so");
            bob.receive(&line).take();
        }
        assert_eq!(bob.now, START.plus(late));
        alice.take();
        bob.take();
        bob.told();
        bob.receive(&missing);
        let told = bob.told();
        assert_eq!(told.iter().any(|event| matches!(event, Event::Message { .. })), readable, "{told:?}");
        assert_eq!(told.iter().any(|event| matches!(event, Event::Rejected { .. })), !readable);
    }
}

#[test]
fn expiry_loses_what_comes_too_late_and_says_so() {
    let (mut alice, mut bob) = talking();
    let line = alice.line("too late");
    bob.wait(2 * HOUR).take();
    bob.told();
    bob.receive(&line);
    assert!(matches!(bob.told()[..], [Event::Rejected { reason: Reject::Unexpected, .. }]));
    let error = bob.take();
    alice.receive(&error[0]);
    assert!(matches!(alice.told()[..], [Event::TheirError { .. }]));
}

#[test]
fn a_sessions_end_is_kept_over_a_restart() {
    let (mut alice, _) = talking();
    alice.wait(2 * HOUR);
    alice.restart();
    assert_eq!(alice.refused("in clear?"), Refused::Ended);
}

#[test]
fn from_offline_to_online_and_back_nothing_is_lost() {
    let (mut alice, mut bob) = (
        Person::new("alice@example.org", "bob@example.org"),
        Person::new("bob@example.org", "alice@example.org"),
    );
    alice.start_offline(bob.prekeys(1)).say("offline 1");
    alice.take().iter().for_each(|line| _ = bob.receive(line));
    let late = alice.line("offline 2, late");
    // Bob is back and wants to go on online.
    bob.told();
    bob.act(|session, cx| session.start(cx)).say("back");
    deliver(&mut alice, &mut bob);
    assert!(alice.told().iter().any(|e| matches!(e, Event::Secure { mode: Mode::Interactive, .. })));
    assert_same_conversation(&alice, &bob);
    bob.told();
    assert_eq!(bob.receive(&late).heard(), ["offline 2, late"]);
    // Bob goes, and Alice goes on offline: the interactive conversation is ended, and she is warned.
    let late = bob.line("online, late");
    alice.told();
    alice.start_offline(bob.prekeys(1));
    let told = alice.told();
    assert!(told.contains(&Event::OfflineAfterInteractive { with: bob.account.tag() }));
    assert!(told.contains(&Event::Ended { with: bob.account.tag(), by: EndedBy::Us }));
    assert_eq!(alice.receive(&late).heard(), ["online, late"]);
    alice.say("offline 3");
    deliver(&mut alice, &mut bob);
    assert!(bob.heard().contains(&"offline 3".to_owned()));
    assert_same_conversation(&alice, &bob);
}

#[test]
fn extra_keys_are_the_same_on_both_sides_in_whatever_order_messages_come() {
    let keys = |person: &mut Person| -> Vec<_> {
        let keys = person.told().into_iter().filter_map(|event| match event {
            Event::ExtraKey { key, .. } => Some((key.context, key.data.clone(), key.key.to_vec())),
            _ => None,
        });
        keys.collect()
    };
    for padded in [false, true] {
        let (mut alice, mut bob) = talking();
        if padded {
            alice.session.policy().padding = otrv4::wire::Padding::Classes;
        }
        let mut ours = Vec::new();
        let mut lines = Vec::new();
        for n in 0..3 {
            alice.say("between");
            let uses: [([u8; 4], &[u8]); 2] = [([0, 0, 0, n], b"a file"), ([1, 2, 3, 4], b"")];
            alice.act(|session, cx| session.extra_keys(cx, None, &uses).expect("a conversation"));
            ours.push(keys(&mut alice));
            lines.extend(alice.take());
        }
        let mut all = Vec::new();
        for line in lines.iter().rev() {
            bob.receive(line);
            all.push(keys(&mut bob));
        }
        all.retain(|keys| !keys.is_empty());
        all.reverse();
        assert_eq!(all, ours);
        let distinct: std::collections::BTreeSet<_> = ours.iter().flatten().map(|(_, _, key)| key).collect();
        assert_eq!(distinct.len(), 6);
    }
}

#[test]
fn no_keys_and_more_than_ten_are_refused() {
    let (mut alice, mut bob) = talking();
    let uses: Vec<([u8; 4], &[u8])> = (0..11).map(|n| ([0, 0, 0, n], b"".as_slice())).collect();
    assert_eq!(alice.refuses(|session, cx| session.extra_keys(cx, None, &[])), Refused::ExtraKeys);
    assert_eq!(alice.refuses(|session, cx| session.extra_keys(cx, None, &uses)), Refused::ExtraKeys);
    alice.act(|session, cx| session.extra_keys(cx, None, &uses[..10]).expect("ten are allowed"));
    deliver(&mut alice, &mut bob);
    let count = |told: Vec<Event>| told.iter().filter(|e| matches!(e, Event::ExtraKey { .. })).count();
    assert_eq!((count(alice.told()), count(bob.told())), (10, 10));
}

#[test]
fn a_fingerprint_that_is_new_changed_or_somebody_elses_is_told() {
    let (mut alice, mut bob) = (
        Person::new("alice@example.org", "bob@example.org"),
        Person::new("bob@example.org", "alice@example.org"),
    );
    let fingerprints = |person: &mut Person| -> Vec<&'static str> {
        let words = person.told().into_iter().filter_map(|event| match event {
            Event::NewFingerprint { .. } => Some("new"),
            Event::ChangedFingerprint { .. } => Some("changed"),
            Event::SharedFingerprint { contact, .. } => {
                assert_eq!(contact, "carol@example.org");
                Some("shared")
            }
            _ => None,
        });
        words.collect()
    };
    alice.act(|session, cx| session.start(cx));
    deliver(&mut alice, &mut bob);
    assert_eq!(fingerprints(&mut alice), ["new"]);
    alice.act(|session, cx| session.start(cx));
    deliver(&mut alice, &mut bob);
    assert_eq!(fingerprints(&mut alice), [""; 0], "known by now");
    alice.wait(60); // Her Identity message is open no longer.
    let mut again = Person::new("bob@example.org", "alice@example.org");
    again.act(|session, cx| session.start_identity(cx));
    deliver(&mut alice, &mut again);
    assert_eq!(fingerprints(&mut alice), ["changed"]);
    // A key that we know as somebody else's.
    let mut shared = Person::new("bob@example.org", "alice@example.org");
    let key = otrv4::ContactKey::V4(shared.account.fingerprint());
    alice.account.verify_by_hand("carol@example.org", key, alice.now);
    shared.act(|session, cx| session.start_identity(cx));
    deliver(&mut alice, &mut shared);
    assert_eq!(fingerprints(&mut alice), ["changed", "shared"]);
}

#[test]
fn what_is_typed_after_a_long_sleep_does_not_revive_old_keys() {
    for wish in 0..4 {
        let (mut alice, mut bob) = talking();
        let line = bob.line("question");
        alice.receive(&line);
        alice.told();
        // The computer slept; the user is faster than the timer.
        alice.now = alice.now.plus(30 * DAY);
        alice.act(|session, cx| {
            let outputs = match wish {
                0 => session.send(cx, None, "a month later"),
                1 => session.heartbeat(cx, None),
                2 => session.smp_start(cx, None, "?", "secret"),
                _ => session.extra_keys(cx, None, &[([0; 4], b"")]),
            };
            outputs.expect("what was due is told")
        });
        let told = alice.told();
        assert!(told.iter().any(|event| matches!(event, Event::Ended { by: EndedBy::Expiry, .. })));
        assert!(told.iter().any(|event| matches!(event, Event::NotDone { reason: _ })));
        assert_eq!(told.contains(&Event::NotSent { text: "a month later".into() }), wish == 0);
        assert!(is_finished(&alice));
        assert_eq!(alice.take().len(), 1, "the last message of the conversation and no other");
    }
}

#[test]
fn a_stored_key_has_no_longer_life_in_a_conversation_that_was_replaced_or_ended() {
    for replaced in [true, false] {
        let (mut alice, mut bob) = talking();
        for person in [&mut alice, &mut bob] {
            person.session.policy().heartbeat_after = None;
        }
        let missing = alice.line("delayed");
        let line = alice.line("in time");
        bob.receive(&line);
        for part in [HOUR, HOUR - 10] {
            wait(&mut alice, &mut bob, part);
            let line = bob.line("go on");
            alice.receive(&line);
            let line = alice.line("so");
            bob.receive(&line);
        }
        match replaced {
            true => bob.act(|session, cx| session.start(cx)),
            false => alice.act(|session, cx| session.end(cx)),
        };
        deliver(&mut alice, &mut bob);
        assert_eq!(bob.deadline(), START.plus(2 * HOUR), "when the key has to go");
        bob.wait(10);
        bob.take();
        bob.told();
        bob.receive(&missing);
        assert!(bob.heard().is_empty(), "replaced: {replaced}");
    }
}

#[test]
fn an_offline_conversation_after_an_interactive_one_is_told_however_that_ended() {
    for how in ["they end", "we end", "expired"] {
        let (mut alice, mut bob) = talking();
        match how {
            "they end" => _ = bob.act(|session, cx| session.end(cx)),
            "we end" => _ = alice.act(|session, cx| session.end(cx)),
            _ => wait(&mut alice, &mut bob, 2 * HOUR),
        }
        deliver(&mut alice, &mut bob);
        alice.restart();
        assert!(alice.session.was_interactive(), "to be asked before");
        alice.told();
        alice.start_offline(bob.prekeys(1));
        let warning = Event::OfflineAfterInteractive { with: bob.account.tag() };
        assert!(alice.told().contains(&warning), "{how}");
        alice.start_offline(bob.prekeys(1));
        assert!(!alice.told().contains(&warning), "once");
    }
}

#[test]
fn what_waits_for_a_handshake_that_ends_at_once_comes_back_at_once() {
    let (mut alice, mut bob) = (
        Person::new("alice@example.org", "bob@example.org"),
        Person::new("bob@example.org", "alice@example.org"),
    );
    bob.start_offline(alice.prekeys(1));
    bob.act(|session, cx| session.end(cx));
    let lines = bob.take();
    alice.act(|session, cx| session.start(cx)).say("typed");
    // The end overtakes the beginning.
    alice.receive(&lines[1]).receive(&lines[0]);
    assert!(alice.told().contains(&Event::NotSent { text: "typed".into() }));
}

#[test]
fn whatever_changes_is_saved() {
    let (mut alice, _) = (Person::new("alice@example.org", "bob@example.org"), ());
    alice.receive("plain text, after which no more tags are sent");
    let state = alice.state();
    alice.restart();
    assert_eq!(alice.state(), state);
}

#[test]
fn a_clock_that_was_ahead_for_a_moment_makes_nothing_live_longer() {
    let (mut alice, mut bob) = talking();
    for person in [&mut alice, &mut bob] {
        person.session.policy().expiry.online = 2 * 365 * 24 * 60 * 60;
    }
    let right = alice.now;
    wait(&mut alice, &mut bob, 365 * DAY);
    for text in ["a year ahead", "so that keys are new", "on both sides"] {
        let line = alice.line(text);
        bob.receive(&line).take();
        let line = bob.line(text);
        alice.receive(&line).take();
    }
    for person in [&mut alice, &mut bob] {
        person.session.policy().expiry.online = 2 * 60 * 60;
        person.now = right;
    }
    // The clocks are right again: from now on two hours count, not a year and two hours.
    wait(&mut alice, &mut bob, 0);
    wait(&mut alice, &mut bob, 2 * HOUR);
    assert!(is_finished(&alice) && is_finished(&bob));
}
