//! What a forged message holds beside its text: the NUL at its end, records, padding, and how long it may be.

use std::num::NonZeroU16;

use otrv4::forge::{Content, ForgeError, Value, parse, v3, v4, version};
use otrv4::session::MAX_TEXT;
use otrv4::wire::{InstanceTag, MAX_MESSAGE, Padding, Version, armour};
use otrv4::{Policy, Secret, inside};
use otrv4_tests::{Person, deliver, talking_with};

use crate::{aes_key, chain_key, only_3};

/// The key of a message that is to be sent.
enum Key {
    V4(Secret<64>),
    V3(Secret<16>),
}

impl Key {
    /// That of the next one.
    fn next(from: &mut Person, to: &Person) -> Self {
        match from.channels()[0].1 {
            Version::V4 => Self::V4(chain_key(from, to)),
            _ => Self::V3(aes_key(from, to)),
        }
    }

    fn forge(&self, line: &str, new: &str) -> Result<String, ForgeError> {
        self.read(line, Some(new)).map(|content| content.forged.expect("a line"))
    }

    fn read(&self, line: &str, new: Option<&str>) -> Result<Content, ForgeError> {
        match self {
            Self::V4(key) => v4::read_and_forge(line, key, new),
            Self::V3(key) => v3::read_and_forge(line, key, new),
        }
    }

    fn modify(&self, line: &str, old: &str, new: &str, offset: usize) -> Result<String, ForgeError> {
        match self {
            Self::V4(key) => v4::modify(line, &v4::mac_key(&v4::message_key(key)), old, new, offset),
            Self::V3(key) => v3::modify(line, &v3::mac_key(key), old, new, offset),
        }
    }
}

/// Alice and Bob in the middle of a conversation with that padding, once in each version.
fn in_both_versions(padding: Padding) -> [(Person, Person); 2] {
    [Policy::default(), only_3()].map(|policy| {
        let (mut alice, mut bob) = talking_with(Policy { padding, ..policy });
        deliver(alice.say("a turn"), bob.say("of each"));
        deliver(alice.say("what opens a ratchet"), &mut bob);
        alice.told();
        bob.told();
        (alice, bob)
    })
}

/// Bytes that are encrypted in it.
fn encrypted(line: &str) -> usize {
    let fields = parse(line).fields;
    match &fields.iter().find(|field| field.name == "encrypted message").expect("a data message").value {
        Value::Bytes(bytes) => bytes.len(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_forged_text_is_padded_as_its_senders_program_would() {
    let lengths = [0, 4, 251, 252, 255, 300, 3000, MAX_TEXT];
    let multiple = |of| Padding::Multiple(NonZeroU16::new(of).unwrap());
    for padding in [Padding::Off, Padding::Classes, multiple(100), multiple(1024), multiple(0xffff)] {
        for (mut alice, bob) in in_both_versions(padding) {
            for old in [3, 300, 3000] {
                for new in lengths.map(|length| "x".repeat(length)) {
                    let key = Key::next(&mut alice, &bob);
                    let line = alice.line(&"x".repeat(old));
                    let forged = key.forge(&line, &new).expect("the right key");
                    assert_eq!(&*key.read(&forged, None).expect("the right key").text, &new);
                    let honest = alice.line(&new);
                    match padding {
                        // What it was a multiple of is not to be seen.
                        Padding::Multiple(of) if of.get() < 0xffff => {
                            assert_eq!(encrypted(&forged) % usize::from(of.get()), 0, "{old}, {}", new.len());
                        }
                        _ => assert_eq!(encrypted(&forged), encrypted(&honest), "{old}, {}", new.len()),
                    }
                }
            }
        }
    }
}

#[test]
fn padding_to_multiples_stays_one() {
    let padding = Padding::Multiple(NonZeroU16::new(100).unwrap());
    for (mut alice, bob) in in_both_versions(padding) {
        for (old, new, length) in [(3, 150, 200), (150, 300, 400), (150, 3, 200)] {
            let key = Key::next(&mut alice, &bob);
            let line = alice.line(&"x".repeat(old));
            let forged = key.forge(&line, &"y".repeat(new)).expect("the right key");
            assert_eq!(encrypted(&forged), length);
        }
    }
    // Longer than one record of padding.
    let padding = Padding::Multiple(NonZeroU16::new(0xffff).unwrap());
    for (mut alice, bob) in in_both_versions(padding) {
        let key = Key::next(&mut alice, &bob);
        let line = alice.line(&"x".repeat(MAX_TEXT));
        assert_eq!(encrypted(&line), 2 * 0xffff);
        assert_eq!(encrypted(&key.forge(&line, "Yes.").expect("the right key")), 0xffff);
    }
}

#[test]
fn a_text_forged_with_itself_gives_the_same_line_whatever_is_behind_it() {
    let plaintexts: [&[u8]; 8] = [
        b"text",
        b"text\0",
        b"text\0\x00\x99\x00\x01x",
        b"text\0\x00\x99\x00\x01x\x00\x00\x00\x02\0\0",
        // Padding that no program of ours makes.
        b"text\0\x00\x00\x00\x02zz",
        // Records cut short.
        b"text\0\x00\x99\x00\x01x\x00\x00\x00\x09short",
        b"text\0\x00\x99\x00",
        b"",
    ];
    for (mut alice, bob) in in_both_versions(Padding::Off) {
        for plaintext in plaintexts {
            let (key, to) = (Key::next(&mut alice, &bob), bob.account.tag());
            let mut sealed = None;
            alice.act(|session, cx| {
                sealed = inside::seal(session, cx, to, plaintext, &mut |_| {});
                Vec::new()
            });
            let line = armour(&sealed.expect("a conversation"));
            let text = key.read(&line, None).expect("the right key").text;
            assert_eq!(key.forge(&line, &text).as_ref(), Ok(&line), "{plaintext:?}");
            let other = key.forge(&line, "another").expect("the right key");
            let kept = plaintext.len() - text.len();
            // Odd padding becomes that of a program.
            if !plaintext.ends_with(b"zz") && !plaintext.ends_with(b"\x02\0\0") {
                assert_eq!(encrypted(&other), "another".len() + kept, "{plaintext:?}");
            }
        }
        for padding in [Padding::Classes, Padding::Off] {
            alice.session.policy().padding = padding;
            let key = Key::next(&mut alice, &bob);
            let line = alice.line("Ten o'clock.");
            assert_eq!(key.forge(&line, "Ten o'clock."), Ok(line));
        }
    }
}

#[test]
fn what_is_too_long_for_any_client_is_not_forged() {
    let too_long = |what, limit| Err(ForgeError::TooLong { what, limit });
    for (mut alice, mut bob) in in_both_versions(Padding::Classes) {
        let key = Key::next(&mut alice, &bob);
        let line = alice.line("short");
        let longest = "x".repeat(MAX_TEXT);
        let forged = key.forge(&line, &longest).expect("the longest text");
        assert_eq!(bob.receive(&forged).heard(), [longest.as_str()]);
        assert_eq!(key.forge(&line, &format!("{longest}x")), too_long("text", MAX_TEXT));

        // Records of its sender leave no room for it.
        let (key, to) = (Key::next(&mut alice, &bob), bob.account.tag());
        let record = || (0x99, vec![0; 0xffff]);
        alice.act(|session, cx| inside::send_records(session, cx, to, vec![record(), record()]));
        let line = alice.take().remove(0);
        assert_eq!(key.forge(&line, &longest), too_long("line", MAX_MESSAGE));
        assert_eq!(bob.receive(&key.forge(&line, "short").expect("a message")).heard(), ["short"]);
    }
    let parts = v3::Parts {
        sender: InstanceTag::new(0x100).unwrap(),
        receiver: InstanceTag::new(0x200).unwrap(),
        flags: 0,
        sender_keyid: 1,
        recipient_keyid: 1,
        next_dh: &[4],
        counter: 1,
        ciphertext: &[0; 200_000],
        revealed: &[],
    };
    assert_eq!(parts.assemble(&Secret::copied(&[0; 20])), too_long("line", MAX_MESSAGE));
    let shorter = v3::Parts { ciphertext: &[0; 190_000], ..parts };
    let line = shorter.assemble(&Secret::copied(&[0; 20])).expect("short enough");
    assert_eq!(version(&line), Ok(Version::V3));
}

#[test]
fn a_nul_that_a_wrong_guess_makes_ends_the_text() {
    for (mut alice, mut bob) in in_both_versions(Padding::Off) {
        let key = Key::next(&mut alice, &bob);
        let line = alice.line("I am at home");
        // 0x20 ^ 0x41 ^ 0x61
        let forged = key.modify(&line, "A", "a", 1).expect("the right key");
        assert_eq!(bob.receive(&forged).heard(), ["I"]);
        // The rest is read as records: here as one that ends the conversation.
        let key = Key::next(&mut alice, &bob);
        let line = alice.line("I am at home.");
        let rest = " at home.";
        let records: String =
            rest.bytes().zip([0, 0, 1, 0, 0, 0, 0, 0, 0]).map(|(old, new)| char::from(old ^ new)).collect();
        let old: String = records.bytes().map(|byte| char::from(byte ^ b'x')).collect();
        let forged = key.modify(&line, &old, "xxxxxxxxx", 4).expect("the right key");
        let read = key.read(&forged, None).expect("the right key");
        assert_eq!((read.text.as_str(), read.tlvs[0].kind), ("I am", 1));
        bob.receive(&forged);
        assert!(bob.channels().is_empty(), "it has ended");
    }
}

#[test]
fn a_guess_over_the_end_makes_text_of_what_is_there() {
    for (mut alice, mut bob) in in_both_versions(Padding::Classes) {
        let key = Key::next(&mut alice, &bob);
        let line = alice.line("I am");
        assert_eq!(key.modify(&line, "m\0", "m\0", 3), Err(ForgeError::Nul));
        let forged = key.modify(&line, "m\0\0\0", "mine", 3).expect("the right key");
        // Behind it stood type 0 and length 0x00F7.
        assert_eq!(key.read(&forged, None).expect("the right key").text.as_str(), "I amine");
        assert_eq!(bob.receive(&forged).heard(), ["I amine"]);
        let key = Key::next(&mut alice, &bob);
        let line = alice.line("I am");
        let forged = key.modify(&line, "m a", "mus", 3).expect("the right key");
        assert_eq!(bob.receive(&forged).heard(), ["I amU\u{12}"]);
    }
}
