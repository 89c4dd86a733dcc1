//! Transcripts as programs write them, ours among them.

use serde_json::{Value, json};

use super::recorded::Transcript;
use super::{lines, names, report, revealed};

#[test]
fn each_form_of_a_log_says_the_same() {
    let transcript = Transcript::interactive();
    let form = |write: fn(&str, &str) -> String| -> String {
        transcript.0.iter().map(|(sender, line)| write(sender, line)).collect()
    };
    let object =
        |(sender, line): &(String, String)| json!({"by": sender, "at": 1_800_000_000.5, "line": line});
    let objects: Vec<Value> = transcript.0.iter().map(object).collect();
    let pretty = |value: &Value| serde_json::to_string_pretty(value).expect("JSON");
    let expected = report(&transcript.json());
    // The first line is a query, which is one to clients at the start of a line alone.
    // Whether it has senders, and what follows their names in it.
    for (of, log) in [
        (Some(""), form(|sender, line| format!("{sender}: {line}\n"))),
        (Some(""), form(|sender, line| format!("<{sender}> {line}\n"))),
        (Some("[m]"), form(|sender, line| format!("<{sender}[m]> {line}\n"))),
        (Some(""), form(|sender, line| format!("12:00 <{sender}> {line}\n"))),
        (Some(""), form(|sender, line| format!("(12:00:05) {sender}: {line}\n"))),
        (Some(""), form(|sender, line| format!("2027-01-15T08:00:00.25+02:00 {sender} {line}\n"))),
        (None, form(|_, line| format!("2027-01-15T08:00:00Z {line}\n"))),
        (Some(""), form(|sender, line| format!("\"{sender}\" {line}\n"))),
        (Some(""), pretty(&json!(objects))),
        (Some(""), pretty(&json!({"messages": objects, "session_id": "0"}))),
        (Some(""), pretty(&json!({"lines": objects, "ensemble": null}))),
        (Some(""), objects.iter().map(pretty).collect()),
    ] {
        let report = report(&log);
        assert_eq!(names(&report)[1..], names(&expected)[1..]);
        assert_eq!(by_place(&report), revealed(&expected));
        let senders = lines(&report)[1..].iter().map(|line| line["sender"].as_str().map(str::to_owned));
        let expected = transcript.0[1..].iter().map(|(sender, _)| Some(format!("{sender}{}", of?)));
        assert_eq!(senders.collect::<Vec<_>>(), expected.collect::<Vec<_>>(), "{log}");
    }
}

/// The lines that reveal the keys of others, by their places: an object may take several lines of a file.
fn by_place(report: &Value) -> Vec<(u64, u64)> {
    let place = |number: u64| {
        (1..).zip(lines(report)).find(|(_, line)| line["number"] == number).map(|(place, _)| place)
    };
    revealed(report).into_iter().filter_map(|(line, by)| Some((place(line)?, place(by)?))).collect()
}
