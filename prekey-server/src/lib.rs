//! An untrusted prekey server for OTRv4 over HTTP.
pub mod account;
pub mod store;
mod system;
