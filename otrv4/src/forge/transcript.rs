//! Forge Entire Transcript: a conversation that never took place, with all that goes over the network.
//! Spec: otrv4.md "Forging Transcripts". Used by applications.
//!
//! Two real sessions talk to each other, each with the public profile of its side, so that each message is as an honest one of
//! this library, by the same code: query, key exchange, counters, padding, heartbeats, revealed MAC keys, the end. Only the
//! key that signs in a ring is another one of the same ring, and the receiver of an offline conversation gets its keys from
//! the forger, who knows the ephemeral secrets of both sides.
//!
//! What the forger chooses must be plausible by itself: times at which the profiles were current (an honest client shows
//! none in its last days, see [`crate::Lifetimes`]), texts, and a policy that both could have had.
//!
//! As a whole it is simpler than life, which shows in a long transcript: each message arrives at once, so that none crosses
//! another, is late or lost; without an end it breaks off, where honest clients send heartbeats and end it after two hours;
//! version 4 alone is offered, also where a profile lists 3; there are no fragments, no SMP, and no other clients. What only
//! outsiders know, such as the logs of the messenger's server, no transcript can answer.

use std::collections::VecDeque;
use std::fmt;

use rand_core::CryptoRng;

use super::dake::read;
use super::ensemble::Ensemble;
use super::forger::{CannotForge, Forger, Remembering, Who};
use crate::account::Account;
use crate::crypto::secret::Secret;
use crate::dake::Ssid;
use crate::dake::interactive::{AuthR, Identity};
use crate::dake::offline::NonInteractiveAuth;
use crate::keys::Point;
use crate::prekey::VerifiedEnsemble;
use crate::session::{Context, Event, Output, Policy, Session};
use crate::wire::{Line as Classified, MessageType, classify};
use crate::{Reject, Timestamp};

/// What is to have happened.
#[derive(Clone, Copy, Debug)]
pub struct Script<'a> {
    /// How it began.
    pub begin: Begin<'a>,
    /// When.
    pub start: Timestamp,
    /// What was said, in the order of time. Each goes out at its time, or after what came before it if that was later.
    pub said: &'a [Said<'a>],
    /// Who ended it and when, if anybody did.
    pub end: Option<(Who, Timestamp)>,
    /// What both sides wished and allowed.
    pub policy: Policy,
}

/// How a conversation began.
#[derive(Clone, Copy, Debug)]
pub enum Begin<'a> {
    /// Both were there, and this side asked for it: by a query message, or by an Identity message where the policy knows no
    /// queries.
    Interactive(Who),
    /// One side wrote while its peer was away.
    Offline {
        /// Who wrote.
        starts: Who,
        /// An ensemble of the peer.
        ensemble: &'a Ensemble,
        /// When the peer came back and read.
        back: Timestamp,
    },
}

/// A text of one side.
#[derive(Clone, Copy)]
pub struct Said<'a> {
    /// Who said it.
    pub by: Who,
    /// When.
    pub at: Timestamp,
    /// What.
    pub text: &'a str,
}

/// Without the text.
impl fmt::Debug for Said<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { by, at, text } = self;
        write!(f, "Said({by:?}, {at:?}, {} bytes)", text.len())
    }
}

/// A forged conversation.
#[derive(Debug)]
pub struct Transcript {
    /// What went over the network, in the order in which it was sent.
    pub lines: Vec<Line>,
    /// The secure session id, as the participant sees it.
    pub ssid: Ssid,
}

/// One line of it.
pub struct Line {
    /// Who sent it.
    pub sender: Who,
    /// When.
    pub at: Timestamp,
    /// As the messenger carried it.
    pub line: String,
    /// For a data message its chain key: who has it can read the message, and forge it. None for the last message of a side
    /// whose peer has ended the conversation: it holds nothing but MAC keys, and nobody is there to open it.
    pub chain_key: Option<Secret<64>>,
}

/// Without the line, which may be clear text.
impl fmt::Debug for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { sender, at, line, chain_key } = self;
        write!(f, "Line({sender:?}, {at:?}, {} bytes, {chain_key:?})", line.len())
    }
}

impl Forger {
    /// Forges a whole conversation. Refused if one side would not have taken part in it as it is written.
    pub fn transcript(&self, script: Script<'_>, rng: &mut dyn CryptoRng) -> Result<Transcript, CannotForge> {
        let mut stage = Stage::new(self, script, rng);
        stage.begin(script.begin)?;
        for Said { by, at, text } in script.said {
            stage.wait_until(*at)?;
            stage.say(*by, text)?;
        }
        if let Some((who, at)) = script.end {
            stage.wait_until(at)?;
            stage.end(who)?;
        }
        if let Some(back) = stage.back {
            stage.wait_until(back)?;
        }
        let ssid = stage.ssid.ok_or(CannotForge::NotEncrypted)?;
        Ok(Transcript { lines: stage.lines, ssid })
    }
}

/// Both ends of the network between them.
struct Stage<'a> {
    forger: &'a Forger,
    rng: Remembering<'a>,
    now: Timestamp,
    participant: End,
    other: End,
    /// Who is away, and their ensemble, which was valid when the conversation began.
    offline: Option<(Who, VerifiedEnsemble)>,
    /// Until when.
    back: Option<Timestamp>,
    lines: Vec<Line>,
    ssid: Option<Ssid>,
}

/// One end.
struct End {
    account: Account,
    session: Session,
    /// The lines that are on their way to it.
    inbox: VecDeque<usize>,
}

impl<'a> Stage<'a> {
    fn new(forger: &'a Forger, script: Script<'a>, rng: &'a mut dyn CryptoRng) -> Self {
        let end = |who: Who| {
            let (side, peer) = (forger.side(who), forger.side(who.peer()));
            End {
                account: Account::in_the_name_of(&side.account, side.profile.clone(), forger.any_key()),
                session: Session::new(&peer.account, script.policy),
                inbox: VecDeque::new(),
            }
        };
        let back = match script.begin {
            Begin::Interactive(_) => None,
            Begin::Offline { back, .. } => Some(back).filter(|back| *back > script.start),
        };
        Self {
            forger,
            rng: Remembering::new(rng),
            now: script.start,
            participant: end(Who::Participant),
            other: end(Who::Other),
            offline: None,
            back,
            lines: Vec::new(),
            ssid: None,
        }
    }

    fn begin(&mut self, begin: Begin<'_>) -> Result<(), CannotForge> {
        match begin {
            Begin::Interactive(who) => self.step(who, |session, cx| Ok(session.start(cx)))?,
            Begin::Offline { starts, ensemble, .. } => {
                let verified = ensemble.verify_for(self.forger.side(starts.peer()), self.now)?;
                self.offline = Some((starts.peer(), verified));
                let key = self.forger.ring_key(starts, || ensemble.key())?;
                self.end_of(starts).account.sign_with(key);
                let ensembles = vec![ensemble.ensemble().clone()];
                self.step(starts, |session, cx| Ok(session.start_offline(cx, ensembles)?))?;
            }
        }
        self.deliver_all()
    }

    fn say(&mut self, by: Who, text: &str) -> Result<(), CannotForge> {
        if !self.end_of(by).session.instances().any(|instance| instance.selected) {
            return Err(CannotForge::NotEncrypted);
        }
        self.step(by, |session, cx| Ok(session.send(cx, None, text)?))?;
        self.deliver_all()
    }

    fn end(&mut self, who: Who) -> Result<(), CannotForge> {
        self.step(who, |session, cx| Ok(session.end(cx)))?;
        self.deliver_all()
    }

    /// Lets time pass, with all that it brings on the way.
    fn wait_until(&mut self, then: Timestamp) -> Result<(), CannotForge> {
        while let Some(next) = self.next_deadline().filter(|next| *next <= then) {
            self.now = next;
            self.back.take_if(|back| *back <= next);
            for who in [Who::Participant, Who::Other] {
                if self.is_there(who) {
                    self.step(who, |session, cx| Ok(session.tick(cx)))?;
                }
            }
            self.deliver_all()?;
        }
        self.now = self.now.max(then);
        Ok(())
    }

    /// The next time after now at which anything happens by itself.
    fn next_deadline(&mut self) -> Option<Timestamp> {
        let there = [Who::Participant, Who::Other].map(|who| self.is_there(who).then_some(who));
        let mut next = self.back;
        for who in there.into_iter().flatten() {
            let end = self.end_of(who);
            let deadline = Some(end.session.next_deadline(&end.account)).filter(|at| *at > self.now);
            next = next.into_iter().chain(deadline).min();
        }
        next
    }

    fn is_there(&self, who: Who) -> bool {
        self.back.is_none() || self.offline.as_ref().is_none_or(|(away, _)| *away != who)
    }

    fn deliver_all(&mut self) -> Result<(), CannotForge> {
        loop {
            let there = [Who::Participant, Who::Other].into_iter().filter(|who| self.is_there(*who));
            let waiting: Vec<Who> = there.collect();
            let next = waiting.into_iter().find_map(|who| Some((who, self.end_of(who).inbox.pop_front()?)));
            match next {
                Some((who, at)) => self.deliver(who, at)?,
                None => return Ok(()),
            }
        }
    }

    /// Gives a line to its receiver, who gets the key to answer it with before.
    fn deliver(&mut self, to: Who, at: usize) -> Result<(), CannotForge> {
        let Some(line) = self.lines.get(at).map(|line| line.line.clone()) else { return Ok(()) };
        let Classified::Encoded(Ok(message)) = classify(&line) else {
            return self.step(to, |session, cx| Ok(session.receive(cx, &line)));
        };
        match read(&message, |header, _| Ok(header.message_type))? {
            MessageType::Identity => self.sign_at(to, &read(&message, Identity::read)?.ecdh)?,
            MessageType::AuthR => self.sign_at(to, &read(&message, AuthR::read)?.ecdh)?,
            MessageType::NonInteractiveAuth => return self.take_up(to, &message),
            MessageType::Data => {
                let chain_key = self.end_of(to).session.chain_key_of(&message);
                if let Some(line) = self.lines.get_mut(at) {
                    line.chain_key = chain_key;
                }
            }
            _ => {}
        }
        self.step(to, |session, cx| Ok(session.receive(cx, &line)))
    }

    fn sign_at(&mut self, to: Who, ephemeral: &Point) -> Result<(), CannotForge> {
        let key = self.forger.ring_key(to, || self.rng.key_of(ephemeral))?;
        self.end_of(to).account.sign_with(key);
        Ok(())
    }

    /// The forger need not know the secrets of whoever receives an offline conversation: those of its start are enough.
    fn take_up(&mut self, to: Who, message: &[u8]) -> Result<(), CannotForge> {
        let (_, ensemble) = self.offline.as_ref().ok_or(Reject::Unexpected)?;
        let message = read(message, NonInteractiveAuth::read)?;
        let x = self.rng.ecdh_of(&message.ecdh).ok_or(Reject::Unexpected)?;
        let a = self.rng.dh_of(&message.dh).ok_or(Reject::Unexpected)?;
        let established = message.receive_with_secrets_of_alice((&x, &a), ensemble, self.now)?;
        let tag = self.forger.side(to.peer()).profile.owner();
        self.step(to, |session, cx| Ok(session.take_up(cx, tag, established)?))
    }

    /// One step of a session, and what it sends.
    fn step(
        &mut self,
        who: Who,
        ask: impl FnOnce(&mut Session, &mut Context<'_>) -> Result<Vec<Output>, CannotForge>,
    ) -> Result<(), CannotForge> {
        let end = match who {
            Who::Participant => &mut self.participant,
            Who::Other => &mut self.other,
        };
        let mut cx = Context { account: &mut end.account, rng: &mut self.rng, now: self.now };
        for output in ask(&mut end.session, &mut cx)? {
            match output {
                Output::Save => {}
                Output::Send(line) => {
                    let at = self.lines.len();
                    self.lines.push(Line { sender: who, at: self.now, line, chain_key: None });
                    self.end_of(who.peer()).inbox.push_back(at);
                }
                Output::Event(Event::Secure { ssid, .. }) if who == Who::Participant => {
                    self.ssid = Some(ssid)
                }
                Output::Event(Event::Rejected { reason, .. }) => return Err(reason.into()),
                Output::Event(Event::NotDone { reason }) => return Err(reason.into()),
                Output::Event(Event::NotSent { .. }) => return Err(CannotForge::NotEncrypted),
                Output::Event(_) => {}
            }
        }
        Ok(())
    }

    fn end_of(&mut self, who: Who) -> &mut End {
        match who {
            Who::Participant => &mut self.participant,
            Who::Other => &mut self.other,
        }
    }
}
