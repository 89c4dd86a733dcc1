//! The layers of messages of version 4, and what lies in them: armour, fragments, offers, profiles, prekeys, data
//! messages.

use otrv4::Timestamp;
use otrv4::client_profile::ClientProfile;
use otrv4::inside;
use otrv4::inside::primitives::over_bytes as ours;
use otrv4::keys::Point;
use otrv4::prekey::{PrekeyEnsemble, PrekeyMessage};
use otrv4::prekey_profile::PrekeyProfile;
use otrv4::wire::{
    Assembler, Fragment, Header, InstanceTag, Line, MessageType, Reader, Version, Versions, WireError,
    armour, classify, cut, read_plaintext, unarmour,
};
use serde_json::{Value, json};

use super::values::{Fields, bytes};

/// Whether what a vector of this kind holds is accepted; nothing for kinds that have no verdict, or if it is accepted and
/// then is not what the vector says.
pub(super) fn accepts(kind: &str, v: &Fields<'_>) -> Option<bool> {
    let time = |name: &str| Some(Timestamp::from_unix(v.inputs.get(name).as_i64()?));
    Some(match kind {
        "mpi" => whole(&v.bytes("encoded")?, |r| r.mpi("number").map(|_| ())).is_ok(),
        "framing" => {
            let text = v.text("text")?;
            let recorded = bytes(v.outputs.get("binary"));
            let Ok(binary) = unarmour(text) else { return Some(false) };
            return (recorded? == binary && text == armour(&binary)).then_some(true);
        }
        "client_profile" => {
            let (now, encoded) = (time("now")?, v.bytes("encoded")?);
            // No client has a tag below 0x100.
            let Some(sender) = tag(v, "sender_tag") else { return Some(false) };
            whole(&encoded, ClientProfile::read).is_ok_and(|profile| profile.verify(sender, now).is_ok())
        }
        "prekey_profile" => {
            let identity = Point::decode(&v.bytes("H")?.try_into().ok()?).ok()?;
            let (owner, now, encoded) = (tag(v, "tag")?, time("now")?, v.bytes("encoded")?);
            let read = whole(&encoded, PrekeyProfile::read);
            read.is_ok_and(|profile| profile.verify(&identity, owner, now).is_ok())
        }
        "prekey_message" => prekey_message(v)?,
        "ensemble" => {
            let (now, encoded) = (time("now")?, v.bytes("encoded")?);
            let read = whole(&encoded, PrekeyEnsemble::read);
            read.is_ok_and(|ensemble| ensemble.verify(now, Versions::V4).is_ok())
        }
        "data_message_parse" => {
            let binary = v.bytes("binary")?;
            // What the ratchet reads when the keys are new.
            let keys = |message: &DataMessage<'_>| {
                ours::is_point(message.ecdh) && (message.dh.is_empty() || ours::is_dh_member(message.dh))
            };
            inside::rewrite(&binary).is_ok() && DataMessage::read(&binary).is_ok_and(|message| keys(&message))
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
            let same = v.outputs.get("tlvs") == &Value::Array(tlvs);
            Some(v.gives("text", text)? && same)
        }
        "fragment" => {
            let (size, identifier) = (v.number("max_size")?, v.number("identifier")?);
            let (from, to) = (tag(v, "sender_tag")?, tag(v, "receiver_tag")?);
            let lines = cut(v.text("message")?, size, identifier, from, Some(to)).ok()?;
            Some(v.outputs.get("pieces") == &json!(lines))
        }
        "assemble" => assemble(v),
        "query" => {
            let offers = offers_4(&classify(v.text("text")?));
            let expected = v.outputs.get("offers_4");
            Some(expected == "either" || expected.as_bool()? == offers)
        }
        "whitespace" => {
            let line = classify(v.text("text")?);
            let (offers, expected) = (v.outputs.get("offers_4").as_bool()?, v.outputs.get("text").as_str()?);
            let text = match &line {
                Line::Plain(text) => text,
                Line::Tagged { text, .. } => text.as_str(),
                _ => return Some(false),
            };
            Some(offers_4(&line) == offers && text == expected)
        }
        "data_message" => data_message(v),
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
    for line in v.inputs.get("pieces").as_array()? {
        let Ok(fragment) = Fragment::parse(line.as_str()?) else { continue };
        if fragment.receiver.is_none_or(|receiver| receiver == own) {
            messages.extend(assembler.add(&fragment, Timestamp::from_unix(0)).ok().flatten());
        }
    }
    let expected: Vec<&str> = v.outputs.get("message").as_str().into_iter().collect();
    Some(messages == expected)
}

/// What is accepted has the keys of the secrets.
fn prekey_message(v: &Fields<'_>) -> Option<bool> {
    let (encoded, y, b) = (v.bytes("encoded")?, v.bytes("y_sym")?, v.bytes("b")?);
    let (y, b) = (ours::mul_base(&ours::scalar_of_random(&y)?)?, ours::dh_public(&b)?);
    let read = whole(&encoded, PrekeyMessage::read);
    let length = u32::try_from(b.len()).ok()?.to_be_bytes();
    let of_secrets = encoded.ends_with(&[&y[..], &length, &b].concat());
    let accepted = read.is_ok_and(|message| message.verify().is_ok());
    (!accepted || of_secrets).then_some(accepted)
}

/// The fields of a data message.
struct DataMessage<'a> {
    header: Header,
    flags: u8,
    pn: u32,
    i: u32,
    j: u32,
    ecdh: &'a [u8],
    dh: &'a [u8],
    ciphertext: &'a [u8],
    /// Everything before the authenticator.
    sections: &'a [u8],
    mac: &'a [u8],
    old_mac_keys: &'a [u8],
}

impl<'a> DataMessage<'a> {
    fn read(message: &'a [u8]) -> Result<Self, WireError> {
        let mut r = Reader::new(message);
        let header = Header::read(&mut r)?;
        if (header.version, header.message_type) != (Version::V4, MessageType::Data) {
            return Err(WireError::Illegal("type"));
        }
        let flags = r.byte("flags")?;
        let [pn, i, j] = [r.int("pn")?, r.int("i")?, r.int("j")?];
        let (ecdh, dh) = (r.bytes(57, "ECDH")?, r.mpi("DH")?);
        let ciphertext = r.data("ciphertext")?;
        let sections = r.since(0);
        let (mac, old_mac_keys) = (r.bytes(64, "MAC")?, r.data("old MAC keys")?);
        r.end()?;
        Ok(Self { header, flags, pn, i, j, ecdh, dh, ciphertext, sections, mac, old_mac_keys })
    }
}

/// The fields are those of the inputs, and the keys open it.
fn data_message(v: &Fields<'_>) -> Option<bool> {
    let chain = v.bytes("chain_key")?;
    let [enc, mac, ..] = ours::chain_step(&chain)?;
    let keys = v.gives_all(&[("MKenc", &enc), ("MKmac", &mac)])?;
    let binary = unarmour(v.outputs.get("message").as_str()?).ok()?;
    let message = DataMessage::read(&binary).ok()?;
    let plaintext = ours::open(&chain, message.sections, message.mac, message.ciphertext)?;
    let tags = [tag(v, "sender_tag"), tag(v, "receiver_tag")];
    let numbers = [("pn", message.pn), ("i", message.i), ("j", message.j), ("flags", message.flags.into())];
    let fields = [
        ("ecdh", message.ecdh),
        ("dh", message.dh),
        ("plaintext", &plaintext),
        ("old_mac_keys", message.old_mac_keys),
    ];
    Some(
        keys && tags == [Some(message.header.sender), message.header.receiver]
            && numbers.iter().all(|(name, value)| v.number(name) == Some(*value))
            && fields.iter().all(|(name, value)| v.bytes(name).as_deref() == Some(*value)),
    )
}
