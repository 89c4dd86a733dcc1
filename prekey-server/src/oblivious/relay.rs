//! The relay: carries encapsulated requests to one server and responses back, and nothing else of either side. It is run by
//! somebody else than the server, and knows neither what is asked nor what is answered.
//! Spec: RFC 9458, sections 5 and 6.2. It keeps nothing but the server's keys, and logs no address.

use super::{
    KEYS_PATH, KEYS_TYPE, MAX_REQUEST, MAX_RESPONSE, REQUEST_PATH, REQUEST_TYPE, RESPONSE_TYPE, SIGNATURE,
};
use crate::connections::Connection;
use crate::http::is_of_type;
use crate::problem::{self, Problem};
use crate::serve::accept_all;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::uri::{PathAndQuery, Scheme};
use axum::http::{HeaderMap, HeaderValue, Method, Request, StatusCode, Uri, header};
use axum::middleware::from_fn;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Extension, Router};
use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::Mutex;
use tokio::time::Instant;

/// How long the server may take: less than a request may take here.
const PATIENCE: Duration = Duration::from_secs(25);

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Shorter than the server keeps a silent connection: a request sent on one that just ends would be lost.
const IDLE_TIMEOUT: Duration = Duration::from_secs(10);

/// Within this, all clients get the same keys: the server cannot give one of them a key of its own.
const KEYS_LIFETIME: Duration = Duration::from_secs(3600);

/// Within this, nobody asks a server again that has just failed: those who wait for its keys would do it one after the other.
const FAILURE_LIFETIME: Duration = Duration::from_secs(2);

/// Connections at a time that wait for the next request, to one server.
const MAX_IDLE: usize = 32;

/// Longest list of keys, in bytes: dozens of them.
const MAX_KEYS: usize = 4 << 10;

/// Carries requests to one server.
#[derive(Debug)]
pub struct Relay {
    server: Uri,
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    keys: Mutex<Option<Fetched>>,
}

/// What [`Relay::new`] takes no such thing for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the address of a server, such as https://prekey.example.org, without a path")]
pub struct IllegalServer;

impl Relay {
    /// To the server at this address: `https://HOST` or, where nobody listens on the way, `http://HOST`.
    pub fn new(server: &str) -> Result<Self, IllegalServer> {
        let server: Uri = server.parse().map_err(|_| IllegalServer)?;
        let scheme = server.scheme().ok_or(IllegalServer)?;
        let plain = server.path() == "/" && server.query().is_none();
        let user = server.authority().is_none_or(|authority| authority.as_str().contains('@'));
        if !plain || user || ![Scheme::HTTP, Scheme::HTTPS].contains(scheme) {
            return Err(IllegalServer);
        }
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(CONNECT_TIMEOUT));
        let tls = HttpsConnectorBuilder::new().with_webpki_roots().https_or_http().enable_http1();
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_TIMEOUT)
            .pool_max_idle_per_host(MAX_IDLE)
            .build(tls.wrap_connector(tcp));
        Ok(Self { server, client, keys: Mutex::new(None) })
    }

    fn at(&self, path: &'static str) -> Uri {
        let mut parts = self.server.clone().into_parts();
        parts.path_and_query = Some(PathAndQuery::from_static(path));
        Uri::from_parts(parts).expect("scheme and authority are there")
    }

    /// Asks the server: beside the host and the length, the request has this content type and no other header.
    async fn ask(&self, request: Request<Full<Bytes>>, limit: usize) -> Result<Said, Problem> {
        let exchange = async {
            let response = self.client.request(request).await.map_err(|error| {
                tracing::warn!(%error, "the server");
                Problem::NoServer
            })?;
            let (parts, body) = response.into_parts();
            let body = Limited::new(body, limit).collect().await.map_err(|error| {
                tracing::warn!(%error, "the server's answer");
                Problem::NoServer
            })?;
            Ok(Said { status: parts.status, headers: parts.headers, body: body.to_bytes() })
        };
        tokio::time::timeout(PATIENCE, exchange).await.unwrap_or(Err(Problem::SlowServer))
    }

    async fn fetch_keys(&self) -> Result<Keys, Problem> {
        let request = Request::get(self.at(KEYS_PATH)).body(Full::default()).expect("a good request");
        let Said { status, mut headers, body } = self.ask(request, MAX_KEYS).await?;
        match headers.remove(SIGNATURE) {
            Some(signature) if status == StatusCode::OK && is_of_type(&headers, KEYS_TYPE) => {
                Ok(Keys { list: body, signature })
            }
            _ => Err(Problem::NoServer),
        }
    }
}

/// What the server said.
struct Said {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

/// What came of the last attempt, and when that was.
#[derive(Debug)]
struct Fetched {
    keys: Result<Keys, Problem>,
    at: Instant,
}

#[derive(Clone, Debug)]
struct Keys {
    list: Bytes,
    signature: HeaderValue,
}

/// Relays until `shutdown` is done; then takes no more connections and finishes what runs.
pub async fn serve(listener: TcpListener, relay: Relay, shutdown: impl Future<Output = ()> + Send) {
    let app = Router::new()
        .route("/health", get(async || "ok\n"))
        .route(KEYS_PATH, get(keys))
        .route(REQUEST_PATH, post(forward))
        .layer(DefaultBodyLimit::max(MAX_REQUEST))
        .layer(from_fn(crate::http::finish))
        .with_state(Arc::new(relay));
    accept_all(listener, app, shutdown).await;
}

async fn keys(
    State(relay): State<Arc<Relay>>,
    Extension(connection): Extension<Connection>,
) -> Result<Response, Problem> {
    // Held while they are fetched: so they are fetched once.
    let mut known = relay.keys.lock().await;
    let _busy = connection.busy();
    let known_for = |fetched: &Fetched| match fetched.keys {
        Ok(_) => KEYS_LIFETIME,
        Err(_) => FAILURE_LIFETIME,
    };
    let fetched = match known.take().filter(|fetched| fetched.at.elapsed() < known_for(fetched)) {
        Some(fetched) => fetched,
        None => Fetched { keys: relay.fetch_keys().await, at: Instant::now() },
    };
    let keys = known.insert(fetched).keys.clone()?;
    let mut response = ([(header::CONTENT_TYPE, KEYS_TYPE)], keys.list).into_response();
    response.headers_mut().insert(SIGNATURE, keys.signature);
    Ok(response)
}

async fn forward(
    State(relay): State<Arc<Relay>>,
    Extension(connection): Extension<Connection>,
    headers: HeaderMap,
    body: BytesMut,
) -> Result<Response, Problem> {
    let _busy = connection.busy();
    if !is_of_type(&headers, REQUEST_TYPE) {
        return Err(Problem::MediaType);
    }
    let request = Request::builder().method(Method::POST).uri(relay.at(REQUEST_PATH));
    let request = request.header(header::CONTENT_TYPE, REQUEST_TYPE);
    let request = request.body(Full::new(body.freeze())).expect("a good request");
    let Said { status, headers, body } = relay.ask(request, MAX_RESPONSE).await?;
    if status == StatusCode::OK && is_of_type(&headers, RESPONSE_TYPE) {
        return Ok(([(header::CONTENT_TYPE, RESPONSE_TYPE)], body).into_response());
    }
    // Whatever is not for the client alone is a problem that the server could not encrypt.
    let is_problem = headers.get(header::CONTENT_TYPE) == Some(&problem::CONTENT_TYPE);
    if !is_problem || status.is_success() {
        return Err(Problem::NoServer);
    }
    Ok((status, [(header::CONTENT_TYPE, problem::CONTENT_TYPE)], body).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_has_an_address_and_nothing_more() {
        for good in ["https://prekey.example.org", "http://127.0.0.1:7448/", "https://[::1]:7448"] {
            let relay = Relay::new(good).expect("an address");
            assert_eq!(relay.at("/ohttp").path(), "/ohttp");
        }
        for bad in
            ["", "prekey.example.org", "/ohttp", "ftp://x", "https://x/y", "https://x/?y", "https://u:p@x"]
        {
            assert_eq!(Relay::new(bad).err(), Some(IllegalServer), "{bad}");
        }
    }
}
