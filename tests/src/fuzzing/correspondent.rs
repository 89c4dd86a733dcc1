//! A conversation with somebody who has the keys and does not keep to the protocol: any text and records, values of SMP that
//! are wrong, counters and keys as they like, all under a MAC that is right. The victim does not panic, is saved as it was
//! loaded, and stays small.

use arbitrary::{Result, Unstructured};
use otrv4::inside::seal;
use otrv4::wire::armour;
use otrv4::{Context, Event, Session};

use super::client::Client;
use super::grammar::{Field, Kind, fields};
use super::mutation;
use super::scene::{Scene, talking};

/// The input is a list of choices.
pub(super) fn run(input: &[u8]) {
    _ = play(&mut Unstructured::new(input));
}

fn play(u: &mut Unstructured<'_>) -> Result<()> {
    let scene: &Scene = u.choose(talking())?;
    let (mut victim, mut peer) = (scene.victim.restore(0), scene.peer.restore(1));
    let mut steps = 0;
    while !u.is_empty() && steps < STEPS {
        steps += 1;
        match u.int_in_range(0..=7u8)? {
            0..=3 => dishonest(u, scene, &mut peer, &mut victim)?,
            4 => act(u, &mut victim)?,
            5 => act(u, &mut peer)?,
            6 => std::mem::take(&mut victim.sent).iter().for_each(|line| peer.receive(line)),
            _ => {
                let seconds = u.int_in_range(0..=4000)?;
                for client in [&mut victim, &mut peer] {
                    client.now = client.now.plus(seconds);
                    client.act(|session, cx| session.tick(cx));
                }
            }
        }
        std::mem::take(&mut peer.sent).iter().for_each(|line| victim.receive(line));
    }
    victim.restart();
    victim.retire(&scene.victim);
    peer.retire(&scene.peer);
    Ok(())
}

/// One message that no honest client seals.
fn dishonest(u: &mut Unstructured<'_>, scene: &Scene, peer: &mut Client, victim: &mut Client) -> Result<()> {
    let plaintext = match u.int_in_range(0..=3u8)? {
        0 => u.bytes(u.len().min(60))?.to_vec(),
        1 => records(u)?,
        2 if !scene.plaintexts.is_empty() => u.choose(&scene.plaintexts)?.clone(),
        _ if !scene.plaintexts.is_empty() => {
            let mut plaintext = u.choose(&scene.plaintexts)?.clone();
            mutation::message(u, &mut plaintext, record_fields, &scene.plaintexts)?;
            plaintext
        }
        _ => Vec::new(),
    };
    let altered = u.ratio(1u8, 3u8)?;
    let to = victim.account.tag();
    // In version 2 nobody has a tag.
    let tags: Vec<_> = peer.session.instances().map(|instance| instance.tag).collect();
    let to = if tags.contains(&to) { to } else { *u.choose(&tags)? };
    let others: Vec<Vec<u8>> = scene.past.iter().filter_map(|line| mutation::encoded(line)).collect();
    let mut alter = |sections: &mut Vec<u8>| {
        if altered {
            _ = mutation::message(u, sections, fields, &others);
        }
    };
    let mut cx = Context { account: &mut peer.account, rng: &mut peer.rng, now: peer.now };
    if let Some(message) = seal(&mut peer.session, &mut cx, to, &plaintext, &mut alter) {
        victim.receive(&armour(&message));
    }
    Ok(())
}

/// A text and records of any types, lengths that are wrong among them.
fn records(u: &mut Unstructured<'_>) -> Result<Vec<u8>> {
    let mut plaintext = u.choose(&["", "x", "\u{e9}"])?.as_bytes().to_vec();
    plaintext.push(0);
    for _ in 0..u.int_in_range(1..=4u8)? {
        let kind = if u.ratio(7u8, 8u8)? { u.int_in_range(0..=9u16)? } else { u.arbitrary()? };
        let value = match u.int_in_range(0..=2u8)? {
            0 => u.bytes(u.len().min(40))?.to_vec(),
            1 => vec![u.arbitrary()?; u.int_in_range(0..=3000)?],
            _ => Vec::new(),
        };
        let length = u16::try_from(value.len()).expect("short");
        let length = if u.ratio(1u8, 8u8)? { u.arbitrary()? } else { length };
        plaintext.extend_from_slice(&kind.to_be_bytes());
        plaintext.extend_from_slice(&length.to_be_bytes());
        plaintext.extend_from_slice(&value);
    }
    Ok(plaintext)
}

/// The records of a plaintext, and in those of SMP the values: points and scalars of 57 and 56 bytes in version 4, numbers in
/// the older ones.
fn record_fields(plaintext: &[u8]) -> Vec<Field> {
    let mut fields = Vec::new();
    let mut at = plaintext.iter().position(|byte| *byte == 0).map_or(plaintext.len(), |end| end + 1);
    while let Some(head) = plaintext.get(at..at + 4) {
        let end = at + 4 + usize::from(u16::from_be_bytes([head[2], head[3]]));
        fields.push(Field { kind: Kind::Number, at: at..at + 2 });
        fields.push(Field { kind: Kind::Number, at: at + 2..at + 4 });
        at += 4;
        let end = end.min(plaintext.len());
        while at < end {
            let length = if end - at > 400 || end - at < 57 { 4 } else { 57 };
            let next = end.min(at + length);
            fields.push(Field { kind: Kind::Bytes, at: at..next });
            at = next;
        }
    }
    fields
}

/// What a user may do. Handshakes are dear, and the end of a conversation leaves little to do: they come seldom.
fn act(u: &mut Unstructured<'_>, client: &mut Client) -> Result<()> {
    let asked = client.events.drain(..).find_map(|event| match event {
        Event::SmpAsked { from, question } => Some((from, question)),
        _ => None,
    });
    let secret = *u.choose(&["bob", "another"])?;
    let act = |session: &mut Session, cx: &mut Context<'_>, which: u8| match (which, asked) {
        (0..=5, Some((from, question))) => session.smp_answer(cx, from, &question, secret),
        (0..=3, None) => session.smp_start(cx, None, "who?", secret),
        (4 | 5, None) => session.smp_abort(cx, None),
        (6..=9, _) => session.send(cx, None, "a text"),
        (10, _) => Ok(session.start(cx)),
        (11, _) => Ok(session.end(cx)),
        _ => session.smp_start(cx, None, "", secret),
    };
    let which = u.int_in_range(0..=15u8)?;
    client.act(|session, cx| act(session, cx, which).unwrap_or_default());
    Ok(())
}

/// What the two do at most.
const STEPS: usize = 6;
