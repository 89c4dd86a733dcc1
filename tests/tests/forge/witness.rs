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
    let ensemble = || Ensemble::forged(&others.profile, &profile, START, &mut rng()).unwrap();
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

#[test]
fn pieces_are_put_together() {
    let (mut alice, mut bob) = people();
    for who in [&mut alice, &mut bob] {
        who.session.set_max_line(Some(300)).unwrap();
    }
    let lines = exchange(&mut alice, &mut bob);
    assert!(lines.iter().all(|line| line.starts_with("?OTR|")), "{lines:?}");
    let passed = check(&lines, [ALICE, BOB]).expect("an honest one");
    assert_eq!((passed.began, passed.answered), (alice.account.fingerprint(), bob.account.fingerprint()));
    assert_eq!(check(&lines[1..], [ALICE, BOB]), Err(Reject::Unexpected), "a piece is missing");
}

#[test]
fn of_one_client_the_last_few_messages_are_tried_and_repeated_lines_cost_none_their_place() {
    let (mut alice, mut bob) = people();
    let lines = exchange(&mut alice, &mut bob);
    let passed = check(&lines, [ALICE, BOB]).expect("an honest one");
    // Other Identity messages of hers; nobody has answered them.
    let others: Vec<String> = (0..4).map(|_| exchange(&mut alice, &mut bob).remove(0)).collect();
    let with = |others: &[String]| [&lines[..1], others, &lines[1..]].concat();
    assert_eq!(check(&with(&others[1..]), [ALICE, BOB]), Ok(passed));
    assert_eq!(check(&with(&others), [ALICE, BOB]), Err(Reject::Forged), "it is too long ago");
    let repeated: Vec<String> = others[1..].iter().cycle().take(50).cloned().collect();
    assert_eq!(check(&with(&repeated), [ALICE, BOB]), Ok(passed));
    let answers = [&lines[..2], &vec![lines[1].clone(); 50], &lines[2..]].concat();
    assert_eq!(check(&answers, [ALICE, BOB]), Ok(passed));
}

#[test]
fn nobody_talks_to_their_own_client() {
    let (mut alice, _) = people();
    let account = otrv4::Account::load(&alice.account.save()).unwrap();
    let (own, key) = (Named::of(&account), Key::long_term_of(&account));
    let refused = Forger::new(own.clone(), key, own.clone(), START).err();
    assert_eq!(refused, Some(otrv4::forge::CannotForge::OneClient));
    alice.prekeys(1);
    let bytes = alice.account.prekey_profile().unwrap().as_bytes().to_vec();
    let profile = PrekeyProfile::read(&mut Reader::new(&bytes)).unwrap();
    let ensemble = Ensemble::forged(&own.profile, &profile, START, &mut rng()).unwrap();
    let other = Person::new(BOB, ALICE);
    let forger =
        Forger::new(Named::of(&other.account), Key::long_term_of(&other.account), own, START).unwrap();
    let start = forger.offline_dake(Who::Participant, &ensemble, START, &mut rng()).unwrap();
    let interactive = forger.dake(Who::Participant, START, &mut rng()).unwrap();
    // The same tag and profile on both sides.
    let mut lines: Vec<String> = Vec::new();
    let ours = interactive.messages[1].1[3..7].to_vec();
    let profile = alice.account.client_profile().as_bytes();
    for (_, message) in interactive.messages.iter().chain(&start.messages) {
        let mut message = message.clone();
        message[3..7].copy_from_slice(&ours);
        message[7..11].copy_from_slice(&ours);
        if message[2] != 0x37 {
            let theirs = client_profile(&armour(&message)).unwrap().as_bytes().len();
            message.splice(11..11 + theirs, profile.iter().copied());
        }
        lines.push(armour(&message));
    }
    assert_eq!(check(&lines[..3], [ALICE, ALICE]), Err(Reject::OwnMessage));
    let refused = witness([lines[3].as_str()], [ALICE, ALICE], Some(ensemble.ensemble()), START);
    assert_eq!(refused, Err(Reject::OwnMessage));
}
