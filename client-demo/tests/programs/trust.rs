//! `verify`, `trust`, `policy` and what they change: whom the everyday commands talk to, and how.

use std::time::Duration;
use std::{fs, thread};

use crate::world::{World, fingerprint, talking, texts};

#[test]
fn fingerprints_are_shown_and_verified_by_hand() {
    let elsewhere = World::new();
    let server = elsewhere.server("server");
    let world = talking(&server);
    let (of_alice, of_bob) = (fingerprint(&world, "alice"), fingerprint(&world, "bob"));
    let groups = |digits: &str| {
        let digits: Vec<String> = digits
            .to_uppercase()
            .as_bytes()
            .chunks(8)
            .map(|g| String::from_utf8_lossy(g).into_owned())
            .collect();
        (digits[..7].join(" "), digits[7..].join(" "))
    };
    let shown = world.done("alice", &["verify", "bob@example.org"]);
    for part in [groups(&of_alice), groups(&of_bob)].iter().flat_map(|(first, second)| [first, second]) {
        assert!(shown.contains(part), "{part} in {shown}");
    }
    assert!(shown.lines().filter(|line| line.contains('▀')).count() > 15, "a QR code: {shown}");
    assert!(
        shown.contains("NOT VERIFIED") && shown.contains("--by-hand") && shown.contains("--ask"),
        "{shown}"
    );

    let by_hand =
        |hex: &str| ["verify", "bob@example.org", "--by-hand", "--fingerprint", hex].map(str::to_owned);
    let wrong = by_hand(&of_alice);
    let wrong: Vec<&str> = wrong.iter().map(String::as_str).collect();
    let refused = world.refused("alice", &wrong);
    assert!(refused.contains("is not known as a fingerprint of bob@example.org"), "{refused}");
    let refused = world.refused("alice", &["verify", "bob@example.org", "--by-hand"]);
    assert!(refused.contains("--fingerprint HEX"), "nobody can be asked: {refused}");
    assert!(
        world.done("alice", &["trust", "bob@example.org"]).contains("NOT VERIFIED"),
        "nothing has changed"
    );
    world.refused("alice", &["verify", "bob@example.org", "--by-hand", "--fingerprint", "1234"]);

    let right = by_hand(&of_bob);
    let right: Vec<&str> = right.iter().map(String::as_str).collect();
    let verified = world.done("alice", &right);
    assert!(verified.contains("bob@example.org is verified by hand"), "{verified}");
    for command in
        [["trust", "bob@example.org"], ["verify", "bob@example.org"], ["fingerprint", "bob@example.org"]]
    {
        let shown = world.done("alice", &command);
        assert!(shown.contains("verified by hand") && !shown.contains("NOT VERIFIED"), "{shown}");
    }
    assert!(world.done("alice", &["contacts"]).contains("verified by hand"));
    assert!(world.done("alice", &["status"]).contains("1 known, 1 of them verified"));
    assert!(world.done("bob", &["trust"]).contains("NOT VERIFIED"), "Bob has verified nobody");

    world.refused("alice", &["trust", "bob@example.org", "--distrust", &of_alice]);
    let shown = world.done("alice", &["trust", "bob@example.org", "--distrust", &of_bob]);
    assert!(shown.contains("NOT VERIFIED"), "{shown}");
    let shown = world.done("alice", &["trust", "bob@example.org", "--forget", &of_bob]);
    assert!(shown.contains("nothing is known of them"), "{shown}");
}

#[test]
fn a_question_over_the_network_verifies_the_one_who_answers() {
    let elsewhere = World::new();
    let server = elsewhere.server("server");
    let world = talking(&server);
    let secret = |name: &str, text: &str| {
        let file = world.path(name);
        fs::write(&file, format!("{text}\n")).expect("written");
        file.to_str().expect("UTF-8").to_owned()
    };
    let (right, wrong) = (secret("right", "on the train"), secret("wrong", "on the ship"));
    let ask = ["verify", "bob@example.org", "--ask", "Where did we meet?\u{1b}[2J", "--secret-file", &right];
    let answer = |file| ["verify", "alice@example.org", "--answer", "--secret-file", file];
    let nothing = world.refused("bob", &answer(&right));
    assert!(nothing.contains("alice@example.org has not asked anything"), "{nothing}");
    let empty = secret("empty", "");
    assert!(
        world
            .refused("alice", &["verify", "bob@example.org", "--shared-secret", "--secret-file", &empty])
            .contains("empty")
    );

    for (file, alice_reads, bob_reads) in [
        (&wrong, "THE SECRETS WERE NOT THE SAME", "THE SECRETS WERE NOT THE SAME"),
        (&right, "VERIFIED: both have entered the same secret", "That says nothing about them"),
    ] {
        assert!(world.done("alice", &ask).contains("`client-demo receive` shows the result"));
        let asked = world.done("bob", &["receive"]);
        assert!(asked.contains(r"The question: Where did we meet?\u{1b}[2J"), "{asked}");
        assert!(asked.contains("`client-demo verify alice@example.org --answer`"), "{asked}");
        for command in [["verify", "alice@example.org"].as_slice(), &["contacts"]] {
            let shown = world.done("bob", command);
            assert!(shown.contains("Where did we meet?") || shown.contains("--answer"), "{shown}");
        }
        let answered = world.done("bob", &answer(file));
        assert!(
            answered.contains("asks. Its key: NOT VERIFIED.\n  The question: Where did we meet?"),
            "{answered}"
        );
        world.done("alice", &["receive"]);
        let told = world.done("bob", &["receive"]);
        assert!(told.contains(bob_reads), "{told}");
        let told = world.done("alice", &["receive"]);
        assert!(told.contains(alice_reads), "{told}");
    }
    let trust = world.done("alice", &["trust", "bob@example.org"]);
    assert!(trust.contains("verified by a secret") && !trust.contains("NOT VERIFIED"), "{trust}");
    assert!(trust.contains("1 verification by a secret has failed"), "{trust}");
    let trust = world.done("alice", &["trust", "bob@example.org", "--reset-failed"]);
    assert!(!trust.contains("failed"), "{trust}");
    let trust = world.done("bob", &["trust"]);
    assert!(trust.contains("NOT VERIFIED: you have answered a question of theirs"), "{trust}");

    // Stopped by who asked, and declined by who was asked.
    world.done("alice", &ask);
    world.done("bob", &["receive"]);
    assert!(world.done("bob", &["verify", "alice@example.org", "--abort"]).contains("you have stopped it"));
    assert!(world.done("alice", &["receive"]).contains("they have stopped it"));
    world.done("alice", &["send", "bob@example.org", "never mind"]);
    assert_eq!(texts(&world.done("bob", &["receive"]), "alice"), ["never mind"]);
}

#[test]
fn a_policy_is_shown_set_for_everybody_and_for_one_and_reset() {
    let world = World::new();
    world.init("alice");
    /// Name, value and where it comes from.
    fn line<'a>(out: &'a str, name: &str) -> Vec<&'a str> {
        let line = out.lines().find(|line| line.trim_start().starts_with(&format!("{name} "))).expect(out);
        line.split_whitespace().collect()
    }
    let bob = "bob@example.org";
    let shown = world.done("alice", &["policy"]);
    assert_eq!(line(&shown, "mode"), ["mode", "compatible"]);
    assert_eq!(line(&shown, "require-encryption"), ["require-encryption", "yes"]);
    assert_eq!(line(&shown, "padding"), ["padding", "classes"]);
    assert_eq!(line(&shown, "expire-online"), ["expire-online", "2h"]);
    let shown = world.done("alice", &["policy", "--heartbeat", "off", "--expire-online", "90min"]);
    assert_eq!(line(&shown, "heartbeat"), ["heartbeat", "off", "set", "for", "everybody"]);
    let shown = world.done("alice", &["policy", bob, "--heartbeat", "120", "--mode", "standalone"]);
    assert_eq!(line(&shown, "heartbeat"), ["heartbeat", "2m", "set", "for", "them"]);
    assert_eq!(line(&shown, "mode"), ["mode", "standalone", "set", "for", "them"]);
    let shown = world.done("alice", &["policy", "carol@example.org"]);
    assert_eq!(line(&shown, "heartbeat"), ["heartbeat", "off", "set", "for", "everybody"]);
    assert!(world.done("alice", &["policy"]).contains("Others for: bob@example.org"));
    let shown = world.done("alice", &["policy", bob, "--reset"]);
    assert_eq!(line(&shown, "heartbeat"), ["heartbeat", "off", "set", "for", "everybody"]);
    assert_eq!(line(&shown, "mode"), ["mode", "compatible"]);
    let shown = world.done("alice", &["policy", "--reset"]);
    assert_eq!(line(&shown, "heartbeat"), ["heartbeat", "1m"]);
    for bad in [["--padding", "0"], ["--mode", "v3"], ["--require-encryption", "maybe"], ["--versions", "24"]]
    {
        world.refused("alice", &["policy", bad[0], bad[1]]);
    }
}

#[test]
fn verified_keys_alone_may_be_required_of_one_contact() {
    let elsewhere = World::new();
    let server = elsewhere.server("server");
    let world = World::with_bob_published(&server);
    let of_bob = fingerprint(&world, "bob");
    let send = ["send", "bob@example.org", "hello", "--server", &server.url];
    world.done("alice", &["policy", "bob@example.org", "--require-authenticated", "yes"]);
    let refused = world.refused("alice", &send);
    assert!(refused.contains("the policy allows verified fingerprints only"), "{refused}");
    assert!(!world.path("network").exists(), "nothing has left");
    // From a business card.
    world.done("alice", &["verify", "bob@example.org", "--by-hand", "--fingerprint", &of_bob]);
    assert!(world.done("alice", &send).contains("verified by hand"));
    assert_eq!(texts(&world.done("bob", &["receive"]), "alice"), ["hello"]);

    // The other way: what comes from an unverified key is refused.
    let server = elsewhere.server("another");
    let other = World::with_bob_published(&server);
    other.done("bob", &["policy", "--require-authenticated", "yes"]);
    other.done("alice", &["send", "bob@example.org", "hello", "--server", &server.url]);
    let received = other.done("bob", &["receive"]);
    assert!(
        received.contains("this one is not verified") && texts(&received, "alice").is_empty(),
        "{received}"
    );
    let of_alice = fingerprint(&other, "alice");
    other.done("bob", &["verify", "alice@example.org", "--by-hand", "--fingerprint", &of_alice]);
}

#[test]
fn without_required_encryption_a_text_goes_out_in_clear_and_offers_more() {
    let world = World::new();
    for who in ["alice", "bob"] {
        world.init(who);
    }
    let send = ["send", "bob@example.org", "shall we?"];
    assert!(world.refused("alice", &send).contains("--server URL"));
    world.done(
        "alice",
        &["policy", "bob@example.org", "--require-encryption", "no", "--send-whitespace-tag", "yes"],
    );
    assert!(
        world.refused("alice", &["send", "carol@example.org", "hello"]).contains("--server URL"),
        "for Bob alone"
    );
    let sent = world.done("alice", &send);
    assert!(sent.contains("Sent IN CLEAR TEXT"), "{sent}");
    let received = world.done("bob", &["receive"]);
    assert!(received.contains("NOT ENCRYPTED") && received.contains("shall we?"), "{received}");
    world.done("alice", &["receive"]);
    world.done("bob", &["receive"]);
    assert!(world.done("alice", &["receive"]).contains("begun while both were there"));
    assert_eq!(world.done("alice", &["send", "bob@example.org", "we do"]), "Sent.\n");
    assert_eq!(texts(&world.done("bob", &["receive"]), "alice"), ["we do"]);
}

#[test]
fn an_interactive_conversation_begins_when_both_are_there() {
    let world = World::new();
    for who in ["alice", "bob"] {
        world.init(who);
        world.done(who, &["policy", "--mode", "interactive-only"]);
    }
    assert!(
        world
            .refused("bob", &["publish", "--server", "http://127.0.0.1:1"])
            .contains("nothing is to be published")
    );
    let sent = world.done("alice", &["send", "bob@example.org", "hello"]);
    assert!(sent.contains("waits until the conversation is encrypted") && !sent.contains("Sent"), "{sent}");
    world.done("bob", &["receive"]);
    world.done("alice", &["receive"]);
    assert_eq!(texts(&world.done("bob", &["receive"]), "alice"), ["hello"]);
}

#[test]
fn what_expires_while_nobody_looks_is_told_and_the_other_side_hears_of_it() {
    let elsewhere = World::new();
    let server = elsewhere.server("server");
    let world = talking(&server);
    world.done("alice", &["policy", "bob@example.org", "--expire-offline", "1s"]);
    thread::sleep(Duration::from_millis(1100));
    let contacts = world.done("alice", &["contacts"]);
    assert!(
        contacts.contains("or it expired") && contacts.contains("`client-demo receive` shows"),
        "{contacts}"
    );
    assert!(world.done("alice", &["status"]).contains("to be sent   1 lines"));
    assert!(world.done("alice", &["receive"]).contains("the conversation has expired"));
    assert!(!world.done("alice", &["receive"]).contains("the conversation has expired"), "said once");
    assert!(world.done("bob", &["receive"]).contains("ended the conversation"));
    // The next text begins another one.
    world.done("alice", &["policy", "bob@example.org", "--reset"]);
    world.done("alice", &["send", "bob@example.org", "again"]);
    assert_eq!(texts(&world.done("bob", &["receive"]), "alice"), ["again"]);
}

#[test]
fn publishing_gives_the_server_what_it_lacks() {
    let elsewhere = World::new();
    let server = elsewhere.server("server");
    let world = World::with_bob_published(&server);
    assert!(!world.done("bob", &["status"]).is_empty());
    let status = world.done("bob", &["status"]);
    assert!(
        status.contains("3 prekeys of this client") && status.contains("`client-demo publish`"),
        "{status}"
    );
    let published = world.done("bob", &["publish"]);
    assert!(published.contains("97 prekeys"), "{published}");
    let published = world.done("bob", &["publish"]);
    assert!(published.contains("Nothing to do: prekey.example.org has 100 prekeys"), "{published}");
    assert!(!world.done("bob", &["status"]).contains("`client-demo publish`"));
    // One is used.
    world.done("alice", &["send", "bob@example.org", "hello", "--server", &server.url]);
    assert!(world.done("bob", &["receive"]).contains("`client-demo publish`"));
    assert!(world.done("bob", &["publish"]).contains("Nothing to do: prekey.example.org has 99 prekeys"));
    assert!(!world.done("bob", &["receive"]).contains("`client-demo publish`"));
}
