//! Schedules: what users, clients, time and the network do, drawn from a seed. Used by [`super::run`].

use rand::rngs::ChaCha8Rng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};

/// One thing that happens.
#[derive(Clone, Copy, Debug)]
pub struct Action {
    /// What.
    pub deed: Deed,
    /// Decides the rest: to whom, how, and the random numbers of the clients. So an action means the same, as far as it can,
    /// when others are taken out of the schedule.
    pub salt: u64,
}

/// What happens; somebody is drawn for it, and it may come to nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Deed {
    /// A user types a text.
    Type,
    /// A user types several.
    Chatter,
    /// Each side types a text when it has everything.
    Turn,
    /// A text with a whitespace tag.
    TypeTagged,
    /// A query, or fresh keys.
    Start,
    /// A start, or two at once, that nothing disturbs.
    Meet,
    /// An Identity message.
    StartIdentity,
    /// Prekeys are made and brought to a server, which may be asked for them by anybody.
    Publish,
    /// Somebody writes to those who are away.
    StartOffline,
    /// A user ends all conversations.
    End,
    /// A user ends one.
    EndWith,
    /// A user chooses a client to write to.
    Select,
    /// An empty message.
    Heartbeat,
    /// Keys for something outside of the conversation.
    ExtraKeys,
    /// A verification that nothing disturbs.
    Verify,
    /// A question.
    SmpStart,
    /// An answer, right or wrong.
    SmpAnswer,
    /// No answer.
    SmpAbort,
    /// A client is closed and opened again.
    Restart,
    /// A client dies in the middle of the next thing that it does.
    Crash,
    /// Time passes.
    Wait,
    /// The oldest line arrives.
    Deliver,
    /// All lines arrive, in order, and those that answer them.
    DeliverAll,
    /// Some line arrives.
    Reorder,
    /// A line is lost.
    Lose,
    /// A line arrives and is still on its way.
    Repeat,
    /// A line of long ago arrives.
    Replay,
    /// A message arrives in other pieces than it was sent.
    Recut,
    /// A damaged line arrives; the undamaged one may still come.
    Damage,
    /// A line that nobody has sent arrives.
    Inject,
    /// A message under a MAC key that was revealed arrives.
    Forge,
}

impl Deed {
    /// Whether it is one of the network.
    pub fn is_of_network(self) -> bool {
        self >= Self::Deliver
    }
}

/// Draws a schedule.
pub fn draw(seed: u64, length: usize) -> Vec<Action> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    // How often Mallory does more than to deliver, and how often the users do more than to chat.
    let malice = [0, 2, 5, 10][rng.random_range(0..4)];
    let unrest = rng.random_range(1..=4);
    let weights: Vec<(Deed, u32)> = WEIGHTS
        .iter()
        .map(|(deed, kind, weight)| match kind {
            Kind::Chat => (*deed, 4 * weight),
            Kind::Unrest => (*deed, unrest * weight),
            Kind::Malice => (*deed, malice * weight),
        })
        .collect();
    let mut pick = || {
        let (deed, _) = weights.choose_weighted(&mut rng, |(_, weight)| *weight).expect("weights above 0");
        Action { deed: *deed, salt: rng.random() }
    };
    (0..length).map(|_| pick()).collect()
}

#[derive(Clone, Copy)]
enum Kind {
    Chat,
    Unrest,
    Malice,
}

/// How often each is drawn.
const WEIGHTS: &[(Deed, Kind, u32)] = &[
    (Deed::Type, Kind::Chat, 160),
    (Deed::Chatter, Kind::Chat, 16),
    (Deed::Turn, Kind::Chat, 24),
    (Deed::TypeTagged, Kind::Unrest, 6),
    (Deed::Start, Kind::Chat, 10),
    (Deed::Meet, Kind::Chat, 3),
    (Deed::StartIdentity, Kind::Unrest, 6),
    (Deed::Publish, Kind::Unrest, 10),
    (Deed::StartOffline, Kind::Unrest, 10),
    (Deed::End, Kind::Unrest, 6),
    (Deed::EndWith, Kind::Unrest, 4),
    (Deed::Select, Kind::Unrest, 8),
    (Deed::Heartbeat, Kind::Unrest, 6),
    (Deed::ExtraKeys, Kind::Unrest, 8),
    (Deed::Verify, Kind::Unrest, 5),
    (Deed::SmpStart, Kind::Unrest, 10),
    (Deed::SmpAnswer, Kind::Unrest, 12),
    (Deed::SmpAbort, Kind::Unrest, 6),
    (Deed::Restart, Kind::Unrest, 10),
    (Deed::Crash, Kind::Unrest, 12),
    (Deed::Wait, Kind::Chat, 24),
    (Deed::Deliver, Kind::Chat, 200),
    (Deed::DeliverAll, Kind::Chat, 24),
    (Deed::Reorder, Kind::Malice, 60),
    (Deed::Lose, Kind::Malice, 24),
    (Deed::Repeat, Kind::Malice, 24),
    (Deed::Replay, Kind::Malice, 40),
    (Deed::Recut, Kind::Malice, 16),
    (Deed::Damage, Kind::Malice, 60),
    (Deed::Inject, Kind::Malice, 30),
    (Deed::Forge, Kind::Malice, 16),
];
