//! What the channels of all versions have in common: what a message is sealed with, and what an opened one said.
//! Spec: otrv4.md "Data Message"; OTRv3 "Data Message". Used by [`crate::v4`], [`crate::v3`] and [`crate::session`].

mod extra_key;
mod times;

use rand_core::CryptoRng;

use crate::Timestamp;
use crate::wire::{InstanceTag, Padding, Tlv};
pub use extra_key::ExtraKey;
pub(crate) use extra_key::{MAX_EXTRA_KEYS, split_use};
pub(crate) use times::Times;

/// With what a message is sealed, beside the keys.
pub(crate) struct Sealing<'a> {
    /// Our instance tag, and theirs.
    pub(crate) tags: (InstanceTag, InstanceTag),
    pub(crate) padding: Padding,
    pub(crate) now: Timestamp,
    pub(crate) rng: &'a mut dyn CryptoRng,
}

impl Sealing<'_> {
    /// The same for one message of several.
    pub(crate) fn reborrow(&mut self) -> Sealing<'_> {
        let Self { tags, padding, now, rng } = self;
        Sealing { tags: *tags, padding: *padding, now: *now, rng: *rng }
    }
}

/// What a message said.
pub(crate) struct Content {
    /// The human-readable part; none when it is empty ("heartbeat" message).
    pub(crate) text: Option<String>,
    pub(crate) tlvs: Vec<Tlv>,
    /// The keys that its TLVs name a use for.
    pub(crate) extra_keys: Vec<ExtraKey>,
}

/// What the receiver does with a message that cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flags {
    /// Tell the user and the sender.
    None = 0x00,
    /// Say nothing: the message has no text for a person.
    IgnoreUnreadable = 0x01,
}
