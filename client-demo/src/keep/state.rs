//! What the home folder keeps, as JSON with a version, so that a person who opened it with `age` can see what is there.

use std::collections::BTreeMap;
use std::fmt;

use base64::Engine;
use base64::display::Base64Display;
use base64::prelude::BASE64_STANDARD;
use otrv4::prekey_server::ServerKey;
use otrv4::{Account, Policy};
use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use zeroize::Zeroizing;

use super::Settings;

/// Everything that outlives a process.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct State {
    /// `otrv4::Account::save`.
    pub(crate) account: Bytes,
    /// By the correspondent's account id.
    pub(crate) contacts: BTreeMap<String, Contact>,
    /// What is set of the policy for everybody.
    pub(crate) policy: Settings,
    /// What is set for some, by account id; also before there is a conversation.
    pub(crate) policies: BTreeMap<String, Settings>,
    /// The prekey server that this account uses.
    pub(crate) server: Option<Pinned>,
}

/// A correspondent.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Contact {
    /// `otrv4::Session::save`.
    pub(crate) session: Bytes,
    /// What happened and has not been shown yet, as it will be shown. The keys of texts in it are gone, so they exist
    /// here alone.
    pub(crate) unshown: Vec<Zeroizing<String>>,
    /// Lines for the network that the session counts as sent, until they are.
    pub(crate) unsent: Vec<String>,
    /// The answer of a `pipe` with this contact to its last command, until it has been given.
    pub(crate) unanswered: Vec<Zeroizing<String>>,
}

/// A prekey server and the key by which it was first known.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Pinned {
    /// Where it listens.
    pub(crate) url: String,
    /// Its name in the protocol.
    pub(crate) identity: String,
    /// Of its long-term key, 112 hex digits.
    pub(crate) fingerprint: String,
    /// What shows the server that an account there is ours.
    pub(crate) token: Option<Zeroizing<String>>,
}

/// Secret bytes: base64 in the file, wiped when dropped.
pub(crate) struct Bytes(Zeroizing<Vec<u8>>);

impl State {
    /// Of an account that has just been made.
    pub(crate) fn new(account: &Account) -> Self {
        let account = Bytes::from(account.save());
        Self {
            account,
            contacts: BTreeMap::new(),
            policy: Settings::default(),
            policies: BTreeMap::new(),
            server: None,
        }
    }

    /// The policy with a contact: what is set for them, over what is set for everybody.
    pub(crate) fn policy_with(&self, contact: &str) -> Policy {
        Settings::policy(
            &[Some(&self.policy), self.policies.get(contact)].into_iter().flatten().collect::<Vec<_>>(),
        )
    }

    /// Version and state.
    pub(crate) fn write(&self) -> Zeroizing<Vec<u8>> {
        let file = File { version: VERSION, state: self };
        // Counted first: a buffer that grows leaves copies of secrets behind.
        let mut count = Count(0);
        let mut buffer = Zeroizing::new(Vec::new());
        let written = serde_json::to_writer(&mut count, &file).and_then(|()| {
            buffer.reserve_exact(count.0);
            serde_json::to_writer(&mut *buffer, &file)
        });
        written.expect("neither a vector nor a value of this type refuses to be written");
        buffer
    }

    /// What [`State::write`] wrote.
    pub(crate) fn read(bytes: &[u8]) -> Result<Self, serde_json::Error> {
        // First: a state of another version has other fields.
        match serde_json::from_slice(bytes)? {
            Version { version: VERSION } => Ok(serde_json::from_slice::<File<Self>>(bytes)?.state),
            Version { version } => Err(serde_json::Error::custom(format!(
                "its version is {version}, and this program reads only {VERSION}: use the program that wrote it, or begin \
                 anew with another --home"
            ))),
        }
    }
}

#[derive(Serialize, Deserialize)]
struct File<S> {
    version: u32,
    state: S,
}

/// Of any version.
#[derive(Deserialize)]
struct Version {
    version: u32,
}

struct Count(usize);

impl std::io::Write for Count {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Contact {
    /// Nothing said yet; for the first [`State`] with this contact, which sets the session.
    pub(crate) fn new() -> Self {
        Self {
            session: Bytes::from(Vec::new()),
            unshown: Vec::new(),
            unsent: Vec::new(),
            unanswered: Vec::new(),
        }
    }
}

impl Pinned {
    /// The server as it is known; nothing if what was kept is no fingerprint.
    pub(crate) fn key(&self) -> Option<ServerKey> {
        Some(ServerKey::new(&self.identity, self.fingerprint.parse().ok()?))
    }
}

impl Bytes {
    /// The bytes.
    pub(crate) fn as_slice(&self) -> &[u8] {
        &self.0
    }
}

impl From<Vec<u8>> for Bytes {
    fn from(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }
}

impl From<Zeroizing<Vec<u8>>> for Bytes {
    fn from(bytes: Zeroizing<Vec<u8>>) -> Self {
        Self(bytes)
    }
}

impl Serialize for Bytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&Base64Display::new(&self.0, &BASE64_STANDARD))
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl Visitor<'_> for Text {
            type Value = Bytes;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("base64")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Bytes, E> {
                BASE64_STANDARD.decode(text).map(Bytes::from).map_err(|_| E::custom("not base64"))
            }
        }
        deserializer.deserialize_str(Text)
    }
}

const VERSION: u32 = 3;

#[cfg(test)]
mod tests {
    use super::*;

    fn state() -> State {
        let contact = Contact {
            session: Bytes::from(vec![0, 255, 7]),
            unshown: vec![Zeroizing::new("a \"quoted\" text\nof two lines".to_owned())],
            unsent: vec!["?OTR:".to_owned()],
            unanswered: vec![Zeroizing::new("plain hello".to_owned())],
        };
        let server = Pinned {
            url: "http://127.0.0.1:7448".to_owned(),
            identity: "prekey.example.org".to_owned(),
            fingerprint: "10".to_owned(),
            token: Some(Zeroizing::new("token".to_owned())),
        };
        State {
            account: Bytes::from(vec![1; 1000]),
            contacts: BTreeMap::from([("Zoë".to_owned(), contact)]),
            policy: Settings::default(),
            policies: BTreeMap::from([("Zoë".to_owned(), Settings::default())]),
            server: Some(server),
        }
    }

    #[test]
    fn what_was_written_is_read() {
        let bytes = state().write();
        let again = State::read(&bytes).expect("read");
        assert_eq!(again.write(), bytes);
        assert_eq!(again.account.as_slice(), [1; 1000]);
        assert_eq!(again.contacts["Zoë"].unshown[0].as_str(), "a \"quoted\" text\nof two lines");
    }

    #[test]
    fn the_buffer_never_grew() {
        let bytes = state().write();
        assert_eq!(bytes.capacity(), bytes.len());
    }

    #[test]
    fn another_version_and_other_fields_are_refused() {
        let text = String::from_utf8(state().write().to_vec()).expect("JSON");
        for (from, to) in
            [("\"version\":3", "\"version\":4"), ("\"server\":", "\"servant\":"), ("AQEB", "?QEB")]
        {
            assert!(text.contains(from));
            assert!(State::read(text.replacen(from, to, 1).as_bytes()).is_err());
        }
        let old = State::read(br#"{"version":2,"state":{"what":"it held"}}"#).err().expect("refused");
        assert!(old.to_string().contains("its version is 2"), "{old}");
    }
}
