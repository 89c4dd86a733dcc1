//! Received handshake messages as bytes again, behind the header. With the feature `inside` only: see there.

use super::interactive::{AuthI, AuthR, Identity};
use super::offline::NonInteractiveAuth;
use crate::wire::Writer;

impl Identity {
    pub(crate) fn write(&self, w: &mut Writer) {
        let Self { sender: _, profile, ecdh, dh, first_ecdh, first_dh, hash: _ } = self;
        w.bytes(profile.as_bytes());
        ecdh.write(w);
        dh.write(w);
        first_ecdh.write(w);
        first_dh.write(w);
    }
}

impl AuthR {
    pub(crate) fn write(&self, w: &mut Writer) {
        let Self { sender: _, profile, ecdh, dh, sigma, first_ecdh, first_dh } = self;
        w.bytes(profile.as_bytes());
        ecdh.write(w);
        dh.write(w);
        sigma.write(w);
        first_ecdh.write(w);
        first_dh.write(w);
    }
}

impl AuthI {
    pub(crate) fn write(&self, w: &mut Writer) {
        let Self { sigma } = self;
        sigma.write(w);
    }
}

impl NonInteractiveAuth {
    pub(crate) fn write(&self, w: &mut Writer) {
        let Self { sender: _, profile, ecdh, dh, sigma, prekey_id, auth_mac, first_ecdh, first_dh } = self;
        w.bytes(profile.as_bytes());
        ecdh.write(w);
        dh.write(w);
        sigma.write(w);
        auth_mac.write(w.int(*prekey_id));
        first_ecdh.write(w);
        first_dh.write(w);
    }
}
