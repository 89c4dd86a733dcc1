//! The recorded sessions of `conformance/vectors`, for the tests of this folder.

use serde_json::Value;

use crate::vectors::v3_file;
use crate::wire::unarmour;

/// A recorded session.
pub(super) struct Session {
    pub(super) name: &'static str,
    pub(super) messages: Vec<Value>,
}

/// Those of both versions.
pub(super) fn sessions() -> Vec<Session> {
    let file = v3_file();
    let session = |name| {
        let messages = file["sessions"][name]["messages"].as_array().expect("messages").clone();
        Session { name, messages }
    };
    vec![session("v3"), session("v2")]
}

impl Session {
    /// The only message of that kind.
    pub(super) fn only(&self, kind: &str) -> &Value {
        let mut found = self.messages.iter().filter(|m| m["kind"] == kind);
        let first = found.next().expect("a message of that kind");
        assert!(found.next().is_none(), "one {kind}");
        first
    }

    pub(super) fn data(&self) -> Vec<&Value> {
        let found: Vec<_> = self.messages.iter().filter(|m| m["kind"] == "data").collect();
        assert!(found.len() > 10, "the data messages of {}", self.name);
        found
    }
}

/// The data messages of both sessions.
pub(super) fn data_messages() -> Vec<Value> {
    sessions().iter().flat_map(|session| session.data().into_iter().cloned().collect::<Vec<_>>()).collect()
}

/// The bytes of a message, from its line.
pub(super) fn raw(message: &Value) -> Vec<u8> {
    unarmour(message["wire"].as_str().expect("a line")).expect("an encoded message")
}
