//! Damaged messages against a running conversation: each field of each message changed, cut, lengthened. Nothing of
//! it changes what runs, and the undamaged message still does its work.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use otrv4::{Event, Reject};
use otrv4_tests::{Person, assert_same_conversation, deliver, talking};

fn binary(line: &str) -> Vec<u8> {
    let body =
        line.strip_prefix("?OTR:").and_then(|rest| rest.strip_suffix('.')).expect("an encoded message");
    STANDARD.decode(body).expect("base64")
}

fn armoured(binary: &[u8]) -> String {
    format!("?OTR:{}.", STANDARD.encode(binary))
}

/// The message with one bit changed in every few bytes, so that every field is hit; cut at many places; lengthened.
fn damaged(line: &str) -> Vec<String> {
    let message = binary(line);
    let mut all = Vec::new();
    for at in (0..message.len()).step_by(5) {
        let mut copy = message.clone();
        copy[at] ^= 1 << (at % 8);
        all.push(armoured(&copy));
    }
    all.extend((0..message.len()).step_by(31).map(|at| armoured(&message[..at])));
    all.push(armoured(&[&message[..], &[0]].concat()));
    all
}

/// Delivers all damaged forms of a line; what `to` runs is the same afterwards.
fn deliver_damaged(to: &mut Person, line: &str) {
    let before = to.secure();
    for line in damaged(line) {
        to.receive(&line);
        assert_eq!(to.secure(), before);
        assert_eq!(to.heard(), [""; 0]);
        to.take();
    }
}

fn assert_they_still_talk(alice: &mut Person, bob: &mut Person) {
    let line = alice.line("still here");
    assert_eq!(bob.receive(&line).heard(), ["still here"]);
    let line = bob.line("me too");
    alice.told();
    assert_eq!(alice.receive(&line).heard(), ["me too"]);
}

#[test]
fn a_damaged_identity_message_changes_nothing_that_runs() {
    let (mut alice, mut bob) = talking();
    bob.act(|session, cx| session.start_identity(cx));
    let identity = bob.take().remove(0);
    deliver_damaged(&mut alice, &identity);
    assert_they_still_talk(&mut alice, &mut bob);
    alice.receive(&identity);
    deliver(&mut alice, &mut bob);
    assert_same_conversation(&alice, &bob);
}

#[test]
fn a_damaged_auth_r_message_changes_nothing_that_runs() {
    let (mut alice, mut bob) = talking();
    bob.act(|session, cx| session.start_identity(cx));
    let identity = bob.take().remove(0);
    alice.receive(&identity);
    let auth_r = alice.take().remove(0);
    deliver_damaged(&mut bob, &auth_r);
    assert_they_still_talk(&mut alice, &mut bob);
    let before = bob.secure();
    bob.receive(&auth_r);
    deliver(&mut alice, &mut bob);
    assert_ne!(bob.secure(), before);
    assert_same_conversation(&alice, &bob);
}

#[test]
fn a_damaged_auth_i_message_changes_nothing_that_runs() {
    let (mut alice, mut bob) = talking();
    bob.act(|session, cx| session.start_identity(cx));
    let identity = bob.take().remove(0);
    alice.receive(&identity);
    let auth_r = alice.take().remove(0);
    bob.receive(&auth_r);
    let auth_i = bob.take().remove(0);
    deliver_damaged(&mut alice, &auth_i);
    let before = alice.secure();
    alice.receive(&auth_i);
    assert_ne!(alice.secure(), before);
    assert_same_conversation(&alice, &bob);
}

#[test]
fn a_damaged_non_interactive_auth_message_uses_no_prekey_and_changes_nothing_that_runs() {
    let (mut alice, mut bob) = talking();
    let ensembles = bob.prekeys(1);
    alice.start_offline(ensembles);
    // The end of the old conversation, and the start of the new one.
    let lines = alice.take();
    deliver_damaged(&mut bob, &lines[1]);
    assert_eq!(bob.account.prekeys(), 1);
    bob.receive(&lines[1]);
    assert_eq!(bob.account.prekeys(), 0);
    assert_same_conversation(&alice, &bob);
}

#[test]
fn a_damaged_data_message_stores_nothing_and_can_still_be_read() {
    let (mut alice, mut bob) = talking();
    for turn in 0..4 {
        let line = alice.line("intact");
        let before = bob.state();
        let message = binary(&line);
        // The revealed MAC keys at the end are not covered by the MAC; everything before them is.
        let revealed = if turn == 0 { 0 } else { 64 };
        let covered = armoured(&message[..message.len() - 4 - revealed]);
        for damaged in damaged(&covered) {
            let with_rest = [&binary(&damaged)[..], &message[message.len() - 4 - revealed..]].concat();
            bob.receive(&armoured(&with_rest));
            assert_eq!(bob.state(), before);
        }
        bob.told();
        bob.take();
        assert_eq!(bob.receive(&line).heard(), ["intact"]);
        let line = bob.line("turn");
        alice.receive(&line);
    }
}

#[test]
fn forged_counters_are_refused_without_work_that_stays() {
    let (mut alice, mut bob) = talking();
    let _missing = alice.line("missing");
    let line = alice.line("first");
    bob.receive(&line);
    let line = alice.line("second");
    deliver_forged_counters(&mut bob, &line, 2);
    assert_eq!(bob.receive(&line).heard(), ["second"]);
}

#[test]
fn forged_counters_in_a_new_ratchet_are_refused_without_work_that_stays() {
    let (mut alice, mut bob) = talking();
    let line = alice.line("first");
    bob.receive(&line);
    let line = bob.line("turn");
    alice.receive(&line);
    let line = alice.line("second");
    deliver_forged_counters(&mut bob, &line, 0);
    assert_eq!(bob.receive(&line).heard(), ["second"]);
}

/// Delivers a data message with other counters. What is farther ahead than a chain may be walked is refused for that: its
/// MAC was not even looked at. `next` is the `j` that comes next in its chain.
fn deliver_forged_counters(to: &mut Person, line: &str, next: u32) {
    let before = to.state();
    to.told();
    // pn, i and j: four bytes each from byte 12 on.
    for at in [12, 16, 20] {
        for forged in [1u32, 3, 999, 1000, 1001, 1_000_000, u32::MAX] {
            let mut message = binary(line);
            if message[at..at + 4] == forged.to_be_bytes() {
                continue;
            }
            message[at..at + 4].copy_from_slice(&forged.to_be_bytes());
            to.receive(&armoured(&message));
            assert_eq!(to.state(), before);
            let told = to.told();
            let [Event::Rejected { reason, .. }] = told[..] else { panic!("{told:?}") };
            let too_far = at == 20 && forged > next + 1000;
            assert_eq!(reason == Reject::TooFarAhead, too_far, "{forged} at {at}: {reason:?}");
        }
    }
    to.take();
}

#[test]
fn an_unreadable_message_that_may_be_ignored_is_not_answered_even_if_it_is_malformed() {
    let (mut alice, mut bob) = talking();
    alice.act(|session, cx| session.end(cx));
    let end = binary(&alice.take()[0]);
    let (flags, ecdh) = (11, 24..24 + 57);
    assert_eq!(end[flags], 1);
    for ignorable in [true, false] {
        let mut message = end.clone();
        message[flags] = u8::from(ignorable);
        message[ecdh.clone()].fill(0xff);
        let answered = !bob.receive(&armoured(&message)).take().is_empty();
        assert_eq!(answered, !ignorable);
    }
}

#[test]
fn any_line_is_taken_without_harm() {
    let (mut alice, mut bob) = talking();
    let nasty = [
        "",
        "?",
        "?OTR",
        "?OTR:",
        "?OTR:.",
        "?OTR:===.",
        "?OTR:AAQ.",
        "?OTR:AAQD.",
        "?OTR:AAMC.",
        "?OTR|",
        "?OTR|1|2|3,4,5,6,",
        "?OTR|1|00000100|0,99999,99999,x,",
        "?OTR,1,2,x,",
        "?OTR Error:",
        "?OTR Error: ERROR_99999999999: x",
        "?OTR?",
        "?OTR?v?",
        "?OTRv4",
        " \t  \t\t\t\t \t \t \t  ",
        "?OTR:AAQ1\0.",
        "\u{202e}?OTRv4?",
        "?OTRP|1|0|0,1,1,AAQ.,",
    ];
    for line in nasty {
        bob.receive(line);
        bob.take();
    }
    bob.told();
    assert_they_still_talk(&mut alice, &mut bob);
}

#[test]
fn pieces_that_were_used_or_forgotten_are_gone_after_a_restart_too() {
    let (_, mut bob) = talking();
    for refused in ["?OTR|1|100|0,2,2,x.,", "?OTR|1|100|0,2,3,x.,"] {
        bob.receive("?OTR|1|100|0,1,2,?OTR:A,");
        let before = bob.state();
        bob.receive(refused);
        let after = bob.state();
        assert_ne!(after, before, "the first piece is gone");
        bob.restart();
        assert_eq!(bob.state(), after);
    }
}
