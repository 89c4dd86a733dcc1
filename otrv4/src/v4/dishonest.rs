//! Messages that no honest correspondent seals. With the feature `inside` only: see there.

use zeroize::Zeroizing;

use super::{Channel, DataMessage};
use crate::channel::{Flags, Sealing};
use crate::ratchet::keys::ChainKey;
use crate::wire::{Header, Reader, Writer};

impl Channel {
    pub(crate) fn seal_dishonestly(
        &mut self,
        plaintext: &[u8],
        alter: &mut dyn FnMut(&mut Vec<u8>),
        with: Sealing<'_>,
    ) -> Option<Vec<u8>> {
        let plaintext = Zeroizing::new(plaintext.to_vec());
        let (honest, chain) = self.seal_revealing(Flags::None, plaintext, Vec::new(), with);
        let mut r = Reader::new(&honest);
        Header::read(&mut r).ok()?;
        let mut message = DataMessage::read(&mut r).ok()?.sealed.sections.to_vec();
        let behind = honest.get(message.len()..)?.split_first_chunk::<64>()?.1;
        alter(&mut message);
        let authenticator = chain.message_key().mac_key().authenticate(&message);
        let mut w = Writer::new();
        authenticator.write(w.bytes(&message));
        w.bytes(behind);
        Some(w.finish())
    }

    /// The chain key of the next message, which is gone with it.
    pub(crate) fn next_chain_key(&mut self, with: Sealing<'_>) -> ChainKey {
        self.seal_revealing(Flags::None, Zeroizing::default(), Vec::new(), with).1
    }

    pub(crate) fn plaintext(&self, message: &DataMessage<'_>) -> Option<Vec<u8>> {
        let opened = self.ratchet.try_open(message.at, &message.sealed).ok()?;
        Some(opened.plaintext.to_vec())
    }
}
