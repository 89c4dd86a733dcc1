//! The vector files: each is as the schema says, our library agrees with all of them, and a reader in another language
//! does, too.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use serde_json::Value;

fn files() -> Vec<(String, Value)> {
    let folder = fs::read_dir("vectors").expect("a folder").map(|entry| entry.expect("an entry").path());
    let read = folder.map(|path| {
        let text = fs::read_to_string(&path).expect("a file");
        (path.display().to_string(), serde_json::from_str(&text).expect("JSON"))
    });
    read.collect()
}

#[test]
fn every_file_is_as_the_schema_says() {
    let schema = serde_json::from_str(&fs::read_to_string("schema.json").expect("a file")).expect("JSON");
    let schema = jsonschema::draft202012::new(&schema).expect("a schema");
    let files = files();
    assert!(files.len() >= 26);
    for (name, file) in &files {
        let errors: Vec<_> = schema.iter_errors(file).map(|error| error.to_string()).collect();
        assert!(errors.is_empty(), "{name}: {errors:?}");
        assert!(name.ends_with(&format!("/{}.json", file["layer"].as_str().expect("a layer"))), "{name}");
    }
    // It does refuse things.
    let (_, mut file) =
        files.into_iter().find(|(name, _)| name.ends_with("/kdf.json")).expect("the file is there");
    file["vectors"][0]["inputs"]["usage"] = "0".into();
    assert!(!schema.is_valid(&file));
}

#[test]
fn no_name_is_given_twice_and_the_readme_explains_every_kind() {
    let (mut names, mut kinds) = (BTreeSet::new(), BTreeSet::new());
    for (_, file) in files() {
        for vector in file["vectors"].as_array().expect("vectors") {
            let name = vector["name"].as_str().expect("a name").to_owned();
            assert!(names.insert(name.clone()), "{name} twice");
            kinds.insert(vector["kind"].as_str().expect("a kind").to_owned());
        }
    }
    let readme = fs::read_to_string("README.md").expect("a file");
    for kind in kinds {
        assert!(readme.contains(&format!("`{kind}`")), "{kind}");
    }
}

#[test]
fn our_library_agrees_with_every_vector() {
    let output = Command::new(env!("CARGO_BIN_EXE_conformance")).arg("vectors").output().expect("it runs");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}");
    assert!(said.contains(" good, 0 wrong"), "{said}");
}

#[test]
fn a_reader_in_another_language_agrees() {
    let mut python = Command::new("python3");
    let Ok(output) = python.arg("examples/read.py").arg("vectors").output() else {
        println!("skipped: there is no python3");
        return;
    };
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    for layer in ["kdf: 44 good", "ring-signatures: 32 good", "data-messages: 12 good"] {
        assert!(said.contains(layer), "{said}");
    }
}
