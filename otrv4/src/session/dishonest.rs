//! What the other end of a conversation can do that does not keep to the protocol. With the feature `inside` only: see there.

use super::channel::{Channel, DataMessage, SmpStep};
use super::instance::Instance;
use super::{Context, Outputs, Session};
use crate::wire::{Header, InstanceTag, Padding, Reader, Tlv};
use crate::{Output, Secret};

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

/// Sends records to a client as they are, in one data message without text.
pub fn send_records(
    session: &mut Session,
    cx: &mut Context<'_>,
    to: InstanceTag,
    records: Vec<(u16, Vec<u8>)>,
) -> Vec<Output> {
    let records: Vec<Tlv> = records.into_iter().map(|(kind, value)| Tlv { kind, value }).collect();
    let mut out = Outputs::default();
    session.send_quiet(cx, to, &records, &mut out);
    out.finish()
}

/// The record of SMP that answers their question with this secret; not sent.
pub fn smp_answer(
    session: &mut Session,
    cx: &mut Context<'_>,
    to: InstanceTag,
    secret: &str,
) -> Option<(u16, Vec<u8>)> {
    let channel = session.instances.get_mut(&to)?.channel()?;
    let answer = channel.smp_answer(cx.account, secret, cx.rng).ok()?;
    Some((answer.kind, answer.value.clone()))
}

/// The record of SMP that answers theirs; not sent.
pub fn smp_reply(
    session: &mut Session,
    cx: &mut Context<'_>,
    to: InstanceTag,
    (kind, value): (u16, Vec<u8>),
) -> Option<(u16, Vec<u8>)> {
    let channel = session.instances.get_mut(&to)?.channel()?;
    match channel.smp_receive(&Tlv { kind, value }, cx.rng).ok()? {
        SmpStep::Reply(reply) | SmpStep::Concluded { reply: Some(reply), .. } => {
            Some((reply.kind, reply.value.clone()))
        }
        SmpStep::Asked(_) | SmpStep::Concluded { reply: None, .. } | SmpStep::Aborted => None,
    }
}

/// What our next data message to that client would have as its authenticator, if these were its sections; in a ratchet of
/// ours that is open already. Nothing changes.
pub fn authenticator(
    session: &Session,
    cx: &mut Context<'_>,
    to: InstanceTag,
    sections: &[u8],
) -> Option<Vec<u8>> {
    let mut copy = Session::load(&session.save(), session.policy).ok()?;
    let size = match copy.instances.get(&to).and_then(Instance::peek)? {
        Channel::V4(_) => 64,
        Channel::V3(_) => 20,
    };
    let sealed = seal(&mut copy, cx, to, &[], &mut |message| *message = sections.to_vec())?;
    sealed.get(sections.len()..).and_then(|rest| rest.get(..size)).map(<[u8]>::to_vec)
}

/// The chain key of our next data message to that client, in version 4 and in a ratchet of ours that is open already.
/// Nothing changes.
pub fn next_chain_key(session: &Session, cx: &mut Context<'_>, to: InstanceTag) -> Option<Secret<64>> {
    let mut copy = Session::load(&session.save(), session.policy).ok()?;
    let with = cx.sealing(to, Padding::Off);
    match copy.instances.get_mut(&to).and_then(Instance::channel)? {
        Channel::V4(channel) => Some(channel.next_chain_key(with).disclose()),
        Channel::V3(_) => None,
    }
}

/// The chain key of a data message of version 4 that this session can read and has not received yet. Nothing changes.
pub fn chain_key(session: &Session, message: &[u8]) -> Option<Secret<64>> {
    session.chain_key_of(message)
}

/// The AES key of our next data message to that client, in versions 3 and 2. Nothing changes.
pub fn next_aes_key(session: &Session, to: InstanceTag) -> Option<Secret<16>> {
    let mut copy = Session::load(&session.save(), session.policy).ok()?;
    match copy.instances.get_mut(&to).and_then(Instance::channel)? {
        Channel::V3(channel) => Some(channel.next_aes_key().copied()),
        Channel::V4(_) => None,
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
