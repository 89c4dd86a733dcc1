//! A conversation with somebody on the way, who can do everything but what needs a key: real lines late, again or changed, and
//! others. Versions 4, 3 and 2, from the first line to the last.
//!
//! The victim is saved as it was loaded, changes only when it says that it must be saved, shows what was said once, takes no
//! handshake that was changed, and the conversation goes on.

use arbitrary::{Result, Unstructured};
use otrv4::Event;
use otrv4::wire::Version;

use super::client::Client;
use super::mutation;
use super::scene::{Aim, Scene, aims};

/// The input is a list of choices.
pub(super) fn run(input: &[u8]) {
    _ = play(&mut Unstructured::new(input));
}

fn play(u: &mut Unstructured<'_>) -> Result<()> {
    let of_a_kind = u.choose(aims())?;
    let &(scene, aimed_at): &Aim = u.choose(of_a_kind)?;
    let seen = [scene.under_way.as_slice(), &scene.from_victim, &scene.past].concat();
    let mut victim = scene.victim.restore(u.int_in_range(0..=3)?);
    let mut under_way = scene.under_way.clone();
    let mut steps = 0;
    while !u.is_empty() && steps < STEPS {
        steps += 1;
        match u.int_in_range(0..=9u8)? {
            0 if !under_way.is_empty() => {
                let at = u.choose_index(under_way.len())?;
                victim.receive(&under_way.remove(at));
            }
            1 if !seen.is_empty() => victim.receive(u.choose(&seen)?),
            2 => victim.receive(&String::from_utf8_lossy(u.bytes(u.len().min(60))?)),
            3 => victim.restart(),
            4 => {
                victim.now = victim.now.plus(u.int_in_range(0..=30)?);
                victim.act(|session, cx| session.tick(cx));
            }
            _ if !seen.is_empty() => {
                // What the victim has had already is mostly refused for that; what is new to it tells more.
                let line = match aimed_at {
                    Some(line) if u.ratio(3u8, 4u8)? => line,
                    _ => u.choose(&seen)?,
                };
                for line in mutation::lines(u, line, &seen)? {
                    receive_changed(&mut victim, &line, &seen);
                }
            }
            _ => {}
        }
    }
    scene.assert_was_said(&victim);
    let may_differ = under_way != scene.under_way || has_changed(scene, &mut victim);
    match may_differ && scene.is_due(&mut victim, &under_way) {
        true => scene.assert_goes_on(victim, &under_way),
        false => victim.retire(&scene.victim),
    }
    Ok(())
}

/// No conversation of version 4 begins by a line that neither side has sent. One may begin by a piece of such a line: other
/// pieces of it may have come before. In version 3 nothing protects the tags in a header.
fn receive_changed(victim: &mut Client, line: &str, seen: &[String]) {
    let begun = |victim: &Client| victim.events.iter().filter(|event| is_secure(event)).count();
    let before = begun(victim);
    victim.receive(line);
    let is_real = seen.iter().any(|real| real == line) || line.starts_with("?OTR|");
    assert!(is_real || begun(victim) == before, "a handshake that was changed is taken: {line}");
}

fn is_secure(event: &Event) -> bool {
    matches!(event, Event::Secure { version: Version::V4, .. })
}

/// Whether what comes next can differ from what comes if nobody disturbs them. Complaints anybody can send.
fn has_changed(scene: &Scene, victim: &mut Client) -> bool {
    let saved = victim.save();
    saved.session != scene.victim.session
        || saved.account != scene.victim.account
        || saved.now != scene.victim.now
        || victim.heard().next().is_some()
        || victim.sent.iter().any(|line| !line.starts_with("?OTR Error:"))
}

/// What somebody does at most: each step may cost a handshake's time.
const STEPS: usize = 5;
