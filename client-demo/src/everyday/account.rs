//! Who we are and whom we know: `init`, `status`, `contacts`, `fingerprint`.

use std::io::{self, BufRead, IsTerminal, Write};

use otrv4::keys::ForgingSecret;
use otrv4::session::SmpProgress;
use otrv4::{Account, KnownKey, Lifetimes, Protection};

use super::{Desk, EverydayError, Place, server};
use crate::harmless::{self, argument};
use crate::keep::{Home, State};
use crate::network::Network;
use crate::screen::{PUBLICATION_DUE, say, verified};
use crate::{passphrase, system};

/// `init`: a new account in a new home folder.
pub(crate) fn init(place: &Place, id: &str, forging: Option<ForgingSecret>) -> Result<(), EverydayError> {
    if Home::exists(&place.home) {
        return Err(crate::keep::KeepError::Taken(place.home.clone()).into());
    }
    let forging = match forging {
        Some(forging) => forging,
        None => ask_forging()?,
    };
    let passphrase = passphrase::new(place.passphrase_file.as_deref())?;
    let account = Account::new(id, forging, Lifetimes::default(), &mut system::rng(), system::now());
    Home::create(&place.home, Some(passphrase), &State::new(&account))?;
    say(format_args!("Made the account {id} in {}.", place.home.display()))?;
    say(format_args!("  fingerprint {}", account.fingerprint().groups()))?;
    say("  People compare it to know that it is you.")?;
    say("Next: `client-demo publish --server URL`, so that others can write to you while you are away.")?;
    say("If you come from Pidgin, irssi or Profanity, before that: `client-demo import-libotr DIR`.")?;
    Ok(())
}

/// `status`: the account, its keys here and on the server, what waits on the network.
pub(crate) fn status(place: &Place, network: Option<&Network>) -> Result<(), EverydayError> {
    let mut desk = Desk::open(place)?;
    let account = &desk.account;
    say(format_args!("account      {}", harmless::name(account.id())))?;
    say(format_args!("client       {}", account.tag()))?;
    say(format_args!("fingerprint  {}", account.fingerprint().groups()))?;
    if let Some(key) = account.v3_key() {
        say(format_args!("version 3    {}", key.fingerprint().groups()))?;
    }
    let seconds = account.client_profile().expires().unix() - system::now().unix();
    say(format_args!("profile      {}", validity(seconds)))?;
    say(format_args!("prekeys      {} made and not used, as far as is known here", account.prekeys()))?;
    match desk.state.server.clone() {
        None => say("server       none yet: `client-demo publish --server URL`")?,
        Some(known) => {
            say(format_args!("server       {} at {}", harmless::name(&known.identity), known.url))?;
            match server::look(&mut desk) {
                Ok((count, _)) => say(format_args!("on it        {count} prekeys of this client"))?,
                Err(error) => say(format_args!("on it        unknown: {error}"))?,
            }
        }
    }
    if let Some(network) = network {
        say(format_args!("waiting      {} lines from the network", network.count(desk.account.id())?))?;
    }
    let unsent: usize = desk.state.contacts.values().map(|contact| contact.unsent.len()).sum();
    if unsent > 0 {
        say(format_args!("to be sent   {unsent} lines, by `client-demo receive`"))?;
    }
    say(format_args!("contacts     {}", people(&desk.account)))?;
    if desk.account.publication_due(system::now()) {
        say(PUBLICATION_DUE)?;
    }
    Ok(())
}

/// How many people are known, and how sure that is.
fn people(account: &Account) -> String {
    let (mut all, mut verified, mut changed) = (0, 0, 0);
    for (_, contact) in account.contacts() {
        let keys = contact.keys();
        all += 1;
        verified += usize::from(!keys.is_empty() && keys.iter().all(|key| key.verification.is_verified()));
        changed += usize::from(keys.iter().any(KnownKey::changed));
    }
    match changed {
        0 => format!("{all} known, {verified} of them verified"),
        _ => format!(
            "{all} known, {verified} of them verified, {changed} with a CHANGED fingerprint: `client-demo trust`"
        ),
    }
}

/// `contacts`: whom we have conversations with.
pub(crate) fn contacts(place: &Place) -> Result<(), EverydayError> {
    let desk = Desk::open(place)?;
    if desk.state.contacts.is_empty() {
        say("Nobody yet: `client-demo send NAME TEXT` or `client-demo receive` begins a conversation.")?;
    }
    for (name, contact) in &desk.state.contacts {
        say(format_args!("{}", harmless::name(name)))?;
        for line in clients(&desk, name)? {
            say(format_args!("  {line}"))?;
        }
        if !contact.unshown.is_empty() {
            say("  Not all of it has been shown: `client-demo receive` shows the rest.")?;
        }
    }
    Ok(())
}

/// Our key of version 3, which people with irssi, Pidgin or Profanity see.
pub(super) fn say_v3_key(account: &Account) -> io::Result<()> {
    match account.v3_key() {
        Some(key) => say(format_args!("  {} in versions 3 and 2", key.fingerprint().groups())),
        None => Ok(()),
    }
}

/// `fingerprint`: ours, and a contact's.
pub(crate) fn fingerprint(place: &Place, contact: Option<&str>) -> Result<(), EverydayError> {
    let desk = Desk::open(place)?;
    say(format_args!("{} (you)", harmless::name(desk.account.id())))?;
    say(format_args!("  {}", desk.account.fingerprint().groups()))?;
    say_v3_key(&desk.account)?;
    if let Some(name) = contact {
        say(format_args!("{}", harmless::name(name)))?;
        match desk.state.contacts.get(name) {
            Some(_) => clients(&desk, name)?.iter().try_for_each(|line| say(format_args!("  {line}")))?,
            None => say("  no conversation with them yet")?,
        }
    }
    Ok(())
}

/// A few lines for each client of a contact.
fn clients(desk: &Desk, name: &str) -> Result<Vec<String>, EverydayError> {
    let mut lines = Vec::new();
    for client in desk.session(name)?.instances() {
        let tag = client.tag;
        match client.protection {
            Protection::None => lines.push(format!("client {tag}: no conversation")),
            Protection::Finished => {
                lines.push(format!("client {tag}: they ended the conversation, or it expired"))
            }
            Protection::Encrypted { fingerprint, ssid, .. } => {
                lines.push(format!("client {tag}: encrypted, session id {ssid}"));
                lines.push(format!("  fingerprint {}", fingerprint.groups()));
                lines.push(format!("  {}", verified(desk.account.verification(name, fingerprint))));
            }
        }
        match client.smp {
            SmpProgress::None => {}
            SmpProgress::Asked => {
                lines.push(format!(
                    "  waits for your answer: `client-demo verify {} --answer`",
                    argument(name)
                ));
            }
            SmpProgress::Waiting => lines.push("  a verification waits for their answer".to_owned()),
        }
    }
    Ok(lines)
}

fn validity(seconds: i64) -> String {
    match seconds {
        ..=0 => "expired: `client-demo publish` renews it".to_owned(),
        1..86_400 => format!("valid for {} more hours: `client-demo publish` renews it", seconds / 3600),
        _ => format!("valid for {} more days", seconds / 86_400),
    }
}

/// otrv4.md leaves it to the user whether the forging key's secret is kept.
fn ask_forging() -> Result<ForgingSecret, EverydayError> {
    if !io::stdin().is_terminal() {
        return Err(EverydayError::NoChoice);
    }
    say(
        "OTRv4 gives you a second key. Whoever has its secret can pose as anybody towards you, you yourself included.",
    )?;
    say(
        "Kept, it protects the people you talk with: who forces you to help while you talk cannot be sure of them.",
    )?;
    say(
        "Destroyed, it protects you: a thief of this folder finds no such secret. A record that is shown later proves",
    )?;
    say("nothing either way. If in doubt, destroy it.")?;
    loop {
        print!("The forging key's secret: keep or destroy? [destroy] ");
        _ = io::stdout().flush();
        let mut line = String::new();
        let read = io::stdin().lock().read_line(&mut line);
        match (read, line.trim()) {
            (Ok(0) | Err(_), _) => return Err(EverydayError::NoChoice),
            (_, "" | "destroy" | "d") => return Ok(ForgingSecret::Destroy),
            (_, "keep" | "k") => return Ok(ForgingSecret::Keep),
            _ => {}
        }
    }
}
