//! Which version is spoken, and which is not. Spec: "OTR Query Messages", "Whitespace-tagged messages"; spec-notes/SN-039.

use tempfile::{TempDir, tempdir};

use super::peer;
use crate::process::{Pipe, carry, give, say, says, wire_lines};

/// Ours and theirs with these versions.
fn people(ours: &str, theirs: &str) -> (Pipe, Pipe, TempDir) {
    let folder = tempdir().expect("a folder");
    let theirs = peer::start("bob", "alice", theirs, folder.path());
    (Pipe::start("alice", "bob", &["--versions", ours]), theirs, folder)
}

/// The versions of the conversations that have begun.
fn begun(said: &[String]) -> Vec<&str> {
    let secure = said.iter().filter_map(|line| line.strip_prefix("event secure "));
    secure.map(|line| line.split(' ').nth(1).expect("a version")).collect()
}

#[test]
fn the_newest_version_of_both_is_chosen_whoever_asks_and_however() {
    if !peer::is_there() {
        return;
    }
    for (ours, theirs, version) in [
        ("34", "23", "v3"),
        ("3", "23", "v3"),
        ("234", "23", "v3"),
        ("234", "3", "v3"),
        ("23", "23", "v3"),
        ("234", "2", "v2"),
        ("23", "2", "v2"),
    ] {
        for command in ["query", "whitespace hello"] {
            for ours_asks in [true, false] {
                let (mut alice, mut bob, _folder) = people(ours, theirs);
                let (from, to) = if ours_asks { (&mut alice, &mut bob) } else { (&mut bob, &mut alice) };
                let said = from.ask(command);
                let said = carry(wire_lines(&said), from, to);
                assert_eq!(
                    begun(&said),
                    [version; 2],
                    "{ours} with {theirs}, {command}, {ours_asks}: {said:?}"
                );
                let says_old = says(&said, "event old-version ");
                assert_eq!(says_old, version == "v2", "{said:?}");
                say(&mut alice, &mut bob, "hello");
                say(&mut bob, &mut alice, "hello");
            }
        }
    }
}

#[test]
fn version_2_is_not_spoken_unless_the_policy_allows_it() {
    if !peer::is_there() {
        return;
    }
    for versions in ["3", "34"] {
        let (mut alice, mut bob, _folder) = people(versions, "2");
        for command in ["query", "whitespace hello"] {
            let offer = wire_lines(&bob.ask(command));
            let answer = give(&mut alice, &offer);
            assert!(wire_lines(&answer).is_empty(), "{answer:?}");
            // A query asks for an answer, and a tag does not: only the query is told.
            assert_eq!(says(&answer, "event rejected "), command == "query", "{answer:?}");
        }
        // And libotr does not answer what we offer.
        let offer = wire_lines(&alice.ask("query"));
        assert_eq!(wire_lines(&give(&mut bob, &offer)), Vec::<String>::new());
        // A Commit that answers somebody else's query.
        let commit = wire_lines(&bob.receive("?OTRv2?"));
        assert_eq!(commit.len(), 1);
        let answer = give(&mut alice, &commit);
        assert!(says(&answer, "event rejected ") && wire_lines(&answer).is_empty(), "{answer:?}");
    }
}

#[test]
fn version_1_is_refused_and_version_2_beside_it_is_not() {
    if !peer::is_there() {
        return;
    }
    for versions in ["3", "34", "234"] {
        let (mut alice, mut bob, _folder) = people(versions, "2");
        for query in ["?OTR?", r"<p>?OTR?\n<b>bob</b> has requested a conversation"] {
            let answer = alice.receive(query);
            assert!(says(&answer, "event rejected OTR version 1 "), "{answer:?}");
            assert_eq!(wire_lines(&answer), Vec::<String>::new());
        }
        let answer = alice.receive("?OTR?v2? This user has requested a conversation");
        if versions == "234" {
            let said = carry(wire_lines(&answer), &mut alice, &mut bob);
            assert_eq!(begun(&said), ["v2"; 2], "{said:?}");
        } else {
            assert!(says(&answer, "event rejected ") && wire_lines(&answer).is_empty(), "{answer:?}");
        }
    }
}
