//! `forge transcript`: a whole conversation from a script.

use std::fmt;
use std::time::{Duration, UNIX_EPOCH};

use humantime::format_rfc3339_seconds;
use otrv4::Timestamp;
use otrv4::forge::{Begin, Delivery, Line, Said, Script, Who};
use rand_core::Rng;
use serde::Deserialize;
use serde_json::json;
use zeroize::Zeroizing;

use super::Unforged;
use super::arguments::TranscriptArguments;
use super::key_exchange::{ensemble_of, in_base64};
use super::person::Pair;
use super::show::{Shown, key};
use crate::keep::Settings;
use crate::{harmless, system};

/// `forge transcript`.
pub(super) fn transcript(arguments: TranscriptArguments) -> Result<Shown, Unforged> {
    let TranscriptArguments { pair, begins, offline, end, script } = arguments;
    let text = script.whole()?;
    let (pair, begins) = (Pair::open(pair)?, Who::from(begins));
    let planned = read(&text, &pair)?;
    if offline {
        comes_back_in_time(&planned, begins, pair.at)?;
    }
    let said: Vec<Said<'_>> =
        planned.iter().map(|Planned { by, at, text, .. }| Said { by: *by, at: *at, text }).collect();
    let last = said.last().map_or(pair.at, |said| said.at);
    let used = if offline { Some(ensemble_of(&pair, begins.peer())?) } else { None };
    let begin = match &used {
        None => Begin::Interactive(begins),
        Some(ensemble) => Begin::Offline { starts: begins, ensemble, back: back(&said, begins, pair.at) },
    };
    let end = end.map(|who| (who.into(), last.plus(PAUSE)));
    let script = Script {
        begin,
        start: pair.at,
        said: &said,
        end,
        // The end is read and answered.
        until: last.plus(2 * PAUSE),
        participant: pair.policy.into(),
        // As its owner has it who has set nothing.
        other: Settings::policy(&[]).into(),
    };
    let forged = pair.forger.transcript(script, &mut |_: &Line| on_its_way(), &mut system::rng())?;
    let ensemble = used.as_ref().map(|ensemble| in_base64(ensemble.ensemble()));

    let lines = forged.lines.iter().map(|line| {
        let name = harmless::name(pair.name(line.sender));
        format!("{} {name} {}", time(line.at), line.line)
    });
    let lines = lines.chain(ensemble.iter().map(|ensemble| format!("ensemble {ensemble}"))).collect();
    let wire = forged.lines.iter().map(|line| {
        let chain_key = line.chain_key.as_ref().map(key);
        json!({ "at": line.at.unix(), "by": pair.name(line.sender), "line": line.line, "chain_key": chain_key })
    });
    let json = json!({
        "session_id": forged.ssid.to_string(),
        "lines": wire.collect::<Vec<_>>(),
        "ensemble": ensemble,
    });
    Ok(Shown { lines, json })
}

/// Who says what, and when.
struct Planned {
    by: Who,
    at: Timestamp,
    text: Zeroizing<String>,
    place: Place,
}

/// Where in the script it stands.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Place {
    Line(usize),
    Text(usize),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line(number) => write!(f, "line {number} of the script"),
            Self::Text(number) => write!(f, "text {number} of the script"),
        }
    }
}

/// A text of a script in JSON.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    by: String,
    text: Zeroizing<String>,
    after: Option<u32>,
}

/// JSON, or lines such as `+20 alice: text`, the pause in seconds before it, and blank ones and comments between them.
fn read(script: &str, pair: &Pair) -> Result<Vec<Planned>, Unforged> {
    let entries: Vec<(Place, Entry)> = match script.trim_start().starts_with('[') {
        true => {
            let entries: Vec<Entry> = serde_json::from_str(script).map_err(Unforged::ScriptJson)?;
            (1..).map(Place::Text).zip(entries).collect()
        }
        false => {
            let lines = (1..).map(Place::Line).zip(script.lines());
            let lines = lines.filter(|(_, line)| !line.trim().is_empty() && !line.starts_with('#'));
            lines
                .map(|(place, line)| Ok((place, entry(line, pair).ok_or(Unforged::ScriptLine(place))?)))
                .collect::<Result<_, Unforged>>()?
        }
    };
    let (mut now, mut planned) = (pair.at, Vec::new());
    for (place, Entry { by, text, after }) in entries {
        now = now.plus(after.map_or(PAUSE, i64::from));
        planned.push(Planned { by: who(&by, pair)?, at: now, text, place });
    }
    Ok(planned)
}

fn entry(line: &str, pair: &Pair) -> Option<Entry> {
    let (after, line) = match line.strip_prefix('+') {
        Some(rest) => {
            let (seconds, rest) = rest.split_once(' ')?;
            (Some(seconds.parse().ok()?), rest)
        }
        None => (None, line),
    };
    let named = names(pair).into_iter().filter_map(|name| {
        let text = line.trim_start().strip_prefix(name)?.trim_start().strip_prefix(':')?;
        Some((name, text))
    });
    let (by, text) = named.max_by_key(|(name, _)| name.len()).or_else(|| line.split_once(':'))?;
    Some(Entry { by: by.trim().to_owned(), text: Zeroizing::new(text.trim().to_owned()), after })
}

/// Those that a script may use. They may hold colons.
fn names(pair: &Pair) -> [&str; 4] {
    let [me, them] = [Who::Participant, Who::Other].map(|who| pair.name(who));
    [me, them, short(me), short(them)]
}

/// What stands before the @.
fn short(account: &str) -> &str {
    account.split('@').next().unwrap_or(account)
}

/// By the account name, or by what stands before the @ in it.
fn who(name: &str, pair: &Pair) -> Result<Who, Unforged> {
    let sides = [Who::Participant, Who::Other];
    let whole = sides.into_iter().find(|who| pair.name(*who) == name);
    let mut shortened = sides.into_iter().filter(|who| short(pair.name(*who)) == name);
    match (whole, shortened.next(), shortened.next()) {
        (Some(who), _, _) | (None, Some(who), None) => Ok(who),
        _ => Err(Unforged::ScriptName(name.to_owned())),
    }
}

/// Whoever was away has read what was written before they write themselves.
fn comes_back_in_time(planned: &[Planned], starts: Who, start: Timestamp) -> Result<(), Unforged> {
    let mut before = start;
    for Planned { by, at, place, .. } in planned {
        if *by != starts {
            let soonest = before.plus(COMING_BACK);
            return if *at < soonest { Err(Unforged::TooSoon(*place, COMING_BACK)) } else { Ok(()) };
        }
        before = *at;
    }
    Ok(())
}

/// Whoever was away is back shortly before they write.
fn back(said: &[Said<'_>], starts: Who, start: Timestamp) -> Timestamp {
    let first = said.iter().find(|said| said.by != starts).map(|said| said.at.plus(-READING));
    let last = said.last().map_or(start, |said| said.at).plus(PAUSE);
    let before = said.iter().take_while(|said| said.by == starts).last().map_or(start, |said| said.at);
    first.unwrap_or(last).max(before.plus(1))
}

/// How long a line takes: from a fifth of a second to a whole one.
pub(super) fn on_its_way() -> Delivery {
    Delivery::After(Duration::from_millis(200 + system::rng().next_u64() % 800))
}

fn time(at: Timestamp) -> String {
    let since_1970 = Duration::from_secs(u64::try_from(at.unix()).unwrap_or_default());
    format_rfc3339_seconds(UNIX_EPOCH + since_1970).to_string()
}

/// Seconds before a text, where the script says none.
const PAUSE: i64 = 10;
/// Seconds after the last line to one who is away in which it has surely arrived, they have come back and read it.
const COMING_BACK: i64 = 2;
/// Seconds in which one reads what has come.
const READING: i64 = 5;
