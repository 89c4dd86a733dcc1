//! XZDH: a conversation with somebody who is away, from a Prekey Ensemble; both roles.
//! Spec: otrv4.md "Non-interactive Deniable Authenticated Key Exchange (DAKE)". Used by [`crate::session`].

use rand_core::CryptoRng;

use super::transcript::{Side, Transcript};
use super::{EphemeralKeys, Established, Mode, Ssid, Us};
use crate::client_profile::{ClientProfile, VerifiedClientProfile};
use crate::crypto::dh3072::{DhKeyPair, DhPublic};
use crate::crypto::ed448::{EcdhKeyPair, Point};
use crate::crypto::kdf::{Usage, hcmac, kdf};
use crate::crypto::mac::Mac;
use crate::crypto::ring::{self, RingSignature, RingUse};
use crate::crypto::secret::Secret;
use crate::keys::SharedPrekey;
use crate::prekey::{PrekeySecret, VerifiedEnsemble};
use crate::ratchet::keys::{BraceKey, MixedSecret};
use crate::ratchet::{FirstKeys, Ratchet};
use crate::wire::{Header, InstanceTag, MessageType, Reader, Version, WireError, Writer};
use crate::{Reject, Timestamp};

/// Alice: from Bob's ensemble to a conversation, and the Non-Interactive-Auth message that tells him of it.
pub(crate) fn start(
    us: Us<'_>,
    ensemble: &VerifiedEnsemble,
    rng: &mut dyn CryptoRng,
) -> Result<(Established, Vec<u8>), Reject> {
    let (their_profile, prekey) = (ensemble.profile(), ensemble.message());
    let their_shared_prekey = ensemble.prekey_profile().shared_prekey();
    let keys = EphemeralKeys::generate(rng);
    let (tmp_k, brace) = agreed(&keys.ecdh, &keys.dh, ensemble);

    let transcript = Transcript {
        bob: Side {
            tag: prekey.owner(),
            account: us.correspondent,
            profile: their_profile.as_bytes(),
            ecdh: prekey.ecdh(),
            dh: prekey.dh(),
            first: None,
        },
        alice: Side {
            tag: us.tag,
            account: us.account,
            profile: us.profile.as_bytes(),
            ecdh: keys.ecdh.public(),
            dh: keys.dh.public(),
            first: Some(keys.first_public()),
        },
    };
    let t = transcript.non_interactive(their_shared_prekey);
    // RSig(H_a, sk_ha, {F_b, H_a, Y}, t)
    let ring = [their_profile.forging_key(), us.profile.identity_key(), prekey.ecdh()];
    let sigma = ring::sign(rng, RingUse::Otr, us.key, ring, &t).ok_or(Reject::OwnMessage)?;

    let mut w = Writer::new();
    let (sender, receiver) = (us.tag, Some(prekey.owner()));
    Header { version: Version::V4, message_type: MessageType::NonInteractiveAuth, sender, receiver }
        .write(&mut w);
    w.bytes(us.profile.as_bytes());
    keys.ecdh.public().write(&mut w);
    keys.dh.public().write(&mut w);
    sigma.write(&mut w);
    w.int(prekey.id());
    auth_mac(&tmp_k, &t).write(&mut w);
    keys.first_ecdh.public().write(&mut w);
    keys.first_dh.public().write(&mut w);

    let k = MixedSecret::from_tmp_k(&tmp_k);
    let first = FirstKeys {
        our_ecdh: keys.first_ecdh,
        our_dh: keys.first_dh,
        their_ecdh: prekey.ecdh().clone(),
        their_dh: prekey.dh().clone(),
    };
    let ratchet = Ratchet::offline_sender(&k, brace, first);
    let (ssid, their_profile) = (Ssid::new(k.ssid(), true), their_profile.clone());
    Ok((Established { ratchet, ssid, mode: Mode::Offline, their_profile }, w.finish()))
}

/// A received Non-Interactive-Auth message; its profile is not verified yet.
#[derive(Debug)]
pub(crate) struct NonInteractiveAuth {
    pub(crate) sender: InstanceTag,
    pub(crate) profile: ClientProfile,
    pub(crate) ecdh: Point,
    pub(crate) dh: DhPublic,
    pub(crate) sigma: RingSignature,
    pub(crate) prekey_id: u32,
    pub(crate) auth_mac: Mac<64>,
    pub(crate) first_ecdh: Point,
    pub(crate) first_dh: DhPublic,
}

/// What Bob has published and may have been used: one prekey, and every profile that is still locally valid.
pub(crate) struct Published<'a> {
    pub(crate) prekey: &'a PrekeySecret,
    pub(crate) profiles: Vec<&'a VerifiedClientProfile>,
    pub(crate) shared_prekeys: Vec<&'a SharedPrekey>,
}

impl NonInteractiveAuth {
    /// The fields after the header.
    pub(crate) fn read(header: &Header, r: &mut Reader<'_>) -> Result<Self, WireError> {
        let message = Self {
            sender: header.sender,
            profile: ClientProfile::read(r)?,
            ecdh: Point::read(r, "X")?,
            dh: DhPublic::read(r, "A")?,
            sigma: RingSignature::read(r)?,
            prekey_id: r.int("prekey id")?,
            auth_mac: Mac::read(r)?,
            first_ecdh: Point::read(r, "first ECDH key")?,
            first_dh: DhPublic::read(r, "first DH key")?,
        };
        r.clone().end()?;
        Ok(message)
    }

    /// The prekey message that it answers.
    pub(crate) fn prekey_id(&self) -> u32 {
        self.prekey_id
    }

    /// Bob: the conversation that Alice started. The caller forgets the prekey before anything else happens.
    ///
    /// Profiles overlap while they are renewed, so each is tried; the MAC tells which one she used, then the ring
    /// signature is checked once.
    pub(crate) fn receive(
        self,
        us: Us<'_>,
        ours: &Published<'_>,
        now: Timestamp,
    ) -> Result<Established, Reject> {
        let their_profile = self.profile.verify(self.sender, now)?;
        if !their_profile.versions().contains(4) || !us.versions.contains(4) {
            return Err(Reject::Version);
        }
        let (ecdh, dh) = (ours.prekey.ecdh(), ours.prekey.dh());
        let k_ecdh = ecdh.shared(&self.ecdh);
        let brace = BraceKey::fresh(&dh.shared(&self.dh));
        let with_identity_key = us.key.secret_scalar().mul_secret(&self.ecdh);
        for shared_prekey in &ours.shared_prekeys {
            let with_shared_prekey = shared_prekey.signing().secret_scalar().mul_secret(&self.ecdh);
            let tmp_k = tmp_k(&k_ecdh, &with_shared_prekey, &with_identity_key, &brace);
            for profile in &ours.profiles {
                let transcript = Transcript {
                    bob: Side {
                        tag: us.tag,
                        account: us.account,
                        profile: profile.as_bytes(),
                        ecdh: ecdh.public(),
                        dh: dh.public(),
                        first: None,
                    },
                    alice: Side {
                        tag: self.sender,
                        account: us.correspondent,
                        profile: their_profile.as_bytes(),
                        ecdh: &self.ecdh,
                        dh: &self.dh,
                        first: Some((&self.first_ecdh, &self.first_dh)),
                    },
                };
                let t = transcript.non_interactive(shared_prekey.public());
                if !auth_mac(&tmp_k, &t).matches(&self.auth_mac) {
                    continue;
                }
                // RVrf({F_b, H_a, Y}, sigma, t)
                let ring = [profile.forging_key(), their_profile.identity_key(), ecdh.public()];
                if !ring::verify(RingUse::Otr, ring, &self.sigma, &t) {
                    return Err(Reject::Forged);
                }
                return Ok(received(&tmp_k, brace, (self.first_ecdh, self.first_dh), their_profile));
            }
        }
        Err(Reject::Forged)
    }

    /// The same conversation of Bob for whoever knows Alice's `x` and `a`, from which she has computed `tmp_k`. The message is one of ours,
    /// so it is not verified again.
    pub(crate) fn receive_with_secrets_of_alice(
        self,
        (x, a): (&EcdhKeyPair, &DhKeyPair),
        ensemble: &VerifiedEnsemble,
        now: Timestamp,
    ) -> Result<Established, Reject> {
        let their_profile = self.profile.verify(self.sender, now)?;
        let (tmp_k, brace) = agreed(x, a, ensemble);
        Ok(received(&tmp_k, brace, (self.first_ecdh, self.first_dh), their_profile))
    }
}

/// `tmp_k` and the brace key, from Alice's `x` and `a`.
fn agreed(x: &EcdhKeyPair, a: &DhKeyPair, ensemble: &VerifiedEnsemble) -> (Secret<64>, BraceKey) {
    let prekey = ensemble.message();
    let brace = BraceKey::fresh(&a.shared(prekey.dh()));
    let with_shared_prekey = x.shared(ensemble.prekey_profile().shared_prekey());
    let with_identity_key = x.shared(ensemble.profile().identity_key());
    let tmp_k = tmp_k(&x.shared(prekey.ecdh()), &with_shared_prekey, &with_identity_key, &brace);
    (tmp_k, brace)
}

/// Bob's conversation, from what both sides have in common and Alice's first keys.
fn received(
    tmp_k: &Secret<64>,
    brace: BraceKey,
    (first_ecdh, first_dh): (Point, DhPublic),
    their_profile: VerifiedClientProfile,
) -> Established {
    let k = MixedSecret::from_tmp_k(tmp_k);
    let ratchet = Ratchet::offline_receiver(&k, brace, first_ecdh, first_dh);
    let ssid = Ssid::new(k.ssid(), false);
    Established { ratchet, ssid, mode: Mode::Offline, their_profile }
}

/// `tmp_k = KDF(usage_tmp_key || K_ecdh || ECDH(x, D_b) || ECDH(x, H_b) || brace_key, 64)`
pub(crate) fn tmp_k(
    k_ecdh: &Secret<57>,
    with_shared_prekey: &Secret<57>,
    with_identity_key: &Secret<57>,
    brace: &BraceKey,
) -> Secret<64> {
    let parts: [&[u8]; 4] =
        [k_ecdh.as_bytes(), with_shared_prekey.as_bytes(), with_identity_key.as_bytes(), brace.as_bytes()];
    kdf(Usage::TmpKey, &parts)
}

/// `Auth MAC = HCMAC(usage_auth_MAC || KDF(usage_auth_MAC_key || tmp_k, 64) || t, 64)`
pub(crate) fn auth_mac(tmp_k: &Secret<64>, t: &[u8]) -> Mac<64> {
    let key: Secret<64> = kdf(Usage::AuthMacKey, &[tmp_k.as_bytes()]);
    Mac::new(hcmac(Usage::AuthMac, &[key.as_bytes(), t]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vectors::{array, bytes, of_kind};

    #[test]
    fn the_keys_of_the_exchange_are_those_of_the_vectors() {
        for v in of_kind("xzdh") {
            let secret = |name: &str| Secret::copied(&array::<57>(&v.inputs[name]));
            let brace_bytes = bytes(&v.inputs["brace_key"]);
            let brace = BraceKey::load(&mut Reader::new(&brace_bytes)).expect("32 bytes");
            let (ecdh, d, h) = (secret("K_ecdh"), secret("ECDH_x_shared_prekey"), secret("ECDH_x_H_b"));
            let tmp_k = tmp_k(&ecdh, &d, &h, &brace);
            assert_eq!(tmp_k.as_bytes(), &array(&v.outputs["tmp_k"]), "{}", v.name);
            let recorded = Mac::new(array(&v.outputs["auth_mac"]));
            assert!(auth_mac(&tmp_k, &bytes(&v.inputs["t"])).matches(&recorded), "{}", v.name);
            let key: Secret<64> = kdf(Usage::AuthMacKey, &[tmp_k.as_bytes()]);
            assert_eq!(key.as_bytes(), &array(&v.outputs["auth_mac_k"]), "{}", v.name);
            let k = MixedSecret::from_tmp_k(&tmp_k);
            assert_eq!(k.ssid(), array(&v.outputs["SSID"]), "{}", v.name);
            let saved = |save: &dyn Fn(&mut Writer)| {
                let mut w = Writer::new();
                save(&mut w);
                w.finish()
            };
            let (root, chain) = k.offline_start();
            assert_eq!(saved(&|w| k.save(w)), bytes(&v.outputs["K"]), "{}", v.name);
            assert_eq!(saved(&|w| root.save(w)), bytes(&v.outputs["root_key"]), "{}", v.name);
            assert_eq!(saved(&|w| chain.save(w)), bytes(&v.outputs["chain_key"]), "{}", v.name);
        }
    }
}
