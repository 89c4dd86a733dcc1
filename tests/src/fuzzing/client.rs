//! One end of a conversation, with a generator that always draws the same. Used by all targets with conversations.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};

use otrv4::{Account, Context, Event, Output, Policy, Protection, Session, Ssid, Timestamp};
use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;

/// A client and what it did.
pub(super) struct Client {
    pub(super) account: Account,
    pub(super) session: Session,
    pub(super) now: Timestamp,
    pub(super) rng: ChaCha8Rng,
    /// Lines for the network.
    pub(super) sent: Vec<String>,
    pub(super) events: Vec<Event>,
}

/// A client as bytes.
#[derive(Clone)]
pub(super) struct Saved {
    pub(super) account: Vec<u8>,
    pub(super) session: Vec<u8>,
    pub(super) policy: Policy,
    pub(super) now: Timestamp,
}

impl Saved {
    /// The client again, drawing what this seed gives.
    pub(super) fn restore(&self, seed: u64) -> Client {
        let account = ACCOUNTS.with_borrow_mut(|idle| idle.remove(&self.account));
        let session = SESSIONS.with_borrow_mut(|idle| idle.remove(&self.session));
        let mut session = session.unwrap_or_else(|| self.load_session());
        // It is not saved with the session: one that was laid aside may have had another.
        *session.policy() = self.policy;
        Client {
            account: account.unwrap_or_else(|| self.load_account()),
            session,
            now: self.now,
            rng: ChaCha8Rng::seed_from_u64(seed),
            sent: Vec::new(),
            events: Vec::new(),
        }
    }

    fn load_account(&self) -> Account {
        Account::load(&self.account).expect("a saved account")
    }

    fn load_session(&self) -> Session {
        Session::load(&self.session, self.policy).expect("a saved session")
    }
}

impl Client {
    pub(super) fn save(&mut self) -> Saved {
        Saved {
            account: self.account.save().to_vec(),
            session: self.session.save().to_vec(),
            policy: *self.session.policy(),
            now: self.now,
        }
    }

    /// Does something and performs what comes of it. Whether anything had to be saved.
    pub(super) fn act(&mut self, act: impl FnOnce(&mut Session, &mut Context<'_>) -> Vec<Output>) -> bool {
        let mut cx = Context { account: &mut self.account, rng: &mut self.rng, now: self.now };
        let mut saves = false;
        for output in act(&mut self.session, &mut cx) {
            match output {
                Output::Save => saves = true,
                Output::Send(line) => self.sent.push(line),
                Output::Event(event) => self.events.push(event),
            }
        }
        saves
    }

    /// Takes a line from the network, after what is due. Unless something had to be saved, nothing has changed.
    pub(super) fn receive(&mut self, line: &str) {
        self.act(|session, cx| session.tick(cx));
        let before = (self.session.save(), self.account.save());
        let saves = self.act(|session, cx| session.receive(cx, line));
        if !saves {
            let told = self.events.last();
            assert!(
                self.session.save() == before.0,
                "a session changed and is not saved: {told:?} after {line}"
            );
            assert!(
                self.account.save() == before.1,
                "an account changed and is not saved: {told:?} after {line}"
            );
        }
    }

    pub(super) fn say(&mut self, text: &str) {
        self.act(|session, cx| session.send(cx, None, text).unwrap_or_default());
    }

    /// Lays it aside. To read an account or a session costs several powers, and most that is received changes nothing: what is
    /// still as it was saved is used again.
    pub(super) fn retire(mut self, as_saved: &Saved) {
        let Saved { account, session, .. } = self.save();
        let Self { account: read_account, session: read_session, .. } = self;
        if account == as_saved.account {
            ACCOUNTS.with_borrow_mut(|idle| idle.insert(account, read_account));
        }
        if session == as_saved.session {
            SESSIONS.with_borrow_mut(|idle| idle.insert(session, read_session));
        }
    }

    /// Closes the client and opens it again. What is saved is bounded, and read as it was written.
    pub(super) fn restart(&mut self) {
        let saved = self.save();
        assert!(saved.session.len() <= MAX_SESSION, "a session of {} bytes", saved.session.len());
        self.session = saved.load_session();
        assert!(*self.session.save() == saved.session, "a session is saved as it was loaded");
        if ACCOUNTS_READ.with_borrow_mut(|read| read.insert(hash(&saved.account))) {
            self.account = saved.load_account();
            assert!(*self.account.save() == saved.account, "an account is saved as it was loaded");
        }
    }

    /// The conversations that run.
    pub(super) fn channels(&self) -> Vec<Ssid> {
        let running = self.session.instances().filter_map(|instance| match instance.protection {
            Protection::Encrypted { ssid, .. } => Some(ssid),
            Protection::None | Protection::Finished => None,
        });
        running.collect()
    }

    /// The decrypted texts so far, but those that were sent once more because they could not be read: anybody can say so in
    /// version 3.
    pub(super) fn heard(&self) -> impl Iterator<Item = &str> {
        self.events.iter().filter_map(|event| match event {
            Event::Message { text, .. } => Some(text.as_str()).filter(|text| !text.starts_with("[resent] ")),
            _ => None,
        })
    }
}

/// Delivers everything in both directions, in order, until nothing is under way; the two must fall silent.
pub(super) fn deliver(a: &mut Client, b: &mut Client) {
    for _ in 0..50 {
        let (to_b, to_a) = (std::mem::take(&mut a.sent), std::mem::take(&mut b.sent));
        if to_b.is_empty() && to_a.is_empty() {
            return;
        }
        to_b.iter().for_each(|line| b.receive(line));
        to_a.iter().for_each(|line| a.receive(line));
    }
    panic!("the two never stop talking");
}

/// Whether both have one conversation, and the same.
pub(super) fn are_talking(a: &Client, b: &Client) -> bool {
    match (a.channels().as_slice(), b.channels().as_slice()) {
        ([of_a], [of_b]) => of_a.bytes() == of_b.bytes(),
        _ => false,
    }
}

thread_local! {
    /// What was laid aside, by its saved bytes.
    static ACCOUNTS: RefCell<HashMap<Vec<u8>, Account>> = RefCell::default();
    static SESSIONS: RefCell<HashMap<Vec<u8>, Session>> = RefCell::default();
    /// Hashes of saved accounts that were read: one changes seldom, and reading it verifies signatures and finds primes.
    static ACCOUNTS_READ: RefCell<HashSet<u64>> = RefCell::default();
}

/// The same in every process.
pub(super) fn hash(of: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    of.hash(&mut hasher);
    hasher.finish()
}

/// Bytes of a saved session at most: fragments and early messages of 1 MiB each as hostile as they come, keys of skipped
/// messages and MAC keys to reveal in two channels, 16 clients.
const MAX_SESSION: usize = 4 << 20;
