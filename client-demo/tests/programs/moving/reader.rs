//! libotr itself reads what we export, and we read what it makes of it. Skipped where it is not installed.

use std::path::Path;
use std::process::Command;

use super::{export, fingerprint, groups, import, key, pidgins};
use crate::libotr::peer::compiled;
use crate::process::run;

#[test]
fn libotr_reads_what_is_exported_and_its_additions_are_read_here() {
    let Some(reader) = compiled("libotr-reader", &["reader.c"]) else { return };
    let (world, old) = pidgins();
    let read = |folder: &Path, more: &[&str]| {
        let output = run(Command::new(&reader).arg(folder).args(more));
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let mut lines: Vec<String> =
            String::from_utf8(output.stdout).expect("UTF-8").lines().map(str::to_owned).collect();
        lines.sort_unstable();
        lines
    };
    world.done("alice", &import(&old, &[]));
    let bob = fingerprint("B");
    world.done("alice", &["verify", "bob@example.org", "--by-hand", "--fingerprint", &bob]);
    world.done("alice", &["verify", "zoë", "--by-hand", "--fingerprint", &"ab".repeat(20)]);
    let tag = world.done("alice", &["status"]);
    let tag = tag.lines().find_map(|line| line.strip_prefix("client ")).expect("a tag").trim().to_owned();

    // Names that libgcrypt prints bare, quoted, with backslashes, and in hex digits.
    for (n, name) in
        ["lab", "alice@example.org", "1", "it's \"me\"\\", "zoë", "édith", "Àlice"].iter().enumerate()
    {
        let new = world.path(&format!("new{n}"));
        world.done("alice", &export(&new, &["--account", name, "--protocol", "IRC", "--instance-tag"]));
        assert_eq!(
            read(&new, &[]),
            [
                format!("key {name}|IRC|{}|right", key("A")),
                format!("known bob@example.org|{name}|IRC|{}|verified", key("B")),
                format!("known zoë|{name}|IRC|{}|verified", groups(&"ab".repeat(20))),
                format!("tag {name}|IRC|{tag}"),
            ]
        );
    }

    let new = world.path("new0");
    let added = read(&new, &["zoë's 2nd", "xmpp"]);
    let keys: Vec<&String> = added.iter().filter(|line| line.starts_with("key ")).collect();
    let [ours, theirs] = keys.as_slice() else { panic!("two keys in {added:?}") };
    assert!(ours.contains(&key("A")), "{added:?}");
    let again = world.done("alice", &import(&new, &["--account", "lab"]));
    assert!(again.contains("the same as before") && again.contains("2 known before"), "{again}");
    world.init("bob");
    let said = world.done("bob", &import(&new, &["--account", "zoë's 2nd"]));
    assert!(said.contains(theirs.split('|').nth(2).expect("a fingerprint")), "{said}");
}
