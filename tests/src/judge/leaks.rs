//! Forgers who give themselves away, so that a judge who only tosses a coin is found out. Each has one fault.

use std::time::Duration;

use otrv4::Account;
use otrv4::forge::{Delivery, Line as ForgedLine, v4};
use otrv4::inside::primitives::over_bytes::{
    kdf, mul_base, ring_commitment, ring_nonces, scalar, scalar_difference,
};
use otrv4::wire::{Fragment, Line as Classified, armour, classify, unarmour};
use rand::RngExt;
use rand::rngs::ChaCha8Rng;

use super::forged::{Kept, forge, forge_through};
use super::lives::Life;
use super::look::{Data, Look, Message};
use super::record::{Keys, Line, Transcript};
use super::signatures::{Signatures, Signed};

/// What is wrong with them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leak {
    /// Writes the message id before the ratchet id, under a MAC that holds.
    FieldOrder,
    /// Lets people speak in steps of half a minute: a rule finds it where they say enough.
    Clock,
    /// On a network that takes no time: breaks no rule, since fast ones seem to take none in seconds.
    AtOnce,
    /// Signs for Alice with one of four nonces, each time with other keys.
    Nonces,
    /// On a network that always takes between one and two seconds: breaks no rule.
    EvenNetwork,
    /// Fills up each text with blanks, to four hundred characters: breaks no rule.
    Blanks,
    /// Sets a flag that has no meaning, under a MAC that holds.
    Flags,
    /// Sends in the first ratchet under other keys than those of the handshake, under MACs that hold.
    FirstKeys,
    /// Reveals keys in the reverse order.
    KeyOrder,
    /// Has an old profile of the two, which was valid still, but which honest programs had renewed.
    OldProfile,
}

impl Leak {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::FieldOrder,
        Self::Clock,
        Self::AtOnce,
        Self::Nonces,
        Self::EvenNetwork,
        Self::Blanks,
        Self::OldProfile,
        Self::Flags,
        Self::FirstKeys,
        Self::KeyOrder,
    ];

    /// The rule that it breaks, and how it begins to tell of it; none if only the learner can find it.
    pub const fn rule(self) -> Option<&'static str> {
        match self {
            Self::FieldOrder => Some("ratchets_count_as_honest_ones_do"),
            Self::Clock => Some("nobody_speaks_by_the_clock"),
            Self::Nonces => Some("nothing_fresh_is_there_twice: nonce of a signature"),
            Self::OldProfile => Some("profiles_were_current"),
            Self::Flags => Some("flags_are_those_with_a_meaning"),
            Self::FirstKeys => Some("first_keys_are_those_of_the_handshake"),
            Self::KeyOrder => Some("keys_are_revealed_in_the_order_of_their_messages"),
            Self::AtOnce | Self::EvenNetwork | Self::Blanks => None,
        }
    }
}

/// The forged record number `which` of such a forger.
pub(crate) fn leak(
    leak: Leak,
    which: u64,
    life: &Life,
    (accounts, keys): ([&Account; 2], &Keys),
    rng: &mut ChaCha8Rng,
) -> Option<Transcript> {
    let kept = Kept::LongTerm(0);
    let mut life = life.clone();
    match leak {
        Leak::FieldOrder => changed(&life, accounts, keys, rng, &|_, message| {
            let mut bytes = decoded(&message.line)?;
            bytes.get_mut(IDS_AT..IDS_AT + 8)?.rotate_left(4);
            Some(bytes)
        }),
        Leak::Flags => changed(&life, accounts, keys, rng, &|_, message| {
            let mut bytes = decoded(&message.line)?;
            *bytes.get_mut(FLAGS_AT)? |= 0x02;
            Some(bytes)
        }),
        Leak::FirstKeys => {
            let other = mul_base(&scalar(&kdf(0, &which.to_be_bytes(), 57))?)?;
            let is_first = |look: &Look<'_>, data: &Data| {
                let key = Some(data.ecdh.as_slice());
                look.messages.iter().any(|message| message.bytes("first ECDH public key") == key)
            };
            let transcript = changed(&life, accounts, keys, rng, &|look, message| {
                let mut bytes = decoded(&message.line)?;
                message.data.as_ref().filter(|data| is_first(look, data))?;
                bytes.get_mut(IDS_AT + 8..IDS_AT + 8 + 57)?.copy_from_slice(&other);
                Some(bytes)
            })?;
            // What nobody has read cannot be changed; then both keys would be there.
            let look = Look::at(&transcript, keys);
            let left = look.data().any(|(_, _, data)| is_first(&look, data));
            (!left).then(|| transcript.clone())
        }
        Leak::KeyOrder => {
            let transcript = forge(&life, accounts, kept, rng)?.0;
            rewrite(transcript, keys, &|look, at| {
                let message = &look.messages[at];
                let keys = &message.data.as_ref()?.revealed;
                let mut bytes = decoded(&message.line)?;
                let from = bytes.len() - 64 * keys.len();
                bytes.truncate(from);
                bytes.extend(keys.iter().rev().flatten());
                Some(armour(&bytes))
            })
        }
        Leak::Clock => {
            life.said.iter_mut().for_each(|saying| saying.at += 30 - saying.at.rem_euclid(30));
            let last = life.said.last().map_or(0, |saying| saying.at);
            life.end = life.end.map(|(by, at)| (by, at.max(last + 60)));
            life.until = life.until.max(last);
            Some(forge(&life, accounts, kept, rng)?.0)
        }
        Leak::AtOnce => {
            let at_once = &mut |_: &ForgedLine| Delivery::AT_ONCE;
            Some(forge_through(&life, accounts, kept, at_once, rng)?.0)
        }
        Leak::Nonces => {
            let transcript = forge(&life, accounts, kept, rng)?.0;
            let nonce = scalar(&kdf(0, &which.rem_euclid(4).to_be_bytes(), 57))?;
            let again = |look: &Look<'_>, at: usize| {
                let of_alice = look.messages[at].sender == 0;
                of_alice.then(|| signed_again(look, at, (accounts[0], keys), &nonce)).flatten()
            };
            rewrite(transcript, keys, &again)
        }
        Leak::EvenNetwork => {
            let mut network: Vec<u64> = (0..1000).map(|_| rng.random_range(1000..2000)).collect();
            let even = &mut |_: &ForgedLine| {
                network.rotate_left(1);
                Delivery::After(Duration::from_millis(network[0]))
            };
            Some(forge_through(&life, accounts, kept, even, rng)?.0)
        }
        Leak::Blanks => {
            for saying in &mut life.said {
                let blanks = saying.text.len().next_multiple_of(400) - saying.text.len();
                saying.text.push_str(&" ".repeat(blanks));
            }
            Some(forge(&life, accounts, kept, rng)?.0)
        }
        Leak::OldProfile => Some(forge(&life.later(OLD), accounts, kept, rng)?.0),
    }
}

/// Seconds by which the life with an old profile is later: most of these lives begin when four days of the profile's seven are over.
const OLD: i64 = 84 * 60 * 60;

/// Puts other messages of the same length in the place of those, in the same pieces. None if that changes nothing: then nobody could see
/// the fault.
fn rewrite(
    before: Transcript,
    keys: &Keys,
    other: &dyn Fn(&Look<'_>, usize) -> Option<String>,
) -> Option<Transcript> {
    let mut transcript = before.clone();
    let look = Look::at(&before, keys);
    let all: Vec<(usize, usize, String, String)> = (0..look.messages.len())
        .filter_map(|at| {
            let message = &look.messages[at];
            Some((message.sender, message.last_line, message.line.clone(), other(&look, at)?))
        })
        .collect();
    for (sender, last, old, new) in all {
        assert_eq!(old.len(), new.len(), "another length");
        let account = keys.accounts[sender].id();
        let mut end = new.len();
        // From its last line back, until all of it is there.
        for line in transcript.lines[..=last].iter_mut().rev().filter(|line| line.sender == account) {
            let length = piece(line).len();
            let from = end - length;
            line.line = line.line.replace(&old[from..end], &new[from..end]);
            end = from;
            if end == 0 {
                break;
            }
        }
    }
    (transcript != before).then_some(transcript)
}

/// What of a message is on that line.
fn piece(line: &Line) -> &str {
    match classify(&line.line) {
        Classified::Fragment(Ok(Fragment { piece, .. })) => piece,
        _ => &line.line,
    }
}

/// A forged record in which data messages are changed so, and authenticated again.
fn changed(
    life: &Life,
    accounts: [&Account; 2],
    keys: &Keys,
    rng: &mut ChaCha8Rng,
    change: &dyn Fn(&Look<'_>, &Message) -> Option<Vec<u8>>,
) -> Option<Transcript> {
    let (transcript, forged) = forge(life, accounts, Kept::LongTerm(0), rng)?;
    rewrite(transcript, keys, &|look, at| {
        let message = &look.messages[at];
        let chain_key = forged[message.last_line].chain_key.as_ref()?;
        v4::remac(&armour(&change(look, message)?), &v4::mac_key(&v4::message_key(chain_key))).ok()
    })
}

fn decoded(line: &str) -> Option<Vec<u8>> {
    unarmour(line).ok()
}

/// Behind version, type and both tags.
const FLAGS_AT: usize = 2 + 1 + 4 + 4;

/// Behind the flags and `pn`.
const IDS_AT: usize = FLAGS_AT + 1 + 4;

/// The message there with a ring signature that its sender's long-term key makes with that nonce; the other two places stay as they
/// were drawn. Spec: otrv4.md "Ring Signature Authentication".
fn signed_again(
    look: &Look<'_>,
    at: usize,
    (account, keys): (&Account, &Keys),
    nonce: &[u8; 57],
) -> Option<String> {
    let message = &look.messages[at];
    let signatures = Signatures::of(look, keys);
    let Signed { ring, covered } = signatures.signed(at)?;
    let sigma = message.ring_signature()?.concat();
    let number = |n: usize| &sigma[57 * n..57 * (n + 1)];
    let own = ring.iter().position(|key| *key == account.client_profile().identity_key().as_bytes())?;

    let mut hashed = [mul_base(&one())?.to_vec(), order()?, ring.concat()].concat();
    for (place, key) in ring.iter().enumerate() {
        let commitment = if place == own {
            mul_base(nonce)?
        } else {
            ring_commitment(number(2 * place), number(2 * place + 1), key)?
        };
        hashed.extend(commitment);
    }
    hashed.extend(u32::try_from(covered.len()).ok()?.to_be_bytes());
    hashed.extend(covered);
    let mut c = scalar(&kdf(0x1A, &hashed, 57))?;
    for place in (0..3).filter(|place| *place != own) {
        c = scalar_difference(&c, number(2 * place))?;
    }
    // r = t - c·h
    let minus_c = scalar_difference(&[0; 57], &c)?;
    let r = ring_nonces(account, &minus_c, nonce)?[0];

    let mut again = sigma.clone();
    again[114 * own..114 * own + 57].copy_from_slice(&c);
    again[114 * own + 57..114 * (own + 1)].copy_from_slice(&r);
    let mut bytes = decoded(&message.line)?;
    let from = bytes.windows(sigma.len()).position(|window| window == sigma)?;
    bytes[from..from + sigma.len()].copy_from_slice(&again);
    Some(armour(&bytes))
}

fn one() -> [u8; 57] {
    let mut one = [0; 57];
    one[0] = 1;
    one
}

/// The order of the curve's group: one more than `0 − 1`, which is even.
fn order() -> Option<Vec<u8>> {
    let mut order = scalar_difference(&[0; 57], &one())?;
    order[0] += 1;
    Some(order.to_vec())
}
