//! The prekey server from outside: over HTTP and XMPP, as a program, and killed in the middle of its work.

#![allow(clippy::indexing_slicing, clippy::panic, reason = "a test fails by panicking")]

mod cli;
mod client;
mod crash;
mod http;
mod operator;
mod process;
mod scale_out;
mod xmpp;
