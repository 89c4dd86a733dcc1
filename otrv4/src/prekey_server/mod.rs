//! To come.
pub(crate) mod exchange;
pub(crate) mod messages;
pub(crate) mod proofs;
