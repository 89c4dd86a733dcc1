//! The patches of `broken/` still fit the code: otherwise the broken builds that the cases must catch cannot be made.
//! `broken/run` makes them.

use std::path::Path;
use std::process::Command;

#[test]
fn every_patch_still_applies() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let root = folder.parent().expect("the workspace");
    let patches = std::fs::read_dir(folder.join("broken"))
        .expect("a folder")
        .map(|entry| entry.expect("an entry").path());
    let patches: Vec<_> = patches.filter(|path| path.extension().is_some_and(|end| end == "patch")).collect();
    assert!(patches.len() >= 31, "{patches:?}");
    for patch in patches {
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
