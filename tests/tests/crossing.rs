//! Handshakes of version 4 that cross each other, come again, or come late: one conversation, and the same for both.

use otrv4_tests::{Person, alice_and_bob, assert_same_conversation, deliver};

#[test]
fn both_querying_at_once_ends_in_one_conversation() {
    for late in [false, true] {
        let (mut alice, mut bob) = alice_and_bob();
        alice.act(|session, cx| session.start(cx));
        bob.act(|session, cx| session.start(cx));
        if late {
            // Alice's Identity is made before Bob's arrives, and arrives after it.
            let (from_alice, from_bob) = (alice.take(), bob.take());
            from_alice.iter().for_each(|line| _ = bob.receive(line));
            from_bob.iter().for_each(|line| _ = alice.receive(line));
        }
        deliver(&mut alice, &mut bob);
        assert_same_conversation(&alice, &bob);
        alice.told();
        let line = alice.line("only once");
        bob.told();
        assert_eq!(bob.receive(&line).heard(), ["only once"]);
    }
}

#[test]
fn crossing_identities_of_which_one_is_lost_still_end_in_one_conversation() {
    for lost in ["alice", "bob"] {
        let (mut alice, mut bob) = alice_and_bob();
        alice.act(|session, cx| session.start_identity(cx));
        bob.act(|session, cx| session.start_identity(cx));
        match lost {
            "alice" => _ = alice.take(),
            _ => _ = bob.take(),
        }
        for _ in 0..4 {
            deliver(&mut alice, &mut bob);
            alice.wait(10);
            bob.wait(10);
        }
        assert_same_conversation(&alice, &bob);
    }
}

#[test]
fn replayed_handshake_messages_change_nothing() {
    let (mut alice, mut bob) = alice_and_bob();
    alice.act(|session, cx| session.start(cx));
    let query = alice.take().remove(0);
    bob.receive(&query);
    let identity = bob.take().remove(0);
    alice.receive(&identity);
    let auth_r = alice.take().remove(0);
    bob.receive(&auth_r);
    let auth_i = bob.take().remove(0);
    alice.receive(&auth_i);
    assert_same_conversation(&alice, &bob);
    let line = alice.line("before");
    bob.receive(&line);
    let (running, before) = ((alice.secure(), bob.secure()), (alice.state(), bob.state()));
    for _ in 0..3 {
        bob.receive(&auth_r);
        alice.receive(&auth_i);
        // Not only is it the same conversation: its keys are where they were, and none is used again.
        assert_eq!((alice.state(), bob.state()), before);
    }
    assert_eq!((alice.take(), bob.take()), (vec![], vec![]));
    for _ in 0..3 {
        alice.receive(&identity);
        alice.take();
    }
    assert_eq!((alice.secure(), bob.secure()), running);
    let line = alice.line("after");
    bob.told();
    assert_eq!(bob.receive(&line).heard(), ["after"]);
    let line = bob.line("after");
    alice.told();
    assert_eq!(alice.receive(&line).heard(), ["after"]);
}

#[test]
fn an_identity_that_comes_twice_gets_the_same_answer_twice() {
    let (mut alice, mut bob) = alice_and_bob();
    bob.act(|session, cx| session.start_identity(cx));
    let identity = bob.take().remove(0);
    alice.receive(&identity).receive(&identity);
    let answers = alice.take();
    assert_eq!(answers.len(), 2);
    assert_eq!(answers[0], answers[1]);
    answers.iter().for_each(|answer| _ = bob.receive(answer));
    deliver(&mut alice, &mut bob);
    assert_same_conversation(&alice, &bob);
}

#[test]
fn an_old_identity_delivered_again_does_not_cost_the_handshake_that_runs() {
    let (mut alice, mut bob) = alice_and_bob();
    bob.act(|session, cx| session.start_identity(cx));
    let old = bob.take().remove(0);
    bob.act(|session, cx| session.end(cx));
    bob.act(|session, cx| session.start_identity(cx));
    let new = bob.take().remove(0);
    alice.receive(&new).receive(&old);
    let answers = alice.take();
    bob.receive(&answers[0]);
    bob.take().iter().for_each(|line| _ = alice.receive(line));
    assert_same_conversation(&alice, &bob);
}

#[test]
fn a_later_identity_that_overtakes_auth_i_leads_to_one_conversation() {
    let (mut alice, mut bob) = alice_and_bob();
    bob.act(|session, cx| session.start_identity(cx));
    let identity = bob.take().remove(0);
    alice.receive(&identity);
    let auth_r = alice.take().remove(0);
    bob.receive(&auth_r);
    let auth_i = bob.take().remove(0);
    bob.act(|session, cx| session.start_identity(cx));
    let later = bob.take().remove(0);
    alice.receive(&later).receive(&auth_i);
    deliver(&mut alice, &mut bob);
    assert_same_conversation(&alice, &bob);
}

#[test]
fn an_old_identity_that_nobody_waits_for_does_not_keep_a_start_from_succeeding() {
    // The hashes decide who stays, so that this needs a few tries to see both.
    for _ in 0..6 {
        let (mut alice, mut bob) = alice_and_bob();
        bob.act(|session, cx| session.start_identity(cx));
        let old = bob.take().remove(0);
        bob.act(|session, cx| session.end(cx));
        alice.act(|session, cx| session.start_identity(cx));
        let identity = alice.take().remove(0);
        alice.receive(&old);
        bob.receive(&identity);
        deliver(&mut alice, &mut bob);
        alice.wait(10);
        deliver(&mut alice, &mut bob);
        assert_same_conversation(&alice, &bob);
    }
}

/// Of Alice's two, the older is one that she has given up, and which of the three stays is for chance to say.
#[test]
fn an_identity_that_crosses_an_old_one_and_a_new_one_ends_in_one_conversation() {
    for _ in 0..40 {
        for old_first in [true, false] {
            let (mut alice, mut bob) = alice_and_bob();
            alice.act(|session, cx| session.start_identity(cx));
            let mut from_alice = alice.take();
            for person in [&mut alice, &mut bob] {
                person.wait(3600);
                person.act(|session, cx| session.start_identity(cx));
            }
            from_alice.extend(alice.take());
            if !old_first {
                from_alice.reverse();
            }
            let from_bob = bob.take();
            from_alice.iter().for_each(|line| _ = bob.receive(line));
            from_bob.iter().for_each(|line| _ = alice.receive(line));
            deliver(&mut alice, &mut bob);
            // Unless the old one comes last and is taken for the one that stays, nobody has to wait.
            for _ in 0..if old_first { 0 } else { 3 } {
                alice.wait(10);
                bob.wait(10);
                cross(&mut alice, &mut bob);
            }
            assert_same_conversation(&alice, &bob);
        }
    }
}

/// Each has answered the other's once, and the answers were lost.
#[test]
fn identities_that_cross_again_after_both_were_answered_end_in_one_conversation() {
    for _ in 0..20 {
        let (mut alice, mut bob) = alice_and_bob();
        bob.act(|session, cx| session.start_identity(cx));
        let identity = bob.take().remove(0);
        alice.receive(&identity).take();
        alice.act(|session, cx| session.start_identity(cx));
        let identity = alice.take().remove(0);
        bob.receive(&identity).take();
        bob.wait(10);
        alice.wait(10);
        alice.act(|session, cx| session.start_identity(cx));
        cross(&mut alice, &mut bob);
        for _ in 0..3 {
            alice.wait(10);
            bob.wait(10);
            cross(&mut alice, &mut bob);
        }
        assert_same_conversation(&alice, &bob);
    }
}

/// What each has sent is on its way before it gets what the other has sent.
fn cross(alice: &mut Person, bob: &mut Person) {
    let (from_alice, from_bob) = (alice.take(), bob.take());
    from_alice.iter().for_each(|line| _ = bob.receive(line));
    from_bob.iter().for_each(|line| _ = alice.receive(line));
    deliver(alice, bob);
}
