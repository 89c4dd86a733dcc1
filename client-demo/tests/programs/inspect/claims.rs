//! What it says about lines, where it is easy to say too much.

use serde_json::Value;

use super::recorded::Transcript;
use super::{lines, main, report, said};

/// The first message of this name.
fn message<'a>(report: &'a Value, name: &str) -> &'a Value {
    let line = lines(report).iter().find(|line| main(line)["name"] == name);
    line.expect("it is there")
}

fn why(line: &Value) -> &str {
    line.pointer("/forgery/why").and_then(Value::as_str).expect("a text")
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
    assert!(page.contains("No signature was checked"));
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
