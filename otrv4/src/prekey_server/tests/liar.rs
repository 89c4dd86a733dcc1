//! A publisher that has proved who it is and lies about what it publishes.

use super::super::exchange::{SessionKeys, Usage, hash};
use super::super::proofs::{DhProof, EcdhProof, EcdhUse};
use super::super::publication::{Body, Proofs};
use super::*;
use crate::crypto::ed448::EcdhKeyPair;

/// A publisher of which the server knows who it is, and which may put together what it wants.
struct Liar<'a> {
    alice: &'a Alice,
    ours: SessionKeys,
    theirs: Option<SessionKeys>,
}

/// A publication in parts.
#[derive(Clone)]
struct Parts {
    count: u8,
    prekeys: Vec<u8>,
    client_profile: Option<Vec<u8>>,
    prekey_profile: Option<Vec<u8>>,
    proofs: Vec<u8>,
}

impl<'a> Liar<'a> {
    fn new(alice: &'a Alice) -> Self {
        let (i, s) = (EcdhKeyPair::generate(&mut rng()), EcdhKeyPair::generate(&mut rng()));
        let [ours, theirs] = [SessionKeys::agree(&i, s.public()), SessionKeys::agree(&s, i.public())];
        Self { alice, ours, theirs: Some(theirs) }
    }

    /// An honest publication of everything, with these keys in the proofs.
    fn parts(&self, of: &Alice) -> Parts {
        let m = self.ours.proof_context();
        let mut r = rng();
        let ecdh: Vec<_> = of.prekeys.iter().map(|key| (key.ecdh().public(), key.ecdh().secret())).collect();
        let dh: Vec<_> = of.prekeys.iter().map(PrekeySecret::dh).collect();
        let shared = of.shared.signing();
        let proofs = Proofs {
            messages: Some((
                EcdhProof::prove(EcdhUse::Messages, &ecdh, m, &mut r),
                DhProof::prove(&dh, m, &mut r),
            )),
            shared_prekey: Some(EcdhProof::prove(
                EcdhUse::SharedPrekey,
                &[(shared.public(), shared.secret_scalar())],
                m,
                &mut r,
            )),
        };
        Parts {
            count: of.prekeys.len().try_into().unwrap(),
            prekeys: of.messages().iter().flat_map(|message| message.as_bytes().to_vec()).collect(),
            client_profile: Some(of.profile.as_bytes().to_vec()),
            prekey_profile: Some(of.prekey_profile.as_bytes().to_vec()),
            proofs: proofs.write(),
        }
    }

    fn seal(&self, parts: &Parts) -> Vec<u8> {
        let body = Body {
            count: parts.count,
            prekeys: &parts.prekeys,
            client_profile: parts.client_profile.as_deref(),
            prekey_profile: parts.prekey_profile.as_deref(),
            proofs: &parts.proofs,
        };
        body.write(&self.ours)
    }

    /// What the server makes of the message inside DAKE-3.
    fn check(mut self, message: Vec<u8>) -> Option<Box<Publication>> {
        let keys = self.theirs.take().unwrap();
        let (owner, identity_key) = (self.alice.profile.owner(), self.alice.key.public().clone());
        let failure = ServerReply::Failure.write(owner, &self.ours);
        match Authenticated::with(owner, identity_key, keys, message).check(NOW) {
            Checked::Publish(publication, _) => Some(publication),
            Checked::Failure(reply) => {
                assert_eq!(reply, failure);
                None
            }
            Checked::Count(_) => panic!("nobody asked"),
        }
    }
}

/// Whether the server takes a publication after a change that a right MAC covers.
fn accepts(alice: &Alice, change: impl FnOnce(&mut Parts)) -> bool {
    let liar = Liar::new(alice);
    let mut parts = liar.parts(alice);
    change(&mut parts);
    let message = liar.seal(&parts);
    liar.check(message).is_some()
}

#[test]
fn a_publication_with_any_changed_field_is_answered_with_failure() {
    let alice = Alice::new();
    let length = {
        let liar = Liar::new(&alice);
        liar.seal(&liar.parts(&alice)).len()
    };
    // The head byte by byte, then every 13th, so that every field is met.
    for i in (0..4).chain((4..length).step_by(13)).chain([length - 1]) {
        let liar = Liar::new(&alice);
        let mut message = liar.seal(&liar.parts(&alice));
        // The number in a proof can be a byte shorter than that of another one.
        let last = message.len() - 1;
        message[i.min(last)] ^= 1;
        assert!(liar.check(message).is_none(), "byte {i}");
    }
    for message in [vec![], vec![0, 4, 8, 0, 0], vec![0, 4, 8, 255, 255], vec![0xff; 400]] {
        assert!(Liar::new(&alice).check(message).is_none());
    }
}

#[test]
fn parts_that_do_not_belong_to_the_publisher_are_answered_with_failure() {
    let alice = Alice::new();
    let (mallory, other_tag) =
        (Alice::new(), Alice::with(LongTermKey::generate(&mut rng()), tag(0x101), NOW.plus(1)));
    assert!(accepts(&alice, |_| ()));
    for other in [&mallory, &other_tag] {
        assert!(!accepts(&alice, |parts| parts.client_profile = Some(other.profile.as_bytes().to_vec())));
        assert!(
            !accepts(&alice, |parts| parts.prekey_profile = Some(other.prekey_profile.as_bytes().to_vec()))
        );
    }
    let of_other_client = |parts: &mut Parts| {
        let messages = alice.prekeys.iter().map(|prekey| prekey.message(tag(0x101)));
        parts.prekeys = messages.flat_map(|message| message.as_bytes().to_vec()).collect();
    };
    assert!(!accepts(&alice, of_other_client));
}

#[test]
fn expired_profiles_are_answered_with_failure() {
    let alice = Alice::new();
    let sign =
        |expires| ClientProfile::sign(&alice.key, alice.profile.forging_key(), tag(0x100), expires, None);
    let client_profile = |expires| move |parts: &mut Parts| parts.client_profile = Some(expires);
    assert!(accepts(&alice, client_profile(sign(NOW.plus(1)).as_bytes().to_vec())));
    assert!(!accepts(&alice, client_profile(sign(NOW).as_bytes().to_vec())));
    let expired = PrekeyProfile::sign(&alice.key, tag(0x100), alice.shared.public(), NOW);
    assert!(!accepts(&alice, |parts| parts.prekey_profile = Some(expired.as_bytes().to_vec())));
}

#[test]
fn keys_without_a_proof_that_their_secrets_are_known_are_answered_with_failure() {
    let (alice, mallory) = (Alice::new(), Alice::new());
    let stolen = mallory.messages().iter().flat_map(|message| message.as_bytes().to_vec()).collect();
    assert!(!accepts(&alice, |parts| parts.prekeys = stolen));
    // One of the two keys her own, the other somebody else's.
    let dh_key = 2 + 1 + 4 + 4 + 57;
    for [ecdh, dh] in [[&alice, &mallory], [&mallory, &alice]] {
        let pairs = ecdh.messages().into_iter().zip(dh.messages());
        let mixed = pairs.flat_map(|(y, b)| [&y.as_bytes()[..dh_key], &b.as_bytes()[dh_key..]].concat());
        assert!(!accepts(&alice, |parts| parts.prekeys = mixed.collect()));
    }
    // The shared prekey of somebody else, under her own signature.
    let shared = PrekeyProfile::sign(&alice.key, tag(0x100), mallory.shared.public(), NOW.plus(1));
    assert!(!accepts(&alice, |parts| parts.prekey_profile = Some(shared.as_bytes().to_vec())));
    let (messages, shared) = (2 * 64 + 57 + 4 + 384, 64 + 57);
    // One proof too few or too many, and each in the place of another.
    assert!(!accepts(&alice, |parts| parts.proofs.clear()));
    assert!(!accepts(&alice, |parts| parts.proofs.truncate(messages)));
    assert!(!accepts(&alice, |parts| parts.proofs.extend_from_within(messages..)));
    assert!(!accepts(&alice, |parts| parts.proofs.copy_within(..shared, messages)));
    // Made for another exchange: all of them, and each alone among good ones.
    let replayed = Liar::new(&alice).parts(&alice).proofs;
    assert!(!accepts(&alice, |parts| parts.proofs.clone_from(&replayed)));
    for (other, proof) in split_proofs(&replayed).into_iter().enumerate() {
        assert!(!accepts(&alice, |parts| {
            let mut proofs = split_proofs(&parts.proofs);
            proofs[other] = proof;
            parts.proofs = proofs.concat();
        }));
    }
}

/// The proofs of the prekeys, ECDH and DH, and of the shared prekey.
fn split_proofs(proofs: &[u8]) -> [Vec<u8>; 3] {
    let (ecdh, rest) = proofs.split_at(64 + 57);
    let (dh, shared) = rest.split_at(rest.len() - (64 + 57));
    [ecdh, dh, shared].map(<[u8]>::to_vec)
}

#[test]
fn counts_that_do_not_match_are_answered_with_failure() {
    let alice = Alice::new();
    for count in [0, 1, 3, 255] {
        assert!(!accepts(&alice, |parts| parts.count = count), "{count}");
    }
    assert!(!accepts(&alice, |parts| parts.client_profile = Some(Vec::new())));
    assert!(!accepts(&alice, |parts| parts.prekey_profile = None));
}

#[test]
fn messages_of_other_types_inside_dake_3_are_answered_with_failure() {
    let (alice, server) = (Alice::new(), server());
    let (_, dake1) = alice.start();
    let (_, dake2) = answer(&server, &dake1).unwrap();
    let (_, _, dake3) = dake3(&alice, &server, PublishRequest::StorageInformation);
    let liar = || Liar::new(&alice);
    for message in [dake1, dake2, dake3] {
        assert!(liar().check(message).is_none());
    }
    for reply in [ServerReply::Success, ServerReply::Failure, ServerReply::Status(1)] {
        let liar = liar();
        let message = reply.write(alice.profile.owner(), &liar.ours);
        assert!(liar.check(message).is_none(), "{reply:?}");
    }
    for message_type in [0x0a, 0x0b, 0x10, 0x35, 0x37] {
        let liar = liar();
        let mut message = liar.seal(&liar.parts(&alice));
        message[2] = message_type;
        assert!(liar.check(message).is_none(), "{message_type}");
    }
}

#[test]
fn a_profile_is_announced_by_a_1_and_nothing_else() {
    let alice = Alice::new();
    let accepts = |[k, j]: [u8; 2], [k_covered, j_covered]: [u8; 2]| {
        let liar = Liar::new(&alice);
        let Parts { count, prekeys, client_profile, prekey_profile, proofs } = liar.parts(&alice);
        let (client_profile, prekey_profile) = (client_profile.unwrap(), prekey_profile.unwrap());
        let mut covered = Writer::new();
        covered.byte(0x08).byte(count).bytes(&hash(Usage::PrekeyMessages, &[&prekeys]));
        covered.byte(k_covered).bytes(&hash(Usage::ClientProfile, &[&client_profile]));
        covered.byte(j_covered).bytes(&hash(Usage::PrekeyProfile, &[&prekey_profile]));
        covered.bytes(&hash(Usage::MacProofs, &[&proofs]));
        let mut w = Writer::new();
        w.short(4).byte(0x08).byte(count).bytes(&prekeys);
        w.byte(k).bytes(&client_profile).byte(j).bytes(&prekey_profile).bytes(&proofs);
        liar.ours.mac(Usage::PreMac, &[covered.as_slice()]).write(&mut w);
        liar.check(w.finish()).is_some()
    };
    assert!(accepts([1, 1], [1, 1]));
    for flags in [[2, 1], [1, 2], [255, 1], [1, 255], [0, 1], [1, 0]] {
        assert!(!accepts(flags, flags), "K, J = {flags:?}");
        assert!(!accepts(flags, [1, 1]), "K, J = {flags:?}");
    }
}

#[test]
fn a_prekey_message_given_twice_is_stored_once_and_one_id_for_two_is_answered_with_failure() {
    let publish = |ids: &[u32], same_keys: bool| {
        let mut alice = Alice::new();
        let seeds = |n: usize| [vec![if same_keys { 7 } else { n.try_into().unwrap() }; 57], vec![9; 80]];
        alice.prekeys =
            (0..ids.len()).map(|n| PrekeySecret::generate(&mut Recorded(seeds(n).into()), ids[n])).collect();
        let liar = Liar::new(&alice);
        let message = liar.seal(&liar.parts(&alice));
        liar.check(message).map(|publication| {
            publication.prekeys().iter().map(VerifiedPrekeyMessage::id).collect::<Vec<_>>()
        })
    };
    assert_eq!(publish(&[5, 2, 9], false), Some(vec![5, 2, 9]));
    assert_eq!(publish(&[5, 2, 5], true), Some(vec![5, 2]));
    assert_eq!(publish(&[5, 2, 5], false), None);
}
