//! What a data message says to whoever has its chain key: `forge transcript --json` gives one with each. Used by [`super::report`].

use otrv4::Secret;
use otrv4::forge::{Content, v4};
use otrv4::wire::Version;
use serde::Serialize;
use zeroize::Zeroizing;

use crate::records::record;

/// What was encrypted.
#[derive(Serialize)]
pub(super) struct Opened {
    pub(super) text: String,
    pub(super) records: Vec<Record>,
}

/// A record behind the text.
#[derive(Serialize)]
pub(super) struct Record {
    #[serde(rename = "type")]
    kind: u16,
    name: &'static str,
    /// In hexadecimal digits.
    value: String,
}

impl Opened {
    /// With a chain key in hexadecimal digits; nothing if it is not that of this very message.
    pub(super) fn with(key: &str, message: &str) -> Option<Self> {
        let key = hex::decode(key).map(Zeroizing::new).ok()?;
        let key = Secret::copied(key.as_slice().try_into().ok()?);
        let mac_key = v4::mac_key(&v4::message_key(&key));
        v4::modify(message, &mac_key, "", "", 0).ok()?;
        let Content { text, tlvs, .. } = v4::read_and_forge(message, &key, None).ok()?;
        let name = |kind| record(Version::V4, kind);
        let records = tlvs.iter();
        let records = records.map(|tlv| Record {
            kind: tlv.kind,
            name: name(tlv.kind),
            value: hex::encode(&tlv.value),
        });
        Some(Self { text: text.to_string(), records: records.collect() })
    }
}

impl Record {
    /// For people.
    pub(super) fn words(&self) -> String {
        let Self { kind, name, value } = self;
        format!("record of type {kind}, {name}, {} bytes", value.len() / 2)
    }
}
