//! What the other end of a conversation can do that does not keep to the protocol. Used by fuzz targets and
//! `conformance/`, through [`crate::inside`].

use super::channel::{Channel, DataMessage};
use super::instance::Instance;
use super::{Context, Session};
use crate::wire::{Header, InstanceTag, Padding, Reader};

/// Seals a data message of this conversation to that client: any bytes as plaintext, and fields before the MAC as
/// `alter` leaves them, under a MAC that is right all the same.
pub fn seal(
    session: &mut Session,
    cx: &mut Context<'_>,
    to: InstanceTag,
    plaintext: &[u8],
    alter: &mut dyn FnMut(&mut Vec<u8>),
) -> Option<Vec<u8>> {
    let with = cx.sealing(to, Padding::Off);
    match session.instances.get_mut(&to).and_then(Instance::channel)? {
        Channel::V4(channel) => channel.seal_dishonestly(plaintext, alter, with),
        Channel::V3(channel) => channel.seal_dishonestly(plaintext, alter, &with),
    }
}

/// What a data message says to this session; reading it changes nothing.
pub fn plaintext(session: &Session, message: &[u8]) -> Option<Vec<u8>> {
    let mut r = Reader::new(message);
    let header = Header::read(&mut r).ok()?;
    let message = DataMessage::read(&header, &mut r).ok()?;
    match (session.instances.get(&header.sender).and_then(Instance::peek)?, &message) {
        (Channel::V4(channel), DataMessage::V4(message)) => channel.plaintext(message),
        (Channel::V3(channel), DataMessage::V3(message)) => channel.plaintext(message),
        _ => None,
    }
}
