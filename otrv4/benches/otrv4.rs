//! What conversations cost, in the units that other implementations are quoted in: see docs/performance.md.
//! Both sides of everything are counted, as a person with one computer would feel it.

use std::hint::black_box;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use otrv4::inside::primitives::{Dh1536Power, DhPower, RingSigner, V3Keys, dsa_sign, dsa_verify};
use otrv4::keys::{DsaKey, ForgingSecret};
use otrv4::{Account, ContactKey, Context, Lifetimes, Output, Policy, PrekeyEnsemble, Session, Timestamp};

const NOW: Timestamp = Timestamp::from_unix(1_800_000_000);

/// One client with its account, session and saved account to start over from.
struct Client {
    account: Account,
    session: Session,
}

#[allow(clippy::disallowed_types, reason = "a bench has no caller who brings randomness")]
fn rng() -> impl rand_core::CryptoRng {
    rand_core::UnwrapErr(getrandom::SysRng)
}

impl Client {
    fn new(id: &str, correspondent: &str) -> Self {
        let account = Account::new(id, ForgingSecret::Destroy, Lifetimes::default(), &mut rng(), NOW);
        Self { account, session: Session::new(correspondent, Policy::default()) }
    }

    fn act(&mut self, act: impl FnOnce(&mut Session, &mut Context<'_>) -> Vec<Output>) -> Vec<String> {
        let mut rng = rng();
        let outputs =
            act(&mut self.session, &mut Context { account: &mut self.account, rng: &mut rng, now: NOW });
        let lines = outputs.into_iter().filter_map(|output| match output {
            Output::Send(line) => Some(line),
            Output::Save | Output::Event(_) => None,
        });
        lines.collect()
    }

    fn receive(&mut self, lines: &[String]) -> Vec<String> {
        lines.iter().flat_map(|line| self.act(|session, cx| session.receive(cx, line))).collect()
    }

    fn say(&mut self, text: &str) -> Vec<String> {
        self.act(|session, cx| session.send(cx, None, text).expect("a running conversation"))
    }

    fn prekeys(&mut self, count: usize) -> Vec<PrekeyEnsemble> {
        self.account.make_prekeys(count, &mut rng(), NOW).expect("few")
    }
}

fn alice_and_bob() -> (Client, Client) {
    (Client::new("alice@example.org", "bob@example.org"), Client::new("bob@example.org", "alice@example.org"))
}

/// Identity, Auth-R, Auth-I.
fn dakez(alice: &mut Client, bob: &mut Client) {
    let identity = bob.act(|session, cx| session.start_identity(cx));
    let auth_r = alice.receive(&identity);
    let auth_i = bob.receive(&auth_r);
    alice.receive(&auth_i);
}

fn key_exchanges(c: &mut Criterion) {
    c.bench_function("DAKEZ, both sides", |b| {
        b.iter_batched(
            alice_and_bob,
            |(mut alice, mut bob)| dakez(&mut alice, &mut bob),
            BatchSize::PerIteration,
        );
    });
    c.bench_function("XZDH, both sides", |b| {
        let setup = || {
            let (alice, mut bob) = alice_and_bob();
            let ensembles = bob.prekeys(1);
            (alice, bob, ensembles)
        };
        let offline = |(mut alice, mut bob, ensembles): (Client, Client, Vec<PrekeyEnsemble>)| {
            let lines =
                alice.act(|session, cx| session.start_offline(cx, ensembles).expect("a valid ensemble"));
            bob.receive(&lines);
        };
        b.iter_batched(setup, offline, BatchSize::PerIteration);
    });
    c.bench_function("one prekey message", |b| {
        b.iter_batched(|| alice_and_bob().1, |mut bob| bob.prekeys(1), BatchSize::PerIteration);
    });
}

fn data_messages(c: &mut Criterion) {
    let text = "x".repeat(100);
    c.bench_function("data, same ratchet, send + receive, 100 bytes", |b| {
        let (mut alice, mut bob) = alice_and_bob();
        dakez(&mut alice, &mut bob);
        b.iter(|| {
            let line = alice.say(&text);
            black_box(bob.receive(&line));
        });
    });
    c.bench_function("data, every message a ratchet turn, send + receive", |b| {
        let (mut alice, mut bob) = alice_and_bob();
        dakez(&mut alice, &mut bob);
        let line = alice.say(&text);
        bob.receive(&line);
        // Three turns, so that each sample has exactly one new DH key; the mean is a third of it.
        b.iter_custom(|turns| {
            let mut spent = std::time::Duration::ZERO;
            for _ in 0..turns {
                #[allow(clippy::disallowed_methods, reason = "a bench measures time")]
                let begin = std::time::Instant::now();
                for _ in 0..3 {
                    let line = bob.say(&text);
                    alice.receive(&line);
                    std::mem::swap(&mut alice, &mut bob);
                }
                spent += begin.elapsed() / 3;
            }
            spent
        });
    });
    c.bench_function("a forged message of a new ratchet, refused", |b| {
        let (mut alice, mut bob) = alice_and_bob();
        dakez(&mut alice, &mut bob);

        // Bob's first message opens ratchet 0 with a DH key: the most expensive kind. Its last id is far ahead.
        let line = forged(bob.say(&text).first().expect("a line"), 1000);
        b.iter(|| black_box(alice.act(|session, cx| session.receive(cx, &line))));
    });
}

/// The same message with another message id: the walk is as long as it can be, and the MAC is wrong.
fn forged(line: &str, j: u32) -> String {
    let mut message = otrv4::wire::unarmour(line).expect("an encoded message");
    message.get_mut(20..24).expect("a header").copy_from_slice(&j.to_be_bytes());
    otrv4::wire::armour(&message)
}

/// The four messages of a run with equal secrets, as they travel: each is a data message and turns the ratchet.
fn smp(c: &mut Criterion) {
    c.bench_function("SMP, both sides", |b| {
        let mut random = rng();
        b.iter(|| assert!(otrv4::inside::primitives::smp(&mut random)));
    });
    c.bench_function("SMP of version 3, both sides", |b| {
        let mut random = rng();
        b.iter(|| assert!(otrv4::inside::primitives::smp_v3(&mut random)));
    });
    c.bench_function("SMP, both sides, in data messages", |b| {
        let (mut alice, mut bob) = alice_and_bob();
        dakez(&mut alice, &mut bob);
        let of_alice = alice.account.tag();
        b.iter(|| {
            let ask = alice.act(|session, cx| session.smp_start(cx, None, "", "secret").expect("may ask"));
            bob.receive(&ask);
            let answer =
                bob.act(|session, cx| session.smp_answer(cx, of_alice, "", "secret").expect("was asked"));
            let message_3 = alice.receive(&answer);
            let message_4 = bob.receive(&message_3);
            black_box(alice.receive(&message_4));
        });
        let bobs = ContactKey::V4(bob.account.fingerprint());
        assert!(alice.account.verification("bob@example.org", bobs).is_verified());
    });
}

/// Version 3 without sessions and lines: what the key exchange and the keys cost.
fn version_3(c: &mut Criterion) {
    let (mut random, text) = (rng(), "x".repeat(100));
    let keys = V3Keys::new(&mut random);
    c.bench_function("OTRv3 AKE, both sides", |b| b.iter(|| keys.exchange(&mut random)));
    c.bench_function("OTRv3 data, 100 bytes, same keys", |b| {
        let mut channels = keys.exchange(&mut random);
        channels.say(&text, &mut random);
        b.iter(|| channels.say(&text, &mut random));
    });
    c.bench_function("OTRv3 data, each message a rotation", |b| {
        let mut channels = keys.exchange(&mut random);
        b.iter(|| channels.say_and_swap(&text, &mut random));
    });
}

fn primitives(c: &mut Criterion) {
    let signer = RingSigner::at(1, &mut rng());
    let mut random = rng();
    c.bench_function("ring signature, sign", |b| b.iter(|| signer.sign(&mut random, b"message")));
    let sigma = signer.sign(&mut random, b"message");
    c.bench_function("ring signature, verify", |b| b.iter(|| assert!(signer.verify(&sigma, b"message"))));
    let dh = DhPower::new(&mut random);
    c.bench_function("DH-3072, 2^x", |b| b.iter(|| DhPower::new(&mut random)));
    c.bench_function("DH-3072, B^x", |b| b.iter(|| dh.power()));
    c.bench_function("DH-3072, membership", |b| b.iter(|| assert!(dh.is_member())));
    let dh = Dh1536Power::new(&mut random);
    c.bench_function("DH-1536, 2^x", |b| b.iter(|| Dh1536Power::new(&mut random)));
    c.bench_function("DH-1536, B^x", |b| b.iter(|| dh.power()));
    c.bench_function("DH-1536, membership", |b| b.iter(|| assert!(dh.is_member())));
    let key = DsaKey::generate(&mut random);
    c.bench_function("DSA, a new key", |b| b.iter(|| DsaKey::generate(&mut random)));
    c.bench_function("DSA, sign", |b| b.iter(|| dsa_sign(&key, &[7; 32], &mut random)));
    let signature = dsa_sign(&key, &[7; 32], &mut random);
    c.bench_function("DSA, verify", |b| b.iter(|| assert!(dsa_verify(&key, &[7; 32], &signature))));
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(30);
    targets = key_exchanges, data_messages, smp, version_3, primitives
}
criterion_main!(benches);
