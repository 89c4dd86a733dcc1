//! Two `client-demo pipe` processes that derive keys and let time pass, and the homes that they live in; this test is the
//! network.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use crate::process::{
    Pipe, assert_secure, client, encrypted, give, goes_on, plain, run, say, says, start, wire_lines,
};

#[test]
fn a_heartbeat_is_a_message_that_nobody_sees() {
    let (mut alice, mut bob) = encrypted();
    let beat = alice.ask("heartbeat");
    assert_eq!(wire_lines(&beat).len(), beat.len());
    assert_eq!(beat.len(), 1);
    assert_eq!(give(&mut bob, &wire_lines(&beat)), Vec::<String>::new());
    goes_on(&mut alice, &mut bob);
}

#[test]
fn an_extra_key_is_the_same_on_both_sides_in_any_order() {
    let key = |answer: &[String]| -> Vec<String> {
        answer.iter().filter(|line| line.starts_with("event extra-key ")).cloned().collect()
    };
    let (mut alice, mut bob) = encrypted();
    let (mut ours, mut lines) = (Vec::new(), Vec::new());
    for command in
        ["extra-key 00000001", "extra-key 00000001", "extra-key abcdef00 00ff10", "extra-key 00000002"]
    {
        let answer = alice.ask(command);
        assert_eq!(key(&answer).len(), 1, "{answer:?}");
        ours.extend(key(&answer));
        lines.extend(wire_lines(&answer));
        lines.extend(alice.send("a text in between"));
    }
    let words: Vec<Vec<&str>> = ours.iter().map(|line| line.split(' ').collect()).collect();
    assert_eq!(
        words.iter().map(|line| line[2]).collect::<Vec<_>>(),
        ["00000001", "00000001", "abcdef00", "00000002"]
    );
    assert!(words.iter().all(|line| line[3].len() == 128));
    assert_eq!(
        words.iter().map(|line| line.get(4).copied()).collect::<Vec<_>>(),
        [None, None, Some("00ff10"), None]
    );
    let mut keys: Vec<&str> = words.iter().map(|line| line[3]).collect();
    keys.sort_unstable();
    keys.dedup();
    assert_eq!(keys.len(), 4, "each message gives another one");

    lines.reverse();
    let mut theirs = key(&give(&mut bob, &lines));
    theirs.reverse();
    assert_eq!(theirs, ours);
    // And the other way.
    let answer = bob.ask("extra-key 00000003 01");
    assert_eq!(key(&give(&mut alice, &wire_lines(&answer))), key(&answer));
    goes_on(&mut alice, &mut bob);
}

const START: u64 = 1_800_000_000;

/// Alice and Bob in a conversation, both with stopped clocks; homes in this folder.
fn at_start(folder: &Path) -> (Pipe, Pipe) {
    let at = |me: &str, them: &str| {
        let mut command =
            client(["pipe", "--account", me, "--contact", them, "--now", &START.to_string(), "--home"]);
        command.arg(folder.join(me));
        Pipe::spawn(command)
    };
    let (mut alice, mut bob) = (at("alice", "bob"), at("bob", "alice"));
    assert_secure(&start(&mut alice, &mut bob), &alice, &bob);
    say(&mut alice, &mut bob, "hello");
    say(&mut bob, &mut alice, "hello");
    (alice, bob)
}

fn pass(who: &mut Pipe, seconds: u64) -> Vec<String> {
    who.ask(&format!("time {}", START + seconds))
}

#[test]
fn who_only_listens_sends_a_heartbeat_by_itself() {
    let folder = tempfile::tempdir().expect("a folder");
    let (mut alice, mut bob) = at_start(folder.path());
    say(&mut bob, &mut alice, "are you there?");
    assert_eq!(pass(&mut alice, 59), Vec::<String>::new());
    let beat = pass(&mut alice, 61);
    assert_eq!((wire_lines(&beat).len(), beat.len()), (1, 1), "{beat:?}");
    assert_eq!(give(&mut bob, &wire_lines(&beat)), Vec::<String>::new());
    assert_eq!(pass(&mut alice, 300), Vec::<String>::new(), "one is enough");
    assert_eq!(pass(&mut bob, 300), Vec::<String>::new(), "and nobody answers it");
}

#[test]
fn a_conversation_without_answers_expires_and_its_keys_are_gone() {
    let folder = tempfile::tempdir().expect("a folder");
    let (mut alice, mut bob) = at_start(folder.path());
    let late = bob.send("too late");
    // Her heartbeat brings the last fresh key of hers.
    assert_eq!(wire_lines(&pass(&mut alice, 60)).len(), 1);
    assert_eq!(pass(&mut alice, 60 + 7199), Vec::<String>::new());
    let expired = pass(&mut alice, 60 + 7200);
    assert!(says(&expired, &format!("event finished {}", bob.tag())), "{expired:?}");
    let refused = alice.ask("send into nothing");
    assert!(says(&refused, "err ") && wire_lines(&refused).is_empty(), "{refused:?}");
    assert!(alice.ask("state")[0].contains(" finished"));
    assert!(plain(&give(&mut alice, &late)).is_empty(), "nobody can read it any more");
    alice.kill();
    alice = Pipe::at_home("alice", "bob", &folder.path().join("alice"));
    alice.ask(&format!("time {}", START + 7301));
    assert!(plain(&give(&mut alice, &late)).is_empty(), "not from the home either");
    assert!(alice.ask("state")[0].contains(" finished"));
    // The other side hears of it, and a new conversation begins.
    let heard = give(&mut bob, &wire_lines(&expired));
    assert!(says(&heard, &format!("event finished {}", alice.tag())), "{heard:?}");
    assert_secure(&start(&mut alice, &mut bob), &alice, &bob);
    goes_on(&mut alice, &mut bob);
}

#[test]
fn a_fingerprint_is_new_once_and_another_one_is_a_change() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut alice = Pipe::at_home("alice", "bob", &folder.path().join("alice"));
    let mut bob = Pipe::start("bob", "alice", &[]);
    let said = start(&mut alice, &mut bob);
    for who in [&alice, &bob] {
        assert!(says(&said, &format!("event fingerprint new {}", who.fingerprint())), "{said:?}");
    }
    assert!(!says(&start(&mut alice, &mut bob), "event fingerprint "), "known by now");
    let mut other = Pipe::start("bob", "alice", &[]);
    let said = start(&mut alice, &mut other);
    assert!(says(&said, &format!("event fingerprint changed {}", other.fingerprint())), "{said:?}");
}

fn at_home(me: &str, them: &str, home: &Path) -> Command {
    let mut command = client(["pipe", "--account", me, "--contact", them, "--home"]);
    command.arg(home);
    command
}

/// Runs it to its end with these commands.
fn obey(mut command: Command, lines: &[&str]) -> Output {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("it runs");
    let mut stdin = child.stdin.take().expect("piped");
    stdin.write_all(lines.join("\n").as_bytes()).expect("it listens");
    drop(stdin);
    child.wait_with_output().expect("it ended")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("UTF-8")
}

#[test]
fn what_cannot_be_kept_ends_the_process_and_is_as_if_it_never_was() {
    let folder = tempfile::tempdir().expect("a folder");
    let home = folder.path().join("home");
    let mut alice = Pipe::start("alice", "bob", &[]);
    let mut bob = Pipe::at_home("bob", "alice", &home);
    assert_secure(&start(&mut alice, &mut bob), &alice, &bob);
    say(&mut alice, &mut bob, "hello");
    let greeting = format!("{}\nevent done\n", bob.greeting[0]);
    let line = alice.send("not to be lost").remove(0);
    bob.kill();

    let in_the_way = home.join("state.age.new");
    fs::create_dir(&in_the_way).expect("made");
    for command in [&format!("recv {line}"), "send never sent", "prekeys 1", "end", "save"] {
        let ended = obey(at_home("bob", "alice", &home), &[command, "state"]);
        assert_eq!(ended.status.code(), Some(1), "{command}");
        assert_eq!(text(&ended.stdout), greeting, "no answer, and no other command: {command}");
        let said = text(&ended.stderr);
        assert!(said.contains("cannot write") && said.contains("state.age.new"), "{command}: {said}");
    }

    fs::remove_dir(&in_the_way).expect("removed");
    let mut bob = Pipe::at_home("bob", "alice", &home);
    assert_eq!(bob.greeting.len(), 1, "{:?}", bob.greeting);
    assert_eq!(plain(&bob.receive(&line)), ["not to be lost"]);
    goes_on(&mut alice, &mut bob);
}

#[test]
fn what_is_refused_at_the_start_makes_no_home() {
    let folder = tempfile::tempdir().expect("a folder");
    let (home, empty) = (folder.path().join("home"), folder.path().join("empty"));
    fs::write(&empty, "\nonly the first line counts").expect("written");
    let command = || at_home("alice", "bob", &home);
    for (refused, why) in [
        (run(command().env("CLIENT_DEMO_PASSPHRASE", "")), "the passphrase is empty"),
        (run(command().arg("--passphrase-file").arg(&empty)), "the passphrase is empty"),
        (run(command().args(["--mtu", "10"])), "10"),
    ] {
        assert_eq!((refused.status.code(), text(&refused.stdout)), (Some(1), String::new()), "{why}");
        let said = text(&refused.stderr);
        assert!(said.contains(why), "{said}");
        assert!(!home.exists(), "{why}");
    }
}

#[test]
fn a_home_that_no_passphrase_protects_says_so_each_time() {
    let folder = tempfile::tempdir().expect("a folder");
    let (bare, protected) = (folder.path().join("bare"), folder.path().join("protected"));
    let words = "no passphrase protects";
    for passphrase in [None, None, Some("given in vain")] {
        let done =
            run(at_home("alice", "bob", &bare).envs(passphrase.map(|p| ("CLIENT_DEMO_PASSPHRASE", p))));
        assert!(done.status.success() && text(&done.stderr).contains(words), "{done:?}");
    }
    for _ in 0..2 {
        let done = run(at_home("alice", "bob", &protected).env("CLIENT_DEMO_PASSPHRASE", "correct horse"));
        assert!(done.status.success() && done.stderr.is_empty(), "{done:?}");
    }
}
