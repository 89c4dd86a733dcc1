//! Data messages of version 4: bytes, MAC, TLVs, and the channel that seals and opens them.
//! Spec: otrv4.md "Data Message". Used by [`crate::session`].

#[cfg(feature = "inside")]
mod dishonest;
mod extra_key;
#[cfg(test)]
mod tests;

use zeroize::Zeroizing;

use crate::channel::{Content, ExtraKey, Flags, Sealing, Times};
use crate::crypto::mac::Mac;
use crate::dake::{Established, Mode, Ssid};
use crate::keys::Fingerprint;
use crate::ratchet::keys::{ChainKey, MacKey, MessageKey};
use crate::ratchet::{MAX_REVEALED, Position, Ratchet, Sealed, Step, is_dh_ratchet};
use crate::smp::Smp;
use crate::smp::ed448::Ed448;
use crate::wire::{
    Header, MessageType, Reader, Tlv, Version, WireError, Writer, read_plaintext, write_plaintext,
};
use crate::{Reject, Timestamp};
use extra_key::extra_keys;

/// An encrypted conversation with one client of the correspondent.
#[derive(Debug)]
pub(crate) struct Channel {
    ratchet: Ratchet,
    pub(crate) mode: Mode,
    pub(crate) ssid: Ssid,
    pub(crate) fingerprint: Fingerprint,
    pub(crate) times: Times,
    /// The verification that is under way.
    pub(crate) smp: Smp<Ed448>,
    /// What they asked for it, empty if they asked nothing; none in a run of ours.
    pub(crate) smp_question: Option<String>,
}

impl Channel {
    /// The channel of a completed key exchange.
    pub(crate) fn new(established: Established, now: Timestamp) -> Self {
        let Established { ratchet, ssid, mode, their_profile } = established;
        let fingerprint = their_profile.fingerprint();
        let (times, smp) = (Times::new(now), Smp::default());
        Self { ratchet, mode, ssid, fingerprint, times, smp, smp_question: None }
    }

    /// Seals text and TLVs into the bytes of the next data message; with it come the keys that TLVs of type 7 among
    /// them stand for.
    pub(crate) fn seal(
        &mut self,
        flags: Flags,
        text: &str,
        tlvs: &[Tlv],
        with: Sealing<'_>,
    ) -> Result<(Vec<u8>, Vec<ExtraKey>), WireError> {
        let plaintext = write_plaintext(text.as_bytes(), tlvs, with.padding)?;
        let (message, chain) = self.seal_revealing(flags, plaintext, Vec::new(), with);
        Ok((message, extra_keys(tlvs, || chain.extra_symm_key())))
    }

    /// The last message of a channel: whatever MAC keys are left go with it, or, if they are too many, with more messages
    /// before it. spec-notes/SN-014
    pub(crate) fn seal_last(mut self, tlvs: &[Tlv], with: Sealing<'_>) -> Vec<Vec<u8>> {
        let rest = self.ratchet.reveal_all();
        self.seal_silent(tlvs, rest, with)
    }

    /// A message without text that reveals the MAC keys of all that was opened, and more before it as above.
    pub(crate) fn seal_revealing_opened(&mut self, tlvs: &[Tlv], with: Sealing<'_>) -> Vec<Vec<u8>> {
        let opened = self.ratchet.take_opened_mac_keys();
        self.seal_silent(tlvs, opened, with)
    }

    /// Opens a message on copies of the keys; [`Self::advance`] makes the change. Refused: nothing has changed.
    pub(crate) fn try_open(&self, message: &DataMessage<'_>) -> Result<(Content, Step), Reject> {
        let opened = self.ratchet.try_open(message.at, &message.sealed)?;
        let (text, tlvs) = read_plaintext(&opened.plaintext);
        let text = (!text.is_empty()).then(|| String::from_utf8_lossy(text).into_owned());
        let extra_keys = extra_keys(&tlvs, || opened.extra.key());
        Ok((Content { text, tlvs, extra_keys }, opened.step))
    }

    /// The chain key of a message that would be opened now; nothing changes.
    pub(crate) fn chain_key_of(&self, message: &DataMessage<'_>) -> Option<ChainKey> {
        self.ratchet.try_open(message.at, &message.sealed).ok()?.into_chain_key()
    }

    /// Makes the change of an opened message.
    pub(crate) fn advance(&mut self, step: Step, now: Timestamp) {
        self.ratchet.advance(step, now);
    }

    /// Forgets the keys of missing messages that were stored at that time or before it; their MAC keys will be
    /// revealed. Says whether there were any. spec-notes/SN-029
    pub(crate) fn expire_stored(&mut self, older_than: Timestamp) -> bool {
        self.ratchet.expire_stored(older_than)
    }

    /// Nothing has happened later than now, whatever a clock has said that was ahead; to be called before anything is
    /// expired. Whether that changes anything.
    pub(crate) fn clamp_times(&mut self, now: Timestamp) -> bool {
        self.times.clamp(now) | self.ratchet.clamp_stored(now)
    }

    /// When the oldest key of a missing message was stored.
    pub(crate) fn oldest_stored(&self) -> Option<Timestamp> {
        self.ratchet.oldest_stored()
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
        let Self { ratchet, mode, ssid, fingerprint, times, smp, smp_question } = self;
        ratchet.save(w);
        mode.save(w);
        ssid.save(w);
        w.bytes(fingerprint.as_bytes());
        times.save(w);
        smp.save(w);
        w.option(smp_question.as_ref(), |w, question| _ = w.data(question.as_bytes()));
    }

    pub(crate) fn load(r: &mut Reader<'_>) -> Result<Self, WireError> {
        Ok(Self {
            ratchet: Ratchet::load(r)?,
            mode: Mode::load(r)?,
            ssid: Ssid::load(r)?,
            fingerprint: Fingerprint::from_bytes(r.array("fingerprint")?),
            times: Times::load(r)?,
            smp: Smp::load(r)?,
            smp_question: r.option(|r| r.text("SMP question"))?,
        })
    }

    /// A message without text, and before it as many empty ones as are needed to reveal so many keys.
    fn seal_silent(&mut self, tlvs: &[Tlv], mut reveal: Vec<MacKey>, mut with: Sealing<'_>) -> Vec<Vec<u8>> {
        let mut messages = Vec::new();
        while reveal.len() > MAX_REVEALED {
            let rest = reveal.split_off(MAX_REVEALED);
            messages.push(self.seal_ignorable(&[], reveal, with.reborrow()));
            reveal = rest;
        }
        messages.push(self.seal_ignorable(tlvs, reveal, with));
        messages
    }

    /// A message without text; nobody needs to hear of it if it cannot be read.
    fn seal_ignorable(&mut self, tlvs: &[Tlv], also_reveal: Vec<MacKey>, with: Sealing<'_>) -> Vec<u8> {
        let plaintext = write_plaintext(b"", tlvs, with.padding);
        let plaintext = plaintext.expect("no text, and TLVs of ours that are short");
        self.seal_revealing(Flags::IgnoreUnreadable, plaintext, also_reveal, with).0
    }

    /// The message, and the chain key that it was sealed with.
    fn seal_revealing(
        &mut self,
        flags: Flags,
        plaintext: Zeroizing<Vec<u8>>,
        also_reveal: Vec<MacKey>,
        with: Sealing<'_>,
    ) -> (Vec<u8>, ChainKey) {
        let Sealing { tags: (ours, theirs), padding: _, now, rng } = with;
        let keys = self.ratchet.next_to_send(rng);
        self.times.send(keys.opens, now);
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
        let revealed: Vec<u8> =
            keys.reveal.iter().chain(&also_reveal).flat_map(|key| *key.reveal()).collect();
        (seal_behind(w, keys.chain.message_key(), plaintext, &revealed), keys.chain)
    }
}

/// The last three fields behind the others: the plaintext encrypted, authenticated, and keys to be revealed.
pub(crate) fn seal_behind(
    mut w: Writer,
    key: MessageKey,
    mut plaintext: Zeroizing<Vec<u8>>,
    revealed: &[u8],
) -> Vec<u8> {
    let mac_key = key.mac_key();
    key.encipher(&mut plaintext);
    w.data(&plaintext);
    authenticated(w, &mac_key, revealed)
}

/// The last two fields behind all that the MAC covers.
pub(crate) fn authenticated(mut w: Writer, mac_key: &MacKey, revealed: &[u8]) -> Vec<u8> {
    mac_key.authenticate(w.as_slice()).write(&mut w);
    w.data(revealed);
    w.finish()
}

/// A data message as it came, split but not believed: points are decoded only when their ratchet is new.
pub(crate) struct DataMessage<'a> {
    pub(crate) ignore_unreadable: bool,
    pub(crate) at: Position<'a>,
    pub(crate) sealed: Sealed<'a>,
    /// Old MAC keys, 64 bytes each.
    pub(crate) revealed: &'a [u8],
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
        let authenticator = Mac::read(r)?;
        let revealed = r.data("old MAC keys")?;
        if revealed.len() % 64 != 0 {
            return Err(WireError::Illegal("length of old MAC keys"));
        }
        r.clone().end()?;
        let at = Position { pn, i, j, ecdh, dh };
        let sealed = Sealed { sections, authenticator, ciphertext };
        Ok(Self { ignore_unreadable: flags & Flags::IgnoreUnreadable as u8 != 0, at, sealed, revealed })
    }

    /// Whether it may be the first thing after a key exchange.
    pub(crate) fn is_of_first_ratchet(&self) -> bool {
        self.at.i == 0
    }

    /// What stands before the encrypted message.
    pub(crate) fn before_ciphertext(&self) -> &'a [u8] {
        let behind = INT + self.sealed.ciphertext.len();
        let (before, _) = self.sealed.sections.split_at(self.sealed.sections.len().saturating_sub(behind));
        before
    }
}

/// Bytes of the length of the encrypted message.
const INT: usize = 4;

#[cfg(test)]
impl DataMessage<'_> {
    pub(crate) fn is_authentic(&self, key: &MacKey) -> bool {
        self.sealed.verify(key).is_ok()
    }

    pub(crate) fn plaintext(&self, chain: &ChainKey) -> Vec<u8> {
        let mut plaintext = self.sealed.ciphertext.to_vec();
        chain.message_key().decipher(&mut plaintext);
        plaintext
    }
}
