//! A process whose memory is searched by `tests/wiping.rs`: it holds a conversation, tells its parent every secret that it
//! comes across, and stops where it is asked to. It keeps nothing of what it tells: the bytes go into a pipe from where the
//! library has them.
//!
//! On standard output: records of a letter, four bytes of length, big-endian, and bytes (see [`Told`]). After a stop it
//! goes on when a byte comes in.

use std::convert::Infallible;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::AsFd;

use otrv4::keys::{DsaKey, ForgingSecret};
use otrv4::wire::{Versions, Writer};
use otrv4::{
    Account, Context, Event, Lifetimes, Output, Policy, PrekeyEnsemble, Protection, Session, Timestamp,
};
use rand_core::{Rng, TryCryptoRng, TryRng};

fn main() {
    let kind = std::env::args().nth(1).expect("how to begin: dakez, xzdh, or v3");
    let (mut alice, mut bob) = people(&kind);
    match kind.as_str() {
        "xzdh" => {
            let ensembles =
                bob.account.make_prekeys(1, &mut Recorded(Told::AccountSecret), NOW).expect("few");
            ensembles.iter().for_each(tell_ensemble);
            bob.account_saved();
            alice.act(|session, cx| session.start_offline(cx, ensembles).expect("a valid ensemble"));
        }
        _ => alice.act(|session, cx| session.start(cx)),
    }
    deliver(&mut alice, &mut bob);
    talk(&mut alice, &mut bob);
    smp(&mut alice, &mut bob);
    stop("talking");
    alice.act(|session, cx| session.end(cx));
    deliver(&mut alice, &mut bob);
    bob.act(|session, cx| session.end(cx));
    // What the end may leave for late messages is kept for ten minutes.
    for person in [&mut alice, &mut bob] {
        person.now = person.now.plus(3600);
        person.act(|session, cx| session.tick(cx));
    }
    stop("ended");
    drop((alice, bob));
    stop("dropped");
}

/// Several turns; in each, a message is held back and comes late, so that its keys are stored meanwhile.
fn talk(alice: &mut Person, bob: &mut Person) {
    for _ in 0..4 {
        alice.act(|session, cx| session.send(cx, None, "early").expect("may be sent"));
        let held_back = alice.sent.pop();
        alice.act(|session, cx| session.send(cx, None, "late").expect("may be sent"));
        deliver(alice, bob);
        if alice.out_of_order {
            alice.sent.extend(held_back);
        }
        bob.act(|session, cx| session.send(cx, None, "answer").expect("may be sent"));
        deliver(bob, alice);
    }
}

/// One run that succeeds, and one that nobody answers.
fn smp(alice: &mut Person, bob: &mut Person) {
    let typed = typed_secret();
    let from = alice.account.tag();
    alice.act(|session, cx| session.smp_start(cx, None, "", &typed).expect("may be asked"));
    // From here on elements are kept that both sides see; nobody promises to wipe those.
    (alice.saves_told, bob.saves_told) = (false, false);
    deliver(alice, bob);
    bob.act(|session, cx| session.smp_answer(cx, from, "", &typed).expect("was asked"));
    deliver(bob, alice);
    assert!(alice.verified, "the secrets are the same");
    alice.saves_told = true;
    alice.act(|session, cx| session.smp_start(cx, None, "", &typed).expect("may be asked"));
    (alice.saves_told, bob.saves_told) = (false, false);
    deliver(alice, bob);
}

/// What a user types.
fn typed_secret() -> zeroize::Zeroizing<String> {
    // In a script of its own, so that it looks like no other text.
    let mut text = zeroize::Zeroizing::new(String::with_capacity(80));
    (0..40).for_each(|_| text.push(char::from_u32(0x400 + rng().next_u32() % 256).expect("Cyrillic")));
    tell(Told::ConversationSecret, text.as_bytes());
    text
}

struct Person {
    account: Account,
    session: Session,
    now: Timestamp,
    sent: Vec<String>,
    verified: bool,
    out_of_order: bool,
    /// Whether what the session saves is told, once it is encrypted.
    saves_told: bool,
}

fn people(kind: &str) -> (Person, Person) {
    let v3 = kind == "v3";
    let person = |id, correspondent| {
        let mut secret = Recorded(Told::AccountSecret);
        let mut account = Account::new(id, ForgingSecret::Keep, Lifetimes::default(), &mut secret, NOW);
        let mut policy = Policy::default();
        tell(Told::Public, account.client_profile().as_bytes());
        if v3 {
            policy.versions = Versions::V3;
            let key = DsaKey::generate(&mut rng());
            let parts = key.parts();
            [&parts.p, &parts.q, &parts.g, &parts.y]
                .into_iter()
                .for_each(|number| tell(Told::Public, number));
            tell(Told::AccountSecret, &parts.x);
            tell(Told::Public, key.fingerprint().as_bytes());
            account.set_v3_key(Some(key), &mut secret, NOW);
        }
        tell(Told::Public, account.client_profile().as_bytes());
        tell(Told::Public, account.fingerprint().as_bytes());
        let session = Session::new(correspondent, policy);
        let person = Person {
            account,
            session,
            now: NOW,
            sent: vec![],
            verified: false,
            out_of_order: !v3,
            saves_told: true,
        };
        person.account_saved();
        person
    };
    (person("alice@example.org", "bob@example.org"), person("bob@example.org", "alice@example.org"))
}

impl Person {
    fn act(&mut self, act: impl FnOnce(&mut Session, &mut Context<'_>) -> Vec<Output>) {
        let mut secret = Recorded(Told::ConversationSecret);
        let mut cx = Context { account: &mut self.account, rng: &mut secret, now: self.now };
        for output in act(&mut self.session, &mut cx) {
            match output {
                Output::Save if self.saves_told && self.is_encrypted() => {
                    tell(Told::ConversationSecret, &self.session.save());
                }
                Output::Save => drop(self.session.save()),
                Output::Send(line) => {
                    tell(Told::Line, line.as_bytes());
                    self.sent.push(line);
                }
                Output::Event(Event::SmpSucceeded { .. }) => self.verified = true,
                Output::Event(_) => {}
            }
        }
    }

    /// While a handshake runs, hashes of what is public are among what is saved, and nobody promises to wipe those.
    fn is_encrypted(&self) -> bool {
        self.session.instances().any(|instance| matches!(instance.protection, Protection::Encrypted { .. }))
    }

    fn account_saved(&self) {
        tell(Told::AccountSecret, &self.account.save());
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

fn tell_ensemble(ensemble: &PrekeyEnsemble) {
    let mut w = Writer::new();
    ensemble.write(&mut w);
    tell(Told::Public, w.as_slice());
}

/// What the parent is told.
#[derive(Clone, Copy)]
enum Told {
    /// Of the account: may be there until it is dropped.
    AccountSecret,
    /// Of a conversation: may be there until it ends.
    ConversationSecret,
    /// May stay.
    Public,
    /// A line on the network: may stay.
    Line,
    /// It is time to search; the name of the place.
    Stop,
}

fn tell(what: Told, bytes: &[u8]) {
    let letter = match what {
        Told::AccountSecret => b'A',
        Told::ConversationSecret => b'C',
        Told::Public => b'P',
        Told::Line => b'L',
        Told::Stop => b'S',
    };
    // Not `stdout`, whose buffer would keep a copy.
    let mut pipe = File::from(io::stdout().as_fd().try_clone_to_owned().expect("a pipe"));
    let length = u32::try_from(bytes.len()).expect("short").to_be_bytes();
    pipe.write_all(&[letter]).and_then(|()| pipe.write_all(&length)).expect("a parent");
    pipe.write_all(bytes).expect("a parent");
}

fn stop(place: &str) {
    tell(Told::Stop, place.as_bytes());
    io::stdin().read_exact(&mut [0]).expect("a parent");
}

/// The system's randomness; every draw that may be a key is told.
struct Recorded(Told);

impl TryRng for Recorded {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(rng().next_u32())
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(rng().next_u64())
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Infallible> {
        rng().fill_bytes(out);
        if out.len() >= 16 {
            tell(self.0, out);
        }
        Ok(())
    }
}

impl TryCryptoRng for Recorded {}

fn rng() -> impl rand_core::CryptoRng {
    otrv4_tests::rng()
}

const NOW: Timestamp = Timestamp::from_unix(1_800_000_000);
