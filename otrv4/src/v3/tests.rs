//! Two channels that talk to each other: key changes, counters, what is refused.

mod ake;
mod content;
mod revealing;
mod schedules;

use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::crypto::dh1536::{Dh1536KeyPair, Dh1536Public};
use crate::vectors::rng;
use crate::wire::{Assembler, Fragment, InstanceTag, Padding};
use vectors::sessions;

const NOW: Timestamp = Timestamp::from_unix(1_800_000_000);

/// Alice, who has sent the Signature message, and Bob, who has received it.
fn alice_and_bob(version: Version) -> (Channel, Channel) {
    let [a, b] = [(); 2].map(|()| Arc::new(Dh1536KeyPair::generate(&mut rng())));
    let (of_a, of_b) = (a.public().clone(), b.public().clone());
    (channel(version, a, (1, of_b)), channel(version, b, (1, of_a)))
}

fn channel(version: Version, our_key: Arc<Dh1536KeyPair>, theirs: (u32, Dh1536Public)) -> Channel {
    let (ssid, fingerprint) = (Ssid::new([0; 8], true), FingerprintV3::from_bytes([0; 20]));
    let (their_keyid, their_key) = theirs;
    let established = Established { version, ssid, fingerprint, our_key, their_keyid, their_key };
    Channel::new(established, NOW, &mut rng())
}

fn sealing(rng: &mut dyn CryptoRng) -> Sealing<'_> {
    let tag = |n| InstanceTag::new(n).expect("a valid tag");
    Sealing { tags: (tag(0x100), tag(0x200)), padding: Padding::Off, now: NOW, rng }
}

fn say_with(channel: &mut Channel, text: &str, tlvs: &[Tlv]) -> (Vec<u8>, Vec<ExtraKey>) {
    channel.seal(Flags::None, text, tlvs, sealing(&mut rng())).expect("a short text")
}

fn say(channel: &mut Channel, text: &str) -> Vec<u8> {
    say_with(channel, text, &[]).0
}

fn data_message(message: &[u8]) -> DataMessage<'_> {
    let mut r = Reader::new(message);
    let header = Header::read(&mut r).expect("a header");
    DataMessage::read(&header, &mut r).expect("a data message")
}

fn hear(channel: &mut Channel, message: &[u8]) -> Result<Content, Reject> {
    let (content, step) = channel.try_open(&data_message(message))?;
    channel.advance(step, &mut rng());
    Ok(content)
}

fn hear_text(channel: &mut Channel, message: &[u8]) -> String {
    hear(channel, message).expect("a message for us").text.expect("with a text")
}

fn refusal(channel: &mut Channel, message: &[u8]) -> Option<Reject> {
    hear(channel, message).err()
}

fn saved(channel: &Channel) -> Vec<u8> {
    let mut w = Writer::new();
    channel.save(&mut w);
    w.finish()
}

fn loaded(bytes: &[u8]) -> Channel {
    let mut r = Reader::new(bytes);
    let channel = Channel::load(&mut r).expect("what was saved");
    r.end().expect("and no more");
    channel
}

/// The MAC keys that a message reveals: its last field.
fn revealed(message: &[u8]) -> Vec<MacKey> {
    let mut rest = Reader::new(message);
    let sections = data_message(message).sections.len() + 20;
    rest.bytes(sections, "message").expect("the message");
    let mut keys = Reader::new(rest.data("old MAC keys").expect("keys"));
    core::iter::from_fn(|| MacKey::load(&mut keys).ok()).collect()
}

fn authenticates(key: &MacKey, message: &[u8]) -> bool {
    let message = data_message(message);
    key.verify(message.sections, &message.authenticator)
}

/// Alice says something, and Bob answers: both have new keys.
fn turn(alice: &mut Channel, bob: &mut Channel) {
    let question = say(alice, "?");
    hear(bob, &question).expect("in order");
    let answer = say(bob, "!");
    hear(alice, &answer).expect("in order");
}

#[test]
fn recorded_fragments_make_the_recorded_message() {
    for session in sessions() {
        let mut assembler = Assembler::default();
        let mut made = None;
        let mut count = 0;
        for recorded in &session.messages {
            let line = recorded["wire"].as_str().expect("a line");
            if recorded["kind"] == "fragment" {
                let fragment = Fragment::parse(line).expect("a fragment");
                assert_eq!(made, None, "{}", session.name);
                made = assembler.add(&fragment, NOW).expect("the next one");
                count += 1;
            } else if let Some(made) = made.take() {
                assert_eq!(made, line, "{}", session.name);
            }
        }
        assert!(count > 5, "the fragments were found");
    }
}

#[test]
fn counters_go_past_127_255_and_65535_and_each_counts_once() {
    let (mut alice, mut bob) = alice_and_bob(Version::V3);
    for n in 1..=300 {
        let message = say(&mut alice, "text");
        assert_eq!(data_message(&message).counter, n);
        hear(&mut bob, &message).expect("in order");
        assert_eq!(refusal(&mut bob, &message), Some(Reject::Replayed));
    }
    for before in [0xfffe_u64, 0xff_ffff, 0xffff_fffe, 0x7fff_ffff_ffff_fff0] {
        alice.keys.jump_to(before);
        for n in before + 1..before + 5 {
            let message = say(&mut alice, "text");
            assert_eq!(data_message(&message).counter, n);
            hear(&mut bob, &message).expect("in order");
            assert_eq!(refusal(&mut bob, &message), Some(Reject::Replayed));
        }
    }
}

#[test]
fn a_counter_that_is_not_above_the_last_of_its_pair_is_refused() {
    let (mut alice, mut bob) = alice_and_bob(Version::V3);
    let late: Vec<_> = (0..3).map(|_| say(&mut alice, "late")).collect();
    let message = say(&mut alice, "text");
    hear(&mut bob, &message).expect("others are lost");
    for message in &late {
        assert_eq!(refusal(&mut bob, message), Some(Reject::Replayed));
    }
}

#[test]
fn counters_of_one_pair_say_nothing_about_another() {
    let (mut alice, mut bob) = alice_and_bob(Version::V3);
    for n in 1..=5 {
        let message = say(&mut alice, "in the first pair");
        assert_eq!(data_message(&message).counter, n);
        hear(&mut bob, &message).expect("in order");
    }
    let answer = say(&mut bob, "answer");
    hear(&mut alice, &answer).expect("in order");
    let message = say(&mut alice, "in the next pair");
    assert_eq!(data_message(&message).counter, 1);
    assert_eq!(hear_text(&mut bob, &message), "in the next pair");
}

#[test]
fn the_first_message_of_a_turn_cannot_be_replayed() {
    let (mut alice, mut bob) = alice_and_bob(Version::V3);
    let mut all = Vec::new();
    for _ in 0..4 {
        // Two of Alice's, in one pair of keys, then one of Bob's in another.
        for text in ["first", "second"] {
            let message = say(&mut alice, text);
            assert_eq!(hear_text(&mut bob, &message), text);
            all.push(message);
            all.iter().for_each(|m| assert!(refusal(&mut bob, m).is_some()));
        }
        assert_eq!(refusal(&mut bob, &all[all.len() - 2]), Some(Reject::Replayed));
        let answer = say(&mut bob, "answer");
        hear(&mut alice, &answer).expect("in order");
        assert_eq!(refusal(&mut alice, &answer), Some(Reject::Replayed));
    }
}

#[test]
fn both_may_write_at_once_and_the_keys_of_each_are_still_known() {
    let (mut alice, mut bob) = alice_and_bob(Version::V3);
    for _ in 0..5 {
        let (of_alice, of_bob) = (say(&mut alice, "from Alice"), say(&mut bob, "from Bob"));
        let second = say(&mut alice, "from Alice, too");
        assert_eq!(hear_text(&mut bob, &of_alice), "from Alice");
        assert_eq!(hear_text(&mut alice, &of_bob), "from Bob");
        assert_eq!(hear_text(&mut bob, &second), "from Alice, too");
    }
}

#[test]
fn keys_that_were_never_or_are_no_longer_ours_are_refused() {
    let (mut alice, mut bob) = alice_and_bob(Version::V3);
    let old = say(&mut alice, "old");
    for _ in 0..3 {
        turn(&mut alice, &mut bob);
    }
    assert_eq!(refusal(&mut bob, &old), Some(Reject::UnknownRatchet));
    // The keyids are the fields behind header and flags.
    let message = say(&mut alice, "text");
    let (sender, recipient) = (data_message(&message).sender_keyid, data_message(&message).recipient_keyid);
    for (at, keyid) in
        [(12, sender + 1), (12, sender - 2), (12, u32::MAX), (16, recipient + 2), (16, u32::MAX)]
    {
        let mut forged = message.clone();
        forged[at..at + 4].copy_from_slice(&keyid.to_be_bytes());
        assert_eq!(refusal(&mut bob, &forged), Some(Reject::UnknownRatchet), "{keyid} at {at}");
    }
    assert_eq!(hear_text(&mut bob, &message), "text");
}

#[test]
fn a_previous_key_of_theirs_that_there_is_none_of_is_refused() {
    let (mut alice, _) = alice_and_bob(Version::V3);
    let key = Arc::new(Dh1536KeyPair::generate(&mut rng()));
    let mut bob = channel(Version::V3, key, (2, Dh1536KeyPair::generate(&mut rng()).public().clone()));
    let message = say(&mut alice, "text");
    assert_eq!(refusal(&mut bob, &message), Some(Reject::UnknownRatchet));
}

#[test]
fn a_next_key_that_is_in_use_or_no_member_of_the_group_is_refused_and_changes_nothing() {
    let (mut alice, mut bob) = alice_and_bob(Version::V3);
    turn(&mut alice, &mut bob);
    let [bobs_previous, bobs_newest] = bob.keys.our_public();
    let [alices_previous, alices_newest] = bob.keys.their_public();
    let illegal = Reject::Wire(WireError::Illegal("next DH key"));
    let before = saved(&bob);
    for (next, reason) in [
        (bobs_previous, Reject::OwnMessage),
        (bobs_newest, Reject::OwnMessage),
        (alices_previous, illegal),
        (alices_newest, illegal),
    ] {
        let forged = alice.keys.message_with_next(next.as_be_bytes());
        assert_eq!(refusal(&mut bob, &forged), Some(reason));
        assert_eq!(saved(&bob), before);
    }
    // 0, 1, the negatives of 2 and of 1, p itself, more than p, more than a key has.
    let negative = |n: u8| {
        let mut p = crate::vectors::bytes(&crate::vectors::v3_file()["dh_prime"]);
        *p.last_mut().expect("a number") -= n;
        p
    };
    for next in [vec![], vec![1], negative(2), negative(1), negative(0), vec![0xff; 192], vec![1; 193]] {
        let forged = alice.keys.message_with_next(&next);
        assert!(matches!(refusal(&mut bob, &forged), Some(Reject::Wire(_))), "{next:?}");
        assert_eq!(saved(&bob), before);
    }
    let message = say(&mut alice, "text");
    assert_eq!(hear_text(&mut bob, &message), "text");
}

#[test]
fn keyids_do_not_overflow() {
    let keys = || [(); 2].map(|()| Arc::new(Dh1536KeyPair::generate(&mut rng())));
    let [a, b] = keys();
    let mut alice = channel(Version::V3, a.clone(), (1, b.public().clone()));
    let mut bob = channel(Version::V3, b, (u32::MAX - 1, a.public().clone()));
    alice.keys.set_our_keyid(u32::MAX);
    let message = say(&mut alice, "the last number but one");
    hear(&mut bob, &message).expect("there is a next number");
    let answer = say(&mut bob, "answer");
    assert_eq!(data_message(&answer).recipient_keyid, u32::MAX);
    let before = saved(&alice);
    assert_eq!(refusal(&mut alice, &answer), Some(Reject::UnknownRatchet));
    assert_eq!(saved(&alice), before);

    let [a, b] = keys();
    let mut alice = channel(Version::V3, a.clone(), (1, b.public().clone()));
    let mut bob = channel(Version::V3, b, (u32::MAX, a.public().clone()));
    alice.keys.set_our_keyid(u32::MAX);
    let mut forged = say(&mut alice, "under the last number");
    assert_eq!(refusal(&mut bob, &forged), Some(Reject::UnknownRatchet));
    forged[12..16].copy_from_slice(&u32::MAX.to_be_bytes());
    assert_eq!(refusal(&mut bob, &forged), Some(Reject::Forged));
}

#[test]
fn each_changed_byte_of_a_message_is_refused_and_costs_nothing() {
    for version in [Version::V2, Version::V3] {
        let (mut alice, mut bob) = alice_and_bob(version);
        turn(&mut alice, &mut bob);
        turn(&mut alice, &mut bob);
        let message = say(&mut alice, "text");
        assert_eq!(revealed(&message).len(), 1);
        let before = saved(&bob);
        for at in 0..message.len() - 20 {
            for bit in [0x01, 0x80] {
                let mut forged = message.clone();
                forged[at] ^= bit;
                let mut r = Reader::new(&forged);
                let read = Header::read(&mut r).and_then(|header| DataMessage::read(&header, &mut r));
                if let Ok(read) = read {
                    assert!(bob.try_open(&read).is_err(), "byte {at}");
                }
                assert!(saved(&bob) == before, "byte {at}");
            }
        }
        // The last field is for the public, and not authenticated.
        assert_eq!(hear_text(&mut bob, &message), "text");
    }
}

#[test]
fn a_message_of_the_other_version_is_refused() {
    let (mut alice, mut bob) = alice_and_bob(Version::V3);
    let message = say(&mut alice, "text");
    let as_version_2 = [&[0, 2, 3], &message[11..]].concat();
    assert_eq!(refusal(&mut bob, &as_version_2), Some(Reject::Unexpected));
}

#[test]
fn a_channel_is_renewed_by_the_first_message_under_a_new_key_of_ours() {
    let (mut alice, mut bob) = alice_and_bob(Version::V3);
    let at = |seconds| NOW.plus(seconds);
    let say_at = |channel: &mut Channel, now| {
        let mut rng = rng();
        channel.seal(Flags::None, "", &[], Sealing { now, ..sealing(&mut rng) }).expect("a short text").0
    };
    let message = say_at(&mut alice, at(10));
    hear(&mut bob, &message).expect("in order");
    let answer = say_at(&mut bob, at(20));
    hear(&mut alice, &answer).expect("in order");
    say_at(&mut alice, at(30));
    say_at(&mut alice, at(40));
    assert_eq!(alice.times.expires_at(0), at(30));
}

#[test]
fn a_saved_channel_goes_on_and_what_is_damaged_is_refused_without_a_panic() {
    let (mut alice, mut bob) = alice_and_bob(Version::V3);
    bob.smp_question = Some("What?".into());
    for _ in 0..3 {
        turn(&mut alice, &mut bob);
        let message = say(&mut alice, "before");
        hear(&mut bob, &message).expect("in order");
        (alice, bob) = (loaded(&saved(&alice)), loaded(&saved(&bob)));
        assert_eq!(refusal(&mut bob, &message), Some(Reject::Replayed));
    }
    let bytes = saved(&bob);
    assert_eq!(saved(&loaded(&bytes)), bytes);
    assert_eq!(bob.smp_question.as_deref(), Some("What?"));
    assert!((0..bytes.len()).all(|length| Channel::load(&mut Reader::new(&bytes[..length])).is_err()));
    for at in 0..bytes.len() {
        let mut damaged = bytes.clone();
        damaged[at] ^= 0xff;
        _ = Channel::load(&mut Reader::new(&damaged));
    }
}

#[test]
fn debug_output_shows_no_secret() {
    let (mut alice, mut bob) = alice_and_bob(Version::V3);
    turn(&mut alice, &mut bob);
    let text = format!("{alice:?}");
    assert!(text.contains("MacKey(Secret<20>(..))") && text.contains("AesKey(Secret<16>(..))"), "{text}");
}

proptest! {
    #[test]
    fn any_bytes_are_taken_without_harm(
        version in 2..=3_u8, kind in proptest::sample::select(vec![2, 3, 0x0a, 0x11, 0x12_u8]), rest: Vec<u8>,
    ) {
        let tags: &[u8] = if version == 2 { &[] } else { &[0, 0, 1, 0, 0, 0, 1, 0] };
        let whole = [&[0, version, kind], tags, &rest].concat();
        let mut r = Reader::new(&whole);
        let header = Header::read(&mut r).expect("a header");
        _ = messages::DhCommit::read(&mut r.clone());
        _ = messages::DhKey::read(&mut r.clone());
        _ = messages::RevealSignature::read(&mut r.clone());
        _ = messages::Signature::read(&mut r.clone());
        _ = DataMessage::read(&header, &mut r);
        _ = Channel::load(&mut Reader::new(&rest));
    }
}
