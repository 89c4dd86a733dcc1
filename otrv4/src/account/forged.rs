//! Accounts in somebody's name, of whom nothing is known but what they show. Used by [`crate::forge`].

use std::collections::{BTreeMap, VecDeque};

use super::publishing::Look;
use super::{Account, Lifetimes};
use crate::client_profile::VerifiedClientProfile;
use crate::crypto::ed448::SigningKey;
use crate::keys::{ForgingKey, LongTermKey};
use crate::prekey::{PrekeyEnsemble, PrekeySecret};
use crate::prekey_profile::VerifiedPrekeyProfile;
use crate::wire::Writer;

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

    /// Takes a prekey as if it had made it, so that it answers who starts from this ensemble. Not if it has not got the profiles in it,
    /// or another prekey with that identifier.
    pub(crate) fn take_prekey(&mut self, ensemble: &PrekeyEnsemble, secret: PrekeySecret) -> bool {
        let mut w = Writer::new();
        ensemble.write(&mut w);
        let begins = |client: &VerifiedClientProfile, prekey: &VerifiedPrekeyProfile| {
            w.as_slice()
                .strip_prefix(client.as_bytes())
                .is_some_and(|rest| rest.starts_with(prekey.as_bytes()))
        };
        let mut pairs = self
            .client_profiles
            .iter()
            .flat_map(|client| self.prekey_profiles.iter().map(move |(_, prekey)| (client, prekey)));
        let ours = !self.is_posing() && pairs.any(|(client, prekey)| begins(client, prekey));
        let held = self.prekeys.iter().find(|held| held.id() == secret.id());
        let held = held.map(|held| held.message(self.tag).as_bytes() == secret.message(self.tag).as_bytes());
        if ours && held.is_none() {
            self.keep_prekey(secret);
        }
        ours && held.unwrap_or(true)
    }

    /// Signs the next ring with that key.
    pub(crate) fn sign_with(&mut self, key: SigningKey) {
        self.key = LongTermKey::standing_in(key);
    }
}
