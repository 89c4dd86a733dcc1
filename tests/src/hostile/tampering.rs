//! What Mallory does with lines beyond losing and delaying them. Used by [`super::deeds`].

use rand::RngExt;
use rand::rngs::ChaCha8Rng;
use rand::seq::IndexedRandom;

use super::invariants::{self, Check};
use super::lines::{self, Message};
use super::mallory::{self, Known};
use super::network::Envelope;
use super::revealed;
use super::world::{Step, World};

impl World {
    /// A line of the past, or one of the client's own.
    pub(crate) fn replay(&mut self, rng: &mut ChaCha8Rng, to: usize) -> Check {
        if self.record.sent.is_empty() {
            return Ok(());
        }
        let mut message = rng.random_range(0..self.record.sent.len());
        if rng.random_range(0..3) == 0 {
            // Of key exchanges there are few, and of some kinds very few.
            let kinds: Vec<&Vec<usize>> = self.record.handshakes.values().collect();
            let one = kinds.choose(rng).and_then(|all| all.choose(rng));
            message = one.copied().unwrap_or(message);
        }
        let sent = &self.record.sent[message];
        let kind = match &sent.message {
            Some(Message::Handshake { kind, .. }) => format!("{kind:?}"),
            Some(_) => "data".into(),
            None => "another line".into(),
        };
        self.summary.note("replayed", kind);
        let piece = rng.random_range(0..sent.lines.len());
        let ours = self.clients[sent.from].person == self.clients[to].person;
        let read = sent.text.is_some_and(|(text, _)| self.model.shown.contains(&(text, to, false)));
        if sent.message.is_some() && (ours || read) {
            let line = sent.lines[piece].clone();
            return self.deliver_false(rng, to, &line);
        }
        match ours {
            true => Ok(()),
            false => self.deliver(rng, Envelope { to, message, piece }),
        }
    }

    /// A message of version 4 arrives in other pieces: it is the same message.
    pub(crate) fn recut(&mut self, rng: &mut ChaCha8Rng) -> Check {
        let is_data =
            |it: &&Envelope| matches!(self.record.sent[it.message].message, Some(Message::Data4(_)));
        let all: Vec<Envelope> = self.on_their_way.iter().filter(is_data).copied().collect();
        let Some(Envelope { to, message, .. }) = all.choose(rng).copied() else { return Ok(()) };
        let sent = &self.record.sent[message];
        let Some(names) = self.names_of_pieces(rng, message) else { return Ok(()) };
        let mut pieces = lines::cut(&lines::encode(&sent.bytes), &names, rng.random_range(40..400));
        if rng.random_range(0..2) == 0 {
            pieces.reverse();
        }
        let owed = self.is_owed(to, message);
        for piece in &pieces {
            self.summary.delivered += 1;
            self.arrivals.note_bytes(to, piece.len(), self.now);
            self.arrivals.note_piece(to);
            let done = self.clients[to].receive(rng, self.now, piece);
            self.take(rng, to, Step::Other, &done)?;
            if done.undone {
                return Ok(());
            }
        }
        match owed && pieces.len() < 30 {
            true => {
                self.summary.note("owed", "a text in other pieces");
                invariants::what_is_owed_is_shown(&self.model, to, &self.record.sent[message], message, &[])
            }
            false => Ok(()),
        }
    }

    pub(crate) fn damage(&mut self, rng: &mut ChaCha8Rng) -> Check {
        let Some(Envelope { to, message, piece }) = self.on_their_way.choose(rng).copied() else {
            return Ok(());
        };
        let line = &self.record.sent[message].lines[piece];
        if line.is_empty() {
            return Ok(());
        }
        let (how, line) = mallory::damaged(rng, line, &self.known());
        if self.record.has_line(&line) {
            return Ok(());
        }
        let bytes = lines::decode(&line);
        if let Some(genuine) = bytes.as_ref().and_then(|bytes| self.record.genuine(bytes)) {
            return self.deliver_with_another_end(rng, to, genuine, &line);
        }
        self.summary.note("damaged", how);
        match self.names_of_pieces(rng, message) {
            Some(names) if bytes.is_some() && rng.random_range(0..3) == 0 => {
                let pieces = lines::cut(&line, &names, rng.random_range(40..400));
                self.deliver_false_in_pieces(rng, to, &pieces)
            }
            _ => self.deliver_false(rng, to, &line),
        }
    }

    /// What stands in front of the pieces of a data message of version 4.
    fn names_of_pieces(&self, rng: &mut ChaCha8Rng, message: usize) -> Option<String> {
        match &self.record.sent[message].message {
            Some(Message::Data4(data)) => {
                Some(format!("{:08x}|{:08x}|{:08x}", rng.random::<u32>(), data.tags.0, data.tags.1))
            }
            _ => None,
        }
    }

    /// Whoever listens has the revealed keys, and writes messages with them.
    pub(crate) fn forge(&mut self, rng: &mut ChaCha8Rng) -> Check {
        let Some((key, message)) = self.revealed.forgeable.choose(rng).copied() else { return Ok(()) };
        let Some(line) = revealed::forge(key, &self.record.sent[message]) else { return Ok(()) };
        let to = rng.random_range(0..self.clients.len());
        self.deliver_false(rng, to, &line)
    }

    pub(crate) fn known(&self) -> Known {
        Known { tags: self.clients.iter().map(|client| client.tag()).collect() }
    }
}
