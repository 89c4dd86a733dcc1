//! What an action does. Used by [`super::run`].

use std::collections::HashSet;

use otrv4::wire::InstanceTag;
use otrv4::{Context, Output, Refused, Session};
use rand::rngs::ChaCha8Rng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};

use super::action::{Action, Deed};
use super::client::Done;
use super::invariants::{self, Check};
use super::mallory;
use super::model::{Run, View};
use super::world::{Step, World};

impl World {
    /// Does it, and checks what must hold.
    pub(crate) fn perform(&mut self, action: Action) -> Check {
        let Action { deed, salt } = action;
        *self.summary.actions.entry(deed).or_default() += 1;
        let rng = &mut ChaCha8Rng::seed_from_u64(salt);
        let who = rng.random_range(0..self.clients.len());
        self.acted = matches!(deed, Deed::Crash | Deed::Wait);
        let result = self.do_it(rng, who, deed);
        *self.summary.effective.entry(deed).or_default() += u64::from(self.acted);
        result
    }

    fn do_it(&mut self, rng: &mut ChaCha8Rng, who: usize, deed: Deed) -> Check {
        match deed {
            Deed::Type => self.type_text(rng, who, None),
            Deed::Chatter => (0..rng.random_range(2..12)).try_for_each(|_| self.type_text(rng, who, None)),
            Deed::Turn => self.take_turns(rng, who),
            Deed::TypeTagged => self.type_tagged(rng, who),
            Deed::Start => self.start(rng, who, |session, cx| Ok(session.start(cx))),
            Deed::Meet => self.who_meets_talks(rng, who),
            Deed::StartIdentity => self.start(rng, who, |session, cx| Ok(session.start_identity(cx))),
            Deed::Publish => self.publish(rng, who),
            Deed::StartOffline => self.start_offline(rng, who),
            Deed::End => self.end(rng, who),
            Deed::EndWith => self.end_with(rng, who),
            Deed::Select => self.with_one(rng, who, |session, cx, tag| session.select(cx, tag)),
            Deed::Heartbeat => self.with_one(rng, who, |session, cx, tag| session.heartbeat(cx, Some(tag))),
            Deed::ExtraKeys => self.extra_keys(rng, who),
            Deed::Verify => self.who_verifies_is_told(rng, who),
            Deed::SmpStart => self.smp_start(rng, who, None).map(|_| ()),
            Deed::SmpAnswer => {
                let who = self.one_of(rng, |view| !view.asked.is_empty()).unwrap_or(who);
                self.smp_answer(rng, who)
            }
            Deed::SmpAbort => {
                let who = self.one_of(rng, |view| !view.smp.is_empty()).unwrap_or(who);
                self.with_one(rng, who, |session, cx, tag| session.smp_abort(cx, Some(tag)))
            }
            Deed::Restart => self.restart(rng, who),
            Deed::Crash => {
                self.clients[who].dies_after = Some(rng.random_range(0..5));
                Ok(())
            }
            Deed::Wait => self.wait(rng),
            Deed::Deliver => match self.on_their_way.iter().position(|it| it.to == who) {
                Some(oldest) => self.deliver_at(rng, oldest),
                None => Ok(()),
            },
            Deed::DeliverAll => self.deliver_all(rng),
            Deed::Reorder => match self.on_their_way.len() {
                0 => Ok(()),
                count => {
                    let at = rng.random_range(0..count);
                    self.deliver_at(rng, at)
                }
            },
            Deed::Lose => {
                if let Some(at) = self.on_their_way.iter().position(|it| it.to == who) {
                    self.summary.lost += 1;
                    self.acted = true;
                    self.on_their_way.remove(at);
                }
                Ok(())
            }
            Deed::Repeat => match self.on_their_way.choose(rng).copied() {
                Some(envelope) => self.deliver(rng, envelope),
                None => Ok(()),
            },
            Deed::Replay => self.replay(rng, who),
            Deed::Recut => self.recut(rng),
            Deed::Damage => self.damage(rng),
            Deed::Inject => {
                let (kind, line) = mallory::made_up(rng, &self.known());
                self.summary.note("made up", kind);
                self.deliver_false(rng, who, &line)
            }
            Deed::Forge => self.forge(rng),
        }
    }

    /// Under which tag a user writes to a client: in version 2 there is none.
    pub(crate) fn tag_for_user(&self, from: usize, to: usize) -> InstanceTag {
        let tag = self.clients[to].tag();
        let tag = if self.model.views[from].current(tag).is_some() { tag } else { 0 };
        InstanceTag::new(tag).unwrap_or(InstanceTag::V2)
    }

    /// One of the clients of which that is so, if there are any.
    fn one_of(&self, rng: &mut ChaCha8Rng, is_so: impl Fn(&View) -> bool) -> Option<usize> {
        let all: Vec<usize> = (0..self.clients.len()).filter(|at| is_so(&self.model.views[*at])).collect();
        all.choose(rng).copied()
    }

    /// A user wants something.
    fn ask(
        &mut self,
        rng: &mut ChaCha8Rng,
        who: usize,
        step: Step,
        act: impl FnOnce(&mut Session, &mut Context<'_>) -> Result<Vec<Output>, Refused>,
    ) -> Result<Done, super::Violation> {
        let done = self.clients[who].act(rng, self.now, act);
        self.take(rng, who, step, &done)?;
        Ok(done)
    }

    /// A user types something new, to nobody in particular or to a client.
    pub(crate) fn type_text(&mut self, rng: &mut ChaCha8Rng, who: usize, to: Option<InstanceTag>) -> Check {
        let text = self.new_text(rng, who);
        let typed = self.model.texts[text].text.clone();
        self.ask(rng, who, Step::Typed(text), |session, cx| session.send(cx, to, &typed)).map(|_| ())
    }

    fn new_text(&mut self, rng: &mut ChaCha8Rng, who: usize) -> usize {
        let number = self.model.texts.len();
        let length = if rng.random_range(0..20) == 0 { 3000 } else { 60 };
        let rest = "né <b>ø</b>?".chars().cycle().take(rng.random_range(0..length));
        self.model.typed(who, format!("{number} of {who}: {}", rest.collect::<String>()))
    }

    /// Everything arrives, and each side says something that arrives.
    fn take_turns(&mut self, rng: &mut ChaCha8Rng, who: usize) -> Check {
        self.deliver_all(rng)?;
        let others = self.others(who);
        let other = *others.choose(rng).expect("somebody");
        for (from, to) in [(who, other), (other, who)] {
            let tag = InstanceTag::new(self.clients[to].tag()).expect("a tag");
            self.type_text(rng, from, Some(tag))?;
            self.deliver_all(rng)?;
        }
        Ok(())
    }

    fn type_tagged(&mut self, rng: &mut ChaCha8Rng, who: usize) -> Check {
        let text = self.new_text(rng, who);
        let typed = self.model.texts[text].text.clone();
        self.ask(rng, who, Step::Typed(text), |session, cx| session.send_tagged(cx, &typed)).map(|_| ())
    }

    pub(crate) fn start(
        &mut self,
        rng: &mut ChaCha8Rng,
        who: usize,
        act: impl FnOnce(&mut Session, &mut Context<'_>) -> Result<Vec<Output>, Refused>,
    ) -> Check {
        let done = self.ask(rng, who, Step::Other, act)?;
        let refused = |output: &Output| matches!(output, Output::Event(otrv4::Event::NotDone { .. }));
        if !done.undone && !done.outputs.iter().any(refused) {
            self.model.views[who].asked_at = Some(self.now);
        }
        Ok(())
    }

    fn publish(&mut self, rng: &mut ChaCha8Rng, who: usize) -> Check {
        let (count, now) = (rng.random_range(1..4), self.now);
        let mut made = Vec::new();
        let done = self.clients[who].act(rng, now, |_, cx| {
            made = cx.account.make_prekeys(count, cx.rng, now)?;
            Ok(vec![Output::Save])
        });
        if !done.undone {
            self.prekeys.publish(who, made);
        }
        self.take(rng, who, Step::Other, &done)
    }

    fn start_offline(&mut self, rng: &mut ChaCha8Rng, who: usize) -> Check {
        let ensembles = self.prekeys.give(rng, &self.others(who));
        self.ask(rng, who, Step::StartedOffline, |session, cx| session.start_offline(cx, ensembles))
            .map(|_| ())
    }

    pub(crate) fn end(&mut self, rng: &mut ChaCha8Rng, who: usize) -> Check {
        let done = self.ask(rng, who, Step::Ended, |session, cx| Ok(session.end(cx)))?;
        if !done.undone {
            self.model.views[who].end_all();
            self.handshakes.disturb(who);
        }
        Ok(())
    }

    fn end_with(&mut self, rng: &mut ChaCha8Rng, who: usize) -> Check {
        let Some(tag) = self.one_of_theirs(rng, who) else { return Ok(()) };
        let done = self.ask(rng, who, Step::Ended, |session, cx| session.end_with(cx, tag))?;
        if !done.undone && done.refused.is_none() {
            self.model.views[who].end_with(tag.get());
            self.handshakes.disturb(who);
        }
        Ok(())
    }

    /// Something that concerns one client of the other side.
    fn with_one(
        &mut self,
        rng: &mut ChaCha8Rng,
        who: usize,
        act: impl FnOnce(&mut Session, &mut Context<'_>, InstanceTag) -> Result<Vec<Output>, Refused>,
    ) -> Check {
        let Some(tag) = self.one_of_theirs(rng, who) else { return Ok(()) };
        self.ask(rng, who, Step::Other, |session, cx| act(session, cx, tag)).map(|_| ())
    }

    fn one_of_theirs(&self, rng: &mut ChaCha8Rng, who: usize) -> Option<InstanceTag> {
        let theirs: Vec<InstanceTag> = self.clients[who].session.instances().map(|it| it.tag).collect();
        theirs.choose(rng).copied()
    }

    fn extra_keys(&mut self, rng: &mut ChaCha8Rng, who: usize) -> Check {
        let Some(tag) = self.one_of_theirs(rng, who) else { return Ok(()) };
        let first = self.model.extra_keys.len() as u32 * 16;
        let contexts: Vec<[u8; 4]> = (0..rng.random_range(1..4)).map(|n| (first + n).to_be_bytes()).collect();
        let uses: Vec<([u8; 4], &[u8])> = contexts.iter().map(|context| (*context, &b"use"[..])).collect();
        self.ask(rng, who, Step::Other, |session, cx| session.extra_keys(cx, Some(tag), &uses)).map(|_| ())
    }

    /// Asks that client, or one of those that there are; says whether it is under way.
    fn smp_start(
        &mut self,
        rng: &mut ChaCha8Rng,
        who: usize,
        with: Option<InstanceTag>,
    ) -> Result<bool, super::Violation> {
        let Some(tag) = with.or_else(|| self.one_of_theirs(rng, who)) else { return Ok(false) };
        let run = self.model.runs.len();
        let (question, secret) = (format!("run {run}"), format!("secret {run}"));
        self.model.runs.push(Run { answer: None, told: HashSet::new() });
        let before = self.model.views[who].smp.insert(tag.get(), run);
        let asked = |session: &mut Session, cx: &mut Context<'_>| {
            session.smp_start(cx, Some(tag), &question, &secret)
        };
        let done = self.ask(rng, who, Step::Other, asked)?;
        if done.undone || done.refused.is_some() {
            match before {
                Some(before) => _ = self.model.views[who].smp.insert(tag.get(), before),
                None => _ = self.model.views[who].smp.remove(&tag.get()),
            }
            return Ok(false);
        }
        Ok(true)
    }

    fn smp_answer(&mut self, rng: &mut ChaCha8Rng, who: usize) -> Check {
        let Some((with, run)) = self.model.views[who].asked.pop_first() else { return Ok(()) };
        let right = rng.random_range(0..3) > 0;
        let secret = if right { format!("secret {run}") } else { "a guess".into() };
        let (tag, question) = (InstanceTag::new(with).unwrap_or(InstanceTag::V2), format!("run {run}"));
        let done =
            self.ask(rng, who, Step::Other, |session, cx| session.smp_answer(cx, tag, &question, &secret))?;
        if done.undone {
            self.model.views[who].asked.insert(with, run);
        } else if done.refused.is_none() {
            self.model.runs[run].answer = Some(right);
        }
        Ok(())
    }

    /// A question, an answer, and nothing that disturbs them: both are told what it came to.
    fn who_verifies_is_told(&mut self, rng: &mut ChaCha8Rng, who: usize) -> Check {
        self.clients.iter_mut().for_each(|client| client.dies_after = None);
        for at in 0..self.clients.len() {
            self.tick(rng, at)?;
        }
        self.deliver_all(rng)?;
        let other = *self.others(who).choose(rng).expect("somebody");
        // Runs that were left in the middle are given up, or the other side may be surprised.
        let alone = self.clients.len() == 2 && rng.random_range(0..4) > 0;
        for (at, with) in [(who, other), (other, who)].into_iter().filter(|_| alone) {
            let tag = self.tag_for_user(at, with);
            self.ask(rng, at, Step::Other, |session, cx| session.smp_abort(cx, Some(tag)))?;
            self.deliver_all(rng)?;
        }
        let ssid = self.common(who, other);
        let (run, tag) = (self.model.runs.len(), self.tag_for_user(who, other));
        let started = self.smp_start(rng, who, Some(tag))?;
        self.deliver_all(rng)?;
        self.smp_answer(rng, other)?;
        self.deliver_all(rng)?;
        // A hole of a thousand messages is too wide for those of the verification, too. spec-notes/SN-029
        let reads = |at: usize| {
            ssid.is_some_and(|ssid| self.messages_to.get(&(at, ssid)).is_none_or(|count| *count < 900))
        };
        if !alone || !started || ssid != self.common(who, other) || !reads(who) || !reads(other) {
            return Ok(());
        }
        self.summary.note("owed", "the result of a verification, to both");
        let Run { answer, told } = &self.model.runs[run];
        if [who, other].iter().all(|at| told.contains(at)) {
            return Ok(());
        }
        let what = format!("{who} asks {other} in run {run}, answered {answer:?}: told are {told:?}");
        invariants::violated("who_verifies_is_told", what)
    }

    pub(crate) fn restart(&mut self, rng: &mut ChaCha8Rng, who: usize) -> Check {
        self.summary.restarts += 1;
        let done = self.clients[who].restart(rng, self.now);
        self.take(rng, who, Step::Other, &done)
    }

    /// Time passes; some keep their deadlines, others sleep.
    pub(crate) fn wait(&mut self, rng: &mut ChaCha8Rng) -> Check {
        let seconds = match rng.random_range(0..20) {
            0..10 => rng.random_range(1..30),
            10..15 => rng.random_range(30..130),
            15..18 => rng.random_range(300..700),
            18 => rng.random_range(3600..3 * 3600),
            _ => rng.random_range(3600..4 * 24 * 3600),
        };
        let until = self.now.plus(seconds);
        let awake: Vec<bool> = self.clients.iter().map(|_| rng.random_range(0..2) == 0).collect();
        self.pass(rng, until, &awake)
    }

    /// The clock goes on until then; those who are awake do what is due in time.
    pub(crate) fn pass(&mut self, rng: &mut ChaCha8Rng, until: otrv4::Timestamp, awake: &[bool]) -> Check {
        loop {
            let deadline = |at: &usize| {
                let client = &self.clients[*at];
                client.session.next_deadline(&client.account).max(self.now)
            };
            let next = (0..self.clients.len()).filter(|at| awake[*at]).min_by_key(deadline);
            let Some(next) = next.filter(|at| deadline(at) <= until) else { break };
            self.now = deadline(&next);
            self.tick(rng, next)?;
        }
        self.now = until;
        // What has a time was not put off.
        for at in (0..self.clients.len()).filter(|at| awake[*at]) {
            invariants::nothing_due_is_left(&self.clients[at], &self.model.views[at], until)?;
        }
        Ok(())
    }

    pub(crate) fn deliver_at(&mut self, rng: &mut ChaCha8Rng, at: usize) -> Check {
        let envelope = self.on_their_way.remove(at);
        self.deliver(rng, envelope)
    }

    /// Everything arrives in order, and what answers it.
    pub(crate) fn deliver_all(&mut self, rng: &mut ChaCha8Rng) -> Check {
        for _ in 0..1000 {
            if self.on_their_way.is_empty() {
                return Ok(());
            }
            for envelope in std::mem::take(&mut self.on_their_way) {
                self.deliver(rng, envelope)?;
                if self.restless {
                    self.restart(rng, envelope.to)?;
                }
            }
        }
        invariants::violated("nobody_talks_for_ever", "lines answer lines without an end".into())
    }
}
