//! Secrets are gone from memory when they are dropped. A process of its own (`src/bin/wiping-victim.rs`) has a conversation,
//! tells which secrets it has come across, and stops three times; from outside, its whole memory is searched for them.
//!
//! The heap is what is promised (SECURITY.md, "Wiping memory"). What the compiler and the libraries leave on the stack is
//! counted and printed, no more.

mod memory;
mod victim;

use memory::Kind;
use victim::{Owner, Victim};

#[test]
fn nothing_of_a_conversation_begun_by_dakez_stays_on_the_heap() {
    nothing_stays("dakez");
}

#[test]
fn nothing_of_a_conversation_begun_by_xzdh_stays_on_the_heap() {
    nothing_stays("xzdh");
}

#[test]
fn nothing_of_a_conversation_of_version_3_stays_on_the_heap() {
    nothing_stays("v3");
}

fn nothing_stays(kind: &str) {
    let mut victim = Victim::start(kind);
    // The search finds what is there.
    victim.runs_to("talking");
    for owner in [Owner::Account, Owner::Conversation] {
        assert_ne!(
            victim.found(owner, Kind::Heap),
            [],
            "the secrets of the {owner:?} are there while they are used"
        );
    }
    victim.runs_to("ended");
    assert_eq!(victim.found(Owner::Conversation, Kind::Heap), [], "the conversation is over");
    assert_ne!(victim.found(Owner::Account, Kind::Heap), [], "the account is still there");
    victim.runs_to("dropped");
    assert_eq!(victim.found(Owner::Conversation, Kind::Heap), [], "all is dropped");
    assert_eq!(victim.found(Owner::Account, Kind::Heap), [], "all is dropped");
}
