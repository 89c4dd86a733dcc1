//! Lines of somebody who wants to harm whoever inspects them.

use proptest::prelude::*;
use serde_json::Value;

use super::recorded::Transcript;
use super::{inspect, lines, main, report, said};

/// Text that is dangerous on a terminal or in a browser.
const HARM: &str = "</title></style><script>alert(1)</script><img src=x onerror='alert(2)'>\"\x1b[2J\u{9b}1m\u{7f}\u{202e}\u{e0041}&lt;";

#[test]
fn no_line_gets_power_over_terminal_or_browser() {
    let json = serde_json::json!({"sender": HARM, "line": HARM}).to_string();
    let error = format!("?OTR Error: {HARM}");
    let fragment = format!("?OTR|1|100|200,1,2,{HARM},");
    let query = serde_json::json!({"sender": HARM, "line": format!("?OTRv4? {HARM}")}).to_string();
    let input = [HARM, &json, &error, &fragment, &query, &format!("<{HARM}> {HARM}")].join("\n");
    let page = said(&["--html", "-"], &input);
    for tag in ["<script", "<img", "</title></style>", "&lt;script&gt;alert(1)"] {
        assert_eq!(page.contains(tag), tag.starts_with("&lt;"), "{tag}");
    }
    for text in [page, said(&[], &input), said(&["--json"], &input)] {
        let has_power = |c: char| (c.is_control() && c != '\n') || "\u{202e}\u{e0041}".contains(c);
        assert!(!text.chars().any(has_power));
    }
    assert_eq!(lines(&report(&input))[1]["sender"], HARM);
}

#[test]
fn a_page_loads_nothing_and_runs_nothing() {
    let page = said(&["--html", "-"], &Transcript::interactive().json());
    assert!(page.contains("default-src 'none'; style-src 'unsafe-inline'"));
    for loads in ["http:", "https:", "src=", "url(", "@import", "<link", "<script", "onclick"] {
        assert!(!page.contains(loads), "{loads}");
    }
    // Links lead to places in it.
    for link in page.split("href=\"").skip(1).filter_map(|rest| rest.split('"').next()) {
        let place = link.strip_prefix('#').expect("a place in the page");
        assert!(page.contains(&format!("id=\"{place}\"")), "{place}");
    }
}

#[test]
fn a_file_of_very_many_lines_is_refused_and_lists_are_short() {
    let output = inspect(&[], &"a\n".repeat(20_001));
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && output.stdout.is_empty());
    assert!(stderr.contains("more than 20000 lines"), "{stderr}");
    let text = said(&[], &"a\n".repeat(25)).split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(text.contains(" 19, 20 and 5 more"), "{text}");
}

#[cfg(target_os = "linux")]
#[test]
fn a_file_of_very_many_values_takes_no_more_memory_than_one_of_lines() {
    use std::{ffi::OsStr, process::Command};

    let filled = |first: &str, value: &str, last: &str| {
        let count = ((16 << 20) - first.len() - last.len() - 1) / (value.len() + 1);
        format!("{first}{}{value}{last}\n", format!("{value},").repeat(count - 1))
    };
    let lists = [
        (filled("[{\"line\":\"\"},", "1", "]"), Some("more than 20000 lines")),
        (filled("{\"lines\":[{\"line\":\"\"},", "1", "]}"), Some("more than 20000 lines")),
        (filled("[{\"line\":\"a\",\"more\":[", "{\"a\":1}", "]}]"), None),
        (filled("{\"line\":\"a\",\"sender\":[", "{\"a\":1}", "]}"), None),
        (filled("text\n{\"line\":\"a\",\"at\":[", "{\"a\":1}", "]}"), None),
    ];
    for (input, refused) in lists {
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), &input).expect("written");
        let inspect = crate::process::client([OsStr::new("inspect"), file.path().as_os_str()]);
        let mut limited = Command::new("sh");
        limited.args(["-c", "ulimit -v 300000 && exec \"$0\" \"$@\""]);
        let output = limited.arg(inspect.get_program()).args(inspect.get_args()).output().expect("it ends");
        let stderr = String::from_utf8_lossy(&output.stderr);
        let begins = input.get(..40).expect("long");
        assert_eq!(output.status.success(), refused.is_none(), "{begins}: {stderr}");
        assert!(stderr.contains(refused.unwrap_or_default()), "{begins}: {stderr}");
    }
}

#[test]
fn a_file_of_very_many_keys_is_refused() {
    let transcript = Transcript::interactive().json();
    let report = report(&transcript);
    let keys = |line: &&Value| line["reveals"].as_array().map_or(0, Vec::len);
    let most = lines(&report).iter().max_by_key(keys).expect("lines");
    let copies = 20_000 / keys(&most) + 1;
    assert!(copies < 20_000);
    let line = most["line"].as_str().expect("a line");
    let output = inspect(&[], &format!("{line}\n").repeat(copies));
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && output.stdout.is_empty());
    assert!(stderr.contains("more than 20000 revealed MAC keys"), "{stderr}");
}

#[test]
fn keys_of_messages_that_are_not_there_are_refused_for_what_they_are() {
    let line = |number: u32| {
        let key: Vec<u8> = number.to_be_bytes().repeat(5);
        let (sender, receiver) = ([0, 0, 1, 0], [0, 0, 2, 0]);
        let head = [&[0, 3, 3][..], &sender, &receiver, &[0, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 5]].concat();
        let rest = [&[0; 7][..], &[1, 0, 0, 4, 0], &[7; 1024], &[7; 20], &[0, 0, 0, 20], &key].concat();
        otrv4::wire::armour(&[head, rest].concat())
    };
    let all: Vec<String> = (1..3_500).map(line).collect();
    let output = inspect(&[], &all.join("\n"));
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && output.stdout.is_empty());
    assert!(stderr.contains("MAC keys of messages that are not among them"), "{stderr}");
}

#[test]
fn what_others_have_written_cannot_pass_for_what_the_report_says() {
    // Words that nothing of ours has.
    let words = ["Mallory", "wholeheartedly", "vouches", "throughout"];
    let claim = words.join(" ").repeat(5);
    let (sender, text) = (format!("alice: Text\n    2  {claim}"), format!("\" (holds) {claim}"));
    let spoken = serde_json::json!({"sender": sender, "line": text}).to_string();
    let data = serde_json::json!({"sender": sender, "line": Transcript::interactive().0[4].1}).to_string();
    let length = [0, 0, 0, u8::try_from(claim.len()).expect("short")];
    let query = [&[0, 4, 0x10, 0, 0, 1, 0][..], &length, claim.as_bytes(), &[0, 0, 0, 1, b'4']].concat();
    let query = otrv4::prekey_server::encode_text(&query);
    let offers = ["?OTRvMallory,wholeheartedly,vouches,throughout?", "?OTRv4:lineMallory?", "?OTRv4vouches?"];
    let offers = format!("{}\n?OTRv{}?", offers.join("\n"), words.concat().repeat(90));
    let report = said(&[], &format!("{spoken}\n{data}\n{query}\n{offers}"));
    assert!(report.lines().all(|line| line.len() < 200), "{report}");
    let theirs = |text: &str| words.iter().any(|word| text.contains(word));
    let mut bars = 0;
    for line in report.lines().filter(|line| theirs(line)) {
        let has_bar = line.trim_start().starts_with("| ");
        let is_quoted = line.split_once('"').is_some_and(|(ours, _)| !theirs(ours));
        assert!(has_bar || is_quoted, "{line}");
        bars += usize::from(has_bar);
    }
    assert!(bars > 10, "{report}");
    assert!(report.contains("text, text: \"\\\" (holds) Mallory"), "{report}");
}

#[test]
fn a_file_of_very_many_fields_is_refused() {
    // Ensembles whose Client Profiles have the shortest fields, and no key that a signature would have to be checked with.
    let numbered = |kind: u8, rest: &[u8]| [&[0, kind], rest].concat();
    let fields =
        [numbered(1, &[0, 0, 1, 0]), numbered(4, &[0; 4]), numbered(5, &[0; 8]), numbered(6, &[0; 18])];
    let client = [&[0, 0, 0, 4][..], &fields.concat(), &[7; 114]].concat();
    let prekey = [&[0, 4, 15, 0, 0, 0, 1, 0, 0, 1, 0][..], &[7; 57], &[0; 4]].concat();
    let ensemble = [&client[..], &[7; 185], &prekey].concat();
    let answer = [&[0, 4, 0x13, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0xf4][..], &ensemble.repeat(500)].concat();
    let line = otrv4::prekey_server::encode_text(&answer);
    let shown = main(&lines(&report(&line))[0])["fields"].as_array().map_or(0, Vec::len);
    assert!(shown > 10_000, "{shown}");
    let output = inspect(&["--json"], &format!("{line}\n").repeat(400_000 / shown + 1));
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && output.stdout.is_empty());
    assert!(stderr.contains("more than 400000 fields"), "{stderr}");
}

#[test]
fn the_messages_of_a_key_are_listed_once_however_often_it_is_revealed() {
    let mut transcript = Transcript::libotr(3);
    let reveals = |report: &Value| -> Vec<(usize, usize)> {
        let reveals = lines(report).iter().flat_map(|line| line["reveals"].as_array().expect("a list"));
        let count = |reveal: &Value| reveal["messages"].as_array().map_or(0, Vec::len);
        let pair = |reveal: &Value| (count(reveal), usize::from(!reveal["before"].is_null()));
        reveals.map(pair).collect()
    };
    let sum = |report: &Value| -> (usize, usize) {
        reveals(report).iter().fold((0, 0), |(a, b), (c, d)| (a + c, b + d))
    };
    let before = report(&transcript.json());
    let is_revealing =
        |line: &&Value| line["whole"].is_null() && line["reveals"].as_array().is_some_and(|r| !r.is_empty());
    let again = lines(&before).iter().find(is_revealing).expect("a line with keys");
    let line = again["line"].as_str().expect("a line").to_owned();
    transcript.0.extend([("bob".to_owned(), line.clone()), ("bob".to_owned(), line)]);
    let after = report(&transcript.json());
    let repeated = 2 * again["reveals"].as_array().map_or(0, Vec::len);
    let (listed, repeats) = sum(&before);
    assert_eq!(sum(&after).1, repeats + repeated);
    // The two copies of that message may have a key themselves.
    assert!(sum(&after).0 <= listed + 2);
    let text = said(&[], &transcript.json()).split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(text.contains(&format!("repeats MAC keys of line {}", again["number"])));
}

/// Whatever was said, it ends well, and the JSON holds a line for each line.
fn survives(input: &str) {
    let expected =
        input.split('\n').filter(|line| !line.trim_start_matches('\u{feff}').trim().is_empty()).count();
    for arguments in [&["--json"][..], &["--html", "-"], &[]] {
        let output = inspect(arguments, input);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.success(), expected > 0, "{input:?}: {stderr}");
        assert!(!stderr.contains("panicked"), "{input:?}: {stderr}");
        if arguments == ["--json"] && expected > 0 {
            let report: Value = serde_json::from_slice(&output.stdout).expect("JSON");
            assert_eq!(lines(&report).len(), expected);
        }
    }
}

/// A line of a conversation in which bytes are changed, that is cut, or that is none.
fn hostile_line() -> impl Strategy<Value = String> {
    let recorded: Vec<String> = [Transcript::interactive(), Transcript::offline(), Transcript::libotr(3)]
        .into_iter()
        .chain([Transcript::libotr(2), Transcript::prekey_server()])
        .flat_map(|transcript| transcript.0)
        .map(|(_, line)| line.replace('\n', " "))
        .collect();
    let recorded = prop::sample::select(recorded);
    prop_oneof![
        "\\PC{0,80}",
        "(<[ab]> )?\\?OTR[:|,P v?]\\PC{0,60}",
        (recorded, any::<prop::sample::Index>(), "\\PC{0,3}").prop_map(|(line, at, put)| {
            let at = at.index(line.len() + 1);
            let (before, after) = (line.get(..at).unwrap_or(&line), line.get(at + put.len()..).unwrap_or(""));
            format!("{before}{put}{after}")
        }),
        r#"\{"(sender|at|line)": ?("\PC{0,9}"|[0-9]{1,20}|null)\}"#,
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn any_lines_are_inspected_without_a_panic(input in prop::collection::vec(hostile_line(), 1..12)) {
        survives(&input.join("\n"));
    }
}
