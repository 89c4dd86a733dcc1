//! The keys as bytes, for the saved session: every field in the order of its declaration.

use std::sync::{Arc, OnceLock};

use super::{Keys, LastOpened, Pair, Two};
use crate::crypto::dh1536::{Dh1536KeyPair, Dh1536Public};
use crate::v3::session_keys::MacKey;
use crate::wire::{Reader, WireError, Writer};

impl Keys {
    pub(in crate::v3) fn save(&self, w: &mut Writer) {
        let Self { our_keyid, our_dh, sent, their_keyid, their_y, their_previous, pairs, to_reveal } = self;
        w.int(*our_keyid);
        our_dh.save(w, |key, w| key.write(w));
        w.long(*sent).int(*their_keyid);
        their_y.write(w);
        w.option(their_previous.as_ref(), |w, key| key.write(w));
        pairs.save(w, |of_one, w| of_one.save(w, Pair::save));
        w.list(to_reveal, |w, key| key.save(w));
    }

    pub(in crate::v3) fn load(r: &mut Reader<'_>) -> Result<Self, WireError> {
        let keyid = |r: &mut Reader<'_>, least| match r.int("keyid")? {
            keyid if keyid >= least => Ok(keyid),
            _ => Err(WireError::Illegal("keyid")),
        };
        Ok(Self {
            our_keyid: keyid(r, 2)?,
            our_dh: Two::load(r, |r| Dh1536KeyPair::read(r, "our DH key pair").map(Arc::new))?,
            sent: match r.long("counter")? {
                sent if sent < 1 << 63 => sent,
                _ => return Err(WireError::Illegal("counter")),
            },
            their_keyid: keyid(r, 1)?,
            their_y: Dh1536Public::read(r, "their DH key")?,
            their_previous: r.option(|r| Dh1536Public::read(r, "their DH key"))?,
            pairs: Two::load(r, |r| Two::load(r, Pair::load))?,
            to_reveal: r.list(MacKey::load)?,
        })
    }
}

impl Pair {
    /// Its session keys are made again when they are needed.
    fn save(&self, w: &mut Writer) {
        let Self { session_keys: _, opened } = self;
        w.option(opened.as_ref(), |w, LastOpened { counter, mac_key }| mac_key.save(w.long(*counter)));
    }

    fn load(r: &mut Reader<'_>) -> Result<Self, WireError> {
        let opened = r.option(|r| {
            let counter = r.long("counter")?;
            Ok::<_, WireError>(LastOpened { counter, mac_key: MacKey::load(r)? })
        })?;
        Ok(Self { session_keys: OnceLock::new(), opened })
    }
}

impl<T> Two<T> {
    fn save(&self, w: &mut Writer, save: impl Fn(&T, &mut Writer)) {
        let Self { previous, newest } = self;
        save(previous, w);
        save(newest, w);
    }

    fn load(
        r: &mut Reader<'_>,
        load: impl Fn(&mut Reader<'_>) -> Result<T, WireError>,
    ) -> Result<Self, WireError> {
        Ok(Self { previous: load(r)?, newest: load(r)? })
    }
}
