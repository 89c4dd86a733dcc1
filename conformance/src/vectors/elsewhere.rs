//! The kinds that tests of the library check, next to the code: they take a whole session, or nonces that the library
//! lets nobody choose.

/// Where the vectors of this kind are checked: a file of the repository.
pub(super) fn test_of(kind: &str) -> Option<&'static str> {
    let in_one_file = WHOLE.iter().find(|(_, kinds)| kinds.contains(&kind)).map(|(file, _)| *file);
    in_one_file.or_else(|| (kind == "transcript").then_some(TRANSCRIPTS)).or_else(|| {
        let (_, files) = SESSIONS.iter().find(|(kinds, _)| kinds.contains(&kind))?;
        files.first().copied()
    })
}

/// The tests here fail if there is an output that they do not look at.
const WHOLE: [(&str, &[&str]); 8] = [
    ("otrv4/src/smp/replay.rs", &["smp", "smp_bad"]),
    ("otrv4/src/dake/transcript.rs", &["t"]),
    ("otrv4/src/client_profile.rs", &["client_profile_make"]),
    ("otrv4/src/crypto/dsa/public.rs", &["dsa"]),
    ("otrv4/src/prekey_server/exchange.rs", &["composite", "prekey_keys"]),
    ("otrv4/src/prekey_server/publication.rs", &["prekey_mac", "prekey_small"]),
    (
        "otrv4/src/prekey_server/proofs.rs",
        &["ecdh_proof", "ecdh_proof_verify", "dh_proof", "dh_proof_verify"],
    ),
    ("otrv4/src/prekey_server/replay.rs", &["prekey_transcript"]),
];

/// Whole conversations of version 4 are played again here.
const TRANSCRIPTS: &str = "otrv4/src/session/replay.rs";

/// A session of version 3 or 2 is checked in parts: no file looks at all outputs of a message, but together they do.
const SESSIONS: [(&[&str], &[&str]); 2] = [
    (
        &["v3_dh_commit", "v3_dh_key", "v3_reveal_sig", "v3_signature", "v3_session"],
        &[
            "otrv4/src/v3/tests/ake.rs",
            "otrv4/src/v3/messages.rs",
            "otrv4/src/v3/ake_keys.rs",
            "otrv4/src/v3/data.rs",
            "otrv4/src/crypto/dh1536.rs",
            "otrv4/src/v3/vectors.rs",
        ],
    ),
    (&["v3_data"], &["otrv4/src/v3/data.rs", "otrv4/src/v3/session_keys.rs", "otrv4/src/v3/vectors.rs"]),
];

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use serde_json::Value;

    use super::*;
    use crate::vectors::FILES;

    fn source(file: &str) -> String {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(file);
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    fn vectors() -> Vec<Value> {
        let files = FILES.iter().map(|file| serde_json::from_str::<Value>(file).expect("JSON"));
        files.flat_map(|file| file["vectors"].as_array().expect("vectors").clone()).collect()
    }

    #[test]
    fn each_kind_is_read_whole_in_the_file_that_is_named() {
        let vectors = vectors();
        for (file, kinds) in WHOLE {
            let source = source(file);
            for kind in kinds {
                assert!(source.contains(&format!("whole_of_kind(\"{kind}\")")), "{kind} in {file}");
                assert!(vectors.iter().any(|vector| vector["kind"] == *kind), "{kind}");
            }
        }
    }

    #[test]
    fn each_transcript_is_played_again() {
        let source = source(TRANSCRIPTS);
        let vectors = vectors();
        let names: Vec<_> = vectors.iter().filter(|vector| vector["kind"] == "transcript").collect();
        assert!(!names.is_empty());
        for name in names {
            assert!(source.contains(&format!("Replay::of({})", name["name"])), "{}", name["name"]);
        }
    }

    #[test]
    fn each_output_of_a_session_is_named_where_it_is_checked() {
        for (kinds, files) in SESSIONS {
            let sources: String = files.iter().map(|file| source(file)).collect();
            for kind in kinds {
                let vectors = vectors();
                let vector = vectors.iter().find(|vector| vector["kind"] == *kind).expect("a vector");
                for output in vector["outputs"].as_object().expect("outputs").keys() {
                    assert!(sources.contains(&format!("\"{output}\"")), "{output} of {kind}");
                }
            }
        }
    }
}
