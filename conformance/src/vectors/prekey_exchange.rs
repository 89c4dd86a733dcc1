//! The exchanges with a prekey server, through the public interface of both roles.

use std::collections::VecDeque;
use std::convert::Infallible;

use otrv4::client_profile::{ClientProfile, VerifiedClientProfile};
use otrv4::keys::{Fingerprint, LongTermKey};
use otrv4::prekey_server::{
    AwaitReply, Checked, Dake1, FragmentAssembler, PendingDake, PublishRequest, Publisher, Request,
    ServerIdentity, ServerKey, ServerReply, read_ensembles,
};
use otrv4::wire::{InstanceTag, Reader, Versions};
use otrv4::{Reject, Timestamp};
use serde_json::{Value, json};

use super::values::Fields;
use crate::correspondent::rng;

/// Whether the server or the client takes it, and, where it is taken, whether it comes to the outputs.
pub(super) fn accepts(kind: &str, v: &Fields<'_>) -> Option<bool> {
    Some(match kind {
        "prekey_dake_1" => {
            let (server, now, dake1) = (server(v)?, now(v)?, dake_1(&v.bytes("message")?));
            dake1.is_some_and(|dake1| {
                PendingDake::answer(&server, "alice@example.org", dake1, now, &mut rng()).is_ok()
            })
        }
        "prekey_dake_2" => dake_2(v, &v.bytes("message")?)?.is_ok(),
        "prekey_dake_3" => {
            let (accepted, reply) = dake_3(v)?;
            // A refusal is told, once the server knows whom.
            if !v.gives("reply", &reply)? {
                return None;
            }
            accepted
        }
        "prekey_reply" => {
            let awaiting = dake_2(v, &v.bytes("dake_2")?)?.ok()?;
            match awaiting.receive(&v.bytes("message")?) {
                Ok(reply) => {
                    let shown = shown(reply);
                    // The number stands in a status only.
                    let same = ["reply", "number"].map(|name| v.outputs.get(name) == &shown[name]);
                    if same.contains(&false) {
                        return None;
                    }
                    true
                }
                Err(_) => false,
            }
        }
        "prekey_answer" => {
            let (receiver, now) = (InstanceTag::new(v.number("tag")?)?, now(v)?);
            match read_ensembles(&v.bytes("message")?, receiver, v.text("identity")?) {
                Ok(ensembles) => {
                    let verified =
                        ensembles.into_iter().filter_map(|ensemble| ensemble.verify(now, Versions::V4).ok());
                    if v.outputs.get("usable") != &json!(verified.count()) {
                        return None;
                    }
                    true
                }
                Err(_) => false,
            }
        }
        _ => return None,
    })
}

/// Whether the pieces come to the message.
pub(super) fn equal(kind: &str, v: &Fields<'_>) -> Option<bool> {
    if kind != "prekey_assemble" {
        return None;
    }
    let mut assembler = FragmentAssembler::new(InstanceTag::new(v.number("own_tag")?));
    let pieces = v.inputs.get("pieces").as_array()?.iter().filter_map(Value::as_str);
    let texts: Vec<String> =
        pieces.filter_map(|piece| assembler.add(piece, Timestamp::from_unix(0)).ok().flatten()).collect();
    let expected: Vec<&str> = v.outputs.get("message").as_str().into_iter().collect();
    Some(texts == expected)
}

fn server(v: &Fields<'_>) -> Option<ServerIdentity> {
    Some(ServerIdentity::new(v.text("server_identity")?, &v.bytes("server_sym")?.try_into().ok()?))
}

fn now(v: &Fields<'_>) -> Option<Timestamp> {
    Some(Timestamp::from_unix(v.inputs.get("now").as_i64()?))
}

fn dake_1(message: &[u8]) -> Option<Dake1> {
    match Request::read(message) {
        Ok(Request::Dake1(dake1)) => Some(*dake1),
        _ => None,
    }
}

/// The client with its recorded ephemeral key gets a DAKE-2.
fn dake_2(v: &Fields<'_>, message: &[u8]) -> Option<Result<AwaitReply, Reject>> {
    let profile = profile(&v.bytes("client_profile")?, now(v)?)?;
    let mut first = Drawing::of([v.bytes("i")?]);
    let (publisher, _) = Publisher::start(&profile, v.text("identity")?, &mut first);
    let key = LongTermKey::generate(&mut Drawing::of([v.bytes("sym_h")?]));
    let fingerprint: Fingerprint = v.text("server_fingerprint")?.parse().ok()?;
    let server = ServerKey::new(v.text("server_identity")?, fingerprint);
    let request = PublishRequest::StorageInformation;
    let answered = publisher.receive_dake2(message, &server, &key, request, &mut rng());
    Some(answered.map(|(awaiting, _)| awaiting))
}

/// The server with its recorded ephemeral key gets a DAKE-3: whether it does what is asked, and what it answers.
fn dake_3(v: &Fields<'_>) -> Option<(bool, Vec<u8>)> {
    let (server, now) = (server(v)?, now(v)?);
    let mut drawing = Drawing::of([v.bytes("s")?]);
    let dake1 = dake_1(&v.bytes("dake_1")?)?;
    let (pending, _) = PendingDake::answer(&server, v.text("publisher")?, dake1, now, &mut drawing).ok()?;
    let Ok(Request::Dake3(dake3)) = Request::read(&v.bytes("message")?) else {
        return Some((false, Vec::new()));
    };
    let Ok(authenticated) = pending.finish(&server, *dake3) else { return Some((false, Vec::new())) };
    Some(match authenticated.check(now) {
        Checked::Publish(_, reply) => (true, reply.success()),
        // So many are stored in the transcript.
        Checked::Count(reply) => (true, reply.status(2)),
        Checked::Failure(reply) => (false, reply),
    })
}

fn profile(encoded: &[u8], now: Timestamp) -> Option<VerifiedClientProfile> {
    let profile = ClientProfile::read(&mut Reader::new(encoded)).ok()?;
    let owner = encoded.get(6..10)?.try_into().ok().map(u32::from_be_bytes)?;
    profile.verify(InstanceTag::new(owner)?, now).ok()
}

fn shown(reply: ServerReply) -> Value {
    match reply {
        ServerReply::Success => json!({ "reply": "success" }),
        ServerReply::Failure => json!({ "reply": "failure" }),
        ServerReply::Status(number) => json!({ "reply": "status", "number": number }),
    }
}

/// Gives recorded bytes first, then those of the system's generator.
struct Drawing(VecDeque<Vec<u8>>);

impl Drawing {
    fn of<const N: usize>(recorded: [Vec<u8>; N]) -> Self {
        Self(recorded.into())
    }
}

impl rand_core::TryRng for Drawing {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        rng().try_next_u32()
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        rng().try_next_u64()
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Infallible> {
        match self.0.pop_front() {
            Some(recorded) if recorded.len() == out.len() => {
                out.copy_from_slice(&recorded);
                Ok(())
            }
            _ => rng().try_fill_bytes(out),
        }
    }
}

impl rand_core::TryCryptoRng for Drawing {}
