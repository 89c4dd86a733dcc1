//! One person with a client that is sometimes switched off.

use std::collections::BTreeSet;

use otrv4::wire::{Line, classify};
use otrv4::{Account, Context, Event, Mode, Output, PrekeyEnsemble, Protection, Refused, Session, Timestamp};
use otrv4_tests::{Person, START, rng};

use super::server::Server;
use super::{DAY, HOUR, Texts, is_expiry};

/// Somebody's months.
pub(crate) struct Life {
    pub(crate) person: Person,
    pub(crate) online: bool,
    /// When the client is switched on and off, in turn.
    toggles: Vec<Timestamp>,
    next_text: Timestamp,
    /// Lines for them, and when they arrive if they are online.
    inbox: Vec<(Timestamp, String)>,
    pub(crate) said: Texts,
    pub(crate) read: Texts,
    /// Error messages that they sent: one for each text that they could not read.
    pub(crate) unreadable: usize,
    pub(crate) not_sent: usize,
    pub(crate) expiries: usize,
    pub(crate) heartbeats: usize,
    pub(crate) offline_starts: usize,
    pub(crate) handshakes: usize,
    pub(crate) publications: usize,
    pub(crate) refills: usize,
    pub(crate) deadlines: usize,
    /// The saved session at the beginning of each day online.
    snapshots: Vec<(Timestamp, Vec<u8>)>,
    /// What is in it for ever and is no secret: both names, the other's tag and
    /// fingerprint.
    public: Vec<u8>,
}

impl Life {
    pub(crate) fn new(person: Person, days: i64, schedule: &mut Schedule) -> Self {
        let mut toggles = Vec::new();
        for day in 0..days {
            // Twice a day, in the waking hours; some days not at all, and some days of holidays.
            let holidays = (40..46).contains(&day) && person.account.id().starts_with("bob");
            if holidays || schedule.one_in(12) {
                continue;
            }
            for part in 0..2 {
                let on = START.plus(day * DAY + 8 * HOUR + part * 7 * HOUR + schedule.below(3 * HOUR));
                toggles.extend([on, on.plus(HOUR / 2 + schedule.below(3 * HOUR))]);
            }
        }
        toggles.reverse();
        let public = [person.account.id(), person.session.correspondent()].concat().into_bytes();
        Self {
            person,
            online: false,
            toggles,
            next_text: START,
            inbox: Vec::new(),
            said: Texts::new(),
            read: Texts::new(),
            unreadable: 0,
            not_sent: 0,
            expiries: 0,
            heartbeats: 0,
            offline_starts: 0,
            handshakes: 0,
            publications: 0,
            refills: 0,
            deadlines: 0,
            snapshots: Vec::new(),
            public,
        }
    }

    pub(crate) fn id(&self) -> String {
        self.person.account.id().to_owned()
    }

    /// How the conversation began that text goes to now.
    pub(crate) fn mode(&self) -> Option<Mode> {
        let selected = self.person.session.instances().find(|instance| instance.selected);
        match selected.map(|instance| instance.protection) {
            Some(Protection::Encrypted { mode, .. }) => Some(mode),
            _ => None,
        }
    }

    /// Whether nothing is on its way to them.
    pub(crate) fn has_all(&self) -> bool {
        self.inbox.is_empty()
    }

    /// Comes online for the last time, and types nothing any more.
    pub(crate) fn come_online_for_good(&mut self, now: Timestamp) {
        self.toggles = if self.online { Vec::new() } else { vec![now] };
        self.next_text = now.plus(365 * DAY);
    }

    /// When something happens to this person next.
    pub(crate) fn next(&self) -> Option<Timestamp> {
        let toggle = self.toggles.last().copied();
        if !self.online {
            return toggle;
        }
        let arrival = self.inbox.iter().map(|(at, _)| *at).min();
        [toggle, arrival, Some(self.next_text), Some(self.person.deadline())].into_iter().flatten().min()
    }

    /// Switches the client on or off if it is time; whether it did.
    pub(crate) fn toggle(&mut self, now: Timestamp) -> bool {
        let due = self.toggles.last().is_some_and(|at| *at <= now);
        self.person.now = now;
        if due {
            self.toggles.pop();
            self.online = !self.online;
            self.next_text = self.next_text.max(now);
        }
        if due && self.online && self.toggles.len() % 8 == 1 && !self.said.is_empty() {
            // Another process, now and then: what was not saved is gone.
            self.person.restart();
        }
        due
    }

    pub(crate) fn tick(&mut self) {
        self.act(|session, cx| session.tick(cx));
    }

    /// Keeps what the session looks like, once a day.
    pub(crate) fn snapshot(&mut self) {
        if self.snapshots.last().is_none_or(|(at, _)| at.plus(DAY) <= self.person.now) {
            let state = self.person.state();
            assert!(state.len() < 100_000, "{} bytes", state.len());
            self.snapshots.push((self.person.now, state));
        }
    }

    pub(crate) fn start(&mut self) {
        self.act(|session, cx| session.start(cx));
    }

    pub(crate) fn start_offline(&mut self, ensembles: Vec<PrekeyEnsemble>) {
        self.offline_starts += 1;
        self.act(|session, cx| session.start_offline(cx, ensembles).expect("a valid ensemble"));
    }

    pub(crate) fn say(&mut self) {
        let text = format!("text {}", self.said.len());
        let now = self.person.now;
        let mut refused = None;
        self.act(|session, cx| {
            session.send(cx, None, &text).unwrap_or_else(|why| {
                refused = Some(why);
                Vec::new()
            })
        });
        match refused {
            None => _ = self.said.insert(text),
            Some(Refused::Ended) => panic!("a conversation was started just now, at {now:?}"),
            Some(other) => panic!("{other}"),
        }
    }

    pub(crate) fn receive(&mut self, line: &str) {
        self.act(|session, cx| session.receive(cx, line));
    }

    /// Does what is due at a deadline, having checked, of every eighth one, that it is one.
    pub(crate) fn keep_deadline(&mut self, now: Timestamp) {
        let deadline = self.person.deadline();
        assert_eq!(deadline, now, "kept in time");
        self.deadlines += 1;
        if self.deadlines.is_multiple_of(8) {
            self.check_deadline(deadline);
        }
        self.tick();
    }

    fn check_deadline(&mut self, deadline: Timestamp) {
        let (outputs, changed) = tick_a_copy(&self.person, deadline.plus(-1));
        assert!(outputs.is_empty() && !changed, "nothing to do a second before: {outputs:?}");
        let (outputs, changed) = tick_a_copy(&self.person, deadline);
        assert!(!outputs.is_empty() || changed, "something to do at the deadline");
        let silent = outputs.iter().all(|output| !matches!(output, Output::Event(_)));
        let one_line = outputs.iter().filter(|output| matches!(output, Output::Send(_))).count() == 1;
        self.heartbeats += usize::from(silent && one_line && self.mode().is_some());
    }

    /// What has arrived by now, in any order.
    pub(crate) fn arrived(&mut self, now: Timestamp, schedule: &mut Schedule) -> Vec<String> {
        if !self.online {
            return Vec::new();
        }
        let (mut arrived, later): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.inbox).into_iter().partition(|(at, _)| *at <= now);
        self.inbox = later;
        arrived.sort_by_cached_key(|_| schedule.below(i64::MAX));
        arrived.into_iter().map(|(_, line)| line).collect()
    }

    /// Lines for this person: most arrive within seconds, few within hours.
    pub(crate) fn post(&mut self, lines: Vec<String>, now: Timestamp, schedule: &mut Schedule) {
        for line in lines {
            let delay = if schedule.one_in(100) { 5 * HOUR } else { 20 };
            self.inbox.push((now.plus(1 + schedule.below(delay)), line));
        }
    }

    /// Whether they type something now.
    pub(crate) fn wants_to_speak(&mut self, now: Timestamp, schedule: &mut Schedule) -> bool {
        if !self.online || self.next_text > now {
            return false;
        }
        // Several lines in quick succession, then a pause.
        let pause = if schedule.one_in(2) { HOUR } else { 120 };
        self.next_text = now.plus(1 + schedule.below(pause));
        true
    }

    pub(crate) fn look_after_prekeys(&mut self, server: &mut Server) {
        let now = self.person.now;
        let first = server.left(self.person.account.id()).is_none();
        if first || self.person.account.publication_due(now) {
            self.publications += usize::from(first || self.person.account.has_unpublished());
            self.refills += usize::from(server.visit(&mut self.person));
            self.person.act(|_, _| vec![Output::Save]);
        }
        assert!(!self.person.account.publication_due(now), "all was done");
        assert!(self.person.account.client_profile().expires() > now);
        assert!(server.expires(self.person.account.id()).is_some_and(|expires| expires > now));
    }

    /// Of two states that lie further apart than that, the later one has nothing in common with the earlier one but
    /// names and fingerprints: 16 bytes in a row at any place are searched for.
    pub(crate) fn assert_old_keys_are_gone(&self, days: i64) {
        let public: BTreeSet<&[u8]> = self.public.windows(3).collect();
        let mut compared = 0;
        for (n, (then, old)) in self.snapshots.iter().enumerate() {
            let old: BTreeSet<&[u8]> = old.windows(16).filter(|window| is_secret(window, &public)).collect();
            let later = self.snapshots.iter().skip(n).find(|(at, _)| *at >= then.plus(days * DAY));
            let Some((at, new)) = later else { continue };
            for window in new.windows(16) {
                assert!(!old.contains(window), "{window:?} of {then:?} is still there at {at:?}");
            }
            compared += 1;
        }
        assert!(compared > 30);
    }

    /// Does something, and notes what it was told.
    fn act(&mut self, act: impl FnOnce(&mut Session, &mut Context<'_>) -> Vec<Output>) {
        let before = self.person.sent.len();
        self.person.act(act);
        // Whoever cannot read a message that is not to be ignored says so.
        let sent = self.person.sent.iter().skip(before);
        self.unreadable += sent.filter(|line| matches!(classify(line), Line::Error { .. })).count();
        for event in self.person.told() {
            match &event {
                Event::Message { text, .. } => {
                    assert!(self.read.insert(text.clone()), "{text} is read twice")
                }
                Event::NotSent { .. } => self.not_sent += 1,
                Event::Secure { with, fingerprint, .. } => {
                    self.handshakes += 1;
                    let otrv4::ContactKey::V4(key) = fingerprint else { panic!("version 4") };
                    if self.handshakes == 1 {
                        self.public.extend(key.as_bytes());
                        self.public.extend(with.get().to_be_bytes());
                    }
                }
                event => self.expiries += usize::from(is_expiry(event)),
            }
        }
        assert!(self.person.deadline() > self.person.now, "a deadline that has passed was kept");
    }
}

/// What a tick at that time would do, and whether it would change anything.
fn tick_a_copy(person: &Person, now: Timestamp) -> (Vec<Output>, bool) {
    let (account, session) = (person.account.save(), person.session.save());
    let mut account_copy = Account::load(&account).expect("what was saved");
    let mut copy = Session::load(&session, person.policy).expect("what was saved");
    let mut rng = rng();
    let outputs = copy.tick(&mut Context { account: &mut account_copy, rng: &mut rng, now });
    let changed = *copy.save() != *session || *account_copy.save() != *account;
    (outputs, changed)
}

/// Not what everybody may know, and not counters and zeros.
fn is_secret(window: &[u8], public: &BTreeSet<&[u8]>) -> bool {
    let distinct: BTreeSet<&u8> = window.iter().collect();
    distinct.len() > 8 && !window.is_ascii() && !window.windows(3).any(|part| public.contains(part))
}

/// Chance from a seed: a schedule, no secrets.
pub(crate) struct Schedule(u64);

impl Schedule {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed | 1)
    }

    /// A number from 0 to `end` - 1.
    pub(crate) fn below(&mut self, end: i64) -> i64 {
        // xorshift64
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        i64::try_from(self.0 >> 1).expect("63 bits") % end
    }

    pub(crate) fn one_in(&mut self, n: i64) -> bool {
        self.below(n) == 0
    }
}
