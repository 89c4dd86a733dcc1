//! One account on one client: its keys, profiles and prekeys, and the keys of the people it has met.
//! Spec: otrv4.md "Client Profile", "Prekey Profile", "Publishing Prekey Ensembles". Used by every session of the
//! account, through [`crate::Context`].

mod forged;
mod publishing;
mod renewal;
mod saved;
mod trust;

use std::collections::{BTreeMap, VecDeque};

use rand_core::CryptoRng;

use crate::client_profile::VerifiedClientProfile;
use crate::dake::offline::Published;
use crate::keys::{DsaKey, Fingerprint, ForgingKey, ForgingSecret, LongTermKey, SharedPrekey};
use crate::prekey::{PrekeyEnsemble, PrekeySecret};
use crate::prekey_profile::VerifiedPrekeyProfile;
use crate::wire::{InstanceTag, Reader, Writer};
use crate::{Refused, Timestamp};
use publishing::Look;
pub use publishing::{FULL_STOCK, LOW_STOCK, MAX_PREKEYS_A_PUBLICATION, Publishing};
pub use renewal::Lifetimes;
pub use trust::{Contact, ContactKey, KnownKey, MAX_KEYS_A_CONTACT, Verification};

/// The keys and profiles of one account on one client. Its instance tag is drawn once and stays.
///
/// ```
/// # use otrv4::{Account, Lifetimes, Timestamp, keys::ForgingSecret};
/// # fn example(rng: &mut dyn rand_core::CryptoRng) -> Result<(), otrv4::LoadError> {
/// let now = Timestamp::from_unix(1_800_000_000);
/// let account = Account::new("alice@example.org", ForgingSecret::Destroy, Lifetimes::default(), rng, now);
/// let saved = account.save(); // encrypt these bytes before they go to a disk
/// let again = Account::load(&saved)?;
/// assert_eq!(account.fingerprint(), again.fingerprint());
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Account {
    id: String,
    tag: InstanceTag,
    key: LongTermKey,
    forging: ForgingKey,
    /// The long-term key of versions 2 and 3; without it they are not spoken.
    v3_key: Option<DsaKey>,
    lifetimes: Lifetimes,
    /// Oldest first; the last one is the one we show. Never empty.
    client_profiles: Vec<VerifiedClientProfile>,
    /// Oldest first, with the secrets of their shared prekeys; the last one is the one we publish. Empty until
    /// prekeys are made: who is never written to while away has no shared prekey that could be stolen.
    prekey_profiles: Vec<(SharedPrekey, VerifiedPrekeyProfile)>,
    /// What was made and has not been used, the oldest first.
    prekeys: VecDeque<PrekeySecret>,
    /// Ids of prekeys that no server has confirmed to keep.
    unpublished: Vec<u32>,
    /// Whether a prekey server has the last one of both kinds of profile.
    profiles_published: bool,
    /// When to ask the server what it has left.
    look: Look,
    /// Whom we know, by their account id.
    contacts: BTreeMap<String, Contact>,
}

impl Account {
    /// A new account. `id` is what the messenger calls it, such as a bare JID: both sides of a conversation must know
    /// it under the same name. Whether the secret of the forging key is kept is the user's choice: with it they can
    /// forge conversations with themselves, without it nobody can impersonate others to them after their long-term key is
    /// stolen; see otrv4.md "Forger Keys". Who steals the whole account can in either case, by its waiting prekeys
    /// ([`crate::forge::impersonate_offline`]).
    pub fn new(
        id: &str,
        forging: ForgingSecret,
        lifetimes: Lifetimes,
        rng: &mut dyn CryptoRng,
        now: Timestamp,
    ) -> Self {
        let mut account = Self {
            id: id.into(),
            tag: InstanceTag::random(rng),
            key: LongTermKey::generate(rng),
            forging: ForgingKey::generate(forging, rng),
            v3_key: None,
            lifetimes: lifetimes.sane(),
            client_profiles: Vec::new(),
            prekey_profiles: Vec::new(),
            prekeys: VecDeque::new(),
            unpublished: Vec::new(),
            profiles_published: false,
            look: Look::Never,
            contacts: BTreeMap::new(),
        };
        account.make_client_profile(rng, now);
        account
    }

    /// The account's name at the messenger.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// This client's instance tag.
    pub const fn tag(&self) -> InstanceTag {
        self.tag
    }

    /// What the people we talk to compare.
    pub fn fingerprint(&self) -> Fingerprint {
        self.client_profile().fingerprint()
    }

    /// The key of versions 2 and 3, if the account has one.
    pub fn v3_key(&self) -> Option<&DsaKey> {
        self.v3_key.as_ref()
    }

    /// Whether the profile that we show says that we have one.
    pub(crate) fn offers_v3(&self) -> bool {
        self.client_profile().versions().contains(3)
    }

    /// Gives the account a key of versions 2 and 3, new or brought from another program, or takes it away. The profile that
    /// we show is made anew: it names the versions and, with a key, carries that and its transitional signature. Save and
    /// publish afterwards. Conversations of version 3 that run keep the key that they began with, but an SMP in them will
    /// fail. Nothing happens to an account that poses as somebody ([`crate::forge::impersonate`]).
    pub fn set_v3_key(&mut self, key: Option<DsaKey>, rng: &mut dyn CryptoRng, now: Timestamp) {
        if self.is_posing() {
            return;
        }
        self.v3_key = key;
        self.make_client_profile(rng, now);
    }

    /// The Client Profile that we show.
    pub fn client_profile(&self) -> &VerifiedClientProfile {
        self.client_profiles.last().expect("an account always has a profile")
    }

    /// The Prekey Profile that we publish; none before prekeys are made for the first time.
    pub fn prekey_profile(&self) -> Option<&VerifiedPrekeyProfile> {
        self.prekey_profiles.last().map(|(_, profile)| profile)
    }

    /// Makes prekey messages, each good for one conversation that somebody starts while we are away, and keeps their
    /// secrets: of all that were made the newest [`MAX_KEPT_PREKEYS`]. Save before any of them leaves. Refused when
    /// more than [`MAX_PREKEYS`] are asked for, and to an account that poses as somebody. For those who bring them to others by themselves; with a prekey server
    /// see [`Self::publish`].
    pub fn make_prekeys(
        &mut self,
        count: usize,
        rng: &mut dyn CryptoRng,
        now: Timestamp,
    ) -> Result<Vec<PrekeyEnsemble>, Refused> {
        if count > MAX_PREKEYS {
            return Err(Refused::TooManyPrekeys);
        }
        if self.is_posing() {
            return Err(Refused::Posing);
        }
        self.renew_for_publication(rng, now);
        let ids: Vec<u32> = (0..count).map(|_| self.make_prekey(rng)).collect();
        Ok(ids.iter().filter_map(|id| self.ensemble(*id)).collect())
    }

    /// Prekeys that were made and not used, as far as we know.
    pub fn prekeys(&self) -> usize {
        self.prekeys.len()
    }

    pub(crate) const fn key(&self) -> &LongTermKey {
        &self.key
    }

    pub(crate) const fn forging_key(&self) -> &ForgingKey {
        &self.forging
    }

    /// What a Non-Interactive-Auth message may have been made with, if we still have that prekey.
    pub(crate) fn offered(&self, prekey_id: u32) -> Option<Published<'_>> {
        Some(Published {
            prekey: self.prekey(prekey_id)?,
            profiles: self.client_profiles.iter().rev().collect(),
            shared_prekeys: self.prekey_profiles.iter().rev().map(|(shared, _)| shared).collect(),
        })
    }

    /// Forgets a prekey that has served its conversation: a second one is refused for ever. The server has one less.
    pub(crate) fn forget_prekey(&mut self, id: u32) {
        self.prekeys.retain(|prekey| prekey.id() != id);
        self.unpublished.retain(|unpublished| *unpublished != id);
        self.look.make_due();
    }

    fn prekey(&self, id: u32) -> Option<&PrekeySecret> {
        self.prekeys.iter().find(|prekey| prekey.id() == id)
    }

    fn make_prekey(&mut self, rng: &mut dyn CryptoRng) -> u32 {
        let id = loop {
            let id = rng.next_u32();
            if self.prekey(id).is_none() {
                break id;
            }
        };
        self.keep_prekey(PrekeySecret::generate(rng, id));
        id
    }

    fn keep_prekey(&mut self, prekey: PrekeySecret) {
        while self.prekeys.len() >= MAX_KEPT_PREKEYS {
            let oldest = self.prekeys.pop_front().map(|prekey| prekey.id());
            self.unpublished.retain(|unpublished| Some(*unpublished) != oldest);
        }
        self.prekeys.push_back(prekey);
    }

    fn ensemble(&self, id: u32) -> Option<PrekeyEnsemble> {
        let message = self.prekey(id)?.message(self.tag);
        let mut w = Writer::new();
        w.bytes(self.client_profile().as_bytes())
            .bytes(self.prekey_profile()?.as_bytes())
            .bytes(message.as_bytes());
        PrekeyEnsemble::read(&mut Reader::new(w.as_slice())).ok()
    }
}

/// Prekeys made at once: as many as a server keeps for one identity.
pub const MAX_PREKEYS: usize = 1000;

/// Secrets of prekeys that we keep: those on a server, and as many again that somebody has fetched and may still use.
/// Whoever fetches more makes us forget the oldest; they must not be able to keep us from publishing.
pub const MAX_KEPT_PREKEYS: usize = 2 * MAX_PREKEYS;

const DAY: i64 = 24 * 60 * 60;

#[cfg(test)]
impl Account {
    /// The same account on a client with that tag.
    pub(crate) fn of_tag(mut self, tag: InstanceTag, now: Timestamp) -> Self {
        self.tag = tag;
        self.client_profiles.clear();
        self.make_client_profile(&mut crate::vectors::rng(), now);
        self
    }

    /// An account of recorded keys, profiles and prekeys (id, 57 bytes, 80 bytes).
    pub(crate) fn of_parts(
        id: &str,
        tag: InstanceTag,
        (sym_h, sym_f, sym_d): (Vec<u8>, Vec<u8>, Vec<u8>),
        (client_profile, prekey_profile): (Vec<u8>, Vec<u8>),
        prekeys: Vec<(u32, Vec<u8>, Vec<u8>)>,
    ) -> Self {
        use crate::client_profile::ClientProfile;
        use crate::prekey_profile::PrekeyProfile;
        let valid = Timestamp::from_unix(i64::MIN);
        let key = LongTermKey::load(&mut Reader::new(&sym_h)).expect("57 bytes");
        let mut forging = Writer::new();
        forging.byte(1).bytes(&sym_f);
        let prekeys = prekeys.into_iter().map(|(id, y, b)| {
            let draws = VecDeque::from([y, b]);
            PrekeySecret::generate(&mut crate::vectors::Recorded(draws), id)
        });
        Self {
            id: id.into(),
            tag,
            forging: ForgingKey::load(&mut Reader::new(forging.as_slice())).expect("a kept key"),
            v3_key: None,
            // However far ahead the recorded profiles expire.
            lifetimes: Lifetimes { profile: i64::MAX, overlap: 0, renew_ahead: 0 },
            client_profiles: vec![
                ClientProfile::read(&mut Reader::new(&client_profile))
                    .expect("a profile")
                    .verify(tag, valid)
                    .expect("valid"),
            ],
            prekey_profiles: vec![(
                SharedPrekey::load(&mut Reader::new(&sym_d)).expect("57 bytes"),
                PrekeyProfile::read(&mut Reader::new(&prekey_profile))
                    .expect("a profile")
                    .verify(key.public(), tag, valid)
                    .expect("valid"),
            )],
            key,
            prekeys: prekeys.collect(),
            unpublished: Vec::new(),
            profiles_published: true,
            look: Look::Never,
            contacts: BTreeMap::new(),
        }
    }
}
