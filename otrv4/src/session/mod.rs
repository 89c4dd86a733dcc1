//! The conversation with one correspondent: lines in, lines and events out.
//! Spec: otrv4.md "The Protocol State Machine". Used by applications.
//!
//! | file | holds |
//! |---|---|
//! | here | what the user asks for: start, send, end; time |
//! | `receive` | what comes from the network: the transition table |
//! | `instance` | the state with one client of the correspondent |
//! | `start`, `early` | our open Identity message; data that overtook its handshake |
//! | `output`, `policy` | what is to be done and told; what is allowed |

mod early;
mod instance;
mod output;
mod policy;
mod receive;
#[cfg(test)]
mod replay;
mod saved;
mod start;

use std::collections::{BTreeMap, VecDeque};

use rand_core::CryptoRng;

use crate::account::Account;
use crate::dake::interactive::SentIdentity;
use crate::dake::{Established, Mode, Ssid, Us, offline};
use crate::keys::Fingerprint;
use crate::prekey::{self, PrekeyEnsemble};
use crate::v4::{Channel, Flags};
use crate::wire::{
    Assembler, InstanceTag, Tlv, Version, armour, cut, query_message, tlv_type, whitespace_tag,
};
use crate::{Refused, Timestamp};
use early::Early;
use instance::{Instance, State};
use output::Outputs;
pub use output::{EndedBy, Event, Output};
pub use policy::Policy;
use start::OpenIdentity;

/// What a step of a session takes from outside: account, randomness and time.
pub struct Context<'a> {
    /// Our account on this client; one for all its sessions.
    pub account: &'a mut Account,
    /// A cryptographically secure generator.
    pub rng: &'a mut dyn CryptoRng,
    /// The time now.
    pub now: Timestamp,
}

/// The conversations with all clients of one correspondent. It holds no handle to the outside: what it wants done
/// comes out as [`Output`]s, to be performed in order.
#[derive(Debug)]
pub struct Session {
    correspondent: String,
    policy: Policy,
    max_line: Option<usize>,
    instances: BTreeMap<InstanceTag, Instance>,
    /// The clients that get what is sent to nobody in particular: the one that became secure last, or all clients
    /// that were written to while the correspondent was away, until one of them answers.
    selected: Vec<InstanceTag>,
    identity: Option<OpenIdentity>,
    /// We asked for a conversation by a query; until when typed text waits for it.
    asked_until: Option<Timestamp>,
    /// Texts of our user that wait for a conversation.
    queue: VecDeque<String>,
    /// A conversation ended: nothing goes out in clear until our user says so. spec-notes/SN-032
    ended: bool,
    /// They answered a whitespace tag with plain text: no more tags.
    tag_refused: bool,
    assembler: Assembler,
    early: Early,
}

/// One client of the correspondent, for showing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InstanceView {
    /// Its instance tag.
    pub tag: InstanceTag,
    /// What protects messages now.
    pub protection: Protection,
    /// Whether a handshake that it began is under way.
    pub handshake: bool,
    /// Whether it gets what is sent to nobody in particular.
    pub selected: bool,
}

/// What protects messages with one client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protection {
    /// Nothing.
    None,
    /// An encrypted conversation.
    Encrypted {
        /// The protocol version.
        version: Version,
        /// How it began.
        mode: Mode,
        /// Whose keys these are.
        fingerprint: Fingerprint,
        /// Names the conversation.
        ssid: Ssid,
    },
    /// The other side has ended it.
    Finished,
}

impl Session {
    /// A session with nothing in it. `correspondent` is what the messenger calls the other account, such as a bare
    /// JID; the other side must know it under the same name.
    pub fn new(correspondent: &str, policy: Policy) -> Self {
        Self {
            correspondent: correspondent.into(),
            policy,
            max_line: None,
            instances: BTreeMap::new(),
            selected: Vec::new(),
            identity: None,
            asked_until: None,
            queue: VecDeque::new(),
            ended: false,
            tag_refused: false,
            assembler: Assembler::new(),
            early: Early::default(),
        }
    }

    /// The other account's name at the messenger.
    pub fn correspondent(&self) -> &str {
        &self.correspondent
    }

    /// The policy, to be looked at or changed.
    pub fn policy(&mut self) -> &mut Policy {
        &mut self.policy
    }

    /// The longest line that the network carries, in characters; longer messages go out in fragments.
    pub fn set_max_line(&mut self, max_line: Option<usize>) -> Result<(), Refused> {
        match max_line {
            Some(length) if length < MIN_LINE => Err(Refused::LineTooShort(length)),
            _ => {
                self.max_line = max_line;
                Ok(())
            }
        }
    }

    /// Offers an encrypted conversation by a query message; with one running, refreshes its keys by a new handshake.
    pub fn start(&mut self, cx: &mut Context<'_>) -> Vec<Output> {
        if self.has_channel() {
            return self.start_identity(cx);
        }
        let mut out = Outputs::default();
        self.asked_until = Some(cx.now.plus(ANSWER_TIMEOUT));
        out.save();
        out.send(query_message(self.policy.versions));
        out.finish()
    }

    /// Begins an encrypted conversation directly by an Identity message, for when it is certain that the other side
    /// speaks version 4. otrv4.md "Starting a conversation interactively".
    pub fn start_identity(&mut self, cx: &mut Context<'_>) -> Vec<Output> {
        let mut out = Outputs::default();
        match self.policy.versions.contains(4) {
            true => self.send_identity(cx, &mut out),
            false => out.reject(None, crate::Reject::Version),
        }
        out.finish()
    }

    /// Sends a text in clear with the invisible tag that offers an encrypted conversation.
    pub fn send_tagged(&mut self, cx: &mut Context<'_>, text: &str) -> Result<Vec<Output>, Refused> {
        if self.has_channel() || self.ended || self.policy.require_encryption {
            return self.send(cx, None, text);
        }
        let mut out = Outputs::default();
        out.send(format!("{text}{}", whitespace_tag(self.policy.versions)));
        Ok(out.finish())
    }

    /// Begins encrypted conversations with somebody who is away: one with each client that an ensemble is there for.
    /// Invalid, expired and duplicate ensembles are dropped. otrv4.md "Receiving Prekey Ensembles".
    pub fn start_offline(
        &mut self,
        cx: &mut Context<'_>,
        ensembles: Vec<PrekeyEnsemble>,
    ) -> Result<Vec<Output>, Refused> {
        if !self.policy.versions.contains(4) {
            return Err(Refused::Version);
        }
        let chosen = prekey::choose(ensembles, cx.now, self.policy.versions);
        cx.account.renew(cx.rng, cx.now);
        let mut out = Outputs::default();
        let mut reached = Vec::new();
        for ensemble in &chosen {
            let tag = ensemble.message().owner();
            if !self.make_room(tag) {
                return Err(Refused::TooManyInstances);
            }
            let started = offline::start(self.us(cx.account), ensemble, cx.rng);
            let Ok((established, message)) = started else { continue };
            self.disconnect(cx, tag, &mut out);
            self.send_message(cx, Some(tag), &message, &mut out);
            self.establish(cx, tag, established, &mut out);
            reached.push(tag);
        }
        if reached.is_empty() {
            return Err(Refused::NoEnsemble);
        }
        self.selected = reached;
        self.send_queue(cx, &mut out);
        Ok(out.finish())
    }

    /// Sends a text: encrypted to the client named or selected; kept until a handshake that runs has completed; in
    /// clear only if nothing is encrypted, nothing has ended, and the policy allows it.
    pub fn send(
        &mut self,
        cx: &mut Context<'_>,
        to: Option<InstanceTag>,
        text: &str,
    ) -> Result<Vec<Output>, Refused> {
        check_text(text)?;
        let to: Vec<InstanceTag> = to.map_or_else(|| self.selected.clone(), |tag| vec![tag]);
        let mut out = Outputs::default();
        if self.all_encrypted(&to) {
            for tag in to {
                self.send_sealed(cx, tag, text, &mut out)?;
            }
        } else if self.is_starting() {
            self.enqueue(text, &mut out)?;
        } else if self.ended {
            return Err(Refused::Ended);
        } else if let Some(tag) = to.first() {
            return Err(Refused::NoSuchInstance(*tag));
        } else if self.policy.require_encryption {
            self.enqueue(text, &mut out)?;
            self.asked_until = Some(cx.now.plus(ANSWER_TIMEOUT));
            out.send(query_message(self.policy.versions));
        } else if self.policy.send_whitespace_tag && !self.tag_refused {
            out.send(format!("{text}{}", whitespace_tag(self.policy.versions)));
        } else {
            out.send(text.into());
        }
        Ok(out.finish())
    }

    /// Ends all conversations with the correspondent, and any handshake. Afterwards text goes out in clear again.
    /// otrv4.md "User requests to end an OTRv4 Conversation".
    pub fn end(&mut self, cx: &mut Context<'_>) -> Vec<Output> {
        let mut out = Outputs::default();
        let tags: Vec<InstanceTag> = self.instances.keys().copied().collect();
        for tag in tags {
            if self.disconnect(cx, tag, &mut out) {
                out.event(Event::Ended { with: tag, by: EndedBy::Us });
            }
        }
        out.save();
        self.instances.clear();
        self.selected.clear();
        (self.identity, self.asked_until, self.ended) = (None, None, false);
        self.give_queue_back(&mut out);
        out.finish()
    }

    /// Sends to that client what is sent to nobody in particular.
    pub fn select(&mut self, tag: InstanceTag) -> Result<(), Refused> {
        match self.instances.get(&tag).map(|instance| &instance.state) {
            Some(State::Encrypted(_)) => {
                self.selected = vec![tag];
                Ok(())
            }
            _ => Err(Refused::NoSuchInstance(tag)),
        }
    }

    /// The clients of the correspondent that we know of.
    pub fn instances(&self) -> impl Iterator<Item = InstanceView> {
        self.instances.iter().map(|(tag, instance)| InstanceView {
            tag: *tag,
            protection: match &instance.state {
                State::Start => Protection::None,
                State::Encrypted(channel) => Protection::Encrypted {
                    version: Version::V4,
                    mode: channel.mode,
                    fingerprint: channel.fingerprint,
                    ssid: channel.ssid,
                },
                State::Finished => Protection::Finished,
            },
            handshake: instance.is_answering(),
            selected: self.selected.contains(tag),
        })
    }

    /// Whether text of our user waits for a conversation to begin: a handshake runs, or we have asked for one.
    pub fn is_starting(&self) -> bool {
        let answering = self.instances.values().any(Instance::is_answering);
        let open = self.identity.as_ref().is_some_and(OpenIdentity::is_unanswered);
        answering || open || self.asked_until.is_some()
    }

    /// Does what is due: gives up handshakes, forgets old channels, renews profiles.
    pub fn tick(&mut self, cx: &mut Context<'_>) -> Vec<Output> {
        let mut out = Outputs::default();
        if cx.account.renew(cx.rng, cx.now) {
            out.save();
        }
        self.assembler.expire(cx.now);
        for kept in self.early.expire(cx.now) {
            out.save();
            self.report_unreadable(&kept.message, kept.from, crate::Reject::Unexpected, &mut out);
        }
        self.expire_instances(cx, &mut out);
        self.expire_start(cx, &mut out);
        out.finish()
    }

    /// When [`Self::tick`] has something to do; the account's renewal not counted.
    pub fn next_deadline(&self) -> Option<Timestamp> {
        let instances = self.instances.values().filter_map(Instance::next_deadline);
        let identity = self.identity.as_ref().map(OpenIdentity::next_deadline);
        let others = [self.assembler.next_deadline(), self.early.next_deadline(), self.asked_until, identity];
        instances.chain(others.into_iter().flatten()).min()
    }

    fn us<'a>(&'a self, account: &'a Account) -> Us<'a> {
        Us {
            tag: account.tag(),
            account: account.id(),
            key: account.key(),
            profile: account.client_profile(),
            versions: self.policy.versions,
            correspondent: &self.correspondent,
        }
    }

    fn has_channel(&self) -> bool {
        self.instances.values().any(|instance| matches!(instance.state, State::Encrypted(_)))
    }

    fn all_encrypted(&self, tags: &[InstanceTag]) -> bool {
        let encrypted = |tag| matches!(self.instances.get(tag).map(|i| &i.state), Some(State::Encrypted(_)));
        !tags.is_empty() && tags.iter().all(encrypted)
    }

    /// Sends our Identity message; the one that is open again, if nobody has answered it.
    fn send_identity(&mut self, cx: &mut Context<'_>, out: &mut Outputs) {
        cx.account.renew(cx.rng, cx.now);
        let unanswered = self.identity.take().filter(|open| open.is_unanswered() && !open.is_over(cx.now));
        let open = unanswered.unwrap_or_else(|| {
            OpenIdentity::new(SentIdentity::new(self.us(cx.account), None, cx.rng), cx.now)
        });
        out.save();
        self.send_message(cx, None, open.sent.message(), out);
        self.identity = Some(open);
    }

    /// Puts a completed key exchange to use: its channel, what overtook it, and what waited for it.
    fn establish(
        &mut self,
        cx: &mut Context<'_>,
        tag: InstanceTag,
        established: Established,
        out: &mut Outputs,
    ) {
        let channel = Channel::new(established);
        out.save();
        out.event(Event::Secure {
            with: tag,
            version: Version::V4,
            mode: channel.mode,
            fingerprint: channel.fingerprint,
            ssid: channel.ssid,
        });
        self.instances.entry(tag).or_default().establish(channel, cx.now.plus(READ_OLD_FOR));
        self.selected = vec![tag];
        (self.asked_until, self.ended) = (None, false);
        self.open_early(cx, tag, out);
    }

    /// Sends what waited for a conversation.
    fn send_queue(&mut self, cx: &mut Context<'_>, out: &mut Outputs) {
        while let Some(text) = self.queue.pop_front() {
            for tag in self.selected.clone() {
                // Texts were checked when they were queued, and the selected clients are encrypted.
                if self.send_sealed(cx, tag, &text, out).is_err() {
                    out.event(Event::NotSent { text: text.clone() });
                }
            }
        }
    }

    fn send_sealed(
        &mut self,
        cx: &mut Context<'_>,
        tag: InstanceTag,
        text: &str,
        out: &mut Outputs,
    ) -> Result<(), Refused> {
        let channel = self.instances.get_mut(&tag).and_then(Instance::channel);
        let channel = channel.ok_or(Refused::NoSuchInstance(tag))?;
        let message =
            channel.seal((cx.account.tag(), tag), Flags::None, text, &[], cx.rng).map_err(Refused::Text)?;
        out.save();
        self.send_message(cx, Some(tag), &message, out);
        Ok(())
    }

    /// Ends the conversation with one client by TLV 1, if there is one; its state is START afterwards.
    fn disconnect(&mut self, cx: &mut Context<'_>, tag: InstanceTag, out: &mut Outputs) -> bool {
        let Some(channel) = self.instances.get_mut(&tag).and_then(Instance::end) else { return false };
        out.save();
        let disconnected = Tlv { kind: tlv_type::DISCONNECTED, value: Vec::new() };
        let message = channel.seal_last((cx.account.tag(), tag), &[disconnected], cx.rng);
        self.send_message(cx, Some(tag), &message, out);
        true
    }

    fn enqueue(&mut self, text: &str, out: &mut Outputs) -> Result<(), Refused> {
        if self.queue.len() >= MAX_QUEUED {
            return Err(Refused::QueueFull);
        }
        self.queue.push_back(text.into());
        out.save();
        out.event(Event::Queued);
        Ok(())
    }

    fn give_queue_back(&mut self, out: &mut Outputs) {
        self.queue.drain(..).for_each(|text| out.event(Event::NotSent { text }));
    }

    /// Whether there is room for that client, which may take that of one whose handshake got nowhere.
    fn make_room(&mut self, tag: InstanceTag) -> bool {
        if self.instances.contains_key(&tag) || self.instances.len() < MAX_INSTANCES {
            return true;
        }
        let idle = self.instances.iter().filter(|(_, instance)| instance.is_idle());
        let oldest = idle.min_by_key(|(_, instance)| instance.newest_answer()).map(|(tag, _)| *tag);
        oldest.and_then(|tag| self.instances.remove(&tag)).is_some()
    }

    /// Armours a message, cuts it if the network wants it, and sends it.
    fn send_message(&self, cx: &mut Context<'_>, to: Option<InstanceTag>, message: &[u8], out: &mut Outputs) {
        let line = armour(message);
        let pieces = match self.max_line {
            Some(max) if line.len() > max => cut(&line, max, cx.rng.next_u32(), cx.account.tag(), to).ok(),
            _ => None,
        };
        pieces.unwrap_or_else(|| vec![line]).into_iter().for_each(|piece| out.send(piece));
    }

    fn expire_instances(&mut self, cx: &mut Context<'_>, out: &mut Outputs) {
        let mut unrevealed = Vec::new();
        for (tag, instance) in &mut self.instances {
            let expired = instance.expire(cx.now);
            if expired.changed {
                out.save();
            }
            unrevealed.extend(expired.unrevealed.map(|channel| (*tag, channel)));
        }
        for (tag, channel) in unrevealed {
            if channel.has_to_reveal() {
                let message = channel.seal_last((cx.account.tag(), tag), &[], cx.rng);
                self.send_message(cx, Some(tag), &message, out);
            }
        }
        self.instances.retain(|_, instance| !instance.is_idle() || instance.is_answering());
    }

    fn expire_start(&mut self, cx: &mut Context<'_>, out: &mut Outputs) {
        if self.identity.as_ref().is_some_and(|open| open.is_over(cx.now)) {
            self.identity = None;
            out.save();
        }
        if self.asked_until.is_some_and(|until| until <= cx.now) {
            self.asked_until = None;
            out.save();
        }
        if let Some(open) = &mut self.identity
            && open.take_resend(cx.now)
        {
            let message = open.sent.message().to_vec();
            out.save();
            self.send_message(cx, None, &message, out);
        }
        if !self.queue.is_empty() && !self.is_starting() {
            out.save();
            self.give_queue_back(out);
        }
    }
}

/// D30: what would not arrive as it was typed is refused. spec-notes/SN-030
fn check_text(text: &str) -> Result<(), Refused> {
    if text.contains('\0') {
        return Err(Refused::Text(crate::wire::WireError::Illegal("NUL in a text")));
    }
    match text.len() > MAX_TEXT {
        true => Err(Refused::TooLong),
        false => Ok(()),
    }
}

/// Longest text, in bytes of UTF-8: a base64 line of it is well below what other implementations reassemble.
pub const MAX_TEXT: usize = 64 * 1024;

/// Shortest line that [`Session::set_max_line`] takes: a fragment's header has 45 characters.
pub const MIN_LINE: usize = 64;

/// Clients of one correspondent: more than anybody runs, and few enough to try a handshake with each.
pub const MAX_INSTANCES: usize = 16;

/// Texts that wait for a handshake: a person does not type more in the time that it may take.
const MAX_QUEUED: usize = 100;

/// Seconds in which a query may be answered before what waits for it is given back.
const ANSWER_TIMEOUT: i64 = 2 * 60;

/// Seconds in which a channel that was replaced can still read what was on its way.
const READ_OLD_FOR: i64 = 10 * 60;
