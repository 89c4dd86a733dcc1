//! Offline starts, whose signature covers the receiver's prekeys: they are on no line, but a server may remember.
//! Spec: otrv4.md "Non-Interactive-Auth Message", "Validating Prekey Ensembles".

use otrv4::forge::witness;
use otrv4::wire::Versions;
use otrv4::{PrekeyEnsemble, Timestamp};

use super::look::{Look, Message};
use super::record::Keys;
use super::{Found, violation};

/// Where the record has prekeys, an offline start holds with them, profiles and signature: one of the two began with prekeys of the other.
/// A record has those of one start at most; of how many others it lacks them [`not_verified`] tells.
pub(crate) fn offline_starts_hold(look: &Look<'_>, keys: &Keys) -> Found {
    const RULE: &str = "offline_starts_hold";
    let ensemble = match &look.ensemble {
        None => return Vec::new(),
        Some(Err(reason)) => return vec![violation(RULE, format!("the prekeys cannot be read: {reason}"))],
        Some(Ok(ensemble)) => ensemble,
    };
    let mut refused = Vec::new();
    for start in starts(look).take(TRIED) {
        match holds(start, ensemble, keys) {
            Ok(()) => return Vec::new(),
            Err(reason) => refused.push(violation(RULE, format!("{reason} at {}", start.at))),
        }
    }
    refused
}

fn holds(start: &Message, ensemble: &PrekeyEnsemble, keys: &Keys) -> Result<(), String> {
    let (alice, bob) = (&keys.accounts[start.sender], &keys.accounts[1 - start.sender]);
    let at = Timestamp::from_unix(start.at);
    let verified = ensemble.clone().verify(at, Versions::V4).map_err(|reason| reason.to_string())?;
    if verified.profile().owner() != bob.tag() {
        return Err("prekeys of another client".into());
    }
    let witnessed = witness([start.line.as_str()], [alice.id(), bob.id()], Some(ensemble), at);
    let witnessed = witnessed.map_err(|reason| reason.to_string())?;
    match (witnessed.began, witnessed.answered) == (alice.fingerprint(), bob.fingerprint()) {
        true => Ok(()),
        false => Err("keys of others".into()),
    }
}

/// So many offline starts are tried.
const TRIED: usize = 16;

/// How many offline starts nobody can verify, for want of their prekeys.
pub(crate) fn not_verified(look: &Look<'_>) -> usize {
    starts(look).count().saturating_sub(usize::from(look.ensemble.is_some()))
}

fn starts<'a>(look: &'a Look<'_>) -> impl Iterator<Item = &'a Message> {
    look.messages.iter().filter(|message| message.is("Non-Interactive-Auth message"))
}
