//! Whole conversations of two clients, in which one kind of secret is followed at a time. What they send becomes public
//! when it is sent. The exponents of Diffie-Hellman are not among them: the length of the result is cut, on purpose
//! (spec-notes/SN-012), and all that is computed from it would be reported.

use otrv4::keys::ForgingSecret;
use otrv4::wire::{Reader, Versions, Writer};
use otrv4::{Account, Context, Event, Lifetimes, Output, Policy, PrekeyEnsemble, Session, Timestamp};

use crate::primitives::dsa_key;
use crate::secret::Secret::{All, Nothing, Only};
use crate::secret::{Secret, SecretRng, hide_text, published, published_line};

/// DAKEZ, with long-term and forging keys that are secret.
pub fn long_term_keys() {
    let (mut alice, mut bob) = people(Policy::default(), All, Nothing);
    alice.act(|session, cx| session.start(cx));
    talk(&mut alice, &mut bob);
}

/// XZDH, with long-term keys, forging keys and shared prekeys that are secret.
pub fn long_term_keys_offline() {
    let (mut alice, mut bob) = people(Policy::default(), All, Nothing);
    start_offline(&mut alice, &mut bob, All);
    talk(&mut alice, &mut bob);
}

/// DAKEZ and the ratchet, with ECDH keys and nonces of signatures that are secret; and so everything that is derived from
/// them, down to the keys of messages and MACs.
pub fn ephemeral_keys() {
    let (mut alice, mut bob) = people(Policy::default(), Nothing, Only(57));
    alice.act(|session, cx| session.start(cx));
    talk(&mut alice, &mut bob);
}

/// XZDH in the same way.
pub fn ephemeral_keys_offline() {
    let (mut alice, mut bob) = people(Policy::default(), Nothing, Only(57));
    start_offline(&mut alice, &mut bob, Only(57));
    talk(&mut alice, &mut bob);
}

/// SMP with secrets that are the same.
pub fn smp() {
    let (mut alice, mut bob) = people(Policy::default(), Nothing, Nothing);
    alice.act(|session, cx| session.start(cx));
    talk(&mut alice, &mut bob);
    ask(&mut alice, &mut bob);
}

/// The AKE of version 3, with DSA keys that are secret.
pub fn long_term_keys_v3() {
    let policy = Policy { versions: Versions::V3, ..Policy::default() };
    let (mut alice, mut bob) = people(policy, Nothing, Nothing);
    for person in [&mut alice, &mut bob] {
        person.account.set_v3_key(Some(dsa_key()), &mut SecretRng::new(Nothing), NOW);
    }
    alice.act(|session, cx| session.start(cx));
    talk(&mut alice, &mut bob);
}

/// Messages over several turns of the ratchet, three of them with a new DH key.
fn talk(alice: &mut Person, bob: &mut Person) {
    deliver(alice, bob);
    for _ in 0..4 {
        alice.act(|session, cx| session.send(cx, None, "text").expect("may be sent"));
        alice.act(|session, cx| session.send(cx, None, "and another").expect("may be sent"));
        deliver(alice, bob);
        bob.act(|session, cx| session.send(cx, None, "answer").expect("may be sent"));
        deliver(bob, alice);
    }
    assert_eq!((alice.read, bob.read), (4, 8));
}

/// Alice asks, and Bob answers right.
fn ask(alice: &mut Person, bob: &mut Person) {
    let (asked, answered, from) = (secret_text(), secret_text(), alice.account.tag());
    alice.act(|session, cx| session.smp_start(cx, None, "Where?", &asked).expect("may be asked"));
    deliver(alice, bob);
    bob.act(|session, cx| session.smp_answer(cx, from, "Where?", &answered).expect("was asked"));
    deliver(bob, alice);
    assert!(alice.verified, "the secrets are the same");
}

/// What a user types; only its length is public.
fn secret_text() -> String {
    let mut text = String::from("there");
    hide_text(&mut text);
    text
}

fn start_offline(alice: &mut Person, bob: &mut Person, secret: Secret) {
    let prekeys = bob.account.make_prekeys(1, &mut SecretRng::new(secret), NOW).expect("few");
    let ensembles = prekeys.iter().map(by_way_of_a_server).collect();
    alice.act(|session, cx| session.start_offline(cx, ensembles).expect("a valid ensemble"));
}

fn by_way_of_a_server(ensemble: &PrekeyEnsemble) -> PrekeyEnsemble {
    let mut w = Writer::new();
    ensemble.write(&mut w);
    PrekeyEnsemble::read(&mut Reader::new(&published(w.finish()))).expect("what was written")
}

/// Two people, what is secret when their accounts are made, and what while they talk.
fn people(policy: Policy, in_accounts: Secret, in_sessions: Secret) -> (Person, Person) {
    let person = |id, correspondent| {
        let rng = &mut SecretRng::new(in_accounts);
        let account = Account::new(id, ForgingSecret::Keep, Lifetimes::default(), rng, NOW);
        let session = Session::new(correspondent, policy);
        Person { account, session, secret: in_sessions, sent: Vec::new(), read: 0, verified: false }
    };
    (person("alice@example.org", "bob@example.org"), person("bob@example.org", "alice@example.org"))
}

struct Person {
    account: Account,
    session: Session,
    secret: Secret,
    sent: Vec<String>,
    read: usize,
    verified: bool,
}

impl Person {
    fn act(&mut self, act: impl FnOnce(&mut Session, &mut Context<'_>) -> Vec<Output>) {
        let mut rng = SecretRng::new(self.secret);
        let mut cx = Context { account: &mut self.account, rng: &mut rng, now: NOW };
        for output in act(&mut self.session, &mut cx) {
            match output {
                Output::Save => drop((self.account.save(), self.session.save())),
                Output::Send(line) => self.sent.push(published_line(line)),
                Output::Event(Event::Message { .. }) => self.read += 1,
                Output::Event(Event::SmpSucceeded { .. }) => self.verified = true,
                Output::Event(_) => {}
            }
        }
    }
}

fn deliver(a: &mut Person, b: &mut Person) {
    while !(a.sent.is_empty() && b.sent.is_empty()) {
        for line in std::mem::take(&mut a.sent) {
            b.act(|session, cx| session.receive(cx, &line));
        }
        for line in std::mem::take(&mut b.sent) {
            a.act(|session, cx| session.receive(cx, &line));
        }
    }
}

const NOW: Timestamp = Timestamp::from_unix(1_800_000_000);
