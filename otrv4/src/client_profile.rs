//! Client Profiles: what one client of an account says about itself, signed by its long-term key.
//! Spec: otrv4.md "Client Profile". Used by the handshakes, [`crate::prekey`], the account and the prekey server
//! protocol.

use std::ops::Range;

use crate::crypto::dsa::DsaPublic;
use crate::crypto::ed448;
use crate::keys::{Fingerprint, KeyType, LongTermKey, Point};
use crate::prekey_profile::{SIGNATURE_LEN, read_expiry, write_expiry};
use crate::reject::Reject;
use crate::time::Timestamp;
use crate::wire::{InstanceTag, Reader, Versions, WireError, Writer};

/// Bytes of the longest profile we read. One with a DSA key has less than 1 KiB, but versions and key may be longer than
/// need be; the limit keeps a stranger from filling the memory of a server or of another client.
pub const MAX_PROFILE: usize = 16 * 1024;

/// A Client Profile as received. It shows nothing before [`ClientProfile::verify`].
///
/// The bytes are kept as they came: the signature is over them, in whatever order the fields were sent
/// (spec-notes/SN-007).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientProfile {
    owner: InstanceTag,
    identity_key: [u8; 57],
    forging_key: [u8; 57],
    versions: Versions,
    expires: Timestamp,
    dsa_key: Option<Vec<u8>>,
    /// Where among the fields the transitional signature stands, and what it is.
    transitional: Option<(Range<usize>, [u8; 40])>,
    bytes: Vec<u8>,
}

impl ClientProfile {
    /// Number of fields (INT), the fields, each with its type (SHORT), and the signature. A field may come once;
    /// fields 1 to 5 must come; 6 and 7 come together or not at all, and must come when version 3 is listed
    /// (spec-notes/SN-008). An unknown field is refused, since its length is unknown.
    pub fn read(r: &mut Reader<'_>) -> Result<Self, WireError> {
        let start = r.position();
        let count = r.int("number of fields")?;
        if !(5..=7).contains(&count) {
            return Err(WireError::Illegal("number of fields"));
        }
        let mut fields = Fields { start: r.position(), ..Fields::default() };
        for _ in 0..count {
            fields.read(r)?;
        }
        r.bytes(SIGNATURE_LEN, "client profile signature")?;
        let bytes = r.since(start);
        if bytes.len() > MAX_PROFILE {
            return Err(WireError::TooLong("client profile"));
        }
        fields.complete(bytes)
    }

    /// Exactly what was received.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The client it claims to belong to.
    pub(crate) const fn owner(&self) -> InstanceTag {
        self.owner
    }

    /// otrv4.md "Validating a Client Profile", in its order: signature, owner (`sender` is the sender tag of the
    /// message that carried it), date, versions, points, transitional signature. Nothing may be derived from the
    /// latter: anyone can make one for any DSA key (spec-notes/SN-008).
    pub fn verify(self, sender: InstanceTag, now: Timestamp) -> Result<VerifiedClientProfile, Reject> {
        let identity_key = Point::decode(&self.identity_key)?;
        let (signed, signature) = self.signed().ok_or(Reject::Forged)?;
        if !ed448::verify(&identity_key, signed, signature) {
            return Err(Reject::Forged);
        }
        if self.owner != sender {
            return Err(Reject::ForeignOwner("client profile"));
        }
        if self.expires <= now {
            return Err(Reject::Expired("client profile"));
        }
        if !self.versions.contains(4) {
            return Err(Reject::Version);
        }
        let forging_key = Point::decode(&self.forging_key)?;
        if !self.has_good_transitional_signature(signed) {
            return Err(Reject::Forged);
        }
        Ok(VerifiedClientProfile {
            owner: self.owner,
            identity_key,
            forging_key,
            versions: self.versions,
            expires: self.expires,
            dsa_key: self.dsa_key,
            bytes: self.bytes,
        })
    }

    /// Over fields 1 to 6 as they were received, by the DSA key among them; or there is none.
    fn has_good_transitional_signature(&self, signed: &[u8]) -> bool {
        let Some((dsa_key, (field, signature))) = self.dsa_key.as_ref().zip(self.transitional.as_ref())
        else {
            return true;
        };
        let (before, after) = (signed.get(..field.start), signed.get(field.end..));
        let others = [before.unwrap_or_default(), after.unwrap_or_default()].concat();
        DsaPublic::read(&mut Reader::new(dsa_key)).is_ok_and(|key| key.verify(&others, signature))
    }

    /// The fields, without their number, and the signature.
    fn signed(&self) -> Option<(&[u8], &[u8; SIGNATURE_LEN])> {
        let (_count, rest) = self.bytes.split_first_chunk::<4>()?;
        rest.split_last_chunk()
    }

    /// A Client Profile of our own: fields in ascending order and versions "4", or "34" with a DSA key, since other
    /// implementations bring fields into that order before they verify (spec-notes/SN-026). The transitional signature is
    /// taken as `dsa` makes it: everybody refuses the profile if it is wrong.
    pub fn sign(
        key: &LongTermKey,
        forging_key: &Point,
        owner: InstanceTag,
        expires: Timestamp,
        dsa: Option<DsaSigner<'_>>,
    ) -> VerifiedClientProfile {
        let (count, versions) = if dsa.is_some() { (7, Versions::V34) } else { (5, Versions::V4) };
        let mut w = Writer::new();
        owner.write(w.short(Field::Owner as u16));
        KeyType::Identity.write(key.public(), w.short(Field::IdentityKey as u16));
        KeyType::Forging.write(forging_key, w.short(Field::ForgingKey as u16));
        w.short(Field::Versions as u16).data(versions.to_digits().as_bytes());
        write_expiry(expires, w.short(Field::Expiry as u16));
        let dsa_key = dsa.map(|dsa| {
            w.short(Field::DsaKey as u16).bytes(dsa.public_key);
            let signature = (dsa.sign)(w.as_slice());
            w.short(Field::TransitionalSignature as u16).bytes(&signature);
            dsa.public_key.to_vec()
        });
        let signature = key.signing().sign(w.as_slice());
        let mut whole = Writer::new();
        whole.int(count).bytes(w.as_slice()).bytes(&signature);
        VerifiedClientProfile {
            owner,
            identity_key: key.public().clone(),
            forging_key: forging_key.clone(),
            versions,
            expires,
            dsa_key,
            bytes: whole.finish(),
        }
    }
}

/// Who makes the transitional signature of our own profile: our OTRv3 key.
pub struct DsaSigner<'a> {
    /// The DSA public key as PUBKEY: type 0x0000 and the MPIs p, q, g, y.
    pub public_key: &'a [u8],
    /// Signs fields 1 to 6 as otrv4.md "Create a Client Profile Signature" says; gives r and s, 20 bytes each.
    pub sign: &'a mut dyn FnMut(&[u8]) -> [u8; 40],
}

/// The field types.
#[repr(u16)]
enum Field {
    Owner = 1,
    IdentityKey = 2,
    ForgingKey = 3,
    Versions = 4,
    Expiry = 5,
    DsaKey = 6,
    TransitionalSignature = 7,
}

impl Field {
    fn read(r: &mut Reader<'_>) -> Result<Self, WireError> {
        Ok(match r.short("field type")? {
            1 => Self::Owner,
            2 => Self::IdentityKey,
            3 => Self::ForgingKey,
            4 => Self::Versions,
            5 => Self::Expiry,
            6 => Self::DsaKey,
            7 => Self::TransitionalSignature,
            _ => return Err(WireError::Illegal("field type")),
        })
    }
}

/// What has been read of a profile so far.
#[derive(Default)]
struct Fields<'a> {
    /// Where the first one begins.
    start: usize,
    owner: Option<InstanceTag>,
    identity_key: Option<[u8; 57]>,
    forging_key: Option<[u8; 57]>,
    versions: Option<Versions>,
    expires: Option<Timestamp>,
    dsa_key: Option<&'a [u8]>,
    transitional: Option<(Range<usize>, [u8; 40])>,
}

impl<'a> Fields<'a> {
    /// One field with its type.
    fn read(&mut self, r: &mut Reader<'a>) -> Result<(), WireError> {
        let begin = r.position();
        match Field::read(r)? {
            Field::Owner => set(&mut self.owner, InstanceTag::read(r)?),
            Field::IdentityKey => set(&mut self.identity_key, KeyType::Identity.read_undecoded(r)?),
            Field::ForgingKey => set(&mut self.forging_key, KeyType::Forging.read_undecoded(r)?),
            Field::Versions => set(&mut self.versions, read_versions(r)?),
            Field::Expiry => set(&mut self.expires, read_expiry(r)?),
            Field::DsaKey => set(&mut self.dsa_key, DsaPublic::skip(r)?),
            Field::TransitionalSignature => {
                let signature = r.array("transitional signature")?;
                let from = |position: usize| position.saturating_sub(self.start);
                let field = from(begin)..from(r.position());
                set(&mut self.transitional, (field, signature))
            }
        }
    }

    fn complete(self, bytes: &[u8]) -> Result<ClientProfile, WireError> {
        let Self { start: _, owner, identity_key, forging_key, versions, expires, dsa_key, transitional } =
            self;
        let missing = WireError::Illegal("number of fields");
        let versions = versions.ok_or(missing)?;
        if dsa_key.is_some() != transitional.is_some() || (versions.contains(3) && dsa_key.is_none()) {
            return Err(WireError::Illegal("transitional signature"));
        }
        Ok(ClientProfile {
            owner: owner.ok_or(missing)?,
            identity_key: identity_key.ok_or(missing)?,
            forging_key: forging_key.ok_or(missing)?,
            versions,
            expires: expires.ok_or(missing)?,
            dsa_key: dsa_key.map(<[u8]>::to_vec),
            transitional,
            bytes: bytes.to_vec(),
        })
    }
}

fn set<T>(field: &mut Option<T>, value: T) -> Result<(), WireError> {
    match field.replace(value) {
        None => Ok(()),
        Some(_) => Err(WireError::Illegal("duplicate field")),
    }
}

/// otrv4.md "Establishing Versions": a string with a "1" or a "2" is invalid, other unknown characters are ignored.
fn read_versions(r: &mut Reader<'_>) -> Result<Versions, WireError> {
    let illegal = WireError::Illegal("versions");
    let versions = Versions::from_digits(r.data("versions")?);
    if versions.contains(1) || versions.contains(2) { Err(illegal) } else { Ok(versions) }
}

/// A Client Profile that was valid when it was checked (or is our own).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedClientProfile {
    owner: InstanceTag,
    identity_key: Point,
    forging_key: Point,
    versions: Versions,
    expires: Timestamp,
    dsa_key: Option<Vec<u8>>,
    bytes: Vec<u8>,
}

impl VerifiedClientProfile {
    /// The client it belongs to.
    pub const fn owner(&self) -> InstanceTag {
        self.owner
    }

    /// The long-term key `H`.
    pub const fn identity_key(&self) -> &Point {
        &self.identity_key
    }

    /// The forging key `F`.
    pub const fn forging_key(&self) -> &Point {
        &self.forging_key
    }

    /// The versions the client speaks, 4 among them.
    pub const fn versions(&self) -> Versions {
        self.versions
    }

    /// The first second in which it is no longer valid.
    pub const fn expires(&self) -> Timestamp {
        self.expires
    }

    /// The OTRv3 key the profile carries, as PUBKEY. Unproven: never trust a key because of it.
    pub fn dsa_key(&self) -> Option<&[u8]> {
        self.dsa_key.as_deref()
    }

    /// What people compare.
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of(&self.identity_key, &self.forging_key)
    }

    /// As it goes over the wire.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::dsa::DsaKey;
    use crate::keys::{ForgingKey, ForgingSecret};
    use crate::vectors::{array, bytes, of_kind, rng, whole_of_kind};

    fn read_whole(bytes: &[u8]) -> Result<ClientProfile, WireError> {
        let mut r = Reader::new(bytes);
        let profile = ClientProfile::read(&mut r)?;
        r.end()?;
        Ok(profile)
    }

    fn tag(n: u32) -> InstanceTag {
        InstanceTag::new(n).unwrap()
    }

    #[test]
    fn recorded_profiles_get_the_recorded_verdict() {
        for v in of_kind("client_profile") {
            let encoded = bytes(&v.inputs["encoded"]);
            let now = Timestamp::from_unix(v.inputs["now"].as_i64().unwrap());
            let verdict = read_whole(&encoded).map_err(Reject::from).and_then(|profile| {
                let sender = InstanceTag::new(v.inputs["sender_tag"].as_u64().unwrap().try_into().unwrap());
                profile.verify(sender.unwrap(), now)
            });
            assert!(v.accept().is_none_or(|accept| accept == verdict.is_ok()), "{}: {verdict:?}", v.name);
            if let Ok(profile) = verdict {
                assert_eq!(profile.as_bytes(), encoded);
            }
        }
    }

    #[test]
    fn our_own_profile_has_the_recorded_bytes() {
        for v in whole_of_kind("client_profile_make") {
            let key = LongTermKey::load(&mut Reader::new(&bytes(&v.inputs["sym_h"]))).unwrap();
            let forging_key = Point::decode(&array(&v.inputs["F"])).unwrap();
            let owner = tag(v.inputs["tag"].as_u64().unwrap().try_into().unwrap());
            let expires = Timestamp::from_unix(v.inputs["expires"].as_i64().unwrap());
            assert_eq!(v.inputs["versions"], "4");
            let profile = ClientProfile::sign(&key, &forging_key, owner, expires, None);
            assert_eq!(profile.as_bytes(), bytes(&v.outputs["encoded"]));
            let read = read_whole(profile.as_bytes()).unwrap();
            assert_eq!(read.signed().unwrap().0, bytes(&v.outputs["signed"]));
            assert_eq!(read.verify(owner, expires.plus(-1)), Ok(profile));
        }
    }

    struct Own {
        key: LongTermKey,
        forging: ForgingKey,
    }

    impl Own {
        fn new() -> Self {
            let key = LongTermKey::generate(&mut rng());
            Self { key, forging: ForgingKey::generate(ForgingSecret::Destroy, &mut rng()) }
        }

        fn profile(&self, dsa: Option<DsaSigner<'_>>) -> VerifiedClientProfile {
            ClientProfile::sign(&self.key, self.forging.public(), tag(0x100), Timestamp::from_unix(1000), dsa)
        }

        /// Any fields with a good signature.
        fn signed(&self, count: u32, fields: &[u8]) -> Vec<u8> {
            let mut w = Writer::new();
            w.int(count).bytes(fields).bytes(&self.key.signing().sign(fields));
            w.finish()
        }
    }

    #[test]
    fn a_profile_with_a_dsa_key_lists_version_3_and_carries_the_transitional_signature_over_fields_1_to_6() {
        let vector = &of_kind("dsa")[0];
        let (public_key, x) = (bytes(&vector.inputs["dsa_public"]), bytes(&vector.inputs["dsa_x"]));
        let key = DsaKey::load(&mut Reader::new(&[public_key.as_slice(), &x].concat())).unwrap();
        let own = Own::new();
        let mut seen = Vec::new();
        let mut sign = |input: &[u8]| {
            seen = input.to_vec();
            key.sign_with_nonce(input, &[7; 20])
        };
        let profile = own.profile(Some(DsaSigner { public_key: &public_key, sign: &mut sign }));
        assert_eq!(profile.versions(), Versions::V34);
        assert_eq!(profile.dsa_key(), Some(public_key.as_slice()));
        assert_eq!(
            read_whole(profile.as_bytes()).unwrap().verify(tag(0x100), Timestamp::from_unix(0)).as_ref(),
            Ok(&profile)
        );
        let fields = &profile.as_bytes()[4..profile.as_bytes().len() - SIGNATURE_LEN];
        let signature = key.sign_with_nonce(&seen, &[7; 20]);
        assert_eq!(fields, [seen.as_slice(), &[0, 7], &signature].concat());
        assert!(seen.ends_with(&public_key));

        let mut wrong = |_: &[u8]| [0x5a; 40];
        let profile = own.profile(Some(DsaSigner { public_key: &public_key, sign: &mut wrong }));
        let verdict = read_whole(profile.as_bytes()).unwrap().verify(tag(0x100), Timestamp::from_unix(0));
        assert_eq!(verdict, Err(Reject::Forged), "well signed by H, but not by the DSA key");
    }

    #[test]
    fn every_changed_byte_is_noticed() {
        let profile = Own::new().profile(None);
        for i in 0..profile.as_bytes().len() {
            let mut changed = profile.as_bytes().to_vec();
            changed[i] ^= 1;
            let verdict = read_whole(&changed)
                .map_err(Reject::from)
                .and_then(|p| p.verify(tag(0x100), Timestamp::from_unix(0)));
            assert!(verdict.is_err(), "byte {i}");
        }
    }

    #[test]
    fn a_profile_is_refused_from_the_second_it_expires() {
        let profile = Own::new().profile(None);
        let verify =
            |now| read_whole(profile.as_bytes()).unwrap().verify(tag(0x100), Timestamp::from_unix(now));
        assert!(verify(999).is_ok());
        assert_eq!(verify(1000), Err(Reject::Expired("client profile")));
        assert_eq!(verify(i64::MAX), Err(Reject::Expired("client profile")));
    }

    #[test]
    fn what_can_be_told_from_a_well_signed_profile_is_checked_after_its_signature() {
        let own = Own::new();
        let good = own.profile(None);
        let forged = [&good.as_bytes()[..good.as_bytes().len() - 1], &[1]].concat();
        let verify = |bytes: &[u8], sender, now| {
            read_whole(bytes).unwrap().verify(tag(sender), Timestamp::from_unix(now))
        };
        assert_eq!(verify(&forged, 0x101, 2000), Err(Reject::Forged));
        assert_eq!(verify(good.as_bytes(), 0x101, 2000), Err(Reject::ForeignOwner("client profile")));
        assert_eq!(verify(good.as_bytes(), 0x100, 2000), Err(Reject::Expired("client profile")));
    }

    #[test]
    fn a_profile_longer_than_the_limit_is_refused_although_well_signed() {
        let own = Own::new();
        let profile = own.profile(None);
        let fields = &profile.as_bytes()[4..profile.as_bytes().len() - SIGNATURE_LEN];
        let versions = [0, 4, 0, 0, 0, 1, b'4'];
        let at = fields.windows(versions.len()).position(|window| window == versions).unwrap();
        let padded = |len: usize| {
            let mut w = Writer::new();
            w.bytes(&fields[..at]).short(4).data(&vec![b'4'; len]).bytes(&fields[at + versions.len()..]);
            own.signed(5, w.as_slice())
        };
        let longest = 1 + MAX_PROFILE - profile.as_bytes().len();
        assert!(read_whole(&padded(longest)).unwrap().verify(tag(0x100), Timestamp::from_unix(0)).is_ok());
        assert_eq!(read_whole(&padded(longest + 1)), Err(WireError::TooLong("client profile")));
    }
    #[test]
    fn the_transitional_signature_leaves_itself_out_wherever_it_stands() {
        let vector = &of_kind("dsa")[0];
        let (public_key, x) = (bytes(&vector.inputs["dsa_public"]), bytes(&vector.inputs["dsa_x"]));
        let key = DsaKey::load(&mut Reader::new(&[public_key.as_slice(), &x].concat())).unwrap();
        let own = Own::new();
        let plain = own.profile(None);
        let first = &plain.as_bytes()[4..plain.as_bytes().len() - SIGNATURE_LEN];
        let dsa_key = [&[0, 6], public_key.as_slice()].concat();
        let signature =
            [&[0, 7], key.sign_with_nonce(&[first, &dsa_key].concat(), &[7; 20]).as_slice()].concat();
        let verdict = |fields: &[&[u8]]| {
            let profile = own.signed(7, &fields.concat());
            read_whole(&profile).unwrap().verify(tag(0x100), Timestamp::from_unix(0)).map(|_| ())
        };
        assert_eq!(verdict(&[first, &dsa_key, &signature]), Ok(()));
        assert_eq!(verdict(&[first, &signature, &dsa_key]), Ok(()));
        assert_eq!(verdict(&[&signature, first, &dsa_key]), Ok(()));
        assert_eq!(verdict(&[&dsa_key, first, &signature]), Err(Reject::Forged), "over the order as sent");
        let no_key = [0, 6, 0, 0, 0, 0, 0, 1, 22, 0, 0, 0, 1, 11, 0, 0, 0, 1, 4, 0, 0, 0, 1, 9];
        assert_eq!(verdict(&[first, &no_key, &signature]), Err(Reject::Forged));
    }
}
