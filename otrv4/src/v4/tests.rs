//! Two channels that talk to each other: keys for applications, the age of stored keys, padding.

use core::num::NonZeroU16;

use rand_core::CryptoRng;

use super::*;
use crate::crypto::dh3072::DhKeyPair;
use crate::crypto::ed448::EcdhKeyPair;
use crate::crypto::secret::Secret;
use crate::ratchet::FirstKeys;
use crate::ratchet::keys::MixedSecret;
use crate::vectors::rng;
use crate::wire::{InstanceTag, MAX_MESSAGE, Padding, armour, tlv_type};

const NOW: Timestamp = Timestamp::from_unix(1_800_000_000);

fn at(seconds: i64) -> Timestamp {
    NOW.plus(seconds)
}

/// Alice, who has answered Bob's Identity message, and Bob, who has sent Auth-I.
fn alice_and_bob() -> (Channel, Channel) {
    let mut rng = rng();
    let k = MixedSecret::from_tmp_k(&Secret::copied(&[7; 64]));
    let (a_ecdh, a_dh) = (EcdhKeyPair::generate(&mut rng), DhKeyPair::generate(&mut rng));
    let (b_ecdh, b_dh) = (EcdhKeyPair::generate(&mut rng), DhKeyPair::generate(&mut rng));
    let theirs = (a_ecdh.public().clone(), a_dh.public().clone());
    let bob = Ratchet::interactive_initiator(&k, (&b_ecdh, &b_dh), theirs, &mut rng);
    let (their_ecdh, their_dh) = (b_ecdh.public().clone(), b_dh.public().clone());
    let first = FirstKeys { our_ecdh: a_ecdh, our_dh: a_dh, their_ecdh, their_dh };
    (channel(Ratchet::interactive_responder(&k, first)), channel(bob))
}

fn channel(ratchet: Ratchet) -> Channel {
    let (ssid, fingerprint) = (Ssid::new([0; 8], true), Fingerprint::from_bytes([0; 56]));
    let (times, smp) = (Times::new(NOW), Smp::default());
    Channel { ratchet, mode: Mode::Interactive, ssid, fingerprint, times, smp, smp_question: None }
}

fn sealing(rng: &mut dyn CryptoRng, padding: Padding, now: Timestamp) -> Sealing<'_> {
    let tag = |n| InstanceTag::new(n).expect("a valid tag");
    Sealing { tags: (tag(0x100), tag(0x200)), padding, now, rng }
}

fn extra(context: &[u8]) -> Tlv {
    Tlv { kind: tlv_type::EXTRA_KEY, value: context.to_vec() }
}

fn say(channel: &mut Channel, tlvs: &[Tlv], padding: Padding, now: Timestamp) -> (Vec<u8>, Vec<ExtraKey>) {
    channel.seal(Flags::None, "hi", tlvs, sealing(&mut rng(), padding, now)).expect("a short text")
}

fn say_hi(channel: &mut Channel, now: Timestamp) -> Vec<u8> {
    say(channel, &[], Padding::Off, now).0
}

fn data_message(message: &[u8]) -> DataMessage<'_> {
    let mut r = Reader::new(message);
    Header::read(&mut r).expect("a header");
    DataMessage::read(&mut r).expect("a data message")
}

fn hear(channel: &mut Channel, message: &[u8], now: Timestamp) -> Result<Content, Reject> {
    let (content, step) = channel.try_open(&data_message(message))?;
    channel.advance(step, now);
    Ok(content)
}

fn extra_keys_of(channel: &mut Channel, message: &[u8]) -> Vec<ExtraKey> {
    hear(channel, message, NOW).expect("a message for us").extra_keys
}

/// The MAC keys that a message of ours reveals: its last field.
fn revealed(message: &[u8]) -> Vec<MacKey> {
    let mut r = Reader::new(message);
    Header::read(&mut r).expect("a header");
    r.bytes(1 + 12 + 57, "fields").expect("fields");
    r.mpi("DH key").expect("a DH key");
    r.data("ciphertext").expect("a ciphertext");
    r.bytes(64, "authenticator").expect("an authenticator");
    let mut keys = Reader::new(r.data("old MAC keys").expect("keys"));
    core::iter::from_fn(|| MacKey::load(&mut keys).ok()).collect()
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

/// What the channel would seal its next message with: the message key, and the extra symmetric key.
fn next_secrets(channel: &Channel) -> [Vec<u8>; 2] {
    let mut copy = loaded(&saved(channel));
    let chain = copy.ratchet.next_to_send(&mut rng()).chain;
    let mut w = Writer::new();
    chain.message_key().save(&mut w);
    [w.finish(), chain.extra_symm_key().as_bytes().to_vec()]
}

fn holds(bytes: &[u8], secrets: &[Vec<u8>; 2]) -> [bool; 2] {
    secrets.each_ref().map(|secret| bytes.windows(secret.len()).any(|window| window == secret))
}

#[test]
fn both_sides_have_the_same_extra_keys_in_every_order_of_arrival() {
    let (mut alice, mut bob) = alice_and_bob();
    let tlvs = [Tlv { kind: 0xfff, value: vec![1] }, extra(b"file name"), extra(b"call")];
    let mut all = Vec::new();
    for _ in 0..4 {
        let mut sent: Vec<_> = (0..4).map(|n| say(&mut alice, &tlvs, Padding::Off, at(n))).collect();
        // In order; over a gap; late, from the store.
        for n in [0, 3, 1] {
            assert_eq!(sent[n].1.len(), 2);
            assert_eq!(extra_keys_of(&mut bob, &sent[n].0), sent[n].1);
        }
        all.append(&mut sent);
        // The answer begins a new ratchet for Alice; from the second on it turns one of Bob's.
        let (message, keys) = say(&mut bob, &[extra(b"")], Padding::Classes, NOW);
        assert_eq!(extra_keys_of(&mut alice, &message), keys);
    }
    // Those of past ratchets, after the stored keys were saved and read back.
    let mut bob = loaded(&saved(&bob));
    for (message, keys) in all.iter().skip(2).step_by(4) {
        assert_eq!(&extra_keys_of(&mut bob, message), keys);
    }
    let differing: std::collections::BTreeSet<_> =
        all.iter().flat_map(|(_, keys)| keys).map(|key| key.key.to_vec()).collect();
    assert_eq!(differing.len(), 2 * all.len());
}

#[test]
fn the_tail_of_a_ratchet_has_its_extra_keys_after_the_next_has_begun() {
    let (mut alice, mut bob) = alice_and_bob();
    let first = say_hi(&mut alice, NOW);
    let (late, keys) = say(&mut alice, &[extra(b"file")], Padding::Off, NOW);
    hear(&mut bob, &first, NOW).expect("in order");
    let answer = say_hi(&mut bob, NOW);
    hear(&mut alice, &answer, NOW).expect("in order");
    let next = say_hi(&mut alice, NOW);
    hear(&mut bob, &next, NOW).expect("a new ratchet");
    assert_eq!(extra_keys_of(&mut bob, &late), keys);
}

#[test]
fn a_message_that_names_no_use_gives_no_key() {
    let (mut alice, mut bob) = alice_and_bob();
    let (message, keys) = say(&mut alice, &[Tlv { kind: 0, value: vec![] }], Padding::Classes, NOW);
    assert!(keys.is_empty() && extra_keys_of(&mut bob, &message).is_empty());
}

#[test]
fn padding_comes_last_and_changes_no_extra_key() {
    let (mut alice, mut bob) = alice_and_bob();
    let mut same_alice = loaded(&saved(&alice));
    let tlvs = [extra(b"file"), extra(b"call")];
    let (message, keys) = say(&mut alice, &tlvs, Padding::Classes, NOW);
    assert_eq!(keys, say(&mut same_alice, &tlvs, Padding::Off, NOW).1);
    let content = hear(&mut bob, &message, NOW).expect("a message for us");
    assert_eq!((content.text.as_deref(), content.extra_keys), (Some("hi"), keys));
    let kinds: Vec<_> = content.tlvs.iter().map(|tlv| tlv.kind).collect();
    assert_eq!(kinds, [tlv_type::EXTRA_KEY, tlv_type::EXTRA_KEY, tlv_type::PADDING]);
}

#[test]
fn messages_without_text_can_be_padded() {
    let (mut alice, mut bob) = alice_and_bob();
    let disconnected = || Tlv { kind: tlv_type::DISCONNECTED, value: Vec::new() };
    for tlvs in [vec![], vec![disconnected()]] {
        let messages = alice.seal_revealing_opened(&tlvs, sealing(&mut rng(), Padding::Classes, NOW));
        let [message] = &messages[..] else { panic!("one message") };
        assert_eq!(data_message(message).sealed.ciphertext.len(), 256);
        hear(&mut bob, message, NOW).expect("a message for us");
    }
    let messages = alice.seal_last(&[disconnected()], sealing(&mut rng(), Padding::Classes, NOW));
    let [message] = &messages[..] else { panic!("one message") };
    assert_eq!(data_message(message).sealed.ciphertext.len(), 256);
    let content = hear(&mut bob, message, NOW).expect("a message for us");
    assert_eq!(content.tlvs.first().map(|tlv| tlv.kind), Some(tlv_type::DISCONNECTED));
}

#[test]
fn the_end_of_a_channel_fits_lines_however_many_mac_keys_are_left() {
    let disconnected = || Tlv { kind: tlv_type::DISCONNECTED, value: Vec::new() };
    for (left, messages) in [(0, 1), (1000, 1), (1001, 2), (4500, 5)] {
        let (mut alice, mut bob) = alice_and_bob();
        alice.reveal_also((0..left).map(|_| revealed_key()).collect());
        let last = alice.seal_last(&[disconnected()], sealing(&mut rng(), Padding::Classes, NOW));
        assert_eq!(last.len(), messages, "{left}");
        assert_eq!(last.iter().map(|message| revealed(message).len()).sum::<usize>(), left);
        for (n, message) in (1..).zip(&last) {
            assert!(armour(message).len() <= MAX_MESSAGE);
            let content = hear(&mut bob, message, NOW).expect("a message for us");
            let ends = content.tlvs.iter().any(|tlv| tlv.kind == tlv_type::DISCONNECTED);
            assert_eq!(ends, n == messages, "the end comes last");
        }
    }
}

#[test]
fn the_end_of_a_channel_reveals_the_mac_keys_of_what_was_opened_and_of_what_never_came() {
    let (mut alice, mut bob) = alice_and_bob();
    let sent = [(); 4].map(|()| say_hi(&mut bob, NOW));
    hear(&mut alice, &sent[3], NOW).expect("over a gap");
    let [last] = &alice.seal_last(&[], sealing(&mut rng(), Padding::Off, NOW))[..] else {
        panic!("one message")
    };
    let revealed = revealed(last);
    assert_eq!(revealed.len(), 4);
    for message in &sent {
        assert_eq!(revealed.iter().filter(|key| data_message(message).is_authentic(key)).count(), 1);
    }
}

#[test]
fn the_largest_text_fits_a_line_with_any_padding_and_all_that_is_revealed() {
    let multiple = |of| Padding::Multiple(NonZeroU16::new(of).expect("not zero"));
    for padding in [Padding::Off, Padding::Classes, multiple(1), multiple(0xffff)] {
        let (mut alice, mut bob) = alice_and_bob();
        let message = say_hi(&mut bob, NOW);
        hear(&mut alice, &message, NOW).expect("a message for us");
        alice.reveal_also((0..1200).map(|_| revealed_key()).collect());
        let text = "x".repeat(64 * 1024);
        let sealed = alice.seal(Flags::None, &text, &[], sealing(&mut rng(), padding, NOW));
        let (message, _) = sealed.expect("no NUL");
        assert_eq!(revealed(&message).len(), 1000);
        assert!(armour(&message).len() <= MAX_MESSAGE, "{padding:?}");
        let content = hear(&mut bob, &message, NOW).expect("a message for us");
        assert!(content.text == Some(text), "{padding:?}");
    }
}

fn revealed_key() -> MacKey {
    MacKey::load(&mut Reader::new(&[9; 64])).expect("64 bytes")
}

#[test]
fn keys_of_missing_messages_go_with_their_age_and_their_mac_keys_are_revealed() {
    let (mut alice, mut bob) = alice_and_bob();
    let mut sent: Vec<_> = (0..6).map(|_| say_hi(&mut bob, NOW)).collect();
    hear(&mut alice, &sent[2], at(10)).expect("over a gap");
    hear(&mut alice, &sent[4], at(20)).expect("over a gap");
    assert_eq!(alice.oldest_stored(), Some(at(10)));
    assert!(!alice.expire_stored(at(9)));

    let mut alice = loaded(&saved(&alice));
    assert!(alice.expire_stored(at(10)));
    assert!(!alice.expire_stored(at(10)));
    assert_eq!(alice.oldest_stored(), Some(at(20)));
    for lost in &sent[..2] {
        assert_eq!(hear(&mut alice, lost, at(20)).err(), Some(Reject::Replayed));
        assert!(alice.knows(&data_message(lost)), "it is no message of another key exchange");
    }
    hear(&mut alice, &sent[3], at(30)).expect("its key is young enough");
    hear(&mut alice, &sent[5], at(30)).expect("in order");
    assert_eq!(alice.oldest_stored(), None);

    // The keys of all six: four were opened, two will never be.
    let answer = say_hi(&mut alice, at(40));
    let revealed = revealed(&answer);
    assert_eq!(revealed.len(), 6);
    for message in sent.drain(..) {
        assert_eq!(revealed.iter().filter(|key| data_message(&message).is_authentic(key)).count(), 1);
    }
    hear(&mut bob, &answer, at(40)).expect("the conversation goes on");
}

#[test]
fn a_channel_knows_their_first_their_open_and_stored_ratchets_and_those_of_nobody_else() {
    let (mut alice, mut bob) = alice_and_bob();
    let (_, mut stranger) = alice_and_bob();
    let strange = say_hi(&mut stranger, NOW);
    let knows = |alice: &Channel, message: &[u8]| alice.knows(&data_message(message));

    let [first, same] = [(); 2].map(|()| say_hi(&mut bob, NOW));
    assert!(!knows(&alice, &first), "no ratchet is open yet");
    hear(&mut alice, &first, NOW).expect("a message for us");
    assert!(knows(&alice, &same) && !knows(&alice, &strange));
    hear(&mut alice, &same, NOW).expect("in order");

    hear(&mut bob, &say_hi(&mut alice, NOW), NOW).expect("a message for us");
    let [second, late] = [(); 2].map(|()| say_hi(&mut bob, NOW));
    assert!(!knows(&alice, &second), "a ratchet is known by what was read of it");
    hear(&mut alice, &second, NOW).expect("a new ratchet");
    // Nothing is stored: one is open, the other their first.
    assert!(knows(&alice, &late) && knows(&alice, &first) && !knows(&alice, &strange));

    hear(&mut bob, &say_hi(&mut alice, NOW), NOW).expect("a message for us");
    hear(&mut alice, &say_hi(&mut bob, NOW), NOW).expect("a third ratchet");
    assert!(knows(&alice, &late) && knows(&alice, &first) && !knows(&alice, &strange));
    hear(&mut alice, &late, NOW).expect("its key was stored");
    assert!(!knows(&alice, &late), "nothing is left of the second ratchet");
}

#[test]
fn a_message_a_thousand_ahead_is_read_and_one_more_is_not() {
    let (mut alice, mut bob) = alice_and_bob();
    // In a new ratchet, where the first message would have been the next; then in the same one.
    let mut sent: Vec<_> = (0..=1001).map(|_| say_hi(&mut bob, NOW)).collect();
    assert_eq!(hear(&mut alice, &sent[1001], NOW).err(), Some(Reject::TooFarAhead));
    hear(&mut alice, &sent[1000], NOW).expect("a thousand ahead");
    sent.extend((1002..=2002).map(|_| say_hi(&mut bob, NOW)));
    assert_eq!(hear(&mut alice, &sent[2002], NOW).err(), Some(Reject::TooFarAhead));
    hear(&mut alice, &sent[2001], NOW).expect("a thousand ahead");
}

#[test]
fn a_message_of_a_ratchet_that_is_not_due_costs_no_arithmetic() {
    let (mut alice, mut bob) = alice_and_bob();
    let mut message = say_hi(&mut bob, NOW);
    // The last byte of `i`, behind header (11), flags (1) and `pn` (4); a multiple of three again, since there is a DH key.
    message[11 + 1 + 4 + 3] += 3;
    assert_eq!(hear(&mut alice, &message, NOW).err(), Some(Reject::UnknownRatchet));
}

#[test]
fn a_channel_owes_mac_keys_for_what_it_opened_and_for_what_never_came() {
    let (mut alice, mut bob) = alice_and_bob();
    assert!(!alice.has_to_reveal(), "nothing has come");
    let [lost, first] = [(); 2].map(|()| say_hi(&mut bob, NOW));
    hear(&mut alice, &first, NOW).expect("over a gap");
    alice.take_opened_mac_keys();
    assert!(alice.has_to_reveal(), "that of the missing one is kept");
    hear(&mut alice, &lost, NOW).expect("late");
    assert!(alice.has_to_reveal(), "that of the opened one");
    alice.take_opened_mac_keys();
    assert!(!alice.has_to_reveal());

    alice.reveal_also((1..MAX_REVEALED).map(|_| revealed_key()).collect());
    assert!(!alice.owes_much());
    alice.reveal_also(vec![revealed_key()]);
    assert!(alice.owes_much(), "as many as one message takes");
}

#[test]
fn what_a_clock_that_was_a_year_ahead_has_noted_becomes_the_present() {
    let (mut alice, mut bob) = alice_and_bob();
    let [_late, message] = [(); 2].map(|()| say_hi(&mut bob, NOW));
    let year = at(365 * 24 * 60 * 60);
    hear(&mut alice, &message, year).expect("over a gap");
    say_hi(&mut alice, year);
    assert!(!alice.clamp_times(year));
    assert!(alice.clamp_times(at(60)) && !alice.clamp_times(at(60)));
    assert_eq!(alice.times.expires_at(10), at(70));
    assert_eq!(alice.oldest_stored(), Some(at(60)));
}

#[test]
fn keys_of_past_ratchets_go_with_their_age() {
    let (mut alice, mut bob) = alice_and_bob();
    let (first, lost) = (say_hi(&mut alice, NOW), say_hi(&mut alice, NOW));
    hear(&mut bob, &first, NOW).expect("in order");
    let answer = say_hi(&mut bob, NOW);
    hear(&mut alice, &answer, NOW).expect("in order");
    let next = say_hi(&mut alice, NOW);
    hear(&mut bob, &next, at(60)).expect("a new ratchet");
    assert_eq!(bob.oldest_stored(), Some(at(60)));
    assert!(bob.expire_stored(at(60)));
    assert_eq!(hear(&mut bob, &lost, at(60)).err(), Some(Reject::UnknownRatchet));
}

#[test]
fn nothing_of_a_used_or_an_expired_key_is_left_in_the_saved_state() {
    let (mut alice, mut bob) = alice_and_bob();
    let used = next_secrets(&alice);
    let late = say_hi(&mut alice, NOW);
    let expired = next_secrets(&alice);
    say_hi(&mut alice, NOW);
    let message = say_hi(&mut alice, NOW);

    hear(&mut bob, &message, NOW).expect("over a gap");
    assert_eq!(holds(&saved(&bob), &used), [true, true]);
    assert_eq!(holds(&saved(&bob), &expired), [true, true]);
    hear(&mut bob, &late, NOW).expect("its key was stored");
    assert_eq!(holds(&saved(&bob), &used), [false, false]);
    assert_eq!(holds(&saved(&bob), &expired), [true, true]);
    assert!(bob.expire_stored(NOW));
    assert_eq!(holds(&saved(&bob), &expired), [false, false]);
}

#[test]
fn a_forged_late_message_takes_neither_key() {
    let (mut alice, mut bob) = alice_and_bob();
    let (late, keys) = say(&mut alice, &[extra(b"file")], Padding::Off, NOW);
    let message = say_hi(&mut alice, NOW);
    hear(&mut bob, &message, NOW).expect("over a gap");
    let before = saved(&bob);
    let mut forged = late.clone();
    let authenticator = forged.len() - 5;
    forged[authenticator] ^= 1;
    assert_eq!(hear(&mut bob, &forged, NOW).err(), Some(Reject::Forged));
    assert_eq!(saved(&bob), before);
    assert_eq!(extra_keys_of(&mut bob, &late), keys);
}

#[test]
fn a_channel_is_renewed_by_a_new_ecdh_key_of_ours_and_by_nothing_else() {
    let (mut alice, mut bob) = alice_and_bob();
    let turn = |from: &mut Channel, to: &mut Channel, seconds| {
        for message in [say_hi(from, at(seconds)), say_hi(from, at(seconds + 1))] {
            hear(to, &message, at(seconds + 2)).expect("in order");
        }
    };
    // Both begin in the ratchets of the key exchange.
    turn(&mut alice, &mut bob, 10);
    turn(&mut bob, &mut alice, 20);
    assert_eq!((alice.times.expires_at(0), bob.times.expires_at(0)), (NOW, NOW));
    turn(&mut alice, &mut bob, 30);
    assert_eq!((alice.times.expires_at(0), bob.times.expires_at(0)), (at(30), NOW));
    bob.seal_revealing_opened(&[], sealing(&mut rng(), Padding::Off, at(40)));
    assert_eq!((alice.times.expires_at(0), bob.times.expires_at(0)), (at(30), at(40)));
    turn(&mut bob, &mut alice, 50);
    assert_eq!(bob.times.expires_at(0), at(40), "the same ratchet");
    assert_eq!(loaded(&saved(&bob)).times.expires_at(0), at(40));
}
