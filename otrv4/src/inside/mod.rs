//! The inside of the library, for those who test it and others: the readers of all messages, what a correspondent can
//! send who has the keys and does not keep to the protocol, and the primitives. Fuzzers, benchmarks, measurements and the
//! programs of `conformance/` use it. It is not part of the interface: it is there with the feature `inside` only, nothing of
//! it is stable, and no application may have it.

pub mod primitives;

pub use crate::prekey_server::dishonest::receive_dake_2;
pub use crate::prekey_server::rewriting::rewrite as rewrite_request;
pub use crate::session::dishonest::{
    authenticator, chain_key, next_aes_key, next_chain_key, plaintext, seal, send_records, smp_answer,
    smp_reply,
};

use crate::dake::interactive::{AuthI, AuthR, Identity};
use crate::dake::offline::NonInteractiveAuth;
use crate::v3::messages::{DhCommit, DhKey, RevealSignature, Signature};
use crate::wire::{Header, MessageType, Reader, Version, WireError, Writer};
use crate::{v3, v4};

/// Reads a whole message of any version and writes it again, field by field. None for data messages: not all of their
/// fields are kept.
pub fn rewrite(message: &[u8]) -> Result<Option<Vec<u8>>, WireError> {
    let mut r = Reader::new(message);
    let header = Header::read(&mut r)?;
    let (r, mut w) = (&mut r, Writer::new());
    header.write(&mut w);
    match header.message_type {
        MessageType::Identity => Identity::read(&header, r)?.write(&mut w),
        MessageType::AuthR => AuthR::read(&header, r)?.write(&mut w),
        MessageType::AuthI => AuthI::read(r)?.write(&mut w),
        MessageType::NonInteractiveAuth => NonInteractiveAuth::read(&header, r)?.write(&mut w),
        MessageType::DhCommit => DhCommit::read(r)?.write(&mut w),
        MessageType::DhKey => DhKey::read(r)?.write(&mut w),
        MessageType::RevealSignature => RevealSignature::read(r)?.write(&mut w),
        MessageType::Signature => Signature::read(r)?.write(&mut w),
        MessageType::Data => {
            return match header.version {
                Version::V4 => v4::DataMessage::read(r).map(|_| None),
                Version::V2 | Version::V3 => v3::DataMessage::read(&header, r).map(|_| None),
            };
        }
    }
    Ok(Some(w.finish()))
}
