//! What others have written has no power over the terminal of whoever forges.

use super::Stage;

/// The strings of `inspect`'s test, and what JSON itself lets through.
const HARM: &str = "\u{7f}\u{9b}1m\u{202e}\u{e0041}<script>";

fn has_power(text: &str) -> bool {
    text.chars().any(|c| (c.is_control() && c != '\n') || "\u{202e}\u{e0041}".contains(c))
}

#[test]
fn json_and_errors_are_harmless() {
    let stage = Stage::new();
    stage.record(&[]);
    let said = stage.done(&["forge", "parse", HARM, "--json"]);
    assert!(said.contains("<script>") && !has_power(&said), "{said:?}");
    let parsed: serde_json::Value = serde_json::from_str(&said).expect("JSON");
    assert_eq!(parsed["fields"][0]["value"], HARM);
    let pair = ["--home", "alice", "--with", HARM, "--profile", "@recording"];
    let said = stage.done(&[&["forge", "dake", "--json"], &pair[..]].concat());
    assert!(said.contains("<script>") && !has_power(&said), "{said:?}");
    let script = format!("[{{\"{HARM}\": 1}}]");
    let refused = stage.refused(&[&["forge", "transcript", &script], &pair[..]].concat());
    assert!(refused.contains("the script is not as it should be") && !has_power(&refused), "{refused:?}");
    // Who poses speaks to whoever has such a name.
    stage.done(&["init", "--home", "odd", "--account", HARM, "--forging-key", "keep"]);
    let arguments = ["--home", "odd", "--pose-as", "bob@example.org", "--profile", "@recording", "--json"];
    let input = "?OTR Error: \u{9b}1m\u{202e}\n";
    let said = stage.given(input, &[&["forge", "impersonate"], &arguments[..]].concat());
    assert!(said.lines().count() > 1 && !has_power(&said), "{said:?}");
}
