//! The toolkit of libotr, Debian's package libotr5-bin: where both read the same, both say the same.

use std::io::Write;
use std::process::{Command, Stdio};

use otrv4::Secret;
use otrv4::forge::v3;
use otrv4_tests::{deliver, talking_with};

use crate::{aes_key, only_3};

/// What a program of the toolkit prints. `None` where it is not installed; but a panic where [`REQUIRED`] wants it.
fn run(program: &str, arguments: &[&str], input: &str) -> Option<String> {
    let started = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let Ok(mut child) = started else {
        assert!(
            std::env::var_os(REQUIRED).is_none(),
            "{program} of libotr5-bin is missing, and {REQUIRED} demands it"
        );
        eprintln!("skipped: {program} of libotr5-bin is missing");
        return None;
    };
    // A program that needs no input may have gone already.
    let _ = writeln!(child.stdin.take().expect("a pipe"), "{input}");
    let output = child.wait_with_output().expect("it ends");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {arguments:?}: {said}");
    Some(String::from_utf8_lossy(&output.stdout).into_owned())
}

const REQUIRED: &str = "OTRV4_REQUIRE_LIBOTR";

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The hex digits behind a name in what a program prints, blanks taken out.
fn field<'a>(printed: &'a str, name: &str) -> Vec<&'a str> {
    let lines = printed.lines().filter_map(|line| line.trim().strip_prefix(name));
    lines.map(|rest| rest.trim_start_matches([':', ' ', '\t'])).collect()
}

/// The line `?OTR:….` in what a program prints.
fn message(printed: &str) -> &str {
    let start = printed.find("?OTR:").expect("a message");
    printed[start..].split_whitespace().next().expect("a message")
}

#[test]
fn mac_keys_are_the_same() {
    let key = [0x5a; 16];
    let Some(printed) = run("otr_mackey", &[&hex(&key)], "") else { return };
    let ours = v3::mac_key(&Secret::copied(&key));
    assert!(printed.to_lowercase().contains(&hex(ours.as_bytes())), "{printed}");
}

#[test]
fn texts_are_modified_to_the_same_line() {
    let (mut alice, bob) = talking_with(only_3());
    let key = v3::mac_key(&aes_key(&alice, &bob));
    let line = alice.line("Meet me at noon.");
    let ours = v3::modify(&line, &key, "noon", "four", 11).expect("the right key");
    let arguments = [&hex(key.as_bytes()), "noon", "four", "11"];
    let Some(printed) = run("otr_modify", &arguments, &line) else { return };
    assert_eq!(message(&printed), ours);
}

#[test]
fn texts_are_read_and_forged_by_each_for_the_other() {
    let (mut alice, mut bob) = talking_with(only_3());
    deliver(&mut alice, &mut bob);
    let key = aes_key(&alice, &bob);
    let line = alice.line("What Alice said.");
    let Some(printed) = run("otr_readforge", &[&hex(key.as_bytes())], &line) else { return };
    assert!(printed.contains("What Alice said."), "{printed}");
    let ours = v3::read_and_forge(&line, &key, Some("By us.")).unwrap().forged.unwrap();
    let printed = run("otr_readforge", &[&hex(key.as_bytes())], &ours).unwrap();
    assert!(printed.contains("By us."), "{printed}");
    let printed = run("otr_readforge", &[&hex(key.as_bytes()), "By them."], &line).unwrap();
    let theirs = message(&printed);
    assert_eq!(v3::read_and_forge(theirs, &key, None).unwrap().text.as_str(), "By them.");
    assert_eq!(bob.receive(theirs).heard(), ["By them."]);
}
