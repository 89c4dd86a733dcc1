//! `conformance vectors`: our own library against the files of `vectors/`.

mod messages;
mod prekey;
mod primitives;
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
pub(crate) enum Check {
    /// Here, and it holds or not.
    Here(bool),
    /// By this test of the library, next to the code: it needs more than what the library shows.
    Elsewhere(&'static str),
}

/// Checks all whose name contains this, and prints a table; whether none is wrong.
pub(crate) fn run(part: &str) -> bool {
    let mut all = Count::default();
    for file in FILES {
        let file: Value = serde_json::from_str(file).unwrap_or_default();
        let mut count = Count::default();
        for vector in file["vectors"].as_array().into_iter().flatten() {
            let name = vector["name"].as_str().unwrap_or_default();
            if name.contains(part) {
                count.add(name, check(vector));
            }
        }
        if count.any() {
            println!("{:<18} {}", file["layer"].as_str().unwrap_or_default(), count.line());
        }
        all.join(count);
    }
    println!("{:<18} {}", "all", all.line());
    for (test, count) in &all.elsewhere {
        println!("                   {count} by {test}");
    }
    all.wrong == 0 && all.any()
}

fn check(vector: &Value) -> Option<Check> {
    let kind = vector["kind"].as_str()?;
    let fields = Fields { inputs: &vector["inputs"], outputs: &vector["outputs"] };
    if let Some(test) = elsewhere(kind) {
        return Some(Check::Elsewhere(test));
    }
    // A value that is not well formed is not accepted.
    let accepted = messages::accepts(kind, &fields)
        .or_else(|| primitives::accepts(kind, &fields))
        .or_else(|| prekey::accepts(kind, &fields));
    Some(Check::Here(match (vector["verdict"].as_str()?, accepted) {
        ("equal", None) => messages::equal(kind, &fields)
            .or_else(|| primitives::equal(kind, &fields))
            .or_else(|| (kind == "prekey_assemble").then(|| prekey::assemble(&fields))?)?,
        ("equal" | "accept", Some(accepted)) => accepted,
        ("reject", Some(accepted)) => !accepted,
        // It has been read without a panic.
        ("either", Some(_)) => true,
        _ => return None,
    }))
}

/// What takes a whole session, or nonces that the library lets nobody choose.
fn elsewhere(kind: &str) -> Option<&'static str> {
    Some(match kind {
        "transcript" => "otrv4 session::replay",
        "smp" | "smp_bad" => "otrv4 smp::replay",
        "v3_smp_bad" => "conformance check, v3/smp-bad-messages",
        "t" => "otrv4 dake::transcript",
        "xzdh" => "otrv4 dake::offline",
        "tie_break" => "otrv4 dake::interactive",
        "client_profile_make" | "dsa" => "otrv4 client_profile",
        "prekey_kdf" | "composite" | "prekey_keys" | "server_fingerprint" => "otrv4 prekey_server::exchange",
        "prekey_mac" | "prekey_small" => "otrv4 prekey_server::publication and messages",
        "ecdh_proof" | "ecdh_proof_verify" | "dh_proof" | "dh_proof_verify" => "otrv4 prekey_server::proofs",
        "prekey_transcript" => "otrv4 prekey_server::replay",
        "prekey_fragment" => "otrv4 prekey_server::fragment",
        "data_message_parse" => "otrv4 session::replay",
        "v3_dh_commit" | "v3_dh_key" | "v3_reveal_sig" | "v3_signature" | "v3_data" | "v3_session" => {
            "otrv4 v3: messages, ake_keys, session_keys, data, tests"
        }
        "v3_dh_member" => "otrv4 crypto::dh1536",
        _ => return None,
    })
}

#[derive(Default)]
struct Count {
    good: usize,
    wrong: usize,
    elsewhere: std::collections::BTreeMap<&'static str, usize>,
}

impl Count {
    fn add(&mut self, name: &str, check: Option<Check>) {
        match check {
            Some(Check::Here(true)) => self.good += 1,
            Some(Check::Elsewhere(test)) => *self.elsewhere.entry(test).or_default() += 1,
            Some(Check::Here(false)) | None => {
                println!("WRONG  {name}");
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
