//! Which conversation each data message belongs to, and what an honest side would send in it next.
//! Spec: otrv4.md "Interactive DAKE Overview", "Non-Interactive DAKE Overview", "Key Management"; spec-notes/SN-009, spec-notes/SN-011.
//!
//! | | first ratchet | then |
//! |---|---|---|
//! | Alice, who answers with Auth-R | 0, under the first keys in her message, until Bob's has come | 1, 3, 5 … |
//! | Bob, who completes with Auth-I | 0, under new keys | 2, 4, 6 … |
//! | Alice, who starts offline | 0, under the first keys in her message | 2, 4, 6 … |
//! | Bob, who was away | 1 | 3, 5, 7 … |

use std::collections::{BTreeMap, BTreeSet};

use super::look::{Data, Look, Message};
use super::signatures::Signatures;

/// What a key exchange begins.
pub(crate) struct Conversation {
    /// Who has sent the first keys.
    pub(crate) alice: usize,
    pub(crate) offline: bool,
    /// The number of the message with the first keys: Auth-R, or Non-Interactive-Auth.
    pub(crate) first: usize,
    /// The message that completes the exchange: whoever has sent it has the keys from then on, whoever gets it has them when it arrives.
    last: usize,
    arrives: Option<i64>,
    first_ecdh: Option<Vec<u8>>,
}

/// All of a record.
pub(crate) struct Conversations {
    /// In the order of the messages that complete their exchanges.
    pub(crate) all: Vec<Conversation>,
    /// By the number of a data message its conversation.
    of: BTreeMap<usize, usize>,
    /// By conversation and side the data messages.
    data: Vec<[Vec<usize>; 2]>,
    /// Data messages of somebody who could not have keys, and those that are not what comes next.
    pub(crate) too_early: BTreeSet<usize>,
    pub(crate) not_next: BTreeSet<usize>,
}

impl Conversations {
    pub(crate) fn of(look: &Look<'_>, signatures: &Signatures) -> Self {
        let begun = |(at, message): (usize, &Message)| {
            let offline = message.is("Non-Interactive-Auth message");
            // Where a signature does not hold, that is said elsewhere.
            let answer = || signatures.answers(at).or_else(|| last_answer_before(look, at));
            let first = if offline { at } else { answer()? };
            let first_ecdh = look.messages[first].bytes("first ECDH public key").map(<[u8]>::to_vec);
            let (alice, arrives) = (look.messages[first].sender, look.arrival(at));
            Some(Conversation { alice, offline, first, last: at, arrives, first_ecdh })
        };
        let begins =
            |message: &Message| message.is("Non-Interactive-Auth message") || message.is("Auth-I message");
        let messages = look.messages.iter().enumerate().filter(|(_, message)| begins(message));
        let all: Vec<Conversation> = messages.filter_map(begun).collect();
        let data = all.iter().map(|_| Default::default()).collect();
        let (of, too_early, not_next) = Default::default();
        let mut placed = Self { all, of, data, too_early, not_next };
        for side in 0..2 {
            placed.place_all_of(side, look);
        }
        placed
    }

    /// That of the data message with this number.
    pub(crate) fn of_data(&self, at: usize) -> Option<usize> {
        self.of.get(&at).copied()
    }

    /// The data messages of one side in one conversation, in their order.
    pub(crate) fn data<'a>(
        &'a self,
        look: &'a Look<'_>,
        side: usize,
        conversation: usize,
    ) -> impl DoubleEndedIterator<Item = (usize, &'a Message, &'a Data)> + Clone {
        let messages = self.data[conversation][side].iter();
        messages.filter_map(|at| Some((*at, &look.messages[*at], look.messages[*at].data.as_ref()?)))
    }

    fn place_all_of(&mut self, side: usize, look: &Look<'_>) {
        let mut last: Vec<Option<&Data>> = vec![None; self.all.len()];
        let mut newest = 0;
        for (at, message, data) in look.data().filter(|(_, message, _)| message.sender == side) {
            let fits = |which: &usize| self.all[*which].comes_next(side, last[*which], data);
            let goes_on = |which: &usize| {
                last[*which].map_or_else(|| self.is_first(*which, side, data), |last| last.ecdh == data.ecdh)
            };
            // Who completes an exchange uses it at once.
            let own = |which: &usize| look.messages[self.all[*which].last].sender == side;
            let from = (newest..self.all.len()).rev().find(|which| own(which) && self.all[*which].last < at);
            let from = from.unwrap_or(newest);
            let later = || (from..self.all.len()).rev();
            let may = |which: &usize| self.all[*which].has_keys(side, at, message, look);
            let choices = || later().filter(|which| may(which));
            let found =
                choices().find(|which| fits(which) && goes_on(which)).or_else(|| choices().find(fits));
            let found = found.or_else(|| later().find(fits));
            let Some(which) = found.or_else(|| choices().next()).or_else(|| later().next_back()) else {
                self.too_early.insert(at);
                continue;
            };
            if !may(&which) {
                self.too_early.insert(at);
            }
            if !fits(&which) {
                self.not_next.insert(at);
            }
            self.of.insert(at, which);
            self.data[which][side].push(at);
            (last[which], newest) = (Some(data), which);
        }
    }

    fn is_first(&self, which: usize, side: usize, data: &Data) -> bool {
        let conversation = &self.all[which];
        side == conversation.alice && conversation.first_ecdh.as_ref() == Some(&data.ecdh)
    }
}

impl Conversation {
    /// Whether that side may have the keys when it sends the message with this number.
    fn has_keys(&self, side: usize, at: usize, message: &Message, look: &Look<'_>) -> bool {
        let last = &look.messages[self.last];
        match last.sender == side {
            true => self.last < at,
            false => self.arrives.is_some_and(|arrives| arrives <= message.at),
        }
    }

    /// Whether an honest side that has sent `last` sends this next: in the same ratchet, or in one of its own that follows.
    fn comes_next(&self, side: usize, last: Option<&Data>, data: &Data) -> bool {
        let is = (data.i, data.j, data.pn);
        let answers = side == self.alice && !self.offline;
        match last {
            Some(last) if last.ecdh == data.ecdh => is == (last.i, last.j + 1, last.pn),
            Some(last) if answers && last.i == 0 => is == (1, 0, last.j + 1),
            Some(last) => is == (last.i + 2, 0, last.j + 1),
            None if answers => is == (0, 0, 0) || is == (1, 0, 0),
            None => is == (u64::from(self.offline && side != self.alice), 0, 0),
        }
    }

    /// The ratchet of the other side that one has to have received something of to begin this one; none for a first one.
    pub(crate) fn answered_by(&self, side: usize, i: u64) -> Option<u64> {
        let first = if self.offline && side != self.alice { 1 } else { 0 };
        (i > first).then(|| i - 1)
    }

    /// The ratchet of the other side that ends this one, once something of it has come.
    pub(crate) fn ended_by(&self, side: usize, i: u64) -> u64 {
        if side == self.alice && !self.offline && i == 0 { 0 } else { i + 1 }
    }
}

fn last_answer_before(look: &Look<'_>, at: usize) -> Option<usize> {
    let sender = look.messages[at].sender;
    (0..at)
        .rev()
        .find(|other| look.messages[*other].is("Auth-R message") && look.messages[*other].sender != sender)
}
