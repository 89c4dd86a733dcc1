//! Accepting connections, and stopping: bounded in number, in time for headers, and in time to finish.

use crate::caller::Peer;
use crate::connections::Connections;
use crate::http::{self, REQUEST_TIMEOUT};
use crate::operator;
use crate::server::Server;
use crate::store::Store;
use crate::upkeep;
use axum::Router;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};

/// Open connections, at most: half of the 1024 files that a process usually may open, and each can hold one body in
/// memory. For a new one the one that has been quiet for the longest time gives way.
const MAX_CONNECTIONS: usize = 512;

/// Connections of the operator's monitoring.
const MAX_OPERATOR_CONNECTIONS: usize = 16;

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
    let service = server.service();
    let upkeep = tokio::spawn({
        let service = Arc::clone(service);
        async move { upkeep::run(&service).await }
    });
    let running = accept_until(shutdown, listener, http::router(Arc::clone(service)), MAX_CONNECTIONS).await;
    service.stop();
    finish(running).await;
    upkeep.abort();
    service.close().await;
}

/// Serves metrics and health to the operator, for ever: while the server stops, too. Nobody else may reach this listener.
pub async fn serve_operator<S: Store>(listener: TcpListener, server: Server<S>) {
    let service = server.service();
    service.metrics().watch();
    let app = operator::router(Arc::clone(service));
    accept_until(std::future::pending(), listener, app, MAX_OPERATOR_CONNECTIONS).await;
}

/// The same for any paths: what it opens or closes besides connections is the caller's part.
pub(crate) async fn accept_all(
    listener: TcpListener,
    app: Router,
    shutdown: impl Future<Output = ()> + Send,
) {
    finish(accept_until(shutdown, listener, app, MAX_CONNECTIONS).await).await;
}

/// Waits for those that still run, for their time.
async fn finish(running: GracefulShutdown) {
    tracing::info!(connections = running.count(), "stopping");
    if tokio::time::timeout(GRACE, running.shutdown()).await.is_err() {
        tracing::warn!("stopped with connections that did not finish");
    }
}

/// Serves each connection in a task of its own; gives those that still run.
async fn accept_until(
    shutdown: impl Future<Output = ()> + Send,
    listener: TcpListener,
    app: Router,
    most: usize,
) -> GracefulShutdown {
    let connections = Connections::new(most);
    let running = GracefulShutdown::new();
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEADER_TIMEOUT).max_buf_size(MAX_HEADERS);

    let mut shutdown = std::pin::pin!(shutdown);
    loop {
        let ((stream, peer), place) = tokio::select! {
            accepted = async { (accept(&listener).await, connections.admit().await) } => accepted,
            () = &mut shutdown => break,
        };
        let app = TowerToHyperService::new(app.clone());
        let service = {
            let place = place.clone();
            service_fn(move |mut request: Request<Incoming>| {
                request.extensions_mut().insert(peer);
                request.extensions_mut().insert(place.clone());
                app.call(request)
            })
        };
        let connection = http.serve_connection(TokioIo::new(stream), service);
        let connection = running.watch(connection);
        tokio::spawn(async move {
            let ended = tokio::select! {
                ended = tokio::time::timeout(CONNECTION_LIFETIME, connection) => ended,
                () = place.gives_way() => return tracing::debug!("too many connections: a quiet one gave way"),
            };
            match ended {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::debug!(%error, "connection"),
                Err(_) => tracing::debug!("connection too old"),
            }
        });
    }
    running
}

async fn accept(listener: &TcpListener) -> (TcpStream, Peer) {
    loop {
        match listener.accept().await {
            Ok((stream, address)) => {
                // Answers are single small writes: waiting to fill packets only delays them.
                if let Err(error) = stream.set_nodelay(true) {
                    tracing::debug!(%error, "nodelay");
                }
                return (stream, Peer(address.ip()));
            }
            Err(error) => {
                tracing::warn!(%error, "accept");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}
