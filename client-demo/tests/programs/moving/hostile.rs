//! Files that are damaged, or made to do damage: refused with the line, and nothing has changed.

use std::fs;

use super::{PIDGIN, import, key, keys_of, pidgins, recorded};
use crate::world::files;

/// A number of Alice's key as it stands in the file.
fn number(who: &str, name: &str) -> String {
    recorded(
        &format!("v3_dsa_key_{who}"),
        &format!("/{}/{name}", if name == "y" { "outputs" } else { "inputs" }),
    )
    .to_uppercase()
}

#[test]
fn damaged_files_are_refused_with_the_line_and_change_nothing() {
    let (world, old) = pidgins();
    let home = world.path("alice");
    let before = files(&home);
    let whole = keys_of("A");
    let with = |name: &str, to: &str| whole.replace(&number("A", name), to).into_bytes();
    let fingerprints = fs::read(old.join(PIDGIN[1])).expect("there");
    let nested = |depth: usize| [b"(privkeys (account ".as_slice(), &b"(a".repeat(depth)].concat();
    for (what, file, bytes, said) in [
        ("deep", 0, nested(200_000), "line 1: there are too many parentheses"),
        ("huge", 0, with("p", &"F".repeat(100_000)), "line 7: a value is too long"),
        ("p of 1032 bits", 0, with("p", &format!("FF{}", number("A", "p"))), "line 5: the numbers"),
        ("another x", 0, with("x", &number("B", "x")), "line 5: the numbers"),
        ("another q", 0, with("q", &number("B", "q")), "line 5: the numbers"),
        ("q too small", 0, with("q", "03"), "line 5: the numbers"),
        ("cut", 0, whole.as_bytes()[..700].to_vec(), "the file ends"),
        ("empty", 0, Vec::new(), "line 1: the file ends"),
        ("not UTF-8", 0, with("x", "\"").replace(&b"alice"[..], b"al\xff\xfee"), "line 11"),
        ("name not UTF-8", 0, whole.as_bytes().replace(b"alice", b"al\xffce"), "line 2: the name"),
        ("binary", 0, vec![0; 1000], "line 1"),
        ("too large", 0, vec![b' '; (1 << 20) + 1], "the file is too long"),
        ("digits", 1, fingerprints.replace(b"b096", b"x096"), "line 1: the fingerprint"),
        ("cut", 1, fingerprints[..70].to_vec(), "line 1: the fingerprint"),
        ("not UTF-8", 1, fingerprints.replace(b"bob", b"b\xffb"), "line 1: a character"),
    ] {
        let path = old.join(PIDGIN[file]);
        let good = fs::read(&path).expect("there");
        fs::write(&path, bytes).expect("written");
        let refused = world.refused("alice", &import(&old, &[]));
        assert!(refused.contains(said), "{what}: {refused}");
        assert!(refused.contains(PIDGIN[file]) && refused.contains("Nothing has been imported"), "{refused}");
        for secret in ["A", "B"].map(|who| number(who, "x")[..8].to_owned()) {
            assert!(!refused.to_uppercase().contains(&secret), "{what}: {refused}");
        }
        assert_eq!(files(&home), before, "{what}");
        fs::write(&path, good).expect("written");
    }
    assert!(world.done("alice", &import(&old, &[])).contains(&key("A")), "the whole ones are fine");
}

/// Of bytes what `str` has of text.
trait Replace {
    fn replace(&self, from: &[u8], to: &[u8]) -> Vec<u8>;
}

impl Replace for [u8] {
    fn replace(&self, from: &[u8], to: &[u8]) -> Vec<u8> {
        let at = self.windows(from.len()).position(|part| part == from).expect("it is there");
        let (before, rest) = self.split_at(at);
        let (_, after) = rest.split_at(from.len());
        [before, to, after].concat()
    }
}
