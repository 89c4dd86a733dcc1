//! What it says about lines, where it is easy to say too much.

use serde_json::Value;

use super::recorded::Transcript;
use otrv4::forge::parse;
use otrv4::wire::{armour, unarmour};

use super::{inspect, lines, main, report, said};

/// The first message of this name.
fn message<'a>(report: &'a Value, name: &str) -> &'a Value {
    let line = lines(report).iter().find(|line| main(line)["name"] == name);
    line.expect("it is there")
}

fn why(line: &Value) -> &str {
    line.pointer("/forgery/why").and_then(Value::as_str).expect("a text")
}

fn learns(report: &Value) -> Vec<&str> {
    let learns = report.pointer("/observer/learns").and_then(Value::as_array).expect("a list");
    learns.iter().filter_map(Value::as_str).collect()
}

/// The text for people without its line breaks.
fn words(input: &str) -> String {
    said(&[], input).split_whitespace().filter(|word| *word != "|").collect::<Vec<_>>().join(" ")
}

fn explanation<'a>(line: &'a Value, field: &str) -> &'a str {
    let mut fields = main(line)["fields"].as_array().expect("fields").iter();
    let field = fields.find(|found| found["name"] == field).expect("it is there");
    field.get("explanation").and_then(Value::as_str).expect("a text")
}

#[test]
fn random_bytes_look_like_a_signature_of_version_3_to_who_cannot_open_it() {
    let report = report(&Transcript::libotr(3).json());
    for name in ["Reveal Signature message", "Signature message"] {
        let line = message(&report, name);
        assert!(
            line["forgery"]["short"].as_str().expect("a text").starts_with("by the lines alone: anybody")
        );
        assert!(why(line).contains("random bytes look the same"));
    }
    let last =
        lines(&report).iter().rfind(|line| line["forgery"]["by"] == "the-two").expect("one unrevealed");
    assert!(why(last).contains("could have made it up"));
    let revealed = lines(&report).iter().find(|line| !line["revealed_in"].is_null()).expect("one revealed");
    assert!(why(revealed).contains("all messages that its sender sent under"));
    assert!(why(revealed).contains("or will take it no more"));
}

#[test]
fn the_flag_shows_that_there_is_no_text_and_not_what_there_is() {
    let report = report(&Transcript::interactive().json());
    let hidden = report["observer"]["does_not_learn"].as_array().expect("a list");
    let hidden: Vec<&str> = hidden.iter().filter_map(Value::as_str).collect();
    assert!(hidden.iter().any(|words| words.contains("which of those without a text are a step of SMP")));
    assert!(!hidden.iter().any(|words| words.contains("whether they hold a text")));
    let about = main(message(&report, "Data message"))["about"].as_str().expect("a text");
    assert!(about.contains("its flag says which"));
}

#[test]
fn who_starts_offline_can_prove_the_receiver_and_its_keys_are_its_own() {
    let report = report(&Transcript::offline().json());
    let line = message(&report, "Non-Interactive-Auth message");
    assert!(why(line).contains("can prove to them that the receiver answers"));
    for key in ["X", "A"] {
        let said = explanation(line, key);
        assert!(said.contains("of whoever begins") && !said.contains("Auth-I"), "{key}: {said}");
    }
}

#[test]
fn what_is_inside_dake_3_is_taken_apart() {
    let report = report(&Transcript::prekey_server().json());
    let inside = |line: &Value| -> Vec<String> {
        let fields = main(line)["fields"].as_array().expect("fields").iter();
        let names = fields.map(|field| field["name"].as_str().expect("a name").to_owned());
        names.skip_while(|name| name != "message inside DAKE-3").collect()
    };
    let dake_3: Vec<Vec<String>> =
        lines(&report).iter().filter(|line| main(line)["name"] == "DAKE-3 message").map(inside).collect();
    let has = |name: &str| dake_3.iter().any(|fields| fields.iter().any(|field| field == name));
    for name in
        ["Y", "B", "Client Profile signature", "Prekey Profile signature", "proof of the shared prekey, v"]
    {
        assert!(has(name), "{name}");
    }
    assert!(dake_3.iter().all(|fields| fields.last().is_some_and(|last| last == "MAC")));
    let line = message(&report, "DAKE-3 message");
    assert!(why(line).contains("the long-term secret of either side"));
}

#[test]
fn each_table_of_the_page_has_its_own_name() {
    let page = said(&["--html", "-"], &Transcript::interactive().json());
    assert!(page.contains("Not checked: ring signatures"));
    let names: Vec<&str> = page
        .split("role=\"region\" ")
        .skip(1)
        .filter_map(|rest| rest.split_once('>').map(|(name, _)| name))
        .collect();
    let mut unique = names.clone();
    unique.sort_unstable();
    unique.dedup();
    assert!(names.len() > 33 && unique.len() == names.len());
    assert_eq!(page.matches("<table>").count(), page.matches("<caption").count());
    assert_eq!(page.matches("aria-labelledby=\"timeline\"").count(), 1);
}

#[test]
fn a_profile_is_vouched_for_only_if_its_signature_holds() {
    let identity = Transcript::interactive().0.remove(1).1;
    let fields = parse(&identity).fields;
    let signature = fields.iter().find(|field| field.name == "Client Profile signature").expect("one");
    let otrv4::forge::Value::Bytes(signature) = &signature.value else { panic!("{signature:?}") };
    let mut bytes = unarmour(&identity).expect("a message");
    let at = bytes.windows(114).position(|window| window == signature.as_slice()).expect("it is there");
    // Bob's public keys, and bytes of Mallory's.
    bytes[at..at + 114].fill(0x5a);
    let by_mallory = armour(&bytes);
    let (good, bad) = (report(&identity), report(&by_mallory));
    for (report, holds, short) in
        [(&good, true, "anybody who has the Client Profile in it"), (&bad, false, "anybody")]
    {
        let line = &lines(report)[0];
        assert_eq!(line["forgery"]["short"], short);
        assert_eq!(why(line).contains("holds: only that profile's owner"), holds);
        assert_eq!(why(line).contains("does not hold: anybody"), !holds);
        let said = explanation(line, "Client Profile signature");
        assert_eq!(said.contains("nobody but who has that key's secret"), holds);
        assert_eq!(said.contains("does not hold: anybody"), !holds);
        let mut fields = main(line)["fields"].as_array().expect("fields").iter();
        let field = fields.find(|field| field["name"] == "Client Profile signature").expect("one");
        assert_eq!(field["holds"], holds);
        let shown =
            learns(report).iter().any(|learnt| learnt.starts_with("a fingerprint of version 4, shown"));
        assert_eq!(shown, holds);
        let doubted = learns(report).iter().any(|learnt| learnt.contains("whose signatures do not hold"));
        assert_eq!(doubted, !holds);
    }
    assert!(words(&by_mallory).contains("(does not hold)"));
    for text in [words(&identity), said(&["--html", "-"], &identity), said(&["--json"], &identity)] {
        assert!(text.contains("Not checked: ring signatures"), "{text}");
    }
    let exchange = report(&Transcript::interactive().json());
    assert!(why(message(&exchange, "Auth-R message")).contains("which was not checked here"));
}

#[test]
fn a_key_of_version_3_is_claimed_and_not_shown() {
    let report = report(&Transcript::further().json());
    let claimed: Vec<&str> =
        learns(&report).into_iter().filter(|learnt| learnt.contains("a fingerprint of version 3")).collect();
    let [claimed] = claimed[..] else { panic!("{claimed:?}") };
    assert!(claimed.contains("claimed by bob; anybody can claim any"), "{claimed}");
    let said = explanation(message(&report, "Identity message"), "transitional signature");
    assert!(said.contains("It proves nothing"), "{said}");
}

#[test]
fn an_observer_sees_that_otr_is_used() {
    let observed = |input: &str| learns(&report(input)).join("\n");
    for (line, learnt) in [
        ("?OTRv34?", "that OTR is spoken, and offered, in versions 3, 4: line 1"),
        ("?OTRv45?", "offered, in versions 4 and unknown ones, \"5\": line 1"),
        ("?OTRv5?", "that OTR is spoken, and offered in unknown versions alone, \"5\": line 1"),
        ("?OTRv?", "that OTR is spoken, and offered in no version at all: line 1"),
        ("?OTR Error: Who are you?", "every word of what was not encrypted: line 1"),
        ("?OTR Error: Who are you?", "that OTR is spoken, and what went wrong: line 1"),
        ("?OTR,1,2,?OTR:AAI,", "that OTR is spoken, by pieces of messages"),
        ("?OTR:AAMKAAABAAAAAQEAAAAAAQI=.", "that version 3 of OTR is spoken: line 1"),
        ("AAQOAAABAAAAAAAAAAAA.", "that a prekey server is used: line 1"),
        ("Hello.", "nothing of OTR"),
    ] {
        let learns = observed(line);
        assert!(learns.contains(learnt), "{line}: {learns}");
        assert_eq!(learns.contains("nothing of OTR"), line == "Hello.");
    }
    assert!(observed(&Transcript::libotr(2).json()).contains("that version 2 of OTR is spoken"));
    let tag = Transcript::further().0.remove(3).1;
    assert!(observed(&tag).contains("offered, in versions 3, 4: line 1"));
    // Somebody's words are no finding of ours.
    let query =
        [&[0, 4, 0x10, 0, 0, 1, 0, 0, 0, 0, 26][..], b"of the fingerprint ABCDEFG", &[0, 0, 0, 1, b'4']]
            .concat();
    let learns = observed(&otrv4::prekey_server::encode_text(&query));
    assert!(
        !learns.contains("a fingerprint") && learns.contains("\"of the fingerprint ABCDEFG\""),
        "{learns}"
    );
}

#[test]
fn what_was_not_taken_apart_is_not_judged() {
    for message in [&[0, 1, 3, 1, 2][..], &[0, 5, 3, 1, 2]] {
        let report = report(&armour(message));
        let line = &lines(&report)[0];
        assert_eq!(main(line)["name"], "Message of another version");
        assert_eq!((&line["forgery"]["by"], &main(line)["error"]), (&"not-known".into(), &Value::Null));
        assert!(why(line).contains(&format!("of version {}", message[1])), "{}", why(line));
    }
    // A text form that is damaged, a type that is not known, and a profile that comes to nothing halfway.
    let halfway = [&[0, 4, 0x35, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 5, 0, 9][..], &[7; 200]].concat();
    for line in ["?OTR:AAQ".to_owned(), armour(&[0, 4, 0x99, 1]), armour(&halfway)] {
        assert_eq!(lines(&report(&line))[0]["forgery"]["by"], "not-known", "{line}");
    }
}

#[test]
fn what_is_whole_of_a_damaged_message_counts() {
    let exchange = Transcript::interactive().0;
    for (line, cut, by) in
        [(1, 4, "anybody"), (1, 300, "anybody"), (2, 4, "whoever-makes-up-the-exchange"), (2, 900, "anybody")]
    {
        let mut message = unarmour(&exchange[line].1).expect("a message");
        message.truncate(message.len() - cut);
        let report = report(&armour(&message));
        let line = &lines(&report)[0];
        assert_ne!(main(line)["error"], Value::Null);
        assert!(!why(line).contains("no client") && !why(line).contains("proves nothing."), "{}", why(line));
        assert!(why(line).contains("The signature of a profile in it holds"), "{}", why(line));
        assert_eq!(line["forgery"]["by"], by, "{}", why(line));
    }
}

#[test]
fn a_byte_too_many_among_revealed_keys_hides_none_of_them() {
    let whole = Transcript::libotr(3);
    let before = report(&whole.json());
    let revealing = lines(&before).iter().rposition(|line| {
        let messages =
            |reveal: &Value| reveal["messages"].as_array().is_some_and(|messages| !messages.is_empty());
        line["whole"].is_null()
            && line["reveals"].as_array().is_some_and(|reveals| reveals.iter().any(messages))
    });
    let place = revealing.expect("one");
    let mut changed = whole;
    let mut message = unarmour(&changed.0[place].1).expect("a message");
    let keys = lines(&before)[place]["reveals"].as_array().map_or(0, Vec::len);
    let length = message.len() - 20 * keys - 1;
    message[length] += 1;
    message.push(7);
    changed.0[place].1 = armour(&message);
    let after = report(&changed.json());
    assert_eq!(super::revealed(&after), super::revealed(&before));
    let (line, original) = (&lines(&after)[place], &lines(&before)[place]);
    assert_eq!(line["reveals"], original["reveals"]);
    assert_eq!(line["forgery"]["by"], original["forgery"]["by"]);
    assert!(why(line).contains("It does not follow its format"), "{}", why(line));
    assert!(inspect(&[], &changed.json()).status.success());
}
