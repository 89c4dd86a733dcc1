//! The everyday commands of `client-demo`, each a process of its own.

use std::fs;
use std::io::Read;
use std::iter;
use std::path::Path;
use std::process::Stdio;
use std::str::FromStr;

use crate::process::{client, run};
use crate::world::{PASSPHRASE, World, files, line_with, texts};

#[test]
fn alice_writes_to_bob_while_he_is_away_and_he_answers() {
    let elsewhere = World::new();
    let server = elsewhere.server("server");
    let world = World::with_bob_published(&server);

    let sent = world.done("alice", &["send", "bob@example.org", "are you there?", "--server", &server.url]);
    assert!(sent.contains("* bob@example.org: encrypted conversation with client "), "{sent}");
    let bob = world.done("bob", &["fingerprint"]);
    assert_eq!(line_with(&sent, "fingerprint").replace("fingerprint ", "").len(), 14 * 9 - 1);
    assert!(sent.contains(line_with(&bob, bob.lines().nth(1).expect("a fingerprint"))), "{sent}");
    for text in ["two", "three\nof two lines", "four", "five"] {
        assert_eq!(world.done("alice", &["send", "bob@example.org", text]), "Sent.\n");
    }

    let received = world.done("bob", &["receive", "--shuffle"]);
    let mut read = texts(&received, "alice");
    read.sort_unstable();
    assert_eq!(read, ["are you there?", "five", "four", "three", "two"], "{received}");
    assert!(received.contains("three\n  | of two lines"), "{received}");
    assert_eq!(line_with(&received, "session id"), line_with(&sent, "session id"));
    assert!(texts(&world.done("bob", &["receive"]), "alice").is_empty(), "it was read already");

    assert_eq!(world.done("bob", &["send", "alice@example.org", "I am back"]), "Sent.\n");
    assert_eq!(texts(&world.done("alice", &["receive"]), "bob"), ["I am back"]);
    world.done("alice", &["send", "bob@example.org", "good"]);
    assert_eq!(texts(&world.done("bob", &["receive"]), "alice"), ["good"]);

    let contacts = world.done("bob", &["contacts"]);
    assert!(
        contacts.starts_with("alice@example.org\n  client ") && contacts.contains("encrypted"),
        "{contacts}"
    );
    let status = world.done("bob", &["status"]);
    assert!(status.contains("2 prekeys of this client"), "{status}");
    assert!(status.contains("0 lines from the network"), "{status}");
}

#[test]
fn only_ciphertext_goes_over_the_network() {
    let elsewhere = World::new();
    let server = elsewhere.server("server");
    let world = World::with_bob_published(&server);
    world.done("alice", &["send", "bob@example.org", "the secret word", "--server", &server.url]);
    let letters = files(&world.path("network"));
    assert_eq!(letters.len(), 2, "a handshake and a text");
    for (path, bytes) in letters {
        let text = String::from_utf8(bytes).expect("UTF-8");
        assert!(path.starts_with(world.path("network").join("bob@example.org").join("new")));
        assert!(text.starts_with("From: alice@example.org\n\n?OTR:AAQ") && text.ends_with('.'), "{text}");
    }
}

#[test]
fn the_home_shows_nothing_and_age_opens_it() {
    let elsewhere = World::new();
    let server = elsewhere.server("server");
    let world = World::with_bob_published(&server);
    world.done("alice", &["send", "bob@example.org", "hello", "--server", &server.url]);
    world.done("bob", &["receive"]);
    world.done("alice", &["send", "bob@example.org", "the secret word"]);
    // Received but not shown: the screen is a closed pipe.
    let mut receive = world.command("bob", &["receive"]);
    let mut child =
        receive.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("it runs");
    drop(child.stdout.take());
    assert!(!child.wait().expect("it ends").success());

    let home = world.path("bob");
    for (path, bytes) in files(&home) {
        for secret in
            ["the secret word", "alice", "bob", "example", "AGE-SECRET-KEY", PASSPHRASE, "token", "account"]
        {
            assert!(
                !bytes.windows(secret.len()).any(|part| part == secret.as_bytes()),
                "{secret} in {path:?}"
            );
        }
    }

    let passphrase = age::secrecy::SecretString::from(format!("{PASSPHRASE} bob"));
    let identity = open(&home.join("identity.age"), &age::scrypt::Identity::new(passphrase));
    let identity = age::x25519::Identity::from_str(identity.trim()).expect("an age identity");
    let state = open(&home.join("state.age"), &identity);
    assert!(state.starts_with(r#"{"version":3,"#) && state.contains("the secret word"), "{state}");

    // What was not shown is shown by the next process, once.
    assert_eq!(texts(&world.done("bob", &["receive"]), "alice"), ["the secret word"]);
    assert!(texts(&world.done("bob", &["receive"]), "alice").is_empty());
}

#[test]
fn a_server_with_another_key_is_refused_and_the_words_say_what_to_do() {
    let elsewhere = World::new();
    let (server, other) = (elsewhere.server("server"), elsewhere.server("other"));
    let world = World::with_bob_published(&server);
    for arguments in [
        ["publish", "--server", &other.url, "--count", "1"].as_slice(),
        &["send", "alice@example.org", "hello", "--server", &other.url],
    ] {
        let refused = world.refused("bob", arguments);
        assert!(
            refused.contains("another key")
                && refused.contains(&format!("--fingerprint {}", other.fingerprint)),
            "{refused}"
        );
    }
    let wrong = ["publish", "--server", &other.url, "--fingerprint", &server.fingerprint];
    assert!(world.refused("bob", &wrong).contains("does not have the fingerprint that you gave"));
    // The one that is known still works, and so does the other once the person says so.
    world.done("bob", &["publish", "--count", "1"]);
    world.done(
        "bob",
        &["publish", "--count", "1", "--server", &other.url, "--fingerprint", &other.fingerprint],
    );
    world.done("bob", &["publish", "--count", "1"]);
}

#[test]
fn prekeys_run_out_and_publishing_more_helps() {
    let elsewhere = World::new();
    let server = elsewhere.server("server");
    let world = World::with_bob_published(&server);
    for who in ["alice", "carol", "dave"] {
        if who != "alice" {
            world.init(who);
        }
        world.done(who, &["send", "bob@example.org", &format!("hello from {who}"), "--server", &server.url]);
    }
    world.init("erin");
    let erin = ["send", "bob@example.org", "hello from erin", "--server", &server.url];
    assert!(world.refused("erin", &erin).contains("bob@example.org has nothing on prekey.example.org"));
    world.done("bob", &["publish", "--count", "1"]);
    world.done("erin", &erin);
    let received = world.done("bob", &["receive"]);
    for who in ["alice", "carol", "dave", "erin"] {
        assert_eq!(texts(&received, who), [format!("hello from {who}")]);
    }
}

#[test]
fn what_cannot_be_done_says_what_to_do_next() {
    let world = World::new();
    assert!(world.refused("bob", &["status"]).contains("client-demo init"));
    assert!(world.refused("bob", &["init", "--account", "bob"]).contains("--forging-key keep|destroy"));
    world.init("bob");
    assert!(
        world
            .refused("bob", &["init", "--account", "bob", "--forging-key", "keep"])
            .contains("holds an account already")
    );
    assert!(world.refused("bob", &["publish"]).contains("--server URL"));
    let nobody = world.refused("bob", &["publish", "--server", "http://127.0.0.1:1"]);
    assert!(nobody.contains("http://127.0.0.1:1") && nobody.contains("is the server running?"), "{nobody}");
    let wrong = run(world.command("bob", &["status"]).env("CLIENT_DEMO_PASSPHRASE", "wrong"));
    assert!(String::from_utf8_lossy(&wrong.stderr).contains("the passphrase does not open"));
    let none = run(client(["status", "--home"]).arg(world.path("bob")));
    assert!(!none.status.success());
    let file = world.path("passphrase");
    fs::write(&file, format!("{PASSPHRASE} bob\nsecond line\n")).expect("written");
    let read = run(client(["status", "--home"]).arg(world.path("bob")).arg("--passphrase-file").arg(&file));
    assert!(read.status.success());
    assert!(run(&mut client(["--help"])).status.success());
}

#[test]
fn the_demo_tells_its_story_to_the_end() {
    let told = run(&mut client(["demo"]));
    let (out, err) = (String::from_utf8_lossy(&told.stdout), String::from_utf8_lossy(&told.stderr));
    assert!(told.status.success(), "{out}{err}");
    assert!(err.is_empty() && !out.contains('\x1b'), "plain where there is no terminal: {err}");
    for part in [
        "1. ",
        "2. ",
        "3. ",
        "4. ",
        "5. ",
        "6. ",
        "7. ",
        "fingerprint",
        "session id",
        "characters",
        "verified by a secret that both knew",
        " ms",
        "The end.",
    ] {
        assert!(out.contains(part), "{part} is missing in {out}");
    }
}

/// As `age -d` does.
fn open(path: &Path, identity: &dyn age::Identity) -> String {
    let sealed = fs::read(path).expect("a file");
    let decryptor = age::Decryptor::new_buffered(sealed.as_slice()).expect("the age format");
    let mut opened = String::new();
    decryptor
        .decrypt(iter::once(identity))
        .expect("the key fits")
        .read_to_string(&mut opened)
        .expect("whole");
    opened
}
