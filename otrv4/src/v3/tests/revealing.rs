//! Which MAC keys are revealed, and when. spec-notes/SN-042

use super::*;
use crate::v3::vectors::Session;

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
                if theirs["from"] == "A" { (&mut alice, &mut bob) } else { (&mut bob, &mut alice) };
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
