//! Signatures of profiles, which can be checked from the line alone.

use otrv4::forge::{Parsed, Value, parse};
use otrv4::prekey_server::{encode_text, retrieval};
use otrv4::wire::{InstanceTag, Writer, armour, unarmour};
use otrv4_tests::{alice_and_bob, alice_and_bob_with_v3};

use crate::parse::{lines, whole};

/// What was found of each signature of a profile.
fn found(parsed: &Parsed) -> Vec<Option<bool>> {
    let signatures = parsed.fields.iter().filter(|field| field.name.ends_with("Profile signature"));
    signatures.map(|field| field.holds).collect()
}

/// Where the signature of the Client Profile ends, in bytes.
fn end_of_profile(message: &[u8]) -> usize {
    let parsed = parse(&armour(message));
    let name = "Client Profile signature";
    let signature = parsed.fields.iter().find(|field| field.name == name).unwrap();
    let Value::Bytes(signature) = &signature.value else { panic!("{signature:?}") };
    message.windows(114).position(|window| window == signature.as_slice()).unwrap() + 114
}

#[test]
fn the_profiles_of_a_key_exchange_hold_and_nothing_else_is_said_to() {
    for (alice, bob) in [alice_and_bob(), alice_and_bob_with_v3(otrv4::Policy::default())] {
        for line in lines(alice, bob) {
            let parsed = parse(&line);
            let expected: &[_] = match parsed.name {
                "Identity message" | "Auth-R message" => &[Some(true)],
                _ => &[],
            };
            assert_eq!(found(&parsed), expected, "{}", parsed.name);
            let held = parsed.fields.iter().filter(|field| field.holds.is_some()).count();
            assert_eq!(held, expected.len());
        }
    }
}

#[test]
fn public_keys_of_somebody_and_random_bytes_are_no_profile_of_theirs() {
    let (alice, bob) = alice_and_bob();
    let identity = unarmour(&lines(alice, bob)[1]).unwrap();
    let end = end_of_profile(&identity);
    for at in [end - 114, end - 57, end - 1, end - 150] {
        let mut changed = identity.clone();
        changed[at] ^= 1;
        let parsed = whole(&armour(&changed));
        assert_eq!(found(&parsed), [Some(false)], "byte {at}");
        let field = parsed.fields.iter().find(|field| field.name == "Client Profile signature").unwrap();
        assert_eq!(field.meaning.as_deref(), Some("does not hold"));
    }
    let mut cut = identity[..end].to_vec();
    assert_eq!(found(&parse(&armour(&cut))), [Some(true)], "what is whole of a damaged message is checked");
    cut.pop();
    assert_eq!(found(&parse(&armour(&cut))), []);
}

#[test]
fn a_profile_without_a_key_does_not_hold_and_a_field_that_comes_twice_is_refused() {
    let head = [0, 4, 0x35, 0, 0, 1, 0, 0, 0, 0, 0];
    let tag = [0, 1, 0, 0, 1, 0];
    let without = [&head[..], &[0, 0, 0, 1], &tag, &[7; 114]].concat();
    assert_eq!(found(&parse(&armour(&without))), [Some(false)]);
    let twice = [&head[..], &[0, 0, 0, 2], &tag, &tag, &[7; 114]].concat();
    let parsed = parse(&armour(&twice));
    assert_eq!(found(&parsed), []);
    let error = parsed.error.map(|error| error.to_string());
    assert_eq!(error.as_deref(), Some("a profile's field that comes twice is not allowed"));
}

#[test]
fn a_prekey_profile_is_checked_under_the_key_of_the_client_profile_before_it() {
    let (mut alice, mut bob) = alice_and_bob();
    let ensembles: Vec<Vec<u8>> = [alice.prekeys(1), bob.prekeys(1)]
        .iter()
        .map(|ensembles| {
            let mut w = Writer::new();
            ensembles[0].write(&mut w);
            w.finish()
        })
        .collect();
    let answer = |client: &[u8], rest: &[u8]| {
        let stored = vec![(client.to_vec(), rest.to_vec(), Vec::new())];
        whole(&encode_text(&retrieval(InstanceTag::new(0x100).unwrap(), "alice", &stored)))
    };
    assert_eq!(found(&answer(&ensembles[0], &[])), [Some(true), Some(true)]);
    // Alice's Client Profile before Bob's Prekey Profile.
    let of_alice = alice.account.client_profile().as_bytes();
    let behind = &ensembles[1][bob.account.client_profile().as_bytes().len()..];
    assert_eq!(found(&answer(of_alice, behind)), [Some(true), Some(false)]);
}

#[test]
fn a_published_prekey_profile_without_its_client_profile_is_not_checked() {
    let (_, mut bob) = alice_and_bob();
    let mut ensemble = Writer::new();
    bob.prekeys(1)[0].write(&mut ensemble);
    let begins = bob.account.client_profile().as_bytes().len();
    let profile = &ensemble.as_slice()[begins..begins + 185];
    // DAKE-3 with a ring signature of zeros: no prekey messages, no Client Profile, a Prekey Profile.
    let inside = [&[0, 4, 8, 0, 0, 1][..], profile, &[0; 64 + 57 + 64]].concat();
    let length = u32::try_from(inside.len()).unwrap().to_be_bytes();
    let dake_3 = [&[0, 4, 0x37, 0, 0, 1, 0][..], &[0; 6 * 57], &length, &inside].concat();
    assert_eq!(found(&whole(&encode_text(&dake_3))), [None]);
}
