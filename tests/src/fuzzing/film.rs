//! Conversations that are recorded step by step: handshakes, texts out of order, new keys, SMP, the end; of all versions,
//! and begun offline. Used by [`super::scene`].

use std::sync::OnceLock;

use otrv4::inside::plaintext;
use otrv4::keys::ForgingSecret;
use otrv4::libotr::read_private_keys;
use otrv4::wire::{Line, Versions, classify};
use otrv4::{Account, Context, Event, Lifetimes, Policy, Session};
use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;

use super::client::{Client, are_talking};
use super::scene::Scene;
use crate::START;

/// The scenes of all films.
pub(super) fn all() -> Vec<Scene> {
    let v4 = Policy { versions: Versions::V4, ..Policy::default() };
    let v3 = Policy { versions: Versions::V3, ..Policy::default() };
    let v2 = Policy { versions: Versions::EMPTY, allow_v2: true, ..Policy::default() };
    let mut scenes = interactive(v4);
    scenes.append(&mut offline(v4));
    scenes.append(&mut interactive(v3));
    scenes.append(&mut interactive(v2));
    scenes
}

/// A private key file of libotr, with a key of version 3 for each of them.
pub(super) const KEYS: &[u8] = include_bytes!("keys.txt");

fn interactive(policy: Policy) -> Vec<Scene> {
    let mut film = Film::new(policy);
    film.alice().act(|session, cx| session.start(cx));
    film.play();
    for text in ["one", "two", "three"] {
        film.say(ALICE, text);
    }
    film.say(BOB, "four");
    film.shoot();
    // Overtaking is for version 4 only.
    film.alice().sent.reverse();
    film.play();
    for _ in 0..3 {
        film.say(BOB, "five");
        film.play_unseen();
        film.say(ALICE, "six");
        film.play_unseen();
    }
    film.shoot();
    film.alice().act(|session, cx| session.smp_start(cx, None, "who?", "bob").unwrap_or_default());
    film.play();
    film.bob().act(|session, cx| session.smp_start(cx, None, "", "a secret").unwrap_or_default());
    film.play();
    // New keys, with something on the way.
    film.say(BOB, "seven");
    film.alice().act(|session, cx| session.start(cx));
    film.play();
    film.bob().act(|session, cx| session.end(cx));
    film.play();
    film.scenes
}

fn offline(policy: Policy) -> Vec<Scene> {
    let mut film = Film::new(policy);
    let bob = film.bob();
    let ensembles = bob.account.make_prekeys(2, &mut bob.rng, bob.now).expect("few");
    let first = ensembles.into_iter().take(1).collect();
    film.alice().act(|session, cx| session.start_offline(cx, first).unwrap_or_default());
    film.say(ALICE, "one");
    film.say(ALICE, "two");
    film.shoot();
    film.alice().sent.reverse();
    film.play();
    film.say(BOB, "three");
    film.play();
    film.scenes
}

struct Film {
    /// Alice and Bob.
    clients: [Client; 2],
    /// What went over the network, and what the data messages among it say.
    lines: Vec<String>,
    plaintexts: Vec<Vec<u8>>,
    /// What each has said and the other has not been shown yet.
    unheard: [Vec<String>; 2],
    scenes: Vec<Scene>,
}

impl Film {
    fn new(policy: Policy) -> Self {
        let [alice, bob] = ["alice@example.org", "bob@example.org"];
        let clients = [client([alice, bob], 0, policy), client([bob, alice], 1, policy)];
        let unheard = [Vec::new(), Vec::new()];
        Self { clients, lines: Vec::new(), plaintexts: Vec::new(), unheard, scenes: Vec::new() }
    }

    fn say(&mut self, who: usize, text: &str) {
        self.unheard[who].push(text.into());
        self.clients[who].say(text);
    }

    fn alice(&mut self) -> &mut Client {
        &mut self.clients[ALICE]
    }

    fn bob(&mut self) -> &mut Client {
        &mut self.clients[BOB]
    }

    /// Delivers what is under way, line by line, and records what is between them.
    fn play(&mut self) {
        self.shoot();
        while self.step() {
            self.shoot();
        }
    }

    fn play_unseen(&mut self) {
        while self.step() {}
    }

    /// One line to Bob, or one to Alice if there is none. Whoever is asked for a secret says "bob".
    fn step(&mut self) -> bool {
        let Some(from) = (0..2).find(|from| !self.clients[*from].sent.is_empty()) else { return false };
        let (line, to) = (self.clients[from].sent.remove(0), 1 - from);
        if let Line::Encoded(Ok(message)) = classify(&line) {
            self.plaintexts.extend(plaintext(&self.clients[to].session, &message));
        }
        self.clients[to].receive(&line);
        self.lines.push(line);
        let (unheard, client) = (&mut self.unheard[from], &self.clients[to]);
        client
            .heard()
            .for_each(|text| _ = unheard.iter().position(|said| said == text).map(|at| unheard.remove(at)));
        let asked = self.clients[to].events.drain(..).find_map(|event| match event {
            Event::SmpAsked { from, question } => Some((from, question)),
            _ => None,
        });
        if let Some((tag, question)) = asked {
            // Recorded while the user is asked, too.
            self.shoot();
            let answer = |session: &mut Session, cx: &mut Context<'_>| {
                session.smp_answer(cx, tag, &question, "bob").unwrap_or_default()
            };
            self.clients[to].act(answer);
        }
        true
    }

    /// Records what is, as each of the two sees it.
    fn shoot(&mut self) {
        let [alice, bob] = &mut self.clients;
        let talking = are_talking(alice, bob);
        let saved = [alice.save(), bob.save()];
        for victim in 0..2 {
            let peer = 1 - victim;
            self.scenes.push(Scene {
                victim: saved[victim].clone(),
                peer: saved[peer].clone(),
                under_way: self.clients[peer].sent.clone(),
                from_victim: self.clients[victim].sent.clone(),
                past: self.lines.clone(),
                plaintexts: self.plaintexts.clone(),
                unheard: self.unheard[peer].clone(),
                talking,
                undisturbed: OnceLock::new(),
            });
        }
    }
}

const ALICE: usize = 0;
const BOB: usize = 1;

/// Always the same.
pub(super) fn client([id, correspondent]: [&str; 2], which: usize, policy: Policy) -> Client {
    let mut rng = ChaCha8Rng::seed_from_u64(which as u64 + 1);
    let mut account = Account::new(id, ForgingSecret::Destroy, Lifetimes::default(), &mut rng, START);
    if policy.versions != Versions::V4 {
        let key = read_private_keys(KEYS).expect("two keys").swap_remove(which).1;
        account.set_v3_key(Some(key), &mut rng, START);
    }
    let session = Session::new(correspondent, policy);
    Client { account, session, now: START, rng, sent: Vec::new(), events: Vec::new() }
}
