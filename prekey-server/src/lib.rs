//! An untrusted prekey server for OTRv4 over HTTP and XMPP: it keeps what people need to start a conversation with somebody
//! who is away, and hands every prekey out once.
//! Spec: otrv4-prekey-server.md (spec-notes/SN-024).
//!
//! | path | |
//! |---|---|
//! | `GET /v1/server` | identity, public key and fingerprint of the server |
//! | `POST /v1/accounts` | `{"identity"}`: registers it, gives the token, once |
//! | `POST /v1/messages` | one message of the protocol as text, one as the answer; `Authorization: Bearer TOKEN` says whose it is, an ensemble query needs none; `Idempotency-Key: KEY` with a query makes it safe to repeat |
//! | `GET /ohttp-keys`, `POST /ohttp` | queries through a relay, so that nobody knows both who asks and for whom: [`oblivious`] |
//! | `GET /v1/openapi.json` | all of this for machines; docs/api.md is for people |
//! | `GET /health`, `GET /readyz` | whether server and database work; `readyz` says no once the server is told to stop |
//! | `GET /livez` | whether the process answers |
//! | `GET /metrics` | of the operator's own listener alone ([`serve_operator`]): counts and durations |
//!
//! From the outside in: [`serve`] accepts connections, `http` turns requests into calls of the `service`, its
//! `engine` decides what a message means, the [`store`] keeps what was decided. [`xmpp::serve`] does the same for a network
//! that knows who sends.
//!
//! ```no_run
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! use prekey_server::store::Store;
//! let identity = prekey_server::key_file::load_or_create("key".as_ref(), "prekey.example.org")?;
//! let store = prekey_server::store::SqliteStore::open("prekeys.db".as_ref()).await?;
//! let names = store.names(None).await?;
//! let server = prekey_server::Server::new(store, names, identity, prekey_server::Settings::default());
//! let listener = tokio::net::TcpListener::bind("127.0.0.1:7448").await?;
//! prekey_server::serve(listener, server, std::future::pending()).await;
//! # Ok(()) }
//! ```

pub mod account;
mod caller;
mod connections;
mod engine;
mod http;
pub mod key_file;
pub mod limits;
mod metrics;
pub mod oblivious;
mod operator;
pub mod padding;
mod pending;
mod problem;
mod sealing;
mod serve;
mod server;
mod service;
mod settings;
pub mod store;
mod system;
mod upkeep;
mod workers;
pub mod xmpp;

pub use serve::{serve, serve_operator};
pub use server::Server;
pub use settings::{IllegalSettings, Registration, Settings};
pub use system::{now, rng};
pub use upkeep::RetentionDays;
