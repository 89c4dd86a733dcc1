//! False ensembles: answered by whoever has their owner's account, and refused where no honest client would take them.

use super::*;

#[test]
fn whoever_has_the_owners_account_answers_who_starts_from_a_false_ensemble() {
    let (alice, mut bob) = (alice(), bob());
    let profile = prekey_profile(&mut bob);
    let ensemble = forged_ensemble(&bob, &profile);
    let foreign = Some(CannotForge::Ensemble(Reject::ForeignOwner("prekey ensemble")));
    let mut carol = account("carol@example.org", ForgingSecret::Keep);
    prekey_profile(&mut carol);
    assert_eq!(
        ensemble.give_to(&mut carol).err(),
        foreign,
        "she has neither long-term key nor shared prekey"
    );
    assert_eq!(
        Ensemble::genuine(ensemble.ensemble().clone()).give_to(&mut bob).err(),
        Some(CannotForge::Genuine),
        "the secret is not known"
    );
    // What his program has wiped stays wiped.
    let published = bob.make_prekeys(1, &mut rng(), NOW).expect("few").remove(0);
    let own = Ensemble::own(published, &bob).expect("it waits");
    assert_eq!(own.give_to(&mut bob).err(), Some(CannotForge::Genuine));
    // The forging device has his account, and the whole secret of the false prekey.
    let mut device = Account::load(&bob.save()).expect("what was saved");
    ensemble.give_to(&mut device).expect("his own profiles");
    let device = Account::load(&device.save()).expect("what was saved");
    let mut live = Live::new(alice, device);
    let start = |live: &mut Live| {
        let ensembles = vec![ensemble.ensemble().clone()];
        live.step(0, |session, cx| session.start_offline(cx, ensembles).expect("she takes it"));
    };
    start(&mut live);
    live.step(0, |session, cx| session.send(cx, None, "Are you there?").expect("encrypted"));
    live.deliver();
    live.step(1, |session, cx| session.send(cx, None, "I am Bob.").expect("encrypted"));
    live.deliver();
    let [alice, device] = &live.clients;
    assert_eq!((device.heard(), alice.heard()), (vec!["Are you there?"], vec!["I am Bob."]));
    assert_eq!(alice.fingerprint_at_the_other_end(), Some(bob.fingerprint().into()));
    assert_eq!(device.rejected(), None);
    // A prekey serves once.
    start(&mut live);
    live.deliver();
    assert_eq!(live.clients[1].rejected(), Some(Reject::UnknownPrekey));
}

#[test]
fn a_false_ensemble_that_no_honest_client_takes_is_refused() {
    let (mut alice, mut bob) = (alice(), bob());
    let profiles = [prekey_profile(&mut alice), prekey_profile(&mut bob)];
    let refused = |prekey_profile, at| {
        let forged = Ensemble::forged(&Person::of(&bob).profile, prekey_profile, at, &mut rng());
        forged.err()
    };
    let [of_alice, of_bob] = &profiles;
    let foreign = Reject::ForeignOwner("prekey ensemble");
    assert_eq!(refused(of_alice, NOW), Some(CannotForge::Ensemble(foreign)));
    let late = NOW.plus(8 * 24 * 60 * 60);
    assert_eq!(refused(of_bob, late), Some(CannotForge::Ensemble(Reject::Expired("client profile"))));
    assert_eq!(refused(of_bob, NOW), None);
    // The Prekey Profile alone has expired, while the account was away for its renewal.
    bob.set_v3_key(None, &mut rng(), NOW.plus(6 * 24 * 60 * 60));
    let forged = Ensemble::forged(&Person::of(&bob).profile, of_bob, late, &mut rng());
    assert_eq!(forged.err(), Some(CannotForge::Ensemble(Reject::Expired("prekey profile"))));
}
