//! Off-the-Record Messaging, version 4, and versions 3 and 2 for those who have nothing newer: private conversations over
//! any messenger, without a proof of who said what.
//!
//! Two people who chat over XMPP, IRC or anything else that carries lines of text get: messages that nobody on the
//! way can read or change; keys that change all the time, so that a stolen device tells little of the past and is
//! locked out of the future; certainty about who is at the other end; and no signature anywhere, so that neither can
//! prove to a third person what the other one said. Both need not be online: whoever is away leaves one-time keys
//! with a *prekey server*, which nobody has to trust. Messages may arrive late, twice or in any order.
//!
//! The protocol is that of [otrv4.md](https://github.com/otrv4/otrv4), with Ed448, 3072-bit Diffie-Hellman,
//! SHAKE-256 and ChaCha20; each open point of the text and how it is settled here has a note in `spec-notes/`. Versions
//! 3 and 2, as libotr speaks them, need a key of their own ([`Account::set_v3_key`]), give less (their handshake signs; no
//! offline start; old mathematics), and are chosen only where version 4 is not possible; [`Policy`] says with whom they are
//! allowed. This implementation has not been audited.
//!
//! # How to use it
//!
//! The library does no input or output: no sockets, files, clock or random numbers of its own. An application has one
//! [`Account`] and, for each correspondent, one [`Session`]; it hands in lines and wishes, with a [`Context`] of
//! account, randomness and time, and performs the [`Output`]s that come back, in order.
//!
//! ```
//! use otrv4::keys::ForgingSecret;
//! use otrv4::{Account, Context, Event, Lifetimes, Output, Policy, Session, Timestamp};
//!
//! struct Client { account: Account, session: Session, network: Vec<String>, screen: Vec<String> }
//!
//! impl Client {
//!     fn new(me: &str, them: &str) -> Self {
//!         let account = Account::new(me, ForgingSecret::Destroy, Lifetimes::default(), &mut rng(), now());
//!         Self { account, session: Session::new(them, Policy::default()), network: vec![], screen: vec![] }
//!     }
//!
//!     /// One step: ask the session, then perform what it wants, in order.
//!     fn step(&mut self, ask: impl FnOnce(&mut Session, &mut Context<'_>) -> Vec<Output>) {
//!         let mut rng = rng();
//!         let mut cx = Context { account: &mut self.account, rng: &mut rng, now: now() };
//!         for output in ask(&mut self.session, &mut cx) {
//!             match output {
//!                 // Encrypt and keep both; if that fails, drop the outputs that follow.
//!                 Output::Save => _ = (self.account.save(), self.session.save()),
//!                 Output::Send(line) => self.network.push(line),
//!                 Output::Event(Event::Message { text, .. }) => self.screen.push(text),
//!                 Output::Event(_) => {} // a real client shows them all
//!             }
//!         }
//!     }
//! }
//!
//! let mut alice = Client::new("alice@example.org", "bob@example.org");
//! let mut bob = Client::new("bob@example.org", "alice@example.org");
//! alice.step(|session, cx| session.start(cx));
//! alice.step(|session, cx| session.send(cx, None, "Are you there?").expect("it waits for the handshake"));
//! while !(alice.network.is_empty() && bob.network.is_empty()) {
//!     for line in alice.network.split_off(0) { bob.step(|session, cx| session.receive(cx, &line)); }
//!     for line in bob.network.split_off(0) { alice.step(|session, cx| session.receive(cx, &line)); }
//! }
//! assert_eq!(bob.screen, ["Are you there?"]);
//! # fn now() -> Timestamp { Timestamp::from_unix(1_800_000_000) }
//! # fn rng() -> impl rand_core::CryptoRng { rand_core::UnwrapErr(getrandom::SysRng) }
//! ```
//!
//! # The modules, as the chapters of the text
//!
//! | floor | modules | holds |
//! |---|---|---|
//! | wire | [`wire`] | data types, what a line is, fragments, TLVs |
//! | crypto | `crypto` | SHAKE-256 by usage, Ed448, DH-3072, the ring signature; DSA, DH-1536, SHA-1, SHA-256, AES of older versions |
//! | identity | [`keys`], [`client_profile`], [`prekey_profile`], [`prekey`] | long-lived keys, fingerprints, profiles, prekey messages |
//! | engines | `dake`, `ratchet`, `smp` | DAKEZ and XZDH; the Double Ratchet; SMP over Ed448 and over DH-1536 |
//! | versions | `v4`, `v3`, `channel` | data messages of version 4; key exchange and data messages of versions 3 and 2; what all share |
//! | session | [`session`], [`account`] | the state machine; keys, profiles and prekeys with their renewal, whom we know |
//! | beside them | [`prekey_server`] | the protocol with the prekey server, both roles |
//! | | [`libotr`] | the key files of Pidgin, irssi and Profanity |
//! | | [`forge`] | forged messages: what makes a transcript worth nothing as evidence |
//!
//! Imports go down only, which a test checks.

pub mod account;
pub(crate) mod channel;
pub mod client_profile;
pub(crate) mod crypto;
pub(crate) mod dake;
#[cfg(test)]
mod floors;
pub mod forge;
#[cfg(feature = "inside")]
#[doc(hidden)]
pub mod inside;
pub mod keys;
pub mod libotr;
pub mod prekey;
pub mod prekey_profile;
pub mod prekey_server;
pub(crate) mod ratchet;
mod refused;
mod reject;
pub mod session;
pub(crate) mod smp;
mod time;
pub(crate) mod v3;
pub(crate) mod v4;
#[cfg(test)]
mod vectors;
pub mod wire;

pub use account::{Account, Contact, ContactKey, KnownKey, Lifetimes, Publishing, Verification};
pub use channel::ExtraKey;
pub use crypto::{ed448::Point, secret::Secret};
pub use dake::{Mode, Ssid};
pub use keys::{Fingerprint, FingerprintV3};
pub use prekey::PrekeyEnsemble;
pub use refused::{LoadError, Refused};
pub use reject::Reject;
pub use session::{Context, Event, InstanceView, Output, Policy, Protection, Session};
pub use time::Timestamp;
