//! The inside of the library under names that the fuzz targets and `conformance/` can call: the readers of all messages,
//! and what a correspondent can send who has the keys and does not keep to the protocol. Not part of the interface:
//! nothing here is stable, and no application needs it.

pub use crate::prekey_server::dishonest::receive_dake_2;
pub use crate::prekey_server::rewriting::rewrite as rewrite_request;
pub use crate::session::dishonest::{plaintext, seal};

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
