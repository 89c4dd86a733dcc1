//! What a request gets when it is not served: RFC 9457 problem details with fixed texts, which tell a client author
//! what to do and a forger nothing.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Problem {
    /// A message that is not answered, whatever the reason.
    Refused,
    /// A body that cannot be read.
    BadRequest,
    IllegalKey,
    Unauthenticated,
    NotVouched,
    /// A browser asks for a page of another site.
    CrossSite,
    NotFound,
    MethodNotAllowed,
    Timeout,
    RegistrationClosed,
    RegistrationNeedless,
    IdentityTaken,
    TooLarge,
    MediaType,
    IllegalIdentity,
    /// Past a limit; seconds after which it is worth another try.
    Limited(u64),
    Internal,
    Busy,
    NoDatabase,
    Stopping,
    /// An oblivious request that was not made for our key.
    ObliviousKey,
    /// Something else than a query, asked obliviously.
    NotOblivious,
    /// An oblivious request with a date too far from ours.
    Date,
    /// An oblivious request that was answered before.
    Replayed,
    /// Of a relay: no server, or no answer of one.
    NoServer,
    /// Of a relay: the server took too long.
    SlowServer,
}

pub(crate) const CONTENT_TYPE: HeaderValue = HeaderValue::from_static("application/problem+json");

/// Seconds after which a busy server is worth another try.
const RETRY_AFTER: HeaderValue = HeaderValue::from_static("2");

impl Problem {
    /// Gives a bare error of the HTTP layers (no such path, body too large …) our form.
    pub(crate) fn for_bare(response: &Response) -> Option<Self> {
        if response.headers().get(header::CONTENT_TYPE) == Some(&CONTENT_TYPE) {
            return None;
        }
        match response.status() {
            StatusCode::NOT_FOUND => Some(Self::NotFound),
            StatusCode::METHOD_NOT_ALLOWED => Some(Self::MethodNotAllowed),
            StatusCode::PAYLOAD_TOO_LARGE => Some(Self::TooLarge),
            StatusCode::UNSUPPORTED_MEDIA_TYPE => Some(Self::MediaType),
            status if status.is_client_error() => Some(Self::BadRequest),
            status if status.is_server_error() => Some(Self::Internal),
            _ => None,
        }
    }

    const fn status(self) -> StatusCode {
        match self {
            Self::Refused | Self::BadRequest | Self::IllegalKey | Self::Date => StatusCode::BAD_REQUEST,
            Self::Unauthenticated => StatusCode::UNAUTHORIZED,
            Self::NotVouched
            | Self::CrossSite
            | Self::RegistrationClosed
            | Self::RegistrationNeedless
            | Self::NotOblivious => StatusCode::FORBIDDEN,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::Timeout => StatusCode::REQUEST_TIMEOUT,
            Self::IdentityTaken | Self::Replayed => StatusCode::CONFLICT,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::MediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::IllegalIdentity | Self::ObliviousKey => StatusCode::UNPROCESSABLE_ENTITY,
            Self::Limited(_) => StatusCode::TOO_MANY_REQUESTS,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Busy | Self::NoDatabase | Self::Stopping => StatusCode::SERVICE_UNAVAILABLE,
            Self::NoServer => StatusCode::BAD_GATEWAY,
            Self::SlowServer => StatusCode::GATEWAY_TIMEOUT,
        }
    }

    const fn detail(self) -> &'static str {
        match self {
            Self::Refused => "The message was refused.",
            Self::BadRequest => "The request cannot be read.",
            Self::IllegalKey => "One Idempotency-Key is 16 to 64 visible ASCII characters.",
            Self::Unauthenticated => "This message needs the token of an account in Authorization: Bearer.",
            Self::NotVouched => {
                "The proxy of this server does not say who you are; messages other than queries need that."
            }
            Self::CrossSite => "Pages of other sites may not send messages here.",
            Self::RegistrationNeedless => {
                "The proxy of this server says who you are: send messages without registering, and without a token."
            }
            Self::RegistrationClosed => "The operator of this server makes its accounts: ask there.",
            Self::NotFound => "There is nothing at this path.",
            Self::MethodNotAllowed => "This path has another method.",
            Self::Timeout => "The request took too long.",
            Self::IdentityTaken => "This identity has an account already.",
            Self::TooLarge => {
                "The body is too long: messages have up to 1 MiB, accounts up to 4 KiB, oblivious requests up to 16 KiB."
            }
            Self::MediaType => {
                "Messages are text/plain, accounts are application/json, oblivious requests are message/ohttp-req."
            }
            Self::IllegalIdentity => {
                "An identity is 1 to 256 bytes of lower-case text without blanks, control or invisible characters."
            }
            Self::Limited(_) => "Too much was asked in too little time; ask again after Retry-After seconds.",
            Self::Internal => "The server failed; what was asked may or may not have happened.",
            Self::Busy => "The server has too much to do; ask again later.",
            Self::NoDatabase => "The database does not answer.",
            Self::Stopping => "The server is stopping.",
            Self::ObliviousKey => {
                "The request was not made for the key of this server: fetch /ohttp-keys again."
            }
            Self::NotOblivious => "Only ensemble queries and /v1/server can be asked obliviously.",
            Self::Date => "The date of the request is missing, or more than five minutes off.",
            Self::Replayed => "This request was answered before: make a new one.",
            Self::NoServer => "This relay gets no answer from its server.",
            Self::SlowServer => "This relay's server took too long.",
        }
    }

    /// `about:blank`: the status code says what kind of problem it is (RFC 9457, section 4.2.1). The others are those that
    /// RFC 9458 registers (sections 5.3 and 6.5.2).
    const fn kind(self) -> &'static str {
        match self {
            Self::ObliviousKey => "https://iana.org/assignments/http-problem-types#ohttp-key",
            Self::Date => "https://iana.org/assignments/http-problem-types#date",
            _ => "about:blank",
        }
    }
}

#[derive(Serialize)]
struct Details {
    r#type: &'static str,
    title: &'static str,
    status: u16,
    detail: &'static str,
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = self.status();
        let details = Details {
            r#type: self.kind(),
            title: status.canonical_reason().unwrap_or_default(),
            status: status.as_u16(),
            detail: self.detail(),
        };
        let mut response = (status, [(header::CONTENT_TYPE, CONTENT_TYPE)], Json(details)).into_response();
        match self {
            Self::Unauthenticated => {
                response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            }
            Self::Busy => {
                response.headers_mut().insert(header::RETRY_AFTER, RETRY_AFTER);
            }
            Self::Limited(seconds) => {
                response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
            }
            _ => {}
        }
        response
    }
}
