//! Versions that are not allowed: no offer and no handshake of theirs begins anything.

use otrv4::wire::Version;
use otrv4::wire::Version::{V3, V4};

use super::{Bench, Case};
use crate::conversation::{Conversation, shortened};
use crate::correspondent::Correspondent;
use crate::message::Message;
use crate::stop::{Step, ensure};

pub(super) const CASES: &[Case] = &[
    Case::new(V4, "offers-of-other-versions", "otrv4: Query Messages; Whitespace Tags", other_offers_4),
    Case::new(V4, "offers-of-this-version", "otrv4: Query Messages; Whitespace Tags", this_offer_4),
    Case::new(V4, "handshake-of-another-version", "otrv4: OTRv3 Specific Encoded Messages", commit_to_4),
    Case::new(V4, "older-handshake-in-a-conversation", "otrv4: Receiving a D-H Commit Message", commit_in_4),
    Case::new(V3, "offers-of-other-versions", "otrv3: Query Messages; Whitespace Tags", other_offers_3),
    Case::new(V3, "handshake-of-another-version", "otrv3: Policies", identity_to_3),
];

/// What begins each tag.
const TAG: &str = " \t  \t\t\t\t \t \t \t  ";
const TAG_3: &str = "  \t\t  \t\t";
const TAG_4: &str = "  \t\t \t  ";
/// A version that there is not.
const TAG_5: &str = "  \t\t \t \t";

fn other_offers_4(bench: &Bench<'_>) -> Step {
    let tagged = |tags: &str| format!("a tagged text{TAG}{tags}");
    let offers = ["?OTRv3?", "?OTRv2?", "?OTRv23?", "?OTRv5?", "?OTRv?", "?OTRv?4?", "?OTR?"];
    let mut offers = offers.map(str::to_owned).to_vec();
    offers.extend([tagged(""), tagged(TAG_3), tagged(TAG_5), tagged(&[TAG_3, TAG_5].concat())]);
    nobody_answers(bench, &offers)
}

fn other_offers_3(bench: &Bench<'_>) -> Step {
    let offers = ["?OTRv4?", "?OTRv45x?", "?OTRv?", "?OTR?"].map(str::to_owned);
    nobody_answers(bench, &[&offers[..], &[format!("a tagged text{TAG}{TAG_4}")]].concat())
}

fn nobody_answers(bench: &Bench<'_>, offers: &[String]) -> Step {
    let mut c = bench.strangers()?;
    for offer in offers {
        let answer = c.them.receive(offer)?;
        ensure!(answer.out().is_empty(), "{offer:?} is answered: {:?}", shortened(&answer));
    }
    bench.begin(&mut c)?;
    c.lives()
}

/// In any order, beside versions that nobody knows.
fn this_offer_4(bench: &Bench<'_>) -> Step {
    for offer in ["?OTRv45x?", "?OTRvx54?", &format!("a tagged text{TAG}{TAG_5}{TAG_4}")] {
        let mut c = bench.strangers()?;
        let mut said = c.them.receive(offer)?;
        said.add(c.carry(said.out())?);
        ensure!(said.event("secure ").is_some(), "{offer:?} is not answered: {:?}", shortened(&said));
        c.is_the_same(&said)?;
    }
    Ok(())
}

/// To whoever was started with `--versions 4`.
fn commit_to_4(bench: &Bench<'_>) -> Step {
    let mut c = bench.strangers()?;
    let commit = commit_of(&mut Correspondent::new(&[V3]))?;
    c.ignored("a D-H Commit message of version 3", &commit.line())?;
    bench.begin(&mut c)?;
    c.harmless("a D-H Commit message of version 3", &commit.line())
}

fn identity_to_3(bench: &Bench<'_>) -> Step {
    let mut c = bench.strangers()?;
    let mut newer = Correspondent::new(&[V4]);
    newer.act(|session, cx| session.start_identity(cx));
    let identity = newer.take();
    for line in &identity {
        c.ignored("an Identity message of version 4", line)?;
    }
    bench.begin(&mut c)?;
    for line in &identity {
        c.harmless("an Identity message of version 4", line)?;
    }
    Ok(())
}

/// Nobody needs a key to send one. It may be answered, since it may come from another client; what runs goes on.
fn commit_in_4(bench: &Bench<'_>) -> Step {
    let us = Correspondent::new(&[V3, V4]);
    let mut c = Conversation { version: Version::V4, us, them: bench.subject_of("34", &[])? };
    bench.begin(&mut c)?;
    let commit = commit_of(&mut Correspondent::new(&[V3]))?;
    let (ours, theirs) = (c.us.account.tag(), c.ours()?.with);
    let ours = commit.with("sender tag", &ours.get().to_be_bytes())?;
    let named = ours.with("receiver tag", &theirs.get().to_be_bytes())?;
    for commit in [commit, ours, named] {
        let answer = c.them.receive(&commit.line())?;
        let changed = ["secure ", "finished "].iter().any(|event| answer.event(event).is_some());
        ensure!(!changed, "a D-H Commit message changes it: {:?}", shortened(&answer));
        c.lives()?;
    }
    Ok(())
}

fn commit_of(older: &mut Correspondent) -> Step<Message> {
    older.receive("?OTRv3?");
    Message::of(older.take().first().map_or("", String::as_str))
}
