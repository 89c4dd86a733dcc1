//! The encoded messages of all versions. Spec: the format table of each message in otrv4.md and OTRv3.

use super::Parsed;
use super::prekeys::{client_profile, prekey_keys};
use super::walk::{Body, Walk};
use crate::wire::WireError;

pub(super) fn parse(message: &[u8]) -> Parsed {
    Walk::through(message, |walk| {
        let (version, kind) = head(walk).map_err(|error| ("Encoded message", error))?;
        if !matches!(version, 2..=4) {
            walk.rest("not taken apart");
            return Ok("Message of another version");
        }
        let (name, body): (_, Body) = match (version, kind) {
            (4, 0x03) => ("Data message", data_v4),
            (4, 0x35) => ("Identity message", identity),
            (4, 0x36) => ("Auth-R message", auth_r),
            (4, 0x37) => ("Auth-I message", ring_signature),
            (4, 0x0d) => ("Non-Interactive-Auth message", non_interactive_auth),
            (4, 0x0f) => ("Prekey message", prekey_keys),
            (2 | 3, 0x03) => ("Data message", data_v3),
            (2 | 3, 0x02) => ("D-H Commit message", dh_commit),
            (2 | 3, 0x0a) => ("D-H Key message", dh_key),
            (2 | 3, 0x11) => ("Reveal Signature message", reveal_signature),
            (2 | 3, 0x12) => ("Signature message", signature),
            _ => return Err(("Encoded message", WireError::Illegal("message type"))),
        };
        walk.mean(name);
        let tags = match (version, kind) {
            (2, _) | (4, 0x0f) => Ok(()),
            _ => tags(walk),
        };
        tags.and_then(|()| body(walk)).map(|()| name).map_err(|error| (name, error))
    })
}

pub(super) fn head(walk: &mut Walk<'_>) -> Result<(u16, u8), WireError> {
    Ok((walk.short("protocol version")?, walk.byte("message type")?))
}

fn tags(walk: &mut Walk<'_>) -> Result<(), WireError> {
    tag(walk, "sender's instance tag")?;
    tag(walk, "receiver's instance tag")
}

pub(super) fn tag(walk: &mut Walk<'_>, name: &'static str) -> Result<(), WireError> {
    let tag = walk.int(name)?;
    walk.mean(meaning_of_tag(tag));
    Ok(())
}

pub(super) fn meaning_of_tag(tag: u32) -> String {
    match tag {
        0 => "no client in particular".to_owned(),
        1..0x100 => "not allowed: less than 0x100".to_owned(),
        _ => format!("{tag:08x}"),
    }
}

fn flags(walk: &mut Walk<'_>) -> Result<(), WireError> {
    if walk.byte("flags")? & 1 != 0 {
        walk.mean("IGNORE_UNREADABLE");
    }
    Ok(())
}

fn data_v4(walk: &mut Walk<'_>) -> Result<(), WireError> {
    flags(walk)?;
    walk.int("previous chain message number")?;
    walk.int("ratchet id")?;
    walk.int("message id")?;
    walk.point("public ECDH key")?;
    walk.mpi("public DH key")?;
    walk.data("encrypted message")?;
    walk.bytes::<64>("authenticator")?;
    walk.list::<64>("old MAC keys to be revealed", "revealed MAC key")
}

fn data_v3(walk: &mut Walk<'_>) -> Result<(), WireError> {
    flags(walk)?;
    walk.int("sender keyid")?;
    walk.int("recipient keyid")?;
    walk.mpi("DH y")?;
    walk.long("top half of counter init")?;
    walk.data("encrypted message")?;
    walk.bytes::<20>("authenticator")?;
    walk.list::<20>("old MAC keys to be revealed", "revealed MAC key")
}

fn identity(walk: &mut Walk<'_>) -> Result<(), WireError> {
    client_profile(walk)?;
    walk.point("Y")?;
    walk.mpi("B")?;
    first_keys(walk)
}

fn auth_r(walk: &mut Walk<'_>) -> Result<(), WireError> {
    client_profile(walk)?;
    walk.point("X")?;
    walk.mpi("A")?;
    ring_signature(walk)?;
    first_keys(walk)
}

fn non_interactive_auth(walk: &mut Walk<'_>) -> Result<(), WireError> {
    client_profile(walk)?;
    walk.point("X")?;
    walk.mpi("A")?;
    ring_signature(walk)?;
    walk.int("prekey message identifier")?;
    walk.bytes::<64>("Auth MAC")?;
    first_keys(walk)
}

fn first_keys(walk: &mut Walk<'_>) -> Result<(), WireError> {
    walk.point("first ECDH public key")?;
    walk.mpi("first DH public key").map(|_| ())
}

/// RING-SIG: who made it, one of three keys, is what it does not tell.
pub(super) fn ring_signature(walk: &mut Walk<'_>) -> Result<(), WireError> {
    for name in ["c1", "r1", "c2", "r2", "c3", "r3"] {
        walk.scalar(name)?;
    }
    Ok(())
}

fn dh_commit(walk: &mut Walk<'_>) -> Result<(), WireError> {
    walk.data("encrypted gx")?;
    walk.data("hashed gx").map(|_| ())
}

fn dh_key(walk: &mut Walk<'_>) -> Result<(), WireError> {
    walk.mpi("gy").map(|_| ())
}

fn reveal_signature(walk: &mut Walk<'_>) -> Result<(), WireError> {
    walk.data("revealed key")?;
    signature(walk)
}

fn signature(walk: &mut Walk<'_>) -> Result<(), WireError> {
    walk.data("encrypted signature")?;
    walk.bytes::<20>("MAC'd signature").map(|_| ())
}
