//! What libotr does with itself, and what it does not: so what goes wrong with ours is not its own doing.

use tempfile::tempdir;

use super::{peer, secure};
use crate::process::{Pipe, carry, give, plain, wire_lines};
use crate::smp::{FAILURE, SUCCESS, both, run};

/// Alice and Bob, both with libotr.
fn two_of_libotr(versions: &str, test: impl FnOnce(&mut Pipe, &mut Pipe)) {
    if peer::is_there() {
        let (a, b) = (tempdir().expect("a folder"), tempdir().expect("a folder"));
        let mut alice = peer::start("alice", "bob", versions, a.path());
        let mut bob = peer::start("bob", "alice", versions, b.path());
        test(&mut alice, &mut bob);
    }
}

#[test]
fn two_of_libotr_talk_and_verify_each_other() {
    for versions in ["3", "2", "23"] {
        two_of_libotr(versions, |alice, bob| {
            let query = wire_lines(&alice.ask("query"));
            assert_eq!(secure(&carry(query, alice, bob)), 2);
            for text in ["hello", r"two\nlines \\ and <b>größe</b>"] {
                let lines = alice.send(text);
                assert_eq!(plain(&give(bob, &lines)), [text]);
                let lines = bob.send(text);
                assert_eq!(plain(&give(alice, &lines)), [text]);
            }
            assert_eq!(run(alice, bob, "where?", ("here", "here")), both(SUCCESS));
            assert_eq!(run(bob, alice, "", ("here", "there")), both(FAILURE));
        });
    }
}

#[test]
fn two_of_libotr_find_no_conversation_in_version_3_if_both_ask_at_once() {
    // TWO COMMITS.
    two_of_libotr("23", |alice, bob| {
        let (mut to_bob, mut to_alice) = (wire_lines(&alice.ask("query")), wire_lines(&bob.ask("query")));
        while !(to_bob.is_empty() && to_alice.is_empty()) {
            let (at_bob, at_alice) = (give(bob, &to_bob), give(alice, &to_alice));
            assert_eq!(secure(&at_bob) + secure(&at_alice), 0);
            (to_alice, to_bob) = (wire_lines(&at_bob), wire_lines(&at_alice));
        }
        let query = wire_lines(&alice.ask("query"));
        assert_eq!(secure(&carry(query, alice, bob)), 2, "one asks again");
    });
}
