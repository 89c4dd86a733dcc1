//! The ring signatures of the key exchanges, verified with what both sides can know of each other.
//! Spec: otrv4.md "Shared Session State", "Auth-R Message", "Auth-I Message", "Non-Interactive-Auth Message"; spec-notes/SN-006.

use std::collections::{BTreeMap, BTreeSet};

use otrv4::inside::primitives::over_bytes::{kdf, ring_verify};

use super::clocks::CLOCKS;
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

/// The Auth-R and Auth-I messages whose signatures hold.
pub(crate) struct Signatures {
    /// By the number of the message what it has signed, and that of the message that it answers: an Identity message, or an Auth-R.
    hold: BTreeMap<usize, (Signed, usize)>,
}

impl Signatures {
    pub(crate) fn of(look: &Look<'_>, keys: &Keys) -> Self {
        let (mut hold, mut left) = (BTreeMap::new(), VERIFIED);
        let mut holds = move |signed: &Signed, message: &Message| {
            left = usize::saturating_sub(left, 1);
            left > 0 && signed.holds(message)
        };
        let of = |name| (0..look.messages.len()).filter(move |at| look.messages[*at].is(name));
        for at in of("Auth-R message") {
            let answer = &look.messages[at];
            let asked = candidates(look, at, "Identity message").into_iter();
            let signed =
                asked.filter_map(|asked| Some((auth_r(&look.messages[asked], answer, keys)?, asked)));
            hold.extend(signed.into_iter().find(|(signed, _)| holds(signed, answer)).map(|it| (at, it)));
        }
        for at in of("Auth-I message") {
            let end = &look.messages[at];
            let signed = candidates(look, at, "Auth-R message").into_iter().filter_map(|answer| {
                let (_, asked) = hold.get(&answer)?;
                Some((auth_i(&look.messages[*asked], &look.messages[answer], keys)?, answer))
            });
            let found = signed.into_iter().find(|(signed, _)| holds(signed, end));
            hold.extend(found.map(|it| (at, it)));
        }
        Self { hold }
    }

    /// What the message there has signed, if its signature holds.
    pub(crate) fn signed(&self, at: usize) -> Option<&Signed> {
        self.hold.get(&at).map(|(signed, _)| signed)
    }

    /// What it answers, then.
    pub(crate) fn answers(&self, at: usize) -> Option<usize> {
        self.hold.get(&at).map(|(_, answers)| *answers)
    }
}

/// Messages of that kind that the one there may answer: the last few of the other side, the newest first. An Identity message may be
/// sent again, and two may cross; clocks may differ.
fn candidates(look: &Look<'_>, at: usize, name: &str) -> Vec<usize> {
    let message = &look.messages[at];
    let mut lines = BTreeSet::new();
    let theirs = (0..look.messages.len()).rev().filter(|other| {
        let other = &look.messages[*other];
        other.sender != message.sender && other.is(name) && other.at <= message.at.saturating_add(CLOCKS)
    });
    theirs.filter(|other| lines.insert(look.messages[*other].line.as_str())).take(CANDIDATES).collect()
}

/// So many handshakes may be under way at once, such as where somebody asks again and again who is away.
const CANDIDATES: usize = 16;

/// So many signatures are looked at in a record. Each handshake takes a few; only a record that is made to take for ever has more.
const VERIFIED: usize = 2000;

/// Each Auth-R and Auth-I holds under its ring, whoever of it has signed.
pub(crate) fn ring_signatures_hold(look: &Look<'_>, signatures: &Signatures) -> Found {
    const RULE: &str = "ring_signatures_hold";
    let is_signed = |message: &Message| message.is("Auth-R message") || message.is("Auth-I message");
    let messages = look.messages.iter().enumerate();
    let found = messages.filter(|(at, message)| is_signed(message) && signatures.signed(*at).is_none());
    found.map(|(_, message)| violation(RULE, format!("{} at {}", message.parsed.name, message.at))).collect()
}

fn auth_r(identity: &Message, answer: &Message, keys: &Keys) -> Option<Signed> {
    let covered = covered(0x00, [0x05, 0x06, 0x07], identity, answer, keys, (answer, identity))?;
    let (bob, alice) = (&keys.accounts[identity.sender], &keys.accounts[answer.sender]);
    let ring = [
        bob.forging_key().as_bytes().to_vec(),
        alice.identity_key().as_bytes().to_vec(),
        identity.bytes("Y")?.to_vec(),
    ];
    Some(Signed { ring, covered })
}

fn auth_i(identity: &Message, answer: &Message, keys: &Keys) -> Option<Signed> {
    let covered = covered(0x01, [0x08, 0x09, 0x0A], identity, answer, keys, (identity, answer))?;
    let (bob, alice) = (&keys.accounts[identity.sender], &keys.accounts[answer.sender]);
    let ring = [
        bob.identity_key().as_bytes().to_vec(),
        alice.forging_key().as_bytes().to_vec(),
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
