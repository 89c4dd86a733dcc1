//! The list of guards, `tests/guards/guards.toml`, is true to the code: each guard is where it is said to be, each test
//! exists, and every fault of `spec-notes/faults.md` has a guard. That the tests notice is tried by `tests/guards/run`.
//! The tests that `docs/deniability.md` names exist, too, and so does what it links to; and the table of tests in
//! `otrv4/src/forge/tests.rs` has every operation of the forging tools.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;

#[derive(Deserialize)]
struct Guards {
    guard: Vec<Guard>,
}

#[derive(Deserialize)]
struct Guard {
    name: String,
    fault: String,
    file: String,
    take: String,
    put: String,
    test: [String; 3],
}

#[test]
fn every_guard_is_where_the_list_says() {
    for guard in guards() {
        let code = read(&guard.file);
        assert_eq!(code.matches(&guard.take).count(), 1, "{} in {}", guard.name, guard.file);
        assert_ne!(guard.take, guard.put, "{}", guard.name);
    }
}

#[test]
fn every_test_of_the_list_exists() {
    for Guard { name, test: [package, target, function], .. } in guards() {
        assert!(exists(&package, &target, &function), "{name}: {function} in {package}, {target}");
    }
}

#[test]
fn every_test_of_the_page_on_deniability_exists() {
    let page = read("docs/deniability.md");
    let commands = page.lines().filter_map(|line| line.strip_prefix("    cargo test -p "));
    let mut checked = 0;
    for command in commands {
        let words: Vec<_> = command.split_whitespace().collect();
        let (package, target, path) = match words[..] {
            [package, "--lib", path] => (package, "lib", path),
            [package, "--test", target, path] => (package, target, path),
            [package, "--test", target] => {
                assert!(files(package, target).iter().all(|file| file.exists()), "{command}");
                continue;
            }
            _ => panic!("{command}"),
        };
        let below = format!("{path}::");
        let named = |test: &String| test == path || test.starts_with(&below);
        assert!(tests(package, target).iter().any(named), "{command}");
        checked += 1;
    }
    assert!(checked > 20, "{checked} commands");
}

#[test]
fn every_link_of_the_page_on_deniability_leads_somewhere() {
    let page = read("docs/deniability.md");
    let targets = page.split("](").skip(1).map(|rest| rest.split(')').next().unwrap());
    let mut checked = 0;
    for target in targets.filter(|target| !target.starts_with("https://")) {
        let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
        let file = if file.is_empty() { "deniability.md" } else { file };
        let linked = read(&format!("docs/{file}"));
        let headings = linked.lines().filter(|line| line.starts_with('#')).map(anchor_of);
        assert!(anchor.is_empty() || headings.into_iter().any(|heading| heading == anchor), "{target}");
        checked += 1;
    }
    assert!(checked > 5, "{checked} links");
}

/// The anchor that a heading gets.
fn anchor_of(heading: &str) -> String {
    let words = heading.trim_start_matches('#').trim().to_lowercase().replace(' ', "-");
    words.chars().filter(|c| c.is_alphanumeric() || *c == '-').collect()
}

/// For each a test in which honest code takes the forgery, and one that refuses.
#[test]
fn every_operation_of_the_forging_tools_has_its_tests_in_the_table() {
    let tests: BTreeSet<String> =
        [tests("otrv4", "lib"), tests("otrv4-tests", "forge")].into_iter().flatten().collect();
    let mut tested = Vec::new();
    let table = read("otrv4/src/forge/tests.rs");
    for row in rows(&table) {
        let [operation, accepted, refused] = row[..] else { panic!("{row:?}") };
        tested.push(operation);
        for name in [accepted, refused].iter().flat_map(|tests| tests.split(", ")) {
            assert!(tests.contains(name.trim_matches('`')), "{operation}: no test {name}");
        }
    }
    assert_eq!(tested, OPERATIONS);
    let module = read("otrv4/src/forge/mod.rs");
    let named: BTreeSet<&str> = rows(&module).into_iter().map(|row| row[0]).collect();
    assert_eq!(named, tested.iter().map(|row| row.split(',').next().unwrap()).collect());
}

/// The rows of the table of tests.
const OPERATIONS: [&str; 20] = [
    "Parse",
    "Modify Data Message, version 4",
    "Modify Data Message, version 3",
    "Read and Forge Data Message, version 4",
    "Read and Forge Data Message, version 3",
    "Forge DAKE and Session Keys, interactive",
    "Forge DAKE and Session Keys, offline",
    "Forge DAKE and Session Keys, version 3",
    "Show MAC Key, version 4",
    "Show MAC Key, version 3",
    "ReMAC Message, version 4",
    "ReMAC Message, version 3",
    "Impersonate Initiator or Responder",
    "False Prekey Ensemble",
    "Forge Entire Transcript, interactive",
    "Forge Entire Transcript, offline",
    "MAC keys that a message reveals, version 4",
    "MAC keys that a message reveals, version 3",
    "What anybody can check of a key exchange",
    "Messages of the MAC keys that a transcript reveals",
];

/// The cells of the rows of a table in the doc comment at the start of a file, without its head.
fn rows(code: &str) -> Vec<Vec<&str>> {
    let rows = code.lines().filter_map(|line| line.strip_prefix("//! | ")?.strip_suffix(" |"));
    rows.skip(1).map(|row| row.split(" | ").map(str::trim).collect()).collect()
}

#[test]
fn every_fault_has_a_guard_and_its_row_names_the_test() {
    let page = read("spec-notes/faults.md");
    let rows: Vec<&str> =
        page.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| fault")).collect();
    let mut guarded = BTreeSet::new();
    for Guard { name, fault, test: [_, _, function], .. } in guards() {
        let of_fault: Vec<_> = rows.iter().filter(|row| row[2..].starts_with(&fault)).collect();
        let [row] = of_fault[..] else { panic!("{name}: {} rows begin with {fault:?}", of_fault.len()) };
        assert!(row.contains(&function), "the row {fault:?} does not name {function}");
        guarded.insert(*row);
    }
    let unguarded: Vec<_> = rows.iter().filter(|row| !guarded.contains(*row)).collect();
    assert!(unguarded.is_empty(), "{unguarded:#?}");
}

fn exists(package: &str, target: &str, function: &str) -> bool {
    let signature = format!("#[test]\nfn {function}()");
    let unindented = |file: &PathBuf| fs::read_to_string(file).unwrap().replace("\n    ", "\n");
    files(package, target).iter().any(|file| unindented(file).contains(&signature))
}

/// The tests of a target, as `cargo test` names them.
fn tests(package: &str, target: &str) -> BTreeSet<String> {
    let folder =
        root().join(if target == "lib" { format!("{package}/src") } else { format!("tests/tests/{target}") });
    files(package, target).iter().flat_map(|file| tests_of(file, &folder)).collect()
}

fn tests_of(file: &Path, folder: &Path) -> Vec<String> {
    let of_target = file.strip_prefix(folder).unwrap_or(Path::new("main.rs")).with_extension("");
    let modules = of_target.iter().map(|part| part.to_str().unwrap());
    let modules: Vec<_> = modules.filter(|part| !["main", "mod", "lib"].contains(part)).collect();
    let code = fs::read_to_string(file).unwrap();
    let (mut inner, mut found, mut lines) = (None, Vec::new(), code.lines());
    while let Some(line) = lines.next() {
        match line {
            "}" => inner = None,
            _ if line.starts_with("mod ") && line.ends_with(" {") => inner = line.split(' ').nth(1),
            _ if line.trim() == "#[test]" => {
                let next = lines.next().unwrap_or_default().trim().strip_prefix("fn ");
                let name = next.and_then(|next| next.split('(').next());
                let path = modules.iter().copied().chain(inner).chain(name);
                found.push(path.collect::<Vec<_>>().join("::"));
            }
            _ => {}
        }
    }
    found
}

/// The files that a test target is made of.
fn files(package: &str, target: &str) -> Vec<PathBuf> {
    let folder = match (package, target) {
        ("otrv4-tests", target) => format!("tests/tests/{target}"),
        (package, "lib") => format!("{package}/src"),
        (package, target) => format!("{package}/tests/{target}"),
    };
    match root().join(&folder).is_dir() {
        true => files_under(&root().join(&folder)),
        false => vec![root().join(format!("{folder}.rs"))],
    }
}

fn guards() -> Vec<Guard> {
    let list: Guards = toml::from_str(&read("tests/guards/guards.toml")).expect("the list of guards");
    assert!(!list.guard.is_empty());
    list.guard
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn files_under(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files_under(&path) } else { vec![path] }).collect()
}
