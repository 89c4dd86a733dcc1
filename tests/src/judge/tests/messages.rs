//! Rules of form, pieces and numbers.

use super::*;

#[test]
fn each_rule_finds_what_breaks_it() {
    let (talk, keys) = real(None, &|look| ratchet_of_two(look).is_some());
    let look = Look::at(&talk, &keys);
    let breaks = |change: &dyn Fn(&mut Vec<Line>), expected: &[&str]| {
        assert_eq!(broken_by(&talk, &keys, change), expected);
    };
    let line_of = |name| look.messages.iter().find(|message| message.is(name)).unwrap().last_line;
    // Nobody has revealed its key yet.
    let last_data = look.data().last().unwrap().1.last_line;
    let line = "every_line_is_written_as_the_specification_says";
    let tags = "tags_are_those_of_the_two";

    breaks(&|lines| lines[0].sender = "mallory@example.org".into(), &[line]);
    // Also where something was lost.
    breaks(
        &|lines| {
            lines[0].sender = "mallory@example.org".into();
            lines[0].received = None;
        },
        &[line],
    );
    breaks(&|lines| lines[0].line = lines[0].line.replace('4', "44"), &[line]);
    breaks(&|lines| lines[0].line.insert(0, ' '), &[line]);
    breaks(&|lines| lines[0].line = "?OTRv2?".into(), &["offers_are_those_of_the_profile"]);
    // The last byte of the sender's tag; and all of the receiver's.
    breaks(&|lines| edit(&mut lines[line_of("Identity message")], |bytes| bytes[6] ^= 1), &[tags]);
    breaks(&|lines| edit(&mut lines[last_data], |bytes| bytes[7..11].fill(0)), &[tags]);
    breaks(&|lines| edit(&mut lines[last_data], |bytes| bytes[11] |= 2), &["flags_are_those_with_a_meaning"]);
    // The last byte of pn.
    breaks(
        &|lines| edit(&mut lines[last_data], |bytes| bytes[15] ^= 1),
        &["ratchets_count_as_honest_ones_do"],
    );
    // The last byte is of r3.
    let r3 = |bytes: &mut Vec<u8>| *bytes.iter_mut().rev().nth(56).unwrap() ^= 1;
    breaks(&|lines| edit(&mut lines[line_of("Auth-I message")], r3), &["ring_signatures_hold"]);
}

#[test]
fn keys_outside_their_groups_and_first_keys_of_others_are_found() {
    // A record that ends when that ratchet begins: nobody has revealed its key.
    let until = |i: u64| {
        let begins = |look: &Look<'_>| {
            let mut data = look.data().filter(|(_, _, data)| data.i == i && data.j == 0);
            data.next().map(|(_, message, _)| message.last_line)
        };
        let (mut talk, keys) = real(None, &|look| begins(look).is_some());
        let line = begins(&Look::at(&talk, &keys)).unwrap();
        talk.lines.truncate(line + 1);
        (talk, keys, line)
    };
    let other =
        *people(2).map(|saved| Account::load(&saved).unwrap())[0].client_profile().identity_key().as_bytes();
    let (talk, keys, last) = until(3);
    let groups = "public_keys_are_in_their_groups";
    // The point, and behind the length of the number its first byte.
    assert_eq!(
        broken_by(&talk, &keys, |lines| edit(&mut lines[last], |bytes| bytes[24..81].fill(1))),
        [groups]
    );
    let greater = |bytes: &mut Vec<u8>| bytes[85..85 + 384].fill(0xff);
    assert_eq!(broken_by(&talk, &keys, |lines| edit(&mut lines[last], greater)), [groups]);

    // Later nobody sends under those of a handshake.
    let (talk, keys, last) = until(2);
    let look = Look::at(&talk, &keys);
    let theirs = look.messages.iter().find_map(|message| message.bytes("first ECDH public key")).unwrap();
    let changed = broken_by(&talk, &keys, |lines| {
        edit(&mut lines[last], |bytes| bytes[24..81].copy_from_slice(theirs));
    });
    assert_eq!(changed, ["first_keys_are_those_of_the_handshake"]);

    // Who has sent first keys says one thing under them, and what follows is cut off: nobody reveals its key.
    let first = |look: &Look<'_>| {
        let is_first =
            |key: &[u8]| look.messages.iter().any(|it| it.bytes("first ECDH public key") == Some(key));
        let mut said = look.data().filter(|(_, _, data)| is_first(&data.ecdh));
        let found = said.next().map(|(_, message, _)| message.last_line);
        found.filter(|_| said.next().is_none())
    };
    let (mut talk, keys) = real(None, &|look| first(look).is_some());
    let line = first(&Look::at(&talk, &keys)).unwrap();
    talk.lines.truncate(line + 1);
    let changed = broken_by(&talk, &keys, |lines| {
        edit(&mut lines[line], |bytes| bytes[24..81].copy_from_slice(&other));
    });
    assert_eq!(changed, ["first_keys_are_those_of_the_handshake"]);
}

#[test]
fn a_whitespace_tag_stands_in_front() {
    let tagged = |begin| matches!(begin, Begun::Tagged(_));
    let (talk, keys) = begun(&tagged, None, &|_| true);
    let changed = broken_by(&talk, &keys, |lines| {
        let tag = lines[0].line.strip_suffix("hello").unwrap();
        lines[0].line = format!("hello{tag}");
    });
    assert_eq!(changed, ["every_line_is_written_as_the_specification_says"]);
}

/// Numbers of the lines of each message that is cut.
fn cut_lines(talk: &Transcript, keys: &Keys) -> Vec<Vec<usize>> {
    let look = Look::at(talk, keys);
    let lines = |message: &Message| {
        let sender = &talk.lines[message.last_line].sender;
        let before = (0..=message.last_line).rev().filter(|number| talk.lines[*number].sender == *sender);
        let mut lines: Vec<usize> = before.take(message.pieces.len()).collect();
        lines.reverse();
        lines
    };
    look.messages.iter().filter(|message| message.pieces.len() > 2).map(lines).collect()
}

#[test]
fn pieces_of_another_length_or_form_or_of_nothing_are_found() {
    let (talk, keys) = real(Some(400), &|look| {
        let cut: Vec<usize> =
            look.messages.iter().filter(|it| it.pieces.len() > 2).map(|it| it.sender).collect();
        cut.iter().filter(|side| **side == cut[0]).count() > 2
    });
    let cut = cut_lines(&talk, &keys);
    let breaks = |change: &dyn Fn(&mut Vec<Line>), expected: &[&str]| {
        assert_eq!(broken_by(&talk, &keys, change), expected);
    };
    // From the first piece to the second one.
    breaks(
        &|lines| {
            let first = &mut lines[cut[0][0]].line;
            first.pop();
            let moved = first.pop().unwrap();
            first.push(',');
            let second = &mut lines[cut[0][1]].line;
            let begins = second.match_indices(',').nth(2).unwrap().0 + 1;
            second.insert(begins, moved);
        },
        &["pieces_have_one_length"],
    );
    let line = "every_line_is_written_as_the_specification_says";
    breaks(&|lines| lines[cut[0][0]].line = lines[cut[0][0]].line.replacen(",00001,", ",1,", 1), &[line]);
    // One more first piece, and something else was lost.
    breaks(
        &|lines| {
            lines[0].received = None;
            let again = lines[cut[0][0]].clone();
            lines.push(Line { at: lines.last().unwrap().at, received: None, ..again });
        },
        &["pieces_make_messages"],
    );
    let tag = |line: &str| line.split('|').nth(2).unwrap().to_owned();
    breaks(
        &|lines| {
            for number in &cut[0] {
                lines[*number].line = lines[*number].line.replacen(&tag(&lines[*number].line), "00000abc", 1);
            }
        },
        &["pieces_make_messages"],
    );
    // Twice the identifier of another message of the same side.
    let same_side = |lines: &[usize]| talk.lines[lines[0]].sender == talk.lines[cut[0][0]].sender;
    breaks(
        &|lines| {
            let identifier = |line: &str| line.split('|').nth(1).unwrap().to_owned();
            let first = identifier(&lines[cut[0][0]].line);
            for number in cut.iter().filter(|lines| same_side(lines)).flatten() {
                let own = identifier(&lines[*number].line);
                lines[*number].line = lines[*number].line.replacen(&own, &first, 1);
            }
        },
        &["pieces_make_messages"],
    );
}
