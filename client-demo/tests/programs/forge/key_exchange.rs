//! Key exchanges that never took place, checked by honest code; and who poses as somebody.

use std::process::Stdio;

use serde_json::Value;

use super::{ALICE, BOB, Stage};
use crate::process::{Pipe, field, plain, says, wire_lines};

fn dake<'a>(more: &[&'a str]) -> Vec<&'a str> {
    [&["forge", "dake", "--home", "alice", "--with", BOB, "--profile", "@recording"], more].concat()
}

#[test]
fn a_forged_key_exchange_is_taken_for_a_real_one() {
    let stage = Stage::new();
    stage.record(&[]);
    let real = stage.json(&["forge", "check", "@recording", ALICE, BOB]);
    for key in ["long-term", "forging"] {
        for begins in ["me", "them"] {
            stage.write("forged", &stage.done(&dake(&["--key", key, "--begins", begins])));
            let checked = stage.json(&["forge", "check", "@forged", ALICE, BOB]);
            let (began, answered) = if begins == "me" { (ALICE, BOB) } else { (BOB, ALICE) };
            assert_eq!(
                (&checked["began"]["account"], &checked["answered"]["account"]),
                (&began.into(), &answered.into())
            );
            for side in ["began", "answered"] {
                let same = [&real["began"], &real["answered"]].contains(&&checked[side]);
                assert!(same, "{checked} has the people of {real}");
            }
        }
    }
    let shown = stage.done(&["forge", "check", "@forged", BOB, ALICE]);
    assert!(shown.starts_with("The signatures hold. Any of three keys"), "{shown}");
    assert!(
        stage
            .refused(&["forge", "check", "@forged", ALICE, "carol@example.org"])
            .contains("names are signed")
    );
    assert!(stage.refused(&["forge", "check", "@message", ALICE, BOB]).contains("Give all of its lines"));
    let late = ["forge", "check", "@forged", ALICE, BOB, "--at", "2100-01-01T00:00:00Z"];
    assert!(stage.refused(&late).contains("has expired"));

    let forged = stage.json(&dake(&[]));
    assert_eq!(forged["messages"].as_array().map(Vec::len), Some(3));
    assert_eq!(forged["first_chain_keys"].as_array().map(Vec::len), Some(2));
}

#[test]
fn who_lacks_a_key_or_a_profile_forges_no_key_exchange() {
    let stage = Stage::new();
    stage.record(&[]);
    assert!(stage.refused(&dake(&["--at", "4102444800"])).contains("It is your own"));
    stage.write("nothing", "Hello.");
    let without = ["forge", "dake", "--home", "alice", "--with", BOB, "--profile", "@nothing"];
    assert!(stage.refused(&without).contains("no client profile of somebody else in it"));
    let offline = stage.refused(&dake(&["--offline"]));
    assert!(offline.contains("which prekey ensemble?"), "{offline}");
    assert!(stage.refused(&dake(&["--offline", "--begins", "them"])).contains("never published prekeys"));
    stage.done(&["init", "--home", "carol", "--account", "carol@example.org", "--forging-key", "destroy"]);
    let arguments = ["forge", "dake", "--home", "carol", "--with", BOB, "--profile", "@recording"];
    stage.done(&arguments);
    let destroyed = stage.refused(&[&arguments[..], &["--key", "forging"]].concat());
    assert!(destroyed.contains("destroyed. Use the long-term key"), "{destroyed}");
}

#[test]
fn an_offline_key_exchange_is_forged_from_a_real_ensemble_or_with_a_prekey_that_its_owner_knows_nothing_of() {
    let stage = Stage::new().with_keys();
    let offline = ["forge", "dake", "--home", "alice", "--with", BOB, "--offline", "--ensemble", "@ensemble"];
    let false_prekey = [&offline[..], &["--false-prekey"]].concat();
    let forged = |arguments: &[&str]| {
        let forged = stage.json(arguments);
        stage.write("forged", forged["messages"][0]["line"].as_str().expect("a line"));
        stage.write("used", forged["ensemble"].as_str().expect("an ensemble"));
        stage.json(&["forge", "check", "@forged", ALICE, BOB, "--ensemble", "@used"])
    };
    let checked = forged(&false_prekey);
    assert_eq!(
        (&checked["mode"], &checked["began"]["account"]),
        (&Value::from("offline"), &Value::from(ALICE))
    );
    let other = stage.refused(&["forge", "check", "@forged", ALICE, BOB, "--ensemble", "@ensemble"]);
    assert!(other.contains("Give the prekey ensemble that the conversation began with"), "{other}");
    forged(&[&false_prekey[..], &["--key", "forging"]].concat());
    let refused = stage.refused(&[&offline[..], &["--key", "forging"]].concat());
    assert!(refused.contains("with --false-prekey, either"), "{refused}");
    // From the real one, and to the one who owns it, who knows nothing of it.
    assert_eq!(forged(&offline), checked);
    assert_eq!(stage.read("used"), stage.read("ensemble"));
    let alice = stage.pipe("alice", &[]).fingerprint();
    let answer = stage.pipe("bob", &[]).receive(&stage.read("forged"));
    let secure = answer.iter().find(|line| line.starts_with("event secure")).expect("encrypted");
    assert_eq!(field(secure, "fingerprint"), alice);
    // An honest Alice takes a false ensemble, too, and an honest Bob does not know the prekey.
    stage.write("false", &stage.done(&["forge", "ensemble", "--of", "@ensemble"]));
    assert_ne!(stage.read("false").trim(), stage.read("ensemble"));
    let mut alice = stage.pipe("alice", &[]);
    let started = alice.ask(&format!("offline {}", stage.read("false").trim()));
    assert!(says(&started, "event secure "), "{started:?}");
    let mut bob = stage.pipe("bob", &[]);
    let lines = wire_lines(&started);
    let answers: Vec<String> = lines.iter().flat_map(|line| bob.receive(line)).collect();
    assert!(says(&answers, "event rejected the prekey is not ours"), "{answers:?}");
    assert!(stage.refused(&["forge", "ensemble", "--of", "@message"]).contains("no prekey ensemble in it"));
}

#[test]
fn who_has_bobs_forging_key_poses_as_alice_to_him_live_and_while_he_is_away() {
    let stage = Stage::new().with_keys();
    // Mallory has a copy of Bob's home folder.
    super::copy(&stage.path("bob"), &stage.path("stolen"));
    let pose = ["forge", "impersonate", "--home", "stolen", "--pose-as", ALICE, "--profile", "@recording"];
    let pose = [&pose[..], &["--text", "It is me, Alice."]].concat();
    let alice = stage.pipe("alice", &[]).fingerprint();

    let sent = stage.done(&[&pose[..], &["--ensemble", "@ensemble"]].concat());
    let mut bob = stage.pipe("bob", &[]);
    let answers: Vec<String> =
        sent.lines().filter(|line| line.starts_with("?OTR")).flat_map(|line| bob.receive(line)).collect();
    assert_eq!(plain(&answers), ["It is me, Alice."]);
    let secure = answers.iter().find(|line| line.starts_with("event secure")).expect("encrypted");
    assert_eq!(field(secure, "fingerprint"), alice);

    let mut bob = stage.pipe("before", &[]);
    let mut command = stage.command(&[&pose[..], &["--json"]].concat());
    let mut mallory = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("it runs");
    let (mut stdin, stdout) = (mallory.stdin.take().expect("piped"), mallory.stdout.take().expect("piped"));
    let mut heard = Vec::new();
    for said in std::io::BufRead::lines(std::io::BufReader::new(stdout)) {
        let said: Value = serde_json::from_str(&said.expect("UTF-8")).expect("JSON");
        if said["text"] == "Who else?" {
            break;
        }
        let Some(line) = said["send"].as_str() else { continue };
        let mut answers = bob.receive(line);
        heard.extend(plain(&answers));
        if heard == ["It is me, Alice."] {
            answers.extend(bob.ask("send Who else?"));
            heard.push("answered".to_owned());
        }
        for line in wire_lines(&answers) {
            std::io::Write::write_all(&mut stdin, format!("{line}\n").as_bytes()).expect("it listens");
        }
    }
    drop(stdin);
    assert!(mallory.wait().expect("it ends").success());
    assert_eq!(heard, ["It is me, Alice.", "answered"]);
}

#[test]
fn what_has_expired_can_be_forged_with_for_its_time_where_a_time_can_be_given() {
    let stage = Stage::new();
    let long_ago = "1600000000";
    let pipe = |who, with| {
        Pipe::spawn(stage.command(&["pipe", "--account", who, "--contact", with, "--now", long_ago]))
    };
    let (mut alice, mut bob) = (pipe(ALICE, BOB), pipe(BOB, ALICE));
    let query = wire_lines(&bob.ask("query"));
    stage.write("recording", &wire_lines(&alice.receive(&query[0]))[0]);
    let pose = ["forge", "impersonate", "--home", "bob", "--pose-as", ALICE, "--profile", "@recording"];
    let refused = stage.refused(&pose);
    assert!(refused.contains("has expired") && refused.contains("take a newer recording"), "{refused}");
    assert!(!refused.contains("--at"), "{refused}");

    let ensemble = bob.ask("prekeys 1");
    stage.write("ensemble", ensemble[0].strip_prefix("event ensemble ").expect("an ensemble"));
    let make = ["forge", "ensemble", "--of", "@ensemble"];
    assert!(stage.refused(&make).contains("or forge for its time with --at TIME"));
    stage.done(&[&make[..], &["--at", long_ago]].concat());
}

#[test]
fn nobody_poses_towards_who_has_destroyed_the_secret() {
    let stage = Stage::new();
    stage.record(&[]);
    stage.done(&["init", "--home", "carol", "--account", "carol@example.org", "--forging-key", "destroy"]);
    let pose = ["forge", "impersonate", "--home", "carol", "--pose-as", ALICE, "--profile", "@recording"];
    let refused = stage.refused(&pose);
    assert!(refused.contains("nobody can be impersonated towards this account"), "{refused}");
}
