//! Texts, short lines, extra keys and heartbeats. Spec: "Exchanging Data", "Fragmentation", "Extra symmetric key".

use std::collections::HashSet;

use super::{Pair, Version, in_each_version, is_encoded, length, say};
use crate::process::{field, give, plain, says, wire_lines};

#[test]
fn two_hundred_turns_of_one_to_three_messages_arrive() {
    in_each_version(|version| {
        let mut pair = Pair::encrypted(version);
        let mut choose = choices();
        for turn in 0..200 {
            let ours_writes = turn % 2 == 0;
            // TEXT IS A QUERY.
            let texts = if ours_writes { &TEXTS[..] } else { &TEXTS[..TEXTS.len() - 1] };
            let (from, to) = pair.in_turn(ours_writes);
            for message in 0..=choose(3) {
                say(from, to, &format!("{turn}.{message}: {}", texts[choose(texts.len())]));
            }
        }
    });
}

#[test]
fn messages_of_both_that_cross_arrive() {
    in_each_version(|version| {
        let mut pair = Pair::encrypted(version);
        let mut choose = choices();
        for turn in 0..30 {
            let texts = |who: &str, count: usize| -> Vec<String> {
                (0..count).map(|n| format!("{who} {turn}.{n}: größer <b>&amp;</b>")).collect()
            };
            let (from_ours, from_theirs) = (texts("alice", choose(4)), texts("bob", choose(4)));
            let to_theirs: Vec<_> = from_ours.iter().flat_map(|text| pair.ours.send(text)).collect();
            let to_ours: Vec<_> = from_theirs.iter().flat_map(|text| pair.theirs.send(text)).collect();
            assert_eq!(plain(&give(&mut pair.theirs, &to_theirs)), from_ours);
            assert_eq!(plain(&give(&mut pair.ours, &to_ours)), from_theirs);
        }
    });
}

#[test]
fn lines_of_200_bytes_carry_a_handshake_and_texts_both_ways() {
    in_each_version(|version| {
        for ours_asks in [true, false] {
            let mut pair = Pair::new(version);
            for pipe in [&mut pair.ours, &mut pair.theirs] {
                assert_eq!(pipe.ask("mtu 200"), Vec::<String>::new());
            }
            // CUT QUERIES; ours is for people, too, and goes out whole.
            let said = if ours_asks { pair.begin() } else { pair.carry_from_theirs("query") };
            let lines: Vec<_> = wire_lines(&said).into_iter().filter(|line| is_encoded(line)).collect();
            assert!(lines.iter().all(|line| length(line) <= 200), "{lines:?}");
            assert!(lines.len() > 8, "the Reveal Signature message alone takes several: {lines:?}");
            pair.assert_secure(&said);
            for size in [1, 100, 1000, 3000] {
                for ours_writes in [true, false] {
                    let (from, to) = pair.in_turn(ours_writes);
                    let text = "länger ".repeat(size / 8 + 1);
                    let lines = from.send(&text);
                    assert!(lines.iter().all(|line| length(line) <= 200 && is_encoded(line)), "{lines:?}");
                    assert!(lines.len() > 1);
                    assert_eq!(plain(&give(to, &lines)), [text]);
                }
            }
        }
    });
}

#[test]
fn both_have_the_same_extra_key_whoever_asks() {
    in_each_version(|version| {
        if version == Version::Two {
            return;
        }
        let mut pair = Pair::encrypted(version);
        let mut seen = HashSet::new();
        for round in 0..3 {
            for ours_asks in [true, false] {
                for (command, begin, end) in [
                    ("extra-key 0000abcd", "event extra-key 0000abcd ", ""),
                    ("extra-key 00000001 6e6f746573", "event extra-key 00000001 ", " 6e6f746573"),
                ] {
                    let (from, to) = pair.in_turn(ours_asks);
                    let asked = from.ask(command);
                    let told = give(to, &wire_lines(&asked));
                    let key = asked.iter().find_map(|line| line.strip_prefix(begin)).expect("an extra key");
                    let key = key.strip_suffix(end).expect("and what is said of it");
                    assert_eq!(key.len(), 64);
                    assert_eq!(told, [format!("{begin}{key}{end}")], "round {round}");
                    seen.insert(key.to_owned());
                }
            }
            pair.goes_on();
        }
        assert!(seen.len() > 3, "the key changes with the conversation's keys");
    });
}

#[test]
fn version_2_has_no_extra_key_for_us_and_takes_no_harm_from_one_of_libotr() {
    in_each_version(|version| {
        if version == Version::Three {
            return;
        }
        let mut pair = Pair::encrypted(version);
        let refused = pair.ours.ask("extra-key 0000abcd");
        assert!(says(&refused, "err ") && wire_lines(&refused).is_empty(), "{refused:?}");
        let asked = pair.theirs.ask("extra-key 0000abcd");
        assert_eq!(give(&mut pair.ours, &wire_lines(&asked)), Vec::<String>::new());
        pair.goes_on();
    });
}

#[test]
fn heartbeats_of_both_are_heard_and_show_nothing() {
    in_each_version(|version| {
        let mut pair = Pair::encrypted(version);
        for _ in 0..3 {
            let lines = wire_lines(&pair.ours.ask("heartbeat"));
            assert_eq!(give(&mut pair.theirs, &lines), ["event heartbeat"]);
            let lines = wire_lines(&pair.theirs.ask("heartbeat"));
            assert_eq!(give(&mut pair.ours, &lines), Vec::<String>::new());
        }
        pair.goes_on();
    });
}

#[test]
fn who_only_reads_sends_a_heartbeat_once_a_minute() {
    in_each_version(|version| {
        let mut pair = Pair::with(version, &["--now", "1800000000"]);
        let said = pair.begin();
        pair.assert_secure(&said);
        let mut heartbeats = 0;
        for second in (0..300).step_by(20) {
            let mut answer = pair.ours.ask(&format!("time {}", 1_800_000_000 + second));
            let lines = pair.theirs.send("are you there?");
            answer.extend(give(&mut pair.ours, &lines));
            assert_eq!(plain(&answer), ["are you there?"]);
            let heard = give(&mut pair.theirs, &wire_lines(&answer));
            assert!(heard.iter().all(|line| line == "event heartbeat"), "{heard:?}");
            heartbeats += heard.len();
        }
        assert_eq!(heartbeats, 4, "in not quite five minutes");
        pair.goes_on();
    });
}

#[test]
fn both_show_the_conversation_in_their_state() {
    in_each_version(|version| {
        let mut pair = Pair::encrypted(version);
        let (ours, theirs) = (pair.ours.ask("state").remove(0), pair.theirs.ask("state").remove(0));
        assert_eq!(field(&ours, "ssid"), field(&theirs, "ssid"));
        assert_eq!(field(&ours, "fingerprint"), pair.theirs.fingerprint());
        assert!(ours.contains(&format!(" encrypted v{} ", version.number())), "{ours}");
    });
}

/// Numbers below a limit, the same in every run: a linear congruential generator.
fn choices() -> impl FnMut(usize) -> usize {
    let mut state = 4_u64;
    move |limit| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(state >> 33).expect("31 bits") % limit
    }
}

/// As they stand in a line of the protocol.
const TEXTS: [&str; 8] = [
    "hello",
    "größer als 😀 → ∞",
    "<b>bold</b> &amp; <a href=\"https://example.org/?a=b\">link</a>",
    r"\n\nafter two empty lines\n\n",
    r"C:\\new\\table \\\\ \\n",
    " \t spaces at both ends \t ",
    "?OTR:AAMD is no message in the middle of a text.",
    "?OTRv23? and no query either",
];
