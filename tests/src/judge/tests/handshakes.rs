//! Rules of handshakes: what they need, whose they are, and what follows.

use base64::prelude::{BASE64_STANDARD, Engine as _};
use otrv4::Timestamp;

use super::*;
use crate::judge::verdict::not_verified;

#[test]
fn nobody_answers_or_writes_before_something_has_come() {
    let (talk, keys) = real(None, &|look| {
        look.messages.iter().all(|message| message.received.is_some_and(|arrives| arrives > message.at))
    });
    let look = Look::at(&talk, &keys);
    let line_of = |name| look.messages.iter().find(|message| message.is(name)).unwrap().last_line;
    let [identity, answer, end] = ["Identity message", "Auth-R message", "Auth-I message"].map(line_of);
    let broken = |change: &dyn Fn(&mut Vec<Line>)| broken_by(&talk, &keys, change);
    let answers = "handshakes_answer_what_has_arrived";
    let follows = "data_messages_follow_a_handshake";

    assert_eq!(broken(&|lines| lines[identity].received = None), [answers]);
    assert_eq!(broken(&|lines| lines[answer].received = None), [answers]);
    assert_eq!(broken(&|lines| lines[end].received = None), [follows]);
    // It comes in the middle, and what is behind it waits for it.
    let late = look
        .data()
        .filter(|(_, message, _)| talk.lines[message.last_line].sender == talk.lines[answer].sender);
    let late = late.map(|(_, message, _)| message.at).nth(1).unwrap();
    assert!(broken(&|lines| lines[end].received = Some(late)).contains(&follows));
    // Data messages alone.
    let alone = broken(&|lines| _ = lines.drain(..=end));
    assert!(alone.contains(&follows), "{alone:?}");
    // Who has received nothing can neither answer, nor go on, nor know keys.
    let first = talk.lines[0].sender.clone();
    let nothing = broken(&|lines| {
        lines.iter_mut().filter(|line| line.sender == first).for_each(lose);
    });
    let expected =
        [answers, "nobody_goes_on_without_an_answer", "revealed_keys_belong_to_messages_of_the_other_side"];
    assert_eq!(nothing, expected);
}

#[test]
fn who_has_an_answer_goes_on() {
    // Two in one ratchet, and an answer to the first arrives behind the second.
    let still = |look: &Look<'_>| {
        look.data().find_map(|(at, message, data)| {
            let next = |it: &(usize, &Message, &Data)| it.1.sender != message.sender && it.2.i == data.i + 1;
            let (other, answer, _) = look.data().find(next).filter(|_| data.j > 0)?;
            let late = answer.at < message.at && answer.received > Some(message.at);
            (late && other > 0 && at > 0).then_some((answer.last_line, answer.at))
        })
    };
    let (talk, keys) = real(None, &|look| still(look).is_some());
    let (line, at) = still(&Look::at(&talk, &keys)).unwrap();
    let changed = broken_by(&talk, &keys, |lines| lines[line].received = Some(at));
    assert!(changed.contains(&"everybody_goes_on_after_an_answer"), "{changed:?}");
}

#[test]
fn a_profile_that_has_been_renewed_since_was_current_then() {
    let (talk, _) = real(None, &|_| true);
    let later = START.plus(5 * 24 * 60 * 60);
    let renewed = people(1).map(|saved| {
        let (mut account, mut rng) = (Account::load(&saved).unwrap(), ChaCha8Rng::seed_from_u64(7));
        let before = account.client_profile().as_bytes().to_vec();
        assert!(account.renew(&mut rng, later));
        assert_ne!(account.client_profile().as_bytes(), before);
        account.save().to_vec()
    });
    let keys = Keys::load([&renewed[0], &renewed[1]]).unwrap();
    let moved = |by: i64| {
        broken_by(&talk, &keys, |lines| {
            for line in lines {
                line.at += by;
                line.received = line.received.map(|received| received + by);
            }
        })
    };
    // When it was to be renewed, and before it was made.
    assert_eq!(moved(5 * 24 * 60 * 60), ["profiles_were_current"]);
    assert_eq!(moved(-7 * 24 * 60 * 60), ["profiles_were_current"]);
    // Others that say that they are theirs.
    let strangers = people(2);
    let strangers = Keys::load([&strangers[0], &strangers[1]]).unwrap();
    assert!(
        rules(&broken_rules(&Look::at(&talk, &strangers), &strangers)).contains(&"profiles_were_current")
    );
}

#[test]
fn an_offline_start_with_another_signature_or_the_prekeys_of_others_is_found() {
    let offline = |begin| matches!(begin, Begun::Offline(..));
    let (talk, keys) = begun(&offline, None, &|look| look.messages[0].is("Non-Interactive-Auth message"));
    let look = Look::at(&talk, &keys);
    assert!(matches!(look.ensemble, Some(Ok(_))));
    assert_eq!(broken_rules(&look, &keys), Vec::new());
    assert_eq!(not_verified(&talk, &keys), None);
    let other = {
        let offered =
            |look: &Look<'_>| look.messages[0].bytes("X") != Look::at(&talk, &keys).messages[0].bytes("X");
        begun(&offline, None, &|look| look.messages[0].is("Non-Interactive-Auth message") && offered(look)).0
    };
    // The first byte of c1.
    let mut signed_otherwise = talk.clone();
    edit(&mut signed_otherwise.lines[0], |bytes| {
        let sigma = look.messages[0].ring_signature().unwrap().concat();
        let at = bytes.windows(sigma.len()).position(|window| window == sigma).unwrap();
        bytes[at] ^= 1;
    });
    let with = |ensemble: String| Transcript { ensemble: Some(ensemble), ..talk.clone() };
    let own = talk.ensemble.clone().unwrap();
    let published = |seed: u64, which: usize| {
        let mut account = Account::load(&people(seed)[which]).unwrap();
        let now = Timestamp::from_unix(talk.lines[0].at);
        let made = account.make_prekeys(1, &mut ChaCha8Rng::seed_from_u64(3), now).unwrap();
        with(Transcript::encoded(&made[0]))
    };
    let starter = keys.side(&talk.lines[0].sender).unwrap();
    let changed = [
        signed_otherwise,
        with(other.ensemble.unwrap()),
        // Those of a stranger, and those of whoever starts.
        published(2, 1 - starter),
        published(1, starter),
        with(own[..own.len() - 4].to_owned()),
        with(BASE64_STANDARD.encode([BASE64_STANDARD.decode(&own).unwrap(), vec![0]].concat())),
        with("none".to_owned()),
    ];
    for changed in changed {
        let found = broken_rules(&Look::at(&changed, &keys), &keys);
        assert_eq!(rules(&found), ["offline_starts_hold"], "{found:?}");
    }
    let without = Transcript { ensemble: None, ..talk.clone() };
    assert_eq!(broken_rules(&Look::at(&without, &keys), &keys), Vec::new());
    assert!(not_verified(&without, &keys).is_some_and(|what| what.contains("1 offline start")));
}

#[test]
fn one_ensemble_in_two_records_is_found() {
    let offline = |begin| matches!(begin, Begun::Offline(..));
    let (talk, keys) = begun(&offline, None, &|_| true);
    let text = Line { line: "hello".into(), ..talk.lines[0].clone() };
    let prekeys = Transcript { lines: vec![text], ensemble: talk.ensemble.clone() };
    let values = [&talk, &prekeys].map(|talk| fresh_values(&Look::at(talk, &keys), &keys));
    assert_eq!(values[1].len(), 2);
    let mut repeats = Repeats::default();
    values.iter().enumerate().for_each(|(which, values)| repeats.note(which, values));
    assert_eq!(repeats.found()[&1].len(), 2);
}
