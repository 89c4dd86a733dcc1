//! Test vectors as data: `vectors/otrv4.json`, each with its kind, inputs and outputs, and two sessions of versions 3 and 2
//! in `vectors/otrv3.json`. Tests only.

use serde_json::Value;

/// One test vector.
pub(crate) struct Vector {
    pub(crate) name: String,
    pub(crate) inputs: Value,
    pub(crate) outputs: Value,
}

impl Vector {
    /// The verdict: `Some(true)`, `Some(false)`, or `None` when either is fine.
    pub(crate) fn accept(&self) -> Option<bool> {
        self.outputs["accept"].as_bool()
    }
}

fn file() -> Value {
    serde_json::from_str(include_str!("../vectors/otrv4.json")).expect("the vectors are JSON")
}

/// Keys and whole sessions of libotr 4.1.1, with every secret.
pub(crate) fn v3_file() -> Value {
    serde_json::from_str(include_str!("../vectors/otrv3.json")).expect("the vectors are JSON")
}

/// All vectors of a kind; fails when there are none, so that a test cannot pass by finding nothing.
pub(crate) fn of_kind(kind: &str) -> Vec<Vector> {
    let found: Vec<_> = file()["vectors"]
        .as_array()
        .expect("an array")
        .iter()
        .filter(|v| v["kind"] == kind)
        .map(|v| Vector {
            name: v["name"].as_str().expect("a name").into(),
            inputs: v["inputs"].clone(),
            outputs: v["outputs"].clone(),
        })
        .collect();
    assert!(!found.is_empty(), "no vectors of kind {kind}");
    found
}

/// The transcript of that name.
pub(crate) fn transcript(name: &str) -> Value {
    let file = file();
    let found = file["transcripts"].as_array().expect("an array").iter().find(|t| t["name"] == name);
    found.expect("a transcript").clone()
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
