//! Conversations with somebody who is away: begun from an ensemble, whose prekey is good for one of them.

use otrv4::PrekeyEnsemble;
use otrv4::wire::Version::V4;
use otrv4::wire::Writer;

use super::begin::{base64, read_ensemble};
use super::{Bench, Case, Home};
use crate::conversation::Conversation;
use crate::correspondent::Correspondent;
use crate::stop::{Step, Stop, ensure, failed};

pub(super) const CASES: &[Case] = &[
    Case::new(V4, "we-begin-offline", "otrv4: Non-Interactive-Auth Message", we_begin),
    Case::new(V4, "they-begin-offline", "otrv4: Non-Interactive-Auth Message", they_begin),
    Case::new(
        V4,
        "offline-start-overtaken",
        "our reading, spec-notes/SN-028, of otrv4: Receiving a Data Message",
        overtaken,
    ),
    Case::new(V4, "prekey-for-two", "otrv4: Non-Interactive DAKE Overview; Prekey Message", for_two),
    Case::new(
        V4,
        "prekey-after-other-handshakes",
        "otrv4: Non-Interactive DAKE Overview; Prekey Message",
        after_other_handshakes,
    ),
    Case::new(
        V4,
        "prekey-after-a-restart",
        "otrv4: Non-Interactive DAKE Overview; Prekey Message",
        after_a_restart,
    ),
    Case::new(V4, "prekeys-are-kept", "otrv4: Publishing Prekey Ensembles", prekeys_are_kept),
];

fn we_begin(bench: &Bench<'_>) -> Step {
    let mut c = bench.strangers()?;
    let answer = c.them.obey("prekeys 2")?;
    ensure!(answer.count("event ensemble ") == 2, "not 2 ensembles: {:?}", answer.lines());
    let ensemble = read_ensemble(&answer.event("ensemble ").unwrap_or_default())?;
    let start = begin_from(&mut c, &ensemble)?;
    let mut lines = vec![start.clone()];
    for text in ["one", "two"] {
        lines.push(c.line(text)?);
    }
    let said = c.deliver(&lines)?;
    c.is_the_same(&said)?;
    ensure!(said.plain() == ["one", "two"], "what follows the offline start: {:?}", said.plain());
    c.lives()?;
    c.harmless("a replayed Non-Interactive-Auth message", &start)
}

/// The second text arrives before the handshake. The text lets one store it, and lets one drop what was stored.
fn overtaken(bench: &Bench<'_>) -> Step {
    let mut c = bench.strangers()?;
    let ensemble = their_ensemble(&mut c)?;
    let start = begin_from(&mut c, &ensemble)?;
    let (one, two) = (c.line("one")?, c.line("two")?);
    let said = c.deliver(&[two, start, one])?;
    c.is_the_same(&said)?;
    let mut read = said.plain();
    c.lives()?;
    read.sort();
    match read.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["one", "two"] => Ok(()),
        ["one"] => Err(Stop::Differs("what overtakes the Non-Interactive-Auth message is not kept".into())),
        read => failed(format!("what follows the offline start is read as {read:?}")),
    }
}

fn they_begin(bench: &Bench<'_>) -> Step {
    let mut c = bench.strangers()?;
    let mut rng = crate::correspondent::rng();
    let ensembles = c.us.account.make_prekeys(1, &mut rng, c.us.now);
    let Some(ensemble) = ensembles.ok().and_then(|ensembles| ensembles.into_iter().next()) else {
        return failed("our side makes no prekeys");
    };
    let mut w = Writer::new();
    ensemble.write(&mut w);
    let mut said = c.them.obey(&format!("offline {}", base64(w.as_slice())))?;
    let mut lines = said.out();
    for text in ["one", "two"] {
        lines.push(c.their_line(text)?);
    }
    lines.iter().for_each(|line| c.us.receive(line));
    let heard = c.us.heard();
    ensure!(heard == ["one", "two"], "what follows the offline start is read as {heard:?}");
    said.add(c.carry(Vec::new())?);
    c.is_the_same(&said)?;
    c.lives()
}

/// A prekey server can hand one ensemble to two people, or twice to the same one: the second is too late.
fn for_two(bench: &Bench<'_>) -> Step {
    let mut c = bench.strangers()?;
    let ensemble = their_ensemble(&mut c)?;
    let mut others = [
        ("the same client", c.us.without_conversations()),
        ("another client", Correspondent::new(&[bench.version])),
    ];
    start_offline(&mut c, &ensemble)?;
    for (who, other) in &mut others {
        let ensembles = vec![ensemble.clone()];
        if other.attempt(|session, cx| session.start_offline(cx, ensembles)).is_err() {
            return failed("our side may not begin from the ensemble");
        }
        _ = other.attempt(|session, cx| session.send(cx, None, "never read"));
        for line in other.take() {
            c.harmless(&format!("a second start of {who} from one ensemble"), &line)?;
        }
    }
    Ok(())
}

/// The conversation that it began is long replaced, and with it all that was remembered of it, but not that the prekey is used up.
fn after_other_handshakes(bench: &Bench<'_>) -> Step {
    let mut c = bench.strangers()?;
    let ensemble = their_ensemble(&mut c)?;
    let start = start_offline(&mut c, &ensemble)?;
    for _ in 0..2 {
        bench.begin(&mut c)?;
        c.lives()?;
    }
    c.harmless("a Non-Interactive-Auth message from two handshakes ago", &start)
}

fn after_a_restart(bench: &Bench<'_>) -> Step {
    let home = Home::new()?;
    let them = bench.subject(&home.option())?;
    let mut c = Conversation { version: bench.version, us: Correspondent::new(&[bench.version]), them };
    let ensemble = their_ensemble(&mut c)?;
    let start = start_offline(&mut c, &ensemble)?;
    for _ in 0..2 {
        bench.begin(&mut c)?;
        bench.restart(&mut c, &home)?;
        c.harmless("a Non-Interactive-Auth message from before a restart", &start)?;
    }
    Ok(())
}

/// Nobody is there when the prekey is used: that is what it is for.
fn prekeys_are_kept(bench: &Bench<'_>) -> Step {
    let home = Home::new()?;
    let them = bench.subject(&home.option())?;
    let mut c = Conversation { version: bench.version, us: Correspondent::new(&[bench.version]), them };
    let ensemble = their_ensemble(&mut c)?;
    bench.restart(&mut c, &home)?;
    let start = start_offline(&mut c, &ensemble)?;
    // Killed just after it has answered: used up all the same.
    bench.restart(&mut c, &home)?;
    c.harmless("a Non-Interactive-Auth message from before a restart", &start)
}

pub(super) fn their_ensemble(c: &mut Conversation) -> Step<PrekeyEnsemble> {
    let answer = c.them.obey("prekeys 1")?;
    read_ensemble(&answer.event("ensemble ").unwrap_or_default())
}

/// The line that begins a conversation from it.
pub(super) fn begin_from(c: &mut Conversation, ensemble: &PrekeyEnsemble) -> Step<String> {
    let ensembles = vec![ensemble.clone()];
    c.we(|session, cx| session.start_offline(cx, ensembles))?;
    match c.us.take().as_slice() {
        [line] => Ok(line.clone()),
        lines => failed(format!("an offline start of ours sends {} lines", lines.len())),
    }
}

/// The same, and the conversation is there.
fn start_offline(c: &mut Conversation, ensemble: &PrekeyEnsemble) -> Step<String> {
    let start = begin_from(c, ensemble)?;
    let said = c.them.receive(&start)?;
    c.is_the_same(&said)?;
    c.carry(said.out())?;
    c.lives()?;
    Ok(start)
}
