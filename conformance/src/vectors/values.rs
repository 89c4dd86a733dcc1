//! The values of a vector, and which of them were looked at. What is missing or not well formed gives nothing, and the
//! vector counts as wrong.

use std::cell::RefCell;
use std::collections::BTreeSet;

use serde_json::Value;

/// One vector, and the file that it stands in.
pub(super) struct Fields<'a> {
    pub(super) name: &'a str,
    pub(super) inputs: Part<'a>,
    pub(super) outputs: Part<'a>,
    /// All vectors of the file.
    pub(super) file: &'a [Value],
}

/// Inputs or outputs. It remembers what was asked for: a value that nobody compared must not count as confirmed.
pub(super) struct Part<'a> {
    values: &'a Value,
    asked: RefCell<BTreeSet<String>>,
}

impl<'a> Fields<'a> {
    pub(super) fn of(vector: &'a Value, file: &'a [Value]) -> Self {
        let part = |name: &str| Part { values: &vector[name], asked: RefCell::default() };
        let name = vector["name"].as_str().unwrap_or_default();
        Self { name, inputs: part("inputs"), outputs: part("outputs"), file }
    }

    /// Bytes of an input.
    pub(super) fn bytes(&self, name: &str) -> Option<Vec<u8>> {
        bytes(self.inputs.get(name))
    }

    /// A number of an input.
    pub(super) fn number<T: TryFrom<u64>>(&self, name: &str) -> Option<T> {
        self.inputs.get(name).as_u64()?.try_into().ok()
    }

    /// A text of an input.
    pub(super) fn text(&self, name: &str) -> Option<&'a str> {
        self.inputs.get(name).as_str()
    }

    /// Whether the output is these bytes.
    pub(super) fn gives(&self, name: &str, value: &[u8]) -> Option<bool> {
        Some(bytes(self.outputs.get(name))? == value)
    }

    /// Whether each output is as here.
    pub(super) fn gives_all(&self, all: &[(&str, &[u8])]) -> Option<bool> {
        // Each is asked for, also behind one that is wrong.
        let results: Vec<_> = all.iter().map(|(name, value)| self.gives(name, value)).collect();
        results.into_iter().try_fold(true, |all, one| Some(all && one?))
    }

    /// What nobody asked for.
    pub(super) fn passed_over(&self) -> Vec<String> {
        let parts = [("input", &self.inputs), ("output", &self.outputs)];
        parts.iter().flat_map(|(kind, part)| part.passed_over(kind)).collect()
    }
}

impl<'a> Part<'a> {
    /// Null if there is none of this name.
    pub(super) fn get(&self, name: &str) -> &'a Value {
        self.asked.borrow_mut().insert(name.to_owned());
        &self.values[name]
    }

    fn passed_over(&self, kind: &str) -> Vec<String> {
        let asked = self.asked.borrow();
        let names = self.values.as_object().into_iter().flat_map(|values| values.keys());
        names.filter(|name| !asked.contains(*name)).map(|name| format!("{kind} {name}")).collect()
    }
}

/// Bytes in hexadecimal; an odd number of digits gets a zero in front, as numbers have no leading zeros.
pub(super) fn bytes(value: &Value) -> Option<Vec<u8>> {
    let digits = value.as_str()?;
    hex::decode(if digits.len() % 2 == 1 { format!("0{digits}") } else { digits.to_owned() }).ok()
}
