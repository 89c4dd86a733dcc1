//! People and a network for tests of whole conversations. Everything is a value: a test decides what arrives, when,
//! and in which order.

pub mod fuzzing;
pub mod hostile;
pub mod judge;

use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use otrv4::keys::{DsaKey, ForgingSecret};
use otrv4::wire::{InstanceTag, Version};
use otrv4::{
    Account, ContactKey, Context, Event, Fingerprint, Lifetimes, Output, Policy, PrekeyEnsemble, Protection,
    Refused, Session, Ssid, Timestamp,
};

/// When tests begin.
pub const START: Timestamp = Timestamp::from_unix(1_800_000_000);

/// A generator for tests: the system's.
#[allow(clippy::disallowed_types, reason = "tests have no caller who brings randomness")]
pub fn rng() -> impl rand_core::CryptoRng {
    rand_core::UnwrapErr(getrandom::SysRng)
}

/// One client of one person, and what came of what it did.
pub struct Person {
    /// Its account.
    pub account: Account,
    /// Its session with the correspondent.
    pub session: Session,
    /// Its clock.
    pub now: Timestamp,
    /// Lines that it put on the network and nobody has taken yet.
    pub sent: Vec<String>,
    /// What it was told.
    pub events: Vec<Event>,
    /// What its user wants, also after a restart.
    pub policy: Policy,
    /// What was saved last: account and session.
    saved: Option<(Vec<u8>, Vec<u8>)>,
}

impl Person {
    /// A client of `id` that talks to `correspondent`.
    pub fn new(id: &str, correspondent: &str) -> Self {
        let account = Account::new(id, ForgingSecret::Destroy, Lifetimes::default(), &mut rng(), START);
        Self {
            account,
            session: Session::new(correspondent, Policy::default()),
            now: START,
            sent: Vec::new(),
            events: Vec::new(),
            policy: Policy::default(),
            saved: None,
        }
    }

    /// The same client with another policy.
    #[must_use]
    pub fn with(mut self, policy: Policy) -> Self {
        self.policy = policy;
        *self.session.policy() = policy;
        self
    }

    /// The same client with a key of version 3. It is a different one each time, of a few, and never one that the other
    /// correspondent gets.
    #[must_use]
    pub fn with_v3(mut self) -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let which = 2 * NEXT.fetch_add(1, Ordering::Relaxed);
        let key = dsa_key(which + usize::from(self.account.id().starts_with("alice")));
        self.account.set_v3_key(Some(key), &mut rng(), self.now);
        self
    }

    /// The same client with a key of version 3 that none of these has.
    #[must_use]
    pub fn with_v3_unlike(mut self, others: &[&Self]) -> Self {
        let used: Vec<ContactKey> = others.iter().map(|other| other.v3_fingerprint()).collect();
        let key = (0..KEYS).map(dsa_key).find(|key| !used.contains(&key.fingerprint().into()));
        self.account.set_v3_key(Some(key.expect("more keys than people")), &mut rng(), self.now);
        self
    }

    /// Does something and performs the outputs in order, as an application does.
    pub fn act(&mut self, act: impl FnOnce(&mut Session, &mut Context<'_>) -> Vec<Output>) -> &mut Self {
        let mut rng = rng();
        let mut cx = Context { account: &mut self.account, rng: &mut rng, now: self.now };
        for output in act(&mut self.session, &mut cx) {
            match output {
                Output::Save => {
                    self.saved = Some((self.account.save().to_vec(), self.session.save().to_vec()))
                }
                Output::Send(line) => self.sent.push(line),
                Output::Event(event) => self.events.push(event),
            }
        }
        self
    }

    /// Takes a line from the network.
    pub fn receive(&mut self, line: &str) -> &mut Self {
        self.act(|session, cx| session.receive(cx, line))
    }

    /// Says something; it must be allowed.
    pub fn say(&mut self, text: &str) -> &mut Self {
        self.act(|session, cx| session.send(cx, None, text).expect("may be sent"))
    }

    /// Says something; gives the only line that it takes.
    pub fn line(&mut self, text: &str) -> String {
        assert!(self.sent.is_empty(), "nothing else is under way");
        self.say(text);
        assert_eq!(self.sent.len(), 1, "one line");
        self.sent.remove(0)
    }

    /// Why something may not be said.
    pub fn refused(&mut self, text: &str) -> Refused {
        let mut rng = rng();
        let mut cx = Context { account: &mut self.account, rng: &mut rng, now: self.now };
        self.session.send(&mut cx, None, text).expect_err("is refused")
    }

    /// Why something may not be done; nothing has changed.
    pub fn refuses(
        &mut self,
        act: impl FnOnce(&mut Session, &mut Context<'_>) -> Result<Vec<Output>, Refused>,
    ) -> Refused {
        let (before, mut rng) = (self.state(), rng());
        let mut cx = Context { account: &mut self.account, rng: &mut rng, now: self.now };
        let refused = act(&mut self.session, &mut cx).expect_err("is refused");
        assert_eq!(self.state(), before, "a refusal changes nothing");
        refused
    }

    /// Takes the lines that were sent.
    pub fn take(&mut self) -> Vec<String> {
        std::mem::take(&mut self.sent)
    }

    /// The texts of decrypted messages so far, which are taken.
    pub fn heard(&mut self) -> Vec<String> {
        let texts = self.events.iter().filter_map(|event| match event {
            Event::Message { text, .. } => Some(text.clone()),
            _ => None,
        });
        let texts = texts.collect();
        self.events.clear();
        texts
    }

    /// Everything that was told and is not a decrypted message, taken.
    pub fn told(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.events)
    }

    /// Ends the process and starts it again from what was saved last.
    pub fn restart(&mut self) {
        let (account, session) = self.saved.as_ref().expect("something was saved");
        self.account = Account::load(account).expect("what was saved");
        self.session = Session::load(session, self.policy).expect("what was saved");
    }

    /// Lets time pass.
    pub fn wait(&mut self, seconds: i64) -> &mut Self {
        self.now = self.now.plus(seconds);
        self.act(|session, cx| session.tick(cx))
    }

    /// Makes prekeys and gives one ensemble each; they are saved.
    pub fn prekeys(&mut self, count: usize) -> Vec<PrekeyEnsemble> {
        let ensembles = self.account.make_prekeys(count, &mut rng(), self.now).expect("few");
        self.act(|_, _| vec![Output::Save]);
        ensembles
    }

    /// Starts a conversation with somebody who is away.
    pub fn start_offline(&mut self, ensembles: Vec<PrekeyEnsemble>) -> &mut Self {
        self.act(|session, cx| session.start_offline(cx, ensembles).expect("a valid ensemble"))
    }

    /// The running conversations: with whom, whose keys, and which.
    pub fn secure(&self) -> Vec<(InstanceTag, Fingerprint, Ssid)> {
        let secure = self.session.instances().filter_map(|instance| match instance.protection {
            Protection::Encrypted { fingerprint: ContactKey::V4(fingerprint), ssid, .. } => {
                Some((instance.tag, fingerprint, ssid))
            }
            Protection::Encrypted { .. } | Protection::None | Protection::Finished => None,
        });
        secure.collect()
    }

    /// The running conversations of all versions: with whom, in which version, whose keys, and which.
    pub fn channels(&self) -> Vec<(InstanceTag, Version, ContactKey, Ssid)> {
        let secure = self.session.instances().filter_map(|instance| match instance.protection {
            Protection::Encrypted { version, fingerprint, ssid, .. } => {
                Some((instance.tag, version, fingerprint, ssid))
            }
            Protection::None | Protection::Finished => None,
        });
        secure.collect()
    }

    /// The fingerprint of its key of version 3.
    pub fn v3_fingerprint(&self) -> ContactKey {
        ContactKey::V3(self.account.v3_key().expect("a key of version 3").fingerprint())
    }

    /// When `tick` has something to do.
    pub fn deadline(&self) -> Timestamp {
        self.session.next_deadline(&self.account)
    }

    /// What must not change when something is refused: the saved session.
    pub fn state(&self) -> Vec<u8> {
        self.session.save().to_vec()
    }
}

/// One of a few keys of version 3. Finding the primes of one takes a while, so each is made once.
pub fn dsa_key(which: usize) -> DsaKey {
    static MADE: [OnceLock<DsaKey>; KEYS] = [const { OnceLock::new() }; KEYS];
    let key = MADE[which % KEYS].get_or_init(|| DsaKey::generate(&mut rng()));
    let parts = key.parts();
    DsaKey::from_parts(&parts.p, &parts.q, &parts.g, &parts.y, &parts.x).expect("the parts of a key")
}

/// So many.
const KEYS: usize = 4;

/// Alice and Bob, one client each.
pub fn alice_and_bob() -> (Person, Person) {
    (Person::new("alice@example.org", "bob@example.org"), Person::new("bob@example.org", "alice@example.org"))
}

/// Delivers everything in both directions, in order, until nothing is under way.
pub fn deliver(a: &mut Person, b: &mut Person) {
    for _ in 0..100 {
        let (to_b, to_a) = (a.take(), b.take());
        if to_b.is_empty() && to_a.is_empty() {
            return;
        }
        to_b.iter().for_each(|line| _ = b.receive(line));
        to_a.iter().for_each(|line| _ = a.receive(line));
    }
    panic!("the two never stop talking");
}

/// Alice and Bob with a running conversation, events cleared.
pub fn talking() -> (Person, Person) {
    let (mut alice, mut bob) = alice_and_bob();
    alice.act(|session, cx| session.start(cx));
    deliver(&mut alice, &mut bob);
    assert_same_conversation(&alice, &bob);
    alice.told();
    bob.told();
    (alice, bob)
}

/// Alice and Bob, one client each, with keys of version 3 and a policy for both.
pub fn alice_and_bob_with_v3(policy: Policy) -> (Person, Person) {
    let (alice, bob) = alice_and_bob();
    (alice.with_v3().with(policy), bob.with_v3().with(policy))
}

/// Both with a running conversation in the newest version that the policy allows, events cleared.
pub fn talking_with(policy: Policy) -> (Person, Person) {
    let (mut alice, mut bob) = alice_and_bob_with_v3(policy);
    alice.act(|session, cx| session.start(cx));
    deliver(&mut alice, &mut bob);
    assert_eq!((alice.channels().len(), bob.channels().len()), (1, 1), "one conversation each");
    let (of_alice, of_bob) = (alice.channels()[0], bob.channels()[0]);
    assert_eq!(of_alice.1, of_bob.1);
    assert_eq!(of_alice.3.bytes(), of_bob.3.bytes());
    alice.told();
    bob.told();
    (alice, bob)
}

/// Both have one conversation, the same one, and know each other's keys.
pub fn assert_same_conversation(a: &Person, b: &Person) {
    let (of_a, of_b) = (a.secure(), b.secure());
    assert_eq!((of_a.len(), of_b.len()), (1, 1), "one conversation each");
    let ((with_b, keys_of_b, ssid_a), (with_a, keys_of_a, ssid_b)) = (of_a[0], of_b[0]);
    assert_eq!((with_a, with_b), (a.account.tag(), b.account.tag()));
    assert_eq!((keys_of_a, keys_of_b), (a.account.fingerprint(), b.account.fingerprint()));
    assert_eq!(ssid_a.bytes(), ssid_b.bytes());
    assert_ne!(ssid_a.ours_is_first(), ssid_b.ours_is_first());
}
