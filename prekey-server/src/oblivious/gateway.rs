//! The server's end: opens what came through a relay, answers an ensemble query as HTTP would, and seals the answer.
//! Spec: RFC 9458, section 5. Nothing that needs a token can be asked here: it would tell who asks.

use super::binary::{Request, write_response};
use super::encapsulation::Enc;
use super::keys::{GatewayKey, SIGNATURE};
use super::replay::{Seen, Unanswered};
use super::{KEYS_PATH, KEYS_TYPE, MAX_REQUEST, REQUEST_PATH, REQUEST_TYPE, RESPONSE_TYPE};
use crate::caller::{Caller, Source};
use crate::connections::{Busy, Connection};
use crate::engine::is_query;
use crate::http::{describe, is_of_type, problem, to_the_end};
use crate::problem::Problem;
use crate::service::{Error, Service};
use crate::store::Store;
use crate::system;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Extension, Router};
use bytes::BytesMut;
use otrv4::prekey_server::decode_text;
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
    Extension(connection): Extension<Connection>,
    headers: HeaderMap,
    // As in `http`: `Bytes` would keep what every chunk came in.
    body: BytesMut,
) -> Result<Response, Problem> {
    if !is_of_type(&headers, REQUEST_TYPE) {
        return Err(Problem::MediaType);
    }
    let (request, key) = gateway.key.decapsulate(&body).map_err(|_| Problem::ObliviousKey)?;
    let answered = gateway.serve(&request, key.enc(), connection.busy()).await;
    let response = encode(answered.unwrap_or_else(IntoResponse::into_response)).await?;
    let sealed = key.seal(&response, &mut system::rng());
    Ok(([(header::CONTENT_TYPE, RESPONSE_TYPE)], sealed).into_response())
}

impl<S: Store> Gateway<S> {
    async fn serve(&self, request: &[u8], enc: &Enc, busy: Busy) -> Result<Response, Problem> {
        let request = Request::read(request).filter(|request| !request.expects);
        let request = request.ok_or(Problem::BadRequest)?;
        match (request.method.as_slice(), request.path.as_slice()) {
            (b"GET", b"/v1/server") => Ok(describe(self.service.identity()).into_response()),
            (b"POST", b"/v1/messages") => {
                self.query(request, enc, busy).await.map(IntoResponse::into_response)
            }
            _ => Err(Problem::NotOblivious),
        }
    }

    async fn query(&self, request: Request, enc: &Enc, busy: Busy) -> Result<String, Problem> {
        if request.content_type != b"text/plain" {
            return Err(Problem::MediaType);
        }
        let text = String::from_utf8(request.content).map_err(|_| Problem::Refused)?;
        if !is_query(&decode_text(text.trim_ascii()).map_err(|_| Problem::Refused)?) {
            return Err(Problem::NotOblivious);
        }
        // Before anything is remembered of it: whoever sends many fills no table.
        self.service.admit(&Source::Oblivious).map_err(problem)?;
        self.seen.first_time(enc, request.date, system::now()).map_err(|unanswered| match unanswered {
            Unanswered::Date => Problem::Date,
            Unanswered::Replayed => Problem::Replayed,
            Unanswered::Full => Problem::Busy,
        })?;
        let service = Arc::clone(&self.service);
        to_the_end(busy, async move { ask(&service, &text).await }).await
    }
}

/// The one call into the service: a message whose sender nobody knows.
async fn ask<S: Store>(service: &Service<S>, text: &str) -> Result<String, Error> {
    let caller = Caller { source: Source::Oblivious, vouched: None };
    service.answer(&caller, None, None, text.trim_ascii()).await
}

/// As binary HTTP. Its headers but the content type are about a connection that it does not travel on.
async fn encode(response: Response) -> Result<Vec<u8>, Problem> {
    let (parts, body) = response.into_parts();
    let content = axum::body::to_bytes(body, usize::MAX).await.map_err(|_| Problem::Internal)?;
    let content_type = parts.headers.get(header::CONTENT_TYPE).map(|value| value.as_bytes().to_vec());
    let content_type = content_type.unwrap_or_default();
    Ok(write_response(parts.status.as_u16(), &content_type, system::now().unix(), &content))
}

#[cfg(test)]
mod tests {
    use super::super::binary::{self, write_post};
    use super::*;
    use crate::limits::{Bucket, Limits};
    use crate::settings::Settings;
    use crate::store::{Names, SqliteStore};
    use crate::system::rng;
    use bhttp::{Message, Mode};
    use otrv4::prekey_server::{ServerIdentity, encode_text, ensemble_query};
    use otrv4::wire::{InstanceTag, Versions};

    async fn gateway(folder: &tempfile::TempDir) -> Gateway<SqliteStore> {
        let store = SqliteStore::open(&folder.path().join("prekeys.sqlite")).await.expect("a new database");
        let identity = ServerIdentity::generate("prekey.example.org", &mut rng());
        let key = GatewayKey::of(&identity);
        let (keys, signature) = key.publish(&identity);
        let service = Arc::new(Service::new(store, Names::plain(), identity, Settings::default()));
        Gateway { service, key, keys, signature, seen: Seen::default() }
    }

    fn request(method: &str, path: &str, headers: &[(&str, &str)], content: &str) -> Vec<u8> {
        let mut message = Message::request(method.into(), b"https".into(), Vec::new(), path.into());
        headers.iter().for_each(|(name, value)| message.put_header(*name, *value));
        message.write_content(content);
        let mut bytes = Vec::new();
        message.write_bhttp(Mode::KnownLength, &mut bytes).expect("written");
        bytes
    }

    fn query() -> String {
        encode_text(&ensemble_query(InstanceTag::random(&mut rng()), "bob@example.org", Versions::V4))
    }

    /// The status of the inner response, and its content.
    async fn inner(gateway: &Gateway<SqliteStore>, request: &[u8], enc: u8) -> (u16, String) {
        let connection = crate::connections::Connections::new(1).admit().await;
        let answered = gateway.serve(request, &[enc; 32], connection.busy()).await;
        let response = encode(answered.unwrap_or_else(IntoResponse::into_response)).await.expect("encoded");
        let binary::Response { status, content } = binary::Response::read(&response).expect("a response");
        (status, String::from_utf8(content).expect("text"))
    }

    #[tokio::test]
    async fn nothing_but_queries_and_who_the_server_is_can_be_asked() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let gateway = gateway(&folder).await;
        let date = httpdate::fmt_http_date(
            std::time::UNIX_EPOCH + {
                std::time::Duration::from_secs(system::now().unix().try_into().expect("after 1970"))
            },
        );
        let text = ("content-type", "text/plain");
        let token = ("authorization", "Bearer Ym9i.AAAA");
        let good = request("POST", "/v1/messages", &[text, ("date", &date)], &query());
        assert_eq!(inner(&gateway, &good, 0).await.0, 200);
        let (status, server) = inner(&gateway, &request("GET", "/v1/server", &[], ""), 0).await;
        assert!(status == 200 && server.contains("prekey.example.org"), "{status} {server}");

        let publication = encode_text(&[0, 4, 0x35, 0, 0, 1, 0]);
        for (n, (method, path, headers, content, expected)) in [
            ("POST", "/v1/accounts", vec![], r#"{"identity":"bob"}"#, 403),
            ("GET", "/health", vec![], "", 403),
            ("GET", "/v1/messages", vec![text, ("date", &date)], "", 403),
            ("POST", "/v1/messages?", vec![text, ("date", &date)], "", 403),
            ("POST", "/v1/messages", vec![text, token, ("date", &date)], &publication, 403),
            ("POST", "/v1/messages", vec![text, ("date", &date)], "?OTR", 400),
            ("POST", "/v1/messages", vec![("date", date.as_str())], &query(), 415),
            ("POST", "/v1/messages", vec![text, ("date", &date), ("expect", "100-continue")], &query(), 400),
        ]
        .into_iter()
        .enumerate()
        {
            let enc = u8::try_from(n + 1).expect("few");
            let (status, said) = inner(&gateway, &request(method, path, &headers, content), enc).await;
            assert_eq!(status, expected, "{method} {path} {said}");
            assert!(said.contains("\"type\":\"about:blank\""), "{said}");
        }
        assert_eq!(inner(&gateway, b"no HTTP", 0).await.0, 400);
    }

    #[tokio::test]
    async fn what_is_past_the_limit_is_not_remembered_and_can_be_sent_again() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let gateway = gateway(&folder).await;
        let bucket = Bucket { burst: 1, per: std::time::Duration::from_millis(1500) };
        let limits = Limits { queries_oblivious: bucket, ..Limits::default() };
        gateway.service.reload(Settings { limits, ..Settings::default() });
        let post = write_post("/v1/messages", system::now().unix(), &query());
        assert_eq!(inner(&gateway, &post, 1).await.0, 200);
        for _ in 0..3 {
            assert_eq!(inner(&gateway, &post, 2).await.0, 429);
        }
        tokio::time::sleep(bucket.per).await;
        assert_eq!(inner(&gateway, &post, 2).await.0, 200);
    }

    #[tokio::test]
    async fn a_query_is_answered_once_and_only_in_its_time() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let gateway = gateway(&folder).await;
        let now = system::now().unix();
        let post = |date| write_post("/v1/messages", date, &query());
        assert_eq!(inner(&gateway, &post(now), 1).await.0, 200);
        let (status, said) = inner(&gateway, &post(now), 1).await;
        assert!(status == 409 && said.contains("answered before"), "{said}");
        let undated = request("POST", "/v1/messages", &[("content-type", "text/plain")], &query());
        for request in [post(now - 1000), post(now + 1000), undated] {
            let (status, said) = inner(&gateway, &request, 2).await;
            assert!(status == 400 && said.contains("http-problem-types#date"), "{said}");
        }
    }
}
