//! The floors of the library: imports go down only. Tests only.

use std::fs;
use std::path::{Path, PathBuf};

/// From the ground up; modules on one floor may use each other.
const FLOORS: [&[&str]; 8] = [
    &["time", "wire"],
    &["crypto"],
    &["reject"],
    &["keys", "client_profile", "prekey_profile", "prekey"],
    &["ratchet", "dake", "smp", "prekey_server"],
    &["channel", "v3", "v4"],
    &["account", "refused", "session"],
    &["forge", "libotr"],
];

/// Re-exports of the crate root, which name no module.
const ROOT: [(&str, &str); 4] =
    [("Timestamp", "time"), ("Reject", "reject"), ("Refused", "refused"), ("LoadError", "refused")];

fn floor_of(module: &str) -> Option<usize> {
    FLOORS.iter().position(|floor| floor.contains(&module))
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            sources(&path, found);
        } else {
            found.push(path);
        }
    }
}

#[test]
fn imports_go_down_only() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&root, &mut files);
    let mut checked = 0;
    for file in files {
        let name = file.strip_prefix(&root).expect("below src").to_string_lossy().into_owned();
        let module = name.split(['/', '.']).next().expect("a name");
        let Some(floor) = floor_of(module) else { continue };
        let text = fs::read_to_string(&file).expect("a source file");
        let code = text.split("#[cfg(test)]\nmod tests").next().expect("code");
        for import in code.lines().filter_map(|line| line.trim().strip_prefix("use crate::")) {
            for used in import.trim_start_matches('{').split(", ") {
                let first = used.split([':', ';', '}']).next().expect("a path").trim();
                let root_item = ROOT.iter().find(|(item, _)| *item == first).map(|(_, module)| *module);
                if let Some(below) = floor_of(root_item.unwrap_or(first)) {
                    assert!(below <= floor, "{name} uses {first}, which is on a higher floor");
                    checked += 1;
                }
                if !import.starts_with('{') {
                    break;
                }
            }
        }
    }
    assert!(checked > 50, "the imports were found");
}
