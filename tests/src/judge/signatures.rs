//! The ring signatures of the key exchanges, verified with what both sides can know of each other.
//! Spec: otrv4.md "Shared Session State", "Auth-R Message", "Auth-I Message", "Non-Interactive-Auth Message"; spec-notes/SN-006.

use otrv4::Timestamp;
use otrv4::forge::witness;
use otrv4::inside::primitives::over_bytes::{kdf, ring_verify};

use super::look::{Look, Message};
use super::record::Keys;
use super::{Found, violation};

/// What was signed, and under which ring.
pub(crate) struct Signed {
    pub(crate) ring: [Vec<u8>; 3],
    pub(crate) covered: Vec<u8>,
}

impl Signed {
    /// The ring with its parts as functions take them.
    pub(crate) fn ring(&self) -> [&[u8]; 3] {
        self.ring.each_ref().map(Vec::as_slice)
    }

    fn holds(&self, message: &Message) -> bool {
        let signature = message.ring_signature();
        signature.is_some_and(|sigma| ring_verify(false, self.ring(), &sigma.concat(), &self.covered))
    }
}

/// Each Auth-R and Auth-I holds under its ring, whoever of it has signed.
pub(crate) fn ring_signatures_hold(look: &Look<'_>, keys: &Keys) -> Found {
    const RULE: &str = "ring_signatures_hold";
    let is_signed = |message: &Message| message.is("Auth-R message") || message.is("Auth-I message");
    let fails = |(at, message): &(usize, &Message)| is_signed(message) && signed(look, *at, keys).is_none();
    let found = look.messages.iter().enumerate().filter(fails);
    found.map(|(_, message)| violation(RULE, format!("{} at {}", message.parsed.name, message.at))).collect()
}

/// So does each offline start, whose signature covers the receiver's prekeys: they are on no line, but a server may remember. Profiles
/// are checked with it.
pub(crate) fn offline_starts_hold(look: &Look<'_>, keys: &Keys) -> Found {
    const RULE: &str = "offline_starts_hold";
    let mut found = Vec::new();
    let starts = look.messages.iter().filter(|message| message.is("Non-Interactive-Auth message"));
    for message in starts.filter(|_| look.ensemble.is_some()) {
        let names = [message.sender, 1 - message.sender].map(|side| keys.accounts[side].id());
        let at = Timestamp::from_unix(message.at);
        if let Err(reason) = witness([message.line.as_str()], names, look.ensemble.as_ref(), at) {
            found.push(violation(RULE, format!("{reason} at {}", message.at)));
        }
    }
    found
}

/// What the message there has signed, if its signature holds.
pub(crate) fn signed(look: &Look<'_>, at: usize, keys: &Keys) -> Option<Signed> {
    let message = &look.messages[at];
    let before = |name: &'static str, sender: usize| {
        look.messages[..at].iter().rev().filter(move |other| other.is(name) && other.sender == sender)
    };
    // An Identity message may be sent again, and two may cross: one of them is meant.
    match message.parsed.name {
        "Auth-R message" => before("Identity message", 1 - message.sender)
            .filter_map(|identity| auth_r(identity, message, keys))
            .find(|signed| signed.holds(message)),
        "Auth-I message" => before("Auth-R message", 1 - message.sender)
            .flat_map(|answer| {
                before("Identity message", message.sender).map(move |identity| (identity, answer))
            })
            .filter_map(|(identity, answer)| auth_i(identity, answer, keys))
            .find(|signed| signed.holds(message)),
        _ => None,
    }
}

fn auth_r(identity: &Message, answer: &Message, keys: &Keys) -> Option<Signed> {
    let covered = covered(0x00, [0x05, 0x06, 0x07], identity, answer, keys, (answer, identity))?;
    let (bob, alice) = (&keys.accounts[identity.sender], &keys.accounts[answer.sender]);
    let ring = [
        bob.client_profile().forging_key().as_bytes().to_vec(),
        alice.client_profile().identity_key().as_bytes().to_vec(),
        identity.bytes("Y")?.to_vec(),
    ];
    Some(Signed { ring, covered })
}

fn auth_i(identity: &Message, answer: &Message, keys: &Keys) -> Option<Signed> {
    let covered = covered(0x01, [0x08, 0x09, 0x0A], identity, answer, keys, (identity, answer))?;
    let (bob, alice) = (&keys.accounts[identity.sender], &keys.accounts[answer.sender]);
    let ring = [
        bob.client_profile().identity_key().as_bytes().to_vec(),
        alice.client_profile().forging_key().as_bytes().to_vec(),
        answer.bytes("X")?.to_vec(),
    ];
    Some(Signed { ring, covered })
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
