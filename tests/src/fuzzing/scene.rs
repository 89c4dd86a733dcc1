//! A conversation stopped at a point: two saved clients and what is under way between them. Used by [`super::receive`] and
//! [`super::correspondent`], which begin from it.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashSet};
use std::sync::{LazyLock, OnceLock};

use otrv4::wire::Versions;

use super::client::{Client, Saved, are_talking, deliver, hash};
use super::film;
use super::mutation::encoded;

/// The conversation as one of the two sees it, whom the fuzzer is after.
pub(super) struct Scene {
    pub(super) victim: Saved,
    pub(super) peer: Saved,
    /// Lines under way to the victim.
    pub(super) under_way: Vec<String>,
    /// Lines under way from the victim.
    pub(super) from_victim: Vec<String>,
    /// Lines that somebody on the way has seen so far, in both directions.
    pub(super) past: Vec<String>,
    /// What the data messages among them say, record for record.
    pub(super) plaintexts: Vec<Vec<u8>>,
    /// What was said to the victim who has not been shown it.
    pub(super) unheard: Vec<String>,
    /// Both have the same conversation.
    pub(super) talking: bool,
    /// What comes of it if nobody disturbs them.
    pub(super) undisturbed: OnceLock<Outcome>,
}

/// Once everything has arrived.
pub(super) struct Outcome {
    /// Both have the same conversation.
    talking: bool,
    /// The texts that the victim is shown.
    heard: Vec<String>,
}

/// All of them, of all films.
pub(super) fn scenes() -> &'static [Scene] {
    static SCENES: LazyLock<Vec<Scene>> = LazyLock::new(film::all);
    &SCENES
}

/// Those in which both have the same conversation.
pub(super) fn talking() -> &'static [&'static Scene] {
    static TALKING: LazyLock<Vec<&Scene>> =
        LazyLock::new(|| scenes().iter().filter(|scene| scene.talking).collect());
    &TALKING
}

/// A scene, and the line under way to its victim that somebody has in view, if there is any.
pub(super) type Aim = (&'static Scene, Option<&'static String>);

/// All of them by the kind of that line, so that each kind is aimed at as often, however few scenes have it.
pub(super) fn aims() -> &'static [Vec<Aim>] {
    static AIMS: LazyLock<Vec<Vec<Aim>>> = LazyLock::new(|| {
        let mut aims: BTreeMap<Option<Vec<u8>>, Vec<Aim>> = BTreeMap::new();
        for scene in scenes() {
            if scene.under_way.is_empty() {
                aims.entry(None).or_default().push((scene, None));
            }
            for line in &scene.under_way {
                // Version and type of a message; a text has none.
                let kind = encoded(line).map(|message| message.into_iter().take(3).collect());
                aims.entry(kind).or_default().push((scene, Some(line)));
            }
        }
        aims.into_values().collect()
    });
    &AIMS
}

impl Scene {
    /// The texts that the victim was shown, of which there may be no others.
    pub(super) fn assert_was_said<'a>(&self, victim: &'a Client) -> Vec<&'a str> {
        let heard: Vec<&str> = victim.heard().collect();
        assert!(is_part(&heard, &self.unheard), "only what was said is shown, and once: {heard:?}");
        heard
    }

    /// Whether to look what comes of it. That takes two handshakes' time where there is no conversation yet, so it is done
    /// for a share of the states that the victim can be brought into, and once for each of these.
    pub(super) fn is_due(&self, victim: &mut Client, under_way: &[String]) -> bool {
        thread_local!(static DONE: RefCell<HashSet<u64>> = RefCell::default());
        let Saved { session, account, .. } = victim.save();
        let state = hash(&(session, account, &victim.sent, victim.heard().collect::<Vec<_>>(), under_way));
        let one_in = if self.talking { 2 } else { 8 };
        state.is_multiple_of(one_in) && DONE.with_borrow_mut(|done| done.insert(state))
    }

    /// Whether a handshake of version 3 or 2 is under way in a conversation. There the text lets a D-H Commit of anybody take the
    /// place of one that waits for its last message ("Receiving a D-H Commit Message"), which the other side may have
    /// completed by then: as if that message were lost, the next handshake has to bring them together.
    fn renews_old_keys(&self) -> bool {
        let is_handshake = |line: &String| encoded(line).is_some_and(|message| message.get(2) != Some(&DATA));
        self.victim.policy.versions != Versions::V4
            && self.under_way.iter().chain(&self.from_victim).any(is_handshake)
    }

    /// What must come of it, whatever somebody on the way has sent to the victim in the meantime: everything under way
    /// arrives, and they talk. Where there was no conversation yet, a handshake may have been lost: then the next one
    /// must succeed.
    pub(super) fn assert_goes_on(&self, mut victim: Client, under_way: &[String]) {
        let mut peer = self.peer.restore(PEERS_SEED);
        peer.now = victim.now;
        self.arrive(&mut victim, &mut peer, under_way);
        let undisturbed = self.undisturbed();
        let heard = self.assert_was_said(&victim);
        let lost = !are_talking(&victim, &peer);
        if self.talking && !self.renews_old_keys() {
            assert_eq!(lost, !undisturbed.talking, "what was not authenticated has changed a conversation");
            // Older versions lose what is overtaken.
            let all = self.victim.policy.versions != Versions::V4 || is_part(&undisturbed.heard, &heard);
            assert!(all, "what was under way is shown: {heard:?}");
        }
        if lost {
            victim.act(|session, cx| session.end(cx));
            for client in [&mut victim, &mut peer] {
                client.now = client.now.plus(HANDSHAKES_ARE_OVER);
                client.act(|session, cx| session.tick(cx));
            }
            deliver(&mut victim, &mut peer);
            victim.act(|session, cx| session.start(cx));
            deliver(&mut victim, &mut peer);
            assert!(are_talking(&victim, &peer), "a new handshake succeeds");
        }
        assert_hears(&mut victim, &mut peer);
        assert_hears(&mut peer, &mut victim);
        victim.restart();
        victim.retire(&self.victim);
        peer.retire(&self.peer);
    }

    fn undisturbed(&self) -> &Outcome {
        self.undisturbed.get_or_init(|| {
            let (mut victim, mut peer) = (self.victim.restore(0), self.peer.restore(PEERS_SEED));
            self.arrive(&mut victim, &mut peer, &self.under_way);
            let talking = are_talking(&victim, &peer);
            let heard = victim.heard().map(Into::into).collect();
            victim.retire(&self.victim);
            peer.retire(&self.peer);
            Outcome { talking, heard }
        })
    }

    fn arrive(&self, victim: &mut Client, peer: &mut Client, under_way: &[String]) {
        self.from_victim.iter().for_each(|line| peer.receive(line));
        under_way.iter().for_each(|line| victim.receive(line));
        deliver(victim, peer);
    }
}

/// Each as often.
fn is_part(part: &[impl AsRef<str>], of: &[impl AsRef<str>]) -> bool {
    let count = |texts: &mut dyn Iterator<Item = &str>, text| texts.filter(|other| *other == text).count();
    part.iter().map(AsRef::as_ref).all(|text| {
        count(&mut part.iter().map(AsRef::as_ref), text) <= count(&mut of.iter().map(AsRef::as_ref), text)
    })
}

fn assert_hears(a: &mut Client, b: &mut Client) {
    let before = a.heard().count();
    b.say("are you there?");
    deliver(a, b);
    assert_eq!(a.heard().skip(before).collect::<Vec<_>>(), ["are you there?"]);
}

/// The type of a data message, in all versions.
const DATA: u8 = 0x03;

/// The victim draws what the fuzzer says.
const PEERS_SEED: u64 = 1 << 40;

/// Seconds.
const HANDSHAKES_ARE_OVER: i64 = 11 * 60;
