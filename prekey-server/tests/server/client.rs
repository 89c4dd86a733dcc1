//! A client of the prekey server, for the tests: the library's client role over plain HTTP.

use otrv4::Timestamp;
use otrv4::client_profile::{ClientProfile, VerifiedClientProfile};
use otrv4::keys::{Fingerprint, ForgingKey, ForgingSecret, LongTermKey, SharedPrekey};
use otrv4::prekey::{PrekeyEnsemble, PrekeySecret};
use otrv4::prekey_profile::{PrekeyProfile, VerifiedPrekeyProfile};
use otrv4::prekey_server::{
    AwaitReply, PublishRequest, Publisher, ServerKey, ServerReply, decode_text, encode_text, ensemble_query,
    read_ensembles,
};
use otrv4::wire::{InstanceTag, Versions};
use rand_core::{CryptoRng, UnwrapErr};
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::io::ErrorKind;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use ureq::http::{HeaderMap, Response};

/// The year 2100: the tests are not about expiry.
pub(crate) const EXPIRES: Timestamp = Timestamp::from_unix(4_102_444_800);

pub(crate) fn rng() -> impl CryptoRng {
    UnwrapErr(getrandom::SysRng)
}

/// One server, wherever it listens at the moment, or two that share a database.
#[derive(Clone, Debug)]
pub(crate) struct Http {
    agent: ureq::Agent,
    bases: Arc<Mutex<VecDeque<String>>>,
    headers: Vec<(String, String)>,
}

/// One HTTP response.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).expect("a JSON body")
    }
}

/// There is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoAnswer {
    /// Nobody listens: nothing has happened.
    Unreachable,
    /// The connection broke: the server may have done what was asked.
    Lost,
    /// A problem with this status: the server refused.
    Refused(u16),
}

impl Http {
    pub(crate) fn new(base: &str) -> Self {
        let agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(Duration::from_secs(60)))
            .build()
            .new_agent();
        Self { agent, bases: Arc::new(Mutex::new([base.to_owned()].into())), headers: Vec::new() }
    }

    /// The same server, asked with one more header each time.
    pub(crate) fn with_header(&self, name: &str, value: &str) -> Self {
        let mut with = self.clone();
        with.headers.push((name.to_owned(), value.to_owned()));
        with
    }

    /// The same server, asked from another address, as a proxy says.
    pub(crate) fn at_address(&self, address: &str) -> Self {
        self.with_header("X-Forwarded-For", address)
    }

    /// Two servers, one request to each in turn.
    pub(crate) fn between(one: &str, other: &str) -> Self {
        let http = Self::new(one);
        http.bases.lock().expect("no panic").push_back(other.to_owned());
        http
    }

    /// The server has been started again somewhere else.
    pub(crate) fn moved_to(&self, base: &str) {
        *self.bases.lock().expect("no panic") = [base.to_owned()].into();
    }

    fn url(&self, path: &str) -> String {
        let mut bases = self.bases.lock().expect("no panic");
        bases.rotate_left(1);
        format!("{}{path}", bases[0])
    }

    pub(crate) fn get(&self, path: &str) -> Result<Answer, NoAnswer> {
        let request = self.agent.get(self.url(path));
        read(self.headers.iter().fold(request, |request, (name, value)| request.header(name, value)).call())
    }

    pub(crate) fn post(&self, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Result<Answer, NoAnswer> {
        let request = self.agent.post(self.url(path));
        let request = self.headers.iter().fold(request, |request, (name, value)| request.header(name, value));
        read(headers.iter().fold(request, |request, (name, value)| request.header(*name, *value)).send(body))
    }

    /// Registers the identity and gives its token.
    pub(crate) fn register(&self, identity: &str) -> String {
        let body = json!({ "identity": identity }).to_string();
        let answer = self.post("/v1/accounts", &[("Content-Type", "application/json")], body.as_bytes());
        let answer = answer.expect("an answer");
        assert_eq!(answer.status, 201, "{answer:?}");
        answer.json()["token"].as_str().expect("a token").to_owned()
    }

    pub(crate) fn message(&self, token: Option<&str>, message: &[u8]) -> Result<Answer, NoAnswer> {
        let bearer = token.map(|token| format!("Bearer {token}"));
        let mut headers = vec![("Content-Type", "text/plain")];
        headers.extend(bearer.as_deref().map(|bearer| ("Authorization", bearer)));
        self.post("/v1/messages", &headers, encode_text(message).as_bytes())
    }

    /// The protocol's answer to a message.
    pub(crate) fn exchange(&self, token: Option<&str>, message: &[u8]) -> Result<Vec<u8>, NoAnswer> {
        let answer = self.message(token, message)?;
        if answer.status != 200 {
            return Err(NoAnswer::Refused(answer.status));
        }
        Ok(decode_text(&answer.body).expect("an encoded message"))
    }

    /// What the server says its key is.
    pub(crate) fn server_key(&self) -> ServerKey {
        let server = self.get("/v1/server").expect("an answer").json();
        let fingerprint: Fingerprint =
            server["fingerprint"].as_str().expect("text").parse().expect("a fingerprint");
        ServerKey::new(server["identity"].as_str().expect("text"), fingerprint)
    }

    /// Asks for somebody's ensembles.
    pub(crate) fn fetch(&self, identity: &str) -> Result<Vec<PrekeyEnsemble>, NoAnswer> {
        let tag = InstanceTag::random(&mut rng());
        let answer = self.exchange(None, &ensemble_query(tag, identity, Versions::V4))?;
        Ok(read_ensembles(&answer, tag, identity).expect("ensembles"))
    }
}

fn read(answer: Result<Response<ureq::Body>, ureq::Error>) -> Result<Answer, NoAnswer> {
    let (head, mut body) = answer
        .map_err(|error| match error {
            ureq::Error::Io(error) if error.kind() == ErrorKind::ConnectionRefused => NoAnswer::Unreachable,
            _ => NoAnswer::Lost,
        })?
        .into_parts();
    let body = body.read_to_string().map_err(|_| NoAnswer::Lost)?;
    Ok(Answer { status: head.status.as_u16(), headers: head.headers, body })
}

/// One client of an account, with all its secrets.
pub(crate) struct Device {
    pub(crate) tag: InstanceTag,
    identity: String,
    token: String,
    server: ServerKey,
    key: LongTermKey,
    shared: SharedPrekey,
    client_profile: VerifiedClientProfile,
    prekey_profile: VerifiedPrekeyProfile,
}

impl Device {
    /// A new client with keys of its own, that trusts the server at first sight.
    pub(crate) fn new(http: &Http, identity: &str, token: &str) -> Self {
        Self::with_tag(http, identity, token, InstanceTag::random(&mut rng()))
    }

    /// With an instance tag that another client had.
    pub(crate) fn with_tag(http: &Http, identity: &str, token: &str, tag: InstanceTag) -> Self {
        Self::until(http, identity, token, tag, EXPIRES)
    }

    /// With profiles that end then.
    pub(crate) fn until(
        http: &Http,
        identity: &str,
        token: &str,
        tag: InstanceTag,
        expires: Timestamp,
    ) -> Self {
        Self::trusting(http.server_key(), identity, token, tag, expires)
    }

    /// Of a server that has this key.
    pub(crate) fn trusting(
        server: ServerKey,
        identity: &str,
        token: &str,
        tag: InstanceTag,
        expires: Timestamp,
    ) -> Self {
        let key = LongTermKey::generate(&mut rng());
        let forging = ForgingKey::generate(ForgingSecret::Destroy, &mut rng());
        let shared = SharedPrekey::generate(&mut rng());
        Self {
            tag,
            identity: identity.to_owned(),
            token: token.to_owned(),
            server,
            client_profile: ClientProfile::sign(&key, forging.public(), tag, expires, None),
            prekey_profile: PrekeyProfile::sign(&key, tag, shared.public(), expires),
            key,
            shared,
        }
    }

    /// The same client with new profiles, which do not end.
    pub(crate) fn renewed(self) -> Self {
        let forging = ForgingKey::generate(ForgingSecret::Destroy, &mut rng());
        Self {
            client_profile: ClientProfile::sign(&self.key, forging.public(), self.tag, EXPIRES, None),
            prekey_profile: PrekeyProfile::sign(&self.key, self.tag, self.shared.public(), EXPIRES),
            ..self
        }
    }

    /// Publishes both profiles and these prekeys.
    pub(crate) fn publish(&self, http: &Http, prekeys: &[PrekeySecret]) -> Result<ServerReply, NoAnswer> {
        self.ask(http, self.publication(&prekeys.iter().collect::<Vec<_>>()))
    }

    /// Both profiles and these prekeys.
    pub(crate) fn publication<'a>(&'a self, prekeys: &'a [&'a PrekeySecret]) -> PublishRequest<'a> {
        PublishRequest::Publish {
            client_profile: Some(&self.client_profile),
            prekey_profile: Some((&self.prekey_profile, &self.shared)),
            prekeys,
        }
    }

    /// Publishes prekeys alone.
    pub(crate) fn refill(&self, http: &Http, prekeys: &[PrekeySecret]) -> Result<ServerReply, NoAnswer> {
        self.ask(
            http,
            PublishRequest::Publish {
                client_profile: None,
                prekey_profile: None,
                prekeys: &prekeys.iter().collect::<Vec<_>>(),
            },
        )
    }

    /// How many prekeys are left.
    pub(crate) fn count(&self, http: &Http) -> Result<ServerReply, NoAnswer> {
        self.ask(http, PublishRequest::StorageInformation)
    }

    fn ask(&self, http: &Http, request: PublishRequest<'_>) -> Result<ServerReply, NoAnswer> {
        let (publisher, dake1) = self.start();
        let dake2 = http.exchange(Some(&self.token), &dake1)?;
        let (awaits, dake3) = self.go_on(publisher, &dake2, request);
        let reply = http.exchange(Some(&self.token), &dake3)?;
        Ok(awaits.receive(&reply).expect("an authenticated answer"))
    }

    /// Begins an exchange; gives DAKE-1.
    pub(crate) fn start(&self) -> (Publisher, Vec<u8>) {
        Publisher::start(&self.client_profile, &self.identity, &mut rng())
    }

    /// Takes DAKE-2; gives DAKE-3.
    pub(crate) fn go_on(
        &self,
        publisher: Publisher,
        dake2: &[u8],
        request: PublishRequest<'_>,
    ) -> (AwaitReply, Vec<u8>) {
        publisher.receive_dake2(dake2, &self.server, &self.key, request, &mut rng()).expect("a valid DAKE-2")
    }
}

/// New prekeys with these ids.
pub(crate) fn prekeys(ids: impl IntoIterator<Item = u32>) -> Vec<PrekeySecret> {
    ids.into_iter().map(|id| PrekeySecret::generate(&mut rng(), id)).collect()
}
