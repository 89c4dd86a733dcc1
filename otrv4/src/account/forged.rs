//! Accounts in somebody's name, of whom nothing is known but what they show. Used by [`crate::forge`].

use std::collections::{BTreeMap, VecDeque};

use super::publishing::Look;
use super::{Account, Lifetimes};
use crate::client_profile::VerifiedClientProfile;
use crate::crypto::ed448::SigningKey;
use crate::keys::{ForgingKey, LongTermKey};

impl Account {
    /// An account that shows this profile and signs rings with that key. It has nothing to publish, and its profile is never
    /// renewed, since neither could be signed.
    pub(crate) fn in_the_name_of(id: &str, profile: VerifiedClientProfile, key: SigningKey) -> Self {
        Self {
            id: id.into(),
            tag: profile.owner(),
            key: LongTermKey::standing_in(key),
            forging: ForgingKey::without_secret(profile.forging_key().clone()),
            v3_key: None,
            lifetimes: Lifetimes::FOR_EVER,
            client_profiles: vec![profile],
            prekey_profiles: Vec::new(),
            prekeys: VecDeque::new(),
            unpublished: Vec::new(),
            profiles_published: true,
            look: Look::Never,
            contacts: BTreeMap::new(),
        }
    }

    /// Whether its key is not that of its profile. It must sign nothing but rings, in which it is one of three: a profile signed
    /// with a forging key would prove that its secret was kept.
    pub(super) fn is_posing(&self) -> bool {
        self.key.public() != self.client_profile().identity_key()
    }

    /// Has made this prekey once: for tests of what is forged with it.
    #[cfg(test)]
    pub(crate) fn has_made(&mut self, prekey: crate::prekey::PrekeySecret) {
        self.prekeys.push_back(prekey);
    }

    /// Signs the next ring with that key.
    pub(crate) fn sign_with(&mut self, key: SigningKey) {
        self.key = LongTermKey::standing_in(key);
    }
}
