//! The corpora and the regressions of the fuzz targets, through the same functions as when fuzzing, without its tools.

use std::alloc::System;
use std::path::Path;
use std::{fs, panic};

use cap::Cap;
use otrv4_tests::fuzzing::{TARGETS, run, seeds};

/// A claimed length that is believed fails here, too.
#[global_allocator]
static ALLOCATOR: Cap<System> = Cap::new(System, 1 << 30);

#[test]
fn lines_of_the_corpus_pass() {
    replay("lines");
}

#[test]
fn messages_of_the_corpus_pass_their_readers() {
    replay("readers");
}

#[test]
fn fragments_of_the_corpus_pass() {
    replay("fragments");
}

#[test]
fn conversations_of_the_corpus_survive_somebody_on_the_way() {
    replay("receive");
}

#[test]
fn conversations_of_the_corpus_survive_a_dishonest_correspondent() {
    replay("correspondent");
}

#[test]
fn exchanges_of_the_corpus_with_a_prekey_server_pass() {
    replay("prekeys");
}

#[test]
fn saved_states_of_the_corpus_pass() {
    replay("saved");
}

#[test]
fn files_of_libotr_of_the_corpus_pass() {
    replay("libotr_files");
}

#[test]
fn every_target_has_a_corpus_and_a_program() {
    for (target, _) in TARGETS {
        assert!(!seeds::of(target).is_empty(), "seeds of {target}");
        assert!(!inputs("corpus", target).is_empty(), "corpus of {target}");
        let program =
            fs::read_to_string(fuzz().join(format!("fuzz_targets/{target}.rs"))).expect("a program");
        assert!(program.contains(&format!("run(\"{target}\"")));
    }
}

/// Everything in the corpus, every crash that was, and the seeds.
fn replay(target: &str) {
    let files = [inputs("corpus", target), inputs("regressions", target)].concat();
    let seeds = seeds::of(target).into_iter().enumerate().map(|(n, seed)| (format!("seed {n}"), seed));
    for (name, input) in files.into_iter().chain(seeds) {
        let result = panic::catch_unwind(|| run(target, &input));
        assert!(result.is_ok(), "{target}: {name}");
    }
}

fn inputs(of: &str, target: &str) -> Vec<(String, Vec<u8>)> {
    let Ok(files) = fs::read_dir(fuzz().join(of).join(target)) else { return Vec::new() };
    let paths = files.map(|file| file.expect("a file").path());
    paths.map(|path| (path.display().to_string(), fs::read(&path).expect("a file"))).collect()
}

fn fuzz() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../otrv4/fuzz")
}
