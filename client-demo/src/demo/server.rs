//! A real prekey server for the length of the story: HTTP on a loopback port of its own, SQLite in a temporary folder.

use std::net::Ipv4Addr;
use std::path::Path;

use otrv4::keys::Fingerprint;
use prekey_server::Settings;
use prekey_server::limits::Limits;
use prekey_server::store::{SqliteStore, Store};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::DemoError;

/// A server that runs in the background.
pub(super) struct Running {
    /// Where it listens.
    pub(super) url: String,
    /// What its operator would show.
    pub(super) fingerprint: Fingerprint,
    runtime: Runtime,
    serving: JoinHandle<()>,
    stop: oneshot::Sender<()>,
}

impl Running {
    /// Starts it, with its key and database in `folder`.
    pub(super) fn start(folder: &Path, name: &str) -> Result<Self, DemoError> {
        let failed = |error: &dyn std::error::Error| DemoError::Server(error.to_string());
        let runtime = Runtime::new().map_err(DemoError::System)?;
        let identity = prekey_server::key_file::load_or_create(&folder.join("server.key"), name)
            .map_err(|e| failed(&e))?;
        let store = runtime.block_on(SqliteStore::open(&folder.join("server.db"))).map_err(|e| failed(&e))?;
        let names = runtime.block_on(store.names(None)).map_err(|e| failed(&e))?;
        let server = prekey_server::Server::new(store, names, identity, settings());
        let fingerprint = server.fingerprint();
        let listener =
            runtime.block_on(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))).map_err(DemoError::System)?;
        let url = format!("http://{}", listener.local_addr().map_err(DemoError::System)?);
        let (stop, stopped) = oneshot::channel();
        let serving = runtime.spawn(prekey_server::serve(listener, server, async { _ = stopped.await }));
        Ok(Self { url, fingerprint, runtime, serving, stop })
    }

    /// Stops it as SIGTERM would: what runs is finished, the database closed.
    pub(super) fn stop(self) -> Result<(), DemoError> {
        _ = self.stop.send(());
        self.runtime.block_on(self.serving).map_err(|error| DemoError::Server(error.to_string()))
    }
}

/// Nobody but the persons of the story asks, and Bob has no prekeys to hold back.
fn settings() -> Settings {
    Settings { limits: Limits { enabled: false, ..Limits::default() }, ..Settings::default() }
}
