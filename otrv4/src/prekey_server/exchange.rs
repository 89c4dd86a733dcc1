//! What both roles of the prekey protocol compute alike: its hashes, the transcripts `t`, the session keys and MACs.
//! Spec: otrv4-prekey-server.md "Key Derivation Functions", "Shared Session State", "Prekey Server Composite
//! Identity", "Shared Secrets", "DAKE-2 Message", "DAKE-3 Message". Used by both roles.

use crate::crypto::ed448::EcdhKeyPair;
use crate::crypto::kdf::{self, PREKEY_SERVER, derive, hwc};
use crate::crypto::mac::Mac;
use crate::crypto::secret::Secret;
use crate::keys::{Fingerprint, KeyType, Point};
use crate::wire::{Reader, WireError, Writer};

/// What a hash is taken for; the usage ids of the text that this module takes (0x11, of the ring signature, is with
/// [`crate::crypto::ring`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Usage {
    SharedSecret = 0x01,
    InitiatorClientProfile = 0x02,
    InitiatorCompositeIdentity = 0x03,
    InitiatorPhi = 0x04,
    ReceiverClientProfile = 0x05,
    ReceiverCompositeIdentity = 0x06,
    ReceiverPhi = 0x07,
    PreMacKey = 0x08,
    PreMac = 0x09,
    StorageInfoMac = 0x0A,
    StatusMac = 0x0B,
    SuccessMac = 0x0C,
    FailureMac = 0x0D,
    PrekeyMessages = 0x0E,
    ClientProfile = 0x0F,
    PrekeyProfile = 0x10,
    ProofContext = 0x12,
    ProofMessageEcdh = 0x13,
    ProofMessageDh = 0x14,
    ProofSharedEcdh = 0x15,
    MacProofs = 0x16,
    ProofCLambda = 0x17,
}

/// `KDF(usage, parts…, 64)`: SHAKE-256 over "OTR-Prekey-Server", the usage byte and the parts.
pub(super) fn hash(usage: Usage, parts: &[&[u8]]) -> [u8; 64] {
    let mut out = [0; 64];
    fill(usage, parts, &mut out);
    out
}

/// [`hash`] of any length.
pub(super) fn fill(usage: Usage, parts: &[&[u8]], out: &mut [u8]) {
    derive(PREKEY_SERVER, usage as u8, parts, out);
}

fn key(usage: Usage, parts: &[&[u8]]) -> Secret<64> {
    Secret::filled(|out| fill(usage, parts, out))
}

/// What one exchange is about, signed by the server in DAKE-2 and by the publisher in DAKE-3.
pub(super) struct Transcript<'a> {
    /// The publisher's Client Profile, as received.
    pub(super) client_profile: &'a [u8],
    /// The publisher's address in its network.
    pub(super) publisher: &'a str,
    /// The server's address in its network.
    pub(super) server: &'a str,
    /// The server's long-term key `H_s`.
    pub(super) server_key: &'a Point,
    /// The publisher's ephemeral key `I`.
    pub(super) i: &'a Point,
    /// The server's ephemeral key `S`.
    pub(super) s: &'a Point,
}

impl Transcript<'_> {
    /// `t = 0x00 || KDF(usage_initiator_client_profile, Alices_Client_Profile, 64) ||
    /// KDF(usage_initiator_prekey_composite_identity, Prekey_Server_Composite_Identity, 64) || I || S ||
    /// KDF(usage_initiator_prekey_composite_PHI, phi, 64)`
    pub(super) fn dake2(&self) -> Vec<u8> {
        use Usage::{InitiatorClientProfile, InitiatorCompositeIdentity, InitiatorPhi};
        self.t(0x00, InitiatorClientProfile, InitiatorCompositeIdentity, InitiatorPhi)
    }

    /// The same with 0x01 and the receiver's usages.
    pub(super) fn dake3(&self) -> Vec<u8> {
        use Usage::{ReceiverClientProfile, ReceiverCompositeIdentity, ReceiverPhi};
        self.t(0x01, ReceiverClientProfile, ReceiverCompositeIdentity, ReceiverPhi)
    }

    fn t(&self, first: u8, client_profile: Usage, composite_identity: Usage, phi: Usage) -> Vec<u8> {
        let mut w = Writer::new();
        w.byte(first)
            .bytes(&hash(client_profile, &[self.client_profile]))
            .bytes(&hash(composite_identity, &[&composite(self.server, self.server_key)]));
        self.i.write(&mut w);
        self.s.write(&mut w);
        w.bytes(&hash(phi, &[&self.phi()]));
        w.finish()
    }

    /// `phi = DATA(publisher) || DATA(server)`: the publisher first, whatever the names sort like.
    fn phi(&self) -> Vec<u8> {
        let mut w = Writer::new();
        w.data(self.publisher.as_bytes()).data(self.server.as_bytes());
        w.finish()
    }
}

/// PREKEY-SERVER-COMP-ID: DATA server identity, ED448-PUBKEY.
pub(super) fn composite(server: &str, server_key: &Point) -> Vec<u8> {
    let mut w = Writer::new();
    w.data(server.as_bytes());
    KeyType::Identity.write(server_key, &mut w);
    w.finish()
}

/// What people compare to know a server: `KDF_1(usage_fingerprint, byte(H), 56)` with the KDF of otrv4.md, `H` with its
/// type (59 bytes).
pub(super) fn fingerprint(server_key: &Point) -> Fingerprint {
    Fingerprint::from_bytes(hwc(kdf::Usage::Fingerprint, &[&KeyType::Identity.encode(server_key)]))
}

/// What both sides know after the exchange, and nobody else.
#[derive(Debug)]
pub(super) struct SessionKeys {
    mac: Secret<64>,
    proof_context: Secret<64>,
}

impl SessionKeys {
    /// `SK_ecdh = ECDH(i, S)`, `SK = KDF(usage_SK, SK_ecdh, 64)` and the two keys that come from it.
    pub(super) fn agree(ours: &EcdhKeyPair, theirs: &Point) -> Self {
        Self::from_ecdh(ours.shared(theirs).as_bytes())
    }

    pub(super) fn from_ecdh(sk_ecdh: &[u8; 57]) -> Self {
        let sk = key(Usage::SharedSecret, &[sk_ecdh]);
        Self {
            mac: key(Usage::PreMacKey, &[sk.as_bytes()]),
            proof_context: key(Usage::ProofContext, &[sk.as_bytes()]),
        }
    }

    pub(super) fn save(&self, w: &mut Writer) {
        let Self { mac, proof_context } = self;
        w.bytes(mac.as_bytes()).bytes(proof_context.as_bytes());
    }

    pub(super) fn load(r: &mut Reader<'_>) -> Result<Self, WireError> {
        let mut secret = |what| {
            let bytes = r.bytes(64, what)?;
            Ok(Secret::filled(|out| out.copy_from_slice(bytes)))
        };
        Ok(Self { mac: secret("MAC key")?, proof_context: secret("proof context")? })
    }

    /// `m` of the proofs.
    pub(super) const fn proof_context(&self) -> &Secret<64> {
        &self.proof_context
    }

    /// `KDF(usage, prekey_mac_k || parts…, 64)`
    pub(super) fn mac(&self, usage: Usage, parts: &[&[u8]]) -> Mac<64> {
        let parts: Vec<_> =
            core::iter::once(self.mac.as_bytes().as_slice()).chain(parts.iter().copied()).collect();
        Mac::new(hash(usage, &parts))
    }
}

/// Session keys from a recorded key; the MACs of other modules start here.
#[cfg(test)]
impl SessionKeys {
    pub(super) fn with_mac_key(mac: [u8; 64]) -> Self {
        Self { mac: Secret::copied(&mac), proof_context: Secret::copied(&[0; 64]) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::ed448::SigningKey;
    use crate::vectors::{array, bytes, of_kind, whole_of_kind};

    #[test]
    fn hashes_are_as_recorded() {
        for v in of_kind("prekey_kdf") {
            let usage = u8::try_from(v.inputs["usage"].as_u64().unwrap()).unwrap();
            let mut out = vec![0; usize::try_from(v.inputs["size"].as_u64().unwrap()).unwrap()];
            derive(PREKEY_SERVER, usage, &[&bytes(&v.inputs["value"])], &mut out);
            assert_eq!(out, bytes(&v.outputs["out"]), "{}", v.name);
        }
    }

    #[test]
    fn composite_identities_are_as_recorded() {
        for v in whole_of_kind("composite") {
            let key = Point::decode(&array(&v.inputs["H"])).unwrap();
            assert_eq!(composite(v.inputs["identity"].as_str().unwrap(), &key), bytes(&v.outputs["encoded"]));
        }
    }

    #[test]
    fn server_fingerprints_are_as_recorded() {
        for v in of_kind("server_fingerprint") {
            let key = SigningKey::from_sym(Secret::copied(&array(&v.inputs["sym"])));
            assert_eq!(key.public().as_bytes(), &array(&v.outputs["H"]));
            assert_eq!(fingerprint(key.public()).to_string(), v.outputs["fingerprint"].as_str().unwrap());
        }
    }

    #[test]
    fn session_keys_are_as_recorded() {
        for v in whole_of_kind("prekey_keys") {
            let sk_ecdh: [u8; 57] = array(&v.inputs["SK_ecdh"]);
            assert_eq!(key(Usage::SharedSecret, &[&sk_ecdh]).as_bytes(), &array(&v.outputs["SK"]));
            let keys = SessionKeys::from_ecdh(&sk_ecdh);
            assert_eq!(keys.mac.as_bytes(), &array(&v.outputs["prekey_mac_k"]));
            assert_eq!(keys.proof_context.as_bytes(), &array(&v.outputs["m"]));
        }
    }

    #[test]
    fn transcripts_are_as_recorded() {
        let v = &of_kind("prekey_transcript")[0];
        let server_key = SigningKey::from_sym(Secret::copied(&array(&v.inputs["server_sym"])));
        let draw = |step: &serde_json::Value, who: &str| {
            EcdhKeyPair::from_random57(&Secret::copied(&array(&step[who][0][1])))
        };
        let steps = v.outputs["steps"].as_array().unwrap();
        for (step, secrets) in
            steps.iter().zip(&steps[1..]).map(|(step, next)| (step, &next["client_secrets"]))
        {
            if secrets["SK_ecdh"].is_null() {
                continue;
            }
            let (i, s) = (draw(step, "client_random"), draw(step, "server_random"));
            let transcript = Transcript {
                client_profile: &bytes(&v.inputs["alice"]["client_profile"]),
                publisher: v.inputs["alice"]["id"].as_str().unwrap(),
                server: v.inputs["server_identity"].as_str().unwrap(),
                server_key: server_key.public(),
                i: i.public(),
                s: s.public(),
            };
            assert_eq!(transcript.phi(), bytes(&secrets["phi"]));
            assert_eq!(transcript.dake2(), bytes(&secrets["t_dake2"]));
            assert_eq!(transcript.dake3(), bytes(&secrets["t_dake3"]));
            for keys in [SessionKeys::agree(&i, s.public()), SessionKeys::agree(&s, i.public())] {
                assert_eq!(keys.mac.as_bytes(), &array(&secrets["prekey_mac_k"]));
                assert_eq!(keys.proof_context.as_bytes(), &array(&secrets["m"]));
            }
        }
    }
}
