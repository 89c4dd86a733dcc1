//! `trust`: whom we know, by which keys, and how each was verified.

use otrv4::account::{ContactKey, KnownKey};
use otrv4::{InstanceView, Protection, Session};

use super::{Desk, EverydayError, Place};
use crate::harmless::{self, argument};
use crate::screen::{date, failures, lines_of_groups, say, verified};

/// What `trust` should do beside showing.
pub(crate) struct TrustChange {
    /// A key to forget.
    pub(crate) forget: Option<ContactKey>,
    /// A key that shall not count as verified any more.
    pub(crate) distrust: Option<ContactKey>,
    /// Count failed verifications from zero again.
    pub(crate) reset_failed: bool,
}

/// `trust`: of everybody or of one.
pub(crate) fn trust(place: &Place, contact: Option<&str>, change: &TrustChange) -> Result<(), EverydayError> {
    let mut desk = Desk::open(place)?;
    if let Some(name) = contact {
        make(&mut desk, name, change)?;
        return show(&desk, name);
    }
    let names: Vec<String> = desk.account.contacts().map(|(name, _)| name.to_owned()).collect();
    if names.is_empty() {
        say("Nobody is known yet. Who has a conversation with you is known by the key that it showed.")?;
    }
    names.iter().try_for_each(|name| show(&desk, name))
}

fn make(desk: &mut Desk, name: &str, change: &TrustChange) -> Result<(), EverydayError> {
    if let Some(key) = change.distrust {
        known(desk.account.distrust(name, key), name, key)?;
        say("That fingerprint does not count as verified any more.")?;
    }
    if let Some(key) = change.forget {
        known(desk.account.forget(name, key), name, key)?;
        say("That fingerprint is forgotten; it will be new when it is seen again.")?;
    }
    if change.reset_failed {
        desk.account.reset_failed_smp(name);
    }
    desk.keep()
}

fn known(was: bool, contact: &str, key: ContactKey) -> Result<(), EverydayError> {
    if was {
        Ok(())
    } else {
        Err(EverydayError::NotTheirs { contact: contact.to_owned(), given: key.groups() })
    }
}

/// A contact with all that is known of its keys.
pub(super) fn show(desk: &Desk, name: &str) -> Result<(), EverydayError> {
    say(harmless::name(name))?;
    let session = desk.session(name)?;
    let Some(contact) = desk.account.contact(name) else {
        say("  nothing is known of them yet")?;
        return Ok(());
    };
    for key in contact.keys() {
        lines(key, &session).iter().try_for_each(|line| say(format_args!("  {line}")))?;
    }
    if contact.failed_smp() > 0 {
        say(format_args!("  {}", failures(contact.failed_smp())))?;
    }
    if contact.keys().iter().any(|key| !key.verification.is_verified()) {
        say(format_args!("  To verify: `client-demo verify {}`", argument(name)))?;
    }
    Ok(())
}

fn lines(known: &KnownKey, session: &Session) -> Vec<String> {
    let mut lines = lines_of_groups(known.key);
    let how = match known.verified_at {
        Some(at) => format!("{}, {}", verified(known.verification), date(at)),
        None => verified(known.verification).to_owned(),
    };
    let changed = if known.changed() { "CHANGED, and " } else { "" };
    lines.push(format!("  {changed}{how}"));
    lines.push(format!("  known since {}, last seen {}", date(known.first_seen), date(known.last_seen)));
    let clients: Vec<String> = session
        .instances()
        .filter(|client| has_key(client, known.key))
        .map(|client| client.tag.to_string())
        .collect();
    if !clients.is_empty() {
        lines.push(format!("  in an encrypted conversation with client {}", clients.join(", ")));
    }
    lines
}

/// Whether the conversation with a client is one with that key.
pub(super) fn has_key(client: &InstanceView, key: ContactKey) -> bool {
    matches!(client.protection, Protection::Encrypted { fingerprint, .. } if fingerprint == key)
}
