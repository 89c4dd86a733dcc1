//! Conversations that end, and such as one side has lost. Spec: "TLV Records" (type 1), "Receiving a Data Message",
//! "Receiving an Error Message"; spec-notes/SN-042.

use std::fs;

use tempfile::tempdir;

use super::{Pair, Version, in_each_version, is_encoded, peer};
use crate::process::{Pipe, carry, give, plain, says, wire_lines};

#[test]
fn either_side_ends_a_conversation_and_another_can_follow() {
    in_each_version(|version| {
        let mut pair = Pair::encrypted(version);
        for ours_ends in [true, false, false, true] {
            let said = if ours_ends { pair.carry_from_ours("end") } else { pair.carry_from_theirs("end") };
            assert!(says(&said, "event finished "), "{said:?}");
            let (_, heard) = pair.in_turn(ours_ends);
            // What is typed before it is noticed goes nowhere.
            let typed = heard.ask("send by accident");
            assert!(says(&typed, "err ") && wire_lines(&typed).is_empty(), "{typed:?}");
            let said = if ours_ends { pair.carry_from_theirs("query") } else { pair.begin() };
            pair.assert_secure(&said);
            pair.goes_on();
        }
    });
}

#[test]
fn what_is_typed_while_a_conversation_begins_arrives_once_and_is_never_readable() {
    in_each_version(|version| {
        for ours_asks in [true, false] {
            let mut pair = Pair::new(version);
            let (mut to_theirs, mut to_ours) = match ours_asks {
                true => (wire_lines(&pair.ours.ask("query")), Vec::new()),
                false => (Vec::new(), wire_lines(&pair.theirs.ask("query"))),
            };
            let (mut said, mut typed) = (Vec::new(), Vec::new());
            while !(to_theirs.is_empty() && to_ours.is_empty()) {
                let mut at_ours = give(&mut pair.ours, &to_ours);
                if typed.len() < 4 {
                    typed.push(format!("typed {}", typed.len()));
                    let sent = pair.ours.ask(&format!("send typed {}", typed.len() - 1));
                    assert!(says(&sent, "out ") || says(&sent, "event queued"), "{sent:?}");
                    assert!(wire_lines(&sent).iter().all(|line| is_encoded(line)), "{sent:?}");
                    at_ours.extend(sent);
                }
                to_theirs.extend(wire_lines(&at_ours));
                let at_theirs = give(&mut pair.theirs, &to_theirs);
                (to_ours, to_theirs) = (wire_lines(&at_theirs), Vec::new());
                said.extend(at_ours.into_iter().chain(at_theirs));
            }
            pair.assert_secure(&said);
            assert_eq!(plain(&said), typed);
            pair.goes_on();
        }
    });
}

#[test]
fn a_restart_of_ours_in_the_middle_is_not_noticed() {
    in_each_version(|version| {
        let folder = tempdir().expect("a folder");
        let home = folder.path().join("home");
        let home = home.to_str().expect("UTF-8");
        let more = ["--home", home, "--versions", version.for_ours()];
        let mut pair = Pair::with(version, &["--home", home]);
        let said = pair.begin();
        pair.assert_secure(&said);
        let tag = pair.ours.tag();
        for _ in 0..3 {
            pair.goes_on();
            pair.ours.ask("quit");
            pair.ours = Pipe::start("alice", "bob", &more);
            assert_eq!((pair.ours.greeting.len(), pair.ours.tag()), (1, tag.clone()));
        }
        let said = pair.carry_from_theirs("query");
        pair.assert_secure(&said);
        pair.goes_on();
    });
}

#[test]
fn a_restarted_libotr_has_the_same_key_and_a_query_of_either_side_brings_the_conversation_back() {
    in_each_version(|version| {
        for ours_asks in [true, false] {
            let mut pair = Pair::encrypted(version);
            let fingerprint = pair.theirs.fingerprint();
            pair.restart_theirs();
            assert_eq!(pair.theirs.fingerprint(), fingerprint);
            // SILENT LOSS: it says no word to us, and tells only its own user, in version 3 not of the first one.
            let lost = [pair.ours.send("first"), pair.ours.send("second")].concat();
            let answer = give(&mut pair.theirs, &lost);
            assert!(answer.iter().all(|line| line == "event rejected not-in-private"), "{answer:?}");
            assert_eq!(answer.len(), if version == Version::Three { 1 } else { 2 });
            let said = if ours_asks { pair.begin() } else { pair.carry_from_theirs("query") };
            pair.assert_secure(&said);
            pair.goes_on();
        }
    });
}

#[test]
fn text_for_a_conversation_that_we_have_lost_is_reported_on_both_sides_and_another_begins() {
    in_each_version(|version| {
        let mut pair = Pair::encrypted(version);
        pair.goes_on();
        // The news of it is lost on the way.
        pair.ours.ask("end");
        let lines = pair.theirs.send("are you there?");
        let answer = give(&mut pair.ours, &lines);
        assert!(says(&answer, "event rejected ") && plain(&answer).is_empty(), "{answer:?}");
        // libotr complains to its user, and asks for a new conversation.
        let heard = give(&mut pair.theirs, &wire_lines(&answer));
        assert!(says(&heard, "event otr-error "), "{heard:?}");
        let said = carry(wire_lines(&heard), &mut pair.theirs, &mut pair.ours);
        pair.assert_secure(&said);
        // NO RESEND, but in version 2.
        let again = if version == Version::Two { vec!["[resent] are you there?"] } else { vec![] };
        assert_eq!(plain(&said), again);
        assert_eq!(says(&said, "event resent"), version == Version::Two);
        pair.goes_on();
    });
}

/// Ours sends a text that arrives damaged; what libotr answers.
fn damaged(pair: &mut Pair, text: &str) -> Vec<String> {
    let mut line = pair.ours.send(text).remove(0);
    // Within the encrypted message.
    let at = line.len() / 2;
    let other = if line.get(at..=at) == Some("A") { "B" } else { "A" };
    line.replace_range(at..=at, other);
    let answer = pair.theirs.receive(&line);
    assert!(says(&answer, "event rejected ") && plain(&answer).is_empty(), "{answer:?}");
    wire_lines(&answer)
}

#[test]
fn our_last_text_that_libotr_could_not_read_is_sent_again_in_the_next_conversation() {
    in_each_version(|version| {
        for ours_asks in [true, false] {
            let mut pair = Pair::encrypted(version);
            pair.goes_on();
            let complaint = damaged(&mut pair, "once more, please");
            let heard = give(&mut pair.ours, &complaint);
            assert!(says(&heard, "event otr-error "), "{heard:?}");
            let said = if ours_asks { pair.begin() } else { pair.carry_from_theirs("query") };
            pair.assert_secure(&said);
            assert_eq!(plain(&said), ["[resent] once more, please"]);
            assert!(says(&said, "event resent"), "{said:?}");
            pair.goes_on();
            // Once.
            let said = pair.begin();
            pair.assert_secure(&said);
            assert_eq!(plain(&said), Vec::<String>::new());
        }
    });
}

#[test]
fn our_last_text_is_not_sent_again_to_another_key() {
    in_each_version(|version| {
        let mut pair = Pair::encrypted(version);
        pair.goes_on();
        let complaint = damaged(&mut pair, "for Bob alone");
        give(&mut pair.ours, &complaint);
        // Somebody with Bob's tag and another key.
        let folder = tempdir().expect("a folder");
        fs::copy(pair.folder.path().join("otr.instance_tags"), folder.path().join("otr.instance_tags"))
            .expect("copied");
        let mut mallory = peer::start("bob", "alice", version.number(), folder.path());
        assert_eq!(mallory.tag(), pair.theirs.tag());
        assert_ne!(mallory.fingerprint(), pair.theirs.fingerprint());
        let query = wire_lines(&pair.ours.ask("query"));
        let said = carry(query, &mut pair.ours, &mut mallory);
        assert_eq!(plain(&said), Vec::<String>::new());
        assert!(!says(&said, "event resent"), "{said:?}");
    });
}
