//! What a client tells its user, step by step. Used by [`super::world`].

use otrv4::session::EndedBy;
use otrv4::{ContactKey, Event, Mode};

use super::invariants::{self, Check};
use super::model::{End, Running, View};
use super::record::Ssid;
use super::world::{Step, World};

impl World {
    /// An event is shown.
    pub(crate) fn told(&mut self, client: usize, step: Step, event: &Event) -> Check {
        let now = self.now;
        match event {
            Event::Message { from, text } => {
                self.summary.texts_shown += 1;
                invariants::shown_once_and_as_sent(&mut self.model, &self.clients, client, from.get(), text)?;
            }
            Event::Plaintext { text, .. } => invariants::no_secret_comes_in_clear(&self.model, client, text)?,
            Event::Secure { with, version, mode, fingerprint, ssid, .. } => {
                self.summary.handshakes += 1;
                let (with, first_half) = (with.get(), ssid.ours_is_first());
                let end = End { client, with, first_half, version: *version };
                let ssid = ssid.bytes();
                invariants::a_conversation_has_two_ends(&mut self.model.ends, &self.clients, ssid, end)?;
                self.check_key(client, with, *fingerprint)?;
                let running =
                    Running { ssid, version: *version, mode: *mode, renewed: now, renewed_before: now };
                self.model.views[client].begin(with, running, now);
                self.of_step.began.push((with, ssid));
                match (mode, step) {
                    (Mode::Interactive, _) => {}
                    (Mode::Offline, Step::StartedOffline) => {
                        self.receivers(client, with)
                            .into_iter()
                            .for_each(|owner| self.prekeys.began(owner, ssid));
                    }
                    (Mode::Offline, _) => self.prekeys.a_prekey_is_used_once(client, ssid)?,
                }
                let how = match mode {
                    Mode::Interactive => "interactive",
                    Mode::Offline if step == Step::StartedOffline => "offline, by who starts it",
                    Mode::Offline => "offline, by who was away",
                };
                self.summary.note("conversations", format!("version {}, {how}", version.number()));
                self.owe_early(client, ssid);
            }
            Event::Ended { with, by } => {
                let with = with.get();
                if *by == EndedBy::Expiry {
                    self.summary.expiries += 1;
                    let policy = &self.clients[client].setting.policy;
                    invariants::expiry_is_in_time(&self.model.views[client], with, policy, now)?;
                }
                let others: Vec<&View> =
                    self.receivers(client, with).into_iter().map(|other| &self.model.views[other]).collect();
                invariants::ends_are_true(&self.model.views[client], &others, with, *by, step)?;
                self.summary.note("conversations ended", format!("by {by:?}"));
                self.model.views[client].end(with, *by, step == Step::StartedOffline, now);
            }
            Event::Queued => {
                if let Step::Typed(text) = step {
                    self.summary.note("told", "a text waits for a conversation");
                    self.model.views[client].queue.push_back(text);
                }
            }
            Event::NotSent { text } => {
                self.summary.note("told", "a text that waited was not sent");
                let known = self.model.by_text.get(text).copied();
                self.model.views[client].queue.retain(|waiting| Some(*waiting) != known);
            }
            Event::SmpAsked { from, question } => {
                let run =
                    question.rsplit(' ').next().and_then(|run| run.parse().ok()).expect("a run of ours");
                let view = &mut self.model.views[client];
                view.smp.insert(from.get(), run);
                view.asked.insert(from.get(), run);
            }
            Event::SmpSucceeded { with, .. } => {
                self.summary.note("SMP", "success");
                invariants::smp_tells_the_truth(&mut self.model, client, with.get(), true)?;
            }
            Event::SmpFailed { with, .. } => {
                self.summary.note("SMP", "failure");
                invariants::smp_tells_the_truth(&mut self.model, client, with.get(), false)?;
            }
            Event::SmpAborted { with, why, .. } => {
                self.summary.note("SMP", format!("aborted: {why:?}"));
                self.model.views[client].asked.remove(&with.get());
            }
            Event::ExtraKey { key, .. } => {
                self.summary.note("told", "an extra key");
                let known = &mut self.model.extra_keys;
                invariants::extra_keys_are_shared(known, client, key.context, &key.key[..])?;
            }
            Event::Rejected { reason, .. } => self.summary.note("refused", format!("{reason:?}")),
            Event::Resent { .. } => self.summary.note("told", "a text was sent again"),
            Event::Held { .. } => self.summary.note("told", "a message waits for its handshake"),
            _ => {}
        }
        Ok(())
    }

    /// What came too early for the conversation that has just begun is to be shown with it. spec-notes/SN-028
    fn owe_early(&mut self, client: usize, ssid: Ssid) {
        let (record, now) = (&self.record, self.now);
        let early = std::mem::take(&mut self.model.views[client].early);
        let (due, rest): (Vec<_>, Vec<_>) = early
            .into_iter()
            .partition(|(message, _)| record.sent[*message].text.is_some_and(|(_, of)| of == ssid));
        self.model.views[client].early = rest;
        self.owed.extend(due.iter().filter(|(_, at)| now < at.plus(KEPT_FOR)).map(|(message, _)| *message));
    }

    /// A conversation has the key of the client that it is with.
    fn check_key(&self, client: usize, with: u32, key: ContactKey) -> Check {
        let is_theirs = |other: &usize| {
            let account = &self.clients[*other].account;
            match key {
                ContactKey::V4(key) => key == account.fingerprint(),
                ContactKey::V3(key) => account.v3_key().is_some_and(|it| it.fingerprint() == key),
            }
        };
        if self.receivers(client, with).iter().any(is_theirs) {
            return Ok(());
        }
        invariants::violated("conversations_are_with_their_key", format!("client {client} with {with:08x}"))
    }
}

/// Seconds that a message waits for its handshake. spec-notes/SN-028
const KEPT_FOR: i64 = 600;
