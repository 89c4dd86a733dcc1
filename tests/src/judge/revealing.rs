//! Rules of MAC keys: which are revealed, by whom, when and in which order. Spec: otrv4.md "Revealing MAC Keys", "Deletion of Stored
//! Message Keys"; spec-notes/SN-014, spec-notes/SN-029, spec-notes/SN-034.

use std::collections::{BTreeMap, BTreeSet};

use otrv4::session::Expiry;

use super::clocks::CLOCKS;
use super::conversations::Conversations;
use super::look::{Data, Look, Message};
use super::{Found, violation};
use crate::hostile::hcmac;

/// Each revealed key belongs to one message of the other side, and is revealed once: when that message has arrived, or when it is given
/// up. Within a conversation they come in the order in which their messages arrived, those of missing ones in that of their numbers. And when keys are due, all
/// of them are revealed that are owed.
pub(crate) fn revealed_keys(look: &Look<'_>, placed: &Conversations) -> Found {
    let mut found = Vec::new();
    for side in 0..2 {
        let mut revealing =
            Revealing { look, placed, side, revealed: BTreeSet::new(), newest: BTreeMap::new() };
        for (at, message, data) in look.data().filter(|(_, message, _)| message.sender == side) {
            revealing.read(at, message, data, &mut found);
            // Who sends nothing but nonsense is not read to the end: each key is tried with all messages.
            if found.len() > ENOUGH {
                return found;
            }
        }
    }
    found
}

/// What one side has revealed so far.
struct Revealing<'a> {
    look: &'a Look<'a>,
    placed: &'a Conversations,
    side: usize,
    /// Messages of the other side whose keys are out.
    revealed: BTreeSet<usize>,
    /// When the last of them arrived, and the number of the last that did not, by conversation and by whether it had.
    newest: BTreeMap<(usize, bool), i64>,
}

impl Revealing<'_> {
    fn read(&mut self, at: usize, message: &Message, data: &Data, found: &mut Found) {
        let Some(which) = self.placed.of_data(at) else {
            if !data.revealed.is_empty() {
                found.push(violation(OWNERS, format!("a key before there were any, at {}", message.at)));
            }
            return;
        };
        for key in &data.revealed {
            let Some((owner, of)) = self.owner(which, key) else {
                found.push(violation(OWNERS, format!("a key of no message, at {}", message.at)));
                if found.len() > ENOUGH {
                    return;
                }
                continue;
            };
            self.revealed.insert(owner);
            let arrived = self.look.messages[owner].received.filter(|arrives| *arrives <= message.at);
            let place = arrived.unwrap_or_else(|| i64::try_from(owner).unwrap_or(i64::MAX));
            let arrived = arrived.is_some();
            if !arrived && !self.is_given_up(owner, of, (at, message, data), which) {
                found.push(violation(OWNERS, format!("a key of what has not arrived, at {}", message.at)));
            } else if self.newest.insert((of, arrived), place).is_some_and(|newest| newest > place) {
                found.push(violation(ORDER, format!("at {}", message.at)));
            }
        }
        let due = is_first_of_ratchet(data) || (data.quiet && !data.revealed.is_empty());
        if due && data.revealed.len() < MOST {
            let theirs = self.placed.data(self.look, 1 - self.side, which);
            let arrived = theirs.filter(|(_, other, _)| other.received.is_some_and(|it| it < message.at));
            let kept = arrived.filter(|(other, _, _)| !self.revealed.contains(other)).count();
            if kept > 0 {
                found.push(violation(ALL, format!("{kept} keys are kept back at {}", message.at)));
            }
        }
    }

    /// Whose key that is, with its conversation: this one, or one before.
    fn owner(&self, which: usize, key: &[u8]) -> Option<(usize, usize)> {
        let key: &[u8; 64] = key.try_into().ok()?;
        let mut theirs = (0..=which).flat_map(|of| {
            self.placed.data(self.look, 1 - self.side, of).map(move |(owner, _, data)| (owner, of, data))
        });
        let owner = theirs.find(|(owner, _, data)| {
            !self.revealed.contains(owner) && hcmac(key, &data.sections)[..] == data.mac
        });
        owner.map(|(owner, of, _)| (owner, of))
    }

    /// Whether a message that is missing, as a later one shows, is not waited for any more: at the end, after its time, or since there is
    /// another conversation.
    fn is_given_up(
        &self,
        owner: usize,
        of: usize,
        (at, message, data): (usize, &Message, &Data),
        which: usize,
    ) -> bool {
        let mut later = self.placed.data(self.look, 1 - self.side, of).filter(|(later, _, _)| *later > owner);
        let missed = later.find_map(|(_, later, _)| later.received.filter(|arrives| *arrives <= message.at));
        let Some(missed) = missed else { return false };
        let Expiry { online, offline } = Expiry::default();
        let kept_for = i64::from(if self.placed.all[of].offline { offline } else { online });
        let lost = self.look.messages[owner].received.is_none();
        let over = missed.saturating_add(kept_for) <= message.at.saturating_add(CLOCKS);
        lost && (over || of < which || is_end(self.look, self.placed, (at, message, data)))
    }
}

/// Keys are revealed with the first message of a ratchet that was opened for an answer, or with one that says nothing: a last one, or one
/// of somebody who owes as many as a message takes.
pub(crate) fn keys_are_revealed_when_a_ratchet_begins_or_all_ends(
    look: &Look<'_>,
    placed: &Conversations,
) -> Found {
    const RULE: &str = "keys_are_revealed_when_a_ratchet_begins_or_all_ends";
    let reveals = look.data().filter(|(_, _, data)| (1..MOST).contains(&data.revealed.len()));
    let wrong = reveals.filter(|it| !is_first_of_ratchet(it.2) && !is_end(look, placed, *it));
    wrong.map(|(_, message, _)| violation(RULE, format!("at {}", message.at))).collect()
}

/// The first keys of a conversation are there before anything can be owed.
const fn is_first_of_ratchet(data: &Data) -> bool {
    data.j == 0 && data.i > 0
}

/// Whether that says nothing, and neither does what its sender sends after it in that conversation.
fn is_end(look: &Look<'_>, placed: &Conversations, (at, message, data): (usize, &Message, &Data)) -> bool {
    let Some(which) = placed.of_data(at) else { return data.quiet };
    let mut later = placed.data(look, message.sender, which).rev().take_while(|(later, _, _)| *later > at);
    data.quiet && later.all(|(_, _, later)| later.quiet)
}

const OWNERS: &str = "revealed_keys_belong_to_messages_of_the_other_side";
const ORDER: &str = "keys_are_revealed_in_the_order_of_their_messages";
const ALL: &str = "all_keys_that_are_owed_are_revealed";

/// So many keys one message reveals at most.
const MOST: usize = 1000;

/// So much that is wrong is enough.
const ENOUGH: usize = 16;
