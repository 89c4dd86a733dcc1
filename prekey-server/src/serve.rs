//! Accepting connections, and stopping: bounded in number, in time for headers, and in time to finish.

use crate::caller::Peer;
use crate::connections::Connections;
use crate::http::{self, REQUEST_TIMEOUT};
use crate::operator;
use crate::server::Server;
use crate::store::Store;
use crate::upkeep;
use axum::Router;
use axum::http::{HeaderValue, header};
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;

/// Open connections, at most: half of the 1024 files that a process usually may open, and each can hold one body in
/// memory. For a new one the one that has been quiet for the longest time gives way.
const MAX_CONNECTIONS: usize = 512;

/// Connections of the operator's monitoring.
const MAX_OPERATOR_CONNECTIONS: usize = 16;

/// Longest headers, in bytes; ours and those of a proxy take less than one.
const MAX_HEADERS: usize = 16 << 10;

/// How long a client may take to send the headers of a request, or stay silent between two.
const HEADER_TIMEOUT: Duration = Duration::from_secs(15);

/// A connection of this age ends with the next answer, which says so.
const CONNECTION_AGE: Duration = Duration::from_secs(540);

/// A client that reads its answers too slowly, or never, gives its place back after this; any other has ended before.
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
    let running =
        accept_until(shutdown, listener, http::router(Arc::clone(service)), MAX_CONNECTIONS, CONNECTION_AGE)
            .await;
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
    accept_until(std::future::pending(), listener, app, MAX_OPERATOR_CONNECTIONS, CONNECTION_AGE).await;
}

/// The same for any paths: what it opens or closes besides connections is the caller's part.
pub(crate) async fn accept_all(
    listener: TcpListener,
    app: Router,
    shutdown: impl Future<Output = ()> + Send,
) {
    finish(accept_until(shutdown, listener, app, MAX_CONNECTIONS, CONNECTION_AGE).await).await;
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
    age: Duration,
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
            let (place, opened) = (place.clone(), Instant::now());
            service_fn(move |mut request: Request<Incoming>| {
                request.extensions_mut().insert(peer);
                request.extensions_mut().insert(place.clone());
                let answer = app.call(request);
                async move {
                    let mut answer = answer.await?;
                    if opened.elapsed() >= age {
                        // Whoever has read it opens a new one for the next request, instead of losing that.
                        answer.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
                    }
                    Ok::<_, Infallible>(answer)
                }
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

#[cfg(test)]
mod tests {
    use super::*;
    use axum::routing::get;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::sync::oneshot;

    /// Asks twice on one connection, to a server that ends connections of that age; all that it says.
    async fn asked_twice(age: Duration) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let app = Router::new().route("/", get(async || "hello"));
        let (stop, stopped) = oneshot::channel::<()>();
        let running = tokio::spawn(async move {
            finish(accept_until(async { _ = stopped.await }, listener, app, 4, age).await).await;
        });
        let mut stream = TcpStream::connect(address).await.expect("a connection");
        let request = |close| format!("GET / HTTP/1.1\r\nHost: localhost\r\n{close}\r\n");
        stream.write_all(request("").as_bytes()).await.expect("a request");
        let mut said = vec![0; 1024];
        let length = stream.read(&mut said).await.expect("an answer");
        said.truncate(length);
        // The server may have gone.
        _ = stream.write_all(request("Connection: close\r\n").as_bytes()).await;
        _ = stream.read_to_end(&mut said).await;
        stop.send(()).expect("it runs");
        running.await.expect("a task");
        String::from_utf8(said).expect("text")
    }

    #[tokio::test]
    async fn an_old_connection_ends_with_an_answer_that_says_so() {
        let young = asked_twice(Duration::from_secs(60)).await;
        let first = young.split("hello").next().expect("an answer");
        assert!(!first.contains("connection: close"), "{young}");
        assert_eq!(young.matches("hello").count(), 2);
        let old = asked_twice(Duration::ZERO).await;
        assert!(old.contains("connection: close"), "{old}");
        assert_eq!(old.matches("hello").count(), 1);
    }
}
