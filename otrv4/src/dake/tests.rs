//! Checks of the exchanges that whole conversations do not reach, since a session asks first or both sides err alike.

use super::interactive::{AuthI, AuthR, Identity, SentAuthR, SentIdentity, hash_of_b};
use super::offline::{NonInteractiveAuth, Published, start};
use super::*;
use crate::keys::{ForgingKey, ForgingSecret, LongTermKey, SharedPrekey};
use crate::prekey::{PrekeyEnsemble, PrekeySecret};
use crate::prekey_profile::PrekeyProfile;
use crate::vectors::rng;
use crate::wire::{Header, Reader};

const NOW: Timestamp = Timestamp::from_unix(1_800_000_000);

struct Person {
    tag: InstanceTag,
    account: &'static str,
    key: LongTermKey,
    forging: ForgingKey,
    profile: VerifiedClientProfile,
}

impl Person {
    fn new(account: &'static str) -> Self {
        let (key, tag) = (LongTermKey::generate(&mut rng()), InstanceTag::random(&mut rng()));
        let forging = ForgingKey::generate(ForgingSecret::Keep, &mut rng());
        let profile = ClientProfile::sign(&key, forging.public(), tag, NOW.plus(1000), None);
        Self { tag, account, key, forging, profile }
    }

    fn with<'a>(&'a self, other: &'a Self, versions: Versions) -> Us<'a> {
        let Self { tag, account, key, forging: _, profile } = self;
        Us { tag: *tag, account, key: key.signing(), profile, versions, correspondent: other.account }
    }

    /// The same with another key to sign with.
    fn signing<'a>(&'a self, key: &'a SigningKey, other: &'a Self) -> Us<'a> {
        Us { key, ..self.with(other, Versions::V4) }
    }

    fn forging(&self) -> &SigningKey {
        self.forging.signing().expect("kept")
    }
}

fn identity(message: &[u8]) -> Identity {
    let mut r = Reader::new(message);
    let header = Header::read(&mut r).expect("a header");
    Identity::read(&header, &mut r).expect("an Identity message")
}

#[test]
fn of_two_crossing_identity_messages_the_one_with_the_higher_hash_of_b_stays() {
    let (alice, bob) = (Person::new("alice"), Person::new("bob"));
    let (us, them) = (alice.with(&bob, Versions::V4), bob.with(&alice, Versions::V4));
    let (ours, theirs) = (SentIdentity::new(us, None, &mut rng()), SentIdentity::new(them, None, &mut rng()));
    let (our_message, their_message) = (identity(ours.message()), identity(theirs.message()));
    let ours_is_higher = hash_of_b(&our_message.dh) > hash_of_b(&their_message.dh);
    assert_eq!(ours.wins_over(&their_message), ours_is_higher);
    assert_eq!(theirs.wins_over(&our_message), !ours_is_higher);
}

#[test]
fn an_auth_r_is_the_answer_to_one_identity_message() {
    let (alice, bob) = (Person::new("alice"), Person::new("bob"));
    let messages = [(); 2].map(|()| SentIdentity::new(bob.with(&alice, Versions::V4), None, &mut rng()));
    let [answered, other] = messages.each_ref().map(|sent| identity(sent.message()));
    let (answered_hash, other_hash) = (*answered.hash(), *other.hash());
    let us = alice.with(&bob, Versions::V4);
    let answer = SentAuthR::new(us, answered.verify(us, NOW).expect("valid"), &mut rng()).expect("an Auth-R");
    assert!(answer.answers(&answered_hash));
    assert!(!answer.answers(&other_hash));
}

#[test]
fn nobody_is_answered_in_a_version_that_the_policy_does_not_allow() {
    let (alice, bob) = (Person::new("alice"), Person::new("bob"));
    let (us, without) = (alice.with(&bob, Versions::V4), alice.with(&bob, Versions::V3));
    let them = bob.with(&alice, Versions::V4);

    let sent = SentIdentity::new(them, None, &mut rng());
    assert_eq!(identity(sent.message()).verify(without, NOW).err(), Some(Reject::Version));

    let ours = SentIdentity::new(us, None, &mut rng());
    let theirs = identity(ours.message()).verify(them, NOW).expect("valid");
    let auth_r = SentAuthR::new(them, theirs, &mut rng()).expect("an Auth-R");
    let mut r = Reader::new(auth_r.message());
    let header = Header::read(&mut r).expect("a header");
    let auth_r = AuthR::read(&header, &mut r).expect("an Auth-R message");
    assert_eq!(ours.receive(without, auth_r, NOW, &mut rng()).err(), Some(Reject::Version));
}

#[test]
fn an_offline_start_is_refused_where_the_policy_does_not_allow_its_version() {
    let (alice, bob) = (Person::new("alice"), Person::new("bob"));
    let shared = SharedPrekey::generate(&mut rng());
    let prekey_profile = PrekeyProfile::sign(&alice.key, alice.tag, shared.public(), NOW.plus(1000));
    let prekey = PrekeySecret::generate(&mut rng(), 7);
    let ensemble =
        [alice.profile.as_bytes(), prekey_profile.as_bytes(), prekey.message(alice.tag).as_bytes()].concat();
    let mut r = Reader::new(&ensemble);
    let ensemble = PrekeyEnsemble::read(&mut r).expect("an ensemble");
    let ensemble = ensemble.verify(NOW, Versions::V4).expect("valid");
    let (_, message) = start(bob.with(&alice, Versions::V4), &ensemble, &mut rng()).expect("a start");

    let receive = |versions| {
        let mut r = Reader::new(&message);
        let header = Header::read(&mut r).expect("a header");
        let message = NonInteractiveAuth::read(&header, &mut r).expect("a message");
        let (profiles, shared_prekeys) = (vec![&alice.profile], vec![&shared]);
        let published = Published { prekey: &prekey, profiles, shared_prekeys };
        message.receive(alice.with(&bob, versions), &published, NOW)
    };
    assert_eq!(receive(Versions::V3).err(), Some(Reject::Version));
    assert!(receive(Versions::V4).is_ok());
}

#[test]
fn each_key_of_the_ring_of_non_interactive_auth_and_no_other_can_sign_it() {
    let (alice, bob) = (Person::new("alice"), Person::new("bob"));
    let shared = SharedPrekey::generate(&mut rng());
    let prekey_profile = PrekeyProfile::sign(&alice.key, alice.tag, shared.public(), NOW.plus(1000));
    let prekey = PrekeySecret::generate(&mut rng(), 7);
    let ensemble =
        [alice.profile.as_bytes(), prekey_profile.as_bytes(), prekey.message(alice.tag).as_bytes()].concat();
    let ensemble = PrekeyEnsemble::read(&mut Reader::new(&ensemble)).expect("an ensemble");
    let ensemble = ensemble.verify(NOW, Versions::V4).expect("valid");
    let y = SigningKey::of_ephemeral(prekey.ecdh());
    let outside = SigningKey::generate(&mut rng());
    let start = |key| start(bob.signing(key, &alice), &ensemble, &mut rng());
    for key in [bob.key.signing(), alice.forging(), &y] {
        let (_, message) = start(key).expect("a key of the ring");
        let mut r = Reader::new(&message);
        let header = Header::read(&mut r).expect("a header");
        let message = NonInteractiveAuth::read(&header, &mut r).expect("a message");
        let published =
            Published { prekey: &prekey, profiles: vec![&alice.profile], shared_prekeys: vec![&shared] };
        assert!(message.receive(alice.with(&bob, Versions::V4), &published, NOW).is_ok());
    }
    for key in [bob.forging(), alice.key.signing(), &outside] {
        assert_eq!(start(key).err(), Some(Reject::OwnMessage));
    }
}

/// A generator whose first draw is known.
struct First(Option<Vec<u8>>);

impl rand_core::TryRng for First {
    type Error = core::convert::Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Self::Error> {
        rng().try_next_u32()
    }

    fn try_next_u64(&mut self) -> Result<u64, Self::Error> {
        rng().try_next_u64()
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Self::Error> {
        match self.0.take() {
            Some(first) => out.copy_from_slice(&first),
            None => rng().try_fill_bytes(out)?,
        }
        Ok(())
    }
}

impl rand_core::TryCryptoRng for First {}

fn auth_r(message: &[u8]) -> AuthR {
    let mut r = Reader::new(message);
    let header = Header::read(&mut r).expect("a header");
    AuthR::read(&header, &mut r).expect("an Auth-R message")
}

#[test]
fn each_key_of_the_ring_of_auth_r_and_no_other_can_sign_it() {
    let (alice, bob) = (Person::new("alice"), Person::new("bob"));
    let them = bob.with(&alice, Versions::V4);
    let sent = SentIdentity::new(them, None, &mut rng());
    let y = SigningKey::of_ephemeral(&sent.keys().ecdh);
    let answer = |key| {
        let us = alice.signing(key, &bob);
        SentAuthR::new(us, identity(sent.message()).verify(us, NOW)?, &mut rng())
    };
    for key in [alice.key.signing(), bob.forging(), &y] {
        let answer = answer(key).expect("a key of the ring");
        assert!(sent.receive(them, auth_r(answer.message()), NOW, &mut rng()).is_ok());
    }
    for key in [alice.forging(), bob.key.signing(), &SigningKey::generate(&mut rng())] {
        assert_eq!(answer(key).err(), Some(Reject::OwnMessage));
    }
}

#[test]
fn each_key_of_the_ring_of_auth_i_and_no_other_can_sign_it() {
    let (alice, bob) = (Person::new("alice"), Person::new("bob"));
    let (us, them) = (alice.with(&bob, Versions::V4), bob.with(&alice, Versions::V4));
    let sent = SentIdentity::new(them, None, &mut rng());
    let x57 = crate::Secret::random(&mut rng());
    let mut draws = First(Some(x57.as_bytes().to_vec()));
    let answer = SentAuthR::new(us, identity(sent.message()).verify(us, NOW).expect("valid"), &mut draws);
    let answer = answer.expect("an Auth-R");
    let x = SigningKey::of_ephemeral(&EcdhKeyPair::from_random57(&x57));
    let receive = |key| sent.receive(bob.signing(key, &alice), auth_r(answer.message()), NOW, &mut rng());
    for key in [bob.key.signing(), alice.forging(), &x] {
        let (_, auth_i) = receive(key).expect("a key of the ring");
        let mut r = Reader::new(&auth_i);
        Header::read(&mut r).expect("a header");
        assert_eq!(answer.verify(&AuthI::read(&mut r).expect("an Auth-I message")), Ok(()));
    }
    for key in [bob.forging(), alice.key.signing(), &SigningKey::generate(&mut rng())] {
        assert_eq!(receive(key).err(), Some(Reject::OwnMessage));
    }
}
