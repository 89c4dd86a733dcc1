//! What tests of the channel do to its keys.

use super::*;
use crate::wire::{Header, InstanceTag, MessageType, Version, Writer};

impl Keys {
    /// The next message has the counter after this one.
    pub(in crate::v3) fn jump_to(&mut self, counter: u64) {
        self.sent = counter;
    }

    pub(in crate::v3) fn set_our_keyid(&mut self, keyid: u32) {
        self.our_keyid = keyid;
    }

    /// Previous and newest.
    pub(in crate::v3) fn our_public(&self) -> [Dh1536Public; 2] {
        [&self.our_dh.previous, &self.our_dh.newest].map(|pair| pair.public().clone())
    }

    /// Previous and newest.
    pub(in crate::v3) fn their_public(&self) -> [Dh1536Public; 2] {
        [self.their_previous.clone().expect("a previous key"), self.their_y.clone()]
    }

    /// What the AES key of the next message makes of a counter of 0, which no message has: it names the key.
    pub(in crate::v3) fn sending_key_stream(&self) -> [u8; 16] {
        let session = self.pairs.previous.newest.session_keys(&self.our_dh.previous, &self.their_y);
        let mut stream = [0; 16];
        session.sending.aes.apply(0, &mut stream);
        stream
    }

    /// Whether a message could still be accepted under that MAC key.
    pub(in crate::v3) fn accept_under(&self, key: &MacKey) -> bool {
        [Age::Previous, Age::Newest].into_iter().any(|ours| {
            [Age::Previous, Age::Newest].into_iter().any(|theirs| {
                let Some(their_key) = self.their_key(theirs) else { return false };
                let pair = self.pairs.get(ours).get(theirs);
                pair.session_keys(self.our_dh.get(ours), their_key).receiving.mac.reveal() == key.reveal()
            })
        })
    }

    /// An authentic message of version 3 that names any number as the next key; the channel stays as it is.
    pub(in crate::v3) fn message_with_next(&self, next: &[u8]) -> Vec<u8> {
        let tag = InstanceTag::new(0x100).expect("a valid tag");
        let session = self.pairs.previous.newest.session_keys(&self.our_dh.previous, &self.their_y);
        let mut w = Writer::new();
        Header { version: Version::V3, message_type: MessageType::Data, sender: tag, receiver: Some(tag) }
            .write(&mut w);
        w.byte(0).int(self.our_keyid - 1).int(self.their_keyid).mpi(next).long(self.sent + 1).data(b"");
        let authenticator = session.sending.mac.authenticate(w.as_slice());
        authenticator.write(&mut w);
        w.data(b"");
        w.finish()
    }
}
