//! Conversations that were recorded, as transcripts: those of `conformance/vectors`, where libotr spoke versions 3 and 2, and
//! one between two `client-demo pipe`s.
#![allow(clippy::indexing_slicing)]

use std::path::Path;

use otrv4::forge::parse;
use otrv4::prekey_server::{cut_text, encode_text};
use otrv4::wire::{InstanceTag, Versions, armour, unarmour, whitespace_tag};
use serde_json::{Value, json};

use crate::process::{Pipe, pair, wire_lines};

/// Lines with their senders.
#[derive(Default)]
pub(super) struct Transcript(pub(super) Vec<(String, String)>);

impl Transcript {
    /// Of version 4, interactive: 33 lines, five of them fragments.
    pub(super) fn interactive() -> Self {
        Self::conversation("dakez")
    }

    /// Of version 4, begun offline: 20 lines.
    pub(super) fn offline() -> Self {
        Self::conversation("xzdh")
    }

    fn conversation(name: &str) -> Self {
        let vector =
            vectors("transcripts").into_iter().find(|vector| vector["name"] == name).expect("it is there");
        let steps = vector["outputs"]["steps"].as_array().expect("steps").clone();
        let sent = |step: &Value| -> Vec<(String, String)> {
            let lines = step["sends"].as_array().cloned().unwrap_or_default();
            lines.iter().map(|line| (text(&step["who"]), text(line))).collect()
        };
        Self(steps.iter().flat_map(sent).collect())
    }

    /// Of version 3 or 2, by libotr.
    pub(super) fn libotr(version: u8) -> Self {
        let wire = |vector: &Value| {
            let (from, wire) = (&vector["inputs"]["from"], &vector["outputs"]["wire"]);
            Some((from.as_str()?.to_owned(), wire.as_str()?.to_owned()))
        };
        Self(vectors(&format!("v{version}-session")).iter().filter_map(wire).collect())
    }

    /// Of clients with a prekey server; the first ensembles come once more, in fragments.
    pub(super) fn prekey_server() -> Self {
        let mut lines = Vec::new();
        for vector in vectors("prekey-server") {
            for step in vector["outputs"]["steps"].as_array().into_iter().flatten() {
                lines.push((text(&step["from"]), text(&step["to_server"])));
                let answers = step["to_client"].as_array().into_iter().flatten();
                lines.extend(answers.map(|line| ("server".to_owned(), text(line))));
            }
        }
        let is_retrieval =
            |line: &&(String, String)| parse(&line.1).name == "Prekey Ensemble Retrieval message";
        let (server, answer) = lines.iter().find(is_retrieval).expect("somebody asks").clone();
        let pieces = cut_text(&answer, 600, 7, None, InstanceTag::new(0x100)).expect("cut");
        lines.extend(pieces.into_iter().map(|piece| (server.clone(), piece)));
        Self(lines)
    }

    /// What the others do not have: a profile with a key of version 3, lines in clear, a refusal of a prekey server, and a message alone.
    pub(super) fn further() -> Self {
        let is_ours = |vector: &&Value| vector["name"] == "client_profile_v34_dsa_transitional";
        let profile =
            vectors("profiles").iter().find(is_ours).map(|vector| text(&vector["inputs"]["encoded"]));
        let profile = hex::decode(profile.expect("it is there")).expect("hex");
        let mpi = [0, 0, 0, 1, 5];
        let identity =
            [&[0, 4, 0x35, 0, 0, 1, 0, 0, 0, 0, 0][..], &profile, &[7; 57], &mpi, &[7; 57], &mpi].concat();
        let failure = [&[0, 4, 5, 0, 0, 1, 0][..], &[7; 64]].concat();
        let prekey = [&[0, 4, 15, 0, 0, 0, 1, 0, 0, 1, 0][..], &[7; 57], &mpi].concat();
        let storage =
            [&[0, 4, 0x37, 0, 0, 1, 0][..], &[7; 6 * 57], &[0, 0, 0, 67, 0, 4, 9], &[7; 64]].concat();
        let lines = [
            "Hello.".to_owned(),
            "?OTRv45?".to_owned(),
            "?OTR Error: ERROR_2: Not in private state message".to_owned(),
            format!("Hello.{}", whitespace_tag(Versions::V34)),
            armour(&identity),
            armour(&prekey),
            armour(&[0, 1, 2, 3]),
            encode_text(&failure),
            encode_text(&storage),
        ];
        Self(lines.map(|line| ("bob".to_owned(), line)).into())
    }

    /// Lines that follow no format to their end.
    pub(super) fn damaged() -> Self {
        let longer_list = {
            let of_3 = Self::libotr(3).0.into_iter();
            let line =
                of_3.map(|(_, line)| line).find(|line| parse(line).name == "Data message").expect("one");
            let keys = parse(&line).fields.iter().filter(|field| field.name == "revealed MAC key").count();
            let mut message = unarmour(&line).expect("a message");
            let length = message.len() - 20 * keys - 1;
            message[length] += 1;
            message.push(7);
            armour(&message)
        };
        let lines = [
            "?OTR:broken".to_owned(),
            "?OTR|broken".to_owned(),
            "?OTRP|broken".to_owned(),
            armour(&[0, 4, 0x99, 1]),
            armour(&[0]),
            encode_text(&[0, 4, 0x99, 1]),
            longer_list,
        ];
        Self(lines.map(|line| ("mallory".to_owned(), line)).into())
    }

    /// Between two of our programs: a key exchange, then texts in turn, `a` for one of Alice.
    pub(super) fn live(turns: &str) -> Self {
        let (mut alice, mut bob) = pair();
        let mut transcript = Self::default();
        let query = wire_lines(&alice.ask("query"));
        transcript.carry(query, &mut alice, &mut bob, true);
        for turn in turns.chars() {
            let from_alice = turn == 'a';
            let (from, to) = if from_alice { (&mut alice, &mut bob) } else { (&mut bob, &mut alice) };
            let lines = from.send("Ten o'clock at the station.");
            transcript.carry(lines, from, to, from_alice);
        }
        transcript
    }

    fn carry(&mut self, lines: Vec<String>, from: &mut Pipe, to: &mut Pipe, from_alice: bool) {
        if lines.is_empty() {
            return;
        }
        let sender = if from_alice { "alice" } else { "bob" };
        self.0.extend(lines.iter().map(|line| (sender.to_owned(), line.clone())));
        let answers: Vec<String> = lines.iter().flat_map(|line| to.receive(line)).collect();
        self.carry(wire_lines(&answers), to, from, !from_alice);
    }

    /// Its first lines.
    pub(super) fn first(&self, count: usize) -> Self {
        Self(self.0.iter().take(count).cloned().collect())
    }

    /// As a file of lines of JSON, a minute apart.
    pub(super) fn json(&self) -> String {
        let lines = self.0.iter().zip(0..);
        let line = |((sender, line), minute): (&(String, String), i64)| {
            format!("{}\n", json!({"sender": sender, "at": 1_800_000_000 + 60 * minute, "line": line}))
        };
        lines.map(line).collect()
    }
}

fn vectors(file: &str) -> Vec<Value> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../conformance/vectors");
    let read = std::fs::read(folder.join(file).with_extension("json")).expect("the file of vectors");
    let file: Value = serde_json::from_slice(&read).expect("JSON");
    file["vectors"].as_array().expect("vectors").clone()
}

fn text(value: &Value) -> String {
    value.as_str().expect("a text").to_owned()
}
