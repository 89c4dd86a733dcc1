//! Moving in from Pidgin, irssi and Profanity, and back: their files, as they have written them.

mod hostile;
mod reader;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::process::{client, run};
use crate::world::{World, line_with};

/// Of libotr's own files, A's and B's: A is alice@example.org, and knows B, who is bob@example.org.
fn recorded(name: &str, pointer: &str) -> String {
    let all: Value =
        serde_json::from_str(include_str!("../../../../conformance/vectors/v3-keys.json")).expect("JSON");
    let vectors = all.get("vectors").and_then(Value::as_array).expect("vectors");
    let vector = vectors.iter().find(|vector| vector.get("name").is_some_and(|it| it == name));
    vector.and_then(|vector| vector.pointer(pointer)?.as_str()).expect("a text").to_owned()
}

/// What irssi 1.4.3 wrote for `/otr genkey lab`, and Profanity 0.13.1 for `/otr gen`.
const IRSSI: &str = include_str!("irssi.key");
const PROFANITY: &str = include_str!("profanity.key");

const PIDGIN: [&str; 3] = ["otr.private_key", "otr.fingerprints", "otr.instance_tags"];

fn keys_of(who: &str) -> String {
    recorded(&format!("v3_private_key_file_{who}"), "/inputs/file")
}

/// As it is shown.
fn key(who: &str) -> String {
    groups(&fingerprint(who))
}

fn fingerprint(who: &str) -> String {
    recorded(&format!("v3_dsa_key_{who}"), "/outputs/fingerprint")
}

fn groups(hex: &str) -> String {
    let digits: Vec<char> = hex.to_uppercase().chars().collect();
    digits.chunks(8).map(|group| group.iter().collect::<String>()).collect::<Vec<_>>().join(" ")
}

/// A world with a home for Alice and a folder `old` with these files in it.
fn world_with(files: &[(&str, &str)]) -> (World, PathBuf) {
    let world = World::new();
    world.init("alice");
    let old = world.path("old");
    put(&old, files);
    (world, old)
}

fn put(folder: &Path, files: &[(&str, &str)]) {
    fs::create_dir_all(folder).expect("made");
    for (name, text) in files {
        fs::write(folder.join(name), text).expect("written");
    }
}

/// Alice's recorded files, in a folder like Pidgin's.
fn pidgins() -> (World, PathBuf) {
    let [keys, fingerprints, tags] = PIDGIN;
    let file =
        |name: &str| recorded(&format!("v3_{}_file_A", name.trim_start_matches("otr.")), "/inputs/file");
    world_with(&[(keys, &keys_of("A")), (fingerprints, &file(fingerprints)), (tags, &file(tags))])
}

fn import<'a>(old: &'a Path, more: &[&'a str]) -> Vec<&'a str> {
    [&["import-libotr", old.to_str().expect("UTF-8")], more].concat()
}

fn export<'a>(folder: &'a Path, more: &[&'a str]) -> Vec<&'a str> {
    [&["export-libotr", folder.to_str().expect("UTF-8")], more].concat()
}

#[test]
fn pidgins_files_are_taken_over_and_a_second_time_changes_nothing() {
    let (world, old) = pidgins();
    let said = world.done("alice", &import(&old, &[]));
    assert!(
        said.contains("Files of Pidgin") && said.contains("  alice@example.org (prpl-jabber)\n"),
        "{said}"
    );
    assert!(said.contains(&key("A")), "{said}");
    assert!(said.contains("1 new, 0 now verified, 0 known before"), "{said}");
    let tag =
        line_with(&world.done("alice", &["status"]), "client  ").replace("client", "").trim().to_owned();
    assert!(said.contains(&format!("The instance tag stays {tag}")) && tag != "6d0c0a25", "{said}");
    let trust = world.done("alice", &["trust"]);
    assert!(trust.contains(&key("B")) && trust.contains("NOT VERIFIED"), "{trust}");

    let again = world.done("alice", &import(&old, &[]));
    assert!(again.contains(&format!("the same as before, {}", key("A"))), "{again}");
    assert!(again.contains("0 new, 0 now verified, 1 known before"), "{again}");
    assert_eq!(world.done("alice", &["trust"]), trust);
}

#[test]
fn a_key_is_drawn_when_it_is_needed_and_then_takes_a_word_to_be_replaced() {
    let (world, old) = pidgins();
    let drawn = |who: &str| {
        let status = world.done(who, &["status"]);
        status.lines().find_map(|line| line.strip_prefix("version 3 ")).map(|key| key.trim().to_owned())
    };
    assert_eq!(drawn("alice"), None, "one may be brought");
    assert!(world.refused("alice", &export(&world.path("new"), &[])).contains("nothing to export"));
    world.init("bob");
    world.done("bob", &["policy", "--mode", "standalone"]);
    for who in ["alice", "bob"] {
        world.done(who, &["receive"]);
    }
    assert_eq!(drawn("bob"), None, "his mode has no version 3");
    let ours = drawn("alice").expect("somebody may ask for version 3 from now on");
    let refused = world.refused("alice", &import(&old, &[]));
    assert!(
        refused.contains(&ours) && refused.contains(&key("A")) && refused.contains("--replace"),
        "{refused}"
    );
    assert_eq!(drawn("alice"), Some(ours));
    assert!(!world.done("alice", &["trust"]).contains(&key("B")), "nothing of it has been imported");
    world.done("alice", &import(&old, &["--replace"]));
    assert_eq!(drawn("alice"), Some(key("A")));
    world.done("alice", &["receive"]);
    assert_eq!(drawn("alice"), Some(key("A")), "it stays");
}

#[test]
fn who_was_verified_there_is_verified_here_and_stays_so() {
    let line = |user: &str, n: u8, trust: &str| {
        format!("{user}\talice@example.org/\tprpl-jabber\t{}\t{trust}\n", format!("{n:02x}").repeat(20))
    };
    let fingerprints = |bob: &str| {
        let other = line("erin@example.org", 9, "verified").replace("alice@", "carol@");
        [
            line("bob@example.org", 1, bob),
            line("bob@example.org", 2, "verified"),
            line("carol@example.org/Home", 3, "smp"),
            line("dave@example.org", 4, "").trim_end().to_owned() + "\n",
            other,
        ]
        .concat()
    };
    let keys = keys_of("A").replace("alice@example.org", "alice@example.org/");
    let (world, old) = world_with(&[(PIDGIN[0], &keys), (PIDGIN[1], &fingerprints(""))]);
    let said = world.done("alice", &import(&old, &[]));
    assert!(said.contains("4 new, 0 now verified, 0 known before"), "{said}");
    let trust = world.done("alice", &["trust"]);
    let of = |trust: &str, n: u8| {
        let digits = groups(&format!("{n:02x}").repeat(20));
        let rest = trust.split_once(&digits).expect(trust).1;
        rest.lines().nth(1).expect("how it is verified").trim().to_owned()
    };
    assert!(of(&trust, 2).starts_with("verified by hand"), "{trust}");
    assert!(of(&trust, 1).starts_with("CHANGED, and NOT VERIFIED"), "{trust}");
    assert!(
        trust.contains("carol@example.org\n") && of(&trust, 3).starts_with("verified by a secret"),
        "{trust}"
    );
    assert!(of(&trust, 4).starts_with("NOT VERIFIED"), "{trust}");
    assert!(!trust.contains("erin"), "she is known to another account: {trust}");

    fs::write(old.join(PIDGIN[1]), fingerprints("smp")).expect("written");
    let said = world.done("alice", &import(&old, &[]));
    assert!(said.contains("0 new, 1 now verified, 3 known before"), "{said}");
    // What is known better here is not lowered.
    fs::write(old.join(PIDGIN[1]), fingerprints("")).expect("written");
    world.done("alice", &import(&old, &[]));
    assert!(of(&world.done("alice", &["trust"]), 1).starts_with("verified by a secret"));
}

#[test]
fn files_of_irssi_and_profanity_are_found_and_named() {
    let hex = "ab".repeat(20);
    let (world, old) =
        world_with(&[("otr.key", IRSSI), ("otr.fp", &format!("bob\tlab\tIRC\t{hex}\tmanual\n"))]);
    let refused = world.refused("alice", &import(&old, &[]));
    assert!(
        refused.contains("alice@example.org") && refused.contains("--account lab --protocol IRC"),
        "{refused}"
    );
    let said = world.done("alice", &import(&old, &["--account", "lab"]));
    assert!(
        said.contains("Files of irssi") && said.contains("Importing lab (IRC) as alice@example.org"),
        "{said}"
    );
    let trust = world.done("alice", &["trust", "bob"]);
    assert!(trust.contains(&groups(&hex)) && trust.contains("verified by hand"), "{trust}");

    put(&old, &[("keys.txt", PROFANITY), ("fingerprints.txt", "")]);
    let refused = world.refused("alice", &import(&old, &["--account", "lab"]));
    assert!(refused.contains("irssi and Profanity") && refused.contains("--client"), "{refused}");
    let profanity = ["--client", "profanity", "--account", "alice@localhost"];
    let refused = world.refused("alice", &import(&old, &profanity));
    assert!(refused.contains("another key") && refused.contains("--replace"), "{refused}");
    let said = world.done("alice", &import(&old, &[profanity.as_slice(), &["--replace"]].concat()));
    assert!(said.contains("Files of Profanity") && said.contains("alice@localhost (xmpp)"), "{said}");
}

#[test]
fn of_several_accounts_the_one_of_this_home_is_taken_or_the_one_that_is_named() {
    let account = |who: &str, name: &str, protocol: &str| {
        let file =
            keys_of(who).replace(&format!("\"{}\"", address(who)), name).replace("prpl-jabber", protocol);
        let inside = file.strip_prefix("(privkeys\n").and_then(|file| file.strip_suffix(")\n"));
        inside.expect("a whole file").to_owned()
    };
    let file = |accounts: &[String]| format!("(privkeys\n{})\n", accounts.concat());
    let three = file(&[
        account("B", "\"alice@example.org\"", "prpl-irc"),
        account("A", "\"alice@example.org/\"", "prpl-jabber"),
        account("B", "lab", "IRC"),
    ]);
    let (world, old) = world_with(&[(PIDGIN[0], &three)]);
    let refused = world.refused("alice", &import(&old, &[]));
    for way in [
        "--account alice@example.org --protocol prpl-irc",
        "--account alice@example.org/ --protocol prpl-jabber",
    ] {
        assert!(refused.contains(way), "{refused}");
    }
    assert!(!refused.contains("--account lab"), "{refused}");
    let none = world.refused("alice", &import(&old, &["--account", "lab", "--protocol", "xmpp"]));
    assert!(none.contains("none of the accounts") && none.contains("--account lab --protocol IRC"), "{none}");

    let said = world.done("alice", &import(&old, &["--protocol", "prpl-jabber"]));
    assert_eq!(said.matches("\n  ").count(), 3, "all are shown: {said}");
    assert!(said.contains(&key("A")), "{said}");
    let refused = world.refused("alice", &import(&old, &["--account", "lab"]));
    assert!(refused.contains(&key("A")) && refused.contains(&key("B")), "{refused}");
    let said = world.done("alice", &import(&old, &["--account", "alice@example.org", "--replace"]));
    assert!(said.contains("Importing alice@example.org (prpl-irc)") && said.contains(&key("B")), "{said}");
}

#[test]
fn what_is_exported_is_what_was_imported() {
    let (world, old) = pidgins();
    world.done("alice", &import(&old, &[]));
    let new = world.path("new");
    let said = world.done("alice", &export(&new, &["--account", "alice@example.org", "--instance-tag"]));
    assert!(said.contains("NOT ENCRYPTED") && said.contains(&key("A")), "{said}");
    for name in PIDGIN {
        let path = new.join(name);
        assert_eq!(fs::metadata(&path).expect("there").permissions().mode() & 0o777, 0o600, "{name}");
        assert!(said.contains(&path.display().to_string()), "{said}");
    }
    let text = |folder: &Path, name| fs::read_to_string(folder.join(name)).expect("written");
    assert_eq!(text(&new, PIDGIN[0]), text(&old, PIDGIN[0]));
    assert_eq!(text(&new, PIDGIN[1]), text(&old, PIDGIN[1]));
    let tag =
        line_with(&world.done("alice", &["status"]), "client  ").replace("client", "").trim().to_owned();
    assert!(text(&new, PIDGIN[2]).ends_with(&format!("\nalice@example.org\tprpl-jabber\t{tag}\n")));
    // Nothing else is left in the folder.
    assert_eq!(fs::read_dir(&new).expect("a folder").count(), 3);
    world.init("bob");
    let again = world.done("bob", &import(&new, &["--account", "alice@example.org"]));
    assert!(again.contains(&key("A")) && again.contains("1 new"), "{again}");
}

#[test]
fn files_that_are_there_are_kept_unless_they_may_be_lost() {
    let (world, old) = pidgins();
    world.done("alice", &import(&old, &[]));
    let new = world.path("new");
    put(&new, &[(PIDGIN[0], "somebody's only key")]);
    let refused = world.refused("alice", &export(&new, &[]));
    assert!(
        refused.contains("otr.private_key is there already") && refused.contains("--overwrite"),
        "{refused}"
    );
    assert_eq!(fs::read_to_string(new.join(PIDGIN[0])).expect("kept"), "somebody's only key");
    assert!(!new.join(PIDGIN[1]).exists(), "nothing was written beside it");
    world.done("alice", &export(&new, &["--overwrite"]));
    let written = fs::read_to_string(new.join(PIDGIN[0])).expect("written");
    assert!(written.contains("(name \"alice@example.org/\")\n(protocol prpl-jabber)"), "Pidgin's name");
    assert!(!new.join(PIDGIN[2]).exists(), "two clients must not have one tag");
    let mode = fs::metadata(new.join(PIDGIN[0])).expect("there").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn each_client_gets_the_names_and_the_words_that_it_knows() {
    let (world, old) = pidgins();
    world.done("alice", &import(&old, &[]));
    let bob = fingerprint("B");
    world.done("alice", &["verify", "bob@example.org", "--by-hand", "--fingerprint", &bob]);
    for (client, files, account, word) in [
        ("pidgin", ["otr.private_key", "otr.fingerprints"], "alice@example.org/\tprpl-jabber", "verified"),
        ("irssi", ["otr.key", "otr.fp"], "lab\tIRC", "manual"),
        ("profanity", ["keys.txt", "fingerprints.txt"], "alice@example.org\txmpp", "trusted"),
    ] {
        let new = world.path(client);
        let name: &[&str] = if client == "irssi" { &["--account", "lab"] } else { &[] };
        world.done("alice", &export(&new, &[&["--client", client], name].concat()));
        let line = format!("bob@example.org\t{account}\t{bob}\t{word}\n");
        assert_eq!(fs::read_to_string(new.join(files[1])).expect("written"), line);
        assert!(new.join(files[0]).exists());
        assert_eq!(fs::read_dir(&new).expect("a folder").count(), 2, "no tag");
    }
}

#[test]
fn what_cannot_be_moved_says_what_to_do_next() {
    let (world, old) = world_with(&[]);
    let none = world.refused("alice", &import(&old, &[]));
    for home in ["~/.purple", "~/.irssi/otr", "~/.local/share/profanity/otr/"] {
        assert!(none.contains(home), "{none}");
    }
    let missing = world.refused("alice", &import(&world.path("nowhere"), &[]));
    assert!(missing.contains("cannot read") && missing.contains("nowhere"), "{missing}");
    let name = world.refused("alice", &export(&old, &["--account", &"a".repeat(300)]));
    assert!(name.contains("--account"), "{name}");
    for command in ["import-libotr", "export-libotr"] {
        let help = run(&mut client([command, "--help"]));
        let help = String::from_utf8_lossy(&help.stdout).into_owned();
        assert!(
            help.contains("--account") && help.contains("--client") && help.contains("profanity"),
            "{help}"
        );
    }
}

fn address(who: &str) -> &'static str {
    if who == "A" { "alice@example.org" } else { "bob@example.org" }
}
