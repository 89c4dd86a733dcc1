//! A ratchet as bytes, for the saved session: every field in the order of its declaration.

use super::keys::{BraceKey, ChainKey, MacKey, RootKey};
use super::skipped::Skipped;
use super::{FirstKeys, Ratchet, Receiving, Sending};
use crate::crypto::dh3072::{DhKeyPair, DhPublic};
use crate::crypto::ed448::{EcdhKeyPair, Point};
use crate::wire::{Reader, WireError, Writer};

impl Ratchet {
    pub(crate) fn save(&self, w: &mut Writer) {
        let Self {
            next_id,
            root,
            brace,
            their_ecdh,
            their_dh,
            our_dh,
            sending,
            previous,
            receiving,
            their_first,
            skipped,
            to_reveal,
        } = self;
        w.int(*next_id);
        root.save(w);
        brace.save(w);
        their_ecdh.write(w);
        their_dh.write(w);
        w.option(our_dh.as_ref(), |w, pair| pair.write(w));
        w.option(sending.as_ref(), |w, sending| sending.save(w));
        w.int(*previous);
        w.option(receiving.as_ref(), |w, receiving| receiving.save(w));
        w.option(their_first.as_ref(), |w, key| _ = w.bytes(key));
        skipped.save(w);
        w.list(to_reveal, |w, key| key.save(w));
    }

    pub(crate) fn load(r: &mut Reader<'_>) -> Result<Self, WireError> {
        Ok(Self {
            next_id: r.int("ratchet id")?,
            root: RootKey::load(r)?,
            brace: BraceKey::load(r)?,
            their_ecdh: Point::read(r, "their ECDH key")?,
            their_dh: DhPublic::read(r, "their DH key")?,
            our_dh: r.option(|r| DhKeyPair::read(r, "DH key pair"))?,
            sending: r.option(Sending::load)?,
            previous: r.int("length of the previous ratchet")?,
            receiving: r.option(Receiving::load)?,
            their_first: r.option(|r| r.array("their first ECDH key"))?,
            skipped: Skipped::load(r)?,
            to_reveal: r.list(MacKey::load)?,
        })
    }
}

impl Sending {
    fn save(&self, w: &mut Writer) {
        let Self { id, ecdh, dh, chain, next } = self;
        w.int(*id);
        ecdh.write(w);
        w.option(dh.as_ref(), |w, dh| dh.write(w));
        chain.save(w);
        w.int(*next);
    }

    fn load(r: &mut Reader<'_>) -> Result<Self, WireError> {
        Ok(Self {
            id: r.int("ratchet id")?,
            ecdh: EcdhKeyPair::read(r, "ECDH key pair")?,
            dh: r.option(|r| DhPublic::read(r, "our DH key"))?,
            chain: ChainKey::load(r)?,
            next: r.int("message id")?,
        })
    }
}

impl Receiving {
    fn save(&self, w: &mut Writer) {
        let Self { id, chain, next } = self;
        w.int(*id);
        chain.save(w);
        w.int(*next);
    }

    fn load(r: &mut Reader<'_>) -> Result<Self, WireError> {
        Ok(Self { id: r.int("ratchet id")?, chain: ChainKey::load(r)?, next: r.int("message id")? })
    }
}

impl FirstKeys {
    pub(crate) fn save(&self, w: &mut Writer) {
        let Self { our_ecdh, our_dh, their_ecdh, their_dh } = self;
        our_ecdh.write(w);
        our_dh.write(w);
        their_ecdh.write(w);
        their_dh.write(w);
    }

    pub(crate) fn load(r: &mut Reader<'_>) -> Result<Self, WireError> {
        Ok(Self {
            our_ecdh: EcdhKeyPair::read(r, "ECDH key pair")?,
            our_dh: DhKeyPair::read(r, "DH key pair")?,
            their_ecdh: Point::read(r, "their first ECDH key")?,
            their_dh: DhPublic::read(r, "their first DH key")?,
        })
    }
}
