//! A relay: asks the prekey server for ensembles so that the server does not learn who asks, nor the relay for whom.
//! Neither is trusted: the relay's keys must be signed by the server that is known, and only the server can answer.

use std::time::Duration;

use otrv4::keys::Fingerprint;
use otrv4::prekey_server::{decode_text, encode_text};
use prekey_server::oblivious::{
    Answer, KEYS_PATH, KeyConfig, KeysError, MAX_RESPONSE, REQUEST_PATH, REQUEST_TYPE, SIGNATURE, query,
};
use serde::Deserialize;
use ureq::config::AutoHeaderValue;
use ureq::http::Response;
use ureq::{Agent, Body};

use crate::prekeys::title;
use crate::system;

/// A relay at an address.
pub(crate) struct Relay {
    url: String,
    agent: Agent,
}

/// Why nothing was learned through the relay.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RelayError {
    /// No answer, or none that is HTTP.
    #[error("no answer from the relay at {url}: {cause}\nIs the address right, and is the relay running?")]
    Unreachable {
        /// Its address.
        url: String,
        /// What the HTTP client says.
        cause: Box<ureq::Error>,
    },
    /// The server behind it gives no answer.
    #[error(
        "the relay at {0} gets no answer from its prekey server. Try again later, or use another relay of that server"
    )]
    NoServer(String),
    /// It refused, and said why.
    #[error("the relay at {url} refused: {status} {title}")]
    Refused {
        /// Its address.
        url: String,
        /// The HTTP status.
        status: u16,
        /// The title of its problem report, if it is one.
        title: String,
    },
    /// The keys that it shows are not those of the server.
    #[error(
        "the relay at {url} shows keys for the prekey server that are not used: {cause}. Nothing was asked.\n\
         Either it is a relay of another server, or it means to read what you ask. Use another relay. If the server's \
         key has been changed, the relay knows that after an hour"
    )]
    Keys {
        /// Its address.
        url: String,
        /// What is wrong with them.
        cause: KeysError,
    },
    /// The server cannot open what was encrypted to its key.
    #[error(
        "the prekey server could not open what the relay at {0} brought. Try again; if it stays so, use another relay"
    )]
    NotOpened(String),
    /// The answer is not from the server.
    #[error(
        "what the relay at {0} brought is no answer of the prekey server, or was changed on the way. Try again; if it \
         stays so, do not use this relay"
    )]
    Forged(String),
    /// The server takes only requests of the last minutes, so that nobody can send one again.
    #[error(
        "the clock of this machine and that of the prekey server differ by more than five minutes. Set yours right, and \
         try again"
    )]
    Clock,
    /// The server refused, and said why.
    #[error("the prekey server refused: {status} {title}")]
    Server {
        /// The HTTP status.
        status: u16,
        /// The title of its problem report, if it is one.
        title: String,
    },
}

impl Relay {
    /// The relay at this address; nothing is sent yet.
    pub(crate) fn at(url: &str) -> Self {
        let config = Agent::config_builder().timeout_global(Some(TIMEOUT)).http_status_as_error(false);
        // It passes none of them on, and need not see them either.
        let config = config.user_agent(AutoHeaderValue::None).accept(AutoHeaderValue::None);
        Self { url: url.trim_end_matches('/').to_owned(), agent: config.build().into() }
    }

    /// Its address.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// One ensemble query to the server with this fingerprint, and its answer.
    pub(crate) fn ask(&self, server: Fingerprint, message: &[u8]) -> Result<Vec<u8>, RelayError> {
        let keys = self.keys(server)?;
        let (request, awaits) = query(&keys, &encode_text(message), system::now(), &mut system::rng())
            .map_err(|cause| self.wrong(cause))?;
        let post = self.agent.post(format!("{}{REQUEST_PATH}", self.url)).content_type(REQUEST_TYPE);
        let (response, _) = self.accepted(post.send(&request))?;
        let Answer { status, content } =
            awaits.open(&response).ok_or_else(|| RelayError::Forged(self.url.clone()))?;
        if !(200..300).contains(&status) {
            return Err(refusal(status, &content));
        }
        let message = std::str::from_utf8(&content).ok().and_then(|text| decode_text(text).ok());
        message.ok_or_else(|| RelayError::Forged(self.url.clone()))
    }

    /// The server's keys, which all who use this relay get.
    fn keys(&self, server: Fingerprint) -> Result<KeyConfig, RelayError> {
        let (keys, signature) = self.accepted(self.agent.get(format!("{}{KEYS_PATH}", self.url)).call())?;
        KeyConfig::verify(server, &keys, &signature).map_err(|cause| self.wrong(cause))
    }

    fn wrong(&self, cause: KeysError) -> RelayError {
        RelayError::Keys { url: self.url.clone(), cause }
    }

    /// The content of a success, and the signature beside it if there is one.
    fn accepted(&self, answer: Result<Response<Body>, ureq::Error>) -> Result<(Vec<u8>, String), RelayError> {
        let lost = |cause| RelayError::Unreachable { url: self.url.clone(), cause: Box::new(cause) };
        let (head, mut body) = answer.map_err(lost)?.into_parts();
        let limit = u64::try_from(MAX_RESPONSE).unwrap_or(u64::MAX);
        let content = body.with_config().limit(limit).read_to_vec().map_err(lost)?;
        let url = self.url.clone();
        match head.status.as_u16() {
            200 => {
                let signature = head.headers.get(SIGNATURE).and_then(|value| value.to_str().ok());
                Ok((content, signature.unwrap_or_default().to_owned()))
            }
            422 => Err(RelayError::NotOpened(url)),
            502 | 504 => Err(RelayError::NoServer(url)),
            status => Err(RelayError::Refused { url, status, title: title(&content) }),
        }
    }
}

/// What the server said in the answer that only we can read.
fn refusal(status: u16, content: &[u8]) -> RelayError {
    #[derive(Deserialize)]
    struct Problem {
        r#type: String,
    }
    match serde_json::from_slice::<Problem>(content) {
        Ok(problem) if problem.r#type.ends_with("#date") => RelayError::Clock,
        _ => RelayError::Server { status, title: title(content) },
    }
}

/// More than the relay waits for the server.
const TIMEOUT: Duration = Duration::from_secs(40);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_clock_is_said_so_and_other_refusals_by_their_title_alone() {
        let date =
            br#"{"type":"https://iana.org/assignments/http-problem-types#date","title":"Bad Request"}"#;
        assert!(matches!(refusal(400, date), RelayError::Clock));
        let busy = r#"{"type":"about:blank","title":"Too\u001b busy"}"#;
        assert_eq!(refusal(503, busy.as_bytes()).to_string(), "the prekey server refused: 503 Too busy");
        let refused = refusal(500, b"<html>").to_string();
        assert_eq!(refused, "the prekey server refused: 500 for no reason that it gives");
    }
}
