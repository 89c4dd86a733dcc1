//! Data messages of version 4: bytes, MAC, TLVs, and the channel that seals and opens them.
//! Spec: otrv4.md "Data Message". Used by [`crate::session`].

use rand_core::CryptoRng;
use zeroize::Zeroizing;

use crate::Reject;
use crate::dake::{Established, Mode, Ssid};
use crate::keys::Fingerprint;
use crate::ratchet::keys::MacKey;
use crate::ratchet::{Position, Ratchet, Sealed, Step, is_dh_ratchet};
use crate::wire::{
    Header, InstanceTag, MessageType, Reader, Tlv, Version, WireError, Writer, read_plaintext,
    write_plaintext,
};

/// An encrypted conversation with one client of the correspondent.
#[derive(Debug)]
pub(crate) struct Channel {
    ratchet: Ratchet,
    pub(crate) mode: Mode,
    pub(crate) ssid: Ssid,
    pub(crate) fingerprint: Fingerprint,
}

/// What a message said.
pub(crate) struct Content {
    /// The human-readable part; none when it is empty ("heartbeat" message).
    pub(crate) text: Option<String>,
    pub(crate) tlvs: Vec<Tlv>,
}

impl Channel {
    /// The channel of a completed key exchange.
    pub(crate) fn new(established: Established) -> Self {
        let Established { ratchet, ssid, mode, their_profile } = established;
        Self { ratchet, mode, ssid, fingerprint: their_profile.fingerprint() }
    }

    /// Seals text and TLVs into the bytes of the next data message.
    pub(crate) fn seal(
        &mut self,
        (ours, theirs): (InstanceTag, InstanceTag),
        flags: Flags,
        text: &str,
        tlvs: &[Tlv],
        rng: &mut dyn CryptoRng,
    ) -> Result<Vec<u8>, WireError> {
        let plaintext = write_plaintext(text.as_bytes(), tlvs)?;
        Ok(self.seal_revealing((ours, theirs), flags, plaintext, Vec::new(), rng))
    }

    /// The last message of a channel: whatever MAC keys are left go with it. spec-notes/SN-014
    pub(crate) fn seal_last(
        mut self,
        tags: (InstanceTag, InstanceTag),
        tlvs: &[Tlv],
        rng: &mut dyn CryptoRng,
    ) -> Vec<u8> {
        let rest = self.ratchet.reveal_all();
        let plaintext = write_plaintext(b"", tlvs).expect("no text, and TLVs of ours that are short");
        self.seal_revealing(tags, Flags::IgnoreUnreadable, plaintext, rest, rng)
    }

    /// A message without text that reveals the MAC keys of all that was opened.
    pub(crate) fn seal_revealing_opened(
        &mut self,
        tags: (InstanceTag, InstanceTag),
        tlvs: &[Tlv],
        rng: &mut dyn CryptoRng,
    ) -> Vec<u8> {
        let opened = self.ratchet.take_opened_mac_keys();
        let plaintext = write_plaintext(b"", tlvs).expect("no text, and TLVs of ours that are short");
        self.seal_revealing(tags, Flags::IgnoreUnreadable, plaintext, opened, rng)
    }

    /// Opens a message on copies of the keys; [`Self::advance`] makes the change. Refused: nothing has changed.
    pub(crate) fn try_open(&self, message: &DataMessage<'_>) -> Result<(Content, Step), Reject> {
        let (plaintext, step) = self.ratchet.try_open(message.at, &message.sealed)?;
        let (text, tlvs) = read_plaintext(&plaintext);
        let text = (!text.is_empty()).then(|| String::from_utf8_lossy(text).into_owned());
        Ok((Content { text, tlvs }, step))
    }

    /// Makes the change of an opened message.
    pub(crate) fn advance(&mut self, step: Step) {
        self.ratchet.advance(step);
    }

    /// Whether the message's ratchet is one that we know.
    pub(crate) fn knows(&self, message: &DataMessage<'_>) -> bool {
        self.ratchet.knows(message.at.ecdh)
    }

    /// MAC keys that were opened and not revealed yet, and those of stored keys: for a channel that is replaced.
    pub(crate) fn into_mac_keys(mut self) -> Vec<MacKey> {
        self.ratchet.reveal_all()
    }

    /// Reveals another channel's MAC keys with our next ratchet.
    pub(crate) fn reveal_also(&mut self, keys: Vec<MacKey>) {
        self.ratchet.reveal_also(keys);
    }

    /// Whether MAC keys wait to be revealed, or keys are stored whose MAC keys will have to be.
    pub(crate) fn has_to_reveal(&self) -> bool {
        self.ratchet.has_to_reveal()
    }

    /// Whether as many MAC keys wait to be revealed as one message takes.
    pub(crate) fn owes_much(&self) -> bool {
        self.ratchet.owes_much()
    }

    /// The MAC keys of opened messages that wait to be revealed.
    pub(crate) fn take_opened_mac_keys(&mut self) -> Vec<MacKey> {
        self.ratchet.take_opened_mac_keys()
    }

    pub(crate) fn save(&self, w: &mut Writer) {
        let Self { ratchet, mode, ssid, fingerprint } = self;
        ratchet.save(w);
        mode.save(w);
        ssid.save(w);
        w.bytes(fingerprint.as_bytes());
    }

    pub(crate) fn load(r: &mut Reader<'_>) -> Result<Self, WireError> {
        Ok(Self {
            ratchet: Ratchet::load(r)?,
            mode: Mode::load(r)?,
            ssid: Ssid::load(r)?,
            fingerprint: Fingerprint::from_bytes(r.array("fingerprint")?),
        })
    }

    fn seal_revealing(
        &mut self,
        (ours, theirs): (InstanceTag, InstanceTag),
        flags: Flags,
        mut plaintext: Zeroizing<Vec<u8>>,
        also_reveal: Vec<MacKey>,
        rng: &mut dyn CryptoRng,
    ) -> Vec<u8> {
        let keys = self.ratchet.next_to_send(rng);
        let mut w = Writer::new();
        Header {
            version: Version::V4,
            message_type: MessageType::Data,
            sender: ours,
            receiver: Some(theirs),
        }
        .write(&mut w);
        w.byte(flags as u8).int(keys.pn).int(keys.i).int(keys.j);
        keys.ecdh.write(&mut w);
        match keys.dh {
            Some(dh) => dh.write(&mut w),
            None => _ = w.data(b""),
        }
        let mac_key = keys.key.mac_key();
        keys.key.encipher(&mut plaintext);
        w.data(&plaintext);
        let authenticator = mac_key.authenticate(w.as_slice());
        w.bytes(&authenticator);
        let revealed: Vec<u8> =
            keys.reveal.iter().chain(&also_reveal).flat_map(|key| *key.reveal()).collect();
        w.data(&revealed);
        w.finish()
    }
}

/// A data message as it came, split but not believed: points are decoded only when their ratchet is new.
pub(crate) struct DataMessage<'a> {
    pub(crate) ignore_unreadable: bool,
    pub(crate) at: Position<'a>,
    sealed: Sealed<'a>,
}

impl<'a> DataMessage<'a> {
    /// "Data Message Format", from the flags on; a DH key is there exactly in every third ratchet. spec-notes/SN-009
    pub(crate) fn read(r: &mut Reader<'a>) -> Result<Self, WireError> {
        let flags = r.byte("flags")?;
        let (pn, i, j) = (r.int("previous chain length")?, r.int("ratchet id")?, r.int("message id")?);
        let ecdh = r.chunk("ECDH key")?;
        let dh = Some(r.mpi("DH key")?).filter(|dh| !dh.is_empty());
        if dh.is_some() != is_dh_ratchet(i) {
            return Err(WireError::Illegal("DH key in this ratchet"));
        }
        let ciphertext = r.data("encrypted message")?;
        let sections = r.since(0);
        let authenticator = r.chunk("authenticator")?;
        if r.data("old MAC keys")?.len() % 64 != 0 {
            return Err(WireError::Illegal("length of old MAC keys"));
        }
        r.clone().end()?;
        let at = Position { pn, i, j, ecdh, dh };
        let sealed = Sealed { sections, authenticator, ciphertext };
        Ok(Self { ignore_unreadable: flags & Flags::IgnoreUnreadable as u8 != 0, at, sealed })
    }

    /// Whether it may be the first thing after a key exchange.
    pub(crate) fn is_of_first_ratchet(&self) -> bool {
        self.at.i == 0
    }
}

/// What the receiver does with a message that cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flags {
    /// Tell the user and the sender.
    None = 0x00,
    /// Say nothing: the message has no text for a person.
    IgnoreUnreadable = 0x01,
}

#[cfg(test)]
impl DataMessage<'_> {
    pub(crate) fn is_authentic(&self, key: &MacKey) -> bool {
        key.verify(self.sealed.sections, self.sealed.authenticator)
    }
}
