//! What a third person can check of a key exchange: honest ones and forged ones pass alike.

use otrv4::forge::{Ensemble, ForgeError, Forger, Key, Person as Named, Who, client_profile, parse, witness};
use otrv4::prekey_profile::PrekeyProfile;
use otrv4::wire::{InstanceTag, Reader, armour, unarmour};
use otrv4::{Mode, Reject};
use otrv4_tests::{Person, START, alice_and_bob, rng};

const ALICE: &str = "alice@example.org";
const BOB: &str = "bob@example.org";

/// Everything on the wire until nobody has anything to say; Alice asks for it.
fn exchange(alice: &mut Person, bob: &mut Person) -> Vec<String> {
    alice.act(|session, cx| session.start_identity(cx));
    let mut lines = Vec::new();
    for _ in 0..4 {
        let (to_bob, to_alice) = (alice.take(), bob.take());
        to_bob.iter().for_each(|line| _ = bob.receive(line));
        to_alice.iter().for_each(|line| _ = alice.receive(line));
        lines.extend(to_bob.into_iter().chain(to_alice));
    }
    lines
}

fn people() -> (Person, Person) {
    (Person::new(ALICE, BOB), Person::new(BOB, ALICE))
}

fn check(lines: &[String], names: [&str; 2]) -> Result<otrv4::forge::Witnessed, Reject> {
    witness(lines.iter().map(String::as_str), names, None, START)
}

/// The same line with one byte of its message changed, counted from the end.
fn damaged(line: &str, from_the_end: usize) -> String {
    let mut message = unarmour(line).unwrap();
    let at = message.len() - from_the_end;
    message[at] ^= 1;
    armour(&message)
}

#[test]
fn an_honest_and_a_forged_key_exchange_pass_alike() {
    let (mut alice, mut bob) = people();
    let honest = exchange(&mut alice, &mut bob);
    let expected = check(&honest, [ALICE, BOB]).expect("an honest one");
    assert_eq!(expected.mode, Mode::Interactive);
    assert_eq!(expected.began, alice.account.fingerprint());
    assert_eq!(expected.answered, bob.account.fingerprint());

    let (own, others) = (Named::of(&alice.account), Named::of(&bob.account));
    let forger = Forger::new(own, Key::long_term_of(&alice.account), others, START).unwrap();
    let forged = forger.dake(Who::Participant, START, &mut rng()).unwrap();
    let forged: Vec<String> = forged.messages.iter().map(|(_, message)| armour(message)).collect();
    assert_eq!(check(&forged, [ALICE, BOB]), Ok(expected));
}

#[test]
fn an_offline_start_passes_with_the_ensemble_that_it_answers_and_no_other() {
    let (alice, mut bob) = people();
    bob.prekeys(1);
    let bytes = bob.account.prekey_profile().unwrap().as_bytes().to_vec();
    let profile = PrekeyProfile::read(&mut Reader::new(&bytes)).unwrap();
    let others = Named::of(&bob.account);
    let ensemble = || Ensemble::forged(&others.profile, &profile, &mut rng());
    let (used, another) = (ensemble(), ensemble());
    let (own, key) = (Named::of(&alice.account), Key::long_term_of(&alice.account));
    let forger = Forger::new(own, key, others.clone(), START).unwrap();
    let forged = forger.offline_dake(Who::Participant, &used, START, &mut rng()).unwrap();
    let line = armour(&forged.messages[0].1);
    let check = |ensemble| witness([line.as_str()], [ALICE, BOB], ensemble, START);
    let passed = check(Some(used.ensemble())).expect("its ensemble");
    assert_eq!((passed.mode, passed.began), (Mode::Offline, alice.account.fingerprint()));
    assert_eq!(check(Some(another.ensemble())), Err(Reject::UnknownPrekey));
    assert_eq!(check(None), Err(Reject::UnknownPrekey));
    let refused = witness([line.as_str()], [BOB, ALICE], Some(used.ensemble()), START);
    assert_eq!(refused, Err(Reject::Forged));
}

#[test]
fn what_is_not_signed_so_does_not_pass() {
    let (mut alice, mut bob) = people();
    let lines = exchange(&mut alice, &mut bob);
    assert_eq!(check(&lines, [BOB, ALICE]), Err(Reject::Forged), "the names are signed");
    assert_eq!(check(&lines[..2], [ALICE, BOB]), Err(Reject::Unexpected), "Auth-I is missing");
    let late = START.plus(100 * 24 * 60 * 60);
    let refused = witness(lines.iter().map(String::as_str), [ALICE, BOB], None, late);
    assert_eq!(refused, Err(Reject::Expired("client profile")));
    // The last byte of a scalar is always zero; the one before it is not.
    let mut other_answer = lines.clone();
    other_answer[2] = damaged(&lines[2], 20);
    assert_eq!(check(&other_answer, [ALICE, BOB]), Err(Reject::Forged));
    let mut other_exchange = exchange(&mut people().0, &mut bob);
    other_exchange.truncate(1);
    let mixed = [&other_exchange[..], &lines[1..3]].concat();
    assert_eq!(check(&mixed, [ALICE, BOB]), Err(Reject::Unexpected), "of another client");
    let other_exchange = exchange(&mut alice, &mut bob);
    let mixed = [&other_exchange[..1], &lines[1..3]].concat();
    assert_eq!(check(&mixed, [ALICE, BOB]), Err(Reject::Forged));
}

#[test]
fn crossing_identities_answers_of_two_clients_and_damaged_lines_are_sorted_out() {
    let (mut alice, mut bob) = people();
    bob.act(|session, cx| session.start_identity(cx));
    let crossing = exchange(&mut alice, &mut bob);
    let names = if sender(&crossing[3]) == alice.account.tag() { [ALICE, BOB] } else { [BOB, ALICE] };
    let mut swapped = crossing.clone();
    swapped.swap(0, 1);
    assert_eq!(parse(&crossing[1]).name, "Identity message");
    assert!(check(&crossing, names).is_ok() && check(&swapped, names).is_ok());

    // Bob sits at two clients, and both answer.
    let ((mut alice, mut bob), mut other_bob) = (people(), people().1);
    alice.act(|session, cx| session.start_identity(cx));
    let identity = alice.take();
    let answers = [&mut bob, &mut other_bob].map(|bob| {
        bob.receive(&identity[0]);
        bob.take()
    });
    let answers = answers.concat();
    answers.iter().for_each(|line| _ = alice.receive(line));
    let mut lines = [identity, answers, alice.take()].concat();
    let passed = check(&lines, [ALICE, BOB]).expect("two key exchanges");
    assert_eq!(passed.answered, other_bob.account.fingerprint());
    lines.pop();
    let passed = check(&lines, [ALICE, BOB]).expect("the first of them");
    assert_eq!(passed.answered, bob.account.fingerprint());

    // What cannot be read, and an offline start whose ensemble nobody has kept.
    let cut = format!("{}.", &lines[0][..200]);
    let broken = format!("{}...", &lines[1][..200]);
    bob.prekeys(1);
    let (mut carol, ensembles) = (people().0, bob.prekeys(1));
    carol.start_offline(ensembles);
    let noise = [vec!["?OTR:AAQD.".to_owned(), cut, broken], carol.take()].concat();
    for at in 0..=lines.len() {
        let (before, after) = lines.split_at(at);
        assert_eq!(check(&[before, &noise, after].concat(), [ALICE, BOB]), Ok(passed), "at {at}");
    }
}

/// Whose message this is.
fn sender(line: &str) -> InstanceTag {
    let message = unarmour(line).unwrap();
    InstanceTag::new(u32::from_be_bytes(message[3..7].try_into().unwrap())).unwrap()
}

#[test]
fn profiles_are_taken_from_the_messages_that_carry_them() {
    let (mut alice, mut bob) = alice_and_bob();
    let lines = exchange(&mut alice, &mut bob);
    let profile = |line: &str| client_profile(line).map(|profile| profile.as_bytes().to_vec());
    assert_eq!(profile(&lines[0]).unwrap(), alice.account.client_profile().as_bytes());
    assert_eq!(profile(&lines[1]).unwrap(), bob.account.client_profile().as_bytes());
    assert_eq!(profile(&lines[2]), Err(ForgeError::NoProfile));
    assert_eq!(profile("?OTRv4?"), Err(ForgeError::NotEncoded));
}
