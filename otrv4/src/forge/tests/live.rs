//! Two honest programs, one of which may be an impersonator's, and the network between them.

use std::collections::VecDeque;

use super::NOW;
use crate::forge::{Line, Script, Who};
use crate::vectors::rng;
use crate::{Account, Context, Event, Output, Policy, Reject, Session, Timestamp};

/// An honest program, or one of an impersonator.
pub(super) struct Client {
    pub(super) account: Account,
    pub(super) session: Session,
    pub(super) inbox: VecDeque<String>,
    pub(super) events: Vec<Event>,
}

impl Client {
    pub(super) fn new(account: Account, with: &str) -> Self {
        let session = Session::new(with, Policy::default());
        Self { account, session, inbox: VecDeque::new(), events: Vec::new() }
    }

    pub(super) fn heard(&self) -> Vec<&str> {
        let texts = self.events.iter().filter_map(|event| match event {
            Event::Message { text, .. } => Some(text.as_str()),
            _ => None,
        });
        texts.collect()
    }

    pub(super) fn fingerprint_at_the_other_end(&self) -> Option<crate::ContactKey> {
        self.events.iter().find_map(|event| match event {
            Event::Secure { fingerprint, .. } => Some(*fingerprint),
            _ => None,
        })
    }

    pub(super) fn rejected(&self) -> Option<Reject> {
        self.events.iter().find_map(|event| match event {
            Event::Rejected { reason, .. } => Some(*reason),
            _ => None,
        })
    }
}

/// Two programs and the network; with the clock of [`Script`].
pub(super) struct Live {
    pub(super) clients: [Client; 2],
    pub(super) now: Timestamp,
    pub(super) away: Option<(usize, Timestamp)>,
    pub(super) lines: Vec<Line>,
}

impl Live {
    pub(super) fn new(participant: Account, other: Account) -> Self {
        let ids = [participant.id().to_owned(), other.id().to_owned()];
        let clients = [Client::new(participant, &ids[1]), Client::new(other, &ids[0])];
        Self { clients, now: NOW, away: None, lines: Vec::new() }
    }

    pub(super) fn step(
        &mut self,
        who: usize,
        ask: impl FnOnce(&mut Session, &mut Context<'_>) -> Vec<Output>,
    ) {
        let (client, mut rng) = (&mut self.clients[who], rng());
        let mut cx = Context { account: &mut client.account, rng: &mut rng, now: self.now };
        for output in ask(&mut client.session, &mut cx) {
            match output {
                Output::Save => {}
                Output::Event(event) => self.clients[who].events.push(event),
                Output::Send(line) => {
                    let sender = [Who::Participant, Who::Other][who];
                    let (at, received) = (self.now, None);
                    self.lines.push(Line { sender, at, received, line: line.clone(), chain_key: None });
                    self.clients[1 - who].inbox.push_back(line);
                }
            }
        }
    }

    pub(super) fn deliver(&mut self) {
        let here = |live: &Self, who| live.away.is_none_or(|(away, _)| away != who);
        while let Some(who) =
            [0, 1].into_iter().find(|w| here(self, *w) && !self.clients[*w].inbox.is_empty())
        {
            let line = self.clients[who].inbox.pop_front().expect("there is one");
            self.step(who, |session, cx| session.receive(cx, &line));
        }
    }

    pub(super) fn wait_until(&mut self, then: Timestamp) {
        loop {
            let away = self.away;
            let here: Vec<usize> =
                [0, 1].into_iter().filter(|who| away.is_none_or(|(w, _)| w != *who)).collect();
            let deadlines = here.iter().map(|who| {
                let client = &self.clients[*who];
                client.session.next_deadline(&client.account)
            });
            let next = deadlines.chain(away.map(|(_, back)| back)).filter(|at| *at > self.now).min();
            let Some(next) = next.filter(|next| *next <= then) else { break };
            self.now = next;
            self.away = away.filter(|(_, back)| *back > next);
            for who in [0, 1] {
                if self.away.is_none_or(|(away, _)| away != who) {
                    self.step(who, |session, cx| session.tick(cx));
                }
            }
            self.deliver();
        }
        self.now = self.now.max(then);
    }

    pub(super) fn play(&mut self, script: &Script<'_>) {
        for said in script.said {
            self.wait_until(said.at);
            let who = usize::from(said.by == Who::Other);
            self.step(who, |session, cx| session.send(cx, None, said.text).expect("it can be sent"));
            self.deliver();
        }
        if let Some((who, at)) = script.end {
            self.wait_until(at);
            self.step(usize::from(who == Who::Other), |session, cx| session.end(cx));
            self.deliver();
        }
    }
}
