//! Whole conversations from a script.

use serde_json::Value;

use super::{ALICE, BOB, Stage};

/// Every text in a forged conversation, read with the keys that are given with it; none of them has a MAC that does not hold.
fn texts(stage: &Stage, transcript: &Value) -> Vec<(String, String)> {
    let lines = transcript["lines"].as_array().expect("lines");
    let read = lines.iter().filter_map(|line| {
        let key = line["chain_key"].as_str()?;
        let arguments = ["forge", "read", "--key", key, line["line"].as_str().expect("a line")];
        let read = stage.json(&arguments);
        let text = read.get("text").and_then(Value::as_str).expect("a text").to_owned();
        Some((line["by"].as_str().expect("a name").to_owned(), text))
    });
    read.filter(|(_, text)| !text.is_empty()).collect()
}

fn said(by: &str, text: &str) -> (String, String) {
    (by.to_owned(), text.to_owned())
}

fn forge<'a>(more: &[&'a str]) -> Vec<&'a str> {
    [&["forge", "transcript", "--home", "alice", "--with", BOB, "--profile", "@recording"], more].concat()
}

#[test]
fn a_whole_conversation_is_forged_from_a_script_and_its_signatures_and_macs_hold() {
    let stage = Stage::new().with_keys();
    let as_lines = "# What Bob shall have said.\nalice@example.org: Where: at home?\n\n+20 bob: Yes.\n";
    let as_json =
        r#"[{"by": "alice", "text": "Where: at home?"}, {"by": "bob", "text": "Yes.", "after": 20}]"#;
    for script in [as_lines, as_json] {
        for begins in ["me", "them"] {
            stage.write("script", script);
            let transcript = stage.json(&forge(&["--begins", begins, "--end", "them", "@script"]));
            let expected = [said(ALICE, "Where: at home?"), said(BOB, "Yes.")];
            assert_eq!(texts(&stage, &transcript), expected);
            stage.write("forged", &transcript.to_string());
            stage.done(&["forge", "check", "@forged", ALICE, BOB]);
            // Whoever is told of the end reads it, and publishes the MAC keys that are left.
            let lines = transcript["lines"].as_array().expect("lines");
            let end = lines.iter().rposition(|line| line["by"] == BOB).expect("lines of Bob's");
            assert!(lines[end]["chain_key"].is_string(), "{}", lines[end]);
            let answers = &lines[end + 1..];
            assert!(!answers.is_empty(), "nobody answers the end");
            let revealed = answers.iter().map(|line| line["line"].as_str().expect("a line"));
            let revealed = revealed.map(|line| stage.json(&["forge", "revealed", line])["mac_keys"].clone());
            assert!(revealed.into_iter().all(|keys| keys != serde_json::json!([])));
        }
    }
    let shown = stage.done(&forge(&["@script", "--key", "forging"]));
    assert!(shown.lines().all(|line| line.contains(ALICE) || line.contains(BOB)), "{shown}");
}

#[test]
fn both_sides_pad_as_the_client_does_unless_the_owner_has_set_it_otherwise() {
    let stage = Stage::new().with_keys();
    let padded = || {
        let transcript = stage.json(&forge(&["@script"]));
        let lines = transcript["lines"].as_array().expect("lines");
        let padded = lines.iter().filter_map(|line| {
            let arguments = ["forge", "read", "--key", line["chain_key"].as_str()?, line["line"].as_str()?];
            let read = stage.json(&arguments);
            let padded = read["records"].as_array()?.iter().any(|record| record["type"] == 0);
            (read["text"] != "").then(|| (line["by"].as_str().expect("a name").to_owned(), padded))
        });
        padded.collect::<Vec<_>>()
    };
    let of = |alice: bool| [(ALICE, alice), (BOB, true), (ALICE, alice), (BOB, true)];
    let of = |alice| of(alice).map(|(by, padded)| (by.to_owned(), padded));
    assert_eq!(padded(), of(true));
    stage.done(&["policy", "--home", "alice", BOB, "--padding", "off"]);
    assert_eq!(padded(), of(false));
}

#[test]
fn an_account_name_may_hold_a_colon() {
    let stage = Stage::new();
    stage.record(&[]);
    let with = "bob:home@example.org";
    let forge = ["forge", "transcript", "--home", "alice", "--with", with, "--profile", "@recording"];
    let script = "alice: One: two.\nbob:home@example.org: Three.\n+9 bob:home : Four: five.";
    let transcript = stage.json(&[&forge[..], &[script]].concat());
    let expected = [said(ALICE, "One: two."), said(with, "Three."), said(with, "Four: five.")];
    assert_eq!(texts(&stage, &transcript), expected);
}

#[test]
fn one_may_be_away_at_first() {
    let stage = Stage::new().with_keys();
    stage.write("script", "alice: Are you there?\nalice: Write to me.\n+600 bob: I am back.\nalice: Good.\n");
    let offline = ["forge", "transcript", "--home", "alice", "--with", BOB, "--offline", "@script"];
    let transcript = stage.json(&[&offline[..], &["--ensemble", "@ensemble"]].concat());
    let texts: Vec<String> = texts(&stage, &transcript).into_iter().map(|(_, text)| text).collect();
    assert_eq!(texts, ["Are you there?", "Write to me.", "I am back.", "Good."]);
    stage.write("forged", &transcript.to_string());
    stage.write("used", transcript["ensemble"].as_str().expect("an ensemble"));
    stage.done(&["forge", "check", "@forged", BOB, ALICE, "--ensemble", "@used"]);
    assert!(stage.refused(&forge(&["--offline", "@script"])).contains("which prekey ensemble?"));
    // Nobody comes back, reads and writes within a second; two are enough.
    let play = |script| [&offline[..7], &["--ensemble", "@ensemble", script]].concat();
    for (script, place) in [
        ("alice: There?\n\n+0 bob: Yes.", "line 3 of the script"),
        ("alice: There?\n+1 bob: Yes.", "line 2 of the script"),
        ("+1 bob: Hello.", "line 1 of the script"),
        (r#"[{"by": "bob", "text": "Hello.", "after": 0}]"#, "text 1 of the script"),
    ] {
        let refused = stage.refused(&play(script));
        assert!(refused.contains(&format!("{place} comes too soon")), "{script}: {refused}");
    }
    stage.done(&play("alice: There?\n+2 bob: Yes.\n+0 bob: What?\n+0 alice: Good."));
}

#[test]
fn a_script_that_nobody_could_have_played_is_refused() {
    let stage = Stage::new();
    stage.record(&[]);
    for (script, why) in [
        ("alice Hello.", "line 1 of the script cannot be read"),
        ("alice: Hello.\n+soon bob: Hi.", "line 2 of the script cannot be read"),
        ("carol: Hello.", "the script has carol, who is neither of the two"),
        ("[{\"by\": \"alice\"}]", "the script is not as it should be: missing field `text`"),
        ("alice: Hello.\n+90000 bob: Hi.", "the conversation has ended"),
    ] {
        let refused = stage.refused(&forge(&[script]));
        assert!(refused.contains(why), "{script}: {refused}");
    }
    let alone =
        ["forge", "transcript", "--home", "alice", "--with", ALICE, "--profile", "@message", "alice: Hello."];
    assert!(stage.refused(&alone).contains("no client profile of somebody else in it"));
}
