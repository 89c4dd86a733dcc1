//! Single messages: parse, modify, read and forge, MAC keys. Version 4 or 3 is said by the message itself, or by the key.

use otrv4::forge::{self, ForgeError, Value, v3, v4};
use otrv4::wire::Version;
use serde_json::json;

use super::Unforged;
use super::arguments::{MacKeyArguments, ModifyArguments};
use super::input::{Source, encoded};
use super::show::{Shown, forged, key};
use crate::harmless;
use crate::records::record;

/// `forge parse`.
pub(super) fn parse(line: &Source) -> Result<Shown, Unforged> {
    let parsed = forge::parse(&line.line(LINE)?);
    let error = parsed.error.map(|error| error.to_string());
    let (mut lines, mut fields) = (vec![parsed.name.to_owned()], Vec::new());
    for forge::Field { name, kind, value, meaning, holds } in &parsed.fields {
        let (shown, value) = match value {
            Value::Number(number) => (number.to_string(), json!(number)),
            Value::Bytes(bytes) => (hex::encode(bytes), json!(hex::encode(bytes))),
            Value::Text(text) => (text.clone(), json!(text)),
        };
        let kind = kind.name();
        let said = meaning.as_ref().map(|meaning| format!("  ({meaning})")).unwrap_or_default();
        lines.push(harmless::message(&format!("  {name}, {kind}"), &format!("{shown}{said}")));
        fields
            .push(json!({ "name": name, "type": kind, "value": value, "meaning": meaning, "holds": holds }));
    }
    if let Some(error) = &error {
        lines.push(format!("It does not follow its format: {error}"));
    }
    Ok(Shown { lines, json: json!({ "message": parsed.name, "fields": fields, "error": error }) })
}

/// `forge modify`: with a MAC key, or with those that a recording reveals.
pub(super) fn modify(arguments: &ModifyArguments) -> Result<Shown, Unforged> {
    let ModifyArguments { mac_key, recording, old, new, offset, line } = arguments;
    let keys = mac_key.as_ref().map(|key| key.line(MAC_KEY)).transpose()?.map(Source::Given);
    let line = line.line(LINE)?;
    let version = forge::version(&line)?;
    let modified = match (&keys, recording) {
        (Some(key), _) if version == Version::V4 => {
            v4::modify(&line, &key.secret(MAC_KEY)?, old, new, *offset)?
        }
        (Some(key), _) => v3::modify(&line, &key.secret(MAC_KEY)?, old, new, *offset)?,
        (None, None) => return Err(Unforged::Nothing(MAC_KEY)),
        (None, Some(recording)) => {
            let messages = encoded(&recording.whole()?);
            if version == Version::V4 {
                let keys = messages.iter().filter_map(|line| v4::revealed_mac_keys(line).ok());
                first_that_fits(keys.flatten(), |key| v4::modify(&line, key, old, new, *offset))?
            } else {
                let keys = messages.iter().filter_map(|line| v3::revealed_mac_keys(line).ok());
                first_that_fits(keys.flatten(), |key| v3::modify(&line, key, old, new, *offset))?
            }
        }
    };
    Ok(forged(version, modified))
}

fn first_that_fits<K>(
    keys: impl Iterator<Item = K>,
    modify: impl Fn(&K) -> Result<String, ForgeError>,
) -> Result<String, Unforged> {
    let mut tried = 0;
    for key in keys {
        tried += 1;
        match modify(&key) {
            Err(ForgeError::WrongMacKey) => {}
            fits => return Ok(fits?),
        }
    }
    Err(Unforged::NotRevealed(tried))
}

/// `forge read`: what a message says, and the message with another text.
pub(super) fn read(secret: &Source, new: Option<&str>, line: &Source) -> Result<Shown, Unforged> {
    let secret = Source::Given(secret.line("the key")?);
    let line = line.line(LINE)?;
    let version = forge::version(&line)?;
    let content = match version {
        Version::V4 => v4::read_and_forge(&line, &secret.secret("a chain key of version 4")?, new)?,
        _ => v3::read_and_forge(&line, &secret.secret("an AES key of version 3")?, new)?,
    };
    let records = content.tlvs.iter().map(|tlv| {
        json!({ "type": tlv.kind, "name": record(version, tlv.kind), "value": hex::encode(&*tlv.value) })
    });
    let json = json!({
        "version": version.number(),
        "text": content.text.as_str(),
        "records": records.collect::<Vec<_>>(),
        "messages_after_the_key": content.steps,
        "line": content.forged,
    });
    let lines = match content.forged {
        Some(forged) => vec![forged],
        None => {
            let mut lines = vec![harmless::message("text", &content.text)];
            let records = content.tlvs.iter();
            lines.extend(records.map(|tlv| {
                let (kind, length) = (tlv.kind, tlv.value.len());
                format!("record of type {kind}, {}, {length} bytes", record(version, kind))
            }));
            if content.steps > 0 {
                lines.push(format!("The key was that of {} messages before.", content.steps));
            }
            lines
        }
    };
    Ok(Shown { lines, json })
}

/// `forge mac-key`.
pub(super) fn mac_key(arguments: &MacKeyArguments) -> Result<Shown, Unforged> {
    let MacKeyArguments { message_key, chain_key, aes_key } = arguments;
    let (mac, message_key) = match (message_key, chain_key, aes_key) {
        (Some(source), _, _) => {
            let message_key = source.secret("a message key of version 4")?;
            (key(&v4::mac_key(&message_key)), Some(key(&message_key)))
        }
        (_, Some(source), _) => {
            let message_key = v4::message_key(&source.secret("a chain key of version 4")?);
            (key(&v4::mac_key(&message_key)), Some(key(&message_key)))
        }
        (_, _, Some(source)) => (key(&v3::mac_key(&source.secret("an AES key of version 3")?)), None),
        _ => return Err(Unforged::Nothing("a key")),
    };
    let json = json!({ "mac_key": mac, "message_key": message_key });
    Ok(Shown { lines: vec![mac], json })
}

/// `forge remac`.
pub(super) fn remac(mac_key: &Source, line: &Source) -> Result<Shown, Unforged> {
    let mac_key = Source::Given(mac_key.line(MAC_KEY)?);
    let line = line.line(LINE)?;
    let version = forge::version(&line)?;
    Ok(forged(
        version,
        match version {
            Version::V4 => v4::remac(&line, &mac_key.secret(MAC_KEY)?)?,
            _ => v3::remac(&line, &mac_key.secret(MAC_KEY)?)?,
        },
    ))
}

/// `forge revealed`: the MAC keys that the data messages of a recording reveal.
pub(super) fn revealed(recording: &Source) -> Result<Shown, Unforged> {
    let messages = encoded(&recording.whole()?);
    let (mut keys, mut refused, mut data_messages) = (Vec::new(), ForgeError::NotEncoded, 0);
    for line in &messages {
        let revealed = match forge::version(line) {
            Ok(Version::V4) => v4::revealed_mac_keys(line).map(|keys| keys.iter().map(key).collect()),
            Ok(_) => v3::revealed_mac_keys(line).map(|keys| keys.iter().map(key).collect()),
            Err(error) => Err(error),
        };
        match revealed {
            Ok(revealed) => {
                data_messages += 1;
                keys.extend::<Vec<String>>(revealed);
            }
            Err(error) => refused = error,
        }
    }
    if data_messages == 0 {
        return Err(refused.into());
    }
    let json = json!({ "data_messages": data_messages, "mac_keys": keys });
    let lines = if keys.is_empty() { vec!["none".to_owned()] } else { keys };
    Ok(Shown { lines, json })
}

const LINE: &str = "the message";
const MAC_KEY: &str = "the MAC key";
