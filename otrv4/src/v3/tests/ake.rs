//! Key exchanges between two sides, and those that libotr recorded.

use super::*;
use crate::crypto::dsa::DsaKey;
use crate::crypto::legacy::{aes128_ctr, sha256};
use crate::v3::ake::{SentCommit, SentDhKey, SentRevealSignature};
use crate::v3::messages::{DhCommit, DhKey, RevealSignature, Signature};
use crate::v3::vectors::raw;
use crate::vectors::{Recorded, array, bytes, v3_file};

/// The recorded long-term key of Alice, who is `A`, or of Bob.
fn long_term_key(who: &str) -> DsaKey {
    let key = &v3_file()["keys"][who];
    let part = |name: &str| bytes(&key[name]);
    DsaKey::from_parts(&part("p"), &part("q"), &part("g"), &part("y"), &part("x")).expect("a key")
}

fn tags(version: Version) -> [InstanceTag; 2] {
    match version {
        Version::V2 => [InstanceTag::V2; 2],
        _ => [0x6d0c_0a25, 0xabc9_54de].map(|tag| InstanceTag::new(tag).expect("a valid tag")),
    }
}

/// What follows the header.
fn read<T>(whole: &[u8], read: impl FnOnce(&mut Reader<'_>) -> Result<T, WireError>) -> Result<T, WireError> {
    let mut r = Reader::new(whole);
    Header::read(&mut r)?;
    read(&mut r)
}

fn sent_again<T>(
    value: &T,
    save: impl Fn(&T, &mut Writer),
    load: fn(&mut Reader<'_>) -> Result<T, WireError>,
) -> T {
    let mut w = Writer::new();
    save(value, &mut w);
    for length in 0..w.as_slice().len() {
        assert!(load(&mut Reader::new(&w.as_slice()[..length])).is_err());
    }
    let mut r = Reader::new(w.as_slice());
    let loaded = load(&mut r).expect("what was saved");
    r.end().expect("and no more");
    let mut again = Writer::new();
    save(&loaded, &mut again);
    assert_eq!(again.as_slice(), w.as_slice());
    loaded
}

/// An exchange of our own, with Bob's and Alice's last states and the four messages.
struct Exchange {
    alice: DsaKey,
    bob: DsaKey,
    commit: SentCommit,
    dh_key: SentDhKey,
    reveal: SentRevealSignature,
    signature: Vec<u8>,
    /// Alice's.
    established: Established,
}

impl Exchange {
    fn new(version: Version) -> Self {
        let mut rng = rng();
        let [of_alice, of_bob] = tags(version);
        let (alice, bob) = (long_term_key("A"), long_term_key("B"));
        let commit = SentCommit::new(version, of_bob, None, &mut rng);
        let message = read(commit.message(), DhCommit::read).expect("a D-H Commit message");
        let dh_key = SentDhKey::new(version, (of_alice, of_bob), message, &mut rng);
        let message = read(dh_key.message(), DhKey::read).expect("a D-H Key message");
        let reveal = commit.receive((of_bob, of_alice), &bob, &message, &mut rng).expect("a legal key");
        let message = read(reveal.message(), RevealSignature::read).expect("a Reveal Signature message");
        let (established, signature) = dh_key.receive(&alice, &message, &mut rng).expect("a valid signature");
        Self { alice, bob, commit, dh_key, reveal, signature, established }
    }

    /// Bob's half, when he has received the Signature message.
    fn complete(&self) -> Established {
        let message = read(&self.signature, Signature::read).expect("a Signature message");
        self.reveal.receive(&message).expect("a valid signature")
    }
}

fn talk(alice: Established, bob: Established) {
    let mut rng = rng();
    let (mut alice, mut bob) = (Channel::new(alice, NOW, &mut rng), Channel::new(bob, NOW, &mut rng));
    for _ in 0..3 {
        turn(&mut alice, &mut bob);
    }
}

#[test]
fn recorded_exchanges_are_replayed_byte_for_byte() {
    for session in sessions() {
        let version = if session.name == "v2" { Version::V2 } else { Version::V3 };
        let [of_alice, of_bob] = tags(version);
        let (alice, bob) = (long_term_key("A"), long_term_key("B"));
        let [commit, dh_key, reveal, signature] =
            ["dh_commit", "dh_key", "reveal_sig", "signature"].map(|kind| session.only(kind));

        let mut rng = Recorded([bytes(&commit["r"]), bytes(&commit["x"]), bytes(&dh_key["y"])].into());
        let sent_commit = SentCommit::new(version, of_bob, None, &mut rng);
        assert_eq!(sent_commit.message(), raw(commit));
        let received = read(sent_commit.message(), DhCommit::read).expect("a D-H Commit message");
        let sent_dh_key = SentDhKey::new(version, (of_alice, of_bob), received, &mut rng);
        assert_eq!(sent_dh_key.message(), raw(dh_key));
        assert!(rng.0.is_empty(), "nothing else is drawn");

        let received = read(sent_dh_key.message(), DhKey::read).expect("a D-H Key message");
        let nonce = array(&reveal["dsa_k"]);
        let sign = |m: &[u8; 32]| {
            assert_eq!(m, &array(&reveal["M"]));
            bob.sign_with_nonce(m, &nonce)
        };
        let sent_reveal = sent_commit
            .receive_signing((of_bob, of_alice), bob.public(), &received, sign)
            .expect("a legal key");
        assert_eq!(sent_reveal.message(), raw(reveal));

        let received =
            read(sent_reveal.message(), RevealSignature::read).expect("a Reveal Signature message");
        let nonce = array(&signature["dsa_k"]);
        let sign = |m: &[u8; 32]| {
            assert_eq!(m, &array(&signature["M"]));
            alice.sign_with_nonce(m, &nonce)
        };
        let (of_alice, sent_signature) =
            sent_dh_key.receive_signing(alice.public(), &received, sign).expect("a valid signature");
        assert_eq!(sent_signature, raw(signature));

        let received = read(&sent_signature, Signature::read).expect("a Signature message");
        let of_bob = sent_reveal.receive(&received).expect("a valid signature");
        let ssid = array(&dh_key["ssid"]);
        let file = v3_file();
        // Which half each side shows in bold; the one that sent the D-H Commit message the first.
        let recorded = &file["sessions"][session.name];
        let half = |who: &str| Ssid::new(ssid, recorded["ssid_bold"][who] == "first");
        assert_eq!((of_alice.ssid, of_bob.ssid), (half("A"), half("B")));
        assert_eq!((recorded["committer"].as_str(), commit["from"].as_str()), (Some("B"), Some("B")));
        let fingerprint = |who: &str| FingerprintV3::from_bytes(array(&file["keys"][who]["fingerprint"]));
        assert_eq!((of_alice.fingerprint, of_bob.fingerprint), (fingerprint("B"), fingerprint("A")));
        assert_eq!((of_alice.their_keyid, of_bob.their_keyid), (1, 1));
        assert_eq!((of_alice.version, of_bob.version), (version, version));
        assert_eq!(&of_alice.their_key, of_bob.our_key.public());
        assert_eq!(&of_bob.their_key, of_alice.our_key.public());

        // The first recorded data message can be read by Bob.
        let mut bob = Channel::new(of_bob, NOW, &mut crate::vectors::rng());
        let data = session.data();
        assert_eq!(hear_text(&mut bob, &raw(data[0])), data[0]["text"].as_str().expect("a text"));
    }
}

#[test]
fn an_exchange_gives_both_sides_the_same_channel() {
    for version in [Version::V2, Version::V3] {
        let exchange = Exchange::new(version);
        let bob = exchange.complete();
        let Exchange { alice, bob: bobs_key, established, .. } = exchange;
        assert_eq!(established.ssid.bytes(), bob.ssid.bytes());
        assert_eq!(established.fingerprint, bobs_key.public().fingerprint());
        assert_eq!(bob.fingerprint, alice.public().fingerprint());
        talk(established, bob);
    }
}

#[test]
fn each_exchange_has_fresh_keys() {
    let [first, second] = [(); 2].map(|()| Exchange::new(Version::V3));
    assert_ne!(first.established.our_key.public(), second.established.our_key.public());
    assert_ne!(first.established.their_key, second.established.their_key);
    assert_ne!(first.commit.message(), second.commit.message());
}

#[test]
fn what_waits_for_an_answer_can_be_saved_in_between() {
    for version in [Version::V2, Version::V3] {
        let exchange = Exchange::new(version);
        let commit = sent_again(&exchange.commit, SentCommit::save, SentCommit::load);
        assert_eq!(commit.message(), exchange.commit.message());
        assert_eq!(commit.version(), version);
        let dh_key = sent_again(&exchange.dh_key, SentDhKey::save, SentDhKey::load);
        assert_eq!(dh_key.message(), exchange.dh_key.message());
        let reveal = sent_again(&exchange.reveal, SentRevealSignature::save, SentRevealSignature::load);
        assert_eq!(reveal.message(), exchange.reveal.message());

        let mut rng = rng();
        let [of_alice, of_bob] = tags(version);
        let message = read(dh_key.message(), DhKey::read).expect("a D-H Key message");
        let reveal =
            commit.receive((of_bob, of_alice), &exchange.bob, &message, &mut rng).expect("a legal key");
        let reveal = sent_again(&reveal, SentRevealSignature::save, SentRevealSignature::load);
        let message = read(reveal.message(), RevealSignature::read).expect("a Reveal Signature message");
        let (established, signature) = dh_key.receive(&exchange.alice, &message, &mut rng).expect("valid");
        let message = read(&signature, Signature::read).expect("a Signature message");
        talk(established, reveal.receive(&message).expect("valid"));
    }
}

/// Every change of one byte behind the header; what is changed in it is the session's to see.
fn changed(message: &[u8], version: Version) -> impl Iterator<Item = Vec<u8>> {
    let header = if version == Version::V2 { 3 } else { 11 };
    (header..message.len()).map(move |at| {
        let mut changed = message.to_vec();
        changed[at] ^= if at % 2 == 0 { 0x01 } else { 0x80 };
        changed
    })
}

#[test]
fn each_changed_byte_of_a_reveal_signature_or_signature_message_is_refused_and_costs_nothing() {
    for version in [Version::V2, Version::V3] {
        let exchange = Exchange::new(version);
        for forged in changed(exchange.reveal.message(), version) {
            if let Ok(message) = read(&forged, RevealSignature::read) {
                let refused = exchange.dh_key.receive(&exchange.alice, &message, &mut rng());
                assert_eq!(refused.err(), Some(Reject::Forged));
            }
        }
        for forged in changed(&exchange.signature, version) {
            if let Ok(message) = read(&forged, Signature::read) {
                assert_eq!(exchange.reveal.receive(&message).err(), Some(Reject::Forged));
            }
        }
        talk(honest(&exchange), exchange.complete());
    }
}

/// Alice's half, from the honest Reveal Signature message once more.
fn honest(exchange: &Exchange) -> Established {
    let message = read(exchange.reveal.message(), RevealSignature::read).expect("a Reveal Signature message");
    exchange.dh_key.receive(&exchange.alice, &message, &mut rng()).expect("a valid signature").0
}

#[test]
fn each_changed_byte_of_a_d_h_commit_or_d_h_key_message_makes_the_next_one_refused() {
    for version in [Version::V2, Version::V3] {
        let exchange = Exchange::new(version);
        let [of_alice, of_bob] = tags(version);
        let reveal =
            read(exchange.reveal.message(), RevealSignature::read).expect("a Reveal Signature message");
        for forged in changed(exchange.commit.message(), version) {
            if let Ok(message) = read(&forged, DhCommit::read) {
                let dh_key = SentDhKey::new(version, (of_alice, of_bob), message, &mut rng());
                assert_eq!(dh_key.receive(&exchange.alice, &reveal, &mut rng()).err(), Some(Reject::Forged));
            }
        }
        // Most changed numbers are no members of the group, or no numbers; the others are other keys.
        let mut members = 0;
        for forged in changed(exchange.dh_key.message(), version) {
            if let Ok(message) = read(&forged, DhKey::read) {
                members += 1;
                assert!(!exchange.reveal.answers(&message));
                if members > 3 {
                    continue;
                }
                let reveal = exchange.commit.receive((of_bob, of_alice), &exchange.bob, &message, &mut rng());
                let reveal = reveal.expect("a legal key");
                let message =
                    read(reveal.message(), RevealSignature::read).expect("a Reveal Signature message");
                assert_eq!(
                    exchange.dh_key.receive(&exchange.alice, &message, &mut rng()).err(),
                    Some(Reject::Forged)
                );
                let message = read(&exchange.signature, Signature::read).expect("a Signature message");
                assert_eq!(reveal.receive(&message).err(), Some(Reject::Forged));
            }
        }
        assert!(members > 50, "about every other number is a square");
        let message = read(exchange.dh_key.message(), DhKey::read).expect("a D-H Key message");
        assert!(exchange.reveal.answers(&message));
    }
}

#[test]
fn a_committed_number_that_is_no_key_is_refused_although_its_hash_is_right() {
    let exchange = Exchange::new(Version::V3);
    let [of_alice, of_bob] = tags(Version::V3);
    let reveal = read(exchange.reveal.message(), RevealSignature::read).expect("a Reveal Signature message");
    let receive = |mpi: &[u8]| {
        let mut encrypted_gx = mpi.to_vec();
        aes128_ctr(&reveal.r, [0; 8], &mut encrypted_gx);
        let commit = DhCommit { encrypted_gx, hashed_gx: sha256(&[mpi]) };
        let dh_key = SentDhKey::new(Version::V3, (of_alice, of_bob), commit, &mut rng());
        dh_key.receive(&exchange.alice, &reveal, &mut rng()).err()
    };
    for mpi in
        [&[][..], &[0, 0, 0, 0], &[0, 0, 0, 1, 1], &[0, 0, 0, 2, 0, 2], &[0, 0, 0, 1, 2, 2], &[0, 0, 1]]
    {
        assert!(matches!(receive(mpi), Some(Reject::Wire(_))), "{mpi:?}");
    }
    assert_eq!(receive(&[0, 0, 0, 1, 2]), Some(Reject::Forged), "a key, but not the one that signed");
}

#[test]
fn the_higher_hash_wins_and_our_own_message_does_not() {
    let commits = [(); 2].map(|()| SentCommit::new(Version::V3, tags(Version::V3)[0], None, &mut rng()));
    let [first, second] =
        commits.each_ref().map(|sent| read(sent.message(), DhCommit::read).expect("a commit"));
    let first_is_higher = first.hashed_gx > second.hashed_gx;
    assert_eq!(commits[0].wins_over(&second), Ok(first_is_higher));
    assert_eq!(commits[1].wins_over(&first), Ok(!first_is_higher));
    assert_eq!(commits[0].wins_over(&first), Err(Reject::OwnMessage));
}

#[test]
fn a_new_commit_is_answered_with_the_same_key() {
    let exchange = Exchange::new(Version::V3);
    let [of_alice, of_bob] = tags(Version::V3);
    let before = exchange.dh_key.message().to_vec();
    let other = SentCommit::new(Version::V3, of_bob, Some(of_alice), &mut rng());
    let message = read(other.message(), DhCommit::read).expect("a D-H Commit message");
    let dh_key = exchange.dh_key.with_commit(message);
    assert_eq!(dh_key.message(), before);

    let old = read(exchange.reveal.message(), RevealSignature::read).expect("a Reveal Signature message");
    assert_eq!(dh_key.receive(&exchange.alice, &old, &mut rng()).err(), Some(Reject::Forged));
    let message = read(dh_key.message(), DhKey::read).expect("a D-H Key message");
    let reveal = other.receive((of_bob, of_alice), &exchange.bob, &message, &mut rng()).expect("a legal key");
    let message = read(reveal.message(), RevealSignature::read).expect("a Reveal Signature message");
    let (established, signature) = dh_key.receive(&exchange.alice, &message, &mut rng()).expect("valid");
    let message = read(&signature, Signature::read).expect("a Signature message");
    talk(established, reveal.receive(&message).expect("valid"));
}

#[test]
fn several_clients_may_answer_one_commit() {
    let [of_alice, of_bob] = tags(Version::V3);
    let (alice, bob) = (long_term_key("A"), long_term_key("B"));
    let mut rng = rng();
    let commit = SentCommit::new(Version::V3, of_bob, None, &mut rng);
    let ssids = [0, 1].map(|n| {
        let tag = InstanceTag::new(of_alice.get() + n).expect("a valid tag");
        let message = read(commit.message(), DhCommit::read).expect("a D-H Commit message");
        let dh_key = SentDhKey::new(Version::V3, (tag, of_bob), message, &mut rng);
        let message = read(dh_key.message(), DhKey::read).expect("a D-H Key message");
        let reveal = commit.receive((of_bob, tag), &bob, &message, &mut rng).expect("a legal key");
        let message = read(reveal.message(), RevealSignature::read).expect("a Reveal Signature message");
        let (established, signature) = dh_key.receive(&alice, &message, &mut rng).expect("valid");
        let message = read(&signature, Signature::read).expect("a Signature message");
        let ssid = established.ssid.bytes();
        talk(established, reveal.receive(&message).expect("valid"));
        ssid
    });
    assert_ne!(ssids[0], ssids[1]);
}

#[test]
fn our_own_key_and_our_own_number_are_refused() {
    let exchange = Exchange::new(Version::V3);
    let [of_alice, of_bob] = tags(Version::V3);
    // Bob's long-term key at the other end: for Alice with the same key, and for Bob himself.
    let reveal = read(exchange.reveal.message(), RevealSignature::read).expect("a Reveal Signature message");
    let (_, signature) = exchange.dh_key.receive(&exchange.alice, &reveal, &mut rng()).expect("valid");
    assert_eq!(exchange.dh_key.receive(&exchange.bob, &reveal, &mut rng()).err(), Some(Reject::OwnMessage));
    let dh_key = read(exchange.dh_key.message(), DhKey::read).expect("a D-H Key message");
    let as_alice = exchange.commit.receive((of_bob, of_alice), &exchange.alice, &dh_key, &mut rng());
    let signature = read(&signature, Signature::read).expect("a Signature message");
    assert_eq!(as_alice.expect("a legal key").receive(&signature).err(), Some(Reject::OwnMessage));

    // g^x as an answer to itself.
    let mut w = Writer::new();
    exchange.established.their_key.write(&mut w);
    let mirrored = DhKey::read(&mut Reader::new(w.as_slice())).expect("a legal key");
    let refused = exchange.commit.receive((of_bob, of_alice), &exchange.bob, &mirrored, &mut rng());
    assert_eq!(refused.err(), Some(Reject::OwnMessage));
}

#[test]
fn debug_output_shows_no_secret() {
    let exchange = Exchange::new(Version::V3);
    let text = format!("{:?} {:?} {:?}", exchange.commit, exchange.dh_key, exchange.reveal);
    assert!(text.contains("r: Secret<16>(..)") && text.contains("c: Secret<16>(..)"), "{text}");
}
