//! `import-libotr`: the key of an account and whom it knows, from the files of another client.

use std::path::PathBuf;

use otrv4::account::{ContactKey, KnownKey};
use otrv4::libotr::{AccountName, KnownFingerprint};
use otrv4::{Account, Timestamp};

use super::files::Files;
use super::{LibotrClient, LibotrError, Which, shown};
use crate::everyday::{Desk, EverydayError, Place};
use crate::harmless;
use crate::screen::{PUBLICATION_DUE, say};
use crate::system;

/// What to import.
pub(crate) struct Import {
    /// Where the files are.
    pub(crate) folder: PathBuf,
    /// Whose they are.
    pub(crate) client: Option<LibotrClient>,
    /// Which of the accounts in them.
    pub(crate) which: Which,
    /// The key takes the place of another one.
    pub(crate) replace: bool,
}

/// `import-libotr`. All of it is done, or nothing; a second time changes nothing.
pub(crate) fn import(place: &Place, import: Import) -> Result<(), EverydayError> {
    let Import { folder, client, which, replace } = import;
    let mut files = Files::read(&folder, client)?;
    let mut desk = Desk::open(place)?;
    let accounts = files.accounts();
    say(format_args!("Files of {}, with these accounts:", files.client.name()))?;
    accounts.iter().try_for_each(|account| say(format_args!("  {}", shown(account))))?;
    let chosen = choose(accounts, &which, desk.account.id())?;
    say(format_args!("Importing {} as {}.", shown(&chosen), harmless::name(desk.account.id())))?;
    let key = take_key(&mut files, &chosen, &mut desk.account, replace)?;
    let counts = take_fingerprints(&files.fingerprints, &chosen, &mut desk.account, system::now());
    desk.keep()?;
    say(key)?;
    counts.lines().iter().try_for_each(say)?;
    say(format_args!(
        "The instance tag stays {}: it names this client, and the one in the files names the other one.",
        desk.account.tag()
    ))?;
    say(
        "Next: `client-demo trust` shows whom you know now. The files stay where they are, unencrypted: delete them",
    )?;
    say("if you do not use the other client any more.")?;
    if desk.account.publication_due(system::now()) {
        say(PUBLICATION_DUE)?;
    }
    Ok(())
}

/// The account that is meant.
fn choose(accounts: Vec<AccountName>, which: &Which, id: &str) -> Result<AccountName, LibotrError> {
    let name = which.name.as_deref().unwrap_or(id);
    let of_protocol = |account: &AccountName| {
        which.protocol.as_deref().is_none_or(|protocol| account.protocol() == protocol)
    };
    let found = |fits: &dyn Fn(&AccountName) -> bool| -> Vec<AccountName> {
        accounts.iter().filter(|account| of_protocol(account) && fits(account)).cloned().collect()
    };
    // Who gives a name means it to the letter, if it is there.
    let exact = found(&|account| which.name.is_some() && account.name() == name);
    let meant = if exact.is_empty() { found(&|account| account.is(name)) } else { exact };
    match meant.as_slice() {
        [account] => Ok(account.clone()),
        [] => Err(LibotrError::NoSuchAccount { name: name.to_owned(), accounts }),
        _ => Err(LibotrError::WhichAccount(meant)),
    }
}

/// Gives the account the key of the files, and says what has come of it.
fn take_key(
    files: &mut Files,
    chosen: &AccountName,
    account: &mut Account,
    replace: bool,
) -> Result<String, LibotrError> {
    // libotr uses the last, too.
    let Some(place) = files.keys.iter().rposition(|(name, _)| name == chosen) else {
        return Ok("Key: there is none of this account in the files; nothing has changed.".to_owned());
    };
    let (_, key) = files.keys.swap_remove(place);
    let theirs = key.fingerprint();
    match account.v3_key().map(|ours| ours.fingerprint()) {
        Some(ours) if ours == theirs => {
            return Ok(format!("Key: the same as before, {}.", theirs.groups()));
        }
        Some(ours) if !replace => {
            return Err(LibotrError::OtherKey { ours: ours.groups(), theirs: theirs.groups() });
        }
        _ => {}
    }
    account.set_v3_key(Some(key), &mut system::rng(), system::now());
    Ok(format!("Key: people with version 3 or 2 know you by {}.", theirs.groups()))
}

/// What has come of the fingerprints.
#[derive(Default)]
struct Counts {
    new: usize,
    better: usize,
    known: usize,
    no_room: Vec<String>,
}

fn take_fingerprints(
    fingerprints: &[KnownFingerprint],
    chosen: &AccountName,
    account: &mut Account,
    now: Timestamp,
) -> Counts {
    let mut counts = Counts::default();
    let mut ours: Vec<&KnownFingerprint> =
        fingerprints.iter().filter(|known| known.account() == chosen).collect();
    // The best first: the files are in no order, and whoever comes after another of the same contact is told as changed
    // for as long as it is not verified.
    ours.sort_by_key(|known| std::cmp::Reverse(known.verification()));
    for known in ours {
        let (contact, key) = (known.contact(), ContactKey::V3(known.fingerprint()));
        let look = |account: &Account| -> Option<KnownKey> { account.contact(contact)?.key(key).copied() };
        let before = look(account);
        if !account.bring(contact, key, known.verification(), now) {
            counts.no_room.push(contact.to_owned());
        } else if before.is_none() {
            counts.new += 1;
        } else if before == look(account) {
            counts.known += 1;
        } else {
            counts.better += 1;
        }
    }
    counts
}

impl Counts {
    fn lines(&self) -> Vec<String> {
        let Self { new, better, known, no_room } = self;
        let mut lines =
            vec![format!("Fingerprints of others: {new} new, {better} now verified, {known} known before.")];
        lines.extend(no_room.iter().map(|contact| {
            format!(
                "NOT IMPORTED: a fingerprint of {}, of whom too many are verified already",
                harmless::name(contact)
            )
        }));
        lines
    }
}
