//! Key exchanges that never took place, checked by honest code; and who poses as somebody.

use std::io::{BufRead, BufReader, Lines, Write};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};

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
    assert!(
        destroyed.contains("destroyed when it was made") && destroyed.contains("--key long-term"),
        "{destroyed}"
    );
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
    assert!(
        refused.contains("from a false one either serves") && refused.contains("--false-prekey"),
        "{refused}"
    );
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

    for (wait, first) in [(&[][..], "?OTRv"), (&["--wait"][..], "?OTR:")] {
        super::copy(&stage.path("before"), &stage.path("live"));
        let mut bob = stage.pipe("live", &[]);
        let mut mallory = Mallory::start(&stage, &[&pose[..], wait, &["--json"]].concat());
        if !wait.is_empty() {
            let query = wire_lines(&bob.ask("query"));
            mallory.is_told(&query);
        }
        assert_eq!(mallory.carry_until_bob_reads(&mut bob, "It is me, Alice.")[..5], first[..]);
        let answer = bob.send("Who else?");
        mallory.is_told(&answer);
        assert_eq!(mallory.says("text"), "Who else?");
        mallory.hears(b"Caf\xe9?\n");
        mallory.carry_until_bob_reads(&mut bob, "Caf\u{fffd}?");
        let end = wire_lines(&bob.ask("end"));
        mallory.is_told(&end);
        mallory.hears(b"Still there?\nHello?\n");
        for _ in 0..2 {
            while !mallory.says("event").contains(": not done: ") {}
        }
        mallory.goes_well();
        drop(bob);
        std::fs::remove_dir_all(stage.path("live")).expect("removed");
    }
}

/// Who poses, live.
struct Mallory {
    child: Child,
    stdin: ChildStdin,
    said: Lines<BufReader<ChildStdout>>,
}

impl Mallory {
    fn start(stage: &Stage, arguments: &[&str]) -> Self {
        let mut command = stage.command(arguments);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("it runs");
        let stdin = child.stdin.take().expect("piped");
        let said = BufReader::new(child.stdout.take().expect("piped")).lines();
        Self { child, stdin, said }
    }

    fn hears(&mut self, bytes: &[u8]) {
        self.stdin.write_all(bytes).expect("it listens");
    }

    fn is_told(&mut self, lines: &[String]) {
        lines.iter().for_each(|line| self.hears(format!("{line}\n").as_bytes()));
    }

    /// The next thing of that kind.
    fn says(&mut self, kind: &str) -> String {
        loop {
            let said = self.said.next().expect("it has not ended").expect("UTF-8");
            let said: Value = serde_json::from_str(&said).expect("JSON");
            if let Some(said) = said.get(kind).and_then(Value::as_str) {
                return said.to_owned();
            }
        }
    }

    /// The first line that goes to Bob.
    fn carry_until_bob_reads(&mut self, bob: &mut Pipe, text: &str) -> String {
        let mut first = None;
        loop {
            let line = self.says("send");
            let answers = bob.receive(&line);
            first.get_or_insert(line);
            self.is_told(&wire_lines(&answers));
            if plain(&answers) == [text] {
                return first.expect("a line");
            }
        }
    }

    fn goes_well(mut self) {
        drop(self.stdin);
        assert!(self.child.wait().expect("it ends").success());
    }
}

#[test]
fn an_ensemble_from_before_its_owner_has_renewed_the_profile_is_as_good_as_ever() {
    let stage = Stage::new().with_keys();
    let since_1970 = std::time::UNIX_EPOCH.elapsed().expect("after 1970").as_secs();
    let later = (since_1970 + 5 * 24 * 60 * 60).to_string();
    let mut bob = stage.pipe("bob", &["--now", &later]);
    let mut alice = stage.pipe("alice", &["--now", &later]);
    let query = wire_lines(&bob.ask("query")).pop().expect("a query");
    let identity = wire_lines(&alice.receive(&query)).pop().expect("an Identity message");
    stage.write("renewed", &wire_lines(&bob.receive(&identity)).join("\n"));
    assert!(bob.end().1 && alice.end().1);
    let of_bob =
        ["forge", "dake", "--home", "bob", "--with", ALICE, "--profile", "@recording", "--begins", "them"];
    let of_alice = ["forge", "dake", "--home", "alice", "--with", BOB, "--profile", "@renewed"];
    for pair in [&of_bob[..], &of_alice[..]] {
        let offline = ["--offline", "--ensemble", "@ensemble", "--at", later.as_str()];
        let forged = stage.json(&[pair, &offline].concat());
        stage.write("forged", forged["messages"][0]["line"].as_str().expect("a line"));
        let check = ["forge", "check", "@forged", ALICE, BOB, "--ensemble", "@ensemble", "--at", &later];
        assert_eq!(stage.json(&check)["began"]["account"], ALICE);
    }
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
    assert!(refused.contains("nobody can pose as somebody else to its owner"), "{refused}");
    assert!(!refused.contains("--key"), "{refused}");
}
