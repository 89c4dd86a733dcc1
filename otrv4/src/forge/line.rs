//! Lines in and out, and what was read from one. Used by [`super::v4`] and [`super::v3`].

use core::fmt;
use core::num::NonZeroU16;

use zeroize::Zeroizing;

use super::ForgeError;
use crate::wire::{
    Header, Line, Padding, Reader, Tlv, Version, classify, read_plaintext, tlv_type, write_plaintext,
};

/// The version of an encoded message.
pub fn version(line: &str) -> Result<Version, ForgeError> {
    Ok(Header::read(&mut Reader::new(&message(line)?))?.version)
}

/// The message in a line, which may have a line end.
pub(super) fn message(line: &str) -> Result<Vec<u8>, ForgeError> {
    match classify(line.trim_end_matches(['\r', '\n'])) {
        Line::Encoded(message) => Ok(message?),
        _ => Err(ForgeError::NotEncoded),
    }
}

/// What a data message says, and the line that says something else, if one was wished for.
pub struct Content {
    /// The text, without the records behind it; what is not UTF-8 in it is replaced.
    pub text: Zeroizing<String>,
    /// The records.
    pub tlvs: Vec<Tlv>,
    /// How many messages after the one whose chain key was given; 0 in versions 3 and 2, which have no chain keys.
    pub steps: u32,
    /// The message with the new text.
    pub forged: Option<String>,
    /// Bytes of the text.
    length: usize,
    /// Bytes of the whole plaintext.
    whole: usize,
}

impl Content {
    pub(super) fn read(plaintext: &[u8], steps: u32) -> Self {
        let (text, tlvs) = read_plaintext(plaintext);
        let length = text.len();
        let text = Zeroizing::new(String::from_utf8_lossy(text).into_owned());
        Self { text, tlvs, steps, forged: None, length, whole: plaintext.len() }
    }

    /// The plaintext of the same records with another text. Padding takes what the text leaves of the length; a text that is too long
    /// for it is padded to the next length that its sender's program may have chosen.
    pub(super) fn with_text(&self, new: &str) -> Result<Zeroizing<Vec<u8>>, ForgeError> {
        if new.contains('\0') {
            return Err(ForgeError::Nul);
        }
        let copied = self.tlvs.iter().map(|Tlv { kind, value }| Tlv { kind: *kind, value: value.clone() });
        let mut tlvs: Vec<_> = copied.collect();
        let mut padding = Padding::Off;
        if let Some(mut record) = tlvs.pop_if(|tlv| tlv.kind == tlv_type::PADDING) {
            let room = self.length.saturating_add(record.value.len());
            match room.checked_sub(new.len()).filter(|zeros| u16::try_from(*zeros).is_ok()) {
                Some(zeros) => {
                    record.value.resize(zeros, 0);
                    tlvs.push(record);
                }
                None => padding = padding_to(self.whole),
            }
        }
        Ok(write_plaintext(new.as_bytes(), &tlvs, padding)?)
    }
}

/// How a program pads that has padded to this length: to classes if it is one. Else to some multiple, and whatever that is, a multiple
/// of this length is one of it, too.
fn padding_to(length: usize) -> Padding {
    match Padding::Classes.size(length) == length {
        true => Padding::Classes,
        false => u16::try_from(length).ok().and_then(NonZeroU16::new).map_or(Padding::Off, Padding::Multiple),
    }
}

/// Shows neither text nor records.
impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { text: _, tlvs, steps, forged, length: _, whole: _ } = self;
        write!(f, "Content({tlvs:?}, {steps} steps, forged: {})", forged.is_some())
    }
}

/// "Modify an Encrypted Data Message": XOR of old and new text, and of the encrypted message at the offset.
pub(super) fn exchange(
    ciphertext: &[u8],
    old: &str,
    new: &str,
    offset: usize,
) -> Result<Vec<u8>, ForgeError> {
    let (old, new, mut changed) = (old.as_bytes(), new.as_bytes(), ciphertext.to_vec());
    if old.len() != new.len() {
        return Err(ForgeError::Lengths { old: old.len(), new: new.len() });
    }
    let outside = ForgeError::OutOfRange { offset, text: old.len(), message: ciphertext.len() };
    let end = offset.checked_add(old.len()).ok_or(outside)?;
    let place = changed.get_mut(offset..end).ok_or(outside)?;
    for ((byte, old), new) in place.iter_mut().zip(old).zip(new) {
        *byte ^= old ^ new;
    }
    Ok(changed)
}
