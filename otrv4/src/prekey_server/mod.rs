//! The prekey protocol, both roles: publishing prekeys on an untrusted server, and fetching ensembles from it.
//! Spec: otrv4-prekey-server.md (spec-notes/SN-024). Used by the account and by the server program; knows nothing of
//! how messages travel or where prekeys are kept.
//!
//! | | publisher | server |
//! |---|---|---|
//! | DAKE-1 | [`Publisher::start`] | [`PendingDake::answer`] |
//! | DAKE-2, DAKE-3 | [`Publisher::receive_dake2`] | [`PendingDake::finish`], [`Authenticated::check`] |
//! | Success, Failure, Storage Status | [`AwaitReply::receive`] | [`ReplyKey`] |
//! | Ensemble Query and its answers | [`ensemble_query`], [`read_ensembles`] | [`retrieval`], [`no_ensembles`] |

#[cfg(feature = "inside")]
pub(crate) mod dishonest;
mod exchange;
mod fragment;
mod messages;
mod proofs;
mod publication;
mod publisher;
#[cfg(test)]
mod replay;
#[cfg(feature = "inside")]
pub(crate) mod rewriting;
mod server;
mod statement;
#[cfg(test)]
mod tests;

pub(crate) use fragment::{FRAGMENT_PREFIX, read_fragment};
pub use fragment::{FragmentAssembler, cut_text};
pub use messages::{
    Dake1, Dake3, EnsembleQuery, MAX_ENSEMBLES, MAX_IDENTITY, MAX_REQUEST, MAX_TEXT, Request, decode_text,
    encode_text, ensemble_query, no_ensembles, read_ensembles, retrieval,
};
pub use publication::{MAX_PREKEYS, ServerReply};
pub use publisher::{AwaitReply, PublishRequest, Publisher, ServerKey};
pub use server::{Authenticated, Checked, PendingDake, Publication, ReplyKey, ServerIdentity};
pub use statement::verify_statement;
