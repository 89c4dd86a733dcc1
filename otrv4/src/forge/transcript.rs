//! Forge Entire Transcript: a conversation that never took place, with all that goes over the network.
//! Spec: otrv4.md "Forging Transcripts". Used by applications.
//!
//! Two real sessions talk to each other, each with the public profile of its side, so that each message is as an honest one of
//! this library, by the same code: query, key exchange, counters, padding, heartbeats, revealed MAC keys, the end. Only the
//! key that signs in a ring is another one of the same ring, and the receiver of an offline conversation gets its keys from
//! the forger, who knows the ephemeral secrets of both sides.
//!
//! What the forger chooses must be plausible by itself: times at which the profiles were current (an honest client shows
//! none in its last days, see [`crate::Lifetimes`]), texts, and a policy that both could have had. Refused is what anybody sees from
//! dates: whoever receives an offline conversation has forgotten the shared prekey when the overlap after its end is over, a
//! day by default.
//!
//! How long each line is on its way, and whether it arrives, the forger chooses line by line ([`Delivery`]): so lines cross each
//! other, come late, and get lost. What a conversation can hold beyond that stays out: SMP, extra keys, keys refreshed on request,
//! and several clients of one side. What only outsiders know, such as the logs of the messenger's server, no transcript can
//! answer.

use std::collections::VecDeque;

use rand_core::CryptoRng;

use super::dake::read;
use super::forger::{CannotForge, Forger, Remembering, Who};
use super::network::{Delivery, Inbox, Moment};
use super::script::{Begin, Line, Said, Script, Transcript};
use crate::account::Account;
use crate::dake::Ssid;
use crate::dake::interactive::{AuthR, Identity};
use crate::dake::offline::NonInteractiveAuth;
use crate::keys::Point;
use crate::prekey::VerifiedEnsemble;
use crate::session::{Context, Event, Output, Session};
use crate::wire::{Line as Classified, MessageType, classify};
use crate::{Lifetimes, Refused, Reject, Timestamp};

impl Forger {
    /// Forges a whole conversation, on a network that does with each line what `network` says. Refused if one side would not
    /// have taken part in it as it is written.
    pub fn transcript(
        &self,
        script: Script<'_>,
        network: &mut dyn FnMut(&Line) -> Delivery,
        rng: &mut dyn CryptoRng,
    ) -> Result<Transcript, CannotForge> {
        let mut stage = Stage::new(self, script, network, rng)?;
        stage.begin(script.begin)?;
        for Said { by, at, text } in script.said {
            stage.wait_until_some_time_in(*at)?;
            stage.say(*by, text)?;
        }
        if let Some((who, at)) = script.end {
            stage.wait_until_some_time_in(at)?;
            stage.end(who)?;
        }
        let back = stage.participant.inbox.there_from().max(stage.other.inbox.there_from());
        stage.wait_until(Moment::within(script.until, LAST_MILLI).max(back))?;
        match stage.ssid {
            Some(ssid) if !stage.texts_wait() => Ok(Transcript { lines: stage.lines, ssid }),
            _ => Err(stage.not_begun()),
        }
    }
}

/// Both ends of the network between them.
struct Stage<'a> {
    forger: &'a Forger,
    network: &'a mut dyn FnMut(&Line) -> Delivery,
    rng: Remembering<'a>,
    moment: Moment,
    /// What clocks show then.
    now: Timestamp,
    participant: End,
    other: End,
    /// Who is away, and their ensemble, which was valid when the conversation began.
    offline: Option<(Who, VerifiedEnsemble)>,
    lines: Vec<Line>,
    ssid: Option<Ssid>,
    /// The first line that was refused. Some are in life, too, when others were lost or late; if there is no conversation in the
    /// end this says why.
    refused: Option<Reject>,
}

/// One end.
struct End {
    account: Account,
    session: Session,
    inbox: Inbox,
    /// Whether it has had a conversation.
    was_secure: bool,
    /// Texts that wait for one.
    held: VecDeque<String>,
    /// So many milliseconds after a second begins its program looks what is due.
    ticks_at: u32,
}

impl<'a> Stage<'a> {
    fn new(
        forger: &'a Forger,
        script: Script<'a>,
        network: &'a mut dyn FnMut(&Line) -> Delivery,
        rng: &'a mut dyn CryptoRng,
    ) -> Result<Self, CannotForge> {
        let moment = Moment::within(script.start, millis(rng));
        let away = match script.begin {
            Begin::Interactive(_) | Begin::Tagged { .. } => None,
            Begin::Offline { starts, back, .. } => {
                let back = Moment::within(back, millis(rng)).max(moment);
                Some((starts.peer(), back))
            }
        };
        let mut end = |who: Who| {
            let (side, peer, manner) = (forger.side(who), forger.side(who.peer()), script.manner(who));
            let mut session = Session::new(&peer.account, manner.policy);
            session.set_max_line(manner.max_line)?;
            Ok::<_, CannotForge>(End {
                account: Account::in_the_name_of(&side.account, side.profile.clone(), forger.any_key()),
                session,
                inbox: Inbox::new(away.filter(|(away, _)| *away == who).map_or(moment, |(_, back)| back)),
                was_secure: false,
                held: VecDeque::new(),
                ticks_at: millis(rng),
            })
        };
        Ok(Self {
            participant: end(Who::Participant)?,
            other: end(Who::Other)?,
            forger,
            network,
            rng: Remembering::new(rng),
            moment,
            now: moment.second(),
            offline: None,
            lines: Vec::new(),
            ssid: None,
            refused: None,
        })
    }

    fn begin(&mut self, begin: Begin<'_>) -> Result<(), CannotForge> {
        match begin {
            Begin::Interactive(who) => self.step(who, |session, cx| Ok(session.start(cx)))?,
            Begin::Tagged { by, text } => self.step(by, |session, cx| Ok(session.send_tagged(cx, text)?))?,
            Begin::Offline { starts, ensemble, .. } => {
                let verified = ensemble.verify_for(self.forger.side(starts.peer()), self.now)?;
                self.offline = Some((starts.peer(), verified));
                let key = self.forger.ring_key(starts, || ensemble.key())?;
                self.end_of(starts).account.sign_with(key);
                let ensembles = vec![ensemble.ensemble().clone()];
                self.step(starts, |session, cx| Ok(session.start_offline(cx, ensembles)?))?;
            }
        }
        Ok(())
    }

    fn say(&mut self, by: Who, text: &str) -> Result<(), CannotForge> {
        let end = self.peek(by);
        if self.moment < end.inbox.there_from() {
            return Err(CannotForge::Away);
        }
        if !end.was_secure && !end.session.is_starting() {
            self.end_of(by).held.push_back(text.to_owned());
            return Ok(());
        }
        if end.was_secure && !end.session.instances().any(|instance| instance.selected) {
            return Err(Refused::Ended.into());
        }
        let before = self.lines.len();
        self.step(by, |session, cx| Ok(session.send(cx, None, text)?))?;
        let sent = self.lines.get(before..).unwrap_or_default();
        // In the moment in which it was said nothing was waited for any more.
        let in_clear =
            |line: &Line| matches!(classify(&line.line), Classified::Plain(_) | Classified::Tagged { .. });
        if sent.iter().any(in_clear) { Err(self.not_begun()) } else { Ok(()) }
    }

    /// Whether something that was said has not been sent.
    fn texts_wait(&self) -> bool {
        [&self.participant, &self.other].iter().any(|end| !end.held.is_empty() || end.session.texts_wait())
    }

    /// Why there is no conversation.
    fn not_begun(&self) -> CannotForge {
        self.refused.map_or(CannotForge::NotBegun, CannotForge::Rejected)
    }

    fn end(&mut self, who: Who) -> Result<(), CannotForge> {
        self.step(who, |session, cx| Ok(session.end(cx)))
    }

    fn wait_until_some_time_in(&mut self, second: Timestamp) -> Result<(), CannotForge> {
        let then = Moment::within(second, millis(&mut self.rng));
        self.wait_until(then)
    }

    /// Lets time pass, with all that it brings on the way.
    fn wait_until(&mut self, then: Moment) -> Result<(), CannotForge> {
        self.deliver_all()?;
        while let Some(next) = self.next_moment().filter(|next| *next <= then) {
            self.pass(next);
            for who in [Who::Participant, Who::Other] {
                if self.tick_of(who).is_some_and(|at| at <= next) {
                    self.step(who, |session, cx| Ok(session.tick(cx)))?;
                }
            }
            self.deliver_all()?;
        }
        self.pass(self.moment.max(then));
        Ok(())
    }

    fn pass(&mut self, to: Moment) {
        (self.moment, self.now) = (to, to.second());
    }

    /// The next moment after this one in which anything happens by itself.
    fn next_moment(&mut self) -> Option<Moment> {
        let now = self.moment;
        let of = |who| [self.tick_of(who).filter(|at| *at > now), self.end_of(who).inbox.next()];
        [Who::Participant, Who::Other].map(of).into_iter().flatten().flatten().min()
    }

    /// When a program looks what is due, as soon as anything is.
    fn tick_of(&self, who: Who) -> Option<Moment> {
        let end = self.peek(who);
        let deadline = end.session.next_deadline(&end.account);
        (deadline < Timestamp::from_unix(i64::MAX))
            .then(|| Moment::within(deadline, end.ticks_at).max(end.inbox.there_from()))
    }

    /// Everything that has arrived by now.
    fn deliver_all(&mut self) -> Result<(), CannotForge> {
        let now = self.moment;
        loop {
            let arrived = |who| Some((who, self.end_of(who).inbox.take(now)?));
            match [Who::Participant, Who::Other].into_iter().find_map(arrived) {
                Some((who, at)) => self.deliver(who, at)?,
                None => return Ok(()),
            }
        }
    }

    /// Gives a line to its receiver, or with the last piece of a message all of it.
    fn deliver(&mut self, to: Who, at: usize) -> Result<(), CannotForge> {
        let (moment, now) = (self.moment, self.now);
        let Some(arrived) = self.lines.get_mut(at) else { return Ok(()) };
        arrived.received = Some(now);
        let line = arrived.line.clone();
        let whole = match classify(&line) {
            Classified::Fragment(Ok(piece)) => self.end_of(to).inbox.complete(&piece, moment),
            _ => Some(line),
        };
        if let Some(line) = whole {
            self.deliver_whole(to, at, &line)?;
        }
        let end = self.end_of(to);
        let held = if end.was_secure { std::mem::take(&mut end.held) } else { VecDeque::new() };
        held.iter().try_for_each(|text| self.say(to, text))
    }

    /// Gives a message to its receiver, who gets the key to answer it with before.
    fn deliver_whole(&mut self, to: Who, at: usize, line: &str) -> Result<(), CannotForge> {
        let Classified::Encoded(Ok(message)) = classify(line) else {
            return self.step(to, |session, cx| Ok(session.receive(cx, line)));
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
        self.step(to, |session, cx| Ok(session.receive(cx, line)))
    }

    fn sign_at(&mut self, to: Who, ephemeral: &Point) -> Result<(), CannotForge> {
        let key = self.forger.ring_key(to, || self.rng.key_of(ephemeral))?;
        self.end_of(to).account.sign_with(key);
        Ok(())
    }

    /// The forger need not know the secrets of whoever receives an offline conversation: those of its start are enough.
    fn take_up(&mut self, to: Who, message: &[u8]) -> Result<(), CannotForge> {
        let (_, ensemble) = self.offline.as_ref().ok_or(Reject::Unexpected)?;
        // An honest account forgets both profiles then, and the secret of the shared prekey with them.
        if ensemble.expires().plus(Lifetimes::default().overlap) <= self.now {
            return Err(CannotForge::BackTooLate);
        }
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
                Output::Send(line) => self.send(who, line),
                Output::Event(Event::Secure { ssid, .. }) => {
                    self.end_of(who).was_secure = true;
                    if who == Who::Participant {
                        self.ssid = Some(ssid);
                    }
                }
                Output::Event(Event::Rejected { reason, .. }) => _ = self.refused.get_or_insert(reason),
                Output::Event(Event::NotDone { reason }) => return Err(reason.into()),
                Output::Event(Event::NotSent { .. }) => return Err(self.not_begun()),
                Output::Event(_) => {}
            }
        }
        Ok(())
    }

    fn send(&mut self, sender: Who, line: String) {
        let (number, moment) = (self.lines.len(), self.moment);
        let line = Line { sender, at: self.now, received: None, line, chain_key: None };
        let delivery = (self.network)(&line);
        self.lines.push(line);
        self.end_of(sender.peer()).inbox.put(number, moment, delivery);
    }

    fn end_of(&mut self, who: Who) -> &mut End {
        match who {
            Who::Participant => &mut self.participant,
            Who::Other => &mut self.other,
        }
    }

    const fn peek(&self, who: Who) -> &End {
        match who {
            Who::Participant => &self.participant,
            Who::Other => &self.other,
        }
    }
}

/// Where within a second something happens.
fn millis(rng: &mut dyn CryptoRng) -> u32 {
    rng.next_u32() % (LAST_MILLI + 1)
}

const LAST_MILLI: u32 = 999;
