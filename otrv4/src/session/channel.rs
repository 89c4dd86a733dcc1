//! What protects messages with one client, in the version that both sides have agreed on.
//! Spec: otrv4.md "Data Message"; OTRv3 "Data Message". Used by [`super::instance`] and by the steps of a session,
//! which know no versions beyond this file.

mod smp;

use rand_core::CryptoRng;

use super::policy::Expiry;
use crate::account::ContactKey;
use crate::channel::{Content, ExtraKey, Flags, Sealing, Times};
use crate::dake::{self, Mode, Ssid};
use crate::wire::{Header, Reader, Tlv, Version, WireError, Writer, tlv_type, tlv_type_v3};
use crate::{Reject, Timestamp, v3, v4};
pub(crate) use smp::{MAX_QUESTION, SmpStep, abort};

/// An encrypted conversation with one client of the correspondent.
#[derive(Debug)]
pub(crate) enum Channel {
    /// Version 4.
    V4(Box<v4::Channel>),
    /// Version 3, or 2.
    V3(Box<v3::Channel>),
}

impl Channel {
    /// The channel of a completed DAKE.
    pub(crate) fn v4(established: dake::Established, now: Timestamp) -> Self {
        Self::V4(Box::new(v4::Channel::new(established, now)))
    }

    /// The channel of a completed AKE.
    pub(crate) fn v3(established: v3::ake::Established, now: Timestamp, rng: &mut dyn CryptoRng) -> Self {
        Self::V3(Box::new(v3::Channel::new(established, now, rng)))
    }

    pub(crate) fn version(&self) -> Version {
        match self {
            Self::V4(_) => Version::V4,
            Self::V3(channel) => channel.version(),
        }
    }

    /// Whose key it has at the other end.
    pub(crate) fn key(&self) -> ContactKey {
        match self {
            Self::V4(channel) => ContactKey::V4(channel.fingerprint),
            Self::V3(channel) => ContactKey::V3(channel.fingerprint),
        }
    }

    pub(crate) fn mode(&self) -> Mode {
        match self {
            Self::V4(channel) => channel.mode,
            Self::V3(_) => Mode::Interactive,
        }
    }

    pub(crate) fn ssid(&self) -> Ssid {
        match self {
            Self::V4(channel) => channel.ssid,
            Self::V3(channel) => channel.ssid,
        }
    }

    pub(crate) fn times(&self) -> &Times {
        match self {
            Self::V4(channel) => &channel.times,
            Self::V3(channel) => &channel.times,
        }
    }

    /// Notes that a message came, with text or without.
    pub(crate) fn hear(&mut self, text: bool, now: Timestamp) {
        match self {
            Self::V4(channel) => channel.times.hear(text, now),
            Self::V3(channel) => channel.times.hear(text, now),
        }
    }

    /// When the conversation is over if nothing happens; never in versions that know no expiry. spec-notes/SN-039
    pub(crate) fn expires_at(&self, expiry: Expiry) -> Option<Timestamp> {
        match self {
            Self::V4(channel) => Some(channel.times.expires_at(expiry.of(channel.mode))),
            Self::V3(_) => None,
        }
    }

    /// Forgets the keys of messages that have been missing for too long. Whether there were any.
    pub(crate) fn expire_stored(&mut self, expiry: Expiry, now: Timestamp) -> bool {
        match self {
            Self::V4(channel) => channel.expire_stored(now.plus(-expiry.of(channel.mode))),
            Self::V3(_) => false,
        }
    }

    /// When [`Self::expire_stored`] has something to do.
    pub(crate) fn stored_until(&self, expiry: Expiry) -> Option<Timestamp> {
        match self {
            Self::V4(channel) => Some(channel.oldest_stored()?.plus(expiry.of(channel.mode))),
            Self::V3(_) => None,
        }
    }

    /// Nothing has happened later than now. Whether that changes anything.
    pub(crate) fn clamp_times(&mut self, now: Timestamp) -> bool {
        match self {
            Self::V4(channel) => channel.clamp_times(now),
            Self::V3(channel) => channel.times.clamp(now),
        }
    }

    /// Seals text and records, which carry the numbers of the version.
    pub(crate) fn seal(
        &mut self,
        flags: Flags,
        text: &str,
        tlvs: &[Tlv],
        with: Sealing<'_>,
    ) -> Result<(Vec<u8>, Vec<ExtraKey>), WireError> {
        match self {
            Self::V4(channel) => channel.seal(flags, text, tlvs, with),
            Self::V3(channel) => channel.seal(flags, text, tlvs, with),
        }
    }

    /// The last message of a channel: whatever MAC keys are left go with it, or with more messages before it.
    pub(crate) fn seal_last(self, tlvs: &[Tlv], with: Sealing<'_>) -> Vec<Vec<u8>> {
        match self {
            Self::V4(channel) => channel.seal_last(tlvs, with),
            Self::V3(channel) => vec![channel.seal_last(tlvs, with)],
        }
    }

    /// A message without text that reveals the MAC keys of all that was opened, or does so with more messages before it.
    pub(crate) fn seal_revealing_opened(&mut self, tlvs: &[Tlv], with: Sealing<'_>) -> Vec<Vec<u8>> {
        match self {
            Self::V4(channel) => channel.seal_revealing_opened(tlvs, with),
            Self::V3(channel) => vec![channel.seal_revealing_opened(tlvs, with)],
        }
    }

    /// Opens a message. Refused: nothing has changed.
    pub(crate) fn open(
        &mut self,
        message: &DataMessage<'_>,
        now: Timestamp,
        rng: &mut dyn CryptoRng,
    ) -> Result<Content, Reject> {
        match (self, message) {
            (Self::V4(channel), DataMessage::V4(message)) => {
                let (content, step) = channel.try_open(message)?;
                channel.advance(step, now);
                Ok(content)
            }
            (Self::V3(channel), DataMessage::V3(message)) => {
                let (content, step) = channel.try_open(message)?;
                channel.advance(step, rng);
                Ok(content)
            }
            _ => Err(Reject::Unexpected),
        }
    }

    /// Whether the message's ratchet is one that we know.
    pub(crate) fn knows(&self, message: &DataMessage<'_>) -> bool {
        matches!((self, message), (Self::V4(channel), DataMessage::V4(message)) if channel.knows(message))
    }

    /// Takes over the MAC keys of messages that the old channel has opened, to reveal them with our next message; if it
    /// is of another version, they stay there.
    pub(crate) fn reveal_opened_of(&mut self, old: &mut Self) {
        match (self, old) {
            (Self::V4(channel), Self::V4(old)) => channel.reveal_also(old.take_opened_mac_keys()),
            (Self::V3(channel), Self::V3(old)) => channel.reveal_also(old.take_used_mac_keys()),
            _ => {}
        }
    }

    /// Takes over all MAC keys of a channel that is forgotten. It comes back if it is of another version and has some: they
    /// have to go out in a last message of its own.
    pub(crate) fn reveal_all_of(&mut self, old: Self) -> Option<Self> {
        match (self, old) {
            (Self::V4(channel), Self::V4(old)) => channel.reveal_also(old.into_mac_keys()),
            (Self::V3(channel), Self::V3(old)) => channel.reveal_also(old.into_mac_keys()),
            (_, old) => return Some(old).filter(Self::has_to_reveal),
        }
        None
    }

    /// Whether MAC keys wait to be revealed, or will have to be.
    pub(crate) fn has_to_reveal(&self) -> bool {
        match self {
            Self::V4(channel) => channel.has_to_reveal(),
            Self::V3(channel) => channel.has_to_reveal(),
        }
    }

    /// Whether as many MAC keys wait to be revealed as one message takes.
    pub(crate) fn owes_much(&self) -> bool {
        match self {
            Self::V4(channel) => channel.owes_much(),
            Self::V3(channel) => channel.owes_much(),
        }
    }

    /// The number of the record that stands for an extra symmetric key; version 2 has none.
    pub(crate) fn extra_key_type(&self) -> Option<u16> {
        match self.version() {
            Version::V4 => Some(tlv_type::EXTRA_KEY),
            Version::V3 => Some(tlv_type_v3::EXTRA_KEY),
            Version::V2 => None,
        }
    }

    pub(crate) fn save(&self, w: &mut Writer) {
        match self {
            Self::V4(channel) => channel.save(w.byte(4)),
            Self::V3(channel) => channel.save(w.byte(3)),
        }
    }

    pub(crate) fn load(r: &mut Reader<'_>) -> Result<Self, WireError> {
        match r.byte("channel")? {
            4 => Ok(Self::V4(Box::new(v4::Channel::load(r)?))),
            3 => Ok(Self::V3(Box::new(v3::Channel::load(r)?))),
            _ => Err(WireError::Illegal("channel")),
        }
    }
}

/// A data message as it came, split but not believed.
pub(crate) enum DataMessage<'a> {
    V4(v4::DataMessage<'a>),
    V3(v3::DataMessage<'a>),
}

impl<'a> DataMessage<'a> {
    /// What follows the header.
    pub(crate) fn read(header: &Header, r: &mut Reader<'a>) -> Result<Self, WireError> {
        match header.version {
            Version::V4 => v4::DataMessage::read(r).map(Self::V4),
            Version::V2 | Version::V3 => v3::DataMessage::read(header, r).map(Self::V3),
        }
    }

    /// Whether nobody needs to hear of it if it cannot be read.
    pub(crate) fn ignore_unreadable(&self) -> bool {
        match self {
            Self::V4(message) => message.ignore_unreadable,
            Self::V3(message) => message.ignore_unreadable,
        }
    }

    /// Whether it may be the first thing after a key exchange that it has overtaken; version 3 knows a network that keeps
    /// the order.
    pub(crate) fn is_of_first_ratchet(&self) -> bool {
        match self {
            Self::V4(message) => message.is_of_first_ratchet(),
            Self::V3(_) => false,
        }
    }
}
