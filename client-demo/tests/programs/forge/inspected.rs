//! What `forge` prints, as `inspect` reads it.

use serde_json::Value;

use super::{ALICE, BOB, Stage};

/// Senders and messages.
fn read(stage: &Stage, printed: &str) -> Vec<(String, String)> {
    let said = stage.given(printed, &["inspect", "--json"]);
    let report: Value = serde_json::from_str(&said).expect("JSON");
    let shown = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let lines = report["lines"].as_array().expect("lines").iter();
    lines.map(|line| (shown(&line["sender"]), shown(&line["message"]["name"]))).collect()
}

#[test]
fn each_form_is_taken_apart_with_its_senders_and_nothing_is_left_over() {
    let stage = Stage::new().with_keys();
    let name = |name: &str, message: &str| (name.to_owned(), message.to_owned());
    for odd in [BOB, "Bob \"the\" Builder"] {
        let dake = ["forge", "dake", "--home", "alice", "--with", odd, "--profile", "@recording"];
        let exchange = [
            name(ALICE, "Identity message"),
            name(odd, "Auth-R message"),
            name(ALICE, "Auth-I message"),
        ];
        assert_eq!(read(&stage, &stage.done(&dake)), exchange);
        assert_eq!(read(&stage, &stage.done(&[&dake[..], &["--json"]].concat())), exchange);
    }
    let pair = ["--home", "alice", "--with", BOB, "--ensemble", "@ensemble", "--offline"];
    let first = name(ALICE, "Non-Interactive-Auth message");
    let dake = [&["forge", "dake"], &pair[..]].concat();
    assert_eq!(read(&stage, &stage.done(&dake)), [first.clone()]);
    let transcript = [&["forge", "transcript", "@script"], &pair[..]].concat();
    for form in [&[][..], &["--json"]] {
        let lines = read(&stage, &stage.done(&[&transcript[..], form].concat()));
        assert_eq!(lines.first(), Some(&first));
        assert!(lines.len() > 4);
        let is_said = |(sender, name): &(String, String)| [ALICE, BOB].contains(&sender.as_str()) && name == "Data message";
        assert!(lines.iter().skip(1).all(is_said), "{lines:?}");
    }
}
