//! Versions 3 and 2: the key exchange, and the channel that seals and opens data messages. Version 2 is version 3 without
//! instance tags and extra keys. Spec: OTRv3 (Protocol-v3 4.1.1). Used by [`crate::session`].

pub(crate) mod ake;
pub(crate) mod ake_keys;
pub(crate) mod data;
#[cfg(feature = "inside")]
mod dishonest;
mod keys;
pub(crate) mod messages;
pub(crate) mod session_keys;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod vectors;

use rand_core::CryptoRng;
use zeroize::Zeroizing;

use crate::channel::{Content, ExtraKey, Flags, MAX_EXTRA_KEYS, Sealing, Times};
use crate::dake::Ssid;
use crate::keys::FingerprintV3;
use crate::smp::Smp;
use crate::smp::modp::Modp1536;
use crate::wire::{
    Header, MessageType, Reader, Tlv, Version, WireError, Writer, read_plaintext, tlv_type_v3,
    write_plaintext,
};
use crate::{Reject, Timestamp};
use ake::Established;
pub(crate) use data::DataMessage;
use keys::Keys;
pub(crate) use keys::Step;
use session_keys::ExtraSymmKey;
pub(crate) use session_keys::MacKey;

/// An encrypted conversation with one client of the correspondent.
#[derive(Debug)]
pub(crate) struct Channel {
    /// 2 or 3.
    version: Version,
    keys: Keys,
    pub(crate) ssid: Ssid,
    pub(crate) fingerprint: FingerprintV3,
    pub(crate) times: Times,
    /// The verification that is under way.
    pub(crate) smp: Smp<Modp1536>,
    /// What they asked for it, empty if they asked nothing; none in a run of ours.
    pub(crate) smp_question: Option<String>,
}

impl Channel {
    /// The channel of a completed key exchange. Our second key is made here, in one draw of 40 bytes.
    pub(crate) fn new(established: Established, now: Timestamp, rng: &mut dyn CryptoRng) -> Self {
        let Established { version, ssid, fingerprint, our_key, their_keyid, their_key } = established;
        let keys = Keys::new(our_key, (their_keyid, their_key), rng);
        let (times, smp) = (Times::new(now), Smp::default());
        Self { version, keys, ssid, fingerprint, times, smp, smp_question: None }
    }

    /// 2 or 3.
    pub(crate) fn version(&self) -> Version {
        self.version
    }

    /// Seals text and TLVs into the bytes of the next data message; with it come the keys that TLVs of type 8 among
    /// them stand for, in version 3. Nothing is drawn.
    pub(crate) fn seal(
        &mut self,
        flags: Flags,
        text: &str,
        tlvs: &[Tlv],
        with: Sealing<'_>,
    ) -> Result<(Vec<u8>, Vec<ExtraKey>), WireError> {
        let plaintext = write_plaintext(text.as_bytes(), tlvs, with.padding)?;
        let version = self.version;
        let (message, extra) = self.seal_revealing(flags, plaintext, Vec::new(), &with);
        Ok((message, extra_keys(version, tlvs, extra)))
    }

    /// A message without text, for records or to reveal the MAC keys that wait for it.
    pub(crate) fn seal_revealing_opened(&mut self, tlvs: &[Tlv], with: Sealing<'_>) -> Vec<u8> {
        self.seal_silent(tlvs, Vec::new(), &with)
    }

    /// The last message of a channel: all MAC keys that were used and are left go with it.
    pub(crate) fn seal_last(mut self, tlvs: &[Tlv], with: Sealing<'_>) -> Vec<u8> {
        let rest = self.keys.take_all_mac_keys();
        self.seal_silent(tlvs, rest, &with)
    }

    /// Opens a message without changing a key; [`Self::advance`] makes the change. Refused: nothing has changed.
    pub(crate) fn try_open(&self, message: &DataMessage<'_>) -> Result<(Content, Step), Reject> {
        if message.version != self.version {
            return Err(Reject::Unexpected);
        }
        let opened = self.keys.try_open(message)?;
        let (text, tlvs) = read_plaintext(&opened.plaintext);
        let text = (!text.is_empty()).then(|| String::from_utf8_lossy(text).into_owned());
        let extra_keys = extra_keys(self.version, &tlvs, opened.extra);
        Ok((Content { text, tlvs, extra_keys }, opened.step))
    }

    /// Makes the change of an opened message. A new key of ours takes one draw of 40 bytes.
    pub(crate) fn advance(&mut self, step: Step, rng: &mut dyn CryptoRng) {
        self.keys.advance(step, rng);
    }

    /// All MAC keys that were used and not revealed yet: for a channel that is replaced and not read any more.
    pub(crate) fn into_mac_keys(mut self) -> Vec<MacKey> {
        self.keys.take_all_mac_keys()
    }

    /// MAC keys that were used and under which nothing can be accepted any more: for a channel that is replaced, but
    /// read on.
    pub(crate) fn take_used_mac_keys(&mut self) -> Vec<MacKey> {
        self.keys.take_used_mac_keys()
    }

    /// Reveals another channel's MAC keys with our next message.
    pub(crate) fn reveal_also(&mut self, keys: Vec<MacKey>) {
        self.keys.reveal_also(keys);
    }

    /// Whether there are MAC keys that were used, and so have to be revealed at some time.
    pub(crate) fn has_to_reveal(&self) -> bool {
        self.keys.has_to_reveal()
    }

    /// Whether as many MAC keys wait to be revealed as one message takes.
    pub(crate) fn owes_much(&self) -> bool {
        self.keys.owes_much()
    }

    pub(crate) fn save(&self, w: &mut Writer) {
        let Self { version, keys, ssid, fingerprint, times, smp, smp_question } = self;
        messages::save_version(*version, w);
        keys.save(w);
        ssid.save(w);
        w.bytes(fingerprint.as_bytes());
        times.save(w);
        smp.save(w);
        w.option(smp_question.as_ref(), |w, question| _ = w.data(question.as_bytes()));
    }

    pub(crate) fn load(r: &mut Reader<'_>) -> Result<Self, WireError> {
        Ok(Self {
            version: messages::load_version(r)?,
            keys: Keys::load(r)?,
            ssid: Ssid::load(r)?,
            fingerprint: FingerprintV3::from_bytes(r.array("fingerprint")?),
            times: Times::load(r)?,
            smp: Smp::load(r)?,
            smp_question: r.option(|r| r.text("SMP question"))?,
        })
    }

    /// A message without text; nobody needs to hear of it if it cannot be read.
    fn seal_silent(&mut self, tlvs: &[Tlv], also_reveal: Vec<MacKey>, with: &Sealing<'_>) -> Vec<u8> {
        let plaintext = write_plaintext(b"", tlvs, with.padding);
        let plaintext = plaintext.expect("no text, and TLVs of ours that are short");
        self.seal_revealing(Flags::IgnoreUnreadable, plaintext, also_reveal, with).0
    }

    /// The message, and the extra symmetric key of its pair of keys.
    fn seal_revealing(
        &mut self,
        flags: Flags,
        plaintext: Zeroizing<Vec<u8>>,
        also_reveal: Vec<MacKey>,
        with: &Sealing<'_>,
    ) -> (Vec<u8>, &ExtraSymmKey) {
        let (sender, theirs) = with.tags;
        let (version, message_type, receiver) = (self.version, MessageType::Data, Some(theirs));
        self.times.send(self.keys.opens(), with.now);
        let mut keys = self.keys.next_to_send();
        keys.reveal.extend(also_reveal);
        let message =
            data::write(&Header { version, message_type, sender, receiver }, flags, &keys, plaintext);
        (message, &keys.session.extra)
    }
}

/// One key for each TLV of type 8, in their order; it is the same for all of them. Version 2 knows none.
fn extra_keys(version: Version, tlvs: &[Tlv], extra: &ExtraSymmKey) -> Vec<ExtraKey> {
    let wanted = tlvs.iter().filter(|tlv| version == Version::V3 && tlv.kind == tlv_type_v3::EXTRA_KEY);
    wanted.take(MAX_EXTRA_KEYS).map(|tlv| ExtraKey::for_use(&tlv.value, extra.as_bytes())).collect()
}
