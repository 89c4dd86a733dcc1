//! The server's end: opens what came through a relay, answers an ensemble query as HTTP would, and seals the answer.
//! Spec: RFC 9458, section 5. Nothing that needs a token can be asked here: it would tell who asks.

use super::binary::{Request, write_response};
use super::encapsulation::Enc;
use super::keys::{GatewayKey, SIGNATURE};
use super::replay::{Seen, Unanswered};
use super::{KEYS_PATH, KEYS_TYPE, MAX_REQUEST, REQUEST_PATH, REQUEST_TYPE, RESPONSE_TYPE};
use crate::http::{describe, is_of_type, to_the_end};
use crate::problem::Problem;
use crate::service::{Error, Service};
use crate::store::Store;
use crate::system;
use axum::Router;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use bytes::BytesMut;
use std::sync::Arc;

/// The paths of RFC 9458.
pub(crate) fn routes<S: Store>(service: Arc<Service<S>>) -> Router {
    let key = GatewayKey::of(service.identity());
    let (keys, signature) = key.publish(service.identity());
    let gateway = Gateway { service, key, keys, signature, seen: Seen::default() };
    Router::new()
        .route(KEYS_PATH, get(keys_of::<S>))
        .route(REQUEST_PATH, post(answer::<S>).layer(DefaultBodyLimit::max(MAX_REQUEST)))
        .with_state(Arc::new(gateway))
}

struct Gateway<S> {
    service: Arc<Service<S>>,
    key: GatewayKey,
    keys: Vec<u8>,
    signature: String,
    seen: Seen,
}

async fn keys_of<S: Store>(State(gateway): State<Arc<Gateway<S>>>) -> Response {
    let headers = [(header::CONTENT_TYPE.as_str(), KEYS_TYPE), (SIGNATURE, &gateway.signature)];
    (headers, gateway.keys.clone()).into_response()
}

/// What cannot be opened gets a problem in clear, everything else an encapsulated response (section 5.2).
async fn answer<S: Store>(
    State(gateway): State<Arc<Gateway<S>>>,
    headers: HeaderMap,
    // As in `http`: `Bytes` would keep what every chunk came in.
    body: BytesMut,
) -> Result<Response, Problem> {
    if !is_of_type(&headers, REQUEST_TYPE) {
        return Err(Problem::MediaType);
    }
    let (request, key) = gateway.key.decapsulate(&body).map_err(|_| Problem::ObliviousKey)?;
    let answered = gateway.serve(&request, key.enc()).await;
    let response = encode(answered.unwrap_or_else(IntoResponse::into_response)).await?;
    let sealed = key.seal(&response, &mut system::rng());
    Ok(([(header::CONTENT_TYPE, RESPONSE_TYPE)], sealed).into_response())
}

impl<S: Store> Gateway<S> {
    async fn serve(&self, request: &[u8], enc: &Enc) -> Result<Response, Problem> {
        let request = Request::read(request).filter(|request| !request.expects);
        let request = request.ok_or(Problem::BadRequest)?;
        match (request.method.as_slice(), request.path.as_slice()) {
            (b"GET", b"/v1/server") => Ok(describe(self.service.identity()).into_response()),
            (b"POST", b"/v1/messages") => self.query(request, enc).await.map(IntoResponse::into_response),
            _ => Err(Problem::NotOblivious),
        }
    }

    async fn query(&self, request: Request, enc: &Enc) -> Result<String, Problem> {
        if request.content_type != b"text/plain" {
            return Err(Problem::MediaType);
        }
        let text = String::from_utf8(request.content).map_err(|_| Problem::Refused)?;
        self.seen.first_time(enc, request.date, system::now()).map_err(|unanswered| match unanswered {
            Unanswered::Date => Problem::Date,
            Unanswered::Replayed => Problem::Replayed,
            Unanswered::Full => Problem::Busy,
        })?;
        let service = Arc::clone(&self.service);
        to_the_end(async move { ask(&service, &text).await }).await.map_err(|problem| match problem {
            // It is no query, and here nobody has a token.
            Problem::Unauthenticated => Problem::NotOblivious,
            problem => problem,
        })
    }
}

/// The one call into the service: a message whose sender nobody knows.
async fn ask<S: Store>(service: &Service<S>, text: &str) -> Result<String, Error> {
    service.answer(None, text.trim_ascii()).await
}

/// As binary HTTP. Its headers but the content type are about a connection that it does not travel on.
async fn encode(response: Response) -> Result<Vec<u8>, Problem> {
    let (parts, body) = response.into_parts();
    let content = axum::body::to_bytes(body, usize::MAX).await.map_err(|_| Problem::Internal)?;
    let content_type = parts.headers.get(header::CONTENT_TYPE).map(|value| value.as_bytes().to_vec());
    let content_type = content_type.unwrap_or_default();
    Ok(write_response(parts.status.as_u16(), &content_type, system::now().unix(), &content))
}
