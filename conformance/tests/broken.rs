//! The patches of `broken/` still fit the code, and name the cases that catch them: otherwise `broken/run` cannot make the
//! broken builds and see that they are caught.

use std::path::{Path, PathBuf};
use std::process::Command;

#[test]
fn every_patch_still_applies() {
    let root = folder().parent().expect("the workspace");
    for patch in patches() {
        // Outside of a repository, too: the files are looked at, and no history.
        let Ok(output) =
            Command::new("git").arg("apply").arg("--check").arg(&patch).current_dir(root).output()
        else {
            println!("skipped: there is no git");
            return;
        };
        assert!(output.status.success(), "{}: {}", patch.display(), String::from_utf8_lossy(&output.stderr));
    }
}

#[test]
fn every_patch_names_a_case_and_stands_in_the_readme() {
    let listed = Command::new(env!("CARGO_BIN_EXE_conformance")).args(["check", "--list"]).output();
    let listed = String::from_utf8(listed.expect("the runner runs").stdout).expect("UTF-8");
    let cases: Vec<_> = listed.lines().filter_map(|line| line.split(' ').next()).collect();
    let readme = std::fs::read_to_string(folder().join("README.md")).expect("a file");
    for patch in patches() {
        let text = std::fs::read_to_string(&patch).expect("a file");
        let head = text.lines().take_while(|line| !line.starts_with("---"));
        let case = head.filter_map(|line| line.strip_prefix("Caught by: ")).next();
        let case = case.unwrap_or_else(|| panic!("{}: no `Caught by: `", patch.display()));
        assert!(cases.contains(&case), "{}: no case {case}", patch.display());
        let name = patch.file_stem().expect("a name").display().to_string();
        let row = readme.lines().find(|line| line.starts_with(&format!("| `{name}` |")));
        assert!(
            row.is_some_and(|row| row.ends_with(&format!("| `{case}` |"))),
            "{name} in README.md: {row:?}"
        );
    }
}

fn patches() -> Vec<PathBuf> {
    let files = std::fs::read_dir(folder().join("broken")).expect("a folder");
    let files = files.map(|entry| entry.expect("an entry").path());
    let patches: Vec<_> = files.filter(|path| path.extension().is_some_and(|end| end == "patch")).collect();
    assert!(patches.len() >= 40, "{patches:?}");
    patches
}

fn folder() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
