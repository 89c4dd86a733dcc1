//! The authenticated key exchange, both roles: what is kept after each message that was sent, and what the answer makes of
//! it. Spec: OTRv3 "Authenticated Key Exchange (AKE)", "The protocol state machine". Used by the session, which decides in
//! which state a message counts, and passes on only messages of the same version.
//!
//! Each step borrows what we keep, and gives what to keep next: a refused message changes nothing. Every exchange has a
//! fresh key with the number 1. spec-notes/SN-040

use std::cmp::Ordering;
use std::sync::Arc;

use rand_core::CryptoRng;

use super::ake_keys::{AkeKeys, Signer};
use super::messages::{DhCommit, DhKey, RevealSignature, Signature, load_version, message, save_version};
use crate::Reject;
use crate::crypto::dh1536::{Dh1536KeyPair, Dh1536Public};
use crate::crypto::dsa::{DsaKey, DsaPublic};
use crate::crypto::legacy::{aes128_ctr, sha256};
use crate::crypto::secret::Secret;
use crate::dake::Ssid;
use crate::keys::FingerprintV3;
use crate::wire::{InstanceTag, MessageType, Reader, Version, WireError, Writer};

/// What Bob keeps after he sent a D-H Commit message (AUTHSTATE_AWAITING_DHKEY).
#[derive(Debug)]
pub(crate) struct SentCommit {
    version: Version,
    /// Ours, and theirs if it was known.
    tags: (InstanceTag, Option<InstanceTag>),
    r: Secret<16>,
    /// Shared with the exchange of every client that answers.
    key: Arc<Dh1536KeyPair>,
    hashed_gx: [u8; 32],
    message: Vec<u8>,
}

/// What Alice keeps after she sent a D-H Key message (AUTHSTATE_AWAITING_REVEALSIG).
#[derive(Debug)]
pub(crate) struct SentDhKey {
    version: Version,
    /// Ours, and theirs.
    tags: (InstanceTag, InstanceTag),
    commit: DhCommit,
    key: Arc<Dh1536KeyPair>,
    message: Vec<u8>,
}

/// What Bob keeps after he sent a Reveal Signature message (AUTHSTATE_AWAITING_SIG).
#[derive(Debug)]
pub(crate) struct SentRevealSignature {
    version: Version,
    key: Arc<Dh1536KeyPair>,
    their_key: Dh1536Public,
    keys: AkeKeys,
    our_fingerprint: FingerprintV3,
    message: Vec<u8>,
}

/// What a completed key exchange gives.
#[derive(Debug)]
pub(crate) struct Established {
    pub(crate) version: Version,
    pub(crate) ssid: Ssid,
    pub(crate) fingerprint: FingerprintV3,
    /// The number of ours is 1.
    pub(crate) our_key: Arc<Dh1536KeyPair>,
    pub(crate) their_keyid: u32,
    pub(crate) their_key: Dh1536Public,
}

impl SentCommit {
    /// "D-H Commit Message"; two draws, r of 16 bytes and x of 40. Their tag is not known when the start was a query.
    pub(crate) fn new(
        version: Version,
        ours: InstanceTag,
        theirs: Option<InstanceTag>,
        rng: &mut dyn CryptoRng,
    ) -> Self {
        let r = Secret::random(rng);
        Self::of(version, (ours, theirs), r, Dh1536KeyPair::generate(rng))
    }

    fn of(
        version: Version,
        tags: (InstanceTag, Option<InstanceTag>),
        r: Secret<16>,
        key: Dh1536KeyPair,
    ) -> Self {
        let mut gx = Writer::new();
        key.public().write(&mut gx);
        let hashed_gx = sha256(&[gx.as_slice()]);
        let mut encrypted_gx = gx.finish();
        aes128_ctr(r.as_bytes(), [0; 8], &mut encrypted_gx);
        let commit = DhCommit { encrypted_gx, hashed_gx };
        let message = message(version, MessageType::DhCommit, tags, |w| commit.write(w));
        Self { version, tags, r, key: Arc::new(key), hashed_gx, message }
    }

    /// The D-H Commit message.
    pub(crate) fn message(&self) -> &[u8] {
        &self.message
    }

    pub(crate) fn version(&self) -> Version {
        self.version
    }

    /// Whether of two crossing D-H Commit messages ours stays: "the higher hash value". The same value is refused: it is our
    /// own message that came back.
    pub(crate) fn wins_over(&self, theirs: &DhCommit) -> Result<bool, Reject> {
        match self.hashed_gx.cmp(&theirs.hashed_gx) {
            Ordering::Equal => Err(Reject::OwnMessage),
            order => Ok(order.is_gt()),
        }
    }

    /// A D-H Key message: the Reveal Signature message in answer to it. One draw, of the signature. Tags: ours, and
    /// theirs. Several clients may answer one D-H Commit message, each gets an exchange of its own.
    pub(crate) fn receive(
        &self,
        tags: (InstanceTag, InstanceTag),
        key: &DsaKey,
        dh_key: &DhKey,
        rng: &mut dyn CryptoRng,
    ) -> Result<SentRevealSignature, Reject> {
        self.receive_signing(tags, key.public(), dh_key, |m| key.sign(m, rng))
    }

    pub(super) fn receive_signing(
        &self,
        (ours, theirs): (InstanceTag, InstanceTag),
        public: &DsaPublic,
        DhKey(their_key): &DhKey,
        sign: impl FnOnce(&[u8; 32]) -> [u8; 40],
    ) -> Result<SentRevealSignature, Reject> {
        let gx = self.key.public();
        if gx == their_key {
            return Err(Reject::OwnMessage);
        }
        let keys = AkeKeys::derive(&self.key.shared(their_key));
        let signature = keys.reveal_signature.seal((gx, their_key), public, sign);
        let reveal = RevealSignature { r: *self.r.as_bytes(), signature };
        Ok(SentRevealSignature {
            version: self.version,
            key: self.key.clone(),
            their_key: their_key.clone(),
            keys,
            our_fingerprint: public.fingerprint(),
            message: message(self.version, MessageType::RevealSignature, (ours, Some(theirs)), |w| {
                reveal.write(w);
            }),
        })
    }

    /// The message is made again when it is read back.
    pub(crate) fn save(&self, w: &mut Writer) {
        let Self { version, tags: (ours, theirs), r, key, hashed_gx: _, message: _ } = self;
        save_version(*version, w);
        ours.write(w);
        w.option(*theirs, |w, theirs| theirs.write(w));
        w.bytes(r.as_bytes());
        key.write(w);
    }

    pub(crate) fn load(r: &mut Reader<'_>) -> Result<Self, WireError> {
        let version = load_version(r)?;
        let tags = (InstanceTag::load(r)?, r.option(InstanceTag::load)?);
        let revealed = Secret::copied(r.chunk("r")?);
        Ok(Self::of(version, tags, revealed, Dh1536KeyPair::read(r, "x")?))
    }
}

impl SentDhKey {
    /// "D-H Key Message", in answer to a D-H Commit message; one draw, y of 40 bytes. Tags: ours, and theirs.
    pub(crate) fn new(
        version: Version,
        tags: (InstanceTag, InstanceTag),
        commit: DhCommit,
        rng: &mut dyn CryptoRng,
    ) -> Self {
        Self::of(version, tags, commit, Arc::new(Dh1536KeyPair::generate(rng)))
    }

    fn of(
        version: Version,
        tags: (InstanceTag, InstanceTag),
        commit: DhCommit,
        key: Arc<Dh1536KeyPair>,
    ) -> Self {
        let (ours, theirs) = tags;
        let message = message(version, MessageType::DhKey, (ours, Some(theirs)), |w| key.public().write(w));
        Self { version, tags, commit, key, message }
    }

    /// The D-H Key message.
    pub(crate) fn message(&self) -> &[u8] {
        &self.message
    }

    /// "Forget the old D-H Commit message, and use this new one instead": the key and the message stay the same.
    pub(crate) fn with_commit(self, commit: DhCommit) -> Self {
        Self { commit, ..self }
    }

    /// A Reveal Signature message: the conversation, and the Signature message in answer to it. One draw, of the
    /// signature.
    pub(crate) fn receive(
        &self,
        key: &DsaKey,
        reveal: &RevealSignature,
        rng: &mut dyn CryptoRng,
    ) -> Result<(Established, Vec<u8>), Reject> {
        self.receive_signing(key.public(), reveal, |m| key.sign(m, rng))
    }

    pub(super) fn receive_signing(
        &self,
        public: &DsaPublic,
        reveal: &RevealSignature,
        sign: impl FnOnce(&[u8; 32]) -> [u8; 40],
    ) -> Result<(Established, Vec<u8>), Reject> {
        let (gy, gx) = (self.key.public(), self.commit.open(&reveal.r)?);
        if *gy == gx {
            return Err(Reject::OwnMessage);
        }
        let keys = AkeKeys::derive(&self.key.shared(&gx));
        let signer = keys.reveal_signature.open(&reveal.signature, (&gx, gy))?;
        let Signer { fingerprint, keyid } = not_ours(signer, public.fingerprint())?;
        let signature = keys.signature.seal((gy, &gx), public, sign);
        let (ours, theirs) = self.tags;
        let message =
            message(self.version, MessageType::Signature, (ours, Some(theirs)), |w| signature.write(w));
        let established = Established {
            version: self.version,
            ssid: Ssid::new(keys.ssid, false),
            fingerprint,
            our_key: self.key.clone(),
            their_keyid: keyid,
            their_key: gx,
        };
        Ok((established, message))
    }

    /// The message is made again when it is read back.
    pub(crate) fn save(&self, w: &mut Writer) {
        let Self { version, tags: (ours, theirs), commit, key, message: _ } = self;
        save_version(*version, w);
        ours.write(w);
        theirs.write(w);
        commit.write(w);
        key.write(w);
    }

    pub(crate) fn load(r: &mut Reader<'_>) -> Result<Self, WireError> {
        let version = load_version(r)?;
        let tags = (InstanceTag::load(r)?, InstanceTag::load(r)?);
        let commit = DhCommit::read_fields(r)?;
        Ok(Self::of(version, tags, commit, Arc::new(Dh1536KeyPair::read(r, "y")?)))
    }
}

impl DhCommit {
    /// "Uses r to decrypt the value of g^x sent earlier. Verifies that HASH(g^x) matches", and that it is a legal value.
    fn open(&self, r: &[u8; 16]) -> Result<Dh1536Public, Reject> {
        let mut mpi = self.encrypted_gx.clone();
        aes128_ctr(r, [0; 8], &mut mpi);
        if sha256(&[&mpi]) != self.hashed_gx {
            return Err(Reject::Forged);
        }
        let mut r = Reader::new(&mpi);
        let gx = Dh1536Public::read(&mut r, "g^x")?;
        r.end()?;
        Ok(gx)
    }
}

impl SentRevealSignature {
    /// The Reveal Signature message.
    pub(crate) fn message(&self) -> &[u8] {
        &self.message
    }

    /// Whether it is the answer to that D-H Key message, which has come again: then it is sent again.
    pub(crate) fn answers(&self, dh_key: &DhKey) -> bool {
        self.their_key == dh_key.0
    }

    /// A Signature message: the conversation.
    pub(crate) fn receive(&self, Signature(signature): &Signature) -> Result<Established, Reject> {
        let signer = self.keys.signature.open(signature, (&self.their_key, self.key.public()))?;
        let Signer { fingerprint, keyid } = not_ours(signer, self.our_fingerprint)?;
        Ok(Established {
            version: self.version,
            ssid: Ssid::new(self.keys.ssid, true),
            fingerprint,
            our_key: self.key.clone(),
            their_keyid: keyid,
            their_key: self.their_key.clone(),
        })
    }

    /// The keys are derived again when it is read back.
    pub(crate) fn save(&self, w: &mut Writer) {
        let Self { version, key, their_key, keys: _, our_fingerprint, message } = self;
        save_version(*version, w);
        key.write(w);
        their_key.write(w);
        w.bytes(our_fingerprint.as_bytes()).data(message);
    }

    pub(crate) fn load(r: &mut Reader<'_>) -> Result<Self, WireError> {
        let version = load_version(r)?;
        let key = Dh1536KeyPair::read(r, "x")?;
        let their_key = Dh1536Public::read(r, "g^y")?;
        Ok(Self {
            version,
            keys: AkeKeys::derive(&key.shared(&their_key)),
            key: Arc::new(key),
            their_key,
            our_fingerprint: FingerprintV3::from_bytes(r.array("fingerprint")?),
            message: r.data("Reveal Signature message")?.to_vec(),
        })
    }
}

/// Nobody else has our long-term key: it is we who speak, from a client with the same one, or a mirror.
fn not_ours(signer: Signer, ours: FingerprintV3) -> Result<Signer, Reject> {
    match signer.fingerprint == ours {
        true => Err(Reject::OwnMessage),
        false => Ok(signer),
    }
}
