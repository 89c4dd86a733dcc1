//! Two `client-demo pipe` processes talk to each other, and this test is the network between them.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use crate::process::{
    Pipe, assert_secure, carry, client, encrypted, field, pair, plain, run, say, says, start, wire_lines,
};

#[test]
fn a_greeting_names_tag_and_fingerprint() {
    let alice = Pipe::start("alice", "bob", &[]);
    assert_eq!(
        alice.greeting,
        [format!("event ready client-demo tag={} fingerprint={}", alice.tag(), alice.fingerprint())]
    );
    assert_eq!((alice.tag().len(), alice.fingerprint().len()), (8, 112));
    assert_eq!(alice.end(), (String::new(), true));
}

#[test]
fn a_conversation_starts_from_either_side_and_in_each_way() {
    for way in ["query", "identity", "whitespace shall we?"] {
        let (mut alice, mut bob) = pair();
        let offer = wire_lines(&alice.ask(way));
        assert_secure(&carry(offer, &mut alice, &mut bob), &alice, &bob);
        say(&mut alice, &mut bob, "hello");
        say(&mut bob, &mut alice, "hello yourself");
        let (mut alice, mut bob) = pair();
        let offer = wire_lines(&bob.ask(way));
        assert_secure(&carry(offer, &mut bob, &mut alice), &alice, &bob);
        say(&mut alice, &mut bob, "hello");
    }
}

#[test]
fn a_tagged_text_is_read_as_clear_text() {
    let (mut alice, mut bob) = pair();
    let offer = wire_lines(&alice.ask("whitespace shall we?"));
    assert!(offer[0].ends_with("shall we?") && offer[0].len() > "shall we?".len());
    assert!(says(&bob.receive(&offer[0]), "event cleartext shall we?"));
}

#[test]
fn both_at_once_make_one_conversation() {
    for (first, second) in [("query", "query"), ("identity", "identity"), ("query", "identity")] {
        let (mut alice, mut bob) = pair();
        let (from_alice, from_bob) = (wire_lines(&alice.ask(first)), wire_lines(&bob.ask(second)));
        // Both are on their way before either arrives, and so is every answer to them.
        let (mut to_bob, mut to_alice, mut said) = (from_alice, from_bob, Vec::new());
        while !(to_bob.is_empty() && to_alice.is_empty()) {
            let bob_says: Vec<_> = to_bob.iter().flat_map(|line| bob.receive(line)).collect();
            let alice_says: Vec<_> = to_alice.iter().flat_map(|line| alice.receive(line)).collect();
            (to_alice, to_bob) = (wire_lines(&bob_says), wire_lines(&alice_says));
            said.extend(bob_says.into_iter().chain(alice_says));
        }
        let ssids: Vec<_> =
            said.iter().filter(|l| l.starts_with("event secure ")).map(|l| field(l, "ssid")).collect();
        assert!(ssids.len() >= 2, "{first} and {second}: {said:?}");
        let state = |who: &mut Pipe| field(&who.ask("state")[0], "ssid").to_owned();
        assert_eq!(state(&mut alice), state(&mut bob), "{first} and {second}: {said:?}");
        for turn in 0..3 {
            say(&mut alice, &mut bob, &format!("from alice {turn}"));
            say(&mut bob, &mut alice, &format!("from bob {turn}"));
        }
    }
}

#[test]
fn a_second_query_refreshes_a_running_conversation() {
    let (mut alice, mut bob) = encrypted();
    say(&mut alice, &mut bob, "before");
    assert_secure(&start(&mut alice, &mut bob), &alice, &bob);
    say(&mut bob, &mut alice, "after");
    say(&mut alice, &mut bob, "after");
}

#[test]
fn thirty_turns_of_one_to_three_messages_arrive() {
    let (mut alice, mut bob) = encrypted();
    for turn in 0..30 {
        let (from, to) = if turn % 2 == 0 { (&mut alice, &mut bob) } else { (&mut bob, &mut alice) };
        for message in 0..=turn % 3 {
            say(from, to, &format!("turn {turn} message {message}: ä 😀 \\\\ and\\na second line"));
        }
    }
}

/// Alice writes `held` messages in each of five ratchets that do not arrive, and one that does and is answered.
fn held_back(alice: &mut Pipe, bob: &mut Pipe, held: usize) -> Vec<(String, String)> {
    let mut lines = Vec::new();
    for ratchet in 0..5 {
        for message in 0..held {
            let text = format!("ratchet {ratchet} message {message}");
            lines.extend(alice.send(&text).into_iter().map(|line| (text.clone(), line)));
        }
        say(alice, bob, "this one arrives");
        say(bob, alice, "and turns the ratchet");
    }
    lines
}

#[test]
fn messages_of_five_ratchets_arrive_in_any_order_once() {
    let (mut alice, mut bob) = encrypted();
    for _ in 0..4 {
        let mut order = held_back(&mut alice, &mut bob, 4);
        assert_eq!(order.len(), 20);
        let random = RandomState::new();
        order.sort_by_key(|line| random.hash_one(line));
        for (text, line) in &order {
            assert_eq!(plain(&bob.receive(line)), [text.as_str()]);
        }
        for (_, line) in &order {
            let again = bob.receive(line);
            assert!(says(&again, "event rejected ") && plain(&again).is_empty(), "{again:?}");
        }
        say(&mut bob, &mut alice, "we go on");
        say(&mut alice, &mut bob, "we do");
    }
}

#[test]
fn replayed_handshakes_and_texts_change_nothing() {
    let (mut alice, mut bob) = pair();
    let mut recorded = Vec::new();
    let (mut lines, mut to_bob) = (wire_lines(&alice.ask("query")), true);
    while !lines.is_empty() {
        recorded.extend(lines.iter().map(|line| (to_bob, line.clone())));
        let receiver = if to_bob { &mut bob } else { &mut alice };
        lines = lines.iter().flat_map(|line| wire_lines(&receiver.receive(line))).collect();
        to_bob = !to_bob;
    }
    for line in alice.send("once") {
        assert_eq!(plain(&bob.receive(&line)), ["once"]);
        recorded.push((true, line));
    }
    for _ in 0..2 {
        for (to_bob, line) in &recorded {
            let receiver = if *to_bob { &mut bob } else { &mut alice };
            let answer = receiver.receive(line);
            assert!(plain(&answer).is_empty() && !says(&answer, "event secure "), "{line}: {answer:?}");
        }
        say(&mut alice, &mut bob, "unharmed");
        say(&mut bob, &mut alice, "unharmed");
    }
}

#[test]
fn a_restart_of_either_side_in_the_middle_is_not_noticed() {
    let folder = tempfile::tempdir().expect("a folder");
    let (home_a, home_b) = (folder.path().join("a"), folder.path().join("b"));
    let mut alice = Pipe::at_home("alice", "bob", &home_a);
    let mut bob = Pipe::at_home("bob", "alice", &home_b);
    assert_secure(&start(&mut alice, &mut bob), &alice, &bob);
    let (tag, fingerprint) = (alice.tag(), alice.fingerprint());
    let mut lost = alice.send("held back over restarts");
    for turn in 0..6 {
        say(&mut alice, &mut bob, &format!("alice {turn}"));
        if turn % 2 == 0 {
            // With an orderly end, and without.
            assert_eq!(alice.ask("quit"), Vec::<String>::new());
            assert!(alice.end().1);
            alice = Pipe::at_home("alice", "bob", &home_a);
            bob.kill();
            bob = Pipe::at_home("bob", "alice", &home_b);
        }
        assert_eq!(alice.greeting.len(), 1, "{:?}", alice.greeting);
        assert_eq!(bob.greeting.len(), 1, "{:?}", bob.greeting);
        say(&mut bob, &mut alice, &format!("bob {turn}"));
    }
    assert_eq!((alice.tag(), alice.fingerprint()), (tag, fingerprint));
    assert_eq!(plain(&bob.receive(&lost[0])), ["held back over restarts"]);
    bob.kill();
    bob = Pipe::at_home("bob", "alice", &home_b);
    let again = bob.receive(&lost.remove(0));
    assert!(
        says(&again, "event rejected ") && plain(&again).is_empty(),
        "a replay over a restart: {again:?}"
    );
}

#[test]
fn a_restart_in_the_middle_of_a_handshake_is_not_noticed() {
    let folder = tempfile::tempdir().expect("a folder");
    let home = folder.path().join("home");
    let mut alice = Pipe::at_home("alice", "bob", &home);
    let mut bob = Pipe::start("bob", "alice", &[]);
    let (mut lines, mut to_bob) = (wire_lines(&alice.ask("identity")), true);
    while !lines.is_empty() {
        alice.kill();
        alice = Pipe::at_home("alice", "bob", &home);
        let receiver = if to_bob { &mut bob } else { &mut alice };
        lines = lines.iter().flat_map(|line| wire_lines(&receiver.receive(line))).collect();
        to_bob = !to_bob;
    }
    say(&mut alice, &mut bob, "still here");
    say(&mut bob, &mut alice, "me too");
}

#[test]
fn a_message_is_never_lost_to_kill_9() {
    let folder = tempfile::tempdir().expect("a folder");
    let home = folder.path().join("home");
    let mut alice = Pipe::start("alice", "bob", &[]);
    let mut bob = Pipe::at_home("bob", "alice", &home);
    assert_secure(&start(&mut alice, &mut bob), &alice, &bob);
    for n in 0..40u64 {
        let text = format!("message {n}");
        let line = alice.send(&text).remove(0);
        bob.tell(format!("recv {line}").as_bytes());
        // Anywhere between not having read the line and having answered it.
        std::thread::sleep(Duration::from_micros(n * 700));
        let said = bob.kill();
        bob = Pipe::at_home("bob", "alice", &home);
        let after = [plain(&bob.greeting), plain(&bob.receive(&line))].concat();
        let all = [plain(&said), after.clone()].concat();
        if said.iter().any(|line| line == "event done") {
            assert_eq!((all, after), (vec![text], vec![]), "what was answered is not said again");
        } else {
            assert!(!all.is_empty() && all.iter().all(|read| *read == text), "{text} was lost: {all:?}");
        }
    }
    say(&mut alice, &mut bob, "and on");
    say(&mut bob, &mut alice, "and on");
}

#[test]
fn an_ensemble_starts_a_conversation_with_somebody_who_is_away() {
    let folder = tempfile::tempdir().expect("a folder");
    let home = folder.path().join("bob");
    let mut bob = Pipe::at_home("bob", "alice", &home);
    let ensembles = bob.ask("prekeys 2");
    let ensembles: Vec<&str> =
        ensembles.iter().filter_map(|line| line.strip_prefix("event ensemble ")).collect();
    assert_eq!(ensembles.len(), 2);
    bob.kill();

    let mut alice = Pipe::start("alice", "bob", &[]);
    let mut said = alice.ask(&format!("offline {}", ensembles[0]));
    let mut lines = wire_lines(&said);
    for text in ["one", "two", "three"] {
        lines.extend(alice.send(text));
    }

    let mut bob = Pipe::at_home("bob", "alice", &home);
    // The second text overtakes the handshake.
    lines.swap(0, 2);
    let answers: Vec<_> = lines.iter().flat_map(|line| bob.receive(line)).collect();
    said.extend(answers.clone());
    assert_secure(&said, &alice, &bob);
    let mut texts = plain(&answers);
    texts.sort();
    assert_eq!(texts, ["one", "three", "two"]);
    say(&mut bob, &mut alice, "back");
    say(&mut alice, &mut bob, "good");

    // The prekey has served: the handshake is refused for ever, also by a process that never saw it.
    bob.kill();
    let mut bob = Pipe::at_home("bob", "alice", &home);
    let again = bob.receive(&lines[2]);
    assert!(says(&again, "event rejected "), "{again:?}");
    say(&mut alice, &mut bob, "unharmed");
    // Another client of Alice's can use the second.
    let mut alice_2 = Pipe::start("alice", "bob", &[]);
    for line in wire_lines(&alice_2.ask(&format!("offline {}", ensembles[1]))) {
        assert!(says(&bob.receive(&line), &format!("event secure {} v4", alice_2.tag())));
    }
}

#[test]
fn an_end_is_told_and_nothing_goes_out_in_clear_after_it() {
    let (mut alice, mut bob) = encrypted();
    let end = wire_lines(&alice.ask("end"));
    let heard: Vec<_> = end.iter().flat_map(|line| bob.receive(line)).collect();
    assert!(says(&heard, &format!("event finished {}", alice.tag())));
    let refused = bob.ask("send too late");
    assert!(says(&refused, "err ") && wire_lines(&refused).is_empty(), "{refused:?}");
    assert_secure(&start(&mut alice, &mut bob), &alice, &bob);
    say(&mut bob, &mut alice, "again");
}

#[test]
fn a_short_line_makes_fragments_that_arrive_in_any_order() {
    let mut alice = Pipe::start("alice", "bob", &["--mtu", "200"]);
    let mut bob = Pipe::start("bob", "alice", &[]);
    assert_eq!(bob.ask("mtu 300"), Vec::<String>::new());
    let said = start(&mut alice, &mut bob);
    assert!(wire_lines(&said).iter().all(|line| line.len() <= 300 && line.starts_with("?OTR|")));
    assert_secure(&said, &alice, &bob);
    let text = "x".repeat(2000);
    let mut lines = alice.send(&text);
    assert!(lines.len() > 10 && lines.iter().all(|line| line.len() <= 200));
    lines.reverse();
    let answers: Vec<_> = lines.iter().flat_map(|line| bob.receive(line)).collect();
    assert_eq!(plain(&answers), [text]);
}

#[test]
fn the_clock_stands_where_it_was_set() {
    let mut alice = Pipe::start("alice", "bob", &["--now", "1800000000"]);
    let mut bob = Pipe::start("bob", "alice", &["--now", "1800000000"]);
    let ensemble = bob.ask("prekeys 1").remove(0);
    let offline = ensemble.replace("event ensemble", "offline");
    // After the profiles' week nothing can be started with them.
    alice.ask("time 1900000000");
    assert!(says(&alice.ask(&offline), "err "));
    alice.ask("time 1800000060");
    assert!(says(&alice.ask(&offline), "event secure "));
}

#[test]
fn any_line_gets_an_answer_and_the_process_goes_on() {
    let (mut alice, mut bob) = encrypted();
    let bad: Vec<Vec<u8>> = [
        "",
        " ",
        "hello",
        "send \\x",
        "recv \\",
        "use 1",
        "use 00000100",
        "mtu -1",
        "mtu 10",
        "time x",
        "prekeys x",
        "prekeys 1000000000000",
        "prekeys 100000",
        "offline",
        "offline AAQ=",
        "offline %",
        "smp-start x",
        "smp-start where?|",
        "smp-respond x",
        "smp-abort now",
        "heartbeat 1",
        "extra-key 0",
        "extra-key 00000000 0",
        "save",
        "send a\0b",
    ]
    .iter()
    .map(|line| line.as_bytes().to_vec())
    .chain([vec![0xff, 0xfe], vec![b's'; 100_000], [b"send ".to_vec(), vec![b'x'; 70_000]].concat()])
    .collect();
    for line in bad {
        alice.tell(&line);
        let answer = alice.answer();
        assert!(says(&answer, "err "), "{:?}: {answer:?}", String::from_utf8_lossy(&line));
        assert_eq!(answer.len(), 1, "{answer:?}");
    }
    for line in [
        "",
        "?OTR",
        "?OTR:",
        "?OTR:.",
        "?OTR:===.",
        "?OTRv?",
        "?OTRv9?",
        "?OTR:AAQD.",
        "?OTR:AAQ1AAAAAA==.",
        "?OTR|0|0|0,1,2,x,",
        "?OTR|1|100|100,99999,3,x,",
        "?OTR Error:",
        "?OTR Error: ERROR_9: x",
        "\u{0} \u{1b}",
    ] {
        let answer = alice.receive(line);
        assert!(plain(&answer).is_empty() && !says(&answer, "err "), "{line}: {answer:?}");
    }
    say(&mut alice, &mut bob, "still here");
    assert_eq!(bob.ask("quit"), Vec::<String>::new());
    assert_eq!(bob.end(), (String::new(), true));
    assert_eq!(alice.end(), (String::new(), true));
}

#[test]
fn the_home_of_one_account_is_not_that_of_another() {
    let folder = tempfile::tempdir().expect("a folder");
    Pipe::at_home("alice", "bob", folder.path()).kill();
    let home = folder.path().to_str().expect("UTF-8");
    let try_to = |arguments: &[&str]| run(&mut client(arguments));
    let other = try_to(&["pipe", "--account", "carol", "--contact", "bob", "--home", home]);
    assert!(!other.status.success() && other.stdout.is_empty());
    assert!(String::from_utf8_lossy(&other.stderr).contains("alice"));
    let v1 = try_to(&["pipe", "--account", "alice", "--contact", "bob", "--versions", "1"]);
    assert!(!v1.status.success() && v1.stdout.is_empty());
}

#[test]
fn older_versions_are_spoken_when_they_are_asked_for_and_the_state_names_both_keys() {
    for (versions, version) in [("3", "v3"), ("2", "v2"), ("234", "v4")] {
        let mut alice = Pipe::start("alice", "bob", &["--versions", versions]);
        let mut bob = Pipe::start("bob", "alice", &["--versions", versions]);
        let state = alice.ask("state");
        let keys = state.iter().find(|line| line.starts_with("event state keys ")).expect("both keys");
        assert_eq!(field(keys, "fingerprint"), alice.fingerprint());
        let v3_key = field(keys, "v3-fingerprint").to_owned();
        assert_eq!(v3_key.len(), 40);
        let offer = wire_lines(&alice.ask("query"));
        let said = carry(offer, &mut alice, &mut bob);
        assert!(said.iter().any(|line| line.contains(&format!(" {version} fingerprint="))), "{said:?}");
        if version != "v4" {
            assert!(said.iter().any(|line| line.contains(&v3_key)), "{said:?}");
        }
        assert_eq!(
            said.iter().any(|line| line.starts_with("event old-version 00000000 v2")),
            version == "v2"
        );
        say(&mut alice, &mut bob, "hello");
        say(&mut bob, &mut alice, "hello yourself");
    }
}
