//! The recorded transcripts, replayed byte for byte: `conformance/vectors/transcripts.json`. Tests only.
//!
//! Ring signatures are the exception: ours are hedged with the message, so that they differ in every run. So are
//! messages of SMP, whose proofs have other nonces (spec-notes/SN-015). Everything else of those messages is compared,
//! and the recorded message is what the other side gets, so that recorded signatures and proofs are verified.

#![allow(clippy::cast_possible_truncation, reason = "recorded numbers are small")]

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Context, Event, Output, Policy, Session};
use crate::account::Account;
use crate::client_profile::ClientProfile;
use crate::crypto::dh3072::DhPublic;
use crate::crypto::ed448::Point;
use crate::prekey::PrekeyEnsemble;
use crate::v4::DataMessage;
use crate::vectors::{Recorded, bytes, transcript};
use crate::wire::{Header, InstanceTag, MessageType, Reader, armour, unarmour};
use crate::{Timestamp, wire};

struct Party {
    account: Account,
    session: Session,
    now: Timestamp,
}

impl Party {
    fn with<T>(&mut self, rng: &mut Recorded, act: impl FnOnce(&mut Session, &mut Context<'_>) -> T) -> T {
        let mut cx = Context { account: &mut self.account, rng, now: self.now };
        act(&mut self.session, &mut cx)
    }

    fn receive(&mut self, rng: &mut Recorded, line: &str) -> Vec<Output> {
        self.with(rng, |session, cx| session.receive(cx, line))
    }
}

struct Replay {
    parties: BTreeMap<String, Party>,
    transcript: Value,
}

impl Replay {
    fn of(name: &str) -> Self {
        let transcript = transcript(name);
        let now = Timestamp::from_unix(transcript["now"].as_i64().expect("a time"));
        let other = |name: &str| if name == "alice" { "bob" } else { "alice" };
        let parties = transcript["parties"].as_object().expect("parties").iter().map(|(name, party)| {
            let correspondent = transcript["parties"][other(name)]["id"].as_str().expect("an id");
            let session = Session::new(correspondent, Policy::default());
            (name.clone(), Party { account: Account::recorded(party), session, now })
        });
        Self { parties: parties.collect(), transcript }
    }

    fn run(mut self) {
        for step in self.transcript["steps"].as_array().expect("steps").clone() {
            self.deliver_faults(step["n"].as_u64().expect("a number"));
            self.take(&step);
        }
    }

    fn take(&mut self, step: &Value) {
        let what = format!("step {}: {} does {}", step["n"], step["who"], step["does"]);
        let draws = step["random"].as_array().into_iter().flatten();
        let mut rng = Recorded(draws.map(|draw| bytes(&draw[1])).collect());
        // The last message of somebody who was told that it is over is ours alone (spec-notes/SN-014): it opens a
        // ratchet, and the transcript has no values for it.
        let is_told = |event: &Value| event.as_str().is_some_and(|event| event.starts_with("event finished"));
        let finished = step["events"].as_array().into_iter().flatten().any(is_told);
        if finished {
            rng.0.extend([vec![1; 57], vec![2; 80]]);
        }
        let message = step["message"].as_array().map(|at| self.sent(&at[0], &at[1]));
        let ensemble = self.ensemble_of_bob();
        let party = self.parties.get_mut(step["who"].as_str().expect("who")).expect("a party");
        let arg = |n: usize| step["arg"][n].as_str().expect("an argument").to_owned();
        let sends: Vec<&str> =
            step["sends"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        party.session.set_max_line(max_line(&sends)).expect("long enough");

        let outputs = match step["does"].as_str().expect("a deed") {
            "query" => party.with(&mut rng, |session, cx| session.start(cx)),
            "offline" => party
                .with(&mut rng, |session, cx| session.start_offline(cx, vec![ensemble.expect("an ensemble")]))
                .expect("a valid ensemble"),
            "recv" => party.receive(&mut rng, &message.expect("a message")),
            "send" => party.with(&mut rng, |session, cx| session.send(cx, None, &arg(0))).expect("a channel"),
            "end" => party.with(&mut rng, |session, cx| session.end(cx)),
            "smp_start" => party
                .with(&mut rng, |session, cx| session.smp_start(cx, None, &arg(0), &arg(1)))
                .expect("a channel"),
            "smp_respond" => {
                let asked = |tag: &InstanceTag| party.session.smp_question(*tag).is_some();
                let from = party.session.instances.keys().copied().find(asked).expect("was asked");
                let question = party.session.smp_question(from).expect("was asked").to_owned();
                party
                    .with(&mut rng, |session, cx| session.smp_answer(cx, from, &question, &arg(0)))
                    .expect("was asked")
            }
            "heartbeat" => {
                party.with(&mut rng, |session, cx| session.heartbeat(cx, None)).expect("a channel")
            }
            "extra_key" => {
                let context = bytes(&step["arg"]).try_into().expect("4 bytes");
                party
                    .with(&mut rng, |session, cx| session.extra_keys(cx, None, &[(context, b"")]))
                    .expect("a channel")
            }
            deed => panic!("an unknown deed {deed}"),
        };
        if !finished {
            let blot = if draws_nonces(step) { without_text } else { without_sigma };
            let ours: Vec<String> = lines(&outputs).iter().map(|line| blot(line)).collect();
            let theirs: Vec<String> = sends.iter().map(|line| blot(line)).collect();
            assert_eq!(ours, theirs, "{what}");
            assert!(rng.0.is_empty(), "{what}: all random values were used");
        }
        let expected: Vec<String> =
            step["events"].as_array().into_iter().flatten().filter_map(shown).collect();
        assert_eq!(events(&outputs), expected, "{what}");
    }

    /// Damaged messages, delivered before a step: nothing is accepted, no state changes, and the step still works.
    fn deliver_faults(&mut self, step: u64) {
        let faults = self.transcript["faults"].as_array().expect("faults").clone();
        for fault in faults.iter().filter(|fault| fault["before_step"] == step) {
            let line = match fault["message"].as_str() {
                Some(line) => line.to_owned(),
                None => armour(&self.damaged(fault)),
            };
            let party = self.parties.get_mut(fault["to"].as_str().expect("to")).expect("a party");
            let before = party.session.save();
            let mut rng = Recorded(std::collections::VecDeque::new());
            let outputs = party.receive(&mut rng, &line);
            let accepted = outputs.iter().any(|output| {
                matches!(
                    output,
                    Output::Event(Event::Message { .. } | Event::Secure { .. } | Event::Ended { .. })
                )
            });
            assert!(!accepted, "{}: {outputs:?}", fault["name"]);
            if !outputs.iter().any(|output| matches!(output, Output::Event(Event::Held { .. }))) {
                assert_eq!(*before, *party.session.save(), "{}", fault["name"]);
            }
        }
    }

    fn damaged(&self, fault: &Value) -> Vec<u8> {
        let mut message =
            unarmour(&self.sent(&fault["base"][0], &fault["base"][1])).expect("an encoded message");
        let cut = fault["cut"].as_u64().unwrap_or(0) as usize;
        message.truncate(message.len() - cut);
        if let Some(patch) = fault["patch"].as_array() {
            let (at, with) = (patch[0].as_u64().expect("where") as usize, bytes(&patch[1]));
            message[at..at + with.len()].copy_from_slice(&with);
        }
        if !fault["append"].is_null() {
            message.extend(bytes(&fault["append"]));
        }
        message
    }

    fn sent(&self, step: &Value, number: &Value) -> String {
        let step = &self.transcript["steps"][step.as_u64().expect("a step") as usize];
        step["sends"][number.as_u64().expect("a number") as usize].as_str().expect("a line").to_owned()
    }

    fn ensemble_of_bob(&self) -> Option<PrekeyEnsemble> {
        let bob = &self.transcript["parties"]["bob"];
        let parts = [&bob["client_profile"], &bob["prekey_profile"], &bob["prekeys"][0]["message"]];
        let all: Vec<u8> = parts.into_iter().filter(|part| !part.is_null()).flat_map(bytes).collect();
        PrekeyEnsemble::read(&mut Reader::new(&all)).ok()
    }
}

fn lines(outputs: &[Output]) -> Vec<String> {
    let lines = outputs.iter().filter_map(|output| match output {
        Output::Send(line) => Some(line.clone()),
        Output::Save | Output::Event(_) => None,
    });
    lines.collect()
}

fn events(outputs: &[Output]) -> Vec<String> {
    let events = outputs.iter().filter_map(|output| match output {
        Output::Event(Event::Secure { with, fingerprint, ssid, .. }) => {
            Some(format!("event secure {with} v4 fingerprint={fingerprint} ssid={ssid}"))
        }
        Output::Event(Event::Message { text, .. }) => Some(format!("plain {text}")),
        Output::Event(Event::Ended { with, by: super::EndedBy::Them }) => {
            Some(format!("event finished {with}"))
        }
        Output::Event(Event::SmpAsked { question, .. }) => Some(format!("event smp-ask {question}")),
        Output::Event(Event::SmpSucceeded { .. }) => Some("event smp-success".into()),
        Output::Event(Event::SmpFailed { .. }) => Some("event smp-failure".into()),
        Output::Event(Event::SmpAborted { .. }) => Some("event smp-aborted".into()),
        Output::Event(Event::ExtraKey { key, .. }) => {
            Some(format!("event extra-key {} {}", hex::encode(key.context), hex::encode(&*key.key)))
        }
        _ => None,
    });
    events.collect()
}

/// The recorded events that are the same for every implementation.
fn shown(event: &Value) -> Option<String> {
    const KINDS: [&str; 5] = ["event secure", "plain", "event finished", "event smp", "event extra-key"];
    let event = event.as_str().expect("an event");
    let ours = KINDS.iter().any(|kind| event.starts_with(kind));
    ours.then(|| event.to_owned())
}

/// The line length with which the recorded fragments were cut.
fn max_line(sends: &[&str]) -> Option<usize> {
    sends.iter().filter(|line| line.starts_with("?OTR|")).map(|line| line.len()).max()
}

/// Whether a message of SMP with proofs is made: our nonces come from the same draws and are others.
fn draws_nonces(step: &Value) -> bool {
    let mut draws = step["random"].as_array().into_iter().flatten();
    draws.any(|draw| draw[0].as_str().is_some_and(|what| what.starts_with("smp r")))
}

/// A data message with its ciphertext and authenticator blotted out; their length and all else stays.
fn without_text(line: &str) -> String {
    let mut message = unarmour(line).expect("an encoded message");
    let mut r = Reader::new(&message);
    let header = Header::read(&mut r).expect("a header");
    assert_eq!(header.message_type, MessageType::Data);
    r.bytes(1 + 12 + 57, "fields").expect("fields");
    r.mpi("DH key").expect("a DH key");
    let start = r.position() + 4;
    r.data("ciphertext").expect("a ciphertext");
    let end = r.position() + 64;
    message.get_mut(start..end).expect("an authenticator").fill(0);
    armour(&message)
}

fn ciphertext(message: &[u8]) -> Vec<u8> {
    let mut r = Reader::new(message);
    Header::read(&mut r).expect("a header");
    r.bytes(1 + 12 + 57, "fields").expect("fields");
    r.mpi("DH key").expect("a DH key");
    r.data("ciphertext").expect("a ciphertext").to_vec()
}

/// A line with its ring signature blotted out.
fn without_sigma(line: &str) -> String {
    let Ok(mut message) = unarmour(line) else { return line.to_owned() };
    let mut r = Reader::new(&message);
    let header = Header::read(&mut r).expect("a header");
    match header.message_type {
        MessageType::AuthI => {}
        MessageType::AuthR | MessageType::NonInteractiveAuth => {
            ClientProfile::read(&mut r).expect("a profile");
            Point::read(&mut r, "X").expect("a point");
            DhPublic::read(&mut r, "A").expect("a DH key");
        }
        _ => return line.to_owned(),
    }
    let at = r.position();
    message[at..at + 342].fill(0);
    armour(&message)
}

impl Account {
    /// The account of a recorded party.
    fn recorded(party: &Value) -> Self {
        let tag = InstanceTag::new(party["tag"].as_u64().expect("a tag") as u32).expect("a valid tag");
        let prekeys = party["prekeys"].as_array().into_iter().flatten().map(|prekey| {
            let id = prekey["id"].as_u64().expect("an id") as u32;
            (id, bytes(&prekey["y_sym"]), bytes(&prekey["b"]))
        });
        Self::of_parts(
            party["id"].as_str().expect("an id"),
            tag,
            (bytes(&party["sym_h"]), bytes(&party["sym_f"]), bytes(&party["sym_d"])),
            (bytes(&party["client_profile"]), bytes(&party["prekey_profile"])),
            prekeys.collect(),
        )
    }
}

#[test]
fn the_recorded_interactive_conversation_gives_the_recorded_bytes() {
    Replay::of("dakez").run();
}

#[test]
fn the_recorded_offline_conversation_gives_the_recorded_bytes() {
    Replay::of("xzdh").run();
}

#[test]
fn data_messages_are_those_of_the_vectors() {
    use crate::ratchet::keys::ChainKey;
    for v in crate::vectors::of_kind("data_message") {
        let line = v.outputs["message"].as_str().expect("a line");
        let message = unarmour(line).expect("an encoded message");
        let mut r = Reader::new(&message);
        let header = Header::read(&mut r).expect("a header");
        assert_eq!(
            u64::from(header.sender.get()),
            v.inputs["sender_tag"].as_u64().expect("a tag"),
            "{}",
            v.name
        );
        let data = DataMessage::read(&mut r).expect("a data message");
        let number = |name: &str| v.inputs[name].as_u64().expect("a number") as u32;
        assert_eq!(
            (data.at.pn, data.at.i, data.at.j),
            (number("pn"), number("i"), number("j")),
            "{}",
            v.name
        );
        assert_eq!(data.at.ecdh.as_slice(), bytes(&v.inputs["ecdh"]), "{}", v.name);
        assert_eq!(data.ignore_unreadable, number("flags") & 1 == 1, "{}", v.name);
        let chain = bytes(&v.inputs["chain_key"]);
        let chain = ChainKey::load(&mut Reader::new(&chain)).expect("64 bytes");
        let key = chain.message_key();
        assert!(data.is_authentic(&key.mac_key()), "{}", v.name);
        let mut text = ciphertext(&message);
        key.decipher(&mut text);
        assert_eq!(text, bytes(&v.inputs["plaintext"]), "{}", v.name);
    }
}

#[test]
fn data_messages_are_parsed_as_the_vectors_say() {
    for v in crate::vectors::of_kind("data_message_parse") {
        let binary = bytes(&v.inputs["binary"]);
        let mut r = Reader::new(&binary);
        let parsed = Header::read(&mut r).and_then(|header| {
            if (header.version, header.message_type) != (wire::Version::V4, MessageType::Data) {
                return Err(wire::WireError::Illegal("message"));
            }
            let data = DataMessage::read(&mut r)?;
            // What the ratchet does when the keys are new.
            Point::decode(data.at.ecdh)?;
            data.at.dh.map(DhPublic::from_be_bytes).transpose()
        });
        assert_eq!(Some(parsed.is_ok()), v.accept(), "{}: {parsed:?}", v.name);
    }
}

#[test]
fn a_handshake_under_a_known_tag_with_another_key_is_refused() {
    use crate::keys::ForgingSecret;
    use crate::{Lifetimes, Reject};
    let now = Timestamp::from_unix(1_800_000_000);
    let tag = |n| InstanceTag::new(n).expect("a valid tag");
    let party = |id: &str, correspondent: &str, n| {
        let mut rng = crate::vectors::rng();
        let account = Account::new(id, ForgingSecret::Keep, Lifetimes::default(), &mut rng, now);
        (account.of_tag(tag(n), now), Session::new(correspondent, Policy::default()))
    };
    let mut alice = party("alice@example.org", "bob@example.org", 0x100);
    let mut bob = party("bob@example.org", "alice@example.org", 0x200);
    let mut mallory = party("bob@example.org", "alice@example.org", 0x200);

    let act = |who: &mut (Account, Session), line: Option<&str>| {
        let mut rng = crate::vectors::rng();
        let mut cx = Context { account: &mut who.0, rng: &mut rng, now };
        match line {
            Some(line) => who.1.receive(&mut cx, line),
            None => who.1.start_identity(&mut cx),
        }
    };
    let first = |outputs: Vec<Output>| lines(&outputs).remove(0);
    let identity = first(act(&mut bob, None));
    let auth_r = first(act(&mut alice, Some(&identity)));
    let auth_i = first(act(&mut bob, Some(&auth_r)));
    act(&mut alice, Some(&auth_i));
    let before = alice.1.save();
    let identity = first(act(&mut mallory, None));
    let outputs = act(&mut alice, Some(&identity));
    let refused = Event::Rejected { from: Some(tag(0x200)), reason: Reject::OtherKey };
    assert_eq!(outputs, [Output::Event(refused)]);
    assert_eq!(*before, *alice.1.save());
}
