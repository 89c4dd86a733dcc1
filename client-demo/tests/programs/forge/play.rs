//! The guided story.

use crate::process::{client, run};

#[test]
fn the_story_runs_unattended_and_all_of_it_happens() {
    let output = run(&mut client(["forge", "play", "--auto"]));
    let told = String::from_utf8(output.stdout).expect("UTF-8");
    assert!(output.status.success(), "{told}{}", String::from_utf8_lossy(&output.stderr));
    for step in [
        "1. Alice and Bob talk, and Mallory records",
        "0 on the wire: none fits",
        "on the wire: one of them fits",
        "MAC right. Bob reads: Meet me at noon.",
        "MAC right. Bob reads: Meet me at four.",
        "MAC right. Bob reads: Meet me at eour.",
        "refused, nothing has changed",
        "4. Alice invents a conversation that never was",
        "handshake, texts, keys, the end and its answer",
        "which is Bob's fingerprint",
        "Bob: I took it. All of it.",
        "6. What this shows, and what it does not",
        "The end. All of it was checked while it happened.",
    ] {
        assert!(told.contains(step), "{step}: {told}");
    }
    let wide: Vec<&str> = told.lines().filter(|line| line.chars().count() > 80).collect();
    assert!(wide.is_empty(), "{wide:?}");
    assert!(!told.contains("[Enter]"));
}

#[test]
fn without_it_the_reader_is_waited_for() {
    let output = run(&mut client(["forge", "play"]));
    assert!(output.status.success(), "who has nothing to press gets all of it");
    assert_eq!(String::from_utf8_lossy(&output.stdout).matches("[Enter]").count(), 5);
}
