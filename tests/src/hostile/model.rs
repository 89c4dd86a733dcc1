//! What the users know: what they have typed, what they were shown, and which conversations they were told of. It knows
//! no keys and asks the library nothing. Used by [`super::invariants`].

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};

use otrv4::session::EndedBy;
use otrv4::wire::Version;
use otrv4::{Mode, Policy, Timestamp};

use super::record::Ssid;

/// All of it; clients are numbers.
#[derive(Default)]
pub(crate) struct Model {
    pub(crate) texts: Vec<Text>,
    pub(crate) by_text: HashMap<String, usize>,
    /// Texts on the screen of a client: which, where, and whether as one that was sent again.
    pub(crate) shown: HashSet<(usize, usize, bool)>,
    pub(crate) views: Vec<View>,
    /// Who was told of which conversation.
    pub(crate) ends: HashMap<Ssid, Vec<End>>,
    pub(crate) runs: Vec<Run>,
    /// Extra keys by their number: the key at its sender, and who else has it.
    pub(crate) extra_keys: HashMap<[u8; 4], (Vec<u8>, HashSet<usize>)>,
}

/// What a user has typed.
pub(crate) struct Text {
    pub(crate) author: usize,
    pub(crate) text: String,
    /// It went out in clear, as it was allowed to.
    pub(crate) clear: bool,
    /// The clients that it was encrypted to.
    pub(crate) to: Vec<u32>,
}

/// What one client was told.
#[derive(Default)]
pub(crate) struct View {
    /// By the client at the other end.
    pub(crate) channels: BTreeMap<u32, Known>,
    /// Texts that wait for a conversation.
    pub(crate) queue: VecDeque<usize>,
    /// When its user last asked for a conversation that has not come about since.
    pub(crate) asked_at: Option<Timestamp>,
    /// When it last sent a message of a key exchange, and to whom, 0 for all; empty when one has completed.
    pub(crate) handshakes: BTreeMap<u32, Timestamp>,
    /// A conversation has ended, and its user has not said how to go on.
    pub(crate) ended: bool,
    /// Messages that came before their conversation began: which, and when.
    pub(crate) early: Vec<(usize, Timestamp)>,
    /// By the client at the other end: the run of SMP that is under way.
    pub(crate) smp: BTreeMap<u32, usize>,
    /// What was asked and is not answered.
    pub(crate) asked: BTreeMap<u32, usize>,
}

/// The conversations with one client.
#[derive(Default)]
pub(crate) struct Known {
    /// The one that runs.
    pub(crate) current: Option<Running>,
    /// The one before, and when it was replaced or ended.
    pub(crate) previous: Option<(Ssid, Timestamp)>,
}

/// A conversation.
#[derive(Clone, Copy)]
pub(crate) struct Running {
    pub(crate) ssid: Ssid,
    pub(crate) version: Version,
    pub(crate) mode: Mode,
    /// When this side last made a key for it.
    pub(crate) renewed: Timestamp,
    /// The same before the step that is looked at: the last message of a conversation may bring a key.
    pub(crate) renewed_before: Timestamp,
}

/// One end of a conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct End {
    pub(crate) client: usize,
    pub(crate) with: u32,
    pub(crate) first_half: bool,
    pub(crate) version: Version,
}

/// A run of SMP.
pub(crate) struct Run {
    /// Whether the answer was the right one, as soon as there is one.
    pub(crate) answer: Option<bool>,
    /// Who was told what it came to.
    pub(crate) told: HashSet<usize>,
}

impl Model {
    /// A user has typed something that nobody has typed before.
    pub(crate) fn typed(&mut self, author: usize, text: String) -> usize {
        self.by_text.insert(text.clone(), self.texts.len());
        self.texts.push(Text { author, text, clear: false, to: Vec::new() });
        self.texts.len() - 1
    }

    /// The text that a message carries which a client sends by itself: the first of those that wait and has not gone
    /// there yet.
    pub(crate) fn next_of_queue(&mut self, client: usize, to: u32) -> Option<usize> {
        let queue = &mut self.views[client].queue;
        while let Some(text) = queue.front() {
            if !self.texts[*text].to.contains(&to) {
                return Some(*text);
            }
            queue.pop_front();
        }
        None
    }

    /// At the end of a step: what has gone waits no more.
    pub(crate) fn forget_sent(&mut self, client: usize) {
        let texts = &self.texts;
        self.views[client].queue.retain(|text| texts[*text].to.is_empty());
    }
}

impl View {
    pub(crate) fn current(&self, with: u32) -> Option<&Running> {
        self.channels.get(&with)?.current.as_ref()
    }

    /// A step begins.
    pub(crate) fn note_renewed(&mut self) {
        for running in self.channels.values_mut().filter_map(|known| known.current.as_mut()) {
            running.renewed_before = running.renewed;
        }
    }

    /// A conversation has begun.
    pub(crate) fn begin(&mut self, with: u32, running: Running, now: Timestamp) {
        let known = self.channels.entry(with).or_default();
        if let Some(before) = known.current.replace(running) {
            known.previous = Some((before.ssid, now));
        }
        (self.asked_at, self.ended) = (None, false);
        self.handshakes.clear();
        self.smp.remove(&with);
        self.asked.remove(&with);
    }

    /// A conversation is over. Somebody who starts another one offline reads on in the old one.
    pub(crate) fn end(&mut self, with: u32, by: EndedBy, reads_on: bool, now: Timestamp) {
        let known = self.channels.entry(with).or_default();
        let ended = known.current.take();
        known.previous = match by {
            EndedBy::Them => ended.map(|ended| (ended.ssid, now)),
            EndedBy::Us if reads_on => ended.map(|ended| (ended.ssid, now)),
            _ => None,
        };
        self.ended |= by != EndedBy::Us;
        self.smp.remove(&with);
        self.asked.remove(&with);
    }

    /// Its user has ended everything.
    pub(crate) fn end_all(&mut self) {
        self.channels.clear();
        self.handshakes.clear();
        (self.asked_at, self.ended) = (None, false);
    }

    /// Its user has ended what there was with one client.
    pub(crate) fn end_with(&mut self, with: u32) {
        self.channels.remove(&with);
        self.handshakes.remove(&with);
    }

    /// Whether the conversation can be read in, and since when it is not the one that runs.
    pub(crate) fn reads(&self, with: u32, ssid: Ssid, policy: &Policy, now: Timestamp) -> bool {
        let Some(known) = self.channels.get(&with) else { return false };
        let over = |it: &Running| it.lifetime(policy).is_some_and(|time| it.renewed.plus(time) <= now);
        if known.current.as_ref().is_some_and(over) {
            return false;
        }
        let expiry = policy.expiry;
        let read_old_for = READ_OLD_FOR.min(expiry.online.into()).min(expiry.offline.into());
        known.current.is_some_and(|running| running.ssid == ssid)
            || known.previous.is_some_and(|(before, since)| before == ssid && now < since.plus(read_old_for))
    }
}

impl Running {
    /// After how many seconds without a new key of this side it is over; never in older versions.
    pub(crate) fn lifetime(&self, policy: &Policy) -> Option<i64> {
        match (self.version, self.mode) {
            (Version::V4, Mode::Interactive) => Some(policy.expiry.online.into()),
            (Version::V4, Mode::Offline) => Some(policy.expiry.offline.into()),
            _ => None,
        }
    }
}

/// "The old channel reads on for ten minutes": spec-notes/SN-034
const READ_OLD_FOR: i64 = 600;
