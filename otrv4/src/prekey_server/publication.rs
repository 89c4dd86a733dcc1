//! What travels inside DAKE-3 and what answers it: Publication, Storage Information Request, and the three replies,
//! each under a MAC of the exchange.
//! Spec: otrv4-prekey-server.md "Prekey Publication Message" to "Failure Message".

use super::exchange::{SessionKeys, Usage, hash};
use super::messages::{read_head, write_head};
use super::proofs::{DhProof, EcdhProof};
use crate::client_profile::{ClientProfile, MAX_PROFILE};
use crate::crypto::mac::Mac;
use crate::prekey::PrekeyMessage;
use crate::prekey_profile::PrekeyProfile;
use crate::wire::{InstanceTag, Reader, WireError, Writer};

/// A message inside DAKE-3 whose MAC is right. Its keys and signatures have not been looked at: that costs time,
/// and nobody but the publisher may cause it.
pub(super) enum Inner {
    Publication(Box<Raw>),
    StorageInformation,
}

impl Inner {
    /// A whole message; `None` if it cannot be read or its MAC is wrong, which look alike to the peer.
    pub(super) fn open(message: &[u8], keys: &SessionKeys) -> Option<Self> {
        let mut r = Reader::new(message);
        let (inner, mac) = match read_head(&mut r).ok()? {
            PUBLICATION => {
                let (raw, body) = Raw::read(&mut r).ok()?;
                (Self::Publication(Box::new(raw)), body.mac(keys))
            }
            STORAGE_INFORMATION => (Self::StorageInformation, storage_information_mac(keys)),
            _ => return None,
        };
        let received = Mac::read(&mut r).ok()?;
        r.end().ok()?;
        received.matches(&mac).then_some(inner)
    }
}

/// Storage Information Request: the MAC `KDF(usage_storage_info_MAC, prekey_mac_k || message type, 64)`.
pub(super) fn storage_information(keys: &SessionKeys) -> Vec<u8> {
    let mut w = write_head(STORAGE_INFORMATION);
    storage_information_mac(keys).write(&mut w);
    w.finish()
}

fn storage_information_mac(keys: &SessionKeys) -> Mac<64> {
    keys.mac(Usage::StorageInfoMac, &[&[STORAGE_INFORMATION]])
}

/// The parts of a Publication message as read.
pub(super) struct Raw {
    pub(super) prekeys: Vec<PrekeyMessage>,
    pub(super) client_profile: Option<ClientProfile>,
    pub(super) prekey_profile: Option<PrekeyProfile>,
    pub(super) proofs: Proofs,
}

impl Raw {
    /// N, the prekey messages, K, Client Profile, J, Prekey Profile, proofs; also gives what the MAC covers.
    fn read<'a>(r: &mut Reader<'a>) -> Result<(Self, Body<'a>), WireError> {
        let count = r.byte("N")?;
        let start = r.position();
        let prekeys = (0..count).map(|_| PrekeyMessage::read(r)).collect::<Result<Vec<_>, _>>()?;
        let prekey_bytes = r.since(start);
        let (client_profile, client_profile_bytes) = optional(r, "K", ClientProfile::read)?;
        let (prekey_profile, prekey_profile_bytes) = optional(r, "J", PrekeyProfile::read)?;
        let start = r.position();
        let proofs = Proofs::read(r, count > 0, prekey_profile.is_some())?;
        let body = Body {
            count,
            prekeys: prekey_bytes,
            client_profile: client_profile_bytes,
            prekey_profile: prekey_profile_bytes,
            proofs: r.since(start),
        };
        Ok((Self { prekeys, client_profile, prekey_profile, proofs }, body))
    }
}

/// A BYTE 1 and a value, or a BYTE 0; the value with its bytes.
fn optional<'a, T>(
    r: &mut Reader<'a>,
    what: &'static str,
    read: impl FnOnce(&mut Reader<'a>) -> Result<T, WireError>,
) -> Result<(Option<T>, Option<&'a [u8]>), WireError> {
    match r.byte(what)? {
        0 => Ok((None, None)),
        1 => {
            let start = r.position();
            let value = read(r)?;
            Ok((Some(value), Some(r.since(start))))
        }
        _ => Err(WireError::Illegal(what)),
    }
}

/// The proofs of a publication, those that its parts demand: prekey ECDH, prekey DH, profile ECDH.
pub(super) struct Proofs {
    pub(super) messages: Option<(EcdhProof, DhProof)>,
    pub(super) shared_prekey: Option<EcdhProof>,
}

impl Proofs {
    fn read(r: &mut Reader<'_>, messages: bool, shared_prekey: bool) -> Result<Self, WireError> {
        Ok(Self {
            messages: messages.then(|| Ok((EcdhProof::read(r)?, DhProof::read(r)?))).transpose()?,
            shared_prekey: shared_prekey.then(|| EcdhProof::read(r)).transpose()?,
        })
    }

    pub(super) fn write(&self) -> Vec<u8> {
        let mut w = Writer::new();
        if let Some((ecdh, dh)) = &self.messages {
            ecdh.write(&mut w);
            dh.write(&mut w);
        }
        if let Some(ecdh) = &self.shared_prekey {
            ecdh.write(&mut w);
        }
        w.finish()
    }
}

/// A Publication message as bytes, for its MAC and for sending.
pub(super) struct Body<'a> {
    /// N.
    pub(super) count: u8,
    /// All prekey messages one after another.
    pub(super) prekeys: &'a [u8],
    pub(super) client_profile: Option<&'a [u8]>,
    pub(super) prekey_profile: Option<&'a [u8]>,
    pub(super) proofs: &'a [u8],
}

impl Body<'_> {
    /// The whole message.
    pub(super) fn write(&self, keys: &SessionKeys) -> Vec<u8> {
        let mut w = write_head(PUBLICATION);
        w.byte(self.count).bytes(self.prekeys);
        for part in [self.client_profile, self.prekey_profile] {
            match part {
                Some(profile) => w.byte(1).bytes(profile),
                None => w.byte(0),
            };
        }
        w.bytes(self.proofs);
        self.mac(keys).write(&mut w);
        w.finish()
    }

    /// `KDF(usage_preMAC, prekey_mac_k || message type || N || KDF(usage_prekey_message, Prekey Messages, 64) || K ||
    /// KDF(usage_client_profile, Client Profile, 64) || J || KDF(usage_prekey_profile, Prekey Profile, 64) ||
    /// KDF(usage_mac_proofs, Proofs, 64), 64)`; the hash of an absent profile is left out, those of no prekey
    /// messages and no proofs stay.
    fn mac(&self, keys: &SessionKeys) -> Mac<64> {
        let mut w = Writer::new();
        w.byte(PUBLICATION).byte(self.count).bytes(&hash(Usage::PrekeyMessages, &[self.prekeys]));
        for (part, usage) in
            [(self.client_profile, Usage::ClientProfile), (self.prekey_profile, Usage::PrekeyProfile)]
        {
            match part {
                Some(profile) => w.byte(1).bytes(&hash(usage, &[profile])),
                None => w.byte(0),
            };
        }
        w.bytes(&hash(Usage::MacProofs, &[self.proofs]));
        keys.mac(Usage::PreMac, &[w.as_slice()])
    }
}

/// The same publication, as far as it can be read, with the MAC that belongs to it. What is dishonest is for the caller to
/// have done.
#[cfg(feature = "inside")]
pub(super) fn authenticated_again(message: &[u8], keys: &SessionKeys) -> Option<Vec<u8>> {
    let mut r = Reader::new(message);
    (read_head(&mut r).ok()? == PUBLICATION).then_some(())?;
    let (_, body) = Raw::read(&mut r).ok()?;
    Some(body.write(keys))
}

/// What a server answers to a DAKE-3.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServerReply {
    /// What we published is stored.
    Success,
    /// The server refused, and stored nothing.
    Failure,
    /// So many of our prekey messages are stored.
    Status(u32),
}

impl ServerReply {
    /// Message type, receiver tag, in Status the count (INT), and `KDF(usage, prekey_mac_k || all of these, 64)`.
    pub(super) fn write(self, receiver: InstanceTag, keys: &SessionKeys) -> Vec<u8> {
        let mut w = Writer::new();
        w.byte(self.message_type());
        receiver.write(&mut w);
        if let Self::Status(count) = self {
            w.int(count);
        }
        let mac = keys.mac(self.usage(), &[w.as_slice()]);
        let mut message = Writer::new();
        message.short(4).bytes(w.as_slice());
        mac.write(&mut message);
        message.finish()
    }

    /// A whole message, with its receiver; `None` if the MAC is wrong.
    pub(super) fn read(message: &[u8], keys: &SessionKeys) -> Result<Option<(Self, InstanceTag)>, WireError> {
        let mut r = Reader::new(message);
        let message_type = read_head(&mut r)?;
        let receiver = InstanceTag::read(&mut r)?;
        let reply = match message_type {
            SUCCESS => Self::Success,
            FAILURE => Self::Failure,
            STATUS => Self::Status(r.int("number of prekey messages")?),
            _ => return Err(WireError::Illegal("message type")),
        };
        let covered = r.since(VERSION_LEN);
        let received = Mac::read(&mut r)?;
        r.end()?;
        Ok(received.matches(&keys.mac(reply.usage(), &[covered])).then_some((reply, receiver)))
    }

    const fn message_type(self) -> u8 {
        match self {
            Self::Success => SUCCESS,
            Self::Failure => FAILURE,
            Self::Status(_) => STATUS,
        }
    }

    const fn usage(self) -> Usage {
        match self {
            Self::Success => Usage::SuccessMac,
            Self::Failure => Usage::FailureMac,
            Self::Status(_) => Usage::StatusMac,
        }
    }
}

/// The most prekey messages in one publication: N is a byte.
pub const MAX_PREKEYS: usize = 255;

/// Bytes of the longest publication: head and N, prekey messages with keys of 3072 bits, both profiles with K and J,
/// three proofs, MAC.
pub(super) const MAX_PUBLICATION: usize =
    4 + MAX_PREKEYS * (11 + 57 + 4 + 384) + 1 + MAX_PROFILE + 1 + 185 + 2 * (64 + 57) + (64 + 4 + 384) + 64;

/// Bytes of the version before what a MAC covers.
const VERSION_LEN: usize = 2;

const FAILURE: u8 = 0x05;
const SUCCESS: u8 = 0x06;
const PUBLICATION: u8 = 0x08;
const STORAGE_INFORMATION: u8 = 0x09;
const STATUS: u8 = 0x0B;

#[cfg(test)]
mod tests {
    use super::super::messages::{Request, encode_text, ensemble_query, no_ensembles};
    use super::*;
    use crate::vectors::{array, bytes, of_kind, whole_of_kind};
    use crate::wire::Versions;

    #[test]
    fn publications_are_written_as_recorded() {
        for v in whole_of_kind("prekey_mac") {
            let keys = SessionKeys::with_mac_key(array(&v.inputs["prekey_mac_k"]));
            let messages: Vec<_> = v.inputs["messages"].as_array().unwrap().iter().map(bytes).collect();
            let part = |name: &str| Some(bytes(&v.inputs[name])).filter(|part| !part.is_empty());
            let (client_profile, prekey_profile) = (part("client_profile"), part("prekey_profile"));
            let body = Body {
                count: messages.len().try_into().unwrap(),
                prekeys: &messages.concat(),
                client_profile: client_profile.as_deref(),
                prekey_profile: prekey_profile.as_deref(),
                proofs: &bytes(&v.inputs["proofs"]),
            };
            assert!(body.mac(&keys).matches(&Mac::new(array(&v.outputs["mac"]))));
            assert_eq!(body.write(&keys), bytes(&v.outputs["message"]), "{}", v.name);
        }
    }

    fn recorded(name: &str) -> (SessionKeys, Option<InstanceTag>, u32, Vec<u8>) {
        let v = of_kind("prekey_small").into_iter().find(|v| v.name == name).unwrap();
        let number = |name: &str| v.inputs[name].as_u64().map_or(0, |n| n.try_into().unwrap());
        let keys = SessionKeys::with_mac_key(array(&v.inputs["prekey_mac_k"]));
        (keys, InstanceTag::new(number("tag")), number("number"), bytes(&v.outputs["message"]))
    }

    #[test]
    fn small_messages_are_as_recorded() {
        for v in whole_of_kind("prekey_small") {
            let number = |name: &str| v.inputs[name].as_u64().map(|n| u32::try_from(n).unwrap());
            let keys = || SessionKeys::with_mac_key(array(&v.inputs["prekey_mac_k"]));
            let tag = || InstanceTag::new(number("tag").unwrap()).unwrap();
            let identity = || v.inputs["identity"].as_str().unwrap();
            let recorded = bytes(&v.outputs["message"]);
            let ours = match v.name.as_str() {
                "storage_request" => storage_information(&keys()),
                "storage_status" => ServerReply::Status(number("number").unwrap()).write(tag(), &keys()),
                "success" => ServerReply::Success.write(tag(), &keys()),
                "failure" => ServerReply::Failure.write(tag(), &keys()),
                "no_ensembles" => no_ensembles(tag(), identity()),
                "ensemble_query" => {
                    let Ok(Request::EnsembleQuery(query)) = Request::read(&recorded) else { panic!("query") };
                    assert_eq!((query.sender(), query.identity()), (tag(), identity()));
                    // We would not ask for a version 5.
                    let of_none = ensemble_query(tag(), identity(), Versions::EMPTY);
                    let mut ours = Writer::new();
                    ours.bytes(of_none.strip_suffix(&[0; 4]).unwrap());
                    ours.data(v.inputs["versions"].as_str().unwrap().as_bytes());
                    assert_eq!(encode_text(&recorded), v.outputs["text"].as_str().unwrap());
                    ours.finish()
                }
                name => panic!("an unknown vector {name}"),
            };
            assert_eq!(ours, recorded, "{}", v.name);
        }
    }

    #[test]
    fn replies_are_written_as_recorded_and_read_again() {
        for name in ["success", "failure", "storage_status"] {
            let (keys, receiver, count, message) = recorded(name);
            let reply = match name {
                "success" => ServerReply::Success,
                "failure" => ServerReply::Failure,
                _ => ServerReply::Status(count),
            };
            assert_eq!(reply.write(receiver.unwrap(), &keys), message, "{name}");
            assert_eq!(ServerReply::read(&message, &keys), Ok(Some((reply, receiver.unwrap()))), "{name}");
        }
    }

    #[test]
    fn a_reply_with_any_changed_bit_is_refused() {
        for name in ["success", "failure", "storage_status"] {
            let (keys, _, _, message) = recorded(name);
            for i in 0..message.len() {
                let mut changed = message.clone();
                changed[i] ^= 1;
                assert!(!matches!(ServerReply::read(&changed, &keys), Ok(Some(_))), "{name}, byte {i}");
            }
            let other_keys = SessionKeys::with_mac_key([7; 64]);
            assert_eq!(ServerReply::read(&message, &other_keys), Ok(None), "{name}");
            let longer = [message.as_slice(), &[0]].concat();
            assert_eq!(ServerReply::read(&longer, &keys), Err(WireError::Trailing), "{name}");
        }
    }

    #[test]
    fn storage_information_requests_are_written_as_recorded_and_opened_only_unchanged() {
        let (keys, _, _, message) = recorded("storage_request");
        assert_eq!(storage_information(&keys), message);
        assert!(matches!(Inner::open(&message, &keys), Some(Inner::StorageInformation)));
        for i in 0..message.len() {
            let mut changed = message.clone();
            changed[i] ^= 1;
            assert!(Inner::open(&changed, &keys).is_none(), "byte {i}");
        }
        assert!(Inner::open(&[message.as_slice(), &[0]].concat(), &keys).is_none());
    }

    #[test]
    fn a_publication_of_nothing_is_opened_only_unchanged() {
        let keys = SessionKeys::with_mac_key([7; 64]);
        let body = Body { count: 0, prekeys: &[], client_profile: None, prekey_profile: None, proofs: &[] };
        let message = body.write(&keys);
        assert!(matches!(Inner::open(&message, &keys), Some(Inner::Publication(_))));
        for i in 0..message.len() {
            let mut changed = message.clone();
            changed[i] ^= 1;
            assert!(Inner::open(&changed, &keys).is_none(), "byte {i}");
        }
    }
}
