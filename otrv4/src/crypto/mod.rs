//! To come.
pub(crate) mod dh3072;
pub(crate) mod ed448;
pub(crate) mod kdf;
pub(crate) mod ring;
pub(crate) mod secret;
