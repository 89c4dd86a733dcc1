//! One account on one client: keys, profiles and prekeys, with their renewal; saved and loaded as bytes.
//! Spec: otrv4.md "Client Profile Expiration and Renewal", "Prekey Profile Expiration and Renewal", "Publishing Prekey
//! Ensembles". Used by every session of the account, through [`crate::Context`].

mod publishing;

use std::collections::VecDeque;

use rand_core::CryptoRng;
use zeroize::Zeroizing;

use crate::client_profile::{ClientProfile, VerifiedClientProfile};
use crate::dake::offline::Published;
use crate::dake::{load_profile, save_profile};
use crate::keys::{Fingerprint, ForgingKey, ForgingSecret, LongTermKey, SharedPrekey};
use crate::prekey::{PrekeyEnsemble, PrekeySecret};
use crate::prekey_profile::{PrekeyProfile, VerifiedPrekeyProfile};
use crate::wire::{InstanceTag, Reader, Writer};
pub use publishing::{MAX_PREKEYS_A_PUBLICATION, Publishing};

use crate::{LoadError, Refused, Timestamp};

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
    lifetimes: Lifetimes,
    /// Oldest first; the last one is the one we show. Never empty.
    client_profiles: Vec<VerifiedClientProfile>,
    /// Oldest first, with the secrets of their shared prekeys. Never empty.
    prekey_profiles: Vec<(SharedPrekey, VerifiedPrekeyProfile)>,
    /// What was made and has not been used, the oldest first.
    prekeys: VecDeque<PrekeySecret>,
    /// Ids of prekeys that no server has confirmed to keep.
    unpublished: Vec<u32>,
    profiles_published: bool,
}

/// How long profiles are valid. The same for Client and Prekey Profile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lifetimes {
    /// Seconds from making a profile to its expiry; the text recommends one week.
    pub profile: i64,
    /// Seconds after expiry in which we still accept what was written with it; the text recommends one day.
    pub overlap: i64,
    /// Seconds before expiry at which a new one is made, so that it can be published in time.
    pub renew_ahead: i64,
}

impl Default for Lifetimes {
    fn default() -> Self {
        Self { profile: 7 * DAY, overlap: DAY, renew_ahead: DAY }
    }
}

impl Lifetimes {
    /// The nearest that makes sense: a profile lives for an hour at least and is renewed in the second half of its
    /// life, so that two of a kind are valid at a time and not more.
    fn sane(self) -> Self {
        let profile = self.profile.max(60 * 60);
        let (overlap, renew_ahead) = (self.overlap.clamp(0, profile), self.renew_ahead.clamp(0, profile / 2));
        Self { profile, overlap, renew_ahead }
    }
}

impl Account {
    /// A new account. `id` is what the messenger calls it, such as a bare JID: both sides of a conversation must know
    /// it under the same name. Whether the secret of the forging key is kept is the user's choice: with it they can
    /// forge conversations with themselves, without it nobody can impersonate others to them after their key is
    /// stolen; see otrv4.md "Forger Keys".
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
            lifetimes: lifetimes.sane(),
            client_profiles: Vec::new(),
            prekey_profiles: Vec::new(),
            prekeys: VecDeque::new(),
            unpublished: Vec::new(),
            profiles_published: false,
        };
        account.renew(rng, now);
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
        Fingerprint::of(self.key.public(), self.forging.public())
    }

    /// The Client Profile that we show.
    pub fn client_profile(&self) -> &VerifiedClientProfile {
        self.client_profiles.last().expect("an account always has a profile")
    }

    /// The Prekey Profile that we publish.
    pub fn prekey_profile(&self) -> &VerifiedPrekeyProfile {
        &self.current_prekey_profile().1
    }

    /// Makes new profiles when the current ones end soon, and forgets those that have ended for longer than the
    /// overlap. Whether anything changed: then save, and publish the new profiles.
    pub fn renew(&mut self, rng: &mut dyn CryptoRng, now: Timestamp) -> bool {
        let Lifetimes { profile, overlap, renew_ahead } = self.lifetimes;
        let (expires, due) = (now.plus(profile), now.plus(renew_ahead));
        let old = (self.client_profiles.len(), self.prekey_profiles.len());
        self.client_profiles.retain(|profile| profile.expires().plus(overlap) > now);
        self.prekey_profiles.retain(|(_, profile)| profile.expires().plus(overlap) > now);
        let mut changed = old != (self.client_profiles.len(), self.prekey_profiles.len());
        if self.client_profiles.last().is_none_or(|profile| profile.expires() <= due) {
            self.client_profiles.push(ClientProfile::sign(
                &self.key,
                self.forging.public(),
                self.tag,
                expires,
                None,
            ));
            (self.profiles_published, changed) = (false, true);
        }
        if self.prekey_profiles.last().is_none_or(|(_, profile)| profile.expires() <= due) {
            let shared = SharedPrekey::generate(rng);
            let profile = PrekeyProfile::sign(&self.key, self.tag, shared.public(), expires);
            self.prekey_profiles.push((shared, profile));
            (self.profiles_published, changed) = (false, true);
        }
        changed
    }

    /// When [`Self::renew`] has something to do.
    pub fn next_renewal(&self) -> Timestamp {
        let ends = self.client_profile().expires().min(self.prekey_profile().expires());
        ends.plus(self.lifetimes.renew_ahead.saturating_neg())
    }

    /// Makes prekey messages, each good for one conversation that somebody starts while we are away, and keeps their
    /// secrets: of all that were made the newest [`MAX_KEPT_PREKEYS`]. Save before any of them leaves. Refused when
    /// more than [`MAX_PREKEYS`] are asked for.
    pub fn make_prekeys(
        &mut self,
        count: usize,
        rng: &mut dyn CryptoRng,
    ) -> Result<Vec<PrekeyEnsemble>, Refused> {
        if count > MAX_PREKEYS {
            return Err(Refused::TooManyPrekeys);
        }
        let ids: Vec<u32> = (0..count).map(|_| self.make_prekey(rng)).collect();
        Ok(ids.iter().filter_map(|id| self.ensemble(*id)).collect())
    }

    /// Prekeys that were made and not used, as far as we know.
    pub fn prekeys(&self) -> usize {
        self.prekeys.len()
    }

    /// Whether a prekey server lacks something that we have: new profiles or prekeys.
    pub fn has_unpublished(&self) -> bool {
        !self.profiles_published || !self.unpublished.is_empty()
    }

    /// Takes note that the server keeps what was published; after [`crate::prekey_server::ServerReply::Success`]. Save
    /// afterwards.
    pub fn published(&mut self, ids: &[u32]) {
        self.unpublished.retain(|id| !ids.contains(id));
        self.profiles_published = true;
    }

    /// Takes note that the server has refused what was published and keeps none of it; after
    /// [`crate::prekey_server::ServerReply::Failure`]. The prekeys are forgotten, so that the next publication is
    /// another one. Save afterwards.
    pub fn refused(&mut self, ids: &[u32]) {
        self.unpublished.retain(|id| !ids.contains(id));
        self.prekeys.retain(|prekey| !ids.contains(&prekey.id()));
    }

    /// The account as bytes, a version first; secret, wiped when dropped. The application encrypts and keeps them.
    pub fn save(&self) -> Zeroizing<Vec<u8>> {
        let Self {
            id,
            tag,
            key,
            forging,
            lifetimes: Lifetimes { profile, overlap, renew_ahead },
            client_profiles,
            prekey_profiles,
            prekeys,
            unpublished,
            profiles_published,
        } = self;
        let mut w = Writer::new();
        w.byte(SAVED_VERSION).data(id.as_bytes());
        tag.write(&mut w);
        key.save(&mut w);
        forging.save(&mut w);
        [profile, overlap, renew_ahead].into_iter().for_each(|seconds| _ = w.bytes(&seconds.to_be_bytes()));
        w.list(client_profiles, |w, profile| save_profile(profile, w));
        w.list(prekey_profiles, |w, (shared, profile)| {
            shared.save(w);
            w.bytes(profile.as_bytes());
        });
        w.list(prekeys, |w, prekey| prekey.save(w));
        w.list(unpublished, |w, id| _ = w.int(*id));
        w.byte((*profiles_published).into());
        w.finish_secret()
    }

    /// Reads what [`Self::save`] wrote.
    pub fn load(bytes: &[u8]) -> Result<Self, LoadError> {
        let mut r = Reader::new(bytes);
        match r.byte("version")? {
            SAVED_VERSION => {}
            version => return Err(LoadError::Version(version)),
        }
        let (id, tag) = (r.text("account id")?, InstanceTag::read(&mut r)?);
        let (key, forging) = (LongTermKey::load(&mut r)?, ForgingKey::load(&mut r)?);
        let mut seconds = || r.array("lifetime").map(i64::from_be_bytes);
        let lifetimes =
            Lifetimes { profile: seconds()?, overlap: seconds()?, renew_ahead: seconds()? }.sane();
        let mut client_profiles = Vec::new();
        for _ in 0..r.int("client profiles")? {
            client_profiles.push(load_profile(&mut r)?);
        }
        let mut prekey_profiles = Vec::new();
        for _ in 0..r.int("prekey profiles")? {
            let shared = SharedPrekey::load(&mut r)?;
            let profile = PrekeyProfile::read(&mut r)?;
            prekey_profiles
                .push((shared, profile.verify(key.public(), tag, Timestamp::from_unix(i64::MIN))?));
        }
        if client_profiles.is_empty() || prekey_profiles.is_empty() {
            return Err(LoadError::Damaged);
        }
        let prekeys = r.list(PrekeySecret::load)?.into();
        let unpublished = r.list(|r| r.int("prekey id"))?;
        let profiles_published = r.byte("published")? != 0;
        r.end()?;
        Ok(Self {
            id,
            tag,
            key,
            forging,
            lifetimes,
            client_profiles,
            prekey_profiles,
            prekeys,
            unpublished,
            profiles_published,
        })
    }

    pub(crate) const fn key(&self) -> &LongTermKey {
        &self.key
    }

    /// What a Non-Interactive-Auth message may have been made with, if we still have that prekey.
    pub(crate) fn offered(&self, prekey_id: u32) -> Option<Published<'_>> {
        Some(Published {
            prekey: self.prekey(prekey_id)?,
            profiles: self.client_profiles.iter().rev().collect(),
            shared_prekeys: self.prekey_profiles.iter().rev().map(|(shared, _)| shared).collect(),
        })
    }

    /// Forgets a prekey that has served its conversation: a second one is refused for ever.
    pub(crate) fn forget_prekey(&mut self, id: u32) {
        self.prekeys.retain(|prekey| prekey.id() != id);
        self.unpublished.retain(|unpublished| *unpublished != id);
    }

    fn current_prekey_profile(&self) -> &(SharedPrekey, VerifiedPrekeyProfile) {
        self.prekey_profiles.last().expect("an account always has a prekey profile")
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
        while self.prekeys.len() >= MAX_KEPT_PREKEYS {
            self.prekeys.pop_front();
        }
        self.prekeys.push_back(PrekeySecret::generate(rng, id));
        id
    }

    fn ensemble(&self, id: u32) -> Option<PrekeyEnsemble> {
        let message = self.prekey(id)?.message(self.tag);
        let mut w = Writer::new();
        w.bytes(self.client_profile().as_bytes())
            .bytes(self.prekey_profile().as_bytes())
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

const SAVED_VERSION: u8 = 1;

#[cfg(test)]
impl Account {
    /// The same account on a client with that tag.
    pub(crate) fn of_tag(mut self, tag: InstanceTag, rng: &mut dyn CryptoRng, now: Timestamp) -> Self {
        self.tag = tag;
        self.client_profiles.clear();
        self.prekey_profiles.clear();
        self.renew(rng, now);
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
        let valid = Timestamp::from_unix(i64::MIN);
        let key = LongTermKey::load(&mut Reader::new(&sym_h)).expect("57 bytes");
        let mut forging = Writer::new();
        forging.byte(1).bytes(&sym_f);
        let prekeys = prekeys.into_iter().map(|(id, y, b)| {
            let draws = std::collections::VecDeque::from([y, b]);
            PrekeySecret::generate(&mut crate::vectors::Recorded(draws), id)
        });
        Self {
            id: id.into(),
            tag,
            forging: ForgingKey::load(&mut Reader::new(forging.as_slice())).expect("a kept key"),
            lifetimes: Lifetimes::default(),
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
        }
    }
}
