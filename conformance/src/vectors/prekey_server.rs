//! The prekey protocol: what needs no session of it.

use otrv4::inside::primitives::over_bytes as ours;
use otrv4::prekey_server::{ServerIdentity, cut_text};
use otrv4::wire::InstanceTag;
use serde_json::json;

use super::values::Fields;

/// Whether our outputs are those of the vector.
pub(super) fn equal(kind: &str, v: &Fields<'_>) -> Option<bool> {
    match kind {
        "server_fingerprint" => {
            let sym = v.bytes("sym")?;
            let server = ServerIdentity::new("prekey.example.org", sym.as_slice().try_into().ok()?);
            let (_, public) = ours::key_pair(&sym)?;
            v.gives_all(&[("H", &public), ("fingerprint", server.fingerprint().as_bytes())])
        }
        "prekey_fragment" => {
            let tag = |name: &str| Some(InstanceTag::new(v.number(name)?));
            let (size, identifier) = (v.number("max_size")?, v.number("identifier")?);
            let lines =
                cut_text(v.text("message")?, size, identifier, tag("sender_tag")?, tag("receiver_tag")?);
            Some(lines.is_ok_and(|lines| v.outputs.get("pieces") == &json!(lines)))
        }
        _ => None,
    }
}
