//! The other end: our library, as the correspondent of the program under test.

use std::collections::VecDeque;

use otrv4::keys::{DsaKey, ForgingSecret};
use otrv4::libotr::read_private_keys;
use otrv4::wire::{InstanceTag, Padding, Version, Versions};
use otrv4::{
    Account, ContactKey, Context, Event, Lifetimes, Output, Policy, Protection, Refused, Session, Timestamp,
};

/// When cases begin.
pub(crate) const START: i64 = 1_800_000_000;
/// The account of the program under test.
pub(crate) const THEM: &str = "bob@example.org";
/// Ours.
pub(crate) const US: &str = "alice@example.org";

/// One client of ours.
pub(crate) struct Correspondent {
    pub(crate) account: Account,
    pub(crate) session: Session,
    pub(crate) now: Timestamp,
    /// What it wants on the network.
    pub(crate) sent: VecDeque<String>,
    /// What it was told.
    pub(crate) events: Vec<Event>,
    /// What it drew from the generator, in order: the secrets of its keys are among that.
    pub(crate) drawn: Vec<Vec<u8>>,
}

impl Correspondent {
    /// It speaks these versions and no others.
    pub(crate) fn new(versions: &[Version]) -> Self {
        Self::at(Timestamp::from_unix(START), versions)
    }

    /// The same with another clock.
    pub(crate) fn at(now: Timestamp, versions: &[Version]) -> Self {
        let account = Account::new(US, ForgingSecret::Destroy, Lifetimes::default(), &mut rng(), now);
        let allow_v2 = versions.contains(&Version::V2);
        let newer = versions.iter().filter(|version| **version != Version::V2);
        let versions = newer.fold(Versions::EMPTY, |all, version| all.with(version.number()));
        let policy =
            Policy { versions, allow_v2, padding: Padding::Off, heartbeat_after: None, ..Policy::default() };
        let session = Session::new(THEM, policy);
        let mut us =
            Self { account, session, now, sent: VecDeque::new(), events: Vec::new(), drawn: Vec::new() };
        if allow_v2 || versions.contains(3) {
            us.account.set_v3_key(Some(v3_key()), &mut rng(), now);
        }
        us
    }

    /// The same client, which remembers no conversation.
    pub(crate) fn without_conversations(&mut self) -> Self {
        let account = Account::load(&self.account.save()).expect("what it has just saved");
        let session = Session::new(THEM, *self.session.policy());
        Self { account, session, now: self.now, sent: VecDeque::new(), events: Vec::new(), drawn: Vec::new() }
    }

    /// Does something, and performs the outputs.
    pub(crate) fn act(&mut self, act: impl FnOnce(&mut Session, &mut Context<'_>) -> Vec<Output>) {
        _ = self.attempt(|session, cx| Ok(act(session, cx)));
    }

    /// The same, where it may be refused.
    pub(crate) fn attempt(
        &mut self,
        act: impl FnOnce(&mut Session, &mut Context<'_>) -> Result<Vec<Output>, Refused>,
    ) -> Result<(), Refused> {
        let mut rng = Recording { drawn: &mut self.drawn };
        let mut cx = Context { account: &mut self.account, rng: &mut rng, now: self.now };
        for output in act(&mut self.session, &mut cx)? {
            match output {
                Output::Send(line) => self.sent.push_back(line),
                Output::Event(event) => self.events.push(event),
                Output::Save => {}
            }
        }
        Ok(())
    }

    /// A line from the network.
    pub(crate) fn receive(&mut self, line: &str) {
        self.act(|session, cx| session.receive(cx, line));
    }

    /// Lets time pass.
    pub(crate) fn wait(&mut self, seconds: i64) {
        self.now = self.now.plus(seconds);
        self.act(|session, cx| session.tick(cx));
    }

    /// The lines for the network, taken.
    pub(crate) fn take(&mut self) -> Vec<String> {
        self.sent.drain(..).collect()
    }

    /// The decrypted texts, taken with all other events.
    pub(crate) fn heard(&mut self) -> Vec<String> {
        let texts = self.events.drain(..).filter_map(|event| match event {
            Event::Message { text, .. } => Some(text),
            _ => None,
        });
        texts.collect()
    }

    /// Whether something of the kind was told.
    pub(crate) fn was_told(&self, kind: impl Fn(&Event) -> bool) -> bool {
        self.events.iter().any(kind)
    }

    /// The running conversations.
    pub(crate) fn channels(&self) -> Vec<Channel> {
        let channels = self.session.instances().filter_map(|instance| match instance.protection {
            Protection::Encrypted { version, fingerprint, ssid, .. } => {
                Some(Channel { with: instance.tag, version, fingerprint, ssid: ssid.to_string() })
            }
            Protection::None | Protection::Finished => None,
        });
        channels.collect()
    }

    /// The tag by which they know us in this version.
    pub(crate) fn tag(&self, version: Version) -> InstanceTag {
        if version == Version::V2 { InstanceTag::V2 } else { self.account.tag() }
    }

    /// Our fingerprint in this version, in hexadecimal.
    pub(crate) fn fingerprint(&self, version: Version) -> String {
        match (version, self.account.v3_key()) {
            (Version::V4, _) | (_, None) => self.account.fingerprint().to_string(),
            (_, Some(key)) => key.fingerprint().to_string(),
        }
    }
}

/// A running conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Channel {
    pub(crate) with: InstanceTag,
    pub(crate) version: Version,
    pub(crate) fingerprint: ContactKey,
    pub(crate) ssid: String,
}

/// The system's generator, remembering what it gives.
struct Recording<'a> {
    drawn: &'a mut Vec<Vec<u8>>,
}

impl rand_core::TryRng for Recording<'_> {
    type Error = core::convert::Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Self::Error> {
        rng().try_next_u32()
    }

    fn try_next_u64(&mut self) -> Result<u64, Self::Error> {
        rng().try_next_u64()
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Self::Error> {
        rng().try_fill_bytes(out)?;
        self.drawn.push(out.to_vec());
        Ok(())
    }
}

impl rand_core::TryCryptoRng for Recording<'_> {}

/// The system's generator.
#[allow(clippy::disallowed_types, reason = "this program is the library's caller")]
pub(crate) fn rng() -> impl rand_core::CryptoRng {
    rand_core::UnwrapErr(getrandom::SysRng)
}

/// A published key of version 3, for tests only: making one takes longer than a case.
fn v3_key() -> DsaKey {
    v3_keys().next().expect("the vectors have a key file with a key")
}

/// All of them.
pub(crate) fn v3_keys() -> impl Iterator<Item = DsaKey> {
    let file: serde_json::Value =
        serde_json::from_str(include_str!("../vectors/v3-keys.json")).unwrap_or_default();
    let vectors = file["vectors"].as_array().cloned().unwrap_or_default();
    let files = vectors.into_iter().filter_map(|vector| vector["inputs"]["file"].as_str().map(str::to_owned));
    files.filter_map(|file| read_private_keys(file.as_bytes()).ok()).flatten().map(|(_, key)| key)
}
