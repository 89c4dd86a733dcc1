//! An account as bytes, a version first. Used by applications, which encrypt and keep them.

use zeroize::Zeroizing;

use super::publishing::Look;
use super::{Account, Contact, Lifetimes};
use crate::client_profile::VerifiedClientProfile;
use crate::dake::{load_profile, save_profile};
use crate::keys::{DsaKey, ForgingKey, LongTermKey, SharedPrekey};
use crate::prekey::PrekeySecret;
use crate::prekey_profile::PrekeyProfile;
use crate::wire::{InstanceTag, Reader, Writer};
use crate::{LoadError, Timestamp};

impl Account {
    /// The account as bytes, a version first; secret, wiped when dropped. The application encrypts and keeps them.
    pub fn save(&self) -> Zeroizing<Vec<u8>> {
        let Self {
            id,
            tag,
            key,
            forging,
            v3_key,
            lifetimes: Lifetimes { profile, overlap, renew_ahead },
            client_profiles,
            prekey_profiles,
            prekeys,
            unpublished,
            profiles_published,
            look,
            contacts,
        } = self;
        let mut w = Writer::new();
        w.byte(SAVED_VERSION).data(id.as_bytes());
        tag.write(&mut w);
        key.save(&mut w);
        forging.save(&mut w);
        w.option(v3_key.as_ref(), |w, key| key.save(w));
        [profile, overlap, renew_ahead].into_iter().for_each(|seconds| _ = w.bytes(&seconds.to_be_bytes()));
        w.list(client_profiles, |w, profile| save_profile(profile, w));
        w.list(prekey_profiles, |w, (shared, profile)| {
            shared.save(w);
            w.bytes(profile.as_bytes());
        });
        w.list(prekeys, |w, prekey| prekey.save(w));
        w.list(unpublished, |w, id| _ = w.int(*id));
        w.byte((*profiles_published).into());
        look.save(&mut w);
        w.list(contacts, |w, (id, contact)| contact.save(w.data(id.as_bytes())));
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
        let v3_key = r.option(DsaKey::load)?;
        let mut seconds = || r.array("lifetime").map(i64::from_be_bytes);
        let lifetimes = Lifetimes { profile: seconds()?, overlap: seconds()?, renew_ahead: seconds()? };
        let client_profiles = r.list(load_profile)?;
        let is_ours = |profile: &VerifiedClientProfile| {
            let keys = [profile.identity_key(), profile.forging_key()];
            keys == [key.public(), forging.public()] && profile.owner() == tag
        };
        if client_profiles.is_empty() || !client_profiles.iter().all(is_ours) || lifetimes != lifetimes.sane()
        {
            return Err(LoadError::Damaged);
        }
        let prekey_profiles = r.list(|r| {
            let shared = SharedPrekey::load(r)?;
            let profile = PrekeyProfile::read(r)?;
            let profile = profile.verify(key.public(), tag, Timestamp::from_unix(i64::MIN))?;
            Ok::<_, LoadError>((shared, profile))
        })?;
        let prekeys = r.list(PrekeySecret::load)?.into();
        let unpublished = r.list(|r| r.int("prekey id"))?;
        let profiles_published = r.flag("published")?;
        let look = Look::load(&mut r)?;
        let contacts = r.map(|r| Ok::<_, LoadError>((r.text("contact")?, Contact::load(r)?)))?;
        r.end()?;
        Ok(Self {
            id,
            tag,
            key,
            forging,
            v3_key,
            lifetimes,
            client_profiles,
            prekey_profiles,
            prekeys,
            unpublished,
            profiles_published,
            look,
            contacts,
        })
    }
}

const SAVED_VERSION: u8 = 3;
