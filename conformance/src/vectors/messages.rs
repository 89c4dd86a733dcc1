//! The layers of messages, and what lies in them: armour, fragments, offers, profiles, prekeys, data messages, key files.

use otrv4::Timestamp;
use otrv4::client_profile::ClientProfile;
use otrv4::inside::primitives::over_bytes as ours;
use otrv4::keys::{DsaKey, Point};
use otrv4::libotr::{read_fingerprints, read_instance_tags, read_private_keys};
use otrv4::prekey::{PrekeyEnsemble, PrekeyMessage};
use otrv4::prekey_profile::PrekeyProfile;
use otrv4::wire::{
    Assembler, Fragment, InstanceTag, Line, Reader, Versions, WireError, armour, classify, cut,
    read_plaintext, unarmour,
};
use serde_json::{Value, json};

use super::values::{Fields, bytes};

/// Whether what a vector of this kind holds is accepted; nothing for kinds that have no verdict.
pub(super) fn accepts(kind: &str, v: &Fields<'_>) -> Option<bool> {
    let time = |name: &str| Some(Timestamp::from_unix(v.inputs[name].as_i64()?));
    Some(match kind {
        "mpi" => whole(&v.bytes("encoded")?, |r| r.mpi("number").map(|_| ())).is_ok(),
        "framing" => unarmour(v.text("text")?).is_ok_and(|binary| {
            v.gives("binary", &binary).unwrap_or(true) && v.text("text") == Some(armour(&binary).as_str())
        }),
        "client_profile" => {
            let now = time("now")?;
            // No client has a tag below 0x100.
            let Some(sender) = tag(v, "sender_tag") else { return Some(false) };
            whole(&v.bytes("encoded")?, ClientProfile::read)
                .is_ok_and(|profile| profile.verify(sender, now).is_ok())
        }
        "prekey_profile" => {
            let identity = Point::decode(&v.bytes("H")?.try_into().ok()?).ok()?;
            let (owner, now) = (tag(v, "tag")?, time("now")?);
            let read = whole(&v.bytes("encoded")?, PrekeyProfile::read);
            read.is_ok_and(|profile| profile.verify(&identity, owner, now).is_ok())
        }
        "prekey_message" => {
            whole(&v.bytes("encoded")?, PrekeyMessage::read).is_ok_and(|message| message.verify().is_ok())
        }
        "ensemble" => {
            let now = time("now")?;
            let read = whole(&v.bytes("encoded")?, PrekeyEnsemble::read);
            read.is_ok_and(|ensemble| ensemble.verify(now, Versions::V4).is_ok())
        }
        _ => return None,
    })
}

/// Whether our outputs are those of the vector.
pub(super) fn equal(kind: &str, v: &Fields<'_>) -> Option<bool> {
    match kind {
        "plaintext" => {
            let plaintext = v.bytes("plaintext")?;
            let (text, tlvs) = read_plaintext(&plaintext);
            let tlvs: Vec<Value> =
                tlvs.iter().map(|tlv| json!([tlv.kind, hex::encode(&tlv.value)])).collect();
            Some(v.gives("text", text)? && v.outputs["tlvs"] == Value::Array(tlvs))
        }
        "fragment" => {
            let (size, identifier) = (v.number("max_size")?, v.number("identifier")?);
            let (from, to) = (tag(v, "sender_tag")?, tag(v, "receiver_tag")?);
            let lines = cut(v.text("message")?, size, identifier, from, Some(to)).ok()?;
            Some(v.outputs["pieces"] == json!(lines))
        }
        "assemble" => assemble(v),
        "query" => match v.outputs["offers_4"].as_bool() {
            Some(offers) => Some(offers_4(&classify(v.text("text")?)) == offers),
            None => Some(true),
        },
        "whitespace" => {
            let line = classify(v.text("text")?);
            let text = match &line {
                Line::Plain(text) => text,
                Line::Tagged { text, .. } => text.as_str(),
                _ => return Some(false),
            };
            Some(offers_4(&line) == v.outputs["offers_4"].as_bool()? && text == v.outputs["text"].as_str()?)
        }
        "data_message" => data_message(v),
        "v3_dsa_key" => {
            let [p, q, g, x] = ["p", "q", "g", "x"].map(|name| v.bytes(name));
            let key = DsaKey::from_parts(&p?, &q?, &g?, &bytes(&v.outputs["y"])?, &x?).ok()?;
            Some(key.fingerprint().to_string() == v.outputs["fingerprint"].as_str()?)
        }
        "v3_private_key_file" => {
            Some(read_private_keys(v.text("file")?.as_bytes()).is_ok_and(|keys| keys.len() == 1))
        }
        "v3_fingerprints_file" => {
            let rows = v.outputs["rows"].as_array()?;
            let known = read_fingerprints(v.text("file")?.as_bytes()).ok()?;
            let same = known.iter().zip(rows).all(|(known, row)| {
                row[0] == known.user() && row[3] == known.fingerprint().to_string() && row[4] == known.trust()
            });
            Some(same && known.len() == rows.len())
        }
        "v3_instance_tags_file" => {
            let rows = v.outputs["rows"].as_array()?;
            let tags = read_instance_tags(v.text("file")?.as_bytes()).ok()?;
            let same = tags.iter().zip(rows).all(|((account, tag), row)| {
                row[0] == account.name() && row[1] == account.protocol() && row[2] == tag.to_string()
            });
            Some(same && tags.len() == rows.len())
        }
        "v3_query" => Some(matches!(classify(v.outputs["wire"].as_str()?), Line::Query(_))),
        "v3_fragment" => Some(Fragment::parse(v.outputs["wire"].as_str()?).is_ok()),
        _ => None,
    }
}

fn whole<'a, T>(
    bytes: &'a [u8],
    read: impl FnOnce(&mut Reader<'a>) -> Result<T, WireError>,
) -> Result<T, WireError> {
    let mut r = Reader::new(bytes);
    let value = read(&mut r)?;
    r.end()?;
    Ok(value)
}

fn tag(v: &Fields<'_>, name: &str) -> Option<InstanceTag> {
    InstanceTag::new(v.number(name)?)
}

fn offers_4(line: &Line<'_>) -> bool {
    matches!(line, Line::Query(versions) | Line::Tagged { versions, .. } if versions.contains(4))
}

fn assemble(v: &Fields<'_>) -> Option<bool> {
    let own = tag(v, "own_tag")?;
    let (mut assembler, mut messages) = (Assembler::new(), Vec::new());
    for line in v.inputs["pieces"].as_array()? {
        let Ok(fragment) = Fragment::parse(line.as_str()?) else { continue };
        if fragment.receiver.is_none_or(|receiver| receiver == own) {
            messages.extend(assembler.add(&fragment, Timestamp::from_unix(0)).ok().flatten());
        }
    }
    let expected: Vec<&str> = v.outputs["message"].as_str().into_iter().collect();
    Some(messages == expected)
}

/// The fields are those of the inputs, and the keys open it.
fn data_message(v: &Fields<'_>) -> Option<bool> {
    let message = unarmour(v.outputs["message"].as_str()?).ok()?;
    let mut r = Reader::new(&message);
    let header = otrv4::wire::Header::read(&mut r).ok()?;
    let flags = r.byte("flags").ok()?;
    let [pn, i, j] = [r.int("pn").ok()?, r.int("i").ok()?, r.int("j").ok()?];
    let (ecdh, dh) = (r.bytes(57, "ECDH").ok()?, r.mpi("DH").ok()?);
    let ciphertext = r.data("ciphertext").ok()?;
    let sections = message.get(..r.position())?;
    let (mac, old) = (r.bytes(64, "MAC").ok()?, r.data("old MAC keys").ok()?);
    r.end().ok()?;
    let plaintext = ours::open(&v.bytes("chain_key")?, sections, mac, ciphertext)?;
    let numbers =
        [("pn", pn), ("i", i), ("j", j), ("flags", flags.into()), ("sender_tag", header.sender.get())];
    let numbers = numbers.iter().all(|(name, value)| v.number(name) == Some(*value));
    let fields = [("ecdh", ecdh), ("dh", dh), ("plaintext", &plaintext), ("old_mac_keys", old)];
    Some(numbers && fields.iter().all(|(name, value)| v.bytes(name).as_deref() == Some(*value)))
}
