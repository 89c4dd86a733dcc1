//! A server that is ready to be served.

use crate::service::Service;
use crate::store::{SqliteStore, StoreError};
use otrv4::keys::Fingerprint;
use otrv4::prekey_server::ServerIdentity;
use std::path::Path;
use std::sync::Arc;

/// A prekey server with its database open.
#[derive(Clone, Debug)]
pub struct Server(Arc<Service<SqliteStore>>);

impl Server {
    /// Opens the database file, which is created if it is not there. [`crate::key_file`] gives the identity.
    pub async fn open(database: &Path, identity: ServerIdentity) -> Result<Self, StoreError> {
        let store = SqliteStore::open(database).await?;
        Ok(Self(Arc::new(Service::new(store, identity))))
    }

    /// What the operator shows to users.
    pub fn fingerprint(&self) -> Fingerprint {
        self.0.identity().fingerprint()
    }

    pub(crate) fn service(&self) -> &Arc<Service<SqliteStore>> {
        &self.0
    }
}
