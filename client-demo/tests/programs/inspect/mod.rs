//! `client-demo inspect`: what it says of recorded conversations, and of lines that mean harm.

mod claims;
mod examples;
mod hostile;
mod logs;
mod page;
mod recorded;

use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::Path;
use std::process::{Output, Stdio};

use otrv4::Secret;
use otrv4::forge::{v3, v4};
use recorded::Transcript;
use serde_json::Value;

use crate::process::client;

/// `inspect` with this on stdin.
fn inspect(arguments: &[&str], input: &str) -> Output {
    let mut command = client(["inspect"].iter().chain(arguments));
    let command = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("client-demo runs");
    let mut stdin = child.stdin.take().expect("piped");
    let input = input.to_owned();
    let writer = std::thread::spawn(move || stdin.write_all(input.as_bytes()));
    let output = child.wait_with_output().expect("it ended");
    writer.join().expect("written").expect("it reads all");
    output
}

fn said(arguments: &[&str], input: &str) -> String {
    let output = inspect(arguments, input);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("UTF-8")
}

fn report(input: &str) -> Value {
    serde_json::from_str(&said(&["--json"], input)).expect("JSON")
}

/// The lines of a report.
fn lines(report: &Value) -> &[Value] {
    report["lines"].as_array().expect("lines")
}

/// What a line is, or completes.
fn main(line: &Value) -> &Value {
    if line["whole"].is_null() { &line["message"] } else { &line["whole"] }
}

fn names(report: &Value) -> Vec<&str> {
    lines(report).iter().map(|line| main(line)["name"].as_str().expect("a name")).collect()
}

fn numbers(value: &Value) -> Vec<u64> {
    value.as_array().expect("a list").iter().map(|number| number.as_u64().expect("a number")).collect()
}

/// For each line that has one, the line that reveals its MAC key.
fn revealed(report: &Value) -> Vec<(u64, u64)> {
    let pair = |line: &Value| Some((line["number"].as_u64()?, line["revealed_in"].as_u64()?));
    lines(report).iter().filter_map(pair).collect()
}

fn every_transcript() -> [Transcript; 7] {
    [
        Transcript::interactive(),
        Transcript::offline(),
        Transcript::libotr(3),
        Transcript::libotr(2),
        Transcript::prekey_server(),
        Transcript::further(),
        Transcript::damaged(),
    ]
}

#[test]
fn every_message_and_every_field_is_explained() {
    let mut seen = BTreeSet::new();
    for transcript in every_transcript() {
        let is_sound = transcript.0.iter().all(|(sender, _)| sender != "mallory");
        let report = report(&transcript.json());
        assert_eq!(lines(&report).len(), transcript.0.len());
        for line in lines(&report) {
            for message in [&line["message"], &line["whole"]].into_iter().filter(|message| !message.is_null())
            {
                let name = message["name"].as_str().expect("a name");
                assert_eq!(message["error"].is_null(), is_sound || is_whole(name), "{message}");
                let about = message["about"].as_str().expect("a text");
                assert_eq!(
                    about.starts_with("Looks like"),
                    ["Encoded message", "Prekey server message"].contains(&name)
                );
                for field in message["fields"].as_array().expect("fields") {
                    assert_ne!(field["explanation"], "", "{name}: {}", field["name"]);
                    seen.insert(field["name"].as_str().expect("a name").to_owned());
                }
                seen.insert(name.to_owned());
            }
            for words in ["short", "why"] {
                assert_ne!(line["forgery"][words], "", "{line}");
            }
        }
    }
    for name in named_in_the_library() {
        assert!(seen.contains(&name), "{name} has not been looked at");
    }
}

/// Not damaged among the lines that are.
fn is_whole(name: &str) -> bool {
    ["Message of another version", "Text", "Query message", "Text with a whitespace tag", "Error message"]
        .contains(&name)
}

/// The names that `forge::parse` gives to messages and fields: what stands there in quotation marks and is no error.
fn named_in_the_library() -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../otrv4/src/forge");
    let files = ["parse.rs", "parse/messages.rs", "parse/prekeys.rs", "parse/walk.rs"];
    let code = files.map(|file| std::fs::read_to_string(folder.join(file)).expect("the code")).join("\n");
    let mut names = Vec::new();
    for call in [
        "shown(\"",
        "number(\"",
        "tag(\"",
        "walk.byte(\"",
        "walk.short(\"",
        "walk.int(\"",
        "walk.long(\"",
        "walk.data(\"",
        "walk.mpi(\"",
        "walk.point(\"",
        "walk.scalar(\"",
        ">(\"",
        "walk.list::<64>(\"",
        "walk.rest(\"",
        "walk.inside(\"",
        "walk.signature(\"",
        "note(\"",
        "tag(walk, \"",
        "text(walk, \"",
        "public_key(walk, \"",
        "expiry(walk, \"",
        "is_there(walk, \"",
        "=> (\"",
        "clear(\"",
        "damaged(\"",
        "Ok(\"",
    ] {
        let found = code.split(call).skip(1).filter_map(|rest| rest.split_once('"'));
        names.extend(found.map(|(name, _)| name.to_owned()));
    }
    assert!(names.len() > 100, "{}", names.len());
    names
}

#[test]
fn a_conversation_of_version_4_has_its_exchange_its_ratchets_and_its_revealed_keys() {
    let report = report(&Transcript::interactive().json());
    assert_eq!(
        names(&report)[..5],
        ["Query message", "Identity message", "Auth-R message", "Auth-I message", "Data message"]
    );
    let conversation = &report["conversations"][0];
    assert_eq!(report["conversations"].as_array().map(Vec::len), Some(1));
    assert_eq!(numbers(&conversation["exchange"]), [2, 3, 4]);
    let between = conversation["between"].as_array().expect("two");
    assert!(
        between
            .iter()
            .all(|who| who.as_str().is_some_and(|who| who.contains("(alice)") || who.contains("(bob)")))
    );
    let step = |number: usize| &lines(&report)[number - 1]["step"];
    for (number, ratchet, message) in [(5, 0, 0), (7, 0, 2), (9, 1, 0), (11, 2, 1), (31, 15, 0), (33, 17, 0)]
    {
        assert_eq!((&step(number)["ratchet"], &step(number)["message"]), (&ratchet.into(), &message.into()));
    }
    // A DH key in every third ratchet, and a turn where a new ECDH key comes.
    for line in lines(&report) {
        let turn = line["step"]["turn"].as_str();
        match line["step"]["ratchet"].as_u64() {
            Some(0) | None => assert!(!turn.is_some_and(|turn| turn.contains("DH ratchet"))),
            Some(i) if line["step"]["message"] == 0 => {
                assert_eq!(turn.expect("a turn").contains("fresh brace key"), i.is_multiple_of(3));
            }
            Some(_) => assert_eq!(turn, None),
        }
    }
    // A first ratchet reveals nothing. Line 7 came late; the last line ends the conversation, and nobody answers it.
    let revealed = revealed(&report);
    assert!(revealed.starts_with(&[(5, 10), (6, 10), (7, 18), (8, 9)]), "{revealed:?}");
    assert!(revealed.contains(&(31, 32)), "the key of a message in fragments: {revealed:?}");
    assert_eq!(revealed.last(), Some(&(32, 33)));
    assert_eq!(conversation["changeable"], revealed.len());
}

#[test]
fn a_key_that_is_said_to_be_of_a_message_changes_it() {
    for transcript in [Transcript::interactive(), Transcript::libotr(3), Transcript::libotr(2)] {
        let report = report(&transcript.json());
        let mut changed = 0;
        for reveal in lines(&report).iter().flat_map(|line| line["reveals"].as_array().expect("a list")) {
            let key = hex::decode(reveal["key"].as_str().expect("hex")).expect("hex");
            for number in numbers(&reveal["messages"]) {
                let line = &lines(&report)[usize::try_from(number).expect("a place") - 1];
                assert_eq!(line["forgery"]["by"], "whoever-has-the-transcript");
                let wire = line["line"].as_str().expect("a line");
                if wire.starts_with("?OTR:") {
                    let forged = match key.as_slice().try_into() {
                        Ok(key) => v4::modify(wire, &Secret::copied(key), "a", "b", 0),
                        Err(_) => v3::modify(
                            wire,
                            &Secret::copied(key.as_slice().try_into().expect("20")),
                            "a",
                            "b",
                            0,
                        ),
                    };
                    assert_ne!(forged.expect("the key fits"), wire);
                    changed += 1;
                }
            }
        }
        assert!(changed > 5, "{changed}");
    }
}

#[test]
fn before_its_key_is_revealed_only_the_two_could_have_made_a_message() {
    let transcript = Transcript::live("aabab");
    let whole = report(&transcript.json());
    let revealed_all = revealed(&whole);
    assert_eq!(revealed_all.len(), 4, "{revealed_all:?}");
    for (message, by) in revealed_all {
        let by = usize::try_from(by).expect("a place");
        let before = report(&transcript.first(by - 1).json());
        assert!(revealed(&before).iter().all(|(number, _)| *number != message));
        let line = &lines(&before)[usize::try_from(message).expect("a place") - 1];
        assert_eq!(line["forgery"]["by"], "the-two");
        let after = report(&transcript.first(by).json());
        assert!(revealed(&after).contains(&(message, by as u64)));
    }
}

#[test]
fn a_conversation_of_version_3_shows_which_messages_share_a_key_and_that_signatures_cannot_be_forged() {
    for version in [3, 2] {
        let report = report(&Transcript::libotr(version).json());
        assert_eq!(
            names(&report)[..5],
            [
                "Query message",
                "D-H Commit message",
                "D-H Key message",
                "Reveal Signature message",
                "Signature message"
            ]
        );
        let by = |number: usize| lines(&report)[number - 1]["forgery"]["by"].as_str().expect("a word");
        let signed = "anybody-unless-opened";
        assert_eq!([1, 2, 3, 4, 5].map(by), ["anybody", "anybody", "anybody", signed, signed]);
        let conversation = &report["conversations"][0];
        assert_eq!(conversation["version"], version);
        assert_eq!(numbers(&conversation["exchange"]), [2, 3, 4, 5]);
        let reveals = lines(&report).iter().flat_map(|line| line["reveals"].as_array().expect("a list"));
        assert!(reveals.clone().any(|reveal| numbers(&reveal["messages"]).len() > 1));
    }
}

#[test]
fn an_offline_conversation_begins_with_one_message() {
    let report = report(&Transcript::offline().json());
    assert_eq!(names(&report)[..2], ["Non-Interactive-Auth message", "Data message"]);
    assert_eq!(numbers(&report["conversations"][0]["exchange"]), [1]);
    assert_eq!(lines(&report)[0]["forgery"]["by"], "whoever-makes-up-the-exchange");
    assert_eq!(lines(&report)[1]["step"]["ratchet"], 0);
}

#[test]
fn fragments_are_shown_and_put_together_by_sender() {
    let (prekeys, retrieval) = (Transcript::prekey_server(), "Prekey Ensemble Retrieval message");
    for (transcript, name) in [
        (Transcript::interactive(), "Data message"),
        (Transcript::libotr(3), "Data message"),
        (Transcript::libotr(2), "Data message"),
        (prekeys, retrieval),
    ] {
        let report = report(&transcript.json());
        let is_piece =
            |line: &&Value| line["message"]["name"].as_str().is_some_and(|name| name.starts_with("Fragment"));
        let pieces: Vec<&Value> = lines(&report).iter().filter(is_piece).collect();
        let (last, before) = pieces.split_last().expect("a message in pieces");
        assert!(before.len() > 1 && before.iter().all(|line| line["whole"].is_null()));
        assert_eq!(last["whole"]["name"], name);
        assert_eq!(last["whole"]["error"], Value::Null);
        let expected: Vec<u64> =
            pieces.iter().map(|line| line["number"].as_u64().expect("a number")).collect();
        assert_eq!(numbers(&last["pieces"]), expected);
    }
}

#[test]
fn an_exchange_with_a_prekey_server_is_taken_apart() {
    let report = report(&Transcript::prekey_server().json());
    let names = names(&report);
    for name in [
        "DAKE-1 message",
        "DAKE-2 message",
        "DAKE-3 message",
        "Success message",
        "Storage Status message",
        "Prekey Ensemble Query message",
        "Prekey Ensemble Retrieval message",
        "No Prekey Ensembles in Storage message",
    ] {
        assert!(names.contains(&name), "{name} in {names:?}");
    }
    assert_eq!(report["conversations"], Value::Array(Vec::new()));
    let learns = report["observer"]["learns"].as_array().expect("a list");
    assert!(
        learns
            .iter()
            .any(|learnt| learnt.as_str().is_some_and(|learnt| learnt.contains("alice@example.org")))
    );
}

#[test]
fn each_form_of_a_transcript_says_the_same() {
    let transcript = Transcript::interactive();
    let named: String = transcript.0.iter().map(|(sender, line)| format!("<{sender}> {line}\n")).collect();
    let bare: String = transcript.0.iter().map(|(_, line)| format!("{line}\r\n")).collect();
    let timed: String =
        transcript.0.iter().map(|(sender, line)| format!("1800000000 <{sender}> {line}\n")).collect();
    let expected = report(&transcript.json());
    for form in [named, bare, timed] {
        let report = report(&form);
        assert_eq!(names(&report), names(&expected));
        assert_eq!(revealed(&report), revealed(&expected));
    }
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), transcript.json()).expect("written");
    let path = file.path().to_str().expect("UTF-8");
    assert_eq!(said(&[path, "--json"], ""), said(&["-", "--json"], &transcript.json()));
}

#[test]
fn the_folder_that_stands_in_for_the_messenger_is_read_and_left_as_it_is() {
    let network = tempfile::tempdir().expect("a folder");
    for (name, to, part, letter) in [
        ("00001800000060000000000.1.1", "alice", "cur", "From: bob\n\n?OTRv4?"),
        ("00001800000000000000000.1.0", "bob", "new", "From: alice\n\nHello.\nBob?"),
    ] {
        let folder = network.path().join(to).join(part);
        std::fs::create_dir_all(&folder).expect("made");
        std::fs::write(folder.join(name), letter).expect("written");
    }
    let path = network.path().to_str().expect("UTF-8");
    for _ in 0..2 {
        let report: Value = serde_json::from_str(&said(&["--json", path], "")).expect("JSON");
        let shown: Vec<_> =
            lines(&report).iter().map(|line| (&line["sender"], &line["at"], &line["line"])).collect();
        assert_eq!(
            shown,
            [
                (&"alice".into(), &1_800_000_000.into(), &"Hello.\nBob?".into()),
                (&"bob".into(), &1_800_000_060.into(), &"?OTRv4?".into())
            ]
        );
    }
}

#[test]
fn a_line_in_clear_proves_nothing_and_nothing_to_read_is_refused() {
    for line in ["Hello.", "?OTRv34?", "?OTR Error: ERROR_1: Unreadable message", "?OTR|broken"] {
        assert_eq!(lines(&report(line))[0]["forgery"]["by"], "anybody");
    }
    for (arguments, input) in [(&["--json"], "\n \n"), (&["/nowhere/at/all"], "")] {
        let output = inspect(arguments, input);
        assert!(!output.status.success() && output.stdout.is_empty());
        assert!(output.stderr.starts_with(b"client-demo: "));
    }
}

#[test]
fn the_text_for_the_terminal_is_plain_where_there_is_none() {
    let text = said(&[], &Transcript::interactive().json());
    assert!(!text.contains('\x1b'));
    assert!(text.lines().all(|line| line.chars().count() <= 80), "wrapped at 80 columns");
    for words in [
        "Timeline",
        "Conversation 1, version 4",
        "What was checked",
        "What an observer learns",
        "Line 33: alice: Data message",
    ] {
        assert!(text.contains(words), "{words}");
    }
}
