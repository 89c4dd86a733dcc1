//! The client's side of the exchange: authenticate to the server, publish or ask for the storage status.
//! Spec: otrv4-prekey-server.md "Key Exchange". Used by the account.

use rand_core::CryptoRng;

use super::exchange::{SessionKeys, Transcript, fingerprint};
use super::messages::{Dake1, Dake2, Dake3};
use super::proofs::{DhProof, EcdhProof, EcdhUse};
use super::publication::{Body, Proofs, ServerReply, storage_information};
use crate::client_profile::VerifiedClientProfile;
use crate::crypto::ed448::EcdhKeyPair;
use crate::crypto::ring::{self, RingUse};
use crate::keys::{Fingerprint, LongTermKey, SharedPrekey};
use crate::prekey::PrekeySecret;
use crate::prekey_profile::VerifiedPrekeyProfile;
use crate::reject::Reject;
use crate::wire::{InstanceTag, WireError};

/// The server our user chose: its address and the fingerprint of its long-term key. A server that shows another key
/// is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerKey {
    name: String,
    fingerprint: Fingerprint,
}

impl ServerKey {
    /// As our user got them, from a place to trust.
    pub fn new(name: &str, fingerprint: Fingerprint) -> Self {
        Self { name: name.into(), fingerprint }
    }

    /// The server's address in its network.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What the server's operator shows.
    pub const fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }
}

/// What we want from the server, under the MAC of the exchange.
#[derive(Clone, Copy, Debug)]
pub enum PublishRequest<'a> {
    /// Store these; what is left out stays as it is.
    Publish {
        /// To replace the Client Profile on the server.
        client_profile: Option<&'a VerifiedClientProfile>,
        /// To replace the Prekey Profile, with the secret of its shared prekey.
        prekey_profile: Option<(&'a VerifiedPrekeyProfile, &'a SharedPrekey)>,
        /// To add prekey messages, at most [`super::MAX_PREKEYS`].
        prekeys: &'a [&'a PrekeySecret],
    },
    /// How many of our prekey messages are left?
    StorageInformation,
}

/// We have sent DAKE-1.
#[derive(Debug)]
pub struct Publisher {
    profile: VerifiedClientProfile,
    identity: String,
    i: EcdhKeyPair,
}

impl Publisher {
    /// Begins an exchange: `identity` is our own address in the network, as the server knows it. Gives DAKE-1.
    pub fn start(
        profile: &VerifiedClientProfile,
        identity: &str,
        rng: &mut dyn CryptoRng,
    ) -> (Self, Vec<u8>) {
        let i = EcdhKeyPair::generate(rng);
        let dake1 = Dake1::write(profile, i.public());
        (Self { profile: profile.clone(), identity: identity.into(), i }, dake1)
    }

    /// Verifies DAKE-2 and gives DAKE-3 with our request inside. `key` is the long-term key of our profile. A message
    /// that is refused is to be ignored: the true DAKE-2 may still come. After one that is not, drop this: our
    /// ephemeral key serves one exchange.
    pub fn receive_dake2(
        &self,
        message: &[u8],
        server: &ServerKey,
        key: &LongTermKey,
        request: PublishRequest<'_>,
        rng: &mut dyn CryptoRng,
    ) -> Result<(AwaitReply, Vec<u8>), Reject> {
        let (awaits, dake3) = self.answer(message, server, key, request, rng)?;
        Ok((awaits, dake3.write()))
    }

    pub(super) fn answer(
        &self,
        message: &[u8],
        server: &ServerKey,
        key: &LongTermKey,
        request: PublishRequest<'_>,
        rng: &mut dyn CryptoRng,
    ) -> Result<(AwaitReply, Dake3), Reject> {
        let owner = self.profile.owner();
        let dake2 = Dake2::read(message)?;
        if dake2.receiver != owner {
            return Err(Reject::ForeignOwner("DAKE-2"));
        }
        if dake2.server != server.name || fingerprint(&dake2.server_key) != server.fingerprint {
            return Err(Reject::WrongServer);
        }
        let transcript = Transcript {
            client_profile: self.profile.as_bytes(),
            publisher: &self.identity,
            server: &server.name,
            server_key: &dake2.server_key,
            i: self.i.public(),
            s: &dake2.s,
        };
        let ring = [self.profile.identity_key(), &dake2.server_key];
        let [h_a, h_s] = ring;
        if !ring::verify(
            RingUse::PrekeyServer,
            [h_a, h_s, self.i.public()],
            &dake2.sigma,
            &transcript.dake2(),
        ) {
            return Err(Reject::Forged);
        }
        let sigma =
            ring::sign(rng, RingUse::PrekeyServer, key.signing(), [h_a, h_s, &dake2.s], &transcript.dake3())
                .ok_or(Reject::ForeignOwner("long-term key"))?;
        let keys = SessionKeys::agree(&self.i, &dake2.s);
        let message = request.seal(owner, &keys, rng)?;
        Ok((AwaitReply { owner, keys }, Dake3 { sender: owner, sigma, message }))
    }
}

impl PublishRequest<'_> {
    /// The message inside DAKE-3. Randomness goes to the proofs, in their order.
    fn seal(
        self,
        owner: InstanceTag,
        keys: &SessionKeys,
        rng: &mut dyn CryptoRng,
    ) -> Result<Vec<u8>, WireError> {
        let Self::Publish { client_profile, prekey_profile, prekeys } = self else {
            return Ok(storage_information(keys));
        };
        let count = u8::try_from(prekeys.len()).map_err(|_| WireError::TooLong("publication"))?;
        let messages: Vec<u8> =
            prekeys.iter().flat_map(|prekey| prekey.message(owner).as_bytes().to_vec()).collect();
        let m = keys.proof_context();
        let proofs = Proofs {
            messages: (count > 0).then(|| {
                let ecdh: Vec<_> =
                    prekeys.iter().map(|prekey| (prekey.ecdh().public(), prekey.ecdh().secret())).collect();
                let dh: Vec<_> = prekeys.iter().map(|prekey| prekey.dh()).collect();
                (EcdhProof::prove(EcdhUse::Messages, &ecdh, m, rng), DhProof::prove(&dh, m, rng))
            }),
            shared_prekey: prekey_profile.map(|(_, shared)| {
                let shared = shared.signing();
                EcdhProof::prove(EcdhUse::SharedPrekey, &[(shared.public(), shared.secret_scalar())], m, rng)
            }),
        };
        let body = Body {
            count,
            prekeys: &messages,
            client_profile: client_profile.map(VerifiedClientProfile::as_bytes),
            prekey_profile: prekey_profile.map(|(profile, _)| profile.as_bytes()),
            proofs: &proofs.write(),
        };
        Ok(body.write(keys))
    }
}

/// We have sent DAKE-3.
#[derive(Debug)]
pub struct AwaitReply {
    owner: InstanceTag,
    keys: SessionKeys,
}

impl AwaitReply {
    #[cfg(feature = "inside")]
    pub(super) const fn keys(&self) -> &SessionKeys {
        &self.keys
    }

    /// What the server answered. A message that is refused is to be ignored: the true answer may still come.
    pub fn receive(&self, message: &[u8]) -> Result<ServerReply, Reject> {
        let (reply, receiver) = ServerReply::read(message, &self.keys)?.ok_or(Reject::Forged)?;
        if receiver == self.owner {
            Ok(reply)
        } else {
            Err(Reject::ForeignOwner("reply of the prekey server"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_for_another_client_is_refused() {
        let tag = |n| InstanceTag::new(n).unwrap();
        let awaiting = AwaitReply { owner: tag(0x100), keys: SessionKeys::with_mac_key([7; 64]) };
        let foreign = ServerReply::Success.write(tag(0x101), &awaiting.keys);
        assert_eq!(awaiting.receive(&foreign), Err(Reject::ForeignOwner("reply of the prekey server")));
        let ours = ServerReply::Success.write(tag(0x100), &awaiting.keys);
        assert_eq!(awaiting.receive(&ours), Ok(ServerReply::Success));
    }
}
