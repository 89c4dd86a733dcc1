//! Everybody and everything in one schedule, and what follows from each step: its lines go on the record and to the network,
//! its events to the model, and all of it is checked. Used by [`super::deeds`], [`super::network`] and [`super::settle`].

use std::collections::{BTreeSet, HashMap};

use otrv4::wire::Version;
use otrv4::{ContactKey, Output, Timestamp};
use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};

use super::client::{Client, Done};
use super::handshakes::{Handshakes, OfStep};
use super::invariants::{self, Check, UsedKeys};
use super::lines::{self, Message};
use super::model::{Model, View};
use super::network::{Arrivals, Envelope};
use super::prekeys::Prekeys;
use super::record::{Record, Ssid};
use super::revealed::{self, Revealed};
use super::setting::{self, ClientSetting};
use super::summary::Summary;
use crate::START;

/// The state of a schedule.
pub(crate) struct World {
    pub(crate) clients: Vec<Client>,
    pub(crate) now: Timestamp,
    pub(crate) record: Record,
    pub(crate) model: Model,
    pub(crate) on_their_way: Vec<Envelope>,
    pub(crate) arrivals: Arrivals,
    pub(crate) prekeys: Prekeys,
    pub(crate) revealed: Revealed,
    pub(crate) summary: Summary,
    /// Messages that must have been shown by the end of the step.
    pub(crate) owed: Vec<usize>,
    used_keys: UsedKeys,
    /// Data messages that were sent to a client in a conversation.
    pub(crate) messages_to: HashMap<(usize, Ssid), usize>,
    /// Data messages that came to somebody who could read them.
    pub(crate) read: BTreeSet<usize>,
    /// By client and conversation: how many of them.
    pub(crate) read_by: HashMap<(usize, Ssid), usize>,
    pub(crate) handshakes: Handshakes,
    pub(crate) of_step: OfStep,
    /// Whether a client is closed and opened after each line that it gets; when Mallory is gone.
    pub(crate) restless: bool,
    /// Whether the action came to something.
    pub(crate) acted: bool,
}

/// Why a step was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Its user has typed this text.
    Typed(usize),
    /// Its user has ended a conversation, or all.
    Ended,
    /// Its user has started a conversation with somebody who is away.
    StartedOffline,
    /// This message has come, whole and as it was sent.
    Received(usize),
    /// A piece of it has come.
    ReceivedPiece(usize),
    /// Anything else.
    Other,
}

impl World {
    pub(crate) fn new(seed: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let settings = setting::draw(&mut rng);
        let mut summary = Summary::default();
        summary.note("schedules with clients", format!("{} and {}", settings[0].len(), settings[1].len()));
        let names = settings.iter().flatten().flat_map(ClientSetting::names);
        names.for_each(|name| summary.note("clients with", name));
        let mut clients = Vec::new();
        for (person, settings) in settings.into_iter().enumerate() {
            for setting in settings {
                clients.push(Client::new(person, setting, &mut rng, START));
            }
        }
        verify_where_required(&mut clients);
        let count = clients.len();
        let mut model = Model::default();
        model.views.resize_with(count, View::default);
        Self {
            clients,
            now: START,
            record: Record::default(),
            model,
            on_their_way: Vec::new(),
            arrivals: Arrivals::default(),
            prekeys: Prekeys::new(count),
            revealed: Revealed::default(),
            summary,
            owed: Vec::new(),
            used_keys: UsedKeys::default(),
            messages_to: HashMap::new(),
            read: BTreeSet::new(),
            read_by: HashMap::new(),
            handshakes: Handshakes::default(),
            of_step: OfStep::default(),
            restless: false,
            acted: false,
        }
    }

    /// The clients of the other person.
    pub(crate) fn others(&self, client: usize) -> Vec<usize> {
        let person = self.clients[client].person;
        (0..self.clients.len()).filter(|other| self.clients[*other].person != person).collect()
    }

    /// Takes what a step did to the record, the network and the model, in order.
    pub(crate) fn take(&mut self, rng: &mut ChaCha8Rng, client: usize, step: Step, done: &Done) -> Check {
        let outputs = &done.outputs;
        self.acted |= done.refused.is_none();
        self.model.views[client].note_renewed();
        let mut at = 0;
        while at < outputs.len() {
            match &outputs[at] {
                Output::Send(line) => {
                    let (lines, whole) = message_of(&outputs[at..]);
                    at += lines.len();
                    if whole {
                        let again = is_resent(&outputs[at..]);
                        self.sent(rng, client, lines, step, again)?;
                    } else {
                        assert!(done.died, "only the end of a client cuts a message short: {line}");
                    }
                }
                Output::Event(event) => {
                    at += 1;
                    self.told(client, step, event)?;
                }
                Output::Save => at += 1,
            }
        }
        for message in std::mem::take(&mut self.owed) {
            self.summary.texts_owed += 1;
            self.summary.note("owed", "a text that came before its handshake");
            let sent = &self.record.sent[message];
            invariants::what_is_owed_is_shown(&self.model, client, sent, message, outputs)?;
        }
        let of_step = std::mem::take(&mut self.of_step);
        self.summary.same_ssid +=
            self.handshakes.both_ends_have_the_same_session_id(&self.record, client, step, &of_step)?;
        self.handshakes.note(&self.record, client, step, &of_step, self.now);
        if done.unsaved {
            return invariants::violated("what_changes_is_saved", format!("client {client}: {outputs:?}"));
        }
        self.model.forget_sent(client);
        if done.died {
            self.summary.crashes += 1;
        }
        invariants::saved_state_is_bounded(self.clients[client].saved(), self.most_saved(client), client)
    }

    /// A message or another line leaves a client.
    fn sent(
        &mut self,
        rng: &mut ChaCha8Rng,
        from: usize,
        lines: Vec<String>,
        step: Step,
        again: bool,
    ) -> Check {
        let (number, new) = self.record.add(from, self.now, lines);
        self.post(from, number);
        if let Some(Message::Handshake { .. }) = self.record.sent[number].message {
            self.of_step.sent.push((number, new && !self.record.says_the_same_again(number)));
        }
        if !new {
            return Ok(());
        }
        self.summary.lines += 1;
        self.record.sent[number].answers = self.handshakes.answered(step);
        let sent = &self.record.sent[number];
        self.used_keys.no_key_encrypts_twice(number, sent)?;
        let (tags, quiet, opens) = match &sent.message {
            None => return self.sent_clear(from, number),
            Some(Message::Malformed) => {
                return invariants::violated("messages_are_well_formed", format!("{:?}", sent.lines));
            }
            Some(Message::Handshake { to, .. }) => {
                // The same again, in new pieces, is not given more time.
                let at = self.record.first_sent(number);
                let known = self.model.views[from].handshakes.entry(*to).or_insert(at);
                *known = at.max(*known);
                return Ok(());
            }
            Some(Message::Data4(data)) => (data.tags, data.quiet, data.j == 0 && data.i > 0),
            Some(Message::Data3(data)) => (data.tags, data.quiet, false),
        };
        if let Some(current) =
            self.model.views[from].channels.get_mut(&tags.1).and_then(|it| it.current.as_mut())
        {
            if opens {
                current.renewed = self.now;
            }
            let ssid = current.ssid;
            // The last message of a conversation of another version, which was displaced: nobody has to read it any more. When a
            // conversation has just begun, what goes out silently cannot be told from it.
            let is_4 = matches!(self.record.sent[number].message, Some(Message::Data4(_)));
            let began = self.of_step.began.iter().any(|(with, _)| *with == tags.1);
            let displaced = quiet && (began || is_4 != (current.version == Version::V4));
            self.record.sent[number].ssid = Some(ssid).filter(|_| !displaced);
            for to in self.receivers(from, tags.1) {
                *self.messages_to.entry((to, ssid)).or_default() += 1;
            }
            if !quiet {
                self.sent_text(from, number, tags.1, ssid, step, again)?;
            }
        } else if !quiet {
            return invariants::violated("texts_go_into_conversations", format!("message {number}"));
        }
        if matches!(self.record.sent[number].message, Some(Message::Data4(_))) {
            for to in self.receivers(from, tags.1) {
                self.revealed.expect(number, to);
            }
        }
        self.check_revealed(rng, from, number)
    }

    /// The clients with that tag, which is 0 in version 2.
    pub(crate) fn receivers(&self, from: usize, tag: u32) -> Vec<usize> {
        let mut others = self.others(from);
        others.retain(|other| tag == 0 || self.clients[*other].tag() == tag);
        others
    }

    /// Which text a message carries: the one that was typed just now, or the next of those that wait.
    fn sent_text(
        &mut self,
        from: usize,
        number: usize,
        to: u32,
        ssid: Ssid,
        step: Step,
        again: bool,
    ) -> Check {
        let text = match step {
            // The one before the last may be meant; which shows when it arrives.
            _ if again => return Ok(()),
            Step::Typed(text) => Some(text),
            _ => self.model.next_of_queue(from, to),
        };
        let Some(text) = text else {
            return invariants::violated(
                "texts_are_typed",
                format!("message {number} has one that nobody has typed"),
            );
        };
        self.summary.texts_sent += 1;
        self.model.texts[text].to.push(to);
        self.record.sent[number].text = Some((text, ssid));
        Ok(())
    }

    /// A query, an error, or clear text.
    fn sent_clear(&mut self, from: usize, number: usize) -> Check {
        let line = self.record.sent[number].lines.concat();
        if line.starts_with("?OTR") {
            return Ok(());
        }
        let client = &self.clients[from];
        invariants::no_clear_text_but_when_allowed(
            &self.model.views[from],
            &client.setting.policy,
            self.now,
            &line,
        )?;
        self.summary.clear_texts += 1;
        match self.model.by_text.get(line.trim_start_matches([' ', '\t'])) {
            Some(text) => self.model.texts[*text].clear = true,
            None => return invariants::violated("texts_are_typed", format!("{line:?} leaves in clear")),
        }
        Ok(())
    }

    /// Which messages the keys belong to that a message reveals, and that they are of no use any more.
    fn check_revealed(&mut self, rng: &mut ChaCha8Rng, from: usize, number: usize) -> Check {
        let tag = self.clients[from].tag();
        let others = self.others(from);
        let to_revealer = |sent: &super::record::Sent| {
            let to = match &sent.message {
                Some(Message::Data3(data)) => data.tags.1,
                _ => return false,
            };
            others.contains(&sent.from) && [tag, 0].contains(&to)
        };
        let keys = self.revealed.each_key_belongs_to_one_message(&self.record, number, to_revealer)?;
        self.summary.keys_revealed += keys.len() as u64;
        // Reading a session takes longer than most steps: not each time.
        if keys.is_empty() || rng.random_range(0..3) > 0 {
            return Ok(());
        }
        revealed::no_revealed_key_opens_anything(&mut self.clients[from], &self.record, &keys, rng, self.now)
    }

    /// The most that a client may keep.
    fn most_saved(&self, client: usize) -> usize {
        let view = &self.model.views[client];
        let waiting = view.queue.iter().take(MAX_QUEUED);
        let texts: usize = waiting.map(|text| self.model.texts[*text].text.len() + 4).sum();
        let conversation = |ssid: &Ssid| {
            let messages = self.messages_to.get(&(client, *ssid)).copied().unwrap_or(0);
            let read = self.read_by.get(&(client, *ssid)).copied().unwrap_or(0);
            let missing = messages.saturating_sub(read);
            CHANNEL + missing.min(1000) * STORED_KEY + messages.min(3000) * 64
        };
        let channels = view.channels.values().flat_map(|known| {
            known
                .current
                .iter()
                .map(|running| running.ssid)
                .chain(known.previous.iter().map(|(ssid, _)| *ssid))
        });
        let channels: usize = channels.map(|ssid| conversation(&ssid)).sum();
        SESSION + texts + channels + self.arrivals.recent_bytes(client, self.now).min(RECENT)
    }
}

/// Who only talks to verified keys has verified all by hand.
fn verify_where_required(clients: &mut [Client]) {
    let keys: Vec<(usize, Vec<ContactKey>)> =
        clients.iter().map(|client| (client.person, client.keys())).collect();
    for client in clients.iter_mut().filter(|client| client.setting.policy.require_authenticated) {
        let person = client.person;
        let theirs = keys.iter().filter(|(other, _)| *other != person);
        theirs.for_each(|(_, keys)| client.verify(keys, START));
    }
}

/// The lines of the message that comes next, and whether it is whole.
fn message_of(outputs: &[Output]) -> (Vec<String>, bool) {
    let lines = outputs.iter().map_while(|output| match output {
        Output::Send(line) => Some(line),
        Output::Save | Output::Event(_) => None,
    });
    let mut lines = lines.peekable();
    let first = *lines.peek().expect("a line");
    let Some((1, total)) = lines::is_fragment(first).then(|| lines::place(first)).flatten() else {
        return (vec![first.clone()], !lines::is_fragment(first));
    };
    let in_order = lines.zip(1..=total).take_while(|(line, n)| lines::place(line) == Some((*n, total)));
    let lines: Vec<String> = in_order.map(|(line, _)| line.clone()).collect();
    let whole = lines.len() == usize::from(total);
    (lines, whole)
}

/// Whether the message before is a text that was sent again: then the next event says so.
fn is_resent(after: &[Output]) -> bool {
    let next = after.iter().find(|output| matches!(output, Output::Event(_)));
    matches!(next, Some(Output::Event(otrv4::Event::Resent { .. })))
}

/// Texts that wait at most.
const MAX_QUEUED: usize = 100;

/// What may be kept of what has come and is not read: messages before their handshake, pieces, and what is saved beside them.
const RECENT: usize = 2 * 1024 * 1024 + 256 * 1024;

/// A session with handshakes under way and without conversations, in bytes.
const SESSION: usize = 24 * 1024;

/// A conversation without stored keys, with a run of SMP.
const CHANNEL: usize = 4 * 1024;

/// A stored message key, its extra key, number and time.
const STORED_KEY: usize = 4 + 64 + 64 + 8;
