//! `conformance vectors`: our own library against the files of `vectors/`.

mod elsewhere;
mod messages;
mod prekey_exchange;
mod prekey_server;
mod primitives;
mod transcript;
mod v3;
mod values;

use serde_json::Value;

use values::Fields;

/// The files, in the order of the layers.
const FILES: [&str; 26] = [
    include_str!("../../vectors/kdf.json"),
    include_str!("../../vectors/encodings.json"),
    include_str!("../../vectors/scalars.json"),
    include_str!("../../vectors/points.json"),
    include_str!("../../vectors/eddsa.json"),
    include_str!("../../vectors/ring-signatures.json"),
    include_str!("../../vectors/dh.json"),
    include_str!("../../vectors/fingerprints.json"),
    include_str!("../../vectors/profiles.json"),
    include_str!("../../vectors/prekeys.json"),
    include_str!("../../vectors/dakez.json"),
    include_str!("../../vectors/xzdh.json"),
    include_str!("../../vectors/key-management.json"),
    include_str!("../../vectors/data-messages.json"),
    include_str!("../../vectors/extra-keys.json"),
    include_str!("../../vectors/smp.json"),
    include_str!("../../vectors/fragments.json"),
    include_str!("../../vectors/offers.json"),
    include_str!("../../vectors/transcripts.json"),
    include_str!("../../vectors/prekey-server.json"),
    include_str!("../../vectors/prekey-exchange.json"),
    include_str!("../../vectors/v3-keys.json"),
    include_str!("../../vectors/v3-dh.json"),
    include_str!("../../vectors/v3-smp.json"),
    include_str!("../../vectors/v3-session.json"),
    include_str!("../../vectors/v2-session.json"),
];

/// How a vector is checked.
enum Check {
    /// Here, and it holds.
    Good,
    /// Here, and it does not, or nobody could tell: why.
    Wrong(String),
    /// By a test of this file of the repository: it needs more than what the library shows.
    Elsewhere(&'static str),
}

/// Checks all whose name contains this, and prints a table; whether none is wrong.
pub(crate) fn run(part: &str) -> bool {
    let mut all = Count::default();
    for file in FILES {
        let file: Value = serde_json::from_str(file).unwrap_or_default();
        let mut count = Count::default();
        let vectors = file["vectors"].as_array().map(Vec::as_slice).unwrap_or_default();
        for vector in vectors {
            let name = vector["name"].as_str().unwrap_or_default();
            if name.contains(part) {
                count.add(name, check(vector, vectors));
            }
        }
        if count.any() {
            println!("{:<18} {}", file["layer"].as_str().unwrap_or_default(), count.line());
        }
        all.join(count);
    }
    println!("{:<18} {}", "all", all.line());
    for (test, count) in &all.elsewhere {
        println!("{:18} {count} by {test}", "");
    }
    all.wrong == 0 && all.any()
}

fn check(vector: &Value, file: &[Value]) -> Check {
    let kind = vector["kind"].as_str().unwrap_or_default();
    let fields = Fields::of(vector, file);
    if kind == "transcript" && transcript::values_agree(&fields) != Some(true) {
        return Check::Wrong("the values on the way differ".into());
    }
    if let Some(test) = elsewhere::test_of(kind) {
        return Check::Elsewhere(test);
    }
    match holds(kind, vector["verdict"].as_str().unwrap_or_default(), &fields) {
        Some(true) => match fields.passed_over().as_slice() {
            [] => Check::Good,
            names => Check::Wrong(format!("nobody looks at its {}", names.join(", "))),
        },
        Some(false) => Check::Wrong("ours differs".into()),
        None => Check::Wrong("it cannot be checked".into()),
    }
}

/// Nothing if there is no way to tell. A value that is not well formed is not accepted.
fn holds(kind: &str, verdict: &str, fields: &Fields<'_>) -> Option<bool> {
    let accepted = messages::accepts(kind, fields)
        .or_else(|| primitives::accepts(kind, fields))
        .or_else(|| v3::accepts(kind, fields))
        .or_else(|| prekey_exchange::accepts(kind, fields));
    match (verdict, accepted) {
        ("equal", None) => messages::equal(kind, fields)
            .or_else(|| primitives::equal(kind, fields))
            .or_else(|| v3::equal(kind, fields))
            .or_else(|| prekey_server::equal(kind, fields))
            .or_else(|| prekey_exchange::equal(kind, fields)),
        ("accept", Some(accepted)) => Some(accepted),
        ("reject", Some(accepted)) => Some(!accepted),
        // It has been read without a panic.
        ("either", Some(_)) => Some(true),
        _ => None,
    }
}

#[derive(Default)]
struct Count {
    good: usize,
    wrong: usize,
    elsewhere: std::collections::BTreeMap<&'static str, usize>,
}

impl Count {
    fn add(&mut self, name: &str, check: Check) {
        match check {
            Check::Good => self.good += 1,
            Check::Elsewhere(test) => *self.elsewhere.entry(test).or_default() += 1,
            Check::Wrong(why) => {
                println!("WRONG  {name}: {why}");
                self.wrong += 1;
            }
        }
    }

    fn join(&mut self, other: Self) {
        self.good += other.good;
        self.wrong += other.wrong;
        for (test, count) in other.elsewhere {
            *self.elsewhere.entry(test).or_default() += count;
        }
    }

    fn any(&self) -> bool {
        self.good + self.wrong + self.elsewhere.len() > 0
    }

    fn line(&self) -> String {
        let elsewhere: usize = self.elsewhere.values().sum();
        format!("{} good, {} wrong, {elsewhere} checked by tests of the library", self.good, self.wrong)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// How a KDF vector is judged after this damage.
    fn judged(damage: impl FnOnce(&mut Value)) -> Check {
        let file: Value = serde_json::from_str(FILES[0]).expect("JSON");
        let mut vector = file["vectors"][0].clone();
        damage(&mut vector);
        check(&vector, &[])
    }

    #[test]
    fn a_vector_with_a_value_that_nobody_looks_at_is_wrong() {
        assert!(matches!(judged(|_| ()), Check::Good));
        for part in ["inputs", "outputs"] {
            let more = judged(|vector| vector[part]["more"] = json!("00"));
            assert!(matches!(more, Check::Wrong(why) if why.contains("more")), "{part}");
        }
        let other = judged(|vector| vector["outputs"]["out"] = json!("0000000000000000"));
        assert!(matches!(other, Check::Wrong(_)));
        assert!(matches!(judged(|vector| vector["kind"] = json!("hash")), Check::Wrong(_)));
    }
}
