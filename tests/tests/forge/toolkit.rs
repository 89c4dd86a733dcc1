//! The toolkit of libotr, Debian's package libotr5-bin: where both read the same, both say the same.

use std::io::Write;
use std::process::{Command, Stdio};

use otrv4::Secret;
use otrv4::forge::{ForgeError, v3};
use otrv4::wire::InstanceTag;
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

#[test]
fn session_keys_are_the_same_at_both_ends() {
    let secret = [0x5a; 40];
    let high = v3::session_keys(&Secret::copied(&secret), &[4]).expect("a key of the group");
    assert!(high.we_are_high);
    // 4 is 2 to the power of 2.
    let mut two = [0; 40];
    two[39] = 2;
    let low = v3::session_keys(&Secret::copied(&two), &high.our_public).expect("a key of the group");
    assert!(!low.we_are_high && low.sending_aes.ct_eq(&high.receiving_aes) && low.extra.ct_eq(&high.extra));
    // None, none of the group, one too long, and our own.
    for bad in [&[][..], &[1], &[0xff; 192], &[4; 193], &low.our_public] {
        assert!(matches!(v3::session_keys(&Secret::copied(&two), bad), Err(ForgeError::DhKey(_))), "{bad:?}");
    }
    assert!(v3::session_keys(&Secret::copied(&[0; 40]), &[4]).is_err());
    let Some(printed) = run("otr_sesskeys", &[&hex(&secret), "04"], "") else { return };
    let digits: Vec<&str> =
        printed.lines().filter_map(|line| line.split_once(": ")).map(|(_, digits)| digits).collect();
    // Its session id is that of version 1.
    let [our_public, _session_id, keys @ ..] = &digits[..] else { panic!("{printed}") };
    assert_eq!(*our_public, hex(&high.our_public));
    let ours = [
        hex(high.sending_aes.as_bytes()),
        hex(high.sending_mac.as_bytes()),
        hex(high.receiving_aes.as_bytes()),
        hex(high.receiving_mac.as_bytes()),
    ];
    assert_eq!(keys, ours);
}

#[test]
fn parts_are_put_together_to_the_same_line() {
    let (key, revealed) = ([7; 20], [[1; 20], [2; 20]]);
    let parts = v3::Parts {
        sender: InstanceTag::new(0x100).unwrap(),
        receiver: InstanceTag::new(0x2_0000).unwrap(),
        flags: 1,
        sender_keyid: 3,
        recipient_keyid: 4,
        next_dh: &[4, 4],
        counter: 5,
        ciphertext: b"encrypted",
        revealed: &revealed,
    };
    let ours = parts.assemble(&Secret::copied(&key)).expect("a message");
    assert!(v3::Parts { counter: 0, ..parts }.assemble(&Secret::copied(&key)).is_err());
    let (key, encrypted, revealed) = (hex(&key), hex(b"encrypted"), hex(revealed.as_flattened()));
    let counter = "0000000000000005";
    let arguments = [&key, "256", "131072", "1", "3", "4", "0404", counter, &encrypted, &revealed];
    let Some(printed) = run("otr_remac", &arguments, "") else { return };
    assert_eq!(message(&printed), ours);
    let shown = run("otr_parse", &[], &ours).unwrap();
    assert!(shown.contains("Receiver instance: 131072") && shown.contains(&encrypted), "{shown}");
}
