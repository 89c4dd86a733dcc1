//! The test vectors of `conformance/vectors`, which `conformance/README.md` explains, for the tests next to the code. Tests
//! only.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::ops::Index;

use serde_json::{Map, Value};

/// One test vector.
pub(crate) struct Vector {
    pub(crate) name: String,
    pub(crate) inputs: Value,
    pub(crate) outputs: Outputs,
    verdict: String,
}

/// What must come out. Those of [`whole_of_kind`] remember what was asked for, and fail if something was not.
pub(crate) struct Outputs {
    values: Value,
    asked: RefCell<BTreeSet<String>>,
    whole: bool,
}

impl Index<&str> for Outputs {
    type Output = Value;

    fn index(&self, name: &str) -> &Value {
        self.asked.borrow_mut().insert(name.into());
        &self.values[name]
    }
}

impl Drop for Outputs {
    fn drop(&mut self) {
        if self.whole && !std::thread::panicking() {
            let names = self.values.as_object().into_iter().flat_map(|values| values.keys());
            let passed_over: Vec<_> = names.filter(|name| !self.asked.borrow().contains(*name)).collect();
            assert!(passed_over.is_empty(), "nobody looks at the outputs {passed_over:?}");
        }
    }
}

impl Vector {
    /// The verdict: `Some(true)`, `Some(false)`, or `None` when either is fine.
    pub(crate) fn accept(&self) -> Option<bool> {
        match self.verdict.as_str() {
            "accept" => Some(true),
            "reject" => Some(false),
            "either" => None,
            verdict => panic!("{}: {verdict} is no answer to whether it is accepted", self.name),
        }
    }
}

/// The files, as JSON.
const FILES: [&str; 25] = [
    include_str!("../../conformance/vectors/dakez.json"),
    include_str!("../../conformance/vectors/data-messages.json"),
    include_str!("../../conformance/vectors/dh.json"),
    include_str!("../../conformance/vectors/eddsa.json"),
    include_str!("../../conformance/vectors/encodings.json"),
    include_str!("../../conformance/vectors/extra-keys.json"),
    include_str!("../../conformance/vectors/fingerprints.json"),
    include_str!("../../conformance/vectors/fragments.json"),
    include_str!("../../conformance/vectors/kdf.json"),
    include_str!("../../conformance/vectors/key-management.json"),
    include_str!("../../conformance/vectors/offers.json"),
    include_str!("../../conformance/vectors/points.json"),
    include_str!("../../conformance/vectors/prekey-server.json"),
    include_str!("../../conformance/vectors/prekeys.json"),
    include_str!("../../conformance/vectors/profiles.json"),
    include_str!("../../conformance/vectors/ring-signatures.json"),
    include_str!("../../conformance/vectors/scalars.json"),
    include_str!("../../conformance/vectors/smp.json"),
    include_str!("../../conformance/vectors/transcripts.json"),
    include_str!("../../conformance/vectors/v2-session.json"),
    include_str!("../../conformance/vectors/v3-dh.json"),
    include_str!("../../conformance/vectors/v3-keys.json"),
    include_str!("../../conformance/vectors/v3-session.json"),
    include_str!("../../conformance/vectors/v3-smp.json"),
    include_str!("../../conformance/vectors/xzdh.json"),
];

fn all() -> &'static [Value] {
    static ALL: std::sync::OnceLock<Vec<Value>> = std::sync::OnceLock::new();
    ALL.get_or_init(|| FILES.iter().flat_map(|file| vectors_of(file)).collect())
}

fn vectors_of(file: &str) -> Vec<Value> {
    let file: Value = serde_json::from_str(file).expect("the vectors are JSON");
    file["vectors"].as_array().expect("an array").clone()
}

/// All vectors of a kind; fails when there are none, so that a test cannot pass by finding nothing.
pub(crate) fn of_kind(kind: &str) -> Vec<Vector> {
    found(kind, false)
}

/// The same for the tests that `conformance vectors` names as the ones that check a kind: they must look at every output.
pub(crate) fn whole_of_kind(kind: &str) -> Vec<Vector> {
    found(kind, true)
}

fn found(kind: &str, whole: bool) -> Vec<Vector> {
    let of_kind = all().iter().filter(|v| v["kind"] == kind);
    let found: Vec<_> = of_kind
        .map(|v| Vector {
            name: v["name"].as_str().expect("a name").into(),
            inputs: v["inputs"].clone(),
            outputs: Outputs { values: v["outputs"].clone(), asked: RefCell::default(), whole },
            verdict: v["verdict"].as_str().expect("a verdict").into(),
        })
        .collect();
    assert!(!found.is_empty(), "no vectors of kind {kind}");
    found
}

/// The transcript of that name: inputs and outputs together.
pub(crate) fn transcript(name: &str) -> Value {
    let found = all().iter().find(|v| v["kind"] == "transcript" && v["name"] == name);
    together(found.expect("a transcript"))
}

/// Keys, files and whole sessions of libotr 4.1.1, with every secret; the parts of each together, under the names of the
/// two sides and of the versions.
pub(crate) fn v3_file() -> Value {
    let (mut keys, mut files, mut sessions) = (Map::new(), Map::new(), Map::new());
    for who in ["A", "B"] {
        let named = |kind: &str| together(named(&format!("{kind}_{who}")));
        let mut key = named("v3_dsa_key");
        key["private_key_file"] = named("v3_private_key_file")["file"].clone();
        keys.insert(who.into(), key);
        let of_libotr = ["fingerprints", "instance_tags"]
            .map(|file| (format!("otr.{file}"), named(&format!("v3_{file}_file"))["file"].clone()));
        files.insert(who.into(), Value::Object(of_libotr.into_iter().collect()));
    }
    let mut dh_prime = Value::Null;
    for version in ["v3", "v2"] {
        let is_of =
            |v: &&Value| v["name"].as_str().is_some_and(|name| name.starts_with(&format!("{version}_")));
        let messages = all().iter().filter(is_of).filter(|v| v["outputs"]["wire"].is_string()).map(message);
        let mut session = together(named(&format!("{version}_session")));
        session["messages"] = messages.collect();
        dh_prime = session["dh_prime"].clone();
        sessions.insert(version.into(), session);
    }
    serde_json::json!({ "dh_prime": dh_prime, "keys": keys, "files": files, "sessions": sessions })
}

/// A message of a session of version 3 or 2, under its kind without the version.
fn message(vector: &Value) -> Value {
    let mut message = together(vector);
    message["kind"] = vector["kind"].as_str().expect("a kind").trim_start_matches("v3_").into();
    message
}

fn named(name: &str) -> &'static Value {
    all().iter().find(|v| v["name"] == name).expect("a vector of that name")
}

/// Inputs and outputs of a vector in one.
fn together(vector: &Value) -> Value {
    let parts = ["inputs", "outputs"].map(|part| vector[part].as_object().expect("an object").clone());
    Value::Object(parts.into_iter().flatten().collect())
}

/// A hex string as bytes; an odd number of digits gets a leading zero (DH numbers are written without).
pub(crate) fn bytes(value: &Value) -> Vec<u8> {
    let text = value.as_str().expect("a hex string");
    let padded = if text.len() % 2 == 1 { format!("0{text}") } else { text.into() };
    hex::decode(padded).expect("hex")
}

/// A hex string of exactly N bytes.
pub(crate) fn array<const N: usize>(value: &Value) -> [u8; N] {
    bytes(value).try_into().expect("the right length")
}

/// A generator that gives recorded values, each draw exactly as long as the value that comes next.
pub(crate) struct Recorded(pub(crate) std::collections::VecDeque<Vec<u8>>);

impl rand_core::TryRng for Recorded {
    type Error = core::convert::Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Self::Error> {
        let mut bytes = [0; 4];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u32::from_be_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Self::Error> {
        let mut bytes = [0; 8];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u64::from_be_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Self::Error> {
        let next = self.0.pop_front().expect("a recorded value");
        assert_eq!(next.len(), out.len(), "a draw of another length than recorded");
        out.copy_from_slice(&next);
        Ok(())
    }
}

impl rand_core::TryCryptoRng for Recorded {}

/// The system's generator, for tests that need no replay.
#[allow(clippy::disallowed_types, reason = "tests have no caller who brings randomness")]
pub(crate) fn rng() -> impl rand_core::CryptoRng {
    rand_core::UnwrapErr(getrandom::SysRng)
}
