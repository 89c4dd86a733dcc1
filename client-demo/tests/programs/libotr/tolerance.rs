//! What other programs do that no text asks for, and what must not disturb us.

use tempfile::tempdir;

use super::{Pair, in_each_version, is_encoded, length, peer, say, secure};
use crate::process::{Pipe, carry, give, plain, says, wire_lines};
use crate::smp::{ABORTED, SUCCESS, both, run, smp_events};

#[test]
fn a_query_with_a_page_around_it_begins_a_conversation() {
    in_each_version(|version| {
        let mut pair = Pair::new(version);
        let query = wire_lines(&pair.theirs.ask("query")).remove(0);
        assert!(query.contains(r"\n<b>bob</b> has requested "), "libotr's words for people: {query}");
        for query in [
            query.clone(),
            format!(r"<html><body>\n{query}\n</body></html>"),
            format!(r"\n <font face='Arial'>{query}"),
            query.replace(r"\n", r"\r\n").replace(r"\r", "\r"),
        ] {
            let mut pair = Pair::new(version);
            let said = carry(vec![query], &mut pair.theirs, &mut pair.ours);
            pair.assert_secure(&said);
            pair.goes_on();
        }
    });
}

/// CUT QUERIES, and tagged texts likewise.
#[test]
fn an_offer_of_libotr_that_takes_several_lines_is_read() {
    in_each_version(|version| {
        let text = "so many words, one after the other, ".repeat(10);
        for command in ["query".to_owned(), format!("whitespace {text}")] {
            let mut pair = Pair::new(version);
            pair.theirs.ask("mtu 200");
            let said = pair.theirs.ask(&command);
            let lines = wire_lines(&said);
            assert!(lines.len() > 1 && lines.iter().all(|line| length(line) <= 200), "{lines:?}");
            let said = carry(lines, &mut pair.theirs, &mut pair.ours);
            assert_eq!(says(&said, &format!("event cleartext {text}")), command != "query", "{said:?}");
            pair.assert_secure(&said);
            pair.goes_on();
        }
    });
}

#[test]
fn a_whitespace_tag_may_stand_anywhere_in_a_text() {
    in_each_version(|version| {
        let tag = wire_lines(&Pair::new(version).theirs.ask("whitespace ")).remove(0);
        assert!(tag.chars().all(|c| matches!(c, ' ' | '\t')), "{tag:?}");
        for (line, text) in [
            (format!("{tag}hello"), "hello"),
            (format!("hello{tag}"), "hello"),
            (format!("hello,{tag}you"), "hello,you"),
            (format!(r"hello\n{tag}\nyou"), r"hello\n\nyou"),
        ] {
            let mut pair = Pair::new(version);
            let answer = pair.ours.receive(&line);
            assert!(answer.contains(&format!("event cleartext {text}")), "{answer:?}");
            let said = carry(wire_lines(&answer), &mut pair.ours, &mut pair.theirs);
            assert_eq!(secure(&said), 2, "{said:?}");
            pair.goes_on();
        }
    });
}

/// The Go library pads each message with a TLV 0 of 251 bytes, if it must so that all have a length of 256 bytes.
#[test]
fn padding_and_records_of_unknown_kinds_show_nothing() {
    in_each_version(|version| {
        let mut pair = Pair::encrypted(version);
        let padding = "00".repeat(251);
        for record in [format!("0 {padding}"), "0 ".to_owned(), "9 ff00".to_owned(), "65535 ".to_owned()] {
            for text in ["", "hello"] {
                let lines = wire_lines(&pair.theirs.ask(&format!("tlv {record} {text}")));
                assert!(!lines.is_empty() && lines.iter().all(|line| is_encoded(line)));
                let answer = give(&mut pair.ours, &lines);
                let shown = if text.is_empty() { vec![] } else { vec!["plain hello".to_owned()] };
                assert_eq!(answer, shown, "{record}");
            }
            pair.goes_on();
        }
    });
}

/// The Go library sends an abort with the number of values that it does not have: four bytes, all zero.
#[test]
fn an_abort_with_a_body_is_an_abort() {
    in_each_version(|version| {
        let mut pair = Pair::encrypted(version);
        let question = wire_lines(&pair.ours.ask("smp-start where?|here"));
        assert!(says(&give(&mut pair.theirs, &question), "event smp-ask where?"));
        let abort = wire_lines(&pair.theirs.ask("tlv 6 00000000 "));
        let answer = give(&mut pair.ours, &abort);
        assert_eq!(smp_events(&answer), ABORTED);
        assert_eq!(wire_lines(&answer), Vec::<String>::new());
        // libotr itself still has the question.
        pair.theirs.ask("smp-abort");
        assert_eq!(run(&mut pair.ours, &mut pair.theirs, "", ("x", "x")), both(SUCCESS));
        pair.goes_on();
    });
}

#[test]
fn smp_messages_that_nobody_expects_or_that_are_damaged_harm_nothing() {
    in_each_version(|version| {
        let mut pair = Pair::encrypted(version);
        for kind in 2..=7 {
            for body in ["", "00", "00000000", "0000000300000001010000000101", "ffffffff", "717500ffffffff00"]
            {
                let lines = wire_lines(&pair.theirs.ask(&format!("tlv {kind} {body} ")));
                let answer = give(&mut pair.ours, &lines);
                assert!(
                    !says(&answer, "event smp-ask") && !says(&answer, SUCCESS[0]),
                    "{kind} {body}: {answer:?}"
                );
                let more = give(&mut pair.theirs, &wire_lines(&answer));
                assert_eq!(wire_lines(&more), Vec::<String>::new());
            }
            pair.goes_on();
        }
        assert_eq!(run(&mut pair.theirs, &mut pair.ours, "", ("x", "x")), both(SUCCESS));
    });
}

/// Gives each line to everybody on the other side, as a messenger does, until all is said; what they said.
fn carry_to_all(lines: Vec<String>, alice: &mut Pipe, bobs: &mut [Pipe; 2]) -> Vec<String> {
    let (mut to_bobs, mut said) = (lines, Vec::new());
    while !to_bobs.is_empty() {
        let at_bobs: Vec<_> = bobs.iter_mut().flat_map(|bob| give(bob, &to_bobs)).collect();
        let at_alice = give(alice, &wire_lines(&at_bobs));
        to_bobs = wire_lines(&at_alice);
        said.extend(at_bobs.into_iter().chain(at_alice));
    }
    said
}

#[test]
fn two_clients_of_a_correspondent_answer_and_each_has_a_conversation() {
    if !peer::is_there() {
        return;
    }
    for bobs_ask in [true, false] {
        let folders = [tempdir().expect("a folder"), tempdir().expect("a folder")];
        let mut alice = Pipe::start("alice", "bob", &["--versions", "34"]);
        let mut bobs = folders.each_ref().map(|folder| peer::start("bob", "alice", "3", folder.path()));
        let asked = if bobs_ask { bobs[0].ask("query") } else { alice.ask("query") };
        let mut lines = wire_lines(&asked);
        if bobs_ask {
            // Our Commit goes to both.
            lines = wire_lines(&give(&mut alice, &lines));
        }
        let said = carry_to_all(lines, &mut alice, &mut bobs);
        assert_eq!(secure(&said), 4, "{said:?}");
        let tags = bobs.each_ref().map(Pipe::tag);
        for (bob, tag) in bobs.iter_mut().zip(&tags) {
            assert!(
                says(&said, &format!("event secure {tag} v3 fingerprint={} ", bob.fingerprint())),
                "{said:?}"
            );
            alice.ask(&format!("use {tag}"));
            say(&mut alice, bob, "for this one");
            say(bob, &mut alice, "from this one");
        }
        // What is for one is not for the other.
        let lines = alice.send("for the second");
        assert_eq!(plain(&give(&mut bobs[0], &lines)), Vec::<String>::new());
        assert_eq!(plain(&give(&mut bobs[1], &lines)), ["for the second"]);
        let state = alice.ask("state");
        assert!(
            tags.iter().all(|tag| says(&state, &format!("event state {tag} encrypted v3 "))),
            "{state:?}"
        );
    }
}
