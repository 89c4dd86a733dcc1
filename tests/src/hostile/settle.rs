//! Mallory goes: everything that is still on its way arrives, and whoever can talk to each other must. Then all is ended, and
//! all keys are revealed. Used by [`super::run`].

use otrv4::{Policy, Protection};
use rand::RngExt;
use rand::rngs::ChaCha8Rng;
use rand::seq::IndexedRandom;

use super::invariants::{self, Check};
use super::lines::Message;
use super::revealed;
use super::world::{Step, World};

impl World {
    /// The end of a schedule.
    pub(crate) fn settle(&mut self, rng: &mut ChaCha8Rng) -> Check {
        self.clients.iter_mut().for_each(|client| client.dies_after = None);
        self.restless = rng.random_range(0..4) == 0;
        self.quiet(rng)?;
        for (one, other) in self.pairs() {
            if !self.talk(one, other) && self.can_begin(one, other) {
                self.start(rng, one, |session, cx| Ok(session.start(cx)))?;
                self.quiet(rng)?;
            }
            if !self.talk(one, other) {
                self.begin_anew(rng, one, other)?;
            }
            self.talk_again(rng, one, other)?;
        }
        // It takes as long as hundreds of actions. Where a pair began anew, others may have lost their conversation.
        if rng.random_range(0..FLOODS) == 0 {
            let talking: Vec<_> =
                self.pairs().into_iter().filter(|(one, other)| self.talk(*one, *other)).collect();
            if let Some((one, other)) = talking.choose(rng) {
                self.a_flood_is_survived(rng, *one, *other)?;
            }
        }
        self.end_everything(rng)
    }

    /// Everybody ends all, which nobody hears of; then every line that has ever been sent comes to those whom it may concern.
    fn replay_everything(&mut self, rng: &mut ChaCha8Rng) -> Check {
        for at in 0..self.clients.len() {
            self.end(rng, at)?;
        }
        for message in 0..self.record.sent.len() {
            for to in self.others(self.record.sent[message].from) {
                // An answer to a first message takes as long as hundreds of other lines: not to each.
                let first = matches!(&self.record.sent[message].message, Some(Message::Handshake { kind, .. }) if kind.is_first());
                if self.is_for_another(to, message) || (first && rng.random_range(0..4) > 0) {
                    continue;
                }
                self.handshakes.disturb(to);
                for line in self.record.sent[message].lines.clone() {
                    self.arrivals.note_bytes(to, line.len(), self.now);
                    let done = self.clients[to].receive(rng, self.now, &line);
                    invariants::what_has_ended_is_over(&done.outputs)?;
                    self.take(rng, to, Step::Other, &done)?;
                }
            }
        }
        self.on_their_way.clear();
        Ok(())
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
    pub(crate) fn talk(&self, one: usize, other: usize) -> bool {
        self.common(one, other).is_some()
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
            self.say(rng, from, to, name)?;
        }
        self.summary.reunions += 1;
        Ok(())
    }

    fn say(&mut self, rng: &mut ChaCha8Rng, from: usize, to: usize, name: &'static str) -> Check {
        let (tag, text) = (self.tag_for_user(from, to), self.model.texts.len());
        self.type_text(rng, from, Some(tag))?;
        self.deliver_all(rng)?;
        match self.model.shown.contains(&(text, to, false)) {
            true => Ok(()),
            false => invariants::violated(name, format!("client {to} does not read text {text}")),
        }
    }

    /// Turn after turn nearly as many messages are lost as one may be ahead (spec-notes/SN-029), so that the store of skipped keys
    /// runs over; what comes after them is read.
    fn a_flood_is_survived(&mut self, rng: &mut ChaCha8Rng, one: usize, other: usize) -> Check {
        for _ in 0..3 {
            for _ in 0..950 {
                let tag = self.tag_for_user(one, other);
                self.type_text(rng, one, Some(tag))?;
            }
            self.summary.lost += self.on_their_way.len() as u64;
            self.on_their_way.clear();
            for (from, to) in [(one, other), (other, one)] {
                self.say(rng, from, to, "a_flood_is_survived")?;
                self.summary.note("owed", "a text after a flood");
            }
        }
        Ok(())
    }

    /// All conversations end, what was on the wire comes again, and nothing is left to wait for.
    fn end_everything(&mut self, rng: &mut ChaCha8Rng) -> Check {
        self.restless = false;
        self.replay_everything(rng)?;
        for at in 0..self.clients.len() {
            self.end(rng, at)?;
            self.deliver_all(rng)?;
        }
        let awake = vec![true; self.clients.len()];
        self.pass(rng, self.now.plus(16 * 24 * 3600), &awake)?;
        self.deliver_all(rng)?;
        // An error message may have begun another conversation by then.
        for at in 0..self.clients.len() {
            self.end(rng, at)?;
        }
        self.pass(rng, self.now.plus(700), &awake)?;
        invariants::nothing_waits_for_ever(&self.model)?;
        for (at, client) in self.clients.iter().enumerate() {
            invariants::saved_state_is_bounded(client.saved(), AT_THE_END, at)?;
        }
        revealed::all_keys_of_read_messages_are_revealed(
            &self.revealed,
            &self.record,
            &self.model,
            &self.clients,
            &self.read,
        )
    }
}

/// What is left of a session when all has ended long ago, in bytes.
const AT_THE_END: usize = 1024;

/// In one of so many schedules there is a flood.
const FLOODS: u32 = 25;
