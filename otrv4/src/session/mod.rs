//! The conversation with one correspondent: lines in, lines and events out.
//! Spec: otrv4.md "The Protocol State Machine". Used by applications.
//!
//! | file | holds |
//! |---|---|
//! | here | the session, and what can be asked about it |
//! | `begin`, `send`, `smp` | what the user asks for: start, send, verify, end |
//! | `receive`, `data` | what comes from the network: the transition table; data messages |
//! | `ake` | the handshake of versions 3 and 2 |
//! | `channel` | what protects messages, in one version or another |
//! | `resend` | the last text once more, when they could not read it |
//! | `due` | what time brings |
//! | `partners` | whom we talk to |
//! | `instance` | the state with one client of the correspondent |
//! | `start`, `early` | our open Identity message; data that overtook its handshake |
//! | `output`, `policy` | what is to be done and told; what is allowed |
//! | `forged` | what the forging tools need beyond what users ask for |
//! | `dishonest` | what others could send; with the feature `inside` only |

mod ake;
mod begin;
mod channel;
mod data;
#[cfg(feature = "inside")]
pub(crate) mod dishonest;
mod due;
mod early;
mod forged;
mod instance;
mod output;
mod partners;
mod policy;
mod receive;
#[cfg(test)]
mod replay;
mod resend;
mod saved;
mod send;
mod smp;
mod start;

use std::collections::{BTreeMap, VecDeque};
use std::fmt;

use rand_core::CryptoRng;

use crate::account::{Account, ContactKey};
use crate::channel::Sealing;
use crate::dake::{Mode, Ssid, Us};
use crate::wire::{Assembler, InstanceTag, Padding, Reader, Version, Versions, armour, cut, cut_v2, cut_v3};
use crate::{Refused, Timestamp};
use ake::OpenCommit;
use channel::Channel;
use early::Early;
use instance::{Instance, State};
use output::Outputs;
pub use output::{EndedBy, Event, Output, SmpEnd};
pub use policy::{Expiry, OperationMode, Policy};
use resend::LastText;
pub use send::MAX_TEXT;
pub use smp::SmpProgress;
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

impl Context<'_> {
    /// What a message to that client is sealed with.
    fn sealing(&mut self, to: InstanceTag, padding: Padding) -> Sealing<'_> {
        Sealing { tags: (self.account.tag(), to), padding, now: self.now, rng: self.rng }
    }
}

/// The conversations with all clients of one correspondent. It holds no handle to the outside: what it wants done
/// comes out as [`Output`]s, to be performed in order.
pub struct Session {
    correspondent: String,
    policy: Policy,
    max_line: Option<usize>,
    instances: BTreeMap<InstanceTag, Instance>,
    /// The clients that get what is sent to nobody in particular: one, or all that were written to while the
    /// correspondent was away, until one of them answers.
    selected: Vec<InstanceTag>,
    /// The keys of those whom our text goes to, or went to; none until somebody is there. Nobody with another key
    /// gets it unless our user says so. spec-notes/SN-031
    partners: Vec<ContactKey>,
    identity: Option<OpenIdentity>,
    /// Our open D-H Commit, of version 3 or 2.
    commit: Option<OpenCommit>,
    /// The last text that went out in version 3 or 2, for a while: they may not be able to read it.
    last_text: Option<LastText>,
    /// Our user has asked for a conversation; until when typed text waits for it.
    asked_until: Option<Timestamp>,
    /// Texts of our user that wait for a conversation.
    queue: VecDeque<String>,
    /// A conversation ended: nothing goes out in clear until our user says so. spec-notes/SN-032
    ended: bool,
    /// They answered a whitespace tag with plain text: no more tags.
    tag_refused: bool,
    /// We have sent a query message or a whitespace tag: until when an Identity message may be the answer.
    offered_until: Option<Timestamp>,
    /// The last conversation began interactively: an offline one after it may cost its deniability.
    was_interactive: bool,
    /// When an error message last made us start a conversation.
    error_at: Option<Timestamp>,
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
    /// When its last message came, in the conversation that runs.
    pub heard_at: Option<Timestamp>,
    /// How far a verification by SMP is.
    pub smp: SmpProgress,
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
        /// Whose keys these are; [`Account::verification`] tells whether our user has verified them.
        fingerprint: ContactKey,
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
            partners: Vec::new(),
            identity: None,
            commit: None,
            last_text: None,
            asked_until: None,
            queue: VecDeque::new(),
            ended: false,
            tag_refused: false,
            offered_until: None,
            was_interactive: false,
            error_at: None,
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

    /// Sends to that client what is sent to nobody in particular, and to nobody else; what waited goes there at once.
    pub fn select(&mut self, cx: &mut Context<'_>, tag: InstanceTag) -> Result<Vec<Output>, Refused> {
        self.in_time(cx, |session, cx, out| {
            let channel = session.instances.get(&tag).and_then(Instance::peek);
            let key = channel.map(Channel::key).ok_or(Refused::NoSuchInstance(tag))?;
            session.turn_to(vec![tag], vec![key]);
            out.save();
            session.send_queue(cx, out);
            Ok(())
        })
    }

    /// Whether an offline conversation now would follow an interactive one, which may cost that one's deniability; it is
    /// told by [`Event::OfflineAfterInteractive`], too. Ask our user before.
    pub fn was_interactive(&self) -> bool {
        self.was_interactive
    }

    /// The clients of the correspondent that we know of.
    pub fn instances(&self) -> impl Iterator<Item = InstanceView> {
        self.instances.iter().map(|(tag, instance)| InstanceView {
            tag: *tag,
            protection: match &instance.state {
                State::Start => Protection::None,
                State::Encrypted(channel) => Protection::Encrypted {
                    version: channel.version(),
                    mode: channel.mode(),
                    fingerprint: channel.key(),
                    ssid: channel.ssid(),
                },
                State::Finished(_) => Protection::Finished,
            },
            handshake: instance.is_answering(),
            heard_at: instance.peek().and_then(|channel| channel.times().heard_at()),
            smp: instance.peek().map_or(SmpProgress::None, Channel::smp_progress),
            selected: self.selected.contains(tag),
        })
    }

    /// Whether text of our user waits for a conversation to begin: our user has asked for one, or nobody is there yet
    /// and a handshake runs.
    pub fn is_starting(&self) -> bool {
        let answering = self.instances.values().any(Instance::is_answering);
        let open = self.identity.as_ref().is_some_and(OpenIdentity::is_unanswered)
            || self.commit.as_ref().is_some_and(OpenCommit::is_unanswered);
        self.asked_until.is_some() || (self.partners.is_empty() && (answering || open))
    }

    fn us<'a>(&'a self, account: &'a Account) -> Us<'a> {
        Us {
            tag: account.tag(),
            account: account.id(),
            key: account.key().signing(),
            profile: account.client_profile(),
            versions: self.allowed_versions(account),
            correspondent: &self.correspondent,
        }
    }

    /// What we offer: of the versions that the policy allows those that our profile lists, which are those that the account has a key for.
    fn allowed_versions(&self, account: &Account) -> Versions {
        self.policy.allowed_versions(account.offers_v3())
    }

    fn is_encrypted(&self, tag: InstanceTag) -> bool {
        matches!(self.instances.get(&tag).map(|instance| &instance.state), Some(State::Encrypted(_)))
    }

    /// Whether fresh keys come by an Identity message: our text goes to version 4 alone, or would if it went anywhere.
    fn refreshes_v4(&self) -> bool {
        let running =
            |tag: &InstanceTag| self.instances.get(tag).and_then(Instance::peek).map(Channel::version);
        let selected: Vec<Version> = self.selected.iter().filter_map(running).collect();
        let all: Vec<Version> = self.instances.keys().filter_map(running).collect();
        let where_to = if selected.is_empty() { all } else { selected };
        !where_to.is_empty() && where_to.iter().all(|version| *version == Version::V4)
    }

    /// The version of the D-H Commit message by which fresh keys come, if our text goes to an older version than 4. Not a query:
    /// after one, libotr sends in clear what is typed at its end until the handshake is complete. spec-notes/SN-039
    fn refreshes_old(&self, account: &Account) -> Option<Version> {
        let running =
            |tag: &InstanceTag| self.instances.get(tag).and_then(Instance::peek).map(Channel::version);
        let newest = self.selected.iter().filter_map(running).max();
        let allowed = self.allowed_versions(account);
        newest.filter(|version| *version < Version::V4 && allowed.contains(version.number()))
    }

    fn has_channel(&self) -> bool {
        self.instances.keys().any(|tag| self.is_encrypted(*tag))
    }

    /// Puts a completed key exchange to use: its channel, what overtook it, and what waited for it. Our text goes to
    /// this client from now on only if our user has asked, or nobody was there before, or it has the same key.
    fn establish(&mut self, cx: &mut Context<'_>, tag: InstanceTag, channel: Channel, out: &mut Outputs) {
        self.interrupt_smp(cx, tag, out);
        let (key, mode, was_ended) = (channel.key(), channel.mode(), self.is_ended());
        out.save();
        self.tell_secure(cx, tag, &channel, out);
        let read_old_until = self.read_old_until(cx.now);
        self.instances.entry(tag).or_default().establish(channel, read_old_until);
        self.reveal_owing(cx, tag, out);
        self.was_interactive |= mode == Mode::Interactive;
        let may = self.may_turn_to(cx.account, key);
        if may && (self.asked_until.is_some() || self.partners.is_empty()) {
            self.turn_to(vec![tag], vec![key]);
            self.ended = false;
        } else if self.partners.contains(&key) {
            if was_ended || !self.selected.contains(&tag) {
                self.selected = vec![tag];
            }
            (self.ended, self.asked_until) = (false, None);
        } else {
            // Under the same tag there may have been another key, in another version.
            self.selected.retain(|selected| *selected != tag);
        }
        self.open_early(cx, tag, out);
    }

    /// Last messages of channels that were forgotten, with MAC keys that no other channel can reveal.
    fn reveal_owing(&mut self, cx: &mut Context<'_>, tag: InstanceTag, out: &mut Outputs) {
        let owing = self.instances.get_mut(&tag).map(Instance::take_owing).unwrap_or_default();
        for channel in owing {
            let messages = channel.seal_last(&[], cx.sealing(tag, self.policy.padding));
            self.send_messages(cx, tag, &messages, out);
        }
    }

    /// Until when a channel that was replaced or ended can still read what was on its way.
    fn read_old_until(&self, now: Timestamp) -> Timestamp {
        let Expiry { online, offline } = self.policy.expiry;
        now.plus(READ_OLD_FOR.min(online.min(offline).into()))
    }

    /// A conversation is over and not by our user's wish: text waits until they say how to go on. spec-notes/SN-032
    fn note_end(&mut self) {
        // Also when it was with a client that text did not go to: while it was there, nothing went out in clear.
        self.ended = true;
    }

    /// Whether such an end keeps text back: as long as another client is there that text goes to, it does not.
    fn is_ended(&self) -> bool {
        self.ended && !self.selected.iter().any(|selected| self.is_encrypted(*selected))
    }

    fn send_messages(&self, cx: &mut Context<'_>, to: InstanceTag, messages: &[Vec<u8>], out: &mut Outputs) {
        messages.iter().for_each(|message| self.send_message(cx, Some(to), message, out));
    }

    /// Armours a message, cuts it if the network wants it, and sends it.
    fn send_message(&self, cx: &mut Context<'_>, to: Option<InstanceTag>, message: &[u8], out: &mut Outputs) {
        let line = armour(message);
        let pieces = match self.max_line {
            Some(max) if line.len() > max => match Reader::new(message).short("protocol version") {
                Ok(2) => cut_v2(&line, max).ok(),
                Ok(3) => cut_v3(&line, max, cx.account.tag(), to).ok(),
                _ => cut(&line, max, cx.rng.next_u32(), cx.account.tag(), to).ok(),
            },
            _ => None,
        };
        pieces.unwrap_or_else(|| vec![line]).into_iter().for_each(|piece| out.send(piece));
    }
}

/// Names and numbers only: texts that wait are nobody's business.
impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let instances: Vec<InstanceView> = self.instances().collect();
        f.debug_struct("Session")
            .field("correspondent", &self.correspondent)
            .field("instances", &instances)
            .field("ended", &self.ended)
            .field("texts that wait", &self.queue.len())
            .finish_non_exhaustive()
    }
}

/// Shortest line that [`Session::set_max_line`] takes: a fragment's header has 45 characters.
pub const MIN_LINE: usize = 64;

/// Clients of one correspondent: more than anybody runs, and few enough to try a handshake with each.
pub const MAX_INSTANCES: usize = 16;

/// Seconds in which a channel that was replaced can still read what was on its way.
const READ_OLD_FOR: i64 = 10 * 60;
