//! Version 4.

use otrv4::forge::{
    Begin, Delivery, ForgeError, Forger, Key, Line, Manner, Person as Named, Said, Script, Who, v4,
};
use otrv4::{Event, Reject, Secret};
use otrv4_tests::{Person, START, alice_and_bob, deliver, rng, talking};

use crate::chain_key;

/// A message that is under way from Alice to Bob, in a ratchet that has begun before it, and its chain key.
fn under_way(text: &str) -> (Person, Person, String, Secret<64>) {
    let (mut alice, mut bob) = talking();
    let first = alice.line("the first");
    assert_eq!(bob.receive(&first).heard(), ["the first"]);
    let chain = chain_key(&mut alice, &bob);
    let line = alice.line(text);
    (alice, bob, line, chain)
}

fn mac_key(chain: &Secret<64>) -> Secret<64> {
    v4::mac_key(&v4::message_key(chain))
}

#[test]
fn a_modified_message_is_taken_for_the_real_one() {
    let (_, mut bob, line, chain) = under_way("hi Bob, pay 100 now");
    let forged = v4::modify(&line, &mac_key(&chain), "100", "999", 12).expect("the right key");
    assert_eq!(forged.len(), line.len());
    assert_eq!(bob.receive(&forged).heard(), ["hi Bob, pay 999 now"]);
    bob.receive(&line);
    assert!(bob.told().iter().any(|event| matches!(event, Event::Rejected { reason: Reject::Replayed, .. })));
}

#[test]
fn a_wrong_guess_of_the_text_is_not_noticed_and_its_reader_sees_garbage_there() {
    let (_, mut bob, line, chain) = under_way("hi Bob, pay 100 now");
    let forged = v4::modify(&line, &mac_key(&chain), "278", "999", 12).expect("the right key");
    let garbage: Vec<u8> = [b'1' ^ b'2' ^ b'9', b'0' ^ b'7' ^ b'9', b'0' ^ b'8' ^ b'9'].into();
    let seen = [b"hi Bob, pay ", garbage.as_slice(), b" now"].concat();
    // Its MAC holds.
    let read = v4::read_and_forge(&forged, &chain, None).expect("the right key");
    assert_eq!(read.text.as_bytes(), seen);
    let told = bob.receive(&forged).told();
    assert!(matches!(&told[..], [Event::Message { text, .. }] if text.as_bytes() == seen), "{told:?}");
}

#[test]
fn a_key_of_another_message_modifies_nothing() {
    let (mut alice, bob, line, chain) = under_way("hi Bob");
    let next = chain_key(&mut alice, &bob);
    for wrong in [mac_key(&next), v4::message_key(&chain), Secret::copied(&[0; 64])] {
        assert_eq!(v4::modify(&line, &wrong, "hi", "yo", 0), Err(ForgeError::WrongMacKey));
    }
}

#[test]
fn texts_that_do_not_fit_modify_nothing() {
    let (_, _, line, chain) = under_way("hi Bob");
    let key = mac_key(&chain);
    let modify = |old, new, offset| v4::modify(&line, &key, old, new, offset);
    assert_eq!(modify("hi", "you", 0), Err(ForgeError::Lengths { old: 2, new: 3 }));
    // The text and the NUL behind it.
    let message = "hi Bob".len() + 1;
    for offset in [6, 7, usize::MAX] {
        assert_eq!(modify("hi", "yo", offset), Err(ForgeError::OutOfRange { offset, text: 2, message }));
    }
    assert!(modify("hi", "yo", 5).is_ok());
    assert_eq!(modify("", "", 7).as_deref(), Ok(line.as_str()));
}

#[test]
fn a_message_is_read_and_forged_with_its_chain_key() {
    let (_, mut bob, line, chain) = under_way("what Alice said");
    let read = v4::read_and_forge(&line, &chain, None).expect("the right key");
    assert_eq!((read.text.as_str(), read.tlvs.len(), read.steps), ("what Alice said", 0, 0));
    assert_eq!(read.forged, None);
    let read = v4::read_and_forge(&line, &chain, Some("what she has never said")).expect("the right key");
    assert_eq!(read.text.as_str(), "what Alice said");
    let forged = read.forged.expect("a message");
    assert_eq!(bob.receive(&forged).heard(), ["what she has never said"]);
}

#[test]
fn a_chain_key_opens_the_messages_after_its_own_and_none_before() {
    let (mut alice, mut bob, line, chain) = under_way("0");
    let later: Vec<String> = (1..=7).map(|n| alice.line(&n.to_string())).collect();
    let last = chain_key(&mut alice, &bob);
    for (n, line) in (1..).zip(&later) {
        let read = v4::read_and_forge(line, &chain, None).expect("the key of one before");
        assert_eq!((read.text.as_str(), read.steps), (n.to_string().as_str(), n));
    }
    let forged = v4::read_and_forge(&later[6], &chain, Some("late")).unwrap().forged.unwrap();
    assert_eq!(bob.receive(&forged).heard(), ["late"]);
    for (line, key) in [(&line, &last), (&later[6], &last), (&line, &Secret::copied(&[7; 64]))] {
        assert_eq!(v4::read_and_forge(line, key, None).err(), Some(ForgeError::WrongChainKey));
    }
}

#[test]
fn the_key_of_another_ratchet_or_direction_opens_nothing() {
    let (mut alice, mut bob, _, chain) = under_way("one");
    let reply = bob.line("an answer");
    assert_eq!(v4::read_and_forge(&reply, &chain, None).err(), Some(ForgeError::WrongChainKey));
    alice.receive(&reply);
    let next_ratchet = alice.line("two");
    assert_eq!(v4::read_and_forge(&next_ratchet, &chain, None).err(), Some(ForgeError::WrongChainKey));
}

#[test]
fn a_forged_message_keeps_its_records_and_what_it_reveals() {
    let (mut alice, mut bob) = talking();
    deliver(alice.say("a turn"), bob.say("of each"));
    deliver(alice.say("and"), &mut bob);
    assert_eq!(alice.heard(), ["of each"]);
    // It opens a ratchet, and so it reveals; with its chain key no more is to be had of it than with the next one.
    let first = bob.line("two");
    let chain = chain_key(&mut bob, &alice);
    bob.act(|session, cx| {
        let to = session.instances().next().expect("Alice").tag;
        otrv4::inside::send_records(session, cx, to, vec![(0, vec![0; 9]), (0x99, b"x".to_vec())])
    });
    let records = bob.take().remove(0);
    let read = v4::read_and_forge(&records, &chain, Some("now with a text")).expect("the right key");
    assert_eq!((read.text.as_str(), read.tlvs.len()), ("", 2));
    alice.receive(&first);
    assert_eq!(alice.heard(), ["two"]);
    let forged = read.forged.unwrap();
    assert_eq!(alice.receive(&forged).heard(), ["now with a text"]);
    let kept = v4::read_and_forge(&forged, &chain, None).unwrap().tlvs;
    assert_eq!(kept, read.tlvs);
    assert_eq!(v4::revealed_mac_keys(&first).unwrap().len(), 2);
}

#[test]
fn each_operation_keeps_the_mac_keys_that_a_message_reveals() {
    let revealed = |line: &str| -> Vec<Vec<u8>> {
        let keys = v4::revealed_mac_keys(line).unwrap_or_default();
        keys.iter().map(|key| key.as_bytes().to_vec()).collect()
    };
    // Of a forged conversation all chain keys are known.
    let (alice, bob) = alice_and_bob();
    let key = Key::long_term_of(&alice.account);
    let forger = Forger::new(Named::of(&alice.account), key, Named::of(&bob.account), START).unwrap();
    let turns = [(10, Who::Other), (20, Who::Participant)].into_iter().cycle().take(6).zip(0..);
    let said = turns.map(|((after, by), turn)| (by, START.plus(after + 20 * (turn / 2))));
    let said: Vec<_> = said.map(|(by, at)| Said { by, at, text: "Ten o'clock." }).collect();
    let script = Script {
        begin: Begin::Interactive(Who::Participant),
        start: START,
        said: &said,
        end: None,
        until: START,
        participant: Manner::default(),
        other: Manner::default(),
    };
    let transcript = forger.transcript(script, &mut |_| Delivery::AT_ONCE, &mut rng()).expect("one");
    let opens = |line: &&Line| line.chain_key.is_some() && !revealed(&line.line).is_empty();
    let Line { line, chain_key, .. } = transcript.lines.iter().find(opens).expect("a later ratchet");
    let chain = chain_key.as_ref().expect("it was read");
    let key = mac_key(chain);
    let read = v4::read_and_forge(line, chain, Some("Never.")).expect("the right key");
    let modified = v4::modify(line, &key, "Ten", "Two", 0).expect("the right key");
    let broken = v4::remac(line, &Secret::copied(&[1; 64])).expect("any key");
    for forged in [read.forged.expect("a message"), modified, broken] {
        assert_ne!(&forged, line);
        assert_eq!(revealed(&forged), revealed(line));
    }
}

#[test]
fn a_text_with_a_nul_is_not_forged() {
    let (_, _, line, chain) = under_way("one");
    assert_eq!(v4::read_and_forge(&line, &chain, Some("a\0b")).err(), Some(ForgeError::Nul));
}

#[test]
fn a_message_gets_a_new_mac_under_any_key() {
    let (_, mut bob, line, chain) = under_way("hi Bob");
    let broken = v4::remac(&line, &Secret::copied(&[1; 64])).expect("any key");
    bob.receive(&broken);
    let [Event::Rejected { reason: Reject::Forged, .. }] = bob.told()[..] else { panic!("is refused") };
    let mended = v4::remac(&broken, &mac_key(&chain)).expect("any key");
    assert_eq!(mended, line);
    assert_eq!(bob.receive(&mended).heard(), ["hi Bob"]);
}

#[test]
fn what_is_no_data_message_of_version_4_is_refused() {
    let key = Secret::copied(&[0; 64]);
    let (mut alice, mut bob) = talking();
    let line = alice.line("text");
    bob.act(|session, cx| session.start_identity(cx));
    let identity = bob.take().remove(0);
    assert_eq!(v4::remac(&identity, &key), Err(ForgeError::NotData("4")));
    for other in ["", "a text", "?OTRv4?", "?OTR|1|100|100,1,2,x,", &line[1..]] {
        assert_eq!(v4::remac(other, &key), Err(ForgeError::NotEncoded), "{other}");
    }
    assert!(matches!(v4::remac("?OTR:AAQD.", &key), Err(ForgeError::Wire(_))));
    assert!(v4::remac(&format!("{line}\r\n"), &key).is_ok());
}

#[test]
fn nothing_secret_is_shown_by_debug() {
    let (_, _, line, chain) = under_way("a secret");
    let shown = format!("{:?}", v4::read_and_forge(&line, &chain, Some("another")).unwrap());
    assert_eq!(shown, "Content([], 0 steps, forged: true)");
}
