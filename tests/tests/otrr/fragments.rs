//! Messages in pieces. Spec: otrv4.md "Fragmentation"; OTRv3 "Fragmentation".

use otrr::Policy as Theirs;
use otrv4::session::MIN_LINE;
use otrv4::wire::Version;

use crate::peer::{Keys, Otrr, Wishes, assert_same_conversation, deliver, kinds, person, they_say, we_say};
use crate::{SHORT, v3};

#[test]
fn pieces_of_version_4_arrive_in_any_order_mixed_and_twice() {
    let mut alice = person("alice@example.org", "bob@example.org");
    alice.session.set_max_line(Some(SHORT)).expect("long enough");
    let mut bob =
        Otrr::new("bob@example.org", "alice@example.org", Wishes { max_line: SHORT, ..Wishes::default() });
    // The messages of the handshake, each with its last piece first.
    bob.session().query().expect("a version is allowed");
    for _ in 0..3 {
        bob.take().iter().rev().for_each(|line| _ = alice.receive(line));
        alice.take().iter().rev().for_each(|line| bob.receive(line));
    }
    assert_same_conversation(&mut alice, &mut bob, Keys::First);
    for turn in 0..3 {
        let texts = [40, 120].map(|n| format!("turn {turn}: {}", "größer ".repeat(n)));
        let lines = mixed(texts.each_ref().map(|text| alice.say(text).take()));
        lines.iter().for_each(|line| bob.receive(line));
        deliver(&mut alice, &mut bob);
        assert_eq!(bob.read(), texts);
        let lines = mixed(texts.each_ref().map(|text| {
            bob.say(text);
            bob.take()
        }));
        // What comes twice counts once.
        lines.iter().for_each(|line| _ = alice.receive(line).receive(line));
        assert_eq!(alice.heard(), texts);
    }
    // What has a piece missing is lost, and nothing else.
    let mut lines = alice.say(&"lost ".repeat(60)).take();
    lines.remove(1);
    lines.iter().for_each(|line| bob.receive(line));
    bob.say(&"lost ".repeat(60));
    bob.take().iter().skip(1).for_each(|line| _ = alice.receive(line));
    we_say(&mut alice, &mut bob, &["still here?".repeat(30)]);
    they_say(&mut alice, &mut bob, &["still here.".repeat(30)]);
}

#[test]
fn pieces_of_version_3_arrive_in_order_at_the_shortest_lines_of_both() {
    let (mut alice, _) = v3::strangers();
    alice.session.set_max_line(Some(MIN_LINE)).expect("long enough");
    let short = Wishes { max_line: SHORTEST, ..Wishes::v3(Theirs::empty()) };
    let mut bob = Otrr::new("bob@example.org", "alice@example.org", short);
    alice.act(|session, cx| session.start(cx));
    let lines = deliver(&mut alice, &mut bob);
    assert_eq!(assert_same_conversation(&mut alice, &mut bob, Keys::First), Version::V3);
    let pieces = kinds(&lines);
    assert!(pieces[1..].iter().all(|kind| kind.ends_with("Fragment")), "{pieces:?}");
    let longest = |whose: &str| {
        let lines = lines.iter().zip(&pieces).filter(|(_, kind)| kind.starts_with(whose));
        lines.map(|((_, line), _)| line.len()).max()
    };
    assert_eq!((longest("our Fragment"), longest("their Fragment")), (Some(MIN_LINE), Some(SHORTEST)));
    for turn in 0..3 {
        we_say(&mut alice, &mut bob, &[format!("turn {turn}: {}", "länger ".repeat(60))]);
        they_say(&mut alice, &mut bob, &[format!("turn {turn}: {}", "long ".repeat(60))]);
    }
    // What has a piece missing is lost, and nothing else.
    bob.say("lost");
    bob.take().iter().skip(1).for_each(|line| _ = alice.receive(line));
    alice.told();
    let mut lines = alice.say("lost").take();
    lines.remove(1);
    lines.iter().for_each(|line| bob.receive(line));
    they_say(&mut alice, &mut bob, &["still here?".into()]);
    we_say(&mut alice, &mut bob, &["still here.".into()]);
}

/// The pieces of two messages, one of the first and one of the second in turns, from the last to the first: so that the
/// first message is complete first. NO STORED KEYS
fn mixed(messages: [Vec<String>; 2]) -> Vec<String> {
    let [first, second] = messages;
    assert!(first.len() > 2 && first.len() <= second.len());
    let mut lines = Vec::new();
    let mut second = second.into_iter().rev();
    for line in first.into_iter().rev() {
        lines.push(line);
        lines.extend(second.next());
    }
    lines.extend(second);
    lines
}

/// Hardly more than otrr's 36 bytes of header.
const SHORTEST: usize = 50;
