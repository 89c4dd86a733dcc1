//! The service over HTTP: requests in, service calls, responses out. No SQL and no protocol in here.

use crate::account::Identity;
use crate::caller::{Caller, Peer};
use crate::connections::{Busy, Connection};
use crate::oblivious::gateway;
use crate::padding::{self, ANSWERS};
use crate::problem::Problem;
use crate::service::{Error, Service};
use crate::settings::Registration;
use crate::store::Store;
use axum::extract::{DefaultBodyLimit, MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Extension, Json, Router};
use bytes::BytesMut;
use otrv4::prekey_server::ServerIdentity;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;

/// Longest body of a message, in bytes: several times the longest message.
const MAX_BODY: usize = 1 << 20;

/// Longest body of a new account, in bytes: the longest identity with every character escaped, and more.
const MAX_ACCOUNT_BODY: usize = 4 << 10;

/// How long a request may take, from its headers to its answer.
pub(crate) const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

/// How long the database may take to show that it works: less than `prekey-server healthcheck` waits.
const HEALTH_TIMEOUT: Duration = Duration::from_secs(3);

/// All paths of the server.
pub(crate) fn router<S: Store>(service: Arc<Service<S>>) -> Router {
    Router::new()
        .route("/v1/server", get(server::<S>))
        .route("/v1/accounts", post(register::<S>).layer(DefaultBodyLimit::max(MAX_ACCOUNT_BODY)))
        .route("/v1/messages", post(message::<S>))
        .route("/v1/openapi.json", get(description))
        .route_layer(from_fn_with_state(Arc::clone(&service), admit::<S>))
        // Not counted: whoever restarts the server when it gives no answer must get one.
        .route("/health", get(health::<S>))
        .route("/livez", get(live))
        .route("/readyz", get(ready::<S>))
        .with_state(Arc::clone(&service))
        // Nor these: all who ask through a relay have its address.
        .merge(gateway::routes(Arc::clone(&service)))
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(from_fn(finish))
        .layer(from_fn_with_state(service, count::<S>))
}

/// For the operator's metrics.
async fn count<S: Store>(
    State(service): State<Arc<Service<S>>>,
    path: Option<MatchedPath>,
    request: Request,
    next: Next,
) -> Response {
    let response = next.run(request).await;
    service.metrics().response(path.as_ref().map(MatchedPath::as_str), response.status().as_u16());
    response
}

/// What every response has in common: it comes in time, errors are problem details, and nobody keeps a copy.
pub(crate) async fn finish(request: Request, next: Next) -> Response {
    let answered = tokio::time::timeout(REQUEST_TIMEOUT, next.run(request)).await;
    let mut response = answered.unwrap_or_else(|_| Problem::Timeout.into_response());
    if let Some(problem) = Problem::for_bare(&response) {
        let allow = response.headers_mut().remove(header::ALLOW);
        response = problem.into_response();
        if let Some(allow) = allow {
            response.headers_mut().insert(header::ALLOW, allow);
        }
    }
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// Finds out who asks, and whether that is not too often.
async fn admit<S: Store>(
    State(service): State<Arc<Service<S>>>,
    Extension(peer): Extension<Peer>,
    mut request: Request,
    next: Next,
) -> Result<Response, Problem> {
    let settings = service.settings();
    if settings.registration == Registration::Header
        && !request.method().is_safe()
        && is_cross_site(request.headers(), service.identity().name())
    {
        return Err(Problem::CrossSite);
    }
    let caller = Caller::new(peer, request.headers(), &settings);
    service.admit(&caller.source).map_err(problem)?;
    request.extensions_mut().insert(caller);
    Ok(next.run(request).await)
}

/// Whether a browser sends this for a page of another site. It shows the proxy whatever its user is known by there, such as a
/// password of Basic authentication; no page can keep it from saying where the request comes from (Fetch, "Sec-Fetch-Site"). What is no
/// browser says neither. `name` is ours: a proxy may have changed `Host`.
fn is_cross_site(headers: &HeaderMap, name: &str) -> bool {
    let mut sites = headers.get_all("sec-fetch-site").iter().peekable();
    if sites.peek().is_some() {
        return !sites.all(|site| site == "same-origin" || site == "none");
    }
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let is_ours = |origin: &HeaderValue| {
        let (scheme, origin) = origin.to_str().ok()?.split_once("://")?;
        // What an attacker on the way writes into a page without TLS is not ours.
        Some((origin == name && scheme == "https") || Some(origin) == host)
    };
    !headers.get_all(header::ORIGIN).iter().all(|origin| is_ours(origin).unwrap_or(false))
}

#[derive(Serialize)]
pub(crate) struct Health {
    status: &'static str,
}

async fn health<S: Store>(State(service): State<Arc<Service<S>>>) -> Result<Json<Health>, Problem> {
    let checked = tokio::time::timeout(HEALTH_TIMEOUT, service.check()).await;
    checked.ok().and_then(Result::ok).ok_or(Problem::NoDatabase)?;
    Ok(Json(Health { status: "ok" }))
}

/// The process answers: whoever gets nothing should start it anew.
pub(crate) async fn live() -> Json<Health> {
    Json(Health { status: "ok" })
}

/// Requests are welcome: whoever gets an error should send them elsewhere.
pub(crate) async fn ready<S: Store>(service: State<Arc<Service<S>>>) -> Result<Json<Health>, Problem> {
    if service.is_stopping() {
        return Err(Problem::Stopping);
    }
    health(service).await
}

/// What `/v1/server` says.
#[derive(Serialize)]
pub(crate) struct Server {
    identity: String,
    /// ED448-PUBKEY, 59 bytes in hex.
    public_key: String,
    /// 56 bytes in hex.
    fingerprint: String,
}

async fn server<S: Store>(State(service): State<Arc<Service<S>>>) -> Json<Server> {
    describe(service.identity())
}

pub(crate) fn describe(identity: &ServerIdentity) -> Json<Server> {
    Json(Server {
        identity: identity.name().to_owned(),
        public_key: hex::encode(identity.public_key_bytes()),
        fingerprint: identity.fingerprint().to_string(),
    })
}

/// All of these paths, for machines. docs/api.md is for people.
async fn description() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/json")], include_str!("../openapi.json"))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewAccount {
    identity: String,
}

#[derive(Serialize)]
struct Account<'a> {
    identity: &'a str,
    token: &'a str,
}

async fn register<S: Store>(
    State(service): State<Arc<Service<S>>>,
    Extension(connection): Extension<Connection>,
    Extension(caller): Extension<Caller>,
    Json(account): Json<NewAccount>,
) -> Result<Response, Problem> {
    let busy = connection.busy();
    let identity = Identity::new(&account.identity).map_err(|_| Problem::IllegalIdentity)?;
    let token = {
        let identity = identity.clone();
        to_the_end(busy, async move { service.register(&caller, &identity).await }).await?
    };
    let account = Account { identity: identity.as_str(), token: &token };
    Ok((StatusCode::CREATED, Json(account)).into_response())
}

async fn message<S: Store>(
    State(service): State<Arc<Service<S>>>,
    Extension(connection): Extension<Connection>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    // `Bytes` would keep what every chunk came in, and chunks can have one byte each.
    body: BytesMut,
) -> Result<String, Problem> {
    let busy = connection.busy();
    if !is_of_type(&headers, "text/plain") {
        return Err(Problem::MediaType);
    }
    let text = String::from_utf8(body.into()).map_err(|_| Problem::Refused)?;
    let token = bearer(&headers).map(ToOwned::to_owned);
    let key = idempotency_key(&headers)?.map(ToOwned::to_owned);
    let answered = to_the_end(busy, async move {
        service.answer(&caller, token.as_deref(), key.as_deref(), text.trim_ascii()).await
    });
    answered.await.map(|answer| padding::pad(answer, &ANSWERS))
}

/// Runs it as a task of its own: a client that hangs up does not stop it between a commit and its consequences. It keeps the
/// place of its connection, so that as many messages are in memory as there are places.
pub(crate) async fn to_the_end<T: Send + 'static>(
    busy: Busy,
    work: impl Future<Output = Result<T, Error>> + Send + 'static,
) -> Result<T, Problem> {
    let work = async move {
        let _busy = busy;
        work.await
    };
    tokio::spawn(work).await.unwrap_or(Err(Error::Internal)).map_err(problem)
}

pub(crate) fn problem(error: Error) -> Problem {
    match error {
        Error::Refused => Problem::Refused,
        Error::Unauthenticated => Problem::Unauthenticated,
        Error::NotVouched => Problem::NotVouched,
        Error::Closed => Problem::RegistrationClosed,
        Error::Needless => Problem::RegistrationNeedless,
        Error::Taken => Problem::IdentityTaken,
        // Rounded up: whoever comes back then is served.
        Error::Limited(wait) => {
            Problem::Limited(wait.as_millis().div_ceil(1000).try_into().unwrap_or(u64::MAX))
        }
        Error::Busy => Problem::Busy,
        Error::Internal => Problem::Internal,
    }
}

/// Whether the content is of this media type, whatever its parameters.
pub(crate) fn is_of_type(headers: &HeaderMap, media_type: &str) -> bool {
    let content_type =
        headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = content_type.split(';').next().unwrap_or_default();
    essence.trim().eq_ignore_ascii_case(media_type)
}

/// The token of `Authorization: Bearer TOKEN`.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("Bearer").then(|| token.trim())
}

/// The value of `Idempotency-Key`, long enough that nobody guesses it.
fn idempotency_key(headers: &HeaderMap) -> Result<Option<&str>, Problem> {
    let mut values = headers.get_all("idempotency-key").iter();
    let Some(value) = values.next() else { return Ok(None) };
    let key = value.to_str().map_err(|_| Problem::IllegalKey)?;
    let is_legal = (16..=64).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_graphic());
    if is_legal && values.next().is_none() { Ok(Some(key)) } else { Err(Problem::IllegalKey) }
}
