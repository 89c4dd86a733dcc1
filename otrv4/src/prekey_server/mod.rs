//! To come.
pub(crate) mod messages;
pub(crate) mod proofs;
pub(crate) mod exchange;
