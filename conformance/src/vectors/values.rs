//! The values of a vector. What is missing or not well formed gives nothing, and the vector counts as wrong.

use serde_json::Value;

/// Inputs and outputs of one vector.
pub(super) struct Fields<'a> {
    pub(super) inputs: &'a Value,
    pub(super) outputs: &'a Value,
}

impl Fields<'_> {
    /// Bytes of an input.
    pub(super) fn bytes(&self, name: &str) -> Option<Vec<u8>> {
        bytes(&self.inputs[name])
    }

    /// A number of an input.
    pub(super) fn number<T: TryFrom<u64>>(&self, name: &str) -> Option<T> {
        self.inputs[name].as_u64()?.try_into().ok()
    }

    /// A text of an input.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.inputs[name].as_str()
    }

    /// Whether the output is these bytes.
    pub(super) fn gives(&self, name: &str, value: &[u8]) -> Option<bool> {
        Some(bytes(&self.outputs[name])? == value)
    }
}

/// Bytes in hexadecimal; an odd number of digits gets a zero in front, as numbers have no leading zeros.
pub(super) fn bytes(value: &Value) -> Option<Vec<u8>> {
    let digits = value.as_str()?;
    hex::decode(if digits.len() % 2 == 1 { format!("0{digits}") } else { digits.to_owned() }).ok()
}
