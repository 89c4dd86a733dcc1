//! Two channels and a network that loses messages but keeps their order, driven at random.

use std::collections::{BTreeSet, VecDeque};

use proptest::prelude::*;

use super::*;

/// What happens next; `true` is Alice.
#[derive(Clone, Copy, Debug)]
enum Happens {
    Sends(bool),
    /// The oldest message on its way to that side arrives, or is lost.
    Arrives(bool),
    Lost(bool),
    /// A message that has been sent before, by the other side, comes again.
    Replayed(bool, usize),
    /// Saved and read back.
    Restarts(bool),
}

fn happens() -> impl Strategy<Value = Happens> {
    prop_oneof![
        4 => any::<bool>().prop_map(Happens::Sends),
        4 => any::<bool>().prop_map(Happens::Arrives),
        1 => any::<bool>().prop_map(Happens::Lost),
        1 => (any::<bool>(), any::<usize>()).prop_map(|(side, n)| Happens::Replayed(side, n)),
        1 => any::<bool>().prop_map(Happens::Restarts),
    ]
}

/// One side, and what it has written.
struct Side {
    channel: Channel,
    sent: Vec<Vec<u8>>,
    /// Numbers of the messages on their way to the other side.
    on_their_way: VecDeque<usize>,
    /// Those that the other side has opened.
    opened: BTreeSet<usize>,
    /// AES keys, by what they make of a counter of 0, with the counters that they were used with.
    used: BTreeSet<([u8; 16], u64)>,
    revealed: Vec<MacKey>,
}

impl Side {
    fn new(channel: Channel) -> Self {
        Self {
            channel,
            sent: Vec::new(),
            on_their_way: VecDeque::new(),
            opened: BTreeSet::new(),
            used: BTreeSet::new(),
            revealed: Vec::new(),
        }
    }

    fn send(&mut self) {
        let key_stream = self.channel.keys.sending_key_stream();
        let message = say(&mut self.channel, &self.sent.len().to_string());
        assert!(self.used.insert((key_stream, data_message(&message).counter)), "used twice");
        self.revealed.extend(revealed(&message));
        self.on_their_way.push_back(self.sent.len());
        self.sent.push(message);
    }

    /// The next message arrives at the other side.
    fn deliver_to(&mut self, other: &mut Side) {
        let Some(n) = self.on_their_way.pop_front() else { return };
        assert_eq!(hear_text(&mut other.channel, &self.sent[n]), n.to_string());
        self.opened.insert(n);
        self.replay_to(n, other);
    }

    /// A message that was opened, or was lost before others that were not, comes again.
    fn replay_to(&self, n: usize, other: &mut Side) {
        let before = saved(&other.channel);
        if self.opened.last().is_some_and(|last| n <= *last) {
            let refused = refusal(&mut other.channel, &self.sent[n]);
            assert!(matches!(refused, Some(Reject::Replayed | Reject::UnknownRatchet | Reject::Forged)));
            assert!(saved(&other.channel) == before);
        }
    }

    /// Of the keys that verified something, each is revealed at most once, and none under which a message could still be
    /// accepted.
    fn check_revealed(&self, other: &Side) {
        for (at, key) in self.revealed.iter().enumerate() {
            assert!(!self.channel.keys.accept_under(key), "still accepted");
            assert!(
                self.revealed.iter().skip(at + 1).all(|other| other.reveal() != key.reveal()),
                "revealed twice"
            );
            let opened = other.opened.iter().any(|n| authenticates(key, &other.sent[*n]));
            assert!(opened, "a key that verified nothing");
        }
    }

    /// At the end all that were used are revealed, and each once.
    fn check_all_revealed(mut self, other: &Side) {
        let last = self.channel.seal_last(&[], sealing(&mut rng()));
        self.revealed.extend(revealed(&last));
        for n in &other.opened {
            let count = self.revealed.iter().filter(|key| authenticates(key, &other.sent[*n])).count();
            assert_eq!(count, 1, "message {n}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn whatever_is_lost_the_rest_is_read_once_and_no_key_is_used_or_revealed_twice(
        schedule in proptest::collection::vec(happens(), 1..120),
    ) {
        let (alice, bob) = alice_and_bob(Version::V3);
        let (mut alice, mut bob) = (Side::new(alice), Side::new(bob));
        for happens in schedule {
            let (Happens::Sends(of_alice)
            | Happens::Arrives(of_alice)
            | Happens::Lost(of_alice)
            | Happens::Replayed(of_alice, _)
            | Happens::Restarts(of_alice)) = happens;
            let (one, other) = if of_alice { (&mut alice, &mut bob) } else { (&mut bob, &mut alice) };
            match happens {
                Happens::Sends(_) => one.send(),
                Happens::Arrives(_) => other.deliver_to(one),
                Happens::Lost(_) => _ = other.on_their_way.pop_front(),
                Happens::Replayed(_, n) if !other.sent.is_empty() => other.replay_to(n % other.sent.len(), one),
                Happens::Replayed(..) => {}
                Happens::Restarts(_) => one.channel = loaded(&saved(&one.channel)),
            }
            alice.check_revealed(&bob);
            bob.check_revealed(&alice);
        }
        // After a turn without losses they have found each other.
        for _ in 0..2 {
            while !bob.on_their_way.is_empty() {
                bob.deliver_to(&mut alice);
            }
            alice.send();
            while !alice.on_their_way.is_empty() {
                alice.deliver_to(&mut bob);
            }
            bob.send();
        }
        let of_alice = Side { sent: alice.sent.clone(), opened: alice.opened.clone(), ..Side::new(alice_and_bob(Version::V3).0) };
        alice.check_all_revealed(&bob);
        bob.check_all_revealed(&of_alice);
    }
}
