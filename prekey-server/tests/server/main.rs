//! The prekey server from outside: over HTTP, as a program, and killed in the middle of its work.

#![allow(clippy::indexing_slicing, clippy::panic, reason = "a test fails by panicking")]

mod cli;
mod client;
mod config;
mod crash;
mod http;
mod metrics;
mod operator;
mod process;
mod reload;
mod scale_out;
mod sweeping;
