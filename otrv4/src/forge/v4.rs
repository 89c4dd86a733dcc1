//! Forged data messages of version 4. Spec: otrv4.md "Forging Transcripts", "Data Message".
//!
//! Keys are those of the text: a chain key makes the chain keys of the messages after it in its ratchet, each makes the
//! message key of its message, and that one makes the MAC key.

use super::line::{exchange, line_of, message};
use super::{Content, ForgeError};
use crate::Secret;
use crate::crypto::mac::Mac;
use crate::ratchet::MAX_AHEAD;
use crate::ratchet::keys::{ChainKey, MacKey, MessageKey};
use crate::v4::{DataMessage, authenticated, seal_behind};
use crate::wire::{Header, MessageType, Reader, Version, Writer, armour};

/// "Modify Data Message": puts `new` in the place of `old`, `offset` bytes from the start of the text, with nothing but the
/// message's MAC key. Everything else stays as it is.
///
/// `old` is a guess. A wrong key is noticed, and refused; a wrong guess is not: the message is valid then, too, and has at that
/// place the bytes `old XOR new XOR` what was there. Mostly its reader sees them as garbage. But where one of them is a NUL the text
/// ends, and what follows is read as TLV records; and a guess that reaches over the end of the text makes text of the NUL there, and of
/// the records behind it. `new` may have no NUL; to write over the end on purpose, put one into `old`. spec-notes/SN-046
pub fn modify(
    line: &str,
    mac_key: &Secret<64>,
    old: &str,
    new: &str,
    offset: usize,
) -> Result<String, ForgeError> {
    let (bytes, mac_key) = (message(line)?, MacKey::of(Secret::copied(mac_key.as_bytes())));
    let message = read(&bytes)?;
    message.sealed.verify(&mac_key).map_err(|_| ForgeError::WrongMacKey)?;
    let mut w = Writer::new();
    w.bytes(message.before_ciphertext()).data(&exchange(message.sealed.ciphertext, old, new, offset)?);
    Ok(armour(&authenticated(w, &mac_key, message.revealed)))
}

/// "Read and Forge Data Message": what a message says, to whoever has its chain key or one of a message before it in the
/// same ratchet, at most a thousand before; and, for a new text, the same message with that text. TLV records but padding,
/// the flag and the MAC keys that it reveals stay as they are: choose a message that has a text and no other records. Padding
/// becomes what the sender's program would have made of the new text. Refused are texts and lines too long for a client to take.
pub fn read_and_forge(
    line: &str,
    chain_key: &Secret<64>,
    new_text: Option<&str>,
) -> Result<Content, ForgeError> {
    let bytes = message(line)?;
    let message = read(&bytes)?;
    let (key, steps) = find_key(&message, chain_key).ok_or(ForgeError::WrongChainKey)?;
    let mut content = Content::read(&message.sealed.decipher(&key), steps);
    if let Some(new) = new_text {
        let mut w = Writer::new();
        w.bytes(message.before_ciphertext());
        let forged = seal_behind(w, key, content.with_text(new)?, message.revealed);
        content.forged = Some(line_of(&forged)?);
    }
    Ok(content)
}

/// "Show MAC Key": `MKmac` of a message key, `MKenc`.
pub fn mac_key(message_key: &Secret<64>) -> Secret<64> {
    MessageKey::of(Secret::copied(message_key.as_bytes())).mac_key().into_secret()
}

/// `MKenc` of the message whose chain key this is.
pub fn message_key(chain_key: &Secret<64>) -> Secret<64> {
    ChainKey::of(Secret::copied(chain_key.as_bytes())).message_key().into_secret()
}

/// "ReMAC Message": the same message with the authenticator that it has under this key, whatever the one it came with. No
/// key is wrong here.
pub fn remac(line: &str, mac_key: &Secret<64>) -> Result<String, ForgeError> {
    let bytes = message(line)?;
    let message = read(&bytes)?;
    let mut w = Writer::new();
    w.bytes(message.sealed.sections);
    let mac_key = MacKey::of(Secret::copied(mac_key.as_bytes()));
    Ok(armour(&authenticated(w, &mac_key, message.revealed)))
}

/// "Revealing MAC Keys": those of messages of the other side, in the order of the wire.
pub fn revealed_mac_keys(line: &str) -> Result<Vec<Secret<64>>, ForgeError> {
    let bytes = message(line)?;
    let (keys, _) = read(&bytes)?.revealed.as_chunks();
    Ok(keys.iter().map(Secret::copied).collect())
}

pub(super) fn read(message: &[u8]) -> Result<DataMessage<'_>, ForgeError> {
    let mut r = Reader::new(message);
    let header = Header::read(&mut r)?;
    match (header.version, header.message_type) {
        (Version::V4, MessageType::Data) => Ok(DataMessage::read(&mut r)?),
        _ => Err(ForgeError::NotData("4")),
    }
}

/// Whether this is the MAC of those sections under that key.
pub(super) fn holds_under(sections: &[u8], authenticator: &[u8], mac_key: &[u8]) -> bool {
    let (Ok(mac), Ok(key)) = (authenticator.try_into().map(Mac::<64>::new), mac_key.try_into()) else {
        return false;
    };
    MacKey::of(Secret::copied(key)).verify(sections, &mac)
}

/// The key that the message's MAC holds under, and how far it is from the first one. The given key is of a message of the
/// same ratchet, so of one that has no greater number.
fn find_key(message: &DataMessage<'_>, first: &Secret<64>) -> Option<(MessageKey, u32)> {
    let mut chain = ChainKey::of(Secret::copied(first.as_bytes()));
    for steps in 0..=message.at.j.min(MAX_AHEAD) {
        let key = chain.message_key();
        if message.sealed.verify(&key.mac_key()).is_ok() {
            return Some((key, steps));
        }
        chain = chain.next();
    }
    None
}
