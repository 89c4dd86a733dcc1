//! `export-libotr`: the account's key of version 3 and whom it knows, into files that another client reads.

use std::path::PathBuf;

use otrv4::Account;
use otrv4::account::ContactKey;
use otrv4::libotr::{
    AccountName, KnownFingerprint, write_fingerprints, write_instance_tags, write_private_keys,
};

use super::files::write;
use super::{LibotrClient, LibotrError, Which, shown};
use crate::everyday::{Desk, EverydayError, Place};
use crate::screen::say;

/// What to export.
pub(crate) struct Export {
    /// Where to put the files.
    pub(crate) folder: PathBuf,
    /// Who shall read them.
    pub(crate) client: LibotrClient,
    /// What to call the account in them.
    pub(crate) which: Which,
    /// The instance tag, too.
    pub(crate) instance_tag: bool,
    /// Files that are there already are lost.
    pub(crate) overwrite: bool,
}

/// `export-libotr`.
pub(crate) fn export(place: &Place, export: Export) -> Result<(), EverydayError> {
    let Export { folder, client, which, instance_tag, overwrite } = export;
    let desk = Desk::open(place)?;
    let account = name(client, which, desk.account.id())?;
    let key = desk.account.v3_key().ok_or(LibotrError::NoKey)?;
    let keys = write_private_keys([(&account, key)]);
    let (known, left_out) = known(client, &account, &desk.account);
    let fingerprints = write_fingerprints(&known);
    let tags = write_instance_tags(&[(account.clone(), desk.account.tag())]);
    let names = client.files();
    let mut files = vec![(names.keys, keys.as_slice()), (names.fingerprints, fingerprints.as_bytes())];
    if instance_tag {
        files.extend(names.tags.map(|name| (name, tags.as_bytes())));
    }
    let paths = write(&folder, &files, overwrite)?;
    say(format_args!("Wrote, for {}, the account {}:", client.name(), shown(&account)))?;
    paths.iter().try_for_each(|path| say(format_args!("  {}", path.display())))?;
    say(format_args!("Key: {}. Fingerprints of others: {}.", key.fingerprint().groups(), known.len()))?;
    if left_out > 0 {
        say(format_args!(
            "NOT EXPORTED: {left_out} fingerprints of contacts whose names the files cannot hold"
        ))?;
    }
    if instance_tag && names.tags.is_none() {
        say(format_args!("{} keeps no instance tags.", client.name()))?;
    }
    say("!! THE FILES ARE NOT ENCRYPTED. Whoever reads them can pose as you to people with version 3 or 2.")?;
    say(format_args!(
        "Next: end {name}, move them to {home}, and start it again. It must call the account as they do;",
        name = client.name(),
        home = client.home()
    ))?;
    say("--account and --protocol write another name.")?;
    Ok(())
}

/// What the account is called in the files.
fn name(client: LibotrClient, which: Which, id: &str) -> Result<AccountName, LibotrError> {
    let protocol = which.protocol.unwrap_or_else(|| client.protocol().to_owned());
    let name = which.name.unwrap_or_else(|| client.account(id, &protocol));
    AccountName::new(&name, &protocol).ok_or(LibotrError::NoName(format!("{name} {protocol}")))
}

/// All keys of version 3 that others have shown, and how many cannot be written.
fn known(client: LibotrClient, name: &AccountName, account: &Account) -> (Vec<KnownFingerprint>, usize) {
    let (mut known, mut left_out) = (Vec::new(), 0);
    for (contact, keys) in account.contacts() {
        for key in keys.keys() {
            let ContactKey::V3(fingerprint) = key.key else { continue };
            let trust = client.trust(key.verification);
            match KnownFingerprint::new(contact, name.clone(), fingerprint, trust) {
                Some(line) => known.push(line),
                None => left_out += 1,
            }
        }
    }
    (known, left_out)
}
