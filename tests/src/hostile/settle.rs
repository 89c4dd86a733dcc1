//! Mallory goes: everything that is still on its way arrives, and whoever can talk to each other must. Then all is ended, and
//! all keys are revealed. Used by [`super::run`].

use otrv4::wire::InstanceTag;
use otrv4::{Policy, Protection};
use rand::rngs::ChaCha8Rng;

use super::action::Deed;
use super::invariants::{self, Check};
use super::revealed;
use super::world::World;

impl World {
    /// The end of a schedule.
    pub(crate) fn settle(&mut self, rng: &mut ChaCha8Rng) -> Check {
        self.clients.iter_mut().for_each(|client| client.dies_after = None);
        self.quiet(rng)?;
        for (one, other) in self.pairs() {
            if !self.talk(one, other) && self.can_begin(one, other) {
                self.start(rng, one, |session, cx| Ok(session.start(cx)))?;
                self.quiet(rng)?;
            }
            // A hole may be too wide to be bridged: spec-notes/SN-029.
            let flooded = self.summary.actions.contains_key(&Deed::Flood);
            if flooded || !self.talk(one, other) {
                self.begin_anew(rng, one, other)?;
            }
            self.talk_again(rng, one, other)?;
        }
        self.end_everything(rng)
    }

    fn pairs(&self) -> Vec<(usize, usize)> {
        let alices = (0..self.clients.len()).filter(|at| self.clients[*at].person == 0);
        alices.flat_map(|at| self.others(at).into_iter().map(move |other| (at, other))).collect()
    }

    /// All lines arrive, and those that are sent again when a handshake was crossed.
    fn quiet(&mut self, rng: &mut ChaCha8Rng) -> Check {
        for _ in 0..3 {
            self.deliver_all(rng)?;
            let awake = vec![true; self.clients.len()];
            self.pass(rng, self.now.plus(11), &awake)?;
        }
        self.deliver_all(rng)
    }

    /// Whether both were told of the same conversation with each other.
    fn talk(&self, one: usize, other: usize) -> bool {
        let ssid = |at: usize, with: usize| {
            let view = &self.model.views[at];
            let running = view.current(self.clients[with].tag()).or_else(|| view.current(0));
            running.map(|running| running.ssid)
        };
        ssid(one, other).is_some() && ssid(one, other) == ssid(other, one)
    }

    /// Whether a `start` is enough, whatever has happened before: both speak version 4 alone, and answer.
    fn can_begin(&self, one: usize, other: usize) -> bool {
        let fits = |at: usize| {
            let Policy { start_on_identity, .. } = self.clients[at].setting.policy;
            start_on_identity && self.clients[at].setting.v3_key.is_none()
        };
        fits(one) && fits(other) && self.clients.len() == 2
    }

    /// Both end what they have; when nothing of it is left, one starts.
    fn begin_anew(&mut self, rng: &mut ChaCha8Rng, one: usize, other: usize) -> Check {
        for at in [one, other] {
            self.end(rng, at)?;
        }
        self.deliver_all(rng)?;
        let awake = vec![true; self.clients.len()];
        self.pass(rng, self.now.plus(700), &awake)?;
        self.deliver_all(rng)?;
        for at in [one, other] {
            self.end(rng, at)?;
        }
        self.deliver_all(rng)?;
        // Who takes no Identity message unasked has to be asked, and who knows no queries asks by an Identity message.
        for (at, by_query) in [(one, true), (other, true), (one, false), (other, false)] {
            match by_query {
                true => self.start(rng, at, |session, cx| Ok(session.start(cx)))?,
                false => self.start(rng, at, |session, cx| Ok(session.start_identity(cx)))?,
            }
            self.quiet(rng)?;
            if self.talk(one, other) {
                break;
            }
        }
        Ok(())
    }

    /// Each says something that the other reads.
    fn talk_again(&mut self, rng: &mut ChaCha8Rng, one: usize, other: usize) -> Check {
        let name = "who_can_talk_talks_again";
        if !self.talk(one, other) {
            let seen = |at: usize| {
                let session = &self.clients[at].session;
                let all = session.instances().filter(|it| it.protection != Protection::None);
                format!("{:?}", all.collect::<Vec<_>>())
            };
            return invariants::violated(name, format!("{} and {}", seen(one), seen(other)));
        }
        for (from, to) in [(one, other), (other, one), (one, other)] {
            let view = &self.model.views[from];
            let tag = self.clients[to].tag();
            let tag = if view.current(tag).is_some() { tag } else { 0 };
            let tag = InstanceTag::new(tag).unwrap_or(InstanceTag::V2);
            let text = self.model.texts.len();
            self.type_text(rng, from, Some(tag))?;
            self.deliver_all(rng)?;
            if !self.model.shown.contains(&(text, to, false)) {
                return invariants::violated(name, format!("client {to} does not read text {text}"));
            }
        }
        self.summary.reunions += 1;
        Ok(())
    }

    /// All conversations end, and nothing is left to wait for.
    fn end_everything(&mut self, rng: &mut ChaCha8Rng) -> Check {
        for at in 0..self.clients.len() {
            self.end(rng, at)?;
            self.deliver_all(rng)?;
        }
        let awake = vec![true; self.clients.len()];
        self.pass(rng, self.now.plus(16 * 24 * 3600), &awake)?;
        self.deliver_all(rng)?;
        revealed::all_keys_of_read_messages_are_revealed(
            &self.revealed,
            &self.record,
            &self.model,
            &self.clients,
        )
    }
}
