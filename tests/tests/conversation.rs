//! Interactive conversations of version 4: starts, turns, order, ends, restarts.

use otrv4::session::EndedBy;
use otrv4::wire::Versions;
use otrv4::{Event, Mode, Refused, Reject};
use otrv4_tests::{Person, alice_and_bob, assert_same_conversation, deliver, rng, talking};
use rand_core::Rng;

#[test]
fn a_query_a_tag_and_a_bare_identity_each_start_one_conversation() {
    for start in ["query", "tag", "identity"] {
        let (mut alice, mut bob) = alice_and_bob();
        alice.act(|session, cx| match start {
            "query" => session.start(cx),
            "tag" => session.send_tagged(cx, "hi").expect("clear text is allowed"),
            _ => session.start_identity(cx),
        });
        deliver(&mut alice, &mut bob);
        assert_same_conversation(&alice, &bob);
        let secure = |person: &mut Person| {
            person
                .told()
                .iter()
                .filter(|e| matches!(e, Event::Secure { mode: Mode::Interactive, .. }))
                .count()
        };
        assert_eq!((secure(&mut alice), secure(&mut bob)), (1, 1), "{start}");
    }
}

#[test]
fn thirty_turns_of_one_to_three_messages_are_read_in_order() {
    let (mut alice, mut bob) = talking();
    for turn in 0..30 {
        let (from, to) = if turn % 2 == 0 { (&mut alice, &mut bob) } else { (&mut bob, &mut alice) };
        let texts: Vec<String> = (0..=turn % 3).map(|n| format!("turn {turn}, message {n} €")).collect();
        texts.iter().for_each(|text| _ = from.say(text));
        from.take().iter().for_each(|line| _ = to.receive(line));
        assert_eq!(to.heard(), texts);
    }
}

#[test]
fn every_message_of_five_ratchets_can_be_held_back_and_come_in_any_order() {
    let (mut alice, mut bob) = talking();
    let mut held: Vec<(String, String)> = Vec::new();
    for ratchet in 0..5 {
        // The first message turns the ratchet and arrives; the others are held back.
        let first = alice.line(&format!("first of {ratchet}"));
        for n in 0..4 {
            let text = format!("held {ratchet}.{n}");
            held.push((alice.line(&text), text));
        }
        bob.receive(&first);
        let answer = bob.line("go on");
        alice.receive(&answer);
    }
    bob.heard();
    let mut random = rng();
    while !held.is_empty() {
        let (line, text) = held.swap_remove(random.next_u32() as usize % held.len());
        assert_eq!(bob.receive(&line).heard(), [text]);
        bob.receive(&line);
        assert!(matches!(bob.told()[..], [Event::Rejected { .. }]), "a replay is refused");
    }
}

#[test]
fn a_whole_ratchet_may_be_lost_but_not_the_conversation() {
    let (mut alice, mut bob) = talking();
    (0..1500).for_each(|n| _ = alice.say(&format!("lost {n}")));
    alice.take();
    let line = bob.line("are you there?");
    alice.receive(&line);
    let line = alice.line("I am");
    assert_eq!(bob.receive(&line).heard(), ["I am"]);
}

#[test]
fn five_hundred_messages_ahead_can_be_read_and_two_thousand_cannot() {
    let (mut alice, mut bob) = talking();
    let lines: Vec<String> = (0..2000).map(|n| alice.line(&n.to_string())).collect();
    assert_eq!(bob.receive(&lines[1999]).heard(), [""; 0]);
    assert_eq!(bob.receive(&lines[500]).heard(), ["500"]);
    for n in [0, 250, 499] {
        assert_eq!(bob.receive(&lines[n]).heard(), [n.to_string()]);
    }
    assert_eq!(bob.receive(&lines[501]).heard(), ["501"]);
}

#[test]
fn empty_and_large_texts_arrive_and_a_nul_is_refused() {
    let (mut alice, mut bob) = talking();
    let large = "€".repeat(64 * 1024 / 3);
    let line = alice.line(&large);
    assert_eq!(bob.receive(&line).heard(), [large.as_str()]);
    let line = alice.line("");
    assert_eq!(bob.receive(&line).told(), []);
    assert!(matches!(alice.refused("smuggled\0\0\u{1}\0\0"), Refused::Text(_)));
    assert_eq!(alice.refused(&"x".repeat(64 * 1024 + 1)), Refused::TooLong);
}

#[test]
fn long_messages_go_out_in_fragments_that_come_in_any_order() {
    let (mut alice, mut bob) = talking();
    alice.session.set_max_line(Some(200)).expect("long enough");
    assert_eq!(alice.session.set_max_line(Some(50)), Err(Refused::LineTooShort(50)));
    alice.say(&"long ".repeat(100));
    let mut pieces = alice.take();
    assert!(pieces.len() > 3 && pieces.iter().all(|piece| piece.len() <= 200));
    pieces.reverse();
    let (last, others) = pieces.split_last().expect("pieces");
    others.iter().for_each(|piece| _ = bob.receive(piece));
    bob.restart();
    assert_eq!(bob.receive(last).heard(), ["long ".repeat(100)]);
    assert_eq!(bob.receive(last).heard(), [""; 0]);
}

#[test]
fn a_conversation_survives_restarts_of_either_side_at_every_step() {
    let (mut alice, mut bob) = alice_and_bob();
    alice.act(|session, cx| session.start(cx));
    for _ in 0..6 {
        alice.take().iter().for_each(|line| _ = bob.receive(line));
        bob.restart();
        bob.take().iter().for_each(|line| _ = alice.receive(line));
        alice.restart();
    }
    assert_same_conversation(&alice, &bob);
    for turn in 0..10 {
        let (held, line) = (alice.line("held"), alice.line("sent"));
        alice.restart();
        assert_eq!(bob.receive(&line).heard(), ["sent"], "turn {turn}");
        bob.restart();
        assert_eq!(bob.receive(&held).heard(), ["held"], "turn {turn}");
        bob.restart();
        bob.receive(&held);
        assert!(
            matches!(bob.told()[..], [Event::Rejected { .. }]),
            "replays are refused after a restart too"
        );
        bob.take();
        let line = bob.line("answer");
        bob.restart();
        alice.receive(&line);
    }
}

#[test]
fn disconnecting_ends_it_for_both_and_nothing_goes_out_in_clear_by_accident() {
    let (mut alice, mut bob) = talking();
    alice.act(|session, cx| session.end(cx));
    assert_eq!(alice.told(), [Event::Ended { with: bob.account.tag(), by: EndedBy::Us }]);
    let line = alice.take().remove(0);
    bob.receive(&line);
    assert_eq!(bob.told(), [Event::Ended { with: alice.account.tag(), by: EndedBy::Them }]);
    // His last message reveals MAC keys and says nothing.
    let lines = bob.take();
    lines.iter().for_each(|line| _ = alice.receive(line));
    assert_eq!(alice.told(), []);
    assert_eq!(alice.take(), [""; 0]);

    assert_eq!(bob.refused("by accident"), Refused::Ended);
    bob.restart();
    assert_eq!(bob.refused("by accident"), Refused::Ended);
    bob.act(|session, cx| session.end(cx));
    assert_eq!(bob.line("on purpose"), "on purpose");
    assert_eq!(alice.line("in clear again"), "in clear again");
}

#[test]
fn an_ended_conversation_can_be_started_again_by_either_side() {
    let (mut alice, mut bob) = talking();
    for who_ends in 0..2 {
        for who_starts in 0..2 {
            let [mut ends, mut starts] = [&mut alice, &mut bob];
            if who_ends == 1 {
                std::mem::swap(&mut ends, &mut starts);
            }
            ends.act(|session, cx| session.end(cx));
            deliver(ends, starts);
            if who_starts == 1 {
                std::mem::swap(&mut ends, &mut starts);
            }
            // A query, which reaches somebody whose conversation has ended.
            starts.act(|session, cx| session.start(cx));
            deliver(ends, starts);
            assert_same_conversation(ends, starts);
        }
    }
}

#[test]
fn what_was_sent_before_the_end_and_arrives_after_it_is_read() {
    let (mut alice, mut bob) = talking();
    let late = alice.line("sent before the end");
    alice.act(|session, cx| session.end(cx));
    let end = alice.take().remove(0);
    bob.receive(&end);
    bob.told();
    assert_eq!(bob.receive(&late).heard(), ["sent before the end"]);
    bob.wait(11 * 60);
    bob.receive(&late);
    assert_eq!(bob.heard(), [""; 0]);
}

#[test]
fn text_typed_while_the_handshake_runs_waits_for_it() {
    let (mut alice, mut bob) = alice_and_bob();
    alice.act(|session, cx| session.start(cx));
    alice.say("one").say("two");
    assert_eq!(alice.told(), [Event::Queued, Event::Queued]);
    alice.restart();
    deliver(&mut alice, &mut bob);
    assert_eq!(bob.heard(), ["one", "two"]);
}

#[test]
fn text_that_waits_in_vain_is_given_back() {
    let mut alice = alice_and_bob().0;
    alice.act(|session, cx| session.start(cx));
    alice.say("nobody there?");
    alice.told();
    let deadline = alice.deadline();
    alice.wait(deadline.unix() - alice.now.unix());
    assert_eq!(alice.told(), [Event::NotSent { text: "nobody there?".into() }]);
}

#[test]
fn a_new_handshake_inside_a_conversation_loses_nothing() {
    let (mut alice, mut bob) = talking();
    let before = alice.secure();
    let (late_of_alice, late_of_bob) = (alice.line("on its way to Bob"), bob.line("on its way to Alice"));
    alice.act(|session, cx| session.start(cx));
    let identity = alice.take().remove(0);
    bob.receive(&identity);
    let auth_r = bob.take().remove(0);
    // Both still talk in the old channel.
    let line = bob.line("during the handshake");
    assert_eq!(alice.receive(&line).heard(), ["during the handshake"]);
    let line = alice.line("also during it");
    alice.receive(&auth_r);
    let auth_i = alice.take().remove(0);
    bob.receive(&auth_i);
    assert_same_conversation(&alice, &bob);
    assert_ne!(alice.secure(), before);
    bob.told();
    alice.told();
    assert_eq!(bob.receive(&line).heard(), ["also during it"]);
    assert_eq!(bob.receive(&late_of_alice).heard(), ["on its way to Bob"]);
    assert_eq!(alice.receive(&late_of_bob).heard(), ["on its way to Alice"]);
    let line = bob.line("in the new one");
    assert_eq!(alice.receive(&line).heard(), ["in the new one"]);
}

#[test]
fn data_that_overtakes_auth_i_is_shown_once_when_it_arrives() {
    let (mut alice, mut bob) = alice_and_bob();
    alice.act(|session, cx| session.start(cx));
    let query = alice.take().remove(0);
    bob.receive(&query);
    let identity = bob.take().remove(0);
    alice.receive(&identity);
    let auth_r = alice.take().remove(0);
    bob.receive(&auth_r);
    let auth_i = bob.take().remove(0);
    let (one, two) = (bob.line("one"), bob.line("two"));
    for line in [&two, &one, &two] {
        alice.receive(line);
    }
    assert_eq!(alice.heard(), [""; 0]);
    alice.restart();
    alice.receive(&auth_i);
    assert_eq!(alice.heard(), ["two", "one"]);
    alice.receive(&one);
    assert_eq!(alice.heard(), [""; 0]);
}

#[test]
fn two_clients_of_one_correspondent_each_get_a_conversation() {
    let mut alice = Person::new("alice@example.org", "bob@example.org");
    let mut desk = Person::new("bob@example.org", "alice@example.org");
    let mut phone = Person::new("bob@example.org", "alice@example.org");
    alice.act(|session, cx| session.start_identity(cx));
    let identity = alice.take().remove(0);
    desk.receive(&identity);
    phone.receive(&identity);
    // The network gives every line to both clients, and everything they send to Alice.
    for _ in 0..4 {
        for line in desk.take().into_iter().chain(phone.take()) {
            alice.receive(&line);
        }
        for line in alice.take() {
            desk.receive(&line);
            phone.receive(&line);
        }
    }
    assert_eq!(alice.secure().len(), 2);
    desk.told();
    phone.told();
    let tag = desk.account.tag();
    alice.act(|session, cx| session.select(cx, tag).expect("a running conversation"));
    let line = alice.line("to the desk");
    assert_eq!(desk.receive(&line).heard(), ["to the desk"]);
    phone.receive(&line);
    assert_eq!(phone.told(), [Event::Rejected { from: Some(alice.account.tag()), reason: Reject::NotForUs }]);
}

#[test]
fn nothing_goes_out_in_clear_when_one_client_ends_and_our_user_ends_with_the_other() {
    // Text goes to the desk, which has answered first; whether our user has said so, too, changes nothing.
    for selects in [false, true] {
        let mut alice = Person::new("alice@example.org", "bob@example.org");
        let mut desk = Person::new("bob@example.org", "alice@example.org");
        let mut phone = Person::new("bob@example.org", "alice@example.org");
        alice.act(|session, cx| session.start_identity(cx));
        for _ in 0..4 {
            for line in alice.take() {
                desk.receive(&line);
                phone.receive(&line);
            }
            for line in desk.take().into_iter().chain(phone.take()) {
                alice.receive(&line);
            }
        }
        assert_eq!(alice.secure().len(), 2);
        phone.act(|session, cx| session.end(cx));
        phone.take().iter().for_each(|line| _ = alice.receive(line));
        let tag = desk.account.tag();
        if selects {
            alice.act(|session, cx| session.select(cx, tag).expect("a running conversation"));
        }
        alice.act(|session, cx| session.end_with(cx, tag).expect("a running conversation"));
        assert_eq!(alice.refused("to whom?"), Refused::Ended, "spec-notes/SN-032");
        alice.act(|session, cx| session.end(cx)).take();
        assert_eq!(alice.line("in clear"), "in clear");
    }
}

#[test]
fn a_stranger_leaves_the_running_conversation_alone() {
    let (mut alice, mut bob) = talking();
    let before = alice.secure();
    let mut mallory = Person::new("bob@example.org", "alice@example.org");
    mallory.act(|session, cx| session.start_identity(cx));
    mallory.take().iter().for_each(|line| _ = alice.receive(line));
    assert_eq!(alice.secure(), before);
    alice.take();
    let line = alice.line("for Bob alone");
    mallory.receive(&line);
    assert_eq!(mallory.heard(), [""; 0]);
    assert_eq!(bob.receive(&line).heard(), ["for Bob alone"]);
}

#[test]
fn sixteen_strangers_at_most_are_kept() {
    let mut alice = Person::new("alice@example.org", "bob@example.org");
    for _ in 0..20 {
        let mut stranger = Person::new("bob@example.org", "alice@example.org");
        stranger.act(|session, cx| session.start_identity(cx));
        stranger.take().iter().for_each(|line| _ = alice.receive(line));
    }
    assert_eq!(alice.session.instances().count(), 16);
}

#[test]
fn a_reflected_message_is_refused() {
    let mut alice = alice_and_bob().0;
    alice.act(|session, cx| session.start_identity(cx));
    let identity = alice.take().remove(0);
    alice.receive(&identity);
    assert_eq!(
        alice.told(),
        [Event::Rejected { from: Some(alice.account.tag()), reason: Reject::OwnMessage }]
    );
}

#[test]
fn plain_text_and_errors_never_change_a_conversation() {
    let (mut alice, mut bob) = talking();
    let before = (alice.secure(), alice.state());
    alice.receive("?OTR Error: ERROR_2: Not in private state message").receive("I am Bob, trust me");
    assert!(matches!(
        &alice.told()[..],
        [Event::TheirError { code: Some(_), .. }, Event::Plaintext { warn: true, .. }]
    ));
    assert_eq!(alice.secure(), before.0);
    let line = bob.line("still here");
    assert_eq!(alice.receive(&line).heard(), ["still here"]);
}

#[test]
fn nothing_is_answered_that_offers_no_version_we_speak() {
    let mut alice = alice_and_bob().0;
    for line in ["?OTRv3?", "?OTRv?", "?OTRv?4?", "?OTR?", "?OTRv", "is ?OTRv4? an offer?"] {
        alice.receive(line);
        assert_eq!(alice.take(), [""; 0], "{line}");
    }
    alice.session.policy().versions = Versions::V3;
    alice.receive("?OTRv4?");
    assert_eq!(alice.take(), [""; 0]);
}

#[test]
fn required_encryption_lets_no_clear_text_out() {
    let (mut alice, mut bob) = alice_and_bob();
    alice.session.policy().require_encryption = true;
    alice.say("a secret");
    let lines = alice.take();
    assert!(lines.iter().all(|line| !line.contains("secret")), "{lines:?}");
    lines.iter().for_each(|line| _ = bob.receive(line));
    deliver(&mut alice, &mut bob);
    assert_eq!(bob.heard(), ["a secret"]);
}

#[test]
fn messages_in_order_of_a_replaced_channel_are_all_read() {
    let (mut alice, mut bob) = talking();
    alice.act(|session, cx| session.start(cx));
    let identity = alice.take().remove(0);
    bob.receive(&identity);
    let auth_r = bob.take().remove(0);
    let (a, b) = (bob.line("a"), bob.line("b"));
    alice.receive(&auth_r);
    alice.told();
    assert_eq!(alice.receive(&a).heard(), ["a"]);
    assert_eq!(alice.receive(&b).heard(), ["b"]);
}

#[test]
fn a_hole_too_large_is_told_and_a_new_handshake_mends_it() {
    let (mut alice, mut bob) = talking();
    let line = alice.line("first");
    bob.receive(&line);
    let line = bob.line("turn");
    alice.receive(&line);
    (0..1001).for_each(|n| _ = alice.say(&format!("lost {n}")));
    alice.take();
    let line = alice.line("too far ahead");
    bob.told();
    bob.receive(&line);
    assert!(matches!(bob.told()[..], [Event::Rejected { reason: Reject::TooFarAhead, .. }]));
    bob.act(|session, cx| session.start(cx));
    deliver(&mut alice, &mut bob);
    assert_same_conversation(&alice, &bob);
    bob.told();
    let line = alice.line("together again");
    assert_eq!(bob.receive(&line).heard(), ["together again"]);
}

#[test]
fn tagged_text_waits_for_a_start_as_other_text_does() {
    let (mut alice, mut bob) = alice_and_bob();
    alice.act(|session, cx| session.start(cx));
    let query = alice.take();
    alice.act(|session, cx| session.send_tagged(cx, "not in clear").expect("it waits"));
    assert_eq!(alice.take(), [""; 0]);
    query.iter().for_each(|line| _ = bob.receive(line));
    deliver(&mut alice, &mut bob);
    assert_eq!(bob.heard(), ["not in clear"]);
}

#[test]
fn debug_output_shows_no_text() {
    let mut alice = alice_and_bob().0;
    alice.act(|session, cx| session.start(cx));
    alice.say("a secret");
    assert!(!format!("{:?}", alice.session).contains("a secret"));
    for event in [
        Event::NotSent { text: "a secret".into() },
        Event::Message { from: alice.account.tag(), text: "a secret".into() },
        Event::Plaintext { text: "a secret".into(), warn: true },
    ] {
        let output = otrv4::Output::Event(event);
        assert!(!format!("{output:?}").contains("a secret"));
    }
    assert!(!format!("{:?}", otrv4::Output::Send("a secret".into())).contains("a secret"));
}
