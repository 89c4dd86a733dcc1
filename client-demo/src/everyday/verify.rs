//! `verify`: finding out whose key it is. By comparing fingerprints, or by a secret that only the right person knows.

use std::io::{self, BufRead, IsTerminal, Write};
use std::path::Path;

use age::secrecy::{ExposeSecret, SecretString};
use otrv4::account::ContactKey;
use otrv4::wire::InstanceTag;
use otrv4::{Context, InstanceView, Protection, Refused, Session};

use super::account::say_v3_key;
use super::desk::is_encrypted;
use super::talk::Talk;
use super::{Desk, EverydayError, Place, qr, trust};
use crate::harmless::{self, argument, message};
use crate::network::Network;
use crate::perform::perform;
use crate::screen::{lines_of_groups, say, whose};
use crate::{passphrase, system};

/// Whom to verify: a contact, or one client of theirs.
pub(crate) struct Whom {
    /// Their name at the messenger.
    pub(crate) contact: String,
    /// One of their clients.
    pub(crate) client: Option<InstanceTag>,
}

/// A step of a verification by a secret.
pub(crate) enum SmpStep {
    /// Begin; the question is empty when both know which secret is meant.
    Ask(String),
    /// Answer what they have asked.
    Answer,
    /// Give up, or decline.
    Abort,
}

/// `verify`: both fingerprints, and what is known.
pub(crate) fn show(place: &Place, whom: &Whom) -> Result<(), EverydayError> {
    let desk = Desk::open(place)?;
    let ours = desk.account.fingerprint();
    say(format_args!("{} (you)", harmless::name(desk.account.id())))?;
    lines_of_groups(ours.into()).iter().try_for_each(|line| say(format_args!("  {line}")))?;
    // It holds 112 characters of the thousands that fit.
    for line in qr::code(&ours).unwrap_or_default() {
        say(format_args!("  {line}"))?;
    }
    say_v3_key(&desk.account)?;
    trust::show(&desk, &whom.contact)?;
    let session = desk.session(&whom.contact)?;
    for (client, question) in asked(&session, whom) {
        say(format_args!("Client {} asks. {}", client.tag, whose(&desk.account, &session, client.tag)))?;
        say(words_asked(question))?;
    }
    let name = argument(&whom.contact);
    say("")?;
    say(
        "To compare: meet, or talk where you know their face or voice, but not in this chat. Read the digits to each",
    )?;
    say(
        "other, or let them scan the code, which holds yours. The same on both sides: nobody sits between you. Then",
    )?;
    say(format_args!("  client-demo verify {name} --by-hand"))?;
    say("Or ask them something that only they can answer; nobody on the way learns the answer:")?;
    say(format_args!("  client-demo verify {name} --ask \"Where did we meet?\""))?;
    Ok(())
}

/// `verify --by-hand`: our user has compared fingerprints. `given` is the one that was compared; without, the user is
/// asked. `unseen`: it may be one that no client of theirs has shown yet.
pub(crate) fn by_hand(
    place: &Place,
    whom: &Whom,
    given: Option<ContactKey>,
    unseen: bool,
) -> Result<(), EverydayError> {
    let mut desk = Desk::open(place)?;
    let keys = keys(&desk, whom)?;
    let chosen = match given {
        Some(key) if keys.contains(&key) || unseen || (keys.is_empty() && whom.client.is_none()) => vec![key],
        Some(key) => {
            return Err(EverydayError::NotTheirs { contact: whom.contact.clone(), given: key.groups() });
        }
        None if keys.is_empty() => return Err(EverydayError::NothingKnown(whom.contact.clone())),
        None => ask_which(&whom.contact, keys)?,
    };
    if chosen.is_empty() {
        say("Nothing has changed.")?;
    }
    for key in chosen {
        if !desk.account.verify_by_hand(&whom.contact, key, system::now()) {
            return Err(EverydayError::NoRoom(whom.contact.clone()));
        }
        desk.keep()?;
        say(format_args!("{} is verified by hand with the fingerprint", harmless::name(&whom.contact)))?;
        lines_of_groups(key).iter().try_for_each(|line| say(format_args!("  {line}")))?;
    }
    Ok(())
}

/// `verify --ask`, `--shared-secret`, `--answer`, `--abort`.
pub(crate) fn smp(
    place: &Place,
    network: &Network,
    whom: &Whom,
    step: &SmpStep,
    secret_file: Option<&Path>,
) -> Result<(), EverydayError> {
    let mut desk = Desk::open_on(place, network)?;
    let mut session = desk.session(&whom.contact)?;
    if !clients(&session, whom).any(|client| is_encrypted(&client)) {
        return Err(EverydayError::NoConversation(whom.contact.clone()));
    }
    let answered = match step {
        SmpStep::Answer => Some(to_answer(&desk, &session, whom)?),
        SmpStep::Ask(_) | SmpStep::Abort => None,
    };
    let secret = secret(step, secret_file)?;
    let secret = secret.expose_secret();
    let Desk { home, state, account } = &mut desk;
    let mut talk = Talk::new(home, state, network, account.id(), &whom.contact);
    let (rng, now) = (&mut system::rng(), system::now());
    let cx = &mut Context { account, rng, now };
    let outputs = match (step, &answered) {
        (SmpStep::Ask(question), _) => session.smp_start(cx, whom.client, question, secret),
        (_, Some((from, question))) => session.smp_answer(cx, *from, question, secret),
        (_, None) => session.smp_abort(cx, whom.client),
    };
    perform(&outputs.map_err(EverydayError::Smp)?, account, &session, &mut talk)?;
    say(match step {
        SmpStep::Ask(_) => "Asked. When they have answered, `client-demo receive` shows the result.",
        SmpStep::Answer => "Answered. `client-demo receive` shows the result when it is there.",
        SmpStep::Abort => "Stopped; they are told.",
    })?;
    desk.settle()
}

/// What is to be answered, after having shown it and whose key it is that asks.
fn to_answer(desk: &Desk, session: &Session, whom: &Whom) -> Result<(InstanceTag, String), EverydayError> {
    let mut asked = asked(session, whom);
    let Some((client, question)) = asked.next() else {
        return Err(EverydayError::NothingAsked(whom.contact.clone()));
    };
    if asked.next().is_some() {
        return Err(EverydayError::Smp(Refused::WhichInstance));
    }
    // First whose key it is: what follows is theirs.
    say(format_args!("Client {} asks. {}", client.tag, whose(&desk.account, session, client.tag)))?;
    say(words_asked(question))?;
    Ok((client.tag, question.to_owned()))
}

/// What the step takes: nothing for giving up.
fn secret(step: &SmpStep, file: Option<&Path>) -> Result<SecretString, EverydayError> {
    let prompt = match step {
        SmpStep::Abort => return Ok(SecretString::from(String::new())),
        SmpStep::Ask(question) if question.is_empty() => "The secret that you both know: ",
        SmpStep::Ask(_) => "The answer that you expect: ",
        SmpStep::Answer => "Your answer: ",
    };
    if file.is_none() {
        say("It has to be the same on both sides to the letter: capitals, blanks and dots count.")?;
    }
    Ok(passphrase::secret(file, prompt)?)
}

/// The clients that are meant.
fn clients(session: &Session, whom: &Whom) -> impl Iterator<Item = InstanceView> {
    session.instances().filter(|client| whom.client.is_none_or(|tag| tag == client.tag))
}

/// The keys that can be meant: those of the conversations that run, or else all that are known.
fn keys(desk: &Desk, whom: &Whom) -> Result<Vec<ContactKey>, EverydayError> {
    let session = desk.session(&whom.contact)?;
    let mut keys: Vec<ContactKey> = clients(&session, whom).filter_map(|client| key(&client)).collect();
    if keys.is_empty() && whom.client.is_none() {
        let known = desk.account.contact(&whom.contact).into_iter().flat_map(|known| known.keys());
        keys.extend(known.map(|known| known.key));
    }
    keys.sort_unstable();
    keys.dedup();
    Ok(keys)
}

/// The key of the conversation with a client, if there is one.
fn key(client: &InstanceView) -> Option<ContactKey> {
    match client.protection {
        Protection::Encrypted { fingerprint, .. } => Some(fingerprint),
        Protection::None | Protection::Finished => None,
    }
}

/// Which clients wait for an answer, and what they ask.
fn asked<'a>(session: &'a Session, whom: &Whom) -> impl Iterator<Item = (InstanceView, &'a str)> {
    clients(session, whom).filter_map(|client| Some((client, session.smp_question(client.tag)?)))
}

fn words_asked(question: &str) -> String {
    match question.is_empty() {
        true => {
            "  It is about a secret that you have agreed on outside of this chat. If you have not, decline."
                .to_owned()
        }
        false => message("  The question", question),
    }
}

/// Of the keys those that our user says to have compared.
fn ask_which(contact: &str, keys: Vec<ContactKey>) -> Result<Vec<ContactKey>, EverydayError> {
    if !io::stdin().is_terminal() {
        return Err(EverydayError::WhichFingerprint);
    }
    let mut compared = Vec::new();
    for key in keys {
        say(harmless::name(contact))?;
        lines_of_groups(key).iter().try_for_each(|line| say(format_args!("  {line}")))?;
        print!("Have you compared it, outside of this chat, and is it the same? [y/N] ");
        _ = io::stdout().flush();
        let mut line = String::new();
        io::stdin().lock().read_line(&mut line)?;
        if matches!(line.trim(), "y" | "Y" | "yes") {
            compared.push(key);
        }
    }
    Ok(compared)
}
