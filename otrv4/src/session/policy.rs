//! What a user wants with one correspondent. otrv4.md "User requests to start an OTR Conversation" and the policies
//! of the client recommendations.

use crate::wire::Versions;

/// What is allowed and wished for with one correspondent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// The versions that we speak with them.
    pub versions: Versions,
    /// Never send clear text: what is typed before a conversation is encrypted waits for it.
    pub require_encryption: bool,
    /// Say in clear text, by an invisible tag, that we would rather encrypt.
    pub send_whitespace_tag: bool,
    /// Start an encrypted conversation when such a tag arrives.
    pub start_on_whitespace_tag: bool,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            versions: Versions::V4,
            require_encryption: false,
            send_whitespace_tag: false,
            start_on_whitespace_tag: true,
        }
    }
}
