//! The table of tests in `otrv4/src/forge/tests.rs` is true: it has every operation of the table in `otrv4/src/forge/mod.rs`, each with a
//! test that takes a forgery and one that refuses, and the tests exist.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// The cells of the rows of a table in the doc comment at the start of a file, without its head.
fn rows(code: &str) -> Vec<Vec<&str>> {
    let rows = code.lines().filter_map(|line| line.strip_prefix("//! | ")?.strip_suffix(" |"));
    rows.skip(1).map(|row| row.split(" | ").map(str::trim).collect()).collect()
}

/// The names of the functions of a file, or of all below a folder.
fn functions(path: &Path) -> BTreeSet<String> {
    if path.is_dir() {
        let entries = fs::read_dir(path).expect("a folder").map(|entry| entry.expect("an entry").path());
        return entries.flat_map(|entry| functions(&entry)).collect();
    }
    let code = fs::read_to_string(path).expect("a file");
    let names = code.lines().filter_map(|line| line.trim_start().strip_prefix("fn ")?.split('(').next());
    names.map(ToOwned::to_owned).collect()
}

#[test]
fn every_operation_has_a_test_that_takes_its_forgery_and_one_that_refuses() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace");
    let read = |path: &str| fs::read_to_string(root.join(path)).expect("a file");
    let places = [
        "otrv4/src/forge/tests.rs",
        "otrv4/src/forge/tests",
        "otrv4/src/dake/tests.rs",
        "otrv4/src/v3/tests/ake.rs",
        "tests/tests/forge",
    ];
    let functions: BTreeSet<String> = places.iter().flat_map(|place| functions(&root.join(place))).collect();
    let table = read("otrv4/src/forge/tests.rs");
    let mut tested = BTreeSet::new();
    for row in rows(&table) {
        let [operation, accepted, refused] = row[..] else { panic!("{row:?}") };
        tested.insert(operation.split(',').next().expect("a name"));
        for tests in [accepted, refused] {
            for name in tests.split(", ").map(|name| name.trim_matches('`')) {
                assert!(functions.contains(name), "{operation}: no test {name}");
            }
        }
    }
    let module = read("otrv4/src/forge/mod.rs");
    let operations: BTreeSet<&str> = rows(&module).into_iter().map(|row| row[0]).collect();
    assert!(operations.len() > 8);
    assert_eq!(tested, operations);
}
