//! The prekey server over HTTP: who it is, an account there, and one message of the prekey protocol for another. The
//! server is not trusted: what it says about itself is believed only if it fits the fingerprint that was pinned.

use std::time::Duration;

use otrv4::keys::Fingerprint;
use otrv4::prekey_server::{ServerKey, decode_text, encode_text};
use prekey_server::padding::{PUBLISHING, QUERIES, pad};
use rand_core::Rng;
use serde::{Deserialize, Serialize};
use ureq::http::Response;
use ureq::{Agent, Body};
use zeroize::Zeroizing;

use crate::system;

/// A prekey server at an address.
pub(crate) struct PrekeyServer {
    url: String,
    agent: Agent,
}

/// Why the server did not do what was asked of it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PrekeyError {
    /// No answer, or none that is HTTP.
    #[error(
        "no answer from the prekey server at {url}: {cause}\nIs the address right, and is the server running?"
    )]
    Unreachable {
        /// Its address.
        url: String,
        /// What the HTTP client says.
        cause: Box<ureq::Error>,
    },
    /// Somebody else has registered the name.
    #[error(
        "the prekey server knows another client under the name {0}.\nIf that is you on another device: a name has one \
         client there in this version. If not, use another name or another server."
    )]
    NameTaken(String),
    /// It refused, and said why.
    #[error("the prekey server refused: {status} {title}")]
    Refused {
        /// The HTTP status.
        status: u16,
        /// The title of its problem report, if it is one.
        title: String,
    },
    /// An answer that makes no sense.
    #[error("the prekey server's answer makes no sense: {0}")]
    Nonsense(&'static str),
}

impl PrekeyServer {
    /// The server at this address; nothing is sent yet.
    pub(crate) fn at(url: &str) -> Self {
        let agent =
            Agent::config_builder().timeout_global(Some(TIMEOUT)).http_status_as_error(false).build().into();
        Self { url: url.trim_end_matches('/').to_owned(), agent }
    }

    /// Its address.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// `GET /v1/server`: the name and fingerprint that it claims.
    pub(crate) fn identify(&self) -> Result<ServerKey, PrekeyError> {
        #[derive(Deserialize)]
        struct Server {
            identity: String,
            fingerprint: String,
        }
        let response = self.answer(self.agent.get(self.address("server")).call())?;
        let server: Server = serde_json::from_str(&self.text(accepted(response)?)?)
            .map_err(|_| PrekeyError::Nonsense("it does not say who it is"))?;
        let fingerprint: Fingerprint =
            server.fingerprint.parse().map_err(|_| PrekeyError::Nonsense("its fingerprint is none"))?;
        Ok(ServerKey::new(&server.identity, fingerprint))
    }

    /// `POST /v1/accounts`: registers the name; the token shows later that it is ours.
    pub(crate) fn register(&self, identity: &str) -> Result<Zeroizing<String>, PrekeyError> {
        #[derive(Serialize)]
        struct Ask<'a> {
            identity: &'a str,
        }
        #[derive(Deserialize)]
        struct Given {
            token: Zeroizing<String>,
        }
        let response = self.answer(self.agent.post(self.address("accounts")).send_json(Ask { identity }))?;
        if response.status() == 409 {
            return Err(PrekeyError::NameTaken(identity.to_owned()));
        }
        let text = Zeroizing::new(self.text(accepted(response)?)?);
        let given: Given = serde_json::from_str(&text)
            .map_err(|_| PrekeyError::Nonsense("it gives no token for the account"))?;
        Ok(given.token)
    }

    /// `POST /v1/messages`: one message of whoever has the token in, one out. Who sees the length of what is sent learns
    /// neither what step it is nor how many prekeys are in it.
    pub(crate) fn exchange(&self, message: &[u8], token: &str) -> Result<Vec<u8>, PrekeyError> {
        let text = pad(encode_text(message), &PUBLISHING);
        self.send(&text, &[("authorization", &Zeroizing::new(format!("Bearer {token}")))])
    }

    /// The same for an ensemble query, which needs no token. If the connection breaks, it is asked once more with the same
    /// key: the server gives the answer that was lost, and no other prekey. Queries for all names have one length.
    pub(crate) fn query(&self, message: &[u8]) -> Result<Vec<u8>, PrekeyError> {
        let text = pad(encode_text(message), &QUERIES);
        let key = [(); 2].map(|()| format!("{:016x}", system::rng().next_u64())).concat();
        let ask = || self.send(&text, &[("idempotency-key", &key)]);
        match ask() {
            Err(PrekeyError::Unreachable { .. }) => ask(),
            answer => answer,
        }
    }

    fn send(&self, text: &str, headers: &[(&str, &str)]) -> Result<Vec<u8>, PrekeyError> {
        let request = self.agent.post(self.address("messages")).content_type("text/plain");
        let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        let response = self.answer(request.send(text))?;
        let text = self.text(accepted(response)?)?;
        decode_text(&text).map_err(|_| PrekeyError::Nonsense("no message of the prekey protocol"))
    }

    fn address(&self, what: &str) -> String {
        format!("{}/v1/{what}", self.url)
    }

    fn answer(&self, answer: Result<Response<Body>, ureq::Error>) -> Result<Response<Body>, PrekeyError> {
        answer.map_err(|cause| PrekeyError::Unreachable { url: self.url.clone(), cause: Box::new(cause) })
    }

    fn text(&self, response: Response<Body>) -> Result<String, PrekeyError> {
        read(response)
            .map_err(|cause| PrekeyError::Unreachable { url: self.url.clone(), cause: Box::new(cause) })
    }
}

/// A success, or the title of the problem report (RFC 9457).
fn accepted(response: Response<Body>) -> Result<Response<Body>, PrekeyError> {
    let status = response.status();
    if status.is_success() {
        return Ok(response);
    }
    let title = title(read(response).unwrap_or_default().as_bytes());
    Err(PrekeyError::Refused { status: status.as_u16(), title })
}

/// The title of a problem report, as it can be shown.
pub(crate) fn title(report: &[u8]) -> String {
    #[derive(Deserialize)]
    struct Problem {
        title: String,
    }
    let problem = serde_json::from_slice::<Problem>(report);
    let title = problem.map_or_else(|_| "for no reason that it gives".to_owned(), |problem| problem.title);
    title.chars().filter(|c| !c.is_control()).take(MAX_TITLE).collect()
}

fn read(mut response: Response<Body>) -> Result<String, ureq::Error> {
    response.body_mut().with_config().limit(MAX_ANSWER).read_to_string()
}

const TIMEOUT: Duration = Duration::from_secs(30);

/// Bytes of an answer: the largest size that answers have, and the one that shows that nothing follows.
const MAX_ANSWER: u64 = 1024 * 1024 + 1;

/// Characters of a title that are shown.
const MAX_TITLE: usize = 200;

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader, Read, Write};
    use std::net::TcpListener;
    use std::thread;

    use super::*;

    /// A server that gives each request the next of these answers.
    fn answering(answers: Vec<String>) -> PrekeyServer {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}/", listener.local_addr().expect("an address"));
        thread::spawn(move || {
            for answer in answers {
                let (mut stream, _) = listener.accept().expect("a client");
                let mut request = [0; 4096];
                _ = stream.read(&mut request).expect("a request");
                stream.write_all(answer.as_bytes()).expect("an answer");
            }
        });
        PrekeyServer::at(&url)
    }

    fn http(status: &str, body: &str) -> String {
        format!("HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}", body.len())
    }

    #[test]
    fn a_refusal_is_shown_by_its_title_alone() {
        let problem = r#"{"type":"about:blank","title":"No\u001b[2J such account","detail":"x"}"#;
        let server = answering(vec![http("401 Unauthorized", problem), http("500 Oh", "<html>")]);
        let refused = server.exchange(b"", "t").expect_err("refused");
        assert_eq!(refused.to_string(), "the prekey server refused: 401 No[2J such account");
        let refused = server.exchange(b"", "t").expect_err("refused");
        assert_eq!(refused.to_string(), "the prekey server refused: 500 for no reason that it gives");
    }

    #[test]
    fn a_name_that_is_taken_is_said_so() {
        let server = answering(vec![
            http("409 Conflict", "{}"),
            http("201 Created", r#"{"identity":"b","token":"t"}"#),
        ]);
        assert!(matches!(server.register("bob@example.org"), Err(PrekeyError::NameTaken(_))));
        assert_eq!(server.register("b").expect("registered").as_str(), "t");
    }

    #[test]
    fn answers_without_sense_are_refused() {
        let answers = ["", "{}", r#"{"identity":"x","fingerprint":"y"}"#].map(|body| http("200 OK", body));
        let server = answering(answers.to_vec());
        for _ in 0..3 {
            assert!(matches!(server.identify(), Err(PrekeyError::Nonsense(_))));
        }
        let server = answering(vec![http("200 OK", "not base64")]);
        assert!(matches!(server.exchange(b"", "t"), Err(PrekeyError::Nonsense(_))));
    }

    #[test]
    fn a_query_whose_answer_is_lost_is_asked_once_more_with_the_same_key() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let server = PrekeyServer::at(&format!("http://{}", listener.local_addr().expect("an address")));
        let requests = thread::spawn(move || {
            [String::new(), http("200 OK", &encode_text(b"an answer"))].map(|answer| {
                let (mut stream, _) = listener.accept().expect("a client");
                let mut request = [0; 4096];
                let length = stream.read(&mut request).expect("a request");
                stream.write_all(answer.as_bytes()).expect("an answer");
                let request = String::from_utf8_lossy(&request[..length]).to_lowercase();
                let key = request.lines().find_map(|line| line.strip_prefix("idempotency-key: "));
                key.expect("a key").to_owned()
            })
        });
        assert_eq!(server.query(b"a question").expect("an answer"), b"an answer");
        let [first, second] = requests.join().expect("two requests");
        assert_eq!(first, second);
        assert_eq!(first.len(), 32);
    }

    #[test]
    fn requests_go_up_to_a_size_and_padded_answers_are_read() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let server = PrekeyServer::at(&format!("http://{}", listener.local_addr().expect("an address")));
        let lengths = thread::spawn(move || {
            [16 << 10, 1 << 20, 1 << 20].map(|size| {
                let (mut stream, _) = listener.accept().expect("a client");
                let mut request = BufReader::new(stream.try_clone().expect("a socket"));
                let head = request.by_ref().lines().map(|line| line.expect("a line").to_lowercase());
                let head: Vec<_> = head.take_while(|line| !line.is_empty()).collect();
                let length = head.iter().find_map(|line| line.strip_prefix("content-length: "));
                let length: usize = length.and_then(|length| length.parse().ok()).expect("a length");
                request.read_exact(&mut vec![0; length]).expect("a body");
                let answer = http("200 OK", &pad(encode_text(b"an answer"), &[size]));
                stream.write_all(answer.as_bytes()).expect("a listener");
                length
            })
        });
        assert_eq!(server.query(b"a question").expect("an answer"), b"an answer");
        for message in [&b"first"[..], &[7; 40_000]] {
            assert_eq!(server.exchange(message, "t").expect("an answer"), b"an answer");
        }
        assert_eq!(lengths.join().expect("three requests"), [1 << 10, 64 << 10, 64 << 10]);
    }

    #[test]
    fn a_flood_is_cut_off() {
        let server = answering(vec![http("200 OK", &"A".repeat(2 * 1024 * 1024))]);
        assert!(server.exchange(b"", "t").is_err());
    }

    #[test]
    fn silence_is_an_error_that_names_the_address() {
        let server = answering(vec![String::new()]);
        let error = server.identify().expect_err("no answer").to_string();
        assert!(error.contains(server.url()), "{error}");
    }
}
