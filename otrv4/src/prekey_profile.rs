//! Prekey Profiles: the signed shared prekey of one client, for conversations that start while it is offline.
//! Spec: otrv4.md "Prekey Profile". Used by [`crate::prekey`], the account and the prekey server protocol.

use crate::crypto::ed448;
use crate::keys::{KeyType, LongTermKey, Point};
use crate::reject::Reject;
use crate::time::Timestamp;
use crate::wire::{InstanceTag, Reader, WireError, Writer};

/// A Prekey Profile as received. It shows nothing before [`PrekeyProfile::verify`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PrekeyProfile {
    owner: InstanceTag,
    expires: Timestamp,
    shared_prekey: [u8; 57],
    /// All of it, 185 bytes, the signature last.
    bytes: Vec<u8>,
}

impl PrekeyProfile {
    /// The fields, without any check of their meaning beyond their format.
    pub fn read(r: &mut Reader<'_>) -> Result<Self, WireError> {
        let start = r.position();
        let owner = InstanceTag::read(r)?;
        let expires = read_expiry(r)?;
        let shared_prekey = KeyType::SharedPrekey.read_undecoded(r)?;
        r.bytes(SIGNATURE_LEN, "prekey profile signature")?;
        Ok(Self { owner, expires, shared_prekey, bytes: r.since(start).to_vec() })
    }

    /// Exactly what was received.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The client it claims to belong to.
    pub(crate) const fn owner(&self) -> InstanceTag {
        self.owner
    }

    /// otrv4.md "Validating a Prekey Profile", in its order: signature of the client's long-term key, owner, date,
    /// point.
    pub fn verify(
        self,
        identity_key: &Point,
        owner: InstanceTag,
        now: Timestamp,
    ) -> Result<VerifiedPrekeyProfile, Reject> {
        let (signed, signature) = self.bytes.split_last_chunk::<SIGNATURE_LEN>().ok_or(Reject::Forged)?;
        if !ed448::verify(identity_key, signed, signature) {
            return Err(Reject::Forged);
        }
        if self.owner != owner {
            return Err(Reject::ForeignOwner("prekey profile"));
        }
        if self.expires <= now {
            return Err(Reject::Expired("prekey profile"));
        }
        Ok(VerifiedPrekeyProfile {
            owner,
            expires: self.expires,
            shared_prekey: Point::decode(&self.shared_prekey)?,
            bytes: self.bytes,
        })
    }

    /// A Prekey Profile of our own. `key` is the one in the Client Profile of `owner`, `shared_prekey` must not be
    /// used after `expires`.
    pub fn sign(
        key: &LongTermKey,
        owner: InstanceTag,
        shared_prekey: &Point,
        expires: Timestamp,
    ) -> VerifiedPrekeyProfile {
        let mut w = Writer::new();
        owner.write(&mut w);
        write_expiry(expires, &mut w);
        KeyType::SharedPrekey.write(shared_prekey, &mut w);
        let signature = key.signing().sign(w.as_slice());
        w.bytes(&signature);
        VerifiedPrekeyProfile { owner, expires, shared_prekey: shared_prekey.clone(), bytes: w.finish() }
    }
}

/// CLIENT-EDDSA-SIG and PREKEY-EDDSA-SIG.
pub(crate) const SIGNATURE_LEN: usize = 114;

/// CLIENT-PROF-EXP and PREKEY-PROF-EXP: seconds since 1970, signed, 8 bytes big-endian.
pub(crate) fn read_expiry(r: &mut Reader<'_>) -> Result<Timestamp, WireError> {
    Ok(Timestamp::from_unix(r.long("expiry")?.cast_signed()))
}

pub(crate) fn write_expiry(expires: Timestamp, w: &mut Writer) {
    w.long(expires.unix().cast_unsigned());
}

/// A Prekey Profile that was valid when it was checked (or is our own).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedPrekeyProfile {
    owner: InstanceTag,
    expires: Timestamp,
    shared_prekey: Point,
    bytes: Vec<u8>,
}

impl VerifiedPrekeyProfile {
    /// The client it belongs to.
    pub const fn owner(&self) -> InstanceTag {
        self.owner
    }

    /// The first second in which it is no longer valid.
    pub const fn expires(&self) -> Timestamp {
        self.expires
    }

    /// The shared prekey `D`.
    pub const fn shared_prekey(&self) -> &Point {
        &self.shared_prekey
    }

    /// As it goes over the wire, 185 bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::SharedPrekey;
    use crate::vectors::{array, bytes, of_kind, rng};

    fn read_whole(bytes: &[u8]) -> Result<PrekeyProfile, WireError> {
        let mut r = Reader::new(bytes);
        let profile = PrekeyProfile::read(&mut r)?;
        r.end()?;
        Ok(profile)
    }

    #[test]
    fn recorded_profiles_get_the_recorded_verdict() {
        for v in of_kind("prekey_profile") {
            let identity_key = Point::decode(&array(&v.inputs["H"])).unwrap();
            let owner = InstanceTag::new(v.inputs["tag"].as_u64().unwrap().try_into().unwrap()).unwrap();
            let now = Timestamp::from_unix(v.inputs["now"].as_i64().unwrap());
            let encoded = bytes(&v.inputs["encoded"]);
            let verdict =
                read_whole(&encoded).map_err(Reject::from).and_then(|p| p.verify(&identity_key, owner, now));
            assert_eq!(Some(verdict.is_ok()), v.accept(), "{}: {verdict:?}", v.name);
            if let Ok(profile) = verdict {
                assert_eq!(profile.as_bytes(), encoded);
            }
        }
    }

    #[test]
    fn our_own_profile_is_valid_until_the_second_it_expires_and_for_its_owner_only() {
        let (key, prekey) = (LongTermKey::generate(&mut rng()), SharedPrekey::generate(&mut rng()));
        let owner = InstanceTag::new(0x1234).unwrap();
        let expires = Timestamp::from_unix(1000);
        let signed = PrekeyProfile::sign(&key, owner, prekey.public(), expires);
        let received = read_whole(signed.as_bytes()).unwrap();
        assert_eq!(received.clone().verify(key.public(), owner, Timestamp::from_unix(999)), Ok(signed));
        let verify = |owner, now| received.clone().verify(key.public(), owner, now);
        assert_eq!(verify(owner, expires), Err(Reject::Expired("prekey profile")));
        let other = InstanceTag::new(0x1235).unwrap();
        assert_eq!(verify(other, Timestamp::from_unix(0)), Err(Reject::ForeignOwner("prekey profile")));
    }

    #[test]
    fn every_changed_byte_is_noticed() {
        let (key, prekey) = (LongTermKey::generate(&mut rng()), SharedPrekey::generate(&mut rng()));
        let owner = InstanceTag::new(0x1234).unwrap();
        let signed = PrekeyProfile::sign(&key, owner, prekey.public(), Timestamp::from_unix(1000));
        for i in 0..signed.as_bytes().len() {
            let mut changed = signed.as_bytes().to_vec();
            changed[i] ^= 1;
            let verdict = read_whole(&changed)
                .map_err(Reject::from)
                .and_then(|profile| profile.verify(key.public(), owner, Timestamp::from_unix(0)));
            assert!(verdict.is_err(), "byte {i}");
        }
    }
}
