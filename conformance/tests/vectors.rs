//! The vector files: each is as the schema says, our library agrees with all of them, and a reader in another language
//! does, too.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use serde_json::{Value, json};

fn files() -> Vec<(String, Value)> {
    let folder = fs::read_dir("vectors").expect("a folder").map(|entry| entry.expect("an entry").path());
    let read = folder.map(|path| {
        let text = fs::read_to_string(&path).expect("a file");
        (path.display().to_string(), serde_json::from_str(&text).expect("JSON"))
    });
    read.collect()
}

fn schema() -> jsonschema::Validator {
    let schema = serde_json::from_str(&fs::read_to_string("schema.json").expect("a file")).expect("JSON");
    jsonschema::draft202012::new(&schema).expect("a schema")
}

#[test]
fn every_file_is_as_the_schema_says() {
    let (schema, files) = (schema(), files());
    assert!(files.len() >= 26);
    for (name, file) in &files {
        let errors: Vec<_> = schema.iter_errors(file).map(|error| error.to_string()).collect();
        assert!(errors.is_empty(), "{name}: {errors:?}");
        assert!(name.ends_with(&format!("/{}.json", file["layer"].as_str().expect("a layer"))), "{name}");
    }
}

/// One vector of each form: those of a kind with the same verdict and members.
fn forms() -> Vec<(Value, Value)> {
    let mut seen = BTreeSet::new();
    let mut forms = Vec::new();
    for (_, mut file) in files() {
        let vectors = file["vectors"].take();
        for vector in vectors.as_array().expect("vectors") {
            let members =
                |part: &str| vector[part].as_object().expect("an object").keys().cloned().collect::<Vec<_>>();
            let (kind, verdict) = (vector["kind"].to_string(), vector["verdict"].to_string());
            if seen.insert((kind, verdict, members("inputs"), members("outputs"))) {
                forms.push((file.clone(), vector.clone()));
            }
        }
    }
    assert!(forms.len() > 66);
    forms
}

#[test]
fn a_damaged_vector_is_not_as_the_schema_says() {
    let schema = schema();
    for (file, vector) in forms() {
        let is_valid = |damage: &dyn Fn(&mut Value)| {
            let (mut file, mut vector) = (file.clone(), vector.clone());
            damage(&mut vector);
            file["vectors"] = json!([vector]);
            schema.is_valid(&file)
        };
        let name = &vector["name"];
        assert!(is_valid(&|_| ()), "{name}");
        for member in ["kind", "name", "section", "inputs", "outputs", "verdict", "note"] {
            assert!(!is_valid(&|v| without(v, member)), "{name} without {member}");
        }
        for (member, value) in [
            ("more", json!("")),
            ("kind", json!("hash")),
            ("name", json!("two words")),
            ("section", json!("Data Types")),
            ("verdict", json!("good")),
            ("note", json!(1)),
            ("confirmed_by", json!([])),
            ("confirmed_by", json!(["nobody"])),
            ("confirmed_by", json!(["library", "library"])),
        ] {
            assert!(!is_valid(&|v| v[member] = value.clone()), "{name}: {member} is {value}");
        }
        for part in ["inputs", "outputs"] {
            assert!(!is_valid(&|v| v[part]["more"] = json!("00")), "{name}: more {part}");
            for (member, value) in vector[part].as_object().expect("an object") {
                let optional = MAY_BE_ABSENT.contains(&(vector["kind"].as_str().expect("a kind"), member));
                assert_eq!(is_valid(&|v| without(&mut v[part], member)), optional, "{name} without {member}");
                for other in damaged(value) {
                    assert!(!is_valid(&|v| v[part][member] = other.clone()), "{name}: {member} is {other}");
                }
            }
        }
    }
}

/// A transcript without prekeys, and a data message without SMP, have none.
const MAY_BE_ABSENT: [(&str, &str); 2] = [("transcript", "ensemble"), ("v3_data", "smp")];

fn without(object: &mut Value, member: &str) {
    object.as_object_mut().expect("an object").remove(member);
}

/// The value in ways that it cannot be written.
fn damaged(value: &Value) -> Vec<Value> {
    let mut damaged = vec![json!([["nonsense"]]), json!({ "non": "sense" }), json!(-1)];
    if let Some(digits) = value.as_str().filter(|digits| is_hex(digits)) {
        damaged.extend([json!(format!("G{}", &digits[1..])), json!(digits.to_uppercase())]);
    }
    damaged
}

/// What is so long and has only these digits is no text.
fn is_hex(text: &str) -> bool {
    let is_digit = |c: char| c.is_ascii_digit() || ('a'..='f').contains(&c);
    text.len() >= 16 && text.chars().all(is_digit) && text.contains(|c: char| c.is_ascii_lowercase())
}

#[test]
fn no_name_is_given_twice_and_the_readme_explains_every_kind_and_every_source() {
    let (mut names, mut words) = (BTreeSet::new(), BTreeSet::new());
    for (_, file) in files() {
        for vector in file["vectors"].as_array().expect("vectors") {
            let name = vector["name"].as_str().expect("a name").to_owned();
            assert!(names.insert(name.clone()), "{name} twice");
            words.insert(vector["kind"].as_str().expect("a kind").to_owned());
            words.extend(confirmed_by(&file, vector));
        }
    }
    let readme = fs::read_to_string("README.md").expect("a file");
    for word in words {
        assert!(readme.contains(&format!("`{word}`")), "{word}");
    }
    assert!(readme.contains(&format!("{} values", names.len())), "{}", names.len());
}

/// The vector's own list, or that of its file.
fn confirmed_by(file: &Value, vector: &Value) -> Vec<String> {
    let list = vector.get("confirmed_by").unwrap_or(&file["confirmed_by"]).as_array().expect("a list");
    list.iter().map(|source| source.as_str().expect("a text").to_owned()).collect()
}

#[test]
fn what_is_said_of_the_sources_does_not_contradict_itself() {
    for (_, file) in files() {
        for vector in file["vectors"].as_array().expect("vectors") {
            let (name, sources) = (&vector["name"], confirmed_by(&file, vector));
            let by = |source: &str| sources.iter().any(|other| other == source);
            assert!(by("library"), "{name}");
            let by_others = by("otrr") || by("otr4j") || by("libotr");
            assert!(!(by("our-reading-only") && by_others), "{name}");
            // In an honest conversation there is nothing to refuse.
            let refused = vector["verdict"] == "reject" || vector["verdict"] == "either";
            assert!(!(refused && by_others), "{name}");
            assert!(by("generator") || by("libotr") || by("our-reading-only"), "{name}: who made it?");
        }
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
    for layer in ["kdf: 44", "scalars: 9", "points: 34", "ring-signatures: 32", "data-messages: 12"] {
        assert!(said.contains(&format!("{layer} good, 0 wrong")), "{said}");
    }
}
