//! Any line: what it is, and that it is that. otrv4.md "Encoded Messages", "OTR Error Messages", "Query Messages", "Whitespace Tags".

use otrv4::prekey_server::{decode_text, encode_text};
use otrv4::wire::{Fragment, Line, armour, classify};

/// The input is the line.
pub(super) fn run(input: &[u8]) {
    let line = String::from_utf8_lossy(input);
    check(&line);
    // In markup, only queries and tags count.
    for (before, after) in [("<p>", "</p>"), ("<a href=\"x\"> \n<b>", "</b></a>"), ("<", ">"), (" ", "")] {
        let wrapped = format!("{before}{line}{after}");
        assert!(!matches!(check(&wrapped), Line::Encoded(_) | Line::Fragment(_) | Line::Error { .. }));
    }
    if let Ok(message) = decode_text(&line) {
        assert_eq!(encode_text(&message), line.trim_ascii_end(), "a message has one text");
    }
}

fn check(line: &str) -> Line<'_> {
    let read = classify(line);
    match &read {
        Line::Plain(text) => assert_eq!(*text, line),
        Line::Tagged { text, versions: _ } => assert_is_without_a_tag(text, line),
        Line::Query(versions) => {
            assert!(line.contains("?OTR"), "a query has its beginning");
            assert!(!versions.contains(0) && !versions.contains(5));
        }
        Line::Error { code, text } => {
            let behind = line.strip_prefix("?OTR Error:").expect("an error begins so");
            assert!(behind.ends_with(text));
            assert!(code.is_none_or(|code| behind.contains(&format!("ERROR_{}:", code as u8))));
        }
        Line::Fragment(Ok(fragment)) => assert_is_sound(fragment, line),
        Line::Encoded(Ok(message)) => assert_eq!(armour(message), line, "a message has one line"),
        Line::Fragment(Err(_)) | Line::Encoded(Err(_)) => assert!(line.starts_with("?OTR")),
    }
    read
}

/// The line is the text with blanks put in at one place: 16 of the tag, and 8 for each version.
fn assert_is_without_a_tag(text: &str, line: &str) {
    let taken = line.len() - text.len();
    assert!(taken >= 16 && taken.is_multiple_of(8), "a tag has 16 blanks and 8 for each version");
    let at = line.find(TAG).expect("a tag begins so");
    assert_eq!(format!("{}{}", &line[..at], &line[at + taken..]), text);
    assert!(line[at..at + taken].bytes().all(|blank| matches!(blank, b' ' | b'\t')));
}

fn assert_is_sound(fragment: &Fragment<'_>, line: &str) {
    let Fragment { identifier, sender, receiver, index, total, piece } = *fragment;
    assert!(1 <= index && index <= total && !piece.is_empty());
    let mut numbers = line.split(',').skip(1).map(|number| number.parse::<u64>());
    assert_eq!(numbers.next(), Some(Ok(index.into())), "the index is the number that is there");
    assert_eq!(numbers.next(), Some(Ok(total.into())), "the total is the number that is there");
    assert!(line.strip_suffix(',').is_some_and(|line| line.ends_with(piece)));
    assert!(identifier.is_none() || !piece.contains(','));
    let reserved = |tag: u32| (1..0x100).contains(&tag);
    assert!(!reserved(sender.get()) && !receiver.is_some_and(|tag| reserved(tag.get())));
}

const TAG: &str = " \t  \t\t\t\t \t \t \t  ";
