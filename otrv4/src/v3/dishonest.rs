//! Messages that no honest correspondent seals. With the feature `inside` only: see there.

use zeroize::Zeroizing;

use super::session_keys::AesKey;
use super::{Channel, DataMessage, data};
use crate::channel::{Flags, Sealing};
use crate::wire::{Header, MessageType, Reader, Writer};

impl Channel {
    pub(crate) fn seal_dishonestly(
        &mut self,
        plaintext: &[u8],
        alter: &mut dyn FnMut(&mut Vec<u8>),
        with: &Sealing<'_>,
    ) -> Option<Vec<u8>> {
        let (sender, receiver) = (with.tags.0, Some(with.tags.1));
        let header = Header { version: self.version, message_type: MessageType::Data, sender, receiver };
        let keys = self.keys.next_to_send();
        let honest = data::write(&header, Flags::None, &keys, Zeroizing::new(plaintext.to_vec()));
        let mut r = Reader::new(&honest);
        let header = Header::read(&mut r).ok()?;
        let mut message = DataMessage::read(&header, &mut r).ok()?.sections.to_vec();
        let behind = honest.get(message.len()..)?.split_first_chunk::<20>()?.1;
        alter(&mut message);
        let authenticator = keys.session.sending.mac.authenticate(&message);
        let mut w = Writer::new();
        authenticator.write(w.bytes(&message));
        w.bytes(behind);
        Some(w.finish())
    }

    /// What the next message is encrypted with.
    pub(crate) fn next_aes_key(&mut self) -> &AesKey {
        &self.keys.next_to_send().session.sending.aes
    }

    pub(crate) fn plaintext(&self, message: &DataMessage<'_>) -> Option<Vec<u8>> {
        Some(self.keys.try_open(message).ok()?.plaintext.to_vec())
    }
}
