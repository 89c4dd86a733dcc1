//! Key exchanges that never took place: `dake`, `check`, `ensemble`.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use otrv4::client_profile::ClientProfile;
use otrv4::forge::{self, Ensemble, Who, witness};
use otrv4::prekey::PrekeyEnsemble;
use otrv4::prekey_profile::PrekeyProfile;
use otrv4::wire::{Reader, Versions, Writer, armour};
use otrv4::{Mode, Timestamp};
use serde_json::json;

use super::Unforged;
use super::arguments::{CheckArguments, DakeArguments};
use super::input::{Source, encoded};
use super::person::Pair;
use super::show::{Shown, key};
use crate::{harmless, system};

/// `forge dake`.
pub(super) fn dake(arguments: DakeArguments) -> Result<Shown, Unforged> {
    let DakeArguments { pair, begins, offline } = arguments;
    let (pair, begins) = (Pair::open(pair)?, Who::from(begins));
    let used = if offline { Some(ensemble_of(&pair, begins.peer())?) } else { None };
    let forged = match &used {
        Some(ensemble) => pair.forger.offline_dake(begins, ensemble, pair.at, &mut system::rng())?,
        None => pair.forger.dake(begins, pair.at, &mut system::rng())?,
    };
    let messages: Vec<(&str, String)> =
        forged.messages.iter().map(|(who, message)| (pair.name(*who), armour(message))).collect();
    let first = if offline { begins } else { begins.peer() };
    let keys: Vec<(&str, String)> = [first, first.peer()]
        .iter()
        .zip(&forged.chain_keys)
        .map(|(who, k)| (pair.name(*who), key(k)))
        .collect();
    let ensemble = used.as_ref().map(|ensemble| in_base64(ensemble.ensemble()));

    let mut lines: Vec<String> =
        messages.iter().map(|(name, line)| format!("{} {line}", harmless::name(name))).collect();
    lines.push(format!("session id {}", forged.ssid));
    lines.extend(keys.iter().map(|(name, key)| format!("chain key of {} {key}", harmless::name(name))));
    lines.extend(ensemble.iter().map(|ensemble| format!("ensemble {ensemble}")));
    let object = |(name, value): &(&str, String), what: &str| json!({ "by": name, what: value });
    let json = json!({
        "messages": messages.iter().map(|message| object(message, "line")).collect::<Vec<_>>(),
        "session_id": forged.ssid.to_string(),
        "first_chain_keys": keys.iter().map(|key| object(key, "key")).collect::<Vec<_>>(),
        "ensemble": ensemble,
    });
    Ok(Shown { lines, json })
}

/// `forge check`.
pub(super) fn check(arguments: &CheckArguments) -> Result<Shown, Unforged> {
    let CheckArguments { recording, one, other, ensemble, when } = arguments;
    let (one, other) = (one.as_str(), other.as_str());
    let ensemble = ensemble.as_ref().map(Source::ensemble).transpose()?;
    let messages = encoded(&recording.whole()?);
    let at = when.or_now();
    // The names are signed in their order.
    let by = |names: [&str; 2]| witness(messages.iter().map(String::as_str), names, ensemble.as_ref(), at);
    let (began, answered) = if by([one, other]).is_ok() { (one, other) } else { (other, one) };
    let witnessed = by([began, answered]).map_err(Unforged::NotWitnessed)?;
    let mode = if witnessed.mode == Mode::Interactive { "interactive" } else { "offline" };
    let (first, second) = (witnessed.began.groups(), witnessed.answered.groups());
    let lines = vec![
        "The signatures hold. Any of three keys may have made each of them: nobody can tell which."
            .to_owned(),
        format!("{}, who began\n  {first}", harmless::name(began)),
        format!("{}\n  {second}", harmless::name(answered)),
    ];
    let person = |name: &str, fingerprint: &str| json!({ "account": name, "fingerprint": fingerprint });
    let json = json!({ "mode": mode, "began": person(began, &first), "answered": person(answered, &second) });
    Ok(Shown { lines, json })
}

/// `forge ensemble`.
pub(super) fn ensemble(of: &Source, at: Timestamp) -> Result<Shown, Unforged> {
    let ensemble = falsified(of.ensemble()?, at)?;
    let base64 = in_base64(ensemble.ensemble());
    let json = json!({ "ensemble": base64 });
    Ok(Shown { lines: vec![base64], json })
}

/// The ensemble of that side: the one that was given, or a false one with its profiles. Of oneself the profiles are at hand.
pub(super) fn ensemble_of(pair: &Pair, receives: Who) -> Result<Ensemble, Unforged> {
    match (receives, pair.ensemble.clone()) {
        (_, Some(ensemble)) if pair.false_prekey => falsified(ensemble, pair.at),
        (Who::Other, Some(ensemble)) => Ok(Ensemble::genuine(ensemble)),
        (Who::Other, None) => Err(Unforged::WhichEnsemble),
        // Whose prekey has served a conversation can still forge with the forging key.
        (Who::Participant, Some(ensemble)) => {
            Ok(Ensemble::own(ensemble.clone(), &pair.account).unwrap_or_else(|_| Ensemble::genuine(ensemble)))
        }
        (Who::Participant, None) => {
            let prekey_profile = pair.account.prekey_profile().ok_or(Unforged::NoPrekeyProfile)?;
            forged(pair.account.client_profile().as_bytes(), prekey_profile.as_bytes(), pair.at)
        }
    }
}

/// The same profiles with a prekey that is made up.
fn falsified(real: PrekeyEnsemble, at: Timestamp) -> Result<Ensemble, Unforged> {
    let verified = real.verify(at, Versions::V4).map_err(forge::CannotForge::Ensemble)?;
    forged(verified.profile().as_bytes(), verified.prekey_profile().as_bytes(), at)
}

fn forged(client_profile: &[u8], prekey_profile: &[u8], at: Timestamp) -> Result<Ensemble, Unforged> {
    let client_profile = ClientProfile::read(&mut Reader::new(client_profile));
    let prekey_profile = PrekeyProfile::read(&mut Reader::new(prekey_profile));
    Ok(Ensemble::forged(
        &client_profile.expect("it was read before"),
        &prekey_profile.expect("it was read before"),
        at,
        &mut system::rng(),
    )?)
}

pub(super) fn in_base64(ensemble: &PrekeyEnsemble) -> String {
    let mut w = Writer::new();
    ensemble.write(&mut w);
    BASE64_STANDARD.encode(w.as_slice())
}
