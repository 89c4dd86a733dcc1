//! Rules of revealed MAC keys.

use otrv4::{Context, Output, Session};

use super::*;
use crate::judge::experiment::Kept;
use crate::judge::forged::forge;

const ALL: &str = "all_keys_that_are_owed_are_revealed";
const ORDER: &str = "keys_are_revealed_in_the_order_of_their_messages";
const OWNERS: &str = "revealed_keys_belong_to_messages_of_the_other_side";

/// A message that reveals several keys, all of what arrived in a second before: its line, and how many.
fn several(look: &Look<'_>) -> Option<(usize, usize)> {
    let found = look.data().find(|(at, message, data)| {
        let at_once = look.data().any(|(other, it, _)| other < *at && it.received == Some(message.at));
        data.revealed.len() > 1 && !at_once
    });
    found.map(|(_, message, data)| (message.last_line, data.revealed.len()))
}

#[test]
fn keys_of_nothing_in_another_order_or_kept_back_are_found() {
    let (talk, keys) = real(None, &|look| several(look).is_some() && ratchet_of_two(look).is_some());
    let look = Look::at(&talk, &keys);
    let (line, count) = several(&look).unwrap();
    let broken =
        |change: &dyn Fn(&mut Vec<u8>)| broken_by(&talk, &keys, |lines| edit(&mut lines[line], change));
    assert_eq!(broken(&|bytes| *bytes.last_mut().unwrap() ^= 1), [ALL, OWNERS]);
    assert_eq!(
        broken(&|bytes| {
            let end = bytes.len();
            bytes[end - 128..].rotate_left(64)
        }),
        [ORDER]
    );
    let kept_back = |bytes: &mut Vec<u8>| {
        let field = bytes.len() - 64 * count - 4;
        bytes.truncate(bytes.len() - 64);
        bytes[field..field + 4].copy_from_slice(&(64 * (count as u32 - 1)).to_be_bytes());
    };
    assert_eq!(broken(&kept_back), [ALL]);

    let (reveals, same_ratchet) = ratchet_of_two(&look).unwrap();
    let moved = broken_by(&talk, &keys, |lines| {
        let keys = look.messages.iter().find(|message| message.last_line == reveals).unwrap();
        let length = 64 * keys.data.as_ref().unwrap().revealed.len();
        let field = edit(&mut lines[reveals], |bytes| {
            let field = bytes.split_off(bytes.len() - length - 4);
            bytes.extend([0; 4]);
            field
        });
        edit(&mut lines[same_ratchet], |bytes| {
            bytes.truncate(bytes.len() - 4);
            bytes.extend(field);
        });
    });
    assert!(moved.contains(&"keys_are_revealed_when_a_ratchet_begins_or_all_ends"), "{moved:?}");
}

#[test]
fn the_key_of_what_is_missing_is_not_revealed_at_once() {
    // Not the first of its ratchet, and neither the last.
    let in_between = |look: &Look<'_>| {
        look.data().find_map(|(at, message, data)| {
            let same = |it: &(usize, &Message, &Data)| it.2.ecdh == data.ecdh && it.0 != at;
            let around = look.data().filter(same).count() > 1 && data.j > 0;
            let behind = look.data().filter(same).any(|it| it.0 > at);
            let out = look.data().filter(|it| it.1.sender != message.sender && !it.2.quiet);
            let out = out.flat_map(|it| it.2.revealed.iter());
            let revealed = out.into_iter().any(|key| {
                crate::hostile::hcmac(key.as_slice().try_into().unwrap(), &data.sections)[..] == data.mac
            });
            (around && behind && revealed).then_some(message.last_line)
        })
    };
    let (talk, keys) = real(None, &|look| in_between(look).is_some());
    let line = in_between(&Look::at(&talk, &keys)).unwrap();
    assert_eq!(broken_by(&talk, &keys, |lines| lose(&mut lines[line])), [OWNERS]);
}

/// Whether somebody reveals the key of what never arrived, and goes on.
fn gives_up(talk: &Transcript, keys: &Keys) -> bool {
    let look = Look::at(talk, keys);
    let first = look.data().filter(|(_, _, data)| data.i > 0 && data.j == 0);
    let revealed: Vec<&Vec<u8>> = first.flat_map(|(_, _, data)| &data.revealed).collect();
    look.data().filter(|(_, message, _)| message.received.is_none()).any(|(_, _, data)| {
        let is = |key: &&Vec<u8>| {
            crate::hostile::hcmac(key.as_slice().try_into().unwrap(), &data.sections)[..] == data.mac
        };
        revealed.iter().any(is)
    })
}

#[test]
fn keys_of_what_is_missing_for_hours_are_revealed_by_real_and_forged_ones() {
    let saved = people(1);
    let keys = Keys::load([&saved[0], &saved[1]]).unwrap();
    let accounts = saved.each_ref().map(|saved| Account::load(saved).unwrap());
    let both = [0, 1].map(|side| (accounts[side].id(), saved[side].as_slice()));
    let mut given_up = [0, 0];
    for seed in 0..20_000 {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut life = Life::draw(&mut rng, START);
        let hours = life.said.last().unwrap().at - life.said[0].at > 2 * 60 * 60;
        if !hours || !matches!(life.begin, Begun::Asked(_)) {
            continue;
        }
        life.links.iter_mut().for_each(|link| link.losses = 80);
        let real = converse(&life, both, &mut rng);
        let forged = forge(&life, accounts.each_ref(), Kept::Forging(1), &mut rng).map(|(forged, _)| forged);
        for (count, talk) in given_up.iter_mut().zip([real, forged]) {
            let Some(talk) = talk else { continue };
            assert_eq!(broken_rules(&Look::at(&talk, &keys), &keys), Vec::new(), "seed {seed}");
            *count += usize::from(gives_up(&talk, &keys));
        }
        if given_up.iter().all(|count| *count > 0) {
            return;
        }
    }
    panic!("real and forged ones that give up a message: {given_up:?}");
}

/// Two sessions, between which each line takes a second.
struct Two {
    accounts: [Account; 2],
    sessions: [Session; 2],
    rng: ChaCha8Rng,
    now: i64,
    lines: Vec<Line>,
}

impl Two {
    fn new() -> Self {
        let accounts = people(1).map(|saved| Account::load(&saved).unwrap());
        let sessions = [1, 0].map(|other| Session::new(accounts[other].id(), Default::default()));
        Self {
            accounts,
            sessions,
            rng: ChaCha8Rng::seed_from_u64(1),
            now: START.unix() + 10,
            lines: Vec::new(),
        }
    }

    /// One of them does something, and all that follows arrives, unless it is lost.
    fn act(
        &mut self,
        who: usize,
        arrives: bool,
        ask: &dyn Fn(&mut Session, &mut Context<'_>) -> Vec<Output>,
    ) {
        let now = otrv4::Timestamp::from_unix(self.now);
        let mut cx = Context { account: &mut self.accounts[who], rng: &mut self.rng, now };
        let sent = ask(&mut self.sessions[who], &mut cx).into_iter().filter_map(|output| match output {
            Output::Send(line) => Some(line),
            Output::Save | Output::Event(_) => None,
        });
        let sent: Vec<String> = sent.collect();
        let sender = self.accounts[who].id().to_owned();
        let numbers: Vec<usize> = sent
            .into_iter()
            .map(|line| {
                self.lines.push(Line {
                    sender: sender.clone(),
                    at: self.now,
                    received: None,
                    line,
                    chain_key: None,
                });
                self.lines.len() - 1
            })
            .collect();
        if arrives && !numbers.is_empty() {
            self.now += 1;
            for number in numbers {
                self.lines[number].received = Some(self.now);
                let line = self.lines[number].line.clone();
                self.act(1 - who, true, &|session, cx| session.receive(cx, &line));
            }
        }
        self.now += 7;
    }

    fn say(&mut self, who: usize, arrives: bool) {
        self.act(who, arrives, &|session, cx| session.send(cx, None, "hello").unwrap());
    }
}

#[test]
fn after_a_new_handshake_keys_of_the_conversation_before_are_revealed() {
    let mut two = Two::new();
    two.act(0, true, &|session, cx| session.start(cx));
    two.say(0, true);
    two.say(1, true);
    two.say(0, true);
    two.say(1, true);
    two.say(1, false);
    two.say(1, true);
    two.act(0, true, &|session, cx| session.start(cx));
    two.say(1, true);
    two.say(0, true);
    two.now += 11 * 60;
    two.say(1, true);
    two.act(0, true, &|session, cx| session.tick(cx));
    two.say(0, true);
    two.say(1, true);
    two.act(0, true, &|session, cx| session.end(cx));
    // And once more.
    two.now += 60;
    two.act(1, true, &|session, cx| session.start(cx));
    two.say(1, true);
    two.say(0, true);
    two.say(1, true);
    let talk = Transcript { lines: two.lines, ensemble: None };
    let saved = people(1);
    let keys = Keys::load([&saved[0], &saved[1]]).unwrap();
    assert_eq!(broken_rules(&Look::at(&talk, &keys), &keys), Vec::new());
    assert!(gives_up(&talk, &keys));
    let ends = Look::at(&talk, &keys).messages.iter().filter(|message| message.is("Auth-I message")).count();
    assert_eq!(ends, 3);
}
