//! Two clients want a conversation, and the network brings every line: they must have it, a new one, and the same. Used by
//! [`super::deeds`].

use otrv4::session::OperationMode;
use rand::RngExt;
use rand::rngs::ChaCha8Rng;

use super::invariants::{self, Check};
use super::record::Ssid;
use super::world::World;

impl World {
    /// Everything has arrived; one starts, or both do at once. Lines arrive in order in each direction, and between them clients are
    /// closed and opened. Within a few seconds both are in the same new conversation, whatever Mallory has done before: old
    /// handshakes that she has begun again do not keep them from it.
    pub(crate) fn who_meets_talks(&mut self, rng: &mut ChaCha8Rng, who: usize) -> Check {
        let other = self.others(who)[0];
        if self.clients.len() > 2 || !self.may_meet(who, other) {
            return Ok(());
        }
        self.clients.iter_mut().for_each(|client| client.dies_after = None);
        self.deliver_all(rng)?;
        for at in [who, other] {
            self.tick(rng, at)?;
        }
        self.deliver_all(rng)?;
        let before = self.common(who, other);
        let both = [who, other];
        let starting = &both[..rng.random_range(1..=2)];
        for at in starting {
            self.start(rng, *at, |session, cx| Ok(session.start(cx)))?;
        }
        // A start that crosses another is made again after ten seconds. spec-notes/SN-017
        for _ in 0..3 {
            self.deliver_between_restarts(rng)?;
            if self.common(who, other).is_some_and(|now| Some(now) != before) {
                break;
            }
            self.pass(rng, self.now.plus(11), &[true, true])?;
        }
        let now = self.common(who, other);
        if now.is_none() || now == before {
            let what = format!("{starting:?} started, {before:?} before, {now:?} after");
            return invariants::violated("who_meets_talks", what);
        }
        self.summary.note("met", if starting.len() > 1 { "both started" } else { "one started" });
        Ok(())
    }

    /// Whether a query or an Identity message of either is answered by the other.
    fn may_meet(&self, one: usize, other: usize) -> bool {
        let policies = [one, other].map(|at| self.clients[at].setting.policy);
        let clear = policies.map(|policy| policy.operation == OperationMode::V3Compatible);
        policies.iter().all(|policy| policy.start_on_identity)
            && clear[0] == clear[1]
            && [one, other].iter().all(|at| self.clients[*at].setting.v3_key.is_none())
    }

    /// The conversation that both were told of.
    pub(crate) fn common(&self, one: usize, other: usize) -> Option<Ssid> {
        let ssid = |at: usize, with: usize| {
            let view = &self.model.views[at];
            let running = view.current(self.clients[with].tag()).or_else(|| view.current(0));
            running.map(|running| running.ssid)
        };
        ssid(one, other).filter(|ours| Some(*ours) == ssid(other, one))
    }

    /// Everything arrives, and what answers it; in each direction in order.
    fn deliver_between_restarts(&mut self, rng: &mut ChaCha8Rng) -> Check {
        for _ in 0..10_000 {
            if self.on_their_way.is_empty() {
                return Ok(());
            }
            let to = rng.random_range(0..self.clients.len());
            if rng.random_range(0..4) == 0 {
                self.restart(rng, to)?;
            }
            if let Some(oldest) = self.on_their_way.iter().position(|it| it.to == to) {
                self.deliver_at(rng, oldest)?;
            }
        }
        invariants::violated("nobody_talks_for_ever", "lines answer lines without an end".into())
    }
}
