//! Values that every implementation must refuse, from the test vectors of this folder.

use serde_json::Value;

use crate::stop::{Step, failed};

/// 57 bytes that are no point of the prime-order group, or not in the one encoding that it has.
pub(crate) fn points() -> Step<Vec<(String, Vec<u8>)>> {
    let points = rejected(include_str!("../vectors/points.json"), "point", "encoded")?;
    Ok(points.into_iter().filter(|(_, point)| point.len() == 57).collect())
}

/// Numbers that are not in the 3072-bit group, big-endian without leading zeros.
pub(crate) fn dh_numbers() -> Step<Vec<(String, Vec<u8>)>> {
    rejected(include_str!("../vectors/dh.json"), "dh_member", "x")
}

/// Ensembles that nobody may begin a conversation from, at the time when cases begin.
pub(crate) fn ensembles() -> Step<Vec<(String, Vec<u8>)>> {
    rejected(include_str!("../vectors/prekeys.json"), "ensemble", "encoded")
}

/// Numbers that are no public keys of versions 3 and 2.
pub(crate) fn v3_dh_numbers() -> Step<Vec<(String, Vec<u8>)>> {
    rejected(include_str!("../vectors/v3-dh.json"), "v3_dh_member", "x")
}

/// A TLV: its type and its value.
pub(crate) type Record = (u16, Vec<u8>);

/// Records that stand in for message 1 of SMP.
pub(crate) fn bad_smp_messages(file: &str, kind: &str) -> Step<Vec<(String, Record)>> {
    let file = parsed(file)?;
    let vectors = file["vectors"].as_array().into_iter().flatten();
    let first =
        vectors.filter(|vector| vector["kind"] == kind && vector["inputs"]["instead_of_message"] == 1);
    let records = first.filter_map(|vector| {
        let inputs = &vector["inputs"];
        let (kind, value) =
            (u16::try_from(inputs["tlv"].as_u64()?).ok()?, hex::decode(inputs["value"].as_str()?).ok()?);
        Some((vector["name"].as_str()?.to_owned(), (kind, value)))
    });
    Ok(records.collect())
}

/// The vectors of a kind that are to be rejected: their names, and this input without leading zeros where it is a number.
fn rejected(file: &str, kind: &str, input: &str) -> Step<Vec<(String, Vec<u8>)>> {
    let file = parsed(file)?;
    let vectors = file["vectors"].as_array().into_iter().flatten();
    let rejected = vectors.filter(|vector| vector["kind"] == kind && vector["verdict"] == "reject");
    let values = rejected.filter_map(|vector| {
        let digits = vector["inputs"][input].as_str()?;
        let even = if digits.len() % 2 == 1 { format!("0{digits}") } else { digits.to_owned() };
        let value = hex::decode(even).ok()?;
        let number = value.iter().skip_while(|byte| **byte == 0).copied().collect();
        Some((vector["name"].as_str()?.to_owned(), if input == "x" { number } else { value }))
    });
    Ok(values.collect())
}

fn parsed(file: &str) -> Step<Value> {
    serde_json::from_str(file).or_else(|error| failed(format!("the vectors cannot be read: {error}")))
}
