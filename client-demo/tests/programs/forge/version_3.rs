//! Version 3.

use super::Stage;

#[test]
fn a_recorded_message_of_version_3_is_changed_with_what_the_recording_reveals() {
    let stage = Stage::new();
    let only_3 = ["--versions", "3"];
    stage.record(&only_3);
    let modify = ["forge", "modify", "--recording", "@recording", "--old", "noon", "--new", "four"];
    let modify = [&modify[..], &["--offset", "11", "@message"]].concat();
    let forged = stage.json(&modify);
    assert_eq!(forged["version"], 3);
    let line = forged["line"].as_str().expect("a line");
    assert_eq!(stage.read_by_bob(line, &only_3), ["Meet me at four."]);
    let message = stage.read("message");
    let recording = stage.read("recording");
    let until: Vec<&str> = recording.lines().take_while(|line| *line != message).collect();
    stage.write("recording", &until.join("\n"));
    assert!(stage.refused(&modify).contains("MAC keys that the recording reveals"));
    let wrong = "00".repeat(20);
    let refused =
        stage.refused(&["forge", "modify", "--mac-key", &wrong, "--old", "a", "--new", "b", "@message"]);
    assert!(refused.contains("does not hold under this key"), "{refused}");
}

#[test]
fn session_keys_are_the_same_at_both_ends_and_a_message_is_put_together_read_and_forged_with_them() {
    let stage = Stage::new();
    let (one, two) = ("5a".repeat(40), "07".repeat(40));
    let keys = |secret: &str, public: &str| {
        stage.json(&["forge", "session-keys", "--secret", secret, "--their-public", public])
    };
    let public = |secret: &str| keys(secret, "04")["our_public"].as_str().expect("hex").to_owned();
    let (ours, theirs) = (keys(&one, &public(&two)), keys(&two, &public(&one)));
    for (sending, receiving) in [("sending_aes", "receiving_aes"), ("sending_mac", "receiving_mac")] {
        assert_eq!((&ours[sending], &ours[receiving]), (&theirs[receiving], &theirs[sending]));
    }
    assert_eq!(ours["extra"], theirs["extra"]);
    assert_eq!(ours["session_id"], theirs["session_id"]);
    assert_eq!(ours["session_id"].as_str().map(str::len), Some(16), "{ours}");
    let outside = stage.refused(&["forge", "session-keys", "--secret", &one, "--their-public", "01"]);
    assert!(outside.contains("not a Diffie-Hellman key of version 3"), "{outside}");

    let key = |name: &str| ours[name].as_str().expect("hex").to_owned();
    let (aes, mac) = (key("sending_aes"), key("sending_mac"));
    assert_eq!(stage.done(&["forge", "mac-key", "--aes-key", &aes]).trim(), mac);
    let assemble = |mac: &str, counter: &'static str| {
        let tags =
            ["forge", "assemble", "--sender", "00000100", "--receiver", "00000101", "--sender-keyid", "1"];
        let rest =
            ["--recipient-keyid", "1", "--counter", counter, "--next-dh", "04", "--ciphertext", "0a0b0c"];
        let revealed = "01".repeat(20);
        [&tags[..], &rest, &["--revealed", &revealed, "--mac-key", mac]]
            .concat()
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<String>>()
    };
    let assembled = |mac: &str| {
        let arguments = assemble(mac, "1");
        stage.done(&arguments.iter().map(String::as_str).collect::<Vec<_>>()).trim().to_owned()
    };
    let line = assembled(&mac);
    assert_eq!(stage.done(&["forge", "revealed", &line]).trim(), "01".repeat(20));
    let forged = stage.done(&["forge", "read", "--key", &aes, "--new", "By us.", &line]);
    assert_eq!(stage.json(&["forge", "read", "--key", &aes, forged.trim()])["text"], "By us.");
    let remade = stage.done(&["forge", "remac", "--mac-key", &mac, &assembled(&"00".repeat(20))]);
    assert_eq!(remade.trim(), line);
    let other = assembled(&"00".repeat(20));
    assert!(stage.refused(&["forge", "read", "--key", &aes, &other]).contains("not made with this AES key"));
    let arguments = assemble(&mac, "0");
    let refused = stage.refused(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
    assert!(refused.contains("the message is damaged"), "{refused}");
}
