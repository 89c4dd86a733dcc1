//! Real conversations: two honest programs, each with its own account, session, clock and generator, on a network between them. It
//! shares nothing with the forger's stage.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use otrv4::forge::Delivery;
use otrv4::inside;
use otrv4::wire::{Assembler, Line as Classified, classify};
use otrv4::{Account, Context, Event, Output, PrekeyEnsemble, Refused, Session, Timestamp};
use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};

use super::lives::{Begun, Life};
use super::record::{Line, Transcript};

/// The record of a conversation of two accounts, each by its id and as it was saved; none if it did not come about as they meant it, such as when a line of the handshake was lost.
pub(crate) fn converse(
    life: &Life,
    accounts: [(&str, &[u8]); 2],
    rng: &mut ChaCha8Rng,
) -> Option<Transcript> {
    let mut world = World::new(life, accounts, rng);
    let start = life.start * 1000 + rng.random_range(0..1000);
    let mut back = None;
    match life.begin {
        Begun::Asked(by) => world.plan(start, Happening::Ask(by)),
        Begun::Tagged(by) => world.plan(start, Happening::Greet(by)),
        Begun::Offline(by, at) => {
            let at = at * 1000 + rng.random_range(0..1000);
            back = Some((1 - by, at));
            world.people[1 - by].there_from = at;
            world.plan(start, Happening::WriteTo(by));
        }
    }
    let mut before = start;
    for (number, saying) in life.said.iter().enumerate() {
        before = before.max(saying.at * 1000 + rng.random_range(0..1000));
        world.plan(before, Happening::Say(saying.by, number));
    }
    if let Some((who, at)) = life.end {
        before = before.max(at * 1000 + rng.random_range(0..1000));
        world.plan(before, Happening::End(who));
    }
    let until = before.max(life.until * 1000 + 999).max(back.map_or(0, |(_, at)| at));
    while let Some(Reverse((at, _, what))) = world.agenda.pop().filter(|Reverse((at, ..))| *at <= until) {
        world.now = at;
        world.happen(what);
        if world.went_wrong {
            return None;
        }
    }
    let complete = world.people.iter().all(|person| person.was_secure && person.unsaid.is_empty());
    complete.then_some(Transcript { lines: world.lines, ensemble: world.ensemble })
}

struct World<'a> {
    life: &'a Life,
    people: [Person; 2],
    network: ChaCha8Rng,
    now: i64,
    /// What will happen, by its time in milliseconds and then in the order in which it was planned.
    agenda: BinaryHeap<Reverse<(i64, usize, Happening)>>,
    planned: usize,
    lines: Vec<Line>,
    /// What the server has handed out.
    ensemble: Option<String>,
    went_wrong: bool,
}

struct Person {
    account: Account,
    session: Session,
    pieces: Assembler,
    rng: ChaCha8Rng,
    there_from: i64,
    /// When the last line on the way to them arrives.
    queue_until: i64,
    /// When within a second their program looks at the clock.
    phase: i64,
    wakes_at: Option<i64>,
    was_secure: bool,
    unsaid: Vec<usize>,
}

impl Person {
    /// Of the data message that this line is, or makes whole, what their program is about to open it with.
    fn chain_key(&mut self, line: &str, now: i64) -> Option<String> {
        let whole = match classify(line) {
            Classified::Fragment(Ok(piece)) => {
                let whole = self.pieces.add(&piece, Timestamp::from_unix(now.div_euclid(1000)));
                whole.ok().flatten()?
            }
            _ => line.to_owned(),
        };
        let Classified::Encoded(Ok(message)) = classify(&whole) else { return None };
        let key = inside::chain_key(&self.session, &message)?;
        Some(BASE64_STANDARD.encode(key.as_bytes()))
    }
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Happening {
    Ask(usize),
    Greet(usize),
    WriteTo(usize),
    Say(usize, usize),
    End(usize),
    Arrive(usize, usize),
    Wake(usize),
}

impl<'a> World<'a> {
    fn new(life: &'a Life, accounts: [(&str, &[u8]); 2], rng: &mut ChaCha8Rng) -> Self {
        let mut person = |side: usize| {
            let account = Account::load(accounts[side].1).expect("what was saved");
            let mut session = Session::new(accounts[1 - side].0, life.manners[side].policy);
            session.set_max_line(life.manners[side].max_line).expect("long enough");
            Person {
                account,
                session,
                pieces: Assembler::new(),
                rng: ChaCha8Rng::from_rng(rng),
                there_from: 0,
                queue_until: 0,
                phase: rng.random_range(0..1000),
                wakes_at: None,
                was_secure: false,
                unsaid: Vec::new(),
            }
        };
        let people = [person(0), person(1)];
        Self {
            life,
            people,
            network: ChaCha8Rng::from_rng(rng),
            now: 0,
            agenda: BinaryHeap::new(),
            planned: 0,
            lines: Vec::new(),
            ensemble: None,
            went_wrong: false,
        }
    }

    fn plan(&mut self, at: i64, what: Happening) {
        self.planned += 1;
        self.agenda.push(Reverse((at, self.planned, what)));
    }

    fn happen(&mut self, what: Happening) {
        match what {
            Happening::Ask(who) => self.act(who, |session, cx| Ok(session.start(cx))),
            Happening::Greet(who) => self.act(who, |session, cx| session.send_tagged(cx, GREETING)),
            Happening::WriteTo(who) => {
                let ensembles = self.published(1 - who);
                self.ensemble = ensembles.first().map(Transcript::encoded);
                self.act(who, |session, cx| session.start_offline(cx, ensembles));
            }
            Happening::Say(who, number) => self.say(who, number),
            Happening::End(who) => self.act(who, |session, cx| Ok(session.end(cx))),
            Happening::Arrive(who, line) => {
                self.lines[line].received = Some(self.now.div_euclid(1000));
                let number = line;
                let line = self.lines[number].line.clone();
                self.lines[number].chain_key = self.people[who].chain_key(&line, self.now);
                self.act(who, |session, cx| Ok(session.receive(cx, &line)));
                if self.people[who].was_secure {
                    let waiting = std::mem::take(&mut self.people[who].unsaid);
                    waiting.into_iter().for_each(|number| self.say(who, number));
                }
            }
            Happening::Wake(who) => {
                if self.people[who].wakes_at.take_if(|at| *at <= self.now).is_some() {
                    self.act(who, |session, cx| Ok(session.tick(cx)));
                }
            }
        }
    }

    /// What they type before there is a conversation waits in their head, or in the program if that has been asked for one.
    fn say(&mut self, who: usize, number: usize) {
        let (life, person) = (self.life, &mut self.people[who]);
        if !person.was_secure && !person.session.is_starting() {
            person.unsaid.push(number);
            return;
        }
        if person.was_secure && !person.session.instances().any(|instance| instance.selected) {
            self.went_wrong = true;
            return;
        }
        self.act(who, |session, cx| session.send(cx, None, &life.said[number].text));
    }

    /// What a server would hand out.
    fn published(&mut self, who: usize) -> Vec<PrekeyEnsemble> {
        let now = self.clock();
        let person = &mut self.people[who];
        person.account.make_prekeys(1, &mut person.rng, now).expect("few")
    }

    const fn clock(&self) -> Timestamp {
        Timestamp::from_unix(self.now.div_euclid(1000))
    }

    fn act(
        &mut self,
        who: usize,
        ask: impl FnOnce(&mut Session, &mut Context<'_>) -> Result<Vec<Output>, Refused>,
    ) {
        let now = self.clock();
        let person = &mut self.people[who];
        let mut cx = Context { account: &mut person.account, rng: &mut person.rng, now };
        let Ok(outputs) = ask(&mut person.session, &mut cx) else {
            self.went_wrong = true;
            return;
        };
        for output in outputs {
            match output {
                Output::Send(line) => self.send(who, line),
                Output::Event(Event::Secure { .. }) => self.people[who].was_secure = true,
                Output::Event(Event::NotSent { .. } | Event::NotDone { .. }) => self.went_wrong = true,
                Output::Save | Output::Event(_) => {}
            }
        }
        self.set_the_alarm(who);
    }

    fn send(&mut self, who: usize, line: String) {
        let sender = self.people[who].account.id().to_owned();
        self.lines.push(Line {
            sender,
            at: self.now.div_euclid(1000),
            received: None,
            line,
            chain_key: None,
        });
        if let Delivery::After(duration) = self.life.links[who].carry(&mut self.network) {
            let takes = i64::try_from(duration.as_millis()).expect("minutes at most");
            let receiver = &mut self.people[1 - who];
            let arrives = (self.now + takes).max(receiver.queue_until).max(receiver.there_from);
            receiver.queue_until = arrives;
            self.plan(arrives, Happening::Arrive(1 - who, self.lines.len() - 1));
        }
    }

    fn set_the_alarm(&mut self, who: usize) {
        let person = &mut self.people[who];
        let deadline = person.session.next_deadline(&person.account).unix();
        let at = deadline.saturating_mul(1000).saturating_add(person.phase).max(person.there_from);
        if at > self.now && person.wakes_at != Some(at) {
            person.wakes_at = Some(at);
            self.plan(at, Happening::Wake(who));
        }
    }
}

/// What comes in clear, with the tag.
pub(crate) const GREETING: &str = "hello";
