//! `forge impersonate`: a chat client whose account poses as somebody, with the network on standard input and output.
//! Spec: otrv4.md "KCI Attacks".

use std::io::{self, BufRead};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use otrv4::forge::{self, Key, Person};
use otrv4::{Account, Context, Event, Output, Refused, Session, Timestamp};
use serde_json::json;

use super::Unforged;
use super::arguments::ImpersonateArguments;
use super::person::account;
use crate::keep::Settings;
use crate::perform::{Client, Next, converse, perform};
use crate::screen::{say, words};
use crate::{harmless, system};

/// `forge impersonate`.
pub(super) fn impersonate(arguments: ImpersonateArguments, json: bool) -> Result<(), Unforged> {
    let ImpersonateArguments { place, pose_as, profile, ensemble, wait, text } = arguments;
    let owner = account(&place.into())?;
    let ensemble = ensemble.map(|source| source.ensemble()).transpose()?;
    let who = Person { account: pose_as, profile: profile.profile(owner.tag())? };
    let towards = Person::of(&owner).profile;
    let mut account = forge::impersonate(who, towards, Key::forging_of(&owner), system::now())
        .map_err(Unforged::CannotPose)?;
    let mut session = Session::new(owner.id(), Settings::policy(&[]));
    let mut network = Network { json, text, encrypted: false, lines: None };

    if let Some(ensemble) = ensemble {
        step(&mut account, &mut session, &mut network, |session, cx| {
            session.start_offline(cx, vec![ensemble])
        })?;
        let text = network.text.take().unwrap_or_default();
        return step(&mut account, &mut session, &mut network, |session, cx| session.send(cx, None, &text));
    }
    if !wait {
        step(&mut account, &mut session, &mut network, |session, cx| Ok(session.start(cx)))?;
    }
    network.lines = Some(standard_input());
    loop {
        match converse(&mut account, &mut session, &mut network, Network::next) {
            Err(Unforged::Refused(reason)) => network.show(&account, &session, &Event::NotDone { reason })?,
            ended => return ended,
        }
    }
}

fn step(
    account: &mut Account,
    session: &mut Session,
    network: &mut Network,
    ask: impl FnOnce(&mut Session, &mut Context<'_>) -> Result<Vec<Output>, Refused>,
) -> Result<(), Unforged> {
    let (rng, now) = (&mut system::rng(), system::now());
    let outputs = ask(session, &mut Context { account, rng, now })?;
    perform(&outputs, account, session, network)
}

/// Its lines, as they come. What is not UTF-8 is replaced.
fn standard_input() -> Receiver<io::Result<String>> {
    let (sender, lines) = channel();
    thread::spawn(move || {
        for line in io::stdin().lock().split(b'\n') {
            let line = line.map(|line| String::from_utf8_lossy(&line).trim_end_matches('\r').to_owned());
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    lines
}

/// Lines for the network and what happened, on standard output. An impersonator keeps nothing.
struct Network {
    json: bool,
    /// What to say as soon as it is encrypted.
    text: Option<String>,
    encrypted: bool,
    lines: Option<Receiver<io::Result<String>>>,
}

impl Network {
    fn next(&mut self, deadline: Timestamp) -> Result<Option<Next>, Unforged> {
        if let Some(text) = self.text.take_if(|_| self.encrypted) {
            return Ok(Some(Next::Typed(text)));
        }
        let Some(lines) = &self.lines else { return Ok(None) };
        match lines.recv_timeout(until(deadline, system::now())) {
            Ok(line) => {
                let line = line.map_err(Unforged::Input)?;
                Ok(Some(if line.starts_with("?OTR") { Next::Line(line) } else { Next::Typed(line) }))
            }
            Err(RecvTimeoutError::Timeout) => Ok(Some(Next::Deadline)),
            Err(RecvTimeoutError::Disconnected) => Ok(None),
        }
    }
}

/// How long to wait. A clock that is set meanwhile is noticed.
fn until(deadline: Timestamp, now: Timestamp) -> Duration {
    let seconds = deadline.unix().saturating_sub(now.unix()).clamp(1, LOOK_AGAIN);
    Duration::from_secs(seconds.unsigned_abs())
}

impl Client for Network {
    type Error = Unforged;

    fn save(&mut self, _: &Account, _: &Session, _: &[Output]) -> Result<(), Unforged> {
        Ok(())
    }

    fn send(&mut self, line: &str) -> Result<(), Unforged> {
        match self.json {
            true => say(harmless::json(&json!({ "send": line }).to_string()))?,
            false => say(line)?,
        }
        Ok(())
    }

    fn show(&mut self, account: &Account, session: &Session, event: &Event) -> Result<(), Unforged> {
        self.encrypted |= matches!(event, Event::Secure { .. });
        let json = match (self.json, event) {
            (false, _) => return Ok(say(words(account, session, event))?),
            (true, Event::Message { text, .. }) => json!({ "text": text }),
            (true, _) => json!({ "event": words(account, session, event) }),
        };
        Ok(say(harmless::json(&json.to_string()))?)
    }
}

/// Seconds after which the clock is looked at in any case.
const LOOK_AGAIN: i64 = 60;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_due_is_waited_for_and_what_was_due_long_ago_keeps_nobody_busy() {
        let now = Timestamp::from_unix(1_800_000_000);
        for (deadline, seconds) in [(now.plus(7), 7), (now, 1), (now.plus(-90), 1), (now.plus(3600), 60)] {
            assert_eq!(until(deadline, now), Duration::from_secs(seconds));
        }
        assert_eq!(until(Timestamp::from_unix(i64::MAX), now), Duration::from_secs(60));
    }
}
