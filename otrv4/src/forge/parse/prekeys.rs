//! Profiles, prekey messages, and the messages between clients and the prekey server.
//! Spec: otrv4.md "Client Profile Data Type", "Prekey Profile Data Type", "Prekey Message"; otrv4-prekey-server.md.

use super::messages::{head, ring_signature, tag};
use super::walk::{Body, Walk};
use super::{Parsed, clear, damaged, of_pieces};
use crate::crypto::dsa::DsaPublic;
use crate::crypto::ed448;
use crate::keys::{Fingerprint, Point};
use crate::prekey_server::{FRAGMENT_PREFIX, decode_text, read_fragment};
use crate::wire::{Reader, Versions, WireError};

/// A fragment or a message of the prekey server's protocol, if the line is one.
pub(super) fn parse(line: &str) -> Option<Parsed> {
    if line.starts_with(FRAGMENT_PREFIX) {
        return Some(fragment(line));
    }
    let message = decode_text(line).ok().filter(|message| message.starts_with(&[0, 4]))?;
    Some(Walk::through(&message, |walk| {
        let (_, kind) = head(walk).map_err(|error| ("Prekey server message", error))?;
        let (name, body): (_, Body) = match kind {
            0x35 => ("DAKE-1 message", dake_1),
            0x36 => ("DAKE-2 message", dake_2),
            0x37 => ("DAKE-3 message", dake_3),
            0x10 => ("Prekey Ensemble Query message", query),
            0x13 => ("Prekey Ensemble Retrieval message", retrieval),
            0x0e => ("No Prekey Ensembles in Storage message", no_ensembles),
            0x05 => ("Failure message", reply),
            0x06 => ("Success message", reply),
            0x0b => ("Storage Status message", status),
            0x0f => ("Prekey message", prekey_keys),
            _ => return Err(("Prekey server message", WireError::Illegal("message type"))),
        };
        walk.mean(name);
        body(walk).map(|()| name).map_err(|error| (name, error))
    }))
}

fn fragment(line: &str) -> Parsed {
    let name = "Fragment of a prekey server message";
    match read_fragment(line) {
        Ok(([identifier, sender, receiver], index, total, piece)) => {
            clear(name, of_pieces(Some(identifier), Some([sender, receiver]), index, total, piece))
        }
        Err(error) => damaged(name, line, error),
    }
}

/// Its long-term key, if it has one. As honest readers do it refuses a field that comes twice.
pub(super) fn client_profile(walk: &mut Walk<'_>) -> Result<Option<Point>, WireError> {
    let (mut identity_key, mut forging_key, mut seen) = (None, None, Vec::new());
    let fields = walk.int("number of Client Profile fields")?;
    let start = walk.position();
    for _ in 0..fields {
        let field = walk.short("field type")?;
        if seen.contains(&field) {
            return Err(WireError::Illegal("a profile's field that comes twice"));
        }
        seen.push(field);
        match field {
            1 => tag(walk, "owner's instance tag")?,
            2 => identity_key = Some(public_key(walk, "Ed448 public key")?),
            3 => forging_key = Some(public_key(walk, "Ed448 forging public key")?),
            4 => {
                let versions = Versions::from_digits(walk.data("versions")?);
                walk.mean(versions.to_digits());
            }
            5 => expiry(walk, "Client Profile expiration")?,
            6 => dsa_key(walk)?,
            7 => _ = walk.bytes::<40>("transitional signature")?,
            _ => return Err(WireError::Illegal("field type")),
        }
    }
    let identity_key = identity_key.and_then(Result::ok);
    let says = match (&identity_key, forging_key) {
        (Some(identity_key), Some(Ok(forging_key))) => {
            format!("; of the fingerprint {}", Fingerprint::of(identity_key, &forging_key))
        }
        _ => String::new(),
    };
    // Without a key there is none that it holds under.
    let holds = |signed: &[u8], signature: &_| {
        Some(identity_key.as_ref().is_some_and(|key| ed448::verify(key, signed, signature)))
    };
    walk.signature("Client Profile signature", start, holds, &says)?;
    Ok(identity_key)
}

/// The type of a key and its point, which may be none of the curve.
fn public_key(walk: &mut Walk<'_>, name: &'static str) -> Result<Result<Point, WireError>, WireError> {
    let kind = *walk.bytes::<2>("key type")?;
    walk.mean(match kind {
        [0x10, 0] => "a long-term key",
        [0x11, 0] => "a shared prekey",
        [0x12, 0] => "a forging key",
        _ => "unknown",
    });
    let point = Point::decode(walk.point(name)?);
    if point.is_err() {
        walk.mean("not a point of the curve");
    }
    Ok(point)
}

fn expiry(walk: &mut Walk<'_>, name: &'static str) -> Result<(), WireError> {
    let seconds = walk.long(name)?.cast_signed();
    walk.mean(format!("{seconds} seconds since 1970"));
    Ok(())
}

fn dsa_key(walk: &mut Walk<'_>) -> Result<(), WireError> {
    let mut key = crate::wire::Writer::new();
    key.short(walk.short("DSA key type")?);
    for name in ["p", "q", "g", "y"] {
        key.mpi(walk.mpi(name)?);
    }
    if let Ok(key) = DsaPublic::read(&mut Reader::new(key.as_slice())) {
        walk.mean(format!("of the fingerprint {}", key.fingerprint()));
    }
    Ok(())
}

/// With the key of its owner's Client Profile, if that came before.
fn prekey_profile(walk: &mut Walk<'_>, key: Option<&Point>) -> Result<(), WireError> {
    let start = walk.position();
    tag(walk, "owner's instance tag")?;
    expiry(walk, "Prekey Profile expiration")?;
    _ = public_key(walk, "shared prekey")?;
    let holds = |signed: &[u8], signature: &_| key.map(|key| ed448::verify(key, signed, signature));
    walk.signature("Prekey Profile signature", start, holds, "")
}

fn prekey_message(walk: &mut Walk<'_>) -> Result<(), WireError> {
    if head(walk)? != (4, 0x0f) {
        return Err(WireError::Illegal("message type"));
    }
    walk.mean("Prekey message");
    prekey_keys(walk)
}

/// What a prekey message has behind its type; it has no sender and no receiver.
pub(super) fn prekey_keys(walk: &mut Walk<'_>) -> Result<(), WireError> {
    walk.int("prekey message identifier")?;
    tag(walk, "owner's instance tag")?;
    walk.point("Y")?;
    walk.mpi("B").map(|_| ())
}

fn dake_1(walk: &mut Walk<'_>) -> Result<(), WireError> {
    tag(walk, "sender's instance tag")?;
    client_profile(walk)?;
    walk.point("I").map(|_| ())
}

fn dake_2(walk: &mut Walk<'_>) -> Result<(), WireError> {
    tag(walk, "receiver's instance tag")?;
    text(walk, "prekey server identity")?;
    _ = public_key(walk, "prekey server public key")?;
    walk.point("S")?;
    ring_signature(walk)
}

fn dake_3(walk: &mut Walk<'_>) -> Result<(), WireError> {
    tag(walk, "sender's instance tag")?;
    ring_signature(walk)?;
    walk.inside("message inside DAKE-3", |walk| match head(walk)? {
        (4, 0x08) => publication(walk),
        (4, 0x09) => {
            walk.mean("Storage Information Request message");
            walk.bytes::<64>("MAC").map(|_| ())
        }
        _ => Err(WireError::Illegal("message type")),
    })
}

/// Prekey messages and profiles, as many as there are, and for each kind of key in them a proof.
fn publication(walk: &mut Walk<'_>) -> Result<(), WireError> {
    walk.mean("Prekey Publication message");
    let prekeys = walk.byte("N")?;
    for _ in 0..prekeys {
        prekey_message(walk)?;
    }
    let key = if is_there(walk, "K")? { client_profile(walk)? } else { None };
    let has_profile = is_there(walk, "J")?;
    if has_profile {
        prekey_profile(walk, key.as_ref())?;
    }
    if prekeys > 0 {
        walk.bytes::<64>("proof of the ECDH prekeys, c")?;
        walk.scalar("proof of the ECDH prekeys, v")?;
        walk.bytes::<64>("proof of the DH prekeys, c")?;
        walk.mpi("proof of the DH prekeys, v")?;
    }
    if has_profile {
        walk.bytes::<64>("proof of the shared prekey, c")?;
        walk.scalar("proof of the shared prekey, v")?;
    }
    walk.bytes::<64>("MAC").map(|_| ())
}

fn is_there(walk: &mut Walk<'_>, name: &'static str) -> Result<bool, WireError> {
    match walk.byte(name)? {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(WireError::Illegal(name)),
    }
}

fn query(walk: &mut Walk<'_>) -> Result<(), WireError> {
    tag(walk, "sender's instance tag")?;
    text(walk, "participant's identity")?;
    text(walk, "versions")
}

fn retrieval(walk: &mut Walk<'_>) -> Result<(), WireError> {
    tag(walk, "receiver's instance tag")?;
    text(walk, "participant's identity")?;
    for _ in 0..walk.int("number of Prekey Ensembles")? {
        let key = client_profile(walk)?;
        prekey_profile(walk, key.as_ref())?;
        prekey_message(walk)?;
    }
    Ok(())
}

fn no_ensembles(walk: &mut Walk<'_>) -> Result<(), WireError> {
    tag(walk, "receiver's instance tag")?;
    text(walk, "participant's identity")?;
    text(walk, "message")
}

fn reply(walk: &mut Walk<'_>) -> Result<(), WireError> {
    tag(walk, "receiver's instance tag")?;
    walk.bytes::<64>("MAC").map(|_| ())
}

fn status(walk: &mut Walk<'_>) -> Result<(), WireError> {
    tag(walk, "receiver's instance tag")?;
    walk.int("number of prekey messages")?;
    walk.bytes::<64>("MAC").map(|_| ())
}

fn text(walk: &mut Walk<'_>, name: &'static str) -> Result<(), WireError> {
    let text = walk.data(name)?;
    walk.mean(String::from_utf8_lossy(text));
    Ok(())
}
