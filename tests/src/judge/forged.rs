//! Forged conversations, by a forger who has one key of one of the two, and makes up a life.

use base64::prelude::{BASE64_STANDARD, Engine as _};
use otrv4::forge::{Begin, Delivery, Ensemble, Forger, Key, Line as ForgedLine, Person, Said, Script, Who};
use otrv4::prekey_profile::PrekeyProfile;
use otrv4::wire::Reader;
use otrv4::{Account, Timestamp};
use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;

use super::live::GREETING;
use super::lives::{Begun, Life};
use super::record::{Line, Transcript};

/// What the forger has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// The long-term secret of that side.
    LongTerm(usize),
    /// The forging secret of that side, which it has kept.
    Forging(usize),
}

impl Kept {
    /// All four.
    pub const ALL: [Self; 4] = [Self::LongTerm(0), Self::LongTerm(1), Self::Forging(0), Self::Forging(1)];

    const fn side(self) -> usize {
        match self {
            Self::LongTerm(side) | Self::Forging(side) => side,
        }
    }
}

/// A forged record, and the lines as the forger has them, with the keys of the messages. None if what was made up does not lead to a
/// conversation, such as when a line of the handshake is lost.
pub(crate) fn forge(
    life: &Life,
    accounts: [&Account; 2],
    kept: Kept,
    rng: &mut ChaCha8Rng,
) -> Option<(Transcript, Vec<ForgedLine>)> {
    let mut network = ChaCha8Rng::from_rng(rng);
    let links = life.links;
    let mine = kept.side();
    let mut carry = |line: &ForgedLine| {
        let from = if line.sender == Who::Participant { mine } else { 1 - mine };
        links[from].carry(&mut network)
    };
    forge_through(life, accounts, kept, &mut carry, rng)
}

/// The same on another network.
pub(crate) fn forge_through(
    life: &Life,
    accounts: [&Account; 2],
    kept: Kept,
    network: &mut dyn FnMut(&ForgedLine) -> Delivery,
    rng: &mut ChaCha8Rng,
) -> Option<(Transcript, Vec<ForgedLine>)> {
    let mine = kept.side();
    let key = match kept {
        Kept::LongTerm(side) => Key::long_term_of(accounts[side]),
        Kept::Forging(side) => Key::forging_of(accounts[side]),
    };
    let who = |side: usize| if side == mine { Who::Participant } else { Who::Other };
    let time = Timestamp::from_unix;
    let (participant, other) = (Person::of(accounts[mine]), Person::of(accounts[1 - mine]));
    let forger = Forger::new(participant, key, other, time(life.start)).expect("a key of theirs");
    let ensemble = match life.begin {
        Begun::Offline(by, _) if signs_the_start(kept, by) => {
            Some(published(accounts[1 - by], time(life.start), rng))
        }
        Begun::Offline(by, _) => Some(made_up(accounts[1 - by], time(life.start), rng)),
        Begun::Asked(_) | Begun::Tagged(_) => None,
    };
    let begin = match (life.begin, &ensemble) {
        (Begun::Offline(by, back), Some(ensemble)) => {
            Begin::Offline { starts: who(by), ensemble, back: time(back) }
        }
        (Begun::Tagged(by), _) => Begin::Tagged { by: who(by), text: GREETING },
        (Begun::Asked(by) | Begun::Offline(by, _), _) => Begin::Interactive(who(by)),
    };
    let said: Vec<Said<'_>> = life
        .said
        .iter()
        .map(|saying| Said { by: who(saying.by), at: time(saying.at), text: &saying.text })
        .collect();
    let script = Script {
        begin,
        start: time(life.start),
        said: &said,
        end: life.end.map(|(by, at)| (who(by), time(at))),
        until: time(life.until),
        participant: life.manners[mine],
        other: life.manners[1 - mine],
    };
    let forged = forger.transcript(script, network, rng).ok()?.lines;
    let lines = forged.iter().map(|line| Line {
        sender: accounts[if line.sender == Who::Participant { mine } else { 1 - mine }].id().to_owned(),
        at: line.at.unix(),
        received: line.received.map(Timestamp::unix),
        line: line.line.clone(),
        chain_key: line.chain_key.as_ref().map(|key| BASE64_STANDARD.encode(key.as_bytes())),
    });
    let lines = lines.collect();
    let ensemble = ensemble.map(|ensemble| Transcript::encoded(ensemble.ensemble()));
    Some((Transcript { lines, ensemble }, forged))
}

/// Whether this key is in the ring of an offline start by that side: the starter's long-term key and the owner's forging key are.
const fn signs_the_start(kept: Kept, starter: usize) -> bool {
    match kept {
        Kept::LongTerm(side) => side == starter,
        Kept::Forging(side) => side != starter,
    }
}

/// Prekeys that who was away has published: a forger whose key is in the ring needs no others.
fn published(owner: &Account, at: Timestamp, rng: &mut ChaCha8Rng) -> Ensemble {
    let mut owner = Account::load(&owner.save()).expect("what was saved");
    let mut ensembles = owner.make_prekeys(1, rng, at).expect("few");
    Ensemble::genuine(ensembles.remove(0))
}

/// Prekeys made up in the name of who was away, around the profiles that they published: for who has to sign with the prekey itself.
fn made_up(owner: &Account, at: Timestamp, rng: &mut ChaCha8Rng) -> Ensemble {
    let published = owner.prekey_profile().expect("they have prekeys").as_bytes();
    let profile = PrekeyProfile::read(&mut Reader::new(published)).expect("a profile");
    Ensemble::forged(&Person::of(owner).profile, &profile, at, rng).expect("profiles that are valid then")
}
