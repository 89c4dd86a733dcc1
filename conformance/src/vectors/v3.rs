//! Versions 3 and 2: keys, the files of libotr, offers, fragments, and SMP.

use otrv4::Timestamp;
use otrv4::inside::primitives::over_bytes as ours;
use otrv4::keys::{DsaKey, DsaParts};
use otrv4::libotr::{
    read_fingerprints, read_instance_tags, read_private_keys, write_fingerprints, write_instance_tags,
    write_private_keys,
};
use otrv4::wire::{Assembler, Fragment, InstanceTag, Line, Versions, classify, cut_v2, cut_v3};
use serde_json::{Value, json};

use super::values::{Fields, bytes};

/// Whether what a vector of this kind holds is accepted; nothing for kinds that have no verdict.
pub(super) fn accepts(kind: &str, v: &Fields<'_>) -> Option<bool> {
    match kind {
        "v3_smp_bad" => {
            let first = (v.number("instead_of_message")?, v.number("tlv")?) == (1_u8, 2_u16);
            let accepted = ours::is_smp_1_v3(&v.bytes("value")?);
            first.then_some(accepted)
        }
        _ => None,
    }
}

/// Whether our outputs are those of the vector.
pub(super) fn equal(kind: &str, v: &Fields<'_>) -> Option<bool> {
    match kind {
        "v3_dsa_key" => {
            let inputs = ["p", "q", "g", "x"].map(|name| v.bytes(name));
            let key = dsa_key(inputs, bytes(v.outputs.get("y")))?;
            let DsaParts { y, .. } = key.parts();
            let fingerprint = key.fingerprint();
            v.gives_all(&[
                ("y", &y),
                ("pubkey_serialized", &ours::dsa_public(&key)),
                ("fingerprint", fingerprint.as_bytes()),
            ])
        }
        "v3_private_key_file" => {
            let file = v.text("file")?.as_bytes();
            let keys = read_private_keys(file).ok()?;
            let written = write_private_keys(keys.iter().map(|(account, key)| (account, key)));
            let [(_, key)] = keys.as_slice() else { return Some(false) };
            let named = v.file.iter().find(|vector| vector["name"] == *v.outputs.get("key"))?;
            let DsaParts { p, q, g, y, x } = key.parts();
            let [inputs, outputs] = [&named["inputs"], &named["outputs"]];
            let numbers = [(&inputs["p"], p), (&inputs["q"], q), (&inputs["g"], g), (&outputs["y"], y)];
            let same = numbers.iter().all(|(named, ours)| bytes(named).as_ref() == Some(ours));
            Some(same && bytes(&inputs["x"]).as_ref() == Some(&*x) && *written == file)
        }
        "v3_fingerprints_file" => {
            let file = v.text("file")?;
            let known = read_fingerprints(file.as_bytes()).ok()?;
            let rows = known.iter().map(|known| {
                let account = known.account();
                let fingerprint = known.fingerprint().to_string();
                json!([known.user(), account.name(), account.protocol(), fingerprint, known.trust()])
            });
            let rows: Value = rows.collect();
            Some(v.outputs.get("rows") == &rows && write_fingerprints(&known) == file)
        }
        "v3_instance_tags_file" => {
            let file = v.text("file")?;
            let tags = read_instance_tags(file.as_bytes()).ok()?;
            let rows = tags
                .iter()
                .map(|(account, tag)| json!([account.name(), account.protocol(), tag.to_string()]));
            let rows: Value = rows.collect();
            Some(v.outputs.get("rows") == &rows && write_instance_tags(&tags) == file)
        }
        "v3_query" => {
            let version = Versions::EMPTY.with(version(v)?);
            let wire = v.outputs.get("wire").as_str()?;
            // In words, too, for whoever has no OTR.
            let speaks = wire.contains(account(v)?);
            Some(classify(wire) == Line::Query(version) && speaks)
        }
        "v3_fragment" => fragment(v),
        _ => None,
    }
}

fn dsa_key([p, q, g, x]: [Option<Vec<u8>>; 4], y: Option<Vec<u8>>) -> Option<DsaKey> {
    DsaKey::from_parts(&p?, &q?, &g?, &y?, &x?).ok()
}

/// Of the session that the vector belongs to.
fn version(v: &Fields<'_>) -> Option<u8> {
    match v.name.get(..3)? {
        "v2_" => Some(2),
        "v3_" => Some(3),
        _ => None,
    }
}

fn account(v: &Fields<'_>) -> Option<&'static str> {
    match v.text("from")? {
        "A" => Some("alice@example.org"),
        "B" => Some("bob@example.org"),
        _ => None,
    }
}

/// All fragments of the session make the line of the message behind them, and that is cut into them again.
fn fragment(v: &Fields<'_>) -> Option<bool> {
    let is_fragment = |vector: &&Value| vector["kind"] == "v3_fragment";
    let recorded: Vec<&Value> = v.file.iter().filter(is_fragment).collect();
    let lines: Vec<&str> = recorded.iter().filter_map(|vector| vector["outputs"]["wire"].as_str()).collect();
    let place = recorded.iter().position(|vector| vector["name"] == v.name)?;
    let whole =
        v.file.iter().skip_while(|vector| !is_fragment(vector)).find(|vector| !is_fragment(vector))?;
    let message = whole["outputs"]["wire"].as_str()?;

    let mut assembler = Assembler::new();
    let mut made = lines
        .iter()
        .map(|line| assembler.add(&Fragment::parse(line).ok()?, Timestamp::from_unix(0)).ok().flatten());
    let assembled = made.by_ref().take(lines.len() - 1).all(|message| message.is_none())
        && made.next().flatten().as_deref() == Some(message);

    let size = lines.iter().map(|line| line.len()).max()?;
    let cut = match version(v)? {
        2 => cut_v2(message, size),
        _ => {
            let tag = |n: usize| {
                InstanceTag::new(u32::from_str_radix(whole["inputs"]["tags"][n].as_str()?, 16).ok()?)
            };
            cut_v3(message, size, tag(0)?, Some(tag(1)?))
        }
    };
    let line = v.outputs.get("wire").as_str()?;
    let from = v.inputs.get("from") == &whole["inputs"]["from"];
    Some(assembled && from && lines.get(place) == Some(&line) && cut.is_ok_and(|cut| cut == lines))
}
