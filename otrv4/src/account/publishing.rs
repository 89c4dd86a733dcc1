//! Publishing profiles and prekeys of an account on a prekey server, and asking how many are left.
//! Spec: otrv4.md "Publishing Prekey Ensembles". The messages are those of [`crate::prekey_server`].

use rand_core::CryptoRng;

use super::Account;
use crate::prekey::PrekeySecret;
pub use crate::prekey_server::MAX_PREKEYS as MAX_PREKEYS_A_PUBLICATION;
use crate::prekey_server::{AwaitReply, PublishRequest, Publisher, ServerKey};
use crate::{Refused, Reject, Timestamp};

impl Account {
    /// Begins a publication: the DAKE-1 message for the server, and what answers its DAKE-2. `fresh` prekeys are made
    /// on top of those that no server has confirmed. Save before the message leaves.
    pub fn publish(
        &mut self,
        fresh: usize,
        rng: &mut dyn CryptoRng,
        now: Timestamp,
    ) -> Result<(Publishing, Vec<u8>), Refused> {
        self.renew(rng, now);
        let waiting = self.unpublished.len().min(MAX_PREKEYS_A_PUBLICATION);
        let fresh = fresh.min(MAX_PREKEYS_A_PUBLICATION.saturating_sub(waiting));
        for _ in 0..fresh {
            let id = self.make_prekey(rng);
            self.unpublished.push(id);
        }
        let ids = self.unpublished.iter().take(MAX_PREKEYS_A_PUBLICATION).copied().collect();
        let (publisher, dake_1) = Publisher::start(self.client_profile(), &self.id, rng);
        Ok((Publishing { publisher, ids: Some(ids) }, dake_1))
    }

    /// Asks the server how many of our prekeys it still has, in the same way.
    pub fn ask_storage(&self, rng: &mut dyn CryptoRng) -> (Publishing, Vec<u8>) {
        let (publisher, dake_1) = Publisher::start(self.client_profile(), &self.id, rng);
        (Publishing { publisher, ids: None }, dake_1)
    }
}

/// A publication under way, or a question about storage: what answers the server's DAKE-2.
#[derive(Debug)]
pub struct Publishing {
    publisher: Publisher,
    /// The prekeys to publish; none when we only ask.
    ids: Option<Vec<u32>>,
}

impl Publishing {
    /// The prekeys that it publishes; for [`Account::published`].
    pub fn ids(&self) -> &[u32] {
        self.ids.as_deref().unwrap_or_default()
    }

    /// Checks that DAKE-2 comes from that server, and gives DAKE-3 with the profiles and prekeys in it. A message that is
    /// refused is to be ignored: the true one may still come. After one that is not, drop this.
    pub fn receive_dake_2(
        &self,
        account: &Account,
        server: &ServerKey,
        dake_2: &[u8],
        rng: &mut dyn CryptoRng,
    ) -> Result<(AwaitReply, Vec<u8>), Reject> {
        let (shared, prekey_profile) = account.current_prekey_profile();
        let prekeys: Vec<&PrekeySecret> = self.ids().iter().filter_map(|id| account.prekey(*id)).collect();
        let request = match self.ids {
            Some(_) => PublishRequest::Publish {
                client_profile: Some(account.client_profile()),
                prekey_profile: Some((prekey_profile, shared)),
                prekeys: &prekeys,
            },
            None => PublishRequest::StorageInformation,
        };
        self.publisher.receive_dake2(dake_2, server, account.key(), request, rng)
    }
}
