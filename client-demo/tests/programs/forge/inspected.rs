//! What `forge` prints, as `inspect` reads it.

use serde_json::Value;

use super::{ALICE, BOB, Stage};

/// Senders and messages.
fn read(stage: &Stage, printed: &str) -> Vec<(String, String)> {
    let said = stage.given(printed, &["inspect", "--json"]);
    let report: Value = serde_json::from_str(&said).expect("JSON");
    let shown = |line: &Value, at| line.pointer(at).and_then(Value::as_str).unwrap_or_default().to_owned();
    let lines = report.get("lines").and_then(Value::as_array).expect("lines").iter();
    lines.map(|line| (shown(line, "/sender"), shown(line, "/message/name"))).collect()
}

#[test]
fn each_form_is_taken_apart_with_its_senders_and_nothing_is_left_over() {
    let stage = Stage::new().with_keys();
    let name = |name: &str, message: &str| (name.to_owned(), message.to_owned());
    for odd in [BOB, "Bob \"the\" Builder"] {
        let dake = ["forge", "dake", "--home", "alice", "--with", odd, "--profile", "@recording"];
        let exchange =
            [name(ALICE, "Identity message"), name(odd, "Auth-R message"), name(ALICE, "Auth-I message")];
        assert_eq!(read(&stage, &stage.done(&dake)), exchange);
        assert_eq!(read(&stage, &stage.done(&[&dake[..], &["--json"]].concat())), exchange);
    }
    let pair = ["--home", "alice", "--with", BOB, "--ensemble", "@ensemble", "--offline"];
    let first = name(ALICE, "Non-Interactive-Auth message");
    let dake = [&["forge", "dake"], &pair[..]].concat();
    assert_eq!(read(&stage, &stage.done(&dake)), std::slice::from_ref(&first));
    let transcript = [&["forge", "transcript", "@script"], &pair[..]].concat();
    for form in [&[][..], &["--json"]] {
        let lines = read(&stage, &stage.done(&[&transcript[..], form].concat()));
        assert_eq!(lines.first(), Some(&first));
        assert!(lines.len() > 4);
        let is_said = |(sender, name): &(String, String)| {
            [ALICE, BOB].contains(&sender.as_str()) && name == "Data message"
        };
        assert!(lines.iter().skip(1).all(is_said), "{lines:?}");
    }
}

#[test]
fn the_chain_keys_of_a_forged_transcript_open_its_messages() {
    let stage = Stage::new().with_keys();
    let arguments = [
        "forge",
        "transcript",
        "--home",
        "alice",
        "--with",
        BOB,
        "--profile",
        "@recording",
        "@script",
        "--json",
    ];
    let printed = stage.done(&arguments);
    let said = stage.given(&printed, &["inspect", "--json"]);
    let report: Value = serde_json::from_str(&said).expect("JSON");
    let texts: Vec<&str> = report["lines"]
        .as_array()
        .expect("lines")
        .iter()
        .filter_map(|line| line["opened"]["text"].as_str())
        .filter(|text| !text.is_empty())
        .collect();
    assert_eq!(texts, ["Meet me at noon.", "All right.", "Good.", "Bye."]);
    let records = said.matches("\"name\": \"padding\"").count();
    assert!(records >= texts.len(), "{records}");
    for form in [&[][..], &["--html", "-"]] {
        let text = stage.given(&printed, &[&["inspect"], form].concat());
        assert!(text.contains("Meet me at noon.") && text.contains("record of type 0, padding, "), "{text}");
    }
    // Another message's key opens nothing.
    let key = stage.read("chain.key");
    let mut changed: Value = serde_json::from_str(&printed).expect("JSON");
    for line in changed["lines"].as_array_mut().expect("lines") {
        line["chain_key"] = key.clone().into();
    }
    assert!(!stage.given(&changed.to_string(), &["inspect", "--json"]).contains("Bye."));
}
