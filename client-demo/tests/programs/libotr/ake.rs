//! How conversations with libotr begin. Spec: "Authenticated Key Exchange (AKE)", "Requesting an OTR conversation".

use std::collections::HashSet;

use super::{Pair, in_each_version, is_encoded};
use crate::process::{field, give, plain, says, wire_lines};

#[test]
fn a_query_of_either_side_begins_a_conversation() {
    in_each_version(|version| {
        let mut pair = Pair::new(version);
        let said = pair.begin();
        pair.assert_secure(&said);
        pair.goes_on();
        let mut pair = Pair::new(version);
        let said = pair.carry_from_theirs("query");
        pair.assert_secure(&said);
        pair.goes_on();
    });
}

#[test]
fn a_tagged_text_of_either_side_is_read_and_begins_a_conversation() {
    in_each_version(|version| {
        for command in ["whitespace shall we?", r"whitespace shall we?\nor not"] {
            let read = command.replace("whitespace ", "event cleartext ");
            let mut pair = Pair::new(version);
            let said = pair.carry_from_ours(command);
            assert!(says(&said, &read), "{said:?}");
            pair.assert_secure(&said);
            pair.goes_on();
            let mut pair = Pair::new(version);
            let said = pair.carry_from_theirs(command);
            assert!(says(&said, &read), "{said:?}");
            pair.assert_secure(&said);
            pair.goes_on();
        }
    });
}

#[test]
fn a_second_query_of_either_side_refreshes_a_running_conversation() {
    in_each_version(|version| {
        let mut pair = Pair::encrypted(version);
        pair.goes_on();
        let mut ids = HashSet::new();
        for ours_asks in [true, false, true] {
            let said = if ours_asks { pair.begin() } else { pair.carry_from_theirs("query") };
            pair.assert_secure(&said);
            assert!(ids.insert(field(&pair.ours.ask("state")[0], "ssid").to_owned()), "one of its own");
            pair.goes_on();
        }
    });
}

#[test]
fn queries_of_both_at_once_end_in_one_conversation_and_nothing_typed_meanwhile_is_readable() {
    in_each_version(|version| {
        // Whose Commit wins is decided by chance.
        for _ in 0..6 {
            let mut pair = Pair::new(version);
            let (mut to_theirs, mut to_ours) =
                (wire_lines(&pair.ours.ask("query")), wire_lines(&pair.theirs.ask("query")));
            let (mut said, mut typed) = (Vec::new(), Vec::new());
            while !(to_theirs.is_empty() && to_ours.is_empty()) {
                let (mut at_ours, at_theirs) =
                    (give(&mut pair.ours, &to_ours), give(&mut pair.theirs, &to_theirs));
                if typed.len() < 4 {
                    typed.push(format!("typed {}", typed.len()));
                    at_ours.extend(pair.ours.ask(&format!("send typed {}", typed.len() - 1)));
                }
                (to_ours, to_theirs) = (wire_lines(&at_theirs), wire_lines(&at_ours));
                assert!(to_theirs.iter().all(|line| is_encoded(line)), "{to_theirs:?}");
                said.extend(at_ours.into_iter().chain(at_theirs));
            }
            let query = pair.begin();
            said.extend(query.iter().cloned());
            assert_eq!(plain(&said), typed);
            pair.assert_secure(&query);
            pair.goes_on();
        }
    });
}
