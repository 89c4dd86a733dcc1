//! The list of guards, `tests/guards/guards.toml`, is true to the code: each guard is where it is said to be, each test
//! exists, and every fault of `spec-notes/faults.md` has a guard. That the tests notice is tried by `tests/guards/run`.
//! The tests that `docs/deniability.md` names exist, too.

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
        let function = path.rsplit("::").next().unwrap();
        let is_module =
            files(package, target).iter().any(|file| file.file_stem().is_some_and(|stem| stem == function));
        assert!(is_module || exists(package, target, function), "{command}");
        checked += 1;
    }
    assert!(checked > 20, "{checked} commands");
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
