//! The prekey server from outside: over HTTP and XMPP, as a program, and killed in the middle of its work.

#![allow(clippy::indexing_slicing, clippy::panic, reason = "a test fails by panicking")]

mod cli;
mod client;
mod config;
mod crash;
mod faults;
mod hashed;
mod http;
mod limits;
mod metrics;
mod oblivious;
mod operator;
mod padding;
mod process;
mod proxy;
mod reload;
mod running;
mod scale_out;
mod sweeping;
mod xmpp;
