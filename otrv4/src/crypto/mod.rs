//! Secrets, hashes, ciphers and groups: the arithmetic below the protocols of all versions.
//! Spec: otrv4.md "Notation and Parameters" and "Ring Signature Authentication".
//! Used by every module above; knows nothing of messages.

pub(crate) mod dh1536;
pub(crate) mod dh3072;
pub(crate) mod dsa;
pub(crate) mod ed448;
pub(crate) mod kdf;
pub(crate) mod legacy;
pub(crate) mod mac;
mod modp;
pub(crate) mod ring;
pub(crate) mod secret;
