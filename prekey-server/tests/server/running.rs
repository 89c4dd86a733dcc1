//! A server in this process, on a loopback port of its own.

use crate::client::{Http, rng};
use otrv4::prekey_server::ServerIdentity;
use prekey_server::limits::Limits;
use prekey_server::store::{SqliteStore, Store};
use prekey_server::{Server, Settings, serve};
use std::thread::JoinHandle;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

/// For tests of other things: whoever asks gets as much as he asks for.
pub(crate) fn unlimited() -> Settings {
    Settings { limits: Limits { enabled: false, ..Limits::default() }, ..Settings::default() }
}

/// A running server; it stops when this is dropped.
pub(crate) struct Running {
    pub(crate) http: Http,
    pub(crate) address: String,
    pub(crate) server: Server,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
    _folder: TempDir,
}

pub(crate) fn start(settings: Settings) -> Running {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let database = folder.path().join("prekeys.db");
    let (stop, stopped) = oneshot::channel();
    let (started, starts) = std::sync::mpsc::channel();
    let thread = std::thread::spawn(move || {
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        runtime.block_on(async {
            let identity = ServerIdentity::generate("prekey.example.org", &mut rng());
            let store = SqliteStore::open(&database).await.expect("a database");
            let names = store.names(None).await.expect("a new database");
            let server = Server::new(store, names, identity, settings);
            let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
            let address = listener.local_addr().expect("an address").to_string();
            started.send((address, server.clone())).expect("a test that waits");
            serve(listener, server, async { stopped.await.unwrap_or_default() }).await;
        });
    });
    let (address, server) = starts.recv().expect("a server");
    let http = Http::new(&format!("http://{address}"));
    Running { http, address, server, stop: Some(stop), thread: Some(thread), _folder: folder }
}

impl Running {
    pub(crate) fn tell_to_stop(&mut self) {
        self.stop.take();
    }

    pub(crate) fn stop(&mut self) {
        self.tell_to_stop();
        if let Some(thread) = self.thread.take() {
            thread.join().expect("a server that stops");
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop();
    }
}
