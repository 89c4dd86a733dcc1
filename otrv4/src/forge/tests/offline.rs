//! Genuine ensembles: both of a conversation can forge it from one, and nobody else can.

use super::*;
use crate::wire::{Versions, Writer, armour};

/// One that an honest account publishes.
pub(super) fn published(account: &mut Account) -> crate::prekey::PrekeyEnsemble {
    account.make_prekeys(1, &mut rng(), NOW).expect("few").remove(0)
}

pub(super) fn forger(participant: &Account, key: Key<'_>, other: &Account) -> Forger {
    Forger::new(Person::of(participant), key, Person::of(other), NOW).expect("a key of theirs")
}

/// What is said when this side starts, and its peer comes back at 15.
fn said_by(starts: Who) -> Vec<Said<'static>> {
    said().into_iter().filter(|said| said.by == starts || said.at > NOW.plus(15)).collect()
}

fn begin(starts: Who, ensemble: &Ensemble) -> Begin<'_> {
    Begin::Offline { starts, ensemble, back: NOW.plus(15) }
}

#[test]
fn who_starts_forges_a_conversation_from_a_genuine_ensemble_and_its_owners_program_takes_it() {
    let (alice, mut bob) = (alice(), bob());
    let ensemble = Ensemble::genuine(published(&mut bob));
    let said = said_by(Who::Participant);
    let script = script(begin(Who::Participant, &ensemble), &said, Who::Other);
    let forger = forger(&alice, Key::long_term_of(&alice), &bob);
    let transcript = forger.transcript(script, &mut at_once, &mut rng()).expect("a transcript");
    assert_eq!(check(&transcript, [&alice, &bob], Some(&ensemble)), texts_of(&said));
    assert_mac_keys_are_revealed(&transcript.lines);
    let heard = heard_by(&bob, Who::Participant, &transcript, NOW.plus(15));
    assert_eq!(heard, first_texts(&said, Who::Participant));
}

#[test]
fn the_owner_of_an_ensemble_forges_that_somebody_wrote_to_them_with_either_key_and_their_program_takes_it() {
    let (alice, mut bob) = (alice(), bob());
    let published = published(&mut bob);
    let own = Ensemble::own(published.clone(), &bob).expect("the prekey is there still");
    let said = said_by(Who::Other);
    for (key, ensemble) in [
        (Key::forging_of(&bob), &Ensemble::genuine(published)),
        (Key::forging_of(&bob), &own),
        (Key::long_term_of(&bob), &own),
    ] {
        let script = script(begin(Who::Other, ensemble), &said, Who::Participant);
        let transcript =
            forger(&bob, key, &alice).transcript(script, &mut at_once, &mut rng()).expect("a transcript");
        assert_eq!(check(&transcript, [&bob, &alice], Some(ensemble)), texts_of(&said));
        assert_mac_keys_are_revealed(&transcript.lines);
        let heard = heard_by(&bob, Who::Other, &transcript, NOW.plus(15));
        assert_eq!(heard, first_texts(&said, Who::Other));
    }
}

#[test]
fn who_has_no_key_of_the_ring_forges_nothing_from_a_genuine_ensemble() {
    let (alice, mut bob, carol) = (alice(), bob(), account("carol@example.org", ForgingSecret::Keep));
    let published = published(&mut bob);
    let genuine = Ensemble::genuine(published.clone());
    for (participant, key, other, starts) in [
        (&alice, Key::forging_of(&alice), &bob, Who::Participant),
        (&bob, Key::long_term_of(&bob), &alice, Who::Other),
    ] {
        let forger = forger(participant, key, other);
        let refused = forger.offline_dake(starts, &genuine, NOW, &mut rng()).err();
        assert_eq!(refused, Some(CannotForge::OutsideRing));
        let script = script(begin(starts, &genuine), &[], starts);
        assert_eq!(forger.transcript(script, &mut at_once, &mut rng()).err(), Some(CannotForge::OutsideRing));
    }
    let unknown = Some(CannotForge::Ensemble(Reject::UnknownPrekey));
    assert_eq!(Ensemble::own(published.clone(), &carol).err(), unknown);
    let by_carol = Forger::new(Person::of(&alice), Key::long_term_of(&carol), Person::of(&bob), NOW);
    assert_eq!(by_carol.err(), Some(CannotForge::OutsideRing));

    // An honest conversation uses the prekey up.
    let mut live = Live::new(alice, bob);
    live.step(0, |session, cx| session.start_offline(cx, vec![published.clone()]).expect("an ensemble"));
    live.deliver();
    let [_, bob] = live.clients;
    assert_eq!(Ensemble::own(published, &bob.account).err(), unknown);
}

#[test]
fn a_prekey_message_changed_on_its_way_is_none_of_the_accounts_own() {
    let mut bob = bob();
    let (mut w, profile) = (Writer::new(), prekey_profile(&mut bob));
    let honest = published(&mut bob);
    honest.write(&mut w);
    // The id of the genuine one, the keys of another.
    let genuine = honest.message().as_bytes();
    let other = forged_ensemble(&bob, &profile);
    let mixed = [&genuine[..7], &other.ensemble().message().as_bytes()[7..]].concat();
    let bytes = [&w.as_slice()[..w.as_slice().len() - genuine.len()], &mixed].concat();
    let mixed = crate::prekey::PrekeyEnsemble::read(&mut Reader::new(&bytes)).expect("the format is right");
    let unknown = Some(CannotForge::Ensemble(Reject::UnknownPrekey));
    assert_eq!(Ensemble::own(mixed, &bob).err(), unknown);
    assert!(Ensemble::own(honest, &bob).is_ok());
}

#[test]
fn an_ensemble_with_another_profile_of_its_owner_is_refused() {
    let (alice, mut bob) = (alice(), bob());
    let ensemble = Ensemble::genuine(published(&mut bob));
    bob.set_v3_key(None, &mut rng(), NOW.plus(60));
    let forger = forger(&alice, Key::long_term_of(&alice), &bob);
    let refused = forger.offline_dake(Who::Participant, &ensemble, NOW, &mut rng()).err();
    assert_eq!(refused, Some(CannotForge::OtherProfile));
}

#[test]
fn one_who_was_away_when_their_profiles_expired_takes_the_conversation_up_as_an_honest_program_does() {
    let lifetimes = Lifetimes { profile: 30 * DAY, ..Lifetimes::default() };
    let alice = Account::new("alice@example.org", ForgingSecret::Keep, lifetimes, &mut rng(), NOW);
    let mut bob = bob();
    let ensemble = Ensemble::genuine(published(&mut bob));
    let start = NOW.plus(7 * DAY - 60);
    let back = NOW.plus(7 * DAY + 60);
    let said = [(Who::Participant, start.plus(5), "Are you there?"), (Who::Other, back.plus(5), "I am.")]
        .map(|(by, at, text)| Said { by, at, text });
    let begin = Begin::Offline { starts: Who::Participant, ensemble: &ensemble, back };
    let script = Script { start, until: back.plus(10), ..breaking_off(begin, &said) };
    let key = Key::long_term_of(&alice);
    let forger = Forger::new(Person::of(&alice), key, Person::of(&bob), start).expect("a key of hers");
    let transcript = forger.transcript(script, &mut at_once, &mut rng()).expect("a transcript");
    assert_eq!(check(&transcript, [&alice, &bob], Some(&ensemble)), texts_of(&said));
    assert_eq!(heard_by(&bob, Who::Participant, &transcript, back), ["Are you there?"]);
}

#[test]
fn whoever_comes_back_when_their_program_has_forgotten_the_shared_prekey_takes_nothing_up() {
    let (mut bob, day) = (bob(), |n: i64| NOW.plus(n * DAY));
    let ensemble = Ensemble::genuine(published(&mut bob));
    let lifetimes = Lifetimes::default();
    let alice = Account::new("alice@example.org", ForgingSecret::Keep, lifetimes, &mut rng(), day(3));
    let (start, key) = (day(6), Key::long_term_of(&alice));
    let forger = Forger::new(Person::of(&alice), key, Person::of(&bob), start).expect("a key of hers");
    let said = [Said { by: Who::Participant, at: start.plus(5), text: "Are you there?" }];
    for (back, in_time) in
        [(day(7).plus(9 * 60 * 60), true), (day(8).plus(-1), true), (day(8), false), (day(9), false)]
    {
        let begin = Begin::Offline { starts: Who::Participant, ensemble: &ensemble, back };
        let script = Script { start, ..breaking_off(begin, &said) };
        let transcript = forger.transcript(script, &mut at_once, &mut rng());
        match in_time {
            true => {
                let transcript = transcript.expect("a transcript");
                assert_eq!(heard_by(&bob, Who::Participant, &transcript, back), ["Are you there?"]);
            }
            false => assert_eq!(transcript.err(), Some(CannotForge::BackTooLate)),
        }
        // What an honest program says.
        let forged = forger.offline_dake(Who::Participant, &ensemble, start, &mut rng()).expect("one");
        let mut live = Live::new(self::alice(), Account::load(&bob.save()).expect("what was saved"));
        live.now = back;
        live.step(1, |session, cx| session.receive(cx, &armour(&forged.messages[0].1)));
        assert_eq!(live.clients[1].rejected(), (!in_time).then_some(Reject::Forged));
    }
}

#[test]
fn nothing_is_forged_that_the_policy_of_who_was_away_would_not_have_taken() {
    let (alice, mut bob) = (alice(), bob());
    let ensemble = Ensemble::genuine(published(&mut bob));
    let forger = forger(&alice, Key::long_term_of(&alice), &bob);
    let said = said_by(Who::Participant);
    let by = |policy: Policy| {
        let script = script(begin(Who::Participant, &ensemble), &said, Who::Other);
        forger.transcript(Script { other: policy.into(), ..script }, &mut at_once, &mut rng()).err()
    };
    let refused = |reason| Some(CannotForge::Rejected(reason));
    assert_eq!(by(Policy::interactive_only()), refused(Reject::Policy));
    assert_eq!(by(Policy { require_interactive: true, ..Policy::default() }), refused(Reject::Policy));
    assert_eq!(by(Policy { versions: Versions::V3, ..Policy::default() }), refused(Reject::Version));
    assert_eq!(by(Policy::standalone()), None);
}

#[test]
fn the_owners_program_takes_a_forged_start_and_checks_its_mac_and_signature() {
    let (alice, mut bob) = (alice(), bob());
    let ensemble = Ensemble::genuine(published(&mut bob));
    let forger = forger(&alice, Key::long_term_of(&alice), &bob);
    let forged = forger.offline_dake(Who::Participant, &ensemble, NOW, &mut rng()).expect("a key exchange");
    let [(_, message)] = &forged.messages[..] else { panic!("one message") };
    let (signature, mac) = places_of_signature_and_mac(message);
    for (at, verdict) in
        [(None, None), (Some(signature), Some(Reject::Forged)), (Some(mac), Some(Reject::Forged))]
    {
        let mut message = message.clone();
        at.into_iter().for_each(|at: usize| message[at] ^= 1);
        let bob = Account::load(&bob.save()).expect("what was saved");
        let mut live = Live::new(self::alice(), bob);
        live.step(1, |session, cx| session.receive(cx, &armour(&message)));
        let bob = &live.clients[1];
        assert_eq!(bob.rejected(), verdict);
        let known = verdict.is_none().then(|| alice.fingerprint().into());
        assert_eq!(bob.fingerprint_at_the_other_end(), known);
    }
}

/// The first byte of each in a Non-Interactive-Auth message.
fn places_of_signature_and_mac(message: &[u8]) -> (usize, usize) {
    let mut r = Reader::new(message);
    Header::read(&mut r).expect("a header");
    ClientProfile::read(&mut r).expect("a profile");
    r.bytes(57, "X").expect("a point");
    r.mpi("A").expect("a number");
    let signature = message.len() - r.ahead().len();
    (signature, signature + 6 * 57 + 4)
}

const DAY: i64 = 24 * 60 * 60;
