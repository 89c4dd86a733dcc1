//! Saved state that is damaged: an error, or something that is saved again as the same bytes and then does what it is asked for
//! without a panic.

use otrv4::keys::ForgingSecret;
use otrv4::wire::{InstanceTag, Versions, query_message};
use otrv4::{Account, Lifetimes, Policy, Session};
use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;

use super::client::{Client, hash};
use super::scene::scenes;
use crate::START;

/// The first byte of the input says what was saved, the rest is that.
pub(super) fn run(input: &[u8]) {
    let Some((which, saved)) = input.split_first() else { return };
    match *which {
        ACCOUNT => account(saved),
        SESSION => session(saved),
        _ => {}
    }
}

fn account(saved: &[u8]) {
    let Ok(account) = Account::load(saved) else { return };
    assert!(account.save().as_slice() == saved, "an account is saved as it was loaded");
    if !lives(saved) {
        return;
    }
    live(account, Session::new("bob@example.org", Policy::default()));
}

fn session(saved: &[u8]) {
    let Ok(session) = Session::load(saved, Policy::default()) else { return };
    assert!(session.save().as_slice() == saved, "a session is saved as it was loaded");
    if !lives(saved) {
        return;
    }
    let mut rng = ChaCha8Rng::seed_from_u64(0);
    let account = scenes().first().map(|scene| scene.victim.account.as_slice());
    let account = account.map(|saved| Account::load(saved).expect("a saved account"));
    let new =
        || Account::new("alice@example.org", ForgingSecret::Destroy, Lifetimes::default(), &mut rng, START);
    live(account.unwrap_or_else(new), session);
}

/// A share: it takes the time of several handshakes.
fn lives(saved: &[u8]) -> bool {
    hash(&saved).is_multiple_of(4)
}

/// A bit of everything.
fn live(account: Account, session: Session) {
    let rng = ChaCha8Rng::seed_from_u64(0);
    let mut client = Client { account, session, now: START, rng, sent: Vec::new(), events: Vec::new() };
    let lines = scenes().iter().step_by(5).flat_map(|scene| scene.under_way.first());
    client.act(|session, cx| session.tick(cx));
    for line in lines.take(8) {
        client.receive(line);
    }
    let tags: Vec<InstanceTag> = client.session.instances().map(|instance| instance.tag).collect();
    for tag in tags {
        client.act(|session, cx| session.send(cx, Some(tag), "a text").unwrap_or_default());
        client.act(|session, cx| session.smp_answer(cx, tag, "who?", "bob").unwrap_or_default());
        client.act(|session, cx| session.smp_start(cx, Some(tag), "who?", "bob").unwrap_or_default());
    }
    client.receive(&query_message(Versions::V34));
    client.act(|session, cx| session.start(cx));
    client.restart();
    client.account.renew(&mut client.rng, client.now);
    client.now = client.now.plus(15 * 24 * 60 * 60);
    client.act(|session, cx| session.tick(cx));
    client.act(|session, cx| session.end(cx));
    client.restart();
}

pub(super) const ACCOUNT: u8 = 0;
pub(super) const SESSION: u8 = 1;
