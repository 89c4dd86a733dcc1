//! What a server has of clients, and that each ensemble begins one conversation at its owner. Spec: otrv4.md "Publishing Prekey
//! Ensembles", "Receiving a Non-Interactive-Auth Message". Used by [`super::deeds`] and [`super::told`].

use std::collections::{HashMap, HashSet};

use otrv4::PrekeyEnsemble;
use rand::RngExt;
use rand::rngs::ChaCha8Rng;

use super::invariants::{Check, violated};
use super::record::Ssid;

/// An ensemble and its number.
type Numbered = (usize, PrekeyEnsemble);

/// The server, and what became of the ensembles.
pub(crate) struct Prekeys {
    /// By owner.
    of: Vec<Vec<Numbered>>,
    published: usize,
    /// By owner: the number of the one that somebody who starts a conversation has been given.
    given: HashMap<usize, usize>,
    /// By conversation, as soon as it was started: the number of its ensemble.
    began: HashMap<Ssid, usize>,
    used: HashSet<usize>,
}

impl Prekeys {
    pub(crate) fn new(clients: usize) -> Self {
        let of = vec![Vec::new(); clients];
        Self { of, published: 0, given: HashMap::new(), began: HashMap::new(), used: HashSet::new() }
    }

    pub(crate) fn publish(&mut self, owner: usize, made: Vec<PrekeyEnsemble>) {
        for ensemble in made {
            self.of[owner].push((self.published, ensemble));
            self.published += 1;
        }
    }

    /// Gives away one of each. A server that gives one away twice is not honest; nothing worse than a lost conversation comes of it.
    pub(crate) fn give(&mut self, rng: &mut ChaCha8Rng, owners: &[usize]) -> Vec<PrekeyEnsemble> {
        self.given.clear();
        let mut all = Vec::new();
        for owner in owners {
            let keeps = rng.random_range(0..5) == 0;
            let of = &mut self.of[*owner];
            let Some((number, ensemble)) = (if keeps { of.last().cloned() } else { of.pop() }) else {
                continue;
            };
            self.given.insert(*owner, number);
            all.push(ensemble);
        }
        all
    }

    /// Somebody was told of the conversation that they have started.
    pub(crate) fn began(&mut self, owner: usize, ssid: Ssid) {
        if let Some(number) = self.given.get(&owner) {
            self.began.insert(ssid, *number);
        }
    }

    /// Its owner is told of it: a prekey is forgotten after its use.
    pub(crate) fn a_prekey_is_used_once(&mut self, owner: usize, ssid: Ssid) -> Check {
        let name = "a_prekey_is_used_once";
        match self.began.get(&ssid) {
            Some(number) if self.used.insert(*number) => Ok(()),
            Some(number) => violated(name, format!("client {owner}: ensemble {number} begins two")),
            None => violated(name, format!("client {owner}: nobody has started {ssid:?}")),
        }
    }
}
