//! Lines in and out, and what was read from one. Used by [`super::v4`] and [`super::v3`].

use core::fmt;
use core::num::NonZeroU16;

use zeroize::Zeroizing;

use super::ForgeError;
use crate::Timestamp;
use crate::session::MAX_TEXT;
use crate::wire::{
    Assembler, Header, Line, MAX_MESSAGE, Padding, Reader, Tlv, Version, armour, classify, read_plaintext,
    tlv_type, write_plaintext,
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

/// Recorded lines in their order, as their receivers take them: pieces are put together.
#[derive(Default)]
pub(super) struct Recording(Assembler);

impl Recording {
    /// The message in the next line, or the one that it completes.
    pub(super) fn next(&mut self, line: &str) -> Option<Vec<u8>> {
        match classify(line.trim_end_matches(['\r', '\n'])) {
            Line::Encoded(message) => message.ok(),
            // A recording may take years, and has no dates.
            Line::Fragment(Ok(piece)) => {
                let whole = self.0.add(&piece, Timestamp::from_unix(0)).ok().flatten()?;
                message(&whole).ok()
            }
            _ => None,
        }
    }
}

/// The line of a message that was made here. Refused where no client would take a line so long.
pub(super) fn line_of(message: &[u8]) -> Result<String, ForgeError> {
    let line = armour(message);
    match line.len() > MAX_MESSAGE {
        true => Err(ForgeError::TooLong { what: "line", limit: MAX_MESSAGE }),
        false => Ok(line),
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
    /// Whether a NUL ends the text.
    has_nul: bool,
    /// What follows the records: one that is cut short.
    rest: Zeroizing<Vec<u8>>,
}

impl Content {
    pub(super) fn read(plaintext: &[u8], steps: u32) -> Self {
        let (text, tlvs) = read_plaintext(plaintext);
        let (length, whole) = (text.len(), plaintext.len());
        let text = Zeroizing::new(String::from_utf8_lossy(text).into_owned());
        let records: usize = tlvs.iter().map(|tlv| TLV_HEADER + tlv.value.len()).sum();
        let rest = plaintext.get(length + NUL + records..).unwrap_or_default().to_vec();
        let (has_nul, rest) = (length < whole, Zeroizing::new(rest));
        Self { text, tlvs, steps, forged: None, length, whole, has_nul, rest }
    }

    /// The plaintext with another text, which ends as this one does, and the same behind it. A record of padding is made anew, as
    /// its sender's program would have for that text; for a text as long it stays as well.
    pub(super) fn with_text(&self, new: &str) -> Result<Zeroizing<Vec<u8>>, ForgeError> {
        if new.contains('\0') {
            return Err(ForgeError::Nul);
        }
        if new.len() > MAX_TEXT {
            return Err(ForgeError::TooLong { what: "text", limit: MAX_TEXT });
        }
        if !self.has_nul {
            return Ok(Zeroizing::new(new.as_bytes().to_vec()));
        }
        let unpadded = || self.unpadded().filter(|_| new.len() != self.length);
        let (tlvs, padding) = unpadded().unwrap_or((&self.tlvs, Padding::Off));
        let plaintext = write_plaintext(new.as_bytes(), tlvs, padding)?;
        // With room for both from the start: what a vector grows out of is not wiped.
        let mut whole = Zeroizing::new(Vec::with_capacity(plaintext.len() + self.rest.len()));
        whole.extend_from_slice(&plaintext);
        whole.extend_from_slice(&self.rest);
        Ok(whole)
    }

    /// The records before the one of padding, if that is the last thing, and how it may have come about.
    fn unpadded(&self) -> Option<(&[Tlv], Padding)> {
        let (last, others) = self.tlvs.split_last()?;
        let is_padding = last.kind == tlv_type::PADDING && self.rest.is_empty();
        Some((others, padding_to(self.whole, last.value.len())?)).filter(|_| is_padding)
    }
}

/// How a program pads that has put so many zeros into the record which gives a plaintext this length: to classes if those give it, else
/// to some multiple. The greatest that it can have been is taken: what is a multiple of that is one of the real one, too.
fn padding_to(length: usize, zeros: usize) -> Option<Padding> {
    if Padding::Classes.size(length.saturating_sub(zeros)) == length {
        return Some(Padding::Classes);
    }
    let mut sizes = (1..=u16::MAX).rev().filter_map(NonZeroU16::new);
    let could_be = |size: &NonZeroU16| {
        let size = usize::from(size.get());
        length.is_multiple_of(size) && zeros < size
    };
    sizes.find(could_be).map(Padding::Multiple)
}

/// Bytes of type and length of a record.
const TLV_HEADER: usize = 4;

/// Bytes of what ends a text.
const NUL: usize = 1;

/// Shows neither text nor records.
impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { text: _, tlvs, steps, forged, length: _, whole: _, has_nul: _, rest: _ } = self;
        write!(f, "Content({tlvs:?}, {steps} steps, forged: {})", forged.is_some())
    }
}

/// "Modify an Encrypted Data Message": XOR of old and new text, and of the encrypted message at the offset. A new text has no
/// NUL, as none that is sent has; the old one may, for whoever wants to write over the end.
pub(super) fn exchange(
    ciphertext: &[u8],
    old: &str,
    new: &str,
    offset: usize,
) -> Result<Vec<u8>, ForgeError> {
    if new.contains('\0') {
        return Err(ForgeError::Nul);
    }
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
