//! To come.
pub(crate) mod secret;
pub(crate) mod kdf;
pub(crate) mod ed448;
pub(crate) mod dh3072;
pub(crate) mod ring;
