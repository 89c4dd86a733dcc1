//! Three months in the life of a conversation: people come and go, the network delays and shuffles, keys expire, profiles
//! are renewed, a prekey server is drained and filled again. By a virtual clock; the schedule comes from a seed, which
//! a failure prints. Spec: otrv4.md "Session Expiration", "Client Profile Expiration and Renewal", "Publishing Prekey
//! Ensembles", "Deletion of Stored Message Keys".

mod life;
mod server;

use std::collections::BTreeSet;

use life::{Life, Schedule};
use otrv4::Event;
use otrv4::session::EndedBy;
use otrv4_tests::{Person, START};
use server::Server;

const HOUR: i64 = 60 * 60;
const DAY: i64 = 24 * HOUR;
const DAYS: i64 = 91;

/// The longest that a key may live: an offline conversation to which nobody answers, and the day until the next look.
const LONGEST_LIFE: i64 = 15;

#[test]
fn three_months_of_a_conversation() {
    let seed = 20_261_124;
    println!("seed {seed}");
    let mut world = World::new(seed);
    world.run();
    let [alice, bob] = &world.people;
    println!("{}", world.summary());

    // Every message was read once, or somebody was told.
    for (from, to) in [(alice, bob), (bob, alice)] {
        let unread = from.said.difference(&to.read).count();
        assert_eq!(unread, from.not_sent + to.unreadable, "unread, and reported");
        assert!(to.read.is_subset(&from.said));
        assert!(to.read.len() * 100 > from.said.len() * 95, "few were lost");
    }
    // All that should happen did, and more than once.
    for life in &world.people {
        assert!(life.said.len() > 300, "{}", life.said.len());
        for (what, times) in [
            ("expiries", life.expiries),
            ("heartbeats", life.heartbeats),
            ("offline starts", life.offline_starts),
            ("handshakes", life.handshakes),
            ("publications", life.publications),
            ("refills", life.refills),
        ] {
            assert!(times >= 3, "{what}: {times}");
        }
        assert!(life.publications >= 12, "a profile a week");
    }
    for life in &world.people {
        life.assert_old_keys_are_gone(LONGEST_LIFE);
    }
}

/// Two people, what is on its way between them, and the server.
struct World {
    people: [Life; 2],
    server: Server,
    schedule: Schedule,
    now: otrv4::Timestamp,
}

impl World {
    fn new(seed: u64) -> Self {
        let mut schedule = Schedule::new(seed);
        let people = ["alice", "bob"].map(|name| {
            let other = if name == "alice" { "bob@example.org" } else { "alice@example.org" };
            Life::new(Person::new(&format!("{name}@example.org"), other), DAYS, &mut schedule)
        });
        Self { people, server: Server::new(), schedule, now: START }
    }

    fn run(&mut self) {
        self.run_until(START.plus(DAYS * DAY));
        // At the end both are there until everything has arrived.
        let end = self.now;
        self.people.iter_mut().for_each(|life| life.come_online_for_good(end));
        self.run_until(end.plus(12 * HOUR));
        assert!(self.people.iter().all(Life::has_all));
    }

    fn run_until(&mut self, end: otrv4::Timestamp) {
        while let Some(now) = self.next().filter(|next| *next < end) {
            assert!(now >= self.now, "time goes on");
            self.now = now;
            for who in [0, 1] {
                self.come_and_go(who);
                self.keep_deadlines(who);
                self.deliver(who);
                self.speak(who);
                self.look_after_prekeys(who);
            }
        }
    }

    /// When something happens next: the clock jumps there.
    fn next(&self) -> Option<otrv4::Timestamp> {
        self.people.iter().filter_map(Life::next).min()
    }

    fn come_and_go(&mut self, who: usize) {
        let Some(life) = self.people.get_mut(who) else { return };
        if life.toggle(self.now) && life.online {
            // The application starts: what is due is done first, then what waited is read.
            life.tick();
            life.snapshot();
            let (online, mode) = (self.people[1 - who].online, self.people[who].mode());
            if online && mode == Some(otrv4::Mode::Offline) {
                self.people[who].start();
            }
        }
        self.hand_over(who);
    }

    /// `next_deadline` is never in the past, there is nothing to do before it, and something when it comes.
    fn keep_deadlines(&mut self, who: usize) {
        let life = &mut self.people[who];
        if life.online && life.person.deadline() <= self.now {
            life.keep_deadline(self.now);
        }
        self.hand_over(who);
    }

    fn deliver(&mut self, who: usize) {
        let lines = self.people[who].arrived(self.now, &mut self.schedule);
        for line in lines {
            self.people[who].receive(&line);
            self.hand_over(who);
        }
    }

    fn speak(&mut self, who: usize) {
        let other_online = self.people[1 - who].online;
        if !self.people[who].wants_to_speak(self.now, &mut self.schedule) {
            return;
        }
        let talking_to_nobody = !other_online && self.people[who].mode() != Some(otrv4::Mode::Offline);
        if talking_to_nobody {
            let (from, of) = (self.people[who].person.account.tag(), self.people[1 - who].id());
            match self.server.take(from, &of) {
                ensembles if ensembles.is_empty() => return,
                ensembles => self.people[who].start_offline(ensembles),
            }
        } else if self.people[who].mode().is_none() {
            self.people[who].start();
        }
        self.people[who].say();
        self.hand_over(who);
    }

    fn look_after_prekeys(&mut self, who: usize) {
        let life = &mut self.people[who];
        if life.online {
            life.look_after_prekeys(&mut self.server);
            // Strangers take some, too.
            if self.schedule.one_in(40) {
                self.server.take(self.people[1 - who].person.account.tag(), &self.people[who].id());
            }
        }
    }

    /// Puts what somebody sent on its way to the other.
    fn hand_over(&mut self, who: usize) {
        let lines = self.people[who].person.take();
        self.people[1 - who].post(lines, self.now, &mut self.schedule);
    }

    fn summary(&self) -> String {
        let of = |life: &Life| {
            format!(
                "said {}, read {}, unreadable {}, not sent {}, expiries {}, heartbeats {}, offline starts {}, \
                 handshakes {}, publications {}, refills {}, deadlines {}",
                life.said.len(),
                life.read.len(),
                life.unreadable,
                life.not_sent,
                life.expiries,
                life.heartbeats,
                life.offline_starts,
                life.handshakes,
                life.publications,
                life.refills,
                life.deadlines
            )
        };
        let [alice, bob] = &self.people;
        format!("Alice: {}\nBob: {}", of(alice), of(bob))
    }
}

/// Texts by their number.
type Texts = BTreeSet<String>;

/// Whether an event says that the clock has ended a conversation.
fn is_expiry(event: &Event) -> bool {
    matches!(event, Event::Ended { by: EndedBy::Expiry, .. })
}
