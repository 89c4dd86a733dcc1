//! Lines on their way, and what arrives: what came whole and unchanged, in a conversation that can be read, must be shown.
//! Used by [`super::deeds`] and [`super::settle`].

use std::collections::{BTreeSet, HashMap, VecDeque};

use otrv4::wire::Version;
use otrv4::{Protection, Timestamp};
use rand::rngs::ChaCha8Rng;

use super::handshakes;
use super::invariants::{self, Check};
use super::lines::{self, Message};
use super::record::Sent;
use super::world::{Step, World};

/// A line for one client: which piece of which message on the record.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Envelope {
    pub(crate) to: usize,
    pub(crate) message: usize,
    pub(crate) piece: usize,
}

/// What has come to whom.
#[derive(Default)]
pub(crate) struct Arrivals {
    /// By receiver and message.
    pieces: HashMap<(usize, usize), Pieces>,
    /// By receiver: how many pieces of anything have come.
    count: HashMap<usize, usize>,
    /// By receiver: when the last piece came that was not as it was sent.
    last_false: HashMap<usize, Timestamp>,
    /// By receiver and sender: the newest message of version 3 or 2 that has come.
    newest_old: HashMap<(usize, usize), usize>,
    /// By receiver: when, and how many bytes.
    recent: HashMap<usize, VecDeque<(Timestamp, usize)>>,
}

/// The pieces of a message that have come.
struct Pieces {
    got: BTreeSet<usize>,
    since: Timestamp,
    /// How many pieces of anything had come before the first.
    before: usize,
    /// Something has disturbed them: until then nothing is said of what becomes of them.
    spoiled_until: Option<Timestamp>,
}

impl World {
    /// Puts a message on its way to all clients of the other person.
    pub(crate) fn post(&mut self, from: usize, message: usize) {
        let pieces = self.record.sent[message].lines.len();
        for to in self.others(from) {
            self.on_their_way.extend((0..pieces).map(|piece| Envelope { to, message, piece }));
        }
    }

    /// A line arrives as it was sent.
    pub(crate) fn deliver(&mut self, rng: &mut ChaCha8Rng, envelope: Envelope) -> Check {
        let Envelope { to, message, piece } = envelope;
        let line = self.record.sent[message].lines[piece].clone();
        self.summary.delivered += 1;
        let whole = self.arrivals.arrive(envelope, &self.record.sent[message], &line, self.now);
        if self.is_for_another(to, message) {
            return self.deliver_for_another(rng, to, &line);
        }
        let owed = whole && self.is_owed(to, message);
        let readable = whole && self.can_read(to, message);
        let due = whole && self.handshakes.is_due(to, message, &self.record.sent[message], self.now);
        let may_keep = self.may_keep_its_conversation(to, message);
        self.arrivals.note_newest(to, message, &self.record.sent[message]);
        let done = self.clients[to].receive(rng, self.now, &line);
        let step = if whole { Step::Received(message) } else { Step::ReceivedPiece(message) };
        self.take(rng, to, step, &done)?;
        if due && !done.undone {
            self.summary.handshakes_due += 1;
            let sent = &self.record.sent[message];
            handshakes::what_nothing_disturbs_completes(message, sent, &done.outputs, may_keep)?;
        }
        if done.undone {
            self.arrivals.spoil(to, message, self.now);
            return Ok(());
        }
        if readable {
            self.note_read(to, message);
        }
        let sent = &self.record.sent[message];
        if owed {
            self.summary.texts_owed += 1;
            return invariants::what_is_owed_is_shown(&self.model, to, sent, message, &done.outputs);
        }
        if whole && !owed && self.may_be_early(to, message) {
            self.model.views[to].early.push((message, self.now));
        }
        Ok(())
    }

    fn note_read(&mut self, to: usize, message: usize) {
        if let (true, Some(ssid)) = (self.read.insert(message), self.record.sent[message].ssid) {
            *self.read_by.entry((to, ssid)).or_default() += 1;
        }
    }

    /// A message arrives with other revealed keys at its end, which nothing protects: it is the same message.
    pub(crate) fn deliver_with_another_end(
        &mut self,
        rng: &mut ChaCha8Rng,
        to: usize,
        message: usize,
        line: &str,
    ) -> Check {
        if self.is_for_another(to, message) {
            return Ok(());
        }
        self.arrivals.note_bytes(to, line.len(), self.now);
        let (owed, readable) = (self.is_owed(to, message), self.can_read(to, message));
        self.arrivals.note_newest(to, message, &self.record.sent[message]);
        let done = self.clients[to].receive(rng, self.now, line);
        self.take(rng, to, Step::Other, &done)?;
        if readable && !done.undone {
            self.note_read(to, message);
        }
        if owed && !done.undone {
            self.summary.note("owed", "a text with another end");
            let sent = &self.record.sent[message];
            return invariants::what_is_owed_is_shown(&self.model, to, sent, message, &done.outputs);
        }
        Ok(())
    }

    /// A false message arrives in pieces. Those are kept until they are whole, so that only what users see is compared.
    pub(crate) fn deliver_false_in_pieces(
        &mut self,
        rng: &mut ChaCha8Rng,
        to: usize,
        pieces: &[String],
    ) -> Check {
        self.tick(rng, to)?;
        self.handshakes.disturb(to);
        for piece in pieces {
            self.summary.false_lines += 1;
            self.arrivals.note_bytes(to, piece.len(), self.now);
            self.arrivals.note_false_piece(to, self.now);
            let before = self.state(to).1;
            let dies_after = self.clients[to].dies_after.take();
            let done = self.clients[to].receive(rng, self.now, piece);
            self.clients[to].dies_after = dies_after;
            let [before, after] = [before, self.state(to).1].map(|seen| (Vec::new(), seen));
            invariants::what_is_false_changes_nothing(piece, &done.outputs, &before, &after, false, None)?;
            self.take(rng, to, Step::Other, &done)?;
        }
        Ok(())
    }

    /// Whether the receiver of a message is in a conversation of version 3 or 2 with its sender. A handshake of version 4 brings another
    /// key of necessity, and unless that is verified the conversation need not be given up for it. spec-notes/SN-039
    fn may_keep_its_conversation(&self, to: usize, message: usize) -> bool {
        let running = self.model.views[to].current(self.clients[self.record.sent[message].from].tag());
        running.is_some_and(|running| running.version < Version::V4)
            && !self.clients[to].setting.policy.require_authenticated
    }

    /// Whether a message names another client.
    pub(crate) fn is_for_another(&self, to: usize, message: usize) -> bool {
        let receiver = self.record.sent[message].message.as_ref().map_or(0, Message::receiver);
        ![self.clients[to].tag(), 0].contains(&receiver)
    }

    /// A line arrives that is for another client of the same person: this one leaves it alone.
    fn deliver_for_another(&mut self, rng: &mut ChaCha8Rng, to: usize, line: &str) -> Check {
        self.tick(rng, to)?;
        self.summary.for_others += 1;
        let before = self.state(to);
        let dies_after = self.clients[to].dies_after.take();
        let done = self.clients[to].receive(rng, self.now, line);
        self.clients[to].dies_after = dies_after;
        invariants::what_is_for_another_is_left_alone(line, &done.outputs, &before, &self.state(to))?;
        self.take(rng, to, Step::Other, &done)
    }

    /// A line arrives that nobody has sent, or one that was read already.
    pub(crate) fn deliver_false(&mut self, rng: &mut ChaCha8Rng, to: usize, line: &str) -> Check {
        // What is due, and what is left over from before, is not the line's doing.
        self.tick(rng, to)?;
        self.summary.false_lines += 1;
        self.handshakes.disturb(to);
        self.arrivals.note_bytes(to, line.len(), self.now);
        let is_fragment = lines::is_fragment(line);
        if is_fragment {
            self.arrivals.note_false_piece(to, self.now);
        }
        let bytes = lines::decode(line);
        let message = bytes.as_deref().map(lines::read);
        let is_first = matches!(&message, Some(Message::Data4(data)) if data.i == 0);
        let kept = bytes.filter(|_| is_first);
        let is_data = matches!(message, Some(Message::Data4(_) | Message::Data3(_)));
        let before = self.state(to);
        let dies_after = self.clients[to].dies_after.take();
        let done = self.clients[to].receive(rng, self.now, line);
        self.clients[to].dies_after = dies_after;
        if !is_fragment {
            let after = self.state(to);
            invariants::what_is_false_changes_nothing(
                line,
                &done.outputs,
                &before,
                &after,
                is_data,
                kept.as_deref(),
            )?;
        }
        self.take(rng, to, Step::Other, &done)
    }

    /// The clock of a client ticks.
    pub(crate) fn tick(&mut self, rng: &mut ChaCha8Rng, client: usize) -> Check {
        let now = self.now;
        let done = self.clients[client].act(rng, now, |session, cx| Ok(session.tick(cx)));
        self.take(rng, client, Step::Other, &done)?;
        if done.died {
            return Ok(());
        }
        invariants::nothing_due_is_left(&self.clients[client], &self.model.views[client], now)
    }

    /// Whether the receiver must show a message that comes now, whole and unchanged: it has a text for it that was not shown
    /// yet, and can be read.
    pub(crate) fn is_owed(&self, to: usize, message: usize) -> bool {
        let text = self.record.sent[message].text;
        text.is_some_and(|(text, _)| !self.model.shown.contains(&(text, to, false)))
            && self.can_read(to, message)
    }

    /// Whether the receiver can read a message that comes now, whole and unchanged, or has read it: it was sent in a conversation that
    /// it reads, within the limits. Version 4: fewer than a thousand keys are stored and none is too old (spec-notes/SN-029).
    /// Versions 3 and 2 rely on the order: nothing newer has come (spec-notes/SN-042).
    pub(crate) fn can_read(&self, to: usize, message: usize) -> bool {
        let sent = &self.record.sent[message];
        let (Some(ssid), Some(tag)) = (sent.ssid, self.tag_for(to, sent)) else { return false };
        let view = &self.model.views[to];
        let policy = &self.clients[to].setting.policy;
        if !view.reads(tag, ssid, policy, self.now) {
            return false;
        }
        match &sent.message {
            Some(Message::Data4(_)) => {
                let running = view.current(tag).filter(|running| running.ssid == ssid);
                let shorter = i64::from(policy.expiry.online.min(policy.expiry.offline));
                let lifetime = running.and_then(|it| it.lifetime(policy)).unwrap_or(shorter);
                let few = self.messages_to.get(&(to, ssid)).is_none_or(|count| *count < 1000);
                few && self.now < sent.at.plus(lifetime)
            }
            _ => self.arrivals.newest_old.get(&(to, sent.from)).is_none_or(|newest| *newest < message),
        }
    }

    /// Whether a message may have overtaken its handshake: it is to be shown when that completes within ten minutes.
    fn may_be_early(&self, to: usize, message: usize) -> bool {
        let sent = &self.record.sent[message];
        let first = matches!(&sent.message, Some(Message::Data4(data)) if data.i == 0);
        let (Some((text, ssid)), Some(tag)) = (sent.text, self.tag_for(to, sent)) else { return false };
        let view = &self.model.views[to];
        let knows = view.channels.get(&tag).is_some_and(|known| {
            known.current.is_some_and(|running| running.ssid == ssid)
                || known.previous.is_some_and(|(before, _)| before == ssid)
        });
        first && !knows && !self.model.shown.contains(&(text, to, false)) && view.early.len() < 500
    }

    /// The tag under which the receiver knows the sender, if the message is for it.
    fn tag_for(&self, to: usize, sent: &Sent) -> Option<u32> {
        let (from, receiver) = match &sent.message {
            Some(Message::Data4(data)) => data.tags,
            Some(Message::Data3(data)) => data.tags,
            _ => return None,
        };
        [self.clients[to].tag(), 0].contains(&receiver).then_some(from)
    }

    /// What must not change: the saved session and account, and what its user sees of conversations.
    fn state(&self, client: usize) -> (Vec<u8>, Vec<String>) {
        let session = &self.clients[client].session;
        let running = session.instances().filter(|it| matches!(it.protection, Protection::Encrypted { .. }));
        let running = running.map(|it| {
            format!("{} {:?} {:?} {:?} {}", it.tag, it.protection, it.heard_at, it.smp, it.selected)
        });
        let saved = [&session.save()[..], &self.clients[client].account.save()].concat();
        (saved, running.collect())
    }
}

impl Arrivals {
    /// A piece has come; whether the message is whole with it and nothing has disturbed its pieces: those of version 4 come within ten
    /// minutes, among few others; those of older versions in order, and nothing between.
    fn arrive(&mut self, envelope: Envelope, sent: &Sent, line: &str, now: Timestamp) -> bool {
        let Envelope { to, message, piece } = envelope;
        self.note_bytes(to, line.len(), now);
        if sent.lines.len() == 1 {
            return true;
        }
        let count = self.count.entry(to).or_default();
        let new = || Pieces { got: BTreeSet::new(), since: now, before: *count, spoiled_until: None };
        let pieces = self.pieces.entry((to, message)).or_insert_with(new);
        if pieces.spoiled_until.is_some_and(|until| until <= now) {
            *pieces = new();
        }
        let repeated = !pieces.got.insert(piece);
        *count += 1;
        let disturbed = self.last_false.get(&to).is_some_and(|at| pieces.since < at.plus(KEPT_FOR));
        let (passed, total) = (*count - pieces.before, sent.lines.len());
        let in_time = now < pieces.since.plus(KEPT_FOR);
        let is_4 = matches!(sent.message, Some(Message::Data4(_)));
        let fits = if is_4 {
            passed < total + 30
        } else {
            passed == pieces.got.len() && piece + 1 == pieces.got.len() && !repeated
        };
        if disturbed || !in_time || !fits || pieces.spoiled_until.is_some() {
            pieces.spoiled_until = Some(now.plus(KEPT_FOR));
            return false;
        }
        let whole = pieces.got.len() == total;
        if whole {
            self.pieces.remove(&(to, message));
        }
        whole
    }

    /// The receiver has died while a piece came.
    fn spoil(&mut self, to: usize, message: usize, now: Timestamp) {
        if let Some(pieces) = self.pieces.get_mut(&(to, message)) {
            pieces.spoiled_until = Some(now.plus(KEPT_FOR));
        }
    }

    fn note_newest(&mut self, to: usize, message: usize, sent: &Sent) {
        if let Some(Message::Data3(_)) = sent.message {
            let newest = self.newest_old.entry((to, sent.from)).or_default();
            *newest = message.max(*newest);
        }
    }

    fn note_false_piece(&mut self, to: usize, now: Timestamp) {
        self.note_piece(to);
        self.last_false.insert(to, now);
    }

    /// A piece of something has come.
    pub(crate) fn note_piece(&mut self, to: usize) {
        *self.count.entry(to).or_default() += 1;
    }

    /// So much has come.
    pub(crate) fn note_bytes(&mut self, to: usize, bytes: usize, now: Timestamp) {
        self.recent.entry(to).or_default().push_back((now, bytes + 64));
    }

    /// How much may be kept of what has come: everything of the last ten minutes.
    pub(crate) fn recent_bytes(&self, client: usize, now: Timestamp) -> usize {
        let recent = self.recent.get(&client).into_iter().flatten().rev();
        recent.take_while(|(at, _)| now <= at.plus(660)).map(|(_, bytes)| bytes).sum()
    }
}

/// Seconds that pieces wait for the others.
const KEPT_FOR: i64 = 600;
