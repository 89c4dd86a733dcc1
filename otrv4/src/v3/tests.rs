//! Two channels that talk to each other: key changes, counters, MAC keys, what is refused.

mod ake;
mod schedules;

use std::sync::Arc;

use super::*;
use crate::crypto::dh1536::{Dh1536KeyPair, Dh1536Public};
use crate::vectors::rng;
use crate::wire::{InstanceTag, Padding};
use vectors::{Session, sessions};

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
    key.verify(message.sections, message.authenticator)
}

/// Alice says something, and Bob answers: both have new keys.
fn turn(alice: &mut Channel, bob: &mut Channel) {
    let question = say(alice, "?");
    hear(bob, &question).expect("in order");
    let answer = say(bob, "!");
    hear(alice, &answer).expect("in order");
}

#[test]
fn keys_are_used_and_revealed_where_libotr_used_and_revealed_its_own() {
    for session in sessions() {
        let Session { name, .. } = session;
        let (mut alice, mut bob) = alice_and_bob(if name == "v2" { Version::V2 } else { Version::V3 });
        let recorded = session.data();
        let mut ours: Vec<Vec<u8>> = Vec::new();
        let mut count = 0;
        for theirs in &recorded {
            let (sender, receiver) =
                if theirs["frm"] == "A" { (&mut alice, &mut bob) } else { (&mut bob, &mut alice) };
            let message = say(sender, "text");
            hear(receiver, &message).expect("in order");
            let DataMessage { sender_keyid, recipient_keyid, counter, .. } = data_message(&message);
            assert_eq!(u64::from(sender_keyid), theirs["sender_keyid"], "{name}");
            assert_eq!(u64::from(recipient_keyid), theirs["recipient_keyid"], "{name}");
            assert_eq!(counter.to_be_bytes(), crate::vectors::array(&theirs["ctr"]), "{name}");

            // Of which earlier messages are the keys that it reveals?
            let earlier = recorded.iter().take(ours.len());
            let old_keys = theirs["old_mac_keys"].as_array().expect("keys");
            let of_theirs: Vec<Vec<_>> =
                old_keys.iter().map(|key| earlier.clone().map(|m| m["mac_key"] == *key).collect()).collect();
            let of_ours: Vec<Vec<_>> = revealed(&message)
                .iter()
                .map(|key| ours.iter().map(|m| authenticates(key, m)).collect())
                .collect();
            assert_eq!(of_ours, of_theirs, "{name}");
            count += of_ours.len();
            ours.push(message);
        }
        assert_eq!(count, 12, "{name}");
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
fn extra_keys_are_the_same_on_both_sides_and_version_2_has_none() {
    let tlv = |kind, value: &[u8]| Tlv { kind, value: value.to_vec() };
    let tlvs = [tlv(8, b"filenotes.txt"), tlv(7, b""), tlv(8, b"ca")];
    let (mut alice, mut bob) = alice_and_bob(Version::V3);
    turn(&mut alice, &mut bob);
    let (message, keys) = say_with(&mut alice, "", &tlvs);
    let [file, call] = &keys[..] else { panic!("two keys") };
    assert_eq!((file.context, file.data.as_slice(), file.key.len()), (*b"file", b"notes.txt".as_slice(), 32));
    assert_eq!((call.context, &call.key), (*b"ca\0\0", &file.key));
    let content = hear(&mut bob, &message).expect("a message for us");
    assert_eq!((content.text, content.extra_keys), (None, keys.clone()));
    // Another pair of keys, another key.
    turn(&mut alice, &mut bob);
    assert_ne!(say_with(&mut alice, "", &tlvs).1[0].key, keys[0].key);
    assert!(say_with(&mut alice, "", &tlvs[1..2]).1.is_empty());
    let many: Vec<_> = (0..20).map(|_| tlv(8, b"file")).collect();
    assert_eq!(say_with(&mut alice, "", &many).1.len(), MAX_EXTRA_KEYS);

    let (mut alice, mut bob) = alice_and_bob(Version::V2);
    let (message, keys) = say_with(&mut alice, "", &tlvs);
    assert!(keys.is_empty() && hear(&mut bob, &message).expect("a message for us").extra_keys.is_empty());
}

/// Bob reads a plaintext that he would not write himself.
fn read_strange(plaintext: &[u8]) -> Content {
    let (mut alice, mut bob) = alice_and_bob(Version::V3);
    let message =
        alice.seal_revealing(Flags::None, plaintext.to_vec().into(), Vec::new(), &sealing(&mut rng())).0;
    hear(&mut bob, &message).expect("a message for us")
}

#[test]
fn plaintexts_of_others_are_read() {
    let read = |plaintext: &[u8]| {
        let content = read_strange(plaintext);
        (content.text, content.tlvs.iter().map(|tlv| (tlv.kind, tlv.value.len())).collect::<Vec<_>>())
    };
    let text = |text: &str| Some(text.to_string());
    assert_eq!(read(b""), (None, vec![]));
    assert_eq!(read(b"\0"), (None, vec![]));
    assert_eq!(read(b"no NUL"), (text("no NUL"), vec![]));
    assert_eq!(read(b"<b>bold</b>\0"), (text("<b>bold</b>"), vec![]));
    assert_eq!(read(b"caf\xe9\0"), (text("caf\u{fffd}"), vec![]));
    let padding = [b"text\0\0\0\0\xfb".as_slice(), &[0; 251]].concat();
    assert_eq!(read(&padding), (text("text"), vec![(0, 251)]));
    assert_eq!(read(b"text\0\xff\xff\0\x01x\0\x01\0\0"), (text("text"), vec![(0xffff, 1), (1, 0)]));
    assert_eq!(read(b"text\0\0\x01\0\0\0\x01"), (text("text"), vec![(1, 0)]));
}

#[test]
fn messages_are_padded() {
    let (mut alice, mut bob) = alice_and_bob(Version::V3);
    let mut rng = rng();
    let with = Sealing { padding: Padding::Classes, ..sealing(&mut rng) };
    let message = alice.seal(Flags::None, "text", &[], with).expect("a short text").0;
    assert_eq!(data_message(&message).ciphertext.len(), 256);
    assert_eq!(hear_text(&mut bob, &message), "text");
}

#[test]
fn messages_without_text_say_that_they_may_be_ignored() {
    let (mut alice, mut bob) = alice_and_bob(Version::V3);
    let disconnected = || [Tlv { kind: 1, value: Vec::new() }];
    let message = alice.seal_revealing_opened(&disconnected(), sealing(&mut rng()));
    assert!(data_message(&message).ignore_unreadable);
    let content = hear(&mut bob, &message).expect("a message for us");
    assert!(content.text.is_none() && content.tlvs == disconnected());
    assert!(!data_message(&say(&mut alice, "text")).ignore_unreadable);
}

#[test]
fn the_last_message_reveals_every_key_that_was_used_and_each_once() {
    let (mut alice, mut bob) = alice_and_bob(Version::V3);
    let (mut of_alice, mut revealed_by_bob) = (Vec::new(), Vec::new());
    for _ in 0..3 {
        for _ in 0..2 {
            let message = say(&mut alice, "?");
            hear(&mut bob, &message).expect("in order");
            of_alice.push(message);
        }
        let answer = say(&mut bob, "!");
        hear(&mut alice, &answer).expect("in order");
        revealed_by_bob.extend(revealed(&answer));
    }
    assert!(bob.has_to_reveal());
    let bob = loaded(&saved(&bob));
    let last = bob.seal_last(&[], sealing(&mut rng()));
    assert_eq!((revealed_by_bob.len(), revealed(&last).len()), (2, 1));
    revealed_by_bob.extend(revealed(&last));
    for message in &of_alice {
        assert_eq!(revealed_by_bob.iter().filter(|key| authenticates(key, message)).count(), 1);
    }
    let content = hear(&mut alice, &last).expect("in order");
    assert!(content.text.is_none());
}

#[test]
fn a_channel_that_is_replaced_gives_only_keys_under_which_nothing_is_accepted() {
    let (mut alice, mut bob) = alice_and_bob(Version::V3);
    for _ in 0..2 {
        turn(&mut alice, &mut bob);
    }
    let [first, second] = [say(&mut alice, "first"), say(&mut alice, "second")];
    hear(&mut bob, &first).expect("in order");
    let gone = bob.take_used_mac_keys();
    assert!(gone.iter().all(|key| !authenticates(key, &second)));
    assert_eq!(hear_text(&mut bob, &second), "second");
    assert!(bob.take_used_mac_keys().is_empty() && bob.has_to_reveal());
    let rest = bob.into_mac_keys();
    assert_eq!(rest.iter().filter(|key| authenticates(key, &second)).count(), 1);

    let (mut other, _) = alice_and_bob(Version::V3);
    assert!(!other.has_to_reveal());
    let count = gone.len() + rest.len();
    other.reveal_also(gone);
    other.reveal_also(rest);
    assert!(other.has_to_reveal() && count > 1);
    assert_eq!(revealed(&say(&mut other, "text")).len(), count);
    assert!(!other.has_to_reveal() && revealed(&say(&mut other, "text")).is_empty());
}

#[test]
fn a_message_reveals_a_thousand_keys_and_the_next_the_rest() {
    let (mut alice, _) = alice_and_bob(Version::V3);
    let key = || MacKey::load(&mut Reader::new(&[9; 20])).expect("20 bytes");
    alice.reveal_also((0..999).map(|_| key()).collect());
    assert!(!alice.owes_much());
    alice.reveal_also(vec![key(), key()]);
    assert!(alice.owes_much());
    assert_eq!(revealed(&say(&mut alice, "text")).len(), 1000);
    assert!(!alice.owes_much());
    assert_eq!(revealed(&say(&mut alice, "text")).len(), 1);
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
