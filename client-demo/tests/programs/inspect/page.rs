//! The page as a file.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use super::recorded::Transcript;
use super::{inspect, said};

#[test]
fn a_page_is_its_owners_alone_and_takes_the_place_of_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let (source, page) = (folder.path().join("talk.jsonl"), folder.path().join("talk.html"));
    let [source_name, page_name] = [&source, &page].map(|path| path.to_str().expect("UTF-8"));
    let transcript = Transcript::interactive().json();
    fs::write(&source, &transcript).expect("written");
    assert_eq!(said(&[source_name, "--html", page_name], ""), "");
    assert_eq!(fs::metadata(&page).expect("it is there").permissions().mode() & 0o777, 0o600);
    let written = fs::read_to_string(&page).expect("a page");
    assert_eq!(written, said(&["--html", "-"], &transcript));
    for (place, content) in [(source_name, transcript), (page_name, written)] {
        let output = inspect(&[source_name, "--html", place], "");
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(
            !output.status.success() && stderr.contains("exists: remove it, or choose another name"),
            "{stderr}"
        );
        assert_eq!(fs::read_to_string(place).expect("as it was"), content);
    }
    let output = inspect(&[source_name, "--html", "/nowhere/at/all.html"], "");
    assert!(String::from_utf8_lossy(&output.stderr).contains("cannot write /nowhere/at/all.html"));
}
