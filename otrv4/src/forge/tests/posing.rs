//! Posing as somebody towards who kept their forging secret, and the attempt where it was destroyed.

use super::*;
use crate::{Context, Session};

#[test]
fn who_has_the_forging_secret_of_bob_poses_as_alice_to_his_live_session() {
    let (alice, bob) = (alice(), bob());
    for begins in [0, 1] {
        let to = Person::of(&bob).profile;
        let mallory =
            impersonate(Person::of(&alice), to, Key::forging_of(&bob), NOW).expect("his forging key");
        let honest = Account::load(&bob.save()).expect("what was saved");
        let mut live = Live::new(mallory, honest);
        live.step(begins, |session, cx| session.start(cx));
        live.deliver();
        live.step(0, |session, cx| session.send(cx, None, "It is me, Alice.").expect("encrypted"));
        live.deliver();
        let [_, bob] = &live.clients;
        assert_eq!(bob.heard(), ["It is me, Alice."]);
        assert_eq!(bob.fingerprint_at_the_other_end(), Some(alice.fingerprint().into()));
        assert_eq!(bob.rejected(), None);
    }
}

#[test]
fn who_has_the_forging_secret_of_bob_poses_as_alice_while_he_is_away() {
    let (alice, mut bob) = (alice(), bob());
    let ensembles = bob.make_prekeys(1, &mut rng(), NOW).expect("few");
    let to = Person::of(&bob).profile;
    let mallory = impersonate(Person::of(&alice), to, Key::forging_of(&bob), NOW).expect("his forging key");
    let mut live = Live::new(mallory, bob);
    live.step(0, |session, cx| session.start_offline(cx, ensembles).expect("an ensemble"));
    live.step(0, |session, cx| session.send(cx, None, "It is me, Alice.").expect("encrypted"));
    live.deliver();
    let [_, bob] = &live.clients;
    assert_eq!(bob.heard(), ["It is me, Alice."]);
    assert_eq!(bob.fingerprint_at_the_other_end(), Some(alice.fingerprint().into()));
}

#[test]
fn an_impersonator_signs_no_profile_and_cannot_be_saved() {
    let (alice, bob) = (alice(), bob());
    let to = Person::of(&bob).profile;
    let mut mallory =
        impersonate(Person::of(&alice), to, Key::forging_of(&bob), NOW).expect("his forging key");
    let shown = mallory.client_profile().as_bytes().to_vec();
    assert_eq!(mallory.make_prekeys(1, &mut rng(), NOW).err(), Some(Refused::Posing));
    assert_eq!(mallory.publish(1, &mut rng(), NOW).err(), Some(Refused::Posing));
    mallory.set_v3_key(Some(crate::keys::DsaKey::generate(&mut rng())), &mut rng(), NOW);
    mallory.renew(&mut rng(), NOW.plus(100 * 24 * 60 * 60));
    assert_eq!(mallory.client_profile().as_bytes(), shown);
    assert!(mallory.v3_key().is_none() && mallory.prekey_profile().is_none());
    assert_eq!(Account::load(&mallory.save()).err(), Some(LoadError::Damaged));
    let himself = impersonate(Person::of(&bob), Person::of(&bob).profile, Key::forging_of(&bob), NOW);
    assert_eq!(himself.err(), Some(CannotForge::OneClient));
}

#[test]
fn a_destroyed_forging_secret_keeps_bob_from_being_lied_to_live_even_by_who_has_his_long_term_key() {
    let alice = alice();
    let bob = account("bob@example.org", ForgingSecret::Destroy);
    let to = || Person::of(&bob).profile;
    let by = |key| impersonate(Person::of(&alice), to(), key, NOW).err();
    assert_eq!(by(Key::forging_of(&bob)), Some(CannotForge::Destroyed));
    assert_eq!(by(Key::long_term_of(&bob)), Some(CannotForge::OutsideRing));

    // The attempt itself: the key compromise impersonation of the text, without forging keys in the rings.
    for begins in [0, 1] {
        let profile = alice.client_profile().clone();
        let mallory = Account::in_the_name_of(alice.id(), profile, bob.key().signing().copied());
        let mut live = Live::new(mallory, Account::load(&bob.save()).expect("what was saved"));
        live.step(begins, |session, cx| session.start(cx));
        live.deliver();
        let [mallory, bob] = &live.clients;
        assert_eq!(mallory.rejected(), Some(Reject::OwnMessage), "no signature can be made");
        assert_eq!(bob.fingerprint_at_the_other_end(), None);
    }

    // Nor does it start an offline conversation.
    let mut bob = bob;
    let ensembles = bob.make_prekeys(1, &mut rng(), NOW).expect("few");
    let mut mallory =
        Account::in_the_name_of(alice.id(), alice.client_profile().clone(), bob.key().signing().copied());
    let mut session = Session::new(bob.id(), Policy::default());
    let mut cx = Context { account: &mut mallory, rng: &mut rng(), now: NOW };
    assert_eq!(session.start_offline(&mut cx, ensembles).err(), Some(Refused::NoEnsemble));
}

#[test]
fn who_has_a_waiting_prekey_of_bobs_poses_as_alice_once_though_his_forging_secret_is_destroyed() {
    let alice = alice();
    let mut bob = account("bob@example.org", ForgingSecret::Destroy);
    let published = bob.make_prekeys(1, &mut rng(), NOW).expect("few").remove(0);
    let genuine = Ensemble::genuine(published.clone());
    let refused = impersonate_offline(Person::of(&alice), &genuine, NOW).err();
    assert_eq!(
        refused,
        Some(CannotForge::Ensemble(Reject::UnknownPrekey)),
        "what everybody can fetch does not do"
    );

    // With the saved account of Bob's, which he goes on using.
    let stolen = Account::load(&bob.save()).expect("what was saved");
    let ensemble = Ensemble::own(published.clone(), &stolen).expect("it waits");
    let himself = impersonate_offline(Person::of(&stolen), &ensemble, NOW).err();
    assert_eq!(himself, Some(CannotForge::OneClient));
    let mallory = impersonate_offline(Person::of(&alice), &ensemble, NOW).expect("a secret of the ring");
    let mut live = Live::new(mallory, bob);
    live.step(0, |session, cx| session.start_offline(cx, vec![published.clone()]).expect("an ensemble"));
    live.step(0, |session, cx| session.send(cx, None, "It is me, Alice.").expect("encrypted"));
    live.deliver();
    live.step(1, |session, cx| session.send(cx, None, "Hello Alice.").expect("encrypted"));
    live.deliver();
    let [mallory, bob] = &live.clients;
    assert_eq!((bob.heard(), mallory.heard()), (vec!["It is me, Alice."], vec!["Hello Alice."]));
    assert_eq!(bob.fingerprint_at_the_other_end(), Some(alice.fingerprint().into()));
    assert_eq!(bob.rejected(), None);

    // Once, and not live.
    let used = Ensemble::own(published, &bob.account).err();
    assert_eq!(used, Some(CannotForge::Ensemble(Reject::UnknownPrekey)));
    for begins in [0, 1] {
        let mallory = impersonate_offline(Person::of(&alice), &ensemble, NOW).expect("a secret of the ring");
        let mut live = Live::new(mallory, Account::load(&stolen.save()).expect("what was saved"));
        live.step(begins, |session, cx| session.start(cx));
        live.deliver();
        assert_eq!(live.clients[0].rejected(), Some(Reject::OwnMessage), "no signature can be made");
    }
}
