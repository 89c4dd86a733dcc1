//! The prekey server of an account: known by its key from the first use on; publishing there, fetching from there.

use std::io;

use otrv4::keys::Fingerprint;
use otrv4::prekey::PrekeyEnsemble;
use otrv4::prekey_server::{ServerKey, ServerReply, ensemble_query, read_ensembles};
use otrv4::wire::{InstanceTag, Versions};
use zeroize::Zeroizing;

use super::talk::allows_offline;
use super::{Desk, EverydayError, Place};
use crate::harmless;
use crate::keep::{Pinned, Settings};
use crate::prekeys::PrekeyServer;
use crate::relay::Relay;
use crate::screen::say;
use crate::system;

/// What the person says about the server.
pub(crate) struct Choice {
    /// Its address; the one that is known, without.
    pub(crate) url: Option<String>,
    /// The fingerprint that its operator shows.
    pub(crate) fingerprint: Option<Fingerprint>,
    /// The address of a relay to fetch ensembles through.
    pub(crate) relay: Option<String>,
}

/// The server shows another key than it should.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WrongKey {
    /// Than at the first use.
    #[error(
        "the prekey server at {url} shows another key than the one that this account knows. Nothing was sent to it.\n  \
         known: {} {}\n  shown: {} {}\n\
         Either its operator has changed the key, or this is another server, or somebody between you and the server \
         pretends to be it. Ask the operator over another channel, and if the new fingerprint is right, say so with \
         --fingerprint {}",
        harmless::name(known.name()),
        known.fingerprint().groups(),
        harmless::name(shown.name()),
        shown.fingerprint().groups(),
        shown.fingerprint()
    )]
    Changed {
        /// Its address.
        url: String,
        /// What was pinned.
        known: ServerKey,
        /// What it says it is.
        shown: ServerKey,
    },
    /// Than the person was told.
    #[error(
        "the prekey server at {url} does not have the fingerprint that you gave. Nothing was sent to it.\n  \
         given: {}\n  shown: {}\n\
         Check the address and the fingerprint with the operator, over another channel",
        given.groups(),
        shown.groups()
    )]
    NotTheOneGiven {
        /// Its address.
        url: String,
        /// By the person.
        given: Fingerprint,
        /// By the server.
        shown: Fingerprint,
    },
}

/// `publish`: profiles and new prekeys, so that others can write to us while we are away; as many prekeys as the server
/// lacks, if no `count` is given.
pub(crate) fn publish(place: &Place, choice: &Choice, count: Option<usize>) -> Result<(), EverydayError> {
    let mut desk = Desk::open(place)?;
    if !allows_offline(&Settings::policy(&[&desk.state.policy])) {
        return Err(EverydayError::NoOffline);
    }
    let (server, key) = know(&mut desk, choice)?;
    let token = register(&mut desk, &server)?;
    // The profile that goes there names the versions.
    desk.have_v3_key()?;
    let mut missing = match count {
        Some(count) => count,
        None => {
            let (on_server, missing) = look(&mut desk)?;
            if missing == 0 && !desk.account.publication_due(system::now()) {
                say(format_args!(
                    "Nothing to do: {} has {on_server} prekeys of you.",
                    harmless::name(key.name())
                ))?;
                return Ok(());
            }
            missing
        }
    };
    loop {
        let before = desk.account.prekeys();
        let ids = publish_some(&mut desk, &server, &key, &token, missing)?;
        say(format_args!("Published on {}: your profiles and {ids} prekeys.", harmless::name(key.name())))?;
        missing = missing.saturating_sub(desk.account.prekeys().saturating_sub(before));
        if missing == 0 && !desk.account.has_unpublished() {
            break;
        }
    }
    say("Each prekey lets one person write to you while you are away.")?;
    Ok(())
}

/// One publication, of as many as fit; how many prekeys were in it.
fn publish_some(
    desk: &mut Desk,
    server: &PrekeyServer,
    key: &ServerKey,
    token: &str,
    fresh: usize,
) -> Result<usize, EverydayError> {
    let (publication, dake_1) = desk.account.publish(fresh, &mut system::rng(), system::now())?;
    // Before anything leaves: somebody may use a prekey the moment that it is there.
    desk.keep()?;
    let dake_2 = server.exchange(&dake_1, token)?;
    let (reply, dake_3) = publication.receive_dake_2(&desk.account, key, &dake_2, &mut system::rng())?;
    match reply.receive(&server.exchange(&dake_3, token)?)? {
        ServerReply::Success => desk.account.published(&publication, system::now()),
        _ => {
            desk.account.refused(&publication);
            desk.keep()?;
            return Err(EverydayError::PublicationFailed);
        }
    }
    desk.keep()?;
    Ok(publication.ids().len())
}

/// Asks how many of our prekeys the server still has; that, and how many fresh ones it should get.
pub(super) fn look(desk: &mut Desk) -> Result<(u32, usize), EverydayError> {
    let (server, key) = know(desk, &Choice { url: None, fingerprint: None, relay: None })?;
    let token = register(desk, &server)?;
    let (question, dake_1) = desk.account.ask_storage(&mut system::rng());
    let dake_2 = server.exchange(&dake_1, &token)?;
    let (reply, dake_3) = question.receive_dake_2(&desk.account, &key, &dake_2, &mut system::rng())?;
    match reply.receive(&server.exchange(&dake_3, &token)?)? {
        ServerReply::Status(count) => {
            let missing = desk.account.refill(count, system::now());
            desk.keep()?;
            Ok((count, missing))
        }
        _ => Err(EverydayError::PublicationFailed),
    }
}

/// Takes one ensemble for each client of `contact`. The server is not believed: the session checks every one.
pub(super) fn fetch(
    desk: &mut Desk,
    choice: &Choice,
    contact: &str,
) -> Result<Vec<PrekeyEnsemble>, EverydayError> {
    if let Some(url) = &choice.relay {
        return fetch_obliviously(desk, choice, &Relay::at(url), contact);
    }
    let (server, key) = know(desk, choice)?;
    let tag = desk.account.tag();
    let answer = server.query(&ensemble_query(tag, contact, Versions::V4))?;
    take(&answer, tag, contact, key.name(), "")
}

/// The same through a relay. Nothing is sent to the server itself, and nothing in the query is ours: not even the tag of
/// this client, by which the server would know it from its publications.
fn fetch_obliviously(
    desk: &Desk,
    choice: &Choice,
    relay: &Relay,
    contact: &str,
) -> Result<Vec<PrekeyEnsemble>, EverydayError> {
    let known = desk.state.server.as_ref().and_then(Pinned::key);
    let known_fingerprint = known.as_ref().map(ServerKey::fingerprint);
    let fingerprint = choice.fingerprint.or(known_fingerprint).ok_or(EverydayError::Unpinned)?;
    let name = known.as_ref().filter(|known| known.fingerprint() == fingerprint).map(ServerKey::name);
    let tag = InstanceTag::random(&mut system::rng());
    let answer = relay.ask(fingerprint, &ensemble_query(tag, contact, Versions::V4))?;
    let way = format!(" through the relay at {}", relay.url());
    // Its fingerprint alone does not tell its name.
    take(&answer, tag, contact, name.unwrap_or("prekey-server"), &way)
}

/// The ensembles in an answer to the query with this tag.
fn take(
    answer: &[u8],
    tag: InstanceTag,
    contact: &str,
    server: &str,
    way: &str,
) -> Result<Vec<PrekeyEnsemble>, EverydayError> {
    let ensembles = read_ensembles(answer, tag, contact)?;
    if ensembles.is_empty() {
        return Err(EverydayError::NoPrekeys { contact: contact.to_owned(), server: server.to_owned() });
    }
    let (contact, server) = (harmless::name(contact), harmless::name(server));
    say(format_args!("Fetched keys of {contact} from {server}{way}: {} client(s).", ensembles.len()))?;
    Ok(ensembles)
}

/// The server, if it shows the key that we know or were told; at the first use the one it shows is the one we know.
fn know(desk: &mut Desk, choice: &Choice) -> Result<(PrekeyServer, ServerKey), EverydayError> {
    let known = desk.state.server.clone();
    let url = choice.url.clone().or_else(|| known.as_ref().map(|known| known.url.clone()));
    let server = PrekeyServer::at(&url.ok_or(EverydayError::NoServer)?);
    let shown = server.identify()?;
    let known_key = known.as_ref().and_then(Pinned::key);
    check(server.url(), known_key.as_ref(), choice.fingerprint, &shown)?;
    let same = known.filter(|_| known_key.as_ref() == Some(&shown));
    if same.as_ref().is_none_or(|known| known.url != server.url()) {
        if same.is_none() {
            introduce(&shown, choice.fingerprint.is_some())?;
        }
        desk.state.server = Some(Pinned {
            url: server.url().to_owned(),
            identity: shown.name().to_owned(),
            fingerprint: shown.fingerprint().to_string(),
            token: same.and_then(|known| known.token),
        });
        desk.keep()?;
    }
    Ok((server, shown))
}

/// What the person says counts, then what is known; nothing is wrong at the first use.
fn check(
    url: &str,
    known: Option<&ServerKey>,
    given: Option<Fingerprint>,
    shown: &ServerKey,
) -> Result<(), Box<WrongKey>> {
    let url = url.to_owned();
    match (given, known) {
        (Some(given), _) if given != shown.fingerprint() => {
            Err(WrongKey::NotTheOneGiven { url, given, shown: shown.fingerprint() }.into())
        }
        (None, Some(known)) if known != shown => {
            Err(WrongKey::Changed { url, known: known.clone(), shown: shown.clone() }.into())
        }
        _ => Ok(()),
    }
}

fn introduce(server: &ServerKey, checked: bool) -> io::Result<()> {
    say(format_args!("Prekey server {}", harmless::name(server.name())))?;
    say(format_args!("  fingerprint {}", server.fingerprint().groups()))?;
    say(match checked {
        true => "  It is the one that you gave. From now on no other key is accepted.",
        false => "  From now on no other key is accepted. Compare it with what the operator shows.",
    })
}

/// Our token on the server, from a new account there if we have none.
fn register(desk: &mut Desk, server: &PrekeyServer) -> Result<Zeroizing<String>, EverydayError> {
    if let Some(token) = desk.state.server.as_ref().and_then(|known| known.token.clone()) {
        return Ok(token);
    }
    let token = server.register(desk.account.id())?;
    if let Some(known) = &mut desk.state.server {
        known.token = Some(token.clone());
    }
    desk.keep()?;
    Ok(token)
}
