//! The ring signatures of the key exchanges, verified with what both sides can know of each other.
//! Spec: otrv4.md "Shared Session State", "Auth-R Message", "Auth-I Message"; spec-notes/SN-006.

use otrv4::inside::primitives::over_bytes::{kdf, ring_verify};

use super::look::{Look, Message};
use super::record::Keys;
use super::{Found, violation};

/// Each Auth-R and Auth-I holds under its ring, whoever of it has signed. (That of an offline start covers the receiver's prekeys,
/// which are on no line.)
pub(crate) fn ring_signatures_hold(look: &Look<'_>, keys: &Keys) -> Found {
    const RULE: &str = "ring_signatures_hold";
    let mut found = Vec::new();
    let before = |at: usize, name: &'static str, sender: usize| {
        look.messages[..at].iter().rev().filter(move |message| message.is(name) && message.sender == sender)
    };
    for (at, message) in look.messages.iter().enumerate() {
        let holds = match message.parsed.name {
            // An Identity message may be sent again, and two may cross: one of them is meant.
            "Auth-R message" => before(at, "Identity message", 1 - message.sender)
                .any(|identity| auth_r(identity, message, keys).unwrap_or(false)),
            "Auth-I message" => before(at, "Auth-R message", 1 - message.sender).any(|answer| {
                before(at, "Identity message", message.sender)
                    .any(|identity| auth_i(identity, answer, message, keys).unwrap_or(false))
            }),
            _ => true,
        };
        if !holds {
            found.push(violation(RULE, format!("{} at {}", message.parsed.name, message.at)));
        }
    }
    found
}

fn auth_r(identity: &Message, answer: &Message, keys: &Keys) -> Option<bool> {
    let t = covered(0x00, [0x05, 0x06, 0x07], identity, answer, keys, (answer, identity))?;
    let (bob, alice) = (&keys.accounts[identity.sender], &keys.accounts[answer.sender]);
    let ring = [
        bob.client_profile().forging_key().as_bytes().as_slice(),
        alice.client_profile().identity_key().as_bytes(),
        identity.bytes("Y")?,
    ];
    Some(ring_verify(false, ring, &answer.ring_signature()?.concat(), &t))
}

fn auth_i(identity: &Message, answer: &Message, last: &Message, keys: &Keys) -> Option<bool> {
    let t = covered(0x01, [0x08, 0x09, 0x0A], identity, answer, keys, (identity, answer))?;
    let (bob, alice) = (&keys.accounts[identity.sender], &keys.accounts[answer.sender]);
    let ring = [
        bob.client_profile().identity_key().as_bytes().as_slice(),
        alice.client_profile().forging_key().as_bytes(),
        answer.bytes("X")?,
    ];
    Some(ring_verify(false, ring, &last.ring_signature()?.concat(), &t))
}

/// `prefix || HWC(Bob's profile) || HWC(Alice's profile) || Y || X || B || A || HWC(phi)`
fn covered(
    prefix: u8,
    [bobs, alices, shared]: [u8; 3],
    identity: &Message,
    answer: &Message,
    keys: &Keys,
    (sender, receiver): (&Message, &Message),
) -> Option<Vec<u8>> {
    Some(
        [
            vec![prefix],
            kdf(bobs, &identity.profile()?, 64),
            kdf(alices, &answer.profile()?, 64),
            identity.bytes("Y")?.to_vec(),
            answer.bytes("X")?.to_vec(),
            data(identity.bytes("B")?),
            data(answer.bytes("A")?),
            kdf(shared, &phi(sender, receiver, keys)?, 64),
        ]
        .concat(),
    )
}

/// Tags, first keys and account names, of the signer first.
fn phi(sender: &Message, receiver: &Message, keys: &Keys) -> Option<Vec<u8>> {
    let mut phi = Vec::new();
    for message in [sender, receiver] {
        phi.extend(keys.accounts[message.sender].tag().get().to_be_bytes());
    }
    for message in [sender, receiver] {
        phi.extend(message.bytes("first ECDH public key")?);
        phi.extend(data(message.bytes("first DH public key")?));
    }
    for message in [sender, receiver] {
        phi.extend(data(keys.accounts[message.sender].id().as_bytes()));
    }
    Some(phi)
}

fn data(value: &[u8]) -> Vec<u8> {
    let length = u32::try_from(value.len()).expect("a line is far shorter than 4 GiB");
    [length.to_be_bytes().as_slice(), value].concat()
}
