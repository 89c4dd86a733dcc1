//! The fields every encoded message begins with: version, type and the two instance tags.
//! Spec: otrv4.md "Instance Tags" and the format tables of each message. Used by the session to route messages.

use core::fmt;

use rand_core::CryptoRng;

use super::{Reader, WireError, Writer};

/// Version SHORT, type BYTE, sender and receiver instance tags (INT each): 11 bytes. Version 2 knows no tags, its messages
/// begin with the first two fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// The protocol the message belongs to.
    pub version: Version,
    /// What follows the header.
    pub message_type: MessageType,
    /// The client that wrote the message; [`InstanceTag::V2`] in version 2.
    pub sender: InstanceTag,
    /// The client it is for; `None` (0 on the wire) while the sender knows none, and in version 2.
    pub receiver: Option<InstanceTag>,
}

impl Header {
    /// Reads the header and leaves the reader at the message's own fields. Tags from 1 to 0xff are refused, a
    /// receiver of 0 only means "any".
    pub fn read(r: &mut Reader<'_>) -> Result<Self, WireError> {
        let version = match r.short("protocol version")? {
            2 => Version::V2,
            3 => Version::V3,
            4 => Version::V4,
            _ => return Err(WireError::Illegal("protocol version")),
        };
        let message_type = MessageType::from_byte(version, r.byte("message type")?)?;
        if version == Version::V2 {
            return Ok(Self { version, message_type, sender: InstanceTag::V2, receiver: None });
        }
        let sender = InstanceTag::read(r)?;
        let receiver = InstanceTag::receiver(r.int("receiver instance tag")?)?;
        Ok(Self { version, message_type, sender, receiver })
    }

    /// Writes the same four fields.
    pub fn write(&self, w: &mut Writer) {
        w.short(self.version as u16).byte(self.message_type.byte());
        if self.version != Version::V2 {
            self.sender.write(w);
            w.int(self.receiver.map_or(0, InstanceTag::get));
        }
    }
}

/// A protocol version; its value is what the wire carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u16)]
pub enum Version {
    /// OTRv2, which has no instance tags.
    V2 = 2,
    /// OTRv3.
    V3 = 3,
    /// OTRv4.
    V4 = 4,
}

impl Version {
    /// The number, for [`super::Versions`].
    pub const fn number(self) -> u8 {
        match self {
            Self::V2 => 2,
            Self::V3 => 3,
            Self::V4 => 4,
        }
    }
}

/// The encoded messages of all versions; those of version 2 are those of version 3.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum MessageType {
    /// 0x03 in all versions: an encrypted text, or TLVs only.
    Data,
    /// 0x35, version 4: begins the interactive DAKE.
    Identity,
    /// 0x36, version 4: the answer to an Identity message.
    AuthR,
    /// 0x37, version 4: completes the interactive DAKE.
    AuthI,
    /// 0x0d, version 4: the one message of the non-interactive DAKE.
    NonInteractiveAuth,
    /// 0x02, versions 2 and 3: begins the AKE.
    DhCommit,
    /// 0x0a, versions 2 and 3.
    DhKey,
    /// 0x11, versions 2 and 3.
    RevealSignature,
    /// 0x12, versions 2 and 3: completes the AKE.
    Signature,
}

impl MessageType {
    /// The BYTE of the wire.
    pub fn byte(self) -> u8 {
        match self {
            Self::Data => 0x03,
            Self::Identity => 0x35,
            Self::AuthR => 0x36,
            Self::AuthI => 0x37,
            Self::NonInteractiveAuth => 0x0d,
            Self::DhCommit => 0x02,
            Self::DhKey => 0x0a,
            Self::RevealSignature => 0x11,
            Self::Signature => 0x12,
        }
    }

    fn from_byte(version: Version, byte: u8) -> Result<Self, WireError> {
        match (version, byte) {
            (_, 0x03) => Ok(Self::Data),
            (Version::V4, 0x35) => Ok(Self::Identity),
            (Version::V4, 0x36) => Ok(Self::AuthR),
            (Version::V4, 0x37) => Ok(Self::AuthI),
            (Version::V4, 0x0d) => Ok(Self::NonInteractiveAuth),
            (Version::V2 | Version::V3, 0x02) => Ok(Self::DhCommit),
            (Version::V2 | Version::V3, 0x0a) => Ok(Self::DhKey),
            (Version::V2 | Version::V3, 0x11) => Ok(Self::RevealSignature),
            (Version::V2 | Version::V3, 0x12) => Ok(Self::Signature),
            _ => Err(WireError::Illegal("message type")),
        }
    }
}

/// Names one client of an account; at least 0x100 (otrv4.md "Instance Tags"). Shown as 8 hex digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InstanceTag(u32);

impl InstanceTag {
    /// Stands for whoever speaks version 2, in which nobody has a tag: one client a correspondent. Its number is 0, and it
    /// is never on the wire.
    pub const V2: Self = Self(0);

    /// The tag, unless it is one of the reserved values below 0x100.
    pub fn new(tag: u32) -> Option<Self> {
        (tag >= SMALLEST).then_some(Self(tag))
    }

    /// A tag for a new client: uniform, so that two clients of an account do not meet.
    pub fn random(rng: &mut dyn CryptoRng) -> Self {
        loop {
            let mut bytes = [0; 4];
            rng.fill_bytes(&mut bytes);
            if let Some(tag) = Self::new(u32::from_be_bytes(bytes)) {
                return tag;
            }
        }
    }

    /// The number: at least 0x100, or 0 for [`Self::V2`].
    pub fn get(self) -> u32 {
        self.0
    }

    /// Reads an INT; refuses reserved values.
    pub fn read(r: &mut Reader<'_>) -> Result<Self, WireError> {
        Self::new(r.int("instance tag")?).ok_or(WireError::Illegal("instance tag"))
    }

    /// Writes the INT.
    pub fn write(self, w: &mut Writer) {
        w.int(self.0);
    }

    /// A tag in saved state, where [`Self::V2`] may stand, too.
    pub(crate) fn load(r: &mut Reader<'_>) -> Result<Self, WireError> {
        match r.int("instance tag")? {
            0 => Ok(Self::V2),
            tag => Self::new(tag).ok_or(WireError::Illegal("instance tag")),
        }
    }

    /// A receiver field, where 0 stands for a client not known yet.
    pub(crate) fn receiver(tag: u32) -> Result<Option<Self>, WireError> {
        match tag {
            0 => Ok(None),
            tag => Self::new(tag).map(Some).ok_or(WireError::Illegal("receiver instance tag")),
        }
    }
}

impl fmt::Display for InstanceTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", self.0)
    }
}

impl fmt::Debug for InstanceTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "InstanceTag({self})")
    }
}

const SMALLEST: u32 = 0x100;

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use proptest::prelude::*;

    use super::*;
    use crate::vectors::Recorded;

    fn read(bytes: &[u8]) -> Result<Header, WireError> {
        let mut r = Reader::new(bytes);
        let header = Header::read(&mut r)?;
        r.end().map(|()| header)
    }

    #[test]
    fn an_identity_message_may_be_for_a_client_not_known_yet() {
        let header = read(&[0, 4, 0x35, 0, 0, 1, 0, 0, 0, 0, 0]).unwrap();
        assert_eq!(header.version, Version::V4);
        assert_eq!(header.message_type, MessageType::Identity);
        assert_eq!(header.sender.get(), 0x100);
        assert_eq!(header.receiver, None);
    }

    #[test]
    fn reserved_instance_tags_are_refused() {
        for tag in [0, 1, 0xff_u32] {
            let bytes = tag.to_be_bytes();
            assert_eq!(InstanceTag::read(&mut Reader::new(&bytes)), Err(WireError::Illegal("instance tag")));
            assert_eq!(InstanceTag::new(tag), None);
        }
        let mut bytes = [0, 4, 0x03, 0, 0, 1, 0, 0, 0, 0, 0xff];
        assert_eq!(read(&bytes), Err(WireError::Illegal("receiver instance tag")));
        bytes[6] = 0xff;
        bytes[5] = 0;
        assert_eq!(read(&bytes), Err(WireError::Illegal("instance tag")));
    }

    #[test]
    fn message_types_of_the_other_version_are_refused() {
        for (version, byte) in [(4, 0x02), (4, 0x0a), (4, 0x0f), (3, 0x35), (3, 0x0d), (3, 0x00), (2, 0x35)] {
            let header = read(&[0, version, byte, 0, 0, 1, 0, 0, 0, 1, 0]);
            assert_eq!(header, Err(WireError::Illegal("message type")));
        }
    }

    #[test]
    fn unknown_versions_are_refused() {
        for version in [0, 1, 5, 0x0400_u16] {
            let [high, low] = version.to_be_bytes();
            let header = read(&[high, low, 0x03, 0, 0, 1, 0, 0, 0, 1, 0]);
            assert_eq!(header, Err(WireError::Illegal("protocol version")));
        }
    }

    #[test]
    fn messages_of_version_2_have_no_tags() {
        let header = read(&[0, 2, 0x0a]).unwrap();
        assert_eq!((header.version, header.message_type), (Version::V2, MessageType::DhKey));
        assert_eq!((header.sender, header.receiver), (InstanceTag::V2, None));
        assert_eq!(InstanceTag::V2.to_string(), "00000000");
        assert_eq!(read(&[0, 2, 0x03, 0, 0, 1, 0, 0, 0, 1, 0]), Err(WireError::Trailing));
    }

    #[test]
    fn the_tag_of_version_2_is_read_from_saved_state_only() {
        for (bytes, tag) in
            [([0; 4], Some(InstanceTag::V2)), ([0, 0, 1, 0], InstanceTag::new(0x100)), ([0, 0, 0, 1], None)]
        {
            assert_eq!(InstanceTag::load(&mut Reader::new(&bytes)).ok(), tag);
        }
    }

    #[test]
    fn a_random_tag_is_drawn_again_when_it_is_reserved() {
        let draws = [vec![0, 0, 0, 0xff], vec![0, 0, 1, 2]];
        let tag = InstanceTag::random(&mut Recorded(VecDeque::from(draws)));
        assert_eq!(tag.to_string(), "00000102");
    }

    proptest! {
        #[test]
        fn a_header_that_is_read_is_written_as_the_same_bytes(
            version in 2..6_u16, byte in 0..0x40_u8, sender: u32, receiver: u32,
        ) {
            let mut w = Writer::new();
            w.short(version).byte(byte);
            if version != 2 {
                w.int(sender).int(receiver);
            }
            if let Ok(header) = read(w.as_slice()) {
                let mut again = Writer::new();
                header.write(&mut again);
                prop_assert_eq!(again.as_slice(), w.as_slice());
            }
        }
    }
}
