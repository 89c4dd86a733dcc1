//! What a script says about time, the network and the two programs is seen in the forged lines.

use std::time::Duration;

use super::{NOW, account, alice, at_once, bob, breaking_off, check, rng, said, texts_of};
use crate::forge::{
    Begin, CannotForge, Delivery, Forger, Key, Line, Manner, Person, Said, Script, Transcript, Value, Who,
    parse,
};
use crate::keys::{DsaKey, ForgingSecret};
use crate::wire::Versions;
use crate::{Account, Policy, Refused, Reject};

fn forge(
    [alice, bob]: [&Account; 2],
    script: Script<'_>,
    network: &mut dyn FnMut(&Line) -> Delivery,
) -> Result<Transcript, CannotForge> {
    let key = Key::long_term_of(alice);
    let forger = Forger::new(Person::of(alice), key, Person::of(bob), NOW).expect("a key of hers");
    forger.transcript(script, network, &mut rng())
}

fn after(seconds: u64) -> Delivery {
    Delivery::After(Duration::from_secs(seconds))
}

/// The number that a field of the line holds.
fn number(line: &Line, name: &str) -> Option<u64> {
    parse(&line.line).fields.iter().find_map(|field| match field.value {
        Value::Number(number) if field.name == name => Some(number),
        _ => None,
    })
}

const INTERACTIVE: Begin<'static> = Begin::Interactive(Who::Participant);

#[test]
fn lines_take_their_time_cross_and_keep_their_order() {
    let (alice, bob, said) = (alice(), bob(), said());
    let mut slow = [9, 3, 1].map(after).into_iter().cycle();
    let script = Script { until: NOW.plus(240), ..breaking_off(INTERACTIVE, &said) };
    let transcript = forge([&alice, &bob], script, &mut |_| slow.next().expect("a cycle")).expect("one");
    let lines = &transcript.lines;
    assert!(lines.iter().any(|line| line.received.is_some_and(|at| at >= line.at.plus(8))), "some are slow");
    for who in [Who::Participant, Who::Other] {
        let received: Vec<_> =
            lines.iter().filter(|line| line.sender == who).map(|line| line.received).collect();
        assert!(received.is_sorted(), "{received:?}");
    }
    let crossed = lines.windows(2).filter(|pair| {
        pair[0].sender != pair[1].sender && pair[0].received.is_some_and(|received| received > pair[1].at)
    });
    assert!(crossed.count() > 0, "nothing crossed");
    let mut texts = check(&transcript, [&alice, &bob], None);
    texts.sort_unstable_by_key(|(_, text)| text.clone());
    let mut expected = texts_of(&said);
    expected.sort_unstable_by_key(|(_, text)| text.clone());
    assert_eq!(texts, expected);
}

#[test]
fn a_lost_line_is_in_the_record_and_costs_no_other_one() {
    let (alice, bob, said) = (alice(), bob(), said());
    let mut sent = 0;
    let mut losing = |line: &Line| {
        sent += u32::from(number(line, "message id").is_some());
        if sent == 3 { Delivery::Lost } else { after(0) }
    };
    let transcript = forge([&alice, &bob], breaking_off(INTERACTIVE, &said), &mut losing).expect("one");
    let lost: Vec<_> = transcript.lines.iter().filter(|line| line.received.is_none()).collect();
    assert_eq!((lost.len(), lost[0].chain_key.is_none()), (1, true));
    let read = transcript.lines.iter().filter(|line| line.chain_key.is_some()).count();
    assert!(read + 1 >= said.len(), "{read} were read");
}

#[test]
fn time_brings_heartbeats_and_the_end_of_a_silent_conversation() {
    let (alice, bob) = (alice(), bob());
    let said = [Said { by: Who::Participant, at: NOW.plus(5), text: "Are you still there?" }];
    let script = |until| Script { until: NOW.plus(until), ..breaking_off(INTERACTIVE, &said) };
    let lines = |until| forge([&alice, &bob], script(until), &mut at_once).expect("one").lines.len();
    let (breaks_off, a_minute, hours) = (lines(30), lines(90), lines(3 * 60 * 60));
    assert_eq!(a_minute, breaks_off + 1, "Bob's heartbeat");
    assert!(hours > a_minute, "it expires at both ends");
}

#[test]
fn each_side_has_its_own_manner() {
    let (alice, bob, said) = (alice(), bob(), said());
    let short = Manner { max_line: Some(200), ..Manner::default() };
    let quiet = Manner::from(Policy { heartbeat_after: None, ..Policy::default() });
    let script =
        Script { participant: short, other: quiet, until: NOW.plus(600), ..breaking_off(INTERACTIVE, &said) };
    let transcript = forge([&alice, &bob], script, &mut at_once).expect("one");
    let longest = |who| transcript.lines.iter().filter(|line| line.sender == who).map(|l| l.line.len()).max();
    assert!(longest(Who::Participant) <= Some(200) && longest(Who::Other) > Some(200));
    let chain_keys = transcript.lines.iter().filter(|line| line.chain_key.is_some()).count();
    assert!(chain_keys >= said.len(), "what came in pieces was read");
    let last = transcript.lines.last().expect("many");
    assert_eq!(last.sender, Who::Participant, "nobody answers her last text: {last:?}");

    let too_short = Manner { max_line: Some(10), ..Manner::default() };
    let refused = forge([&alice, &bob], Script { other: too_short, ..script }, &mut at_once).err();
    assert_eq!(refused, Some(CannotForge::Refused(Refused::LineTooShort(10))));
}

#[test]
fn the_query_offers_what_the_profile_lists_and_the_policy_allows() {
    let (mut alice, bob, said) = (account("alice@example.org", ForgingSecret::Keep), bob(), said());
    alice.set_v3_key(Some(DsaKey::generate(&mut rng())), &mut rng(), NOW);
    let query = |begins, policy: Policy| {
        let script = Script {
            participant: policy.into(),
            other: policy.into(),
            ..breaking_off(Begin::Interactive(begins), &said)
        };
        forge([&alice, &bob], script, &mut at_once).expect("one").lines[0].line.clone()
    };
    let only_4 = Policy { versions: Versions::V4, ..Policy::default() };
    assert!(query(Who::Participant, Policy::default()).starts_with("?OTRv34?"));
    assert!(query(Who::Participant, only_4).starts_with("?OTRv4?"));
    assert!(query(Who::Other, Policy::default()).starts_with("?OTRv4?"), "Bob has no key of version 3");
}

#[test]
fn a_conversation_can_begin_with_a_text_in_clear_and_an_invisible_offer() {
    let (alice, bob, said) = (alice(), bob(), said());
    let begin = Begin::Tagged { by: Who::Other, text: "Hello." };
    let transcript = forge([&alice, &bob], breaking_off(begin, &said), &mut at_once).expect("one");
    assert_eq!(parse(&transcript.lines[0].line).name, "Text with a whitespace tag");
    assert_eq!(check(&transcript, [&alice, &bob], None), texts_of(&said));
}

#[test]
fn what_is_said_too_early_waits_for_the_conversation_and_there_must_be_one() {
    let (alice, bob) = (alice(), bob());
    let early = [
        Said { by: Who::Other, at: NOW.plus(1), text: "from who was asked" },
        Said { by: Who::Participant, at: NOW.plus(2), text: "from who asks" },
    ];
    let script = Script { until: NOW.plus(60), ..breaking_off(INTERACTIVE, &early) };
    let transcript = forge([&alice, &bob], script, &mut |_| after(4)).expect("one");
    assert_eq!(check(&transcript, [&alice, &bob], None).len(), 2);
    let lost = forge([&alice, &bob], script, &mut |_| Delivery::Lost).err();
    assert_eq!(lost, Some(CannotForge::NotBegun));
}

#[test]
fn no_text_is_left_out_where_the_key_exchange_is_lost_or_slow() {
    let (alice, bob) = (alice(), bob());
    let begin = Begin::Interactive(Who::Other);
    let waits = [Said { by: Who::Other, at: NOW.plus(5), text: "Are you there?" }];
    let by = |said, until, network: &mut dyn FnMut(&Line) -> Delivery| {
        let script = Script { until: NOW.plus(until), ..breaking_off(begin, said) };
        forge([&alice, &bob], script, network).map(|transcript| check(&transcript, [&alice, &bob], None))
    };
    let mut without_auth_i = |line: &Line| match number(line, "message type") {
        Some(0x37) => Delivery::Lost,
        _ => after(0),
    };
    for until in [30, 60 * 60] {
        assert_eq!(by(&waits, until, &mut without_auth_i).err(), Some(CannotForge::NotBegun), "{until}");
    }
    assert!(by(&[], 30, &mut without_auth_i).is_ok(), "nobody had anything to say");
    // Auth-I arrives after 32 seconds.
    assert_eq!(by(&waits, 30, &mut |_| after(8)).err(), Some(CannotForge::NotBegun));
    assert_eq!(by(&waits, 40, &mut |_| after(8)), Ok(texts_of(&waits)));
}

#[test]
fn a_key_exchange_that_was_refused_says_why() {
    let (alice, bob) = (alice(), bob());
    let held = [Said { by: Who::Other, at: NOW.plus(5), text: "Are you there?" }];
    let other = Manner::from(Policy { versions: Versions::V3, ..Policy::default() });
    let script = Script { participant: Policy::standalone().into(), other, ..breaking_off(INTERACTIVE, &[]) };
    for said in [&held[..], &[]] {
        let refused = forge([&alice, &bob], Script { said, ..script }, &mut at_once).err();
        assert_eq!(refused, Some(CannotForge::Rejected(Reject::Version)));
    }
}
