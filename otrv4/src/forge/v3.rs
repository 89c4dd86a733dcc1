//! Forged data messages of versions 3 and 2. Spec: OTRv3 "Data Message", "Computing AES keys, MAC keys, and the secure session
//! id"; the operations are those of the toolkit of libotr.
//!
//! Two Diffie-Hellman keys, one of each side, make the AES keys of both directions, and each of those its MAC key.

use core::fmt;

use super::line::{exchange, line_of, message};
use super::{Content, ForgeError};
use crate::Secret;
use crate::crypto::dh1536::{Dh1536KeyPair, Dh1536Public};
use crate::crypto::mac::Mac;
use crate::v3::DataMessage;
use crate::v3::ake_keys::AkeKeys;
use crate::v3::data::{authenticated, seal_behind};
use crate::v3::session_keys::{MacKey, MessageKeys, SessionKeys as Derived};
use crate::wire::{Header, InstanceTag, MessageType, Reader, Version, WireError, Writer, armour};

/// Puts `new` in the place of `old`, `offset` bytes from the start of the text, with nothing but the MAC key, as `otr_modify`
/// does. A wrong guess of the old text is not noticed; what it does, and what a NUL, see [`super::v4::modify`].
pub fn modify(
    line: &str,
    mac_key: &Secret<20>,
    old: &str,
    new: &str,
    offset: usize,
) -> Result<String, ForgeError> {
    let (bytes, mac_key) = (message(line)?, MacKey::of(Secret::copied(mac_key.as_bytes())));
    let message = read(&bytes)?;
    if !message.is_authentic(&mac_key) {
        return Err(ForgeError::WrongMacKey);
    }
    let mut w = Writer::new();
    w.bytes(message.before_ciphertext()).data(&exchange(message.ciphertext, old, new, offset)?);
    Ok(armour(&authenticated(w, &mac_key, message.revealed)))
}

/// What a message says, to whoever has the AES key that its sender encrypted it with; and, for a new text, the same message
/// with that text, its records and the MAC keys that it reveals, as `otr_readforge` does. Padding and lengths as in
/// [`super::v4::read_and_forge`].
pub fn read_and_forge(
    line: &str,
    aes_key: &Secret<16>,
    new_text: Option<&str>,
) -> Result<Content, ForgeError> {
    let (bytes, keys) = (message(line)?, MessageKeys::of(Secret::copied(aes_key.as_bytes())));
    let message = read(&bytes)?;
    if !message.is_authentic(&keys.mac) {
        return Err(ForgeError::WrongAesKey);
    }
    let mut content = Content::read(&message.decipher(&keys), 0);
    if let Some(new) = new_text {
        let mut w = Writer::new();
        w.bytes(message.before_ciphertext());
        let forged = seal_behind(w, &keys, message.counter, content.with_text(new)?, message.revealed);
        content.forged = Some(line_of(&forged)?);
    }
    Ok(content)
}

/// The MAC key that comes from an AES key, as `otr_mackey` shows it.
pub fn mac_key(aes_key: &Secret<16>) -> Secret<20> {
    MessageKeys::of(Secret::copied(aes_key.as_bytes())).mac.into_secret()
}

/// The same message with the authenticator that it has under this key, whatever the one it came with.
pub fn remac(line: &str, mac_key: &Secret<20>) -> Result<String, ForgeError> {
    let bytes = message(line)?;
    let message = read(&bytes)?;
    let mut w = Writer::new();
    w.bytes(message.sections);
    let mac_key = MacKey::of(Secret::copied(mac_key.as_bytes()));
    Ok(armour(&authenticated(w, &mac_key, message.revealed)))
}

/// The MAC keys that a message reveals, in the order of the wire.
pub fn revealed_mac_keys(line: &str) -> Result<Vec<Secret<20>>, ForgeError> {
    let bytes = message(line)?;
    let (keys, _) = read(&bytes)?.revealed.as_chunks();
    Ok(keys.iter().map(Secret::copied).collect())
}

/// The fields of a data message of version 3 that are to be put together, as `otr_remac` takes them.
#[derive(Clone, Copy)]
pub struct Parts<'a> {
    /// The sender's instance tag.
    pub sender: InstanceTag,
    /// The receiver's.
    pub receiver: InstanceTag,
    /// 0, or 1 for IGNORE_UNREADABLE.
    pub flags: u8,
    /// Of the sender's key.
    pub sender_keyid: u32,
    /// Of the receiver's key.
    pub recipient_keyid: u32,
    /// "DH y", the sender's next key: big-endian.
    pub next_dh: &'a [u8],
    /// "Top half of counter init".
    pub counter: u64,
    /// What is encrypted already.
    pub ciphertext: &'a [u8],
    /// Keys to reveal.
    pub revealed: &'a [[u8; 20]],
}

impl Parts<'_> {
    /// The line with these fields and the authenticator that they have under this key. Refused if no client would read it as
    /// a data message, or take a line so long.
    pub fn assemble(&self, mac_key: &Secret<20>) -> Result<String, ForgeError> {
        let Self { sender, receiver, .. } = *self;
        let (version, message_type) = (Version::V3, MessageType::Data);
        let mut w = Writer::new();
        Header { version, message_type, sender, receiver: Some(receiver) }.write(&mut w);
        w.byte(self.flags).int(self.sender_keyid).int(self.recipient_keyid);
        w.mpi(self.next_dh).long(self.counter).data(self.ciphertext);
        let mac_key = MacKey::of(Secret::copied(mac_key.as_bytes()));
        let whole = authenticated(w, &mac_key, self.revealed.as_flattened());
        read(&whole)?;
        line_of(&whole)
    }
}

/// Shows no ciphertext and no keys.
impl fmt::Debug for Parts<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { sender, receiver, ciphertext, revealed, .. } = self;
        let (length, keys) = (ciphertext.len(), revealed.len());
        write!(f, "Parts({sender} to {receiver}, {length} bytes, {keys} keys revealed)")
    }
}

/// What two Diffie-Hellman keys make, as `otr_sesskeys` shows it.
#[derive(Debug)]
pub struct SessionKeys {
    /// Our public key: big-endian, without leading zeros.
    pub our_public: Vec<u8>,
    /// Whether it is the greater number of the two, which decides whose key is whose.
    pub we_are_high: bool,
    /// The secure session id, if they are the keys of a key exchange: the first 64 bits of `h2(0x00)`. (`otr_sesskeys` shows that
    /// of version 1, a SHA-1 hash, in its place.)
    pub session_id: [u8; 8],
    /// What we encrypt with.
    pub sending_aes: Secret<16>,
    /// What we authenticate with.
    pub sending_mac: Secret<20>,
    /// What they encrypt with.
    pub receiving_aes: Secret<16>,
    /// What they authenticate with.
    pub receiving_mac: Secret<20>,
    /// The extra symmetric key.
    pub extra: Secret<32>,
}

/// The session keys of our secret exponent, 40 bytes big-endian, with their public key, big-endian.
pub fn session_keys(our_secret: &Secret<40>, their_public: &[u8]) -> Result<SessionKeys, ForgeError> {
    let ours = Dh1536KeyPair::read(&mut Reader::new(our_secret.as_bytes()), "secret exponent");
    let ours = ours.map_err(ForgeError::DhKey)?;
    let zeros = their_public.iter().take_while(|byte| **byte == 0).count();
    let theirs = Dh1536Public::from_be_bytes(their_public.get(zeros..).unwrap_or_default());
    let theirs = theirs.map_err(ForgeError::DhKey)?;
    if ours.public() == &theirs {
        return Err(ForgeError::DhKey(WireError::Illegal("a public key that is our own")));
    }
    let we_are_high = ours.public() > &theirs;
    let secbytes = ours.shared(&theirs);
    let Derived { sending, receiving, extra } = Derived::derive(&secbytes, we_are_high);
    Ok(SessionKeys {
        our_public: ours.public().as_be_bytes().to_vec(),
        we_are_high,
        session_id: AkeKeys::derive(&secbytes).ssid,
        sending_aes: sending.aes.into_secret(),
        sending_mac: sending.mac.into_secret(),
        receiving_aes: receiving.aes.into_secret(),
        receiving_mac: receiving.mac.into_secret(),
        extra: extra.into_secret(),
    })
}

pub(super) fn read(message: &[u8]) -> Result<DataMessage<'_>, ForgeError> {
    let mut r = Reader::new(message);
    let header = Header::read(&mut r)?;
    match (header.version, header.message_type) {
        (Version::V3 | Version::V2, MessageType::Data) => Ok(DataMessage::read(&header, &mut r)?),
        _ => Err(ForgeError::NotData("3")),
    }
}

/// Whether this is the MAC of those sections under that key.
pub(super) fn holds_under(sections: &[u8], authenticator: &[u8], mac_key: &[u8]) -> bool {
    let (Ok(mac), Ok(key)) = (authenticator.try_into().map(Mac::<20>::new), mac_key.try_into()) else {
        return false;
    };
    MacKey::of(Secret::copied(key)).verify(sections, &mac)
}
