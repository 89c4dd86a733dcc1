//! `policy`: what is allowed and wished for, with everybody or with one contact.

use super::{Desk, EverydayError, Place};
use crate::harmless::{self, argument};
use crate::keep::{SETTINGS, Setting, Settings};
use crate::screen::say;

/// What `policy` should do beside showing.
pub(crate) struct PolicyChange {
    /// Forget first what is set.
    pub(crate) reset: bool,
    /// What to set, checked.
    pub(crate) set: Vec<(&'static Setting, String)>,
}

/// `policy`: shows it, after having changed it.
pub(crate) fn policy(
    place: &Place,
    contact: Option<&str>,
    change: PolicyChange,
) -> Result<(), EverydayError> {
    let mut desk = Desk::open(place)?;
    if change.reset || !change.set.is_empty() {
        make(&mut desk, contact, change)?;
    }
    let everybody = &desk.state.policy;
    let own = contact.and_then(|name| desk.state.policies.get(name));
    match contact {
        Some(name) => say(format_args!("Policy with {}", harmless::name(name)))?,
        None => say("Policy with everybody who has no other one")?,
    }
    let layers: Vec<&Settings> = [Some(everybody), own].into_iter().flatten().collect();
    let policy = Settings::policy(&layers);
    for setting in SETTINGS {
        let from = match own.is_some_and(|own| own.has(setting)) {
            true => "set for them",
            false if everybody.has(setting) => "set for everybody",
            false => "",
        };
        say(format!("  {:<24} {:<18} {from}", setting.name, setting.of(&policy)).trim_end())?;
        say(format_args!("      {}", setting.means))?;
    }
    if contact.is_none() {
        let others: Vec<String> = desk.state.policies.keys().map(|name| argument(name)).collect();
        if !others.is_empty() {
            say(format_args!("Others for: {}", others.join(", ")))?;
        }
    }
    Ok(())
}

fn make(desk: &mut Desk, contact: Option<&str>, change: PolicyChange) -> Result<(), EverydayError> {
    let settings = match contact {
        Some(name) => desk.state.policies.entry(name.to_owned()).or_default(),
        None => &mut desk.state.policy,
    };
    if change.reset {
        *settings = Settings::default();
    }
    for (setting, value) in change.set {
        settings.set(setting, value);
    }
    desk.state.policies.retain(|_, settings| !settings.is_empty());
    desk.keep()
}
