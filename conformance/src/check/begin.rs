//! How conversations begin: offers from either side, both at once, anew, and with somebody who is away.

use otrv4::wire::Version::{V2, V3, V4};
use otrv4::wire::{Reader, Version};
use otrv4::{Event, PrekeyEnsemble};

use super::{Bench, Case};
use crate::conversation::Conversation;
use crate::correspondent::Correspondent;
use crate::stop::{Step, ensure, failed};

pub(super) const CASES: &[Case] = &[
    Case::new(V4, "our-query", "otrv4: Query Messages; Interactive DAKE", our_query),
    Case::new(V4, "their-query", "otrv4: Query Messages; Interactive DAKE", their_query),
    Case::new(V4, "our-whitespace-tag", "otrv4: Whitespace Tags", our_tag),
    Case::new(V4, "their-whitespace-tag", "otrv4: Whitespace Tags", their_tag),
    Case::new(V4, "our-identity", "otrv4: Identity Message", our_identity),
    Case::new(V4, "their-identity", "otrv4: Identity Message", their_identity),
    Case::new(V4, "crossing-identities", "otrv4: Receiving an Identity Message", crossing_identities),
    Case::new(V4, "crossing-queries", "otrv4: Receiving an Identity Message", crossing_queries),
    Case::new(V4, "fresh-keys", "otrv4: Receiving an Identity Message", fresh_keys),
    Case::new(V4, "queued-text", "otrv4: User requests to start an OTR Conversation", queued_text),
    Case::new(V4, "newest-version", "otrv4: Query Messages", newest_version),
    Case::new(V3, "our-query", "otrv3: Query Messages; Authenticated Key Exchange", our_query),
    Case::new(V3, "their-query", "otrv3: Query Messages; Authenticated Key Exchange", their_query),
    Case::new(V3, "our-whitespace-tag", "otrv3: Whitespace Tags", our_tag),
    Case::new(V3, "their-whitespace-tag", "otrv3: Whitespace Tags", their_tag),
    Case::new(V3, "crossing-queries", "otrv3: Receiving a D-H Commit Message", crossing_queries),
    Case::new(V3, "fresh-keys", "otrv3: Receiving a D-H Commit Message", fresh_keys),
    Case::new(V3, "queued-text", "otrv3: User requests to start an OTR conversation", queued_text),
    Case::new(V2, "our-query", "otrv3: Query Messages; Authenticated Key Exchange", our_query),
    Case::new(V2, "their-query", "otrv3: Query Messages; Authenticated Key Exchange", their_query),
    Case::new(V2, "our-whitespace-tag", "otrv3: Whitespace Tags", our_tag),
    Case::new(V2, "their-whitespace-tag", "otrv3: Whitespace Tags", their_tag),
];

fn our_query(bench: &Bench<'_>) -> Step {
    bench.talking()?.lives()
}

fn their_query(bench: &Bench<'_>) -> Step {
    their_offer(bench, "query")
}

fn their_identity(bench: &Bench<'_>) -> Step {
    their_offer(bench, "identity")
}

fn their_tag(bench: &Bench<'_>) -> Step {
    let conversation = their_offer_with(bench, "whitespace shall we?")?;
    let text = |event: &Event| matches!(event, Event::Plaintext { text, .. } if text == "shall we?");
    ensure!(conversation.we_were_told(text), "the tagged text cannot be read");
    Ok(())
}

fn their_offer(bench: &Bench<'_>, command: &str) -> Step {
    their_offer_with(bench, command)?.lives()
}

fn their_offer_with(bench: &Bench<'_>, command: &str) -> Step<Conversation> {
    let mut c = bench.strangers()?;
    let mut said = c.them.obey(command)?;
    said.add(c.carry(said.out())?);
    c.is_the_same(&said)?;
    Ok(c)
}

fn our_tag(bench: &Bench<'_>) -> Step {
    let mut c = bench.strangers()?;
    c.we(|session, cx| session.send_tagged(cx, "shall we?"))?;
    let said = c.carry(Vec::new())?;
    let read = said.event("cleartext ");
    ensure!(read.as_deref() == Some("shall we?"), "the tagged text is shown as {read:?}");
    c.is_the_same(&said)?;
    c.lives()
}

fn our_identity(bench: &Bench<'_>) -> Step {
    let mut c = bench.strangers()?;
    c.us.act(|session, cx| session.start_identity(cx));
    let said = c.carry(Vec::new())?;
    c.is_the_same(&said)?;
    c.lives()
}

/// Either may win: the one with the higher hash of its DH key.
fn crossing_identities(bench: &Bench<'_>) -> Step {
    let (mut we_won, mut they_won) = (false, false);
    // One chance in a million million that an honest program gets no further.
    for _ in 0..40 {
        let ours_stays = crossing(bench, "identity", |c| c.us.act(|session, cx| session.start_identity(cx)))?;
        (we_won, they_won) = (we_won || ours_stays, they_won || !ours_stays);
        if we_won && they_won {
            return Ok(());
        }
    }
    failed("40 times the same side has won")
}

fn crossing_queries(bench: &Bench<'_>) -> Step {
    crossing(bench, "query", |c| c.us.act(|session, cx| session.start(cx)))?;
    Ok(())
}

/// Whether they have answered our offer by an Auth-R message, and not we theirs.
fn crossing(bench: &Bench<'_>, theirs: &str, ours: impl Fn(&mut Conversation)) -> Step<bool> {
    let mut c = bench.strangers()?;
    ours(&mut c);
    let mut said = c.them.obey(theirs)?;
    // Both offers are on their way before either arrives, and so is every answer to them.
    let (mut to_us, mut to_them) = (said.out(), c.us.take());
    for _ in 0..50 {
        if to_us.is_empty() && to_them.is_empty() {
            break;
        }
        to_us.iter().for_each(|line| c.us.receive(line));
        let answer = c.deliver(&to_them)?;
        (to_us, to_them) = (answer.out(), c.us.take());
        said.add(answer);
    }
    ensure!(to_us.is_empty() && to_them.is_empty(), "the two never stop talking");
    let ours = c.ours()?;
    let last = said.lines().iter().rev().find(|line| line.starts_with("event secure "));
    ensure!(
        last.is_some_and(|line| line.ends_with(&format!("ssid={}", ours.ssid))),
        "two conversations, or none"
    );
    c.lives()?;
    Ok(said.out().iter().any(|line| line.starts_with(AUTH_R)))
}

/// The beginning of an Auth-R message: version 4, type 36, in base64.
const AUTH_R: &str = "?OTR:AAQ2";

fn fresh_keys(bench: &Bench<'_>) -> Step {
    let mut c = bench.talking()?;
    let before = c.ours()?;
    let late = c.line("sent before")?;
    bench.begin(&mut c)?;
    ensure!(c.ours()? != before, "a new handshake leads to the same keys");
    c.lives()?;
    // It belongs to keys that are gone, or that are kept for a while: read once or refused.
    let answer = c.them.receive(&late)?;
    match answer.plain().as_slice() {
        [] => c.ignored("a message under keys that are gone", &late)?,
        [text] if text == "sent before" => c.ignored("a message under old keys, once more", &late)?,
        _ => return failed(format!("a message under old keys: {:?}", answer.lines())),
    };
    let changed = ["secure ", "finished "].iter().any(|event| answer.event(event).is_some());
    ensure!(!changed, "a message under old keys changes the conversation: {:?}", answer.lines());
    c.lives()
}

/// Typed before anything is encrypted.
fn queued_text(bench: &Bench<'_>) -> Step {
    let mut c = bench.strangers()?;
    let query = c.them.obey("query")?.out();
    let answer = c.them.obey("send typed too early")?;
    ensure!(answer.event("queued").is_some() && answer.out().is_empty(), "not queued: {:?}", answer.lines());
    c.carry(query)?;
    let heard = c.us.heard();
    ensure!(heard == ["typed too early"], "the queued text does not arrive: {heard:?}");
    c.lives()
}

/// Who is offered 3 and 4 takes 4.
fn newest_version(bench: &Bench<'_>) -> Step {
    let us = Correspondent::new(&[Version::V3, Version::V4]);
    let mut c = Conversation { version: V4, us, them: bench.subject_of("34", &[])? };
    bench.begin(&mut c)?;
    c.lives()
}

pub(super) fn read_ensemble(text: &str) -> Step<PrekeyEnsemble> {
    // The armour of OTR is base64 between two marks.
    let bytes = otrv4::wire::unarmour(&format!("?OTR:{text}.")).unwrap_or_default();
    match PrekeyEnsemble::read(&mut Reader::new(&bytes)) {
        Ok(ensemble) => Ok(ensemble),
        Err(error) => failed(format!("not an ensemble: {error}")),
    }
}

pub(super) fn base64(bytes: &[u8]) -> String {
    let line = otrv4::wire::armour(bytes);
    line.trim_start_matches("?OTR:").trim_end_matches('.').to_owned()
}
