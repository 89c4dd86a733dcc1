//! A server that is ready to be served.

use crate::service::Service;
use crate::settings::Settings;
use crate::store::{Names, SqliteStore, Store};
use otrv4::keys::Fingerprint;
use otrv4::prekey_server::ServerIdentity;
use std::sync::Arc;

/// A prekey server with its database open.
#[derive(Debug)]
pub struct Server<S = SqliteStore>(Arc<Service<S>>);

/// The same server: a handle of it can be kept to change its settings.
impl<S> Clone for Server<S> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<S: Store> Server<S> {
    /// On an open database, which says how it writes names. [`crate::key_file`] gives the identity.
    pub fn new(store: S, names: Names, identity: ServerIdentity, settings: Settings) -> Self {
        Self(Arc::new(Service::new(store, names, identity, settings)))
    }

    /// Requests that come from now on are served by these rules.
    pub fn reload(&self, settings: Settings) {
        self.0.reload(settings);
    }

    /// What the operator shows to users.
    pub fn fingerprint(&self) -> Fingerprint {
        self.0.identity().fingerprint()
    }

    pub(crate) const fn service(&self) -> &Arc<Service<S>> {
        &self.0
    }
}
