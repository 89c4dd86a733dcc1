//! Conversations in the lines, and where each message stands in them. Spec: otrv4.md "Conversation started by …", "Data
//! Exchange"; OTRv3 "High level overview". All of it is what headers say: nobody has checked a MAC or a signature.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::report::{Entry, Message};
use crate::harmless;

/// A conversation: a key exchange and what was encrypted under its keys.
#[derive(Serialize)]
pub(super) struct Conversation {
    pub(super) version: u64,
    /// Tags of the two clients, with the names of their senders; none in version 2.
    pub(super) between: Vec<String>,
    /// How it began, for people.
    pub(super) begins: String,
    /// Numbers of the lines of its key exchange.
    pub(super) exchange: Vec<usize>,
    /// Numbers of the lines of its data messages.
    pub(super) messages: Vec<usize>,
    /// How many of them anybody can change now.
    pub(super) changeable: usize,
    /// What can be said of its end, for people.
    pub(super) end: String,
    /// The place of its last data message.
    #[serde(skip)]
    last: Option<usize>,
    #[serde(skip)]
    seen: BTreeSet<String>,
}

/// The place of a line in its conversation.
#[derive(Serialize)]
pub(super) struct Step {
    /// Which conversation, from 1.
    pub(super) conversation: usize,
    pub(super) ratchet: Option<u64>,
    pub(super) message: Option<u64>,
    /// The same for people; of version 3 keyids and counter.
    pub(super) place: String,
    /// What is new with it, for people.
    pub(super) turn: Option<&'static str>,
}

/// Version and the two tags, in their order.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Pair(u64, [u64; 2]);

/// Finds the conversations, and notes the place of each line.
pub(super) fn follow(entries: &mut [Entry]) -> Vec<Conversation> {
    let names = names(entries);
    let mut conversations: Vec<Conversation> = Vec::new();
    // The last conversation of each two clients.
    let mut known: BTreeMap<Pair, usize> = BTreeMap::new();
    // By version and sender: first messages of exchanges that nobody has answered yet.
    let mut unanswered: BTreeMap<(u64, u64), usize> = BTreeMap::new();
    for at in 0..entries.len() {
        let Some((message, version)) = entries.get(at).and_then(of_conversation) else { continue };
        let [from, to] = ["sender's instance tag", "receiver's instance tag"]
            .map(|name| message.number(name).unwrap_or_default());
        let pair = Pair(version, [from.min(to), from.max(to)]);
        let begins = match message.name {
            "Identity message" | "D-H Commit message" => {
                unanswered.insert((version, from), at);
                continue;
            }
            "Auth-R message" => Some("an interactive key exchange, DAKEZ"),
            "D-H Key message" => Some("a key exchange with signatures"),
            "Non-Interactive-Auth message" => {
                Some("an offline key exchange, XZDH: the receiver may have been away")
            }
            _ => None,
        };
        let which = match (begins, known.get(&pair)) {
            (None, Some(known)) => *known,
            (begins, _) => {
                conversations.push(Conversation::new(pair, begins, &names));
                conversations.len() - 1
            }
        };
        known.insert(pair, which);
        let is_data = message.name == "Data message";
        let first = begins.and_then(|_| unanswered.remove(&(version, to)));
        for at in first.into_iter().chain([at]) {
            if let (Some(entry), Some(conversation)) = (entries.get_mut(at), conversations.get_mut(which)) {
                entry.step = Some(conversation.step(which + 1, entry));
                conversation.last = Some(at).filter(|_| is_data).or(conversation.last);
            }
        }
    }
    for conversation in &mut conversations {
        conversation.end = end(conversation, entries);
    }
    conversations
}

/// A sound message of a conversation, and its version.
fn of_conversation(entry: &Entry) -> Option<(&Message, u64)> {
    const NAMES: [&str; 9] = [
        "Identity message",
        "Auth-R message",
        "Auth-I message",
        "Non-Interactive-Auth message",
        "D-H Commit message",
        "D-H Key message",
        "Reveal Signature message",
        "Signature message",
        "Data message",
    ];
    let message = Some(entry.main()).filter(|message| message.is_sound() && NAMES.contains(&message.name))?;
    Some((message, message.version?))
}

/// Who sends under each tag, as the lines say.
fn names(entries: &[Entry]) -> BTreeMap<u64, BTreeSet<String>> {
    let mut names: BTreeMap<u64, BTreeSet<String>> = BTreeMap::new();
    for (entry, (message, _)) in entries.iter().filter_map(|entry| Some((entry, of_conversation(entry)?))) {
        if let (Some(sender), Some(tag)) = (&entry.sender, message.number("sender's instance tag")) {
            names.entry(tag).or_default().insert(sender.clone());
        }
    }
    names
}

impl Conversation {
    fn new(pair: Pair, begins: Option<&str>, names: &BTreeMap<u64, BTreeSet<String>>) -> Self {
        let Pair(version, tags) = pair;
        let named = |tag: u64| match names.get(&tag) {
            // As many as somebody claims, in as many conversations.
            Some(names) => {
                let more = if names.len() > NAMED { ", …" } else { "" };
                let names: Vec<String> = names.iter().take(NAMED).map(|name| harmless::name(name)).collect();
                format!("{tag:08x} ({}{more})", names.join(", "))
            }
            None => format!("{tag:08x}"),
        };
        let begins = match begins {
            Some(begins) => format!("with {begins}"),
            None => "before these lines: its key exchange is not here".to_owned(),
        };
        Self {
            version,
            between: tags.into_iter().filter(|tag| *tag > 0).map(named).collect(),
            begins,
            exchange: Vec::new(),
            messages: Vec::new(),
            changeable: 0,
            end: String::new(),
            last: None,
            seen: BTreeSet::new(),
        }
    }

    /// The next line of it.
    fn step(&mut self, conversation: usize, entry: &Entry) -> Step {
        let message = entry.main();
        let number = |name| message.number(name);
        if message.name != "Data message" {
            self.exchange.push(entry.number);
            self.seen.extend(message.hex("first ECDH public key").map(str::to_owned));
            let place = "key exchange".to_owned();
            return Step { conversation, ratchet: None, message: None, place, turn: None };
        }
        self.messages.push(entry.number);
        self.changeable += usize::from(entry.revealed_in.is_some());
        if let (Some(i), Some(j)) = (number("ratchet id"), number("message id")) {
            let place = format!("ratchet {i}, message {j}");
            return Step {
                conversation,
                ratchet: Some(i),
                message: Some(j),
                place,
                turn: self.turn(message),
            };
        }
        let [sender, recipient, counter] = ["sender keyid", "recipient keyid", "top half of counter init"]
            .map(|name| number(name).unwrap_or_default());
        let from = number("sender's instance tag").unwrap_or_default();
        // In version 2 both sides look the same.
        let name = entry.sender.as_deref().unwrap_or_default();
        let is_new = self.seen.insert(format!("{name} {from:x} {sender} {recipient}"));
        Step {
            conversation,
            ratchet: None,
            message: None,
            place: format!("keys {sender} and {recipient}, counter {counter}"),
            turn: is_new.then_some("the first under these two Diffie-Hellman keys"),
        }
    }

    /// What is new with a data message of version 4.
    fn turn(&mut self, message: &Message) -> Option<&'static str> {
        let key = message.hex("public ECDH key")?;
        let first = message.number("ratchet id") == Some(0);
        if !self.seen.insert(key.to_owned()) {
            return None;
        }
        let has_dh = message.hex("public DH key").is_some_and(|key| !key.is_empty());
        Some(match (first, has_dh) {
            (true, _) => "first ratchet of this side: new ECDH key, new DH key",
            (false, true) => "DH ratchet: new ECDH key, new DH key, so a fresh brace key",
            (false, false) => "DH ratchet: new ECDH key; the brace key is a hash of the last one",
        })
    }
}

/// What can be said of the end.
fn end(conversation: &Conversation, entries: &[Entry]) -> String {
    let Some(last) = conversation.last.and_then(|at| entries.get(at)) else {
        return "No data message is here.".to_owned();
    };
    let number = last.number;
    if last.main().number("flags").is_some_and(|flags| flags & 1 == 1) && !last.reveals.is_empty() {
        return format!(
            "Line {number} is the last one. It carries no text that would be missed, and reveals MAC keys, as the message \
             that ends a conversation does. Whether it is one is encrypted: a heartbeat looks the same."
        );
    }
    format!("Line {number} is the last one here. Whether the conversation was ended is encrypted.")
}

/// Names of senders under one tag.
const NAMED: usize = 3;
