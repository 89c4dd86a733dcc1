//! Accepting connections, and stopping: bounded in number, in time for headers, and in time to finish.

use crate::http::{self, REQUEST_TIMEOUT};
use crate::server::Server;
use crate::store::Store;
use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Open connections, at most: half of the 1024 files that a process usually may open, and each can hold one body in
/// memory. More wait in the kernel's queue.
const MAX_CONNECTIONS: usize = 512;

/// Longest headers, in bytes; ours and those of a proxy take less than one.
const MAX_HEADERS: usize = 16 << 10;

/// How long a client may take to send the headers of a request, or stay silent between two.
const HEADER_TIMEOUT: Duration = Duration::from_secs(15);

/// A client that reads its answers too slowly, or never, gives its place back after this.
const CONNECTION_LIFETIME: Duration = Duration::from_secs(600);

/// How long what runs may take to finish once the server is told to stop: a request's whole time.
const GRACE: Duration = REQUEST_TIMEOUT;

/// A pause when no connection can be accepted (out of file descriptors, say), so that the failure does not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves until `shutdown` is done; then takes no more connections, finishes what runs and closes the database.
pub async fn serve<S: Store>(
    listener: TcpListener,
    server: Server<S>,
    shutdown: impl Future<Output = ()> + Send,
) {
    accept_all(listener, http::router(Arc::clone(server.service())), shutdown).await;
    server.service().close().await;
}

/// The same for any paths: what it opens or closes besides connections is the caller's part.
pub(crate) async fn accept_all(
    listener: TcpListener,
    app: Router,
    shutdown: impl Future<Output = ()> + Send,
) {
    let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let running = GracefulShutdown::new();
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEADER_TIMEOUT).max_buf_size(MAX_HEADERS);

    let mut shutdown = std::pin::pin!(shutdown);
    loop {
        let (stream, place) = tokio::select! {
            accepted = accept(&listener, &places) => accepted,
            () = &mut shutdown => break,
        };
        let connection = http.serve_connection(TokioIo::new(stream), TowerToHyperService::new(app.clone()));
        let connection = running.watch(connection);
        tokio::spawn(async move {
            match tokio::time::timeout(CONNECTION_LIFETIME, connection).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::debug!(%error, "connection"),
                Err(_) => tracing::debug!("connection too old"),
            }
            drop(place);
        });
    }
    drop(listener);
    tracing::info!(connections = running.count(), "stopping");
    if tokio::time::timeout(GRACE, running.shutdown()).await.is_err() {
        tracing::warn!("stopped with connections that did not finish");
    }
}

/// The next connection, once there is a place for it.
async fn accept(listener: &TcpListener, places: &Arc<Semaphore>) -> (TcpStream, OwnedSemaphorePermit) {
    let place = Arc::clone(places).acquire_owned().await.expect("nobody closes this semaphore");
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                // Answers are single small writes: waiting to fill packets only delays them.
                if let Err(error) = stream.set_nodelay(true) {
                    tracing::debug!(%error, "nodelay");
                }
                return (stream, place);
            }
            Err(error) => {
                tracing::warn!(%error, "accept");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}
