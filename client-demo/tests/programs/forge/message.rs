//! Single messages of version 4.

use super::{ALICE, BOB, Stage};

#[test]
fn a_recorded_message_is_changed_with_what_the_recording_reveals_and_bob_would_have_taken_it() {
    let stage = Stage::new();
    stage.record(&[]);
    let modify = ["forge", "modify", "--recording", "@recording", "--old", "noon", "--new", "four"];
    let modify = [&modify[..], &["--offset", "11", "@message"]].concat();
    let forged = stage.done(&modify);
    assert_eq!(stage.read_by_bob(&stage.read("message"), &[]), ["Meet me at noon."]);
    assert_eq!(stage.read_by_bob(forged.trim(), &[]), ["Meet me at four."]);
    assert_eq!(stage.json(&modify)["line"], forged.trim());

    // The same by the one key that fits, among those that are revealed.
    let revealed = stage.json(&["forge", "revealed", "@recording"]);
    let keys: Vec<&str> =
        revealed["mac_keys"].as_array().expect("keys").iter().map(|key| key.as_str().expect("hex")).collect();
    assert_eq!(stage.done(&["forge", "revealed", "@recording"]).lines().collect::<Vec<_>>(), keys);
    let with = |key: &str| {
        let arguments =
            ["forge", "modify", "--mac-key", key, "--old", "noon", "--new", "four", "--offset", "11"];
        [&arguments[..], &["@message"]].concat().iter().map(ToString::to_string).collect::<Vec<String>>()
    };
    let fits: Vec<bool> = keys
        .iter()
        .map(|key| {
            let arguments = with(key);
            let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
            crate::process::run(&mut stage.command(&arguments)).status.success()
        })
        .collect();
    assert_eq!(fits.iter().filter(|fits| **fits).count(), 1, "{fits:?}");

    // Before its key was on the wire nobody could.
    let recording = stage.read("recording");
    let until: Vec<&str> = recording.lines().take_while(|line| *line != stage.read("message")).collect();
    stage.write("recording", &until.join("\n"));
    assert!(stage.refused(&modify).contains("MAC keys that the recording reveals"));
    let wrong = "00".repeat(64);
    let refused = stage.refused(&with(&wrong).iter().map(String::as_str).collect::<Vec<_>>());
    assert!(refused.contains("does not hold under this key: take the key of this very message"), "{refused}");
}

#[test]
fn a_recording_may_hold_messages_in_pieces() {
    for versions in ["4", "3"] {
        let stage = Stage::new();
        stage.record(&["--versions", versions, "--mtu", "300"]);
        let recording = stage.read("recording");
        assert!(recording.lines().all(|line| line.len() <= 300), "{recording}");
        let check = || stage.json(&["forge", "revealed", "@recording"])["mac_keys"].clone();
        let keys = check();
        assert!(keys.as_array().is_some_and(|keys| keys.len() > 1), "{keys}");
        if versions == "4" {
            stage.done(&["forge", "check", "@recording", ALICE, BOB]);
            stage.done(&["forge", "dake", "--home", "alice", "--with", BOB, "--profile", "@recording"]);
        }
    }
}

#[test]
fn a_message_is_read_forged_and_given_a_mac_with_its_keys_and_no_others() {
    let stage = Stage::new().with_keys();
    let read = |line: &str| stage.json(&["forge", "read", "--key", "@chain.key", line])["text"].clone();
    assert_eq!(read("@message"), "Meet me at noon.");
    let shown = stage.done(&["forge", "read", "--key", "@chain.key", "@message"]);
    assert!(shown.starts_with("text: Meet me at noon.\n"), "{shown}");
    let forged =
        stage.done(&["forge", "read", "--key", "@chain.key", "--new", "-I shall not come.", "@message"]);
    assert_eq!(read(forged.trim()), "-I shall not come.");
    let wrong = "00".repeat(64);
    assert!(
        stage.refused(&["forge", "read", "--key", &wrong, "@message"]).contains("neither this chain key")
    );
    let short = stage.refused(&["forge", "read", "--key", "0011", "@message"]);
    assert!(
        short.contains("a chain key of version 4 has 64 bytes, 128 hex digits; this one has 2"),
        "{short}"
    );
    assert!(stage.refused(&["forge", "read", "--key", "chain.key", "@message"]).contains("write @FILE"));
    assert!(
        stage.refused(&["forge", "read", "--key", "@nowhere", "@message"]).contains("cannot read nowhere")
    );

    let keys = stage.json(&["forge", "mac-key", "--chain-key", "@chain.key"]);
    let message_key = keys["message_key"].as_str().expect("hex");
    assert_eq!(stage.done(&["forge", "mac-key", "--message-key", message_key]), stage.read("mac.key"));
    assert!(stage.refused(&["forge", "mac-key", "--chain-key", "abc"]).contains("not in hex digits"));

    // Key and message by standard input, one line each.
    let both = format!("{}\n{}\n", stage.read("mac.key").trim(), stage.read("message"));
    let same = stage.given(&both, &["forge", "remac", "--mac-key", "-", "-"]);
    assert_eq!(same.trim(), stage.read("message"), "the key is the one that it came with");
    let other = stage.done(&["forge", "remac", "--mac-key", &wrong, "@message"]);
    assert!(
        stage
            .refused(&["forge", "read", "--key", "@chain.key", other.trim()])
            .contains("neither this chain key")
    );
    let again = stage.done(&["forge", "remac", "--mac-key", "@mac.key", other.trim()]);
    assert_eq!(again.trim(), stage.read("message"));
    assert!(
        stage
            .refused(&["forge", "remac", "--mac-key", "@mac.key", "Hello."])
            .contains("not an encoded message")
    );

    let modify = |new, offset| {
        let key = ["forge", "modify", "--mac-key", "@mac.key", "--old", "noon"];
        [&key[..], &["--new", new, "--offset", offset, "@message"]].concat()
    };
    assert_eq!(read(stage.done(&modify("four", "11")).trim()), "Meet me at four.");
    assert_eq!(read(stage.done(&modify("four", "0")).trim()), "Ee\u{7f}h me at noon.", "a wrong guess");
    assert!(stage.refused(&modify("midnight", "11")).contains("4 bytes and the new one 8"));
    assert!(stage.refused(&modify("four", "9999")).contains("do not fit"));
}

#[test]
fn a_line_is_taken_apart_whatever_it_is() {
    let stage = Stage::new();
    stage.record(&[]);
    let parsed = stage.json(&["forge", "parse", "@message"]);
    assert_eq!(parsed["message"], "Data message");
    assert_eq!(parsed["error"], serde_json::Value::Null);
    let fields = parsed["fields"].as_array().expect("fields");
    assert_eq!(fields[0]["value"], 4, "{fields:?}");
    let shown = stage.done(&["forge", "parse", "@message"]);
    assert!(shown.starts_with("Data message\n  "), "{shown}");
    assert_eq!(shown.lines().count(), 1 + fields.len());
    let damaged = stage.json(&["forge", "parse", "?OTR:AAQDAAABAA==."]);
    assert!(damaged["error"].is_string(), "{damaged}");
    let query = stage.given(&format!("?OTRv4? {BOB}\x1b[2J\n"), &["forge", "parse", "-"]);
    assert!(query.starts_with("Query message\n") && !query.contains('\x1b'), "{query}");
    assert!(stage.refused(&["forge", "revealed", "?OTRv4?"]).contains("not an encoded message"));
}
