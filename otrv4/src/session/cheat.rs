//! What an honest application must not have, and whoever tests others needs: records as they are, and authenticators for
//! messages that were changed. Used by the tests of this folder and by the programs of `conformance/`; hidden, since nothing
//! of it belongs into a client.

use super::channel::SmpStep;
use super::{Context, Outputs, Session};
use crate::Output;
use crate::wire::{InstanceTag, Tlv};

#[doc(hidden)]
impl Session {
    /// Sends records to a client as they are, in one data message without text.
    pub fn cheat_records(
        &mut self,
        cx: &mut Context<'_>,
        to: InstanceTag,
        records: Vec<(u16, Vec<u8>)>,
    ) -> Vec<Output> {
        let records: Vec<Tlv> = records.into_iter().map(|(kind, value)| Tlv { kind, value }).collect();
        let mut out = Outputs::default();
        self.send_quiet(cx, to, &records, &mut out);
        out.finish()
    }

    /// What our next data message to that client would have as its authenticator, if these were its sections; in a
    /// ratchet of ours that is open already. Nothing changes.
    pub fn cheat_authenticator(
        &self,
        cx: &mut Context<'_>,
        to: InstanceTag,
        sections: &[u8],
    ) -> Option<Vec<u8>> {
        let mut copy = Self::load(&self.save(), self.policy).ok()?;
        let channel = copy.instances.get_mut(&to)?.channel()?;
        Some(channel.cheat_authenticator(cx.rng, sections))
    }

    /// The record of SMP that answers their question with this secret; not sent.
    pub fn cheat_smp_answer(
        &mut self,
        cx: &mut Context<'_>,
        to: InstanceTag,
        secret: &str,
    ) -> Option<(u16, Vec<u8>)> {
        let channel = self.instances.get_mut(&to)?.channel()?;
        let answer = channel.smp_answer(cx.account, secret, cx.rng).ok()?;
        Some((answer.kind, answer.value.clone()))
    }

    /// The record of SMP that answers theirs; not sent.
    pub fn cheat_smp_reply(
        &mut self,
        cx: &mut Context<'_>,
        to: InstanceTag,
        (kind, value): (u16, Vec<u8>),
    ) -> Option<(u16, Vec<u8>)> {
        let channel = self.instances.get_mut(&to)?.channel()?;
        match channel.smp_receive(&Tlv { kind, value }, cx.rng).ok()? {
            SmpStep::Reply(reply) | SmpStep::Concluded { reply: Some(reply), .. } => {
                Some((reply.kind, reply.value.clone()))
            }
            SmpStep::Asked(_) | SmpStep::Concluded { reply: None, .. } | SmpStep::Aborted => None,
        }
    }
}
