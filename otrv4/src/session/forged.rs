//! What the forging tools need of a session beyond what users ask for. Used by [`crate::forge`].

use super::channel::{Channel, DataMessage};
use super::instance::Instance;
use super::output::Output;
use super::{Context, Outputs, Session};
use crate::Reject;
use crate::account::ContactKey;
use crate::crypto::secret::Secret;
use crate::dake::{Established, Mode};
use crate::wire::{Header, InstanceTag, Reader};

impl Session {
    /// Puts a key exchange to use that was completed elsewhere, as one that has come over the network. Refused if the policy would
    /// not have taken it.
    pub(crate) fn take_up(
        &mut self,
        cx: &mut Context<'_>,
        tag: InstanceTag,
        established: Established,
    ) -> Result<Vec<Output>, Reject> {
        let mut out = Outputs::default();
        self.catch_up(cx, &mut out);
        if !self.allowed_versions(cx.account).contains(4) {
            return Err(Reject::Version);
        }
        if established.mode == Mode::Offline && !self.policy.allows_offline() {
            return Err(Reject::Policy);
        }
        self.admit(cx, tag, ContactKey::V4(established.their_profile.fingerprint()), &mut out)?;
        self.establish(cx, tag, Channel::v4(established, cx.now), &mut out);
        self.send_queue(cx, &mut out);
        Ok(out.finish())
    }

    /// Whether texts of our user wait for a conversation.
    pub(crate) fn texts_wait(&self) -> bool {
        !self.queue.is_empty()
    }

    /// The chain key of a data message of version 4 that has not been received yet.
    pub(crate) fn chain_key_of(&self, message: &[u8]) -> Option<Secret<64>> {
        let mut r = Reader::new(message);
        let header = Header::read(&mut r).ok()?;
        let message = DataMessage::read(&header, &mut r).ok()?;
        match (self.instances.get(&header.sender).and_then(Instance::peek)?, &message) {
            (Channel::V4(channel), DataMessage::V4(message)) => {
                Some(channel.chain_key_of(message)?.disclose())
            }
            _ => None,
        }
    }
}
