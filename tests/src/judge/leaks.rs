//! Forgers who give themselves away, so that a judge who only tosses a coin is found out.

use base64::prelude::{BASE64_STANDARD, Engine as _};
use otrv4::Account;
use otrv4::forge::{Delivery, Line as ForgedLine, v4};
use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;

use super::forged::{Kept, forge, forge_through};
use super::lives::Life;
use super::record::Transcript;

/// What is wrong with them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leak {
    /// Writes the message id before the ratchet id, under a MAC that holds.
    FieldOrder,
    /// Lets people speak in steps of half a minute, on a network that takes no time.
    Clock,
    /// Draws all secrets of a conversation from one of four seeds.
    Nonces,
}

impl Leak {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::FieldOrder, Self::Clock, Self::Nonces];
}

/// The forged record number `which` of such a forger.
pub(crate) fn leak(
    leak: Leak,
    which: u64,
    life: &Life,
    accounts: [&Account; 2],
    rng: &mut ChaCha8Rng,
) -> Option<Transcript> {
    let kept = Kept::LongTerm(0);
    match leak {
        Leak::FieldOrder => {
            let mut life = life.clone();
            life.manners.iter_mut().for_each(|manner| manner.max_line = None);
            let (mut transcript, forged) = forge(&life, accounts, kept, rng)?;
            for (line, forged) in transcript.lines.iter_mut().zip(&forged) {
                if let Some(swapped) = swapped(forged) {
                    line.line = swapped;
                }
            }
            Some(transcript)
        }
        Leak::Clock => {
            let mut life = life.clone();
            life.said.iter_mut().for_each(|saying| saying.at += 30 - saying.at.rem_euclid(30));
            let last = life.said.last().map_or(0, |saying| saying.at);
            life.end = life.end.map(|(by, at)| (by, at.max(last + 60)));
            life.until = life.until.max(last);
            let at_once = &mut |_: &ForgedLine| Delivery::AT_ONCE;
            Some(forge_through(&life, accounts, kept, at_once, rng)?.0)
        }
        Leak::Nonces => {
            let mut weak = ChaCha8Rng::seed_from_u64(which % 4);
            Some(forge(life, accounts, kept, &mut weak)?.0)
        }
    }
}

/// The message with both ids in the other order.
fn swapped(forged: &ForgedLine) -> Option<String> {
    let key = v4::mac_key(&v4::message_key(forged.chain_key.as_ref()?));
    let mut bytes = BASE64_STANDARD.decode(forged.line.strip_prefix("?OTR:")?.strip_suffix('.')?).ok()?;
    let ids = bytes.get_mut(IDS_AT..IDS_AT + 8)?;
    ids.rotate_left(4);
    v4::remac(&format!("?OTR:{}.", BASE64_STANDARD.encode(bytes)), &key).ok()
}

/// Behind version, type, both tags, flags and `pn`.
const IDS_AT: usize = 2 + 1 + 4 + 4 + 1 + 4;
