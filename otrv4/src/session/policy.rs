//! What a user wants with one correspondent. Spec: otrv4.md "OTRv4 Modes" with the folder `modes/`, "Session
//! Expiration", and "Defining OTRv4 policies" of the recommendations for client implementers. Used by
//! [`super::Session`]; a client keeps one policy for everybody and others for some.

use crate::Mode;
use crate::wire::{Padding, Versions};

/// What is allowed and wished for with one correspondent.
///
/// | flag of the recommendations | here |
/// |---|---|
/// | `ALLOW_V3`, `ALLOW_V4`, `ALLOW_V34` | [`Self::versions`] |
/// | `REQUIRE_ENCRYPTION` | [`Self::require_encryption`] |
/// | `SEND_WHITESPACE_TAG` | [`Self::send_whitespace_tag`] |
/// | `WHITESPACE_START_DAKE` | [`Self::start_on_whitespace_tag`] |
/// | `ERROR_START_DAKE` | [`Self::start_on_error`] |
/// | `OTRNG_REQUIRE_INTERACTIVE` | [`Self::require_interactive`] |
/// | `OTRNG_IDENTITY_START_DAKE` | [`Self::start_on_identity`] |
/// | `OTRNG_REQUIRE_AUTHENTICATED` | [`Self::require_authenticated`] |
///
/// Not of the recommendations: [`Self::allow_v2`], [`Self::allow_fallback`], and how messages and keys are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Which of the three modes of the text this is.
    pub operation: OperationMode,
    /// The versions that we speak with them; in other modes than [`OperationMode::V3Compatible`] version 4 alone. Version 3
    /// needs a key of its own, too: [`crate::Account::set_v3_key`]. Version 2 is not among them but in [`Self::allow_v2`].
    pub versions: Versions,
    /// Speak version 2 with them, too, if nothing newer is possible: for clients that were written before 2012 or have not
    /// changed since.
    pub allow_v2: bool,
    /// Speak an older version than 4 with them although they are known to speak version 4, such as when they sit at a client
    /// that cannot. Without it nobody on the way can bring a conversation down. spec-notes/SN-039
    pub allow_fallback: bool,
    /// Never send clear text: what is typed before a conversation is encrypted waits for it.
    pub require_encryption: bool,
    /// Say in clear text, by an invisible tag, that we would rather encrypt.
    pub send_whitespace_tag: bool,
    /// Start an encrypted conversation when such a tag arrives.
    pub start_on_whitespace_tag: bool,
    /// Start one, or refresh the keys of the one that runs, when an error message arrives; at most once a minute, since
    /// anybody can write such a message.
    pub start_on_error: bool,
    /// No offline conversations: none is started, and none that they start is taken.
    pub require_interactive: bool,
    /// Answer an Identity message, or a D-H Commit message of an older version, that nobody here has asked for.
    pub start_on_identity: bool,
    /// Only talk to keys that our user has verified: by hand or by SMP. A new contact has to be verified by hand first.
    pub require_authenticated: bool,
    /// How messages hide their length.
    pub padding: Padding,
    /// How long keys live when no new ones are made.
    pub expiry: Expiry,
    /// Answer a message with an empty one when our user has sent nothing for that many seconds, so that keys are renewed
    /// and MAC keys revealed also by somebody who only listens. It acts as a receipt: our correspondent learns that a message
    /// has arrived.
    pub heartbeat_after: Option<u32>,
}

/// The modes of the text; `modes/` in the repository of the specification.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OperationMode {
    /// "OTRv3-compatible": knows clear text, query messages and whitespace tags, and older versions if allowed.
    V3Compatible,
    /// "OTRv4-standalone": always encrypted, and version 4 only. Clear text from the network is handed over with a
    /// warning, and none is sent.
    Standalone,
    /// "OTRv4-interactive-only": as standalone, without offline conversations. An account that never makes prekeys has
    /// no shared prekey either.
    InteractiveOnly,
}

/// Seconds after which a conversation expires in which our side has made no new ECDH key, that is, in which they did
/// not answer. Then its keys are deleted, and so are keys of messages that have been missing for as long: what somebody
/// has recorded on the way and could not be read by us until then will not be read by a thief of the device either.
///
/// Two hours online: whoever is there answers within a conversation's pause, and heartbeats do for those who only
/// listen. Two weeks after an offline start: the messenger may hold the message while the other is away, and what
/// they answer has to find its keys; a profile, and so an unused prekey, lives for a week.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expiry {
    /// For conversations that began while both were there.
    pub online: u32,
    /// For those that began while one was away.
    pub offline: u32,
}

impl Default for Expiry {
    fn default() -> Self {
        Self { online: 2 * HOUR, offline: 14 * 24 * HOUR }
    }
}

impl Expiry {
    /// For a conversation that began so.
    pub(crate) fn of(self, mode: Mode) -> i64 {
        i64::from(match mode {
            Mode::Interactive => self.online,
            Mode::Offline => self.offline,
        })
    }
}

/// The OTRv3-compatible mode, "considered the default".
impl Default for Policy {
    fn default() -> Self {
        Self {
            operation: OperationMode::V3Compatible,
            versions: Versions::V34,
            allow_v2: false,
            allow_fallback: false,
            require_encryption: false,
            send_whitespace_tag: false,
            start_on_whitespace_tag: true,
            start_on_error: false,
            require_interactive: false,
            start_on_identity: true,
            require_authenticated: false,
            padding: Padding::Off,
            expiry: Expiry::default(),
            heartbeat_after: Some(60),
        }
    }
}

impl Policy {
    /// The default of the OTRv4-standalone mode.
    pub fn standalone() -> Self {
        Self { operation: OperationMode::Standalone, require_encryption: true, ..Self::default() }
    }

    /// The default of the OTRv4-interactive-only mode.
    pub fn interactive_only() -> Self {
        Self { operation: OperationMode::InteractiveOnly, require_interactive: true, ..Self::standalone() }
    }

    /// What we offer, with a key of version 3 or without.
    pub(crate) fn allowed_versions(&self, v3_key: bool) -> Versions {
        let old = v3_key && self.operation == OperationMode::V3Compatible;
        let all = [(2, old && self.allow_v2), (3, old && self.versions.contains(3)), (4, self.allows_4())];
        let allowed = all.into_iter().filter(|(_, allowed)| *allowed);
        allowed.fold(Versions::EMPTY, |versions, (version, _)| versions.with(version))
    }

    pub(crate) fn allows_4(&self) -> bool {
        self.versions.contains(4)
    }

    /// Whether query messages, whitespace tags and clear text belong to the protocol.
    pub(crate) fn knows_clear_text(&self) -> bool {
        self.operation == OperationMode::V3Compatible
    }

    /// Whether clear text may leave at all.
    pub(crate) fn may_send_clear_text(&self) -> bool {
        self.knows_clear_text() && !self.require_encryption
    }

    pub(crate) fn allows_offline(&self) -> bool {
        !self.require_interactive && self.operation != OperationMode::InteractiveOnly
    }
}

const HOUR: u32 = 60 * 60;
